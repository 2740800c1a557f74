"""The report of the weakly supervised study: what it measured, beside the paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mvhg_tf.studies import machine
from mvhg_tf.studies.jobs import report_files
from mvhg_tf.studies.jobs.job import Job
from mvhg_tf.studies.jobs.report_parts import (
    Cell,
    Chart,
    Listing,
    Part,
    Section,
    Spread,
    Table,
    spread_of,
)
from mvhg_tf.studies.weak import (
    alive_networks,
    comparisons,
    counts,
    fixed_pairs,
    weak_figures,
    weak_paper,
    weak_targets,
)
from mvhg_tf.studies.weak.weak_scores import LABELS, WeakScores
from mvhg_tf.studies.weak.weak_study import (
    COUNTS,
    METHODS,
    num_independent,
)
from mvhg_tf.studies.weak.weak_tables import (
    accuracies,
    accuracy_columns,
    accuracy_labels,
    by_shared,
    shared_label,
)

# What differs between the jobs of a group, in a gin file.
_PER_JOB = re.compile(r"^(dynamics\.k|model\.random_seed) = .*$", re.MULTILINE)
# Of Figure 11: the step, its key, and its name.
_METRICS = (
    ("mig", "discrete_mig", "MIG"),
    ("dci", "disentanglement", "DCI disentanglement"),
    ("dci", "completeness", "DCI completeness"),
    ("dci", "informativeness_test", "DCI informativeness"),
    (COUNTS, "linear_accuracy", "linear classifier, accuracy"),
)


def write_report(preset: str, jobs: Sequence[Job], output_directory: str) -> str:
    """Writes `<output_directory>/report`.

    Args:
      preset: a name of `study.PRESETS`.
      jobs: of the preset, or of a part of it, finished or not.
      output_directory: as the study was run with.

    Returns:
      The path of the HTML page.

    Raises:
      UserError: if there is no such study in the folder, or the report can't be
        written there.
    """
    scores = WeakScores(preset, jobs, output_directory)
    return report_files.write_of_study(
        preset,
        f"The weakly supervised study, preset {preset}",
        _lead(scores),
        (make(scores) for make in _SECTIONS),
        output_directory,
    )


def _lead(scores: WeakScores) -> str:
    return f"""
Pairs of images share s of seven factors, the other k = 7 - s differ (section 5.2 and
appendix C.2 of Sutter et al., "Learning Group Importance using the Differentiable
Hypergeometric Distribution", ICLR 2023). Three autoencoders are trained on them, which
differ in how they find the latents that a pair shares. "Mixed" pairs have a k of their
own each (k = -1). Trained by {_configs(scores)}.

{scores.results.progress_sentence()} {scores.results.spread_sentence()}
"""


def _configs(scores: WeakScores) -> str:
    """The gin files of the groups."""
    configs = scores.preset.configs
    return ", ".join(
        f"`gin_configs/{configs[group]}` ({LABELS[group]})" for group in configs
    )


def _accuracies(scores: WeakScores) -> Section:
    """Table 1."""
    columns = accuracy_columns(scores.preset.shared)
    rows: list[list[Cell]] = []
    for group in scores.groups:
        ours = accuracies(scores, group, COUNTS, columns)
        rows.append([LABELS[group], "measured", *ours])
        papers = [weak_paper.TABLE_1.get((group, *column)) for column in columns]
        if any(papers):
            rows.append([LABELS[group], "paper", *papers])
    header = accuracy_labels(columns)
    return Section(
        "Table 1: what the shared and the independent latents know",
        [
            "Adjusted balanced accuracy (0 is chance, 1 is perfect) of logistic "
            "regressions on the shared part (S) for the shared factors, and on the "
            "independent part (I) for the others; the paper's rows are its Table 1, "
            "on mpi3d_toy. Pairs of s = 0 have no shared factor.",
            Table("table_1", ["method", "source", *header], rows),
            _convergence_of_fits(scores),
        ],
    )


def _convergence_of_fits(scores: WeakScores) -> str:
    found = [
        scores.number(job, COUNTS, "unconverged_fits") for job in scores.results.jobs
    ]
    known = [int(count) for count in found if count is not None]
    if sum(known) == 0:
        return f"All regressions of the {len(known)} jobs that are in converged."
    return f"{sum(known)} regressions of {len(known)} jobs did not converge."


def _disentanglement(scores: WeakScores) -> Section:
    """Figure 11."""
    evaluated = {step.name for job in scores.results.jobs for step in job.steps}
    metrics = [metric for metric in _METRICS if metric[0] in evaluated]
    panels = {
        name: {
            LABELS[group]: [scores.spread(group, s, step, key) for s in scores.shared]
            for group in scores.groups
        }
        for step, key, name in metrics
    }
    parts: list[Part] = [
        "The paper's Figure 11 has no printed numbers to set beside.",
        Chart(
            "figure_11",
            weak_figures.metrics_figure(scores.shared, panels),
            "Disentanglement, and the adjusted balanced accuracy of linear classifiers "
            "of all factors, against the number of shared factors (the paper's "
            f"Figure 11){scores.results.bars}.",
        ),
    ]
    for step, key, name in metrics:
        parts += [f"{name}:", by_shared(scores, f"{step}_{key}", step, key)]
    return Section("Figure 11: disentanglement and a linear classifier", parts)


def _run_times(scores: WeakScores) -> Section:
    """Table 3."""
    parts: list[Part] = [
        "Of the training alone, as ratios to LabelVAE's mean at the same s; runs that "
        "were stopped and went on are left out. *Processor time* is what the training "
        "itself was given, and is the one to read where other jobs or programs ran on "
        "the same cores, as the jobs of this study do with `--jobs`. *Wall time* is "
        "the one to read of a machine that did nothing else, or of a GPU."
    ]
    for key, name in (("cpu_seconds", "processor"), ("seconds", "wall")):
        parts += [f"By {name} time:", _run_time_table(scores, key, name)]
    return Section("Table 3: run times", parts)


def _run_time_table(scores: WeakScores, key: str, name: str) -> Table:
    columns = scores.preset.shared
    labels = [spread_of(scores.seconds("labelvae", s, key)) for s in columns]
    rows: list[list[Cell]] = [["LabelVAE", "measured, seconds", *labels]]
    for group in scores.groups:
        ours = [
            None
            if label is None
            else spread_of(x / label.mean for x in scores.seconds(group, s, key))
            for label, s in zip(labels, columns, strict=True)
        ]
        rows.append([LABELS[group], "measured", *ours])
        if group in METHODS:
            papers = [_paper_ratio(group, num_independent(s)) for s in columns]
            rows.append([LABELS[group], "paper, wall time on a GTX 1080", *papers])
    header = ["method", "source", *map(shared_label, columns)]
    return Table(f"table_3_{name}", header, rows)


def _paper_ratio(group: str, k: int) -> Spread | None:
    label = weak_paper.TABLE_3.get(("labelvae", k))
    if label is None:
        return None
    time = weak_paper.TABLE_3[group, k]
    deviation = None if time.deviation is None else time.deviation / label.mean
    return Spread(time.mean / label.mean, deviation)


def _settings(scores: WeakScores) -> Section:
    parts: list[Part] = [
        "Each job's operative gin configuration is in its folder in [jobs](../jobs): "
        "`<job>/model/results/gin/train.gin`, those of its evaluations in "
        "`<job>/scores/<metric>/results/gin/evaluation.gin`. Here are those of "
        "the first job of each group; the others differ in `dynamics.k` and the seed."
    ]
    listings: dict[str, dict[str, Listing]] = {}
    for job in scores.results.jobs:
        if not scores.results.has(job, "train"):
            continue
        path = scores.results.path(job, "model", "results", "gin", "train.gin")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        group = job.settings["group"]
        listing = Listing(f"{group}: {job.name}", text)
        listings.setdefault(group, {}).setdefault(_PER_JOB.sub("", text), listing)
    for group, variants in listings.items():
        if len(variants) > 1:
            parts.append(
                f"**The jobs of {group} were not all trained with the same settings**; "
                "each kind is listed."
            )
        parts += variants.values()
    return Section("Settings", parts)


def _versions(scores: WeakScores) -> Section:
    versions = scores.results.versions(
        "model", "results", "json", "train_versions.json"
    )
    parts: list[Part] = []
    if versions:
        rows = list(versions.items())
        parts.append(Table("versions", ["package", "version of the trainings"], rows))
    if machines := scores.results.machines("train"):
        parts.append(f"The trainings ran on: {'; '.join(machines)}.")
    parts.append(f"This report was written on: {machine.description()}")
    return Section("Versions and machines", parts)


_SECTIONS = (
    weak_targets.section,
    counts.section,
    _accuracies,
    fixed_pairs.section,
    alive_networks.section,
    _disentanglement,
    comparisons.ablation,
    _run_times,
    comparisons.section,
    _settings,
    _versions,
)
