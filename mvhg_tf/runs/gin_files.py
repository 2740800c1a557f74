"""The gin files that come with mvhg_tf, found by their names.

In an installation they are in the package; in a checkout `mvhg_tf/gin_configs` is a
link to the folder `gin_configs` next to the package.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path

import mvhg_tf
from mvhg_tf.runs.errors import UserError

FOLDER = Path(mvhg_tf.__file__).parent / "gin_configs"


def gin_file_path(name: str) -> str:
    """The path of one of our files, such as "hgvae_arm3d.gin" or "metrics/mig.gin".

    Raises:
      UserError: if there is no file of that name.
    """
    path = FOLDER / name
    if not path.is_file():
        raise UserError(
            f"There is no {path}: this installation of mvhg_tf is incomplete, so "
            "install it again."
        )
    return str(path)


def find(path: str) -> str:
    """The path of a gin file that a user named.

    Args:
      path: of a file, where `~` is the user's home; if there is no such file, the name
        of one that comes with mvhg_tf, also as it is called in a clone:
        "gin_configs/metrics/mig.gin".
    """
    path = os.path.expanduser(path)
    if os.path.exists(path):
        return path
    ours = (os.path.join(folder, path) for folder in (FOLDER, FOLDER.parent))
    return next(filter(os.path.isfile, ours), path)


def short_name(path: str) -> str:
    """The shortest text for which `find` returns a path."""
    name = os.path.relpath(path, FOLDER)
    return path if name.startswith(os.pardir) or find(name) != path else name


def find_all(pattern: str) -> list[str]:
    """The sorted paths of the gin files that match a pattern.

    Args:
      pattern: such as "~/metrics/*.gin"; if nothing matches it, it is matched against
        our files.
    """
    pattern = os.path.expanduser(pattern)
    for folder in ("", FOLDER, FOLDER.parent):
        if found := glob.glob(os.path.join(folder, pattern)):
            return sorted(found)
    return []
