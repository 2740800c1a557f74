"""Each metric file where its metric may be undefined: a sentence or scores."""

import gin
import numpy as np
import pytest

from mvhg_tf.disentanglement.data import grid
from mvhg_tf.disentanglement.metrics import corners
from mvhg_tf.disentanglement.steps import evaluate  # noqa: F401  (for gin)
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.gin_files import FOLDER

NAMES = sorted(
    path.stem
    for path in (FOLDER / "metrics").glob("*.gin")
    if not path.stem.startswith("shared_")
)
# Sizes of the factors, latents, and images to learn from; sentences of those metrics
# that must refuse.
CORNERS = {
    "one value": ((3, 1), 3, 60),
    "one latent": ((3, 2), 1, 60),
    "two latents": ((3, 2), 2, 60),
    "one factor": ((3,), 3, 60),
    "three images": ((4, 3), 3, 3),
    "rare values": ((20, 2), 3, 10),
}
REFUSED = {
    ("sap_score", "one value"): "'b' has only one value: leave",
    ("mig", "one value"): "'b' has only one value: leave",
    ("modularity_explicitness", "one value"): "'b' has only one value",
    ("downstream_task_logistic_regression", "one value"): "'b' has only one",
    ("mig", "one latent"): "@mig of 1 latent is undefined, because it needs 2 or more",
    ("sap_score", "one latent"): "@sap of 1 latent is undefined, because it needs 2",
    ("unsupervised", "one latent"): "of 1 latent is undefined, because it needs 2",
    ("reduced_downstream_task", "one latent"): "needs 3 or more: use another metric,",
    (
        "reduced_downstream_task",
        "two latents",
    ): "of 2 latents is undefined, because it n",
    ("beta_vae_sklearn", "one factor"): "of 1 factor is undefined, because it needs 2",
    ("fairness", "one factor"): "of 1 factor is undefined, because it needs 2",
    ("strong_downstream_task", "one factor"): "of 1 factor is undefined",
    ("unified_scores", "one factor"): "of 1 factor is undefined",
}


class FactorImages(grid.GridData):
    """Images that are the factors themselves."""

    observation_shape = [1, 1, 1]

    def sample_observations_from_factors(self, factors, random_state=None):
        return np.float32(factors)[:, None, None, :]


def latents_of(num_latent):
    def represent(images):
        factors = np.asarray(images).reshape(len(images), -1)
        noise = np.random.RandomState(1).normal(size=(len(images), num_latent))
        shown = np.resize(factors.T, (num_latent, len(factors))).T
        return shown + 0.1 * noise

    return represent


def score(name, corner, artifact_dir):
    sizes, num_latent, num_train = CORNERS[corner]
    small = []
    text = (FOLDER / "metrics" / f"{name}.gin").read_text()
    for line in text.splitlines():
        key, _, value = line.partition(" = ")
        if key.endswith(("num_train", "num_test", "num_eval")):
            small.append(f"{key} = {[num_train] if '[' in value else num_train}")
        elif key.endswith(("batch_size", "num_variance_estimate")):
            small.append(f"{key} = 5")
    with gin_config.configured([str(FOLDER / "metrics" / f"{name}.gin")], small):
        reference = gin.query_parameter("evaluation.evaluation_fn")
        metric = reference.scoped_configurable_fn
        dataset = FactorImages(["a", "b"][: len(sizes)], sizes)
        corners.check(metric, dataset, num_latent)
        return corners.scores_of(
            metric,
            dataset,
            latents_of(num_latent),
            random_state=np.random.RandomState(0),
            artifact_dir=str(artifact_dir),
        )


@pytest.mark.parametrize(
    ("name", "corner"),
    [
        pytest.param(
            name,
            corner,
            # Its regressions take half a minute each.
            marks=[pytest.mark.slow] * ("logistic" in name and corner != "one value"),
        )
        for name in NAMES
        for corner in CORNERS
    ],
)
def test_a_corner_is_a_sentence_or_scores(name, corner, tmp_path, capfd):
    if (name, corner) in REFUSED:
        with pytest.raises(UserError, match=REFUSED[name, corner]):
            score(name, corner, tmp_path)
        return
    scores, sentence = {}, "is undefined"
    try:
        scores = score(name, corner, tmp_path)
    except UserError as error:
        sentence = str(error)
    assert "is undefined" in sentence or "there is nothing to predict" in sentence
    numbers = [value for value in scores.values() if isinstance(value, float)]
    assert np.isfinite(numbers).all() or "Undefined (NaN): " in capfd.readouterr().err


def test_irs_counts_the_latents_that_vary(tmp_path, monkeypatch):
    full = latents_of(4)
    monkeypatch.setitem(globals(), "latents_of", lambda num: lambda x: still(full(x)))

    def still(latents):
        latents[:, 1] = 0.25
        return latents

    assert score("irs", "two latents", tmp_path)["num_active_dims"] == 3
