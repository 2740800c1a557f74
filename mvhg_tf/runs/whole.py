"""Files and folders that are written completely or not at all."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def written_whole(path: str) -> Iterator[str]:
    """Yields a path to write to, which gets its final name when the block ends.

    If the block raises, what it wrote is removed, and an existing file stays.

    Args:
      path: of a file or folder. The temporary path keeps the extension, such as
        "model.part.keras".
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
    """Writes a file as `json.dump` does, completely or not at all."""
    with written_whole(path) as part, open(part, "w", encoding="utf-8") as file:
        json.dump(value, file, **arguments)


def remove(path: str) -> None:
    """Removes a file or a folder with its contents, as far as possible."""
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.remove(path)
