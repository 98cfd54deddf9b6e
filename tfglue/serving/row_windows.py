"""Windows over long token sequences, cut in the graph."""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class RowWindows:
    """`tfglue.data.windows.Windows` inside the graph; all are int64.

    Args:
        sequence: (windows,), the sequence that each window shows.
        starts: (windows,), its first token in the sequence.
        lengths: (windows,), how many tokens it shows.
    """

    sequence: tf.Tensor
    starts: tf.Tensor
    lengths: tf.Tensor

    @classmethod
    def cut(cls, lengths: tf.Tensor, room: tf.Tensor, stride: int) -> "RowWindows":
        """Cuts sequences as `tfglue.data.windows.cut_windows` does.

        Args:
            lengths: int64 (sequences,), tokens of each.
            room: int64 (sequences,), tokens that a window of each may show, at least 1.
            stride: tokens from the beginning of a window to the next, cut to the room.
        """
        step = tf.minimum(room, stride)
        counts = 1 + tf.maximum(tf.zeros_like(lengths), -((room - lengths) // step))
        sequence = tf.repeat(tf.range(tf.size(lengths, out_type=tf.int64)), counts)
        number = tf.range(tf.size(sequence, out_type=tf.int64))
        number -= tf.repeat(tf.cumsum(counts, exclusive=True), counts)
        starts = number * tf.gather(step, sequence)
        return cls(
            sequence, starts,
            tf.minimum(tf.gather(room, sequence), tf.gather(lengths, sequence) - starts),
        )

    def places(self) -> tf.RaggedTensor:
        """For each window the places of its tokens in the sequence, (windows, (tokens))."""
        return tf.ragged.range(self.starts, self.starts + self.lengths)

    def most_context(self, sequence_lengths: tf.Tensor) -> tf.Tensor:
        """As `Windows.most_context`: bool (tokens shown,), whether the window is a token's best.

        Args:
            sequence_lengths: int64 (sequences,).
        """
        places = self.places()
        window, place = places.value_rowids(), places.values
        within = place - tf.gather(self.starts, window)
        length = tf.gather(self.lengths, window)
        score = tf.cast(tf.minimum(within, length - within - 1), tf.float64)
        score += 0.01 * tf.cast(length, tf.float64)
        first_token = tf.cumsum(sequence_lengths, exclusive=True)
        token = tf.gather(first_token, tf.gather(self.sequence, window)) + place
        tokens = tf.reduce_sum(sequence_lengths)
        best = tf.gather(tf.math.unsorted_segment_max(score, token, tokens), token)
        number = tf.range(tf.size(token, out_type=tf.int64))
        number_if_best = tf.where(score == best, number, tf.int64.max)
        earliest = tf.math.unsorted_segment_min(number_if_best, token, tokens)
        return tf.gather(earliest, token) == number
