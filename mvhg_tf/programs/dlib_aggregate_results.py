"""`dlib_aggregate_results`."""

import sys

from mvhg_tf.programs.absl_program import Program


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Gathers the results of many runs in one JSON file, a row each.",
        "mvhg_tf.disentanglement.steps.aggregate_results",
        _aggregate,
    )
    program.define_string(
        "result_file_pattern",
        "Pattern of JSON files, such as 'output/*/results/aggregate/evaluation.json'.",
        default="output/*/metrics/*/*/results/aggregate/evaluation.json",
    )
    program.define_string(
        "output_path",
        "File for the table; one that is there is replaced.",
        default="results.json",
    )
    program.run(sys.argv[1:])


def _aggregate(aggregate_results, flags) -> None:
    aggregate_results.aggregate_results_to_json(
        flags.result_file_pattern, flags.output_path
    )
