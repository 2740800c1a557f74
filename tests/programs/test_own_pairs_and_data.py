"""Pairs, tables and data sets of one's own, through the programs."""

import json

import numpy as np
import pytest

from mvhg_tf.disentanglement import load_model
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.data.named_data import register_data_set
from mvhg_tf.runs import own_modules
from mvhg_tf.runs.errors import UserError

NETWORKS = [
    "encoder.num_latent = 3",
    "encoder.encoder_fn = @fc_encoder",
    "decoder.decoder_fn = @fc_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "reconstruction_loss.activation = 'logits'",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "model.batch_size = 4",
    "model.training_steps = 2",
    "model.eval_steps = 2",
    "model.random_seed = 1",
    "train.log_steps = 1",
    "train.checkpoint_steps = 2",
]
HGVAE = ["model.model = @group_vae_hypergeometric()", "group_vae.beta = 1"]
LABELVAE = ["model.model = @group_vae_labels()", "group_vae.beta = 1"]
VAE = ["model.model = @vae()", "vae.beta = 1"]
MEAN = ["postprocess.postprocess_fn = @mean_representation", "dataset.name = 'auto'"]
MIG = [
    "dataset.name = 'auto'",
    "evaluation.evaluation_fn = @mig",
    "mig.num_train = 50",
    "discretizer.discretizer_fn = @histogram_discretizer",
    "discretizer.num_bins = 5",
]
SHARED = [
    "dataset.name = 'auto'",
    "evaluation.evaluation_fn = @shared_independent_downstream",
    "shared_independent_downstream.num_train = 60",
    "shared_independent_downstream.num_test = 40",
    "shared_independent_downstream.batch_size = 20",
]
DATA = """
import numpy as np
from mvhg_tf.disentanglement import register_data_set


@register_data_set("bars")
class Stripes:
    num_factors = 2
    factors_num_values = [4, 3]
    factor_names = ["place", "grey"]
    observation_shape = [6, 5, 1]

    def sample_factors(self, num, random_state):
        return random_state.randint(self.factors_num_values, size=(num, 2))

    def sample_observations_from_factors(self, factors, random_state):
        images = np.zeros([len(factors), *self.observation_shape], np.float32)
        for image, (place, grey) in zip(images, factors):
            image[place] = (1 + grey) / 3
        return images

    def sample(self, num, random_state):
        factors = self.sample_factors(num, random_state)
        return factors, self.sample_observations_from_factors(factors, random_state)
"""


def flags(bindings):
    return [f"--gin_bindings={binding}" for binding in bindings]


@pytest.fixture
def run(run_program, tmp_path, monkeypatch):
    """Runs a program in a folder of its own; it has to end with the code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run_and_check(name, *arguments, code=0):
        found, out, err = run_program(name, *arguments)
        assert found == code, err
        return out + err

    return run_and_check


def save_pairs(**known):
    random = np.random.RandomState(0)
    images = random.randint(256, size=(2, 20, 6, 5, 1), dtype=np.uint8)
    np.savez("p.npz", images_1=images[0], images_2=images[1], **known)
    return images


def pairs_with_factors() -> dict:
    factors = np.random.RandomState(0).randint(2, size=(2, 20, 3))
    return {"factors_1": factors[0], "factors_2": factors[1]}


def scores(folder) -> dict:
    with open(f"{folder}/results/json/evaluation_results.json") as file:
        return json.load(file)


PAIRS = ["dataset.name = 'pairs'", "pairs.path = 'p.npz'"]


@pytest.mark.slow
def test_hgvae_trains_on_pairs_that_nobody_knows_the_factors_of(run):
    images = save_pairs()
    run("dlib_train", "--model_dir=m", *flags(NETWORKS + HGVAE + PAIRS))
    result = load_model("m").pair(images[0, :3], images[1, :3])
    assert result.probabilities.shape == (3, 4)
    np.testing.assert_allclose(result.probabilities.sum(-1), 1, rtol=1e-5)
    mean = ["--gin_bindings=postprocess.random_seed = 0"]
    run("dlib_postprocess", "--model_dir=m", "--output_dir=r", *flags(MEAN), *mean)
    said = run(
        "dlib_evaluate",
        "--input_dir=r",
        "--output_dir=e",
        *flags([*MIG, "evaluation.random_seed = 0"]),
        code=2,
    )
    assert "The factors of p.npz are not known, but are needed here" in said


def test_known_factors_are_scored_on_the_pairs_that_are_held_out(run):
    save_pairs(**pairs_with_factors())
    run(
        "dlib_train",
        "--model_dir=m",
        *flags([*NETWORKS, *LABELVAE, *PAIRS, "pairs.held_out = 0.4"]),
    )
    mean = ["--gin_bindings=postprocess.random_seed = 0"]
    run("dlib_postprocess", "--model_dir=m", "--output_dir=r", *flags(MEAN), *mean)
    for name, bindings in (("mig", MIG), ("shared", SHARED)):
        run(
            "dlib_evaluate",
            "--input_dir=r",
            f"--output_dir={name}",
            *flags([*bindings, "evaluation.random_seed = 0"]),
        )
    assert "discrete_mig" in scores("mig")
    known = pairs_with_factors()
    k = np.sum(known["factors_1"] != known["factors_2"], axis=1)
    held_out = np.random.RandomState(0).permutation(20)[-8:]
    counted = np.sum(scores("shared")["confusion"], axis=1)
    assert counted.sum() == 40
    assert set(np.flatnonzero(counted)) == set(k[held_out])


def test_models_that_these_pairs_are_not_for(run):
    save_pairs()
    said = run(
        "dlib_train", "--model_dir=m", *flags(NETWORKS + LABELVAE + PAIRS), code=2
    )
    assert "LabelVAE needs a factor that differs" in said
    run("dlib_train", "--model_dir=v", *flags(NETWORKS + VAE + PAIRS))
    assert load_model("v").observation_shape == (6, 5, 1)


@pytest.mark.slow
def test_a_table_of_factors_that_is_no_grid(run):
    images = save_pairs().reshape(40, 6, 5, 1)
    factors = np.random.RandomState(1).randint(3, size=(40, 3))
    np.savez("t.npz", images=images, factors=factors)
    table = ["dataset.name = 'npz'", "npz.path = 't.npz'", "dynamics.k = 2"]
    run("dlib_train", "--model_dir=m", *flags(NETWORKS + LABELVAE + table))
    mean = ["--gin_bindings=postprocess.random_seed = 0"]
    run("dlib_postprocess", "--model_dir=m", "--output_dir=r", *flags(MEAN), *mean)
    said = run(
        "dlib_evaluate",
        "--input_dir=r",
        "--output_dir=e",
        *flags([*SHARED, "evaluation.random_seed = 0"]),
    )
    assert "dynamics.k = 2" in said
    assert np.sum(scores("e")["confusion"], axis=1).tolist() == [0, 0, 40, 0]


@pytest.fixture
def stripes(tmp_path, forget_names):
    (tmp_path / "my_stripes.py").write_text(DATA)
    forget_names.append("my_stripes")
    yield
    named_data._DATA_SETS.pop("bars", None)


def test_a_data_set_of_ones_own_class(run, stripes):
    own = ["dataset.name = 'bars'", "dynamics.k = 1"]
    arguments = ["--model_dir=m", *flags(NETWORKS + LABELVAE + own)]
    said = run("dlib_train", *arguments, code=2)
    assert "There is no data set 'bars'" in said
    assert "imported (--import=MODULE)" in said
    run("dlib_train", "--import=my_stripes", *arguments)
    assert load_model("m").observation_shape == (6, 5, 1)


def test_modules_that_cannot_be_imported(run, tmp_path):
    said = run("dlib_train", "--import=nowhere.data", "--model_dir=m", code=2)
    assert "--import names nowhere.data, but there is no module nowhere" in said
    (tmp_path / "broken_module.py").write_text("import no_such_thing")
    with pytest.raises(UserError, match="broken_module can't be imported .Module"):
        own_modules.import_modules(["broken_module"])


def test_classes_that_cannot_be_registered():
    with pytest.raises(UserError, match="has no num_factors, factors_num_values"):
        register_data_set("mine")(type("Mine", (), {}))
    interface = dict.fromkeys(named_data._INTERFACE)
    with pytest.raises(UserError, match="'arm3d' is the name of a data set of mvhg_tf"):
        register_data_set("arm3d")(type("Mine", (), interface))
