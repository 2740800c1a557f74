"""Unsupervised disentanglement ranking (UDR) of several models.

Duan et al., "Unsupervised Model Selection for Variational Disentangled Representation
Learning" (ICLR 2020): models that found the factors agree with one another, up to the
order and the sign of the latents, while entangled models each have their own mixtures.
So a model's score measures how close its latents are to a one-to-one match with those
of the others. It needs no labels.

The names and the scores are disentanglement_lib's (`evaluation/udr`, which its wheel
lacks). Here a model's regressions on all others are one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import gin
import numpy as np
from scipy import stats
from sklearn import linear_model

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import PositiveInt

# Images `[N, H, W, C]` to posterior means `[N, d]` and their mean KL divergences `[d]`.
Encoder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_PENALTY = 0.1  # of the Lasso
# A latent with less information is no predictor, whatever the filter's threshold.
_SILENT_KL = 0.01  # nats


@gin_config.configurable(
    "udr_sklearn",
    denylist=["ground_truth_data", "representation_functions", "random_state"],
)
def compute_udr_sklearn(
    ground_truth_data: GroundTruthData,
    representation_functions: Sequence[Encoder],
    random_state: np.random.RandomState,
    batch_size: PositiveInt = gin.REQUIRED,
    num_data_points: PositiveInt = gin.REQUIRED,
    correlation_matrix: Literal["lasso", "spearman"] = "lasso",
    filter_low_kl: bool = True,
    include_raw_correlations: bool = True,
    kl_filter_threshold: float = 0.01,
) -> dict[str, object]:
    """Scores each of M models, with d latents each, by its agreement with the others.

    Args:
      ground_truth_data: the data set, of which only images are drawn.
      representation_functions: of the models; see `Encoder`.
      random_state: draws the images, which are the same for all models.
      batch_size: images that a model is given at a time.
      num_data_points: images in all, a multiple of `batch_size`.
      correlation_matrix: "lasso" (the paper's UDR_L) or "spearman" (UDR_S).
      filter_low_kl: whether latents that say little are left out of the scores.
      include_raw_correlations: whether the result holds the correlations too.
      kl_filter_threshold: up to this many nats a latent says little.

    Returns:
      A dictionary of lists: `model_scores` `[M]`, each the median of the model's
      pairs, in 0 to 1, higher is better; `pairwise_disentanglement_scores`
      `[M, M, 1]`, zero on the diagonal; and `raw_correlations` `[M, M, d, d]`: of two
      models, the strength of each latent of the first with each of the second.

    Raises:
      UserError: for fewer than two models, models of different numbers of latents, or
        a value that is not allowed.
    """
    check_number(len(representation_functions))
    if num_data_points % batch_size:
        raise UserError(
            f"udr_sklearn.num_data_points is {num_data_points}, but must be a multiple "
            f"of udr_sklearn.batch_size, which is {batch_size}: change one of them."
        )
    points, divergences = _encode(
        ground_truth_data,
        representation_functions,
        batch_size,
        num_data_points // batch_size,
        random_state,
    )
    points = [
        _standardized(x) * (kl > _SILENT_KL)
        for x, kl in zip(points, divergences, strict=True)
    ]
    strengths = _all_strengths(points, correlation_matrix)
    threshold = kl_filter_threshold if filter_low_kl else -np.inf
    used = [kl > threshold for kl in divergences]
    num_models = len(points)
    pairwise = np.zeros([num_models, num_models])
    for i in range(num_models):
        for j in range(num_models):
            if i != j:
                pairwise[i, j] = relative_strength_disentanglement(
                    strengths[i, j][np.ix_(used[i], used[j])]
                )
    others = ~np.eye(num_models, dtype=bool)
    medians = [np.median(pairwise[others[:, i], i]) for i in range(num_models)]
    scores = (
        {"raw_correlations": strengths.tolist()} if include_raw_correlations else {}
    )
    return {
        **scores,
        "pairwise_disentanglement_scores": pairwise[..., None].tolist(),
        "model_scores": [float(median) for median in medians],
    }


def relative_strength_disentanglement(corr_matrix: np.ndarray) -> float:
    """How one-to-one two models' latents are: 1 if each has one counterpart.

    It is the mean of max(r)^2 / sum(r) over the columns r, averaged with that over the
    rows (the paper's equation 2, as the library weighs it). Latents without any
    counterpart count 0, and so do two models one of which has no latent in use.

    Args:
      corr_matrix: strengths `[d_1, d_2]`, not negative.
    """
    if not corr_matrix.size:
        return 0.0
    scores = []
    for axis in (0, 1):
        totals = corr_matrix.sum(axis)
        peaks = corr_matrix.max(axis) ** 2
        alone = np.divide(peaks, totals, np.zeros_like(peaks), where=totals > 0)
        scores.append(alone.mean())
    return float(np.mean(scores))


def spearman_correlation_conv(vec1: np.ndarray, vec2: np.ndarray) -> np.ndarray:
    """Absolute rank correlations `[d_1, d_2]` of latents `[N, d_1]` and `[N, d_2]`.

    That with a constant latent is 0.
    """
    ranks = [_standardized(stats.rankdata(vec, axis=0)) for vec in (vec1, vec2)]
    return np.abs(ranks[0].T @ ranks[1]) / len(vec1)


def lasso_correlation_matrix(
    vec1: np.ndarray, vec2: np.ndarray, random_state: object = None
) -> np.ndarray:
    """Absolute weights `[d_1, d_2]` of the Lasso from `[N, d_1]` to `[N, d_2]`.

    Args:
      vec1: the predictors; of unit variance, for weights that compare.
      vec2: what they predict, each column by itself.
      random_state: unused, as in the library: the solver draws nothing.
    """
    del random_state
    # d x d products, of which the number of points is gone, do for all columns.
    model = linear_model.Lasso(alpha=_PENALTY, precompute=True).fit(vec1, vec2)
    return np.abs(model.coef_).reshape(vec2.shape[1], vec1.shape[1]).T


def check_number(num_models: int) -> None:
    """Raises a UserError for fewer models than can be compared."""
    if num_models < 2:
        raise UserError(
            f"A ranking compares models, but only {num_models} was given: give at "
            "least two."
        )


def _encode(
    ground_truth_data: GroundTruthData,
    encoders: Sequence[Encoder],
    batch_size: int,
    num_batches: int,
    random_state: np.random.RandomState,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Each model's means `[N, d]` and divergences `[d]` on the same images."""
    batches = []
    for _ in range(num_batches):
        images = ground_truth_data.sample_observations(batch_size, random_state)
        batches.append([encode(images) for encode in encoders])
    widths = sorted({mean.shape[1] for mean, _ in batches[0]})
    if len(widths) > 1:
        raise UserError(
            f"The models have {' and '.join(map(str, widths))} latents: rank models "
            "with the same number of latents."
        )
    models = list(zip(*batches, strict=True))
    points = [np.concatenate([mean for mean, _ in model]) for model in models]
    return points, [np.mean([kl for _, kl in model], axis=0) for model in models]


def _standardized(points: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1; a constant one becomes 0."""
    centered = np.asarray(points, np.float64) - np.mean(points, axis=0, dtype=float)
    deviations = centered.std(axis=0)
    constant = deviations <= 1e-12 * np.abs(points).max(axis=0)
    return np.where(constant, 0.0, centered / np.where(constant, 1.0, deviations))


def _all_strengths(points: Sequence[np.ndarray], kind: str) -> np.ndarray:
    """Strengths `[M, M, d, d]`, zero on the diagonal."""
    num_models, width = len(points), points[0].shape[1]
    everything = np.concatenate(points, axis=1)
    if kind == "spearman":
        strengths = spearman_correlation_conv(everything, everything)
    else:
        strengths = np.concatenate(
            [lasso_correlation_matrix(model, everything) for model in points]
        )
    strengths = strengths.reshape(num_models, width, num_models, width)
    strengths = strengths.transpose(0, 2, 1, 3)
    strengths[np.arange(num_models), np.arange(num_models)] = 0.0
    return strengths
