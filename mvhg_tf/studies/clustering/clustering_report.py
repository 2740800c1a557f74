"""The report of the clustering study: what it measured, beside the paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from mvhg_tf.clustering import figures
from mvhg_tf.studies.clustering import clustering_paper, clustering_targets
from mvhg_tf.studies.clustering.clustering_scores import (
    SCORES,
    ClusteringResults,
    by_class,
)
from mvhg_tf.studies.clustering.clustering_study import (
    CHOICES,
    CHOSEN,
    FREE,
    MAIN,
    PRIORS,
    WEIGHED,
    WEIGHED_FREE,
    WEIGHED_PRIORS,
    WEIGHTS,
    weighed_run,
)
from mvhg_tf.studies.jobs import report_files
from mvhg_tf.studies.jobs.job import Job
from mvhg_tf.studies.jobs.report_parts import (
    Chart,
    Listing,
    Part,
    Section,
    Spread,
    Table,
    spread_of,
)
from mvhg_tf.studies.legends import legend_below

_TITLES = {
    "uniform": "balanced",
    "subsampled_80": "half of the classes at 80 %",
    "subsampled_60": "half of the classes at 60 %",
}
_PER_JOB = re.compile(r"^(data\.version|cluster\.random_seed) = .*$", re.MULTILINE)


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
    results = ClusteringResults(preset, jobs, output_directory)
    return report_files.write_of_study(
        preset,
        f"The clustering study, preset {preset}",
        _lead(results),
        (make(results) for make in _SECTIONS),
        output_directory,
    )


def _lead(results: ClusteringResults) -> str:
    config = results.preset.config
    return f"""
VaDE with three priors over the sizes of its clusters, on three versions of a data set:
balanced, and with half of its classes cut down to 80 % or 60 % (section 5.3 and
appendix C.3 of Sutter et al., "Learning Group Importance using the Differentiable
Hypergeometric Distribution", ICLR 2023). Trained by `gin_configs/{config}`, without
labels; all scores are of a test part. The runs of a version and a seed share their
split, their pretraining and their start, and differ in the prior alone.

{results.study.progress_sentence()} {results.study.spread_sentence()}
"""


def _table_2(results: ClusteringResults) -> Section:
    rows = []
    for version in results.versions:
        for key, title in SCORES.items():
            ours = [results.spread(version, prior, key) for prior in PRIORS]
            theirs = [clustering_paper.TABLE_2[version, prior, key] for prior in PRIORS]
            start = results.at_start(version, key)
            rows.append([_TITLES[version], title, start, *ours, *theirs])
    header = ["version", "score", "start alone", *PRIORS]
    return Section(
        "Table 2: scores of the clusters",
        [
            "The paper trained on all of MNIST for 1000 epochs from weights that Jiang "
            "et al. had selected; its numbers are means over 5 runs. The start alone "
            "is what pretraining gives, before any prior has a say.",
            Table(
                "table_2", [*header, *(f"paper: {prior}" for prior in PRIORS)], rows, 1
            ),
        ],
    )


def _paired(results: ClusteringResults) -> Section:
    rows = [
        [_TITLES[version], rival, *_test(results.differences(version, rival))]
        for version in results.versions
        for rival in PRIORS
        if rival != "hypergeometric"
    ]
    return Section(
        "Is the hypergeometric prior more accurate?",
        [
            "Differences in accuracy to another prior, in points, seed by seed. Both "
            "runs of a seed share split and start, so the test is paired: Student's t, "
            "and Wilcoxon's signed ranks, whose p of 5 seeds can't be below 0.0625; "
            "both two-sided. A positive difference speaks for the hypergeometric "
            "prior.",
            Table(
                "paired_tests",
                ["version", "beside", "difference", "p (t)", "p (Wilcoxon)"],
                rows,
                3,
            ),
        ],
    )


def _test(differences: Sequence[float]) -> list[Spread | float | None]:
    """Mean difference, and the p values of both tests where they have one."""
    if len(differences) < 2 or np.ptp(differences) < 1e-9:
        # Of equal differences the t statistic is infinite or 0 / 0.
        return [spread_of(differences), None, None]
    t_test = stats.ttest_1samp(differences, 0.0).pvalue
    wilcoxon = stats.wilcoxon(differences).pvalue
    return [spread_of(differences), float(t_test), float(wilcoxon)]


def _proportions(results: ClusteringResults) -> Section:
    rows = [
        [
            _TITLES[version],
            prior,
            results.spread(version, prior, "total_variation"),
            *(
                spread_of(results.distances(version, prior, key))
                for key in ("weights", "assigned_proportions")
            ),
        ]
        for version in results.versions
        for prior in PRIORS
    ]
    parts: list[Part] = [
        "Half the sum of the differences between learned and true proportions of the "
        "classes (total variation): of the proportions that the prior expects, of its "
        "weights, scaled to the sum 1, and of the shares of the training part that are "
        "assigned to the clusters. A hypergeometric prior's weights exaggerate "
        "imbalance; the shares that it expects of a batch are the mean of the "
        "distribution. The uniform prior learns neither.",
        Table(
            "total_variation",
            ["version", "prior", "of proportions", "of weights", "of assigned shares"],
            rows,
            3,
        ),
    ]
    figure = _figure_3(results)
    if figure is not None:
        parts.append(
            Chart(
                "figure_3",
                figure,
                "True proportions of the classes, those that the hypergeometric prior "
                "learned for the clusters named after them (the paper's Figure 3), "
                "and the shares that are assigned to these clusters"
                f"{results.study.bars}.",
            )
        )
    return Section("Figure 3: learned and true proportions", parts)


def _figure_3(results: ClusteringResults) -> Figure | None:
    shown = {}
    for version in results.versions:
        of_jobs = [
            results.study.of(job, "hypergeometric") for job in results.jobs(version)
        ]
        if known := [result for result in of_jobs if result]:
            shown[version] = known
    if not shown:
        return None
    figure = Figure(figsize=(5 * len(shown), 3.6), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axis, (version, known) in zip(axes, shown.items(), strict=True):
        runs = {
            "true": np.array([result["class_proportions"] for result in known]),
            "learned": np.array([by_class(x, "learned_proportions") for x in known]),
            "assigned": np.array([by_class(x, "assigned_proportions") for x in known]),
        }
        means = {name: values.mean(axis=0) for name, values in runs.items()}
        spreads = {}
        if len(known) > 1:
            spreads = {
                name: runs[name].std(axis=0, ddof=1) for name in ("learned", "assigned")
            }
        figures.draw_proportions(axis, means, known[0]["classes"], spreads)
        axis.set(title=_TITLES[version], xlabel="class")
    legend_below(figure, axes[0])
    return figure


def _choices(results: ClusteringResults) -> Section | None:
    if not results.preset.comparison_seeds:
        return None
    rows = [
        [
            _TITLES[version],
            ", ".join(line.partition(".")[2] for line in CHOICES.get(run, ()))
            or "the defaults",
            *(results.spread(version, run, key, CHOSEN) for key in SCORES),
            results.spread(version, run, "total_variation", CHOSEN),
        ]
        for version in results.versions
        for run in ("hypergeometric", *CHOICES)
    ]
    header = ["version", "hypergeometric prior", *SCORES.values(), "total variation"]
    return Section(
        "What the paper leaves open of the hypergeometric prior",
        [
            "Group sizes m, what p(c) is the probability of, and how the sizes of a "
            "batch are counted; see `HypergeometricPrior`. All start alike.",
            Table("choices", header, rows, 2),
        ],
    )


def _weights(results: ClusteringResults) -> Section | None:
    if not results.preset.comparison_seeds:
        return None
    rows = [
        [
            _TITLES[version],
            start,
            prior,
            *(
                results.spread(version, weighed_run(prior, weight), "accuracy", group)
                for weight in WEIGHTS
            ),
            results.spread(version, "uniform", "accuracy", group),
        ]
        for version in results.versions
        for group, start in ((WEIGHED, "as configured"), (WEIGHED_FREE, "of any size"))
        for prior in WEIGHED_PRIORS
    ]
    header = ["version", "start", "prior", *(f"weight {w}" for w in WEIGHTS), "uniform"]
    return Section(
        "How much the prior counts",
        [
            "Accuracy in percent. The ELBO has a batch's log p(c) once, divided by its "
            "128 samples: weight 1. At 128, each sample's terms have the whole of it "
            "beside them, a reading of the paper under which its priors differ. "
            '"sizes": the hypergeometric prior with probability_of = "sizes". The '
            "runs of a version, a start and a seed start alike.",
            Table("weights", header, rows, 1),
        ],
    )


def _starts(results: ClusteringResults) -> Section | None:
    if not results.preset.comparison_seeds:
        return None
    rows = [
        [
            _TITLES[version],
            title,
            results.at_start(version, "accuracy", group),
            *(results.spread(version, prior, "accuracy", group) for prior in PRIORS),
        ]
        for version in results.versions
        for group, title in ((MAIN, "as configured"), (FREE, "of any size"))
    ]
    return Section(
        "How the clusters start",
        [
            "Accuracy in percent, from the configured start, and from one by "
            "scikit-learn's Gaussian mixture, whose clusters may have any size.",
            Table("starts", ["version", "start", "start alone", *PRIORS], rows, 1),
        ],
    )


def _cost(results: ClusteringResults) -> Section:
    first = next(iter(PRIORS))
    rows = [
        [
            _TITLES[version],
            *(
                spread_of(
                    results.study.seconds(job, run, "cpu_seconds")
                    for job in results.jobs(version)
                )
                for run in PRIORS
            ),
        ]
        for version in results.versions
    ]
    parts: list[Part] = [
        "Processor seconds of a run that was done at one go. The first prior's have "
        "the pretraining in them; all have the evaluation and the figures.",
        Table("cost", ["version", *PRIORS], rows, 0),
    ]
    if machines := results.study.machines(first):
        parts.append(f"The runs were on: {'; '.join(machines)}.")
    return Section("Cost", parts)


def _settings(results: ClusteringResults) -> Section:
    parts: list[Part] = []
    for run in PRIORS:
        known = results.any_result(run)
        if known:
            text = _PER_JOB.sub(r"\1 = (of the job)", known["config"])
            parts.append(Listing(f"{run}: operative gin configuration", text))
    if versions := results.any_result(next(iter(PRIORS))).get("versions"):
        made_with = ", ".join(f"{name} {version}" for name, version in versions.items())
        parts.append(f"Made with {made_with}.")
    return Section("Settings", parts)


_SECTIONS = (
    clustering_targets.section,
    _table_2,
    _paired,
    _proportions,
    _choices,
    _weights,
    _starts,
    _cost,
    _settings,
)
