"""Values that a gin configuration may not have, found before anything is run."""

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence

import gin

from mvhg_tf.runs import gin_kinds
from mvhg_tf.runs.errors import UserError, check_positive_integer

_PACKAGES = ("mvhg_tf.", "disentanglement_lib.")
# With none of these there is nothing to do, and the library may do it for ever.
_COUNTS = (
    "batch_size",
    "n_experiment",
    "num_bins",
    "num_eval",
    "num_test",
    "num_test_points_per_class",
    "num_train",
    "num_variance_estimate",
)
# Weights of a loss, and what optimizers have.
_NOT_NEGATIVE = (
    "beta",
    "c_max",
    "epsilon",
    "gamma",
    "gamma_sup",
    "iteration_threshold",
    "lambda_d_factor",
    "lambda_od",
    "learning_rate",
)
_FRACTIONS = ("beta1", "beta2", "momentum", "rho")
_TOO_LARGE = 2**63  # for the 64 bits of an integer
_TYPE_NAMES = {
    bool: "True or False",
    dict: "a dictionary",
    float: "a number",
    int: "an integer",
    list: "a list",
    Sequence: "a list",
    str: "a string",
    tuple: "a tuple",
    type(None): "None",
}
_OTHER = "something fitting made by @name or @name()"


def check(bindings: Mapping[tuple[str, str, str], object]) -> None:
    """Compares values with their parameters' annotations and names.

    Args:
      bindings: values by scope, selector and parameter, without macros.

    Raises:
      UserError: if a value can't be right.
    """
    for (_, selector, parameter), value in bindings.items():
        if not selector.startswith(_PACKAGES):
            continue
        function = gin.get_configurable(selector)
        allowed = _parameter_types(function).get(parameter, ())
        name = f"{selector.rpartition('.')[2]}.{parameter}"
        _check_numbers(name, value)
        _check_range(name, parameter, value)
        _check_kind(name, value, function, parameter)
        if type(value) in _TYPE_NAMES and allowed and not _fits(value, allowed):
            raise UserError(
                f"{name} is {value!r}, but must be {_told_types(allowed)}: bind it "
                "to one."
            )
        if parameter in _COUNTS:
            _check_counts(name, value)


def _check_kind(name: str, value: object, owner: Callable, parameter: str) -> None:
    """Refuses `@name` or `@name()` of another kind than the annotation tells."""
    if not isinstance(value, gin.config.ConfigurableReference):
        return
    hint = _hints_of(owner).get(parameter)
    if hint is not None and not gin_kinds.fits(value, hint):
        what = "what it makes" if value.evaluate else "this function"
        raise UserError(
            f"{name} is {value!r}, but {what} is not of the kind that is wanted "
            f"there: bind it to {_told_types(_types_of(hint))}."
        )


def _told_types(allowed: tuple[type, ...]) -> str:
    return " or ".join(_TYPE_NAMES.get(t, _OTHER) for t in allowed)


def _check_range(name: str, parameter: str, value: object) -> None:
    """Refuses a weight, rate or seed of another range than its name has everywhere."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if parameter in _FRACTIONS and not 0 <= value < 1:
        raise UserError(
            f"{name} is {value!r}, but must be at least 0 and below 1: bind it to that."
        )
    if parameter.endswith("seed") and not 0 <= value < 2**32:
        raise UserError(
            f"{name} is {value!r}, but must be an integer from 0 to {2**32 - 1}: bind "
            "it to one."
        )
    if parameter in _NOT_NEGATIVE and value < 0:
        raise UserError(
            f"{name} is {value!r}, but must not be negative: bind it to a number from "
            "0 on."
        )


def _check_numbers(parameter: str, value: object) -> None:
    """Refuses numbers that no computation can do with, in lists as well."""
    if isinstance(value, list | tuple):
        for item in value:
            _check_numbers(parameter, item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(
            f"{parameter} is {value!r}, but must be a finite number: bind it to one."
        )
    elif isinstance(value, int) and abs(value) >= _TOO_LARGE:
        raise UserError(
            f"{parameter} is {value!r}, but must be below 2**63: bind it to such a "
            "number."
        )


def _check_counts(parameter: str, value: object) -> None:
    """Refuses what is no count; some parameters take a list of them."""
    if isinstance(value, int):
        check_positive_integer(parameter, value)
    elif isinstance(value, list | tuple) and not (
        value and all(isinstance(count, int) and 0 < count < 2**31 for count in value)
    ):
        raise UserError(
            f"{parameter} is {value!r}, but must be a list of positive integers below "
            "2**31: bind it to one."
        )


def _hints_of(function: Callable) -> dict[str, object]:
    """The annotations of a function's parameters, or of what makes a class."""
    function = inspect.unwrap(function)
    if inspect.isclass(function):
        function = function.__init__
    return typing.get_type_hints(function)


def _parameter_types(function: Callable) -> dict[str, tuple[type, ...]]:
    """The types that each parameter may have; none where that is not known."""
    hints = _hints_of(function)
    result = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in hints:
            result[name] = _types_of(hints[name])
        elif name == "num_train" and "downstream_task" in function.__name__:
            # These train on each of several numbers of examples.
            result[name] = (list, tuple)
        elif name.startswith("num_") or name in (*_COUNTS, "random_seed"):
            # The library annotates nothing, but names its counts alike.
            default = type(parameter.default)
            result[name] = (int, default) if default in _TYPE_NAMES else (int,)
    return result


def _types_of(hint: object) -> tuple[type, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [_types_of(member) for member in typing.get_args(hint)]
        return sum(members, ()) if all(members) else ()
    hint = typing.get_origin(hint) or hint
    return (hint,) if isinstance(hint, type) and hint is not object else ()


def _fits(value: object, allowed: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in allowed
    if isinstance(value, int) and float in allowed:
        return True
    return isinstance(value, allowed)
