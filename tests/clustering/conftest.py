import pytest
import tensorflow as tf


@pytest.fixture
def eagerly():
    """Tracing a graph takes a second a model: more than a few steps of a small one."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
