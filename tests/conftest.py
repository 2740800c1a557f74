import importlib
import json
import os
import shlex
import sys
import textwrap
import types
from pathlib import Path

import gin
import pytest

from mvhg_tf.programs import PROGRAMS
from mvhg_tf.programs import __main__ as programs
from mvhg_tf.programs.flags.command_line import Program

# Before any test imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# What these modules of some tests assert is told as in the tests themselves.
pytest.register_assert_rewrite("commands", "processes", "programs")

_IMAGE_SIZE = 64
_NUM_LATENT = 4


def pytest_make_parametrize_id(val, argname):
    """Bytes are called by their argument's name and a number.

    A packed file holds the time of its packing: a name made of its bytes is
    another in each process, and processes that share the tests must agree on names.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def no_gin_bindings():
    """Each test starts and ends without bindings of another."""
    gin.clear_config()
    yield
    gin.clear_config()


@pytest.fixture
def forget_names():
    """Takes back what the guides' own modules told gin, which knows a name once.

    The modules' names are appended to what it gives.
    """
    modules = ["__documentation__"]
    yield modules
    for selector in list(gin.config._REGISTRY._selector_map):
        if selector.split(".")[0] in modules:
            gin.config._REGISTRY.pop(selector)
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture(scope="session")
def trained_model(tmp_path_factory) -> str:
    """The folder of a model that someone trained on arm3d: a small linear one.

    Its encoder is a fixed projection. The first latents of a pair, 1 + (label mod
    3) of them, are independent.
    """
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("trained")
    module, signatures = _linear_model(tf)
    tf.saved_model.save(module, str(folder / "tfhub"), signatures=signatures)
    (folder / "results" / "gin").mkdir(parents=True)
    (folder / "results" / "json").mkdir()
    (folder / "results" / "gin" / "train.gin").write_text(
        "# Parameters for dataset:\n"
        "dataset.name = 'arm3d'\n"
        f"encoder.num_latent = {_NUM_LATENT}\n"
        "reconstruction_loss.activation = 'logits'\n"
    )
    (folder / "results" / "json" / "train_results.json").write_text(
        json.dumps({"loss": 3.5})
    )
    return str(folder)


def _linear_model(tf):
    module = tf.Module()
    shape = [_IMAGE_SIZE * _IMAGE_SIZE * 3, _NUM_LATENT]
    projection = 0.01 * tf.random.stateless_normal(shape, [1, 2])
    module.projection = tf.Variable(projection)

    def encode(images):
        return tf.reshape(images, [-1, shape[0]]) @ module.projection

    def decode(latents):
        images = latents @ tf.transpose(module.projection)
        return {"images": tf.reshape(images, [-1, _IMAGE_SIZE, _IMAGE_SIZE, 3])}

    def image_spec(name):
        return tf.TensorSpec([None, _IMAGE_SIZE, _IMAGE_SIZE, 3], tf.float32, name)

    @tf.function(input_signature=[image_spec("images")])
    def gaussian_encoder(images):
        mean = encode(images)
        return {"mean": mean, "logvar": tf.zeros_like(mean) - 1.0}

    @tf.function(input_signature=[image_spec("images")])
    def reconstructions(images):
        return decode(encode(images))

    @tf.function(
        input_signature=[tf.TensorSpec([None, _NUM_LATENT], name="latent_vectors")]
    )
    def decoder(latent_vectors):
        return decode(latent_vectors)

    @tf.function(
        input_signature=[
            image_spec("images_1"),
            image_spec("images_2"),
            tf.TensorSpec([None], tf.int32, "labels"),
        ]
    )
    def pair(images_1, images_2, labels):
        means = [encode(images_1), encode(images_2)]
        k_hat = 1 + labels % 3
        shared = tf.range(_NUM_LATENT) >= k_hat[:, None]
        average = tf.add_n(means) / 2
        means = [tf.where(shared, average, mean) for mean in means]
        return {
            "mean_1": means[0],
            "logvar_1": tf.zeros_like(means[0]),
            "mean_2": means[1],
            "logvar_2": tf.zeros_like(means[1]),
            "shared": tf.cast(shared, tf.float32),
            "k_hat": tf.cast(k_hat, tf.float32),
        }

    return module, {
        "gaussian_encoder": gaussian_encoder,
        "reconstructions": reconstructions,
        "decoder": decoder,
        "pair": pair,
    }


@pytest.fixture
def run_program(monkeypatch, capfd):
    """Runs a program in this process: its exit code, and what it wrote."""

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mvhg_tf.programs", name, *arguments])
        try:
            code = programs.main()
        except SystemExit as error:
            code = error.code or 0
        written = capfd.readouterr()
        return code, written.out, written.err

    return run


@pytest.fixture
def parsed(monkeypatch):
    """Reads indented commands as their programs do: a list of names and flags."""

    def parse(text: str) -> list[tuple[str, types.SimpleNamespace]]:
        found = []
        with monkeypatch.context() as patch:
            patch.setattr(Program, "run", Program.parse)
            for command in textwrap.dedent(text).replace("\\\n", " ").splitlines():
                path, *arguments = shlex.split(command)
                name = os.path.basename(path)
                if arguments[:2] == ["-m", "mvhg_tf.programs"]:
                    _, _, name, *arguments = arguments
                module = importlib.import_module(f"mvhg_tf.programs.{PROGRAMS[name]}")
                found.append((name, module.main(arguments)))
        return found

    return parse


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent
