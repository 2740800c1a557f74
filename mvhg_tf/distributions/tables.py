"""Tables of what the later groups can still take: suffixes of convolutions.

With the groups drawn in order, group i given the earlier ones has

    p(x_i | k) proportional to C(m_i, x_i) omega_i^x_i Z_{>i}(k - x_i),

k being what is left to draw and Z_{>i}(s) the coefficient of t^s in
prod_{j>i} (1 + omega_j t)^m_j. With the tilt t of `tilt.py` these are the
probabilities of sums of independent binomials, well scaled where the urn's
mass is, and their convolutions are sums of positive terms: the tails keep
their relative accuracy, which Fourier transforms lose.
"""

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.urn import CORE_DTYPE, Urn, counts_row, log_choose

_BLOCK = 16


def log_group_rows(urn: Urn, tilt: tf.Tensor) -> tf.Tensor:
    """Log-probabilities of each group's count, were the groups independent.

    Args:
      urn: the urns.
      tilt: log t, float64 `[B...]`.

    Returns:
      float64 `[B..., c, R]`: `log Binomial(x; m_i, p_i)` for x = 0..R-1.
    """
    counts = counts_row(urn.num_counts)
    sizes = urn.group_sizes[..., tf.newaxis]
    logits = (urn.log_weights + tilt[..., tf.newaxis])[..., tf.newaxis]
    rest = tf.maximum(sizes - counts, 0.0)
    return (
        log_choose(sizes, counts)
        + tf.math.multiply_no_nan(tf.math.log_sigmoid(logits), counts)
        + rest * tf.math.log_sigmoid(-logits)
    )


def later_sums(urn: Urn, log_rows: tf.Tensor) -> tf.Tensor:
    """Probabilities of the sum of the groups after each one.

    Args:
      urn: the urns, of a full batch shape.
      log_rows: `log_group_rows`, float64 `[B..., c, R]`.

    Returns:
      float64 `[c - 1, B..., N + 1]`: for i = 0..c-2, the probability that the
      groups i+1..c-1 sum to 0..N, were all groups independent.
    """
    num_sums = urn.num_sums
    rows = classes_first(tf.exp(log_rows))
    last = _pad_to(rows[-1], num_sums)
    if urn.is_pair:
        return last[tf.newaxis]
    num_tables = urn.num_groups - 1
    tables = tf.TensorArray(
        CORE_DTYPE, size=num_tables, element_shape=last.shape, clear_after_read=False
    ).write(num_tables - 1, last)

    def step(i, following, tables):
        table = convolve(tf.gather(rows, i + 1), following)
        table.set_shape(following.shape)
        return i - 1, table, tables.write(i, table)

    _, _, tables = tf.while_loop(
        lambda i, *_: i >= 0,
        step,
        (tf.convert_to_tensor(num_tables - 2), last, tables),
        maximum_iterations=num_tables,
    )
    return tables.stack()


def convolve(row: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """`sum_x row[x] table[k - x]` for k = 0..N.

    Args:
      row: `[B..., R]`.
      table: `[B..., N + 1]`, of the same batch shape.

    Returns:
      `[B..., N + 1]`.
    """
    size, num_sums = ps.shape(row)[-1], ps.shape(table)[-1]
    blocks = -(-size // _BLOCK)
    shape = ps.shape(table)
    row = _pad_to(tf.reshape(row, [-1, size]), blocks * _BLOCK)
    row = tf.reshape(row, [-1, blocks, _BLOCK])
    table = tf.reshape(table, [-1, num_sums])
    padded = tf.pad(table, [[0, 0], [_BLOCK - 1, 0]])
    shifted = tf.stack(
        [padded[:, s : s + num_sums] for s in range(_BLOCK - 1, -1, -1)], axis=1
    )
    # by_block[:, r] is owed to out[k] at k - r * _BLOCK. Cutting the flat rows
    # again, _BLOCK shorter, moves row r to the right by r * _BLOCK.
    by_block = tf.matmul(row, shifted)
    width = num_sums + blocks * _BLOCK
    skewed = tf.reshape(
        _pad_to(by_block, width + _BLOCK), [-1, blocks * (width + _BLOCK)]
    )
    skewed = tf.reshape(skewed[:, : blocks * width], [-1, blocks, width])
    return tf.reshape(tf.reduce_sum(skewed, axis=1)[:, :num_sums], shape)


def correlate(row: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """`sum_x row[x] table[k + x]`, the adjoint of `convolve`; shapes alike."""
    return tf.reverse(convolve(row, tf.reverse(table, [-1])), [-1])


def classes_first(rows: tf.Tensor) -> tf.Tensor:
    """`[B..., c, R]` -> `[c, B..., R]`."""
    rank = ps.rank(rows)
    order = ps.concat([[rank - 2], ps.range(rank - 2), [rank - 1]], axis=0)
    return tf.transpose(rows, order)


def _pad_to(rows: tf.Tensor, size) -> tf.Tensor:
    """Zeros after the last axis, up to `size`."""
    rank = ps.rank(rows)
    missing = ps.maximum(size - ps.shape(rows)[-1], 0)
    paddings = ps.concat([ps.zeros([rank - 1, 2], tf.int32), [[0, missing]]], axis=0)
    return tf.pad(rows, paddings)
