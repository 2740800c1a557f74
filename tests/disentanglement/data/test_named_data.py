"""Tests of the data sets by name, with small files of the real formats."""

import re
from pathlib import Path

import disentanglement_lib
import gin
import numpy as np
import PIL.Image
import pytest
import scipy.io

from mvhg_tf.disentanglement.data import arm3d, mpi3d, named_data
from mvhg_tf.disentanglement.data import cars3d as our_cars3d
from mvhg_tf.disentanglement.data import shapes3d as our_shapes3d
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import (  # isort: skip
    cars3d,
    dsprites,
    norb,
    shapes3d,
)
from disentanglement_lib.data.ground_truth import named_data as library_named_data

OTHERS = ("arm3d", "dummy_data", "npz", "pairs")
DOWNLOADED = [name for name in named_data.NAMES if name not in OTHERS]


class TestByName:
    def test_knows_all_that_the_library_knows(self):
        source = Path(
            disentanglement_lib.__path__[0], "data/ground_truth/named_data.py"
        ).read_text()
        names = set(re.findall(r'name == "(\w+)"', source))
        assert len(names) == 12
        ours = {"abstract_dsprites", "arm3d", "mpi3d_real_complex", "npz", "pairs"}
        assert set(named_data.NAMES) == names | ours

    def test_takes_the_name_from_gin(self):
        gin.parse_config("dataset.name = 'arm3d'")
        data = named_data.get_named_ground_truth_data()
        assert isinstance(data, arm3d.Arm3D)
        assert "dataset.name = 'arm3d'" in gin.operative_config_str()

    def test_without_a_name_is_an_error_of_gin(self):
        with pytest.raises(RuntimeError, match="Required bindings.*name"):
            named_data.get_named_ground_truth_data()

    def test_is_what_the_library_uses(self):
        """Its visualize_dataset, for one, and one gin name serves both."""
        assert library_named_data is named_data
        gin.parse_config("dataset.name = 'dummy_data'")
        data = library_named_data.get_named_ground_truth_data()
        images = data.sample_observations(3, np.random.RandomState(0))
        assert images.shape == (3, 64, 64, 1)

    @pytest.mark.parametrize("name", ["mpi3d", "", None, 3, ["arm3d"]])
    def test_unknown_name_lists_the_known_ones(self, name):
        with pytest.raises(UserError, match="no data set .*arm3d, .*shapes3d"):
            named_data.get_named_ground_truth_data(name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in which the library and the mpi3d reader look for data."""
    monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", str(tmp_path))
    for module, constant in (
        (cars3d, "CARS3D_PATH"),
        (dsprites, "DSPRITES_PATH"),
        (dsprites, "SCREAM_PATH"),
        (norb, "SMALLNORB_TEMPLATE"),
        (shapes3d, "SHAPES3D_PATH"),
    ):
        parts = Path(getattr(module, constant)).parts
        depth = 1 if module is cars3d else 2
        path = tmp_path.joinpath(*parts[-depth:])
        (path if module is cars3d else path.parent).mkdir(exist_ok=True)
        monkeypatch.setattr(module, constant, str(path))
    (tmp_path / "cars").rmdir()
    return tmp_path


class TestMissingData:
    @pytest.mark.parametrize("name", DOWNLOADED)
    def test_says_where_and_how_to_get_them(self, folder, name):
        with pytest.raises(UserError) as error:
            named_data.get_named_ground_truth_data(name)
        message = str(error.value)
        assert "missing" in message
        assert str(folder) in message
        assert "http" in message
        assert "DISENTANGLEMENT_LIB_DATA" in message

    def test_names_the_file_that_is_missing(self, folder):
        _write_sprites()
        with pytest.raises(UserError, match=r"no .*scream\.jpg"):
            named_data.get_named_ground_truth_data("scream_dsprites")

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("dsprites_full", lambda: dsprites.DSPRITES_PATH),
            ("shapes3d", lambda: shapes3d.SHAPES3D_PATH),
        ],
    )
    def test_damaged_file_is_one_sentence(self, folder, name, file):
        Path(file()).write_bytes(b"PK\3\4 and nothing more")
        with pytest.raises(UserError, match="is damaged .*download it again"):
            named_data.get_named_ground_truth_data(name)


def _write_sprites():
    """dSprites with 2 values each of orientation and positions; all distinct."""
    sizes = np.array([1, 3, 6, 2, 2, 2])
    images = np.zeros([sizes.prod(), 64, 64], np.uint8)
    images[:, 0, :8] = np.arange(len(images))[:, None] >> np.arange(8) & 1
    metadata = np.array({"latents_sizes": sizes}, dtype=object)
    np.savez_compressed(dsprites.DSPRITES_PATH, imgs=images, metadata=metadata)
    return sizes


class TestFormats:
    """Files of the published formats."""

    def test_dsprites(self, folder):
        sizes = _write_sprites()
        data = named_data.get_named_ground_truth_data("dsprites_full")
        factors = np.array([[2, 5, 1, 0, 1], [1, 0, 0, 1, 0]])
        images = data.sample_observations_from_factors(
            factors, np.random.RandomState(0)
        )
        rows = images[:, 0, :8, 0] @ (1 << np.arange(8))
        expected = [np.ravel_multi_index((0, *f), sizes) for f in factors]
        np.testing.assert_array_equal(rows, expected)

    @pytest.mark.parametrize(
        "name",
        ["color_dsprites", "noisy_dsprites", "scream_dsprites"],
    )
    def test_colored_dsprites(self, folder, name):
        _write_sprites()
        picture = PIL.Image.new("RGB", (700, 900), (200, 100, 50))
        picture.save(dsprites.SCREAM_PATH)
        data = named_data.get_named_ground_truth_data(name)
        factors = np.zeros([4, 5], int)
        images = data.sample_observations_from_factors(
            factors, np.random.RandomState(0)
        )
        assert images.shape == (4, 64, 64, 3)
        assert images.min() >= 0 and images.max() <= 1
        # Drawn at random for the same factors.
        assert not np.array_equal(images[0], images[1]) or name == "color_dsprites"

    @pytest.mark.parametrize(
        ("name", "make_library_s"),
        [
            ("dsprites_full", lambda: dsprites.DSprites([1, 2, 3, 4, 5])),
            ("color_dsprites", lambda: dsprites.ColorDSprites([1, 2, 3, 4, 5])),
            ("noisy_dsprites", lambda: dsprites.NoisyDSprites([1, 2, 3, 4, 5])),
            ("scream_dsprites", lambda: dsprites.ScreamDSprites([1, 2, 3, 4, 5])),
            ("abstract_dsprites", dsprites.AbstractDSprites),
        ],
    )
    def test_dsprites_are_the_library_s(self, folder, name, make_library_s):
        """The same images for the same random state, though read in another way."""
        _write_sprites()
        noise = PIL.Image.effect_noise((700, 900), 100).convert("RGB")
        noise.save(dsprites.SCREAM_PATH)
        drawn = []
        for data in (
            named_data.get_named_ground_truth_data(name),
            make_library_s(),
        ):
            random_state = np.random.RandomState(0)
            factors = data.sample_factors(5, random_state)
            images = data.sample_observations_from_factors(factors, random_state)
            drawn.append((data.observation_shape, factors, images))
        np.testing.assert_equal(*drawn)

    def test_dsprites_noshape_leaves_the_shape_to_chance(self, folder):
        _write_sprites()
        data = named_data.get_named_ground_truth_data("dsprites_noshape")
        assert data.num_factors == 4
        images = data.sample_observations_from_factors(
            np.zeros([50, 4], int), np.random.RandomState(0)
        )
        assert len(np.unique(images.reshape(50, -1), axis=0)) == 3

    def test_cars3d(self, folder, monkeypatch):
        """The library's thumbnails: `[height, width, rgb, azimuth, elevation]`."""
        monkeypatch.setattr(our_cars3d, "NUM_CARS", 2)
        Path(cars3d.CARS3D_PATH).mkdir()
        random_state = np.random.RandomState(0)
        for name in ("b", "a"):
            mesh = random_state.randint(256, size=[128, 128, 3, 24, 4], dtype=np.uint8)
            scipy.io.savemat(Path(cars3d.CARS3D_PATH, f"{name}.mat"), {"im": mesh})
        data = named_data.get_named_ground_truth_data("cars3d")
        assert data.factors_num_values == [4, 24, 2]
        thumbnails = [cars3d._load_mesh(f"{name}.mat") for name in ("a", "b")]
        factors = np.array([[3, 20, 0], [0, 7, 1]])
        images = data.sample_observations_from_factors(factors)
        assert images.shape == (2, 64, 64, 3)
        for (elevation, azimuth, car), image in zip(factors, images, strict=True):
            expected = thumbnails[car][azimuth * 4 + elevation]
            np.testing.assert_allclose(image, expected, atol=1e-6)

    def test_shapes3d(self, folder):
        sizes = (2, 1, 3, 1, 2, 2)
        images = np.zeros([*sizes, 64, 64, 3], np.uint8)
        images[...] = 5 * np.arange(24).reshape(*sizes, 1, 1, 1)
        labels = np.zeros([*sizes, 6])
        np.savez(shapes3d.SHAPES3D_PATH, images=images, labels=labels)
        data = named_data.get_named_ground_truth_data("shapes3d")
        assert data.factors_num_values == list(sizes)
        for index in ([0, 0, 0, 0, 0, 1], [1, 0, 2, 0, 1, 0]):
            image = data.sample_observations_from_factors(np.array([index]))
            expected = images[tuple(index)] / 255
            np.testing.assert_allclose(image, expected[None], rtol=1e-6)

    def test_shapes3d_as_it_is_published(self, folder, monkeypatch):
        """Its images in one row, for which the archive is not needed any more."""
        sizes = (2, 1, 3, 1, 2, 2)
        monkeypatch.setattr(our_shapes3d, "PUBLISHED_SIZES", sizes)
        images = np.zeros([24, 64, 64, 3], np.uint8)
        images[:, 5, 5, 1] = np.arange(24)
        path = Path(shapes3d.SHAPES3D_PATH)
        np.savez(path, images=images)
        for _ in range(2):
            data = named_data.get_named_ground_truth_data("shapes3d")
            image = data.sample_bytes_from_factors(np.array([[1, 0, 2, 0, 1, 0]]))
            row = np.ravel_multi_index((1, 0, 2, 0, 1, 0), sizes)
            np.testing.assert_array_equal(image[0], images[row])
            path.unlink(missing_ok=True)

    def test_smallnorb_files(self, folder):
        rows = np.array([[4, 0, 8, 34, 5], [0, 9, 1, 4, 3]], np.int32)
        _write_small_norb(np.repeat(rows, 2, axis=0))
        images, features = norb._load_small_norb_chunks(
            norb.SMALLNORB_TEMPLATE, norb.SMALLNORB_CHUNKS
        )
        np.testing.assert_array_equal(features[::2], rows / [1, 1, 1, 2, 1])
        assert images.shape == (4, 64, 64)
        np.testing.assert_allclose(images[::2, 30, 30] * 255, [165, 3], atol=1e-4)

    @pytest.mark.slow
    def test_smallnorb(self, folder):
        features = np.indices([5, 10, 9, 18, 6]).reshape(5, -1).T.astype(np.int32)
        features[:, 3] *= 2  # azimuths are stored in steps of 2
        _write_small_norb(features)
        data = named_data.get_named_ground_truth_data("smallnorb")
        assert data.factors_num_values == [5, 9, 18, 6]
        factors = np.array([[4, 8, 17, 5], [0, 1, 2, 3]])
        images = data.sample_observations_from_factors(
            factors, np.random.RandomState(0)
        )
        assert images.shape == (2, 64, 64, 1)
        np.testing.assert_allclose(images[:, 30, 30, 0] * 255, [165, 3], atol=1e-4)

    def test_mpi3d_is_ours(self, folder, monkeypatch):
        (folder / "mpi3d_real").mkdir()
        np.savez(
            folder / "mpi3d_real" / "mpi3d_real.npz",
            images=np.zeros([10, 64, 64, 3], np.uint8),
        )
        with pytest.raises(UserError, match="1036800 or 460800 images"):
            named_data.get_named_ground_truth_data("mpi3d_real")
        assert set(mpi3d.NAMES) <= set(named_data.NAMES)


def _write_small_norb(features):
    """Pictures of two cameras for each item, of which the first is used."""
    for chunk, rows in zip(
        norb.SMALLNORB_CHUNKS, np.array_split(features, 2), strict=True
    ):
        pictures = np.zeros([len(rows), 2, 2, 2], np.uint8)
        pictures[:, 0] = (40 * rows[:, 0] + rows[:, 4])[:, None, None]
        _write_matrix(norb.SMALLNORB_TEMPLATE.format(chunk, "dat"), pictures)
        _write_matrix(norb.SMALLNORB_TEMPLATE.format(chunk, "cat"), rows[:, 0])
        _write_matrix(norb.SMALLNORB_TEMPLATE.format(chunk, "info"), rows[:, 1:])


def _write_matrix(path, array):
    """The binary matrix format of the NORB files."""
    magic = {np.dtype(np.uint8): 507333717, np.dtype(np.int32): 507333716}
    sizes = [*array.shape, 1, 1, 1][: max(3, array.ndim)]
    header = np.array([magic[array.dtype], array.ndim, *sizes], np.int32)
    Path(path).write_bytes(header.tobytes() + array.tobytes())
