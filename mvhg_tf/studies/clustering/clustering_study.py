"""The clustering study (section 5.3, appendix C.3) as data: a list of jobs.

A job is a version of the data and a seed. Its steps are runs of `mvhg_cluster` that
differ in one choice, such as the prior. The first pretrains, the others start from
what it made, so that they differ in nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping, Sequence

from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.gin_files import gin_file_path
from mvhg_tf.studies.jobs.job import Job, Step

# In the order of the paper's Table 2; by name, their gin bindings.
PRIORS = {
    "uniform": ("vade.prior = @uniform_prior()",),
    "categorical": ("vade.prior = @categorical_prior()",),
    "hypergeometric": ("vade.prior = @hypergeometric_prior()",),
}
VERSIONS = ("uniform", "subsampled_80", "subsampled_60")
SEEDS = (0, 1, 2, 3, 4)
# What the paper leaves open of the hypergeometric prior, see its docstring.
CHOICES = {
    "data": ('hypergeometric_prior.group_sizes = "data"',),
    "small_groups": ("hypergeometric_prior.group_sizes = 26",),  # 2 B / K
    "sizes": ('hypergeometric_prior.probability_of = "sizes"',),
    "small_groups_sizes": (
        "hypergeometric_prior.group_sizes = 26",
        'hypergeometric_prior.probability_of = "sizes"',
    ),
    "sampled": ('hypergeometric_prior.counts = "sampled"',),
}
# How often log p(c) of a batch of 128, divided by it, counts in the loss. 1 is the
# ELBO's; 128 adds the whole of it to each sample's terms.
WEIGHTS = (1, 10, 128)
WEIGHED_PRIORS = {
    "categorical": PRIORS["categorical"],
    "hypergeometric": PRIORS["hypergeometric"],
    "sizes": (*PRIORS["hypergeometric"], *CHOICES["sizes"]),
}
MAIN = "main"  # the group of the jobs of Table 2
CHOSEN = "choices"  # of the hypergeometric prior with each of `CHOICES`
FREE = "free"  # of a start whose clusters may have any size
WEIGHED = "weights"  # of each prior with each of `WEIGHTS`
WEIGHED_FREE = "weights_free"  # the same from such a start
_RESULTS = os.path.join("results", "results.json")
_PRETRAINING_COST, _TRAINING_COST = 60.0, 20.0  # only their ratio matters


@dataclasses.dataclass(frozen=True)
class Preset:
    """How large a study is.

    Attributes:
      config: gin file, in `gin_configs`.
      data: what `data.source` is unless --data says otherwise.
      bindings: of every run.
      versions: of the data.
      seeds: of each version.
      comparison_seeds: of the prior's choices and weights, and of the free start.
    """

    config: str
    data: str = "mnist"
    bindings: tuple[str, ...] = ()
    versions: tuple[str, ...] = VERSIONS
    seeds: tuple[int, ...] = SEEDS
    comparison_seeds: tuple[int, ...] = ()


PRESETS = {
    "cpu": Preset(
        "clustering_mnist.gin",
        # The 10 000 test digits, split anew.
        bindings=('data.part = "test"', 'cluster.embedding = "pca"'),
        comparison_seeds=(0, 1, 2),
    ),
    "paper": Preset("clustering_mnist_paper.gin"),
    "smoke": Preset(
        "clustering_digits.gin",
        data="digits",
        bindings=(
            "vade.units = (16,)",
            "vade.latent_dim = 3",
            "pretrain.epochs = 5",
            "pretrain.starts = 2",
            "fit.epochs = 2",
            "fit.held_epochs = 1",
            'cluster.embedding = "pca"',
        ),
        seeds=(0, 1),
    ),
}


def make_jobs(preset_name: str, data: str | None = None) -> list[Job]:
    """The jobs of a preset; those of Table 2 come first.

    Args:
      preset_name: of `PRESETS`.
      data: `data.source`, instead of the preset's.

    Raises:
      UserError: if there are no such data.
    """
    preset = PRESETS[preset_name]
    source = preset.data if data is None else _checked_source(data)
    runs: dict[str, Mapping[str, tuple[str, ...]]] = {
        MAIN: PRIORS,
        CHOSEN: _chosen_runs(),
        FREE: PRIORS,
        WEIGHED: _weighed_runs(),
        WEIGHED_FREE: _weighed_runs(),
    }
    seeds = {MAIN: preset.seeds, CHOSEN: preset.comparison_seeds}
    return [
        _job(preset, source, group, version, seed, runs[group])
        for group in runs
        for seed in seeds.get(group, preset.comparison_seeds)
        for version in preset.versions
    ]


def _checked_source(source: str) -> str:
    """The source; a path as one that is right in every working directory."""
    from mvhg_tf.clustering.data import NAMES

    if source in NAMES:
        return source
    if not os.path.exists(source):
        raise UserError(
            f"--data is {source!r}, but must be {', '.join(NAMES)}, or the path of an "
            "npz file or of a folder with idx files: give one that is there."
        )
    return os.path.abspath(source)


def _chosen_runs() -> dict[str, tuple[str, ...]]:
    prior = PRIORS["hypergeometric"]
    changed = {name: (*prior, *lines) for name, lines in CHOICES.items()}
    return {"hypergeometric": prior, **changed}


def _weighed_runs() -> dict[str, tuple[str, ...]]:
    weighed = {
        weighed_run(name, weight): (*lines, f"vade.prior_weight = {weight}.0")
        for name, lines in WEIGHED_PRIORS.items()
        for weight in WEIGHTS
    }
    return {"uniform": PRIORS["uniform"], **weighed}


def weighed_run(prior: str, weight: int) -> str:
    """The name of the run of a prior of `WEIGHED_PRIORS` with a weight."""
    return f"{prior}_weight_{weight}"


def _job(
    preset: Preset,
    source: str,
    group: str,
    version: str,
    seed: int,
    runs: Mapping[str, tuple[str, ...]],
) -> Job:
    shared = [
        *preset.bindings,
        f"data.source = {source!r}",
        f"data.version = {version!r}",
        f"cluster.random_seed = {seed}",
    ]
    if group in (FREE, WEIGHED_FREE):
        shared.append('pretrain.init = "free"')
    first = next(iter(runs))
    steps = [
        Step(
            name,
            cluster,
            {
                "name": name,
                "config": preset.config,
                "bindings": [*shared, *lines],
                "start_of": "" if name == first else first,
            },
            os.path.join(name, _RESULTS),
            _TRAINING_COST + (_PRETRAINING_COST if name == first else 0.0),
        )
        for name, lines in runs.items()
    ]
    return Job(
        f"{group}_{version}_seed{seed}",
        tuple(steps),
        {"group": group, "version": version, "seed": seed},
    )


def cluster(
    folder: str, name: str, config: str, bindings: Sequence[str], start_of: str
) -> None:
    """Trains into `<folder>/<name>`; goes on with a training that was stopped.

    Args:
      folder: of the job.
      name: of the run.
      config: gin file, in `gin_configs`.
      bindings: of gin.
      start_of: the run of the job whose start is used, or "".
    """
    from mvhg_tf.clustering import train
    from mvhg_tf.runs.run_directory import AlreadyFinished

    start = os.path.join(folder, start_of, train.START) if start_of else ""
    # It may have been stopped before the study could note that it was finished.
    with contextlib.suppress(AlreadyFinished):
        train.train_with_gin(
            os.path.join(folder, name),
            gin_config_files=[gin_file_path(config)],
            gin_bindings=list(bindings),
            start=start,
        )
