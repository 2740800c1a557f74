"""Training by gin: the loop, its checkpoints, and what it leaves in `model_dir`."""

import math
import os
import time

import gin
import keras
import tensorflow as tf
from tqdm import tqdm

from mvhg_tf.disentanglement import (
    export,
    gin_session,
    losses,
    models,
    optimizers,
    results,
    run_directory,
    unsupervised,
)
from mvhg_tf.disentanglement.autoencoder import Autoencoder
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.factor_vae import FactorVAE
from mvhg_tf.disentanglement.group_vae import GroupVAE
from mvhg_tf.disentanglement.images import ImageSource, Source
from mvhg_tf.disentanglement.pairs import PairSource
from mvhg_tf.errors import UserError

# A stream of data that training never reaches, for the losses after training.
_EVALUATION_SEED_OFFSET = 1_000_003
_LARGEST_SEED = 2**31 - _EVALUATION_SEED_OFFSET  # both fit into int32


def train_with_gin(
    model_dir: str,
    overwrite: bool = False,
    gin_config_files: list[str] | None = None,
    gin_bindings: list[str] | None = None,
) -> None:
    """Trains a model as gin files and bindings say, and clears the configuration.

    Args:
      model_dir: the folder for all that training makes.
      overwrite: whether results of an earlier run there may be replaced.
      gin_config_files: paths, read in their order.
      gin_bindings: such as "model.random_seed = 1"; they win over the files.

    Raises:
      UserError: for a mistake in any of these; nothing is deleted.
    """
    with gin_session.configured(gin_config_files, gin_bindings):
        train(model_dir, overwrite)


@gin.configurable("model", denylist=["model_dir", "overwrite"])
def train(
    model_dir: str,
    overwrite: bool = False,
    model: models.ModelBuilder | unsupervised.ModelBuilder = gin.REQUIRED,
    training_steps: int = gin.REQUIRED,
    random_seed: int = gin.REQUIRED,
    batch_size: int = gin.REQUIRED,
    eval_steps: int = 1000,
    name: str = "",
    model_num: int | None = None,
) -> None:
    """Trains a model on the data set that `dataset.name` names, or on pairs of it.

    The same command on the folder of its own unfinished run goes on from the last
    checkpoint, and ends with the weights of a run that was never stopped.

    Args:
      model_dir: gets `checkpoints`, `tensorboard`, `tfhub` (see `export`) and
        `results`, as the library lays them out.
      overwrite: whether results of an earlier run there may be replaced.
      model: such as `@vae()`, or `@group_vae_hypergeometric()`, a model of pairs.
      training_steps: steps of the optimizer.
      random_seed: of the weights, the noise and the data.
      batch_size: images or pairs a step.
      eval_steps: batches of fresh data over which the final losses are averaged.
      name: kept in the results' configuration only.
      model_num: kept in the results' configuration only.

    Raises:
      UserError: for a value that is not allowed, a folder that is not free, or a
        loss that is no longer finite.
    """
    del name, model_num
    for parameter, value in (
        ("training_steps", training_steps),
        ("batch_size", batch_size),
        ("eval_steps", eval_steps),
    ):
        _check_positive_integer(parameter, value)
    if not 0 <= random_seed < _LARGEST_SEED:
        raise UserError(
            f"model.random_seed is {random_seed}, but must be an integer from 0 to "
            f"{_LARGEST_SEED - 1}: bind it to one."
        )
    with run_directory.open_run(model_dir, "train", overwrite):
        started = time.time()
        dataset = named_data.get_named_ground_truth_data()
        observation_shape = tuple(dataset.observation_shape)
        keras.utils.set_random_seed(random_seed)
        vae = model(observation_shape, random_seed)
        _compile(vae)
        make_source = PairSource if isinstance(vae, GroupVAE) else ImageSource
        source = make_source(dataset, batch_size, random_seed)
        run_training_loop(vae, source, training_steps, model_dir)
        export.export_saved_model(
            vae, observation_shape, os.path.join(model_dir, "tfhub")
        )
        held_out = make_source(
            dataset, batch_size, random_seed + _EVALUATION_SEED_OFFSET
        )
        final = _mean_losses(vae, held_out, eval_steps)
        final["global_step"] = training_steps
        final["elapsed_time"] = time.time() - started
        results.write_results(model_dir, "train", final)


def _compile(model: Autoencoder) -> None:
    others = {}
    if isinstance(model, FactorVAE):
        others["discriminator_optimizer"] = optimizers.make_discriminator_optimizer()
    model.compile(
        optimizers.make_vae_optimizer(), losses.make_reconstruction_loss, **others
    )
    model.build_optimizers()


@gin.configurable("train", allowlist=["log_steps", "checkpoint_steps"])
def run_training_loop(
    model: Autoencoder,
    source: Source,
    training_steps: int,
    model_dir: str,
    log_steps: int = 50,
    checkpoint_steps: int = 1000,
) -> None:
    """Trains from the newest checkpoint, or from the start, to `training_steps`.

    Args:
      model: compiled, its optimizers built.
      source: of the batches; each depends on its step alone.
      training_steps: where to stop.
      model_dir: gets `checkpoints` and `tensorboard`.
      log_steps: steps a call of the compiled loop; each ends with scalars, which are
        means over these steps, for TensorBoard and the progress bar.
      checkpoint_steps: steps between checkpoints, a multiple of `log_steps`.

    Raises:
      UserError: if the loss is not finite; the last good checkpoint is kept.
    """
    _check_positive_integer("log_steps", log_steps, "train")
    _check_positive_integer("checkpoint_steps", checkpoint_steps, "train")
    if checkpoint_steps % log_steps:
        raise UserError(
            f"train.checkpoint_steps is {checkpoint_steps}, but must be a multiple of "
            f"train.log_steps, which is {log_steps}: change one of the two."
        )
    checkpoints = tf.train.CheckpointManager(
        tf.train.Checkpoint(model=model, optimizer=model.optimizer),
        os.path.join(model_dir, "checkpoints"),
        max_to_keep=2,
    )
    checkpoints.restore_or_initialize()
    step = int(model.optimizer.iterations)
    run_steps = compiled_loop(model, source, step)
    writer = tf.summary.create_file_writer(os.path.join(model_dir, "tensorboard"))
    progress = tqdm(
        total=training_steps, initial=step, desc="training", unit="step", smoothing=0.1
    )
    with writer.as_default(), progress:
        while step < training_steps:
            num_steps = min(log_steps - step % log_steps, training_steps - step)
            logs = {k: float(v) for k, v in run_steps(tf.constant(num_steps)).items()}
            step += num_steps
            is_due = step % checkpoint_steps == 0 or step == training_steps
            # A loss is of the weights before its step, so they are looked at too.
            if not math.isfinite(logs["loss"]) or (is_due and not _is_finite(model)):
                raise UserError(_diverged(logs["loss"], step, num_steps, checkpoints))
            for key, value in logs.items():
                tf.summary.scalar(key, value, step=step)
            progress.set_postfix_str(_progress_note(logs))
            progress.update(num_steps)
            if is_due:
                checkpoints.save(checkpoint_number=step)


def compiled_loop(model: Autoencoder, source: Source, first_step: int):
    """A `tf.function` of a number of steps that returns the means of their logs."""
    if source.on_device:
        iterator = None
    else:
        iterator = iter(source.dataset(first_step))
    names = model.log_names
    # Only the loop is for AutoGraph; what it calls is TensorFlow already.
    do_not_convert = tf.autograph.experimental.do_not_convert
    make_batch = do_not_convert(source.batch)
    train_step = do_not_convert(model.train_step)

    @tf.function
    def run_steps(num_steps: tf.Tensor) -> dict[str, tf.Tensor]:
        totals = {name: tf.zeros([]) for name in names}
        for _ in tf.range(num_steps):
            if iterator is None:
                batch = make_batch(tf.convert_to_tensor(model.optimizer.iterations))
            else:
                batch = next(iterator)
            logs = train_step(batch)
            totals = {name: totals[name] + logs[name] for name in names}
        return {k: v / tf.cast(num_steps, v.dtype) for k, v in totals.items()}

    return run_steps


def _mean_losses(
    model: Autoencoder, source: Source, num_batches: int
) -> dict[str, float]:
    """Means of the losses over `num_batches` batches, the selection at its mode."""

    def losses_at(batch: dict[str, tf.Tensor], step: tf.Tensor):
        return model.losses_of(batch, step, training=False)

    losses_of = tf.function(losses_at, autograph=False)
    # Each batch is a step of its own, so that each has its own noise.
    first_step = int(model.optimizer.iterations)
    totals = dict.fromkeys(model.log_names, 0.0)
    batches = source.dataset(0).take(num_batches).enumerate(first_step)
    progress = tqdm(batches, total=num_batches, desc="final losses", unit="batch")
    for step, batch in progress:
        for name, value in losses_of(batch, step).items():
            totals[name] += float(value) / num_batches
    return totals


def _is_finite(model: Autoencoder) -> bool:
    """Whether all weights are."""
    return all(
        bool(tf.reduce_all(tf.math.is_finite(weight.value)))
        for weight in model.trainable_variables
    )


def _progress_note(logs: dict[str, float]) -> str:
    note = f"loss {logs['loss']:.1f}"
    return f"{note}, k {logs['k_hat']:.2f}" if "k_hat" in logs else note


def _diverged(loss: float, step: int, num_steps: int, checkpoints) -> str:
    kept = checkpoints.latest_checkpoint
    where = f"the checkpoint {kept} is kept" if kept else "there is no checkpoint yet"
    return (
        f"The loss became {loss} or a weight was lost between steps "
        f"{step - num_steps} and {step}; {where}: "
        "lower the learning rate (or, of a hypergeometric model, raise "
        "hgvae.final_temperature)."
    )


def _check_positive_integer(parameter: str, value: object, owner="model") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(
            f"{owner}.{parameter} is {value!r}, but must be a positive integer: bind "
            "it to one."
        )
