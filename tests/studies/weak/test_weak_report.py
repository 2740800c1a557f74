"""The weakly supervised study's report, of made-up studies with numbers by hand."""

import csv
import json
import math
import os
import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mvhg_tf.programs import mvhg_reproduce
from mvhg_tf.studies.jobs.job import Progress
from mvhg_tf.studies.jobs.report_parts import Spread
from mvhg_tf.studies.weak import comparisons, weak_figures, weak_paper, weak_targets
from mvhg_tf.studies.weak.weak_scores import LABELS, WeakScores, read_scalars
from mvhg_tf.studies.weak.weak_study import COUNTS, PAPER_PROTOCOL, make_jobs


def counts(k, k_hats, **others):
    """A result of the counting metric of pairs that differ in k factors."""
    table = np.zeros([8, 11], int)
    np.add.at(table, (k, k_hats), 1)
    errors = np.square(np.subtract(k_hats, k))
    return {
        "k": np.mean(k),
        "k_hat": np.mean(k_hats),
        "s_hat": 10 - np.mean(k_hats),
        "mse_latent_space": np.mean(errors),
        "confusion": table.tolist(),
        "unconverged_fits": 0,
        **others,
    }


def write_job(
    folder, name, results, seconds=1.0, attempts=1, preset="cpu", model_name="a"
):
    """Leaves a job's finished steps as a run does; a result may be torn text."""
    [job] = [job for job in make_jobs(preset) if job.name == name]
    place = job.folder(folder)
    os.makedirs(place)
    progress = Progress(job, place)
    for step in job.steps:
        if step.name not in results:
            continue
        path = os.path.join(place, step.result)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if step.name == "train":
            gin = os.path.join(place, "model", "results", "gin")
            os.makedirs(gin)
            with open(os.path.join(gin, "train.gin"), "w") as file:
                file.write(
                    f"model.name = '{model_name}'\n"
                    f"dynamics.k = {job.settings['k']}\n"
                    f"model.random_seed = {job.settings['seed']}\n"
                )
        result = results[step.name]
        with open(path, "w") as file:
            file.write(result if isinstance(result, str) else json.dumps(result))
        progress.write(step, attempts=attempts, finished=True, cpu_seconds=seconds)
    return job


def write_counts(folder, name, result, **flags):
    """A job of which only the counting metric is left to be looked at."""
    results = {"train": {}, "postprocess": {}, "mig": {}, "dci": {}, COUNTS: result}
    return write_job(folder, name, results, **flags)


def write_events(folder, tag, values):
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step, value in values.items():
            tf.summary.scalar(tag, value, step=step)
            tf.summary.scalar("other", -1.0, step=step)
    writer.close()


def report_of(folder, preset="cpu"):
    flags = ["weak", f"--preset={preset}", f"--output_dir={folder}", "--report"]
    assert mvhg_reproduce.main(flags) == 0
    return (folder / "report" / "report.md").read_text(encoding="utf-8")


def rows_of(folder, name, **columns):
    """The rows of a CSV file of the report whose columns are as given."""
    path = folder / "report" / f"{name}.csv"
    with open(path, encoding="utf-8", newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if all(row[key] == value for key, value in columns.items())
        ]


@pytest.fixture(scope="module")
def part_finished(tmp_path_factory):
    """The folder of a cpu study, part finished, with its report."""
    folder = tmp_path_factory.mktemp("study")
    accuracies = {"shared_accuracy": 0.5, "independent_accuracy": 0.25}
    for seed, (k_hats, error) in enumerate(
        (([3, 4, 4, 4], 1.0), ([4, 4, 4, 5], 2.0), ([4], 6.0))
    ):
        result = counts(4, k_hats, **accuracies) | {"mse_latent_space": error}
        write_counts(folder, f"hgvae_s3_seed{seed}", result)
    write_counts(folder, "hgvae_s5_seed0", counts(2, [1]))
    write_counts(folder, "labelvae_s1_seed0", counts(6, [1]), seconds=10.0)
    write_counts(folder, "labelvae_s1_seed1", counts(6, [1]), seconds=30.0)
    write_counts(folder, "labelvae_s1_seed2", counts(6, [1]), seconds=2.0, attempts=2)
    write_counts(folder, "hgvae_s1_seed0", counts(6, [1]), seconds=50.0)
    losses = {"hgvae_tau0.1_lr0.0003_s3_seed0": 5.0, "hgvae_gumbel_s3_seed0": 7.0}
    for name, loss in losses.items():
        write_job(folder, name, {"train": {"loss": loss}})
    for group, k_hats in (
        ("hgvae", (1, 2, 3, 4)),
        ("hgvae_gumbel", (9, 8, 7, 6)),
    ):
        path = folder / "jobs" / f"{group}_s3_seed0" / "model" / "tensorboard"
        values = {50 * (index + 1): k_hat for index, k_hat in enumerate(k_hats)}
        write_events(path, "k_hat", values)
    report_of(folder)
    return folder


def test_cells_are_means_over_the_seeds_that_are_in_or_empty(part_finished):
    text = (part_finished / "report" / "report.md").read_text(encoding="utf-8")
    total = len(make_jobs("cpu"))
    assert f"8 of {total} jobs are finished and 2 are started" in text
    assert "| AdaVAE |  |  |  |  |  |" in text
    assert "not all trained" not in text
    [row] = rows_of(part_finished, "mse_latent_space", method="HGVAE")
    assert float(row["s = 3"]) == 3.0
    assert float(row["s = 3 (deviation)"]) == pytest.approx(math.sqrt(7))
    assert row["s = 3 (count)"] == "3"
    assert (row["s = 5"], row["s = 5 (deviation)"], row["s = 5 (count)"]) == (
        *("1.0", "", "1"),
    )
    assert (row["s = 0"], row["mixed"]) == ("", "")
    assert "| HGVAE |  | 25.00 | 3.00 ± 2.65 | 1.00 |  |" in text


def test_paper_stands_beside_ours(part_finished):
    ours, paper = rows_of(part_finished, "table_1", method="HGVAE")
    assert (ours["s = 3, S"], ours["s = 3, I"]) == ("0.5", "0.25")
    assert (paper["s = 3, S"], paper["s = 3, I"]) == ("0.08", "0.28")
    assert paper["s = 3, I (deviation)"] == "0.01"
    assert "s = 0, S" not in paper


def test_confusion_is_over_seeds_and_all_s(part_finished):
    _, of_3, of_5 = rows_of(part_finished, "confusion", method="HGVAE")
    assert (of_5["s, latent space"], of_5["s, factor space"]) == ("8", "5")
    assert float(of_5["ŝ = 9"]) == 100.0
    shares = [float(of_3[f"ŝ = {10 - k}"]) for k in range(11)]
    np.testing.assert_allclose(shares, np.eye(11)[[3, *[4] * 7, 5]].mean(0) * 100)


def test_run_times_are_ratios_of_runs_at_one_go(part_finished):
    table = "table_3_processor"
    seconds, label, paper = rows_of(part_finished, table, method="LabelVAE")
    assert (seconds["s = 1"], label["s = 1"], label["s = 1 (count)"]) == (
        *("20.0", "1.0", "2"),
    )
    assert float(label["s = 1 (deviation)"]) == pytest.approx(math.sqrt(0.5))
    assert (paper["s = 1"], paper["s = 0"]) == ("1.0", "")
    ours, of_paper = rows_of(part_finished, table, method="HGVAE")
    assert (ours["s = 1"], ours["s = 5"]) == ("2.5", "")
    assert float(of_paper["s = 1"]) == pytest.approx(22241.0 / 21761.1)
    [wall] = rows_of(part_finished, "table_3_wall", method="HGVAE", source="measured")
    assert set(wall.values()) == {"HGVAE", "measured", ""}


def test_ablation_stands_at_its_place(part_finished):
    rows = rows_of(part_finished, "figure_13")
    assert len(rows) == 9
    for row in rows:
        place = float(row["final temperature"]), float(row["learning rate"])
        expected = {(0.1, 3e-4): "5.0", (0.01, 1e-3): "7.0"}.get(place, "")
        assert row["loss"] == expected


def test_convergence_is_of_shared_latents_by_estimator(part_finished):
    mean, gumbel = rows_of(part_finished, "convergence", s="3")
    parts = ("ŝ after 1/4", "1/2", "3/4", "all of it", "s, latent space")
    assert [mean[part] for part in parts] == ["9.0", "8.0", "7.0", "6.0", "6"]
    assert [gumbel[part] for part in parts] == ["1.0", "2.0", "3.0", "4.0", "6"]


def test_fixed_pairs_have_a_table_of_their_own(tmp_path):
    done = {name: {} for name in ("train", "postprocess", "mig", "dci")}
    scores = {"shared_accuracy": 0.75, "independent_accuracy": 0.5}
    results = done | {
        PAPER_PROTOCOL: scores,
        COUNTS: counts(2, [3, 3], shared_accuracy=0.25),
    }
    write_job(tmp_path, "adavae_fixed_s5_seed1", results)
    report_of(tmp_path)
    table = "fixed_table_1"
    ours, paper, printed = rows_of(tmp_path, table, method="AdaVAE")
    assert (ours["source"], ours["s = 5, S"], ours["s = 5, I"]) == (
        *("matched", "0.25", ""),
    )
    assert (paper["s = 5, S"], paper["s = 5, I"], paper["s = 3, I"]) == (
        *("0.75", "0.5", ""),
    )
    assert (printed["s = 5, S"], printed["s = 3, I"]) == ("0.33", "0.22")
    [row] = rows_of(tmp_path, "fixed_counts", method="AdaVAE", score="estimate ŝ")
    assert (row["s = 1"], row["s = 5"]) == ("", "7.0")
    # They are not of the table of pairs that are drawn anew.
    [row] = rows_of(tmp_path, "mse_latent_space", method="AdaVAE")
    assert row["s = 5"] == ""


def test_networks_that_start_alive_have_a_table_of_their_own(tmp_path):
    done = {name: {} for name in ("train", "postprocess", "dci")}
    ours = counts(4, [3, 4], shared_accuracy=0.5)
    ours["confusion"] = np.asarray(ours["confusion"])[:, :8].tolist()  # d = 7
    results = done | {"mig": {"discrete_mig": 0.25}, COUNTS: ours}
    write_job(tmp_path, "hgvae_he_s3_seed1", results)
    write_job(tmp_path, "hgvae_he_fixed_s3_seed0", results | {"mig": {}})
    write_counts(tmp_path, "hgvae_s3_seed0", counts(4, [6]))  # d = 10
    report_of(tmp_path)
    anew, fixed = rows_of(tmp_path, "alive", method="HGVAE", s="3")
    assert (anew["pairs"], anew["MSE of s"], anew["S"], anew["MIG"]) == (
        *("drawn anew", "0.5", "0.5", "0.25"),
    )
    assert (fixed["pairs"], fixed["S"], fixed["MIG"]) == ("fixed", "0.5", "")
    [ada] = rows_of(tmp_path, "alive", method="AdaVAE", s="3", pairs="fixed")
    assert ada["S"] == ""
    # They are not of the tables of the others, whose d is another.
    [row] = rows_of(tmp_path, "mse_latent_space", method="HGVAE")
    assert row["s = 3"] == "4.0"


def test_a_torn_result_counts_as_missing(tmp_path):
    write_counts(tmp_path, "hgvae_s1_seed0", '{"k_hat": 6', preset="smoke")
    text = report_of(tmp_path, "smoke")
    assert "Its numbers mean nothing" in text
    assert "0 of 6 jobs are finished and 1 are started" in text
    [row] = rows_of(tmp_path, "s_hat", method="HGVAE")
    assert set(row.values()) == {"HGVAE", ""}


def test_smoke_preset_has_a_report_without_comparisons(tmp_path):
    result = counts(6, [1], unconverged_fits=2)
    write_counts(tmp_path, "labelvae_s1_seed0", result, preset="smoke")
    text = report_of(tmp_path, "smoke")
    assert "1 of 6 jobs are finished" in text
    assert "Figure 13" not in text and "DCI" not in text
    assert "2 regressions of 1 jobs did not converge" in text
    assert "model.name = &#x27;a&#x27;" in text


def test_written_again_and_the_users_files_are_kept(tmp_path):
    write_counts(tmp_path, "labelvae_s1_seed0", counts(6, [1]), preset="smoke")
    first = report_of(tmp_path, "smoke")
    (tmp_path / "report" / "notes.md").write_text("mine")
    write_counts(tmp_path, "labelvae_s5_seed0", counts(2, [1]), preset="smoke")
    assert report_of(tmp_path, "smoke") != first
    assert (tmp_path / "report" / "notes.md").read_text() == "mine"


def test_other_settings_within_a_group_are_told(tmp_path):
    result = counts(6, [1])
    write_counts(tmp_path, "labelvae_s1_seed0", result, preset="smoke")
    write_counts(tmp_path, "hgvae_s1_seed0", result, preset="smoke")
    write_counts(tmp_path, "hgvae_s5_seed0", result, preset="smoke", model_name="b")
    text = report_of(tmp_path, "smoke")
    told = [line for line in text.splitlines() if "not all trained" in line]
    assert len(told) == 1 and "jobs of hgvae were" in told[0]
    listed = [line for line in text.splitlines() if line.startswith("<summary>")]
    assert len([line for line in listed if "hgvae: " in line]) == 2


def error_of(flags, capsys):
    assert mvhg_reproduce.main(["weak", "--report", *flags]) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_a_folder_without_the_study_is_told_in_a_line(tmp_path, capsys):
    flags = [f"--output_dir={tmp_path}"]
    assert f"{tmp_path} holds no job of this study" in error_of(flags, capsys)
    assert list(tmp_path.iterdir()) == []
    write_job(tmp_path, "hgvae_s1_seed0", {"train": {}}, preset="smoke")
    assert "holds a job of other settings" in error_of(flags, capsys)
    assert "leave one of them out" in error_of([*flags, "--list"], capsys)


class MadeUpScores:
    """Scores by key, group and s."""

    groups = ("labelvae", "adavae", "hgvae")
    shared = (0, 1)

    def __init__(self, **scores):
        self._scores = scores

    def spread(self, group, shared, step, key):
        value = self._scores.get(key, {}).get(group, (None, None))[shared]
        return None if value is None else Spread(value, None, 3)


MSE = {"labelvae": (36.0, 25.0), "adavae": (30.0, 20.0)}


@pytest.mark.parametrize(
    ("hgvae", "expected"),
    [
        ((29.0, 19.0), ["2 of 2 s", 3, "reached"]),
        ((29.0, 21.5), ["1 of 2 s", 3, "reached"]),  # one may be missed
        ((30.0, 21.5), ["0 of 2 s", 3, "missed, by up to 1.5"]),  # equal is not below
        ((30.0, 20.0), ["0 of 2 s", 3, "a tie, where more is wanted"]),
        ((29.0, None), ["1 of 2 s, 1 not measured", 3, None]),
        ((None, None), [None, None, None]),
    ],
)
def test_counting_target(hgvae, expected):
    scores = MadeUpScores(mse_latent_space=MSE | {"hgvae": hgvae})
    [_, *summary] = weak_targets.section(scores).parts[1].rows[0]
    assert summary == expected


@pytest.mark.parametrize(
    ("adavae", "result"), [(0.375, "reached"), (0.5, "reached"), (0.625, "missed")]
)
def test_independent_part_is_to_be_at_least_adavaes(adavae, result):
    accuracies = {"adavae": (adavae, adavae), "hgvae": (0.5, 0.5)}
    scores = MadeUpScores(independent_accuracy=accuracies)
    parts = weak_targets.section(scores).parts
    assert parts[1].rows[2][-1].startswith(result)
    margins = [row[-2] for row in parts[3].rows if row[0] == "I"]
    assert margins == [0.5 - adavae] * 2


@pytest.mark.parametrize(
    ("adavae", "result"), [(0.51, "reached"), (0.53, "missed by 0.01")]
)
def test_shared_part_may_be_a_little_lower_and_starts_at_one(adavae, result):
    accuracies = {"adavae": (9.0, adavae), "hgvae": (0.0, 0.5)}
    scores = MadeUpScores(shared_accuracy=accuracies)
    rows = weak_targets.section(scores).parts[3].rows
    assert [(row[1], row[-1]) for row in rows if row[0] == "S"] == [(1, result)]


def test_of_a_step_written_twice_the_later_value_counts(tmp_path):
    write_events(tmp_path, "k_hat", {50: 1.0, 100: 2.0, 150: 3.0})
    write_events(tmp_path, "k_hat", {100: 4.0, 200: 5.0})
    steps, values = read_scalars(str(tmp_path), "k_hat")
    assert steps.tolist() == [50, 100, 150, 200]
    assert values.tolist() == [1.0, 4.0, 3.0, 5.0]
    assert read_scalars(str(tmp_path / "none"), "k_hat") is None


def test_exact_and_merged_are_one_distribution_for_two_groups():
    assert comparisons.largest_difference(10) < 1e-5


def test_lines_of_a_figure_are_the_means_that_are_known():
    lines = {"HGVAE": [Spread(3.0, 0.5, 3), None, Spread(5.0)], "AdaVAE": [None] * 3}
    figure = weak_figures.metrics_figure((2, 4, 6), {"MIG": lines})
    [axis] = figure.axes
    drawn = {c.get_label(): c.lines[0].get_ydata().tolist() for c in axis.containers}
    assert drawn == {"HGVAE": [3.0, 5.0], "AdaVAE": []}


def test_a_legend_is_whole_and_names_every_line():
    groups = list(LABELS.values())
    lines = {group: [Spread(3.0), Spread(5.0)] for group in groups}
    for figure, names in (
        (weak_figures.metrics_figure((2, 4), {"MIG": lines}), groups),
        (
            weak_figures.counts_figure((2, 4), lines, lines, lines, 7, 10),
            ["$s$ in latent space", "$s$ in factor space", *groups],
        ),
    ):
        FigureCanvasAgg(figure).draw()
        [legend] = figure.legends
        assert sorted(x.get_text() for x in legend.get_texts()) == sorted(names)
        box, page = legend.get_window_extent(), figure.bbox
        assert page.x0 <= box.x0 and box.x1 <= page.x1
        assert not any(box.overlaps(axis.get_window_extent()) for axis in figure.axes)


def test_one_seed_has_no_bars(tmp_path):
    for name in ("labelvae_s1_seed0", "hgvae_s1_seed0"):
        write_counts(tmp_path, name, counts(6, [1, 2]), preset="smoke")
    text = report_of(tmp_path, "smoke")
    assert "Each number is of one seed" in text
    measured = re.sub(r"^.*\| paper.*$", "", text, flags=re.MULTILINE)
    assert "±" not in measured and "deviation" not in measured


def test_rows_of_counts_are_shares():
    shares = weak_figures.row_shares(np.array([[1, 3], [0, 0]]))
    np.testing.assert_array_equal(shares, [[0.25, 0.75], [np.nan, np.nan]])


def test_papers_table_1_has_no_shared_part_where_nothing_is_shared():
    columns = {(s, part) for _, s, part in weak_paper.TABLE_1}
    assert columns == {(s, part) for s in (0, 1, 3, 5) for part in "SI"} - {(0, "S")}


def test_first_is_the_first_seeds_job(tmp_path):
    write_counts(tmp_path, "hgvae_s3_seed1", counts(4, [3]))
    scores = WeakScores("cpu", make_jobs("cpu"), str(tmp_path))
    assert scores.first("hgvae", 3).name == "hgvae_s3_seed0"
    assert scores.number(scores.first("hgvae", 3), COUNTS, "k_hat") is None
