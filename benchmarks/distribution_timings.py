"""What `benchmark distribution` measures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks import distribution_sizes, measuring, step_memory
from benchmarks.authors_code import MEMORY_BATCH, STEP_BATCH, Worker
from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.studies import machine, references, text_tables

GROUP_SIZES = (200.0, 200.0, 200.0)
TOTAL_COUNT = 180.0
NUM_DRAWS = 50_000
ESTIMATORS = ("gumbel_softmax", "mean")
COMPILERS = {"graph": False, "XLA": True}
# One parameter at a time departs from the base.
COST_BASE = {"c": 8, "m": 50, "n": 100, "B": 64}
COST_VALUES = {
    "c": (2, 8, 32, 128),
    "m": (10, 50, 200, 1000),
    "n": (25, 100, 300),
    "B": (1, 64, 1024),
}
GRAPH_CLASSES = (2, 8, 32, 128, 512)


def run(authors: Mapping[str, Worker], authors_memory: int | None, rounds: int) -> str:
    """Measures everything.

    Args:
      authors: the authors' code by what it is called, if it is to be compared with.
      authors_memory: the bytes that a step of it needs.
      rounds: measurements of each thing.

    Returns:
      The results, in Markdown.
    """
    with tqdm(unit="measurement") as progress:
        sections = [
            _step_section(authors, rounds, progress),
            _memory_section(authors_memory, progress),
            _draw_section(rounds, progress),
            _cost_section(rounds, progress),
            _graph_section(progress),
            distribution_sizes.other_urns_section(progress),
            distribution_sizes.great_totals_section(progress),
        ]
    versions = {f" PyTorch {worker.version()}." for worker in authors.values()}
    return (
        "# Benchmark of the distribution\n\n"
        "Written by `bin/benchmark distribution`. Each table is from one run, in which "
        f"its rows took turns. Times are medians of {rounds}. Machine: "
        f"{machine.description()}{''.join(versions)}\n\n" + "\n".join(sections)
    )


def make_step(
    group_sizes, total_count, batch_size: int, estimator: str, jit_compile: bool
) -> Callable[[], tf.Tensor]:
    """Returns a call that draws a batch and differentiates a loss of the draws.

    Args:
      group_sizes: `[c]`.
      total_count: number of draws n.
      batch_size: B urns with different weights.
      estimator: the gradient estimator.
      jit_compile: whether XLA compiles the step.
    """
    log_weights = np.random.default_rng(0).normal(size=(batch_size, len(group_sizes)))
    log_weights = tf.Variable(log_weights, dtype=tf.float32)
    step = _step_function(group_sizes, total_count, estimator, jit_compile)
    seeds = iter(range(2**31))
    return lambda: step(log_weights, tf.constant([0, next(seeds)]))


def _step_function(group_sizes, total_count, estimator, jit_compile):
    @tf.function(jit_compile=jit_compile)
    def step(log_weights, seed):
        with tf.GradientTape() as tape:
            tape.watch(log_weights)
            distribution = MultivariateFisherNoncentralHypergeometric(
                total_count,
                tf.constant(group_sizes, tf.float32),
                log_weights=log_weights,
                gradient_estimator=estimator,
            )
            loss = tf.reduce_sum(distribution.sample(seed=seed) ** 2)
        return tape.gradient(loss, log_weights)

    return step


def step_contestants() -> dict[str, Callable[[], float]]:
    """A draw and its backward pass, B = 256, by estimator and compiler."""

    def contestant(estimator, jit_compile):
        step = make_step(GROUP_SIZES, TOTAL_COUNT, STEP_BATCH, estimator, jit_compile)
        return lambda: measuring.seconds_of(step)

    return {
        f"{estimator}, {compiler}": contestant(estimator, jit_compile)
        for estimator in ESTIMATORS
        for compiler, jit_compile in COMPILERS.items()
    }


def memory_of_step(estimator: str, jit_compile: bool) -> int:
    """How many bytes more a step of B = 1024 needs than one of B = 1."""
    saved = dict(os.environ)
    os.environ.update(step_memory.ENVIRONMENT)  # The new processes inherit it.
    try:
        peaks = []
        for batch_size in (1, MEMORY_BATCH):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                job = pool.submit(_peak_of_step, batch_size, estimator, jit_compile)
                peaks.append(job.result())
    finally:
        os.environ.clear()
        os.environ.update(saved)
    return peaks[1] - peaks[0]


def _peak_of_step(batch_size, estimator, jit_compile) -> int:
    step = make_step(GROUP_SIZES, TOTAL_COUNT, batch_size, estimator, jit_compile)
    return step_memory.peak_during_call(lambda: step().numpy())


def draw_contestants() -> dict[str, Callable[[], float]]:
    """50 000 draws of one urn: ours, and SciPy class by class."""
    weights = (1.0, 5.0, 1.0)
    distribution = MultivariateFisherNoncentralHypergeometric(
        TOTAL_COUNT, GROUP_SIZES, weights=weights, gradient_estimator=None
    )
    seeds = iter(range(2**31))
    rng = np.random.default_rng(0)

    def ours(wrap):
        draw = wrap(lambda seed: distribution.sample(NUM_DRAWS, seed=seed))
        return lambda: measuring.seconds_of(lambda: draw(tf.constant([0, next(seeds)])))

    def scipy_draw():
        references.sample_merged_scipy(
            np.array(GROUP_SIZES, int), int(TOTAL_COUNT), weights, NUM_DRAWS, rng
        )
        return ()

    return {
        "eager": ours(lambda function: function),
        "graph": ours(tf.function),
        "XLA": ours(lambda function: tf.function(function, jit_compile=True)),
        "SciPy": lambda: measuring.seconds_of(scipy_draw),
    }


def cost_settings() -> Iterator[dict[str, int]]:
    """The base and its departures, each once."""
    seen = []
    for name, values in COST_VALUES.items():
        for value in values:
            setting = {**COST_BASE, name: value}
            if setting not in seen:
                seen.append(setting)
                yield setting


def cost_contestants(setting: Mapping[str, int]) -> dict[str, Callable[[], float]]:
    """What a user does with a batch of urns, in graph mode."""
    sizes = np.full(setting["c"], setting["m"], np.float32)
    log_weights = np.random.default_rng(0).normal(size=(setting["B"], setting["c"]))
    log_weights = tf.constant(log_weights, tf.float32)
    seed = tf.constant([0, 0])

    def make(estimator):
        return lambda value: MultivariateFisherNoncentralHypergeometric(
            float(setting["n"]), sizes, log_weights=value, gradient_estimator=estimator
        )

    draws = make(None)(log_weights).sample(seed=seed)
    calls = {
        "draw": lambda: make(None)(log_weights).sample(seed=seed),
        "draw + backward, mean": lambda: _gradient(
            lambda value: make("mean")(value).sample(seed=seed) ** 2, log_weights
        ),
        "draw + backward, gumbel_softmax": lambda: _gradient(
            lambda value: make("gumbel_softmax")(value).sample(seed=seed) ** 2,
            log_weights,
        ),
        "log_prob + gradient": lambda: _gradient(
            lambda value: make(None)(value).log_prob(draws), log_weights
        ),
    }
    functions = {name: tf.function(call) for name, call in calls.items()}
    return {
        name: lambda function=function: measuring.seconds_of(function)
        for name, function in functions.items()
    }


def _gradient(function, log_weights):
    with tf.GradientTape() as tape:
        tape.watch(log_weights)
        loss = tf.reduce_sum(function(log_weights))
    return tape.gradient(loss, log_weights)


def graph_size(num_classes: int, estimator: str) -> int:
    """Operations in the graph of a step, inner functions included."""
    step = _step_function([5.0] * num_classes, 10.0, estimator, jit_compile=False)
    graph = step.get_concrete_function(
        tf.TensorSpec([4, num_classes]), tf.TensorSpec([2], tf.int32)
    ).graph.as_graph_def()
    return len(graph.node) + sum(
        len(function.node_def) for function in graph.library.function
    )


def _step_section(authors, rounds, progress) -> str:
    contestants = step_contestants()
    for name, worker in authors.items():
        contestants[name] = worker.step_seconds
    times = measuring.medians(_counted(contestants, rounds, progress))
    baseline = min((times[name] for name in authors), default=0.0)
    rows = [
        (name, f"{1e3 * seconds:.1f}", f"{baseline / seconds:.1f}" if authors else "-")
        for name, seconds in times.items()
    ]
    return (
        "## A draw and its backward pass\n\n"
        f"B = {STEP_BATCH} urns of different weights, m = (200, 200, 200), n = 180, "
        "gradient of a sum of squared counts.\n\n"
        + text_tables.markdown_table(
            ("", "median, ms", "times as fast as the authors' faster"), rows
        )
    )


def _memory_section(authors_memory, progress) -> str:
    heading = "## Memory of one such step\n\n"
    if not step_memory.available():
        return heading + "Not measured: this system does not reset a process's peak.\n"
    needed = {}
    for estimator in ESTIMATORS:
        for compiler, jit_compile in COMPILERS.items():
            needed[f"{estimator}, {compiler}"] = memory_of_step(estimator, jit_compile)
            progress.update()
    if authors_memory:
        needed["the authors' PyTorch code"] = authors_memory
    rows = [
        (
            name,
            f"{size / 1e6:.1f}",
            f"{authors_memory / max(size, 1):.0f}" if authors_memory else "-",
        )
        for name, size in needed.items()
    ]
    return (
        heading
        + f"B = {MEMORY_BATCH}. The peak of the process's resident memory during the "
        "step, less that of a process whose step has B = 1. So what the frameworks "
        "themselves occupy does not count. Memory that a framework keeps for its next "
        "step counts. Medians of 5 steps, after two that load, trace and compile.\n\n"
        + text_tables.markdown_table(("", "MB", "times as little"), rows)
    )


def _draw_section(rounds, progress) -> str:
    times = measuring.medians(_counted(draw_contestants(), rounds, progress))
    rows = [
        (
            name,
            f"{1e3 * seconds:.1f}",
            f"{NUM_DRAWS / seconds / 1e6:.2f}",
            f"{times['SciPy'] / seconds:.2f}",
        )
        for name, seconds in times.items()
    ]
    return (
        f"## {NUM_DRAWS} draws of one urn\n\n"
        "m = (200, 200, 200), n = 180, weights (1, 5, 1). SciPy's "
        "`nchypergeom_fisher.rvs` is called class by class, with all the draws of one "
        "remaining count in one call. It merges the later classes, so its draws are "
        "not exact.\n\n"
        + text_tables.markdown_table(
            ("", "median, ms", "million draws a second", "times as fast as SciPy"), rows
        )
    )


def _cost_section(rounds, progress) -> str:
    rows = []
    for setting in cost_settings():
        times = measuring.medians(_counted(cost_contestants(setting), rounds, progress))
        rows.append([*setting.values(), *(f"{1e3 * t:.2f}" for t in times.values())])
    return (
        "## How the cost grows\n\n"
        "Median ms in graph mode; c groups of m elements, n drawn, B urns of different "
        "weights, one parameter varied at a time.\n\n"
        + text_tables.markdown_table((*setting, *times), rows)
    )


def _graph_section(progress) -> str:
    rows = []
    for num_classes in GRAPH_CLASSES:
        sizes = [graph_size(num_classes, estimator) for estimator in ESTIMATORS]
        rows.append((num_classes, *sizes))
        progress.update()
    return (
        "## Size of the graph\n\n"
        "Operations of a draw and its backward pass, inner functions included.\n\n"
        + text_tables.markdown_table(("c", *ESTIMATORS), rows)
    )


def _counted(contestants, rounds, progress) -> Iterator[tuple[str, float]]:
    for name, seconds in measuring.in_turns(contestants, rounds):
        yield name, seconds
        progress.update()
