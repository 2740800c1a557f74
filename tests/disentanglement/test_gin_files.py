"""Tests of gin files: ours for arm3d train, and the library's own are understood."""

import json
from pathlib import Path

import disentanglement_lib
import gin
import pytest

from mvhg_tf.disentanglement.models.unsupervised import image_regularizers
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import (
    AdversarialTotalCorrelation,
)
from mvhg_tf.disentanglement.reasoning import reason  # noqa: F401  (its gin names)
from mvhg_tf.disentanglement.steps import (  # noqa: F401  (their gin names)
    evaluate,
    postprocess,
    training,
    visualize,
)
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError

PRESETS = sorted((Path(__file__).parents[2] / "gin_configs").glob("*_arm3d*.gin"))
KINDS = {
    "vae": image_regularizers.WeightedKL,
    "annealed_vae": image_regularizers.AnnealedCapacity,
    "beta_tc_vae": image_regularizers.WeightedTotalCorrelation,
    "dip_vae": image_regularizers.MomentMatching,
    "factor_vae": AdversarialTotalCorrelation,
}
LIBRARY = Path(disentanglement_lib.__path__[0], "config")
LIBRARY_FILES = sorted(
    str(path.relative_to(LIBRARY)) for path in LIBRARY.rglob("*.gin")
)
# What they configure is not part of this project, by the folder or file.
ELSEWHERE = {
    "tests/validation": "scores of a fixed set of images, by another program",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_presets_of_single_images_build_what_their_names_say(kind):
    preset = next(path for path in PRESETS if path.stem == f"{kind}_arm3d")
    with gin_config.configured([str(preset)]):
        builder = gin.query_parameter("model.model").scoped_configurable_fn()
        model = builder((64, 64, 3), seed=0)
        assert gin.query_parameter("dataset.name") == "arm3d"
    assert type(model.regularizer) is KINDS[kind]
    assert model.encoder.output_shape[0] == (None, 10)


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_each_preset_for_arm3d_trains(preset, tmp_path):
    sizes = {"model.batch_size": 4, "model.training_steps": 2, "model.eval_steps": 1}
    training.train_with_gin(
        str(tmp_path / "model"),
        gin_config_files=[str(preset)],
        gin_bindings=[f"{name} = {size}" for name, size in sizes.items()],
    )
    path = tmp_path / "model" / "results" / "json" / "train_results.json"
    results = json.loads(path.read_text())
    assert results["global_step"] == 2
    # An untrained model knows nothing of 64 x 64 x 3 values: log 2 nats of each.
    assert 6_000 < results["reconstruction_loss"] < 10_000


def _is_elsewhere(file):
    return any(file.startswith(f"{folder}/") for folder in ELSEWHERE)


@pytest.mark.parametrize(
    "file", [file for file in LIBRARY_FILES if not _is_elsewhere(file)]
)
def test_the_library_s_gin_files_are_understood(file):
    """No name, parameter or kind of value in them is unknown."""
    with gin_config.configured([str(LIBRARY / file)]):
        assert gin.config_str().strip()


@pytest.mark.parametrize("file", filter(_is_elsewhere, LIBRARY_FILES))
def test_what_is_not_part_of_the_project_is_told(file):
    with pytest.raises(UserError, match="No configurable matching"):
        with gin_config.configured([str(LIBRARY / file)]):
            pass


def test_the_library_has_gin_files_of_each_kind():
    assert len(LIBRARY_FILES) > 50
    used = {
        name for name in ELSEWHERE if any(f.startswith(name) for f in LIBRARY_FILES)
    }
    assert used == set(ELSEWHERE)


@pytest.mark.parametrize(
    ("binding", "wanted"),
    [
        ("mig.batch_size = 0", "a positive integer"),
        ("mig.num_train = -5", "a positive integer"),
        ("mig.num_train = 2147483648", "a positive integer below 2**31"),
        ("discretizer.num_bins = 0", "a positive integer"),
        ("fairness.num_test_points_per_class = 0", "a positive integer"),
        ("strong_downstream_task.n_experiment = 0", "a positive integer"),
        ("downstream_task.num_train = []", "a list of positive integers below 2**31"),
        (
            "downstream_task.num_train = [100, 0]",
            "a list of positive integers below 2**31",
        ),
        (
            "downstream_task.num_train = ['many']",
            "a list of positive integers below 2**31",
        ),
    ],
)
def test_a_metric_of_nothing_is_refused(binding, wanted):
    """The library would go on for ever, or fail deep inside another one."""
    name, value = binding.split(" = ")
    with pytest.raises(UserError) as caught:
        with gin_config.configured(bindings=[binding]):
            pass
    assert str(caught.value) == (f"{name} is {value}, but must be {wanted}: change it.")
