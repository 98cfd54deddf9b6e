"""Tokens that were masked, to be found again: what language models learn."""

import math

from keras import ops

from tfglue.data.batches import masked_inputs
from tfglue.data.features import NO_LABEL
from tfglue.data.masking import MASKED_LABELS, Masking
from tfglue.data.text_rows import row_facts, text_rows
from tfglue.errors import UserError
from tfglue.kinds.kind import Kind
from tfglue.models.masked_head import MaskedHead
from tfglue.predictions.masked import MaskedPredictions

# Not the run's, so that scores of different runs are of the same masked tokens.
_SCORED_SEED = 20_190_529

_MANY_WORDS = 200_000


class Masked(Kind):
    """Cross-entropy of masked tokens, and of whether two segments follow each other.

    Devlin et al. 2019, 3.1. What is masked in training rows is drawn anew in every epoch, in all
    others once, whatever the run's seed is.
    """

    def encode(self, task, examples, tokenizer, config, training=False):
        """Rows of packed sentences, or pairs of segments where the task has two texts."""
        masking = Masking.of(
            tokenizer, config.mask_rate, config.whole_words,
            config.seed if training else _SCORED_SEED, task.name,
        )
        rows = text_rows(
            examples, tokenizer, config.max_length, masking, pairs=_of_pairs(task)
        )
        return rows if training else rows.of_epoch(0)

    def inputs(self, batch):
        """Rows with masked tokens."""
        return masked_inputs(batch)

    def typed(self, task, rows, origin):
        """Raises UserError: there is nothing to answer."""
        raise UserError(
            f"{task.name}: a language model answers no texts; train a task from it (--init), or "
            "score a text file with python -m tfglue.evaluate --input FILE"
        )

    def num_outputs(self, task):
        """Losses and hits, and two logits of pairs."""
        return 4 if _of_pairs(task) else 2

    def head(self, task, encoder, config, dropout=None):
        """The language model's, whose words are the encoder's."""
        self.check_head(task, config)
        if not hasattr(encoder, "vocabulary_size"):
            raise UserError(
                f"{task.name}: a language model's head belongs to the word embeddings of its "
                "encoder, and cannot be shipped or added alone"
            )
        return MaskedHead.of(encoder, _of_pairs(task))

    def check_head(self, task, config):
        """Raises UserError for any head but the default."""
        if config.name != "linear":
            raise UserError(f"--head {config.name}: {task.name} has one of its own; leave it out")

    def losses(self, batch, logits):
        """Cross-entropies of a row's masked tokens, summed; of pairs with the second loss.

        The mean over all masked tokens is BERT's loss: theirs, plus that of the pairs, each pair
        weighing as much as it has masked tokens.

        Args:
            batch: ``masked_labels`` as `MaskedTokens.padded` gives them; labels of pairs, int32
                (batch,).
            logits: as `MaskedHead` gives them.
        """
        losses = logits[:, 0]
        if logits.shape[-1] == 2:
            return losses
        log_probabilities = ops.log_softmax(logits[:, 2:], axis=-1)
        labels = ops.cast(batch["labels"], "int32")[:, None]
        of_pairs = -ops.take_along_axis(log_probabilities, labels, axis=-1)[:, 0]
        return losses + of_pairs * masked_counts(batch)

    def predictions(self, task, examples, features, outputs, config, calibration):
        """What is found of each row."""
        return MaskedPredictions(task, examples, features, outputs)

    def note(self, examples, features):
        """Of what the sections are, and into how many rows they went."""
        pairs = bool((features.first_lengths < features.lengths).any())
        return "".join(f", {fact}" for fact in row_facts(examples, features, pairs))

    def floor(self, task, examples):
        """The log-probability of a word drawn from a vocabulary larger than any BERT's."""
        return -math.log(_MANY_WORDS)


def masked_counts(batch):
    """How many tokens of each row are masked, float32 (batch,)."""
    return ops.sum(ops.cast(batch[MASKED_LABELS] != NO_LABEL, "float32"), axis=1)


def _of_pairs(task) -> bool:
    return len(task.text_fields) == 2
