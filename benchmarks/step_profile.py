"""Where one training step goes, beside what the machine's matrix products alone would cost."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfglue.data.batches import free_sizes, padded_batch
from tfglue.data.features import Features
from tfglue.models.encoder import BertEncoder
from tfglue.training.clipping import dense_gradient
from tfglue.training.loop import TrainingLoop
from tfglue.training.precision import precision as computing_in
from tfglue.training.seeds import dropout_seed

_SECONDS = 2.0


def profile_step(loop: TrainingLoop, task: str, features: Features, rows: np.ndarray) -> dict:
    """Times the parts of a step on one batch.

    Args:
        loop: a built training loop; its weights are trained on.
        task: its task.
        features: the rows of the task.
        rows: which of them make the batch.

    Returns:
        Milliseconds of ``forward`` (with the loss), ``backward`` (gradients made dense),
        ``update`` (clipping and optimizer) and the whole ``step``, and of ``input``, the wait for
        a batch when nothing else runs, so the most that input can cost; ``gflop`` of a step's
        matrix products, counted from shapes; ``gflop_per_second`` of the step; ``roof``, what
        these products reach alone; ``share`` of the roof that the step reaches.
    """
    step, encoder = loop.step, loop.model.encoder
    batch = padded_batch(features, rows)
    count, length = batch["token_ids"].shape
    seed = dropout_seed(1, 0, 0)
    forward, gradients = _parts(loop, task, batch)
    forward_seconds = _median(lambda: float(forward(batch, seed)))
    gradient_seconds = _median(lambda: float(gradients(batch, seed)))
    step_seconds = _median(lambda: float(step(task, [batch], count, [seed])))
    floating_point = _matmul_flop(encoder, count, length)
    dtype = "bfloat16" if step.precision == "mixed_bfloat16" else "float32"
    roof = _matmul_rate(encoder, count * length, dtype)
    return {
        "length": length,
        "forward": 1000 * forward_seconds,
        "backward": 1000 * (gradient_seconds - forward_seconds),
        "update": 1000 * (step_seconds - gradient_seconds),
        "step": 1000 * step_seconds,
        "input": 1000 * _input_seconds(features, rows),
        "gflop": floating_point / 1e9,
        "gflop_per_second": floating_point / step_seconds / 1e9,
        "roof": roof / 1e9,
        "share": floating_point / step_seconds / roof,
    }


def _parts(loop: TrainingLoop, task: str, batch) -> tuple[Callable, Callable]:
    """Functions for the forward pass alone, and for forward and backward."""
    model, kind = loop.model, loop.step.kinds[task]
    weights = [weight.value for weight in model.trained_weights(task).values()]
    signature = [free_sizes(batch), tf.TensorSpec([2], tf.int32)]

    def inputs(batch):
        return {name: batch[name] for name in ("token_ids", "segment_ids", "padding_mask")}

    def loss_of(batch, seed):
        with computing_in(model, loop.step.precision):
            logits = model(inputs(batch), task=task, dropout_seed=seed)
        return tf.reduce_sum(kind.losses(batch["labels"], logits))

    @tf.function(input_signature=signature)
    def gradients(batch, seed):
        with tf.GradientTape() as tape:
            loss = loss_of(batch, seed)
        found = [
            dense_gradient(gradient, weight)
            for gradient, weight in zip(tape.gradient(loss, weights), weights, strict=True)
        ]
        # One number of each keeps all of them from being pruned.
        return loss + tf.add_n([tf.reshape(gradient, [-1])[0] for gradient in found])

    return tf.function(loss_of, input_signature=signature), gradients


def _matmul_flop(encoder: BertEncoder, rows: int, length: int) -> float:
    """Of forward and backward: 2 for each multiply-add, backward being twice the forward."""
    width = encoder.hidden_dim
    projections = 4 * width**2 + 2 * width * encoder.intermediate_dim
    attention = 2 * length * width
    return 6.0 * rows * length * encoder.num_layers * (projections + attention)


def _matmul_rate(encoder: BertEncoder, tokens: int, dtype: str) -> float:
    """Floating-point operations per second of one layer's projections, forward and backward."""
    width, wide = encoder.hidden_dim, encoder.intermediate_dim
    shapes = [(width, width)] * 4 + [(width, wide), (wide, width)]

    random_numbers = np.random.default_rng(1)

    def random(*shape):
        return tf.cast(random_numbers.standard_normal(shape), dtype)

    operands = [(random(tokens, i), random(i, o), random(tokens, o)) for i, o in shapes]

    @tf.function
    def products():
        found = []
        for x, kernel, gradient in operands:
            found.append(tf.matmul(x, kernel))
            found.append(tf.matmul(gradient, kernel, transpose_b=True))
            found.append(tf.matmul(x, gradient, transpose_a=True))
        return found

    flop = 6.0 * tokens * sum(i * o for i, o in shapes)
    return flop / _median(lambda: products()[-1].numpy())


def _input_seconds(features: Features, rows: np.ndarray) -> float:
    return _median(lambda: padded_batch(features, rows))


def _median(run: Callable[[], object]) -> float:
    """Median seconds of a run, after two that are not counted."""
    run()
    run()
    times, end = [], time.perf_counter() + _SECONDS
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
