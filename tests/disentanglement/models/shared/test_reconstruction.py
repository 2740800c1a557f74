"""Reconstruction losses against SciPy's numbers."""

import numpy as np
import pytest
from scipy import special, stats

from mvhg_tf.disentanglement.models.shared import reconstruction
from mvhg_tf.runs.errors import UserError

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.uniform(size=(4, 5, 6, 3)).astype(np.float32)
LOGITS = RANDOM.normal(scale=2, size=(4, 5, 6, 3)).astype(np.float32)
PIXELS = {
    "logits": special.expit(LOGITS.astype(np.float64)),
    "tanh": np.tanh(LOGITS.astype(np.float64)) / 2 + 0.5,
}


def cross_entropy(p, q):
    return -(special.xlogy(p, q) + special.xlog1py(1 - p, -q)).sum((1, 2, 3))


@pytest.mark.parametrize("activation", ["logits", "tanh"])
def test_bernoulli_loss(activation):
    loss = reconstruction.ReconstructionLoss(reconstruction.bernoulli_loss, activation)
    found = loss(IMAGES, LOGITS)
    pixels = np.clip(PIXELS[activation], 1e-6, 1 - 1e-6)
    np.testing.assert_allclose(found, cross_entropy(IMAGES, pixels), rtol=1e-4)


def test_bernoulli_loss_less_the_images_entropy_is_a_divergence():
    found = reconstruction.bernoulli_loss(
        IMAGES, LOGITS, "logits", subtract_true_image_entropy=True
    )
    p, q = IMAGES.astype(np.float64), PIXELS["logits"]
    binary = [np.stack([x, 1 - x]) for x in (p, q)]
    expected = stats.entropy(binary[0], binary[1]).sum((1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    perfect = reconstruction.bernoulli_loss(
        IMAGES, special.logit(IMAGES), "logits", subtract_true_image_entropy=True
    )
    np.testing.assert_allclose(perfect, 0, atol=1e-4)


@pytest.mark.parametrize("activation", ["logits", "tanh"])
def test_l2_loss(activation):
    loss = reconstruction.ReconstructionLoss(reconstruction.l2_loss, activation)
    found = loss(IMAGES, LOGITS)
    expected = ((IMAGES - PIXELS[activation]) ** 2).sum((1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(loss.to_pixels(LOGITS), PIXELS[activation], atol=1e-6)


@pytest.mark.parametrize(
    "loss_fn", [reconstruction.bernoulli_loss, reconstruction.l2_loss]
)
def test_an_unknown_activation_is_one_clear_sentence(loss_fn):
    with pytest.raises(UserError, match="activation is 'relu', but must be"):
        loss_fn(IMAGES, LOGITS, "relu")
    with pytest.raises(UserError, match="reconstruction_loss.activation is 'relu'"):
        reconstruction.ReconstructionLoss(loss_fn, "relu")
