"""Clusters a data set with VaDE: `mvhg_cluster`.

    mvhg_cluster --output_directory clusters
    mvhg_cluster --data mnist --gin_bindings 'vade.prior = @categorical_prior()'

The same command on its unfinished folder goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from mvhg_tf.programs import command_line
from mvhg_tf.runs import determinism
from mvhg_tf.runs.console import quiet_imports


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_line.Parser(
        prog="mvhg_cluster", description="Clusters a data set with VaDE."
    )
    parser.add_argument(
        "--output_directory",
        type=command_line.folder,
        default="clusters",
        help="folder for all results; the same one goes on with an unfinished run",
    )
    parser.add_argument(
        "--data",
        help="digits, mnist, fashion_mnist, an npz file with x and y, or a folder with "
        "MNIST's idx files: short for the binding of data.source",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--start",
        help="start.npz of another run on the same data, to train from instead of "
        "pretraining anew",
        default="",
    )
    parser.add_argument(
        "--gin_config",
        action="append",
        help="path of a gin file, such as gin_configs/clustering_mnist.gin; may be "
        "repeated",
        default=[],
    )
    parser.add_argument(
        "--gin_bindings",
        action="append",
        help="a gin binding such as 'fit.epochs = 20'; may be repeated",
        default=[],
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an earlier run in --output_directory",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="the same seed gives the same weights on this machine, bit for bit; "
        "slower on GPUs",
    )
    return parser.parse_args(argv)


def _run(argv: Sequence[str] | None) -> None:
    flags = _parse(argv)
    bindings = list(flags.gin_bindings)
    if hasattr(flags, "data"):
        bindings.append(f"data.source = {flags.data!r}")
    with quiet_imports():
        train = importlib.import_module("mvhg_tf.clustering.train")
    if flags.deterministic:
        determinism.enable()
    summary = train.train_with_gin(
        flags.output_directory,
        flags.overwrite,
        flags.gin_config,
        bindings,
        flags.start,
    )
    print(f"{summary}\n\nAll results are in {flags.output_directory}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the flags `argv` and returns its exit code."""
    return command_line.run_program(
        _run, argv, "Stopped; the same command without --overwrite goes on from here."
    )


if __name__ == "__main__":
    raise SystemExit(main())
