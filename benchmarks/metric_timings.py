"""What `benchmark metrics` measures, and its text."""

from __future__ import annotations

import contextlib
import importlib.metadata
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import gin
import numpy as np
from threadpoolctl import threadpool_limits

from mvhg_tf.disentanglement import compat, library_studies
from mvhg_tf.disentanglement.data.grid import GridData
from mvhg_tf.disentanglement.steps import evaluate  # noqa: F401
from mvhg_tf.runs import gin_config
from mvhg_tf.studies import machine, text_tables

_STUDY = "unsupervised_study_v1"
_STUDY_POINTS = 10_000  # that its metrics train on
_SIZES = ("num_train", "num_test", "num_eval", "num_variance_estimate")
_FEWEST = 10  # of the study's sizes
_FACTOR_SIZES = (4, 4, 2, 3, 3, 40, 40)  # of mpi3d_toy's first file, and arm3d
_NUM_LATENTS = 10
_CHANGED = """
## What was changed

The metrics are disentanglement_lib's own code. In DCI, and in the downstream task of
boosted trees, most time goes into scikit-learn's `GradientBoostingClassifier`. For a
factor of K values it grows K trees in each of 100 rounds, one after another. In each
node of each tree it sorts the points anew along each latent. Here the library gets a
classifier of the same name (`mvhg_tf.disentanglement.metrics.boosted_trees`), which

- sorts the points once, and takes a node's points out of its parent's, in their order;
- compares all possible splits of a node by one running sum for each latent;
- grows the trees of a round side by side on the cores (`OMP_NUM_THREADS` at most).

It is the same algorithm: loss, rounds, depth, step, and the search over all splits.

- The trees are scikit-learn's, except that if two splits are equally good, one of them
  is drawn.
- On the same points the scores differ far less than between one set of points and
  another.
- Its draws have a seed, so that the same `dlib_evaluate` gives the same scores. The
  library calls scikit-learn's without a seed.

All metrics that grow trees get them: `@dci`, `@dci_validation`, `@unified_scores`,
`@factorwise_dci` and `predictor.predictor_fn = @gradient_boosting_classifier` in the
downstream tasks and fairness. Names, parameters and results are the library's. The
other metrics are unchanged.
"""


class Measurement(NamedTuple):
    """Of one call of a metric: seconds, of all its threads, and its scores."""

    seconds: float
    processor_seconds: float
    scores: Mapping[str, object]


def run(rounds: int, num_points: int, num_seeds: int, seed_points: int) -> str:
    """Measures, and returns Markdown.

    Args:
      rounds: measurements of each metric.
      num_points: that the metrics train on.
      num_seeds: over which scores of DCI are compared.
      seed_points: that DCI trains on for each of them.
    """
    files = library_studies.LibraryStudy(_STUDY).evaluation_files
    times = {}
    for file in files:
        name = Path(file).stem
        calls = [_both(file, num_points, seed=0) for _ in range(rounds)]
        times[name] = [[pair[side] for pair in calls] for side in (0, 1)]
        _tell(f"{name}, {num_points} points", *calls[-1])
    load = machine.description()
    scores = []
    for seed in range(num_seeds):
        pair = _both(_file_of(files, "dci"), seed_points, seed)
        scores.append([call.scores for call in pair])
        _tell(f"dci, {seed_points} points, seed {seed}", *pair)
    return _text(times, scores, rounds, num_points, seed_points, load)


class _Factors(GridData):
    """Its observations are its factors."""

    observation_shape = (len(_FACTOR_SIZES),)

    def __init__(self):
        names = [f"factor {i}" for i in range(len(_FACTOR_SIZES))]
        super().__init__(names, _FACTOR_SIZES)

    def sample_observations_from_factors(self, factors, random_state=None):
        return np.asarray(factors, np.float32)


class _Latents:
    """A representation of the factors: turned into each other, bent, and blurred."""

    def __init__(self, seed: int):
        self._noise = np.random.RandomState(seed)
        mixture = np.random.RandomState(0).randn(len(_FACTOR_SIZES), _NUM_LATENTS)
        self._mixture = np.eye(*mixture.shape) + 0.3 * mixture

    def __call__(self, factors: np.ndarray) -> np.ndarray:
        """Observations `[N, F]` to latents `[N, d]`."""
        sizes = np.array(_FACTOR_SIZES)
        uniform = (factors - (sizes - 1) / 2) / np.sqrt((sizes**2 - 1) / 12)
        bent = np.tanh(uniform @ self._mixture)
        return np.float32(bent + 0.1 * self._noise.randn(*bent.shape))


def _both(file: str, num_points: int, seed: int) -> tuple[Measurement, Measurement]:
    """A metric on the same points as the library has it, and as it is here."""
    measurements = []
    for trees in (compat.scikit_learns_trees(), contextlib.nullcontext()):
        with trees:
            measurements.append(_measure(file, num_points, seed))
    return tuple(measurements)


def _measure(file: str, num_points: int, seed: int) -> Measurement:
    with (
        gin_config.configured([library_studies.path_of(file)]),
        threadpool_limits(1),  # as `evaluate` has it
    ):
        selector = gin_config.query("evaluation.evaluation_fn").selector
        metric = gin.get_configurable(selector)
        sizes = {
            size: _scaled(bound, num_points)
            for size in _SIZES
            if (bound := gin_config.query(f"{selector}.{size}")) is not None
        }
        np.random.seed(seed)  # of scikit-learn's own draws
        started = time.perf_counter(), time.process_time()
        scores = metric(
            _Factors(), _Latents(seed), np.random.RandomState(seed), None, **sizes
        )
        ended = time.perf_counter(), time.process_time()
    return Measurement(ended[0] - started[0], ended[1] - started[1], scores)


def _scaled(size: int | Sequence[int], num_points: int) -> int | list[int]:
    if isinstance(size, int):
        return max(_FEWEST, size * num_points // _STUDY_POINTS)
    return [_scaled(item, num_points) for item in size]


def _file_of(files: Sequence[str], name: str) -> str:
    return next(file for file in files if Path(file).stem == name)


def _tell(what: str, library: Measurement, ours: Measurement) -> None:
    """Shows how far a long run is."""
    print(
        f"{what}: {library.seconds:.1f} s as in the library, {ours.seconds:.1f} s here",
        file=sys.stderr,
        flush=True,
    )


def _text(
    times: Mapping[str, Sequence[Sequence[Measurement]]],
    scores: Sequence[Sequence[Mapping[str, float]]],
    rounds: int,
    num_points: int,
    seed_points: int,
    machine_description: str,
) -> str:
    one_run = f"medians of {rounds} runs" if rounds > 1 else "once each"
    return (
        "# Benchmark of the metrics\n\n"
        "Written by `bin/benchmark metrics`. These are the metrics of the library's "
        f"`{_STUDY}`, by its own gin files, with {num_points} points to train on and "
        "half as many to test on. disentanglement_lib's code runs with scikit-learn's "
        "boosted trees and with ours, as `dlib_evaluate` runs it, measured in one run, "
        f"{one_run}. The data has the factors of "
        f"`mpi3d_toy`'s first file ({', '.join(map(str, _FACTOR_SIZES))} values) and "
        f"{_NUM_LATENTS} latents that are mixed, bent and blurred. So no time goes "
        "into images and encoders, which are the same in both. BLAS has one "
        "thread in both. Processor seconds are those of all threads. scikit-learn "
        f"{importlib.metadata.version('scikit-learn')}. Machine: "
        f"{machine_description}\n\n"
        f"{_table_of_times(times)}\n"
        "## Scores of DCI\n\n"
        f"Over {len(scores)} seeds, each with its own points and noise, with "
        f"{seed_points} points: the library's mean and standard deviation, ours, and "
        "the largest difference of the two on the same points. The last columns are "
        f"the scores of the run above, with {num_points} points.\n\n"
        f"{_table_of_scores(scores, [calls[-1].scores for calls in times['dci']])}"
        f"{_CHANGED}"
    )


def _table_of_times(times: Mapping[str, Sequence[Sequence[Measurement]]]) -> str:
    medians = {
        name: [
            [statistics.median(call[part] for call in calls) for calls in sides]
            for part in (0, 1)
        ]
        for name, sides in times.items()
    }
    medians["all"] = np.sum(list(medians.values()), axis=0).tolist()
    rows = [
        [
            name,
            *(f"{value:.1f}" for value in seconds),
            f"{seconds[0] / seconds[1]:.1f}",
            *(f"{value:.1f}" for value in processor),
            f"{processor[0] / processor[1]:.1f}",
        ]
        for name, (seconds, processor) in medians.items()
    ]
    header = [
        "metric",
        "the library, s",
        "here, s",
        "times as fast",
        "the library, processor s",
        "here, processor s",
        "times less",
    ]
    return text_tables.markdown_table(header, rows)


def _table_of_scores(
    scores: Sequence[Sequence[Mapping[str, float]]],
    of_the_run: Sequence[Mapping[str, float]],
) -> str:
    rows = []
    for name in scores[0][0]:
        library, ours = (
            np.array([pair[side][name] for pair in scores]) for side in (0, 1)
        )
        rows.append(
            [
                name,
                *(f"{x.mean():.4f} ± {x.std(ddof=1):.4f}" for x in (library, ours)),
                f"{np.abs(library - ours).max():.4f}",
                *(f"{run[name]:.4f}" for run in of_the_run),
            ]
        )
    header = [
        "score",
        "the library",
        "here",
        "largest difference",
        "the library, this run",
        "here, this run",
    ]
    return text_tables.markdown_table(header, rows)
