"""Every downloaded data set refuses damaged files in one sentence that names them."""

import functools
import os
import pickle
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import scipy.io

from mvhg_tf.disentanglement.data import cars3d as our_cars3d
from mvhg_tf.disentanglement.data import named_data, npz
from mvhg_tf.runs.errors import UserError, message_of

from disentanglement_lib.data.ground_truth import (  # isort: skip
    cars3d,
    dsprites,
    norb,
    shapes3d,
)

SPRITE_SIZES = (1, 3, 2, 2, 1, 1)
NORB_MAGIC = {np.dtype(np.uint8): 507333717, np.dtype(np.int32): 507333716}


class _Caught:
    """Would be called by whoever unpickles it."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of small, good files of each data set."""
    monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", str(tmp_path))
    monkeypatch.setattr(dsprites, "DSPRITES_PATH", str(tmp_path / "dsprites.npz"))
    monkeypatch.setattr(dsprites, "SCREAM_PATH", str(tmp_path / "scream.jpg"))
    monkeypatch.setattr(shapes3d, "SHAPES3D_PATH", str(tmp_path / "shapes3d.npz"))
    monkeypatch.setattr(cars3d, "CARS3D_PATH", str(tmp_path / "cars"))
    monkeypatch.setattr(our_cars3d, "NUM_CARS", 1)
    monkeypatch.setattr(norb, "SMALLNORB_TEMPLATE", str(tmp_path / "norb-{}-{}.mat"))
    monkeypatch.setattr(norb, "SMALLNORB_CHUNKS", ["train", "test"])
    return tmp_path


def _write_sprites(folder, images=None, metadata=None):
    if images is None:
        images = np.zeros([np.prod(SPRITE_SIZES), 64, 64], np.uint8)
    metadata = metadata if metadata else {"latents_sizes": np.array(SPRITE_SIZES)}
    path = folder / "dsprites.npz"
    np.savez(path, imgs=images, metadata=np.array(metadata, dtype=object))
    return path


def _write_scream(folder, size=(700, 900), mode="RGB"):
    path = folder / "scream.jpg"
    PIL.Image.effect_noise(size, 100).convert(mode).save(path)
    return path


def _write_both(folder):
    _write_sprites(folder)
    return _write_scream(folder)


def _write_shapes(folder, images=None):
    if images is None:
        images = np.zeros([1, 1, 1, 1, 1, 2, 64, 64, 3], np.uint8)
    path = folder / "shapes3d.npz"
    np.savez(path, images=images)
    return path


def _write_mpi3d(folder, images=None):
    path = folder / "mpi3d_toy" / "mpi3d_toy.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez(
        path, images=np.zeros([2, 64, 64, 3], np.uint8) if images is None else images
    )
    return path


def _write_car(folder, images=None, **arrays):
    (folder / "cars").mkdir(exist_ok=True)
    if images is None:
        images = np.zeros([128, 128, 3, 24, 4], np.uint8)
    path = folder / "cars" / "car.mat"
    scipy.io.savemat(path, arrays or {"im": images}, do_compression=True)
    return path


def _write_norb(folder, part="dat", array=None, chunk="test"):
    """Good files; then the given one in place of one of them."""
    good = {
        "dat": np.zeros([3, 2, 4, 4], np.uint8),
        "cat": np.zeros([3], np.int32),
        "info": np.zeros([3, 4], np.int32),
    }
    for each in norb.SMALLNORB_CHUNKS:
        for name, matrix in good.items():
            _write_matrix(folder / f"norb-{each}-{name}.mat", matrix)
    path = folder / f"norb-{chunk}-{part}.mat"
    if array is not None:
        _write_matrix(path, array)
    return path


def _write_matrix(path, array):
    sizes = [*array.shape, 1, 1, 1][: max(3, array.ndim)]
    header = np.array([NORB_MAGIC[array.dtype], array.ndim, *sizes], np.int32)
    path.write_bytes(header.tobytes() + array.tobytes())


# The name of each data set and what writes it whole, and returns a file of it.
WRITERS = {
    "dsprites_full": _write_sprites,
    "dsprites_noshape": _write_sprites,
    "color_dsprites": _write_sprites,
    "noisy_dsprites": _write_sprites,
    "abstract_dsprites": _write_sprites,
    "scream_dsprites": _write_both,
    "shapes3d": _write_shapes,
    "mpi3d_toy": _write_mpi3d,
    "cars3d": _write_car,
    "smallnorb": _write_norb,
}
ALIKE = {"mpi3d_realistic", "mpi3d_real", "mpi3d_real_complex"}  # as mpi3d_toy
DAMAGES = {
    "empty": lambda whole: b"",
    "a few bytes": lambda whole: whole[:5],
    "half": lambda whole: whole[: len(whole) // 2],
    "all but the end": lambda whole: whole[:-7],
    "text": lambda whole: b"<html>404 Not Found</html>\n",
    "a web page, saved twice": lambda whole: b"<html>404 Not Found</html>\n" * 1000,
    "zeros": lambda whole: bytes(len(whole)),
}


def assert_refused(name, path):
    """With one sentence of the file and what to do."""
    with pytest.raises(UserError) as caught:
        named_data.get_named_ground_truth_data(name)
    message = message_of(caught.value)
    assert str(path) in message
    assert "again" in message
    assert len(message) < 700
    return message


def test_every_data_set_that_is_downloaded_is_tested():
    others = {"arm3d", "dummy_data", "npz", "pairs"}
    assert set(WRITERS) | ALIKE | others == set(named_data.NAMES)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", WRITERS)
def test_damaged_file(folder, name, damage):
    path = WRITERS[name](folder)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    others = sorted(folder.rglob("*"))
    assert_refused(name, path)
    assert sorted(folder.rglob("*")) == others


@pytest.mark.parametrize("name", WRITERS)
def test_folder_in_place_of_a_file(folder, name):
    path = WRITERS[name](folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError) as caught:
        named_data.get_named_ground_truth_data(name)
    assert str(path) in str(caught.value)


def _uint8(*shape):
    return np.zeros(shape, np.uint8)


def _int32(*shape):
    return np.zeros(shape, np.int32)


@pytest.mark.parametrize(
    ("name", "write", "images"),
    [
        ("dsprites_full", _write_sprites, _uint8(7, 64, 64)),
        ("dsprites_full", _write_sprites, _uint8(12, 32, 32)),
        ("dsprites_full", _write_sprites, _uint8(12, 64, 64).astype(np.float32)),
        ("dsprites_full", _write_sprites, _uint8()),
        ("shapes3d", _write_shapes, _uint8(480, 64, 64, 3)),
        ("shapes3d", _write_shapes, _uint8(1, 1, 1, 1, 5, 1, 64, 64, 3)),
        ("shapes3d", _write_shapes, _uint8(1, 1, 1, 1, 1, 0, 64, 64, 3)),
        ("shapes3d", _write_shapes, _uint8(1, 1, 1, 1, 1, 1, 3, 64, 64)),
        ("shapes3d", _write_shapes, _uint8()),
        ("mpi3d_toy", _write_mpi3d, _uint8(6, 64, 64, 3)),
        ("mpi3d_toy", _write_mpi3d, _uint8()),
        ("cars3d", _write_car, _uint8(128, 128, 3, 24, 3)),
        ("cars3d", _write_car, _uint8(32, 32, 3, 24, 4)),
        ("cars3d", _write_car, _uint8(128, 128, 3, 24, 4).astype(np.float32)),
        ("cars3d", _write_car, _uint8(3, 3)),
        ("smallnorb", _write_norb, _uint8(3, 1, 4, 4)),
        ("smallnorb", _write_norb, _uint8(3, 2, 4)),
        ("smallnorb", functools.partial(_write_norb, part="info"), _int32(3, 4, 2, 1)),
    ],
)
def test_file_of_another_shape(folder, name, write, images):
    path = write(folder, array=images) if name == "smallnorb" else write(folder, images)
    message = assert_refused(name, path)
    assert str(list(images.shape)) in message


def test_files_of_smallnorb_of_different_lengths(folder):
    _write_norb(folder, "cat", np.zeros([2], np.int32))
    message = assert_refused("smallnorb", folder / "norb-test-*.mat")
    assert "dat: 3, cat: 2, info: 3" in message


def test_pictures_of_smallnorb_that_are_no_bytes(folder):
    path = _write_norb(folder, "dat", np.zeros([3, 2, 4, 4], np.int32))
    assert_refused("smallnorb", path)


def test_files_of_smallnorb_without_all_the_factors(folder):
    message = assert_refused("smallnorb", _write_norb(folder))
    assert "does not cover" in message


@pytest.mark.parametrize("num_cars", [0, 2])
def test_folder_with_too_few_or_too_many_cars(folder, num_cars):
    path = _write_car(folder)
    for number in range(1, num_cars):
        (path.parent / f"{number}.mat").write_bytes(path.read_bytes())
    if not num_cars:
        path.unlink()
    message = assert_refused("cars3d", path.parent)
    assert f"hold 1 files *.mat, one for each car, but holds {num_cars}" in message


def test_car_without_images(folder):
    assert "'im'" in assert_refused("cars3d", _write_car(folder, picture=_uint8(2, 2)))


@pytest.mark.parametrize("size", [(64, 64), (2000, 300), (1, 1)])
def test_picture_that_is_too_small(folder, size):
    _write_sprites(folder)
    message = assert_refused("scream_dsprites", _write_scream(folder, size))
    assert "too small" in message


def test_picture_without_colors(folder):
    _write_sprites(folder)
    _write_scream(folder, mode="L")
    data = named_data.get_named_ground_truth_data("scream_dsprites")
    images = data.sample_observations_from_factors(
        np.zeros([2, 5], int), np.random.RandomState(0)
    )
    assert images.shape == (2, 64, 64, 3)


class TestFilesThatWouldRunCode:
    @pytest.mark.parametrize(
        ("name", "write"),
        [
            ("dsprites_full", _write_sprites),
            ("shapes3d", _write_shapes),
            ("mpi3d_toy", _write_mpi3d),
        ],
    )
    def test_array_of_objects(self, folder, name, write):
        trap = folder / "trap"
        path = write(folder, np.array([_Caught(trap)], dtype=object))
        assert "Python objects" in assert_refused(name, path)
        assert not trap.exists()

    def test_metadata_of_sprites(self, folder):
        trap = folder / "trap"
        metadata = {"latents_sizes": _Caught(trap)}
        assert_refused("dsprites_full", _write_sprites(folder, metadata=metadata))
        assert not trap.exists()

    @pytest.mark.parametrize("name", WRITERS)
    def test_pickle_in_place_of_a_file(self, folder, name):
        trap = folder / "trap"
        path = WRITERS[name](folder)
        path.write_bytes(pickle.dumps(_Caught(trap)))
        assert_refused(name, path)
        assert not trap.exists()


class TestPlainObjects:
    VALUE = {
        "sizes": np.arange(3),
        "name": "sprites",
        "numbers": (1, 2.5, np.int64(3), None, True),
        "nested": {"values": [np.zeros([2, 2])]},
    }

    def test_are_read(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, value=np.array(self.VALUE, dtype=object))
        value = npz.read_plain_object(path, "value")
        np.testing.assert_equal(value, self.VALUE)

    @pytest.mark.parametrize("harmful", [print, os.system, Path("a"), range(3)])
    def test_others_are_not(self, tmp_path, harmful):
        path = tmp_path / "a.npz"
        np.savez(path, value=np.array({"x": harmful}, dtype=object))
        with pytest.raises(UserError, match=r"a\.npz is damaged \(it would call"):
            npz.read_plain_object(path, "value")
