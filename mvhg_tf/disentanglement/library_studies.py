"""The studies of disentanglement_lib, read from its own configuration modules."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.runs.errors import UserError

import disentanglement_lib  # isort: skip
from disentanglement_lib.config import reproduce  # isort: skip
from disentanglement_lib.utils import hyperparams  # isort: skip

NAMES = tuple(reproduce.STUDIES)
_ROOT = disentanglement_lib.__path__[0]


class LibraryStudy:
    """A study: its models, by number, and how each is post-processed and scored.

    Files are given as paths in the library's package (see `path_of`), so that they are
    the same in each installation.

    Args:
      name: one of `NAMES`.

    Attributes:
      model_file: the gin file of all models.
      postprocess_files: in the library's order.
      evaluation_files: in the library's order.

    Raises:
      UserError: if there is no such study.
    """

    def __init__(self, name: str):
        if name not in NAMES:
            raise UserError(
                f"There is no study {name!r}: give one of {', '.join(NAMES)}."
            )
        self.name = name
        self._study = reproduce.STUDIES[name]
        self.model_file = _name_of(self._study.get_model_config(0)[1])
        self.postprocess_files = _names_of(self._study.get_postprocess_config_files())
        self.evaluation_files = _names_of(self._study.get_eval_config_files())

    @functools.cached_property
    def _settings(self) -> list[dict]:
        """Of each model. The library makes them all whenever it is asked for one."""
        module = sys.modules[type(self._study).__module__]
        return module.get_config() if hasattr(module, "get_config") else [{}]

    @property
    def num_models(self) -> int:
        return len(self._settings)

    def model_bindings(self, model_num: int) -> list[str]:
        """The gin bindings of a model, which follow the gin file.

        Raises:
          UserError: if the study has no model of that number.
        """
        if not 0 <= model_num < self.num_models:
            raise UserError(
                f"There is no model {model_num} in {self.name}: its models are 0 to "
                f"{self.num_models - 1}."
            )
        return hyperparams.to_bindings(self._settings[model_num])


def path_of(name: str) -> str:
    """The path of one of the library's files; an absolute path stays as it is."""
    return os.path.join(_ROOT, name)


def _name_of(path: str) -> str:
    return os.path.relpath(path, _ROOT)


def _names_of(paths: Iterable[str]) -> list[str]:
    return sorted(map(_name_of, paths))
