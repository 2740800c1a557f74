"""log Z_{>i}(k): what the groups after each one weigh, for every k left to draw.

With the groups drawn in order, group i given the earlier ones has

    p(x_i | k) proportional to C(m_i, x_i) omega_i^x_i Z_{>i}(k - x_i),

k being what is left to draw and Z_{>i}(s) the coefficient of t^s in
prod_{j>i} (1 + omega_j t)^m_j. Under the tilt of `tilt.py` these are, but for
known factors, the probabilities of sums of independent binomials, and their
convolutions are sums of positive terms: the tails keep their relative accuracy,
which Fourier transforms lose, and so their logarithms can be taken. Tables are
needed where those logarithms are: in the paper's relaxation.
"""

from collections.abc import Callable

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.cached import in_xla
from mvhg_tf.distributions.tilt import log_tilt
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Size,
    Urn,
    classes_first,
    classes_last,
    counts_row,
    log_group_rows,
)

_BLOCK = 16


def log_later(urn: Urn, dtype: tf.DType) -> tf.Tensor:
    """log Z_{>i}(k), differentiable in `log_weights` (once).

    Args:
      urn: the urns, of a full batch shape.
      dtype: of the convolutions. What falls below its least normal number times
        the greatest entry is taken for zero.

    Returns:
      float64 `[B..., c - 1, N + 1]`, `-inf` for sums that are out of reach.
    """

    @tf.custom_gradient
    def value(
        log_weights: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        at = urn._replace(log_weights=log_weights)
        tilt = log_tilt(at)
        rows = tf.cast(tf.exp(log_group_rows(at, tilt)), dtype)
        rows = classes_first(rows)
        tables = _suffix_tables(rows, urn.num_sums)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return _log_later_gradient(at, rows, tables, upstream)

        return _untilt(at, tilt, classes_last(tables)), gradient

    return value(urn.log_weights)


def _suffix_tables(rows: tf.Tensor, num_sums: Size) -> tf.Tensor:
    """`[c, B..., R]` -> `[c - 1, B..., N + 1]`, the sums of the groups after each."""
    num_tables = ps.shape(rows)[0] - 1
    last = _pad_to(rows[-1], num_sums)
    tables = tf.TensorArray(rows.dtype, size=num_tables, element_shape=last.shape)

    def step(
        i: tf.Tensor, following: tf.Tensor, tables: tf.TensorArray
    ) -> tuple[tf.Tensor, ...]:
        table = convolve(tf.gather(rows, i + 1), following)
        table = tf.ensure_shape(table, following.shape)
        return i - 1, table, tables.write(i, table)

    _, _, tables = tf.while_loop(
        lambda i, *_: i >= 0,
        step,
        (
            tf.convert_to_tensor(num_tables - 2),
            last,
            tables.write(num_tables - 1, last),
        ),
        maximum_iterations=ps.maximum(num_tables - 1, 0),
    )
    return tables.stack()


def _untilt(urn: Urn, tilt: tf.Tensor, tables: tf.Tensor) -> tf.Tensor:
    """log Z_{>i}(k) from P(S_{>i} = k)."""
    positive = tables > 0.0
    logs = tf.math.log(tf.where(positive, tables, tf.ones([], tables.dtype)))
    logits = urn.log_weights + tilt[..., tf.newaxis]
    scale = (urn.group_sizes * tf.math.softplus(logits))[..., 1:]
    scale = tf.cumsum(scale, axis=-1, reverse=True)[..., tf.newaxis]
    scale -= tilt[..., tf.newaxis, tf.newaxis] * counts_row(urn.num_sums)
    return tf.where(positive, tf.cast(logs, scale.dtype) + scale, -float("inf"))


def _log_later_gradient(
    urn: Urn, rows: tf.Tensor, tables: tf.Tensor, upstream: tf.Tensor
) -> tf.Tensor:
    """The cotangent of `log_weights` `[B..., c]` from that of `log_later`.

    d log Z_{>i}(k) / d log_weights_j = E[x_j | S_{>i} = k] for j > i. So the
    cotangent of table i is a signed measure over k. It is handed on from table
    to table by the law of S_{>i+1} given S_{>i}; group i + 1 is owed what the
    mean of k falls by on the way.
    """
    dtype = rows.dtype
    sums = tf.cast(counts_row(urn.num_sums), dtype)
    upstream = classes_first(tf.cast(upstream, dtype))
    num_tables = ps.shape(tables)[0]
    owed = tf.TensorArray(dtype, size=num_tables + 1)
    owed = owed.write(0, tf.zeros_like(upstream[0, ..., 0]))

    def step(
        i: tf.Tensor, carried: tf.Tensor, owed: tf.TensorArray
    ) -> tuple[tf.Tensor, ...]:
        measure = carried + tf.gather(upstream, i)
        density = tf.math.divide_no_nan(measure, tf.gather(tables, i))
        handed = tf.gather(tables, i + 1) * correlate(tf.gather(rows, i + 1), density)
        handed = tf.ensure_shape(handed, carried.shape)
        fall = tf.reduce_sum((measure - handed) * sums, axis=-1)
        return i + 1, handed, owed.write(i + 1, fall)

    _, carried, owed = tf.while_loop(
        lambda i, *_: i < num_tables - 1,
        step,
        (tf.constant(0), tf.zeros_like(upstream[0]), owed),
        maximum_iterations=ps.maximum(num_tables - 1, 0),
    )
    last = tf.reduce_sum((carried + upstream[-1]) * sums, axis=-1)
    owed = owed.write(num_tables, last).stack()
    return tf.cast(classes_last(owed[..., tf.newaxis])[..., 0], CORE_DTYPE)


def convolve(row: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """`sum_x row[x] table[k - x]` for k = 0..N.

    Args:
      row: `[B..., R]`.
      table: `[B..., N + 1]`, of the same batch shape.

    Returns:
      `[B..., N + 1]`.
    """
    shape = ps.shape(table)
    row = tf.reshape(row, ps.stack([-1, ps.shape(row)[-1]]))
    table = tf.reshape(table, ps.stack([-1, shape[-1]]))
    blocks = -(-ps.shape(row)[-1] // _BLOCK)
    row = _pad_to(row, blocks * _BLOCK)
    # A loop of fused multiply-adds wins under XLA, a matrix product elsewhere.
    by_blocks = _convolve_by_adding if in_xla() else _convolve_by_matmul
    return tf.reshape(by_blocks(row, table, blocks), shape)


def correlate(row: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """`sum_x row[x] table[k + x]`, the adjoint of `convolve`; shapes alike."""
    return tf.reverse(convolve(row, tf.reverse(table, [-1])), [-1])


def _convolve_by_adding(row: tf.Tensor, table: tf.Tensor, blocks: Size) -> tf.Tensor:
    num_sums = ps.shape(table)[-1]
    heads = tf.reshape(row, ps.stack([-1, blocks, _BLOCK]))
    heads = tf.transpose(heads, [1, 0, 2])

    # Every slice is static: XLA makes a copy of twice the size of what is sliced from
    # a start that varies.
    def step(i: tf.Tensor, moved: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, ...]:
        head = tf.gather(heads, i)
        padded = tf.pad(moved, [[0, 0], [_BLOCK, 0]])
        for s in range(_BLOCK):
            start = _BLOCK - s
            total += head[:, s : s + 1] * padded[:, start : start + num_sums]
        return i + 1, padded[:, :num_sums], total

    return tf.while_loop(
        lambda i, *_: i < blocks,
        step,
        (tf.constant(0), table, tf.zeros_like(table)),
        maximum_iterations=blocks,
    )[2]


def _convolve_by_matmul(row: tf.Tensor, table: tf.Tensor, blocks: Size) -> tf.Tensor:
    num_sums = ps.shape(table)[-1]
    padded = tf.pad(table, [[0, 0], [_BLOCK - 1, 0]])
    shifted = tf.stack(
        [padded[:, s : s + num_sums] for s in range(_BLOCK - 1, -1, -1)], axis=1
    )
    row = tf.reshape(row, ps.stack([-1, blocks, _BLOCK]))
    product = tf.matmul(row, shifted)
    # Block r's product is owed to the sums from r * _BLOCK on: what would go beyond
    # the greatest is dropped. Then cutting the flat rows anew, _BLOCK shorter, moves
    # row r to the right by r * _BLOCK.
    room = num_sums - _BLOCK * tf.range(blocks)[:, tf.newaxis]
    product = tf.where(tf.range(num_sums) < room, product, tf.zeros([], row.dtype))
    skewed = _pad_to(product, num_sums + _BLOCK)
    skewed = tf.reshape(skewed, ps.stack([-1, blocks * (num_sums + _BLOCK)]))
    skewed = skewed[:, : blocks * num_sums]
    return tf.reduce_sum(tf.reshape(skewed, ps.stack([-1, blocks, num_sums])), axis=1)


def _pad_to(rows: tf.Tensor, size: Size) -> tf.Tensor:
    """Zeros after the last axis, up to `size`."""
    missing = ps.maximum(size - ps.shape(rows)[-1], 0)
    paddings = ps.concat(
        [ps.zeros([ps.rank(rows) - 1, 2], tf.int32), ps.stack([[0, missing]])], axis=0
    )
    return tf.pad(rows, paddings)
