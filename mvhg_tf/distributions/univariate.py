"""The FisherNoncentralHypergeometric distribution class: one count of two groups."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.bijectors import softplus as softplus_bijector
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import (
    assert_util,
    parameter_properties,
    reparameterization,
    samplers,
    tensor_util,
)
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import exact, normalizer, sampling, support
from mvhg_tf.distributions import parameters as parameter_util
from mvhg_tf.distributions.cached import cached
from mvhg_tf.distributions.inversion import Plan
from mvhg_tf.distributions.parameters import Seed, TensorLike
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Shape,
    Size,
    Urn,
    make_urn,
    take,
)

__all__ = ["FisherNoncentralHypergeometric"]

# Used instead of minus infinity, whose differences are NaN.
_NEVER = -1e30


class FisherNoncentralHypergeometric(
    distribution.DiscreteDistributionMixin,
    distribution.AutoCompositeTensorDistribution,
):
    """Fisher's (univariate) noncentral hypergeometric distribution.

    An urn holds `group_size` elements of the counted group and `other_size` other
    elements. Each element is taken independently, with odds that are `odds` times as
    high for the counted group. Given that `total_count` elements are taken in total,
    the count `x` of the group follows this distribution. It is the first count of a
    `MultivariateFisherNoncentralHypergeometric` with two groups.

    #### Mathematical details

    ```none
    pmf(x; n, m1, m2, odds) = C(m1, x) C(m2, n - x) odds**x / Z
    ```

    for `max(0, n - m2) <= x <= min(n, m1)`.

    `scipy.stats.nchypergeom_fisher(M, n, N, odds)` is
    `FisherNoncentralHypergeometric(total_count=N, group_size=n, other_size=M - n,
    odds=odds)`.

    #### Examples

    ```python
    dist = FisherNoncentralHypergeometric(
        total_count=10, group_size=8, other_size=12, odds=[0.5, 2.])
    dist.sample(5, seed=[0, 1])          # Shape [5, 2].
    dist.cdf(4.)                         # Shape [2].
    dist.quantile(0.5)                   # Shape [2].
    ```

    #### References

    * R. A. Fisher. The Logic of Inductive Inference. _Journal of the Royal
      Statistical Society_ 98(1), 1935.
    * A. Fog. Calculation Methods for Wallenius' Noncentral Hypergeometric
      Distribution. _Communications in Statistics - Simulation and Computation_
      37(2), 2008.
    """

    def __init__(
        self,
        total_count: TensorLike,
        group_size: TensorLike,
        other_size: TensorLike,
        log_odds: TensorLike | None = None,
        odds: TensorLike | None = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "FisherNoncentralHypergeometric",
    ) -> None:
        """Initialize a batch of distributions.

        Args:
          total_count: The number of elements drawn; whole numbers `[B...]`.
          group_size: The number of elements of the counted group; `[B...]`.
          other_size: The number of the other elements; `[B...]`.
          log_odds: Log of the odds ratio, floating `[B...]`. Only one of `log_odds`
            and `odds` should be passed in.
          odds: The odds ratio, floating `[B...]`, at least 0.
          validate_args: Python `bool`, default `False`. When `True` distribution
            parameters are checked for validity despite possibly degrading runtime
            performance. When `False` invalid inputs may silently render incorrect
            outputs.
          allow_nan_stats: Python `bool`, default `True`. When `True`, statistics use
            the value "`NaN`" to indicate the result is undefined: here, where
            `total_count` elements can't be drawn. When `False`, an exception is raised
            if one or more of the statistic's batch members are undefined.
          name: Python `str` name prefixed to Ops created by this class.

        Raises:
          ValueError: If both or neither of `log_odds` and `odds` are passed in, or
            if shapes don't agree where they are known.
        """
        parameters = dict(locals())
        parameter_util.one_of(log_odds, odds, "log_odds", "odds")
        with tf.name_scope(name) as name:
            dtype = parameter_util.floating_dtype(
                [log_odds, odds, total_count, group_size, other_size]
            )
            self._total_count = parameter_util.convert(
                total_count, dtype, "total_count"
            )
            self._group_size = parameter_util.convert(group_size, dtype, "group_size")
            self._other_size = parameter_util.convert(other_size, dtype, "other_size")
            self._log_odds = parameter_util.convert(log_odds, dtype, "log_odds")
            self._odds = parameter_util.convert(odds, dtype, "odds")
            parameter_util.broadcastable(
                {
                    "total_count": self._total_count.shape,
                    "group_size": self._group_size.shape,
                    "other_size": self._other_size.shape,
                    "odds": self._odds_or_log_odds().shape,
                }
            )
            super().__init__(
                dtype=dtype,
                reparameterization_type=reparameterization.NOT_REPARAMETERIZED,
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                parameters=parameters,
                name=name,
            )

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, Any]:
        properties = parameter_properties.ParameterProperties
        no_bijector = parameter_properties.BIJECTOR_NOT_IMPLEMENTED
        return {
            "total_count": properties(default_constraining_bijector_fn=no_bijector),
            "group_size": properties(default_constraining_bijector_fn=no_bijector),
            "other_size": properties(default_constraining_bijector_fn=no_bijector),
            "log_odds": properties(),
            "odds": properties(
                default_constraining_bijector_fn=softplus_bijector.Softplus,
                is_preferred=False,
            ),
        }

    @property
    def _composite_tensor_shape_params(self) -> tuple[str, ...]:
        # The sizes of rows depend on these: a distribution passed into a tf.function
        # keeps them static where they are known.
        return ("total_count", "group_size", "other_size")

    @property
    def total_count(self) -> tf.Tensor:
        """The number of elements drawn, as passed in."""
        return self._total_count

    @property
    def group_size(self) -> tf.Tensor:
        """The number of elements of the counted group, as passed in."""
        return self._group_size

    @property
    def other_size(self) -> tf.Tensor:
        """The number of the other elements, as passed in."""
        return self._other_size

    @property
    def log_odds(self) -> tf.Tensor | None:
        """Input argument `log_odds`."""
        return self._log_odds

    @property
    def odds(self) -> tf.Tensor | None:
        """Input argument `odds`."""
        return self._odds

    def _odds_or_log_odds(self) -> tf.Tensor:
        return self._odds if self._log_odds is None else self._log_odds

    def urn(self) -> Urn:
        """The two groups as the functions of this package take them."""
        group_size, other_size = _stackable(self._group_size, self._other_size)
        if self._log_odds is None:
            log_odds = parameter_util.safe_log(self._odds)
        else:
            log_odds = tf.convert_to_tensor(self._log_odds)
        return make_urn(
            tf.convert_to_tensor(self._total_count),
            tf.stack([group_size, other_size], axis=-1),
            tf.stack([log_odds, tf.zeros_like(log_odds)], axis=-1),
        )

    def _event_shape_tensor(self) -> Shape:
        return tf.constant([], dtype=tf.int32)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _sample_n(self, n: Size, seed: Seed = None) -> tf.Tensor:
        seed = samplers.sanitize_seed(seed, salt=type(self).__name__)
        urn = self.urn()
        how = sampling.plan(urn, n)
        if tf.executing_eagerly():
            n = tf.convert_to_tensor(n, tf.int32)
        return tf.stop_gradient(tf.cast(_draw(urn, n, how, seed), self.dtype))

    def _log_prob(self, count: tf.Tensor) -> tf.Tensor:
        return tf.cast(_log_prob(self.urn(), tf.cast(count, CORE_DTYPE)), self.dtype)

    def _log_cdf(self, count: tf.Tensor) -> tf.Tensor:
        return self._tail(_log_tail, count, upper=False)

    def _log_survival_function(self, count: tf.Tensor) -> tf.Tensor:
        return self._tail(_log_tail, count, upper=True)

    def _cdf(self, count: tf.Tensor) -> tf.Tensor:
        return self._tail(_tail, count, upper=False)

    def _survival_function(self, count: tf.Tensor) -> tf.Tensor:
        return self._tail(_tail, count, upper=True)

    def _tail(
        self,
        function: Callable[[Urn, tf.Tensor, bool], tf.Tensor],
        count: tf.Tensor,
        upper: bool,
    ) -> tf.Tensor:
        value = function(self.urn(), tf.cast(count, CORE_DTYPE), upper)
        return tf.cast(value, self.dtype)

    def _quantile(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.cast(value, self.dtype)
        return tf.cast(_quantile(self.urn(), value), self.dtype)

    def _mean(self) -> tf.Tensor:
        return self._statistic(_mean)

    def _variance(self) -> tf.Tensor:
        return self._statistic(_variance)

    def _mode(self) -> tf.Tensor:
        return self._statistic(_mode)

    def _entropy(self) -> tf.Tensor:
        return self._statistic(_entropy)

    def _statistic(self, function: Callable[[Urn], tf.Tensor]) -> tf.Tensor:
        urn = self.urn()
        value = tf.cast(function(urn), self.dtype)
        return parameter_util.defined(value, urn, self.allow_nan_stats)

    def _default_event_space_bijector(self) -> None:
        return

    def _sample_control_dependencies(self, count: tf.Tensor) -> list[tf.Operation]:
        """Checks counts for proper values."""
        if not self.validate_args:
            return []
        return parameter_util.assert_whole(count, "count")

    def _parameter_control_dependencies(self, is_init: bool) -> list[tf.Operation]:
        if not self.validate_args:
            return []
        assertions = []
        whole = (
            (self._total_count, "total_count"),
            (self._group_size, "group_size"),
            (self._other_size, "other_size"),
        )
        for value, name, check in (
            *((*pair, parameter_util.assert_whole) for pair in whole),
            (self._log_odds, "log_odds", parameter_util.assert_log_weights),
            (self._odds, "odds", parameter_util.assert_weights),
        ):
            if value is not None and is_init != tensor_util.is_ref(value):
                assertions.extend(check(tf.convert_to_tensor(value), name))
        refs = [tensor_util.is_ref(value) for value, _ in whole]
        if is_init != any([*refs, tensor_util.is_ref(self._odds_or_log_odds())]):
            urn = self.urn()
            assertions.append(
                assert_util.assert_less_equal(
                    urn.total_count,
                    tf.reduce_sum(urn.reach(), axis=-1),
                    message=(
                        "total_count must not exceed group_size + other_size, nor "
                        "other_size if the odds are 0"
                    ),
                )
            )
        return assertions


def _stackable(*values: tf.Tensor) -> list[tf.Tensor]:
    """Broadcasts tensors against each other, statically where possible."""
    static = [tf.get_static_value(value) for value in values]
    if all(value is not None for value in static):
        dtype = values[0].dtype
        return [tf.constant(value, dtype) for value in np.broadcast_arrays(*static)]
    tensors = [tf.convert_to_tensor(value) for value in values]
    shape = ps.broadcast_shape(*(ps.shape(tensor) for tensor in tensors))
    return [tf.broadcast_to(tensor, shape) for tensor in tensors]


@cached
def _draw(urn: Urn, num_draws: Size, how: Plan, seed: tf.Tensor) -> tf.Tensor:
    return sampling.draw(urn, num_draws, how, seed)[..., 0]


@cached
def _log_prob(urn: Urn, count: tf.Tensor) -> tf.Tensor:
    rest = urn.total_count - count
    count = tf.broadcast_to(count, ps.shape(rest))
    return exact.log_prob(urn, tf.stack([count, rest], axis=-1))


class _Tails(NamedTuple):
    """Logs of the cumulative probabilities of every count, `[B..., R]`.

    Attributes:
      start: the first count of the rows, `[B..., 1]` or `[1]`.
      lower: log P(x <= count).
      upper: log P(x > count).
    """

    start: tf.Tensor
    lower: tf.Tensor
    upper: tf.Tensor


def _tails(urn: Urn) -> _Tails:
    """Both tails, each from its own end, so that both keep their relative accuracy."""
    at = normalizer.pair(urn, with_tails=True)
    row = tf.maximum(tf.nn.log_softmax(at.log_row), _NEVER)

    def tail(**kwargs: bool) -> tf.Tensor:
        return tf.minimum(tf.math.cumulative_logsumexp(row, axis=-1, **kwargs), 0.0)

    return _Tails(at.window.start, tail(), tail(reverse=True, exclusive=True))


def _cumulative(tails: _Tails, upper: bool) -> tf.Tensor:
    """P(x <= count), or P(x > count); 1 minus the other tail where that is smaller."""
    own, other = tails.lower, tails.upper
    if upper:
        own, other = other, own
    return tf.where(own < other, tf.exp(own), -tf.math.expm1(other))


@cached
def _log_tail(urn: Urn, count: tf.Tensor, upper: bool) -> tf.Tensor:
    """log P(x <= count), or of what is above; `[...]`."""
    tails = _tails(urn)
    row = tails.upper if upper else tails.lower
    row = tf.where(row > _NEVER / 2, row, -np.inf)
    return _of_counts(urn, tails.start, row, count, -np.inf, 0.0, upper)


@cached
def _tail(urn: Urn, count: tf.Tensor, upper: bool) -> tf.Tensor:
    """P(x <= count), or of what is above; `[...]`."""
    tails = _tails(urn)
    row = _cumulative(tails, upper)
    return _of_counts(urn, tails.start, row, count, 0.0, 1.0, upper)


def _of_counts(
    urn: Urn,
    start: tf.Tensor,
    row: tf.Tensor,
    count: tf.Tensor,
    never: float,
    always: float,
    upper: bool,
) -> tf.Tensor:
    """A row's values at counts, which are certain beyond the support."""
    last = tf.cast(ps.shape(row)[-1], CORE_DTYPE) - 1.0
    is_number = ~tf.math.is_nan(count)
    count = tf.where(is_number, count, 0.0)
    place = tf.math.floor(count) - start[..., 0]
    value = _gather_row(row, tf.clip_by_value(place, 0.0, last))
    below, above = (always, never) if upper else (never, always)
    below, above = (tf.constant(v, CORE_DTYPE) for v in (below, above))
    floor = tf.math.floor(count)
    value = tf.where(place < 0.0, below, tf.where(place > last, above, value))
    value = tf.where(floor >= support.maximum(urn)[..., 0], above, value)
    value = tf.where(floor < support.minimum(urn)[..., 0], below, value)
    return tf.where(urn.is_possible() & is_number, value, np.nan)


@cached
def _quantile(urn: Urn, value: tf.Tensor) -> tf.Tensor:
    """The least count whose CDF, as returned by `cdf`, reaches the value."""
    tails = _tails(urn)
    cdf = tf.cast(_cumulative(tails, upper=False), value.dtype)
    short = tf.cast(cdf < value[..., tf.newaxis], CORE_DTYPE)
    count = tf.reduce_sum(short, axis=-1) + tails.start[..., 0]
    least, most = support.minimum(urn)[..., 0], support.maximum(urn)[..., 0]
    count = tf.clip_by_value(count, least, most)
    # Rounded, it is 1 before the last count.
    count = tf.where(value == 1.0, most, count)
    inside = (value >= 0.0) & (value <= 1.0) & urn.is_possible()
    return tf.where(inside, count, np.nan)


def _gather_row(rows: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    shape = ps.broadcast_shape(ps.shape(rows)[:-1], ps.shape(index))
    rows = tf.broadcast_to(rows, ps.concat([shape, ps.shape(rows)[-1:]], axis=0))
    index = tf.cast(tf.broadcast_to(index, shape), tf.int32)
    return take(rows, index[..., tf.newaxis])[..., 0]


@cached
def _mean(urn: Urn) -> tf.Tensor:
    return normalizer.mean(urn)[..., 0]


@cached
def _variance(urn: Urn) -> tf.Tensor:
    return normalizer.variance(urn)[..., 0]


@cached
def _mode(urn: Urn) -> tf.Tensor:
    return support.mode(urn)[..., 0]


@cached
def _entropy(urn: Urn) -> tf.Tensor:
    return exact.entropy(urn)
