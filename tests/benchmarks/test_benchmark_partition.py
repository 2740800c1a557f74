"""What the benchmark of partitions compares is what it says."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import partition_gradients, partition_timings, subjects

SETTING = {"B": 3, "n": 5, "K": 2}


def test_a_step_is_the_gradient_of_a_draw():
    estimators = partition_timings.ESTIMATORS["mean and race"]
    draw = partition_timings.make_call("draw", SETTING, estimators, jit_compile=False)
    step = partition_timings.make_call("step", SETTING, estimators, jit_compile=False)
    draws = draw()
    np.testing.assert_array_equal(tf.reduce_sum(draws, axis=-1), np.ones([3, 5]))
    assert np.any(draws != draw())  # each call has a seed of its own
    of_log_weights, of_scores = step()
    assert of_log_weights.shape == [3, 2] and of_scores.shape == [3, 5]
    assert np.any(of_log_weights != 0.0) and np.any(of_scores != 0.0)


def test_neural_sort_only_where_its_matrices_fit():
    names = [
        list(partition_timings.contestants("step", s))
        for s in (SETTING, {**SETTING, "n": 1000})
    ]
    assert len(names[0]) == 4 and len(names[1]) == 2


@pytest.mark.slow
def test_through_the_mean_is_exact_for_a_linear_loss():
    loss = partition_gradients.losses()["linear"]
    exact = partition_gradients.exact_gradients(loss)
    for slopes, wanted in zip(
        partition_gradients.through_the_mean(loss), exact, strict=True
    ):
        np.testing.assert_allclose(
            slopes, np.broadcast_to(wanted, slopes.shape), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--authors_code=nowhere"], "belong together"),
        (
            ["--authors_code=nowhere", "--distribution_code=nowhere"],
            "--authors_code 'nowhere' has no drpm/diff_rand_part_model.py",
        ),
    ],
)
def test_rejects_bad_flags(flags, said, capsys):
    assert subjects.main(["partition", *flags]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
