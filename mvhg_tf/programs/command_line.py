"""What the `mvhg_` programs share: flags, folders, and how they fail."""

from __future__ import annotations

import argparse
import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from mvhg_tf.runs import console
from mvhg_tf.runs.errors import UserError, sentence_and_code

__all__ = [
    "Parser",
    "add_output_flags",
    "check_output_file",
    "folder",
    "integer",
    "prepare_output_dir",
    "run_program",
]


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose every complaint is one sentence (a `UserError`)."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def integer(at_least: int, at_most: int = 2**31 - 1) -> Callable[[str], int]:
    """Returns the parser of a flag's integer, of `at_least` to `at_most`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not at_least <= value <= at_most:
            raise argparse.ArgumentTypeError(
                f"got {text!r}, but it must be an integer from {at_least} to {at_most}"
            )
        return value

    return parse


def add_output_flags(parser: argparse.ArgumentParser, output_dir: str) -> None:
    """Adds --output_dir, --overwrite and --seed, which every experiment has."""
    parser.add_argument(
        "--output_dir", default=output_dir, help="folder for the results"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the results of an earlier run in --output_dir",
    )
    parser.add_argument(
        "--seed", type=integer(0), default=0, help="seed of all random draws"
    )


def prepare_output_dir(path: str, results: Sequence[str], overwrite: bool) -> None:
    """Makes the folder `path`, free of an earlier run's results.

    Args:
      path: the folder.
      results: names of the files that the program is going to write.
      overwrite: whether earlier results may be replaced.

    Raises:
      UserError: if it can't be made, or holds results and `overwrite` is false.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output_dir {path!r} can't be made ({error.strerror}); give a folder "
            "that you may write to."
        ) from error
    if not os.access(path, os.W_OK):
        raise UserError(
            f"--output_dir {path!r} can't be written to; give a folder that you may "
            "write to."
        )
    earlier = [name for name in results if os.path.exists(os.path.join(path, name))]
    if earlier and not overwrite:
        raise UserError(
            f"--output_dir {path!r} already holds {earlier[0]} of an earlier run; "
            "give another folder, or --overwrite to replace it."
        )
    for name in earlier:
        os.remove(os.path.join(path, name))


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


def folder(text: str) -> str:
    """Parses a flag's folder, which may be one that is yet to be made."""
    if not text:
        raise argparse.ArgumentTypeError("got nothing, but it must be a folder")
    return text


def run_program(
    body: Callable[[Sequence[str] | None], int | None],
    argv: Sequence[str] | None = None,
    interrupted: str = "Interrupted; run again with --overwrite.",
) -> int:
    """Runs a program's body and returns its exit code, which is the body's or 0.

    A mistake of the user's (`UserError`) becomes one line and exit code 2, a full disk
    one line and exit code 1.

    Args:
      body: the program.
      argv: its flags.
      interrupted: what it says when it is interrupted, with exit code 130.
    """
    try:
        with console.sigint_as_keyboard_interrupt():
            return body(argv) or 0
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
    except Exception as error:
        told = sentence_and_code(error)
        if told is None:
            raise
        sentence, code = told
        print(sentence, file=sys.stderr)
        return code
