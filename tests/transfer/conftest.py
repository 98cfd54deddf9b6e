"""Shared by tests of embeddings of tasks."""

import pytest


@pytest.fixture
def eagerly():
    """Tracing and compiling take longer than a few steps of a small model."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
