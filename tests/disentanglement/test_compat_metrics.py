"""Tests that disentanglement_lib's metrics have the right values, unmodified.

On representations whose scores are known: the factors themselves, and codes that
hold all of them mixed, twice, or not at all.
"""

import gin
import numpy as np
import pytest

from mvhg_tf.disentanglement import compat  # noqa: F401

from disentanglement_lib.data.ground_truth import dummy_data  # isort: skip
from disentanglement_lib.evaluation.metrics import (  # isort: skip
    beta_vae,
    dci,
    downstream_task,
    factor_vae,
    fairness,
    irs,
    mig,
    modularity_explicitness,
    reduced_downstream_task,
    sap_score,
    strong_downstream_task,
    unified_scores,
    unsupervised_metrics,
    utils,
)

SMALL_GIN = """
discretizer.discretizer_fn = @histogram_discretizer
discretizer.num_bins = 10
predictor.predictor_fn = @logistic_regression_cv
"""


class _SmallData(dummy_data.IdentityObservationsData):
    """Three factors of three values, which are the observations too."""

    num_factors = 3
    factors_num_values = [3, 3, 3]
    observation_shape = [3]

    def sample_factors(self, num, random_state):
        return random_state.randint(3, size=(num, 3))


@pytest.fixture(autouse=True)
def _small_gin():
    gin.clear_config()
    gin.parse_config(SMALL_GIN)
    yield
    gin.clear_config()


@pytest.fixture
def data():
    return _SmallData()


@pytest.fixture
def random_state():
    return np.random.RandomState(0)


def _identity(x):
    return np.array(x, np.float64)


def _twice(x):
    return np.hstack([x, x]).astype(np.float64)


def _nothing(x):
    return np.zeros([len(x), 3])


def _sum(x):
    return np.sum(x, axis=1, keepdims=True, dtype=np.float64)


def _mixed(x):
    """An invertible mixture: each code depends on each factor."""
    rotation, _ = np.linalg.qr(np.random.RandomState(1).normal(size=[3, 3]))
    return np.asarray(x, np.float64) @ rotation


class TestMIG:
    def _score(self, data, representation, random_state):
        return mig.compute_mig(
            data, representation, random_state, None, num_train=3000, batch_size=100
        )["discrete_mig"]

    def test_of_the_factors_is_one(self, data, random_state):
        # Of 3000 pairs of independent factors the mutual information is about
        # (3 - 1)^2 / (2 * 3000) nats, and not 0.
        assert 0.99 < self._score(data, _identity, random_state) <= 1

    def test_of_duplicates_is_zero(self, data, random_state):
        assert self._score(data, _twice, random_state) == pytest.approx(0, abs=1e-9)

    def test_of_a_mixture_is_its_gap(self, data, random_state):
        """Against entropies counted here."""
        score = self._score(data, _mixed, np.random.RandomState(0))
        factors = data.sample_factors(3000, random_state)
        codes = _mixed(factors)
        bins = np.stack(
            [np.digitize(c, np.histogram(c, 10)[1][:-1]) for c in codes.T], axis=1
        )

        def entropy(*columns):
            _, counts = np.unique(np.stack(columns), axis=1, return_counts=True)
            p = counts / counts.sum()
            return -(p * np.log(p)).sum()

        gaps = []
        for factor in factors.T:
            information = sorted(
                entropy(code) + entropy(factor) - entropy(code, factor)
                for code in bins.T
            )
            gaps.append((information[-1] - information[-2]) / entropy(factor))
        assert score == pytest.approx(np.mean(gaps), abs=0.02)


class TestDCI:
    def _scores(self, data, representation, random_state):
        return dci.compute_dci(
            data,
            representation,
            random_state,
            None,
            num_train=600,
            num_test=300,
            batch_size=100,
        )

    def test_of_the_factors_is_one(self, data, random_state):
        scores = self._scores(data, _identity, random_state)
        assert scores["informativeness_test"] == 1
        assert scores["disentanglement"] > 0.98
        assert scores["completeness"] > 0.98

    def test_of_a_mixture_is_low(self, data, random_state):
        assert self._scores(data, _mixed, random_state)["disentanglement"] < 0.5

    def test_of_an_importance_matrix(self):
        """One code for each factor; then one code for both, and an idle code."""
        assert dci.disentanglement(np.eye(2)) == pytest.approx(1)
        matrix = np.array([[0.5, 0.5], [0.0, 0.0]])
        assert dci.disentanglement(matrix) == pytest.approx(0, abs=1e-6)
        assert dci.completeness(matrix) == pytest.approx(1, abs=1e-6)


class TestSAP:
    @pytest.mark.parametrize("continuous", [True, False])
    def test_of_the_factors_is_large(self, data, random_state, continuous):
        score = sap_score.compute_sap(
            data,
            _identity,
            random_state,
            None,
            num_train=600,
            num_test=300,
            batch_size=100,
            continuous_factors=continuous,
        )["SAP_score"]
        # Continuous: R^2 is 1 for its own code and 0 for others. Else 2/3, since no
        # linear classifier of one number singles out the middle one of three, less
        # the 1/3 of guessing.
        assert score == pytest.approx(1 if continuous else 1 / 3, abs=0.07)

    def test_of_duplicates_is_zero(self, data, random_state):
        score = sap_score.compute_sap(
            data, _twice, random_state, None, 600, 300, 100, continuous_factors=True
        )["SAP_score"]
        assert score == pytest.approx(0, abs=1e-9)


class TestSampledPairs:
    """The metrics that vary one factor at a time, or hold one."""

    def test_beta_vae(self, data, random_state):
        scores = [
            beta_vae.compute_beta_vae_sklearn(
                data, representation, random_state, None, 5, 500, 500
            )["eval_accuracy"]
            for representation in (_identity, _nothing)
        ]
        # Five pairs, of which the held factor alone never differs.
        assert scores[0] > 0.9
        assert scores[1] < 0.45

    def test_factor_vae(self, data, random_state):
        gin.parse_config("prune_dims.threshold = 0.05")
        scores = [
            factor_vae.compute_factor_vae(
                data, representation, random_state, None, 20, 300, 300, 300
            )
            for representation in (_identity, _nothing)
        ]
        assert scores[0]["train_accuracy"] == 1
        assert scores[0]["eval_accuracy"] == 1
        assert scores[1]["num_active_dims"] == 0

    def test_irs(self, data, random_state):
        scores = [
            irs.compute_irs(data, representation, random_state, None, 0.99, 2000, 100)[
                "IRS"
            ]
            for representation in (_identity, _mixed)
        ]
        # Given its own factor, a code of the first does not move.
        assert scores[0] == pytest.approx(1, abs=1e-9)
        assert scores[1] < 0.7


class TestModularity:
    def test_of_the_factors(self, data, random_state):
        scores = modularity_explicitness.compute_modularity_explicitness(
            data, _identity, random_state, None, 2000, 1000, 100
        )
        assert scores["modularity_score"] == pytest.approx(1, abs=0.01)
        assert scores["explicitness_score_test"] > 0.95

    def test_of_information(self):
        """A code that tells of one factor; one that tells as much of both."""
        assert modularity_explicitness.modularity(np.eye(2)) == 1
        assert modularity_explicitness.modularity(np.ones([2, 2])) == 0


class TestDownstream:
    def test_accuracy(self, data, random_state):
        gin.parse_config(
            "downstream_task.num_train = [500]\n"
            "downstream_task.num_test = 200\n"
            "predictor.predictor_fn = @gradient_boosting_classifier"
        )
        scores = [
            downstream_task.compute_downstream_task(data, representation, random_state)
            for representation in (_identity, _nothing)
        ]
        assert scores[0]["500:mean_test_accuracy"] == 1
        # Guessing one of three values.
        assert scores[1]["500:mean_test_accuracy"] == pytest.approx(1 / 3, abs=0.1)

    def test_reduced(self, data, random_state):
        """Without its code a factor is guessed; the others are still known."""
        gin.parse_config(
            "predictor.predictor_fn = @gradient_boosting_classifier\n"
            "reduced_representation.correlation_measure = @factorwise_dci"
        )
        scores = reduced_downstream_task.compute_reduced_downstream_task(
            data, _identity, random_state, None, 1, [300], 300, 100
        )
        assert scores["300:mean_test_accuracy_other_factors"] == 1
        guessed = scores["300:mean_test_accuracy_reduced_factor"]
        assert guessed == pytest.approx(1 / 3, abs=0.1)

    def test_strong(self, data, random_state):
        gin.parse_config("predictor.predictor_fn = @gradient_boosting_classifier")
        np.random.seed(0)  # from which the library draws its interventions
        scores = strong_downstream_task.compute_strong_downstream_task(
            data, _identity, random_state, None, [300], 100, 2
        )
        # A value of another factor that was never seen does no harm.
        assert scores["300:mean_strong_test_accuracy"] == 1
        assert scores["300:strong_generalization_gap"] == 0

    def test_fairness(self, data, random_state):
        gin.parse_config("predictor.predictor_fn = @gradient_boosting_classifier")
        scores = [
            fairness.compute_fairness(
                data, representation, random_state, None, 300, 100, 100
            )["mean_fairness:mean_pred:mean_sens"]
            for representation in (_identity, _sum)
        ]
        # No prediction depends on another factor's value; then all do.
        assert scores[0] == pytest.approx(0, abs=1e-6)
        assert scores[1] > 0.1

    def test_fairness_of_counts(self):
        """Total variation to the average, of predictions split 3 : 1 and 1 : 3."""
        mean, largest = fairness.inter_group_fairness(np.array([[3, 1], [1, 3]]))
        assert (mean, largest) == (pytest.approx(0.25), pytest.approx(0.25))


class TestUnified:
    def test_scores_are_those_of_the_single_metrics(self, data, random_state):
        scores = unified_scores.compute_unified_scores(
            data,
            _identity,
            random_state,
            None,
            600,
            300,
            [
                unified_scores.mutual_information_matrix,
                unified_scores.importance_gbt_matrix,
                unified_scores.accuracy_svm_matrix,
            ],
            100,
        )
        assert scores["mutual_information_matrix.mig"] > 0.98
        assert scores["mutual_information_matrix.modularity"] > 0.99
        assert scores["importance_gbt_matrix.dci_disentanglement"] > 0.98
        assert scores["accuracy_svm_matrix.sap"] == pytest.approx(1 / 3, abs=0.1)

    def test_draws_its_matrices(self, data, random_state, tmp_path):
        unified_scores.compute_unified_scores(
            data,
            _identity,
            random_state,
            str(tmp_path),
            300,
            100,
            [unified_scores.mutual_information_matrix],
            100,
        )
        assert (tmp_path / "mutual_information_matrix.png").stat().st_size > 5000


class TestUnsupervised:
    def test_total_correlation_of_a_gaussian(self):
        """-log(1 - rho^2) / 2."""
        covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
        rho_squared = 0.6**2 / 2
        assert unsupervised_metrics.gaussian_total_correlation(
            covariance
        ) == pytest.approx(-np.log(1 - rho_squared) / 2)

    def test_of_independent_codes_is_about_zero(self, data, random_state):
        scores = unsupervised_metrics.unsupervised_metrics(
            data, _identity, random_state, None, num_train=3000, batch_size=100
        )
        assert scores["gaussian_total_correlation"] < 0.01
        assert scores["mutual_info_score"] < 0.01


class TestUtils:
    def test_mutual_information_of_discrete_codes(self):
        """Of a fair coin with itself, log 2; with another, 0."""
        coins = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
        np.testing.assert_allclose(
            utils.discrete_mutual_info(coins, coins), np.log(2) * np.eye(2), atol=1e-12
        )
        np.testing.assert_allclose(utils.discrete_entropy(coins), np.log([2, 2]))
