"""Finds values that a gin configuration must not have, before anything runs."""

from collections.abc import Mapping
from typing import Any

import gin

from mvhg_tf.runs import gin_kinds, limits
from mvhg_tf.runs.errors import UserError

_PACKAGES = ("mvhg_tf.", "disentanglement_lib.")


def check(bindings: Mapping[tuple[str, str, str], object]) -> None:
    """Compares values with their parameters' annotations.

    Args:
      bindings: values by scope, selector and parameter, without macros.

    Raises:
      UserError: if a value can't be right.
    """
    for (_, selector, parameter), value in bindings.items():
        if not selector.startswith(_PACKAGES):
            continue
        hints = limits.hints_of(gin.get_configurable(selector))
        hint = hints.get(parameter, Any)
        name = f"{selector.rpartition('.')[2]}.{parameter}"
        if not isinstance(value, gin.config.ConfigurableReference):
            limits.check(name, value, hint)
        elif not gin_kinds.fits(value, hint):
            what = "what it makes" if value.evaluate else "this function"
            raise UserError(
                f"{name} is {value!r}, but {what} is not of the kind that this "
                f"parameter takes: bind it to {limits.told_types(hint)}."
            )
