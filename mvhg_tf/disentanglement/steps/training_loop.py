"""The training loop: from the newest checkpoint to the last step."""

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import tensorflow as tf
from tensorflow.python.ops.summary_ops_v2 import import_event
from tqdm import tqdm

from mvhg_tf.disentanglement.models.shared import replicas
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.sources.images import Source
from mvhg_tf.disentanglement.steps import strategies
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.checkpoints import open_manager, restore_newest
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import PositiveInt, at_least

_NUM_PICTURES = 8  # rows of TensorBoard's pictures
# Tries of a step in float16. Each halves the loss's scale, so that no finite gradient
# overflows that often.
_MOST_IDLE = 100


@gin_config.configurable("train")
@dataclasses.dataclass(frozen=True)
class Options:
    """How training runs, as gin's `train` says; what is trained is in `model`.

    Attributes:
      log_steps: steps a call of the compiled loop; each ends with scalars, which are
        means over these steps, for TensorBoard and the progress bar.
      checkpoint_steps: steps between checkpoints, a multiple of `log_steps`.
      image_steps: steps between pictures of reconstructions in TensorBoard, a multiple
        of `log_steps`; 0 for none; by default they come with each checkpoint.
      strategy: "none" (one device), "mirrored" (all devices of the machine) or
        "multi_worker" (several machines, see `strategies`).
      jit_compile: whether XLA compiles the step.
      precision: of the networks: "float32", "mixed_float16" or "mixed_bfloat16".

    Raises:
      UserError: for a value that is not allowed.
    """

    log_steps: PositiveInt = 50
    checkpoint_steps: PositiveInt = 1000
    image_steps: Annotated[int, at_least(0)] | None = None
    strategy: strategies.Name = "none"
    jit_compile: bool = False
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"

    def __post_init__(self):
        for parameter in ("checkpoint_steps", "image_steps"):
            value = getattr(self, parameter)
            if value is not None and value % self.log_steps:
                raise UserError(
                    f"train.{parameter} is {value}, but must be a multiple of "
                    f"train.log_steps, which is {self.log_steps}: change one of the "
                    "two."
                )
        if self.strategy != "none" and self.jit_compile:
            raise UserError(
                f'train.strategy is "{self.strategy}" and train.jit_compile is True, '
                "but XLA can't compile a step of several devices: leave one of them "
                "out."
            )
        if self.strategy != "none" and self.precision == "mixed_float16":
            raise UserError(
                f'train.strategy is "{self.strategy}" and train.precision is '
                '"mixed_float16", but Keras can\'t scale the loss over several '
                'devices: bind train.precision to "mixed_bfloat16".'
            )

    @property
    def picture_steps(self) -> int:
        """Steps between pictures, 0 for none."""
        return self.checkpoint_steps if self.image_steps is None else self.image_steps


def run_training_loop(
    model: Autoencoder,
    source: Source,
    training_steps: int,
    model_dir: str,
    options: Options | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> None:
    """Trains from the newest whole checkpoint, or the start, to `training_steps`.

    Args:
      model: compiled, its optimizers built.
      source: of the batches; each depends on its step alone.
      training_steps: where to stop.
      model_dir: gets `checkpoints` and `tensorboard`.
      options: gin's, if not given.
      strategy: in whose scope the model was made.

    Raises:
      UserError: if the loss, a weight or all gradients are not finite; the last good
        checkpoint is kept.
    """
    options = options or Options()
    is_chief = strategies.is_chief(strategy)
    checkpoints = _restore(model, model_dir) if is_chief else None
    strategies.copy_from_chief(strategy, model)
    step, num_idle = int(model.step), 0
    run_steps = compiled_loop(model, source, step, options.jit_compile, strategy)
    log = _Log(model, source, model_dir, step) if is_chief else None
    with _progress_bar(step, training_steps, is_chief) as progress, _closing(log):
        while step < training_steps:
            first = step
            until_log = options.log_steps - step % options.log_steps
            num_steps = min(until_log, training_steps - step)
            logs = {k: float(v) for k, v in run_steps(tf.constant(num_steps)).items()}
            # In float16 a step whose gradients overflow is taken again.
            step = int(model.step)
            num_idle = num_idle + num_steps if step == first else 0
            is_last = step == training_steps
            is_due = step % options.checkpoint_steps == 0 or is_last
            # A loss is of the weights before its step, so they are looked at too.
            lost = _not_finite(logs["loss"], model if is_due else None)
            if lost or num_idle > _MOST_IDLE:
                lost = lost or f"Gradients were NaN or infinite in {num_idle} tries"
                lost += f" between steps {first} and {first + num_steps}"
                raise UserError(_diverged(lost, checkpoints))
            progress.set_postfix_str(_progress_note(logs))
            progress.update(step - first)
            if not is_chief:
                continue
            log.write_scalars(logs, step)
            every = options.picture_steps
            if every and (step % every == 0 or is_last):
                log.write_pictures(step)
            if is_due:
                log.flush()  # so that no scalar before a checkpoint is ever missing
                checkpoints.save(checkpoint_number=step)


def _restore(model: Autoencoder, model_dir: str) -> tf.train.CheckpointManager:
    """Sets the model to its newest checkpoint, if there is one."""
    checkpoints = open_manager(
        tf.train.Checkpoint(model=model, optimizer=model.optimizer),
        os.path.join(model_dir, "checkpoints"),
    )
    restore_newest(checkpoints)
    return checkpoints


def compiled_loop(
    model: Autoencoder,
    source: Source,
    first_step: int,
    jit_compile: bool = False,
    strategy: tf.distribute.Strategy | None = None,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """A `tf.function` of a number of steps that returns the means of their logs.

    Args:
      model: compiled, its optimizers built.
      source: of the batches.
      first_step: of the first call.
      jit_compile: whether XLA compiles the step; the batches are made outside of it.
      strategy: in whose scope the model was made.
    """
    names = model.log_names
    # Only the loop is for AutoGraph; what it calls is TensorFlow already.
    do_not_convert = tf.autograph.experimental.do_not_convert
    take_step = do_not_convert(_step_function(model, source, jit_compile, strategy))
    if source.on_device:
        iterator = None
    elif strategy is None:
        iterator = iter(source.dataset(first_step))
    else:
        iterator = iter(strategies.distributed_dataset(strategy, source, first_step))

    @tf.function
    def run_steps(num_steps: tf.Tensor) -> dict[str, tf.Tensor]:
        totals = {name: tf.zeros([]) for name in names}
        for _ in tf.range(num_steps):
            logs = take_step() if iterator is None else take_step(next(iterator))
            totals = {name: totals[name] + logs[name] for name in names}
        return {k: v / tf.cast(num_steps, v.dtype) for k, v in totals.items()}

    return run_steps


def _step_function(
    model: Autoencoder,
    source: Source,
    jit_compile: bool,
    strategy: tf.distribute.Strategy | None,
) -> Callable[..., dict[str, tf.Tensor]]:
    """A step on a batch, or, without one, on what the source draws on the device."""
    train_step = model.train_step
    if jit_compile:
        train_step = tf.function(train_step, autograph=False, jit_compile=True)

    def step(batch: dict[str, tf.Tensor] | None = None) -> dict[str, tf.Tensor]:
        if batch is None:
            batch = source.batch(model.step)
            batch = {name: replicas.local_rows(value) for name, value in batch.items()}
        return train_step(source.finish(batch))

    if strategy is None:
        return step

    def distributed_step(*batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        logs = strategy.run(step, batch)
        mean = tf.distribute.ReduceOp.MEAN
        return {k: strategy.reduce(mean, v, axis=None) for k, v in logs.items()}

    return distributed_step


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
        self._source = source
        self._batch: dict[str, tf.Tensor] | None = None
        self._reconstruct = tf.function(model.reconstructions_of, autograph=False)
        self._to_pixels = model.reconstruction_loss.to_pixels
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        event = tf.compat.v1.Event(
            wall_time=time.time(), step=step + 1, session_log=start
        )
        with self._writer.as_default():
            import_event(event.SerializeToString())

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def write_scalars(self, logs: dict[str, float], step: int) -> None:
        with self._writer.as_default():
            for key, value in logs.items():
                tf.summary.scalar(key, value, step=step)

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


@contextlib.contextmanager
def _closing(log: _Log | None) -> Iterator[None]:
    try:
        yield
    finally:
        if log is not None:
            log.close()


def _progress_bar(step: int, training_steps: int, is_shown: bool) -> tqdm:
    return tqdm(
        total=training_steps,
        initial=step,
        desc="training",
        unit="step",
        smoothing=0.1,
        disable=not is_shown,
    )


def _not_finite(loss: float, model: Autoencoder | None) -> str:
    """What became of the loss, or of a weight of the model; empty if all is well."""
    if not math.isfinite(loss):
        return f"The loss became {loss}"
    for weight in model.trainable_variables if model else []:
        if not tf.reduce_all(tf.math.is_finite(weight.value)):
            return f"The weight {weight.path} became NaN or infinite"
    return ""


def _progress_note(logs: dict[str, float]) -> str:
    note = f"loss {logs['loss']:.1f}"
    return f"{note}, k {logs['k_hat']:.2f}" if "k_hat" in logs else note


def _diverged(lost: str, checkpoints: tf.train.CheckpointManager | None) -> str:
    if checkpoints is None:
        where = "the chief keeps its last checkpoint"
    elif checkpoints.latest_checkpoint:
        where = f"the checkpoint {checkpoints.latest_checkpoint} is kept"
    else:
        where = "there is no checkpoint yet"
    return (
        f"{lost}; {where}: lower the learning rate (or, of a hypergeometric model, "
        "raise hgvae.final_temperature)."
    )
