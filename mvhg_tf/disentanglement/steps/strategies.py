"""Several devices, or several machines, for one training run: `train.strategy`."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Literal

import tensorflow as tf

from mvhg_tf.disentanglement.models.shared import replicas
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.sources.images import Source
from mvhg_tf.runs.errors import UserError

Name = Literal["none", "mirrored", "multi_worker"]
_OF_LOST_MACHINES = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)


def make_strategy(name: Name, batch_size: int) -> tf.distribute.Strategy | None:
    """The strategy of that name, None for "none".

    Args:
      name: "mirrored" takes all GPUs of the machine, or, where there is none, its
        logical CPUs; "multi_worker" takes those of all machines in TF_CONFIG, and
        waits for them.
      batch_size: of the whole batch.

    Raises:
      UserError: without a TF_CONFIG that "multi_worker" needs, or if
        the replicas can't share the batch evenly.
    """
    if name == "none":
        return None
    strategy = _mirrored() if name == "mirrored" else _multi_worker()
    num_replicas = strategy.num_replicas_in_sync
    if batch_size % num_replicas:
        raise UserError(
            f"model.batch_size is {batch_size}, but must be a multiple of "
            f"{num_replicas}, the number of devices that share each batch: change it."
        )
    return strategy


# Cached per process: collective keys are numbered from the strategy's creation, so a
# second strategy would reuse the first one's.
@functools.cache
def _mirrored() -> tf.distribute.MirroredStrategy:
    devices = tf.config.list_logical_devices
    names = [device.name for device in devices("GPU") or devices("CPU")]
    return tf.distribute.MirroredStrategy(names)


@functools.cache
def _multi_worker() -> tf.distribute.MultiWorkerMirroredStrategy:
    if not os.environ.get("TF_CONFIG"):
        raise UserError(
            'train.strategy is "multi_worker", but the environment variable '
            "TF_CONFIG is not set: set it to the list of machines and this machine's "
            "index."
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"TF_CONFIG is {os.environ['TF_CONFIG']!r}, which can't be used ({error}): "
            'set it to JSON such as {"cluster": {"worker": ["host:port", ...]}, '
            '"task": {"type": "worker", "index": 0}}.'
        ) from error


def is_chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether this process is the one that writes files."""
    resolver = strategy and strategy.cluster_resolver
    if not resolver or not resolver.task_type:
        return True
    if resolver.task_type == "chief":
        return True
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_id == 0 and not has_chief


def is_alone(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether no other machine takes the same steps."""
    return not _has_many_machines(strategy)


def scope(strategy: tf.distribute.Strategy | None) -> contextlib.AbstractContextManager:
    """Where the variables that the replicas share are made."""
    return strategy.scope() if strategy else contextlib.nullcontext()


@contextlib.contextmanager
def finished_together(strategy: tf.distribute.Strategy | None) -> Iterator[None]:
    """Waits, when the block has ended, until it has for all machines.

    A machine that leaves early would count as lost.

    Raises:
      UserError: if another machine was lost, or ended by a mistake.
    """
    try:
        yield
        if _has_many_machines(strategy):
            _sum_over_replicas(strategy, lambda: [tf.ones([])])
    except _OF_LOST_MACHINES as error:
        if not _has_many_machines(strategy):
            raise
        raise UserError(
            "Another machine of the run ended or can't be reached; if a mistake ended "
            "it, that machine reports it: start the run again on all machines, and it "
            "resumes from the last checkpoint."
        ) from error


def copy_from_chief(
    strategy: tf.distribute.Strategy | None, model: Autoencoder
) -> None:
    """Sets all machines' variables to the chief's, who may have read a checkpoint."""
    if not _has_many_machines(strategy):
        return
    variables = list(model.variables)
    for optimizer in model.optimizers:
        variables += optimizer.variables

    def of_first() -> list[tf.Tensor]:
        is_first = tf.equal(replicas.index(), 0)
        values = [tf.convert_to_tensor(variable) for variable in variables]
        return [tf.where(is_first, value, tf.zeros_like(value)) for value in values]

    for variable, value in zip(
        variables, _sum_over_replicas(strategy, of_first), strict=True
    ):
        variable.value.assign(value)


def distributed_dataset(
    strategy: tf.distribute.Strategy, source: Source, first_step: int
) -> tf.distribute.DistributedDataset:
    """The batches from a step on, in parts that the replicas take in their order."""

    def parts(context: tf.distribute.InputContext) -> tf.data.Dataset:
        num_parts = context.num_replicas_in_sync
        num_here = num_parts // context.num_input_pipelines
        start = context.input_pipeline_id * num_here

        def parts_here(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {
                name: tf.stack(tf.split(value, num_parts)[start : start + num_here])
                for name, value in batch.items()
            }

        batches = source.dataset(first_step).map(parts_here)
        return batches.unbatch().prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(parts)


def _has_many_machines(strategy: tf.distribute.Strategy | None) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def _sum_over_replicas(
    strategy: tf.distribute.Strategy, values: Callable[[], list[tf.Tensor]]
) -> list[tf.Tensor]:
    """The sums of what `values` gives on each replica, for this machine."""

    def summed() -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        sum_ = tf.distribute.ReduceOp.SUM
        return [context.all_reduce(sum_, value) for value in values()]

    run = tf.function(lambda: strategy.run(summed), autograph=False)
    return [strategy.experimental_local_results(value)[0] for value in run()]
