"""What a program prints at its end: where the results are, and what to type next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence

_WIDTH = 80
_MARGIN = "  "


def print_end(written: str, *next_commands: str) -> None:
    """Prints what was written, and the commands that its user may want next.

    Args:
      written: a sentence, such as "The trained model is in hgvae."
      *next_commands: as `command` returns them.
    """
    print(written)
    if next_commands:
        print("\nNext:")
        for line in next_commands:
            print(textwrap.indent(line, _MARGIN))


def command(
    program: str, flags: Mapping[str, str | Sequence[str] | None], *words: str
) -> str:
    """A command for a shell, on lines of at most 80 characters where words allow it.

    Args:
      program: its name.
      flags: values by the flags' names; a flag with several values is repeated, one
        with None or an empty list is left out.
      *words: more arguments.
    """
    words = (*_program(program), *words)
    for name, values in flags.items():
        for value in [values] if isinstance(values, str) else values or []:
            words += (f"--{name}={shlex.quote(value)}",)
    lines = [words[0]]
    for part in words[1:]:
        longer = f"{lines[-1]} {part}"
        if len(_MARGIN + longer + " \\") > _WIDTH:
            lines[-1] += " \\"
            lines.append(f"  {part}")
        else:
            lines[-1] = longer
    return "\n".join(lines)


def _program(name: str) -> list[str]:
    """How a shell finds one of our programs, also where .venv is not activated."""
    folder = os.path.dirname(sys.executable)
    ours, found = shutil.which(name, path=folder), shutil.which(name)
    if ours and found and os.path.samefile(ours, found):
        return [name]
    if ours:
        near = os.path.relpath(ours)
        return [shlex.quote(ours if near.startswith(os.pardir) else near)]
    return [name] if found else ["python", "-m", "mvhg_tf.programs", name]


def sibling(folder: str, suffix: str) -> str:
    """A folder beside another one, named after it."""
    return os.path.normpath(folder) + suffix


def list_folders(folder: str) -> str:
    """A line for each folder in a folder, with the number of its files."""
    counts = {
        entry.name: len(os.listdir(entry.path))
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
        if entry.is_dir()
    }
    column = max(map(len, counts), default=0) + 2
    return "\n".join(
        f"{_MARGIN}{name:{column}}{count:4} file{'s' if count != 1 else ''}"
        for name, count in counts.items()
    )
