"""The authors' PyTorch code, run in a process of its own (see `authors_worker`)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from mvhg_tf.errors import UserError

# Urns of the step whose time is compared, and of the one whose memory is.
STEP_BATCH, MEMORY_BATCH = 256, 1024


class Worker:
    """A running `authors_worker`, as a context manager.

    Args:
      code: a checkout of the authors' repository.
      torch_python: a Python that has PyTorch.
      batch_size: of its steps.
      environment: variables that it gets besides those of this process.

    Raises:
      UserError: on entry, if the code can't be run.
    """

    def __init__(
        self,
        code: str,
        torch_python: str,
        batch_size: int,
        environment: Mapping[str, str] | None = None,
    ):
        self._code = code
        self._environment = {**os.environ, **(environment or {})}
        script = os.path.join(os.path.dirname(__file__), "authors_worker.py")
        self._command = [torch_python, script, code, str(batch_size)]

    def __enter__(self) -> Worker:
        module = os.path.join(self._code, "mvhg", "pt_fmvhg.py")
        if not os.path.isfile(module):
            raise UserError(
                f"--authors_code {self._code!r} has no mvhg/pt_fmvhg.py; give a "
                "checkout of the authors' repository."
            )
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self._environment,
            )
        except OSError as error:
            raise UserError(
                f"--torch_python {self._command[0]!r} can't be run "
                f"({error.strerror}); give a Python that has PyTorch."
            ) from error
        try:
            self.version()
        except UserError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self._process.communicate()

    def version(self) -> str:
        """The version of PyTorch."""
        return self._ask("version")

    def step_seconds(self) -> float:
        """Makes a draw and its backward pass and returns the seconds it took."""
        return float(self._ask("step"))

    def peak_memory(self) -> int:
        """The process's peak resident bytes during such a step."""
        return int(self._ask("memory"))

    def _ask(self, request: str) -> str:
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if not answer:
            reason = self._process.stderr.read().strip().splitlines() or ["no message"]
            raise UserError(
                f"The authors' code can't be run by {self._command[0]!r} "
                f"({reason[-1]}); give a --torch_python that has PyTorch and NumPy."
            )
        return answer
