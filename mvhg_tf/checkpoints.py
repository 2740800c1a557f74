"""Checkpoints, and going on from the newest one that is whole."""

import glob
import os
import re
import sys

import tensorflow as tf

from mvhg_tf.errors import UserError


def open_manager(
    checkpoint: tf.train.Checkpoint, directory: str
) -> tf.train.CheckpointManager:
    """A manager that keeps the two newest checkpoints.

    TensorFlow's list of checkpoints says nothing that their names don't say, so a
    damaged one is removed.
    """
    try:
        return tf.train.CheckpointManager(checkpoint, directory, max_to_keep=2)
    except ValueError:
        os.remove(os.path.join(directory, "checkpoint"))
        return tf.train.CheckpointManager(checkpoint, directory, max_to_keep=2)


def restore_newest(manager: tf.train.CheckpointManager) -> None:
    """Restores the newest checkpoint that can be read, or nothing if there is none.

    TensorFlow keeps a checksum of each tensor. Where a file turns out to be damaged,
    the terminal is told, and the checkpoint before is tried. The files are looked for
    by their names, as the list of them that TensorFlow keeps may be damaged too.

    Args:
      manager: of the checkpoints, numbered by their steps.

    Raises:
      UserError: if there are checkpoints, but none can be read.
    """
    paths = _newest_first(manager)
    for path in paths:
        try:
            manager.checkpoint.restore(path).assert_existing_objects_matched()
            return
        except (
            AssertionError,
            IndexError,
            RuntimeError,
            ValueError,
            tf.errors.OpError,
        ):
            # Each kind of damage has its own error; the next checkpoint restores
            # all that this one may have changed.
            print(
                f"The checkpoint {path} is damaged, so the one before is used.",
                file=sys.stderr,
            )
    if paths:
        raise UserError(
            f"No checkpoint in {manager.directory} can be read: use --overwrite to "
            "train anew, or choose another folder."
        )


def _newest_first(manager: tf.train.CheckpointManager) -> list[str]:
    prefixes = [
        path.removesuffix(".index")
        for path in glob.glob(os.path.join(glob.escape(manager.directory), "*.index"))
    ]
    steps = {p: re.fullmatch(r"ckpt-(\d+)", os.path.basename(p)) for p in prefixes}
    numbered = {path: int(match[1]) for path, match in steps.items() if match}
    return sorted(numbered, key=numbered.get, reverse=True)
