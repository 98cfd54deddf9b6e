"""Runs in a process of its own: trains on one device and on two logical ones, prints differences.

    python -m tests.training.two_devices TASK OPTIMIZER BATCH_SIZE ACCUMULATE CLIP_NORM [FIXED]

TASK is one of `TASK_KINDS`. With FIXED, the two devices get batches padded as for a TPU.
"""

import json
import sys

import numpy as np
import tensorflow as tf

from tests.training.small_model import (
    TASK_KINDS,
    small_features,
    small_model,
    small_step,
    values,
)
from tfglue.data.batches import BatchPlan
from tfglue.training.devices import open_strategy
from tfglue.training.prediction import Predictor
from tfglue.training.replicas import padding_for, replica_seed
from tfglue.training.task_batches import TaskBatches

UPDATES = 50


def train(strategy, task, optimizer, batch_size, accumulate, clip_norm, fixed_shapes):
    """Weights, optimizer variables, losses and logits after some updates."""
    with strategy.scope():
        model, features = small_model(num_layers=1), small_features(task)
        step = small_step(model, optimizer, clip_norm, learning_rate=RATES[optimizer])
        padding = padding_for(strategy.num_replicas_in_sync, batch_size, 24, fixed_shapes)
        plan = BatchPlan(features.lengths, batch_size, accumulate, 3, task, "grouped")
        updates = TaskBatches(features, plan, padding).updates()
        losses, shapes = [], set()
        for _ in range(UPDATES):
            update = next(updates)
            shapes |= {tuple(batch["token_ids"].shape) for batch in update.batches}
            seeds = [np.zeros(2, np.int32)] * len(update.batches)
            loss = step(task, update.batches, update.loss_terms, seeds)
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
    task, optimizer, batch_size, accumulate, clip_norm, *fixed = sys.argv[1:]
    settings = (task, optimizer, int(batch_size), int(accumulate), float(clip_norm))
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    one = train(open_strategy("none"), *settings, False)
    two = train(open_strategy("mirrored"), *settings, bool(fixed))
    first, second = dropout_masks(open_strategy("mirrored"))
    start = values(small_model(num_layers=1))
    print(json.dumps({
        "replicas": open_strategy("mirrored").num_replicas_in_sync,
        "moved": max(float(np.abs(one[0][n] - start[n]).max()) for n in start),
        "weights": max(float(np.abs(one[0][n] - two[0][n]).max()) for n in start),
        "state": max(float(np.abs(a - b).max()) for a, b in zip(one[1], two[1], strict=True)),
        "losses": float(np.abs(np.subtract(one[2], two[2])).max()),
        "logits": float(np.abs(one[3].logits - two[3].logits).max()),
        "answer losses": float(np.abs(one[3].losses - two[3].losses).max()),
        "shapes": two[4],
        "masks differ": bool((first != second).any()),
    }))


if __name__ == "__main__":
    main()
