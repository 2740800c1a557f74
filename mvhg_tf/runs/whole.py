"""Files and folders that appear whole or not at all."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def written_whole(path: str) -> Iterator[str]:
    """Yields where to write; what is there when the block ends gets its name.

    Where the block raises, it is taken away, and what had the name stays.

    Args:
      path: of a file, or of a folder. It keeps its extension until it is whole, such
        as "model.part.keras".
    """
    root, extension = os.path.splitext(path.rstrip(os.sep))
    part = f"{root}.part{extension}"
    remove(part)
    try:
        yield part
        if os.path.isdir(part):
            remove(path)
        os.replace(part, path)
    except BaseException:
        remove(part)
        raise


def write_json(path: str, value: object, **arguments: Any) -> None:
    """Writes a file as `json.dump` does, whole or not at all."""
    with written_whole(path) as part, open(part, "w", encoding="utf-8") as file:
        json.dump(value, file, **arguments)


def remove(path: str) -> None:
    """Removes a file, or a folder with all that is in it, as far as it can be."""
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.remove(path)
