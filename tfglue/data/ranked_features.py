"""Candidates of queries as rows, which are ranked group by group."""

from dataclasses import dataclass, replace

import numpy as np

from tfglue.data.encode import encode
from tfglue.data.features import NO_LABEL, Features
from tfglue.data.ranked_examples import RIGHT, RankedExamples
from tfglue.data.tokenizer import BertTokenizer


@dataclass(frozen=True, kw_only=True)
class RankedFeatures(Features):
    """Rows of pairs; labels are those of pairs in whole groups, `NO_LABEL` elsewhere.

    Args:
        group_of_row: int64 (rows,); rows of one group are ranked against each other.
        pair_of_row: int64 (rows,), the number of the example that a row is of.
    """

    group_of_row: np.ndarray
    pair_of_row: np.ndarray

    @property
    def loss_terms(self) -> np.ndarray:
        """int64 (rows,): a group has one loss, which its right candidate answers for."""
        return (self.labels == RIGHT).astype(np.int64)

    @property
    def example_of_row(self) -> np.ndarray:
        """Which pair each row is of, int64 (rows,)."""
        return self.pair_of_row

    def take(self, rows: np.ndarray) -> "RankedFeatures":
        """The named rows in this order."""
        return _in_groups(super().take(rows), self.group_of_row[rows], self.pair_of_row[rows])


def ranked_features(
    examples: RankedExamples, tokenizer: BertTokenizer, max_length: int, training: bool
) -> RankedFeatures:
    """Tokenizes pairs and packs rows of at most `max_length` tokens.

    Args:
        examples: the pairs.
        tokenizer: the encoder's.
        max_length: tokens of a row at most.
        training: whether groups without one right candidate beside wrong ones are left out.
    """
    pairs = np.flatnonzero(examples.complete) if training else np.arange(len(examples))
    features = encode(examples.take(pairs), tokenizer, max_length)
    if features.labels is not None:
        labels = np.where(examples.complete[pairs], features.labels, NO_LABEL).astype(np.int32)
        features = replace(features, labels=labels)
    return _in_groups(features, examples.group_of_example[pairs], pairs)


def _in_groups(features: Features, groups: np.ndarray, pairs: np.ndarray) -> RankedFeatures:
    return RankedFeatures(
        token_ids=features.token_ids,
        row_splits=features.row_splits,
        first_lengths=features.first_lengths,
        labels=features.labels,
        truncated=features.truncated,
        group_of_row=groups,
        pair_of_row=pairs,
    )
