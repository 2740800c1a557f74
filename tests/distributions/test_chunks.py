"""A batch in chunks is the batch, and no chunk is greater than allowed."""

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.distributions.relaxation.chunks import in_chunks

SCALE, OFFSET = (
    np.random.RandomState(0).randn(2, 5),
    np.arange(40.0).reshape(2, 2, 5, 2),
)
EXPECTED = SCALE[..., np.newaxis] * OFFSET.sum(axis=0)


def recording(seen):
    """The function of the chunks; it notes the greatest number of urns it was given."""

    def function(urns, draws):
        (scale,), (offset, nothing) = urns, draws
        assert nothing is None
        seen.assign(tf.maximum(seen, tf.size(scale)))
        return scale[:, tf.newaxis] * tf.reduce_sum(offset, axis=0)

    return function


def evaluate(most_urns, num_rows=None, jit_compile=False, scale=SCALE, offset=OFFSET):
    seen = tf.Variable(0)
    specs = [
        tf.TensorSpec([num_rows, 5], tf.float64),
        tf.TensorSpec([2, num_rows, 5, 2], tf.float64),
    ]

    @tf.function(input_signature=specs, jit_compile=jit_compile)
    def run(scale, offset):
        batch_shape = scale.shape.as_list() if num_rows else tf.shape(scale)
        urns, draws = (scale,), (offset, None)
        return in_chunks(recording(seen), batch_shape, urns, draws, most_urns)

    return run(scale, offset).numpy(), int(seen.numpy())


@pytest.mark.parametrize("num_rows", [2, None])
@pytest.mark.parametrize(
    ("most_urns", "greatest"), [(1, 1), (3, 3), (4, 4), (5, 10), (7, 10)]
)
def test_chunks_are_of_like_size(most_urns, greatest, num_rows):
    value, seen = evaluate(most_urns, num_rows)
    np.testing.assert_allclose(value, EXPECTED)
    assert seen == greatest


def test_whole_under_xla():
    value, seen = evaluate(3, 2, jit_compile=True)
    np.testing.assert_allclose(value, EXPECTED)
    assert seen == 10


def test_no_urns():
    value, seen = evaluate(3, scale=SCALE[:0], offset=OFFSET[:, :0])
    assert value.shape == (0, 5, 2)
    assert seen == 0
