"""The Kolmogorov-Smirnov experiment tells exact draws from merged ones."""

import csv

import numpy as np
import pytest
from scipy import stats

from mvhg_tf.programs import mvhg_ks_test
from mvhg_tf.studies.ks import ks_experiment

NUM_DRAWS = 5000
# At a fixed seed nothing varies; at another one a correct sampler passes all tests of
# a comparison with a chance of 95% at least, because the p-values are corrected.
PASSES = 0.05


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    path = tmp_path_factory.mktemp("ks") / "out"
    flags = [f"--output_dir={path}", f"--num_draws={NUM_DRAWS}", "--seed=1"]
    assert mvhg_ks_test.main(flags) == 0
    return path


@pytest.fixture(scope="module")
def rows(output):
    with open(output / "ks_test.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _select(rows, method, reference):
    return [
        row for row in rows if (row["method"], row["reference"]) == (method, reference)
    ]


def test_every_promised_file_is_there(output):
    assert sorted(path.name for path in output.iterdir()) == sorted(
        mvhg_ks_test.RESULTS
    )


@pytest.mark.parametrize("reference", ["exact draws", "exact cdf"])
def test_exact_method_passes_everywhere_against_the_truth(rows, reference):
    chosen = _select(rows, "exact", reference)
    assert len(chosen) == 90
    assert all(float(row["p_corrected_over_figure"]) > PASSES for row in chosen)


def test_merged_method_passes_everywhere_against_the_merged_reference(rows):
    chosen = _select(rows, "merged", "merged draws")
    assert len(chosen) == 90
    assert all(float(row["p_corrected_over_figure"]) > PASSES for row in chosen)


@pytest.mark.parametrize("reference", ["exact draws", "exact cdf"])
def test_merged_method_fails_against_the_truth(rows, reference):
    for row in _select(rows, "merged", reference):
        if row["parameter"] == "omega_2" and int(row["value"]) == 10:
            assert float(row["p_corrected_per_urn"]) < 1e-6
            # 0.58 for class 1, and less for the classes after.
            assert float(row["distance"]) > 0.15


def test_merging_equal_weights_is_exact(rows):
    chosen = [
        row
        for row in _select(rows, "merged", "exact draws")
        if row["parameter"] == "omega_2" and int(row["value"]) == 1
    ]
    assert len(chosen) == 3
    assert all(float(row["p_corrected_per_urn"]) > 1e-3 for row in chosen)


def test_summary_counts_what_passed(output, rows):
    chosen = [
        row for row in _select(rows, "merged", "exact draws") if row["figure"] == "1"
    ]
    passed = sum(float(row["p_corrected_over_figure"]) > PASSES for row in chosen)
    assert passed < 10
    line = f"| 1 (omega_2) | merged | exact draws | {passed} of 30 |"
    assert line in (output / "summary.md").read_text(encoding="utf-8")


def test_corrections_are_benjamini_and_hochbergs(rows):
    # The step-up formula: the least of p_(j) K / j over the j >= the p-value's rank.
    chosen = [
        row for row in _select(rows, "exact", "exact cdf") if row["figure"] == "9"
    ]
    for key, family in (
        ("p_corrected_per_urn", chosen[:3]),
        ("p_corrected_over_figure", chosen),
    ):
        p_values = np.array([float(row["p_value"]) for row in family])
        for row in family:
            candidates = [
                p * len(p_values) / np.sum(p_values <= p)
                for p in p_values
                if p >= float(row["p_value"])
            ]
            assert float(row[key]) == pytest.approx(min(candidates))


def test_a_second_run_needs_overwrite(output, capsys):
    assert mvhg_ks_test.main([f"--output_dir={output}"]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--num_draws=many"], "'many'"),
        (["--num_draws=5"], "from 100"),
        (["--seed=-1"], "from 0"),
        (["--draws=5"], "'draws'"),
        (["--output_dir=/dev/null/x"], "give a folder"),
    ],
)
def test_bad_flags_are_one_sentence_and_code_2(flags, said, capsys):
    assert mvhg_ks_test.main(flags) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_one_sample_distance_is_the_largest_difference_of_the_cdfs():
    draws = np.array([0, 0, 1, 3])
    pmf = np.array([0.25, 0.25, 0.25, 0.25])
    distance, p_value = ks_experiment.ks_one_sample(draws, pmf)
    assert distance == 0.25  # P(x <= 0), P(x <= 1): 0.5, 0.75 against 0.25, 0.5.
    assert p_value == pytest.approx(stats.kstwo.sf(0.25, 4))


def test_one_sample_test_sees_a_small_shift():
    rng = np.random.default_rng(0)
    pmf = stats.binom.pmf(np.arange(51), 50, 0.5)
    draws = rng.binomial(50, 0.5, 50_000)
    assert ks_experiment.ks_one_sample(draws, pmf)[1] > 1e-4
    draws = rng.binomial(50, 0.505, 50_000)
    assert ks_experiment.ks_one_sample(draws, pmf)[1] < 1e-6
