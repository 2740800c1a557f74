"""Macros of gin files, `NAME = 3` and `%NAME`, replaced by their values.

gin replaces a macro each time a function is called. Here it is done once, after all
files have been read, so that every query of a binding sees its value.
"""

from collections.abc import Mapping

import gin
from gin import config_parser

from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import LITERALS


def resolve(config: Mapping) -> dict[tuple[str, str, str], object]:
    """All bindings of a configuration, with macros and literal constants replaced.

    Args:
      config: as gin gives it to a finalize hook.

    Returns:
      The values by scope, selector and parameter, as a hook may return them.

    Raises:
      UserError: if macros refer to each other in a circle.
    """
    values = {
        scope: bindings["value"]
        for (scope, selector), bindings in config.items()
        if selector == "gin.macro"
    }
    return {
        (scope, selector, parameter): _replaced(value, values)
        for (scope, selector), bindings in config.items()
        for parameter, value in bindings.items()
    }


def read_bindings(path: str) -> dict[str, object]:
    """The values in one gin file, by names such as "dataset.name".

    gin need not know what the names belong to.

    Raises:
      UserError: if macros refer to each other in a circle.
      OSError, SyntaxError, ValueError and others: if the file does not parse.
    """
    values, bindings = {}, {}
    with open(path, encoding="utf-8") as file:
        delegate = gin.config.ParserDelegate(skip_unknown=True)
        for statement in config_parser.ConfigParser(file, delegate):
            if not isinstance(statement, config_parser.BindingStatement):
                continue
            scope, selector, parameter, value, _ = statement
            name = f"{scope}/{selector}" if scope else selector
            if parameter:
                bindings[f"{name}.{parameter}"] = value
            else:
                values[name] = value
    return {name: _replaced(value, values) for name, value in bindings.items()}


def _macro_of(value: object) -> str | None:
    """The name of the macro that a value refers to, if it does."""
    if not isinstance(value, gin.config.ConfigurableReference):
        return None
    is_macro = value.selector == "gin.macro"
    return value.scoped_selector.rpartition("/")[0] if is_macro else None


def _replaced(
    value: object, values: Mapping[str, object], seen: tuple[str, ...] = ()
) -> object:
    """A value with the macros in it replaced; `seen` are those that led to it."""

    def replaced(item: object) -> object:
        return _replaced(item, values, seen)

    if isinstance(value, list | tuple):
        return type(value)(map(replaced, value))
    if isinstance(value, dict):
        return {replaced(key): replaced(item) for key, item in value.items()}
    name = _macro_of(value)
    if name in seen:
        raise UserError(
            f"The macro {' = %'.join([*seen, name])} never gets a value: bind it to a "
            "value."
        )
    if name is None or name not in values:
        return _literal_constant(value)
    return _replaced(values[name], values, (*seen, name))


def _literal_constant(value: object) -> object:
    """The value of a reference to a gin constant, if a gin file can hold it."""
    if not isinstance(value, gin.config.ConfigurableReference):
        return value
    if value.selector != "gin.constant":
        return value
    constant = gin.query_parameter(value.scoped_selector.rpartition("/")[0])
    return constant if isinstance(constant, LITERALS) else value
