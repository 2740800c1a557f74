"""How the benchmarks take times: in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds until the call's result, tensors in any structure, is there."""
    started = time.perf_counter()
    for tensor in tf.nest.flatten(function()):
        tensor.numpy()
    return time.perf_counter() - started


def in_turns(
    contestants: Mapping[str, Callable[[], float]], rounds: int
) -> Iterator[tuple[str, float]]:
    """Runs each contestant once a round, so that all see the same machine.

    The order is turned round by round. The round before the first does not count:
    there functions are traced and compiled.

    Args:
      contestants: by name, a call that returns the seconds that it took.
      rounds: how many count.

    Yields:
      Name and seconds of each call that counts.
    """
    for call in contestants.values():
        call()
    names = list(contestants)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            yield name, contestants[name]()


def medians(times: Iterator[tuple[str, float]]) -> dict[str, float]:
    """The median seconds of each name."""
    gathered: dict[str, list[float]] = {}
    for name, seconds in times:
        gathered.setdefault(name, []).append(seconds)
    return {name: statistics.median(values) for name, values in gathered.items()}
