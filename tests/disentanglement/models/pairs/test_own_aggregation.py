"""The guide's aggregation, trained from a file of the user's own."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.disentanglement.steps import training
from mvhg_tf.disentanglement.steps.saved_model import Representation
from mvhg_tf.runs import gin_config

MODEL = "mean_selection.group_vae_mean"
BINDINGS = [
    "import mean_selection",
    f"model.model = @{MODEL}()",
    "dataset.name = 'arm3d'",
    "dynamics.k = 2",
    "encoder.num_latent = 3",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "group_vae.beta = 1.0",
    "model.batch_size = 4",
    "model.training_steps = 2",
    "model.eval_steps = 1",
    "model.random_seed = 0",
]


@pytest.fixture
def own_folder(repository: Path, tmp_path, monkeypatch, forget_names):
    """The working directory, which holds the guide's file."""
    forget_names.append("mean_selection")
    guide = (repository / "docs/how_to/new_aggregation.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", guide, re.DOTALL)[1]
    (tmp_path / "mean_selection.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_selects_what_differs_more_than_the_mean(own_folder):
    random = np.random.RandomState(0)
    means, log_variances = random.normal(size=[2, 2, 6, 3]).astype(np.float32)
    first, second = (
        Gaussian(tf.constant(mean), tf.constant(log_variance))
        for mean, log_variance in zip(means, log_variances, strict=True)
    )
    with gin_config.configured([], BINDINGS):
        build = gin_config.query("model.model").scoped_configurable_fn()
        model = build((64, 64, 3), 0)
    selected = model.selection.select(first, second, None, 0, [0, 0], True)
    variances = np.exp(log_variances)
    squares = (means[0] - means[1]) ** 2
    # The logarithms of the variances cancel in KL(p || q) + KL(q || p).
    gamma = (variances[0] + squares) / variances[1] / 2
    gamma += (variances[1] + squares) / variances[0] / 2
    expected = gamma > gamma.mean(axis=1, keepdims=True)
    np.testing.assert_array_equal(selected.independent, expected)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(selected.divergence, np.zeros(6))


@pytest.mark.slow
def test_it_trains_and_the_model_needs_it_no_more(own_folder):
    training.train_with_gin("results", gin_bindings=BINDINGS)
    (own_folder / "mean_selection.py").unlink()
    images = np.zeros([2, 64, 64, 3], np.float32)
    outputs = Representation("results").pair(images, images, np.zeros(2, np.int32))
    # Equal images differ in nothing, so that all is shared.
    assert outputs.shared.all() and not outputs.k_hat.any()
