"""Starts the programs, and sees to it that `dlib_train` and the others are ours.

disentanglement_lib installs scripts of the same names. Whichever package is
installed last leaves its script in the environment's `bin`, and the library's can't
run on TensorFlow 2. So `mvhg_tf_programs.pth`, which Python executes at every start,
calls `take_over` if the script's name has "dlib_" in it (and this module has not been
removed); where the script turns out to be the library's, ours is started in its place.

This module stands outside of the package and imports the rest late: a start of
Python must not cost more because of it.
"""

import os
import sys

# The modules in mvhg_tf.programs.
_PROGRAMS = {
    "dlib_train": "dlib_train",
    "dlib_train_semi_supervised": "dlib_train",
    "dlib_train_weakly_supervised": "dlib_train",
    "dlib_postprocess": "dlib_postprocess",
    "dlib_evaluate": "dlib_evaluate",
    "dlib_aggregate_results": "dlib_aggregate_results",
    "dlib_udr": "dlib_udr",
    "dlib_reason": "dlib_reason",
    "dlib_reproduce": "dlib_reproduce",
    "dlib_reproduce_weakly_supervised": "dlib_reproduce_weakly_supervised",
    "dlib_download_data": "dlib_download_data",
    "dlib_visualize_model": "dlib_visualize_model",
    "dlib_visualize_dataset": "dlib_visualize_dataset",
}


def main() -> None:
    """Runs the program that the name of the script tells."""
    import importlib

    name = os.path.basename(sys.argv[0])
    sys.exit(importlib.import_module(f"mvhg_tf.programs.{_PROGRAMS[name]}").main())


def take_over() -> None:
    """Replaces this process by our program if the library's was about to start."""
    script = sys.argv[0]
    name = os.path.basename(script)
    if name not in _PROGRAMS:
        return
    try:
        with open(script, encoding="utf-8") as file:
            is_librarys = "from disentanglement_lib" in file.read()
    except (OSError, UnicodeDecodeError):
        return
    if is_librarys:
        options = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv)]
        program = [*options, "-m", "mvhg_tf_programs", name, *sys.argv[1:]]
        os.execv(sys.executable, [sys.executable, *program])


if __name__ == "__main__":
    del sys.argv[0]
    main()
