"""At home in TFP: what its own distributions do, and what bad input raises."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from absl import flags
from tensorflow.python.framework import kernels
from tensorflow_probability.python.internal import test_util

from mvhg_tf.distributions import (
    FisherNoncentralHypergeometric,
    MultivariateFisherNoncentralHypergeometric,
)
from mvhg_tf.distributions.law import LAWS

tfd = tfp.distributions


def dist(**kwargs):
    arguments = {
        "total_count": 6,
        "group_sizes": [4, 5, 6],
        "log_weights": [0.3, -1.0, 0.7],
    }
    return MultivariateFisherNoncentralHypergeometric(**{**arguments, **kwargs})


def tfp_helper(kind):
    """One of TFP's collections of checks.

    Not a class of this module: pytest would collect all of tf.test.TestCase.
    """
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    return type("Helper", (kind, tf.test.TestCase), {"runTest": lambda self: None})()


class TestTFPHelpers:
    def test_multivariate(self):
        helper = tfp_helper(test_util.VectorDistributionTestHelpers)
        helper.run_test_sample_consistent_mean_covariance(
            helper.evaluate,
            dist(),
            num_samples=20000,
            seed=1,  # TFP's helpers also set TensorFlow's global seed to it
            rtol=0.1,
            atol=0.05,
        )

    def test_univariate(self):
        helper = tfp_helper(test_util.DiscreteScalarDistributionTestHelpers)
        law = FisherNoncentralHypergeometric(6, 5, 8, log_odds=0.3)
        arguments = {"num_samples": 20000, "seed": 1, "rtol": 0.1}
        helper.run_test_sample_consistent_log_prob(helper.evaluate, law, **arguments)
        helper.run_test_sample_consistent_mean_variance(
            helper.evaluate, law, **arguments
        )


class TestTFP:
    def test_copy(self):
        copy = dist(gradient_estimator="mean").copy(log_weights=[0.0, 0.0, 0.0])
        assert copy.gradient_estimator == "mean"
        np.testing.assert_array_equal(copy.log_weights, [0.0, 0.0, 0.0])

    def test_reparameterization(self):
        assert dist().reparameterization_type == tfd.FULLY_REPARAMETERIZED
        law = dist(gradient_estimator=None)
        assert law.reparameterization_type == tfd.NOT_REPARAMETERIZED

    def test_slicing(self):
        law = dist(total_count=[[4.0], [5.0]], log_weights=np.zeros([7, 3]))
        assert law.batch_shape == [2, 7]
        assert law[0].batch_shape == [7]
        assert law[..., 2:4, tf.newaxis].batch_shape == [2, 2, 1]
        np.testing.assert_allclose(law[1].mean(), law.mean()[1], rtol=1e-14)

    def test_parameter_properties(self):
        properties = MultivariateFisherNoncentralHypergeometric.parameter_properties()
        ndims = {name: value.event_ndims for name, value in properties.items()}
        assert ndims == {
            "total_count": 0,
            "group_sizes": 1,
            "log_weights": 1,
            "weights": 1,
            "temperature": 0,
        }

    @pytest.mark.parametrize("jit_compile", [False, True])
    def test_composite_tensor(self, jit_compile):
        law = dist(log_weights=np.zeros([5, 3], np.float32))

        @tf.function(jit_compile=jit_compile)
        def draw(law):
            return law.sample(3, seed=[1, 2])

        np.testing.assert_array_equal(draw(law), law.sample(3, seed=[1, 2]))
        leaves = tf.nest.flatten(law, expand_composites=True)
        again = tf.nest.pack_sequence_as(law, leaves, expand_composites=True)
        np.testing.assert_array_equal(again.mean(), law.mean())

    def test_independent_and_joint(self):
        law = dist(log_weights=np.zeros([5, 3], np.float32))
        draws = law.sample(2, seed=[1, 2])
        np.testing.assert_allclose(
            tfd.Independent(law, 1).log_prob(draws),
            tf.reduce_sum(law.log_prob(draws), axis=-1),
            rtol=1e-6,
        )
        joint = tfd.JointDistributionSequential(
            [
                tfd.MultivariateNormalDiag(tf.zeros(3)),
                lambda log_weights: dist(log_weights=log_weights),
            ]
        )
        value = joint.sample(4, seed=[1, 2])
        np.testing.assert_allclose(
            joint.log_prob(value),
            joint.model[0].log_prob(value[0])
            + dist(log_weights=value[0]).log_prob(value[1]),
            rtol=1e-5,
        )

    def test_vectorized_map(self):
        log_weights = np.random.RandomState(0).randn(4, 3)
        mapped = tf.vectorized_map(
            lambda row: dist(log_weights=row).mean(), tf.constant(log_weights)
        )
        np.testing.assert_allclose(mapped, dist(log_weights=log_weights).mean())

    def test_variables_are_read_when_used(self):
        variable = tf.Variable([0.3, -1.0, 0.7])
        law = dist(log_weights=variable)
        before = law.mean().numpy()
        assert law.trainable_variables[0] is variable
        with tf.GradientTape() as tape:
            loss = law.log_prob([2.0, 2.0, 2.0])
        np.testing.assert_allclose(
            tape.gradient(loss, variable), [2.0, 2.0, 2.0] - before, rtol=1e-5
        )
        variable.assign([0.0, 0.0, 0.0])
        np.testing.assert_allclose(law.mean(), [1.6, 2.0, 2.4], rtol=1e-5)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_dtypes(self, dtype):
        law = dist(
            total_count=np.int32(6),
            group_sizes=np.array([4, 5, 6], np.int64),
            log_weights=np.zeros(3, dtype),
        )
        draws = law.sample(seed=[1, 2])
        results = draws, law.log_prob(draws), law.mean(), law.sample_one_hot(seed=1)
        assert all(result.dtype == dtype for result in results)

    def test_variables_of_float64(self):
        """Casts to their own dtype leave them variables."""
        total_count = tf.Variable(np.float64(6))
        sizes = tf.Variable(np.array([4.0, 5.0, 6.0]))
        law = dist(total_count=total_count, group_sizes=sizes, log_weights=np.zeros(3))
        np.testing.assert_array_equal(law.sample(seed=1).numpy().sum(), 6.0)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(law.sample(seed=1) ** 2) + law.log_prob([1.0, 2, 3])
        assert tape.gradient(loss, total_count) is None
        np.testing.assert_allclose(law.mean(), [1.6, 2.0, 2.4], rtol=1e-14)

    def test_numbers_are_rounded_once(self):
        """Those of Python and NumPy keep the digits of float64 beside a float64."""
        law = dist(group_sizes=np.array([4.0, 5.0, 6.0]), log_weights=[0.1, 0.2, 0.3])
        assert law.dtype == tf.float64
        np.testing.assert_array_equal(law.log_weights, np.array([0.1, 0.2, 0.3]))
        law = dist(log_weights=None, weights=np.array([0.1, 0.2, 0.3]), temperature=0.7)
        assert law.temperature.numpy() == 0.7
        np.testing.assert_array_equal(
            law.log_weights_parameter(), np.log([0.1, 0.2, 0.3])
        )


class TestOtherUrns:
    """Eagerly one graph serves urns of all sizes: nothing is traced anew."""

    @staticmethod
    def use(index):
        rng = np.random.RandomState(index)
        sizes = rng.randint(1, 60, size=3 + index % 5)
        log_weights = tf.constant(rng.randn(len(sizes)), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(log_weights)
            law = MultivariateFisherNoncentralHypergeometric(
                sizes.sum() // 3, sizes, log_weights, gradient_estimator="mean"
            )
            loss = tf.reduce_sum(law.sample(seed=index) ** 2) + law.entropy()
        tape.gradient(loss, log_weights)
        pair = FisherNoncentralHypergeometric(index + 5, index + 9, 30, odds=0.3)
        pair.survival_function(3.0)
        pair.sample(seed=index)

    @pytest.mark.slow
    def test_no_trace_and_no_warning(self, monkeypatch):
        traced = []

        def counting(function):
            def count(*args):
                traced.append(function)
                return function(*args)

            return count

        law = LAWS["exact"]
        names = ("log_prob", "entropy", "draw", "mean_vjp")
        counted = {name: counting(getattr(law, name)) for name in names}
        monkeypatch.setitem(LAWS, "exact", dataclasses.replace(law, **counted))
        for index in range(3):  # Two traces of each: of one shape, and of any.
            self.use(index)
        assert traced
        traced.clear()
        for index in range(3, 9):
            self.use(index)
        assert not traced


class TestGraph:
    @staticmethod
    def graph(groups, estimator):
        @tf.function(autograph=False)
        def step(log_weights):
            with tf.GradientTape() as tape:
                tape.watch(log_weights)
                law = MultivariateFisherNoncentralHypergeometric(
                    9.0, [5.0] * groups, log_weights, gradient_estimator=estimator
                )
                loss = tf.reduce_sum(law.sample(seed=[1, 2]) ** 2 + law.mean())
                loss += tf.reduce_sum(law.log_prob([9.0] + [0.0] * (groups - 1)))
                loss += tf.reduce_sum(law.covariance()) + law.entropy()
            return tape.gradient(loss, log_weights)

        spec = tf.TensorSpec([groups], tf.float32)
        return step.get_concrete_function(spec).graph.as_graph_def()

    @staticmethod
    def ops(graph):
        functions = [node for f in graph.library.function for node in f.node_def]
        return [node.op for node in [*graph.node, *functions]]

    @pytest.mark.slow
    @pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
    def test_does_not_grow_with_the_groups(self, estimator):
        few, many = (len(self.ops(self.graph(c, estimator))) for c in (5, 50))
        assert few == many

    @pytest.mark.parametrize(
        ("groups", "estimator"),
        [
            (5, "gumbel_softmax"),
            pytest.param(2, "mean", marks=pytest.mark.slow),
            pytest.param(2, "gumbel_softmax", marks=pytest.mark.slow),
            pytest.param(5, "mean", marks=pytest.mark.slow),
        ],
    )
    def test_every_op_has_a_gpu_kernel(self, groups, estimator):
        ops = set(self.ops(self.graph(groups, estimator)))
        graph = self.graph(groups, estimator)
        ops -= {function.signature.name for function in graph.library.function}
        without = []
        for op in ops:
            registered = kernels.get_registered_kernels_for_op(op).kernel
            devices = {kernel.device_type for kernel in registered}
            # Kernels for any device that is not named elsewhere are "DEFAULT".
            if devices and not devices & {"GPU", "DEFAULT"}:
                without.append(op)
        assert not without


BAD_VALUES = {
    "more than there are": ({"total_count": 30}, "must not exceed"),
    "negative count": ({"total_count": -1}, "total_count must not be negative"),
    "fractional count": ({"total_count": 1.5}, "total_count must hold whole"),
    "negative size": ({"group_sizes": [-1, 5, 6]}, "group_sizes must not be neg"),
    "fractional size": ({"group_sizes": [4.5, 5, 6]}, "group_sizes must hold whole"),
    "NaN": ({"log_weights": [np.nan, 0, 0]}, "log_weights must be finite"),
    "infinite": ({"log_weights": [np.inf, 0, 0]}, "log_weights must be finite"),
    "negative weight": (
        {"log_weights": None, "weights": [-1.0, 1, 1]},
        "weights must not be negative",
    ),
    "NaN weight": (
        {"log_weights": None, "weights": [np.nan, 1, 1]},
        "weights must not be negative or NaN",
    ),
    "infinite weight": (
        {"log_weights": None, "weights": [np.inf, 1, 1]},
        "weights must be finite",
    ),
    "too few groups": (
        {"log_weights": None, "weights": [1.0, 0, 0]},
        "groups with a positive weight",
    ),
    "cold": ({"temperature": 0.0}, "temperature must be positive"),
}
BAD_ARGUMENTS = {
    "both": ({"weights": [1.0, 1, 1]}, "both of log_weights and weights given"),
    "neither": ({"log_weights": None}, "neither of log_weights and weights given"),
    "estimator": ({"gradient_estimator": "gumbel"}, "gradient_estimator is 'gumbel'"),
    "method": ({"method": "fast"}, "method is 'fast'"),
    "groups": ({"log_weights": [0.0, 0.0]}, "3 groups and log_weights has 2"),
    "scalar": ({"log_weights": 0.0}, "log_weights is a scalar"),
    "batch": ({"total_count": [1, 2], "temperature": [1.0] * 3}, "does not broadcast"),
}


def test_a_batch_of_temperatures_is_one_of_every_statistic():
    law = dist(temperature=[1.0, 2.0, 3.0])
    for name in ("mean", "variance", "mode", "entropy", "support_size"):
        value = getattr(law, name)()
        np.testing.assert_array_equal(value, [getattr(dist(), name)()] * 3)
    for divergence in (law.kl_divergence(dist()), dist().kl_divergence(law)):
        np.testing.assert_array_equal(divergence, [0.0] * 3)


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
        ("counts", "message"),
        [
            ([1.0, 1.0, 1.0], "counts must sum to total_count"),
            ([1.5, 1.5, 3.0], "counts must hold whole numbers"),
            ([-1.0, 3.0, 4.0], "counts must not be negative"),
            ([6.0, 0.0, 0.0], "counts must not exceed group_sizes"),
        ],
    )
    def test_counts(self, counts, message):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            dist(validate_args=True).log_prob(counts)

    @pytest.mark.parametrize("validate_args", [False, True])
    @pytest.mark.parametrize("counts", [[6.0], [3.0, 3.0], 6.0, [[6.0], [5.0]]])
    def test_counts_of_another_number_of_groups(self, counts, validate_args):
        law = dist(validate_args=validate_args)
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)) as error:
            law.prob(counts)
        assert "there are 3 groups" in str(error.value) or validate_args

    def test_counts_of_a_number_of_groups_known_when_the_graph_runs(self):
        @tf.function(input_signature=[tf.TensorSpec(None)], autograph=False)
        def prob(counts):
            return dist(validate_args=True).prob(counts)

        with pytest.raises(tf.errors.InvalidArgumentError, match="for each group"):
            prob(tf.constant([6.0]))

    def test_means_of_another_number_of_groups(self):
        with pytest.raises(ValueError, match="there are 3 groups"):
            dist().fit_mean([6.0], 6, [4, 5, 6])

    def test_counts_may_be_integers(self):
        counts = tf.constant([1, 2, 3])
        value = dist(validate_args=True).log_prob(counts)
        np.testing.assert_array_equal(value, dist().log_prob([1.0, 2.0, 3.0]))

    def test_a_variable_that_turns_bad(self):
        total_count = tf.Variable(6.0)
        law = dist(total_count=total_count, validate_args=True)
        total_count.assign(30.0)
        with pytest.raises(tf.errors.InvalidArgumentError, match="must not exceed"):
            law.sample(seed=[1, 2])

    def test_methods(self):
        with pytest.raises(ValueError, match="group is 3, but there are 3 groups"):
            dist().marginal_log_prob(3)
        with pytest.raises(ValueError, match="hard=False"):
            dist(gradient_estimator="mean").sample_one_hot(hard=False)
        other = dist(group_sizes=[9, 9], log_weights=[0.0, 0.0])
        with pytest.raises(ValueError, match="have 3 and 2 groups"):
            dist().kl_divergence(other)
