"""Trains a model configured by gin, and writes `model_dir`."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import gin
import keras
import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.models.pairs import pair_models
from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
from mvhg_tf.disentanglement.models.pairs.selection import LabelSelection
from mvhg_tf.disentanglement.models.semi_supervised import labelled_models
from mvhg_tf.disentanglement.models.semi_supervised.mine_vae import MineVAE
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.models.shared.reconstruction import ReconstructionLoss
from mvhg_tf.disentanglement.models.unsupervised import image_models
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import FactorVAE
from mvhg_tf.disentanglement.networks import starts
from mvhg_tf.disentanglement.sources.images import ImageSource, Source
from mvhg_tf.disentanglement.sources.labelled_images import (
    LabelledImages,
    LabelledSource,
)
from mvhg_tf.disentanglement.sources.row_pairs import pair_source
from mvhg_tf.disentanglement.steps import (
    export,
    optimizers,
    results,
    strategies,
    training_loop,
)
from mvhg_tf.disentanglement.steps.held_out import HeldOut
from mvhg_tf.disentanglement.steps.labelling import Labelling
from mvhg_tf.runs import gin_config, run_directory
from mvhg_tf.runs.errors import RunInterrupted, UserError
from mvhg_tf.runs.limits import Limit, PositiveInt

# A stream of data that training never reaches, for the losses after training.
_EVALUATION_SEED_OFFSET = 1_000_003
_NUM_FOR_MEAN = 128  # images of which the mean colour is taken
_NUM_SEEDS = 2**31 - _EVALUATION_SEED_OFFSET  # both fit into int32
_Seed = Annotated[
    int,
    Limit(
        f"an integer from 0 to {_NUM_SEEDS - 1}", lambda seed: 0 <= seed < _NUM_SEEDS
    ),
]
_Share = Annotated[float, Limit("above 0 and at most 1", lambda share: 0 < share <= 1)]


@gin_config.configurable("model", denylist=["model_dir", "overwrite"])
def train(
    model_dir: str,
    overwrite: bool = False,
    model: pair_models.ModelBuilder
    | image_models.ModelBuilder
    | labelled_models.LabelledBuilder = gin.REQUIRED,
    training_steps: PositiveInt = gin.REQUIRED,
    random_seed: _Seed | None = None,
    batch_size: PositiveInt = gin.REQUIRED,
    eval_steps: PositiveInt = 1000,
    name: str = "",
    model_num: int | None = None,
    model_seed: _Seed | None = None,
    unsupervised_data_seed: _Seed | None = None,
    supervised_data_seed: _Seed | None = None,
    num_labelled_samples: PositiveInt | None = None,
    train_percentage: _Share | None = None,
) -> None:
    """Trains a model on the data set that `dataset.name` names, or on pairs of it.

    The same command on the folder of its own unfinished run resumes from the last
    checkpoint, and ends with the same weights as a run that was never stopped. A
    command with more `training_steps` also resumes a run, finished or not, if nothing
    else differs.

    Args:
      model_dir: gets `checkpoints`, `tensorboard`, `tfhub` (see `export`) and
        `results`, as the library lays them out.
      overwrite: whether results of an earlier run there may be replaced.
      model: such as `@vae()`, or `@group_vae_hypergeometric()`, a model of pairs, or
        `@s2_vae`, which is semi-supervised.
      training_steps: steps of the optimizer.
      random_seed: of the weights, the noise and the data; a semi-supervised model has
        three seeds instead, below.
      batch_size: images or pairs in a step, over all devices.
      eval_steps: batches of fresh data over which the final losses are averaged.
      name: kept in the results' configuration only.
      model_num: kept in the results' configuration only.
      model_seed: of the weights and the noise.
      unsupervised_data_seed: of the images without labels.
      supervised_data_seed: of the labelled images and their labels.
      num_labelled_samples: how many images are labelled.
      train_percentage: the fraction of them, in (0, 1], that is trained on; the final
        losses are of the others, or, where there are none, of the same.

    Raises:
      UserError: for a value that is not allowed, a folder that is not free, or a
        loss that is no longer finite.
    """
    del name, model_num
    labelling = Labelling(
        model_seed,
        unsupervised_data_seed,
        supervised_data_seed,
        num_labelled_samples,
        train_percentage,
    )
    has_labels = labelled_models.needs_labels(model)
    seeds = labelling.seeds_of(random_seed, has_labels)
    weights_seed, data_seed, *_ = [*seeds.values()] * 2
    reconstruction_loss = ReconstructionLoss()
    options = training_loop.Options()
    strategy = strategies.make_strategy(options.strategy, batch_size)
    is_chief = strategies.is_chief(strategy)
    folder: contextlib.AbstractContextManager = contextlib.nullcontext()
    if is_chief:
        folder = run_directory.open_run(
            model_dir, "train", overwrite, may_grow="model.training_steps"
        )
    with folder, strategies.finished_together(strategy):
        started = time.monotonic()
        dataset = named_data.get_named_ground_truth_data()
        _check_memory(batch_size, dataset.observation_shape)
        labelled = labelling.sample(dataset) if has_labels else None
        builder: Any = model
        if labelled is not None:
            builder = builder(labelled[0].label_sizes)
        vae = _build(
            builder,
            dataset,
            weights_seed,
            reconstruction_loss,
            options.precision,
            strategy,
        )
        source, later = _sources(vae, dataset, labelled, batch_size, data_seed)
        starts.start_networks(
            vae.encoder,
            vae.decoder,
            lambda: _mean_logits(source, batch_size, reconstruction_loss),
            weights_seed,
        )
        held_out = HeldOut(vae, later)
        last_step = training_loop.run_training_loop(
            vae, source, training_steps, model_dir, options, strategy, held_out
        )
        if is_chief:
            with _interrupted_at(last_step):
                _write_results(vae, held_out, eval_steps, model_dir, started)


train_with_gin = gin_config.with_gin(train)


@contextlib.contextmanager
def _interrupted_at(step: int) -> Iterator[None]:
    """Lets an interrupt say from which step the same command continues."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise RunInterrupted(place=f"step {step}") from error


def _check_memory(batch_size: int, observation_shape: Sequence[int]) -> None:
    """Refuses a batch of which not even the images fit into the machine's memory."""
    needed = 4 * batch_size * math.prod(observation_shape)  # of float32
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise UserError(
            f"model.batch_size is {batch_size}, but the images of a batch would take "
            f"{needed / 2**30:,.0f} GiB of this machine's {memory / 2**30:,.0f}: bind "
            "it to a smaller number."
        )


def _build(
    model: pair_models.ModelBuilder | image_models.ModelBuilder,
    dataset: GroundTruthData,
    random_seed: int,
    reconstruction_loss: ReconstructionLoss,
    precision: str,
    strategy: tf.distribute.Strategy | None,
) -> Autoencoder:
    """The model of a data set's images, with its optimizers."""
    keras.utils.set_random_seed(random_seed)
    with strategies.scope(strategy), _precision(precision):
        vae = model(tuple(dataset.observation_shape), random_seed)
        _compile(vae, reconstruction_loss, precision)
    return vae


def _sources(
    model: Autoencoder,
    dataset: GroundTruthData,
    labelled: tuple[LabelledImages, LabelledImages] | None,
    batch_size: int,
    seed: int,
) -> tuple[Source, Source]:
    """The batches that are trained on, and those for the losses after training."""
    later = seed + _EVALUATION_SEED_OFFSET
    if labelled is not None:
        learned, held_out = labelled
        return (
            LabelledSource(dataset, batch_size, seed, learned),
            LabelledSource(dataset, batch_size, later, held_out),
        )
    learned, held_out = dataset, dataset
    if isinstance(dataset, ListedPairs):
        learned, held_out = dataset.split()
    make: Callable[[Any, int, int], Source] = ImageSource
    if isinstance(model, GroupVAE):
        _check_labels(model, dataset)
        make = pair_source
    return make(learned, batch_size, seed), make(held_out, batch_size, later)


def _mean_logits(
    source: Source, batch_size: int, reconstruction_loss: ReconstructionLoss
) -> np.ndarray:
    """The logits of the mean colour of the first images, `[C]`."""
    means = []
    for step in range(math.ceil(_NUM_FOR_MEAN / batch_size)):
        batch = source.batch(tf.constant(step))
        images = next(v for name, v in batch.items() if name.startswith("images"))
        means.append(tf.reduce_mean(images, axis=[0, 1, 2]))
    mean = tf.clip_by_value(tf.reduce_mean(means, axis=0), 1e-3, 1 - 1e-3)
    return reconstruction_loss.to_logits(mean).numpy()


def _check_labels(model: GroupVAE, dataset: GroundTruthData) -> None:
    """Refuses LabelVAE if no factor that differs is known."""
    unknown = isinstance(dataset, ListedPairs) and dataset.factors is None
    if unknown and isinstance(model.selection, LabelSelection):
        raise UserError(
            "LabelVAE needs a factor that differs, which these pairs don't provide: "
            "store factors_1 and factors_2 in the npz file, or train another model, "
            "such as @group_vae_hypergeometric()."
        )


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Networks that are made in the block compute in it; their weights are float32."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def _compile(
    model: Autoencoder, reconstruction_loss: ReconstructionLoss, precision: str
) -> None:
    def scaled(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        if precision != "mixed_float16":
            return optimizer
        return keras.optimizers.LossScaleOptimizer(optimizer)

    others = {}
    if isinstance(model, FactorVAE):
        others["adversary_optimizer"] = scaled(
            optimizers.make_discriminator_optimizer()
        )
    elif isinstance(model, MineVAE):
        others["adversary_optimizer"] = scaled(optimizers.make_mine_optimizer())
    model.compile(
        scaled(optimizers.make_vae_optimizer()),
        reconstruction_loss,
        **others,
    )
    model.build_optimizers()


def _write_results(
    model: Autoencoder,
    held_out: HeldOut,
    eval_steps: int,
    model_dir: str,
    started: float,
) -> None:
    """Exports the trained model, and writes its losses on fresh data."""
    observation_shape = tuple(model.encoder.input_shape[1:])
    export.export_saved_model(
        model, observation_shape, os.path.join(model_dir, "tfhub")
    )
    final: dict[str, float] = held_out.losses(eval_steps)
    final["global_step"] = int(model.step)
    final["elapsed_time"] = time.monotonic() - started
    results.write_results(model_dir, "train", final)
