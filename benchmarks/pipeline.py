r"""Pairs a second of the input pipeline (docs/benchmark_pipeline.md).

    bin/benchmark pipeline --output=docs/benchmark_pipeline.md \\
        --library_source=PATH --stock_python=PATH/bin/python

Without --stock_python the library is stood in for by a loop of one pair at a time
through the data set's `sample_factors` and `sample_observations_from_factors`.
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
        "pipeline", "Measures how fast pairs of images are drawn.", _run
    )
    programs.add_library_flags(program, unit="batches", num_units=100)
    return program.run(argv)


def _run(flags) -> None:
    programs.check_library_flags(flags)
    with quiet_imports():
        from benchmarks import library_code, pipeline_timings
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        images = library_code.save_images(Path(folder, "images.npy"))
        worker = None
        if flags.stock_python:
            worker = stack.enter_context(
                library_code.Worker(
                    flags.library_source,
                    flags.stock_python,
                    images,
                    library_code.DATA_ONLY,
                    pipeline_timings.BATCH_SIZE,
                )
            )
        text = pipeline_timings.run(images, worker, flags.rounds, flags.batches)
    programs.write(text, flags.output)
