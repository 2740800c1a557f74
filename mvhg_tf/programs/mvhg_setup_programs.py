"""`mvhg_setup_programs`: puts our `dlib_*` programs in place of the library's.

disentanglement_lib and mvhg_tf install scripts of the same names, and the package
installed last wins. The library's scripts can't run on TensorFlow 2.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import os
import site
import sys
import sysconfig
import types
from collections.abc import Sequence
from pathlib import Path

from mvhg_tf.programs import PROGRAMS
from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import print_end
from mvhg_tf.runs.errors import UserError

_NAMES = {name for name in PROGRAMS if name.startswith("dlib_")}
_OURS, _LIBRARY = "mvhg_tf", "disentanglement-lib"
# The kernel truncates a longer interpreter path, or splits it at a space.
_LONGEST_PATH = 120
_SCRIPT = """\
{start}
# Of mvhg_tf, put here by mvhg_setup_programs.
import sys

from mvhg_tf.programs.{module} import main

sys.exit(main())
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "mvhg_setup_programs",
        "Replaces disentanglement_lib's dlib_ programs in this environment by those of "
        "mvhg_tf. Run it once after installing both packages, and again whenever "
        "disentanglement_lib is reinstalled.",
        _set_up,
        "mvhg_setup_programs",
    )
    return program.run(argv)


def _set_up(flags: types.SimpleNamespace) -> int:
    changed, kept, foreign = [], [], []
    librarys = {path.resolve() for path in _scripts_of(_LIBRARY)}
    scripts = _scripts_of(_OURS)
    if not scripts:
        raise UserError(
            f"mvhg_tf is not installed in {sys.prefix}, so it has no scripts there: "
            "install it with pip."
        )
    for path in scripts:
        if _runs_ours(path):
            kept.append(path)
        elif path.exists() and path.resolve() not in librarys:
            foreign.append(path)
        else:
            _write(path)
            changed.append(path)
    for path in changed:
        print(f"{path} is now mvhg_tf's.")
    if kept:
        print(f"{len(kept)} programs in {kept[0].parent} already were mvhg_tf's.")
    for path in foreign:
        print(
            f"{path} belongs to neither package, so it was left alone; run our program "
            f"with: python -m mvhg_tf.programs {path.name}",
            file=sys.stderr,
        )
    if foreign:
        return 1
    print_end(
        "The dlib_ programs of this environment are mvhg_tf's.", "dlib_train --help"
    )
    return 0


def _scripts_of(name: str) -> list[Path]:
    """Where a package has installed programs of our names, in this environment.

    They may be missing: the library's are removed with it.
    """
    folders = [sysconfig.get_path("scripts"), os.path.join(site.getuserbase(), "bin")]
    folders = [os.path.realpath(folder) for folder in folders]
    for distribution in importlib.metadata.distributions(name=name):
        home = os.path.realpath(str(distribution.locate_file("")))
        record = distribution.read_text("RECORD") or ""
        installed = [
            Path(os.path.normpath(os.path.join(home, path)))
            for path, *_ in csv.reader(record.splitlines())
        ]
        scripts = [path for path in installed if path.name in _NAMES]
        # Others on the path belong to a checkout or another environment.
        if scripts and str(scripts[0].parent) in folders:
            return scripts
    return []


def _runs_ours(path: Path) -> bool:
    try:
        return "from mvhg_tf.programs" in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path) -> None:
    """Writes a script; a link there is replaced, not what it leads to."""
    python = sys.executable
    start = f"#!{python}"
    if " " in python or len(python) > _LONGEST_PATH:
        start = f"#!/bin/sh\n'''exec' '{python}' \"$0\" \"$@\"\n' '''"
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(
            _SCRIPT.format(start=start, module=PROGRAMS[path.name]), encoding="utf-8"
        )
        part.chmod(0o755)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(
            f"{path} can't be written ({error.strerror}): run this as a user who may "
            f"write to {path.parent}."
        ) from error
