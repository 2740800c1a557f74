"""Kullback-Leibler divergences, registered with TFP."""

import tensorflow as tf
from tensorflow_probability.python.distributions import kullback_leibler
from tensorflow_probability.python.internal import assert_util
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.cached import cached
from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.straight_through import LAWS
from mvhg_tf.distributions.univariate import FisherNoncentralHypergeometric


@kullback_leibler.RegisterKL(
    MultivariateFisherNoncentralHypergeometric,
    MultivariateFisherNoncentralHypergeometric,
)
def _kl_mvhg_mvhg(p, q, name=None):
    """KL of two of the same `total_count`, `group_sizes` and `method`.

    Raises:
      NotImplementedError: if the methods differ: then it has no closed form.
    """
    if p.method != q.method:
        raise NotImplementedError(
            f"The KL divergence of method={p.method!r} from method={q.method!r} has "
            "no closed form: give both distributions the same method."
        )
    with tf.name_scope(name or "kl_mvhg_mvhg"):
        urn_p, urn_q = p.urn(), q.urn()
        with tf.control_dependencies(_assert_same_urn(p, q, urn_p, urn_q)):
            value = _kl(urn_p, urn_q, p.method)
        # Larger than the urns' where a temperature has a batch shape.
        shape = ps.broadcast_shape(p.batch_shape_tensor(), q.batch_shape_tensor())
        return tf.broadcast_to(tf.cast(value, p.dtype), shape)


@kullback_leibler.RegisterKL(
    FisherNoncentralHypergeometric, FisherNoncentralHypergeometric
)
def _kl_fnh_fnh(p, q, name=None):
    """KL of two of the same `total_count`, `group_size` and `other_size`."""
    with tf.name_scope(name or "kl_fnh_fnh"):
        urn_p, urn_q = p.urn(), q.urn()
        with tf.control_dependencies(_assert_same_urn(p, q, urn_p, urn_q)):
            value = _kl(urn_p, urn_q, "exact")
        return tf.cast(value, p.dtype)


@cached
def _kl(urn_p, urn_q, method):
    return LAWS[method].kl_divergence(urn_p, urn_q)


def _assert_same_urn(p, q, urn_p, urn_q):
    if not (p.validate_args or q.validate_args):
        return []
    return [
        assert_util.assert_equal(
            urn_p.total_count,
            urn_q.total_count,
            message="the total_count of both distributions must be the same",
        ),
        assert_util.assert_equal(
            urn_p.group_sizes,
            urn_q.group_sizes,
            message="the group_sizes of both distributions must be the same",
        ),
    ]
