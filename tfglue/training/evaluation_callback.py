"""A Keras callback that also sees the evaluations inside an epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras


class EvaluationCallback(keras.callbacks.Callback):
    """Looks at the history after each evaluation, and may end or pause training.

    Keras tells its callbacks of epochs and batches alone; a loop that evaluates every tenth of an
    epoch has more to say. Subclasses may set ``self.model.stop_training``, after which the run is
    finished as it stands, or ``self.model.pause_training``, which leaves it to be resumed (see
    `tfglue.training.loop.Paused`).
    """

    def on_evaluation(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Called with all rows of the history; the last one holds the evaluation.

        In a resumed run the rows before the resumption are there, too.
        """
