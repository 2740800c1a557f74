"""Training by gin: what it leaves, that it repeats, and that it resumes exactly."""

import json
import os

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import plugin_event_accumulator

from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.models.pairs.selection import HypergeometricSelection
from mvhg_tf.disentanglement.models.shared import gaussian, reconstruction
from mvhg_tf.disentanglement.sources.pairs import Dynamics, PairSource
from mvhg_tf.disentanglement.steps import training
from mvhg_tf.runs.errors import UserError

BINDINGS = [
    "dataset.name = 'arm3d'",
    "dynamics.k = 2",
    "model.model = @group_vae_hypergeometric()",
    "model.batch_size = 4",
    "model.training_steps = 9",
    "model.eval_steps = 2",
    "model.random_seed = 3",
    "train.log_steps = 2",
    "train.checkpoint_steps = 4",
    "train.held_out_steps = 0",
    "encoder.num_latent = 10",
    "encoder.encoder_fn = @conv_encoder",
    "decoder.decoder_fn = @deconv_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "group_vae.beta = 1.0",
]


def train(model_dir, *bindings, overwrite=False):
    training.train_with_gin(
        str(model_dir), overwrite, gin_bindings=[*BINDINGS, *bindings]
    )
    return model_dir


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("run") / "model")


def shown(model_dir):
    """What TensorBoard reads: {name: {step: value}}, each step once."""
    reader = plugin_event_accumulator.EventAccumulator(
        str(model_dir / "tensorboard"), {plugin_event_accumulator.TENSORS: 0}
    )
    reader.Reload()
    found = {}
    for name in reader.Tags()["tensors"]:
        events = reader.Tensors(name)
        found[name] = {e.step: tf.make_ndarray(e.tensor_proto) for e in events}
        assert len(found[name]) == len(events)
    return found


def curve(model_dir):
    """The scalars, {name: {step: value}}."""
    values = shown(model_dir)
    for name in ("reconstructions", "gin_configuration", "k_hat_of_pairs"):
        values.pop(name, None)
    return {
        name: {step: float(value) for step, value in of_steps.items()}
        for name, of_steps in values.items()
    }


def pictures(model_dir):
    """The pictures of reconstructions, {step: [H, W, C] in [0, 255]}."""
    found = shown(model_dir).get("reconstructions", {})
    return {
        step: tf.io.decode_png(value[2]).numpy().astype(float)
        for step, value in found.items()
    }


def weights(model_dir):
    checkpoint = tf.train.latest_checkpoint(os.path.join(model_dir, "checkpoints"))
    reader = tf.train.load_checkpoint(checkpoint)
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE")
    }


def test_scalars_are_written_at_each_log_step(trained):
    scalars = {
        name: values
        for name, values in curve(trained).items()
        if not name.startswith(("held_out/", "kl/", "latents_"))
    }
    assert set(scalars) == {
        "beta",
        "learning_rate",
        "loss",
        "reconstruction_loss",
        "regularizer",
        "kl_loss",
        "elbo",
        "k_hat",
        "temperature",
        "prior_log_odds",
    }
    for values in scalars.values():
        assert sorted(values) == [2, 4, 6, 8, 9]
    np.testing.assert_allclose(scalars["temperature"][2], 10, rtol=1e-3)
    assert set(scalars["beta"].values()) == {1.0}
    np.testing.assert_allclose([*scalars["learning_rate"].values()], 0.001, rtol=1e-6)


@pytest.mark.slow
def test_what_is_held_out_is_looked_at_with_each_checkpoint(tmp_path):
    found = shown(train(tmp_path / "m", "train.held_out_steps = 4"))
    held_out = {
        name.removeprefix("held_out/") for name in found if name.startswith("held_out/")
    }
    assert held_out >= {"loss", "reconstruction_loss", "kl_loss", "elbo", "k_error"}
    of_latents = {f"kl/latent_{i}" for i in range(10)}
    assert of_latents == {name for name in found if name.startswith("kl/")}
    for name in ["latents_in_use", "k_hat_of_pairs", "held_out/loss", *of_latents]:
        assert sorted(found[name]) == [4, 8, 9]
    buckets = found["k_hat_of_pairs"][9]  # rows of left, right, count
    assert buckets[:, 2].sum() == 40  # 10 batches of 4 pairs
    # The pairs differ in 2 factors each.
    k_hats = np.repeat(np.rint(buckets[:, :2].mean(1)), buckets[:, 2].astype(int))
    error = float(found["held_out/k_error"][9])
    np.testing.assert_allclose(np.mean((k_hats - 2) ** 2), error, atol=0.5)


def test_the_configuration_is_there_as_text(trained):
    (text,) = shown(trained)["gin_configuration"].values()
    assert b"    model.random_seed = 3\n" in text.item()
    assert b"    train.log_steps = 2\n" in text.item()


def test_results_are_in_the_library_s_layout(trained):
    results = trained / "results"
    config = (results / "gin" / "train.gin").read_text()
    assert "model.random_seed = 3" in config
    assert "dynamics.k = 2" in config
    values = json.loads((results / "json" / "train_results.json").read_text())
    assert values["global_step"] == 9
    for name in ("loss", "reconstruction_loss", "elbo", "regularizer", "kl_loss"):
        assert np.isfinite(values[name])
    np.testing.assert_allclose(
        values["loss"], values["reconstruction_loss"] + values["regularizer"], rtol=1e-5
    )
    aggregate = json.loads((results / "aggregate" / "train.json").read_text())
    assert aggregate["train_config.model.batch_size"] == "4"
    assert aggregate["train_versions.tensorflow"] == tf.__version__


def test_exported_signatures_agree_with_each_other(trained):
    saved = tf.saved_model.load(str(trained / "tfhub")).signatures
    images = tf.random.stateless_uniform([2, 5, 64, 64, 3], [0, 1])
    encoded = [saved["gaussian_encoder"](images=x) for x in images]
    pair = saved["pair"](images_1=images[0], images_2=images[1])
    shared = pair["shared"].numpy().astype(bool)
    np.testing.assert_array_equal(pair["k_hat"], 10 - shared.sum(1))
    np.testing.assert_array_equal(
        pair["mean_1"].numpy()[shared], pair["mean_2"].numpy()[shared]
    )
    for i, own in enumerate(encoded):
        mean = np.where(
            shared, (encoded[0]["mean"] + encoded[1]["mean"]) / 2, own["mean"]
        )
        np.testing.assert_allclose(pair[f"mean_{i + 1}"], mean, atol=1e-5)
    decoded = saved["decoder"](latent_vectors=encoded[0]["mean"])["images"]
    np.testing.assert_allclose(
        saved["reconstructions"](images=images[0])["images"], decoded, atol=1e-5
    )
    assert decoded.shape == (5, 64, 64, 3)


def test_the_same_seed_gives_the_same_start(tmp_path):
    small = [
        "model.model = @vae()",
        "vae.beta = 1.0",
        "networks.start = 'he'",
        "encoder.encoder_fn = @fc_encoder",
        "decoder.decoder_fn = @fc_decoder",
        "model.training_steps = 1",
        # The weights that are saved are those of the start.
        "AdamOptimizer.learning_rate = 0.0",
    ]
    first, again = (weights(train(tmp_path / run, *small)) for run in ("a", "b"))
    kernels = [name for name in first if np.ndim(first[name]) == 2]
    assert kernels
    for name in kernels:
        np.testing.assert_array_equal(first[name], again[name])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_curve_and_another_does_not(trained, tmp_path):
    assert curve(train(tmp_path / "again")) == curve(trained)
    other = curve(train(tmp_path / "other", "model.random_seed = 4"))
    assert other["loss"] != curve(trained)["loss"]


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_like_one_that_was_not(
    trained, tmp_path, monkeypatch
):
    scalar = tf.summary.scalar

    def power_cut(name, value, step):
        if step > 6:
            raise KeyboardInterrupt
        scalar(name, value, step=step)

    model_dir = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr(tf.summary, "scalar", power_cut)
        with pytest.raises(KeyboardInterrupt):
            train(model_dir)
    assert weights(model_dir).keys() == weights(trained).keys()
    assert not (model_dir / "tfhub").exists()
    train(model_dir)
    for name, value in weights(trained).items():
        np.testing.assert_array_equal(weights(model_dir)[name], value)
    assert curve(model_dir) == curve(trained)
    assert pictures(model_dir).keys() == pictures(trained).keys()


def test_pictures_show_the_first_batch_beside_its_reconstructions(trained, tmp_path):
    shown = pictures(trained)
    assert sorted(shown) == [0, 4, 8, 9]  # at first, and with each checkpoint
    with gin.unlock_config():
        gin.parse_config("dynamics.k = 2")
    dataset = named_data.get_named_ground_truth_data("arm3d")
    batch = PairSource(dataset, 4, 3, Dynamics()).batch(tf.constant(0))
    picture = shown[9].reshape(4, 64, 4, 64, 3) / 255
    for column, name in ((0, "images_1"), (2, "images_2")):
        np.testing.assert_allclose(picture[:, :, column], batch[name], atol=1 / 254)
    saved = tf.saved_model.load(str(trained / "tfhub")).signatures
    pair = saved["pair"](images_1=batch["images_1"], images_2=batch["images_2"])
    for column, name in ((1, "mean_1"), (3, "mean_2")):
        logits = saved["decoder"](latent_vectors=pair[name])["images"]
        np.testing.assert_allclose(
            picture[:, :, column], tf.sigmoid(logits), atol=1 / 250
        )


@pytest.mark.slow
def test_pictures_come_as_often_as_asked(tmp_path):
    small = ["encoder.encoder_fn = @test_encoder", "decoder.decoder_fn = @test_decoder"]
    often = train(tmp_path / "often", *small, "train.image_steps = 2")
    assert sorted(pictures(often)) == [0, 2, 4, 6, 8, 9]
    assert not pictures(train(tmp_path / "never", *small, "train.image_steps = 0"))


SMALL = [
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "AdamOptimizer.learning_rate = 1.0e-4",
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return curve(train(tmp_path_factory.mktemp("plain") / "m", *SMALL))


@pytest.fixture
def without_noise(monkeypatch):
    """XLA draws other noise, of the same law."""
    monkeypatch.setattr(gaussian, "sample", lambda posterior, seed: posterior.mean)
    select = HypergeometricSelection.select
    monkeypatch.setattr(
        HypergeometricSelection,
        "select",
        lambda self, *args, **named: select(
            self, *args[:5], **{**named, "training": False}
        ),
    )


@pytest.mark.slow
def test_a_step_that_xla_compiled_is_the_plain_one(tmp_path, without_noise):
    plain = train(tmp_path / "plain", *SMALL)
    compiled = train(tmp_path / "compiled", *SMALL, "train.jit_compile = True")
    for name, values in curve(plain).items():
        for step, value in values.items():
            np.testing.assert_allclose(curve(compiled)[name][step], value, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision",
    ["mixed_bfloat16", "mixed_float16"],
)
def test_mixed_precision_is_near_float32_and_keeps_float32_weights(
    plain, tmp_path, precision
):
    model_dir = train(tmp_path / "m", *SMALL, f"train.precision = '{precision}'")
    # bfloat16 has 8 bits of a number's fraction, so they differ, but not by much.
    ours = curve(model_dir)["reconstruction_loss"]
    assert ours[9] != plain["reconstruction_loss"][9]
    np.testing.assert_allclose(ours[9], plain["reconstruction_loss"][9], rtol=0.01)
    dtypes = {
        value.dtype for name, value in weights(model_dir).items() if "best" not in name
    }
    assert dtypes <= {np.dtype(name) for name in ("float32", "int32", "int64")}
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
@pytest.mark.parametrize(
    "option", ["train.jit_compile = True", "train.precision = 'mixed_float16'"]
)
def test_a_stopped_run_of_any_kind_ends_like_one_that_was_not(
    tmp_path, monkeypatch, option
):
    whole = train(tmp_path / "whole", *SMALL, option)
    scalar = tf.summary.scalar

    def power_cut(name, value, step):
        if step > 6:
            raise KeyboardInterrupt
        scalar(name, value, step=step)

    with monkeypatch.context() as patch:
        patch.setattr(tf.summary, "scalar", power_cut)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "stopped", *SMALL, option)
    train(tmp_path / "stopped", *SMALL, option)
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(weights(tmp_path / "stopped")[name], value)


@pytest.mark.slow
def test_labels_reach_labelvae(tmp_path):
    model_dir = train(tmp_path / "m", "model.model = @group_vae_labels()")
    saved = tf.saved_model.load(str(model_dir / "tfhub")).signatures
    images = tf.zeros([3, 64, 64, 3])
    pair = saved["pair"](
        images_1=images, images_2=images, labels=tf.constant([0, 6, -1])
    )
    np.testing.assert_array_equal(pair["k_hat"], [1, 1, 0])
    assert pair["shared"][1, 6] == 0


@pytest.mark.parametrize(
    ("steps", "lost"),
    [
        pytest.param(400, "The loss became nan", marks=pytest.mark.slow),
        (1, "The weight .* became NaN or"),
    ],
)
def test_what_is_not_finite_is_told_and_stops_the_run(tmp_path, steps, lost):
    with pytest.raises(UserError, match=f"{lost}.* between steps [01] and .*lower the"):
        train(
            tmp_path / "m",
            *SMALL[:2],
            f"model.training_steps = {steps}",
            "AdamOptimizer.learning_rate = 1.0e39",
        )


@pytest.mark.slow
def test_gradients_that_never_become_finite_are_told_in_half_precision(
    tmp_path, monkeypatch
):
    loss_of = reconstruction.ReconstructionLoss.__call__

    def without_gradient(self, images, logits):
        nothing = tf.reduce_sum(logits - logits, axis=[1, 2, 3])
        # The root's derivative is NaN.
        return loss_of(self, images, logits) + tf.sqrt(nothing)

    monkeypatch.setattr(reconstruction.ReconstructionLoss, "__call__", without_gradient)
    with pytest.raises(
        UserError, match=r"Gradients were NaN or infinite in 1\d\d tries"
    ):
        train(
            tmp_path / "m",
            *SMALL,
            "train.precision = 'mixed_float16'",
            "model.training_steps = 90",
            "train.log_steps = 60",
            "train.checkpoint_steps = 60",
        )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("train.jit_compile = True", "XLA can't compile a step of several devices"),
        ("train.precision = 'mixed_float16'", "Keras can't scale the loss over"),
    ],
)
def test_options_that_do_not_go_together_are_told(tmp_path, other, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path / "m", "train.strategy = 'mirrored'", other)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("model.batch_size = 0", "model.batch_size is 0, but must be a positive int"),
        ("model.batch_size = 1000000000", "of a batch would take 45,776 GiB of this"),
        ("model.training_steps = -5", "training_steps is -5, but must be a positive"),
        ("train.checkpoint_steps = 5", "checkpoint_steps is 5, but must be a multiple"),
        ("train.image_steps = 3", "image_steps is 3, but must be a multiple"),
        ("train.held_out_steps = 3", "held_out_steps is 3, but must be a multiple"),
        ("train.held_out_loss = 'k'", "held_out_loss is 'k', but must be"),
        ("train.patience = 0", "train.patience is 0, but must be a positive integer"),
        (
            "train.precision = 'half'",
            'train.precision is \'half\', but must be "float32", "mix',
        ),
        ("train.strategy = 'tpu'", "train.strategy is 'tpu', but must be"),
        ("model.random_seed = -1", "model.random_seed is -1, but must be an integer"),
        ("dynamics.k = 9", "dynamics.k is 9, but must be an integer from 0 to 7"),
        ("dataset.name = 'mnist'", "mnist"),
    ],
)
def test_mistakes_are_one_clear_sentence_and_leave_nothing(tmp_path, binding, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path / "m", binding)
    assert not (tmp_path / "m").exists()
