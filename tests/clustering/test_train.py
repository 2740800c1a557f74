"""Whole runs of `mvhg_cluster`, on small data and small networks."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from mvhg_tf.clustering import callbacks, train
from mvhg_tf.programs import mvhg_cluster
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.run_directory import AlreadyFinished

GIN_CONFIGS = Path(__file__).parents[2] / "gin_configs"
BINDINGS = (
    "vade.units = (16,)",
    "vade.latent_dim = 2",
    "pretrain.epochs = 3",
    "pretrain.layer_wise_epochs = 0",
    "pretrain.starts = 2",
    "fit.epochs = 4",
    "fit.held_epochs = 2",
    "fit.batch_size = 50",
    "cluster.embedding = 'pca'",
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An npz file of two well separated classes."""
    random = np.random.default_rng(0)
    labels = np.repeat(["left", "right"], 100)
    centres = np.where(labels == "left", 0.2, 0.8)[:, None] * [1, 1, 1, -1] + [
        0,
        0,
        0,
        1,
    ]
    x = np.clip(centres + 0.05 * random.normal(size=(200, 4)), 0, 1)
    path = str(tmp_path_factory.mktemp("data") / "a.npz")
    np.savez(path, x=x.reshape(200, 2, 2), y=labels)
    return path


def run(folder, source, *bindings, **kwargs):
    lines = [*BINDINGS, f"data.source = {source!r}", *bindings]
    return train.train_with_gin(str(folder), gin_bindings=lines, **kwargs)


@pytest.fixture(scope="module")
def finished(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "finished"
    run(folder, source)
    return folder


def weights_of(folder):
    return keras.saving.load_model(folder / "model.keras").get_weights()


def results_of(folder):
    return json.loads((folder / "results" / "results.json").read_text())


def check_same_weights(folder, other):
    for value, theirs in zip(weights_of(folder), weights_of(other), strict=True):
        np.testing.assert_array_equal(value, theirs)


def test_a_run_leaves_scores_figures_and_a_model(finished, source):
    results = json.loads((finished / "results" / "results.json").read_text())
    assert results["accuracy"] == results["nmi"] == results["ari"] == 1.0
    assert results["classes"] == ["left", "right"]
    assert np.sum(results["confusion"]) == results["num_test"] == 40
    assert "fit.epochs = 4" in results["config"]
    assert results["at_start"]["accuracy"] <= 1.0
    assert sorted(path.name for path in (finished / "figures").iterdir()) == [
        "confusion.png",
        "embedding.png",
        "proportions.png",
        "samples.png",
    ]
    assert list((finished / "tensorboard" / "training" / "train").iterdir())
    assert not (finished / "checkpoints").exists()
    test = np.load(finished / "results" / "test.npz")
    model = keras.saving.load_model(finished / "model.keras")
    x = np.load(source)["x"].reshape(200, 4)
    clusters = model.predict(x)
    np.testing.assert_array_equal(
        np.sort(np.bincount(clusters)), np.sort(np.bincount(np.repeat([0, 1], 100)))
    )
    assert test["embeddings"].shape == (40, 2)


@pytest.mark.slow
def test_a_table_without_labels_is_described_by_its_clusters(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 3)) * [1.0, 1.0, 40.0]
    x[:30] += [12.0, -12.0, -1000.0]
    np.savez(tmp_path / "x.npz", x=x, y_unused=x)
    names = ("vade.", "pretrain.epochs", "pretrain.layer")
    lines = [line for line in BINDINGS if not line.startswith(names)]
    lines += [f"data.source = {str(tmp_path / 'x.npz')!r}", "cluster.num_clusters = 2"]
    folder = tmp_path / "run"
    printed = train.train_with_gin(str(folder), gin_bindings=lines)
    assert printed.splitlines()[0].split() == ["cluster", "assigned", "learned"]
    results = results_of(folder)
    assert results["is_table"] and "accuracy" not in results
    assert results["networks"] == {
        "likelihood": "Gaussian",
        "latent_dim": 3,
        "widths": [[3, 3], [3, 3]],
    }
    pictures = {path.name for path in (folder / "figures").iterdir()}
    assert pictures == {"embedding.png", "proportions.png"}
    table = np.genfromtxt(
        folder / "results" / "clusters.csv", delimiter=",", names=True
    )
    assert table["samples"].sum() == results["num_train"] == 96
    small, large = np.argsort(table["samples"])
    # Of 20 to 30 samples the mean has a standard deviation of about 9 and of 0.2.
    assert table["mean_2"][small] == pytest.approx(-1000.0, abs=50)
    assert table["mean_2"][large] == pytest.approx(0.0, abs=30)
    assert table["mean_1"][small] == pytest.approx(-12.0, abs=1.2)
    assert table["std_2"][large] == pytest.approx(40.0, abs=15)
    assert "labels" not in np.load(folder / "results" / "test.npz")
    assigned = np.genfromtxt(
        folder / "results" / "assignments.csv",
        delimiter=",",
        names=True,
        dtype=None,
        encoding="utf-8",
    )
    np.testing.assert_array_equal(assigned["row"], np.arange(120))
    # The first 30 rows lie far from the others.
    np.testing.assert_array_equal(assigned["cluster"] == small, np.arange(120) < 30)
    assert (assigned["probability"] > 0.5).all()
    assert np.sum(assigned["part"] == "test") == 24


def test_without_labels_the_number_of_clusters_must_be_bound(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(40, 3)))
    with pytest.raises(UserError, match="cluster.num_clusters is None, but the data"):
        run(tmp_path / "run", str(tmp_path / "x.npz"))


def test_a_finished_run_is_not_run_again(finished, source):
    with pytest.raises(AlreadyFinished, match="--overwrite"):
        run(finished, source)
    with pytest.raises(UserError, match="another configuration"):
        run(finished, source, "cluster.random_seed = 1")


@pytest.mark.slow
@pytest.mark.parametrize("epochs_done", [1, 3])
def test_a_stopped_run_goes_on_and_ends_with_the_same_weights(
    finished, source, tmp_path, monkeypatch, epochs_done
):
    keep = callbacks.Checkpoints.on_epoch_end

    def stop(self, epoch, logs=None):
        if epoch == epochs_done:
            raise KeyboardInterrupt
        keep(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Checkpoints, "on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "run", source)
    assert (tmp_path / "run" / "checkpoints").is_dir()
    run(tmp_path / "run", source)
    check_same_weights(tmp_path / "run", finished)
    assert results_of(tmp_path / "run") == results_of(finished)


@pytest.mark.slow
def test_runs_of_other_priors_share_a_start(finished, source, tmp_path):
    start = str(finished / "start.npz")
    run(tmp_path / "same", source, start=start)
    check_same_weights(tmp_path / "same", finished)
    run(tmp_path / "other", source, "vade.prior = @uniform_prior()", start=start)
    same, other = (
        json.loads((tmp_path / name / "results" / "results.json").read_text())
        for name in ("same", "other")
    )
    assert other["at_start"]["confusion"] == same["at_start"]["confusion"]
    assert other["learned_proportions"] == [0.5, 0.5]
    with pytest.raises(UserError, match="not a start for these data"):
        run(tmp_path / "seed", source, "cluster.random_seed = 1", start=start)
    with pytest.raises(UserError, match="belongs to a model of another shape"):
        run(tmp_path / "units", source, "vade.units = (8,)", start=start)
    with pytest.raises(UserError, match="No such file"):
        run(tmp_path / "none", source, start=start + "x")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_start_in_the_folder_that_would_be_replaced_is_left_there(
    finished, source, tmp_path, overwrite
):
    shutil.copytree(finished, tmp_path / "run")
    before = (tmp_path / "run" / "start.npz").read_bytes()
    (tmp_path / "link").symlink_to("run")
    for start in ("run/start.npz", "link/start.npz"):
        with pytest.raises(UserError, match=f"{start} is in the folder"):
            run(
                tmp_path / "run",
                source,
                "vade.prior = @uniform_prior()",
                start=str(tmp_path / start),
                overwrite=overwrite,
            )
    assert (tmp_path / "run" / "start.npz").read_bytes() == before
    assert results_of(tmp_path / "run")["num_test"] == 40


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_only_its_epochs(
    finished, source, tmp_path, monkeypatch, capsys
):
    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "_save_model", stop)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, source)
    (newest,) = (tmp_path / "checkpoints").glob("ckpt-4.data*")
    newest.write_bytes(newest.read_bytes()[:100])
    run(tmp_path, source)
    assert "is damaged" in capsys.readouterr().err
    check_same_weights(tmp_path, finished)


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["cluster.random_seed = -1"], "cluster.random_seed is -1"),
        (["cluster.checkpoint_epochs = 0"], "cluster.checkpoint_epochs is 0"),
        (["cluster.embedding = 'umap'"], "cluster.embedding is 'umap'"),
        (["cluster.num_clusters = 1"], "num_clusters is 1"),
        (["cluster.num_clusters = 500"], "fewer than the 500 clusters"),
        (["fit.batch_size = 1000"], "batch_size is 1000"),
        (["vade.prior = 'even'"], "prior is 'even'"),
        (
            ["hypergeometric_prior.group_sizes = 26"],
            "(): bind that too",
        ),
        (
            [
                "vade.prior = @hypergeometric_prior()",
                "hypergeometric_prior.group_sizes = 24",
            ],
            "must hold a batch of 50: pass at least 25",
        ),
    ],
)
def test_wrong_values_are_told_before_any_work(source, tmp_path, bindings, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path / "run", source, *bindings)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_keeps_the_checkpoint(source, tmp_path):
    bindings = ["vade.learning_rate = 1e30", "fit.epochs = 2"]
    with pytest.raises(UserError, match="lower the learning rate"):
        run(tmp_path, source, *bindings)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    sorted(GIN_CONFIGS.glob("clustering_*.gin")),
    ids=lambda path: path.stem,
)
def test_the_gin_files_run(path, source, tmp_path):
    lines = [*BINDINGS, f"data.source = {source!r}"]
    if path.stem.endswith("paper"):
        lines.append("pretrain.layer_wise_epochs = 1")
    train.train_with_gin(
        str(tmp_path), gin_config_files=[str(path)], gin_bindings=lines
    )
    assert (tmp_path / "results" / "results.json").is_file()


def test_the_program_prints_a_table_and_refuses_in_one_line(source, tmp_path, capsys):
    flags = [f"--output_dir={tmp_path}", f"--data={source}"]
    flags += [f"--gin_bindings={line}" for line in BINDINGS]
    assert mvhg_cluster.main(flags) == 0
    printed = capsys.readouterr().out
    assert "accuracy 100.0 %" in printed
    assert mvhg_cluster.main(flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--overwrite" in error
    assert mvhg_cluster.main(["--data=none"]) == 2
    assert "no data set, file or folder 'none'" in capsys.readouterr().err
    assert mvhg_cluster.main(["--dta=none"]) == 2
    assert "mvhg_cluster --help" in capsys.readouterr().err
