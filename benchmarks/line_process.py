"""A program in another Python that answers each line of its input with a line."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from mvhg_tf.runs.errors import UserError


class LineProcess:
    """The running program, as a context manager.

    Args:
      command: the Python, the script and its arguments.
      what: what runs there, for the user.
      flag: names the Python.
      needs: what that Python must have.
      environment: variables that it gets besides those of this process.

    Raises:
      UserError: on entry, if there is no such Python.
    """

    def __init__(
        self,
        command: Sequence[str],
        what: str,
        flag: str,
        needs: str,
        environment: Mapping[str, str] | None = None,
    ):
        self._command = command
        self._what = what
        self._flag = flag
        self._needs = needs
        self._environment = {**os.environ, **(environment or {})}

    def __enter__(self) -> LineProcess:
        # A file, as a pipe that nobody reads would stop the program when it is full.
        self._errors = tempfile.TemporaryFile("w+")
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env=self._environment,
            )
        except OSError as error:
            self._errors.close()
            raise UserError(
                f"{self._flag} {self._command[0]!r} can't be run ({error.strerror}); "
                f"give a Python that has {self._needs}."
            ) from error
        return self

    def __exit__(self, *exception) -> None:
        self._process.communicate()
        self._errors.close()

    def ask(self, request: object) -> str:
        """The answer to a request.

        Raises:
          UserError: if the program has ended instead.
        """
        try:
            self._process.stdin.write(f"{request}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._errors.seek(0)
            reason = self._errors.read().strip().splitlines() or ["no message"]
            raise UserError(
                f"{self._what} can't be run by {self._command[0]!r} ({reason[-1]}); "
                f"give a {self._flag} that has {self._needs}."
            )
        return answer
