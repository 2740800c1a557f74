"""Annotations as limits: what fits, what is told, and where it is checked."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import gin
import numpy as np
import pytest

from mvhg_tf.runs import gin_config, limits
from mvhg_tf.runs.errors import UserError

INF = float("inf")


class Schedule:
    pass


@pytest.mark.parametrize(
    ("hint", "values"),
    [
        (int, [3, -3, 0, np.int64(3)]),
        (float, [3, 2.5, np.float32(2.5)]),
        (bool, [True, False]),
        (str, ["", "a"]),
        (int | None, [3, None]),
        (list, [[], [3], (3,)]),
        (Sequence[int], [[], [3], (3, 4)]),
        (tuple[int, int], [(3, 4), [3, 4]]),
        (limits.PositiveInt, [1, 2**31 - 1]),
        (limits.PositiveInt | None, [1, None]),
        (limits.PositiveInts, [[1], (3, 4)]),
        (limits.Seed, [0, 2**32 - 1]),
        (limits.Positive, [1e-300, 3]),
        (limits.NotNegative | Schedule, [0, 0.0, Schedule()]),
        (limits.Decay, [0, 0.999]),
        (limits.Probability, [0, 1, 0.5]),
        (limits.Positive | Literal["learn"], [1.0, "learn"]),
        (Literal["a", 3], ["a", 3]),
        (Any, [3, "a", None, Schedule()]),
        (object, [3, "a", None]),
        (Callable[[int], int], [Schedule(), len]),
    ],
)
def test_values_that_fit(hint, values):
    for value in values:
        limits.check("a.b", value, hint)


@pytest.mark.parametrize(
    ("hint", "value", "wanted"),
    [
        (int, 2.5, "an integer"),
        (int, True, "an integer"),
        (float, "x", "a number"),
        (float, INF, "a finite number"),
        (Any, -INF, "a finite number"),
        (list, [1.0, INF], "a finite number"),
        (int, 2**63, "below 2**63"),
        (bool, 1, "True or False"),
        (str, None, "a string"),
        (int | None, "x", "an integer or None"),
        (Sequence[int], 3, "a list of integers"),
        (Sequence[int], "ab", "a list of integers"),
        (Sequence[float], ["a"], "a list of numbers"),
        (limits.PositiveInt, 0, "a positive integer"),
        (limits.PositiveInt, 2**31, "a positive integer below 2**31"),
        (limits.PositiveInt, 1.5, "an integer"),
        (limits.PositiveInt | None, 0, "a positive integer"),
        (limits.PositiveInts, [], "a list of positive integers below 2**31"),
        (limits.PositiveInts, [1, 0], "a list of positive integers below 2**31"),
        (limits.Seed, -1, "an integer from 0 to 4294967295"),
        (limits.Positive, 0, "positive"),
        (limits.NotNegative | Schedule, -1, "at least 0"),
        (limits.Decay, 1.0, "at least 0 and below 1"),
        (limits.Probability, 1.1, "at least 0 and at most 1"),
        (limits.Positive | Literal["learn"], 0.0, 'positive or "learn"'),
        (limits.Positive | Literal["learn"], "auto", 'a number or "learn"'),
        (Literal["a", "b", "c"], "d", '"a", "b" or "c"'),
        (Literal["a", "b"], None, '"a" or "b"'),
        (Callable[[int], int], 3, "a suitable @name or @name()"),
        (Annotated[int, limits.between(0, 64)], 65, "at least 0 and at most 64"),
    ],
)
def test_values_that_do_not_fit(hint, value, wanted):
    with pytest.raises(UserError) as caught:
        limits.check("a.b", value, hint)
    sentence = f"a.b is {value!r}, but must be {wanted}: change it."
    assert str(caught.value) == sentence


@gin_config.configurable("limits_test", module="mvhg_tf.tests", denylist=["given"])
def configurable(given: limits.Positive, rate: limits.Positive = 1.0):
    return given, rate


@gin_config.configurable("limits_test_class", module="mvhg_tf.tests")
@dataclasses.dataclass(frozen=True)
class Configurable:
    rate: limits.Positive = gin.REQUIRED


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda **values: configurable(-1, **values), "limits_test.rate"),
        (Configurable, "limits_test_class.rate"),
    ],
)
def test_bindings_and_arguments_are_told_alike(call, name):
    with pytest.raises(UserError) as bound:
        with gin_config.configured([], [f"{name} = 0"]):
            pass
    with pytest.raises(UserError) as passed:
        call(rate=0)
    assert str(passed.value).startswith(str(bound.value))
    assert str(bound.value) == f"{name} is 0, but must be positive: change it."


def test_bound_values_arrive():
    bindings = ["limits_test.rate = 2", "limits_test_class.rate = 3"]
    with gin_config.configured([], bindings):
        assert configurable(-1) == (-1, 2)  # what gin can't bind is not checked
        assert Configurable() == Configurable(3)
        assert "limits_test_class.rate = 3" in gin.operative_config_str()
    with pytest.raises(UserError, match="No value is bound to limits_test_class.rate"):
        with gin_config.configured():
            Configurable()
