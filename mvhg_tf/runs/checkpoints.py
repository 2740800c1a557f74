"""Checkpoints, and resuming from the newest intact one."""

import glob
import os
import re
import shutil
import sys

import tensorflow as tf

from mvhg_tf.runs.errors import UserError


def open_manager(
    checkpoint: tf.train.Checkpoint, directory: str, max_to_keep: int = 2
) -> tf.train.CheckpointManager:
    """A manager that keeps the newest checkpoints, by default two.

    TensorFlow's list of checkpoints is rebuilt from the file names: a killed process
    may have left it damaged, or without its last checkpoint, which would then never be
    removed. Half-written and half-removed files are removed too.
    """
    within = glob.escape(directory)
    for folder in glob.glob(os.path.join(within, "ckpt-*_temp")):
        shutil.rmtree(folder)
    for path in glob.glob(os.path.join(within, "checkpoint*")):
        os.remove(path)
    # The index of a checkpoint is written last and removed first.
    for path in glob.glob(os.path.join(within, "ckpt-*.data-*")):
        if not os.path.exists(f"{path.rpartition('.data-')[0]}.index"):
            os.remove(path)
    paths = _newest_first(directory)[::-1]
    if paths:
        _write_list(directory, paths)
    return tf.train.CheckpointManager(checkpoint, directory, max_to_keep=max_to_keep)


def _write_list(directory: str, paths: list[str]) -> None:
    """Writes TensorFlow's list of the checkpoints, the oldest first."""
    state = tf.compat.v1.train.generate_checkpoint_state_proto(
        directory,
        paths[-1],
        all_model_checkpoint_paths=paths,
        # The manager never removes a checkpoint older than this.
        all_model_checkpoint_timestamps=[1.0] * len(paths),
        last_preserved_timestamp=0.0,
    )
    with open(os.path.join(directory, "checkpoint"), "w", encoding="utf-8") as file:
        file.write(str(state))


def restore_newest(manager: tf.train.CheckpointManager) -> None:
    """Restores the newest checkpoint that can be read, or nothing if there is none.

    TensorFlow keeps a checksum of each tensor. If a file turns out to be damaged, a
    line says so and the previous checkpoint is tried. The files are found by their
    names, because TensorFlow's own list of them may be damaged too.

    Args:
      manager: of the checkpoints, numbered by their steps.

    Raises:
      UserError: if there are checkpoints, but none can be read.
    """
    paths = _newest_first(manager.directory)
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
            # Each kind of damage raises its own error. The next checkpoint overwrites
            # whatever this one may have changed.
            print(
                f"The checkpoint {path} is damaged, so the previous one is used.",
                file=sys.stderr,
            )
    if paths:
        raise UserError(
            f"No checkpoint in {manager.directory} can be read: use --overwrite to "
            "train from the beginning, or choose another folder."
        )


def remove_all(directory: str) -> None:
    """Removes the folder of the checkpoints, without leaving a torn one behind.

    A checkpoint without its index counts as never written.
    """
    for path in _newest_first(directory)[::-1]:
        os.remove(f"{path}.index")
    shutil.rmtree(directory)


def _newest_first(directory: str) -> list[str]:
    prefixes = [
        path.removesuffix(".index")
        for path in glob.glob(os.path.join(glob.escape(directory), "*.index"))
    ]
    steps = {p: re.fullmatch(r"ckpt-(\d+)", os.path.basename(p)) for p in prefixes}
    numbered = {path: int(match[1]) for path, match in steps.items() if match}
    return sorted(numbered, key=lambda path: numbered[path], reverse=True)
