"""TextEmb: the average text of a task, as an encoder without fine-tuning reads it (Vu et al. 2020,
3.1)."""

from collections.abc import Callable

import numpy as np
from keras import ops

from tfglue.activations.hidden_states import HiddenStates
from tfglue.data.batches import batches_by_length
from tfglue.data.features import Features
from tfglue.models.encoder import BertEncoder
from tfglue.transfer.components import AVERAGE, POOLED

PER = ("window", "question")

_BATCH = 64


def text_embedding(
    encoder: BertEncoder,
    features: Features,
    per: str = "window",
    done: Callable[[int], None] = lambda rows: None,
) -> dict[str, np.ndarray]:
    """Averages over rows, each row counting alike.

    ``avg_sequence_output`` is the mean of a row's last hidden states over its real tokens, [CLS]
    and [SEP] included, then the mean over rows; ``pooled_output`` that of the pooled output.

    Args:
        encoder: runs in float32 without dropout.
        features: rows; labels are not looked at.
        per: ``window``: as published, so a passage of many windows counts as often; ``question``:
            rows of one question (or sentence) are averaged first.
        done: told the rows of every batch.

    Returns:
        Component -> float32 (hidden_dim,).
    """
    states = HiddenStates(encoder, (encoder.num_layers,))
    means = {name: np.empty((len(features), encoder.hidden_dim)) for name in (AVERAGE, POOLED)}
    for rows in batches_by_length(features, _BATCH):
        last = states(features, rows)[:, :, 0]
        lengths = features.lengths[rows]
        mask = np.arange(last.shape[1]) < lengths[:, None]
        sums = np.einsum("bth,bt->bh", last, mask, dtype=np.float64, casting="unsafe")
        means[AVERAGE][rows] = sums / lengths[:, None]
        means[POOLED][rows] = ops.convert_to_numpy(encoder.pooler(last[:, 0]))
        done(len(rows))
    if per == "question":
        means = {name: _by_example(value, features) for name, value in means.items()}
    return {name: value.mean(axis=0).astype(np.float32) for name, value in means.items()}


def _by_example(values: np.ndarray, features: Features) -> np.ndarray:
    """Means of the rows of each example that has any."""
    _, number, counts = np.unique(
        features.example_of_row, return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, number, values)
    return sums / counts[:, None]
