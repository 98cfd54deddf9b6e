"""Dropout whose mask is a function of a seed that the caller gives."""

import keras
from keras import ops

from tfglue.errors import UserError

_SITE_FACTOR = 0x9E3779B1
"""Odd, so that no two sites below 2**32 shift the first half of a seed by the same amount."""


@keras.saving.register_keras_serializable(package="tfglue")
class Dropout(keras.layers.Layer):
    """Sets a random share of its input to zero and scales up the rest (Srivastava et al. 2014).

    Holds no state: the mask depends on `seed`, `site` and the input's shape alone.
    `keras.layers.Dropout` keeps a counter that neither `tf.train.Checkpoint(model)` nor weights
    files hold, so a resumed run would draw other masks, and all replicas of a strategy draw the
    same ones. Here the caller derives the seed from step and replica, and both are exact.

    Dropout is on exactly when a seed is given; Keras's `training` flag plays no part.

    Random numbers and products are float32 (float64 for float64 input): bfloat16 random numbers
    have steps of 1/128, which turns a rate of 0.1 into 0.1016, and a bfloat16 scale of 1 / 0.9 is
    0.16 % too small. The output has the input's dtype.

    Args:
        rate: share of the input that is dropped, in [0, 1).
        site: a number that no other dropout of the same model has.

    Raises:
        UserError: the rate is outside [0, 1).
    """

    def __init__(self, rate: float, site: int, **options):
        super().__init__(autocast=False, **options)
        if not 0 <= rate < 1:
            raise UserError(f"dropout rate {rate}: expected at least 0 and less than 1")
        self.rate = rate
        self.site = site
        self.built = True

    def call(self, x, seed=None):
        """Drops out `x`, of any shape, under `seed`, int32 (2,); the identity if it is None."""
        if seed is None or self.rate == 0:
            return x
        dtype = keras.backend.result_type(x.dtype, "float32")
        uniform = uniform_at(seed, self.site, ops.shape(x))
        mask = ops.cast(uniform >= self.rate, dtype) * (1 / (1 - self.rate))
        return ops.cast(ops.cast(x, dtype) * mask, x.dtype)

    def get_config(self):
        return super().get_config() | {"rate": self.rate, "site": self.site}


def uniform_at(seed, site: int, shape):
    """Numbers from 0 to 1 that depend on a seed, a site and the shape alone, float32.

    Args:
        seed: int32 (2,).
        site: a number that nothing else of the same model draws at.
        shape: of the numbers.
    """
    shift = [_as_int32(site * _SITE_FACTOR), _as_int32(site)]
    own = ops.cast(seed, "int32") + ops.convert_to_tensor(shift, dtype="int32")
    return keras.random.uniform(shape, dtype="float32", seed=_GivenSeed(own))


class _GivenSeed(keras.random.SeedGenerator):
    """Hands a seed tensor to keras.random, which takes integers and generators alone."""

    def __init__(self, seed):
        # The parent's constructor would create the state variable that we want to do without.
        self._seed = seed

    def next(self, ordered: bool = True):
        return self._seed


def _as_int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31
