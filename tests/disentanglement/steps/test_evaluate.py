import json
import os
import shutil

import gin
import numpy as np
import pytest
import tensorflow as tf

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


def test_artifacts_go_to_the_output(representation, tmp_path):
    bindings = [
        *BINDINGS,
        "evaluation.evaluation_fn = @artifact_metric",
        "evaluation.name = 'x'",
    ]
    evaluate_with_gin(representation, str(tmp_path / "e"), gin_bindings=bindings)
    scores = results(tmp_path / "e")
    assert scores["artifact_dir"] == str(tmp_path / "e" / "artifacts" / "x")
    assert scores["draw"] == np.random.RandomState(5).randint(1000)


PAIRS = [
    *BINDINGS,
    "evaluation.evaluation_fn = @shared_independent_downstream",
    "shared_independent_downstream.num_train = 200",
    "shared_independent_downstream.num_test = 100",
]


@pytest.fixture
def of_pairs(representation, tmp_path):
    """The representation of a model that was trained on pairs, k = 3."""
    folder = tmp_path / "of_pairs"
    shutil.copytree(representation, folder)
    with open(folder / "results" / "gin" / "train.gin", "a") as file:
        file.write("K = 3\ndynamics.k = %K\ndynamics.mode = 'dlib'\n")
    return str(folder)


def test_pairs_are_drawn_as_in_training(of_pairs, tmp_path, capfd):
    evaluate_with_gin(of_pairs, str(tmp_path / "e"), gin_bindings=PAIRS)
    written = capfd.readouterr().err
    assert "dynamics.k = 3 and dynamics.mode = 'dlib', as in training" in written
    config = (tmp_path / "e" / "results" / "gin" / "evaluation.gin").read_text()
    assert "dynamics.k = 3\ndynamics.mode = 'dlib'\n" in config
    # As the library does, one factor or three are redrawn, to maybe the same value.
    found = np.sum(results(tmp_path / "e")["confusion"], axis=1)
    assert found[1] > 20 and found[3] > 20 and found[4:].sum() == 0


def test_fixed_pairs_are_drawn_as_in_training(representation, tmp_path, capfd):
    folder = tmp_path / "of_pairs"
    shutil.copytree(representation, folder)
    with open(folder / "results" / "gin" / "train.gin", "a") as file:
        file.write("dynamics.k = None\ndynamics.mode = 'fixed'\n")
        file.write("dynamics.shared_factors = [1, 5]\n")
    evaluate_with_gin(str(folder), str(tmp_path / "e"), gin_bindings=PAIRS)
    assert "shared_factors = [1, 5], as in training" in capfd.readouterr().err
    scores = results(tmp_path / "e")
    assert scores["k"] == 5
    known = np.isfinite(np.array(scores["shared_accuracy_per_factor"], float))
    np.testing.assert_array_equal(known, [i in (1, 5) for i in range(7)])


def test_a_bound_mode_stays_where_k_is_that_of_the_training(of_pairs, tmp_path):
    bindings = [*PAIRS, "dynamics.mode = 'exact'"]
    evaluate_with_gin(of_pairs, str(tmp_path / "e"), gin_bindings=bindings)
    found = np.sum(results(tmp_path / "e")["confusion"], axis=1)
    assert found[3] == found.sum() == 100


def test_a_bound_k_is_that_of_the_pairs(of_pairs, tmp_path, capfd):
    bindings = [*PAIRS, "dynamics.k = 2"]
    evaluate_with_gin(of_pairs, str(tmp_path / "e"), gin_bindings=bindings)
    assert "as in training" not in capfd.readouterr().err
    np.testing.assert_array_equal(
        np.sum(results(tmp_path / "e")["confusion"], axis=1), [0, 0, 100, *[0] * 5]
    )


def test_metrics_that_draw_no_pairs_say_nothing_of_them(of_pairs, tmp_path, capfd):
    evaluate_with_gin(of_pairs, str(tmp_path / "e"), gin_bindings=MIG)
    assert "as in training" not in capfd.readouterr().err


def test_without_a_known_k_it_has_to_be_bound(representation, tmp_path):
    with pytest.raises(UserError, match=r"No value is bound to dynamics\.k"):
        evaluate_with_gin(representation, str(tmp_path / "e"), gin_bindings=PAIRS)


def test_a_read_only_input_is_left_alone_and_makes_nothing_read_only(
    representation, tmp_path
):
    source = tmp_path / "source"
    shutil.copytree(representation, source)
    entries = sorted(source.rglob("*"))
    for path in [source, *entries]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    bindings = [
        *BINDINGS,
        "evaluation.evaluation_fn = @unified_scores",
        "evaluation.name = 'x'",
        "unified_scores.matrix_fns = [@mutual_information_matrix]",
        "unified_scores.num_train = 100",
        "unified_scores.num_test = 50",
        "discretizer.discretizer_fn = @histogram_discretizer",
        "discretizer.num_bins = 5",
    ]
    try:
        for overwrite in (False, True):
            output = tmp_path / "e"
            evaluate_with_gin(str(source), str(output), overwrite, [], bindings)
            assert list((output / "artifacts" / "x").iterdir())
            for path in [output, *output.rglob("*")]:
                assert path.stat().st_mode & 0o200, path
        assert sorted(source.rglob("*")) == entries
    finally:
        for path in [source, *entries]:
            path.chmod(0o755)


def test_a_saved_model_of_ones_own_without_results_is_scored(tmp_path):
    module = tf.Module()
    module.represent = tf.function(
        lambda images: {"default": tf.reduce_mean(images, axis=[1, 2])},
        input_signature=[tf.TensorSpec([None, 64, 64, 3], name="images")],
    )
    signatures = {"representation": module.represent}
    tf.saved_model.save(module, str(tmp_path / "own" / "tfhub"), signatures=signatures)
    bindings = [*MIG, "dataset.name = 'arm3d'"]
    for number, source in enumerate(("own", "own/tfhub")):
        output = str(tmp_path / f"e{number}")
        evaluate_with_gin(str(tmp_path / source), output, gin_bindings=bindings)
        assert 0 <= results(output)["discrete_mig"] <= 1
    with pytest.raises(UserError, match="not hold a finished dlib_postprocess run"):
        evaluate_with_gin(str(tmp_path / "own"), str(tmp_path / "e"), gin_bindings=MIG)


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
    with pytest.raises(UserError, match="not hold a finished dlib_postprocess run"):
        evaluate_with_gin(trained_model, str(tmp_path / "e"), gin_bindings=MIG)
    assert not (tmp_path / "e").exists()
