"""What the programs share: flags, `--help`, `--version`, and how they fail.

A mistake of the user ends a program with one sentence and exit code 2, a full disk
with one sentence and 1. A bug keeps its traceback.
"""

import importlib
import sys
import types
from collections.abc import Callable
from typing import NoReturn

from absl import flags

import mvhg_tf
from mvhg_tf.runs import console
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import RunInterrupted, UserError, sentence_and_code


class Program:
    """A program of given flags.

    Args:
      name: of the script, such as "dlib_train".
      purpose: one sentence for `--help`.
      module: the one that does the work; it is imported once the flags are right,
        because TensorFlow takes seconds.
      body: the work, given that module and the flags. It raises `UserError`.
    """

    def __init__(
        self,
        name: str,
        purpose: str,
        module: str,
        body: Callable[[types.ModuleType, flags.FlagValues], None],
    ):
        self._name = name
        self._purpose = purpose
        self._module = module
        self._body = body
        self._required: list[str] = []
        self.flags = flags.FlagValues()
        self.define_switch("help", "Prints this and ends.")
        self.define_switch("version", "Prints what this is and ends.")

    def define_string(
        self,
        name: str,
        meaning: str,
        required: bool = False,
        default: str | None = None,
    ) -> None:
        """A flag of text; one with a default may be left out, but not be empty."""
        flags.DEFINE_string(name, default, meaning, flag_values=self.flags)
        if required or default is not None:
            self._required.append(name)

    def define_list(self, name: str, meaning: str) -> None:
        """A flag that may be given many times."""
        flags.DEFINE_multi_string(name, [], meaning, flag_values=self.flags)

    def define_switch(self, name: str, meaning: str) -> None:
        flags.DEFINE_boolean(name, False, meaning, flag_values=self.flags)

    def define_gin(self) -> None:
        """The flags that all programs with a configuration have."""
        self.define_list("gin_config", "Path of a gin file.")
        self.define_list("gin_bindings", "A gin binding such as 'a.b = 1'.")
        self.define_switch("overwrite", "Replaces an earlier run in the folder.")

    def run(self, arguments: list[str]) -> None:
        """Runs the program with the arguments that follow its name, and exits."""
        try:
            with console.sigint_as_keyboard_interrupt():
                self._parse(arguments)
                with quiet_imports():
                    module = importlib.import_module(self._module)
                self._body(module, self.flags)
        except RunInterrupted as error:
            flag = " without --overwrite" if self.flags["overwrite"].value else ""
            sentence = f"stopped; the same command{flag} goes on from here."
            self._fail(str(error) or sentence, code=130)
        except KeyboardInterrupt:
            self._fail("stopped; nothing was left half-done.", code=130)
        except Exception as error:
            told = sentence_and_code(error)
            if told is None:
                raise
            self._fail(*told)

    def _parse(self, arguments: list[str]) -> None:
        try:
            rest = self.flags([self._name, *arguments])[1:]
        except flags.Error as error:
            raise UserError(f"{error}; see {self._name} --help.") from error
        if self.flags.help:
            print(self._help())
            sys.exit()
        if self.flags.version:
            print(
                f"{self._name} (mvhg_tf {mvhg_tf.__version__}, TensorFlow 2 port of "
                "disentanglement_lib 1.5)"
            )
            sys.exit()
        if rest:
            raise UserError(
                f"{rest[0]!r} is not the value of any flag; see {self._name} --help."
            )
        for name in self._required:
            if not self.flags[name].value:
                meaning = self.flags[name].help.rstrip(".").lower()
                raise UserError(f"--{name} is missing: give the {meaning}.")

    def _help(self) -> str:
        lines = [self._purpose, "", f"usage: {self._name} --flag=value ...", ""]
        for name in sorted(self.flags):
            if self.flags[name].help and name not in ("flagfile", "undefok"):
                default = self.flags[name].default
                needed = " (required)" if name in self._required else ""
                if isinstance(default, str):
                    needed = f" (default: {default})"
                meaning = " ".join(self.flags[name].help.split()).replace(
                    "; repeat this option to specify a list of values",
                    " May be repeated.",
                )
                lines.append(f"  --{name:28}{meaning}{needed}")
        return "\n".join(lines)

    def _fail(self, sentence: str, code: int) -> NoReturn:
        print(f"{self._name}: {' '.join(sentence.split())}", file=sys.stderr)
        sys.exit(code)
