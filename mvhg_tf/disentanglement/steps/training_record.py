"""What a training run writes while it runs: TensorBoard's file, and checkpoints."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import gin
import tensorflow as tf
from tensorflow.python.ops.summary_ops_v2 import import_event

from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.sources.images import Source
from mvhg_tf.disentanglement.steps.held_out import Best, HeldOut, Look
from mvhg_tf.runs.checkpoints import open_manager, restore_newest

if TYPE_CHECKING:
    from mvhg_tf.disentanglement.steps.training_loop import Options

_NUM_PICTURES = 8  # rows of the pictures


class TrainingRecord:
    """The checkpoints and TensorBoard's file of a run, for a `with` statement.

    The model is set to the newest checkpoint, if there is one.

    Args:
      model: compiled, its optimizers built.
      source: its first batch is shown.
      model_dir: gets `checkpoints` and `tensorboard`.
      options: how often what is written.
      held_out: data for losses that are looked at meanwhile, if there are any.
      sums: of the logs since the last scalars; goes into the checkpoints.
    """

    def __init__(
        self,
        model: Autoencoder,
        source: Source,
        model_dir: str,
        options: Options,
        held_out: HeldOut | None,
        sums: tf.Variable,
    ):
        self._options = options
        self._held_out = held_out
        self._best = Best(options.held_out_loss)
        checkpoint = tf.train.Checkpoint(
            model=model, optimizer=model.optimizer, best=self._best, log_sums=sums
        )
        folder = os.path.join(model_dir, "checkpoints")
        self.checkpoints = open_manager(checkpoint, folder)
        self._of_best = None
        if options.keep_best:
            self._of_best = open_manager(checkpoint, os.path.join(folder, "best"), 1)
        restore_newest(self.checkpoints)
        self._open_log = lambda: _Log(model, source, model_dir, int(model.step))

    def __enter__(self) -> TrainingRecord:
        self._log = self._open_log()
        if self._log.first_step == 0 and self._options.picture_steps:
            self._log.write_pictures(0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._log.close()

    @property
    def is_over(self) -> bool:
        """Whether the held-out loss has ended the training."""
        return self._best.has_ended(self._options.patience)

    def write(self, logs: dict[str, float], step: int, is_last: bool) -> bool:
        """Writes scalars and what else is due at a step; whether it is the last."""
        self._log.write_scalars(logs, step)
        every = self._options.look_steps
        if self._held_out and every and (step % every == 0 or is_last):
            self._look(self._held_out, step)
            is_last = is_last or self.is_over
        every = self._options.picture_steps
        if every and (step % every == 0 or is_last):
            self._log.write_pictures(step)
        return is_last

    def _look(self, held_out: HeldOut, step: int) -> None:
        look = held_out.look(self._options.held_out_batches)
        self._log.write_look(look, step)
        if self._best.is_improved_by(look, step) and self._of_best:
            _save(self._of_best, step)
        if self.is_over:
            print(
                f"Training ends at step {step}: the held-out "
                f"{self._options.held_out_loss} was best at step {self._best.step} "
                f"(train.patience = {self._options.patience}).",
                file=sys.stderr,
            )

    def save(self, step: int) -> None:
        """Writes a checkpoint."""
        self._log.flush()  # so that no scalar before a checkpoint is ever missing
        _save(self.checkpoints, step)

    def restore_best(self) -> None:
        """Sets the model to its best step, if that was kept."""
        if self._of_best:
            restore_newest(self._of_best)


def _save(manager: tf.train.CheckpointManager, step: int) -> None:
    # TensorFlow counts the saves in the checkpoint itself, which is to be the same in a
    # run that was stopped.
    manager.checkpoint.save_counter.assign(step - 1)
    manager.save(checkpoint_number=step)


class _Log:
    """TensorBoard's file of a run.

    Args:
      model: whose reconstructions are shown.
      source: its first batch is shown each time.
      model_dir: gets `tensorboard`.
      step: the run goes on from it; TensorBoard is told to drop what an earlier
        process wrote of later ones.
    """

    def __init__(self, model: Autoencoder, source: Source, model_dir: str, step: int):
        self._writer = tf.summary.create_file_writer(
            os.path.join(model_dir, "tensorboard")
        )
        self._model = model
        self._source = source
        self._batch: dict[str, tf.Tensor] | None = None
        self._reconstruct = tf.function(model.reconstructions_of, autograph=False)
        self._to_pixels = model.reconstruction_loss.to_pixels
        # At step 0 there is nothing of earlier steps to be kept.
        self.first_step = first = step + 1 if step else 0
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        event = tf.compat.v1.Event(wall_time=time.time(), step=first, session_log=start)
        configuration = gin.markdown(gin.operative_config_str())
        with self._writer.as_default():
            import_event(event.SerializeToString())
            tf.summary.text("gin_configuration", configuration, step=first)

    def flush(self) -> None:
        """Writes to the disk all that was logged."""
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()

    def write_scalars(self, logs: dict[str, float], step: int) -> None:
        """Writes means over the last steps, and what changes with the step alone."""
        schedules = self._model.schedules_at(tf.constant(step))
        with self._writer.as_default():
            for key, value in {**logs, **schedules}.items():
                tf.summary.scalar(key, value, step=step)

    def write_look(self, look: Look, step: int) -> None:
        """Writes what was seen on data that are held out."""
        with self._writer.as_default():
            for key, value in look.scalars().items():
                tf.summary.scalar(key, value, step=step)
            if look.k_hat is not None:
                tf.summary.histogram("k_hat_of_pairs", look.k_hat, step=step)

    def write_pictures(self, step: int) -> None:
        """Each image with its reconstruction to the right of it, view by view."""
        if self._batch is None:
            batch = self._source.batch(tf.constant(0))
            self._batch = {k: v[:_NUM_PICTURES] for k, v in batch.items()}
        columns = []
        for images, logits in self._reconstruct(self._batch):
            columns += [images, self._to_pixels(logits)]
        # One picture: a row for each example.
        rows = tf.concat(columns, axis=2)
        picture = tf.reshape(rows, [1, -1, *rows.shape[2:]])
        with self._writer.as_default():
            tf.summary.image("reconstructions", picture, step=step)
