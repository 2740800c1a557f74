"""What `benchmark partition` measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks import measuring, partition_gradients
from benchmarks.authors_partition import Worker
from mvhg_tf import RandomPartition
from mvhg_tf.studies import machine, text_tables

BATCH_SIZE = 32
SETTINGS = [
    {"B": BATCH_SIZE, "n": n, "K": num_groups}
    for n in (10, 100, 1000)
    for num_groups in (2, 10)
]
# Of as many elements the authors' code makes n + 1 shift matrices of n x n, and their
# products with each group of each batch member: B K times 4 GB for a thousand.
MOST_FOR_AUTHORS = 100
# Matrices of n x n in double precision, a few of each batch member.
MOST_FOR_NEURAL_SORT = 100
ESTIMATORS = {
    "mean and race": ("mean", "race"),
    "gumbel_softmax and neural_sort": ("gumbel_softmax", "neural_sort"),
}
COMPILERS = {"graph": False, "XLA": True}
TASKS = {"draw": "A draw", "step": "A draw and its backward pass"}


def run(authors: Mapping[str, Worker], rounds: int) -> str:
    """Measures everything.

    Args:
      authors: the authors' code by what it is called, if it is to be compared with.
      rounds: measurements of each thing.

    Returns:
      The results, in Markdown.
    """
    with tqdm(unit="setting") as progress:
        sections = [_section(task, authors, rounds, progress) for task in TASKS]
        sections += [
            _probability_section(rounds, progress),
            partition_gradients.gradients_section(),
            partition_gradients.bounds_section(),
        ]
    versions = {f" PyTorch {worker.version()}." for worker in authors.values()}
    return (
        "# Benchmark of random partitions\n\n"
        "Written by `bin/benchmark partition`. Each row is from one run, in which its "
        f"entries took turns. Times are medians of {rounds} in ms. Batches of "
        f"B = {BATCH_SIZE} partitions of n elements into K groups, float32, standard "
        "normal scores and log-weights. Machine: "
        f"{machine.description()}{''.join(versions)}\n\n" + "\n".join(sections)
    )


def parameters(setting: Mapping[str, int]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """log_weights `[B, K]`, scores `[B, n]` and the loss's weights `[n, K]`."""
    random = np.random.default_rng(0)
    shapes = (
        (setting["B"], setting["K"]),
        (setting["B"], setting["n"]),
        (setting["n"], setting["K"]),
    )
    return tuple(tf.constant(random.normal(size=s), tf.float32) for s in shapes)


def make_call(
    task: str, setting: Mapping[str, int], estimators, jit_compile: bool
) -> Callable[[], object]:
    """Returns a call that draws a batch, or differentiates a loss of it as well.

    Args:
      task: `"draw"` or `"step"`.
      setting: B, n and K.
      estimators: of the gradients by sizes and by order.
      jit_compile: whether XLA compiles it.
    """
    log_weights, scores, weights = parameters(setting)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def call(log_weights, scores, seed):
        with tf.GradientTape() as tape:
            tape.watch([log_weights, scores])
            draws = RandomPartition(log_weights, scores, *estimators).sample(seed=seed)
            loss = tf.reduce_sum(weights * draws**2)
        if task == "draw":
            return draws
        return tape.gradient(loss, [log_weights, scores])

    seeds = iter(range(2**31))
    return lambda: call(log_weights, scores, tf.constant([0, next(seeds)]))


def contestants(task: str, setting: Mapping[str, int]) -> dict[str, Callable]:
    """Ours, by estimators and compiler. A draw is the same with all estimators."""
    result = {}
    for name, estimators in ESTIMATORS.items():
        relaxed = estimators[1] == "neural_sort"
        if relaxed and (task == "draw" or setting["n"] > MOST_FOR_NEURAL_SORT):
            continue
        for compiler, jit_compile in COMPILERS.items():
            call = make_call(task, setting, estimators, jit_compile)
            column = compiler if task == "draw" else f"{name}, {compiler}"
            result[column] = lambda call=call: measuring.seconds_of(call)
    return result


def _section(task, authors, rounds, progress) -> str:
    by_setting = []
    for setting in SETTINGS:
        runners = contestants(task, setting)
        if setting["n"] <= MOST_FOR_AUTHORS:
            for name, worker in authors.items():
                runners[name] = lambda worker=worker, setting=setting: worker.seconds(
                    task, setting
                )
        by_setting.append(measuring.medians(measuring.in_turns(runners, rounds)))
        progress.update()
    columns = list(by_setting[0])
    ours = [name for name in columns if name not in authors]
    rows = []
    for setting, times in zip(SETTINGS, by_setting, strict=True):
        row = [setting["n"], setting["K"]]
        row += [
            f"{1e3 * times[name]:.2f}" if name in times else "-" for name in columns
        ]
        theirs = [times[name] for name in authors if name in times]
        fastest = min(times[name] for name in ours if name in times)
        rows.append([*row, f"{min(theirs) / fastest:.0f}" if theirs else "-"])
    header = ("n", "K", *columns, "times as fast as the authors' faster")
    return f"## {TASKS[task]}\n\n" + text_tables.markdown_table(header, rows)


def _probability_section(rounds, progress) -> str:
    rows = []
    for setting in SETTINGS:
        log_weights, scores, _ = parameters(setting)
        draws = RandomPartition(log_weights, scores).sample(seed=[1, 2])

        def value(log_weights, scores, draws=draws):
            return RandomPartition(log_weights, scores).log_prob(draws)

        def slopes(log_weights, scores, value=value):
            with tf.GradientTape() as tape:
                tape.watch([log_weights, scores])
                result = value(log_weights, scores)
            return tape.gradient(result, [log_weights, scores])

        runners = {}
        for name, function in (("log_prob", value), ("log_prob + gradient", slopes)):
            for compiler, jit_compile in COMPILERS.items():
                call = tf.function(function, autograph=False, jit_compile=jit_compile)
                runners[f"{name}, {compiler}"] = (
                    lambda call=call, of=(log_weights, scores): measuring.seconds_of(
                        lambda: call(*of)
                    )
                )
        times = measuring.medians(measuring.in_turns(runners, rounds))
        rows.append(
            [setting["n"], setting["K"], *(f"{1e3 * t:.1f}" for t in times.values())]
        )
        progress.update()
    return (
        "## The exact probability\n\nThe authors' code has bounds only.\n\n"
        + text_tables.markdown_table(("n", "K", *times), rows)
    )
