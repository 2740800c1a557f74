import json
import os

import gin
import numpy as np
import pytest

from mvhg_tf.disentanglement.steps.evaluate import evaluate_with_gin
from mvhg_tf.disentanglement.steps.postprocess import postprocess_with_gin
from mvhg_tf.disentanglement.steps.saved_model import Representation
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.evaluation.metrics import mig  # isort: skip

BINDINGS = ["dataset.name = 'auto'", "evaluation.random_seed = 5"]
MIG = [
    *BINDINGS,
    "evaluation.evaluation_fn = @mig",
    "evaluation.name = 'my_mig'",
    "mig.num_train = 200",
    "discretizer.discretizer_fn = @histogram_discretizer",
    "discretizer.num_bins = 10",
]


@gin.configurable("artifact_metric", module="mvhg_tf.tests")
def artifact_metric(data, representation, random_state, artifact_dir=None):
    return {"artifact_dir": artifact_dir, "draw": random_state.randint(1000)}


@gin.configurable("plain_metric", module="mvhg_tf.tests")
def plain_metric(data, representation, random_state):
    return {"draw": random_state.randint(1000)}


@gin.configurable("metric_of_anything", module="mvhg_tf.tests")
def metric_of_anything(data, representation, **others):
    return {"given": sorted(others)}


@pytest.fixture(scope="module")
def representation(trained_model, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("mean") / "r")
    postprocess_with_gin(
        trained_model,
        folder,
        gin_bindings=[
            "dataset.name = 'auto'",
            "postprocess.random_seed = 0",
            "postprocess.postprocess_fn = @mean_representation",
        ],
    )
    return folder


def results(folder, kind="json/evaluation_results"):
    with open(os.path.join(folder, "results", f"{kind}.json")) as file:
        return json.load(file)


def test_a_librarys_metric_is_the_librarys(representation, tmp_path):
    from mvhg_tf.disentanglement.data import named_data

    output = str(tmp_path / "e")
    evaluate_with_gin(representation, output, gin_bindings=MIG)
    gin.parse_config(MIG)
    expected = mig.compute_mig(
        named_data.get_named_ground_truth_data("arm3d"),
        Representation(representation),
        np.random.RandomState(5),
    )
    assert results(output)["discrete_mig"] == pytest.approx(expected["discrete_mig"])
    aggregate = results(output, "aggregate/evaluation")
    assert aggregate["train_results.loss"] == 3.5
    assert aggregate["evaluation_config.evaluation.name"] == "'my_mig'"
    assert "postprocess_results.elapsed_time" in aggregate


def test_the_shared_independent_scores(representation, tmp_path):
    output = str(tmp_path / "e")
    evaluate_with_gin(
        representation,
        output,
        gin_bindings=[
            *BINDINGS,
            "dynamics.k = 2",
            "evaluation.evaluation_fn = @shared_independent_downstream",
            "shared_independent_downstream.num_train = 200",
            "shared_independent_downstream.num_test = 100",
        ],
    )
    scores = results(output)
    assert scores["k"] == 2
    assert scores["s_hat"] == 4 - scores["k_hat"]
    confusion = np.array(scores["confusion"])
    assert confusion.shape == (8, 5)
    assert confusion[2].sum() == 100
    # The model's rule: 1 + (label mod 3), with labels uniform over 7 factors.
    np.testing.assert_array_equal(confusion[2] > 0, [False, True, True, True, False])


def test_the_artifact_folder_is_the_librarys(representation, tmp_path):
    bindings = [
        *BINDINGS,
        "evaluation.evaluation_fn = @artifact_metric",
        "evaluation.name = 'x'",
    ]
    evaluate_with_gin(representation, str(tmp_path / "e"), gin_bindings=bindings)
    scores = results(tmp_path / "e")
    assert scores["artifact_dir"] == os.path.join(representation, "artifacts", "x")
    assert scores["draw"] == np.random.RandomState(5).randint(1000)


def test_a_metric_need_not_take_an_artifact_folder(representation, tmp_path):
    bindings = [*BINDINGS, "evaluation.evaluation_fn = @plain_metric"]
    evaluate_with_gin(representation, str(tmp_path / "e"), gin_bindings=bindings)
    assert results(tmp_path / "e")["draw"] == np.random.RandomState(5).randint(1000)


def test_a_metric_may_take_whatever_there_is(representation, tmp_path):
    bindings = [*BINDINGS, "evaluation.evaluation_fn = @metric_of_anything"]
    evaluate_with_gin(representation, str(tmp_path / "e"), gin_bindings=bindings)
    assert results(tmp_path / "e")["given"] == ["artifact_dir", "random_state"]


@pytest.mark.parametrize(
    "name",
    [
        "beta_vae_sklearn",
        "dci",
        "downstream_task",
        "factor_vae_score",
        "fairness",
        "irs",
        "mig",
        "modularity_explicitness",
        "reduced_downstream_task",
        "sap_score",
        "shared_independent_downstream",
        "strong_downstream_task",
        "unified_scores",
        "unsupervised_metrics",
    ],
)
def test_every_metric_has_its_gin_name(name):
    assert callable(gin.get_configurable(name))


def test_a_model_is_no_representation(trained_model, tmp_path):
    with pytest.raises(UserError, match="not that of a finished dlib_postprocess run"):
        evaluate_with_gin(trained_model, str(tmp_path / "e"), gin_bindings=MIG)
    assert not (tmp_path / "e").exists()
