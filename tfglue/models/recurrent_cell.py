"""One step of a recurrent network, whose state a head carries from turn to turn."""

import keras
from keras import ops

from tfglue.models.normed_kernel import NormedKernel
from tfglue.models.parts import weights_of

CELLS = {"gru": 3, "rnn": 1, "lstm": 4}
"""Kinds of cells, and how many linear maps of its width each has of its input and its state."""


@keras.saving.register_keras_serializable(package="tfglue")
class RecurrentCell(keras.layers.Layer):
    """GRU (Cho et al. 2014), LSTM (Hochreiter and Schmidhuber 1997) or a tanh of both inputs.

    With i and h the linear maps of input and state, each with its bias, in the order of their
    columns:

    - ``gru``: r = sigmoid(i_r + h_r), z = sigmoid(i_z + h_z), n = tanh(i_n + r h_n); the state
      becomes (1 - z) n + z state. Reset comes after the map of the state, as in PyTorch.
    - ``rnn``: tanh(i + h).
    - ``lstm``: memory = sigmoid(i_f + h_f) memory + sigmoid(i_i + h_i) tanh(i_g + h_g), the state
      sigmoid(i_o + h_o) tanh(memory), the columns being i, f, g, o.

    Args:
        kind: one of `CELLS`.
        width: of input and state.
        weight_norm: whether kernels are a direction and a length, see `NormedKernel`.
    """

    def __init__(self, kind: str, width: int, weight_norm: bool = False, **options):
        super().__init__(autocast=False, **options)
        self.kind = kind
        self.width = width
        self.weight_norm = weight_norm
        units = CELLS[kind] * width
        own = {"weight_norm": weight_norm, "dtype": self.dtype_policy}
        self.of_input = NormedKernel(width, units, name="input", **own)
        self.of_state = NormedKernel(width, units, name="state", **own)
        self.built = True

    def call(self, inputs, state, memory):
        """One step.

        Args:
            inputs: (batch, width).
            state: (batch, width).
            memory: the LSTM's, (batch, width); what the others give back as it is.

        Returns:
            The new state and memory.
        """
        read, kept = self.of_input(inputs), self.of_state(state)
        if self.kind == "rnn":
            return ops.tanh(read + kept), memory
        if self.kind == "gru":
            of_input, of_state = ops.split(read, 3, axis=-1), ops.split(kept, 3, axis=-1)
            reset, update = (
                ops.sigmoid(i + h) for i, h in zip(of_input[:2], of_state[:2], strict=True)
            )
            new = ops.tanh(of_input[2] + reset * of_state[2])
            return (1 - update) * new + update * state, memory
        let_in, forget, candidate, let_out = ops.split(read + kept, 4, axis=-1)
        memory = ops.sigmoid(forget) * memory + ops.sigmoid(let_in) * ops.tanh(candidate)
        return ops.sigmoid(let_out) * ops.tanh(memory), memory

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return weights_of({"input": self.of_input, "state": self.of_state})

    def get_config(self):
        return super().get_config() | {
            "kind": self.kind, "width": self.width, "weight_norm": self.weight_norm,
        }
