"""Gradients of samples against the exact gradient of the expected loss."""

import exact_urn
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.distributions import (
    MultivariateFisherNoncentralHypergeometric,
    straight_through,
)
from mvhg_tf.distributions.sampling import uniform
from mvhg_tf.distributions.straight_through import _relaxed

LOSSES = {
    "linear": lambda x: tf.linalg.matvec(x, tf.constant([1.0, -2.0, 0.5], x.dtype)),
    "quadratic": lambda x: tf.reduce_sum(tf.square(x - [18.0, 0.0, 9.0]), axis=-1),
    "product": lambda x: x[..., 0] * x[..., 1] - x[..., 2],
    "log": lambda x: tf.reduce_sum(tf.math.log1p(x) * [3.0, 1.0, -2.0], axis=-1),
}


def estimates(loss, estimator, temperature, num_draws=4000, method="exact"):
    """Per draw the estimated gradient, and the exact one by enumeration."""
    total_count, sizes, log_weights = 18, [20, 20, 20], [0.0, 0.7, -0.4]
    many = tf.tile(tf.constant([log_weights]), [num_draws, 1])
    with tf.GradientTape() as tape:
        tape.watch(many)
        dist = MultivariateFisherNoncentralHypergeometric(
            total_count,
            sizes,
            many,
            method=method,
            gradient_estimator=estimator,
            temperature=temperature,
        )
        value = loss(dist.sample(seed=[3, 4]))
    estimated = tape.gradient(value, many).numpy()
    support, probs = exact_urn.enumerate_urn(total_count, sizes, log_weights)
    mean, _ = exact_urn.moments(support, probs)
    # d/d log_weights of sum_x p(x) loss(x) is E[loss(x) (x - mean)].
    weighted = probs * loss(tf.constant(support, tf.float32)).numpy()
    return estimated, weighted @ (support - mean)


class TestBias:
    @pytest.mark.parametrize("loss", LOSSES)
    def test_mean_has_little_bias_and_little_variance(self, loss):
        estimated, exact = estimates(LOSSES[loss], "mean", 1.0)
        scale = np.linalg.norm(exact)
        assert np.linalg.norm(estimated.mean(axis=0) - exact) < 0.06 * scale
        assert np.sqrt(estimated.var(axis=0).sum()) < 0.8 * scale

    # Bounds: what the relaxation is measured to have, and four standard errors.
    @pytest.mark.parametrize(
        ("temperature", "bias"), [(0.1, 0.15), (0.5, 0.1), (1.0, 0.1), (2.0, 0.15)]
    )
    @pytest.mark.parametrize("loss", LOSSES)
    def test_gumbel_softmax(self, loss, temperature, bias):
        estimated, exact = estimates(LOSSES[loss], "gumbel_softmax", temperature)
        error = np.linalg.norm(estimated.mean(axis=0) - exact)
        standard_error = np.sqrt(estimated.var(axis=0).sum() / len(estimated))
        assert error < bias * np.linalg.norm(exact) + 4.0 * standard_error

    @pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
    def test_no_gradient_along_a_common_factor(self, estimator):
        estimated, _ = estimates(LOSSES["quadratic"], estimator, 0.5, 100)
        scale = np.abs(estimated).max()
        np.testing.assert_allclose(estimated.sum(axis=-1), 0.0, atol=1e-4 * scale)

    def test_a_linear_loss_has_the_exact_gradient_of_mean(self):
        estimated, exact = estimates(LOSSES["linear"], "mean", 1.0, 2)
        np.testing.assert_allclose(estimated, [exact, exact], rtol=1e-4)

    def test_no_estimator_no_gradient(self):
        log_weights = tf.constant([0.0, 1.0, 2.0])
        with tf.GradientTape() as tape:
            tape.watch(log_weights)
            dist = MultivariateFisherNoncentralHypergeometric(
                4, [3, 3, 3], log_weights, gradient_estimator=None
            )
            draws = dist.sample(3, seed=[0, 1])
        assert tape.gradient(draws, log_weights) is None


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        ("sample", tf.float16),
        pytest.param("sample_one_hot", tf.bfloat16, marks=pytest.mark.slow),
    ],
)
def test_half_precision_has_the_gradients_of_float32(function, dtype):
    gradients = []
    for kind in (tf.float32, dtype):
        log_weights = tf.constant([0.5, 1.0, -0.25], kind)
        with tf.GradientTape() as tape:
            tape.watch(log_weights)
            dist = MultivariateFisherNoncentralHypergeometric(
                9, [8, 6, 4], log_weights, gradient_estimator="gumbel_softmax"
            )
            draws = getattr(dist, function)(8, seed=[0, 1])
            slopes = tf.range(tf.size(draws[0], tf.float32))
            slopes = tf.reshape(slopes, draws.shape[1:]) / slopes[-1]
            loss = tf.reduce_sum(tf.cast(draws, tf.float32) * slopes)
        assert draws.dtype == kind
        gradients.append(tf.cast(tape.gradient(loss, log_weights), tf.float32))
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=0.02, atol=0.02)


class TestOneHotRows:
    SIZES, TOTAL_COUNT = [4, 5, 6], 7
    LOG_WEIGHTS = np.array([0.3, -1.0, 0.7])

    @pytest.mark.parametrize("groups", [2, 3])
    def test_mean_passes_the_gradient_of_the_marginals(self, groups):
        """For any loss that is linear in the rows, exactly."""
        slopes = np.random.RandomState(0).randn(groups, 7)
        sizes = self.SIZES[-groups:]
        log_weights = tf.constant(self.LOG_WEIGHTS[:groups])
        with tf.GradientTape() as tape:
            tape.watch(log_weights)
            dist = MultivariateFisherNoncentralHypergeometric(
                self.TOTAL_COUNT, sizes, log_weights, gradient_estimator="mean"
            )
            value = tf.reduce_sum(dist.sample_one_hot(seed=[1, 2]) * slopes)
        estimated = tape.gradient(value, log_weights)
        support, probs = exact_urn.enumerate_urn(self.TOTAL_COUNT, sizes, log_weights)
        mean, _ = exact_urn.moments(support, probs)
        loss = sum(slopes[i, support[:, i].astype(int)] for i in range(groups))
        np.testing.assert_allclose(
            estimated, (probs * loss) @ (support - mean), atol=1e-10
        )

    @pytest.mark.parametrize(
        "method", ["exact", pytest.param("merged", marks=pytest.mark.slow)]
    )
    @pytest.mark.parametrize("groups", [pytest.param(2, marks=pytest.mark.slow), 3])
    @pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
    def test_rows_and_counts_agree(self, groups, estimator, method):
        """sum_x x y(x) has the value and the gradient of the count."""
        slopes = tf.constant([1.0, -2.0, 0.5][:groups], tf.float64)
        log_weights = tf.constant(self.LOG_WEIGHTS[:groups])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(log_weights)
            dist = MultivariateFisherNoncentralHypergeometric(
                self.TOTAL_COUNT,
                self.SIZES[-groups:],
                log_weights,
                method=method,
                gradient_estimator=estimator,
                temperature=0.7,
            )
            counts = dist.sample(3, seed=[1, 2])
            rows = dist.sample_one_hot(3, seed=[1, 2])
            from_rows = tf.linalg.matvec(rows, tf.range(7.0, dtype=tf.float64))
            first = tf.reduce_sum(counts * slopes)
            second = tf.reduce_sum(from_rows * slopes)
        np.testing.assert_allclose(counts, from_rows)
        np.testing.assert_allclose(
            tape.gradient(first, log_weights),
            tape.gradient(second, log_weights),
            atol=1e-9,
        )

    @pytest.mark.parametrize("groups", [2, 3])
    def test_relaxed_rows_tend_to_the_one_hot_rows(self, groups):
        def rows(hard, temperature):
            return MultivariateFisherNoncentralHypergeometric(
                self.TOTAL_COUNT,
                self.SIZES[-groups:],
                self.LOG_WEIGHTS[:groups],
                temperature=temperature,
            ).sample_one_hot(200, seed=[1, 2], hard=hard)

        one_hot, relaxed = rows(True, 0.5), rows(False, 0.5)
        np.testing.assert_allclose(tf.reduce_sum(relaxed, axis=-1), 1.0, atol=1e-6)
        assert np.abs(relaxed - one_hot).max() > 0.1
        np.testing.assert_array_equal(
            tf.argmax(relaxed, axis=-1), tf.argmax(one_hot, axis=-1)
        )
        cold = rows(False, 0.001)
        assert np.mean(np.abs(cold - one_hot).max(axis=-1) > 0.01) < 0.02

    def test_the_noise_given_the_draw_is_gumbel(self):
        """softmax of log p + noise has the mean of the unconditioned relaxation."""
        probs, temperature, size = np.array([0.1, 0.6, 0.3]), 0.7, 40000
        rng = np.random.RandomState(0)
        logits = np.log(probs) + rng.gumbel(size=[size, 3])
        expected = np.array(tf.nn.softmax(logits / temperature))
        drawn = rng.choice(3, size=[size, 1], p=probs)
        relaxed = _relaxed(
            tf.constant(np.log(np.tile(probs, [size, 1, 1]))),
            tf.constant(drawn, tf.float64),
            uniform([size, 1, 4], tf.constant([1, 2])),
            tf.constant([[temperature]], tf.float64),
        ).numpy()[:, 0]
        np.testing.assert_array_equal(relaxed.argmax(axis=-1), drawn[:, 0])
        for moment in (1, 2, 3):
            first, second = expected**moment, relaxed**moment
            bound = 5.0 * np.sqrt((first.var(axis=0) + second.var(axis=0)) / size)
            assert np.all(np.abs(first.mean(axis=0) - second.mean(axis=0)) < bound)


class TestFinite:
    URNS = {
        "common": (8, [0.3, -1.0, 0.7]),
        "zero weight": (8, [0.3, -np.inf, 0.7]),
        "nothing drawn": (0, [0.3, -1.0, 0.7]),
        "everything drawn": (18, [0.3, -1.0, 0.7]),
        "far apart": (8, [50.0, -50.0, 0.0]),
    }

    @pytest.mark.parametrize(
        ("method", "name"),
        [
            *(("exact", name) for name in URNS),
            pytest.param("merged", "zero weight", marks=pytest.mark.slow),
        ],
    )
    @pytest.mark.parametrize("groups", [pytest.param(2, marks=pytest.mark.slow), 3])
    def test_at_all_temperatures_and_edges(self, name, groups, method):
        total_count, log_weights = self.URNS[name]
        sizes = [5.0, 6.0, 7.0] if groups == 3 else [9.0, 9.0]
        log_weights = tf.constant([log_weights[:groups]] * 3)
        temperature = tf.constant([0.01, 1.0, 10.0])
        for estimator in ("gumbel_softmax", "mean"):
            with tf.GradientTape() as tape:
                tape.watch(log_weights)
                dist = MultivariateFisherNoncentralHypergeometric(
                    total_count,
                    sizes,
                    log_weights,
                    None,
                    method,
                    estimator,
                    temperature,
                )
                draws = dist.sample(4, seed=[1, 2])
                rows = dist.sample_one_hot(4, seed=[1, 2])
                value = tf.reduce_sum(draws**2) + tf.reduce_sum(rows[..., 2])
                value += tf.reduce_sum(dist.log_prob(draws))
            assert np.all(np.isfinite(tape.gradient(value, log_weights)))

    @pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
    def test_one_group_is_certain_and_has_no_gradient(self, estimator):
        log_weights = tf.constant([0.3])
        with tf.GradientTape() as tape:
            tape.watch(log_weights)
            dist = MultivariateFisherNoncentralHypergeometric(
                5, [8], log_weights, gradient_estimator=estimator
            )
            draws = dist.sample(3, seed=[1, 2])
            rows = dist.sample_one_hot(3, seed=[1, 2])
            value = tf.reduce_sum(draws**2) + tf.reduce_sum(rows * tf.range(9.0))
        np.testing.assert_array_equal(draws, [[5.0]] * 3)
        np.testing.assert_array_equal(tf.argmax(rows, -1), [[5]] * 3)
        np.testing.assert_allclose(tape.gradient(value, log_weights), [0.0], atol=1e-6)

    def test_gradient_of_weights_at_zero(self):
        weights = tf.constant([1.0, 0.0, 2.0])
        with tf.GradientTape() as tape:
            tape.watch(weights)
            dist = MultivariateFisherNoncentralHypergeometric(
                5, [4, 4, 4], weights=weights
            )
            value = tf.reduce_sum(dist.sample(4, seed=[1, 2]) ** 2)
        assert np.all(np.isfinite(tape.gradient(value, weights)))


class TestCompiled:
    @pytest.mark.parametrize(
        ("groups", "estimator"),
        [
            (2, "mean"),
            pytest.param(4, "gumbel_softmax", marks=pytest.mark.slow),
            pytest.param(2, "gumbel_softmax", marks=pytest.mark.slow),
            pytest.param(4, "mean", marks=pytest.mark.slow),
        ],
    )
    def test_same_gradient_eagerly_and_compiled(self, estimator, groups):
        log_weights = tf.constant(np.random.RandomState(0).randn(3, groups))

        def gradient(log_weights, temperature):
            with tf.GradientTape() as tape:
                tape.watch(log_weights)
                dist = MultivariateFisherNoncentralHypergeometric(
                    10,
                    [6] * groups,
                    log_weights,
                    gradient_estimator=estimator,
                    temperature=temperature,
                )
                loss = tf.reduce_sum(dist.sample(5, seed=[1, 2]) ** 2)
            return tape.gradient(loss, log_weights)

        temperature = tf.constant(0.5, tf.float64)
        eager = gradient(log_weights, temperature)
        compiled = tf.function(gradient, jit_compile=True)(log_weights, temperature)
        np.testing.assert_allclose(eager, compiled, rtol=1e-8, atol=1e-9)

    @pytest.mark.slow
    @pytest.mark.parametrize("method", ["exact", "merged"])
    @pytest.mark.parametrize("own_sizes", [False, True])
    def test_urns_one_by_one_have_the_gradient_of_the_batch(
        self, own_sizes, method, monkeypatch
    ):
        random = np.random.RandomState(0)
        log_weights = tf.constant(random.randn(2, 3, 4))
        sizes = random.randint(5, 9, [3, 4]) if own_sizes else np.array([6, 7, 8, 5])

        @tf.function
        def gradient(shape_is_known):
            known = log_weights
            if not shape_is_known:
                shape = tf.TensorShape([None, None, 4])
                known = tf.compat.v1.placeholder_with_default(log_weights, shape)
            with tf.GradientTape() as tape:
                tape.watch(known)
                dist = MultivariateFisherNoncentralHypergeometric(
                    tf.constant([9.0, 1.0, 12.0], tf.float64),
                    tf.constant(sizes, tf.float64),
                    known,
                    method=method,
                    temperature=tf.constant([0.3, 1.0, 2.0], tf.float64),
                )
                loss = tf.reduce_sum(dist.sample(5, seed=[1, 2]) ** 2)
                rows = dist.sample_one_hot(5, seed=[3, 4])
                loss += tf.reduce_sum(rows * tf.range(9.0, dtype=tf.float64) ** 0.5)
            return tape.gradient(loss, known)

        whole = gradient.python_function(True)
        monkeypatch.setattr(straight_through, "_CHUNK", 1)
        for shape_is_known in (True, False):
            np.testing.assert_allclose(gradient(shape_is_known), whole, rtol=1e-9)
