"""What one replica of several does: its share of the rows, its dropout, its part of the answer.

All of it is called in replica context, and does nothing where there is one replica.
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfglue.data.batches import Padding

# Every length up to 512 is at most a third longer for being rounded up to one of these.
_LENGTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def padding_for(replicas: int, batch_size: int, max_length: int, fixed_shapes: bool) -> Padding:
    """How batches are padded so that every replica gets equally many rows.

    Args:
        replicas: devices that share a batch.
        batch_size: rows of a whole batch.
        max_length: tokens of a row at most.
        fixed_shapes: pad to few sizes: always `batch_size` rows, lengths in steps.
    """
    if not fixed_shapes:
        return Padding(row_multiple=replicas)
    lengths = (*(length for length in _LENGTHS if length < max_length), max_length)
    return Padding(row_multiple=-(-batch_size // replicas) * replicas, lengths=lengths)


def replica_rows(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Rows i, i + n, ... of a batch on replica i of n; their number is a multiple of n."""
    context = tf.distribute.get_replica_context()
    count = context.num_replicas_in_sync
    if count == 1:
        return dict(batch)
    # Rows of one batch are sorted by length, so contiguous blocks would be unequal work.
    return {
        name: tf.reshape(value, tf.concat([[-1, count], tf.shape(value)[1:]], 0))[
            :, context.replica_id_in_sync_group
        ]
        for name, value in batch.items()
    }


def replica_seed(dropout_seed: tf.Tensor) -> tf.Tensor:
    """The seed of a forward pass, made different for every replica of several."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return dropout_seed
    return tf.random.experimental.stateless_fold_in(
        dropout_seed, tf.cast(context.replica_id_in_sync_group, tf.int32)
    )


def replica_draw(draw: Callable, shape: tf.Tensor) -> tf.Tensor:
    """Random numbers for this replica's rows, those that one device would draw for them.

    Args:
        draw: takes a shape.
        shape: (rows, ...) of this replica.
    """
    count = tf.distribute.get_replica_context().num_replicas_in_sync
    whole = draw(tf.concat([shape[:1] * count, shape[1:]], 0))
    return replica_rows({"drawn": whole})["drawn"]


def gather_rows(values: tf.Tensor) -> tf.Tensor:
    """Undoes `replica_rows`: on every replica the rows of all of them, in their first order."""
    context = tf.distribute.get_replica_context()
    count = context.num_replicas_in_sync
    if count == 1:
        return values
    # A sum of one replica's rows and zeros is exact, and works on every kind of device.
    place = tf.one_hot(context.replica_id_in_sync_group, count, dtype=values.dtype)
    spread = values[:, None] * tf.reshape(place, [1, count] + [1] * (values.shape.rank - 1))
    summed = context.all_reduce(tf.distribute.ReduceOp.SUM, spread)
    return tf.reshape(summed, tf.concat([[-1], tf.shape(values)[1:]], 0))


def summed_over_replicas(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Sums of each value over all replicas, in one exchange."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return list(values)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(values))
