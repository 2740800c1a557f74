"""The repository's gin files, for the studies."""

from __future__ import annotations

from pathlib import Path

import mvhg_tf
from mvhg_tf.runs.errors import UserError


def gin_file_path(name: str) -> str:
    """The path of a file of `gin_configs`.

    Raises:
      UserError: if it isn't there, as in an installation without the repository.
    """
    path = Path(mvhg_tf.__file__).parent.parent / "gin_configs" / name
    if not path.is_file():
        raise UserError(
            f"There is no {path}: the study needs the repository's gin_configs, so "
            "install mvhg_tf from a checkout with pip install --editable."
        )
    return str(path)
