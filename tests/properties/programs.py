"""Runs the programs in this process, and looks at what they say and change."""

import contextlib
import hashlib
import io
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

import gin

from benchmarks import subjects
from mvhg_tf.programs import __main__ as programs


class Run(NamedTuple):
    code: int
    out: str
    err: str


def run(name: str, *arguments: str) -> Run:
    """A program's end. What it does not catch is raised."""
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            if name.startswith("benchmark "):
                code = subjects.main([*name.split()[1:], *arguments])
            else:
                sys.argv = ["mvhg_tf.programs", name, *arguments]
                code = programs.main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv = argv
        gin.clear_config()
    return Run(code, out.getvalue(), err.getvalue())


def contents(folder: Path) -> dict[str, str]:
    """A digest of each file, and "" for each folder."""
    result = {}
    for place, folders, files in os.walk(folder):
        result |= {os.path.join(place, name): "" for name in folders}
        for name in files:
            path = os.path.join(place, name)
            data = Path(path).read_bytes()
            result[path] = hashlib.sha256(data).hexdigest()
    return result


def assert_one_sentence(run: Run, named: str = "") -> None:
    """Exit code 2, and one line that names what is wrong; nothing else."""
    assert (run.code, run.out) == (2, ""), run
    (sentence,) = run.err.splitlines()
    assert re.fullmatch(r"\S.{15,}[.)]", sentence), sentence
    assert named.casefold() in sentence.casefold(), sentence
    assert "Traceback" not in sentence and "In call to configurable" not in sentence
