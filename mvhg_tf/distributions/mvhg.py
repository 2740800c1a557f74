"""The MultivariateFisherNoncentralHypergeometric distribution class."""

import tensorflow as tf
from tensorflow_probability.python.bijectors import softplus as softplus_bijector
from tensorflow_probability.python.distributions import distribution
from tensorflow_probability.python.internal import (
    dtype_util,
    parameter_properties,
    reparameterization,
    samplers,
    tensor_util,
)
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import normalizer, straight_through
from mvhg_tf.distributions.urn import CORE_DTYPE, Urn, log_choose, make_urn

__all__ = ["MultivariateFisherNoncentralHypergeometric"]

_ESTIMATORS = ("gumbel_softmax", "mean", None)


class MultivariateFisherNoncentralHypergeometric(
    distribution.DiscreteDistributionMixin,
    distribution.AutoCompositeTensorDistribution,
):
    """Fisher's multivariate noncentral hypergeometric distribution."""

    def __init__(
        self,
        total_count,
        group_sizes,
        log_weights=None,
        weights=None,
        method="exact",
        gradient_estimator="gumbel_softmax",
        temperature=1.0,
        validate_args=False,
        allow_nan_stats=True,
        name="MultivariateFisherNoncentralHypergeometric",
    ):
        parameters = dict(locals())
        if (log_weights is None) == (weights is None):
            raise ValueError("Pass exactly one of log_weights and weights.")
        if gradient_estimator not in _ESTIMATORS:
            raise ValueError(
                f"gradient_estimator is {gradient_estimator!r}, but must be one of "
                f"{', '.join(map(repr, _ESTIMATORS))}."
            )
        with tf.name_scope(name) as name:
            dtype = _floating_dtype(
                [log_weights, weights, total_count, group_sizes, temperature]
            )

            def convert(value, name):
                if value is not None and not tensor_util.is_ref(value):
                    value = tf.cast(value, dtype)
                return tensor_util.convert_nonref_to_tensor(value, name=name)

            self._total_count = convert(total_count, "total_count")
            self._group_sizes = convert(group_sizes, "group_sizes")
            self._log_weights = convert(log_weights, "log_weights")
            self._weights = convert(weights, "weights")
            self._temperature = convert(temperature, "temperature")
            self._method = method
            self._gradient_estimator = gradient_estimator
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
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = parameter_properties.ParameterProperties
        no_bijector = parameter_properties.BIJECTOR_NOT_IMPLEMENTED
        return {
            "total_count": properties(default_constraining_bijector_fn=no_bijector),
            "group_sizes": properties(
                event_ndims=1, default_constraining_bijector_fn=no_bijector
            ),
            "log_weights": properties(event_ndims=1),
            "weights": properties(
                event_ndims=1,
                default_constraining_bijector_fn=softplus_bijector.Softplus,
                is_preferred=False,
            ),
            "temperature": properties(
                default_constraining_bijector_fn=softplus_bijector.Softplus
            ),
        }

    @property
    def total_count(self):
        """`n`, the number of elements drawn, as passed in."""
        return self._total_count

    @property
    def group_sizes(self):
        """`m`, the number of elements of each group, as passed in."""
        return self._group_sizes

    @property
    def log_weights(self):
        """`log_weights` as passed in."""
        return self._log_weights

    @property
    def weights(self):
        """`weights` as passed in."""
        return self._weights

    @property
    def method(self):
        return self._method

    @property
    def gradient_estimator(self):
        return self._gradient_estimator

    @property
    def temperature(self):
        return self._temperature

    def _log_weights_no_checks(self):
        if self._log_weights is not None:
            return tensor_util.identity_as_tensor(self._log_weights)
        weights = tf.convert_to_tensor(self._weights)
        positive = weights > 0.0
        log_weights = tf.math.log(tf.where(positive, weights, 1.0))
        minus_infinity = tf.constant(-float("inf"), weights.dtype)
        return tf.where(positive, log_weights, minus_infinity)

    def _urn(self) -> Urn:
        return make_urn(
            self._total_count, self._group_sizes, self._log_weights_no_checks()
        )

    def _event_shape_tensor(self):
        weights = self._weights if self._log_weights is None else self._log_weights
        return ps.maximum(ps.shape(weights)[-1:], ps.shape(self._group_sizes)[-1:])

    def _event_shape(self):
        weights = self._weights if self._log_weights is None else self._log_weights
        return tf.broadcast_static_shape(
            weights.shape[-1:], self._group_sizes.shape[-1:]
        )

    def _log_prob(self, counts):
        urn = self._urn()
        value = _log_unnormalized(urn, tf.cast(counts, CORE_DTYPE))
        return tf.cast(value - normalizer.log_normalizer(urn), self.dtype)

    def _mean(self):
        return tf.cast(normalizer.mean(self._urn()), self.dtype)

    def _covariance(self):
        return tf.cast(normalizer.covariance(self._urn()), self.dtype)

    def _sample_n(self, n, seed=None):
        seed = samplers.sanitize_seed(seed, salt=type(self).__name__)
        return straight_through.counts(
            self._urn(), n, seed, self._estimator(), self.dtype
        )

    def sample_one_hot(self, sample_shape=(), seed=None, name="sample_one_hot"):
        with self._name_and_control_scope(name):
            seed = samplers.sanitize_seed(seed, salt=type(self).__name__)
            sample_shape = ps.convert_to_shape_tensor(
                ps.cast(sample_shape, tf.int32), name="sample_shape"
            )
            sample_shape, n = self._expand_sample_shape_to_vector(
                sample_shape, "sample_shape"
            )
            rows = straight_through.rows(
                self._urn(), n, seed, self._estimator(), self.dtype
            )
            return tf.reshape(
                rows, ps.concat([sample_shape, ps.shape(rows)[1:]], axis=0)
            )

    def marginal_log_prob(self, group, name="marginal_log_prob"):
        with self._name_and_control_scope(name):
            urn = self._urn()
            row = tf.nn.log_softmax(normalizer.pair_logits(urn))
            if group % 2:
                row = straight_through._mirror(urn, row, -float("inf"))
            return tf.cast(row, self.dtype)

    def _estimator(self) -> straight_through.Estimator:
        return straight_through.Estimator(
            self._gradient_estimator, tf.convert_to_tensor(self._temperature)
        )

    def _default_event_space_bijector(self):
        return

    def _parameter_control_dependencies(self, is_init):
        return []


def _log_unnormalized(urn: Urn, counts: tf.Tensor) -> tf.Tensor:
    """`sum_i log C(m_i, x_i) + x . log_weights`, `-inf` outside the support."""
    present = urn.log_weights > -float("inf")
    log_weights = tf.where(present, urn.log_weights, 0.0)
    terms = log_choose(urn.group_sizes, counts) + counts * log_weights
    possible = (tf.math.floor(counts) == counts) & (present | (counts == 0.0))
    complete = tf.reduce_sum(counts, axis=-1) == urn.total_count
    inside = tf.reduce_all(possible, axis=-1) & complete
    return tf.where(inside, tf.reduce_sum(terms, axis=-1), -float("inf"))


def _floating_dtype(values) -> tf.DType:
    """The dtype of those that are floating: whole numbers may come as ints."""
    floating = [
        value
        for value in values
        if (dtype := dtype_util.common_dtype([value])) is not None
        and dtype_util.is_floating(dtype)
    ]
    return dtype_util.common_dtype(floating, dtype_hint=tf.float32)
