"""`dlib_download_data`."""

import os
import shlex
import types
from collections.abc import Sequence

from mvhg_tf.disentanglement.installation import data_folder
from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import command, print_end
from mvhg_tf.runs import console
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import RunInterrupted, UserError

# The values of dataset.name for which a download has another name.
_NAMES_OF_DATA = {"dsprites": "dsprites_full", "scream": "scream_dsprites"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_download_data",
        "Downloads data sets to the folder in which dataset.name looks for them.",
        _download,
        "dlib_download_data --dataset=mpi3d_toy --directory=~/data",
    )
    program.add_list("dataset", "name of a data set")
    program.add_switch("list", "list the data sets with their size, license and source")
    program.add_text(
        "directory",
        "folder for all data (default: the folder named by DISENTANGLEMENT_LIB_DATA, "
        "or else the working directory)",
    )
    program.add_text(
        "base_url",
        "address of a mirror that holds the files that --list names (default: the "
        "address at which each file was published)",
        str,
    )
    program.add_switch(
        "overwrite", "replace existing files, once the new ones are complete"
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
    found = []
    for name in names:
        try:
            with console.signals_as_keyboard_interrupt():
                folder, was_there = downloads.get(
                    name, flags.directory, flags.base_url, flags.overwrite
                )
        except KeyboardInterrupt as error:
            raise RunInterrupted(
                "stopped; the same command continues from here."
            ) from error
        found.append(f"{name} is in {folder}{' already' if was_there else ''}.")
    draw = {"name": _NAMES_OF_DATA.get(names[-1], names[-1])}
    print_end(
        "\n".join(found),
        *_exports(flags.directory),
        command("dlib_visualize_dataset", draw),
    )


def _exports(directory: str | None) -> list[str]:
    """The command that lets the loaders find the data, where one is needed."""
    path = os.path.abspath(directory or data_folder())
    if path == os.path.abspath(data_folder()):
        return []
    return [f"export DISENTANGLEMENT_LIB_DATA={shlex.quote(path)}"]
