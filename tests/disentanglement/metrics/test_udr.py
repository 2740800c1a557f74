"""The ranking, against the paper's formula written anew and the library's cases."""

import json
import re
import shutil

import gin
import numpy as np
import pytest
from scipy import stats
from sklearn import linear_model, preprocessing

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.metrics import udr
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import dummy_data  # isort: skip
from disentanglement_lib.utils import resources  # isort: skip

WIDTH = 4


class Points:
    """A data set whose images are points, and encoders that see them as they like."""

    def sample_observations(self, num, random_state):
        return random_state.normal(size=(num, WIDTH))


def linear_encoder(weights, divergences):
    def encode(points):
        return points @ weights, np.asarray(divergences, float)

    return encode


def four_models():
    """The last latents of two of them say little: one nothing, one a bit."""
    random_state = np.random.RandomState(3)
    divergences = [[1, 2, 3, 0.5], [1, 1, 1, 0.001], [2, 2, 0.05, 1], [1, 1, 1, 1]]
    return [
        linear_encoder(np.eye(WIDTH) + spread * random_state.normal(size=(4, 4)), kl)
        for spread, kl in zip([0.05, 0.3, 0.1, 1.0], divergences, strict=True)
    ]


def strength_of(kind, x, y):
    """Of one latent y with each of x, by one small computation each."""
    if kind == "lasso":
        return np.abs(linear_model.Lasso(alpha=0.1, tol=1e-8).fit(x, y).coef_)
    if not y.any():
        return np.zeros(x.shape[1])
    return np.array([abs(stats.spearmanr(c, y)[0]) if c.any() else 0 for c in x.T])


def expected_scores(kind, threshold):
    """Loops over pairs, latents and their formula, as the paper states it."""
    points = Points().sample_observations(500, np.random.RandomState(7))
    encoded = [encode(points) for encode in four_models()]
    latents = [
        preprocessing.scale(mean) * (divergence > 0.01) for mean, divergence in encoded
    ]
    kept = [np.flatnonzero(divergence > threshold) for _, divergence in encoded]
    pairs = np.zeros([4, 4])
    for i in range(4):
        for j in set(range(4)) - {i}:
            columns = [strength_of(kind, latents[i], y) for y in latents[j].T]
            strengths = np.array(columns).T[kept[i]][:, kept[j]]
            sides = []
            for lines in (strengths, strengths.T):
                sides.append(
                    np.mean([max(r) ** 2 / sum(r) if any(r) else 0 for r in lines])
                )
            pairs[i, j] = sum(sides) / 2
    return pairs, [
        np.median([pairs[j, i] for j in range(4) if j != i]) for i in range(4)
    ]


@pytest.mark.parametrize("kind", ["lasso", "spearman"])
@pytest.mark.parametrize(("is_filtered", "threshold"), [(True, 0.1), (False, -1)])
def test_scores_are_the_formula_s(kind, is_filtered, threshold):
    scores = udr.compute_udr_sklearn(
        Points(),
        four_models(),
        np.random.RandomState(7),
        batch_size=500,
        num_data_points=500,
        correlation_matrix=kind,
        filter_low_kl=is_filtered,
        kl_filter_threshold=0.1,
    )
    pairs, medians = expected_scores(kind, threshold)
    # The solver stops a ten-thousandth off.
    np.testing.assert_allclose(
        np.squeeze(scores["pairwise_disentanglement_scores"], -1), pairs, atol=2e-3
    )
    np.testing.assert_allclose(scores["model_scores"], medians, atol=2e-3)
    assert np.shape(scores["raw_correlations"]) == (4, 4, WIDTH, WIDTH)
    if is_filtered:
        assert np.argmin(scores["model_scores"]) == 3  # the most entangled


@pytest.mark.parametrize("kind", ["lasso", "spearman"])
def test_order_and_sign_do_not_count(kind):
    """The library's test, on its data."""
    permutation = np.random.RandomState(1).permutation(10)
    signs = np.where(np.arange(10) % 3, 1.0, -1.0)

    def first(images):
        return images.reshape(len(images), -1)[:, :10], np.ones(10)

    def second(images):
        return (first(images)[0] * signs)[:, permutation], np.ones(10)

    scores = udr.compute_udr_sklearn(
        dummy_data.DummyData(),
        [first, second],
        np.random.RandomState(0),
        100,
        1000,
        kind,
    )
    assert all(0.8 < score <= 1 for score in scores["model_scores"])
    strengths = np.array(scores["raw_correlations"])
    assert list(strengths[1, 0].argmax(axis=1)) == list(permutation)


def test_what_says_nothing_is_left_out():
    """The library's test: one latent is shared, the others are noise of no KL."""
    noise = np.random.RandomState(2)

    def encode(points):
        mean = noise.normal(size=points.shape)
        mean[:, 0] = points[:, 0]
        return mean, np.array([1.0, 0, 0, 0])

    arguments = (Points(), [encode, encode], np.random.RandomState(0), 100, 1000)
    whole = udr.compute_udr_sklearn(*arguments, filter_low_kl=False)
    filtered = udr.compute_udr_sklearn(*arguments, filter_low_kl=True)
    # 1 - 0.1, which is the Lasso's shrinkage, for one of four latents.
    np.testing.assert_allclose(whole["model_scores"], 0.9 / 4, atol=1e-3)
    np.testing.assert_allclose(filtered["model_scores"], 0.9, atol=1e-3)


def test_a_collapsed_model_scores_nothing():
    models = [linear_encoder(np.eye(WIDTH), [k] * WIDTH) for k in (1.0, 1.0, 0.0)]
    scores = udr.compute_udr_sklearn(
        Points(),
        models,
        np.random.RandomState(0),
        100,
        100,
        "spearman",
        include_raw_correlations=False,
    )
    agreement = scores["pairwise_disentanglement_scores"][0][1][0]
    assert 0.7 < agreement <= 1  # of equal models, on few points
    assert scores["model_scores"] == pytest.approx([agreement / 2, agreement / 2, 0])
    assert "raw_correlations" not in scores


@pytest.mark.parametrize(
    ("matrix", "score"),
    [
        (np.eye(3), 1),
        ([[1, 1, 0], [1, 1, 0], [0, 0, 1]], 2 / 3),
        (np.ones([3, 3]), 1 / 3),
        (np.zeros([3, 3]), 0),
        (np.zeros([0, 3]), 0),
    ],
)
def test_relative_strength(matrix, score):
    strength = udr.relative_strength_disentanglement(np.asarray(matrix, float))
    assert strength == pytest.approx(score)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"correlation_matrix": "pearson"},
            '\'pearson\', but must be "lasso" or "spea',
        ),
        ({"num_data_points": 101}, "101, but must be a multiple of .*, which is 10"),
        ({"batch_size": 0}, "batch_size is 0, but must be a positive integer"),
        ({"representation_functions": four_models()[:1]}, "only 1 was given"),
        (
            {
                "representation_functions": [
                    linear_encoder(np.eye(WIDTH)[:, :width], np.ones(width))
                    for width in (2, 4)
                ]
            },
            "have 2 and 4 latents",
        ),
    ],
)
def test_bad_input_gets_one_sentence(changes, sentence):
    arguments = {
        "ground_truth_data": Points(),
        "representation_functions": four_models(),
        "random_state": np.random.RandomState(0),
        "batch_size": 10,
        "num_data_points": 100,
    }
    with pytest.raises(UserError, match=sentence):
        udr.compute_udr_sklearn(**arguments | changes)


@pytest.fixture
def models(trained_model, tmp_path):
    """The folders of three equal models."""
    return [
        shutil.copytree(
            trained_model, tmp_path / f"model{i}", copy_function=shutil.copy
        )
        for i in range(3)
    ]


def test_the_program_takes_the_library_s_files(run_program, models, tmp_path):
    pattern = resources.get_file("config/tests/methods/udr/*.gin")
    flags = [
        f"--model_dirs={models[0]},{models[1]}",
        f"--model_dirs={tmp_path}/model[2]",
        f"--output_dir={tmp_path}/scores",
        f"--gin_evaluation_config_glob={pattern}",
        "--gin_bindings=udr_sklearn.num_data_points = 100",
    ]
    code, out, _ = run_program("dlib_udr", *flags)
    assert code == 0
    ranked = re.findall(r"^\d\.\d{4}  (.+)$", out, re.M)
    assert sorted(ranked) == sorted(2 * [str(model) for model in models])
    for kind in ("udr", "udr_spearman"):
        folder = tmp_path / "scores" / kind / "results"
        results = json.loads((folder / "json" / "evaluation_results.json").read_text())
        assert results["model_dirs"] == list(map(str, models))
        strengths = np.array(results["raw_correlations"])
        assert strengths.shape == (3, 3, 4, 4)
        # The models are one, so every latent is its own counterpart.
        assert np.all(strengths[0, 1].argmax(axis=0) == np.arange(4))
        aggregate = json.loads((folder / "aggregate" / "evaluation.json").read_text())
        assert aggregate["train_results.loss"] == 3.5
        assert aggregate["evaluation_config.evaluation.name"] == f"'{kind}'"
    # The same command again, and one on other models.
    code, _, error = run_program("dlib_udr", *flags)
    assert code == 2 and "All 2 evaluations" in error
    del flags[1]
    code, _, error = run_program("dlib_udr", *flags)
    assert code == 2 and "there input" in error


@gin.configurable("count_of_models", module="test_udr")
def count_of_models(dataset, representation_functions, random_state):
    return {"count": len(representation_functions)}


def test_a_metric_that_ranks_no_models_keeps_its_scores(run_program, models, tmp_path):
    code, out, _ = run_program(
        "dlib_udr",
        f"--model_dirs={models[0]},{models[1]}",
        f"--output_dir={tmp_path}/scores",
        "--gin_bindings=evaluation.evaluation_fn = @count_of_models",
        "--gin_bindings=evaluation.random_seed = 0",
        "--gin_bindings=dataset.name = 'auto'",
    )
    assert code == 0 and "ranks no models" in out
    path = tmp_path / "scores" / "results" / "json" / "evaluation_results.json"
    assert str(path) in out
    assert json.loads(path.read_text())["count"] == 2


@pytest.mark.parametrize(
    ("given", "bindings", "sentence"),
    [
        ("model0", [], "only 1 was given"),
        ("model0,nowhere", [], "nowhere does not hold a finished dlib_train run"),
        ("", [], "--model_dirs is missing"),
        ("model0,model1", ["evaluation.evaluation_fn = @mig"], "bind it to @udr_skl"),
        ("model0,other", [], "trained on arm3d and shapes3d: rank models of one"),
    ],
)
def test_the_program_tells_mistakes_in_a_sentence(
    run_program, models, tmp_path, monkeypatch, given, bindings, sentence
):
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other" / "results" / "gin" / "train.gin"
    other.parent.mkdir(parents=True)
    other.write_text("dataset.name = 'shapes3d'\n")
    gin_file = resources.get_file("config/tests/methods/udr/udr.gin")
    code, out, error = run_program(
        "dlib_udr",
        f"--model_dirs={given}",
        "--output_dir=scores",
        f"--gin_config={gin_file}",
        *(f"--gin_bindings={binding}" for binding in bindings),
    )
    assert (code, out) == (2, "")
    assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "scores").exists()
