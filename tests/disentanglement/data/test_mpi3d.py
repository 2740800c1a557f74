"""Tests of the mpi3d reader, on small files of the published layout."""

import concurrent.futures
import itertools
import os
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from mvhg_tf.disentanglement.data import mpi3d, npz, unpacked
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import (  # isort: skip
    mpi3d as library_mpi3d,
)

# The published layouts with fewer positions of the two axes, and so smaller
# files: the 6 and 4 colors and shapes are told apart as in the real ones.
LARGE, SMALL = (6, 6, 2, 3, 3, 2, 2), (4, 4, 2, 3, 3, 2, 2)
SIZES = (LARGE, SMALL)


def _images(sizes):
    """An image for each combination, in C order, that spells its own factors."""
    factors = np.array(list(itertools.product(*map(range, sizes))), np.uint8)
    images = np.zeros([len(factors), 64, 64, 3], np.uint8)
    images[:, 0, :7, 0] = factors
    return images


def _write(folder, name, arrays, save=np.savez_compressed):
    path = folder / name / f"{name}.npz"
    path.parent.mkdir(exist_ok=True)
    save(path, **arrays)
    return path


@pytest.fixture(scope="module")
def large_images():
    return _images(LARGE)


class TestReading:
    @pytest.mark.parametrize("name", mpi3d.NAMES)
    @pytest.mark.parametrize("sizes", SIZES)
    def test_returns_the_image_of_the_factors(self, tmp_path, name, sizes):
        """Whatever the name: the published toy file has both lengths."""
        _write(tmp_path, name, {"images": _images(sizes)}, np.savez)
        data = mpi3d.MPI3D(name, tmp_path, SIZES)
        assert data.factors_num_values == list(sizes)
        factors = data.sample_factors(200, np.random.RandomState(0))
        assert np.all(factors.max(0) == np.array(sizes) - 1)
        images = data.sample_observations_from_factors(factors)
        assert images.dtype == np.float32
        assert images.shape == (200, 64, 64, 3)
        np.testing.assert_allclose(images[:, 0, :7, 0] * 255, factors, atol=1e-5)

    def test_scales_bytes_to_the_unit_interval(self, tmp_path):
        images = _images(SMALL)
        images[0, 5, 5] = 0, 51, 255
        _write(tmp_path, "mpi3d_toy", {"images": images})
        data = mpi3d.MPI3D("mpi3d_toy", tmp_path, SIZES)
        image = data.sample_observations_from_factors(np.zeros([1, 7], int))[0]
        np.testing.assert_array_equal(image[5, 5], np.float32([0.0, 0.2, 1.0]))

    def test_knows_the_published_lengths(self):
        lengths = [np.prod(sizes) for sizes in mpi3d.PUBLISHED_SIZES]
        assert lengths == [1_036_800, 460_800]

    def test_looks_where_the_environment_says(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", str(tmp_path))
        _write(tmp_path, "mpi3d_real", {"images": _images(SMALL)})
        assert mpi3d.MPI3D("mpi3d_real", factor_sizes=SIZES).num_factors == 7


class TestTheLibrarysReader:
    def test_takes_todays_toy_file_for_another(self, tmp_path, monkeypatch):
        """As the guide to the data sets says: each image here is its own factors."""
        monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", str(tmp_path))
        grid = np.indices(mpi3d.PUBLISHED_SIZES[0], np.uint8).reshape(7, -1).T
        _write(tmp_path, "mpi3d_toy", {"images": grid}, np.savez)
        data = library_mpi3d.MPI3D("mpi3d_toy")
        assert data.factors_num_values == [4, 4, 2, 3, 3, 40, 40]
        # A few positions of the axes for each of the others.
        asked = np.indices(data.factors_num_values).reshape(7, -1).T[::400]
        returned = data.sample_observations_from_factors(asked, None) * 255
        right = np.isclose(returned, asked)
        assert right.all(1).mean() == 0.25
        assert right[asked[:, 0] == 0].all()
        np.testing.assert_array_equal(right.mean(0), [0.375, 0.5, 1, 1, 1, 1, 1])
        seen = np.unique(returned[:, :2].round(), axis=0)
        assert seen.tolist() == [[c, s] for c in (0, 1) for s in range(6)] + [
            [2, s] for s in range(4)
        ]


class TestUnpacking:
    def test_is_done_once_and_maps_the_file(self, tmp_path, large_images):
        path = _write(tmp_path, "mpi3d_toy", {"images": large_images})
        images = npz.open_array(path, "images")
        assert isinstance(images, np.memmap)
        assert sorted(p.name for p in path.parent.iterdir()) == [
            "mpi3d_toy.npy",
            "mpi3d_toy.npz",
        ]
        np.testing.assert_array_equal(images, large_images)
        made = path.with_suffix(".npy").stat()
        npz.open_array(path, "images")
        assert path.with_suffix(".npy").stat().st_ino == made.st_ino

    def test_result_serves_without_the_npz_file(self, tmp_path):
        path = _write(tmp_path, "mpi3d_toy", {"images": _images(SMALL)})
        npz.open_array(path, "images")
        path.unlink()
        data = mpi3d.MPI3D("mpi3d_toy", tmp_path, SIZES)
        assert data.factors_num_values == list(SMALL)

    @pytest.mark.parametrize("seconds", [-1e6, 0, 1e6])
    def test_is_done_again_for_another_file(self, tmp_path, seconds):
        """Of whatever age, such as `mv` or `cp -p` of an older one gives it."""
        path = _write(tmp_path, "a", {"images": np.zeros([3], np.uint8)})
        npz.open_array(path, "images")
        time_of_the_first = path.with_suffix(".npy").stat().st_mtime_ns
        _write(tmp_path, "a", {"images": np.ones([3], np.uint8)})
        other = time_of_the_first + int(seconds * 1e9)
        os.utime(path, ns=(other, other))
        np.testing.assert_array_equal(npz.open_array(path, "images"), np.ones(3))

    def test_is_not_done_again_for_the_same_contents(self, tmp_path):
        """A copy, a touched file, or the same arrays in another order."""
        arrays = {"images": np.arange(3), "factors": np.arange(4)}
        path = _write(tmp_path, "a", arrays)
        npz.open_array(path, "images")
        made = path.with_suffix(".npy").stat()
        _write(tmp_path, "a", dict(reversed(arrays.items())))
        later = made.st_mtime_ns + 10**12
        os.utime(path, ns=(later, later))
        npz.open_array(path, "images")
        assert path.with_suffix(".npy").stat().st_ino == made.st_ino

    def test_is_done_for_each_array(self, tmp_path):
        """Also where one is unpacked to the name that another had."""
        path = _write(tmp_path, "a", {"images": np.arange(3), "more": np.arange(4)})
        npz.open_array(path, "images")
        np.testing.assert_array_equal(npz.open_array(path, "more"), np.arange(4))

    def test_a_file_that_was_replaced_by_a_damaged_one_is_told(self, tmp_path):
        path = _write(tmp_path, "a", {"images": np.arange(3)})
        npz.open_array(path, "images")
        path.write_bytes(b"not a zip file")
        with pytest.raises(UserError, match=r"a\.npz is damaged .*download it again"):
            npz.open_array(path, "images")

    def test_goes_to_the_cache_if_the_folder_is_read_only(self, tmp_path, monkeypatch):
        path = _write(tmp_path, "a", {"images": np.arange(5)})
        cache = tmp_path / "cache"
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        for _ in range(2):
            np.testing.assert_array_equal(npz.open_array(path, "images"), np.arange(5))
        assert [p.name for p in path.parent.iterdir()] == ["a.npz"]
        assert len(list((cache / "mvhg_tf").iterdir())) == 1

    def test_replaces_what_a_killed_process_left(self, tmp_path):
        path = _write(tmp_path, "a", {"images": np.arange(5)})
        path.with_name("a.npy.part").write_bytes(b"half of it")
        np.testing.assert_array_equal(npz.open_array(path, "images"), np.arange(5))
        assert not path.with_name("a.npy.part").exists()

    def test_is_done_anew_after_a_process_was_killed_at_it(self, tmp_path):
        images = _images(SMALL)
        path = _write(tmp_path, "a", {"images": images})
        program = (
            "import pathlib, time\n"
            "from mvhg_tf.disentanglement.data import npz\n"
            "def copy_half(source, target, size, description):\n"
            "    target.write(source.read(size // 2))\n"
            "    target.flush()\n"
            "    print('half', flush=True)\n"
            "    time.sleep(600)\n"
            "npz._copy = copy_half\n"
            f"npz.open_array(pathlib.Path({str(path)!r}), 'images')\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "half\n"
            process.kill()
        assert sorted(p.name for p in path.parent.iterdir()) == ["a.npy.part", "a.npz"]
        np.testing.assert_array_equal(npz.open_array(path, "images"), images)
        assert sorted(p.name for p in path.parent.iterdir()) == ["a.npy", "a.npz"]

    def test_is_done_by_one_while_others_wait(self, tmp_path, monkeypatch):
        images = _images(SMALL)
        path = _write(tmp_path, "a", {"images": images})
        copies = []
        copy = npz._copy

        def slow_copy(*args):
            copies.append(args)
            time.sleep(0.2)
            copy(*args)

        monkeypatch.setattr(npz, "_copy", slow_copy)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            arrays = list(pool.map(npz.open_array, [path] * 4, ["images"] * 4))
        assert len(copies) == 1
        for array in arrays:
            np.testing.assert_array_equal(array, images)
        assert sorted(p.name for p in path.parent.iterdir()) == ["a.npy", "a.npz"]


class TestBadInput:
    def test_missing_file(self, tmp_path):
        with pytest.raises(UserError, match=r"no file .*mpi3d_toy/mpi3d_toy\.npz.*Get"):
            mpi3d.MPI3D("mpi3d_toy", tmp_path)

    def test_unknown_name(self, tmp_path):
        with pytest.raises(UserError, match="mpi3d_toy, mpi3d_realistic.*got 'mpi4d'"):
            mpi3d.MPI3D("mpi4d", tmp_path)

    @pytest.mark.parametrize(
        "images",
        [
            np.zeros([7, 64, 64, 3], np.uint8),
            np.zeros([np.prod(SMALL), 32, 32, 3], np.uint8),
            np.zeros([np.prod(SMALL)], np.uint8),
            np.zeros([np.prod(SMALL), 64, 64, 3], np.float16),
        ],
    )
    def test_file_of_another_shape(self, tmp_path, images):
        _write(tmp_path, "mpi3d_toy", {"images": images})
        with pytest.raises(UserError, match="2592 or 1152 images.*this one holds"):
            mpi3d.MPI3D("mpi3d_toy", tmp_path, SIZES)

    def test_scaled_down_file_is_refused_by_default(self, tmp_path):
        _write(tmp_path, "mpi3d_toy", {"images": _images(SMALL)})
        with pytest.raises(UserError, match="1036800 or 460800 images"):
            mpi3d.MPI3D("mpi3d_toy", tmp_path)

    def test_file_without_images(self, tmp_path):
        path = _write(tmp_path, "a", {"pictures": np.zeros(3)})
        with pytest.raises(UserError, match=r"no array 'images', only \['pictures'\]"):
            npz.open_array(path, "images")

    def test_file_of_objects_is_not_unpickled(self, tmp_path):
        path = _write(tmp_path, "a", {"images": np.array([{}, None], dtype=object)})
        with pytest.raises(UserError, match="Python objects"):
            npz.open_array(path, "images")
        assert [p.name for p in path.parent.iterdir()] == ["a.npz"]

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_cut_or_changed_file(self, tmp_path, save, large_images):
        path = _write(tmp_path, "a", {"images": large_images[:100]}, save)
        whole = bytearray(path.read_bytes())
        changed = whole.copy()
        middle = len(changed) // 2
        changed[middle : middle + 50] = bytes(range(50))
        for damaged in (whole[: len(whole) // 2], changed, b"", b"not a zip file"):
            path.write_bytes(damaged)
            with pytest.raises(
                UserError, match=r"a\.npz is damaged .*download it again"
            ):
                npz.open_array(path, "images")
            assert [p.name for p in path.parent.iterdir()] == ["a.npz"]

    def test_damaged_unpacked_file(self, tmp_path):
        path = tmp_path / "a.npz"
        path.with_suffix(".npy").write_bytes(b"nonsense")
        with pytest.raises(UserError, match=r"a\.npy is damaged .*delete it"):
            npz.open_array(path, "images")

    def test_full_disk(self, tmp_path, monkeypatch):
        path = _write(tmp_path, "a", {"images": np.zeros([1000])})
        usage = types.SimpleNamespace(free=10)
        monkeypatch.setattr(unpacked.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(UserError, match="takes 0.0 GB, but 0.0 GB are free"):
            npz.open_array(path, "images")
        assert [p.name for p in path.parent.iterdir()] == ["a.npz"]

    def test_no_place_to_unpack(self, tmp_path, monkeypatch):
        path = _write(tmp_path, "a", {"images": np.zeros([3])})
        (tmp_path / "cache").write_text("a file, where a folder is wanted")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(UserError, match=r"Unpacking .*a\.npz to .* failed"):
            npz.open_array(path, "images")

    def test_disk_that_fills_while_unpacking(self, tmp_path, monkeypatch):
        path = _write(tmp_path, "a", {"images": np.zeros([1000])})

        def fail(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(npz, "_copy", fail)
        with pytest.raises(UserError, match="No space left on device"):
            npz.open_array(path, "images")
        assert [p.name for p in path.parent.iterdir()] == ["a.npz"]
