"""The command line of every program: flags, --help, --version, and how it ends.

Flags are written as disentanglement_lib's users write them: `--flag=value`,
`--flag value`, `-flag=value`, `--switch`, `--noswitch` and `--switch=false`.

A program ends with exit code 0, or prints one sentence on stderr and ends with 2 (the
user's mistake), 1 (a full disk, too little memory, failed jobs), 130 (Ctrl-C) or 143
(SIGTERM). A bug in mvhg_tf keeps its traceback. If the environment variable
`MVHG_TF_TRACEBACK` is set, the traceback behind the sentence is shown as well.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import textwrap
import traceback
import types
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags as absl_flags

import mvhg_tf
from mvhg_tf.runs import console, gin_files, own_modules
from mvhg_tf.runs.errors import (
    RunInterrupted,
    UserError,
    exit_code_of,
    sentence_and_code,
)

TRACEBACK_VARIABLE = "MVHG_TF_TRACEBACK"
_OLD_OUTPUT_FLAGS = ("output_directory", "output")
_WIDTH = 80


@dataclasses.dataclass(frozen=True)
class _Flag:
    """A flag, or the word that follows the program's name.

    Attributes:
      name: without dashes.
      meaning: a phrase for `--help`; empty for a hidden flag.
      read: converts the text to the value; it raises a ValueError that says what is
        allowed.
      default: the value, or its text, if the flag is not given.
      is_required: whether the flag must be given.
    """

    name: str
    meaning: str
    read: Callable[[str], object]
    default: object = None
    is_required: bool = False

    @property
    def needs_value(self) -> bool:
        """Whether the program can't run with an empty text."""
        return self.is_required or self.default is not None

    def value_of(self, text: str | list[str] | bool | None) -> object:
        """The value that was given.

        Raises:
          UserError: if it is missing, empty or not allowed.
        """
        if isinstance(text, bool):
            return text
        if isinstance(text, list):
            return [self._read(item) for item in text]
        if text is None and not self.is_required:
            if not isinstance(self.default, str):
                return self.default
            text = self.default
        if not text:
            rest = "" if self.needs_value else ", or leave the flag out"
            what = "missing" if self.needs_value else "empty"
            raise UserError(
                f"--{self.name} is {what}: give the {self.meaning.split(';')[0]}{rest}."
            )
        return self._read(text)

    def _read(self, text: str) -> object:
        try:
            return self.read(text)
        except ValueError as error:
            raise UserError(
                f"--{self.name} is {text!r}, but must be {error}."
            ) from error


class _SwitchParser(absl_flags.BooleanParser):
    def parse(self, argument: Any) -> Any:
        try:
            return super().parse(argument)
        except ValueError as error:
            raise ValueError("it must be true or false") from error


class Program:
    """A program with its flags.

    Args:
      name: the script's, such as "dlib_train".
      purpose: one sentence for `--help`.
      body: the work, given the flags' values by name; returns the exit code, or None
        for 0. It imports TensorFlow itself, because that takes seconds.
      examples: commands, for the end of `--help`.
      stopped: what the program prints when Ctrl-C ends it outside of a run.
    """

    def __init__(
        self,
        name: str,
        purpose: str,
        body: Callable[[types.SimpleNamespace], int | None],
        examples: str,
        stopped: str = "stopped; nothing was left half-done.",
    ):
        self.name = name
        self._purpose = purpose
        self._body = body
        self._examples = examples
        self._stopped = stopped
        self._flags: list[_Flag] = []
        self._word: _Flag | None = None
        self._syntax = absl_flags.FlagValues()
        self._syntax.set_gnu_getopt()

    def add_text(
        self,
        name: str,
        meaning: str,
        read: Callable[[str], object] = os.path.expanduser,
        default: object = None,
        required: bool = False,
        aliases: Sequence[str] = (),
    ) -> None:
        """A flag of one value.

        Args:
          name: without dashes.
          meaning: a phrase, such as "folder for the results"; "" hides the flag.
          read: converts the text to the value; it raises a ValueError that completes
            "but must be". By default the text itself, with `~` expanded.
          default: the value where the flag is not given, or its text.
          required: whether the flag must be given.
          aliases: other names for the flag.
        """
        self._flags.append(_Flag(name, meaning, read, default, required))
        absl_flags.DEFINE_string(name, None, meaning, flag_values=self._syntax)
        for alias in aliases:
            absl_flags.DEFINE_alias(alias, name, flag_values=self._syntax)

    def add_list(
        self,
        name: str,
        meaning: str,
        read: Callable[[str], object] = os.path.expanduser,
        required: bool = False,
    ) -> None:
        """A flag that may be given many times: the list of its values."""
        meaning = f"{meaning}; may be repeated"
        self._flags.append(_Flag(name, meaning, read, [], required))
        absl_flags.DEFINE_multi_string(name, [], meaning, flag_values=self._syntax)

    def add_switch(self, name: str, meaning: str, short: str | None = None) -> None:
        """A flag that is on or off."""
        self._flags.append(_Flag(name, meaning, bool, False))
        flag = absl_flags.BooleanFlag(name, False, meaning, short_name=short)
        flag.parser = _SwitchParser()
        absl_flags.DEFINE_flag(flag, self._syntax)

    def add_output_dir(
        self, meaning: str, default: str | None = None, required: bool = False
    ) -> None:
        """The flag --output_dir, under its earlier names too."""
        self.add_text(
            "output_dir",
            meaning,
            default=default,
            required=required,
            aliases=_OLD_OUTPUT_FLAGS,
        )

    def add_gin(self) -> None:
        """The flags that all programs with a configuration have."""
        self.add_list(
            "gin_config",
            "gin file: a path, or the name of one that comes with mvhg_tf",
            gin_files.find,
        )
        self.add_list("gin_bindings", "gin binding such as 'a.b = 1'", str)
        self.add_list("import", "your own module with data sets or models", str)
        self.add_switch("overwrite", "replace an earlier run in the folder")

    def add_word(self, name: str, options: Sequence[str]) -> None:
        """The word that must follow the program's name."""
        self._word = _Flag(name, "", choice(options), is_required=True)

    def run(self, argv: Sequence[str] | None = None) -> int:
        """Runs the program on the arguments after its name.

        Args:
          argv: the arguments; None for those of this process.

        Returns:
          The exit code.

        Raises:
          SystemExit: after --help and --version.
        """
        try:
            with console.signals_as_keyboard_interrupt():
                values = self.parse(argv)
                own_modules.import_modules(getattr(values, "import", []))
                return self._body(values) or 0
        except RunInterrupted as error:
            overwrite = "overwrite" in self._syntax and self._syntax["overwrite"].value
            flag = " without --overwrite" if overwrite else ""
            sentence = f"stopped; the same command{flag} continues from {error.place}."
            return self._report(str(error) or sentence, exit_code_of(error))
        except KeyboardInterrupt as error:
            return self._report(self._stopped, exit_code_of(error))
        except Exception as error:
            found = sentence_and_code(error)
            if found is None:
                raise
            return self._report(*found)

    def parse(self, argv: Sequence[str] | None = None) -> types.SimpleNamespace:
        """The flags' values by name.

        Raises:
          UserError: for a flag that is unknown, missing or not allowed.
          SystemExit: after --help and --version.
        """
        self.add_switch("help", "show this help and exit", short="h")
        self.add_switch("version", "show the version and exit")
        try:
            _, *words = self._syntax(
                [self.name, *(sys.argv[1:] if argv is None else argv)]
            )
        except absl_flags.Error as error:
            raise UserError(f"{error}; see {self.name} --help.") from error
        if self._syntax.help:
            print(self._help())
            sys.exit()
        if self._syntax.version:
            print(version_line(self.name))
            sys.exit()
        values = {}
        if self._word:
            values[self._word.name] = self._read_word(self._word, words)
            words = words[1:]
        if words:
            raise UserError(
                f"{words[0]!r} is not the value of any flag; see {self.name} --help."
            )
        for flag in self._flags:
            text = self._syntax[flag.name].value
            if flag.is_required and isinstance(text, list) and not any(text):
                text = ""
            values[flag.name] = flag.value_of(text)
        return types.SimpleNamespace(**values)

    def _read_word(self, word: _Flag, words: Sequence[str]) -> object:
        try:
            return word.read(words[0] if words else "")
        except ValueError as error:
            given = f"is {words[0]!r}, but" if words else "is missing: it"
            raise UserError(
                f"The {word.name} {given} must be {error}; see {self.name} --help."
            ) from error

    def _help(self) -> str:
        shown = [flag for flag in self._flags if flag.meaning]
        required = " ".join(f"--{f.name}=..." for f in shown if f.is_required)
        word = f" {self._word.name.upper()}" if self._word else ""
        usage = f"usage: {self.name}{word} {required} [flags]"
        column = max(len(flag.name) for flag in shown) + 6
        lines = [
            *textwrap.wrap(" ".join(usage.split()), _WIDTH, subsequent_indent="  "),
            "",
            *textwrap.wrap(self._purpose, _WIDTH),
            "",
        ]
        for flag in shown:
            lines += textwrap.wrap(
                f"{f'  --{flag.name}':{column}}{flag.meaning}{_note(flag)}",
                _WIDTH,
                subsequent_indent=" " * column,
                break_on_hyphens=False,
            )
        return "\n".join(
            [*lines, "", "Examples:", textwrap.indent(self._examples, "  ")]
        )

    def _report(self, sentence: str, code: int) -> int:
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        print(f"{self.name}: {' '.join(sentence.split())}", file=sys.stderr)
        return code


def _note(flag: _Flag) -> str:
    if flag.is_required:
        return " (required)"
    has_default = flag.default is not None and not isinstance(flag.default, bool | list)
    return f" (default: {flag.default})" if has_default else ""


def version_line(name: str) -> str:
    """What `--version` prints: whose program this is."""
    port = ", TensorFlow 2 port of disentanglement_lib 1.5"
    return (
        f"{name} (mvhg_tf {mvhg_tf.__version__}"
        f"{port if name.startswith('dlib_') else ''})"
    )


def integer(at_least: int, at_most: int = 2**31 - 1) -> Callable[[str], int]:
    """Returns a reader of integers from `at_least` to `at_most`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not at_least <= value <= at_most:
            raise ValueError(f"an integer from {at_least} to {at_most}")
        return value

    return read


def choice(options: Sequence[str]) -> Callable[[str], str]:
    """Returns a reader that accepts only the options."""

    def read(text: str) -> str:
        if text not in options:
            raise ValueError(f"one of {', '.join(options)}")
        return text

    return read
