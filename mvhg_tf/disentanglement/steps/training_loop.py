"""The training loop: from the newest checkpoint to the last step."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable
from typing import Annotated, Literal

import tensorflow as tf
from tqdm import tqdm

from mvhg_tf.disentanglement.models.shared import replicas
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.sources.images import Source
from mvhg_tf.disentanglement.steps import strategies
from mvhg_tf.disentanglement.steps.held_out import HeldOut
from mvhg_tf.disentanglement.steps.training_record import TrainingRecord
from mvhg_tf.runs import console, gin_config
from mvhg_tf.runs.errors import RunInterrupted, UserError
from mvhg_tf.runs.limits import PositiveInt, at_least

# Of a call of the compiled loop: a signal is seen to between two calls.
_SECONDS_A_CALL = 0.5
# Attempts at a step in float16. Each halves the loss's scale, so that no finite
# gradient overflows that often.
_MOST_IDLE = 100
_Steps = Annotated[int, at_least(0)]


@gin_config.configurable("train")
@dataclasses.dataclass(frozen=True)
class Options:
    """How training runs: gin's `train`; gin's `model` says what is trained.

    Attributes:
      log_steps: steps between scalars, which are means over these steps, for
        TensorBoard and the progress bar.
      checkpoint_steps: steps between checkpoints, a multiple of `log_steps`.
      image_steps: steps between pictures of reconstructions in TensorBoard, a multiple
        of `log_steps`; 0 for none; by default they come with each checkpoint. The
        first are of the untrained model.
      held_out_steps: steps between losses on data that are held out, a multiple of
        `log_steps`; 0 for none; by default they come with each checkpoint.
      held_out_batches: over which these losses are averaged.
      held_out_loss: the loss that `patience` and `keep_best` use: "loss",
        "reconstruction_loss", "kl_loss" or "elbo" (where more is better).
      patience: training ends after this many losses in a row without improvement; None
        for all `model.training_steps`.
      keep_best: whether the checkpoint of the best held-out loss is kept in
        `checkpoints/best`, and exported at the end.
      strategy: "none" (one device), "mirrored" (all devices of the machine) or
        "multi_worker" (several machines, see `strategies`).
      jit_compile: whether XLA compiles the step.
      precision: of the networks: "float32", "mixed_float16" or "mixed_bfloat16".

    Raises:
      UserError: for a value that is not allowed.
    """

    log_steps: PositiveInt = 50
    checkpoint_steps: PositiveInt = 1000
    image_steps: _Steps | None = None
    held_out_steps: _Steps | None = None
    held_out_batches: PositiveInt = 10
    held_out_loss: Literal["loss", "reconstruction_loss", "kl_loss", "elbo"] = "elbo"
    patience: PositiveInt | None = None
    keep_best: bool = False
    strategy: strategies.Name = "none"
    jit_compile: bool = False
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"

    def __post_init__(self) -> None:
        for parameter in ("checkpoint_steps", "image_steps", "held_out_steps"):
            value = getattr(self, parameter)
            if value is not None and value % self.log_steps:
                raise UserError(
                    f"train.{parameter} is {value}, but must be a multiple of "
                    f"train.log_steps, which is {self.log_steps}: change one of them."
                )
        for parameter in ("patience", "keep_best"):
            if getattr(self, parameter) and self.held_out_steps == 0:
                raise UserError(
                    f"train.{parameter} is {getattr(self, parameter)}, but "
                    "train.held_out_steps is 0, so there are no held-out losses: bind "
                    "that to a multiple of train.log_steps."
                )
        if self.patience and self.strategy == "multi_worker":
            raise UserError(
                f'train.strategy is "multi_worker" and train.patience is '
                f"{self.patience}, but the machines can't end early together: leave "
                "one of them out."
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

    @property
    def look_steps(self) -> int:
        """Steps between held-out losses, 0 for none."""
        every = self.held_out_steps
        return self.checkpoint_steps if every is None else every


def run_training_loop(
    model: Autoencoder,
    source: Source,
    training_steps: int,
    model_dir: str,
    options: Options | None = None,
    strategy: tf.distribute.Strategy | None = None,
    held_out: HeldOut | None = None,
) -> int:
    """Trains from the newest intact checkpoint, or the start, to `training_steps`.

    SIGINT (Ctrl-C) and SIGTERM end it after a checkpoint of the current step.

    Args:
      model: compiled, its optimizers built. It ends as in the last step, or, with
        `keep_best`, the best.
      source: of the batches; each depends on its step alone.
      training_steps: where to stop.
      model_dir: gets `checkpoints` and `tensorboard`.
      options: gin's, if not given.
      strategy: in whose scope the model was made.
      held_out: data for the losses that are looked at meanwhile, if there are any.

    Returns:
      The last step.

    Raises:
      UserError: if the loss, a weight or all gradients are not finite (the last good
        checkpoint is kept), or more steps have been taken already.
      RunInterrupted: after a signal.
    """
    options = options or Options()
    is_chief, is_alone = strategies.is_chief(strategy), strategies.is_alone(strategy)
    sums = tf.Variable(tf.zeros([len(model.log_names) + 1]), trainable=False)
    record = None
    if is_chief:
        record = TrainingRecord(model, source, model_dir, options, held_out, sums)
    strategies.copy_from_chief(strategy, model)
    step, num_idle = int(model.step), 0
    if step > training_steps:
        raise UserError(
            f"model.training_steps is {training_steps}, but the run in {model_dir} has "
            f"taken {step} steps: bind it to {step} or more, or use --overwrite."
        )
    run_steps = compiled_loop(model, source, step, options.jit_compile, strategy, sums)
    most_steps = 1 if is_alone else training_steps
    with (
        _progress_bar(step, training_steps, is_chief) as progress,
        record or contextlib.nullcontext(),
        console.deferred_signal() as signal,
    ):
        is_last = record is not None and record.is_over
        while step < training_steps and not is_last:
            first, started = step, time.monotonic()
            until_log = options.log_steps - step % options.log_steps
            num_steps = min(until_log, training_steps - step, most_steps)
            logs = {k: float(v) for k, v in run_steps(tf.constant(num_steps)).items()}
            # In float16 a step whose gradients overflow is taken again.
            step = int(model.step)
            num_idle = num_idle + num_steps if step == first else 0
            if is_alone:
                most_steps = _steps_of_a_call(num_steps, time.monotonic() - started)
            is_last = step == training_steps
            is_log = step != first and (step % options.log_steps == 0 or is_last)
            is_due = is_log and step % options.checkpoint_steps == 0
            is_due = is_due or is_last or signal.interrupt is not None
            # A loss is of the weights before its step, so they are looked at too.
            lost = _not_finite(logs["loss"], model if is_due else None)
            if lost or num_idle > _MOST_IDLE:
                lost = lost or f"Gradients were NaN or infinite in {num_idle} tries"
                lost += f" between steps {first} and {first + num_steps}"
                raise UserError(_diverged(lost, record and record.checkpoints))
            progress.update(step - first)
            if is_log:
                progress.set_postfix_str(_progress_note(logs))
                sums.assign(tf.zeros_like(sums))
                is_last = record.write(logs, step, is_last) if record else is_last
            if record and (is_due or is_last):
                record.save(step)
            if signal.interrupt is not None:
                raise RunInterrupted(place=f"step {step}") from signal.interrupt
    if record:
        record.restore_best()
    return step


def _steps_of_a_call(num_steps: int, seconds: float) -> int:
    """How many steps the next call may take, given the time of the last one."""
    return max(1, min(10 * num_steps, int(num_steps * _SECONDS_A_CALL / seconds)))


def compiled_loop(
    model: Autoencoder,
    source: Source,
    first_step: int,
    jit_compile: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    sums: tf.Variable | None = None,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """A `tf.function` of a number of steps that returns the means of their logs.

    Args:
      model: compiled, its optimizers built.
      source: of the batches.
      first_step: of the first call.
      jit_compile: whether XLA compiles the step; the batches are made outside of it.
      strategy: in whose scope the model was made.
      sums: float32 `[L + 1]`, sums of the L logs of earlier steps, which are to be in
        the means, and the number of these steps; it is brought up to date.
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
        totals = tf.zeros([len(names) + 1]) if sums is None else sums.read_value()
        for _ in tf.range(num_steps):
            logs = take_step() if iterator is None else take_step(next(iterator))
            totals += tf.stack([*(logs[name] for name in names), 1.0])
        if sums is not None:
            sums.assign(totals)
        means = tf.unstack(totals[:-1] / totals[-1])
        return dict(zip(names, means, strict=True))

    return run_steps


def _step_function(
    model: Autoencoder,
    source: Source,
    jit_compile: bool,
    strategy: tf.distribute.Strategy | None,
) -> Callable[..., dict[str, tf.Tensor]]:
    """A step on a batch, or, without one, on what the source draws on the device."""
    take_step = model.take_step
    if jit_compile:
        take_step = tf.function(take_step, autograph=False, jit_compile=True)

    def step(batch: dict[str, tf.Tensor] | None = None) -> dict[str, tf.Tensor]:
        if batch is None:
            batch = source.batch(model.step)
            batch = {name: replicas.local_rows(value) for name, value in batch.items()}
        return take_step(source.finish(batch))

    if strategy is None:
        return step

    def distributed_step(*batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        logs = strategy.run(step, batch)
        mean = tf.distribute.ReduceOp.MEAN
        return {k: strategy.reduce(mean, v, axis=None) for k, v in logs.items()}

    return distributed_step


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
