"""The parameters of a batch of urns, and the sizes of the rows that they need."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.binomials import log_choose, probability

# Tables, normalisers and draws are computed in double precision whatever the dtype of
# the distribution: log n! loses its last digits in float32 long before n = 5000, and
# draws that agree between eager mode and XLA need cumulative probabilities that agree
# to far more than the 24 bits of float32.
CORE_DTYPE = tf.float64

# Python numbers and arrays are known when the graph is built.
Size: TypeAlias = int | tf.Tensor
Bound: TypeAlias = float | tf.Tensor
Shape: TypeAlias = Sequence[Size] | NDArray[np.int32] | tf.Tensor

# The probability outside a window is less than exp(-_NATS) of the whole.
_NATS = 44.0
# The least number of float64 is exp(-745).
_TAIL_NATS = 745.0
_LONG_ROW = 2.0**20
# Each urn has its own windows, and its own log factorials in them.
_WORTH_A_WINDOW = 4.0
# Rows longer than this are refused: that many float64 numbers are 2 GB.
_LONGEST_ROW = 2**28


class Urn(NamedTuple):
    """A batch of urns; batch shapes broadcast against each other.

    No gradient passes to `n` and `m`: they are whole numbers.

    Attributes:
      total_count: `n`, the draws, float64 `[B...]`.
      group_sizes: `m`, the elements of each group, float64 `[B..., c]`.
      log_weights: `log omega`, float64 `[B..., c]`.
      max_draws: an upper bound of `n` over the batch: a Python float where it is
        known when the graph is made (XLA needs that), else a float64 scalar.
      max_fewer: the same of `min(n, sum(m) - n)`.
      max_size: the same of `m`.
      max_total: the same of `sum(m)`.
      max_variance: the same of the variance of the sum of independent binomials of
        mean `n`: `n (1 - n / sum(m))`, by concavity.
      windowed: Whether rows hold a window of the counts, and not all of them.
    """

    total_count: tf.Tensor
    group_sizes: tf.Tensor
    log_weights: tf.Tensor
    max_draws: Bound
    max_fewer: Bound
    max_size: Bound
    max_total: Bound
    max_variance: Bound
    windowed: bool

    @property
    def num_groups(self) -> Size:
        """`c`, static where it can be."""
        return ps.maximum(
            ps.shape(self.log_weights)[-1], ps.shape(self.group_sizes)[-1]
        )

    @property
    def max_group_variance(self) -> Bound:
        """An upper bound of the variance of one independent binomial."""
        return ps.minimum(self.max_variance, self.max_size / 4.0)

    @property
    def is_pair(self) -> bool:
        """Whether there are two groups: then one row of logits says it all."""
        return tf.get_static_value(self.num_groups) == 2

    @property
    def is_static(self) -> bool:
        """Whether the bounds are known when the graph is made."""
        return not tf.is_tensor(self.max_draws)

    @property
    def num_counts(self) -> Size:
        """Counts that a group can have, `0..min(max(m), max(n))`."""
        return row_size(ps.minimum(self.max_size, self.max_draws) + 1.0)

    @property
    def num_sums(self) -> Size:
        """Sums that several groups can have, `0..max(n)`."""
        return row_size(self.max_draws + 1.0)

    def batch_shape(self) -> Shape:
        """The broadcast batch shape, static where it can be."""
        return ps.broadcast_shape(
            ps.shape(self.total_count),
            ps.broadcast_shape(
                ps.shape(self.group_sizes)[:-1], ps.shape(self.log_weights)[:-1]
            ),
        )

    def reach(self) -> tf.Tensor:
        """How many elements of each group can be drawn at all, `[B..., c]`."""
        return tf.where(self.log_weights > -np.inf, self.group_sizes, 0.0)

    def is_possible(self) -> tf.Tensor:
        """Whether `n` elements can be drawn, bool `[B...]`."""
        reach = tf.reduce_sum(self.reach(), axis=-1)
        return (self.total_count >= 0.0) & (self.total_count <= reach)

    def in_support(self, counts: tf.Tensor) -> tf.Tensor:
        """Whether counts `[..., c]` have a positive probability, bool `[...]`."""
        possible = (counts >= 0.0) & (counts <= self.reach())
        possible &= tf.math.floor(counts) == counts
        complete = tf.reduce_sum(counts, axis=-1) == self.total_count
        return tf.reduce_all(possible, axis=-1) & complete

    def broadcast(self, batch_shape: Shape | None = None) -> "Urn":
        """The same urns with `n` and `log_weights` of the full batch shape.

        `m` keeps its own shape, so that rows of log factorials are computed
        once for a batch that shares its groups.

        Args:
          batch_shape: a greater one to broadcast to; by default the urns' own.
        """
        if batch_shape is None:
            batch_shape = self.batch_shape()
        shape = ps.concat([batch_shape, [self.num_groups]], axis=0)
        return self._replace(
            total_count=tf.broadcast_to(self.total_count, batch_shape),
            log_weights=tf.broadcast_to(self.log_weights, shape),
        )

    def fewer(self) -> tuple["Urn", tf.Tensor]:
        """The urns whose draws are what is left, where that is fewer than `n`.

        What is left in the urn has the same law with weights `1 / omega`. Where it is
        the smaller number, nothing is lost in `m - x` for large `m`.

        Returns:
          The urns, of a full batch shape, and where they are of what is left, bool
          `[B...]`. There `x = reach - x'`.
        """
        urn = self.broadcast()
        left = tf.reduce_sum(urn.reach(), axis=-1) - urn.total_count
        turned = (left < urn.total_count) & (left >= 0.0)
        log_weights = urn.log_weights
        inverse = tf.where(log_weights > -np.inf, -log_weights, log_weights)
        urn = urn._replace(
            total_count=tf.where(turned, left, urn.total_count),
            log_weights=tf.where(turned[..., tf.newaxis], inverse, log_weights),
            max_draws=self.max_fewer,
        )
        return urn, turned


def make_urn(
    total_count: tf.Tensor, group_sizes: tf.Tensor, log_weights: tf.Tensor
) -> Urn:
    """Casts the parameters to float64, and reads the bounds from them.

    In eager mode the bounds are tensors, so that one graph serves urns of all sizes.
    When a graph is made they are Python numbers where they are known.

    Args:
      total_count: `n`, `[B...]`.
      group_sizes: `m`, `[B..., c]`.
      log_weights: `[B..., c]`.

    Returns:
      The urns.

    Raises:
      ValueError: If the sizes are known and rows of these sizes would not fit into
        memory.
    """

    def core(value: tf.Tensor) -> tf.Tensor:
        # A cast to its own dtype would leave a variable a variable.
        return tf.cast(tf.convert_to_tensor(value), CORE_DTYPE)

    return Urn(
        total_count=tf.stop_gradient(core(total_count)),
        group_sizes=tf.stop_gradient(core(group_sizes)),
        log_weights=core(log_weights),
        **_bounds(total_count, group_sizes),
    )


def _bounds(total_count: tf.Tensor, group_sizes: tf.Tensor) -> dict[str, Any]:
    """The bounds of `Urn`, static where both parameters are."""
    static = [tf.get_static_value(value) for value in (total_count, group_sizes)]
    known = all(value is not None for value in static)
    if known:
        draws, sizes = (np.asarray(value, np.float64) for value in static)
    else:
        draws, sizes = (tf.cast(v, CORE_DTYPE) for v in (total_count, group_sizes))
    most = _static_max if known else greatest
    total = ps.reduce_sum(sizes, axis=-1)
    variance = draws * (1.0 - draws / ps.maximum(total, 1.0))
    bounds = {
        "max_draws": most(draws),
        "max_fewer": most(ps.minimum(draws, ps.maximum(total - draws, 0.0))),
        "max_size": most(sizes),
        "max_total": most(total),
        "max_variance": most(variance),
    }
    bounds = {name: ps.maximum(value, 0.0) for name, value in bounds.items()}
    windowed = True
    if known:
        bounds = {name: float(value) for name, value in bounds.items()}
        counts = min(bounds["max_size"], bounds["max_draws"]) + 1.0
        variance = min(bounds["max_variance"], bounds["max_size"] / 4.0)
        windowed = bool(counts > _WORTH_A_WINDOW * _window(variance))
        check_row_size(min(counts, _window(bounds["max_variance"])))
        if tf.executing_eagerly():
            bounds = {
                name: tf.constant(value, CORE_DTYPE) for name, value in bounds.items()
            }
    return {**bounds, "windowed": windowed}


def greatest(values: tf.Tensor) -> tf.Tensor:
    """The greatest that is finite: weights that are NaN must not size a row."""
    return tf.reduce_max(tf.where(tf.math.is_finite(values), values, 0.0))


def _static_max(values: NDArray[np.float64]) -> float:
    return float(np.max(values, initial=0.0))


def check_row_size(size: float) -> None:
    """Raises ValueError if a row of this size would not fit into memory."""
    if size > _LONGEST_ROW:
        raise ValueError(
            f"the counts of these urns need rows of {size:.3g} numbers, but at most "
            f"{_LONGEST_ROW:.3g} fit into memory: pass a smaller total_count, or "
            "smaller group_sizes."
        )


def row_size(bound: Bound) -> Size:
    """A bound as the size of a row: a Python int, or an int32 scalar."""
    if tf.is_tensor(bound):
        return tf.cast(tf.minimum(bound, float(_LONGEST_ROW)), tf.int32)
    check_row_size(bound)
    return int(bound)


def reach_of(variance: Bound, nats: float = _NATS) -> Bound:
    """How far from its mean a sum of independent 0-1 variables can be.

    Bernstein: P(|S - E[S]| >= a) <= 2 exp(-a^2 / 2 / (variance + a / 3)), which is
    2 exp(-nats) for the a returned here.
    """
    third = nats / 3.0
    return third + ps.sqrt(third**2 + 2.0 * nats * variance)


def _window(max_variance: Bound, nats: float = _NATS) -> Bound:
    """How many counts around the mean have a non-negligible probability.

    P(x_i = x | S = n) <= P(x_i = x) / P(S = n).
    """
    return 2.0 * ps.floor(reach_of(max_variance, nats)) + 3.0


class Window(NamedTuple):
    """A range of counts for each group.

    Attributes:
      start: its first count, float64 `[..., 1]`; zeros if rows hold all counts.
      size: how many counts.
    """

    start: tf.Tensor
    size: Size

    def counts(self) -> tf.Tensor:
        """`[..., size]`."""
        return self.start + counts_row(self.size)


def count_window(urn: Urn, logits: tf.Tensor, with_tails: bool = False) -> Window:
    """The counts that groups can have, up to a negligible probability.

    Args:
      urn: the urns, or some of their groups.
      logits: of the groups' elements under the tilt, `[B..., c]`.
      with_tails: All counts, or if they are more than a million, those whose
        probability float64 can hold.

    Returns:
      The window; `start` is `[B..., c, 1]`.
    """
    if not urn.windowed:
        return Window(tf.zeros([1], CORE_DTYPE), urn.num_counts)
    logits = tf.stop_gradient(logits)
    mean = urn.group_sizes * probability(logits)
    all_counts = ps.minimum(urn.max_size, urn.max_draws) + 1.0
    width = _window(urn.max_group_variance, _TAIL_NATS if with_tails else _NATS)
    if with_tails:
        width = ps.maximum(width, _LONG_ROW)
    elif not urn.is_static:
        variance = greatest(mean * probability(-logits))
        width = tf.minimum(width, _window(variance))
        all_counts = tf.minimum(all_counts, tf.reduce_max(urn.group_sizes) + 1.0)
    width = ps.minimum(width, all_counts)
    start = tf.math.floor(mean) - ps.floor((width - 1.0) / 2.0)
    start = _clip(start, all_counts - width)
    return Window(start[..., tf.newaxis], row_size(width))


def _clip(start: tf.Tensor, last: Bound) -> tf.Tensor:
    """From 0 to the last; 0 where weights are NaN."""
    return tf.clip_by_value(
        tf.where(tf.math.is_nan(start), tf.zeros_like(start), start), 0.0, last
    )


def sum_window(
    urn: Urn, expected: tf.Tensor, variance: tf.Tensor | None = None
) -> Window:
    """The values that the sum of some groups can have; as `count_window`.

    Args:
      urn: the urns.
      expected: the mean of the sum of independent groups, `[B...]`.
      variance: its variance, `[B...]`; by default that of all groups is taken.

    Returns:
      The window; `start` is `[B..., 1]`.
    """
    all_sums = urn.max_draws + 1.0
    width = ps.minimum(all_sums, _window(urn.max_variance))
    if variance is not None and not urn.is_static:
        width = tf.minimum(width, _window(greatest(variance)))
    start = tf.math.floor(expected) - ps.floor((width - 1.0) / 2.0)
    start = _clip(start, all_sums - width)
    return Window(start[..., tf.newaxis], row_size(width))


def window_sizes(urn: Urn) -> tuple[int, int] | None:
    """The most counts, and sums, that the rows of windows hold, where known."""
    bounds = [urn.max_draws, urn.max_size, urn.max_variance]
    bounds = [tf.get_static_value(bound) for bound in bounds]
    if any(bound is None for bound in bounds):
        return None
    draws, size, variance = map(float, bounds)
    counts = min(size, draws) + 1.0
    if urn.windowed:
        counts = min(counts, _window(min(variance, size / 4.0)))
    return int(counts), int(min(draws + 1.0, _window(variance)))


def counts_row(size: Size) -> tf.Tensor:
    """`[0, 1, ..., size - 1]` in float64."""
    return tf.range(tf.cast(size, CORE_DTYPE), dtype=CORE_DTYPE)


def log_group_rows(urn: Urn, tilt: tf.Tensor) -> tf.Tensor:
    """Log-probabilities of each group's count, were the groups independent.

    Args:
      urn: the urns.
      tilt: log t, float64 `[B...]`.

    Returns:
      float64 `[B..., c, R]`: `log Binomial(x; m_i, p_i)` for x = 0..R-1.
    """
    counts = counts_row(urn.num_counts)
    return log_binomial_rows(
        urn.group_sizes[..., tf.newaxis],
        counts,
        (urn.log_weights + tilt[..., tf.newaxis])[..., tf.newaxis],
    )


def log_binomial_rows(
    sizes: tf.Tensor, counts: tf.Tensor, logits: tf.Tensor
) -> tf.Tensor:
    """As `log_binomial`, for rows of ordinary counts; shapes broadcast.

    Its coefficients are computed once for a batch of the same sizes. The error is
    that of rounding `log C(m, x)`.
    """
    rest = tf.maximum(sizes - counts, 0.0)
    return (
        log_choose(sizes, counts)
        + tf.math.multiply_no_nan(tf.math.log_sigmoid(logits), counts)
        + rest * tf.math.log_sigmoid(-logits)
    )


def classes_first(rows: tf.Tensor) -> tf.Tensor:
    """`[B..., c, R]` -> `[c, B..., R]`, for loops over the groups."""
    rank = ps.rank(rows)
    order = ps.concat([[rank - 2], ps.range(rank - 2), [rank - 1]], axis=0)
    return tf.transpose(rows, order)


def classes_last(rows: tf.Tensor) -> tf.Tensor:
    """`[c, B..., R]` -> `[B..., c, R]`."""
    rank = ps.rank(rows)
    order = ps.concat([ps.range(1, rank - 1), [0], [rank - 1]], axis=0)
    return tf.transpose(rows, order)


def take(table: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`table[..., index]`: `[A..., L]` and int32 `[A..., R]` to `[A..., R]`.

    As `tf.gather` with `batch_dims`, which needs to know the rank of `A`.
    """
    flat = tf.reshape(table, ps.stack([-1, ps.shape(table)[-1]]))
    flat_index = tf.reshape(index, ps.stack([-1, ps.shape(index)[-1]]))
    return tf.reshape(tf.gather(flat, flat_index, batch_dims=1), ps.shape(index))
