import gin
import numpy as np
import pytest
import tensorflow_probability as tfp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from mvhg_tf.disentanglement.metrics import part_accuracies
from mvhg_tf.disentanglement.metrics.encoded_pairs import EncodedPairs
from mvhg_tf.disentanglement.metrics.part_accuracies import accuracy_scores
from mvhg_tf.disentanglement.metrics.shared_independent import (
    compute_shared_independent,
    count_scores,
)
from mvhg_tf.disentanglement.steps.saved_model import PairOutputs
from mvhg_tf.runs.errors import UserError

SIZES = [2, 3, 2, 1]
NUM_LATENTS = 5


class TinyData:
    """Images `[N, 1, 1, 4]` that are the factors themselves."""

    factors_num_values = SIZES
    num_factors = len(SIZES)

    def sample_observations_from_factors(self, factors, random_state):
        return np.asarray(factors, np.float32)[:, None, None, :]


class Oracle:
    """Five latents: three factors, the second one as two, and one of noise."""

    def __init__(self, inverted=False):
        self.inverted = inverted
        self.random_state = np.random.RandomState(1)

    def __call__(self, images):
        factors = images[:, 0, 0, :]
        noise = 0.1 * self.random_state.normal(size=len(images))
        return np.stack(
            [
                factors[:, 0],
                factors[:, 1] == 1,
                factors[:, 1] == 2,
                factors[:, 2],
                noise,
            ],
            axis=-1,
        ).astype(np.float32)

    def pair(self, images_1, images_2, labels):
        same = images_1[:, 0, 0, :] == images_2[:, 0, 0, :]
        shared = same[:, [0, 1, 1, 2, 3]] != self.inverted
        mean_1, mean_2 = self(images_1), self(images_2)
        mean_1, mean_2 = (
            np.where(shared, (mean_1 + mean_2) / 2, mean) for mean in (mean_1, mean_2)
        )
        # Of the noise, nothing is told; of the others, about two nats.
        logvar = np.where(np.arange(5) < 4, -4.0, 0.0) * np.ones_like(mean_1)
        return PairOutputs(mean_1, logvar, mean_2, logvar, shared, (~shared).sum(-1))


def score(model, k, num_train=600, num_test=400, seed=0, data=None, **options):
    gin.bind_parameter("dynamics.k", k)
    return compute_shared_independent(
        data or TinyData(),
        model,
        np.random.RandomState(seed),
        num_train=num_train,
        num_test=num_test,
        batch_size=128,
        **options,
    )


def test_an_oracle_scores_one():
    scores = score(Oracle(), k=1)
    assert scores["shared_accuracy"] == 1
    assert scores["independent_accuracy"] == 1
    assert scores["unconverged_fits"] == 0
    # The factor with one value has no score.
    np.testing.assert_array_equal(
        np.isnan(scores["shared_accuracy_per_factor"]), [False, False, False, True]
    )


def test_a_model_that_swaps_the_parts_scores_chance():
    scores = score(Oracle(inverted=True), k=1)
    # 12 balanced accuracies over at least 100 pairs each: the standard deviation of
    # their mean is below 0.05.
    assert abs(scores["shared_accuracy"]) < 0.25
    assert abs(scores["independent_accuracy"]) < 0.25


def test_the_undivided_latents_know_what_a_wrong_part_does_not():
    scores = score(Oracle(inverted=True), k=2)
    # The views' average says only half of a factor that differs, but all of one that
    # is shared, whatever part it was put into.
    assert scores["undivided_accuracy"] == 1
    assert scores["shared_accuracy"] < 0.25


@pytest.mark.parametrize("protocol", ["matched", "paper"])
def test_the_linear_classifier_knows_all_factors_of_one_image(protocol):
    scores = score(Oracle(inverted=True), k=2, protocol=protocol)
    # Whatever differs in the pairs, and whatever the parts are.
    assert scores["linear_accuracy"] == 1
    found = scores["linear_accuracy_per_factor"]
    np.testing.assert_array_equal(found, [1, 1, 1, np.nan])


def test_counts_of_the_oracle():
    scores = score(Oracle(), k=3)
    assert scores["k"] == 3
    assert scores["k_hat"] == 4  # the second factor has two latents
    assert scores["s_hat"] == 1
    assert scores["mse_latent_space"] == (5 - 3 - 1) ** 2
    assert scores["mse_factor_space"] == (4 - 3 - 1) ** 2
    assert scores["active_latents"] == 4


def test_no_shared_factor_has_no_shared_accuracy():
    scores = score(Oracle(), k=3)
    assert np.isnan(scores["shared_accuracy"])
    assert scores["independent_accuracy"] == 1


def random_pairs(num=200, num_factors=3, num_latents=5):
    random_state = np.random.RandomState(0)
    shared = random_state.rand(num, num_latents) < 0.4
    return EncodedPairs(
        factors=random_state.randint(3, size=[2, num, num_factors]),
        means=random_state.normal(size=[2, num, num_latents]),
        log_variances=np.broadcast_to([-4, -4, -4, 0, 0], [2, num, num_latents]),
        shared=shared,
        k_hat=(~shared).sum(-1),
        codes=random_state.normal(size=[num, num_latents]),
    )


def test_count_scores_against_loops():
    pairs = random_pairs()
    scores = count_scores(pairs)
    latent_errors, factor_errors = [], []
    confusion = np.zeros([4, 6])
    for i in range(200):
        k = sum(pairs.factors[0, i, f] != pairs.factors[1, i, f] for f in range(3))
        s_hat = sum(pairs.shared[i])
        latent_errors.append((5 - k - s_hat) ** 2)
        factor_errors.append((3 - k - s_hat) ** 2)
        confusion[k, 5 - s_hat] += 1
    assert scores["mse_latent_space"] == pytest.approx(np.mean(latent_errors))
    assert scores["mse_factor_space"] == pytest.approx(np.mean(factor_errors))
    np.testing.assert_array_equal(scores["confusion"], confusion)


def test_active_latents_against_tfps_divergences():
    pairs = random_pairs()
    pairs = pairs._replace(means=pairs.means * [1, 0.1, 0, 1.5, 0.1])
    posterior = tfp.distributions.Normal(pairs.means, np.exp(pairs.log_variances / 2))
    prior = tfp.distributions.Normal(np.float64(0), np.float64(1))
    nats = tfp.distributions.kl_divergence(posterior, prior).numpy().mean(axis=(0, 1))
    assert count_scores(pairs)["active_latents"] == np.sum(nats >= 0.5) == 4


def test_accuracies_do_not_depend_on_the_scale_of_the_latents():
    train, test = random_pairs(), random_pairs(100)
    scale = np.array([1e-3, 1, 10, 1e3, 1])
    shift = np.array([0, 5, -3, 1e3, 0])

    def rescaled(pairs):
        return pairs._replace(means=pairs.means * scale + shift)

    num_values = np.array([3, 3, 3])
    first = accuracy_scores(train, test, num_values)
    second = accuracy_scores(rescaled(train), rescaled(test), num_values)
    for key in ("shared_accuracy", "independent_accuracy"):
        assert first[key] == pytest.approx(second[key], abs=0.02)


def test_the_papers_protocol_against_plain_regressions():
    """C.2.5 once more: all training pairs, zeros for absent latents, no more."""
    train, test = random_pairs(300), random_pairs(150)
    scores = accuracy_scores(train, test, np.array([3, 3, 3]), "paper")

    def expected(view, is_shared, factor):
        def part(pairs):
            mask = pairs.shared if is_shared else ~pairs.shared
            return mask * pairs.means[view]

        model = LogisticRegression(max_iter=1000)
        model.fit(part(train), train.factors[view][:, factor])
        rows = test.shared_factors[:, factor] == is_shared
        truth, guess = test.factors[view][:, factor], model.predict(part(test))
        return balanced_accuracy_score(truth[rows], guess[rows], adjusted=True)

    for factor in range(3):
        independent = [expected(view, False, factor) for view in range(2)]
        assert scores["shared_accuracy_per_factor"][factor] == pytest.approx(
            expected(0, True, factor), abs=0.02
        )
        assert scores["independent_accuracy_per_factor"][factor] == pytest.approx(
            np.mean(independent), abs=0.02
        )


def test_an_oracle_scores_one_on_the_papers_protocol():
    scores = score(Oracle(), k=1, protocol="paper")
    assert scores["shared_accuracy"] == 1
    assert scores["independent_accuracy"] == 1
    fixed = {"dynamics.mode": "fixed", "dynamics.shared_factors": [1]}
    for name, value in fixed.items():
        gin.bind_parameter(name, value)
    scores = score(Oracle(), k=2, protocol="paper")
    np.testing.assert_array_equal(
        scores["shared_accuracy_per_factor"], [np.nan, 1, np.nan, np.nan]
    )
    np.testing.assert_array_equal(
        scores["independent_accuracy_per_factor"], [1, np.nan, 1, np.nan]
    )


class Noted(TinyData):
    """Notes the images of each half."""

    factors_num_values = [4, 5, 6, 1]

    def __init__(self):
        self.seen = []

    def sample_observations_from_factors(self, factors, random_state):
        self.seen.append(set(map(tuple, np.asarray(factors).tolist())))
        return super().sample_observations_from_factors(factors, random_state)


@pytest.mark.parametrize("disjoint", [True, False])
def test_images_to_train_on_and_to_test_on(disjoint):
    data = Noted()
    score(Oracle(), 1, 256, 128, data=data, disjoint=disjoint)
    assert len(data.seen) == 6  # of three batches of two views
    train, test = set.union(*data.seen[:4]), set.union(*data.seen[4:])
    assert bool(train & test) != disjoint
    assert len(train | test) > 60


def test_a_fit_that_does_not_converge_is_counted(monkeypatch):
    monkeypatch.setattr(part_accuracies, "_MAX_ITERATIONS", 1)
    scores = accuracy_scores(random_pairs(), random_pairs(), np.array([3, 3, 3]))
    assert scores["unconverged_fits"] == 15


def test_the_same_seed_gives_the_same_scores():
    np.testing.assert_equal(score(Oracle(), k=1), score(Oracle(), k=1))


@pytest.mark.parametrize("name", ["num_train", "num_test", "batch_size"])
def test_sizes_must_be_positive(name):
    with pytest.raises(UserError, match=f"{name} is 0"):
        compute_shared_independent(
            TinyData(), Oracle(), np.random.RandomState(0), **{name: 0}
        )
