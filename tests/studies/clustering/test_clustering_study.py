"""The clustering study's jobs, and what its report makes of their results."""

import csv
import json

import gin
import pytest

from mvhg_tf.programs import mvhg_reproduce
from mvhg_tf.runs.gin_files import gin_file_path
from mvhg_tf.studies.clustering.clustering_paper import TABLE_2
from mvhg_tf.studies.clustering.clustering_study import PRESETS, PRIORS, make_jobs
from mvhg_tf.studies.jobs.job import Progress


@pytest.mark.parametrize("preset", PRESETS)
def test_versions_times_seeds_and_each_prior_from_one_start(preset):
    jobs = make_jobs(preset)
    assert len({job.name for job in jobs}) == len(jobs)
    main = [job for job in jobs if job.settings["group"] == "main"]
    assert main == jobs[: len(main)]
    assert len(main) == 3 * len(PRESETS[preset].seeds)
    for job in main:
        assert [step.name for step in job.steps] == list(PRIORS)
        starts = [step.arguments["start_of"] for step in job.steps]
        assert starts == ["", "uniform", "uniform"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_run_is_a_configuration_that_gin_takes(preset):
    from mvhg_tf.clustering import train  # noqa: F401
    from mvhg_tf.runs import gin_config

    for job in make_jobs(preset):
        for step in job.steps:
            files = [gin_file_path(step.arguments["config"])]
            with gin_config.configured(files, step.arguments["bindings"]):
                assert gin.query_parameter("data.version") == job.settings["version"]
                seed = gin.query_parameter("cluster.random_seed")
                assert seed == job.settings["seed"]


def test_data_take_the_place_of_the_presets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.npz").touch()
    named, here = (make_jobs("cpu", data)[0] for data in ("digits", "digits.npz"))
    assert "data.source = 'digits'" in named.steps[0].arguments["bindings"]
    # Another working directory is no other study.
    path = str(tmp_path / "digits.npz")
    assert f"data.source = {path!r}" in here.steps[0].arguments["bindings"]


def test_missing_data_are_told_in_one_sentence(capsys):
    assert mvhg_reproduce.main(["clustering", "--data=nowhere", "--list"]) == 2
    assert capsys.readouterr().err.startswith(
        "mvhg_reproduce: --data is 'nowhere', but must be"
    )


ACCURACIES = {"uniform": 0.80, "categorical": 0.85, "hypergeometric": 0.90}


def result_of(prior, seed):
    """A made-up result: cluster 1 is class a, cluster 0 class b."""
    score = ACCURACIES[prior] + 0.01 * seed * (1 + seed * (prior == "categorical"))
    return {
        "accuracy": score,
        "nmi": score - 0.1,
        "ari": score - 0.2,
        "total_variation": 0.1,
        "class_of_cluster": [1, 0],
        "class_proportions": [0.25, 0.75],
        "learned_proportions": [0.65, 0.35],
        "assigned_proportions": [0.8, 0.2],
        "weights": [0.5, 0.5],
        "classes": ["a", "b"],
        "at_start": {"accuracy": 0.7, "nmi": 0.6, "ari": 0.5},
        "config": f"data.version = 'x'\nfit.epochs = 3\n# {prior}",
        "versions": {"keras": "3"},
    }


@pytest.fixture
def made_up(tmp_path):
    """The folder of a study whose 60 % version isn't done yet."""
    return write_jobs(tmp_path, seeds=(0, 1))


def write_jobs(tmp_path, seeds, versions=("uniform", "subsampled_80")):
    for job in make_jobs("smoke"):
        if job.settings["version"] not in versions or job.settings["seed"] not in seeds:
            continue
        folder = tmp_path / "jobs" / job.name
        for step in job.steps:
            path = folder / step.result
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(result_of(step.name, job.settings["seed"])))
            progress = Progress(job, str(folder))
            progress.write(step, finished=True, attempts=1, cpu_seconds=3.0)
    return tmp_path


def report_of(folder):
    flags = ["clustering", "--preset=smoke", f"--output_dir={folder}"]
    assert mvhg_reproduce.main([*flags, "--report"]) == 0
    return folder / "report"


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_report_has_table_2_beside_the_papers_numbers(made_up):
    rows = rows_of(report_of(made_up) / "table_2.csv")
    assert len(rows) == 9
    first = rows[0]
    assert first["version"] == "balanced" and first["score"] == "accuracy %"
    assert float(first["hypergeometric"]) == pytest.approx(90.5)
    assert float(first["start alone"]) == pytest.approx(70.0)
    assert float(first["paper: categorical"]) == 87.2
    assert rows[-1]["hypergeometric"] == ""  # not done yet
    assert float(rows[-1]["paper: hypergeometric"]) == 81.5


def test_the_report_pairs_seeds(made_up):
    rows = rows_of(report_of(made_up) / "paired_tests.csv")
    beside_uniform, beside_categorical = rows[0], rows[1]
    assert float(beside_uniform["difference"]) == pytest.approx(10.0)
    assert beside_uniform["p (t)"] == ""  # the same difference for both seeds
    # Differences of 5 and 4: t = 4.5 / 0.5 with one degree of freedom, whose law is
    # Cauchy's.
    assert float(beside_categorical["difference"]) == pytest.approx(4.5)
    assert float(beside_categorical["p (t)"]) == pytest.approx(0.0704, abs=1e-4)
    assert float(beside_categorical["p (Wilcoxon)"]) == pytest.approx(0.5)


def test_the_report_says_what_is_reached(made_up):
    (row,) = rows_of(report_of(made_up) / "targets.csv")
    assert row["measured"] == "90.5 % (hypergeometric, 2 seeds)"
    assert row["reached"] == "yes"
    page = (made_up / "report" / "report.md").read_text()
    assert "4 of 6 jobs are finished" in page
    assert "data.version = (of the job)" in page


def test_a_study_whose_targets_are_not_measured_yet_has_a_report(tmp_path):
    folder = report_of(write_jobs(tmp_path, (0,), versions=("subsampled_80",)))
    assert not (folder / "targets.csv").exists()
    page = (folder / "report.md").read_text()
    assert "What it was to show" not in page and "Table 2" in page


def test_distances_are_of_classes(made_up):
    rows = rows_of(report_of(made_up) / "total_variation.csv")
    assert float(rows[0]["of weights"]) == pytest.approx(0.25)
    assert float(rows[0]["of assigned shares"]) == pytest.approx(0.05)
    assert (made_up / "report" / "figure_3.png").is_file()


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_one_seed_has_no_spread(tmp_path, seeds):
    folder = report_of(write_jobs(tmp_path, seeds))
    page = (folder / "report.md").read_text()
    several = len(seeds) > 1
    assert ("Each number is of one seed." in page) is not several
    assert ("bars are one standard deviation" in page) is several
    row = rows_of(folder / "table_2.csv")[0]
    assert (row["hypergeometric (deviation)"] != "") is several


def test_the_papers_table_is_whole():
    assert len(TABLE_2) == 27
    # Hypergeometric is the paper's best on the 60 % version in every score.
    for key in ("accuracy", "nmi", "ari"):
        means = {prior: TABLE_2["subsampled_60", prior, key].mean for prior in PRIORS}
        assert max(means, key=means.get) == "hypergeometric"


@pytest.mark.slow
def test_a_job_of_the_smoke_preset_runs_to_its_scores(tmp_path):
    flags = ["clustering", "--preset=smoke", f"--output_dir={tmp_path}"]
    assert mvhg_reproduce.main([*flags, "--shard=6/6"]) == 0
    job = make_jobs("smoke")[-1]
    for step in job.steps:
        result = json.loads((tmp_path / "jobs" / job.name / step.result).read_text())
        assert 0 < result["accuracy"] < 1
    assert mvhg_reproduce.main([*flags, "--shard=6/6", "--report"]) == 0
    assert len(rows_of(tmp_path / "report" / "table_2.csv")) == 9
