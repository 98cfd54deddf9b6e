"""Requests to predict as TensorFlow Serving logs them: a TFRecord of PredictionLog."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfglue.serving.fresh_process import prediction_log

Request = tuple[str, Mapping[str, np.ndarray]]
"""The name of a signature, and its inputs."""


def write_requests(path: Path, model: str, requests: Iterable[Request]) -> None:
    """Writes requests to a model; `read_requests` reads them again, and so does a server.

    Args:
        path: the file.
        model: the name by which a server knows the model.
        requests: in the order in which they are sent.
    """
    log = prediction_log()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            record = log()
            request = record.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name] = tf.make_tensor_proto(value).SerializeToString()
            writer.write(record.SerializeToString())
