"""`dlib_download_data`, from a server on loopback, with small files of each layout."""

import dataclasses
import functools
import gzip
import hashlib
import io
import itertools
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import types
import zipfile
from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pytest
import scipy.io
from file_server import FileServer

from mvhg_tf.disentanglement.data import cars3d as our_cars3d
from mvhg_tf.disentanglement.data import mpi3d, named_data
from mvhg_tf.disentanglement.data import shapes3d as our_shapes3d
from mvhg_tf.disentanglement.data.downloads import catalogue, formats, getting, transfer

from disentanglement_lib.data.ground_truth import (  # isort: skip
    cars3d,
    dsprites,
    norb,
    shapes3d,
)

SPRITE_SIZES = (1, 3, 2, 2, 2, 2)
SHAPE_SIZES = (2, 1, 3, 1, 2, 2)
ARM_SIZES = ((6, 6, 2, 1, 1, 2, 2), (4, 4, 2, 1, 1, 2, 2))
NORB_MAGIC = {np.dtype(np.uint8): 507333717, np.dtype(np.int32): 507333716}
ARM_FILE = "mpi3d_toy.npz"
TOYS = [[4, 0, 8, 34, 5], [0, 9, 1, 4, 3], [1, 2, 3, 0, 0], [2, 1, 0, 2, 4]]


def spelled(sizes, image_shape):
    """An image for each combination of factors, in order, that spells them."""
    factors = np.array(list(itertools.product(*map(range, sizes))), np.uint8)
    images = np.zeros([len(factors), *image_shape], np.uint8)
    images.reshape(len(factors), -1)[:, : len(sizes)] = factors
    return images


def npz_file(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def sprites_file():
    metadata = np.array({"latents_sizes": np.array(SPRITE_SIZES)}, dtype=object)
    return npz_file(imgs=spelled(SPRITE_SIZES, (64, 64)), metadata=metadata)


def arm_file(layout=0):
    return npz_file(images=spelled(ARM_SIZES[layout], (64, 64, 3)))


def scream_file():
    file = io.BytesIO()
    PIL.Image.effect_noise((700, 900), 100).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def shapes_file():
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        images = spelled(SHAPE_SIZES, (64, 64, 3))
        h5.create_dataset("images", data=images, chunks=(7, 64, 64, 3))
    return file.getvalue()


@functools.cache
def car_file(color):
    file = io.BytesIO()
    images = np.zeros([128, 128, 3, 24, 4], np.uint8)
    images[:, :, 0] = color
    images[:, :, 1] = 10 * np.arange(24)[:, None]
    images[:, :, 2] = 50 * np.arange(4)
    scipy.io.savemat(file, {"im": images}, do_compression=True)
    return file.getvalue()


def tar_file(*members):
    """An archive of (name, content) or of `TarInfo` without content."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def cars_file(*besides):
    return tar_file(
        ("data/cars/b.mat", car_file(200)),
        ("data/cars/a.mat", car_file(100)),
        ("data/cars/list.txt", b"b\na\n"),
        ("data/sprites/c.mat", b"of another data set"),
        *besides,
    )


def norb_files(chunks):
    """The six files: the color of an example's picture, and its five features."""
    for chunk, (colors, features) in zip(norb.SMALLNORB_CHUNKS, chunks, strict=True):
        pictures = np.zeros([len(colors), 2, 4, 4], np.uint8)
        pictures[...] = np.reshape(colors, [-1, 1, 1, 1])
        features = np.array(features, np.int32)
        matrices = {"dat": pictures, "cat": features[:, 0], "info": features[:, 1:]}
        for part, matrix in matrices.items():
            sizes = [*matrix.shape, 1, 1, 1][: max(3, matrix.ndim)]
            header = np.array([NORB_MAGIC[matrix.dtype], matrix.ndim, *sizes], np.int32)
            name = f"smallnorb-{chunk}-{part}.mat.gz"
            yield name, gzip.compress(header.tobytes() + matrix.tobytes(), 1)


@pytest.fixture(scope="module")
def published():
    """Small files of each data set, by their published names."""
    return {
        "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz": sprites_file(),
        "The_Scream.jpg": scream_file(),
        "nips2015-analogy-data.tar.gz": cars_file(),
        "3dshapes.h5": shapes_file(),
        "real3d_complicated_shapes_ordered.npz": arm_file(layout=1),
        **{f"{name}.npz": arm_file() for name in mpi3d.NAMES[:3]},
        **dict(norb_files([([30, 31], TOYS[:2]), ([60, 61], TOYS[2:])])),
    }


@pytest.fixture
def server(published, monkeypatch):
    """A mirror of the small files, whose sizes and checksums count as published."""
    monkeypatch.setattr(transfer, "_PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, data_set in catalogue.DATA_SETS.items():
        files = tuple(_small(file, published[file.name]) for file in data_set.files)
        small = dataclasses.replace(data_set, files=files, unpacked_bytes=1000)
        monkeypatch.setitem(catalogue.DATA_SETS, name, small)
    with FileServer({f"/{name}": content for name, content in published.items()}) as s:
        yield s


def _small(file, content):
    checksum = file.checksum
    if checksum:
        kind = checksum.kind
        data = b"blob %d\0" % len(content) * (kind == "git") + content
        digest = hashlib.new("sha1" if kind == "git" else kind, data).hexdigest()
        checksum = dataclasses.replace(checksum, digest=digest)
    num_bytes = file.num_bytes and len(content)
    return dataclasses.replace(file, num_bytes=num_bytes, checksum=checksum)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the loaders look, for small files."""
    folder = tmp_path / "data"
    monkeypatch.setenv("DISENTANGLEMENT_LIB_DATA", str(folder))
    for module, constant, depth in (
        (dsprites, "DSPRITES_PATH", 2),
        (dsprites, "SCREAM_PATH", 2),
        (shapes3d, "SHAPES3D_PATH", 2),
        (norb, "SMALLNORB_TEMPLATE", 2),
        (cars3d, "CARS3D_PATH", 1),
    ):
        parts = Path(getattr(module, constant)).parts[-depth:]
        monkeypatch.setattr(module, constant, str(folder.joinpath(*parts)))
    monkeypatch.setattr(our_cars3d, "NUM_CARS", 2)
    monkeypatch.setattr(our_shapes3d, "PUBLISHED_SIZES", SHAPE_SIZES)
    monkeypatch.setattr(mpi3d, "PUBLISHED_SIZES", ARM_SIZES)
    return folder


@pytest.fixture
def download(run_program, server, folder):
    """Runs the program: its exit code, and all that it says."""

    def run(*arguments):
        code, out, err = run_program(
            "dlib_download_data", f"--base_url={server.url}", *arguments
        )
        assert "Traceback" not in err
        return code, out + err.rpartition("\r")[2]

    return run


def assert_refused(outcome, *words):
    """With one sentence."""
    code, message = outcome
    assert code == 2
    assert message.count("\n") == 1 and len(message) < 700, message
    for word in words:
        assert word in message, message


def files_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


FILES = {
    "dsprites": ["dsprites_ndarray_co1sh3sc6or40x32y32_64x64.np" + c for c in "yz"],
    "scream": ["scream.jpg"],
    "smallnorb": sorted(
        f"smallnorb-{chunk}-{part}.mat"
        for chunk in norb.SMALLNORB_CHUNKS
        for part in ("dat", "cat", "info")
    ),
    "cars3d": ["a.mat", "b.mat"],
    "shapes3d": [Path(shapes3d.SHAPES3D_PATH).stem + ".npy"],
    **{name: [f"{name}.npy", f"{name}.npz"] for name in mpi3d.NAMES},
}


class TestWhatTheLoadersFind:
    @pytest.mark.parametrize("name", FILES)
    def test_files(self, download, server, folder, name):
        place = folder / catalogue.DATA_SETS[name].folder
        code, said = download(f"--dataset={name}")
        assert code == 0 and said.startswith(f"{name} is in {place}.\n")
        assert files_in(folder) == [f"{place.name}/{file}" for file in FILES[name]]
        asked = len(server.requests)
        code, said = download(f"--dataset={name}")
        assert code == 0 and said.startswith(f"{name} is in {place} already.\n")
        assert len(server.requests) == asked

    @pytest.mark.parametrize(
        ("downloaded", "name", "sizes"),
        [
            (["dsprites"], "dsprites_full", SPRITE_SIZES),
            (["shapes3d"], "shapes3d", SHAPE_SIZES),
            *(([name], name, ARM_SIZES[0]) for name in mpi3d.NAMES[:3]),
            (["mpi3d_real_complex"], "mpi3d_real_complex", ARM_SIZES[1]),
        ],
    )
    def test_images(self, download, downloaded, name, sizes):
        assert download(*(f"--dataset={name}" for name in downloaded))[0] == 0
        data = named_data.get_named_ground_truth_data(name)
        factors = data.sample_factors(20, np.random.RandomState(0))
        images = data.sample_observations_from_factors(
            factors, np.random.RandomState(0)
        )
        spelled = 255 * images.reshape(20, -1)[:, : len(sizes)]
        if name == "dsprites_full":  # whose color is no factor, and which is not bytes
            spelled = spelled[:, 1:] / 255
        np.testing.assert_allclose(spelled, factors, atol=1e-5)

    def test_images_of_cars(self, download):
        assert download("--dataset=cars3d")[0] == 0
        data = named_data.get_named_ground_truth_data("cars3d")
        image = data.sample_bytes_from_factors(np.array([[3, 20, 1]]))[0]
        np.testing.assert_array_equal(image[30, 30], [200, 200, 150])

    def test_images_of_the_scream(self, download):
        """Two data sets at once."""
        assert download("--dataset=dsprites", "--dataset=scream")[0] == 0
        data = named_data.get_named_ground_truth_data("scream_dsprites")
        images = data.sample_observations(3, np.random.RandomState(0))
        assert images.shape == (3, 64, 64, 3)
        assert images.std() > 0.05  # of the picture

    def test_images_of_toys(self, download):
        """Without all combinations of factors, by the library's reader of files."""
        assert download("--dataset=smallnorb")[0] == 0
        images, features = norb._load_small_norb_chunks(
            norb.SMALLNORB_TEMPLATE, norb.SMALLNORB_CHUNKS
        )
        np.testing.assert_allclose(255 * images[:, 9, 9], [30, 31, 60, 61], rtol=1e-6)
        np.testing.assert_array_equal(features, TOYS / np.array([1, 1, 1, 2, 1]))

    @pytest.mark.slow
    def test_images_of_all_toys(self, download, server):
        features = np.indices([5, 10, 9, 18, 6]).reshape(5, -1).T
        colors = 40 * features[:, 0] + features[:, 4]
        features[:, 3] *= 2  # azimuths are stored in steps of 2
        halves = [(colors[i::2], features[i::2]) for i in (0, 1)]
        for name, content in norb_files(halves):
            server.files[f"/{name}"] = content
            for file in catalogue.DATA_SETS["smallnorb"].files:
                if file.name == name:
                    object.__setattr__(file, "num_bytes", len(content))
                    digest = hashlib.sha256(content).hexdigest()
                    object.__setattr__(file.checksum, "digest", digest)
        assert download("--dataset=smallnorb")[0] == 0
        data = named_data.get_named_ground_truth_data("smallnorb")
        images = data.sample_observations_from_factors(
            np.array([[4, 8, 17, 5], [0, 1, 2, 3]]), np.random.RandomState(0)
        )
        np.testing.assert_allclose(images[:, 30, 30, 0] * 255, [165, 3], atol=1e-4)

    def test_places_and_names_are_those_of_the_loaders(self, folder):
        """Of the catalogue as it is."""
        found = {
            (data_set.folder, file.saved_as.removesuffix(".gz"))
            for data_set in catalogue.DATA_SETS.values()
            for file in data_set.files
        }
        looked_for = {
            Path(path).parts[-2:]
            for path in (dsprites.DSPRITES_PATH, dsprites.SCREAM_PATH)
        }
        for chunk, part in itertools.product(
            norb.SMALLNORB_CHUNKS, ("dat", "cat", "info")
        ):
            path = norb.SMALLNORB_TEMPLATE.format(chunk, part)
            looked_for.add(Path(path).parts[-2:])
        looked_for |= {(name, f"{name}.npz") for name in mpi3d.NAMES}
        assert looked_for <= found
        # These are made of archives.
        assert {place for place, name in found - looked_for} == {
            Path(cars3d.CARS3D_PATH).name,
            Path(shapes3d.SHAPES3D_PATH).parent.name,
        }

    def test_every_data_set_that_needs_files_can_be_downloaded(self):
        assert set(formats._CHECKS) == set(FILES) == set(catalogue.DATA_SETS)
        for data_set in named_data._DATA_SETS.values():
            if isinstance(data_set, named_data._Downloaded):
                assert set(data_set.downloads) <= set(catalogue.DATA_SETS)


class TestDirectory:
    def test_is_given(self, download, folder, tmp_path):
        code, said = download("--dataset=scream", f"--directory={tmp_path / 'x'}")
        assert code == 0
        assert f"export DISENTANGLEMENT_LIB_DATA={tmp_path / 'x'}\n" in said
        assert files_in(tmp_path) == ["x/scream/scream.jpg"]

    def test_is_the_working_directory(self, download, tmp_path, monkeypatch):
        monkeypatch.delenv("DISENTANGLEMENT_LIB_DATA")
        monkeypatch.chdir(tmp_path)
        code, said = download("--dataset=scream")
        assert code == 0 and said.startswith("scream is in scream.\n")
        assert "export" not in said
        assert files_in(tmp_path) == ["scream/scream.jpg"]

    def test_can_not_be_made(self, download, tmp_path):
        (tmp_path / "file").write_text("")
        outcome = download("--dataset=scream", f"--directory={tmp_path / 'file'}")
        assert_refused(outcome, "Not a directory", "--directory")

    def test_of_another_download(self, download, folder):
        scream = catalogue.DATA_SETS["scream"]
        with getting._staging(folder, scream):
            assert_refused(download("--dataset=scream"), "is running")
        assert download("--dataset=scream")[0] == 0


class TestWhatIsThere:
    @pytest.fixture
    def earlier(self, folder):
        """A damaged file of the user's, and another one."""
        path = folder / "mpi3d_toy" / "mpi3d_toy.npz"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half of it")
        (path.parent / "notes.txt").write_text("mine")
        return path

    def test_is_refused_if_damaged(self, download, server, earlier, folder):
        outcome = download("--dataset=mpi3d_toy")
        assert_refused(
            outcome, str(earlier), "is damaged", "--overwrite to download it again"
        )
        assert earlier.read_bytes() == b"half of it"
        assert not server.requests

    def test_is_replaced(self, download, earlier, folder):
        assert download("--dataset=mpi3d_toy", "--overwrite")[0] == 0
        assert files_in(folder) == ["mpi3d_toy/" + f for f in FILES["mpi3d_toy"]]

    def test_stays_until_there_is_something_new(self, download, server, earlier):
        server.files["/" + ARM_FILE] = b"nonsense"
        assert_refused(download("--dataset=mpi3d_toy", "--overwrite"), "is damaged")
        server.files.clear()
        assert_refused(download("--dataset=mpi3d_toy", "--overwrite"), "404")
        assert files_in(earlier.parent) == ["mpi3d_toy.npz", "notes.txt"]

    @pytest.mark.parametrize("name", ["smallnorb", "cars3d", "dsprites", "shapes3d"])
    def test_is_refused_if_not_whole(self, download, folder, name):
        download(f"--dataset={name}")
        place = folder / catalogue.DATA_SETS[name].folder
        for file in FILES[name][:2]:
            (place / file).unlink()
        (place / "else").write_text("")
        assert_refused(download(f"--dataset={name}"), str(place), "--overwrite")

    def test_is_left_alone(self, download, folder):
        """With an archive that someone keeps there."""
        download("--dataset=shapes3d")
        (folder / "3dshapes" / "3dshapes.h5").write_bytes(b"mine")
        before = files_in(folder)
        assert download("--dataset=shapes3d")[0] == 0
        assert files_in(folder) == before

    def test_empty_folder_is_no_matter(self, download, folder):
        (folder / "scream").mkdir(parents=True)
        assert download("--dataset=scream")[0] == 0
        assert files_in(folder) == ["scream/scream.jpg"]


class TestWrongFiles:
    """Nothing of them is left, and nothing else is touched."""

    @pytest.mark.parametrize(
        ("name", "file", "content"),
        [
            ("mpi3d_toy", ARM_FILE, b"<html>404</html>"),
            ("mpi3d_toy", ARM_FILE, arm_file()[:5000]),
            ("mpi3d_toy", ARM_FILE, npz_file(images=np.zeros([7, 64, 64, 3], "u1"))),
            ("mpi3d_toy", ARM_FILE, npz_file(pictures=np.zeros(3))),
            ("mpi3d_toy", ARM_FILE, npz_file(images=np.array([{}], dtype=object))),
            ("scream", "The_Scream.jpg", b"<html>404</html>"),
            ("scream", "The_Scream.jpg", scream_file()[:5000]),
        ],
    )
    def test_without_a_checksum(self, download, server, folder, name, file, content):
        server.files[f"/{file}"] = content
        outcome = download(f"--dataset={name}")
        assert_refused(outcome, "is not " + name, "deleted", "--base_url")
        assert files_in(folder) == []

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("dsprites", "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"),
            ("cars3d", "nips2015-analogy-data.tar.gz"),
            ("shapes3d", "3dshapes.h5"),
            ("smallnorb", "smallnorb-5x01235x9x18x6x2x96x96-testing-info.mat.gz"),
        ],
    )
    def test_with_a_checksum(self, download, server, folder, name, file):
        content = bytearray(server.files[f"/{file}"])
        content[len(content) // 2] ^= 1
        server.files[f"/{file}"] = bytes(content)
        outcome = download(f"--dataset={name}")
        assert_refused(outcome, file, "has the wrong", "deleted")
        assert not (folder / catalogue.DATA_SETS[name].folder).exists()

    @pytest.fixture
    def publish(self, server, monkeypatch):
        """As `server`, but a checksum fits whatever is sent."""
        monkeypatch.setattr(catalogue.Checksum, "fits", lambda *arguments: True)

        def serve(file, content):
            server.files[f"/{file}"] = content

        return serve

    @pytest.mark.parametrize(
        ("name", "file", "damage"),
        [
            (
                "cars3d",
                "nips2015-analogy-data.tar.gz",
                lambda whole: whole[: len(whole) // 2],
            ),
            ("cars3d", "nips2015-analogy-data.tar.gz", lambda whole: b"nonsense"),
            ("cars3d", "nips2015-analogy-data.tar.gz", lambda whole: tar_file()),
            ("shapes3d", "3dshapes.h5", lambda whole: bytes(len(whole))),
            ("shapes3d", "3dshapes.h5", lambda whole: whole[: len(whole) // 2]),
        ],
    )
    def test_archives(self, download, server, folder, publish, name, file, damage):
        whole = server.files[f"/{file}"]
        small = catalogue.DATA_SETS[name].files[0]
        publish(file, damage(whole))
        object.__setattr__(small, "num_bytes", None)
        assert_refused(download(f"--dataset={name}"), "deleted", "run this again")
        assert files_in(folder) == []

    @pytest.mark.parametrize(
        "content", [b"nonsense", gzip.compress(b"no matrix"), gzip.compress(b"")[:-3]]
    )
    def test_zipped_matrices(self, download, folder, publish, content):
        [*_, last] = catalogue.DATA_SETS["smallnorb"].files
        publish(last.name, content)
        object.__setattr__(last, "num_bytes", None)
        assert_refused(download("--dataset=smallnorb"), "deleted", "run this again")
        assert files_in(folder) == []

    @pytest.mark.parametrize(
        "member",
        [
            ("../evil.mat", b"evil"),
            ("data/cars/../../../../evil.mat", b"evil"),
            ("/tmp/evil.mat", b"evil"),
            "evil -> ../..",
            "data/cars/evil.mat -> /etc/passwd",
            "data/cars/evil.mat = ../../evil",
            "data/cars/evil.mat (device)",
        ],
    )
    def test_paths_that_lead_out(self, download, tmp_path, folder, publish, member):
        if isinstance(member, str):
            name, kind, *target = member.split()
            member = tarfile.TarInfo(name)
            kinds = {"->": tarfile.SYMTYPE, "=": tarfile.LNKTYPE}
            member.type = kinds.get(kind, tarfile.CHRTYPE)
            member.linkname = "".join(target)
        good = ("data/cars/a.mat", b"as good as any")
        publish("nips2015-analogy-data.tar.gz", tar_file(good, member, good))
        before = files_in(tmp_path)
        name = member.name if isinstance(member, tarfile.TarInfo) else member[0]
        assert_refused(download("--dataset=cars3d"), repr(name), "deleted")
        assert files_in(tmp_path) == before == []
        assert not os.path.lexists("/tmp/evil.mat")

    def test_link_in_place_of_a_car(self, download, folder, publish):
        """It stays inside, but is no car."""
        link = tarfile.TarInfo("data/cars/c.mat")
        link.type, link.linkname = tarfile.SYMTYPE, "a.mat"
        publish("nips2015-analogy-data.tar.gz", cars_file(link))
        assert download("--dataset=cars3d")[0] == 0
        assert files_in(folder) == ["cars/a.mat", "cars/b.mat"]

    def test_array_that_leads_out(self, download, server, tmp_path, folder):
        file = io.BytesIO(arm_file())
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("../../evil.npy", b"evil")
        server.files["/" + ARM_FILE] = file.getvalue()
        assert download("--dataset=mpi3d_toy")[0] == 0
        assert files_in(tmp_path) == ["data/mpi3d_toy/" + f for f in FILES["mpi3d_toy"]]


class TestFullDisk:
    def test_is_told_before_the_download(self, download, server, folder, monkeypatch):
        """Of all six files together, and of what is made of them."""
        usage = types.SimpleNamespace(free=10**8)
        monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: usage)
        norb = catalogue.DATA_SETS["smallnorb"]
        large = dataclasses.replace(norb, unpacked_bytes=10**8)
        monkeypatch.setitem(catalogue.DATA_SETS, "smallnorb", large)
        outcome = download("--dataset=smallnorb")
        assert_refused(outcome, "takes 100.0 MB", "100.0 MB are free", "--directory")
        assert files_in(folder) == []


class TestStopped:
    @pytest.fixture
    def process(self, server, folder):
        """One that downloads, and has half of the file."""
        server.stall_after = 200_000
        command = [sys.executable, "-m", "mvhg_tf.programs", "dlib_download_data"]
        command += ["--dataset=scream", f"--base_url={server.url}"]
        with subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(named_data.__file__).parents[3],
            # Where the tests run in the background, the shell has them ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            assert server.stalled.wait(60)
            part = folder / "download.part" / "scream" / "scream.jpg.part"
            for _ in range(1000):
                if part.exists() and part.stat().st_size:
                    break
                time.sleep(0.01)
            yield process
            process.kill()

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
    def test_same_command_goes_on(self, download, process, server, folder, how):
        process.send_signal(how)
        said = process.communicate()[1]
        assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130}[how]
        if how == signal.SIGINT:
            assert said.splitlines()[-1] == (
                "dlib_download_data: stopped; the same command continues from here."
            )
        assert files_in(folder) == [
            "download.part/scream/scream.jpg.part",
            "download.part/scream/scream.jpg.part.json",
        ]
        server.stall_after = None
        assert download("--dataset=scream")[0] == 0
        assert server.begins[0] is None and server.begins[1] > 0
        assert files_in(folder) == ["scream/scream.jpg"]
        content = (folder / "scream" / "scream.jpg").read_bytes()
        assert content == server.files["/The_Scream.jpg"]


class TestFlags:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], ["--dataset is missing", "--list"]),
            (["--dataset=mnist"], ["no data set 'mnist'", "dsprites, scream, smalln"]),
            (["--dataset=scream", "--dataset=x"], ["no data set 'x'"]),
            (["--dataset=scream", "--directory="], ["--directory is empty"]),
            (["--dataset=scream", "--base_url=nonsense"], ["'nonsense'", "https://"]),
            (["--dataset=scream", "--base_url=ftp://a/b"], ["'ftp://a/b'"]),
            (["--dataset=scream", "--base_url=http://[a"], ["'http://[a'"]),
        ],
    )
    def test_mistakes(self, download, server, folder, arguments, words):
        assert_refused(download(*arguments), *words)
        assert not server.requests and not folder.exists()

    def test_mirror_with_a_slash(self, download, server):
        assert download("--dataset=scream", f"--base_url={server.url}/")[0] == 0

    def test_list(self, run_program):
        code, out, err = run_program("dlib_download_data", "--list")
        assert (code, err) == (0, "")
        entries = re.split(r"\n(?=\w)", out.strip())
        assert [entry.split()[0] for entry in entries] == list(catalogue.DATA_SETS)
        for entry in entries:
            assert re.search(r"download +(size not published|\d+\.\d MB)", entry)
            assert re.search(r"license +\S", entry)
            assert re.search(r"source +https?://", entry)
        [norb] = [entry for entry in entries if entry.startswith("smallnorb")]
        assert "262.8 MB" in norb and "cannot be sold" in norb

    def test_needs_no_tensorflow_to_list(self, repository):
        code = (
            "import sys\n"
            "from mvhg_tf.programs.dlib_download_data import main\n"
            "main(['--list'])\n"
            "sys.exit('tensorflow' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, cwd=repository
        )
        assert (done.returncode, done.stderr) == (0, b"")

    def test_default_source_is_where_it_is_published(
        self, run_program, server, folder, monkeypatch
    ):
        scream = catalogue.DATA_SETS["scream"]
        [file] = scream.files
        file = dataclasses.replace(file, url=f"{server.url}/The_Scream.jpg?a=b")
        server.files["/The_Scream.jpg?a=b"] = server.files.pop("/The_Scream.jpg")
        monkeypatch.setitem(
            catalogue.DATA_SETS, "scream", dataclasses.replace(scream, files=(file,))
        )
        assert run_program("dlib_download_data", "--dataset=scream")[0] == 0


def test_unpacked_sizes_are_those_of_the_published_arrays():
    """A byte for each value of the images."""
    unpacked = {name: d.unpacked_bytes for name, d in catalogue.DATA_SETS.items()}
    assert unpacked["dsprites"] == 3 * 6 * 40 * 32 * 32 * 64 * 64
    assert unpacked["shapes3d"] == 10 * 10 * 10 * 8 * 4 * 15 * 64 * 64 * 3
    assert unpacked["mpi3d_toy"] == 6 * 6 * 2 * 3 * 3 * 40 * 40 * 64 * 64 * 3
    assert unpacked["mpi3d_real_complex"] == 4 * 4 * 2 * 3 * 3 * 40 * 40 * 64 * 64 * 3
