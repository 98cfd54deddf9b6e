"""Padded batches of rows.

NumPy gathers and pads a batch in a tenth of a millisecond; tf.data takes longer to hand one over,
and keeps a copy of the features for every epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfglue.data.batch_plan import cut, rows_of_groups
from tfglue.data.features import NO_LABEL, Features
from tfglue.data.masking import MASKED_LABELS, MASKED_POSITIONS, MASKED_TOKEN_IDS

MODEL_INPUTS = ("token_ids", "segment_ids", "padding_mask")
"""What of a batch the encoder reads."""

HIDDEN_STATES = "hidden_states"
"""What of a batch stands in for the encoder, where it was computed before."""


def batches_by_length(features: Features, batch_size: int) -> list[np.ndarray]:
    """Row arrays for inference: every row once, longest first so that memory peaks at once.

    The rows of a group are in one of them, however large it then is.
    """
    if features.group_of_row is None:
        return cut(np.argsort(-features.lengths, kind="stable"), batch_size)
    groups = rows_of_groups(features.group_of_row)
    longest = np.array([features.lengths[rows].max() for rows in groups])
    batches: list[list[np.ndarray]] = []
    room = 0
    for group in np.argsort(-longest, kind="stable"):
        if len(groups[group]) > room:
            batches.append([])
            room = batch_size
        batches[-1].append(groups[group])
        room -= len(groups[group])
    return [np.concatenate(batch) for batch in batches]


@dataclass(frozen=True)
class Padding:
    """How far a batch is padded beyond its longest row.

    Args:
        row_multiple: rows are rounded up to a multiple of this, by copies of the first row that
            count for nothing, so that replicas get equally many.
        lengths: widths that a batch may have, for devices that compile a program for each; empty
            for the width of the longest row.
    """

    row_multiple: int = 1
    lengths: tuple[int, ...] = ()


NO_PADDING = Padding()


def padded_batch(
    features: Features, rows: np.ndarray, padding: Padding = NO_PADDING
) -> dict[str, tf.Tensor]:
    """The named rows as one padded batch.

    Returns:
        ``token_ids``, ``segment_ids``, ``padding_mask`` (int32, (batch, time), time being the
        longest row's), ``hidden_states`` where they are stored, and, for labelled features,
        ``labels`` ((batch,), (batch, labels) or, one a token, (batch, time)), ``groups`` (int32,
        (batch,)) where losses are of groups, ``row_mask`` (float32, (batch,)), which is 0 for rows
        that are padding, and `Features.targets` under their names; where tokens are masked, what
        `MaskedTokens.padded` gives.
    """
    count = len(rows)
    rows = np.concatenate([rows, np.repeat(rows[:1], -count % padding.row_multiple)])
    starts = features.row_splits[rows]
    lengths = features.row_splits[rows + 1] - starts
    longest = lengths.max()
    positions = np.arange(min((n for n in padding.lengths if n >= longest), default=longest))
    mask = positions < lengths[:, None]
    second = positions >= features.first_lengths[rows][:, None]
    places = np.minimum(starts[:, None] + positions, len(features.token_ids) - 1)
    batch = {
        "token_ids": features.token_ids[places] * mask,
        "segment_ids": (mask & second).astype(np.int32),
        "padding_mask": mask.astype(np.int32),
    }
    if features.masked is not None:
        batch |= features.masked.padded(
            rows, batch["token_ids"], features.token_ids, starts, fixed_sizes=bool(padding.lengths)
        )
    if features.stored is not None:
        batch[HIDDEN_STATES] = features.stored.padded(rows, len(positions))
    if features.labels is not None:
        if features.label_per_token:
            batch["labels"] = np.where(mask, features.labels[places], NO_LABEL)
        else:
            batch["labels"] = features.labels[rows]
        if features.group_of_row is not None:
            batch["groups"] = features.group_of_row[rows].astype(np.int32)
        batch["row_mask"] = (np.arange(len(rows)) < count).astype(np.float32)
        batch |= {name: values[rows] for name, values in features.targets.items()}
    return {name: tf.constant(array) for name, array in batch.items()}


def free_sizes(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.TensorSpec]:
    """Signature of batches like this one, of any size, so that a step is traced once for all."""
    return {
        # Hidden states have free rows and tokens; layers and units are an encoder's.
        name: tf.TensorSpec([None] * min(value.shape.rank, 2) + value.shape[2:], value.dtype)
        for name, value in batch.items()
    }


def model_inputs(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What of a batch the model reads."""
    return {name: batch[name] for name in (*MODEL_INPUTS, HIDDEN_STATES) if name in batch}


def masked_inputs(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What of a batch a language model reads: rows with masked tokens, and what stood there."""
    masked = {name: batch[name] for name in (MASKED_POSITIONS, MASKED_LABELS)}
    return model_inputs(batch) | {"token_ids": batch[MASKED_TOKEN_IDS]} | masked
