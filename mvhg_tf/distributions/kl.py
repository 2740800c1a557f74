"""Kullback-Leibler divergences, registered with TFP."""

import tensorflow as tf
from tensorflow_probability.python.distributions import kullback_leibler
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.cached import cached
from mvhg_tf.distributions.law import LAWS, Law
from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.univariate import FisherNoncentralHypergeometric
from mvhg_tf.distributions.urn import Urn


@kullback_leibler.RegisterKL(
    MultivariateFisherNoncentralHypergeometric,
    MultivariateFisherNoncentralHypergeometric,
)
def _kl_mvhg_mvhg(
    p: MultivariateFisherNoncentralHypergeometric,
    q: MultivariateFisherNoncentralHypergeometric,
    name: str | None = None,
) -> tf.Tensor:
    """KL of two of the same `method`, of any `total_count` and `group_sizes`.

    Infinite where p allows counts that q does not: where the `total_count`s differ, or
    a group of p can give more than the same group of q holds.

    Raises:
      NotImplementedError: if the methods differ, because there is no closed form then.
      ValueError: if the numbers of groups are known to differ.
    """
    if p.method != q.method:
        raise NotImplementedError(
            f"The KL divergence of method={p.method!r} from method={q.method!r} has "
            "no closed form: give both distributions the same method."
        )
    if not p.event_shape.is_compatible_with(q.event_shape):
        raise ValueError(
            f"the distributions have {p.event_shape[0]} and {q.event_shape[0]} groups: "
            "pass two of the same number of groups."
        )
    with tf.name_scope(name or "kl_mvhg_mvhg"):
        value = _kl(p.urn(), q.urn(), LAWS[p.method])
        # Larger than the urns' where a temperature has a batch shape.
        shape = ps.broadcast_shape(p.batch_shape_tensor(), q.batch_shape_tensor())
        return tf.broadcast_to(tf.cast(value, p.dtype), shape)


@kullback_leibler.RegisterKL(
    FisherNoncentralHypergeometric, FisherNoncentralHypergeometric
)
def _kl_fnh_fnh(
    p: FisherNoncentralHypergeometric,
    q: FisherNoncentralHypergeometric,
    name: str | None = None,
) -> tf.Tensor:
    """KL of two of any `total_count` and sizes; infinite as that of `_kl_mvhg_mvhg`."""
    with tf.name_scope(name or "kl_fnh_fnh"):
        return tf.cast(_kl(p.urn(), q.urn(), LAWS["exact"]), p.dtype)


@cached
def _kl(urn_p: Urn, urn_q: Urn, law: Law) -> tf.Tensor:
    return law.kl_divergence(urn_p, urn_q)
