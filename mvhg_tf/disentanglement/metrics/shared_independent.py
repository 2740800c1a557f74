"""What the shared and the independent latents of pairs know, and how many there are.

The downstream task of Sutter et al. (2023), section 5.2 and appendix C.2.5.
"""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from threadpoolctl import threadpool_limits

from mvhg_tf.disentanglement.sources.pairs import (
    Dynamics,
    dynamics_of,
    sample_pairs,
)
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.limits import PositiveInt

# lbfgs needs some hundred iterations for standardised inputs.
_MAX_ITERATIONS = 5_000
# A latent in use tells some nats of an image (its posterior's KL to the prior), an
# unused one less than 0.1.
_ACTIVE_NATS = 0.5


class EncodedPairs(NamedTuple):
    """N pairs over F factors and d latents: the truth, and what a model makes of it.

    Attributes:
      factors: int `[2, N, F]`, of both views.
      means: float `[2, N, d]`, the posterior means after aggregation.
      log_variances: float `[2, N, d]`, of the same posteriors.
      shared: bool `[N, d]`, which latents the model takes to be shared.
      k_hat: int `[N]`, how many it takes to be independent.
    """

    factors: np.ndarray
    means: np.ndarray
    log_variances: np.ndarray
    shared: np.ndarray
    k_hat: np.ndarray

    @property
    def shared_factors(self) -> np.ndarray:
        """bool `[N, F]`, which factors have the same value in both views."""
        return self.factors[0] == self.factors[1]


@gin_config.configurable(
    "shared_independent_downstream",
    denylist=[
        "ground_truth_data",
        "representation_function",
        "random_state",
        "artifact_dir",
    ],
)
def compute_shared_independent(
    ground_truth_data,
    representation_function,
    random_state: np.random.RandomState,
    artifact_dir: str | None = None,
    num_train: PositiveInt = 10_000,
    num_test: PositiveInt = 5_000,
    batch_size: PositiveInt = 128,
) -> dict[str, object]:
    """Scores the split of the latents of pairs into shared and independent ones.

    For each factor, scikit-learn's logistic regressions predict its value from the
    shared part of the representation, and from the independent part of each view.
    The regression on the shared part is trained and tested on the pairs that share
    the factor, those on the independent parts on the pairs that don't: in other
    pairs the part isn't meant to know the factor (and two views that differ give a
    shared part no value to predict). The scores are balanced accuracies, adjusted
    so that 0 is chance and 1 is perfect, averaged over the factors. Beside the shared
    part's stands what all latents together, averaged over both views, know of the
    shared factors: the difference is what the division costs.

    Which latents belong to a part varies from pair to pair, but a regression needs
    an input of fixed size. It gets 2d numbers: the posterior means, standardised on
    the training pairs, with zeros for the latents that aren't in the part; and the
    mask of those that are. The zero is the average value, and the mask lets the
    regression have an offset for it, so that absent can be told from average.

    The number of shared latents is s_hat = d - k_hat. There are two numbers to
    compare it with, as there are d latents but F factors: s = d - k, the number of
    latents that would be shared if each factor had one latent ("latent space"), and
    s = F - k, the number of shared factors ("factor space"). Both errors are given.

    Args:
      ground_truth_data: a disentanglement_lib `GroundTruthData`.
      representation_function: a `Representation` of a model trained on pairs.
      random_state: of the pairs, which are drawn as gin's `dynamics` says.
      artifact_dir: not used.
      num_train: training pairs.
      num_test: test pairs, which also give the numbers of latents.
      batch_size: pairs encoded at once.

    Returns:
      - `shared_accuracy`, `independent_accuracy`, `undivided_accuracy` (of all
        latents, on the shared factors): the means over the factors, NaN if no test
        pair has such factors; `..._per_factor`: `[F]`.
      - `k`, `k_hat`, `s_hat`: means over the test pairs.
      - `mse_latent_space`, `mse_factor_space`: mean (s - s_hat)^2.
      - `confusion`: `[F + 1, d + 1]`, counts of test pairs by k and k_hat.
      - `active_latents`: latents in use, which tell half a nat or more of an image.
      - `unconverged_fits`: regressions that used up their iterations.

    Raises:
      UserError: if a size is not positive, or the model was not trained on pairs.
    """
    del artifact_dir
    dynamics = dynamics_of(ground_truth_data)

    def encode(num: int) -> EncodedPairs:
        return encode_pairs(
            ground_truth_data,
            representation_function,
            random_state,
            num,
            batch_size,
            dynamics,
        )

    train, test = encode(num_train), encode(num_test)
    num_values = np.asarray(ground_truth_data.factors_num_values)
    return count_scores(test) | accuracy_scores(train, test, num_values)


def encode_pairs(
    ground_truth_data,
    representation,
    random_state: np.random.RandomState,
    num: int,
    batch_size: int,
    dynamics: Dynamics | None,
) -> EncodedPairs:
    """Draws `num` pairs, `batch_size` at a time, and encodes them."""
    batches = []
    # Full batches, as TensorFlow compiles for each size anew; the rest is cut off.
    for _ in range(0, num, batch_size):
        pairs = sample_pairs(ground_truth_data, batch_size, random_state, dynamics)
        outputs = representation.pair(pairs.images_1, pairs.images_2, pairs.labels)
        batches.append(
            EncodedPairs(
                factors=np.stack([pairs.factors_1, pairs.factors_2]),
                means=np.stack([outputs.mean_1, outputs.mean_2]),
                log_variances=np.stack([outputs.logvar_1, outputs.logvar_2]),
                shared=outputs.shared,
                k_hat=outputs.k_hat,
            )
        )
    fields = EncodedPairs(*zip(*batches, strict=True))
    return EncodedPairs(
        factors=np.concatenate(fields.factors, axis=1)[:, :num],
        means=np.concatenate(fields.means, axis=1)[:, :num],
        log_variances=np.concatenate(fields.log_variances, axis=1)[:, :num],
        shared=np.concatenate(fields.shared)[:num],
        k_hat=np.concatenate(fields.k_hat)[:num],
    )


def count_scores(pairs: EncodedPairs) -> dict[str, object]:
    """The scores of the number of shared latents, see `compute_shared_independent`."""
    num_factors, num_latents = pairs.factors.shape[-1], pairs.means.shape[-1]
    k = num_factors - pairs.shared_factors.sum(axis=-1)
    s_hat = num_latents - pairs.k_hat
    confusion = np.zeros([num_factors + 1, num_latents + 1], np.int64)
    np.add.at(confusion, (k, pairs.k_hat), 1)
    variances = np.exp(pairs.log_variances)
    divergences = (np.square(pairs.means) + variances - pairs.log_variances - 1) / 2
    return {
        "k": np.mean(k),
        "k_hat": np.mean(pairs.k_hat),
        "s_hat": np.mean(s_hat),
        "mse_latent_space": np.mean(np.square(num_latents - k - s_hat)),
        "mse_factor_space": np.mean(np.square(num_factors - k - s_hat)),
        "confusion": confusion,
        "active_latents": int(np.sum(divergences.mean(axis=(0, 1)) >= _ACTIVE_NATS)),
    }


def accuracy_scores(
    train: EncodedPairs, test: EncodedPairs, num_values: np.ndarray
) -> dict[str, object]:
    """The scores of what the parts know, see `compute_shared_independent`.

    Args:
      train: the pairs to train on.
      test: the pairs to test on.
      num_values: `[F]`; a factor with one value has nothing to predict.
    """
    center = train.means.mean(axis=(0, 1))
    scale = train.means.std(axis=(0, 1)) + 1e-8

    def inputs_of(means: np.ndarray, mask: np.ndarray) -> np.ndarray:
        means = np.where(mask, (means - center) / scale, 0.0)
        return np.concatenate([means, mask], axis=-1, dtype=np.float32)

    # Of the regressions: the view whose factors they predict, whether these are the
    # shared ones, and from which means and which of them.
    kinds = [
        (0, True, lambda pairs: (pairs.means[0], pairs.shared)),
        (0, False, lambda pairs: (pairs.means[0], ~pairs.shared)),
        (1, False, lambda pairs: (pairs.means[1], ~pairs.shared)),
        (0, True, lambda pairs: (pairs.means.mean(axis=0), np.ones_like(pairs.shared))),
    ]
    scores = np.full([len(kinds), len(num_values)], np.nan)
    unconverged = 0
    for row, (view, is_shared, part) in enumerate(kinds):
        inputs = [inputs_of(*part(pairs)) for pairs in (train, test)]
        rows = [pairs.shared_factors == is_shared for pairs in (train, test)]
        for factor in np.flatnonzero(num_values > 1):
            used = [mask[:, factor] for mask in rows]
            scores[row, factor], converged = _adjusted_accuracy(
                inputs[0][used[0]],
                train.factors[view][used[0], factor],
                inputs[1][used[1]],
                test.factors[view][used[1], factor],
            )
            unconverged += not converged
    accuracies = {
        "shared_accuracy": scores[0],
        "independent_accuracy": scores[1:3].mean(axis=0),
        "undivided_accuracy": scores[3],
    }
    return {
        **{name: _mean_of_known(values) for name, values in accuracies.items()},
        **{f"{name}_per_factor": values for name, values in accuracies.items()},
        "unconverged_fits": unconverged,
    }


def _adjusted_accuracy(
    x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> tuple[float, bool]:
    """The adjusted balanced accuracy of a logistic regression; did it converge?

    It is NaN where it has no meaning: with fewer than two values to tell apart.
    """
    if len(np.unique(y_train)) < 2 or len(np.unique(y_test)) < 2:
        return np.nan, True
    model = LogisticRegression(max_iter=_MAX_ITERATIONS)
    # The matrices are small: on two cores, two threads take ten times as long as one.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Of no convergence, which `unconverged_fits` tells; and, in small sets, of
        # values that are rare or missing.
        warnings.simplefilter("ignore", UserWarning)
        model.fit(x_train, y_train)
        score = balanced_accuracy_score(y_test, model.predict(x_test), adjusted=True)
    return score, bool(np.max(model.n_iter_) < _MAX_ITERATIONS)


def _mean_of_known(scores: np.ndarray) -> float:
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if known.size else np.nan
