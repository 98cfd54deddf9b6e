"""Rows as tensorflow-datasets would give them, by the real features of a builder."""

import numpy as np


def dataset_of(features, rows):
    """A `tf.data.Dataset` of the rows, encoded by the features."""
    import tensorflow as tf

    encoded = [_joined(features.encode_example(row)) for row in rows]
    signature = tf.nest.map_structure(
        lambda spec: tf.TensorSpec(spec.shape, tf.as_dtype(spec.dtype)), features.get_tensor_info()
    )
    return tf.data.Dataset.from_generator(lambda: iter(encoded), output_signature=signature)


def _joined(value):
    """The value with its lists of scalars, as features of sequences give them, as arrays."""
    if isinstance(value, dict):
        return {name: _joined(item) for name, item in value.items()}
    return np.stack(value) if isinstance(value, list) else value
