"""The library's DCI, which grows our trees in place of scikit-learn's."""

import numpy as np
import pytest
import sklearn.ensemble

from mvhg_tf.disentanglement import compat
from mvhg_tf.disentanglement.data.grid import GridData
from mvhg_tf.disentanglement.metrics.boosted_trees import GradientBoostingClassifier

from disentanglement_lib.evaluation.metrics import (  # isort: skip
    dci,
    fairness,
    unified_scores,
    utils,
)

NUM_VALUES = [3, 2, 2]
NUM_SEEDS = 5


class _Factors(GridData):
    """Its observations are its factors."""

    observation_shape = (len(NUM_VALUES),)

    def __init__(self):
        super().__init__(["a", "b", "c"], NUM_VALUES)

    def sample_observations_from_factors(self, factors, random_state=None):
        return np.asarray(factors, np.float32)


def _entangled(factors):
    """Five latents: the factors turned into each other, blurred; and two idle ones."""
    noise = np.random.RandomState(len(factors)).randn(len(factors), 5)
    turned = factors @ np.array([[1.0, 0.4, 0.0], [0.3, 1.0, 0.2], [0.0, 0.5, 1.0]])
    return np.hstack([turned + 0.3 * noise[:, :3], noise[:, 3:]]).astype(np.float32)


def _scores(representation=_entangled, seed=0, num_train=200):
    return dci.compute_dci(
        _Factors(),
        representation,
        np.random.RandomState(seed),
        None,
        num_train=num_train,
        num_test=150,
        batch_size=150,
    )


def test_all_metrics_of_the_library_get_the_trees_and_nobody_else():
    for module in (dci, unified_scores.dci, utils):
        trees = module.ensemble.GradientBoostingClassifier
        assert trees is GradientBoostingClassifier
    assert isinstance(
        fairness.utils.gradient_boosting_classifier(), GradientBoostingClassifier
    )
    real = sklearn.ensemble
    assert real.GradientBoostingClassifier.__module__.startswith("sklearn.")
    assert dci.ensemble.RandomForestClassifier is real.RandomForestClassifier


@pytest.mark.slow
def test_scores_are_the_library_s_within_its_own_spread_over_seeds():
    """Ours on each seed's points, against scikit-learn's on the same points."""
    np.random.seed(0)  # of scikit-learn's draws
    ours = [_scores(seed=seed) for seed in range(NUM_SEEDS)]
    with compat.scikit_learns_trees():
        theirs = [_scores(seed=seed) for seed in range(NUM_SEEDS)]
    assert set(ours[0]) == set(theirs[0])
    for name in theirs[0]:
        expected = np.array([scores[name] for scores in theirs])
        differences = np.array([scores[name] for scores in ours]) - expected
        # They come from draws among equal splits alone.
        assert np.abs(differences).max() <= expected.std(ddof=1), name


def test_of_the_factors_themselves_is_one():
    scores = _scores(lambda factors: 10.0 - 3 * factors)
    assert scores["informativeness_train"] == 1
    assert scores["informativeness_test"] == 1
    assert scores["disentanglement"] > 0.99
    assert scores["completeness"] > 0.99


def test_does_not_depend_on_the_latents_order():
    plain = _scores()
    permuted = _scores(lambda factors: _entangled(factors)[:, [3, 1, 4, 0, 2]])
    for name, score in plain.items():
        assert permuted[name] == pytest.approx(score, abs=0.02), name


def test_is_the_same_each_time():
    """Equal latents, among which the trees draw: the library's draws have no seed."""

    def twice(factors):
        return np.hstack([factors, factors]).astype(np.float32)

    assert _scores(twice, num_train=100) == _scores(twice, num_train=100)


def test_a_factor_without_a_second_value_is_told_in_one_sentence(
    run_program, trained_model, tmp_path
):
    """As is too small a number of points to see a second one."""
    representation = str(tmp_path / "representation")
    code, _, written = run_program(
        "dlib_postprocess",
        f"--model_dir={trained_model}",
        f"--output_dir={representation}",
        "--gin_bindings=dataset.name = 'auto'",
        "--gin_bindings=postprocess.random_seed = 0",
        "--gin_bindings=postprocess.postprocess_fn = @mean_representation",
    )
    assert code == 0, written
    code, _, written = run_program(
        "dlib_evaluate",
        f"--input_dir={representation}",
        f"--output_dir={tmp_path / 'scores'}",
        "--gin_bindings=dataset.name = 'auto'",
        "--gin_bindings=evaluation.random_seed = 0",
        "--gin_bindings=evaluation.evaluation_fn = @dci",
        "--gin_bindings=dci.num_train = 1",
        "--gin_bindings=dci.num_test = 1",
    )
    assert code == 2
    assert written.strip().endswith(
        "All 1 training points have the same value of a factor, so there is nothing to "
        "predict: use more points, or another data set."
    )
    assert "Traceback" not in written
