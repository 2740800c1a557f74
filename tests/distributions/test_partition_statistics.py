"""Mean, variance, mode, entropy and KL against all assignments of few elements."""

import numpy as np
import pytest
import tensorflow as tf
from exact_partition import all_log_probs

from mvhg_tf import RandomPartition

CASES = {
    "three groups": ([0.5, -1.0, 0.3], [0.3, -2.0, 1.4, 0.9, -0.2]),
    "far apart": ([0.5, -1.0, 0.3], [3.0, -20.0, 14.0, 9.0, -2.0]),
    "two groups": ([2.0, 0.0], [0.3, -2.0, 1.4, 0.9, -0.2, 0.0, 1.0]),
    "four groups": ([0.0, -3.0, 0.3, 3.0], [0.3, 0.3, 1.4, 0.3]),
    "one group": ([0.7], [0.3, 1.4]),
    "one element": ([0.7, 0.0], [0.3]),
}


def law_of(name, **arguments):
    log_weights, scores = CASES[name]
    return RandomPartition(np.array(log_weights), np.array(scores), **arguments)


class TestExact:
    @pytest.mark.parametrize("name", CASES)
    def test_mean_and_variance(self, name):
        assignments, log_probs = all_log_probs(*CASES[name])
        wanted = np.einsum("s,sik->ik", np.exp(log_probs), assignments)
        law = law_of(name)
        np.testing.assert_allclose(law.mean(), wanted, rtol=0.0, atol=1e-13)
        np.testing.assert_allclose(
            law.variance(), wanted * (1.0 - wanted), rtol=0.0, atol=1e-13
        )

    @pytest.mark.parametrize("name", CASES)
    def test_mode(self, name):
        assignments, log_probs = all_log_probs(*CASES[name])
        law = law_of(name)
        mode = law.mode()
        assert np.any(np.all(assignments == mode.numpy(), axis=(-2, -1)))
        np.testing.assert_allclose(law.log_prob(mode), log_probs.max(), rtol=1e-12)

    def test_mode_of_many_random_partitions(self):
        random = np.random.default_rng(5)
        log_weights = random.normal(0.0, 2.0, [20, 3])
        scores = random.normal(0.0, 2.0, [20, 5])
        law = RandomPartition(log_weights, scores)
        value = law.log_prob(law.mode()).numpy()
        for i in range(20):
            _, log_probs = all_log_probs(log_weights[i].tolist(), scores[i].tolist())
            np.testing.assert_allclose(value[i], log_probs.max(), rtol=1e-12)

    def test_mean_of_more(self):
        # Its columns sum to the mean sizes; equal scores have equal rows.
        random = np.random.default_rng(5)
        scores = random.normal(0.0, 1.0, 60)
        scores[7] = scores[23]
        law = RandomPartition(np.array([0.4, 0.0, -1.0]), scores)
        mean = law.mean()
        np.testing.assert_allclose(
            tf.reduce_sum(mean, axis=0), law.sizes_distribution().mean(), rtol=1e-12
        )
        np.testing.assert_allclose(mean[7], mean[23], rtol=1e-12)

    def test_gradient_of_the_mean(self):
        log_weights = tf.constant(CASES["three groups"][0], tf.float64)
        scores = tf.constant(CASES["three groups"][1], tf.float64)
        assignments, _ = all_log_probs(*CASES["three groups"])
        weights = tf.reshape(tf.range(15.0, dtype=tf.float64), [5, 3]) ** 2
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([log_weights, scores])
            law = RandomPartition(log_weights, scores)
            by_quadrature = tf.reduce_sum(law.mean() * weights)
            losses = tf.reduce_sum(assignments * weights, axis=[-2, -1])
            listed = tf.reduce_sum(tf.exp(law.log_prob(assignments)) * losses)
        for parameter in (log_weights, scores):
            np.testing.assert_allclose(
                tape.gradient(by_quadrature, parameter),
                tape.gradient(listed, parameter),
                rtol=1e-9,
                atol=1e-9,
            )


class TestMonteCarlo:
    """Each fails by chance with a probability below 1e-6: five standard errors."""

    OTHER = ([0.0, 0.4, 0.0], [0.0, 0.5, 1.0, -1.0, 0.3])

    def batch(self, parameters, number=400):
        """As many estimates at once, of batch members with the same parameters."""
        return [tf.constant([list(row)] * number, tf.float64) for row in parameters]

    def check(self, estimates, wanted):
        estimates = np.asarray(estimates)
        error = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
        assert np.all(np.abs(estimates.mean(axis=0) - wanted) < 5.0 * error + 1e-9)

    @pytest.mark.slow
    def test_entropy_and_its_gradient(self):
        parameters = self.batch(CASES["three groups"])
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            value = RandomPartition(*parameters).entropy(num_samples=20, seed=[1, 2])
        slopes = tape.gradient(value, parameters)
        assignments, log_probs = all_log_probs(*CASES["three groups"])
        self.check(value, -np.exp(log_probs) @ log_probs)
        one = self.batch(CASES["three groups"], 1)
        with tf.GradientTape() as tape:
            tape.watch(one)
            log_probs = RandomPartition(*one).log_prob(assignments)
            exact = -tf.reduce_sum(tf.exp(log_probs) * log_probs)
        for slope, wanted in zip(slopes, tape.gradient(exact, one), strict=True):
            self.check(slope, wanted)

    @pytest.mark.slow
    def test_divergence_and_its_gradients(self):
        parameters = self.batch(CASES["three groups"]) + self.batch(self.OTHER)
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            p, q = RandomPartition(*parameters[:2]), RandomPartition(*parameters[2:])
            value = p.kl_divergence_estimate(q, num_samples=20, seed=[1, 2])
        slopes = tape.gradient(value, parameters)
        assignments, log_p = all_log_probs(*CASES["three groups"])
        _, log_q = all_log_probs(*self.OTHER)
        self.check(value, np.exp(log_p) @ (log_p - log_q))
        one = self.batch(CASES["three groups"], 1) + self.batch(self.OTHER, 1)
        with tf.GradientTape() as tape:
            tape.watch(one)
            log_p = RandomPartition(*one[:2]).log_prob(assignments)
            log_q = RandomPartition(*one[2:]).log_prob(assignments)
            exact = tf.reduce_sum(tf.exp(log_p) * (log_p - log_q))
        for slope, wanted in zip(slopes, tape.gradient(exact, one), strict=True):
            self.check(slope, wanted)

    def test_what_is_exact(self):
        # Equal scores: given the sizes all assignments are equally likely.
        p = RandomPartition(np.array([0.5, -1.0]), np.zeros(6))
        q = RandomPartition(np.array([0.0, 0.0]), np.ones(6))
        np.testing.assert_allclose(
            p.kl_divergence(q),
            p.sizes_distribution().kl_divergence(q.sizes_distribution()),
            rtol=1e-10,
        )
        assert p.kl_divergence(p) == 0.0

    @pytest.mark.slow
    def test_the_error_falls_with_the_number_of_draws(self):
        law = RandomPartition(*self.batch(CASES["three groups"], 200))
        few, many = (
            np.std(law.entropy(num_samples=number, seed=[1, 2])) for number in (10, 160)
        )
        assert 2.5 < few / many < 6.0  # 4 is expected


class TestRefusals:
    def test_too_many_elements(self):
        law = RandomPartition([0.0, 0.0], tf.zeros(1000))
        with pytest.raises(NotImplementedError, match="is 1000, but the mean .* 256"):
            law.mean()
        with pytest.raises(NotImplementedError, match="is 1000, but the mode .* 512"):
            law.mode()

    def test_a_single_draw(self):
        law = RandomPartition([0.0, 0.0], tf.zeros(3))
        with pytest.raises(
            ValueError, match="num_samples is 1, but must be at least 2"
        ):
            law.entropy(num_samples=1)

    def test_other_events(self):
        law = RandomPartition([0.0, 0.0], tf.zeros(3))
        with pytest.raises(ValueError, match=r"\(3, 2\) and \(4, 2\), .*: give both"):
            law.kl_divergence(RandomPartition([0.0, 0.0], tf.zeros(4)))
