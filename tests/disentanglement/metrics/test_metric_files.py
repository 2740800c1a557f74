"""Tests of gin_configs/metrics: `dlib_evaluate` runs each file to its scores.

On data of two factors of two values, which are the observations too, and a model
whose latents are the factors and their product: sizes are bound so that each metric
takes a second or so.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.data import grid, named_data
from mvhg_tf.disentanglement.steps import results

FILES = sorted((Path(__file__).parents[3] / "gin_configs" / "metrics").glob("*.gin"))
NUM_FACTORS = 2


class _Metric(NamedTuple):
    """A metric's gin name, the sizes to bind, and scores that it must give."""

    name: str
    sizes: dict[str, object]
    scores: set[str]


SIZES = {"num_train": 60, "num_test": 30}
LISTED_SIZES = {"num_train": [60], "num_test": 30}
DRAWN_SIZES = {"num_train": 50, "num_eval": 50, "batch_size": 5}
DOWNSTREAM = _Metric(
    "downstream_task",
    LISTED_SIZES,
    {
        f"60:{score}"
        for part in ("train", "test")
        for score in (
            f"mean_{part}_accuracy",
            f"min_{part}_accuracy",
            *(f"{part}_accuracy_factor_{factor}" for factor in range(NUM_FACTORS)),
        )
    },
)
# By the name of the file, which is the library's.
METRICS = {
    "beta_vae_sklearn": _Metric(
        "beta_vae_sklearn", DRAWN_SIZES, {"train_accuracy", "eval_accuracy"}
    ),
    "dci": _Metric(
        "dci",
        SIZES,
        {
            "informativeness_train",
            "informativeness_test",
            "disentanglement",
            "completeness",
        },
    ),
    "downstream_task_boosted_trees": DOWNSTREAM,
    "downstream_task_logistic_regression": DOWNSTREAM,
    "factor_vae_metric": _Metric(
        "factor_vae_score",
        DRAWN_SIZES | {"num_variance_estimate": 60},
        {"train_accuracy", "eval_accuracy", "num_active_dims"},
    ),
    "fairness": _Metric(
        "fairness",
        {"num_train": 60, "num_test_points_per_class": 10},
        {
            "mean_fairness:mean_pred:mean_sens",
            "mean_fairness:pred0:sens1",
            "max_fairness:max_pred:max_sens",
        },
    ),
    "irs": _Metric("irs", {"num_train": 60}, {"IRS", "num_active_dims"}),
    "mig": _Metric("mig", {"num_train": 60}, {"discrete_mig"}),
    "modularity_explicitness": _Metric(
        "modularity_explicitness",
        SIZES,
        {
            "modularity_score",
            "explicitness_score_train",
            "explicitness_score_test",
        },
    ),
    "reduced_downstream_task": _Metric(
        "reduced_downstream_task",
        LISTED_SIZES,
        {
            f"60:mean_{part}_accuracy_{factors}"
            for part in ("train", "test")
            for factors in ("reduced_factor", "other_factors")
        },
    ),
    "sap_score": _Metric("sap_score", SIZES, {"SAP_score"}),
    "shared_independent_downstream": _Metric(
        "shared_independent_downstream",
        {"num_train": 200, "num_test": 100},
        {
            "k",
            "k_hat",
            "s_hat",
            "mse_latent_space",
            "mse_factor_space",
            "confusion",
            "active_latents",
            "shared_accuracy",
            "independent_accuracy",
            "shared_accuracy_per_factor",
            "independent_accuracy_per_factor",
            "linear_accuracy",
            "unconverged_fits",
        },
    ),
    "strong_downstream_task": _Metric(
        "strong_downstream_task",
        LISTED_SIZES,
        {
            "60:mean_train_accuracy",
            "60:mean_test_accuracy",
            "60:mean_strong_train_accuracy",
            "60:mean_strong_test_accuracy",
            "60:strong_generalization_gap",
        },
    ),
    "unified_scores": _Metric(
        "unified_scores",
        SIZES,
        {
            f"{matrix}_matrix.{score}"
            for matrix in ("mutual_information", "importance_gbt", "accuracy_svm")
            for score in (
                "dci",
                "dci_completeness",
                "dci_disentanglement",
                "mig",
                "modularity",
                "sap",
            )
        },
    ),
    "unsupervised": _Metric(
        "unsupervised_metrics",
        {"num_train": 60},
        {
            "gaussian_total_correlation",
            "gaussian_wasserstein_correlation",
            "gaussian_wasserstein_correlation_norm",
            "mutual_info_score",
        },
    ),
}
# Its pictures take seconds.
SLOW = {"unified_scores"}


class _SmallData(grid.GridData):
    """Its observations are its factors, float32 `[N, 2]`."""

    observation_shape = (NUM_FACTORS,)

    def __init__(self):
        super().__init__(["first", "second"], [2] * NUM_FACTORS)

    def sample_observations_from_factors(self, factors, random_state=None):
        return np.asarray(factors, np.float32)


def _latents(inputs):
    return tf.concat([inputs, tf.reduce_prod(inputs, axis=1, keepdims=True)], axis=1)


def _specs(*names):
    return [tf.TensorSpec([None, NUM_FACTORS], tf.float32, name) for name in names]


@pytest.fixture(scope="module")
def representation(tmp_path_factory) -> str:
    """The folder of a postprocessed model of the small data's pairs."""
    folder = tmp_path_factory.mktemp("representation")

    @tf.function(input_signature=_specs("images"))
    def represent(images):
        return {"default": _latents(images)}

    @tf.function(
        input_signature=[
            *_specs("images_1", "images_2"),
            tf.TensorSpec([None], tf.int32, "labels"),
        ]
    )
    def pair(images_1, images_2, labels):
        means = [_latents(images_1), _latents(images_2)]
        shared = tf.cast(means[0] == means[1], tf.float32)
        return {
            "mean_1": means[0],
            "logvar_1": tf.zeros_like(means[0]) - 1.0,
            "mean_2": means[1],
            "logvar_2": tf.zeros_like(means[1]) - 1.0,
            "shared": shared,
            "k_hat": tf.reduce_sum(1.0 - shared, axis=1),
        }

    tf.saved_model.save(
        tf.Module(),
        str(folder / "tfhub"),
        signatures={"representation": represent, "pair": pair},
    )
    (folder / "results" / "gin").mkdir(parents=True)
    (folder / "results" / "gin" / "postprocess.gin").write_text(
        "dataset.name = 'dummy_data'\n"
    )
    return str(folder)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(
            file,
            id=file.stem,
            marks=[pytest.mark.slow] if file.stem in SLOW else [],
        )
        for file in FILES
    ],
)
def test_each_file_gives_its_scores(
    run_program, representation, monkeypatch, tmp_path, file
):
    monkeypatch.setitem(named_data._DATA_SETS, "dummy_data", _SmallData)
    metric = METRICS[file.stem]
    bindings = [f"evaluation.name = {file.stem!r}"]
    bindings += [f"{metric.name}.{size} = {n!r}" for size, n in metric.sizes.items()]
    code, _, written = run_program(
        "dlib_evaluate",
        f"--input_dir={representation}",
        f"--output_dir={tmp_path / 'scores'}",
        f"--gin_config={file}",
        *(f"--gin_bindings={binding}" for binding in bindings),
    )
    assert code == 0, written
    folder = tmp_path / "scores" / "results" / "json"
    scores = json.loads((folder / "evaluation_results.json").read_text())
    assert metric.scores <= set(scores)
    for name in metric.scores:
        assert np.all(np.isfinite(scores[name])), name


def test_there_is_a_file_for_each_metric():
    assert {file.stem for file in FILES} == set(METRICS)


def test_of_a_score_that_rounding_made_complex_the_real_part_is_kept(tmp_path):
    """The library's Wasserstein correlation, where latents are not in use."""
    scores = {"score": np.complex128(2.25 - 1e-9j)}
    results.write_results(str(tmp_path), "evaluation", scores)
    path = tmp_path / "results" / "json" / "evaluation_results.json"
    assert json.loads(path.read_text())["score"] == 2.25
