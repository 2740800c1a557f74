"""RandomPartition at home in TFP, and what bad input raises; random_subset."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from exact_partition import one_hot

from mvhg_tf import RandomPartition, random_subset

tfd = tfp.distributions
LOG_WEIGHTS, SCORES = [0.3, -1.0, 0.7], [0.5, 1.0, -0.5, 0.0]


def dist(**kwargs):
    arguments = {"log_weights": LOG_WEIGHTS, "scores": SCORES}
    return RandomPartition(**{**arguments, **kwargs})


class TestTFP:
    def test_shapes(self):
        law = dist(log_weights=tf.zeros([7, 1, 3]), scores=tf.zeros([2, 4]))
        assert law.batch_shape == [7, 2]
        assert law.event_shape == [4, 3]
        np.testing.assert_array_equal(law.batch_shape_tensor(), [7, 2])
        np.testing.assert_array_equal(law.event_shape_tensor(), [4, 3])
        draws = law.sample([5, 6], seed=[1, 2])
        assert draws.shape == [5, 6, 7, 2, 4, 3]
        assert law.log_prob(draws).shape == [5, 6, 7, 2]
        assert law.log_prob(tf.one_hot([0, 1, 2, 0], 3)).shape == [7, 2]
        for name in ("mean", "variance", "stddev", "mode"):
            assert getattr(law, name)().shape == [7, 2, 4, 3]

    @pytest.mark.slow
    def test_a_batch_of_temperatures_is_one_of_every_statistic(self):
        law = dist(temperature=[1.0, 2.0, 3.0])
        rows = tf.one_hot([0, 1, 2, 0], 3)
        for value, one in (
            (law.mean(), dist().mean()),
            (law.mode(), dist().mode()),
            (law.log_prob(rows), dist().log_prob(rows)),
            (law.log_prob_lower_bound(rows), dist().log_prob_lower_bound(rows)),
            (law.kl_divergence(law), 0.0),
        ):
            np.testing.assert_array_equal(value, [one] * 3)

    def test_unknown_shapes(self):
        law = dist()
        draws = law.sample(3, seed=[1, 2])

        @tf.function(
            input_signature=[
                tf.TensorSpec([None]),
                tf.TensorSpec([None]),
                tf.TensorSpec([None, None, None]),
            ]
        )
        def unknown(log_weights, scores, draws):
            law = RandomPartition(log_weights, scores)
            same = law.sample(3, seed=[1, 2])
            return law.log_prob(draws), same, law.log_prob_upper_bound(draws)

        log_probs, same, bounds = unknown(LOG_WEIGHTS, SCORES, draws)
        np.testing.assert_array_equal(same, draws)
        np.testing.assert_allclose(log_probs, law.log_prob(draws), rtol=1e-6)
        np.testing.assert_allclose(bounds, law.log_prob_upper_bound(draws), rtol=1e-6)

    def test_copy(self):
        copy = dist(order_estimator="neural_sort").copy(log_weights=[0.0, 0.0])
        assert copy.order_estimator == "neural_sort"
        assert copy.event_shape == [4, 2]

    @pytest.mark.parametrize(
        ("estimators", "wanted"),
        [
            (("mean", "race"), tfd.FULLY_REPARAMETERIZED),
            (("mean", None), tfd.NOT_REPARAMETERIZED),
            ((None, "race"), tfd.NOT_REPARAMETERIZED),
        ],
    )
    def test_reparameterization(self, estimators, wanted):
        law = RandomPartition(LOG_WEIGHTS, SCORES, *estimators)
        assert law.reparameterization_type == wanted

    def test_slicing(self):
        law = dist(
            log_weights=np.float32([[LOG_WEIGHTS], [[0.0, 0.0, 0.0]]]),
            scores=np.random.RandomState(0).randn(5, 4).astype(np.float32),
        )
        assert law[0].batch_shape == [5]
        assert law[..., 2:4, tf.newaxis].batch_shape == [2, 2, 1]
        np.testing.assert_allclose(law[1, 2].mean(), law.mean()[1, 2], rtol=1e-6)

    def test_parameter_properties(self):
        properties = RandomPartition.parameter_properties()
        ndims = {name: value.event_ndims for name, value in properties.items()}
        assert ndims == {"log_weights": 1, "scores": 1, "temperature": 0}

    @pytest.mark.parametrize("jit_compile", [False, True])
    def test_composite_tensor(self, jit_compile):
        law = dist(scores=np.zeros([5, 4], np.float32))

        @tf.function(jit_compile=jit_compile)
        def draw(law):
            return law.sample(3, seed=[1, 2])

        np.testing.assert_array_equal(draw(law), law.sample(3, seed=[1, 2]))
        leaves = tf.nest.flatten(law, expand_composites=True)
        again = tf.nest.pack_sequence_as(law, leaves, expand_composites=True)
        np.testing.assert_array_equal(again.mean(), law.mean())

    @pytest.mark.slow
    def test_under_xla(self):
        law = dist()
        draws = law.sample(3, seed=[1, 2])

        def everything(law, draws):
            return (
                law.log_prob(draws),
                law.log_prob_lower_bound(draws),
                law.log_prob_upper_bound(draws),
                law.mean(),
                law.mode(),
                law.entropy(num_samples=5, seed=[3, 4]),
            )

        compiled = tf.function(everything, autograph=False, jit_compile=True)
        for value, wanted in zip(
            compiled(law, draws), everything(law, draws), strict=True
        ):
            np.testing.assert_allclose(value, wanted, rtol=1e-6)

    def test_independent_and_joint(self):
        law = dist(scores=np.zeros([5, 4], np.float32))
        draws = law.sample(2, seed=[1, 2])
        np.testing.assert_allclose(
            tfd.Independent(law, 1).log_prob(draws),
            tf.reduce_sum(law.log_prob(draws), axis=-1),
            rtol=1e-6,
        )
        joint = tfd.JointDistributionSequential(
            [
                tfd.MultivariateNormalDiag(tf.zeros(4)),
                lambda scores: dist(scores=scores),
            ]
        )
        value = joint.sample(6, seed=[1, 2])
        np.testing.assert_allclose(
            joint.log_prob(value),
            joint.model[0].log_prob(value[0])
            + dist(scores=value[0]).log_prob(value[1]),
            rtol=1e-5,
        )

    @pytest.mark.slow
    def test_vectorized_map(self):
        scores = tf.constant(np.random.RandomState(0).randn(5, 4))
        rows = tf.one_hot([0, 1, 2, 0], 3, dtype=tf.float64)

        def slope(row):
            with tf.GradientTape() as tape:
                tape.watch(row)
                value = dist(scores=row).log_prob(rows)
            return value, tape.gradient(value, row)

        for value, wanted in zip(
            tf.vectorized_map(slope, scores), slope(scores), strict=True
        ):
            np.testing.assert_allclose(value, wanted, rtol=1e-10)

    def test_variables_are_read_when_used(self):
        variable = tf.Variable(SCORES)
        law = dist(scores=variable)
        assert law.trainable_variables[0] is variable
        rows = tf.one_hot([0, 1, 2, 0], 3)
        before = law.log_prob(rows)
        with tf.GradientTape() as tape:
            loss = law.log_prob(rows)
        assert np.any(tape.gradient(loss, variable) != 0.0)
        variable.assign([3.0, 0.0, 0.0, 3.0])
        assert law.log_prob(rows) > before

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_dtypes(self, dtype):
        law = dist(log_weights=np.zeros(3, dtype), scores=np.zeros(4, dtype))
        draws = law.sample(seed=[1, 2])
        results = draws, law.log_prob(draws), law.mean(), law.mode(), law.entropy()
        assert all(result.dtype == dtype for result in results)
        np.testing.assert_array_equal(tf.reduce_sum(draws, axis=-1), np.ones(4))

    def test_draws_are_valid(self):
        law = dist(validate_args=True)
        draws = law.sample(20, seed=[1, 2])
        assert np.all(np.isfinite(law.log_prob(draws)))


BAD_VALUES = {
    "NaN weight": ({"log_weights": [np.nan, 0, 0]}, "log_weights must be finite"),
    "infinite weight": ({"log_weights": [np.inf, 0, 0]}, "log_weights must be finite"),
    "no weight": (
        {"log_weights": [-np.inf] * 3},
        "log_weights must be finite for at least",
    ),
    "NaN score": ({"scores": [np.nan, 0, 0]}, "scores must be finite"),
    "infinite score": ({"scores": [-np.inf, 0, 0]}, "scores must be finite"),
    "cold": ({"temperature": 0.0}, "temperature must be positive"),
}
BAD_ARGUMENTS = {
    "estimator": ({"gradient_estimator": "race"}, "gradient_estimator is 'race'"),
    "order": ({"order_estimator": "mean"}, "order_estimator is 'mean'"),
    "scalar weights": ({"log_weights": 0.0}, "log_weights is a scalar"),
    "scalar scores": ({"scores": 0.0}, "scores is a scalar"),
    "no elements": ({"scores": np.zeros([2, 0])}, "scores has no entries"),
    "no groups": ({"log_weights": np.zeros([0])}, "log_weights has no entries"),
    "batch": (
        {"log_weights": np.zeros([2, 3]), "scores": np.zeros([3, 4])},
        "does not broadcast",
    ),
}


class TestBadInput:
    @pytest.mark.parametrize("name", BAD_VALUES)
    def test_values(self, name):
        kwargs, message = BAD_VALUES[name]
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            dist(validate_args=True, **kwargs)
        dist(**kwargs)

    @pytest.mark.parametrize("name", BAD_ARGUMENTS)
    def test_arguments(self, name):
        kwargs, message = BAD_ARGUMENTS[name]
        with pytest.raises(ValueError, match=message):
            dist(**kwargs)

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ([0.5, 0.5, 0.0], "assignment must hold zeros and ones"),
            ([1.0, 1.0, 0.0], "each row of assignment must hold one 1"),
            ([0.0, 0.0, 0.0], "each row of assignment must hold one 1"),
        ],
    )
    @pytest.mark.parametrize("method", ["log_prob", "log_prob_lower_bound"])
    def test_assignments(self, method, row, message):
        law = dist(validate_args=True)
        rows = tf.constant([row, [1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0]])
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            getattr(law, method)(rows)

    def test_a_variable_that_turns_bad(self):
        scores = tf.Variable(SCORES)
        law = dist(scores=scores, validate_args=True)
        scores.assign([np.inf, 0.0, 0.0, 0.0])
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be finite"):
            law.sample(seed=[1, 2])


class TestSubset:
    SCORES = np.array([0.3, -1.0, 2.0, 0.5, 0.0])

    def subsets(self, count):
        rows = itertools.combinations(range(5), count)
        points = np.array([one_hot(list(row), 5).sum(0) for row in rows])
        mass = np.exp(points @ self.SCORES)
        return points, mass / mass.sum()

    @pytest.mark.parametrize("count", [0, 1, 3, 5])
    def test_is_as_the_list_of_subsets(self, count):
        law = random_subset(count, self.SCORES)
        if count == 0:
            np.testing.assert_array_equal(law.mean(), np.zeros(5))
            return
        points, probs = self.subsets(count)
        np.testing.assert_allclose(np.exp(law.log_prob(points)), probs, rtol=1e-12)
        np.testing.assert_allclose(law.mean(), probs @ points, rtol=1e-12)
        entropy = -(probs @ np.log(probs))
        np.testing.assert_allclose(law.entropy(), entropy, atol=1e-12)
        draws = law.sample(50, seed=[1, 2])
        np.testing.assert_array_equal(tf.reduce_sum(draws, axis=-1), np.full(50, count))

    def test_gradient_is_that_of_the_marginals(self):
        points, probs = self.subsets(2)
        scores, weights = tf.constant(self.SCORES), np.arange(5.0)
        with tf.GradientTape() as tape:
            tape.watch(scores)
            loss = tf.reduce_sum(random_subset(2, scores).sample(seed=[1, 2]) * weights)
        mean = probs @ points
        covariance = (points * probs[:, np.newaxis]).T @ points - np.outer(mean, mean)
        np.testing.assert_allclose(
            tape.gradient(loss, scores), covariance @ weights, rtol=1e-10
        )

    def test_batches_of_counts(self):
        law = random_subset([1.0, 2.0], np.zeros([3, 1, 5]), validate_args=True)
        assert law.batch_shape == [3, 2]
        np.testing.assert_allclose(law.mean()[0], [[0.2] * 5, [0.4] * 5])

    def test_scalar_scores(self):
        with pytest.raises(ValueError, match="scores is a scalar"):
            random_subset(1, 0.0)
