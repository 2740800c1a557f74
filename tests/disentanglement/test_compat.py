"""Tests that disentanglement_lib's modules work: import, results, figures, TF-Hub.

Its metrics are tested in test_compat_metrics.py, its data sets in data/.
"""

import ast
import importlib
import importlib.util
import inspect
import json
import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import disentanglement_lib
import gin
import numpy as np
import PIL.Image
import pytest
import scipy.stats
import tensorflow as tf
from matplotlib.figure import Figure
from scipy.cluster import hierarchy

from mvhg_tf.disentanglement import compat
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import (  # isort: skip
    named_data as library_named_data,
)
from disentanglement_lib.utils import (  # isort: skip
    aggregate_results,
    resources,
    results,
)
from disentanglement_lib.visualize import (  # isort: skip
    dendrogram,
    visualize_dataset,
    visualize_irs,
    visualize_model,
    visualize_scores,
    visualize_util,
)


def _modules(package):
    path = importlib.import_module(package).__path__
    for module in pkgutil.walk_packages(path, f"{package}."):
        if not module.name.endswith("_test"):
            yield module.name


MODULES = [
    name
    for package in ("data", "evaluation.metrics", "utils", "visualize")
    for name in _modules(f"disentanglement_lib.{package}")
]


class TestImport:
    def test_there_are_modules(self):
        assert len(MODULES) > 30

    @pytest.mark.parametrize("name", MODULES)
    def test_of_every_module(self, name):
        importlib.import_module(name)

    def test_leaves_every_other_module_as_it_is(self):
        """In a fresh process, where compat is all that was imported of ours."""
        program = """
import sys, gin, json, multiprocessing, numpy, PIL.Image
modules = gin, gin.config, json, multiprocessing, numpy, PIL, PIL.Image
before = [dict(vars(module)) for module in modules]
from mvhg_tf.disentanglement import compat
from disentanglement_lib.data.ground_truth import cars3d
from disentanglement_lib.evaluation.metrics import mig
from disentanglement_lib.utils import aggregate_results, results
for module, names in zip(modules, before):
    for name, value in names.items():
        assert vars(module)[name] is value, (module, name)
assert not hasattr(PIL.Image, "ANTIALIAS")
for name in ("tensorflow_hub", "tensorflow.contrib", "gin.tf"):
    assert name not in sys.modules, name
"""
        subprocess.run([sys.executable, "-c", program], check=True)

    def test_twice_adapts_once(self):
        finders = list(sys.meta_path)
        importlib.reload(compat)
        assert sys.meta_path == finders

    def test_without_the_library_says_how_to_install_it(self, monkeypatch):
        others = [f for f in sys.meta_path if not hasattr(f, "adapts")]
        monkeypatch.setattr(sys, "meta_path", others)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(UserError, match="pip install --no-deps disentanglement-"):
            compat._install()

    def test_after_a_module_that_needs_it_says_so(self, monkeypatch):
        others = [f for f in sys.meta_path if not hasattr(f, "adapts")]
        monkeypatch.setattr(sys, "meta_path", others)
        early = types.ModuleType("disentanglement_lib.early")
        early.np = np
        for name in [n for n in sys.modules if n.startswith("disentanglement_lib.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, early.__name__, early)
        with pytest.raises(UserError, match="disentanglement_lib.early was imported"):
            compat._install()

    def test_what_needs_tensorflow_1_says_so(self):
        convolute_hub = importlib.import_module(
            "disentanglement_lib.utils.convolute_hub"
        )
        with pytest.raises(AttributeError, match="Module does not exist in TensorFlow"):
            convolute_hub.hub.Module("path")


class TestResources:
    def test_are_found(self):
        assert resources.get_file("config/tests/x.gin").endswith("config/tests/x.gin")
        folder = "config/tests/evaluation/evaluate_test_configs"
        files = list(resources.get_files_in_folder(folder))
        assert len(files) > 5
        for file in files:
            assert tf.io.gfile.exists(file)


class TestResults:
    def test_keep_numbers_of_numpy(self, tmp_path):
        path = str(tmp_path / "new" / "results.json")
        values = {
            "float16": np.float16(0.5),
            "float32": np.float32(0.5),
            "float64": np.float64(0.1),
            "int64": np.int64(2**40),
            "uint8": np.uint8(255),
            "bool": np.bool_(True),
            "array": np.array([[1.5, 2.5]]),
            "numbers": [np.int32(1), np.float32(2.0)],
            "nan": np.float64("nan"),
            "text": "abc",
        }
        results.save_dict(path, values)
        with open(path) as file:
            loaded = json.load(file)
        assert np.isnan(loaded.pop("nan"))
        assert loaded == {
            "float16": 0.5,
            "float32": 0.5,
            "float64": 0.1,
            "int64": 2**40,
            "uint8": 255,
            "bool": True,
            "array": [[1.5, 2.5]],
            "numbers": [1, 2.0],
            "text": "abc",
        }

    def test_of_two_steps_are_copied_and_merged(self, tmp_path):
        gin.parse_config("dataset.name = 'dummy_data'")
        library_named_data.get_named_ground_truth_data()
        first, second = str(tmp_path / "first"), str(tmp_path / "a" / "second")
        results.update_result_directory(first, "train", {"loss": np.float32(0.5)})
        results.update_result_directory(second, "evaluation", {"score": 1}, first)
        with open(f"{second}/aggregate/evaluation.json") as file:
            merged = json.load(file)
        assert merged["train_results.loss"] == 0.5
        assert merged["evaluation_results.score"] == 1
        assert merged["train_config.dataset.name"] == "'dummy_data'"
        assert merged["train_results.uuid"] != merged["evaluation_results.uuid"]

    def test_of_many_models_are_aggregated(self, tmp_path):
        for i in range(3):
            results.save_dict(str(tmp_path / str(i) / "r.json"), {"score": i / 2})
        output = str(tmp_path / "all.json")
        aggregate_results.aggregate_results_to_json(str(tmp_path / "*/r.json"), output)
        table = aggregate_results.load_aggregated_json_results(output)
        assert sorted(table["score"]) == [0.0, 0.5, 1.0]


class TestFigures:
    def test_image_grid(self, tmp_path):
        images = np.zeros([4, 8, 8, 1])
        images[3] = 0.5
        path = str(tmp_path / "grid.png")
        visualize_util.grid_save_images(list(images), path)
        pixels = np.asarray(PIL.Image.open(path))
        assert pixels.shape == (16, 16, 3)
        assert np.all(pixels[8:, 8:] == 127)
        assert np.all(pixels[:8] == 0)

    def test_animation(self, tmp_path):
        frames = np.linspace(0, 1, 5)[:, None, None, None] * np.ones([5, 64, 64, 3])
        path = str(tmp_path / "animation.gif")
        visualize_util.save_animation([frames, 1 - frames], path, fps=10)
        animation = PIL.Image.open(path)
        assert animation.n_frames == 5
        assert animation.info["duration"] == 100
        assert animation.info["loop"] == 0
        # Two images side by side, with 10 pixels around each.
        for i in (0, 2, 4):
            animation.seek(i)
            pixels = np.asarray(animation.convert("RGB"))
            assert abs(int(pixels[20, 20, 0]) - 255 * i / 4) < 3
            assert abs(int(pixels[20, 100, 0]) - 255 * (1 - i / 4)) < 3

    def test_data_set(self, tmp_path):
        visualize_dataset.visualize_dataset("arm3d", str(tmp_path), 1, 4, 10)
        names = sorted(p.name for p in (tmp_path / "arm3d").iterdir())
        assert names[0] == "animation0.gif"
        assert len(names) == 1 + 7
        variations = PIL.Image.open(tmp_path / "arm3d" / names[5])
        assert variations.size == (256, 256)

    def test_scores(self, tmp_path):
        matrix = np.random.RandomState(0).uniform(size=[5, 5])
        folder = str(tmp_path / "scores")
        visualize_scores.heat_square(matrix, folder, "heat", "codes", "factors")
        visualize_scores.plot_recovery_vs_independent(matrix, folder, "recovery")
        dendrogram.dendrogram_plot(
            matrix, str(tmp_path / "tree"), [f"factor {i}" for i in range(5)]
        )
        assert _sizes(tmp_path) == {"heat.png", "recovery.png", "tree.png"}

    def test_links_are_drawn_as_scipy_draws_them(self):
        points = np.random.RandomState(0).uniform(size=[6, 2])
        merges = hierarchy.linkage(points)
        names = [f"factor {i}" for i in range(6)]
        ours, theirs = Figure().subplots(1, 2)
        drawn = hierarchy.dendrogram(
            merges, orientation="right", labels=names, ax=theirs
        )
        compat._plot_dendrogram(
            drawn["icoord"],
            drawn["dcoord"],
            drawn["ivl"],
            mh=max(merges[:, 2]),
            ax=ours,
            color_list=["b"] * 5,
            p=30,
        )

        def numbers(ax):
            links = [path.vertices for c in ax.collections for path in c.get_paths()]
            frame = [*ax.get_xlim(), *ax.get_ylim(), *ax.get_yticks()]
            return np.sort(np.ravel(links)), frame

        for mine, scipys in zip(numbers(ours), numbers(theirs), strict=True):
            np.testing.assert_allclose(mine, scipys, rtol=1e-12)
        labels = [[t.get_text() for t in ax.get_yticklabels()] for ax in (ours, theirs)]
        assert labels[0] == labels[1] == drawn["ivl"]

    def test_interventional_effects(self, tmp_path):
        random_state = np.random.RandomState(0)
        factors = random_state.randint(3, size=[200, 2])
        latents = factors + 0.1 * random_state.normal(size=[200, 2])
        visualize_irs.vis_all_interventional_effects(factors, latents, str(tmp_path))
        assert _sizes(tmp_path) == {"interventional_effect.png"}


def _sizes(folder):
    """Names of the PNG files below a folder, each one a drawing."""
    files = list(folder.rglob("*.png"))
    for file in files:
        assert len(np.unique(np.asarray(PIL.Image.open(file).convert("L")))) > 10
    return {file.name for file in files}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A model as training leaves it: the encoder is linear, the decoder its mean."""
    images = tf.TensorSpec([None, 64, 64, 1], tf.float32, "images")
    latents = tf.TensorSpec([None, 3], tf.float32, "latent_vectors")
    weights = np.random.RandomState(0).normal(size=[64 * 64, 3]).astype(np.float32)

    def encode(images):
        return {
            "mean": tf.reshape(images, [-1, 64 * 64]) @ weights / 64,
            "logvar": tf.zeros([tf.shape(images)[0], 3]) - 2.0,
        }

    def decode(latent_vectors):
        logits = latent_vectors @ tf.transpose(weights)
        return {"images": tf.reshape(logits, [-1, 64, 64, 1])}

    folder = tmp_path_factory.mktemp("model")
    module = tf.Module()
    tf.saved_model.save(
        module,
        str(folder / "tfhub"),
        signatures={
            "gaussian_encoder": tf.function(encode, input_signature=[images]),
            "decoder": tf.function(decode, input_signature=[latents]),
            "reconstructions": tf.function(
                lambda images: decode(encode(images)["mean"]), input_signature=[images]
            ),
        },
    )
    config = folder / "results" / "gin" / "train.gin"
    config.parent.mkdir(parents=True)
    config.write_text(
        "dataset.name = 'dummy_data'\n"
        "encoder.num_latent = 3\n"
        "reconstruction_loss.activation = 'logits'\n"
    )
    return folder


class TestHub:
    def test_calls_signatures_by_name(self, model_dir):
        hub = visualize_model.hub
        images = np.random.RandomState(0).uniform(size=[2, 64, 64, 1])
        with hub.eval_function_for_module(str(model_dir / "tfhub")) as call:
            encoded = call({"images": images}, "gaussian_encoder", as_dict=True)
            decoded = call(encoded["mean"], signature="decoder")
            pictures = call(dict(images=images), "reconstructions", as_dict=True)
        assert sorted(encoded) == ["logvar", "mean"]
        assert isinstance(encoded["mean"], np.ndarray)
        assert encoded["mean"].shape == (2, 3)
        np.testing.assert_allclose(pictures["images"], decoded, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("num_images", [0, 1, 5, 6, 7])
    def test_gives_the_model_few_images_at_a_time(
        self, model_dir, monkeypatch, num_images
    ):
        images = np.random.RandomState(0).uniform(size=[num_images, 64, 64, 1])
        with visualize_model.hub.eval_function_for_module(
            str(model_dir / "tfhub")
        ) as call:
            whole = call(images, "gaussian_encoder", as_dict=True)
            monkeypatch.setattr(compat, "_BATCH_SIZE", 3)
            parts = call(images, "gaussian_encoder", as_dict=True)
        for name in ("mean", "logvar"):
            assert parts[name].shape == (num_images, 3)
            np.testing.assert_allclose(parts[name], whole[name], rtol=1e-5, atol=1e-5)

    def test_serves_the_figures_of_a_model(self, model_dir, tmp_path):
        """The library's visualize_model, from a SavedModel of TensorFlow 2."""
        output = tmp_path / "figures"
        visualize_model.visualize(
            str(model_dir), str(output), False, 1, 4, num_points_irs=50
        )
        folders = {p.name for p in output.iterdir()}
        assert folders >= {
            "reconstructions",
            "sampled",
            "traversals",
            "animated_traversals",
            "interventional_effects",
        }
        assert len(list((output / "animated_traversals").glob("*.gif"))) == 5
        # Left are the data's images, right their reconstructions: the first pair.
        picture = PIL.Image.open(output / "reconstructions" / "reconstructions.jpg")
        assert picture.size == (8 * 128, 8 * 64)

    def test_sigmoid_of_the_library_is_a_sigmoid(self):
        x = np.linspace(-4, 4, 9)
        np.testing.assert_allclose(
            visualize_model.sigmoid(x), scipy.stats.logistic.cdf(x)
        )


class TestReplacements:
    @staticmethod
    def _functions(module_name):
        """What the library's module defines, as syntax trees; nothing without it."""
        path = Path(disentanglement_lib.__path__[0], *module_name.split("."))
        if not path.parent.is_dir():
            assert "udr" in module_name  # its repository alone has it
            return []
        return ast.parse(path.with_suffix(".py").read_text()).body

    def test_are_called_as_the_library_calls_its_own(self):
        for theirs, ours in compat._REPLACED_FUNCTIONS.items():
            module = importlib.import_module(f"disentanglement_lib.{theirs}")
            assert module is importlib.import_module(f"mvhg_tf.disentanglement.{ours}")
            for function in self._functions(theirs):
                if isinstance(function, ast.FunctionDef) and function.name[0] != "_":
                    names = [argument.arg for argument in function.args.args]
                    signature = inspect.signature(getattr(module, function.name))
                    assert list(signature.parameters)[: len(names)] == names, theirs

    def test_have_the_librarys_gin_names_once(self):
        num_names = 0
        for theirs, ours in compat._REPLACED_MODELS.items():
            module = importlib.import_module(f"disentanglement_lib.{theirs}")
            assert module is importlib.import_module(f"mvhg_tf.disentanglement.{ours}")
            for definition in self._functions(theirs):
                for decorator in getattr(definition, "decorator_list", []):
                    named = isinstance(decorator, ast.Call)
                    name = decorator.args[0].value if named else definition.name
                    # It raises if there is none, or more than one.
                    function = gin.get_configurable(name)
                    assert vars(module)[function.__name__] is function, name
                    num_names += 1
        assert num_names == 6 + 1 + 10 + 3 + 2 + 5

    def test_are_the_only_modules_that_are_not_the_library_s(self):
        for name, module in sys.modules.items():
            if name.startswith("disentanglement_lib."):
                folder = disentanglement_lib.__path__[0]
                inside = str(module.__file__).startswith(folder)
                ours = name in compat._REPLACED or name in compat._MISSING
                assert inside != ours, name


def test_what_is_gone_is_told_in_a_sentence():
    with pytest.raises(
        ImportError, match="gin.tf needs TensorFlow 1 .*: write `import"
    ):
        importlib.import_module("gin.tf")
    library = importlib.import_module("disentanglement_lib.methods.unsupervised.vae")
    with pytest.raises(AttributeError, match="BaseVAE of .* pass your own regulariser"):
        library.BaseVAE  # noqa: B018
