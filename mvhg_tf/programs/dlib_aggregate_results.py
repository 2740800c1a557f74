"""`dlib_aggregate_results`."""

import json
import shlex
import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import print_end
from mvhg_tf.runs.console import quiet_imports

_PATTERN = "output/*/metrics/*/*/results/aggregate/evaluation.json"
_EXAMPLE = """\
dlib_aggregate_results --output_path=results.json \\
  --result_file_pattern='scores/*/results/aggregate/evaluation.json'"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_aggregate_results",
        "Collects the results of many runs in one JSON table, with one row for each "
        "run.",
        _aggregate,
        _EXAMPLE,
    )
    program.add_text(
        "result_file_pattern", "pattern of the JSON files to collect", default=_PATTERN
    )
    program.add_text(
        "output_path",
        "file for the table; an existing file is replaced",
        default="results.json",
    )
    return program.run(argv)


def _aggregate(flags: types.SimpleNamespace) -> None:
    with quiet_imports():
        from mvhg_tf.disentanglement.steps import aggregate_results
    num = aggregate_results.aggregate_results_to_json(
        flags.result_file_pattern, flags.output_path
    )
    read = (
        f"import pandas; print(pandas.read_json({json.dumps(flags.output_path)})"
        '.filter(like="_results.").T)'
    )
    print_end(
        f"The table of {num} results is in {flags.output_path}.",
        f"python -c {shlex.quote(read)}",
    )
