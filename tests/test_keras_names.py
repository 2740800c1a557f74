"""What Keras saved of ours is found again, whichever of the two is imported first."""

import importlib
import json
import os
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import mvhg_tf
from mvhg_tf import keras_names
from mvhg_tf.clustering import VaDE
from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.clustering.estimator import _VaDE
from mvhg_tf.clustering.likelihoods import Bernoulli, Gaussian
from mvhg_tf.clustering.mixture import GaussianMixture
from mvhg_tf.clustering.priors.categorical import CategoricalPrior
from mvhg_tf.clustering.priors.hypergeometric import HypergeometricPrior
from mvhg_tf.clustering.priors.partition_prior import RandomPartitionPrior
from mvhg_tf.clustering.priors.uniform import UniformPrior
from mvhg_tf.disentanglement.models.pairs import drawn_selections, selection
from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
from mvhg_tf.disentanglement.models.semi_supervised import (
    mine_vae,
    semi_supervised_vae,
    supervised_losses,
)
from mvhg_tf.disentanglement.models.semi_supervised.annealers import SupervisedWeight
from mvhg_tf.disentanglement.models.unsupervised import (
    factor_vae,
    image_regularizers,
)
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE
from mvhg_tf.disentanglement.networks.sub_pixel import Conv2DTransposeToImages
from mvhg_tf.disentanglement.steps.optimizers import RMSPropFromOne
from mvhg_tf.schedules import ExponentialAnnealing

D = 2
SHAPE = (3, 3, 1)
ORDERS = {
    "clustering alone": "import mvhg_tf.clustering\nimport keras",
    "mvhg_tf first": "import mvhg_tf\nimport keras",
    "Keras first": "import keras\nimport mvhg_tf",
}
# Every object in a process of its own, that has imported nothing else of ours.
LOADER = """
import json, os, sys
ours = [name for name in sys.modules if name.startswith("mvhg_tf.")]
assert set(ours) <= {"mvhg_tf.keras_names", "mvhg_tf.clustering"}, ours
for path in sys.argv[1:]:
    if os.fork() == 0:
        if path.endswith(".keras"):
            loaded = keras.models.load_model(path)
            # A model and its layers; of the others nothing is looked at.
            config = keras.saving.serialize_keras_object(loaded)
            sums = [float(abs(weight).sum()) for weight in loaded.get_weights()]
            loaded.export(path + ".exported")
        else:
            with open(path) as file:
                loaded = keras.saving.deserialize_keras_object(json.load(file))
            config, sums = keras.saving.serialize_keras_object(loaded), []
        kind = type(loaded).__module__, type(loaded).__name__
        with open(path + ".found", "w") as file:
            json.dump([kind, config, sums], file)
        os._exit(0)
    os.wait()
"""


def networks() -> tuple[keras.Model, keras.Model]:
    images = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(images)
    parts = [keras.layers.Dense(D)(flat) for _ in range(2)]
    latents = keras.Input((D,))
    hidden = keras.layers.Reshape((1, 1, D))(latents)
    return (
        keras.Model(images, parts),
        keras.Model(latents, keras.layers.Conv2DTranspose(1, 3)(hidden)),
    )


def discriminator() -> keras.Model:
    latents = keras.Input((D,))
    return keras.Model(latents, keras.layers.Dense(2)(latents))


def vade(kind: type[VaDE], prior="hypergeometric") -> VaDE:
    units = (5,)
    return kind(
        4,
        2,
        prior=prior,
        encoder=make_encoder(4, D, 0, units),
        decoder=make_decoder(4, D, 0, units),
        temperature=ExponentialAnnealing(1.0, 0.5, 10),
        name="vade",
    )


def semi_supervised(kind: type, regularizer=None, loss=None) -> keras.Model:
    return kind(
        *networks(),
        regularizer or image_regularizers.WeightedKL(2.0),
        loss or supervised_losses.SquaredError([3, 2], learn_scale=True),
        SupervisedWeight(1.5, 7, "anneal"),
    )


def adversary() -> factor_vae.AdversarialTotalCorrelation:
    return factor_vae.AdversarialTotalCorrelation(discriminator(), 6.0)


# One of each class that is registered.
OBJECTS = {
    "AdversarialTotalCorrelation": adversary,
    "AnnealedCapacity": lambda: image_regularizers.AnnealedCapacity(9.0, 5.0, 30),
    "ArgmaxSelection": lambda: selection.ArgmaxSelection(D),
    "Bernoulli": Bernoulli,
    "CategoricalPrior": CategoricalPrior,
    "Conv2DTransposeToImages": lambda: Conv2DTransposeToImages(3),
    "CrossCovariance": lambda: supervised_losses.CrossCovariance([3, 2]),
    "CrossEntropy": lambda: supervised_losses.CrossEntropy([3, 2]),
    "Embedding": lambda: supervised_losses.Embedding([3, 2], "learn", True),
    "PartitionSelection": lambda: drawn_selections.PartitionSelection(D, num_draws=4),
    "SubsetSelection": lambda: drawn_selections.SubsetSelection(D, -1.0, 3.0),
    "ExponentialAnnealing": lambda: ExponentialAnnealing(3.0, 0.5, 40),
    "FactorVAE": lambda: factor_vae.FactorVAE(*networks(), adversary()),
    "Gaussian": lambda: Gaussian(0.7),
    "GaussianMixture": GaussianMixture,
    "GroupVAE": lambda: GroupVAE(*networks(), selection.HypergeometricSelection(D)),
    "HypergeometricPrior": HypergeometricPrior,
    "RandomPartitionPrior": RandomPartitionPrior,
    "HypergeometricSelection": lambda: selection.HypergeometricSelection(D),
    "LabelSelection": lambda: selection.LabelSelection(D),
    "MineVAE": lambda: semi_supervised(
        mine_vae.MineVAE, loss=mine_vae.MutualInformation([3, 2], D)
    ),
    "MomentMatching": lambda: image_regularizers.MomentMatching(1.0, 2.0, "ii"),
    "MutualInformation": lambda: mine_vae.MutualInformation([3, 2], D),
    "RMSPropFromOne": lambda: RMSPropFromOne(0.02),
    "SemiSupervisedFactorVAE": lambda: semi_supervised(
        semi_supervised_vae.SemiSupervisedFactorVAE, adversary()
    ),
    "SemiSupervisedVAE": lambda: semi_supervised(semi_supervised_vae.SemiSupervisedVAE),
    "SquaredError": lambda: supervised_losses.SquaredError([3, 2], learn_scale=True),
    "SupervisedVAE": lambda: semi_supervised(semi_supervised_vae.SupervisedVAE),
    "SupervisedWeight": lambda: SupervisedWeight(1.5, 7, "fine_tune"),
    "UniformPrior": UniformPrior,
    "VAE": lambda: VAE(*networks(), image_regularizers.WeightedKL(4.0)),
    "VaDE": lambda: vade(VaDE),
    "WeightedKL": lambda: image_regularizers.WeightedKL(4.0),
    "WeightedTotalCorrelation": lambda: image_regularizers.WeightedTotalCorrelation(6),
    "_VaDE": lambda: vade(_VaDE, "uniform"),
}


def registered() -> set[tuple[str, str]]:
    """The home and the name of each class that all of our modules register."""
    for module in pkgutil.walk_packages(mvhg_tf.__path__, "mvhg_tf."):
        importlib.import_module(module.name)
    return {
        (found.__module__, name.partition(">")[2])
        for name, found in keras.saving.get_custom_objects().items()
        if name.startswith("mvhg_tf>") and isinstance(found, type)
    }


def test_the_names_are_those_of_all_that_is_registered():
    named = {
        (f"mvhg_tf.{module}", name)
        for module, names in keras_names.HOMES.items()
        for name in names
    }
    assert named == registered()
    assert OBJECTS.keys() == {name for _, name in named}


@pytest.mark.parametrize(
    "order",
    ["Keras first"]
    + [pytest.param(o, marks=pytest.mark.slow) for o in ORDERS if o != "Keras first"],
)
def test_what_was_saved_is_loaded_in_a_fresh_process(order, tmp_path):
    names = OBJECTS if order == "mvhg_tf first" else ["VaDE", "GroupVAE"]
    objects = {}
    for name in names:
        made = OBJECTS[name]()
        extension = "keras" if isinstance(made, keras.Model) else "json"
        objects[tmp_path / f"{name}.{extension}"] = made
    for path, made in objects.items():
        if path.suffix == ".keras":
            made.save(path)
        else:
            path.write_text(json.dumps(keras.saving.serialize_keras_object(made)))
    subprocess.run(
        [sys.executable, "-c", f"{ORDERS[order]}\n{LOADER}", *map(str, objects)],
        check=True,
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        timeout=300,
    )
    for path, made in objects.items():
        found = path.with_name(f"{path.name}.found")
        kind, config, sums = json.loads(found.read_text())
        assert kind == [type(made).__module__, type(made).__name__]
        expected = keras.saving.serialize_keras_object(made)["config"]
        assert config["config"] == json.loads(json.dumps(expected))
        if path.suffix == ".keras":
            weights = [abs(weight).sum() for weight in made.get_weights()]
            np.testing.assert_allclose(sums, weights, rtol=1e-5)
            check_exported(made, f"{path}.exported")


def check_exported(model: keras.Model, folder: str) -> None:
    """The SavedModel that the other process exported gives what the model gives."""
    import tensorflow as tf

    shape = model.encoder.input_shape[1:]
    x = np.random.RandomState(0).uniform(size=(5, *shape)).astype(np.float32)
    exported = tf.saved_model.load(folder)
    np.testing.assert_allclose(exported.serve(x), model(x), rtol=1e-4, atol=1e-6)


def test_importing_the_package_imports_no_keras():
    code = (
        "import sys, importlib.util, mvhg_tf, mvhg_tf.clustering\n"
        "import mvhg_tf.disentanglement\n"
        "assert importlib.util.find_spec('keras') is not None\n"
        "assert not {'keras', 'tensorflow', 'numpy', 'gin'} & sys.modules.keys()\n"
        "finders = len(sys.meta_path)\n"
        "import importlib; importlib.reload(mvhg_tf)\n"
        "assert len(sys.meta_path) == finders\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
