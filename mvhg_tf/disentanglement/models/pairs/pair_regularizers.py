"""Regularizers of pairs: what a GroupVAE adds to its reconstruction loss.

Both are in nats for one image. They differ in the cost of a shared latent.
"""

from typing import NamedTuple

import tensorflow as tf
from keras.saving import register_keras_serializable


class PairTerms(NamedTuple):
    """Divergences of B pairs, in nats.

    Attributes:
      kl_1: `[B, d]`, KL to the prior of the first views' own posteriors.
      kl_2: `[B, d]`, of the second views' own.
      kl_shared: `[B, d]`, of the average of the two.
      independent: `[B, d]`, 1 where a latent is independent, 0 where it is shared.
      divergence: `[B]`, KL of the selection to its prior.
    """

    kl_1: tf.Tensor
    kl_2: tf.Tensor
    kl_shared: tf.Tensor
    independent: tf.Tensor
    divergence: tf.Tensor


@register_keras_serializable(package="mvhg_tf")
def paper(terms: PairTerms) -> tf.Tensor:
    """The regulariser of the paper and of the library's GroupVAEs, `[B]`.

    Each view is charged for all of its latents, shared or not; the selection is free.
    With the average of the moments, a shared latent costs an image less than an
    independent one by (m1 - m2)^2 / 8 + log(a / g) / 2, for the views' means m1 and m2,
    and the arithmetic mean a and the geometric mean g of their variances. That is 0
    where the posteriors agree.
    """
    own = 0.5 * terms.independent * (terms.kl_1 + terms.kl_2)
    shared = (1.0 - terms.independent) * terms.kl_shared
    return tf.reduce_sum(own + shared, axis=-1)


@register_keras_serializable(package="mvhg_tf")
def pair_elbo(terms: PairTerms) -> tf.Tensor:
    """The description length of a pair's latents, halved, `[B]`.

    In the paper's generative story k is drawn, the shared latents are drawn once for a
    pair, and the independent ones once a view. So a shared latent is charged once for a
    pair, and the selection is charged its divergence from its prior (see
    `selection.HypergeometricSelection`: of k, and of the subset of k latents).
    """
    own = terms.independent * (terms.kl_1 + terms.kl_2)
    shared = (1.0 - terms.independent) * terms.kl_shared
    return 0.5 * (tf.reduce_sum(own + shared, axis=-1) + terms.divergence)


OBJECTIVES = {"paper": paper, "pair_elbo": pair_elbo}
