"""What the benchmarks' programs share: flags, and where their text goes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mvhg_tf.programs import command_line
from mvhg_tf.runs.errors import UserError


def make_parser(subject: str, description: str, rounds: int = 9) -> command_line.Parser:
    """A parser of --output, --overwrite and --rounds.

    Args:
      subject: of the benchmark.
      description: of what it measures.
      rounds: the default of --rounds.
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
        default=rounds,
        help="measurements of each thing; their median counts",
    )
    return parser


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """The flags, of which --output can be written.

    Raises:
      UserError: for a flag that is not allowed, or an output that exists.
    """
    flags = parser.parse_args(argv)
    command_line.check_output_file(flags.output, flags.overwrite)
    return flags


def parse_beside_library(
    argv: Sequence[str] | None,
    subject: str,
    description: str,
    unit: str,
    num_units: int,
) -> argparse.Namespace:
    """The flags of a benchmark that is compared with the library's code.

    Args:
      argv: the flags.
      subject: of the benchmark.
      description: of what it measures.
      unit: what one measurement consists of; also the name of a flag.
      num_units: how many, by default.

    Raises:
      UserError: for a flag that is not allowed, or an output that exists.
    """
    parser = make_parser(subject, description)
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
    flags = parse(parser, argv)
    if bool(flags.library_source) != bool(flags.stock_python):
        raise UserError(
            "--library_source and --stock_python belong together; give both or none."
        )
    return flags


def write(text: str, output: str) -> None:
    """Writes the text to the file, and prints it."""
    Path(output).write_text(text, encoding="utf-8")
    print(text)
