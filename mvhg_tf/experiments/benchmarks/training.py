"""Steps a second of the models of pairs (docs/benchmark_training.md).

    bin/benchmark training --output=docs/benchmark_training.md \\
        --library_source=PATH --stock_python=PATH/bin/python

Without --stock_python nothing is compared with the library's own training.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mvhg_tf.errors import UserError
from mvhg_tf.experiments import command_line
from mvhg_tf.terminal import quiet_imports


def parse(
    argv: Sequence[str] | None,
    subject: str,
    description: str,
    unit: str,
    num_units: int,
) -> argparse.Namespace:
    """Parses the flags of a benchmark that is compared with the library's code.

    Args:
      argv: the flags.
      subject: of the benchmark.
      description: of what it measures.
      unit: what one measurement consists of; also the name of a flag.
      num_units: how many, by default.

    Raises:
      UserError: for a flag that is not allowed, or an output that exists.
    """
    parser = command_line.Parser(prog=f"benchmark {subject}", description=description)
    parser.add_argument(
        "--output", default=f"benchmark_{subject}.md", help="the Markdown file"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier --output"
    )
    parser.add_argument(
        "--rounds",
        type=command_line.integer(1, 1000),
        default=9,
        help="measurements of each thing; their median counts",
    )
    parser.add_argument(
        f"--{unit}",
        type=command_line.integer(1, 10_000),
        default=num_units,
        help=f"{unit} of one measurement",
    )
    parser.add_argument(
        "--library_source",
        help="a checkout of disentanglement_lib, whose own code is compared with",
    )
    parser.add_argument(
        "--stock_python",
        help="a Python that has TensorFlow 2.15 and gin-config 0.3, to run it",
    )
    flags = parser.parse_args(argv)
    if bool(flags.library_source) != bool(flags.stock_python):
        raise UserError(
            "--library_source and --stock_python belong together; give both or none."
        )
    command_line.check_output_file(flags.output, flags.overwrite)
    return flags


def _run(argv: Sequence[str] | None) -> None:
    flags = parse(
        argv,
        subject="training",
        description="Measures the steps a second of each weakly supervised model.",
        unit="steps",
        num_units=10,
    )
    with quiet_imports():
        from mvhg_tf.experiments.benchmarks import library_code, training_timings
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        images = library_code.save_images(Path(folder, "images.npy"))
        workers = {}
        if flags.stock_python:
            for model in library_code.MODELS:
                workers[model] = stack.enter_context(
                    library_code.Worker(
                        flags.library_source,
                        flags.stock_python,
                        images,
                        model,
                        training_timings.BATCH_SIZE,
                    )
                )
        text = training_timings.run(images, workers, flags.rounds, flags.steps)
    Path(flags.output).write_text(text, encoding="utf-8")
    print(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    return command_line.run_program(_run, argv)
