"""The gin names of the unsupervised models build and train what they say."""

import json

import gin
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.models.unsupervised import image_models, image_regularizers
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import FactorVAE
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE
from mvhg_tf.disentanglement.steps import training
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.utils import resources  # isort: skip

NETWORKS = [
    "encoder.num_latent = 6",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
]
FACTOR_VAE = [
    "model.model = @factor_vae()",
    "factor_vae.gamma = 10.",
    "discriminator.discriminator_fn = @fc_discriminator",
]
# As in the library's study, by model.name.
STUDY = {
    "beta_vae": ["model.model = @vae()", "vae.beta = 4."],
    "annealed_vae": [
        "model.model = @annealed_vae()",
        "annealed_vae.iteration_threshold = 100000",
        "annealed_vae.c_max = 25",
        "annealed_vae.gamma = 1000",
    ],
    "factor_vae": FACTOR_VAE,
    "dip_vae_i": [
        "model.model = @dip_vae()",
        "dip_vae.lambda_od = 5.",
        "dip_vae.lambda_d_factor = 10.",
        "dip_vae.dip_type = 'i'",
    ],
    "dip_vae_ii": [
        "model.model = @dip_vae()",
        "dip_vae.lambda_od = 5",
        "dip_vae.lambda_d_factor = 1",
        "dip_vae.dip_type = 'ii'",
    ],
    "beta_tc_vae": ["model.model = @beta_tc_vae()", "beta_tc_vae.beta = 6."],
}
REGULARIZERS = {
    "beta_vae": image_regularizers.WeightedKL(4.0),
    "annealed_vae": image_regularizers.AnnealedCapacity(1000, 25, 100_000),
    "dip_vae_i": image_regularizers.MomentMatching(5.0, 10.0, "i"),
    "dip_vae_ii": image_regularizers.MomentMatching(5.0, 1.0, "ii"),
    "beta_tc_vae": image_regularizers.WeightedTotalCorrelation(6.0),
}


@gin.configurable("built", module="test_unsupervised")
def build(model):
    return model((4, 4, 1), 7)


def built(bindings):
    gin.parse_config([*NETWORKS, *bindings])
    model = gin.query_parameter("model.model")
    gin.bind_parameter("built.model", model)
    return build()


@pytest.mark.parametrize("name", REGULARIZERS)
def test_models_differ_in_their_regulariser(name):
    model = built(STUDY[name])
    assert type(model) is VAE
    assert model.regularizer == REGULARIZERS[name]
    assert model.num_latent == 6
    assert model.seed == 7


def test_factor_vae_has_a_discriminator_of_its_latents():
    model = built(FACTOR_VAE)
    assert type(model) is FactorVAE
    assert model.regularizer.gamma == 10
    assert model.regularizer.discriminator.input_shape == (None, 6)


def test_dip_vae_is_of_the_first_type_unless_told():
    model = image_models.dip_vae(1.0, 2.0)
    assert model.keywords["regularizer"].dip_type == "i"


def train(
    model_dir, *bindings, file="config/tests/methods/unsupervised/train_test.gin"
):
    """Trains as one of the library's files says, but shortly."""
    short = [
        "model.training_steps = 4",
        "model.eval_steps = 2",
        "train.log_steps = 1",
        "train.checkpoint_steps = 2",
    ]
    training.train_with_gin(
        str(model_dir), False, [resources.get_file(file)], [*short, *bindings]
    )
    return model_dir


def results_of(model_dir):
    return json.loads((model_dir / "results/json/train_results.json").read_text())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[] if name == "beta_vae" else [pytest.mark.slow],
        )
        for name in STUDY
    ],
)
def test_the_library_s_study_trains_and_exports(tmp_path, name):
    model_dir = train(
        tmp_path / "m",
        f"model.name = '{name}'",
        *STUDY[name],
        "dataset.name = 'dummy_data'",
        "model.batch_size = 4",
        file="config/unsupervised_study_v1/model_configs/shared.gin",
    )
    results = results_of(model_dir)
    assert results["global_step"] == 4
    np.testing.assert_allclose(
        results["loss"],
        results["reconstruction_loss"] + results["regularizer"],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        results["elbo"], -results["reconstruction_loss"] - results["kl_loss"], rtol=1e-5
    )
    if name == "beta_vae":
        np.testing.assert_allclose(
            results["regularizer"], 4 * results["kl_loss"], rtol=1e-5
        )
    if name == "factor_vae":
        np.testing.assert_allclose(
            results["regularizer"],
            results["kl_loss"] + 10 * results["tc_loss"],
            rtol=1e-4,
        )
        # Nobody can tell the classes at the start: ln 2.
        np.testing.assert_allclose(results["discriminator_loss"], 0.69, atol=0.02)
    saved = tf.saved_model.load(str(model_dir / "tfhub")).signatures
    names = {"gaussian_encoder", "reconstructions", "decoder", "decoded_images"}
    names |= {"losses"}
    assert set(saved) == names
    images = tf.random.stateless_uniform([3, 64, 64, 1], [0, 1])
    encoded = saved["gaussian_encoder"](images=images)
    assert encoded["mean"].shape == encoded["logvar"].shape == (3, 10)
    np.testing.assert_allclose(
        saved["reconstructions"](images=images)["images"],
        saved["decoder"](latent_vectors=encoded["mean"])["images"],
        atol=1e-5,
    )


def weights(model_dir):
    reader = tf.train.load_checkpoint(
        tf.train.latest_checkpoint(str(model_dir / "checkpoints"))
    )
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE")
    }


@pytest.mark.slow
def test_the_recorded_configuration_repeats_the_run(tmp_path):
    first, again = tmp_path / "first", tmp_path / "again"
    train(
        first,
        *STUDY["beta_tc_vae"],
        "vae_optimizer.learning_rate = @exponential_decay",
        "exponential_decay.learning_rate = 0.01",
        "exponential_decay.decay_steps = 2",
        "exponential_decay.decay_rate = 0.5",
    )
    recorded = first / "results" / "gin" / "train.gin"
    training.train_with_gin(str(again), gin_config_files=[str(recorded)])
    assert (again / "results/gin/train.gin").read_text() == recorded.read_text()
    expected, found = weights(first), weights(again)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.slow
def test_a_stopped_factor_vae_ends_like_one_that_was_not(tmp_path, monkeypatch):
    bindings = [
        *FACTOR_VAE,
        "vae_optimizer.optimizer_fn = @vae/AdamOptimizer",
        "discriminator_optimizer.optimizer_fn = @discriminator/AdamOptimizer",
        "discriminator/AdamOptimizer.beta1 = 0.5",
    ]
    whole = train(tmp_path / "whole", *bindings)
    scalar = tf.summary.scalar

    def power_cut(name, value, step):
        if step > 3:
            raise KeyboardInterrupt
        scalar(name, value, step=step)

    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(tf.summary, "scalar", power_cut)
        with pytest.raises(KeyboardInterrupt):
            train(stopped, *bindings)
    assert not (stopped / "results").exists()
    train(stopped, *bindings)
    expected, found = weights(whole), weights(stopped)
    assert found.keys() == expected.keys()
    prefix = "model/adversary_optimizer/_variables/"
    of_discriminator = [name for name in found if name.startswith(prefix)]
    assert len(of_discriminator) == 2 * 14  # both moments of each weight
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    ours, theirs = results_of(stopped), results_of(whole)
    for name in ("loss", "tc_loss", "discriminator_loss"):
        assert ours[name] == theirs[name]


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (
            ["model.model = @dip_vae()", "dip_vae.lambda_od = 1.0"],
            "No value is bound to dip_vae.lambda_d_factor",
        ),
        (
            [*STUDY["dip_vae_i"], "dip_vae.dip_type = 'iii'"],
            "dip_vae.dip_type is 'iii', but must be",
        ),
        (
            [*STUDY["annealed_vae"], "annealed_vae.iteration_threshold = 0"],
            "annealed_vae.iteration_threshold is 0, but must be positive",
        ),
        (["vae.beta = 'four'"], "vae.beta is 'four', but must be a number"),
        (
            FACTOR_VAE,
            "No value is bound to discriminator_optimizer.optimizer_fn",
        ),
        (FACTOR_VAE[:2], "No value is bound to discriminator.discriminator_fn"),
    ],
)
def test_mistakes_are_one_clear_sentence_and_leave_nothing(tmp_path, bindings, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path / "m", *bindings)
    assert not (tmp_path / "m").exists()
