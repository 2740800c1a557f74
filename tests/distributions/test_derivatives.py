"""Derivatives of any order, in every mode, against those of the enumerated law."""

import exact_urn
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from mvhg_tf import (
    FisherNoncentralHypergeometric,
    MultivariateFisherNoncentralHypergeometric,
)
from mvhg_tf.distributions import normalizer

SIZES, TOTAL = {2: (4, 5), 3: (4, 5, 6)}, 7
COUNTS = {2: (2.0, 5.0), 3: (1.0, 3.0, 3.0)}
START = {2: (0.3, -0.4), 3: (0.3, -0.4, 0.1)}
OTHER = {2: (0.0, 1.0), 3: (0.0, 0.5, 1.0)}
# So that each statistic has a part of its own in the sum.
PARTS = {
    "log_prob": 1.0,
    "log_normalizer": 0.7,
    "mean": 0.3,
    "variance": -0.4,
    "covariance": 0.2,
    "entropy": 1.3,
    "kl_divergence": -0.8,
    "reverse_kl_divergence": 0.6,
    "kl_divergence_of_sizes": 0.9,
    "marginal_log_prob": -0.5,
}


def urn(log_weights, weights=None, method="exact", more=0):
    c = (log_weights if weights is None else weights).shape[-1]
    return MultivariateFisherNoncentralHypergeometric(
        TOTAL,
        [m + more for m in SIZES[c]],
        log_weights=log_weights,
        weights=weights,
        method=method,
    )


def statistics(law, method="exact"):
    """Ours, one scalar each, of the law whose derivatives are tested."""
    c = law.event_shape[0]
    other = tf.constant(OTHER[c], tf.float64)
    q, larger = urn(other, method=method), urn(other, method=method, more=1)
    result = {
        "log_prob": law.log_prob(COUNTS[c]),
        "mean": law.mean()[0],
        "variance": law.variance()[-1],
        "covariance": law.covariance()[0, -1],
        "entropy": law.entropy(),
        "kl_divergence": law.kl_divergence(q),
        "reverse_kl_divergence": q.kl_divergence(law),
        "kl_divergence_of_sizes": law.kl_divergence(larger),
        "marginal_log_prob": law.marginal_log_prob(0)[3],
    }
    if method == "exact":
        result["log_normalizer"] = normalizer.log_normalizer(law.urn())
    return result


def enumerated(log_weights):
    """The same from the list of all counts, of `method="exact"`."""
    c = log_weights.shape[-1]

    def law(sizes, theta):
        support, _ = exact_urn.enumerate_urn(TOTAL, sizes, np.zeros(c))
        ways = [
            sum(
                np.log(exact_urn.comb(m, int(x)))
                for m, x in zip(sizes, row, strict=True)
            )
            for row in support
        ]
        logits = tf.constant(ways) + tf.linalg.matvec(tf.constant(support), theta)
        return support, logits

    support, logits = law(SIZES[c], log_weights)
    log_probs = tf.nn.log_softmax(logits)
    probs = tf.exp(log_probs)
    other = tf.constant(OTHER[c], tf.float64)
    q = tf.nn.log_softmax(law(SIZES[c], other)[1])
    larger_support, larger = law([m + 1 for m in SIZES[c]], other)
    larger = tf.nn.log_softmax(larger)
    rows = {tuple(row): i for i, row in enumerate(larger_support)}
    larger = tf.gather(larger, [rows[tuple(row)] for row in support])

    def expect(values):
        return tf.reduce_sum(probs * values)

    first, last = support[:, 0], support[:, -1]
    three = tf.boolean_mask(log_probs, first == 3.0)
    return {
        "log_prob": log_probs[[tuple(row) for row in support].index(COUNTS[c])],
        "log_normalizer": tf.reduce_logsumexp(logits),
        "mean": expect(first),
        "variance": expect((last - expect(last)) ** 2),
        "covariance": expect((first - expect(first)) * (last - expect(last))),
        "entropy": -expect(log_probs),
        "kl_divergence": expect(log_probs - q),
        "reverse_kl_divergence": tf.reduce_sum(tf.exp(q) * (q - log_probs)),
        "kl_divergence_of_sizes": expect(log_probs - larger),
        "marginal_log_prob": tf.reduce_logsumexp(three),
    }


def total(values):
    return tf.add_n([PARTS[name] * value for name, value in sorted(values.items())])


def ours(parameter):
    def function(theta):
        if parameter == "weights":
            return total(statistics(urn(None, weights=theta)))
        return total(statistics(urn(theta)))

    return function


def reference(parameter):
    def function(theta):
        return total(
            enumerated(tf.math.log(theta) if parameter == "weights" else theta)
        )

    return function


def start(parameter, c):
    theta = tf.constant(START[c], tf.float64)
    return tf.exp(theta) if parameter == "weights" else theta


def gradient(function):
    def derivative(theta):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            value = function(theta)
        return tape.gradient(value, theta)

    return derivative


def hessian(function, pfor=True):
    def derivative(theta):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(theta)
            slope = gradient(function)(theta)
        return tape.jacobian(slope, theta, experimental_use_pfor=pfor)

    return derivative


def forward(function):
    """The Jacobian, a column after the other, by forward mode."""

    def derivative(theta):
        columns = []
        for i in range(theta.shape[0]):
            unit = tf.one_hot(i, theta.shape[0], dtype=theta.dtype)
            with tf.autodiff.ForwardAccumulator(theta, unit) as accumulator:
                value = function(theta)
            columns.append(accumulator.jvp(value))
        return tf.stack(columns, axis=-1)

    return derivative


def graph(function, **kwargs):
    return tf.function(function, autograph=False, **kwargs)


OPERATIONS = "eager, without pfor"
MODES = {
    "eager": hessian,
    OPERATIONS: lambda f: hessian(f, pfor=False),
    "graph": lambda f: graph(hessian(f)),
    "XLA": lambda f: graph(hessian(f, pfor=False), jit_compile=True),
    "forward over reverse": lambda f: forward(gradient(f)),
    "forward over reverse, graph": lambda f: graph(forward(gradient(f))),
    "vectorized_map": lambda f: (
        lambda x: tf.vectorized_map(hessian(f, pfor=False), tf.stack([x, x]))[1]
    ),
}


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


class TestSecondDerivatives:
    @pytest.mark.parametrize(
        ("parameter", "c", "mode"),
        [
            ("log_weights", 3, OPERATIONS),
            ("weights", 2, OPERATIONS),
            *(slow("log_weights", 3, mode) for mode in MODES if mode != OPERATIONS),
            *(slow("log_weights", 2, mode) for mode in MODES),
            slow("weights", 3, OPERATIONS),
            slow("weights", 3, "forward over reverse"),
        ],
    )
    def test_hessian(self, parameter, c, mode):
        theta = start(parameter, c)
        expected = hessian(reference(parameter))(theta)
        found = MODES[mode](ours(parameter))(theta)
        np.testing.assert_allclose(found, expected, atol=1e-9)


class TestFirstDerivatives:
    @pytest.mark.slow
    @pytest.mark.parametrize("c", [2, 3])
    def test_value_and_gradient(self, c):
        theta = start("log_weights", c)
        value, slope = tfp.math.value_and_gradient(ours("log_weights"), theta)
        expected = tfp.math.value_and_gradient(reference("log_weights"), theta)
        np.testing.assert_allclose(value, expected[0], atol=1e-11)
        np.testing.assert_allclose(slope, expected[1], atol=1e-10)

    @pytest.mark.parametrize("c", [2, 3])
    def test_forward_mode(self, c):
        theta = start("log_weights", c)
        found = forward(lambda x: urn(x).log_prob(COUNTS[c]))(theta)
        expected = COUNTS[c] - urn(theta).mean()
        np.testing.assert_allclose(found, expected, atol=1e-12)

    @pytest.mark.slow
    @pytest.mark.parametrize("c", [2, 3])
    def test_forward_mode_of_all(self, c):
        theta = start("log_weights", c)
        expected = gradient(reference("log_weights"))(theta)
        found = forward(ours("log_weights"))(theta)
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_third_derivatives():
    """The third cumulants, from the third derivative of log Z."""
    theta = start("log_weights", 3)

    def third(function):
        return MODES["eager"](lambda x: gradient(function)(x)[1])(theta)

    found = third(lambda x: normalizer.log_normalizer(urn(x).urn()))
    expected = third(lambda x: enumerated(x)["log_normalizer"])
    np.testing.assert_allclose(found, expected, atol=1e-10)


class TestMerged:
    """Against differences of the gradient: the enumerated law is another one."""

    @staticmethod
    def value(theta):
        return total(statistics(urn(theta, method="merged"), "merged"))

    @pytest.mark.parametrize(
        "mode", [slow(OPERATIONS), slow("graph"), slow("forward over reverse")]
    )
    def test_hessian(self, mode):
        theta = start("log_weights", 3)
        step, slope = 1e-4, gradient(self.value)
        rows = [
            (slope(theta + step * unit) - slope(theta - step * unit)) / (2 * step)
            for unit in np.eye(3)
        ]
        found = MODES[mode](self.value)(theta)
        np.testing.assert_allclose(found, rows, atol=1e-6)


class TestUnivariate:
    @pytest.mark.parametrize(
        "name", ["log_cdf", "log_survival_function", "cdf", "log_prob"]
    )
    def test_second_derivatives(self, name):
        def value(log_odds):
            law = FisherNoncentralHypergeometric(7, 4, 5, log_odds=log_odds[0])
            return getattr(law, name)(2.0)

        def summed(log_odds):
            support = np.arange(2.0, 5.0)
            ways = [
                exact_urn.comb(4, int(x)) * exact_urn.comb(5, 7 - int(x))
                for x in support
            ]
            logits = np.log(ways) + log_odds[0] * support
            log_probs = tf.nn.log_softmax(logits)
            log_cdf = log_probs[0]
            if name == "cdf":
                return tf.exp(log_cdf)
            if name == "log_survival_function":
                return tf.math.log(-tf.math.expm1(log_cdf))
            return log_cdf

        theta = tf.constant([0.4], tf.float64)
        np.testing.assert_allclose(
            hessian(value)(theta), hessian(summed)(theta), atol=1e-11
        )


class TestWholeNumbers:
    """`total_count` and `group_sizes` are whole numbers: no gradient, for any c."""

    @pytest.mark.parametrize("c", [2, 3])
    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize(
        "name", ["log_prob", "mean", "covariance", "entropy", "sample"]
    )
    def test_no_gradient(self, c, compiled, name):
        total_count = tf.constant(7.0)
        sizes = tf.constant(SIZES[c], tf.float32)

        def derivative():
            with tf.GradientTape() as tape:
                tape.watch([total_count, sizes])
                law = MultivariateFisherNoncentralHypergeometric(
                    total_count, sizes, tf.constant(START[c])
                )
                arguments = {"log_prob": [COUNTS[c]], "sample": [2, [1, 2]]}
                value = getattr(law, name)(*arguments.get(name, []))
            return tape.gradient(value, [total_count, sizes])

        assert (graph(derivative) if compiled else derivative)() == [None, None]

    def test_no_gradient_of_the_univariate_law(self):
        sizes = [tf.constant(value) for value in (7.0, 4.0, 5.0)]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(sizes)
            law = FisherNoncentralHypergeometric(*sizes, log_odds=0.3)
            values = [law.log_prob(3.0), law.mean(), law.log_cdf(3.0)]
        for value in values:
            assert tape.gradient(value, sizes) == [None] * 3


class TestSamples:
    @pytest.mark.parametrize("c", [2, slow(3)])
    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
    def test_second_derivative_is_that_of_the_estimate(self, estimator, compiled, c):
        """Of "mean", with a linear loss, the third cumulants; else the Jacobian's."""
        theta = start("log_weights", c)
        direction = tf.constant([1.0, -2.0, 0.5][:c], tf.float64)

        def loss(theta):
            law = MultivariateFisherNoncentralHypergeometric(
                TOTAL, SIZES[c], theta, gradient_estimator=estimator
            )
            draw = law.sample(seed=[1, 2])
            linear = tf.reduce_sum(direction * draw)
            return linear if estimator == "mean" else linear**2

        derivative = hessian(loss, pfor=False)
        found = (graph(derivative) if compiled else derivative)(theta)
        if estimator == "mean":
            expected = hessian(lambda x: tf.reduce_sum(direction * urn(x).mean()))(
                theta
            )
            np.testing.assert_allclose(found, expected, atol=1e-10)
        else:
            # The Jacobian taken for constant, 2 (J'd)(J'd)': of rank one.
            assert np.all(np.isfinite(found))
            np.testing.assert_allclose(found, tf.transpose(found), atol=1e-12)
            assert np.linalg.matrix_rank(found, tol=1e-9) == 1

    @pytest.mark.parametrize("dtype", [tf.float16, tf.float32])
    def test_never_nan(self, dtype):
        theta = tf.constant([[0.0, 3.0, -4.0], [0.0, -np.inf, 2.0]], dtype)

        def loss(theta):
            law = MultivariateFisherNoncentralHypergeometric(
                6, SIZES[3], theta, temperature=0.1
            )
            return tf.reduce_sum(law.sample(3, seed=[1, 2]) ** 2)

        found = hessian(loss, pfor=False)(theta)
        assert np.all(np.isfinite(found))


@pytest.mark.slow
def test_nuts_samples_the_posterior_of_the_log_weights():
    """Against the mean on a grid; it fails by chance with a probability below 1e-4."""
    counts = tf.constant(
        [[3.0, 2.0, 1.0], [4.0, 1.0, 1.0], [3.0, 3.0, 0.0]], tf.float64
    )

    def log_density(theta):
        log_weights = tf.concat([theta, [0.0]], axis=0)
        law = MultivariateFisherNoncentralHypergeometric(6, SIZES[3], log_weights)
        prior = -0.5 * tf.reduce_sum(theta**2)
        return prior + tf.reduce_sum(law.log_prob(counts))

    @tf.function(autograph=False)
    def run():
        kernel = tfp.mcmc.NoUTurnSampler(log_density, tf.constant(0.4, tf.float64))
        return tfp.mcmc.sample_chain(
            1000,
            tf.zeros(2, tf.float64),
            kernel=kernel,
            num_burnin_steps=100,
            trace_fn=None,
            seed=[1, 2],
        )

    grid = np.linspace(-4.0, 4.0, 41)
    points = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    theta = np.concatenate([points, np.zeros([len(points), 1])], axis=-1)
    law = MultivariateFisherNoncentralHypergeometric(6, SIZES[3], theta)
    log_posterior = tf.reduce_sum(law.log_prob(counts[:, tf.newaxis]), axis=0)
    log_posterior -= 0.5 * np.sum(points**2, axis=-1)
    expected = tf.nn.softmax(log_posterior).numpy() @ points
    # 1000 draws of deviation 0.7; at the least 100 of them independent.
    np.testing.assert_allclose(run().numpy().mean(0), expected, atol=4.5 * 0.07)
