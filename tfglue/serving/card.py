"""The README of an export: what it is, how good it is, how it is served and asked."""

import json
from collections.abc import Mapping

import numpy as np

from tfglue.serving.export_folder import MARK
from tfglue.serving.facts import ExportFacts
from tfglue.serving.served_task import ServedTask
from tfglue.serving.server_config import container_command

_ODD_TEXT = """\
Texts of any length and batches of any size are taken, without retracing. A text longer than the
run's length is cut as in training; a passage or a sentence of words is read in windows, so that
none of it is lost. Empty strings are answered like any other. NUL and other control characters are
deleted, as BERT does; bytes that are no UTF-8 count as U+FFFD, which is deleted, too, and is one
character in `start` and `end`. `[CLS]` and `[SEP]` in a text are text, no special tokens."""

_GRPC = """\
import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

request = predict_pb2.PredictRequest()
request.model_spec.name = {model!r}
request.model_spec.signature_name = {signature!r}
inputs = {inputs}
for name, values in inputs.items():
    request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
with grpc.insecure_channel("localhost:8500") as channel:
    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    response = service.Predict(request, timeout=10)
print({{name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}})"""


def export_card(
    facts: ExportFacts, signature: str, example: Mapping[str, np.ndarray], verified: str
) -> str:
    """Markdown.

    Args:
        facts: what the export is.
        signature: the one that the examples of clients ask.
        example: its inputs, for the examples.
        verified: what was verified, in a sentence; empty if nothing was.
    """
    lines = [
        f"<!-- {MARK}; written anew with every version -->",
        "",
        f"# {facts.model}, version {facts.version}",
        "",
        f"A BERT encoder (`{facts.encoder['name']}`) fine-tuned on {', '.join(facts.tasks)}, as a "
        f"SavedModel with its tokenizer and labels. Exported from the run `{facts.run}`: "
        f"{facts.parameters:,} parameters, {facts.weights} weights, {facts.bytes:,} bytes.",
        "",
        f"Verified: {verified}." if verified else "Not verified: `--no_verify` was given.",
        "",
        *_results(facts),
        "## Signatures",
        "",
        "| signature | inputs | outputs |",
        "|---|---|---|",
    ]
    for name, own in facts.signatures.items():
        cells = [
            "<br>".join(f"`{key}` {kind}" for key, kind in own[side].items())
            for side in ("inputs", "outputs")
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines += ["", *_forms(facts), "## Tasks", ""]
    for served in facts.tasks.values():
        lines += _task(served)
    lines += [_ODD_TEXT, "", *_use(facts, signature, example)]
    return "\n".join(lines)


def _results(facts: ExportFacts) -> list[str]:
    rows = [
        f"| {task} | {split} | {name} | {value:.4f} |"
        for task in facts.tasks for split, values in facts.metrics.get(task, {}).items()
        for name, value in values.items()
    ]
    lines = []
    if rows:
        lines += ["## Results of the run", "", "| task | split | metric | value |",
                  "|---|---|---|---|", *rows, ""]
    if facts.measured:
        lines += [
            f"## What {facts.weights} weights cost", "",
            "Measured when this was exported, through the SavedModel.", "",
            f"| task | dev examples | metric | float32 | {facts.weights} | change |",
            "|---|---|---|---|---|---|",
        ]
        for task, found in facts.measured.items():
            before, after = found["float32"], found["stored"]
            metric = facts.tasks[task].task.main_metric
            lines.append(
                f"| {task} | {found['rows']} | {metric} | {before:.4f} | {after:.4f} | "
                f"{after - before:+.4f} |"
            )
        lines.append("")
    return lines


def _forms(facts: ExportFacts) -> list[str]:
    forms = {own["form"] for own in facts.signatures.values()}
    lines = []
    if "token_ids" in forms:
        lines.append(
            "Rows of `token_ids` hold [CLS] and [SEP] and are filled up with [PAD]; `segment_ids` "
            "are 0 for the first text and 1 for the second."
        )
    if "examples" in forms:
        lines.append(
            "`examples` are serialised `tf.train.Example`: bytes features with the names of the "
            "inputs of the signature on text."
        )
    if "mixed" in forms:
        lines.append(
            "In `serving_default` every row names its `task`. `text_b` is empty for tasks on one "
            "text; words to be tagged are separated by white space in `text_a`. What a task does "
            "not answer is empty, 0 or -1; an unknown task is an error for the whole batch."
        )
    return [*lines, ""] if lines else []


def _task(served: ServedTask) -> list[str]:
    task = served.task
    fields = zip(served.inputs, task.text_fields, strict=True)
    meaning = ", ".join(f"`{name}` is {field}" for name, field in fields if name != field)
    facts = [f"at most {served.config.max_length} tokens a row", *([meaning] if meaning else [])]
    if task.labels:
        facts.append(f"labels by id: {', '.join(task.labels)}")
    if task.score_range:
        facts.append("`score` from {} to {}".format(*task.score_range))
    return [f"- {task.name} ({task.kind}): {'; '.join(facts)}", ""]


def _use(facts: ExportFacts, signature: str, example: Mapping[str, np.ndarray]) -> list[str]:
    texts = {
        name: [value.decode() if isinstance(value, bytes) else [one.decode() for one in value]
               for value in values]
        for name, values in example.items()
    }
    rows = len(next(iter(texts.values())))
    body = {
        "signature_name": signature,
        "instances": [{name: values[row] for name, values in texts.items()} for row in range(rows)],
    }
    return [
        "## Serve", "",
        "In the folder that holds the versions (no server was at hand when this was made, so the "
        "command has not been tried; the SavedModel was loaded as a server does it). The server's "
        f"TensorFlow must be at least {facts.versions['tensorflow']}. It needs no other files, and "
        "finds new versions by itself.", "",
        "```sh", container_command(facts.model), "```", "",
        "REST:", "",
        "```sh",
        f"curl http://localhost:8501/v1/models/{facts.model}:predict -d '{json.dumps(body)}'",
        "```", "",
        'gRPC (`pip install "tfglue[serve]"`, or tensorflow-serving-api alone):', "",
        "```python",
        _GRPC.format(model=facts.model, signature=signature, inputs=json.dumps(texts)),
        "```", "",
        "Without a server:", "",
        "```sh", "python -m tfglue.predict --run FOLDER --input -", "```", "",
        "```python",
        "import tensorflow as tf",
        "import tensorflow_text  # The graph needs its operations.",
        "",
        f'model = tf.saved_model.load("{facts.version}")',
        f"inputs = {json.dumps(texts)}",
        f"print(model.signatures[{signature!r}](",
        "    **{name: tf.constant(values) for name, values in inputs.items()}",
        "))",
        "```", "",
        "Made with " + ", ".join(f"{k} {v}" for k, v in facts.versions.items()) + ".", "",
    ]
