"""Imports the user's own modules before the configuration is read."""

import importlib
import sys
from collections.abc import Sequence

from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError


def import_modules(names: Sequence[str]) -> None:
    """Imports modules from Python's path, and then from the working directory.

    Args:
      names: such as "my_data" or "my_package.my_data".

    Raises:
      UserError: if there is no such module, or importing it fails.
    """
    if names and "" not in sys.path:
        sys.path.append("")  # where a program's Python doesn't look
        importlib.invalidate_caches()
    for name in names:
        try:
            with quiet_imports():
                importlib.import_module(name)
        except UserError:
            raise
        except Exception as error:  # the user's code may raise any kind of error
            raise UserError(_problem(name, error)) from error


def _problem(name: str, error: Exception) -> str:
    missing = isinstance(error, ModuleNotFoundError) and error.name
    if missing and (name == missing or name.startswith(f"{missing}.")):
        return (
            f"--import names {name}, but there is no module {missing}: run this in the "
            f"folder of {missing}.py, or add its folder to PYTHONPATH."
        )
    return (
        f"The module {name} can't be imported ({type(error).__name__}: {error}): fix "
        "the module."
    )
