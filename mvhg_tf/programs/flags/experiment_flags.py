"""What the experiments that write a few files share: flags, and their folder."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program, integer
from mvhg_tf.programs.flags.ending import print_end
from mvhg_tf.programs.flags.report_text import print_markdown
from mvhg_tf.runs.errors import UserError

STOPPED = "stopped; the same command starts from the beginning."


def add_experiment_flags(program: Program) -> None:
    """Adds --output_dir, named after the program, --overwrite and --seed."""
    program.add_output_dir("folder for the results", default=program.name)
    program.add_switch("overwrite", "replace an earlier run's results in --output_dir")
    program.add_text("seed", "seed of all random draws", integer(0), 0)


def prepare_output_dir(path: str, results: Sequence[str], overwrite: bool) -> None:
    """Makes the folder `path`, free of an earlier run's results.

    Args:
      path: the folder.
      results: names of the files that the program is going to write.
      overwrite: whether earlier results may be replaced.

    Raises:
      UserError: if it can't be created, or holds results and `overwrite` is false.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output_dir {path!r} can't be created ({error.strerror}); give a folder "
            "that you may write to."
        ) from error
    if not os.access(path, os.W_OK):
        raise UserError(
            f"--output_dir {path!r} is not writable; give a folder that you may write "
            "to."
        )
    earlier = [name for name in results if os.path.exists(os.path.join(path, name))]
    if earlier and not overwrite:
        raise UserError(
            f"--output_dir {path!r} already holds {earlier[0]} from an earlier run; "
            "give another folder, or --overwrite to replace it."
        )
    for name in earlier:
        os.remove(os.path.join(path, name))


def print_results(summary: str, output_dir: str, results: Sequence[str]) -> None:
    """Prints an experiment's summary, and the files that it wrote."""
    print_markdown(summary)
    print_end(f"Written to {output_dir}: {', '.join(results)}.")
