"""What the shared and the independent latents of pairs know, and how many there are.

The downstream task of Sutter et al. (2023), section 5.2 and appendix C.2.5.
"""

import numpy as np

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.metrics.encoded_pairs import (
    EncodedPairs,
    PairRepresentation,
    encode_pairs,
)
from mvhg_tf.disentanglement.metrics.part_accuracies import Protocol, accuracy_scores
from mvhg_tf.disentanglement.models.shared.gaussian import IN_USE_NATS
from mvhg_tf.disentanglement.sources.grid_parts import GridPart
from mvhg_tf.disentanglement.sources.pairs import dynamics_of
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.limits import PositiveInt


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
    ground_truth_data: GroundTruthData,
    representation_function: PairRepresentation,
    random_state: np.random.RandomState,
    artifact_dir: str | None = None,
    num_train: PositiveInt = 10_000,
    num_test: PositiveInt = 5_000,
    batch_size: PositiveInt = 128,
    protocol: Protocol = "matched",
    disjoint: bool = False,
) -> dict[str, object]:
    """Scores the split of the latents of pairs into shared and independent ones.

    For each factor, scikit-learn's logistic regressions predict its value from the
    shared part of the representation, and from the independent part of each view. The
    regression on the shared part is tested on the pairs that share the factor, those on
    the independent parts on the pairs that don't: in other pairs the part isn't meant
    to know the factor (and two views that differ give a shared part no value to
    predict). The scores are balanced accuracies, adjusted so that 0 is chance and 1 is
    perfect, averaged over the factors. The accuracy of all latents together on the
    shared factors, averaged over both views, is given for comparison: the difference is
    the cost of the division. So is that of all latents of one image on all factors,
    which has nothing to do with pairs (the linear classifier of Figure 11).

    Which latents belong to a part varies from pair to pair, but a regression needs an
    input of fixed size. There are two protocols for the input and the training pairs.
    In "matched", the regression is trained on the kind of pairs that it is tested on.
    Its input are 2d numbers: the posterior means, standardised on the training pairs,
    with zeros for latents outside the part; and the mask of the latents in the part.
    Zero is the average value, and the mask allows an offset, so that absent and average
    values differ. In "paper", C.2.5 read literally, the regression is trained on all
    pairs (a shared part must predict the factor of the first view, even if the second
    view's differs). Its input are d numbers: the unscaled posterior means, with zeros
    for latents outside the part.

    The number of shared latents is s_hat = d - k_hat. There are two numbers to compare
    it with, because there are d latents but F factors: s = d - k, the number of latents
    that would be shared if each factor had one latent ("latent space"), and s = F - k,
    the number of shared factors ("factor space"). Both errors are given.

    Args:
      ground_truth_data: a disentanglement_lib `GroundTruthData`.
      representation_function: a `Representation` of a model trained on pairs.
      random_state: of the pairs, which are drawn as gin's `dynamics` says.
      artifact_dir: not used.
      num_train: training pairs.
      num_test: test pairs, which also give the numbers of latents.
      batch_size: pairs encoded at once.
      protocol: "matched" or "paper".
      disjoint: whether the images of the training and the test pairs are of two
        disjoint halves of the combinations of factors. Both images of a pair are then
        of one half.

    Returns:
      - `shared_accuracy`, `independent_accuracy`, `undivided_accuracy` (of all
        latents, on the shared factors), `linear_accuracy` (of all latents, on all
        factors): the means over the factors, NaN if no test pair has such factors;
        `..._per_factor`: `[F]`.
      - `k`, `k_hat`, `s_hat`: means over the test pairs.
      - `mse_latent_space`, `mse_factor_space`: mean (s - s_hat)^2.
      - `confusion`: `[F + 1, d + 1]`, counts of test pairs by k and k_hat.
      - `active_latents`: latents in use, which carry half a nat or more of an image.
      - `unconverged_fits`: regressions that used up their iterations.

    Raises:
      UserError: if a size is not positive, the model was not trained on pairs, or no
        pair lies in one half of the combinations.
    """
    del artifact_dir
    dynamics = dynamics_of(ground_truth_data)

    parts: list[GridPart | None] = [None, None]
    if disjoint:
        seed = int(random_state.randint(2**31))
        parts = [GridPart(seed, index) for index in range(2)]

    def encode(num: int, part: GridPart | None) -> EncodedPairs:
        return encode_pairs(
            ground_truth_data,
            representation_function,
            random_state,
            num,
            batch_size,
            dynamics,
            part,
        )

    train, test = map(encode, (num_train, num_test), parts)
    num_values = np.asarray(ground_truth_data.factors_num_values)
    return count_scores(test) | accuracy_scores(train, test, num_values, protocol)


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
        "active_latents": int(np.sum(divergences.mean(axis=(0, 1)) >= IN_USE_NATS)),
    }
