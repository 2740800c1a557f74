"""Clusters a data set with VaDE: `mvhg_cluster`.

    mvhg_cluster --output_dir=clusters
    mvhg_cluster --data=mnist --gin_bindings 'vade.prior = @categorical_prior()'

If it was stopped, the same command resumes it.
"""

from __future__ import annotations

import json
import os
import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import command, print_end, sibling
from mvhg_tf.runs import determinism, gin_files
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "mvhg_cluster",
        "Clusters a data set with VaDE. The same command resumes an unfinished run.",
        _cluster,
        "mvhg_cluster --output_dir=clusters\n"
        "mvhg_cluster --data=my.npz --gin_bindings='cluster.num_clusters = 3'\n"
        "mvhg_cluster --data=mnist --gin_config=clustering_mnist.gin",
    )
    program.add_output_dir("folder for all results", default="clusters")
    program.add_text(
        "data",
        "digits, mnist, fashion_mnist, an npz file with x (and y), or a folder with "
        "MNIST's idx files; short for a binding of data.source",
    )
    program.add_text(
        "start",
        "start.npz of another run on the same data, to start from instead of "
        "pretraining again",
    )
    program.add_gin()
    program.add_switch(
        "deterministic",
        "make the weights reproducible bit for bit from the seed, on this machine; "
        "slower on GPUs",
    )
    return program.run(argv)


def _cluster(flags: types.SimpleNamespace) -> None:
    bindings = list(flags.gin_bindings)
    if flags.data is not None:
        bindings.append(f"data.source = {flags.data!r}")
    with quiet_imports():
        from mvhg_tf.clustering import train
    if flags.deterministic:
        determinism.enable()
    summary = train.train_with_gin(
        flags.output_dir,
        flags.overwrite,
        flags.gin_config,
        bindings,
        start=flags.start or "",
    )
    print(summary, end="\n\n")
    print_end(
        f"All results are in {flags.output_dir}; pictures of them are in its folder "
        "figures.",
        _with_another_prior(flags, os.path.join(flags.output_dir, train.RESULTS)),
    )


def _with_another_prior(flags: types.SimpleNamespace, results: str) -> str:
    """The command that trains with another prior, from the same start.

    Args:
      flags: of this run.
      results: the path of its results.
    """
    with open(results, encoding="utf-8") as file:
        used = json.load(file)["config"]
    other = "uniform" if "@categorical_prior" in used else "categorical"
    kept = [text for text in flags.gin_bindings if "_prior" not in text]
    start = os.path.join(flags.output_dir, "start.npz")
    return command(
        "mvhg_cluster",
        {
            "output_dir": sibling(flags.output_dir, f"_{other}"),
            "data": flags.data,
            "start": flags.start or start,
            "gin_config": [gin_files.short_name(path) for path in flags.gin_config],
            "gin_bindings": [*kept, f"vade.prior = @{other}_prior()"],
            "import": getattr(flags, "import"),
        },
    )


if __name__ == "__main__":
    raise SystemExit(main())
