"""Pairs of which nobody knows the factors: their scores and pictures."""

import json

import numpy as np
import PIL.Image
import pytest

from mvhg_tf.disentanglement import load_model
from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.steps import evaluate, postprocess, training
from mvhg_tf.runs.gin_files import gin_file_path

SHAPE = (16, 24, 4)  # not square, with an alpha channel
NUM = 60
TRAINING = [
    "model.model = @group_vae_hypergeometric()",
    "dataset.name = 'pairs'",
    "model.batch_size = 6",
    "model.training_steps = 2",
    "model.eval_steps = 1",
    "model.random_seed = 3",
    "train.log_steps = 2",
    "train.checkpoint_steps = 2",
    "train.held_out_steps = 0",
    "train.image_steps = 0",
    "encoder.num_latent = 3",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "group_vae.beta = 1.0",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained model, its representation, and its pairs with and without k."""
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.RandomState(0)
    images = random.randint(0, 256, [2, NUM, *SHAPE]).astype(np.uint8)
    views = {"images_1": images[0], "images_2": images[1]}
    np.savez(folder / "pairs.npz", **views)
    np.savez(folder / "known.npz", **views, k=random.randint(0, 3, NUM))
    training.train_with_gin(
        str(folder / "model"),
        gin_bindings=[*TRAINING, f"pairs.path = '{folder / 'pairs.npz'}'"],
    )
    postprocess.postprocess_with_gin(
        str(folder / "model"),
        str(folder / "mean"),
        gin_config_files=[gin_file_path("postprocess_mean.gin")],
    )
    return folder


def score(folder, name, output, *bindings):
    evaluate.evaluate_with_gin(
        str(folder / "mean"),
        str(output),
        gin_config_files=[gin_file_path(f"metrics_without_factors/{name}.gin")],
        gin_bindings=bindings,
    )
    path = output / "results" / "json" / "evaluation_results.json"
    return json.loads(path.read_text())


def held_out(folder):
    """The pairs that are held out: a tenth of them, as the page of the guide says."""
    chosen = np.random.RandomState(0).permutation(NUM)[-NUM // 10 :]
    known = np.load(folder / "known.npz")
    return [known[name][chosen] for name in ("images_1", "images_2", "k")]


def test_the_count_is_of_the_held_out_pairs(folder, tmp_path):
    *views, k = held_out(folder)
    k_hat = load_model(folder / "model").pair(*views).k_hat
    name = "count_of_differing_latents"
    scores = score(folder, name, tmp_path / "unknown")
    assert scores["k_hat_histogram"] == np.bincount(k_hat, minlength=4).tolist()
    assert scores["num_test"] == 6
    assert not {"k", "mse"} & set(scores)
    known = f"pairs.path = '{folder / 'known.npz'}'"
    scores = score(folder, name, tmp_path / "known", known)
    np.testing.assert_allclose(scores["mse"], np.mean((k_hat - k) ** 2.0))
    np.testing.assert_allclose(scores["k"], np.mean(k))
    for number in np.unique(k):
        mean = np.mean(k_hat[k == number])
        np.testing.assert_allclose(scores["k_hat_by_k"][str(number)], mean)


def test_the_elbo_is_a_bound_of_what_the_decoder_gives(folder, tmp_path):
    scores = score(folder, "held_out_elbo", tmp_path / "elbo")
    total = scores["reconstruction_loss"] + scores["kl_loss"]
    np.testing.assert_allclose(scores["elbo"], -total, rtol=1e-6)
    # By NumPy, of the means in place of draws, for which the loss is a little less.
    *views, _ = held_out(folder)
    model = load_model(folder / "model")
    pair = model.pair(*views)
    losses = []
    for images, posterior in zip(views, (pair.view_1, pair.view_2), strict=True):
        x, p = images / 255, np.float64(model.decode(posterior))
        nats = -(x * np.log(p) + (1 - x) * np.log1p(-p))
        losses.append(nats.sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(
        scores["reconstruction_loss"], np.mean(losses), rtol=0.01
    )


def test_latents_in_use_tell_half_a_nat(folder, tmp_path):
    scores = score(folder, "latents_in_use", tmp_path / "use")
    *views, _ = held_out(folder)
    posterior = load_model(folder / "model").encode(np.concatenate(views))
    kl = np.mean(gaussian.kl_to_standard_normal(posterior), axis=0)
    np.testing.assert_allclose(scores["kl_per_latent"], kl, rtol=0.1)  # of 5000 draws
    assert scores["latents_in_use"] == np.sum(kl >= 0.5)


def test_a_model_of_single_images_is_refused_in_a_sentence(trained_model, run_program):
    code, _, said = run_program(
        "dlib_evaluate",
        f"--input_dir={trained_model}",
        f"--output_dir={trained_model}_scores",
        "--gin_config=metrics_without_factors/held_out_elbo.gin",
        "--gin_bindings=dataset.name = 'arm3d'",
    )
    assert code == 2
    assert "has no signature 'representation'" in said or "'losses'" in said


def test_the_program_prints_a_table(folder, tmp_path, run_program):
    code, said, _ = run_program(
        "dlib_evaluate",
        f"--input_dir={folder / 'mean'}",
        f"--output_dir={tmp_path / 'all'}",
        "--gin_evaluation_config_glob=metrics_without_factors/[cl]*.gin",
    )
    assert code == 0
    lines = [line.split() for line in said.splitlines()]
    assert ["latents_in_use:"] in lines and ["latents", "3"] in lines
    histogram = next(line[1:] for line in lines if line[:1] == ["k_hat_histogram"])
    assert sum(map(int, histogram)) == 6


def test_the_pictures_mark_the_latents_that_differ(folder, tmp_path, run_program):
    code, _, said = run_program(
        "dlib_visualize_model",
        f"--model_dir={folder / 'model'}",
        f"--output_dir={tmp_path / 'pictures'}",
        "--gin_bindings=visualize_model.num_animations = 0",
    )
    assert code == 0, said
    figures = tmp_path / "pictures" / "figures"
    names = {path.name for path in figures.iterdir()}
    assert names == {"pairs.png", "traversals.png", "counts.png"}
    for name in names:
        assert np.std(PIL.Image.open(figures / name).convert("L")) > 5
