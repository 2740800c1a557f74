"""The authors' PyTorch code, run in a process of its own (see `authors_worker`)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from benchmarks.line_process import LineProcess
from mvhg_tf.runs.errors import UserError

# Urns of the step whose time is compared, and of the one whose memory is.
STEP_BATCH, MEMORY_BATCH = 256, 1024


class Worker(LineProcess):
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
        script = os.path.join(os.path.dirname(__file__), "authors_worker.py")
        super().__init__(
            [torch_python, script, code, str(batch_size)],
            what="The authors' code",
            flag="--torch_python",
            needs="PyTorch and NumPy",
            environment=environment,
        )
        self._code = code

    def __enter__(self) -> Worker:
        module = os.path.join(self._code, "mvhg", "pt_fmvhg.py")
        if not os.path.isfile(module):
            raise UserError(
                f"--authors_code {self._code!r} has no mvhg/pt_fmvhg.py; give a "
                "checkout of the authors' repository."
            )
        super().__enter__()
        try:
            self.version()
        except UserError:
            self.__exit__()
            raise
        return self

    def version(self) -> str:
        """The version of PyTorch."""
        return self.ask("version")

    def step_seconds(self) -> float:
        """Makes a draw and its backward pass and returns the seconds it took."""
        return float(self.ask("step"))

    def peak_memory(self) -> int:
        """The process's peak resident bytes during such a step."""
        return int(self.ask("memory"))
