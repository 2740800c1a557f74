"""Callbacks of training: a progress bar, and checkpoints after epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import keras
import tensorflow as tf
from tqdm import tqdm

from mvhg_tf.runs.errors import UserError


class ProgressBar(keras.callbacks.Callback):
    """One bar over all epochs, with the loss of the last epoch next to it.

    Args:
      description: shown before the bar.
    """

    def __init__(self, description: str) -> None:
        super().__init__()
        self._description = description
        self._bar: tqdm | None = None

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        if self._bar is None:
            steps = self.params["steps"]
            self._bar = tqdm(
                total=self.params["epochs"] * steps,
                initial=epoch * steps,
                desc=self._description,
                unit="step",
                smoothing=0.1,
            )

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if self._bar is not None:
            self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        done = f"epoch {epoch + 1} of {self.params['epochs']}"
        if self._bar is not None:
            self._bar.set_postfix_str(f"{done}, loss {logs['loss']:.2f}")

    def on_train_end(self, logs: object = None) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the bar where training was stopped."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Checkpoints(keras.callbacks.Callback):
    """Keeps the state after each few epochs, numbered by the epochs done.

    Args:
      manager: of the model, its optimizer and `epochs_done`.
      epochs_done: integer variable, set before each checkpoint.
      every: how many epochs; the last epoch is always kept.

    Raises:
      UserError: if the loss or a weight is no longer finite; the checkpoints are kept.
    """

    def __init__(
        self, manager: tf.train.CheckpointManager, epochs_done: tf.Variable, every: int
    ) -> None:
        super().__init__()
        self._manager = manager
        self._epochs_done = epochs_done
        self._every = every

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        done = epoch + 1
        if done % self._every and done != self.params["epochs"]:
            return
        if not math.isfinite(logs["loss"]) or not _is_finite(self.model):
            raise UserError(
                f"The loss became {logs['loss']:g} or a weight was lost by epoch "
                f"{done}: lower the learning rate."
            )
        self._epochs_done.assign(done)
        self._manager.save(checkpoint_number=done)


def _is_finite(model: keras.Model) -> bool:
    return all(
        bool(tf.reduce_all(tf.math.is_finite(weight.value)))
        for weight in model.trainable_variables
    )
