"""Optimizers and decays, by their gin names, against TensorFlow 1's own."""

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.steps import optimizers

tf1 = tf.compat.v1
NUM_STEPS = 12
START = np.array([1.5, -0.7, 0.2], np.float32)


def tensorflow_1_path(optimizer_class, **arguments):
    """The variable after each step of minimising sum((x^2 - 1)^2)."""
    with tf.Graph().as_default(), tf1.Session() as session:
        x = tf1.get_variable("x", initializer=START, use_resource=True)
        loss = tf.reduce_sum(tf.square(tf.square(x) - 1.0))
        step = tf1.train.get_or_create_global_step()
        if callable(arguments["learning_rate"]):
            arguments["learning_rate"] = arguments["learning_rate"](step)
        train_op = optimizer_class(**arguments).minimize(loss, global_step=step)
        session.run(tf1.global_variables_initializer())
        path = []
        for _ in range(NUM_STEPS):
            session.run(train_op)
            path.append(session.run(x))
        return path


def our_path(bindings):
    gin.parse_config(bindings)
    optimizer = optimizers.make_vae_optimizer()
    x = keras.Variable(START)
    optimizer.build([x])
    path = []
    for _ in range(NUM_STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(tf.square(x.value) - 1.0))
        optimizer.apply(tape.gradient(loss, [x.value]), [x])
        path.append(x.numpy())
    return path


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("AdamOptimizer", {"learning_rate": 0.05}),
        ("AdamOptimizer", {"learning_rate": 0.05, "beta1": 0.5, "epsilon": 0.01}),
        ("GradientDescentOptimizer", {"learning_rate": 0.02}),
        ("MomentumOptimizer", {"learning_rate": 0.01, "momentum": 0.9}),
        (
            "MomentumOptimizer",
            {"learning_rate": 0.01, "momentum": 0.8, "use_nesterov": True},
        ),
        ("AdagradOptimizer", {"learning_rate": 0.1}),
        (
            "AdagradOptimizer",
            {"learning_rate": 0.1, "initial_accumulator_value": 2.0},
        ),
        ("AdadeltaOptimizer", {"learning_rate": 5.0}),
        ("RMSPropOptimizer", {"learning_rate": 0.01}),
        (
            "RMSPropOptimizer",
            {"learning_rate": 0.01, "decay": 0.5, "momentum": 0.7, "centered": True},
        ),
    ],
)
def test_optimizers_take_the_steps_of_tensorflow_1(name, arguments):
    bindings = [f"vae_optimizer.optimizer_fn = @{name}"]
    bindings += [f"{name}.{key} = {value!r}" for key, value in arguments.items()]
    expected = tensorflow_1_path(getattr(tf1.train, name), **arguments)
    assert np.abs(expected[-1] - START).max() > 0.01
    np.testing.assert_allclose(our_path(bindings), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("piecewise_constant", {"boundaries": [3, 5], "values": [0.02, 0.01, 0.001]}),
        (
            "exponential_decay",
            {"learning_rate": 0.02, "decay_steps": 4, "decay_rate": 0.5},
        ),
        (
            "exponential_decay",
            {
                "learning_rate": 0.02,
                "decay_steps": 4,
                "decay_rate": 0.5,
                "staircase": True,
            },
        ),
        (
            "natural_exp_decay",
            {"learning_rate": 0.02, "decay_steps": 4, "decay_rate": 0.5},
        ),
        (
            "inverse_time_decay",
            {"learning_rate": 0.02, "decay_steps": 4, "decay_rate": 0.5},
        ),
        ("polynomial_decay", {"learning_rate": 0.02, "decay_steps": 6}),
        (
            "polynomial_decay",
            {"learning_rate": 0.02, "decay_steps": 5, "power": 2.0, "cycle": True},
        ),
        ("cosine_decay", {"learning_rate": 0.02, "decay_steps": 9, "alpha": 0.1}),
    ],
)
def test_learning_rates_decay_as_in_tensorflow_1(name, arguments):
    bindings = [
        "vae_optimizer.optimizer_fn = @GradientDescentOptimizer",
        f"vae_optimizer.learning_rate = @{name}",
    ]
    bindings += [f"{name}.{key} = {value!r}" for key, value in arguments.items()]

    def learning_rate(step):
        decay = getattr(tf1.train, name)
        return (
            decay(step, **arguments)
            if name == "piecewise_constant"
            else decay(global_step=step, **arguments)
        )

    expected = tensorflow_1_path(
        tf1.train.GradientDescentOptimizer, learning_rate=learning_rate
    )
    np.testing.assert_allclose(our_path(bindings), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("piecewise_constant", {"boundaries": [2], "values": [0.5, 1]}, 1.0),
        ("exponential_decay", {"decay_rate": 0.5}, 2 * 0.5**0.75),
        ("natural_exp_decay", {"decay_rate": 1}, 2 * np.exp(-0.75)),
        ("inverse_time_decay", {"decay_rate": 1}, 2 / 1.75),
        ("polynomial_decay", {"end_learning_rate": 0}, 2 * 0.25),
        ("cosine_decay", {"alpha": 0}, 1 + np.cos(0.75 * np.pi)),
    ],
)
def test_learning_rates_may_be_integers(name, arguments, expected):
    if name != "piecewise_constant":
        arguments |= {"learning_rate": 2, "decay_steps": 4}
    bindings = [f"{name}.{key} = {value!r}" for key, value in arguments.items()]
    gin.parse_config(bindings)
    schedule = gin.get_configurable(name)()
    np.testing.assert_allclose(float(schedule(3)), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        (["GradientDescentOptimizer.learning_rate = 0.1"], 0.1),
        (["vae_optimizer.learning_rate = 0.1"], 0.1),
        (
            [
                "vae_optimizer.learning_rate = @piecewise_constant",
                "piecewise_constant.boundaries = (3, 5)",
                "piecewise_constant.values = (0.2, 0.1, 0.01)",
            ],
            0.01,
        ),
        (
            [
                "vae_optimizer.learning_rate = @exponential_decay",
                "exponential_decay.learning_rate = 0.1",
                "exponential_decay.decay_steps = 1",
                "exponential_decay.decay_rate = 0.9",
            ],
            0.1 * 0.9**10,
        ),
    ],
)
def test_learning_rate_after_ten_steps(bindings, expected):
    """The library's own cases."""
    gin.parse_config(
        ["vae_optimizer.optimizer_fn = @GradientDescentOptimizer", *bindings]
    )
    optimizer = optimizers.make_vae_optimizer()
    x = keras.Variable(0.0)
    for step in range(10):
        optimizer.apply([2 * (x.value + 2.0)], [x])
        assert int(optimizer.iterations) == step + 1
    np.testing.assert_allclose(float(optimizer.learning_rate), expected, rtol=1e-5)


def test_scopes_tell_the_optimizers_of_a_model_apart():
    gin.parse_config(
        """
        vae_optimizer.optimizer_fn = @vae/AdamOptimizer
        discriminator_optimizer.optimizer_fn = @discriminator/AdamOptimizer
        vae/AdamOptimizer.learning_rate = 0.25
        discriminator/AdamOptimizer.learning_rate = 0.5
        discriminator/AdamOptimizer.beta1 = 0.75
        discriminator/AdamOptimizer.use_locking = False
        AdamOptimizer.beta2 = 0.125
        """
    )
    first = optimizers.make_vae_optimizer()
    second = optimizers.make_discriminator_optimizer()
    assert [float(o.learning_rate) for o in (first, second)] == [0.25, 0.5]
    assert [o.beta_1 for o in (first, second)] == [0.9, 0.75]
    assert [o.beta_2 for o in (first, second)] == [0.125, 0.125]


def test_the_model_s_learning_rate_wins_over_the_optimizer_s():
    gin.parse_config(
        """
        discriminator_optimizer.optimizer_fn = @MomentumOptimizer
        discriminator_optimizer.learning_rate = 0.5
        MomentumOptimizer.learning_rate = 0.25
        MomentumOptimizer.momentum = 0.9
        """
    )
    assert float(optimizers.make_discriminator_optimizer().learning_rate) == 0.5


def test_rmsprop_goes_on_from_its_state_when_saved(tmp_path):
    x = keras.Variable(START)
    optimizer = optimizers.rmsprop_optimizer(0.01)
    optimizer.apply([tf.constant(START)], [x])
    path = tf.train.Checkpoint(optimizer=optimizer).write(str(tmp_path / "c"))
    again = optimizers.rmsprop_optimizer(0.01)
    again.build([x])
    tf.train.Checkpoint(optimizer=again).read(path)
    for value, other in zip(again.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(value.numpy(), other.numpy())
