"""Kullback-Leibler divergence, registered with TFP."""

import tensorflow as tf
from tensorflow_probability.python.distributions import kullback_leibler

from mvhg_tf.distributions import normalizer
from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric


@kullback_leibler.RegisterKL(
    MultivariateFisherNoncentralHypergeometric,
    MultivariateFisherNoncentralHypergeometric,
)
def _kl_mvhg_mvhg(p, q, name=None):
    """`(log_weights_p - log_weights_q) . mean_p - log Z_p + log Z_q`."""
    with tf.name_scope(name or "kl_mvhg_mvhg"):
        urn_p, urn_q = p._urn(), q._urn()
        # A group that p never draws from costs nothing, whatever q's weight is.
        present = urn_p.log_weights > -float("inf")
        change = tf.where(present, urn_p.log_weights - urn_q.log_weights, 0.0)
        value = (
            tf.reduce_sum(
                tf.math.multiply_no_nan(change, normalizer.mean(urn_p)), axis=-1
            )
            - normalizer.log_normalizer(urn_p)
            + normalizer.log_normalizer(urn_q)
        )
        return tf.cast(tf.maximum(value, 0.0), p.dtype)
