"""Weights as the SavedModel holds them: float32, or in fewer bytes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfglue.models.transfer_model import TransferModel
from tfglue.training.precision import precision

_WORD_TABLE = "encoder.embeddings.word"
_LARGEST_INT8 = 127


@dataclass(frozen=True)
class _Stored:
    """A matrix in few bytes: `values`, times `scale` where there is one."""

    values: tf.Variable
    scale: tf.Variable | None

    @classmethod
    def of(cls, name: str, matrix: np.ndarray, dtype: str) -> "_Stored":
        if dtype != "int8":
            return cls(_variable(name, tf.cast(matrix, dtype)), None)
        # One scale for each unit that a kernel computes, or for each word.
        axis = 1 if name == _WORD_TABLE else 0
        scale = np.abs(matrix).max(axis=axis, keepdims=True) / _LARGEST_INT8
        scale = np.where(scale == 0, 1, scale).astype(np.float32)
        return cls(
            _variable(name, tf.cast(np.rint(matrix / scale), tf.int8)),
            _variable(f"{name}.scale", scale),
        )

    def read(self, rows: tf.Tensor | None = None) -> tf.Tensor:
        """All of it, or the given rows, float32 or bfloat16."""
        values, scale = self.values.read_value(), self.scale
        if rows is not None:
            values = tf.gather(values, rows)
        if scale is not None:
            scale = scale.read_value() if rows is None else tf.gather(scale, rows)
            return tf.cast(values, tf.float32) * scale
        return values if values.dtype == tf.bfloat16 else tf.cast(values, tf.float32)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(
            variable.shape.num_elements() * variable.dtype.size
            for variable in (self.values, self.scale) if variable is not None
        )


class StoredWeights:
    """The weights of a model as an export holds them.

    The word table and the kernels of encoder and adapters are stored as asked; biases, LayerNorms,
    the other tables and the heads are float32 always. float16 and int8 (symmetric, a scale for each
    output of a kernel and for each word) are made float32 once a request, the word table row by
    row. bfloat16 kernels are used as they are: the encoder computes as in mixed-precision training.

    Args:
        model: whose weights.
        dtype: one of `tfglue.serving.WEIGHT_TYPES`.
    """

    def __init__(self, model: TransferModel, dtype: str):
        self.model = model
        self.dtype = dtype
        self._stored: dict[str, _Stored] = {}
        if dtype != "float32":
            self._stored = {
                name: _Stored.of(name, np.asarray(weight), dtype)
                for name, weight in model.named_weights().items()
                if name == _WORD_TABLE or _is_kernel(name, weight)
            }

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(
            self._stored[name].size if name in self._stored else np.asarray(weight).nbytes
            for name, weight in self.model.named_weights().items()
        )

    def kernels(self, task: str) -> dict[str, tf.Tensor]:
        """The stored kernels of a task as the model reads them, by name; to be read in a graph."""
        parts = ("encoder.", f"adapters.{task}.")
        return {
            name: stored.read() for name, stored in self._stored.items()
            if name.startswith(parts) and name != _WORD_TABLE
        }

    @contextmanager
    def in_use(
        self, kernels: Mapping[str, tf.Tensor], batch: dict[str, tf.Tensor]
    ) -> Iterator[dict[str, tf.Tensor]]:
        """Calls of the model inside read stored weights.

        Args:
            kernels: what `kernels` returned.
            batch: what the model is to read.

        Yields:
            The batch to call the model with; its token ids are numbers of rows that were looked up.
        """
        if not self._stored:
            yield batch
            return
        weights = self.model.named_weights()
        known, rows = tf.unique(tf.reshape(batch["token_ids"], [-1]))
        words = tf.cast(self._stored[_WORD_TABLE].read(known), tf.float32)
        token_ids = tf.reshape(rows, tf.shape(batch["token_ids"]))
        computing = (
            precision(self.model, "mixed_bfloat16") if self.dtype == "bfloat16" else nullcontext()
        )
        with keras.StatelessScope() as scope, computing:
            scope.add_update((weights[_WORD_TABLE], words))
            for name, value in kernels.items():
                scope.add_update((weights[name], value))
            yield batch | {"token_ids": token_ids}


def _is_kernel(name: str, weight: keras.Variable) -> bool:
    own = name.startswith(("encoder.", "adapters."))
    return own and name.endswith(".kernel") and len(weight.shape) == 2


def _variable(name: str, value) -> tf.Variable:
    return tf.Variable(value, trainable=False, name=name.replace(".", "_"))
