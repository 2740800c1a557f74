import itertools

import gin
import numpy as np
import pytest

from mvhg_tf.disentanglement.data import image_table, named_data, own_data
from mvhg_tf.disentanglement.steps import saved_model
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError

SIZES = (3, 2, 4)


def images_and_factors():
    """In random order; the pixels of an image spell its factors."""
    factors = np.array(list(itertools.product(*map(range, SIZES))))
    factors = np.random.RandomState(0).permutation(factors)
    images = np.zeros([len(factors), 8, 8, 1], np.uint8)
    images[:, 0, :3, 0] = factors
    return images, factors


@pytest.fixture
def open_file(tmp_path):
    def open_as_gin_does(images, factors, names="None"):
        path = tmp_path / "own.npz"
        np.savez(path, images=images, factors=factors)
        bindings = [
            "dataset.name = 'npz'",
            f"npz.path = {str(path)!r}",
            f"npz.factor_names = {names}",
        ]
        with gin_config.configured([], bindings):
            return named_data.get_named_ground_truth_data()

    return open_as_gin_does


def test_each_combination_gets_its_own_image(open_file):
    data = open_file(*images_and_factors(), names="['a', 'b', 'c']")
    assert data.factors_num_values == list(SIZES)
    assert data.factor_names == ["a", "b", "c"]
    assert data.observation_shape == [8, 8, 1]
    asked = data.sample_factors(200, np.random.RandomState(1))
    stored = data.sample_bytes_from_factors(asked)
    np.testing.assert_array_equal(stored[:, 0, :3, 0], asked)
    seen = data.sample_observations_from_factors(asked, np.random.RandomState(2))
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen * 255, stored, rtol=1e-6)


def test_a_changed_file_is_read_anew_and_a_file_of_the_user_left_alone(
    open_file, tmp_path
):
    (tmp_path / "own.npy").write_text("the user's")
    images, factors = images_and_factors()
    open_file(images, factors)
    data = open_file(images[:, :4], factors)
    assert data.observation_shape == [4, 8, 1]
    assert (tmp_path / "own.npy").read_text() == "the user's"


def test_a_grid_and_a_table_are_told_apart(open_file):
    images, factors = images_and_factors()
    assert isinstance(open_file(images, factors), own_data.OwnGrid)
    for data in (
        open_file(images[1:], factors[1:]),
        open_file(np.append(images, images[:1], 0), np.append(factors, factors[:1], 0)),
        open_file(images / np.float32(255), factors),
    ):
        assert isinstance(data, image_table.ImageTable)
        assert data.factors_num_values == list(SIZES)
        drawn, seen = data.sample(50, np.random.RandomState(1))
        np.testing.assert_allclose(seen[:, 0, :3, 0] * 255, drawn, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda i, f: (i * 1.0, f), "from 0 to 3, but floats must be in"),
        (lambda i, f: (i.astype(int), f), "is int64"),
        (lambda i, f: (i[..., 0], f), r"uint8 \[24, 8, 8\], but must be"),
        (lambda i, f: (np.repeat(i, 2, -1), f), "1, 3 or 4 channels"),
        (lambda i, f: (i, f[1:]), "a row for each of the 24 images"),
        (lambda i, f: (i, f[:, 0]), "a column for each factor"),
        (lambda i, f: (i[:0], f[:0]), "at least one image"),
        (lambda i, f: (i, f * 1.0), "must be integers of at least 0"),
        (lambda i, f: (i, f - 1), "from -1. must be integers of at least 0"),
        (lambda i, f: (i, f.astype(object)), "Python objects"),
    ],
)
def test_what_is_refused(open_file, change, sentence):
    with pytest.raises(UserError, match=sentence):
        open_file(*change(*images_and_factors()))


def test_names_must_fit(open_file):
    with pytest.raises(UserError, match="holds 1 names, but .* has 3 factors"):
        open_file(*images_and_factors(), names="['a']")


@pytest.mark.parametrize(
    ("bindings", "sentence"),
    [
        ([], "No value is bound to npz.path"),
        (
            ["npz.path = 'nowhere.npz'"],
            "nowhere.npz', but .*/nowhere.npz does not exist",
        ),
        (["npz.path = 5"], "npz.path is 5, but must be a string"),
    ],
)
def test_the_path(bindings, sentence):
    with (
        pytest.raises(UserError, match=sentence),
        gin_config.configured([], ["dataset.name = 'npz'", *bindings]),
    ):
        named_data.get_named_ground_truth_data()
    assert gin.config_str().strip() == ""


def test_later_steps_take_the_file_of_the_step_before(open_file, tmp_path):
    open_file(*images_and_factors())
    path = str(tmp_path / "a folder of a long name" / ".." / "own.npz")
    (tmp_path / "a folder of a long name").mkdir()
    names = ["the first factor", "the second factor", "the third and last factor"]
    bindings = [f"npz.path = {path!r}", f"npz.factor_names = {names}"]
    gin_folder = tmp_path / "results" / "gin"
    gin_folder.mkdir(parents=True)
    with gin_config.configured([], ["dataset.name = 'npz'", *bindings]):
        named_data.get_named_ground_truth_data()
        written = gin.operative_config_str()
    assert "npz.path = \\\n" in written  # gin breaks long lines
    (gin_folder / "train.gin").write_text(written)
    with gin_config.configured([], ["dataset.name = 'auto'"]):
        saved_model.resolve_dataset(str(tmp_path), "train")
        data = named_data.get_named_ground_truth_data()
        assert gin_config.query("npz.path") == path
    assert data.factor_names == names
    with gin_config.configured([], ["dataset.name = 'auto'", "npz.path = 'b.npz'"]):
        saved_model.resolve_dataset(str(tmp_path), "train")
        assert gin_config.query("npz.path") == "b.npz"
