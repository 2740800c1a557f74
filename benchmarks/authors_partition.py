"""The authors' partitions in PyTorch, in a process of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from benchmarks.line_process import LineProcess
from mvhg_tf.runs.errors import UserError


class Worker(LineProcess):
    """A running `authors_partition_worker`, as a context manager.

    Args:
      code: a checkout of the authors' repository drpm.
      distribution_code: a checkout of their repository mvhg, which drpm imports.
      torch_python: a Python that has PyTorch.
      environment: variables that it gets besides those of this process.

    Raises:
      UserError: on entry, if the code can't be run.
    """

    def __init__(
        self,
        code: str,
        distribution_code: str,
        torch_python: str,
        environment: Mapping[str, str] | None = None,
    ):
        script = os.path.join(os.path.dirname(__file__), "authors_partition_worker.py")
        super().__init__(
            [torch_python, script, code, distribution_code],
            what="The authors' code",
            flag="--torch_python",
            needs="PyTorch and NumPy",
            environment=environment,
        )
        self._files = {
            "--authors_code": (code, os.path.join("drpm", "diff_rand_part_model.py")),
            "--distribution_code": (
                distribution_code,
                os.path.join("mvhg", "pt_fmvhg.py"),
            ),
        }

    def __enter__(self) -> Worker:
        for flag, (folder, file) in self._files.items():
            if not os.path.isfile(os.path.join(folder, file)):
                raise UserError(
                    f"{flag} {folder!r} has no {file}; give a checkout of the authors' "
                    "repository."
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

    def seconds(self, what: str, setting: Mapping[str, int]) -> float:
        """The seconds of a `draw`, or of a `step`: a draw and its backward pass.

        Args:
          what: `"draw"` or `"step"`.
          setting: the batch size B, the elements n and the groups K.
        """
        numbers = " ".join(str(setting[name]) for name in "BnK")
        return float(self.ask(f"{what} {numbers}"))
