"""Tokens that training does not see: the `--word_dropout` setting."""

from collections.abc import Mapping

import tensorflow as tf

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.training.replicas import replica_draw

_SITE = 0x57_44  # Folded into the seed, so that no mask of dropout depends on the same numbers.


class WordDropout:
    """Replaces a random share of the tokens by ``[UNK]``; ``[CLS]`` and ``[SEP]`` stay.

    What MT-DNN's code calls ``dropout_w``. Which tokens is a function of the forward pass's seed,
    whatever the number of devices.

    Args:
        rate: share of the tokens, over 0 and under 1.
        tokenizer: the encoder's.

    Raises:
        UserError: the rate is not between 0 and 1.
    """

    def __init__(self, rate: float, tokenizer: BertTokenizer):
        if not 0 < rate < 1:
            raise UserError(f"--word_dropout {rate:g}: expected a share over 0 and under 1")
        self.rate = rate
        self.unknown = tokenizer.unk_id
        self.kept = (tokenizer.cls_id, tokenizer.sep_id)

    def __call__(
        self, batch: Mapping[str, tf.Tensor], seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The rows of this replica with other ``token_ids``.

        Args:
            batch: padded rows.
            seed: int32 (2,), of the forward pass, the same on every replica.
        """
        token_ids = batch["token_ids"]
        seed = tf.random.experimental.stateless_fold_in(seed, _SITE)
        drawn = replica_draw(
            lambda shape: tf.random.stateless_uniform(shape, seed), tf.shape(token_ids)
        )
        dropped = (drawn < self.rate) & (batch["padding_mask"] == 1)
        for kept in self.kept:
            dropped &= token_ids != kept
        return {**batch, "token_ids": tf.where(dropped, self.unknown, token_ids)}
