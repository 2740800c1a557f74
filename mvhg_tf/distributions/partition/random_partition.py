"""The RandomPartition distribution class."""

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

from mvhg_tf.distributions import parameters as parameter_util
from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.parameters import Seed, TensorLike
from mvhg_tf.distributions.partition import functions
from mvhg_tf.distributions.partition.sizes import sizes_law
from mvhg_tf.distributions.urn import CORE_DTYPE, Shape, Size

__all__ = ["OrderedPartition", "RandomPartition"]

_ESTIMATORS = ("mean", "gumbel_softmax", None)
_ORDER_ESTIMATORS = ("race", "neural_sort", None)
_MOST_FOR_MEAN, _MOST_FOR_MODE = 256, 512


class OrderedPartition(NamedTuple):
    """A draw of `RandomPartition.sample_ordered`.

    Attributes:
      assignment: One-hot rows `[sample_shape, B..., n, K]`, with their gradients.
      sizes: Of the groups, `[sample_shape, B..., K]`, with the gradients of
        `sizes_distribution`.
      permutation: The elements in their drawn order, int32 `[sample_shape, B..., n]`:
        the first `sizes[..., 0]` are in the first group, and so on.
    """

    assignment: tf.Tensor
    sizes: tf.Tensor
    permutation: tf.Tensor


class RandomPartition(
    distribution.DiscreteDistributionMixin,
    distribution.AutoCompositeTensorDistribution,
):
    """A random partition of `n` elements into `K` ordered groups.

    The sizes of the groups follow Fisher's multivariate noncentral hypergeometric
    distribution. The elements fill the groups in the order of a Plackett-Luce draw
    (Sutter et al. 2023). An event is the assignment: `n` one-hot rows of length `K`.

    #### Mathematical details

    ```none
    sizes ~ MultivariateFisherNoncentralHypergeometric(n, [n] * K, log_weights)
    order ~ PlackettLuce(exp(scores))
    ```

    Many orders give the same assignment. Because the order is that of independent
    exponential arrivals, their probabilities sum to a product over the groups: with
    `A_k` the elements of group `k`, `s = exp(scores)` and `S_k` the sum of `s` over the
    groups after `k`,

    ```none
    pmf(Y) = P(sizes) prod_k integral_0^1 prod_{i in A_k} (1 - u**(s_i / S_k)) du
    ```

    `log_prob` computes it by quadrature to full float64 precision, for any sizes and
    scores; so are its derivatives of any order. Groups may be empty.

    #### Gradients of samples

    The value of a sample is always an exact draw. `gradient_estimator` chooses the
    gradient that the sizes pass to `log_weights`, as in
    `MultivariateFisherNoncentralHypergeometric`. `order_estimator` chooses the gradient
    that the order passes to `scores`:

    * `"race"`: has no temperature. Its expectation is exact for every loss that is
      linear or quadratic in the assignment. Try it first.
    * `"neural_sort"`: the gradient of the relaxed permutation matrix (Grover et al.
      2019), as in Sutter et al. Its cost and memory grow with the square of `n`.
    * `None`: none.

    #### Shapes

    `log_weights` `[B..., K]`, `scores` `[B..., n]` and `temperature` `[B...]`
    broadcast. The event shape is `[n, K]`.

    #### Examples

    ```python
    dist = RandomPartition(log_weights=[0., 1.], scores=[2., 1., 0., -1.])
    dist.sample(seed=[0, 1])            # Shape [4, 2].
    dist.log_prob(tf.one_hot([0, 0, 1, 1], 2))
    dist.mean()                         # P(element i is in group k), shape [4, 2].
    dist.mode()                         # The likeliest assignment.
    dist.sizes_distribution().mean()    # Shape [2].
    ```

    Learn both parameters through samples:

    ```python
    log_weights, scores = tf.Variable(tf.zeros(2)), tf.Variable(tf.zeros(4))
    wanted = tf.one_hot([0, 1, 1, 0], 2)
    with tf.GradientTape() as tape:
      draws = RandomPartition(log_weights, scores).sample(100)
      loss = tf.reduce_mean(tf.reduce_sum((draws - wanted) ** 2, axis=[-2, -1]))
    tape.gradient(loss, [log_weights, scores])   # Shapes [2] and [4].
    ```

    #### Pitfalls

    * `log_weights` and `scores` are each determined only up to a constant: their
      gradients sum to zero.
    * `log_prob` passes no gradient to the assignment: it is defined only for one-hot
      rows, and `-inf` elsewhere.
    * `mean` works for at most 256 elements and `mode` for at most 512; their number
      must be known when the graph is built.

    #### References

    * T. M. Sutter, A. Ryser, J. Liebeskind and J. E. Vogt. Differentiable Random
      Partition Models. _NeurIPS_, 2023.
    * A. Grover, E. Wang, A. Zweig and S. Ermon. Stochastic Optimization of Sorting
      Networks via Continuous Relaxations. _ICLR_, 2019.
    * L. Liu, C. Dong, X. Liu, B. Yu and J. Gao. Bridging Discrete and
      Backpropagation: Straight-Through and Beyond. _NeurIPS_, 2023.
    """

    def __init__(
        self,
        log_weights: TensorLike,
        scores: TensorLike,
        gradient_estimator: str | None = "mean",
        order_estimator: str | None = "race",
        temperature: TensorLike = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "RandomPartition",
    ) -> None:
        """Initialize a batch of random partitions.

        Args:
          log_weights: Log of the groups' weights in the law of the sizes, floating
            `[B..., K]`; `-inf` for a group that stays empty.
          scores: Log of the elements' rates in the order, floating `[B..., n]`,
            finite: elements with higher scores tend to be in earlier groups.
          gradient_estimator: `"mean"`, `"gumbel_softmax"` or `None`: the gradient
            that sizes pass to `log_weights`.
          order_estimator: `"race"`, `"neural_sort"` or `None`: the gradient that the
            order passes to `scores`.
          temperature: Positive temperature of `"gumbel_softmax"` and
            `"neural_sort"`, floating `[B...]`.
          validate_args: Python `bool`, default `False`. When `True` distribution
            parameters are checked for validity despite possibly degrading runtime
            performance. When `False` invalid inputs may silently render incorrect
            outputs.
          allow_nan_stats: Python `bool`, default `True`. No statistic of valid
            parameters is undefined.
          name: Python `str` name prefixed to Ops created by this class.

        Raises:
          ValueError: If an estimator is not one of the above, if `log_weights` or
            `scores` is a scalar or has an empty last axis, or if batch shapes don't
            agree where they are known.
        """
        parameters = dict(locals())
        parameter_util.choice(gradient_estimator, _ESTIMATORS, "gradient_estimator")
        parameter_util.choice(order_estimator, _ORDER_ESTIMATORS, "order_estimator")
        with tf.name_scope(name) as name:
            dtype = parameter_util.floating_dtype([log_weights, scores, temperature])
            self._log_weights = parameter_util.convert(
                log_weights, dtype, "log_weights"
            )
            self._scores = parameter_util.convert(scores, dtype, "scores")
            self._temperature = parameter_util.convert(
                temperature, dtype, "temperature"
            )
            self._gradient_estimator = gradient_estimator
            self._order_estimator = order_estimator
            self._check_static_shapes()
            super().__init__(
                dtype=dtype,
                reparameterization_type=(
                    reparameterization.NOT_REPARAMETERIZED
                    if gradient_estimator is None or order_estimator is None
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
        return {
            "log_weights": properties(event_ndims=1),
            "scores": properties(event_ndims=1),
            "temperature": properties(
                default_constraining_bijector_fn=lambda: softplus_bijector.Softplus(
                    low=np.finfo(np.float32).tiny
                )
            ),
        }

    @property
    def log_weights(self) -> tf.Tensor:
        """Input argument `log_weights`."""
        return self._log_weights

    @property
    def scores(self) -> tf.Tensor:
        """Input argument `scores`."""
        return self._scores

    @property
    def gradient_estimator(self) -> str | None:
        """Input argument `gradient_estimator`."""
        return self._gradient_estimator

    @property
    def order_estimator(self) -> str | None:
        """Input argument `order_estimator`."""
        return self._order_estimator

    @property
    def temperature(self) -> tf.Tensor:
        """Input argument `temperature`."""
        return self._temperature

    def sizes_distribution(
        self, name: str = "sizes_distribution"
    ) -> MultivariateFisherNoncentralHypergeometric:
        """The law of the groups' sizes.

        Returns:
          A `MultivariateFisherNoncentralHypergeometric` of batch shape `[B...]` and
          event shape `[K]`.
        """
        with self._name_and_control_scope(name):
            return sizes_law(
                tf.convert_to_tensor(self._log_weights),
                self._num_elements(),
                self._gradient_estimator,
                self._temperature,
            )

    def _num_elements(self) -> Size:
        """`n`, static where it can be."""
        return ps.shape(self._scores)[-1]

    def _event_shape_tensor(self) -> Shape:
        return ps.stack([self._num_elements(), ps.shape(self._log_weights)[-1]])

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self._scores.shape[-1], self._log_weights.shape[-1]])

    def _core(self) -> tuple[tf.Tensor, tf.Tensor]:
        """`log_weights` and `scores` in double precision."""
        return tuple(
            tf.cast(tf.convert_to_tensor(value), CORE_DTYPE)
            for value in (self._log_weights, self._scores)
        )

    def _log_prob(self, assignment: tf.Tensor) -> tf.Tensor:
        value = functions.log_prob(*self._core(), tf.cast(assignment, CORE_DTYPE))
        return tf.cast(self._at_batch_shape(value, assignment), self.dtype)

    def _at_batch_shape(self, value: tf.Tensor, assignment: tf.Tensor) -> tf.Tensor:
        """Broadcasts to the batch shape of the temperature too."""
        shape = ps.broadcast_shape(
            ps.shape(assignment)[:-2], self._batch_shape_tensor_now()
        )
        return tf.broadcast_to(value, shape)

    def _batch_shape_tensor_now(self) -> Shape:
        if self.batch_shape.is_fully_defined():
            return np.array(self.batch_shape, np.int32)
        return self.batch_shape_tensor()

    def log_prob_lower_bound(
        self, value: TensorLike, name: str = "log_prob_lower_bound"
    ) -> tf.Tensor:
        """The greatest of the lower bounds of Sutter et al. (2023).

        The probability of any single order that fills the groups is a lower bound. This
        is the likeliest order: descending scores within each group.

        Args:
          value: Assignments, one-hot rows `[..., n, K]`.
          name: Python `str` name of the op.

        Returns:
          Log-probabilities `[...]`, at most `log_prob(value)`.
        """
        return self._bound(value, functions.log_prob_lower_bound, name)

    def log_prob_upper_bound(
        self, value: TensorLike, name: str = "log_prob_upper_bound"
    ) -> tf.Tensor:
        """The upper bound of Sutter et al. (2023), with the tighter maximum.

        No order that fills the groups is likelier than the order of the lower bound,
        and there are `prod_k sizes_k!` such orders. (The maximum over all orders is a
        looser bound.)

        Args:
          value: Assignments, one-hot rows `[..., n, K]`.
          name: Python `str` name of the op.

        Returns:
          Log-values `[...]`, at least `log_prob(value)`.
        """
        return self._bound(value, functions.log_prob_upper_bound, name)

    def _bound(
        self, value: TensorLike, function: Callable[..., tf.Tensor], name: str
    ) -> tf.Tensor:
        with self._name_and_control_scope(name):
            value = tf.convert_to_tensor(value, dtype_hint=self.dtype, name="value")
            with tf.control_dependencies(self._sample_control_dependencies(value)):
                bound = function(*self._core(), tf.cast(value, CORE_DTYPE))
            return tf.cast(self._at_batch_shape(bound, value), self.dtype)

    def _sample_n(self, n: Size, seed: Seed = None) -> tf.Tensor:
        return self._draw(n, seed).assignment

    def _draw(self, n: Size, seed: Seed) -> OrderedPartition:
        seed = samplers.sanitize_seed(seed, salt=type(self).__name__)
        batch_shape = self._batch_shape_tensor_now()

        def full(value: tf.Tensor, event_ndims: int) -> tf.Tensor:
            value = tf.convert_to_tensor(value)
            event = ps.shape(value)[ps.rank(value) - event_ndims :]
            return tf.broadcast_to(value, ps.concat([batch_shape, event], axis=0))

        if tf.executing_eagerly():  # A tensor, which makes no new trace.
            n = tf.convert_to_tensor(n, tf.int32)
        return OrderedPartition(
            *functions.draw(
                full(self._log_weights, 1),
                full(self._scores, 1),
                full(self._temperature, 0),
                n,
                seed,
                self._gradient_estimator,
                self._order_estimator,
            )
        )

    def sample_ordered(
        self,
        sample_shape: TensorLike = (),
        seed: Seed = None,
        name: str = "sample_ordered",
    ) -> OrderedPartition:
        """Draws assignments, with the sizes and the order that they came from.

        The same seed gives the same assignment as `sample`.

        Args:
          sample_shape: 0D or 1D `int32` `Tensor`. Shape of the generated samples.
          seed: PRNG seed; see `tfp.random.sanitize_seed` for details.
          name: Python `str` name of the op.

        Returns:
          An `OrderedPartition`.
        """
        with self._name_and_control_scope(name):
            sample_shape = ps.convert_to_shape_tensor(
                ps.cast(sample_shape, tf.int32), name="sample_shape"
            )
            sample_shape, n = self._expand_sample_shape_to_vector(
                sample_shape, "sample_shape"
            )
            return OrderedPartition(
                *(
                    tf.reshape(part, ps.concat([sample_shape, ps.shape(part)[1:]], 0))
                    for part in self._draw(n, seed)
                )
            )

    def _mean(self) -> tf.Tensor:
        """P(element i is in group k), by quadrature; differentiable."""
        num_elements = self._known_size(_MOST_FOR_MEAN, "mean", "average samples")
        value = functions.mean(*self._full_core(), num_elements)
        return tf.cast(value, self.dtype)

    def _variance(self) -> tf.Tensor:
        mean = self._mean()
        return mean * (1.0 - mean)

    def _mode(self) -> tf.Tensor:
        """A likeliest assignment, exactly."""
        self._known_size(_MOST_FOR_MODE, "mode", "compare the log_prob of samples")
        return tf.cast(functions.mode(*self._full_core()), self.dtype)

    def _full_core(self) -> tuple[tf.Tensor, tf.Tensor]:
        """`_core`, at the batch shape of the distribution."""
        batch_shape = self._batch_shape_tensor_now()
        return tuple(
            tf.broadcast_to(value, ps.concat([batch_shape, ps.shape(value)[-1:]], 0))
            for value in self._core()
        )

    def _known_size(self, most: int, statistic: str, instead: str) -> int:
        size = self._scores.shape[-1]
        if size is None or size > most:
            given = "not known when the graph is built" if size is None else size
            raise NotImplementedError(
                f"The number of elements is {given}, but the {statistic} is "
                f"implemented for at most {most} elements: {instead} instead."
            )
        return size

    def _entropy(self, num_samples: int = 256, seed: Seed = None) -> tf.Tensor:
        """The sizes' exact entropy, plus a Monte Carlo estimate for the assignment.

        Args (pass them to `entropy` by name):
          num_samples: Python `int`, at least 2: draws of which the mean of
            `-log P(assignment | sizes)` is taken.
          seed: PRNG seed of the draws.

        The gradient is unbiased too: it uses the score function with a leave-one-out
        baseline.
        """
        drawn = self._draws_to_average(num_samples, seed)
        value = functions.entropy_given_sizes(*self._core(), drawn)
        value += _sizes_of(self).entropy()
        value = tf.broadcast_to(value, self._batch_shape_tensor_now())
        return tf.cast(value, self.dtype)

    def kl_divergence_estimate(
        self,
        other: "RandomPartition",
        num_samples: int = 256,
        seed: Seed = None,
        name: str = "kl_divergence_estimate",
    ) -> tf.Tensor:
        """Estimates the KL divergence to a partition with as many elements and groups.

        The divergence of the sizes is exact. That of the assignment given the sizes is
        the mean of `log P(Y | sizes) - log P_other(Y | sizes)` over draws. Its gradient
        in the parameters of both is unbiased: it uses the score function with a
        leave-one-out baseline. `kl_divergence` is this estimate with 256 draws.

        Args:
          other: A `RandomPartition` of the same event shape.
          num_samples: Python `int`, at least 2: the number of draws.
          seed: PRNG seed of the draws.
          name: Python `str` name of the op.

        Returns:
          `[B...]`, the batch shapes of the two broadcast.

        Raises:
          ValueError: If the event shapes differ, or `num_samples` is less than 2.
        """
        if not self.event_shape.is_compatible_with(other.event_shape):
            raise ValueError(
                f"the partitions have event shapes {self.event_shape} and "
                f"{other.event_shape}, which must be equal: give both the same numbers "
                "of elements and groups."
            )
        with self._name_and_control_scope(name):
            drawn = self._draws_to_average(num_samples, seed)
            value = functions.divergence_given_sizes(
                *self._core(), other._core()[1], drawn
            )
            value += _sizes_of(self).kl_divergence(_sizes_of(other))
            shape = ps.broadcast_shape(
                self.batch_shape_tensor(), other.batch_shape_tensor()
            )
            return tf.cast(tf.broadcast_to(value, shape), self.dtype)

    def _draws_to_average(self, num_samples: int, seed: Seed) -> tf.Tensor:
        if num_samples < 2:
            raise ValueError(
                f"num_samples is {num_samples}, but must be at least 2: each draw is "
                "compared with the others."
            )
        draws = self.sample(num_samples, seed=seed)
        return tf.cast(tf.stop_gradient(draws), CORE_DTYPE)

    def _default_event_space_bijector(self) -> None:
        return

    def _check_static_shapes(self) -> None:
        for value, name, one in (
            (self._log_weights, "log_weights", "group"),
            (self._scores, "scores", "element"),
        ):
            if value.shape.rank == 0 or value.shape[-1:] == [0]:
                given = "is a scalar" if value.shape.rank == 0 else "has no entries"
                raise ValueError(f"{name} {given}: pass one number for each {one}.")
        parameter_util.broadcastable(
            {
                "log_weights": self._log_weights.shape[:-1],
                "scores": self._scores.shape[:-1],
                "temperature": self._temperature.shape,
            }
        )

    def _sample_control_dependencies(self, assignment: tf.Tensor) -> list[tf.Operation]:
        """Checks that rows are one-hot."""
        if not self.validate_args:
            return []
        assignment = tf.convert_to_tensor(assignment)
        return [
            assert_util.assert_equal(
                assignment * assignment,
                assignment,
                message="assignment must hold zeros and ones",
            ),
            assert_util.assert_equal(
                tf.reduce_sum(assignment, axis=-1),
                tf.ones([], assignment.dtype),
                message="each row of assignment must hold one 1",
            ),
        ]

    def _parameter_control_dependencies(self, is_init: bool) -> list[tf.Operation]:
        if not self.validate_args:
            return []
        assertions = []
        for value, name, check in (
            (self._log_weights, "log_weights", _assert_some_weight),
            (self._scores, "scores", _assert_finite),
            (self._temperature, "temperature", _assert_positive),
        ):
            if is_init != tensor_util.is_ref(value):
                assertions.extend(check(tf.convert_to_tensor(value), name))
        return assertions


def _sizes_of(law: RandomPartition) -> MultivariateFisherNoncentralHypergeometric:
    """The law of the sizes in double precision."""
    log_weights, scores = law._core()
    return sizes_law(log_weights, ps.shape(scores)[-1], None)


def _assert_some_weight(log_weights: tf.Tensor, name: str) -> list[tf.Operation]:
    return [
        *parameter_util.assert_log_weights(log_weights, name),
        assert_util.assert_greater(
            tf.reduce_max(log_weights, axis=-1),
            tf.constant(-np.inf, log_weights.dtype),
            message=f"{name} must be finite for at least one group",
        ),
    ]


def _assert_finite(value: tf.Tensor, name: str) -> list[tf.Operation]:
    return [
        assert_util.assert_less(
            tf.abs(value),
            tf.constant(np.inf, value.dtype),
            message=f"{name} must be finite",
        )
    ]


def _assert_positive(value: tf.Tensor, name: str) -> list[tf.Operation]:
    return [assert_util.assert_positive(value, message=f"{name} must be positive")]
