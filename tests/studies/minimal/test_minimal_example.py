"""The minimal example recovers the weights that made the data."""

import csv

import numpy as np
import pytest

from mvhg_tf.programs import mvhg_minimal_example
from mvhg_tf.studies.minimal import weight_learning

FIT = "maximum likelihood (fit)"


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    path = tmp_path_factory.mktemp("minimal") / "out"
    flags = [f"--output_dir={path}", "--batch_size=32", "--num_epochs=10"]
    with pytest.MonkeyPatch.context() as patch:
        # Larger batches than by default, so fewer steps, which have to be longer.
        patch.setattr(weight_learning, "LEARNING_RATE", 0.02)
        assert mvhg_minimal_example.main(flags) == 0
    return path


@pytest.fixture(scope="module")
def recovered(output):
    with open(output / "recovered.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(row["learner"], int(row["omega_2"])): row for row in rows}


@pytest.mark.slow
def test_every_promised_file_is_there(output):
    names = sorted(path.name for path in output.iterdir())
    assert names == sorted(mvhg_minimal_example.RESULTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "tolerance"),
    [("exact, mean", 0.1), ("exact, gumbel_softmax", 0.1), (FIT, 0.03)],
)
def test_exact_learners_recover_every_urns_weights(recovered, learner, tolerance):
    for omega_2 in range(1, 11):
        row = recovered[learner, omega_2]
        weights = [float(row[f"weight_{group}"]) for group in (1, 2, 3)]
        error = np.log(weights) - np.log([1, omega_2, 1])
        error -= error.mean()
        assert float(row["error"]) == pytest.approx(np.abs(error).max(), abs=1e-5)
        assert np.abs(error).max() < tolerance


@pytest.mark.slow
def test_merged_learner_finds_other_weights(recovered):
    # It makes up for what merging does to its draws, so its weights are not the urn's.
    assert float(recovered["merged, gumbel_softmax", 10]["error"]) > 0.15
    assert float(recovered["merged, gumbel_softmax", 1]["error"]) < 0.1


@pytest.mark.slow
def test_losses_fall_to_those_of_the_true_weights(output):
    # Draws of the true urn differ from its observations by twice its variance.
    with open(output / "training.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    data = weight_learning.make_data(4000, seed=1)
    least = 2 * data.var(axis=1).sum(-1)
    last = max(int(row["step"]) for row in rows)
    for row in rows:
        if int(row["step"]) == last:
            loss = float(row["validation_loss"])
            assert loss == pytest.approx(least[int(row["omega_2"]) - 1], rel=0.3)


def test_recovery_error_ignores_a_common_factor():
    truth = weight_learning.true_log_weights()
    shifted = truth + np.arange(10)[:, None]
    np.testing.assert_allclose(weight_learning.recovery_error(shifted), 0, atol=1e-12)
    shifted[:, 0] += 0.3  # Centred: 0.2, -0.1, -0.1.
    np.testing.assert_allclose(weight_learning.recovery_error(shifted), 0.2)


def test_steps_needed_looks_for_the_last_time_outside():
    errors = np.array([[0.3, 0.0, 0.0], [0.05, 0.2, 0.0], [0.02, 0.0, 0.2]])
    steps = np.array([10, 20, 30])
    assert weight_learning.steps_needed(steps, errors, 0.1) == [20, 30, None]


def test_a_batch_size_that_leaves_too_few_steps_is_refused(tmp_path, capsys):
    flags = [f"--output_dir={tmp_path}", "--num_samples=100", "--batch_size=20"]
    assert mvhg_minimal_example.main(flags) == 2
    assert "at most 10" in capsys.readouterr().err
