"""`dlib_download_data`."""

import os
import types
from collections.abc import Sequence

from mvhg_tf.disentanglement.installation import data_folder
from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.runs import console
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import RunInterrupted, UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_download_data",
        "Downloads data sets to where dataset.name finds them.",
        _download,
        "dlib_download_data --dataset=mpi3d_toy --directory=~/data",
    )
    program.add_list("dataset", "name of a data set")
    program.add_switch("list", "print the names: size, license, source")
    program.add_text(
        "directory",
        "folder of all data (default: that which DISENTANGLEMENT_LIB_DATA names, or "
        "else the working directory)",
    )
    program.add_text(
        "base_url",
        "address of a mirror, a folder of the files that --list names (default: where "
        "each is published)",
        str,
    )
    program.add_switch(
        "overwrite", "replace what is there, once there is something new"
    )
    return program.run(argv)


def _download(flags: types.SimpleNamespace) -> None:
    with quiet_imports():
        from mvhg_tf.disentanglement.data import downloads
    if flags.list:
        print(downloads.listing())
        return
    if not flags.dataset:
        raise UserError("--dataset is missing: give a name that --list prints.")
    names = [downloads.find(name).name for name in dict.fromkeys(flags.dataset)]
    for name in names:
        try:
            with console.signals_as_keyboard_interrupt():
                folder, was_there = downloads.get(
                    name, flags.directory, flags.base_url, flags.overwrite
                )
        except KeyboardInterrupt as error:
            raise RunInterrupted(
                "stopped; the same command goes on from here."
            ) from error
        print(f"{name} is in {folder}{' already' if was_there else ''}.")
    _tell_the_loaders(flags.directory)


def _tell_the_loaders(directory: str | None) -> None:
    """Says how the loaders find the data, unless they look there anyway."""
    if directory is not None:
        path = os.path.abspath(directory)
        if path != os.path.abspath(data_folder()):
            print(f"For the loaders: export DISENTANGLEMENT_LIB_DATA={path}")
