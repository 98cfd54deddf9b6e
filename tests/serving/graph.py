"""The signatures of a run, to be asked without writing them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from tfglue.data.examples import Examples
from tfglue.predictions.predictions import Predictions
from tfglue.run import Run
from tfglue.serving.forward import Forward
from tfglue.serving.served_tasks import served_task
from tfglue.serving.signatures import build_signatures, chosen_forms
from tfglue.serving.stored_weights import StoredWeights


class Graph:
    """The signatures of a run.

    Args:
        run: what answers.
        weights: how its weights are stored.
        traced: whether each signature is one graph, as in a SavedModel; otherwise its operations
            run one by one, which spares the time of tracing.
    """

    def __init__(self, run: Run, weights: str = "float32", traced: bool = True):
        self.run = run
        self.traced = traced
        self.traces = Counter()
        self.tasks = {
            name: served_task(task, run.configs[name], run.calibration.get(name, {}))
            for name, task in run.tasks.items()
        }
        self.weights = StoredWeights(run.model, weights)
        built = build_signatures(
            self.tasks, run.tokenizer, Forward(self.weights), chosen_forms(None, len(self.tasks))
        )
        self.signatures = {one.name: one for one in built}
        self._functions = {
            one.name: tf.function(
                self._counted(one), input_signature=[dict(one.specs)], autograph=False
            )
            for one in built
        }

    def _counted(self, signature):
        def traced(inputs):
            self.traces[signature.name] += 1
            return signature.function(inputs)

        return traced

    def ask(self, signature: str, **inputs) -> dict[str, np.ndarray]:
        """Answers by name."""
        specs = self.signatures[signature].specs
        tensors = {name: tf.constant(v, specs[name].dtype) for name, v in inputs.items()}
        with _eagerly(not self.traced):
            outputs = self._functions[signature](tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def ask_text(self, name: str, examples: Examples) -> dict[str, np.ndarray]:
        """Answers of a task for examples, by the signature on its text."""
        signature = name if len(self.tasks) > 1 else "serving_default"
        return self.ask(signature, **self.tasks[name].request(examples))

    def difference(self, name: str, examples: Examples) -> float:
        """The largest one from the run's answers."""
        outputs = self.ask_text(name, examples)
        return self.tasks[name].difference(self.answer(name, examples), outputs).max()

    def answer(self, name: str, examples: Examples) -> Predictions:
        """What the run itself says."""
        with _eagerly(not self.traced):
            return self.run.answer(self.run.tasks[name], examples)


@contextmanager
def _eagerly(eagerly: bool) -> Iterator[None]:
    tf.config.run_functions_eagerly(eagerly)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
