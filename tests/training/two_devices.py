"""Runs in a process of its own: trains on one device and on two logical ones, prints differences.

    python -m tests.training.two_devices TASK OPTIMIZER BATCH_SIZE ACCUMULATE CLIP_NORM [OPTION]

TASK is one of `TASK_KINDS`. OPTION is fixed: the two devices get batches padded as for a TPU; or
terms: the loss has distillation, smoothing and masked words beside it, tokens are dropped, and
batches are cut by tokens.
"""

import json
import sys
from dataclasses import replace

import numpy as np
import tensorflow as tf

from tests.training.small_model import (
    TASK_KINDS,
    small_features,
    small_model,
    small_step,
    values,
)
from tfglue.data.batch_plan import BatchPlan
from tfglue.data.masking import Masking
from tfglue.models.initialization import initialize_weights
from tfglue.models.masked_head import MaskedHead
from tfglue.models.transfer_model import TransferModel
from tfglue.training.adversarial import Smoothing
from tfglue.training.devices import open_strategy
from tfglue.training.distillation import SOFT_TARGETS, Distillation
from tfglue.training.masked_words import MaskedWords
from tfglue.training.prediction import Predictor
from tfglue.training.replicas import padding_for, replica_seed
from tfglue.training.smart_config import read_smart
from tfglue.training.task_batches import TaskBatches
from tfglue.training.word_dropout import WordDropout

UPDATES = 50


class SpecialTokens:
    """What `WordDropout` asks a tokenizer for."""

    unk_id, cls_id, sep_id = 0, 7, 8


def train(strategy, task, optimizer, batch_size, accumulate, clip_norm, fixed_shapes, terms):
    """Weights, optimizer variables, losses and logits after some updates."""
    with strategy.scope():
        model, features = small_model(num_layers=1), small_features(task)
        more, tokens = {}, None
        if terms:
            head = MaskedHead.of(model.encoder)
            initialize_weights(head.named_weights(), 0.2, 4)
            model = TransferModel(model.encoder, model.heads, language_model=head)
            special = np.arange(50) < 5
            masking = Masking(0.3, False, 0, task, 4, special, np.zeros(50, bool))
            random = np.random.default_rng(1)
            soft = random.dirichlet(np.ones(3), len(features)).astype(np.float32)
            features = replace(features, targets={SOFT_TARGETS: soft}, masking=masking)
            smoothing = Smoothing(read_smart("l2:bound=0.5,step=0.5,noise=0.1"), [task])
            masked_words = MaskedWords(0.5, {task: 1.0})
            more["terms"] = [Distillation(1.0, 2.0, [task]), smoothing, masked_words]
            more["word_dropout"] = WordDropout(0.2, SpecialTokens)
            tokens = 21 * batch_size
        step = small_step(
            model, optimizer, clip_norm, learning_rate=RATES[optimizer], **more
        )
        padding = padding_for(strategy.num_replicas_in_sync, batch_size, 24, fixed_shapes)
        plan = BatchPlan(
            features.lengths, batch_size, accumulate, 3, task, "grouped", batch_tokens=tokens
        )
        updates = TaskBatches(features, plan, padding).updates()
        losses, shapes = [], set()
        for _ in range(UPDATES):
            update = next(updates)
            shapes |= {tuple(batch["token_ids"].shape) for batch in update.batches}
            seeds = [np.zeros(2, np.int32)] * len(update.batches)
            loss = step(task, update.batches, update.divisor, seeds)
            losses.append(float(loss) / update.loss_terms)
        outputs = Predictor(model, TASK_KINDS, 8).outputs(task, features)
    state = [np.asarray(variable) for variable in step.optimizer.variables]
    return values(model), state, losses, outputs, sorted(shapes)


def dropout_masks(strategy):
    """The mask that each replica draws from the same seed."""
    with strategy.scope():
        layer = small_model(dropout=0.5).encoder.embeddings.dropout

    def replica():
        return layer(tf.ones([4, 16]), seed=replica_seed(tf.constant([1, 2])))

    return [np.asarray(m) for m in strategy.experimental_local_results(strategy.run(replica))]


# A rate of fine-tuning: at high ones Adam turns the rounding of gradients near zero into updates.
RATES = {"sgd": 0.05, "adamw": 1e-4}


def main():
    task, optimizer, batch_size, accumulate, clip_norm, *options = sys.argv[1:]
    settings = (task, optimizer, int(batch_size), int(accumulate), float(clip_norm))
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    terms = "terms" in options
    one = train(open_strategy("none"), *settings, False, terms)
    two = train(open_strategy("mirrored"), *settings, "fixed" in options, terms)
    first, second = dropout_masks(open_strategy("mirrored"))
    start = values(small_model(num_layers=1))
    print(json.dumps({
        "replicas": open_strategy("mirrored").num_replicas_in_sync,
        "moved": max(float(np.abs(one[0][n] - start[n]).max()) for n in start),
        "weights": max(float(np.abs(one[0][n] - two[0][n]).max()) for n in one[0]),
        "state": max(float(np.abs(a - b).max()) for a, b in zip(one[1], two[1], strict=True)),
        "losses": float(np.abs(np.subtract(one[2], two[2])).max()),
        "logits": float(np.abs(one[3].logits - two[3].logits).max()),
        "answer losses": float(np.abs(one[3].losses - two[3].losses).max()),
        "shapes": two[4],
        "masks differ": bool((first != second).any()),
    }))


if __name__ == "__main__":
    main()
