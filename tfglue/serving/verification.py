"""Proof that an export answers as its run does, where neither tfglue nor Keras is known."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tfglue.data.examples import Examples
from tfglue.errors import UserError
from tfglue.predictions.predictions import Predictions
from tfglue.serving import fresh_process
from tfglue.serving.comparison_requests import ComparisonRequests, comparison_requests
from tfglue.serving.exported import joined
from tfglue.serving.facts import ExportFacts
from tfglue.serving.prediction_requests import write_requests
from tfglue.serving.served_task import Arrays

EXAMPLES = 100
"""How many examples of each task are compared."""

_TOLERANCE = 1e-5
_LARGEST_RATIO = 1.02

# Of a traceback what says most; TensorFlow adds lines about where it was.
_TELLING = re.compile(r"assertion failed|\w(Error|Exception):")

Answer = Callable[[str, Examples], Predictions]
"""What the run says: the name of a task, and examples."""


@dataclass(frozen=True)
class Verification:
    """What was found.

    Args:
        differences: signature -> the largest difference from the run, over both loaders.
        operations: kinds of operations in the graph: of TensorFlow, and of tensorflow-text.
        ratio: bytes of the stored variables, of those that the weights take.
        warmup_requests: how many were answered.
    """

    differences: Mapping[str, float]
    operations: tuple[int, int]
    ratio: float
    warmup_requests: int

    def __str__(self) -> str:
        core, text = self.operations
        return (
            f"answers differ from the run's by {max(self.differences.values()):.1e} at most; "
            f"{self.warmup_requests} warm-up requests answered; {core} kinds of operations of "
            f"TensorFlow and {text} of tensorflow-text; variables {self.ratio:.3f} times the "
            "bytes of the weights"
        )


def verify(
    folder: Path, facts: ExportFacts, examples: Mapping[str, Examples], answer: Answer
) -> Verification:
    """Asks an export in a process of its own, and compares its answers with the run's.

    Args:
        folder: the SavedModel with its warm-up requests.
        facts: what it is.
        examples: some of each task.
        answer: the run's.

    Raises:
        UserError: it cannot be loaded there, or `check_report` finds something amiss.
    """
    asked = list(comparison_requests(facts, examples))
    with TemporaryDirectory() as place:
        requests, report = Path(place, "requests"), Path(place, "report.json")
        write_requests(
            requests, facts.model, [(own.signature, one) for own in asked for one in own.requests]
        )
        script = fresh_process.__file__
        process = subprocess.run(
            [sys.executable, "-P", script, str(folder), str(requests), str(report)],
            capture_output=True, text=True, check=False,
        )
        if process.returncode:
            lines = process.stderr.strip().splitlines() or ["no message"]
            telling = [line for line in lines if _TELLING.search(line)]
            raise UserError(
                f"{folder}: not verified: a fresh process failed with: {(telling or lines)[-1]}"
            )
        return check_report(folder, facts, json.loads(report.read_text()), asked, answer)


def check_report(
    folder: Path,
    facts: ExportFacts,
    report: Mapping[str, Any],
    asked: Sequence[ComparisonRequests],
    answer: Answer,
) -> Verification:
    """What the report of `fresh_process` amounts to.

    Answers of float32 weights must be the run's within 1e-5; of others the difference is noted.

    Raises:
        UserError: a module or an operation that servers lack was needed, variables are stored
            twice, no warm-up request can be read, an answer is no number, or not the run's.
    """
    operations, ratio = report["ops"], report["variables_bytes"] / facts.bytes
    for wrong, what in (
        (report["foreign_modules"], "it needed {}, which servers do not have"),
        (operations["unknown"], "{} are operations of neither TensorFlow nor tensorflow-text"),
        ([f"{ratio:.3f}"] if ratio > _LARGEST_RATIO else [],
         "the variables take {} times the bytes of the weights"),
        ([] if report["warmup_requests"] else ["none"], "of the warm-up requests {} can be read"),
    ):
        if wrong:
            raise UserError(f"{folder}: not verified: {what.format(', '.join(wrong))}")
    differences = {own.signature: 0.0 for own in asked}
    for loader, encoded in report["answers"].items():
        answers = [{name: _decoded(text) for name, text in one.items()} for one in encoded]
        if not all(_finite(values) for one in answers for values in one.values()):
            raise UserError(f"{folder}: not verified: {loader} gives answers that are no numbers")
        for own in asked:
            outputs, answers = answers[: len(own.requests)], answers[len(own.requests) :]
            found = _difference(facts, own, joined(outputs), answer)
            if facts.weights == "float32" and not found <= _TOLERANCE:
                raise UserError(
                    f"{folder}: not verified: {own.signature}, loaded by {loader}, differs by "
                    f"{found:.1e} from the run's answers, more than {_TOLERANCE:.0e}"
                )
            differences[own.signature] = max(differences[own.signature], found)
    return Verification(
        differences, (len(operations["core"]), len(operations["tensorflow_text"])), ratio,
        report["warmup_requests"],
    )


def _difference(
    facts: ExportFacts, asked: ComparisonRequests, outputs: Arrays, answer: Answer
) -> float:
    """The largest difference from the run's answers."""
    found = [0.0]
    for task, (examples, rows) in asked.rows.items():
        own = {name: values[rows] for name, values in outputs.items()}
        if len(examples):
            found.append(facts.tasks[task].difference(answer(task, examples), own).max())
    return float(np.max(found))


def _decoded(text: str) -> np.ndarray:
    return tf.make_ndarray(tensor_pb2.TensorProto.FromString(base64.b64decode(text)))


def _finite(values: np.ndarray) -> bool:
    return values.dtype == object or bool(np.isfinite(values).all())
