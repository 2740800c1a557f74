import json
import shutil

import gin
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.data.arm3d import Arm3D
from mvhg_tf.disentanglement.steps import visualize
from mvhg_tf.disentanglement.steps.saved_model import Representation, load_saved_model
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import dsprites  # isort: skip

KINDS = ["conf_interval", "fitted_gaussian", "fixed_interval", "minmax_interval"]
KINDS += ["std_gaussian"]
FOLDERS = {
    "animated_traversals",
    "interventional_effects",
    "reconstructions",
    "sampled",
    "traversals",
}
FEW = [
    "visualize_model.num_animations = 1",
    "visualize_model.num_frames = 3",
    "visualize_model.num_points_irs = 60",
]


def names(folder):
    return {path.name for path in folder.iterdir() if path.name[0] != "."}


def pixels(path):
    return np.asarray(PIL.Image.open(path).convert("RGB")) / 255


def tiles(image, size=64):
    """Tiles `[rows, columns, size, size, 3]` of an image."""
    rows, columns = image.shape[0] // size, image.shape[1] // size
    return image.reshape(rows, size, columns, size, 3).swapaxes(1, 2)


def correlation(a, b):
    """Of the images' luma: JPEG keeps colors at half the resolution."""
    weights = [0.299, 0.587, 0.114]
    return np.corrcoef((a @ weights).ravel(), (b @ weights).ravel())[0, 1]


@pytest.fixture(scope="module")
def model_dir(trained_model, tmp_path_factory):
    """The trained model with logits a hundred times as large, to be seen."""
    folder = tmp_path_factory.mktemp("loud") / "model"
    shutil.copytree(trained_model, folder)
    module = tf.Module()
    module.model = load_saved_model(trained_model)
    encode = module.model.signatures["gaussian_encoder"]
    decode = module.model.signatures["decoder"]

    @tf.function(input_signature=[tf.TensorSpec([None, 4], name="latent_vectors")])
    def decoder(latent_vectors):
        return {"images": 100 * decode(latent_vectors=latent_vectors)["images"]}

    @tf.function(
        input_signature=[tf.TensorSpec([None, 64, 64, 3], tf.float32, "images")]
    )
    def reconstructions(images):
        return decoder(encode(images=images)["mean"])

    signatures = {
        "gaussian_encoder": encode,
        "decoder": decoder,
        "reconstructions": reconstructions,
    }
    tf.saved_model.save(module, str(folder / "tfhub"), signatures=signatures)
    return str(folder)


@pytest.fixture(scope="module")
def pictures(model_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "new"
    visualize.visualize_model_with_gin(
        model_dir, str(folder), gin_bindings=[*FEW, "dataset.name = 'auto'"]
    )
    return folder


class TestModel:
    def test_gets_all_of_the_librarys_pictures(self, pictures):
        assert names(pictures) == FOLDERS | {"run.json"}
        assert names(pictures / "traversals") == {
            f"traversals{i}.jpg" for i in range(4)
        }
        assert names(pictures / "animated_traversals") == {
            f"{kind}_cycle0.gif" for kind in KINDS
        }
        effects = pixels(pictures / "interventional_effects/interventional_effect.png")
        assert effects.shape[0] * 7 == effects.shape[1] * 4  # 4 latents, 7 factors
        run = json.loads((pictures / "run.json").read_text())
        assert run["finished"] and "num_frames = 3" in run["config"]

    def test_reconstructions_are_beside_their_images(self, pictures, model_dir):
        pairs = tiles(pixels(pictures / "reconstructions" / "reconstructions.jpg"))
        assert pairs.shape[:2] == (8, 16)
        real = Arm3D().sample_observations(64, np.random.RandomState(0))
        model = Representation(model_dir)
        reconstructed = tf.sigmoid(model.decode(model.encode(real)[0])).numpy()
        # The library fills the grid by columns.
        for column, images in [(0, real), (1, reconstructed)]:
            shown = pairs[:, column::2].swapaxes(0, 1).reshape(64, 64, 64, 3)
            assert np.mean(list(map(correlation, shown, images))) > 0.9

    def test_each_column_of_a_traversal_is_a_latent(self, pictures, model_dir):
        grid = tiles(pixels(pictures / "traversals" / "traversals0.jpg"))
        assert grid.shape[:2] == (11, 4)
        # The decoder is linear: from -1 to 1, the logits change by two of its rows.
        rows = Representation(model_dir).decode(np.eye(4, dtype=np.float32))
        changes = grid[-1] - grid[0]
        table = [[correlation(change, row) for row in rows] for change in changes]
        np.testing.assert_allclose(table, np.eye(4), atol=0.2)

    @pytest.mark.parametrize("kind", KINDS)
    def test_animations_have_a_panel_a_latent(self, pictures, kind):
        animation = PIL.Image.open(
            pictures / "animated_traversals" / f"{kind}_cycle0.gif"
        )
        assert animation.n_frames == 3
        assert animation.info["duration"] == 100
        # Two by two, with 10 pixels around each, over the library's footer.
        assert animation.width == 2 * 64 + 3 * 10
        assert animation.height > 2 * 64 + 3 * 10

    def test_has_none_of_the_session_left(self, pictures):
        assert gin.config_str() == ""
        assert not gin.config_is_locked()

    def test_finished_pictures_are_kept(self, pictures, model_dir):
        before = (pictures / "run.json").stat().st_mtime_ns
        for bindings, sentence in [
            ([*FEW, "dataset.name = 'auto'"], "finished run of this same command"),
            (FEW[:2], "another configuration"),
        ]:
            with pytest.raises(UserError, match=sentence):
                visualize.visualize_model_with_gin(
                    model_dir, str(pictures), gin_bindings=bindings
                )
        assert (pictures / "run.json").stat().st_mtime_ns == before

    def test_a_stopped_run_brings_the_earlier_pictures_back(
        self, pictures, model_dir, tmp_path, monkeypatch
    ):
        folder = tmp_path / "copy"
        shutil.copytree(pictures, folder)
        drawn = (folder / "sampled" / "samples.jpg").read_bytes()

        def stop(*args):
            raise KeyboardInterrupt

        monkeypatch.setattr(
            visualize.library_model, "vis_all_interventional_effects", stop
        )
        for target, overwrite in [(folder, True), (tmp_path / "new", False)]:
            with pytest.raises(KeyboardInterrupt):
                visualize.visualize_model_with_gin(
                    model_dir, str(target), overwrite, gin_bindings=FEW
                )
        assert names(folder) == names(pictures)
        assert (folder / "sampled" / "samples.jpg").read_bytes() == drawn
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize(
        ("binding", "sentence"),
        [
            (
                "visualize_model.num_frames = 0",
                "frames is 0, but must be a positive",
            ),
            ("visualize_model.num_animations = 65", "at least 0 and at most 64"),
            ("visualize_model.fps = 'fast'", "fps is 'fast', but must be an integer"),
            ("visualize_model.num_points_irs = 1", "at least 2"),
            ("dataset.name = 'cars3d'", "'cars3d', but the pictures are of 'arm3d'"),
        ],
    )
    def test_mistakes_leave_nothing(self, trained_model, tmp_path, binding, sentence):
        folder = tmp_path / "new"
        with pytest.raises(UserError, match=sentence):
            visualize.visualize_model_with_gin(
                trained_model, str(folder), gin_bindings=[binding]
            )
        assert not folder.exists()

    def test_other_folders_are_left_alone(self, trained_model, tmp_path):
        with pytest.raises(UserError, match="no trained model in"):
            visualize.visualize_model_with_gin(str(tmp_path), str(tmp_path / "new"))
        model = tmp_path / "model"
        shutil.copytree(trained_model, model)
        before = names(model)
        with pytest.raises(
            UserError, match="can't go into .*, which this command reads"
        ):
            visualize.visualize_model_with_gin(str(model), f"{model}/.", True)
        gin_file = model / "results" / "gin" / "train.gin"
        gin_file.write_text("dataset.name = 'arm3d'\n")
        with pytest.raises(UserError, match="encoder.num_latent is not in"):
            visualize.visualize_model_with_gin(str(model), str(tmp_path / "new"))
        assert names(model) == before
        assert not (tmp_path / "new").exists()


class TestDataset:
    def test_gets_all_of_the_librarys_pictures(self, tmp_path):
        visualize.visualize_dataset_with_gin(
            "arm3d",
            str(tmp_path),
            gin_bindings=[
                "visualize_dataset.num_animations = 1",
                "visualize_dataset.num_frames = 4",
                "visualize_dataset.fps = 5",
            ],
        )
        folder = tmp_path / "arm3d"
        files = [f"variations_of_factor{i}.png" for i in range(7)]
        assert names(folder) == {*files, "animation0.gif", "run.json"}
        for i, file in enumerate(files):
            picture = pixels(folder / file)
            name, drawn = picture[:-256], picture[-256:]
            assert (name < 1.0).any()
            images = tiles(drawn).reshape(16, -1).round(3)
            # One factor varies, and no other: no more images than it has values.
            distinct = len(np.unique(images, axis=0))
            assert 1 < distinct <= Arm3D().factors_num_values[i]
        animation = PIL.Image.open(folder / "animation0.gif")
        assert (animation.n_frames, animation.info["duration"]) == (4, 200)
        with pytest.raises(UserError, match="another configuration"):
            visualize.visualize_dataset_with_gin("arm3d", str(tmp_path))
        # A run that was killed while it drew; the next takes its remains away.
        (folder / "pictures.part").mkdir()
        visualize.visualize_dataset_with_gin(
            "arm3d",
            str(tmp_path),
            overwrite=True,
            gin_bindings=["visualize_dataset.num_animations = 0"],
        )
        assert names(folder) == {*files, "run.json"}

    def test_mistakes_leave_everything(self, tmp_path):
        folder = tmp_path / "arm3d"
        folder.mkdir()
        (folder / "animation0.gif").write_text("mine")
        for name, binding, sentence in [
            ("arm3d", "visualize_dataset.num_frames = 4", "not written by mvhg_tf"),
            ("arm4d", "visualize_dataset.num_frames = 4", "no data set 'arm4d'"),
            ("../arm3d", "visualize_dataset.num_frames = 4", "no data set"),
            ("arm3d", "visualize_dataset.num_frames = 0", "num_frames is 0"),
            ("arm3d", "dataset.name = 'cars3d'", "the pictures are of 'arm3d'"),
        ]:
            with pytest.raises(UserError, match=sentence):
                visualize.visualize_dataset_with_gin(
                    name, str(tmp_path), True, gin_bindings=[binding]
                )
        assert [path.name for path in tmp_path.rglob("*")] == [
            "arm3d",
            "animation0.gif",
        ]

    def test_missing_data_are_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr(dsprites, "DSPRITES_PATH", str(tmp_path / "no.npz"))
        with pytest.raises(UserError, match="data of DSprites are missing"):
            visualize.visualize_dataset_with_gin("dsprites_full", str(tmp_path))
        assert not list(tmp_path.iterdir())


def test_one_latent_and_one_factor_are_drawn(tmp_path):
    images = (
        np.full([4, 16, 16, 1], 60, np.uint8)
        * np.arange(4, dtype=np.uint8)[:, None, None, None]
    )
    np.savez(tmp_path / "own.npz", images=images, factors=np.arange(4)[:, None])
    module = tf.Module()
    shape = [None, 16, 16, 1]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, "images")])
    def gaussian_encoder(images):
        mean = tf.reduce_mean(images, axis=[1, 2])
        return {"mean": mean, "logvar": tf.zeros_like(mean)}

    @tf.function(input_signature=[tf.TensorSpec([None, 1], name="latent_vectors")])
    def decoder(latent_vectors):
        return {"images": latent_vectors[:, None, None] * tf.ones([1, 16, 16, 1])}

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, "images")])
    def reconstructions(images):
        return decoder(gaussian_encoder(images)["mean"])

    signatures = {
        "gaussian_encoder": gaussian_encoder,
        "decoder": decoder,
        "reconstructions": reconstructions,
    }
    tf.saved_model.save(module, str(tmp_path / "m" / "tfhub"), signatures=signatures)
    (tmp_path / "m" / "results" / "gin").mkdir(parents=True)
    (tmp_path / "m" / "results" / "gin" / "train.gin").write_text(
        "dataset.name = 'npz'\n"
        f"npz.path = '{tmp_path / 'own.npz'}'\n"
        "npz.factor_names = ['grey']\n"
        "encoder.num_latent = 1\n"
        "reconstruction_loss.activation = 'logits'\n"
    )
    visualize.visualize_model_with_gin(
        str(tmp_path / "m"), str(tmp_path / "v"), gin_bindings=FEW
    )
    assert names(tmp_path / "v") == FOLDERS | {"run.json"}
