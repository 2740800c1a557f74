"""Limits on parameters, stated in their annotations and checked in one place.

    @checked("anneal")
    def anneal(start: Positive, steps: PositiveInt, shape: Literal["line", "cosine"]):

Annotations name types, `Literal` choices and `Annotated` limits.
"""

import dataclasses
import functools
import inspect
import math
import numbers
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

from mvhg_tf.runs.errors import UserError

_TOO_LARGE = 2**63  # to fit into a 64-bit integer
_TYPE_NAMES: dict[object, str] = {
    bool: "True or False",
    dict: "a dictionary",
    float: "a number",
    int: "an integer",
    str: "a string",
    types.NoneType: "None",
}
_LISTS = (list, tuple, Sequence)
_PLURALS = {"an integer": "integers", "a number": "numbers", "a string": "strings"}
_OTHER = "a suitable @name or @name()"
# Values of other types are checked where they are used.
LITERALS = (bool, bytes, dict, float, int, list, str, tuple, types.NoneType)


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a value must satisfy beyond its type, for `Annotated`.

    Attributes:
      wanted: the text after "must be".
      holds: whether a value of the type satisfies it.
    """

    wanted: str
    holds: Callable[[Any], bool]


def at_least(least: float) -> Limit:
    """A lower limit."""
    return Limit(f"at least {least}", lambda value: value >= least)


def between(least: float, most: float) -> Limit:
    """A lower and an upper limit, both allowed."""
    wanted = f"at least {least} and at most {most}"
    return Limit(wanted, lambda value: least <= value <= most)


def _are_positive(values: Sequence) -> bool:
    return bool(values) and all(_mismatch(v, PositiveInt) is None for v in values)


PositiveInt = Annotated[
    int,
    Limit("a positive integer", lambda value: value > 0),
    Limit("a positive integer below 2**31", lambda value: value < 2**31),
]
PositiveInts = Annotated[
    Sequence, Limit("a list of positive integers below 2**31", _are_positive)
]
Seed = Annotated[
    int, Limit(f"an integer from 0 to {2**32 - 1}", lambda value: 0 <= value < 2**32)
]
Positive = Annotated[float, Limit("positive", lambda value: value > 0)]
NotNegative = Annotated[float, at_least(0)]
Probability = Annotated[float, between(0, 1)]
Decay = Annotated[float, Limit("at least 0 and below 1", lambda value: 0 <= value < 1)]


def check(name: str, value: object, hint: object) -> None:
    """Raises a UserError that names the parameter if its value is not allowed.

    Args:
      name: such as "model.batch_size".
      value: a literal; other objects pass.
      hint: the parameter's annotation.
    """
    wanted = _impossible_number(value) or _mismatch(value, hint)
    if wanted:
        raise UserError(f"{name} is {value!r}, but must be {wanted}: change it.")


def checked(name: str, parameters: Collection[str] | None = None) -> Callable:
    """Decorates a function so that its arguments are checked.

    Args:
      name: the text before the dot and the parameters' names.
      parameters: which to check; by default all.
    """

    def decorate(function: Callable) -> Callable:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            hints = hints_of(function)
            given = signature.bind_partial(*args, **kwargs).arguments
            for parameter, value in given.items():
                if parameters is None or parameter in parameters:
                    check(f"{name}.{parameter}", value, hints.get(parameter, Any))
            return function(*args, **kwargs)

        # gin looks there
        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


def check_fields(instance: Any) -> None:
    """Checks the fields of a dataclass; messages use the name of the class."""
    for parameter, hint in hints_of(instance.__class__).items():
        if parameter in {field.name for field in dataclasses.fields(instance)}:
            name = f"{type(instance).__name__}.{parameter}"
            check(name, getattr(instance, parameter), hint)


@functools.cache
def hints_of(function: Callable) -> Mapping[str, object]:
    """The annotations of the parameters of a function or a class's constructor."""
    function = inspect.unwrap(function)
    if inspect.isclass(function):
        function = function.__init__
    return typing.get_type_hints(function, include_extras=True)


def told_types(hint: object) -> str:
    """The types of an annotation in words, such as "an integer or None"."""
    return " or ".join(dict.fromkeys(_told(base) for base, _ in _members(hint)))


def _told(base: object) -> str:
    arguments = typing.get_args(base)
    if typing.get_origin(base) is Literal:
        *others, last = (f'"{choice}"' for choice in arguments)
        return f"{', '.join(others)} or {last}" if others else last
    if (typing.get_origin(base) or base) not in _LISTS:
        return _TYPE_NAMES.get(base, _OTHER)
    items = _PLURALS.get(told_types(arguments[0])) if arguments else None
    return f"a list of {items}" if items else "a list"


def _impossible_number(value: object) -> str | None:
    """What a NaN, infinite or oversized number must be instead, also within lists."""
    if isinstance(value, list | tuple):
        return next(filter(None, map(_impossible_number, value)), None)
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return "below 2**63"
    return None


def _mismatch(value: object, hint: object) -> str | None:
    """What a value must be to fit an annotation; None if it fits or isn't a literal."""
    if not isinstance(value, (*LITERALS, numbers.Real)):
        return None
    unmet = []
    for base, limits in _members(hint):
        if _is(value, base):
            broken = [limit.wanted for limit in limits if not limit.holds(value)]
            if not broken:
                return None
            unmet += broken
    if not unmet:
        return told_types(hint)
    choices = [b for b, _ in _members(hint) if typing.get_origin(b) is Literal]
    return " or ".join([*unmet, *map(_told, choices)])


def _members(hint: object) -> list[tuple[object, tuple[Limit, ...]]]:
    """The types that a value may have, each with its limits."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [pair for member in typing.get_args(hint) for pair in _members(member)]
    if typing.get_origin(hint) is Annotated:
        base, *limits = typing.get_args(hint)
        return [(base, tuple(limits))]
    return [(hint, ())]


def _is(value: object, base: object) -> bool:
    """Whether a literal is of a type."""
    if base in (Any, object):
        return True
    arguments, kind = typing.get_args(base), typing.get_origin(base) or base
    if kind is Literal:
        return value in [c for c in arguments if type(c) is type(value)]
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, numbers.Real)
    if kind is int:
        return isinstance(value, numbers.Integral)
    if kind in _LISTS:
        items = [hint for hint in arguments if hint is not Ellipsis] or [Any]
        return isinstance(value, list | tuple) and all(
            any(_mismatch(item, hint) is None for hint in items) for item in value
        )
    return not isinstance(kind, type) or isinstance(value, kind)
