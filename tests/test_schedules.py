import keras
import numpy as np
import pytest

from mvhg_tf.schedules import ExponentialAnnealing


def test_values_are_those_of_the_paper():
    schedule = ExponentialAnnealing(10.0, 0.01, 50_000)
    rate = (np.log(10.0) - np.log(0.01)) / 50_000
    for step in (0, 1, 12_345, 50_000):
        np.testing.assert_allclose(
            schedule(step), 10.0 * np.exp(-rate * step), rtol=1e-5
        )
    np.testing.assert_allclose(schedule(90_000), 0.01, rtol=1e-5)


def test_config_round_trip():
    schedule = ExponentialAnnealing(5.0, 0.5, 100)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    assert copy.get_config() == {"initial": 5.0, "final": 0.5, "num_steps": 100}


@pytest.mark.parametrize("name", ["initial", "final", "num_steps"])
def test_values_that_are_not_positive_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0, but must be (a )?positive"):
        ExponentialAnnealing(**{name: 0})
