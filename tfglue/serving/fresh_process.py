"""Answers of a SavedModel in a process that knows neither tfglue nor Keras, as a server knows none.

    python -P fresh_process.py FOLDER REQUESTS REPORT

FOLDER is the SavedModel, REQUESTS a TFRecord of PredictionLog; REPORT is written, as JSON. This
file is run as a script, so it imports nothing of ours. Of tensorflow-text the compiled operations
alone are loaded: its Python would bring Keras along.
"""

import base64
import importlib.util
import json
import math
import sys
from pathlib import Path

WARMUP = "assets.extra/tf_serving_warmup_requests"

_LOADERS = ("tf.saved_model.load", "tf.compat.v1.saved_model.load")
_FOREIGN = ("tfglue", "keras", "tf_keras", "keras_hub", "keras_nlp")


def prediction_log():
    """The message ``tensorflow.serving.PredictionLog``, as far as requests to predict need it.

    Declared here field by field, with the numbers of TensorFlow Serving's own files, because the
    package that has it is one that only clients need. Tensors are held as bytes, which on the wire
    is the same as the message that they are.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="tfglue_prediction_log.proto", package="tensorflow.serving", syntax="proto3"
    )

    def message(parent, name, *fields):
        added = parent.add(name=name)
        for number, label, field_name, kind in fields:
            own = added.field.add(name=field_name, number=number, label=label)
            if kind in (field.TYPE_STRING, field.TYPE_BYTES):
                own.type = kind
            else:
                own.type, own.type_name = field.TYPE_MESSAGE, f".tensorflow.serving.{kind}"
        return added

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    message(
        file.message_type, "ModelSpec",
        (1, one, "name", field.TYPE_STRING), (3, one, "signature_name", field.TYPE_STRING),
    )
    request = message(
        file.message_type, "PredictRequest",
        (1, one, "model_spec", "ModelSpec"), (2, many, "inputs", "PredictRequest.InputsEntry"),
    )
    entry = message(
        request.nested_type, "InputsEntry",
        (1, one, "key", field.TYPE_STRING), (2, one, "value", field.TYPE_BYTES),
    )
    entry.options.map_entry = True
    message(file.message_type, "PredictLog", (1, one, "request", "PredictRequest"))
    message(file.message_type, "PredictionLog", (6, one, "predict_log", "PredictLog"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("tensorflow.serving.PredictionLog")
    )


def read_requests(path):
    """Requests of a TFRecord of PredictionLog: name of the signature, and arrays by input."""
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    log = prediction_log()
    found = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = log.FromString(record).predict_log.request
        inputs = {
            name: tf.make_ndarray(tensor_pb2.TensorProto.FromString(value))
            for name, value in request.inputs.items()
        }
        found.append((request.model_spec.signature_name, inputs))
    return found


def main(folder, requests, report):
    """Writes the report."""
    # TensorFlow imports Keras where it finds it.
    sys.modules.update(dict.fromkeys(_FOREIGN))
    import tensorflow as tf

    graph_ops = _ops(folder)
    core = _known(graph_ops)
    text = importlib.util.find_spec("tensorflow_text").submodule_search_locations[0]
    for library in sorted(Path(text, "python", "ops").glob("_*.so")):
        tf.load_op_library(str(library))
    asked, warmup = read_requests(requests), read_requests(Path(folder, WARMUP))
    found = {
        "ops": {
            "core": sorted(core),
            "tensorflow_text": sorted(_known(graph_ops) - core),
            "unknown": sorted(graph_ops - _known(graph_ops)),
        },
        "variables_bytes": _variables_bytes(tf, folder),
        "warmup_requests": len(warmup),
        "answers": {
            loader: [_encoded(tf, answer) for answer in answers]
            for loader, answers in (
                (_LOADERS[0], _answers(tf, folder, [*asked, *warmup])),
                (_LOADERS[1], _session_answers(tf, folder, asked)),
            )
        },
    }
    roots = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
    found["foreign_modules"] = sorted(roots & set(_FOREIGN))
    Path(report).write_text(json.dumps(found))


def _ops(folder):
    """Names of all operations in the graph and in its functions."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString(Path(folder, "saved_model.pb").read_bytes())
    ops, functions = set(), set()
    for meta_graph in model.meta_graphs:
        graph = meta_graph.graph_def
        ops |= {node.op for node in graph.node}
        for function in graph.library.function:
            functions.add(function.signature.name)
            ops |= {node.op for node in function.node_def}
    return ops - functions


def _known(ops):
    """Those of the operations that are registered by now."""
    from tensorflow.python.framework import op_def_registry

    return {name for name in ops if op_def_registry.get(name) is not None}


def _variables_bytes(tf, folder):
    """What all stored tensors take; beside them stands a text that names them."""
    reader = tf.train.load_checkpoint(str(Path(folder, "variables", "variables")))
    types = reader.get_variable_to_dtype_map()
    return sum(
        math.prod(shape) * types[name].size
        for name, shape in reader.get_variable_to_shape_map().items()
        if types[name] != tf.string
    )


def _answers(tf, folder, asked):
    """As TensorFlow 2 loads it."""
    signatures = tf.saved_model.load(str(folder)).signatures
    for name, inputs in asked:
        specs = signatures[name].structured_input_signature[1]
        tensors = {key: tf.constant(value, specs[key].dtype) for key, value in inputs.items()}
        yield {key: value.numpy() for key, value in signatures[name](**tensors).items()}


def _session_answers(tf, folder, asked):
    """As a server loads it: a session, and tensors by name."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        for name, inputs in asked:
            signature = loaded.signature_def[name]
            feed = {signature.inputs[key].name: value for key, value in inputs.items()}
            fetch = {key: info.name for key, info in signature.outputs.items()}
            yield session.run(fetch, feed)


def _encoded(tf, answer):
    """Arrays as text: each a serialised TensorProto."""
    return {
        name: base64.b64encode(tf.make_tensor_proto(value).SerializeToString()).decode()
        for name, value in answer.items()
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
