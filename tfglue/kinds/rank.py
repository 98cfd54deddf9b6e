"""Which of a query's candidates is the right one."""

import numpy as np
from keras import ops

from tfglue.data.ranked_examples import RIGHT
from tfglue.data.ranked_features import ranked_features
from tfglue.data.rows import as_declared
from tfglue.kinds.kind import CHOICE, Kind
from tfglue.models.encoder import MASKED_SCORE
from tfglue.predictions.ranks import RankPredictions


class Rank(Kind):
    """A score for every candidate, and a softmax over those of one query (Liu et al. 2019, 3).

    An example is one pair; pairs of one group share a forward pass. The loss of a group is the
    cross-entropy of its right candidate, and the best candidate is the answer.
    """

    answers = CHOICE

    def encode(self, task, examples, tokenizer, config, training=False):
        """Rows of pairs; trained are the groups with one right candidate beside wrong ones.

        Raises:
            UserError: there is none to train on.
        """
        if training:
            examples.check_scored()
        return ranked_features(examples, tokenizer, config.max_length, training)

    def typed(self, task, rows, origin):
        """Pairs in groups of one query. Raises UserError for a query that is blank."""
        places = [f"{origin}:{number}" for number in range(1, len(rows) + 1)]
        return as_declared(super().typed(task, rows, origin), task, places)

    def num_outputs(self, task):
        """One, the score of a candidate."""
        return 1

    def losses(self, batch, logits):
        """Cross-entropy in nats, at the right candidate of each whole group; 0 for other rows.

        Args:
            batch: labels are `RIGHT`, 1, or `NO_LABEL`, int32 (batch,); ``groups`` int32 (batch,),
                equal for candidates of one query, all of which are there.
            logits: (batch, 1).
        """
        scores = ops.cast(logits, "float32")[:, 0]
        totals = ops.logsumexp(self._of_its_group(batch, scores), axis=1)
        return ops.where(_is_right(batch), totals - scores, 0.0)

    def choice_logits(self, batch, logits):
        """At the right candidate of each group, scores of all candidates of it; others have none.

        A group so counts once, as it does in the loss.

        Args:
            batch: as in `losses`.
            logits: (batch, 1).
        """
        scores = ops.cast(logits, "float32")[:, 0]
        return ops.where(_is_right(batch)[:, None], self._of_its_group(batch, scores), 0.0)

    def _of_its_group(self, batch, scores):
        """For each row the scores of all rows, (batch, batch), those of other groups masked."""
        groups = batch["groups"]
        others = ops.cast(groups[:, None] != groups[None, :], "float32")
        return scores[None, :] + others * MASKED_SCORE

    def predictions(self, task, examples, features, outputs, config, calibration):
        """The best candidate of each query."""
        return RankPredictions(task, examples, features, outputs)

    def note(self, examples, features):
        """What of the pairs is ranked."""
        return f", {examples.coverage}"

    def floor(self, task, examples):
        """The accuracy of a candidate drawn at random for each query."""
        sizes = np.bincount(examples.group_of_example[examples.complete])
        sizes = sizes[sizes > 0]
        return float(np.sum(1 + (sizes - 1) * (sizes - 2) / sizes) / sizes.sum())


def _is_right(batch):
    return ops.cast(batch["labels"], "int32") == RIGHT
