"""`dlib_download_data`."""

import os
import sys

from mvhg_tf.programs.absl_program import Program
from mvhg_tf.runs import console
from mvhg_tf.runs.errors import RunInterrupted, UserError


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Downloads data sets to where dataset.name finds them.",
        "mvhg_tf.disentanglement.data.downloads",
        _download,
    )
    program.define_list("dataset", "Name of a data set; --list says which there are.")
    program.define_switch("list", "Prints what there is: size, license, source.")
    program.define_string(
        "directory",
        "Folder of all data (by default that which DISENTANGLEMENT_LIB_DATA names, or "
        "else the working directory).",
    )
    program.define_string(
        "base_url",
        "Address of a mirror: a folder of the files that --list names (by default each "
        "comes from where it is published).",
    )
    program.define_switch(
        "overwrite", "Replaces what is there, once there is something new."
    )
    program.run(sys.argv[1:])


def _download(downloads, flags) -> None:
    if flags.list:
        print(downloads.listing())
        return
    if not flags.dataset:
        raise UserError("--dataset is missing: give a name that --list prints.")
    if flags.directory == "":
        raise UserError("--directory is empty: give a folder, or leave the flag out.")
    names = [downloads.find(name).name for name in dict.fromkeys(flags.dataset)]
    for name in names:
        try:
            with console.sigint_as_keyboard_interrupt():
                folder, was_there = downloads.get(
                    name, flags.directory, flags.base_url, flags.overwrite
                )
        except KeyboardInterrupt as error:
            raise RunInterrupted(
                "stopped; the same command goes on from here."
            ) from error
        print(f"{name} is in {folder}{' already' if was_there else ''}.")
    _tell_the_loaders(downloads, flags.directory)


def _tell_the_loaders(downloads, directory: str | None) -> None:
    """Says how the loaders find the data, unless they look there anyway."""
    if directory is not None:
        path = os.path.abspath(directory)
        if path != os.path.abspath(downloads.default_directory()):
            print(f"For the loaders: export DISENTANGLEMENT_LIB_DATA={path}")
