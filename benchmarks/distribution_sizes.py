"""What `benchmark distribution` measures of urns of ever other and of great sizes."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import tensorflow as tf
from scipy import stats

from mvhg_tf.distributions import (
    FisherNoncentralHypergeometric,
    MultivariateFisherNoncentralHypergeometric,
)
from mvhg_tf.studies.text_tables import markdown_table

NUM_OTHER_URNS = 45
GREAT_TOTALS = (10**3, 10**4, 10**5, 10**6)
NUM_GROUPS = (2, 3, 100, 10_000)
MOST_SECONDS = 60.0
MOST_BYTES = 8e9  # Of one array of the contour, more is not tried.


def other_urns_section(progress) -> str:
    """Eager calls on 45 urns, each of other sizes, and the last of them repeated."""
    new, repeated = _in_a_process(_other_urns)
    progress.update()
    rows = [
        (name, *(f"{1e3 * value:.1f}" for value in (*new[name], repeated[name])))
        for name in repeated
    ]
    return (
        f"## {NUM_OTHER_URNS} urns of different sizes\n\n"
        "Eager calls; 3 to 7 groups of 1 to 200 elements. `survival_function` is that "
        "of `FisherNoncentralHypergeometric`. The first calls trace the graphs, which "
        f"all others use. Memory grew by {new['MB']:.0f} MB from the tenth urn to the "
        f"last.\n\n"
        + markdown_table(
            ("", "median, ms", "largest, ms", "the same urn again, ms"), rows
        )
    )


def _other_urns() -> tuple[dict, dict]:
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {}
    memory = []

    def timed(name, call):
        start = time.perf_counter()
        call()
        seconds.setdefault(name, []).append(time.perf_counter() - start)

    def use(sizes, total, odds):
        log_weights = tf.constant(np.log(odds), tf.float32)

        def sample_and_gradient():
            with tf.GradientTape() as tape:
                tape.watch(log_weights)
                urn = MultivariateFisherNoncentralHypergeometric(
                    total, sizes, log_weights, gradient_estimator="mean"
                )
                loss = tf.reduce_sum(urn.sample(seed=[0, 1]) ** 2)
            tape.gradient(loss, log_weights).numpy()

        pair = int(sizes[0]), int(sizes[1:].sum())
        law = FisherNoncentralHypergeometric(total, *pair, odds=float(odds[0]))
        known = stats.nchypergeom_fisher(sum(pair), pair[0], total, odds[0])
        count = np.float32(pair[0] // 2)
        timed("sample and gradient", sample_and_gradient)
        timed("survival_function", lambda: law.survival_function(count).numpy())
        timed("SciPy's survival function", lambda: known.sf(count))

    for _ in range(NUM_OTHER_URNS):
        sizes = rng.integers(1, 201, size=rng.integers(3, 8))
        total = int(rng.integers(1, sizes.sum()))
        odds = np.exp(rng.normal(size=len(sizes)))
        use(sizes, total, odds)
        memory.append(_peak_bytes())
    new = {name: (np.median(values), max(values)) for name, values in seconds.items()}
    seconds.clear()
    for _ in range(11):
        use(sizes, total, odds)
    repeated = {name: np.median(values) for name, values in seconds.items()}
    return {**new, "MB": (memory[-1] - memory[9]) / 1e6}, repeated


def great_totals_section(progress) -> str:
    """Seconds and memory of totals up to a million and groups up to ten thousand."""
    rows = []
    for total in GREAT_TOTALS:
        for num_groups in NUM_GROUPS:
            rows.append((f"{total:.0e}", num_groups, *_great_total(total, num_groups)))
            progress.update()
    return (
        "## Large totals and many groups\n\n"
        "n drawn from c groups of 3 n / c elements, log-weights of deviation 1, "
        "float64. Seconds of the second eager call. In brackets is the number of MB by "
        "which the process's peak has grown after it. Each row is its own process. "
        "A dash: not tried, because one array would take more than "
        f"{MOST_BYTES / 1e9:.0f} GB or the call before took more than "
        f"{MOST_SECONDS:.0f} s. SciPy's `nchypergeom_fisher` has two groups: its pmf, "
        "mean and one draw stand beside.\n\n"
        + markdown_table(
            ("n", "c", "log_prob", "mean", "entropy", "a draw", "1000 draws", "SciPy"),
            rows,
        )
    )


def _great_total(total: int, num_groups: int) -> list[str]:
    points = 0.5 * np.sqrt(88.0 * total * 2 / 3)
    if 8.0 * num_groups * points > MOST_BYTES:
        return ["-"] * 6
    cells = _in_a_process(_great_total_cells, total, num_groups)
    return [*cells, *["-"] * (6 - len(cells))]


def _great_total_cells(total: int, num_groups: int) -> list[str]:
    sizes = np.full(num_groups, np.ceil(3 * total / num_groups))
    log_weights = np.random.default_rng(0).normal(size=num_groups)
    urn = MultivariateFisherNoncentralHypergeometric(
        np.float64(total), sizes, log_weights, gradient_estimator=None
    )
    mode = urn.mode()
    calls = {
        "log_prob": lambda: urn.log_prob(mode),
        "mean": urn.mean,
        "entropy": urn.entropy,
        "a draw": lambda: urn.sample(seed=[0, 1]),
        "1000 draws": lambda: urn.sample(1000, seed=[0, 1]),
    }
    cells, before = [], _peak_bytes()
    for seconds in _second_calls(calls.values()):
        grown = (_peak_bytes() - before) / 1e6
        cells.append(f"{seconds:.3f} ({grown:.0f})")
        if seconds > MOST_SECONDS:
            return cells
    if num_groups == 2:
        law = stats.nchypergeom_fisher(
            int(sizes.sum()), int(sizes[0]), total, np.exp(-np.diff(log_weights))[0]
        )
        scipy = [lambda: law.pmf(float(mode[0])), law.mean, law.rvs]
        cells.append(", ".join(f"{seconds:.3f}" for seconds in _second_calls(scipy)))
    return cells


def _second_calls(calls) -> Iterator[float]:
    for call in calls:
        call()
        start = time.perf_counter()
        np.asarray(call())
        yield time.perf_counter() - start


def _in_a_process(function: Callable, *args):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def _peak_bytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
