"""Whether a gin reference, `@name` or `@name()`, is of the kind wanted.

Annotations say which kind that is. Without one, as in disentanglement_lib, anything is
allowed.
"""

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable

import gin


def fits(reference: gin.config.ConfigurableReference, wanted: object) -> bool:
    """Whether a reference may be bound to a parameter annotated with `wanted`."""
    if reference.selector.startswith("gin."):  # a macro, or a value that is missing
        return True
    given = _kind_of_function(gin.get_configurable(reference.selector))
    if reference.evaluate:
        given = typing.get_args(given)[1]
    return _agrees(given, wanted)


def _kind_of_function(function: Callable) -> object:
    """A function's type as `Callable[[...], ...]`, Any where it isn't annotated."""
    unwrapped = inspect.unwrap(function)
    is_class = inspect.isclass(unwrapped)
    try:
        signature = inspect.signature(unwrapped)
        hints = typing.get_type_hints(unwrapped.__init__ if is_class else unwrapped)
    except (NameError, TypeError, ValueError):
        return Callable[..., typing.Any]
    result = unwrapped if is_class else hints.get("return", typing.Any)
    arguments = []
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            return Callable[..., result]
        if parameter.kind in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
        ):
            arguments.append(hints.get(name, typing.Any))
    return Callable[arguments, result]


def _agrees(given: object, wanted: object) -> bool:
    """Whether a value of the annotation `given` may be one of `wanted`."""
    if typing.Any in (given, wanted):  # which is a class from Python 3.11 on
        return True
    for hint, is_given in ((given, True), (wanted, False)):
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            members = typing.get_args(hint)
            return any(
                _agrees(member, wanted) if is_given else _agrees(given, member)
                for member in members
            )
    is_kind, kind = _kind(given), _kind(wanted)
    if not (inspect.isclass(is_kind) and inspect.isclass(kind)):
        return True  # nothing is known
    if kind is not collections.abc.Callable:
        return issubclass(is_kind, kind) or (is_kind, kind) == (int, float)
    if is_kind is not collections.abc.Callable:
        return "__call__" in dir(is_kind)
    return _functions_agree(typing.get_args(given), typing.get_args(wanted))


def _kind(hint: object) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    return type(arguments[0]) if origin is typing.Literal else origin or hint


def _functions_agree(given: tuple, wanted: tuple) -> bool:
    """Whether one function can stand in for the other, by arguments and return type.

    It may have more arguments, because gin may bind them.
    """
    if not (given and wanted):
        return True
    if Ellipsis not in (given[0], wanted[0]):
        if len(given[0]) < len(wanted[0]):
            return False
        if not all(map(_agrees, wanted[0], given[0])):
            return False
    return _agrees(given[1], wanted[1])
