"""Rows of token ids inside the graph: what `tfglue.data.features.Features` are outside it."""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class TokenRows:
    """Packed rows, ragged and never padded.

    Args:
        token_ids: int32 (tokens,), of all rows in a row, special tokens included.
        row_splits: int64 (rows + 1,), the borders between rows.
        first_lengths: int32 (rows,), how many tokens of each row belong to segment 0.
    """

    token_ids: tf.Tensor
    row_splits: tf.Tensor
    first_lengths: tf.Tensor

    @classmethod
    def of(cls, rows: tf.RaggedTensor, first_lengths: tf.Tensor) -> "TokenRows":
        """Rows from int32 ids (rows, (tokens))."""
        return cls(rows.values, rows.row_splits, tf.cast(first_lengths, tf.int32))

    @property
    def lengths(self) -> tf.Tensor:
        """Tokens of each row, int32 (rows,)."""
        return tf.cast(self.row_splits[1:] - self.row_splits[:-1], tf.int32)

    def padded(self, rows: tf.Tensor, longest: tf.Tensor) -> dict[str, tf.Tensor]:
        """The chosen rows as the model reads them, as `tfglue.data.batches.padded_batch` pads.

        Args:
            rows: int32 (batch,).
            longest: int32, the tokens that all rows are padded to.
        """
        positions = tf.range(longest)
        starts = tf.cast(tf.gather(self.row_splits, rows), tf.int32)
        ends = tf.cast(tf.gather(self.row_splits, rows + 1), tf.int32)
        mask = positions < (ends - starts)[:, None]
        places = tf.minimum(starts[:, None] + positions, tf.size(self.token_ids) - 1)
        second = positions >= tf.gather(self.first_lengths, rows)[:, None]
        padding_mask = tf.cast(mask, tf.int32)
        return {
            "token_ids": tf.gather(self.token_ids, places) * padding_mask,
            "segment_ids": tf.cast(mask & second, tf.int32),
            "padding_mask": padding_mask,
        }


def pack_rows(
    columns: list[tf.RaggedTensor], *, max_length: int, cls_id: int, sep_id: int
) -> TokenRows:
    """Packs one or two columns of int32 ids (rows, (tokens)) as `tfglue.data.features.pack` does.

    [CLS] a [SEP] b [SEP]; pairs lose tokens from the end of the longer field, one at a time, and
    from the second one when both are equally long.
    """
    kept = _truncated([column.row_lengths() for column in columns], max_length - 1 - len(columns))
    shown = [first_of_each(column, own) for column, own in zip(columns, kept, strict=True)]
    return with_special_tokens(shown, cls_id, sep_id)


def with_special_tokens(columns: list[tf.RaggedTensor], cls_id: int, sep_id: int) -> TokenRows:
    """[CLS], then each column's int32 ids (rows, (tokens)) with a [SEP] behind them."""
    one = tf.ones([columns[0].nrows(), 1], tf.int32)
    parts = [one * cls_id]
    for column in columns:
        parts += [column, one * sep_id]
    return TokenRows.of(tf.concat(parts, axis=1), columns[0].row_lengths() + 2)


def first_of_each(column: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """The first values of each row of `column`, so many as int64 `lengths` (rows,) says."""
    places = tf.ragged.range(column.row_starts(), column.row_starts() + lengths)
    return tf.gather(column.values, places)


def _truncated(lengths: list[tf.Tensor], room: int) -> list[tf.Tensor]:
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], room)]
    first, second = lengths
    short_first = tf.minimum(first, (room + 1) // 2)
    short_second = tf.minimum(second, room // 2)
    fits = first + second <= room
    return [
        tf.where(fits, first, tf.minimum(first, room - short_second)),
        tf.where(fits, second, tf.minimum(second, room - short_first)),
    ]
