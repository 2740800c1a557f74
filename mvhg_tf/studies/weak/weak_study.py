"""The weakly supervised study (section 5.2, appendix C.2) as data: a list of jobs.

A job trains a model on pairs that share s of seven factors, post-processes it and
scores it. Its settings are its group (a row of the tables), s, k and the seed. The
study's groups are the methods, the paper's three on pairs that share the same factors
throughout, two that start alive and train longer, and what is compared with HGVAE.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mvhg_tf.studies.jobs import model_steps
from mvhg_tf.studies.jobs.job import Job

NUM_FACTORS = 7
SHARED = (0, 1, 3, 5)  # the paper's s
MIXED = "mixed"  # k = -1: each pair has its own s
METHODS = ("labelvae", "adavae", "hgvae")  # the paper's
FURTHER_METHODS = ("subsetvae", "drpmvae")
COUNTS = "shared_independent_downstream"  # the metric that counts latents
PAPER_PROTOCOL = "paper_protocol"  # the same metric by the paper's protocol
FIXED_SHARED = (1, 3, 5)  # of fixed pairs, and of what starts alive
ALIVE_METHODS = ("adavae", "hgvae")  # those of networks.start = "he"
_FIXED = ('dynamics.mode = "fixed"',)
REPRESENTATION, SCORES = "representation", "scores"  # folders of a job
# Rough seconds, for the time left: only their ratios matter.
_COSTS = {
    "train": 230.0,
    "train_alive": 690.0,
    "postprocess": 10.0,
    "mig": 15.0,
    "dci": 30.0,
    COUNTS: 40.0,
    PAPER_PROTOCOL: 40.0,
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """How large a study is.

    Attributes:
      configs: the methods' gin files, in `gin_configs`.
      bindings: of every training.
      metrics: gin files of the evaluations, in `gin_configs`.
      metric_bindings: of every evaluation.
      shared: the values of s.
      seeds: of the methods.
      comparisons: whether HGVAE's comparisons belong to it.
      fixed: whether pairs that share the first s factors throughout belong to it.
      alive: whether the methods that start alive belong to it.
    """

    configs: dict[str, str]
    bindings: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    metric_bindings: tuple[str, ...] = ()
    shared: tuple[int | str, ...] = (*SHARED, MIXED)
    seeds: tuple[int, ...] = (0, 1, 2)
    comparisons: bool = False
    fixed: bool = False
    alive: bool = False


_ARM3D = {method: f"{method}_arm3d.gin" for method in METHODS}
_QUICK_METRICS = tuple(f"metrics_quick/{name}.gin" for name in ("mig", "dci"))
PRESETS = {
    "paper": Preset(
        configs={method: f"{method}_mpi3d_paper.gin" for method in METHODS},
        metrics=tuple(f"metrics/{name}.gin" for name in ("mig", "dci", COUNTS)),
    ),
    "cpu": Preset(
        configs=_ARM3D
        | {"hgvae_paper": "hgvae_arm3d_paper.gin"}
        | {method: f"{method}_arm3d.gin" for method in FURTHER_METHODS},
        metrics=(*_QUICK_METRICS, f"metrics/{COUNTS}.gin"),
        comparisons=True,
        fixed=True,
        alive=True,
    ),
    "smoke": Preset(
        configs=_ARM3D,
        bindings=(
            "model.training_steps = 20",
            "model.eval_steps = 2",
            "model.batch_size = 8",
            "ExponentialAnnealing.num_steps = 15",
            "train.log_steps = 5",
            "train.checkpoint_steps = 10",
        ),
        metrics=("metrics_quick/mig.gin", f"metrics_quick/{COUNTS}.gin"),
        metric_bindings=(
            "mig.num_train = 200",
            f"{COUNTS}.num_train = 200",
            f"{COUNTS}.num_test = 100",
        ),
        shared=(1, 5),
        seeds=(0,),
    ),
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """HGVAE with something changed, to be seen beside HGVAE itself.

    Attributes:
      group: its name.
      bindings: what is changed.
      shared: the values of s.
    """

    group: str
    bindings: tuple[str, ...]
    shared: tuple[int, ...] = (3,)


FINAL_TEMPERATURES = (0.01, 0.1, 1.0)
LEARNING_RATES = (1e-4, 3e-4, 1e-3)


def ablation_group(final_temperature: float, learning_rate: float) -> str:
    """The group of a place in Figure 13's ablation."""
    if (final_temperature, learning_rate) == (0.01, 1e-3):
        return "hgvae_gumbel"  # which has these values anyway
    return f"hgvae_tau{final_temperature}_lr{learning_rate}"


# The paper's way to differentiate, for the temperature to matter: it falls in the
# first three quarters of the training, as beta does.
_GUMBEL = ('hgvae.gradient_estimator = "gumbel_softmax"',)
_ANNEALED = ("hgvae.temperature_steps = 1500",)
COMPARISONS = (
    Comparison("hgvae_dlib", ('dynamics.mode = "dlib"',), (1, 3, 5)),
    Comparison("hgvae_uncharged", ("hgvae.charge_subset = False",), (1, 3, 5)),
    Comparison("hgvae_gumbel", _GUMBEL + _ANNEALED, (1, 3, 5)),
    *(
        Comparison(
            ablation_group(tau, rate),
            (
                *_GUMBEL,
                *_ANNEALED,
                f"hgvae.final_temperature = {tau}",
                f"AdamOptimizer.learning_rate = {rate}",
            ),
        )
        for tau in FINAL_TEMPERATURES
        for rate in LEARNING_RATES
        if ablation_group(tau, rate) != "hgvae_gumbel"
    ),
)


def make_jobs(preset_name: str) -> list[Job]:
    """The jobs of a preset; those of the first seed come first."""
    preset = PRESETS[preset_name]
    jobs = [
        _job(preset, group, config, shared, seed)
        for seed in preset.seeds
        for shared in preset.shared
        for group, config in preset.configs.items()
        # The paper has no row of its own settings on mixed pairs.
        if (group, shared) != ("hgvae_paper", MIXED)
    ]
    further = (_fixed(preset), _alive(preset), _comparisons(preset))
    return [*jobs, *itertools.chain.from_iterable(further)]


def fixed_group(method: str) -> str:
    """The group of a method on pairs that share the first s factors."""
    return f"{method}_fixed"


def alive_group(method: str) -> str:
    """The group of a method whose networks start alive."""
    return f"{method}_he"


def alive_config(method: str) -> str:
    """Its gin file, in `gin_configs`."""
    return f"{method}_arm3d_he.gin"


def _fixed(preset: Preset) -> Iterator[Job]:
    if not preset.fixed:
        return
    for seed, shared, method in itertools.product(preset.seeds, FIXED_SHARED, METHODS):
        group, config = fixed_group(method), preset.configs[method]
        yield _job(preset, group, config, shared, seed, _FIXED, by_paper=True)


def _alive(preset: Preset) -> Iterator[Job]:
    if not preset.alive:
        return
    for seed, shared, method in itertools.product(
        preset.seeds, FIXED_SHARED, ALIVE_METHODS
    ):
        group, config = alive_group(method), alive_config(method)
        for name, changes in ((group, ()), (fixed_group(group), _FIXED)):
            cost = _COSTS["train_alive"]
            yield _job(preset, name, config, shared, seed, changes, cost=cost)


def _comparisons(preset: Preset) -> Iterator[Job]:
    if not preset.comparisons:
        return
    for comparison in COMPARISONS:
        for shared in comparison.shared:
            yield _job(
                preset,
                comparison.group,
                preset.configs["hgvae"],
                shared,
                preset.seeds[0],
                comparison.bindings,
            )


def num_independent(shared: int | str) -> int:
    """The k of pairs of an s; -1 of mixed ones."""
    return -1 if isinstance(shared, str) else NUM_FACTORS - shared


def _job(
    preset: Preset,
    group: str,
    config: str,
    shared: int | str,
    seed: int,
    changes: Sequence[str] = (),
    by_paper: bool = False,
    cost: float = _COSTS["train"],
) -> Job:
    """A job; `by_paper` scores it by the paper's protocol too.

    Its training has `cost`, in the units of `_COSTS`.
    """
    k = num_independent(shared)
    dynamics = [f"dynamics.k = {k}"]
    # The counts are of pairs as those of the training.
    dynamics_mode = [line for line in changes if line.startswith("dynamics.")]
    steps = [
        model_steps.training(
            f"gin_configs/{config}",
            [
                *(line for line in preset.bindings if _belongs(line, group)),
                *changes,
                *dynamics,
                f"model.random_seed = {seed}",
            ],
            cost,
        ),
        model_steps.postprocessing(
            "postprocess",
            model_steps.MODEL,
            REPRESENTATION,
            "gin_configs/postprocess_mean.gin",
            [],
            _COSTS["postprocess"],
        ),
    ]
    evaluations = [(Path(path).stem, path, "") for path in preset.metrics]
    if by_paper:
        protocol = f'{COUNTS}.protocol = "paper"'
        evaluations.insert(0, (PAPER_PROTOCOL, f"metrics/{COUNTS}.gin", protocol))
    for name, path, change in evaluations:
        metric = Path(path).stem
        bindings = [x for x in preset.metric_bindings if x.startswith(f"{metric}.")]
        if metric == COUNTS:
            bindings += dynamics + dynamics_mode
        if change:
            bindings.append(change)
        steps.append(
            model_steps.evaluation(
                name,
                REPRESENTATION,
                os.path.join(SCORES, name),
                f"gin_configs/{path}",
                [f"evaluation.name = {name!r}", *bindings],
                _COSTS[name],
            )
        )
    label = shared if shared == MIXED else f"s{shared}"
    return Job(
        f"{group}_{label}_seed{seed}",
        tuple(steps),
        {"group": group, "shared": shared, "k": k, "seed": seed},
    )


def _belongs(binding: str, group: str) -> bool:
    """Whether a group's gin file has what is bound: some have a constant beta."""
    constant = group in ("labelvae", "adavae")
    return not (constant and binding.startswith("ExponentialAnnealing."))
