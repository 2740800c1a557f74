"""Trains a network to solve matrices, and scores it: `dlib_reason`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator

import gin
import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mvhg_tf.disentanglement.reasoning.matrices import NUM_ANSWERS, NUM_CONTEXT
from mvhg_tf.disentanglement.reasoning.matrix_data import (
    Batch,
    MatrixData,
    get_pgm_dataset,
)
from mvhg_tf.disentanglement.reasoning.solvers import TwoStageModel
from mvhg_tf.disentanglement.steps import results
from mvhg_tf.disentanglement.steps.saved_model import bound_value, resolve_dataset
from mvhg_tf.runs import gin_config, run_directory
from mvhg_tf.runs.checkpoints import open_manager, restore_newest
from mvhg_tf.runs.errors import (
    UserError,
    message_of,
    sentence_and_code,
)
from mvhg_tf.runs.limits import PositiveInt, Seed

_LOG_STEPS = 50
_SPLITS = ("val", "test")
_SCORES = ("accuracy", "loss")


@gin_config.configurable(
    "abstract_reasoning", denylist=["input_dir", "output_dir", "overwrite"]
)
def reason(
    input_dir: str | None,
    output_dir: str,
    overwrite: bool = False,
    model: TwoStageModel = gin.REQUIRED,
    num_iterations: PositiveInt = gin.REQUIRED,
    training_steps_per_iteration: PositiveInt = gin.REQUIRED,
    eval_steps_per_iteration: PositiveInt = gin.REQUIRED,
    random_seed: Seed = gin.REQUIRED,
    batch_size: PositiveInt = gin.REQUIRED,
    name: str = "",
) -> None:
    """Trains a network on an endless stream of matrices, and scores it repeatedly.

    Each iteration trains, then takes the validation score and the test score, on new
    matrices. A stopped run resumes from its last finished iteration, and ends with the
    same scores as an uninterrupted one, up to rounding (except for a random
    representation, `@sampled_representation`, whose draws start again).

    Args:
      input_dir: the folder of a representation, for `@HubEmbedding` and
        `dataset.name = "auto"`, whose results are carried over; None if there is none.
      output_dir: gets `checkpoints` and `results`, whose keys are
        `step{steps}.{val,test}.{accuracy,loss,global_step}` (the steps before the
        iteration, as in the library), and `best.` for the iteration of the best
        validation accuracy; `elapsed_time` is of the last session, in seconds.
      overwrite: whether an earlier run there may be replaced.
      model: such as `@TwoStageModel()`.
      num_iterations: how often it is scored.
      training_steps_per_iteration: steps between scores.
      eval_steps_per_iteration: batches of each score.
      random_seed: of the network and of the matrices.
      batch_size: matrices in a batch.
      name: kept in the results' configuration only.

    Raises:
      UserError: if a value is not allowed, there is no representation, the folder is
        not free, or the loss is not finite.
    """
    del name
    _bind_representation(input_dir)
    data = get_pgm_dataset(inputs=model.inputs)
    keras.utils.set_random_seed(random_seed)
    solver = Solver(model, data, batch_size)
    step_name = "abstract_reasoning"
    with run_directory.open_run(output_dir, step_name, overwrite, input_dir or ""):
        started = time.monotonic()
        scores = _train_and_score(
            solver,
            os.path.join(output_dir, "checkpoints"),
            _seeds(random_seed, num_iterations),
            training_steps_per_iteration,
            eval_steps_per_iteration,
        )
        named = _named_scores(scores, training_steps_per_iteration)
        named["elapsed_time"] = time.monotonic() - started
        results.write_results(output_dir, step_name, named, input_dir)


reason_with_gin = gin_config.with_gin(reason)


class Solver:
    """A network in training, on matrices of a data set.

    Args:
      model: makes the network and its optimizer.
      data: of the matrices.
      batch_size: matrices in a batch.

    Raises:
      UserError: if the model's networks don't fit the matrices or one another.
    """

    def __init__(self, model: TwoStageModel, data: MatrixData, batch_size: int):
        self._data = data
        self._batch_size = batch_size
        self._network = model.make_network()
        context, answers, _ = data.batch(1, 0, 0)
        try:
            self._network([context, answers])
        except (TypeError, ValueError, tf.errors.OpError) as error:
            if sentence_and_code(error) is not None:
                raise
            raise UserError(
                "The networks of TwoStageModel can't be called as intended "
                f"({message_of(error)}): check embedding_model_class and "
                "reasoning_model_class."
            ) from error
        self._optimizer = model.make_optimizer()
        self._optimizer.build(self._network.trainable_variables)
        self.train_steps = tf.function(self._train_steps)
        self.score_steps = tf.function(self._score_steps)

    @property
    def variables(self) -> list[tf.Variable]:
        """All of the network, the state of its dropout included, and the optimizer."""
        variables = [*self._network.variables, *self._optimizer.variables]
        return [variable.value for variable in variables]

    def batches(self, seed: int, num: int) -> tf.data.Iterator:
        """`num` batches of the seed, made while the network works on others."""

        def generate() -> Iterator[tuple[np.ndarray, ...]]:
            for step in range(num):
                yield tuple(self._data.batch(self._batch_size, seed, step))

        size, shape = self._batch_size, self._data.panel_shape
        signature = (
            tf.TensorSpec([size, NUM_CONTEXT, *shape], tf.float32),
            tf.TensorSpec([size, NUM_ANSWERS, *shape], tf.float32),
            tf.TensorSpec([size], tf.int64),
        )
        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
        return iter(dataset.prefetch(2))

    def _train_steps(self, batches: Iterator[Batch], num_steps: tf.Tensor) -> tf.Tensor:
        """Takes steps; returns the mean of their losses."""
        total = tf.zeros([])
        for _ in tf.range(num_steps):
            context, answers, positions = next(batches)
            with tf.GradientTape() as tape:
                logits = self._network([context, answers], training=True)
                loss = _cross_entropy(positions, logits)
            weights = self._network.trainable_variables
            self._optimizer.apply(tape.gradient(loss, weights), weights)
            total += loss
        return total / tf.cast(num_steps, tf.float32)

    def _score_steps(self, batches: Iterator[Batch], num_steps: tf.Tensor) -> tf.Tensor:
        """The mean accuracy and cross-entropy over batches: `[2]`."""
        totals = tf.zeros([2])
        for _ in tf.range(num_steps):
            context, answers, positions = next(batches)
            logits = self._network([context, answers], training=False)
            right = tf.cast(tf.argmax(logits, axis=1) == positions, tf.float32)
            loss = _cross_entropy(positions, logits)
            totals += tf.stack([tf.reduce_mean(right), loss])
        return totals / tf.cast(num_steps, tf.float32)


def _cross_entropy(positions: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(positions, logits)
    )


def _bind_representation(input_dir: str | None) -> None:
    """Binds what the folder of the step before records."""
    if input_dir is not None:
        # It also tells a folder whose results could not be carried over.
        bound_value(input_dir, "postprocess", "dataset.name")
        resolve_dataset(input_dir, "postprocess")
        with gin.unlock_config():
            gin.bind_parameter(
                "HubEmbedding.hub_path",
                os.path.join(os.path.realpath(input_dir), "tfhub"),
            )
    elif gin_config.query("dataset.name") == "auto":
        raise UserError(
            'dataset.name is "auto", but there is no folder of a representation to '
            "tell it: bind dataset.name, or give that folder as --input_dir."
        )


def _seeds(random_seed: int, num_iterations: int) -> list[list[int]]:
    """Of training, validation and test, for each iteration, as the library draws."""
    random_state = np.random.RandomState(random_seed)
    return [
        [random_state.randint(2**32) for _ in range(3)] for _ in range(num_iterations)
    ]


def _train_and_score(
    solver: Solver,
    directory: str,
    seeds: list[list[int]],
    num_steps: int,
    num_batches: int,
) -> np.ndarray:
    """Runs the iterations that are left; returns scores `[iterations, 2, 2]`."""
    scores = tf.Variable(tf.zeros([len(seeds), len(_SPLITS), len(_SCORES)]))
    iteration = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(
        variables=solver.variables, scores=scores, iteration=iteration
    )
    manager = open_manager(checkpoint, directory)
    restore_newest(manager)
    first = int(iteration)
    with tqdm(
        total=len(seeds) * num_steps,
        initial=first * num_steps,
        desc="reasoning",
        unit="step",
    ) as progress:
        for i in range(first, len(seeds)):
            train_seed, *score_seeds = seeds[i]
            _train(solver, train_seed, num_steps, progress)
            for j, seed in enumerate(score_seeds):
                batches = solver.batches(seed, num_batches)
                found = solver.score_steps(batches, tf.constant(num_batches))
                _check_finite(float(found[1]), progress)
                scores[i, j].assign(found)
            progress.set_postfix_str(f"accuracy {float(scores[i, 0, 0]):.3f}")
            iteration.assign(i + 1)
            manager.save(checkpoint_number=i + 1)
    return scores.numpy()


def _train(solver: Solver, seed: int, num_steps: int, progress: tqdm) -> None:
    """Trains for an iteration."""
    batches = solver.batches(seed, num_steps)
    for step in range(0, num_steps, _LOG_STEPS):
        num = min(_LOG_STEPS, num_steps - step)
        loss = float(solver.train_steps(batches, tf.constant(num)))
        progress.update(num)
        _check_finite(loss, progress)


def _check_finite(loss: float, progress: tqdm) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"The loss became {loss} by step {progress.n}; finished iterations are "
            "kept: lower the optimizer's learning rate, and use --overwrite."
        )


def _named_scores(scores: np.ndarray, num_steps: int) -> dict[str, float]:
    """The scores under the library's keys."""
    rows = {f"step{i * num_steps}": i for i in range(len(scores))}
    rows["best"] = int(np.argmax(scores[:, 0, 0]))
    named = {}
    for row, i in rows.items():
        for j, split in enumerate(_SPLITS):
            for k, score in enumerate(_SCORES):
                named[f"{row}.{split}.{score}"] = float(scores[i, j, k])
            named[f"{row}.{split}.global_step"] = (i + 1) * num_steps
    return named
