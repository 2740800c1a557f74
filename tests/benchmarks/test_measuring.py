"""What the benchmarks measure with."""

import mmap

import pytest

from benchmarks import distribution_timings, measuring, step_memory


def test_turns_rotate_and_the_first_round_does_not_count():
    calls = []

    def contestant(name):
        def call():
            calls.append(name)
            return float(len(calls))

        return call

    contestants = {name: contestant(name) for name in "abc"}
    times = list(measuring.in_turns(contestants, rounds=2))
    assert calls == list("abc" + "abc" + "bca")
    assert times == [(name, float(i)) for i, name in enumerate("abcbca", start=4)]


def test_medians():
    times = [("a", 3.0), ("b", 1.0), ("a", 1.0), ("a", 2.0)]
    assert measuring.medians(iter(times)) == {"a": 2.0, "b": 1.0}


@pytest.mark.parametrize("size", [20_000_000, 80_000_000])
def test_peak_of_a_call_counts_what_it_touches(size):
    def call(size):
        with mmap.mmap(-1, size) as memory:
            for page in range(0, size, mmap.PAGESIZE):
                memory[page] = 1

    assert step_memory.available()
    tiny, large = (
        step_memory.peak_during_call(lambda size=size: call(size), repeats=3)
        for size in (mmap.PAGESIZE, size)
    )
    assert size * 0.95 < large - tiny < size * 1.05 + 4_000_000


@pytest.mark.slow
def test_graph_of_a_step_does_not_grow_with_the_number_of_groups():
    for estimator in distribution_timings.ESTIMATORS:
        small, large = (distribution_timings.graph_size(c, estimator) for c in (8, 64))
        # A list of constants may be longer by an entry or two.
        assert abs(large - small) <= 0.01 * small


def test_cost_settings_vary_one_parameter_at_a_time():
    settings = list(distribution_timings.cost_settings())
    base = distribution_timings.COST_BASE
    assert settings.count(base) == 1
    assert len(settings) == 1 + sum(
        len(values) - 1 for values in distribution_timings.COST_VALUES.values()
    )
    for setting in settings:
        assert sum(setting[name] != base[name] for name in base) <= 1
