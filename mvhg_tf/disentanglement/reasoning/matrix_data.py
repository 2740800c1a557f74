"""Batches of matrices for gin's `pgm`: images or factors of a data set."""

from __future__ import annotations

import re
from typing import NamedTuple

import gin
import numpy as np

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.reasoning import matrices
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import dsprites, shapes3d  # isort: skip

# The most values that each factor is left with, as in the paper.
_FEW_VALUES = {
    dsprites.AbstractDSprites: [5, 6, 3, 3, 4, 4],
    shapes3d.Shapes3D: [10, 10, 10, 4, 4, 4],
}
_MOST_VALUES = 10  # of the others' factors
_TYPE = re.compile("(easy|hard)_?(1|2|3|mixed)")


class Batch(NamedTuple):
    """N matrices as a network takes them.

    Attributes:
      context: float32 `[N, 8, ...]`, what is shown of the panels but the last.
      answers: float32 `[N, 6, ...]`.
      positions: int64 `[N]`, of the right answer.
    """

    context: np.ndarray
    answers: np.ndarray
    positions: np.ndarray


class MatrixData:
    """Matrices whose panels are images of a data set, or their factors.

    Of a factor with many values, a few evenly spread ones are used.

    Args:
      dataset: of the images.
      hard: whether the wrong answers differ in one relation alone.
      num_relations: the numbers of relations, equally likely.
      inputs: "images", "values" (each factor in [-0.5, 0.5]) or "onehot".

    Raises:
      UserError: if the data set's factors are too few, or have too few values.
    """

    def __init__(
        self,
        dataset: GroundTruthData,
        hard: bool,
        num_relations: list[int],
        inputs: str,
    ):
        self._dataset = dataset
        self._hard = hard
        self._num_relations = num_relations
        self._inputs = inputs
        all_sizes = np.array(dataset.factors_num_values)
        few = (v for kind, v in _FEW_VALUES.items() if isinstance(dataset, kind))
        self.factor_sizes = np.minimum(all_sizes, next(few, _MOST_VALUES))
        self._ratios = all_sizes / self.factor_sizes
        matrices.check_sizes(self.factor_sizes, max(num_relations))

    @property
    def panel_shape(self) -> tuple[int, ...]:
        """The shape of what is shown of a panel."""
        if self._inputs == "images":
            return tuple(self._dataset.observation_shape)
        sizes = self.factor_sizes
        return (len(sizes) if self._inputs == "values" else int(sum(sizes)),)

    def batch(self, size: int, seed: int, step: int) -> Batch:
        """The batch of a step, which depends on the seed and the step alone."""
        random_state = np.random.RandomState([seed, step])
        numbers = random_state.choice(self._num_relations, size=size)
        drawn = matrices.sample_matrices(
            self.factor_sizes, numbers, self._hard, random_state
        )
        factors = np.concatenate([drawn.context, drawn.answers], axis=1)
        shown = self._show(factors.reshape([-1, factors.shape[-1]]), random_state)
        shown = shown.astype(np.float32).reshape([size, -1, *self.panel_shape])
        context, answers = np.split(shown, [matrices.NUM_CONTEXT], axis=1)
        return Batch(context, answers, drawn.positions)

    def _show(
        self, factors: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Factors `[N, F]` as the networks get them."""
        if self._inputs == "values":
            return factors / (self.factor_sizes - 1) - 0.5
        if self._inputs == "onehot":
            columns = zip(factors.T, self.factor_sizes, strict=True)
            return np.concatenate([np.eye(size)[f] for f, size in columns], axis=1)
        of_data_set = np.int64(factors * self._ratios)
        return self._dataset.sample_observations_from_factors(of_data_set, random_state)


@gin.configurable("pgm", denylist=["inputs"])
def get_pgm_dataset(pgm_type: str = gin.REQUIRED, inputs: str = "images") -> MatrixData:
    """Makes the matrices of gin's data set.

    Args:
      pgm_type: "easy" or "hard" wrong answers, then the number of relations, 1, 2, 3 or
        mixed (each as likely): "easy_1", "hard_mixed". In the library all are easy,
        because it does not pass the word on.
      inputs: as `MatrixData` takes it.

    Raises:
      UserError: if there is no such type, or none of this data set.
    """
    found = _TYPE.fullmatch(pgm_type)
    if found is None:
        raise UserError(
            f'pgm.pgm_type is {pgm_type!r}, but must be "easy_" or "hard_", then 1, 2, '
            "3 or mixed: bind it to one such as 'easy_mixed'."
        )
    numbers = [1, 2, 3] if found[2] == "mixed" else [int(found[2])]
    dataset = named_data.get_named_ground_truth_data()
    return MatrixData(dataset, found[1] == "hard", numbers, inputs)
