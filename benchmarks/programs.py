"""What the benchmarks' programs share: flags, and where their text goes."""

from __future__ import annotations

import errno
import os
import stat
import types
from collections.abc import Callable
from pathlib import Path

from mvhg_tf.programs.flags.command_line import Program, integer
from mvhg_tf.runs.errors import UserError


def make_program(
    subject: str,
    purpose: str,
    body: Callable[[types.SimpleNamespace], None],
    rounds: int = 9,
    stopped: str = "stopped; nothing was written.",
) -> Program:
    """A program of --output, --overwrite and --rounds.

    Args:
      subject: of the benchmark.
      purpose: what it measures.
      body: the measurement; it is called once --output is known to be writable.
      rounds: the default of --rounds.
      stopped: what is printed where the user stops it.
    """

    def checked_body(flags: types.SimpleNamespace) -> None:
        check_output_file(flags.output, flags.overwrite)
        body(flags)

    file = f"benchmark_{subject}.md"
    program = Program(
        f"benchmark {subject}",
        purpose,
        checked_body,
        f"bin/benchmark {subject} --output=docs/{file} --overwrite",
        stopped,
    )
    program.add_text("output", "the Markdown file", default=file)
    program.add_switch("overwrite", "replace an earlier --output")
    program.add_text(
        "rounds",
        "measurements of each thing; their median counts",
        integer(1, 1000),
        rounds,
    )
    return program


def add_library_flags(program: Program, unit: str, num_units: int) -> None:
    """Adds the flags of a benchmark that is compared with the library's code.

    Args:
      program: gets them.
      unit: what one measurement consists of; also the name of a flag.
      num_units: how many, by default.
    """
    program.add_text(unit, f"{unit} of one measurement", integer(1, 10_000), num_units)
    program.add_text(
        "library_source",
        "a checkout of disentanglement_lib, whose own code is compared with",
    )
    program.add_text(
        "stock_python",
        "a Python that has TensorFlow 2.15 and gin-config 0.3, to run it",
    )


def check_library_flags(flags: types.SimpleNamespace) -> None:
    """Refuses one of the two flags that belong together.

    Raises:
      UserError: if only one is given.
    """
    if bool(flags.library_source) != bool(flags.stock_python):
        raise UserError(
            "--library_source and --stock_python belong together; give both or none."
        )


def check_output_file(path: str, overwrite: bool) -> None:
    """Refuses a file for --output that is there already, or could not be written.

    Raises:
      UserError: if it exists and `overwrite` is false, or there is no such folder.
    """
    if os.path.exists(path) and not overwrite:
        raise UserError(f"--output {path!r} exists; give another file, or --overwrite.")
    folder = os.path.dirname(path) or "."
    try:
        is_possible = not stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        is_possible = bool(path) and error.errno == errno.ENOENT
    if not is_possible or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"--output {path!r} can't be written; give a file in a folder that you may "
            "write to."
        )


def write(text: str, output: str) -> None:
    """Writes the text to the file, and prints it."""
    Path(output).write_text(text, encoding="utf-8")
    print(text)
