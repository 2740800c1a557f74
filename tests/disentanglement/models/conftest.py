"""What holds for every VAE that trains an adversary beside it."""

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def check_each_optimizer_descends_its_own_loss():
    """Checks a model and a batch: both descend from the weights before the step."""
    return _check


def _check(model, batch):
    own = model.encoder.trainable_variables + model.decoder.trainable_variables
    others = model.adversary.trainable_variables
    assert len(own) + len(others) == len(model.trainable_variables)
    expected = []
    for name, optimizer, variables in (
        ("loss", model.optimizer, own),
        (model.adversary_loss_name, model.adversary_optimizer, others),
    ):
        with tf.GradientTape() as tape:
            loss = model.losses_of(batch, 0, training=True)[name]
        rate = float(optimizer.learning_rate)
        gradients = tape.gradient(loss, variables)
        expected += [
            v.numpy() - rate * g.numpy()
            for v, g in zip(variables, gradients, strict=True)
        ]
    logs = tf.function(model.train_step, autograph=False)(batch)
    for variable, value in zip([*own, *others], expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-4, atol=1e-6)
    assert set(logs) == set(model.log_names)
    assert [int(optimizer.iterations) for optimizer in model.optimizers] == [1, 1]
