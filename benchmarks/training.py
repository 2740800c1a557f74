r"""Steps a second of the models of pairs (docs/benchmark_training.md).

    bin/benchmark training --output=docs/benchmark_training.md \\
        --library_source=PATH --stock_python=PATH/bin/python

Without --stock_python nothing is compared with the library's own training.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import programs
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    program = programs.make_program(
        "training", "Measures the steps a second of each weakly supervised model.", _run
    )
    programs.add_library_flags(program, unit="steps", num_units=10)
    return program.run(argv)


def _run(flags) -> None:
    programs.check_library_flags(flags)
    with quiet_imports():
        from benchmarks import library_code, training_timings
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
    programs.write(text, flags.output)
