"""The MultivariateFisherNoncentralHypergeometric distribution class."""

from collections.abc import Callable
from typing import Any

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
    tensorshape_util,
)
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import fit as fitting
from mvhg_tf.distributions import parameters as parameter_util
from mvhg_tf.distributions import sampling, straight_through, support
from mvhg_tf.distributions.cached import cached
from mvhg_tf.distributions.law import LAWS, Law
from mvhg_tf.distributions.parameters import Seed, TensorLike
from mvhg_tf.distributions.straight_through import Estimator
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Bound,
    Shape,
    Size,
    Urn,
    make_urn,
    row_size,
)

__all__ = ["MultivariateFisherNoncentralHypergeometric"]

_ESTIMATORS = ("gumbel_softmax", "mean", None)


class MultivariateFisherNoncentralHypergeometric(
    distribution.DiscreteDistributionMixin,
    distribution.AutoCompositeTensorDistribution,
):
    """Fisher's multivariate noncentral hypergeometric distribution.

    An urn holds `m_i` elements of group `i`, `i = 1..c`, each with the weight
    `omega_i`. Each element is taken independently, with odds proportional to its
    weight. Given that `n` elements are taken in total, the counts `x` of the groups
    follow this distribution (Fisher 1935; Fog 2008).

    #### Mathematical details

    ```none
    pmf(x; n, m, omega) = prod_i C(m_i, x_i) omega_i**x_i / Z
    Z = sum over y of prod_i C(m_i, y_i) omega_i**y_i
    ```

    over whole numbers `0 <= x_i <= m_i` that sum to `n`. Weights matter only up to a
    common factor. It is an exponential family in `log_weights`: the mean is the
    gradient of `log Z`, and the covariance is its Hessian. Both are exact here, as are
    `log_prob`, `entropy`, `mode` and `kl_divergence`. The support is never enumerated,
    and the graph does not grow with the number of groups.

    Special cases: equal weights give the (central) multivariate hypergeometric
    distribution, groups of one element give subset sampling, and two groups give the
    univariate `FisherNoncentralHypergeometric`.

    #### Gradients of samples

    The value of a sample is always an exact draw. `gradient_estimator` chooses the
    gradient that it passes to the weights:

    * `"mean"`: the gradient of the mean. It has no temperature, a small bias and a
      small variance. For groups of one element it is SIMPLE (Ahmed et al. 2023). Try it
      first.
    * `"gumbel_softmax"`: the gradient of the paper (Sutter et al. 2023). A group's
      one-hot row is relaxed to a softmax of its log-probabilities plus Gumbel noise,
      divided by `temperature`. Low temperatures have a small bias and a large variance.
    * `None`: no gradient; `reparameterization_type` is `NOT_REPARAMETERIZED`.

    #### Shapes

    `total_count` `[B...]`, `group_sizes` and `log_weights` `[B..., c]` and
    `temperature` `[B...]` broadcast. The event shape is `[c]`. Whole-number parameters
    may have integer dtypes. Samples have the common dtype of the floating parameters.

    #### Examples

    ```python
    dist = MultivariateFisherNoncentralHypergeometric(
        total_count=10, group_sizes=[8, 6, 4], weights=[1., 2., 4.])
    dist.sample(seed=[0, 1])           # Shape [3], sums to 10.
    dist.log_prob([3., 4., 3.])        # Shape [].
    dist.mean()                        # Shape [3].
    dist.covariance()                  # Shape [3, 3].
    ```

    Learn weights through samples:

    ```python
    log_weights = tf.Variable([[0., 0., 0.]])
    with tf.GradientTape() as tape:
      dist = MultivariateFisherNoncentralHypergeometric(
          10, [8, 6, 4], log_weights=log_weights, gradient_estimator="mean")
      loss = tf.reduce_mean((dist.sample(100) - [2., 4., 4.]) ** 2)
    tape.gradient(loss, log_weights)   # Shape [1, 3].
    ```

    or from counts, by maximum likelihood:

    ```python
    MultivariateFisherNoncentralHypergeometric.fit(
        [[3., 4., 3.], [2., 4., 4.]], total_count=10, group_sizes=[8, 6, 4])
    ```

    #### Pitfalls

    * Under `jit_compile=True` the sizes of the tables must be known when the graph is
      built: pass `total_count` and `group_sizes` as numbers or constants, not as
      variables or arguments of the function.
    * `log_weights` are determined only up to a constant: their gradients sum to zero.
    * A group with a weight of exactly zero is never drawn; its gradient is 0.
    * `total_count` and `group_sizes` are whole numbers: they get no gradient (`None`).
    * Second derivatives of samples are those of the estimate; `"gumbel_softmax"` treats
      its relaxation as constant.
    * Sizes that need rows of more than 2^28 numbers raise a `ValueError`.
    * `method="merged"` depends on the order of the groups and is not Fisher's
      distribution (see `__init__`).
    * Counts are exact up to `2**24` in float32, `2**11` in float16 and `2**8` in
      bfloat16. The dtype of the distribution is that of its results: they are computed
      in float64, except for the relaxation of `"gumbel_softmax"`, which uses at least
      float32.

    #### References

    * R. A. Fisher. The Logic of Inductive Inference. _Journal of the Royal
      Statistical Society_ 98(1), 1935.
    * A. Fog. Sampling Methods for Wallenius' and Fisher's Noncentral
      Hypergeometric Distributions. _Communications in Statistics - Simulation
      and Computation_ 37(2), 2008.
    * T. M. Sutter, L. Manduchi, A. Ryser and J. E. Vogt. Learning Group
      Importance using the Differentiable Hypergeometric Distribution. _ICLR_,
      2023.
    * K. Ahmed, Z. Zeng, M. Niepert and G. Van den Broeck. SIMPLE: A Gradient
      Estimator for k-Subset Sampling. _ICLR_, 2023.
    """

    def __init__(
        self,
        total_count: TensorLike,
        group_sizes: TensorLike,
        log_weights: TensorLike | None = None,
        weights: TensorLike | None = None,
        method: str = "exact",
        gradient_estimator: str | None = "gumbel_softmax",
        temperature: TensorLike = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateFisherNoncentralHypergeometric",
    ) -> None:
        """Initialize a batch of distributions.

        Args:
          total_count: `n`, the number of elements drawn; whole numbers `[B...]`.
          group_sizes: `m`, the number of elements of each group; whole numbers
            `[B..., c]`.
          log_weights: Log of the groups' weights, floating `[B..., c]`; `-inf` for a
            group that is never drawn. Only one of `log_weights` and `weights`
            should be passed in.
          weights: The groups' weights, floating `[B..., c]`, at least 0.
          method: `"exact"`, or `"merged"` for the paper's approximation, which draws
            each group against all later groups, merged into one with their mean weight
            (Sutter et al. 2023, eq. 3).
          gradient_estimator: `"gumbel_softmax"`, `"mean"` or `None`: the gradient
            that samples pass to the weights.
          temperature: Positive temperature of `"gumbel_softmax"`, floating `[B...]`.
          validate_args: Python `bool`, default `False`. When `True` distribution
            parameters are checked for validity despite possibly degrading runtime
            performance. When `False` invalid inputs may silently render incorrect
            outputs.
          allow_nan_stats: Python `bool`, default `True`. When `True`, statistics (e.g.,
            mean, mode, variance) use the value "`NaN`" to indicate the result is
            undefined: here, where `n` elements can't be drawn. When `False`, an
            exception is raised if one or more of the statistic's batch members are
            undefined.
          name: Python `str` name prefixed to Ops created by this class.

        Raises:
          ValueError: If both or neither of `log_weights` and `weights` are passed
            in, if `method` or `gradient_estimator` is not one of the above, or if
            shapes don't agree where they are known.
        """
        parameters = dict(locals())
        parameter_util.one_of(log_weights, weights, "log_weights", "weights")
        parameter_util.choice(method, tuple(LAWS), "method")
        parameter_util.choice(gradient_estimator, _ESTIMATORS, "gradient_estimator")
        with tf.name_scope(name) as name:
            dtype = parameter_util.floating_dtype(
                [log_weights, weights, total_count, group_sizes, temperature]
            )
            self._total_count = parameter_util.convert(
                total_count, dtype, "total_count"
            )
            self._group_sizes = parameter_util.convert(
                group_sizes, dtype, "group_sizes"
            )
            self._log_weights = parameter_util.convert(
                log_weights, dtype, "log_weights"
            )
            self._weights = parameter_util.convert(weights, dtype, "weights")
            self._temperature = parameter_util.convert(
                temperature, dtype, "temperature"
            )
            self._method = method
            self._gradient_estimator = gradient_estimator
            self._check_static_shapes()
            super().__init__(
                dtype=dtype,
                reparameterization_type=(
                    reparameterization.NOT_REPARAMETERIZED
                    if gradient_estimator is None
                    else reparameterization.FULLY_REPARAMETERIZED
                ),
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

        def positive() -> Any:
            return softplus_bijector.Softplus(low=np.finfo(np.float32).tiny)

        return {
            "total_count": properties(default_constraining_bijector_fn=no_bijector),
            "group_sizes": properties(
                event_ndims=1, default_constraining_bijector_fn=no_bijector
            ),
            "log_weights": properties(event_ndims=1),
            "weights": properties(
                event_ndims=1,
                default_constraining_bijector_fn=positive,
                is_preferred=False,
            ),
            "temperature": properties(default_constraining_bijector_fn=positive),
        }

    @property
    def _composite_tensor_shape_params(self) -> tuple[str, ...]:
        # The sizes of tables depend on these: a distribution passed into a tf.function
        # keeps them static where they are known.
        return ("total_count", "group_sizes")

    @property
    def total_count(self) -> tf.Tensor:
        """`n`, the number of elements drawn, as passed in."""
        return self._total_count

    @property
    def group_sizes(self) -> tf.Tensor:
        """`m`, the number of elements of each group, as passed in."""
        return self._group_sizes

    @property
    def log_weights(self) -> tf.Tensor | None:
        """Input argument `log_weights`."""
        return self._log_weights

    @property
    def weights(self) -> tf.Tensor | None:
        """Input argument `weights`."""
        return self._weights

    @property
    def method(self) -> str:
        """Input argument `method`."""
        return self._method

    @property
    def _law(self) -> Law:
        return LAWS[self._method]

    @property
    def gradient_estimator(self) -> str | None:
        """Input argument `gradient_estimator`."""
        return self._gradient_estimator

    @property
    def temperature(self) -> tf.Tensor:
        """Input argument `temperature`."""
        return self._temperature

    def log_weights_parameter(self, name: str | None = None) -> tf.Tensor:
        """Log-weights `[B..., c]`, from `log_weights` or `weights`."""
        with self._name_and_control_scope(name or "log_weights_parameter"):
            return tf.cast(self._log_weights_no_checks(), self.dtype)

    def _log_weights_no_checks(self) -> tf.Tensor:
        if self._log_weights is not None:
            return tensor_util.identity_as_tensor(self._log_weights)
        return parameter_util.safe_log(self._weights)

    def urn(self) -> Urn:
        """The parameters as the functions of this package take them."""
        return make_urn(
            self._total_count, self._group_sizes, self._log_weights_no_checks()
        )

    def _full_urn(self) -> Urn:
        """The urns at the batch shape of the distribution, temperature included."""
        return self.urn().broadcast(self._batch_shape_tensor_now())

    def _batch_shape_tensor_now(self) -> Shape:
        static = self.batch_shape
        if tensorshape_util.is_fully_defined(static):
            return np.array(static, np.int32)
        return self.batch_shape_tensor()

    def _weights_or_log_weights(self) -> tf.Tensor:
        return self._weights if self._log_weights is None else self._log_weights

    def _event_shape_tensor(self) -> Shape:
        return ps.shape(self._weights_or_log_weights())[-1:]

    def _event_shape(self) -> tf.TensorShape:
        return tensorshape_util.with_rank(
            self._weights_or_log_weights().shape[-1:], rank=1
        )

    def _log_prob(self, counts: tf.Tensor) -> tf.Tensor:
        num_groups = tf.compat.dimension_value(self.event_shape[-1])
        parameter_util.check_event(counts, num_groups, "value")
        value = _log_prob(self.urn(), tf.cast(counts, CORE_DTYPE), self._law)
        return self._at_batch_shape(value, event_ndims=0)

    def _mean(self) -> tf.Tensor:
        value = _statistic(self.urn(), self._law.mean)
        return self._defined(self._at_batch_shape(value))

    def _covariance(self) -> tf.Tensor:
        value = _statistic(self.urn(), self._law.covariance)
        return self._defined(self._at_batch_shape(value, event_ndims=2))

    def _variance(self) -> tf.Tensor:
        value = _statistic(self.urn(), self._law.variance)
        return self._defined(self._at_batch_shape(value))

    def _entropy(self) -> tf.Tensor:
        value = _statistic(self.urn(), self._law.entropy)
        return self._defined(self._at_batch_shape(value, event_ndims=0))

    def _mode(self) -> tf.Tensor:
        if self._method != "exact":
            raise NotImplementedError(
                'mode is implemented for method="exact" only: pass that method.'
            )
        return self._defined(self._at_batch_shape(_statistic(self.urn(), support.mode)))

    def _defined(self, value: tf.Tensor) -> tf.Tensor:
        return parameter_util.defined(value, self.urn(), self.allow_nan_stats)

    def _at_batch_shape(self, value: tf.Tensor, event_ndims: int = 1) -> tf.Tensor:
        """Casts, and broadcasts to the batch shape of the distribution."""
        value = tf.cast(value, self.dtype)
        if tensor_util.is_ref(self._temperature) or self._temperature.shape.rank != 0:
            shape = ps.shape(value)
            split = ps.size(shape) - event_ndims
            batch_shape = ps.broadcast_shape(
                shape[:split], self._batch_shape_tensor_now()
            )
            value = tf.broadcast_to(value, ps.concat([batch_shape, shape[split:]], 0))
        return value

    def marginal_log_prob(
        self, group: int, name: str = "marginal_log_prob"
    ) -> tf.Tensor:
        """Log-probabilities of the count of one group.

        Args:
          group: Python `int`, which group, from 0; negative from the end.
          name: Python `str` name of the op.

        Returns:
          `[B..., m + 1]`, for the counts 0..m, where m is the size of the group (the
          greatest in the batch).

        Raises:
          ValueError: If `group` is out of range.
        """
        num_groups = tf.compat.dimension_value(self.event_shape[-1])
        if num_groups is not None and not -num_groups <= group < num_groups:
            raise ValueError(
                f"group is {group}, but there are {num_groups} groups: pass "
                f"{-num_groups} to {num_groups - 1}."
            )
        with self._name_and_control_scope(name):
            urn = self.urn()
            if num_groups is not None:
                group = group % num_groups
            size = row_size(_greatest_size(self._group_sizes, group) + 1.0)
            if tf.executing_eagerly():
                # Tensors, so that one graph serves all groups and sizes.
                group, size = tf.constant(group), tf.constant(size)
            value = _marginal_log_prob(urn, group, size, self._law)
            return self._at_batch_shape(value)

    def support_size(self, name: str = "support_size") -> tf.Tensor:
        """The number of count vectors with a positive probability, `[B...]`."""
        with self._name_and_control_scope(name):
            value = _statistic(self.urn(), support.support_size)
            return self._at_batch_shape(value, event_ndims=0)

    def minimum(self, name: str = "minimum") -> tf.Tensor:
        """The least count of each group in the support, `[B..., c]`."""
        with self._name_and_control_scope(name):
            return self._at_batch_shape(_statistic(self.urn(), support.minimum))

    def maximum(self, name: str = "maximum") -> tf.Tensor:
        """The greatest count of each group in the support, `[B..., c]`."""
        with self._name_and_control_scope(name):
            return self._at_batch_shape(_statistic(self.urn(), support.maximum))

    def _sample_n(self, n: Size, seed: Seed = None) -> tf.Tensor:
        return self._draw(straight_through.counts, n, seed)

    def sample_one_hot(
        self,
        sample_shape: TensorLike = (),
        seed: Seed = None,
        hard: bool = True,
        name: str = "sample_one_hot",
    ) -> tf.Tensor:
        """One-hot rows of the counts of a sample.

        The same seed gives the same draw as `sample`.

        Args:
          sample_shape: 0D or 1D `int32` `Tensor`. Shape of the generated samples.
          seed: PRNG seed; see `tfp.random.sanitize_seed` for details.
          hard: Python `bool`. If `False`, the value is the relaxed row of
            `"gumbel_softmax"` instead of the one-hot row; its gradient is the same.
          name: Python `str` name of the op.

        Returns:
          `[sample_shape, B..., c, max(m) + 1]`: the row of group i is 1 at the
          count `x_i`.

        Raises:
          ValueError: If `hard` is false and the estimator is not
            `"gumbel_softmax"`.
        """
        if not hard and self._gradient_estimator != "gumbel_softmax":
            raise ValueError(
                f"gradient_estimator is {self._gradient_estimator!r}, but relaxed rows "
                '(hard=False) need "gumbel_softmax".'
            )
        with self._name_and_control_scope(name):
            sample_shape = ps.convert_to_shape_tensor(
                ps.cast(sample_shape, tf.int32), name="sample_shape"
            )
            sample_shape, n = self._expand_sample_shape_to_vector(
                sample_shape, "sample_shape"
            )
            rows = self._draw(straight_through.rows, n, seed, hard)
            return tf.reshape(
                rows, ps.concat([sample_shape, ps.shape(rows)[1:]], axis=0)
            )

    def sample_filled(
        self,
        sample_shape: TensorLike = (),
        seed: Seed = None,
        hard: bool = True,
        name: str = "sample_filled",
    ) -> tf.Tensor:
        """Masks filled up to the counts of a sample: 1 at 0..x_i, then 0.

        Args:
          sample_shape: 0D or 1D `int32` `Tensor`. Shape of the generated samples.
          seed: PRNG seed; see `tfp.random.sanitize_seed` for details.
          hard: As in `sample_one_hot`.
          name: Python `str` name of the op.

        Returns:
          `[sample_shape, B..., c, max(m) + 1]`; each row sums to `x_i + 1`.
        """
        rows = self.sample_one_hot(sample_shape, seed=seed, hard=hard, name=name)
        return tf.cumsum(rows, axis=-1, reverse=True)

    def _draw(
        self, function: Callable[..., tf.Tensor], n: Size, seed: Seed, *extra: bool
    ) -> tf.Tensor:
        seed = samplers.sanitize_seed(seed, salt=type(self).__name__)
        urn = self._full_urn()
        how = sampling.plan(urn, n)
        estimator = Estimator(
            self._gradient_estimator,
            tf.convert_to_tensor(self._temperature),
            self._law,
        )
        if tf.executing_eagerly():
            # A tensor, so that another number of draws needs no new trace.
            n = tf.convert_to_tensor(n, tf.int32)
        return function(urn, n, how, seed, estimator, self.dtype, *extra)

    @classmethod
    def fit(
        cls,
        counts: TensorLike,
        total_count: TensorLike,
        group_sizes: TensorLike,
        name: str = "fit",
        **kwargs: Any,
    ) -> "MultivariateFisherNoncentralHypergeometric":
        """Estimates the weights from counts by maximum likelihood.

        Args:
          counts: Observed counts, `[S, B..., c]`, each summing to `total_count`.
          total_count: As in `__init__`, `[B...]`.
          group_sizes: As in `__init__`, `[B..., c]`.
          name: Python `str` name of the op.
          **kwargs: Further arguments of `__init__`.

        Returns:
          The distribution of the greatest likelihood, with `log_weights` centred at 0.
          A group that was never drawn gets the weight 0. A group that was always drawn
          completely has no finite estimate: its weight is set to `exp(60)` times the
          largest of the others.

        Raises:
          ValueError: If the mean of the counts does not sum to `total_count` (within
            1e-4 of it) or does not fit into `group_sizes`. If a graph does not know the
            counts, it raises an `InvalidArgumentError` when it runs.
        """
        dtype = parameter_util.floating_dtype([counts])
        mean = tf.reduce_mean(parameter_util.as_tensor(counts, CORE_DTYPE), axis=0)
        return cls.fit_mean(
            mean, total_count, group_sizes, name=name, dtype=dtype, **kwargs
        )

    @classmethod
    def fit_mean(
        cls,
        mean: TensorLike,
        total_count: TensorLike,
        group_sizes: TensorLike,
        name: str = "fit_mean",
        dtype: tf.DType | None = None,
        **kwargs: Any,
    ) -> "MultivariateFisherNoncentralHypergeometric":
        """Finds the weights that give a mean: an exact `oddsMFNCHypergeo` of BiasedUrn.

        Args:
          mean: The mean, `[B..., c]`, summing to `total_count`.
          total_count: As in `__init__`, `[B...]`.
          group_sizes: As in `__init__`, `[B..., c]`.
          name: Python `str` name of the op.
          dtype: Of the result; by default that of `mean`.
          **kwargs: Further arguments of `__init__`.

        Returns:
          The distribution, as from `fit`.

        Raises:
          ValueError: As `fit`.
        """
        with tf.name_scope(name):
            dtype = parameter_util.floating_dtype([mean]) if dtype is None else dtype
            mean = parameter_util.as_tensor(mean, CORE_DTYPE)
            total_count = parameter_util.as_tensor(total_count, dtype)
            group_sizes = parameter_util.as_tensor(group_sizes, dtype)
            parameter_util.check_mean(mean, total_count, group_sizes)
            urn = make_urn(total_count, group_sizes, tf.zeros_like(mean))
            with tf.control_dependencies(parameter_util.assert_mean(mean, urn)):
                log_weights = tf.cast(_fit(urn, tf.identity(mean)), dtype)
        return cls(total_count, group_sizes, log_weights, **kwargs)

    @staticmethod
    def group_sizes_from_mean(
        mean: TensorLike,
        weights: TensorLike,
        population: TensorLike,
        name: str = "group_sizes_from_mean",
    ) -> tf.Tensor:
        """Finds the group sizes that give a mean: BiasedUrn's `numMFNCHypergeo`.

        Like BiasedUrn, it uses Levin's approximation. The sizes are not rounded.

        Args:
          mean: The mean of the counts, `[B..., c]`.
          weights: The groups' weights, `[B..., c]`, positive.
          population: The number of all elements, `[B...]`.
          name: Python `str` name of the op.

        Returns:
          `[B..., c]`, summing to `population`.
        """
        with tf.name_scope(name):
            dtype = parameter_util.floating_dtype([mean, weights, population])
            mean, weights, population = (
                parameter_util.as_tensor(value, CORE_DTYPE)
                for value in (mean, weights, population)
            )
            sizes = fitting.group_sizes_from_mean(
                mean, tf.math.log(weights), population
            )
            return tf.cast(sizes, dtype)

    def _default_event_space_bijector(self) -> None:
        return

    def _check_static_shapes(self) -> None:
        weights = self._weights_or_log_weights()
        name = "weights" if self._log_weights is None else "log_weights"
        for shape, label in (
            (self._group_sizes.shape, "group_sizes"),
            (weights.shape, name),
        ):
            if shape.rank == 0:
                raise ValueError(
                    f"{label} is a scalar, but must have the shape [..., c]: pass one "
                    "number for each group."
                )
        sizes = self._group_sizes.shape[-1:], weights.shape[-1:]
        if not sizes[0].is_compatible_with(sizes[1]):
            raise ValueError(
                f"group_sizes has {sizes[0][0]} groups and {name} has {sizes[1][0]}: "
                "pass one weight for each group."
            )
        parameter_util.broadcastable(
            {
                "total_count": self._total_count.shape,
                "group_sizes": self._group_sizes.shape[:-1],
                name: weights.shape[:-1],
                "temperature": self._temperature.shape,
            }
        )

    def _sample_control_dependencies(self, counts: tf.Tensor) -> list[tf.Operation]:
        """Checks counts for proper values."""
        if not self.validate_args:
            return []
        assertions = parameter_util.assert_whole(counts, "counts")
        num_groups = self.event_shape_tensor()[-1]
        assertions += parameter_util.assert_event(counts, num_groups, "counts")
        counts = tf.cast(counts, self.dtype)
        total_count = tf.cast(self._total_count, self.dtype)
        group_sizes = tf.cast(self._group_sizes, self.dtype)
        return [
            *assertions,
            assert_util.assert_equal(
                total_count,
                tf.reduce_sum(counts, axis=-1),
                message="counts must sum to total_count",
            ),
            assert_util.assert_less_equal(
                counts, group_sizes, message="counts must not exceed group_sizes"
            ),
        ]

    def _parameter_control_dependencies(self, is_init: bool) -> list[tf.Operation]:
        if not self.validate_args:
            return []
        assertions = []
        for value, name, check in (
            (self._total_count, "total_count", parameter_util.assert_whole),
            (self._group_sizes, "group_sizes", parameter_util.assert_whole),
            (self._log_weights, "log_weights", parameter_util.assert_log_weights),
            (self._weights, "weights", parameter_util.assert_weights),
            (self._temperature, "temperature", _assert_positive),
        ):
            if value is not None and is_init != tensor_util.is_ref(value):
                assertions.extend(check(tf.convert_to_tensor(value), name))
        refs = map(
            tensor_util.is_ref,
            (self._total_count, self._group_sizes, self._weights_or_log_weights()),
        )
        if is_init != any(refs):
            urn = self.urn()
            assertions.append(
                assert_util.assert_less_equal(
                    urn.total_count,
                    tf.reduce_sum(urn.reach(), axis=-1),
                    message=(
                        "total_count must not exceed the number of elements of the "
                        "groups with a positive weight"
                    ),
                )
            )
        return assertions


def _assert_positive(value: tf.Tensor, name: str) -> list[tf.Operation]:
    return [assert_util.assert_positive(value, message=f"{name} must be positive")]


def _greatest_size(group_sizes: tf.Tensor, group: int) -> Bound:
    """The size of a group, the greatest of its batch; static if it can be."""
    static = tf.get_static_value(group_sizes)
    if static is not None:
        return float(np.max(static[..., group], initial=0))
    return tf.cast(tf.reduce_max(group_sizes[..., group]), CORE_DTYPE)


_fit = cached(fitting.log_weights_from_mean)


@cached
def _log_prob(urn: Urn, counts: tf.Tensor, law: Law) -> tf.Tensor:
    return law.log_prob(urn, counts)


@cached
def _statistic(urn: Urn, statistic: Callable[[Urn], tf.Tensor]) -> tf.Tensor:
    return statistic(urn)


@cached
def _marginal_log_prob(urn: Urn, group: Size, size: Size, law: Law) -> tf.Tensor:
    return law.marginal_log_prob(urn, group, size)
