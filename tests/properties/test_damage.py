"""Files of every kind that the project reads, damaged: read as they were, or refused.

Each damage is a change of some bytes of a good file. What reads the file gives what the
good one gives, or raises a `UserError`; only where a format has no checksum may it give
other numbers. No file is changed.
"""

import functools
import gzip
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import contents

from mvhg_tf.clustering import VaDE, data, files, load_jiang_weights
from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.clustering.start import start_file
from mvhg_tf.disentanglement.data import npz
from mvhg_tf.disentanglement.steps.aggregate_results import aggregate_results_to_json
from mvhg_tf.disentanglement.steps.saved_model import Representation, bound_value
from mvhg_tf.runs.errors import UserError

VALUES = np.arange(240, dtype=np.uint8).reshape(20, 3, 4)
LABELS = np.arange(20) % 2
SAMPLES = np.random.default_rng(0).uniform(size=[20, 6]).astype(np.float32)
IMAGES = np.zeros([1, 64, 64, 3], np.float32)
DETERMINED = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
      name: of the file in its folder, or of the part of the folder that is damaged.
      write: makes it, given its path.
      read: reads it; returns what it holds.
      has_checksum: whether other numbers are never given.
    """

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    has_checksum: bool = True


def _idx() -> bytes:
    return struct.pack(">HBB3I", 0, 8, 3, *VALUES.shape) + VALUES.tobytes()


@functools.cache
def _vade() -> VaDE:
    units = (5, 4)
    return VaDE(
        6,
        3,
        encoder=make_encoder(6, 2, 0, units),
        decoder=make_decoder(6, 2, 0, units),
    )


def _write_start(path: Path) -> None:
    responsibilities = np.full([len(SAMPLES), 3], 1 / 3, np.float32)
    start_file.save(str(path), _vade(), responsibilities, SAMPLES)


def _write_jiang_weights(path: Path) -> None:
    sizes = [6, 5, 4, 2, 4, 5, 6]
    names = [f"dense_{i}" for i in range(len(sizes) - 1)]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in names]
        for i, name in enumerate(names):
            group = file.create_group(name)
            group.attrs["weight_names"] = [b"W", b"b"]
            group["W"] = np.full(sizes[i : i + 2], 0.1, np.float32)
            group["b"] = np.zeros(sizes[i + 1], np.float32)


def _read_jiang_weights(path: Path) -> np.ndarray:
    model = _vade()
    load_jiang_weights(model, path)
    return model.encode(SAMPLES)


def _write_results(path: Path) -> None:
    path.write_text(json.dumps({f"score_{i}": i / 7 for i in range(20)}))


def _aggregate(path: Path) -> None:
    table = path.parent.parent / "table.json"
    aggregate_results_to_json(str(path), str(table))
    table.unlink()


def _write_sprites(path: Path) -> None:
    metadata = np.array({"latents_sizes": np.arange(5)}, dtype=object)
    np.savez(path, imgs=VALUES, metadata=metadata)


def _open_array(path: Path) -> np.ndarray:
    """Leaves nothing, as the folder of the file has to stay as it is."""
    try:
        return np.array(npz.open_array(path, "imgs"))
    finally:
        path.with_suffix(".npy").unlink(missing_ok=True)


def _write_gin(path: Path) -> None:
    lines = [f"encoder.unused_{i} = {i}" for i in range(5)]
    path.write_text("\n".join(["dataset.name = 'arm3d'", *lines, ""]))


def _bound_value(path: Path) -> object:
    return bound_value(str(path.parent.parent.parent), "train", "dataset.name")


KINDS = [
    Kind(
        "a-ubyte", lambda p: p.write_bytes(_idx()), lambda p: files.read_idx(str(p)), 0
    ),
    Kind(
        "a-ubyte.gz",
        lambda p: p.write_bytes(gzip.compress(_idx())),
        lambda p: files.read_idx(str(p)),
    ),
    Kind(
        "stored.npz",
        lambda p: np.savez(p, x=VALUES, y=LABELS),
        lambda p: data.load(str(p)).train.x,
    ),
    Kind(
        "packed.npz",
        lambda p: np.savez_compressed(p, x=VALUES, y=LABELS),
        lambda p: data.load(str(p)).train.x,
    ),
    Kind(
        "start.npz", _write_start, lambda p: start_file.load(str(p), _vade(), SAMPLES)
    ),
    Kind("weights.h5", _write_jiang_weights, _read_jiang_weights, False),
    Kind("results.json", _write_results, _aggregate, False),
    Kind("images.npz", _write_sprites, _open_array),
    Kind(
        "sprites.npz",
        _write_sprites,
        lambda p: npz.read_plain_object(p, "metadata")["latents_sizes"],
    ),
    Kind("model/results/gin/train.gin", _write_gin, _bound_value, False),
]


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


@st.composite
def damages(draw) -> Callable[[bytes], bytes]:
    """A change of a file: flips, a cut, zeros, bytes put in or at the end, others."""
    place = draw(st.floats(0, 1, exclude_max=True))
    noise = draw(st.binary(min_size=1, max_size=8))
    kind = draw(st.sampled_from(["flip", "cut", "zeros", "insert", "end", "other"]))
    bits = draw(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 7)), min_size=1))

    def damage(whole: bytes) -> bytes:
        at = int(place * len(whole))
        changed = bytearray(whole)
        if kind == "flip":
            for where, bit in bits:
                changed[int(where * len(whole))] ^= 1 << bit
        elif kind == "cut":
            del changed[at:]
        elif kind == "zeros":
            changed[at : at + 40] = bytes(len(changed[at : at + 40]))
        elif kind == "insert":
            changed[at:at] = noise
        elif kind == "end":
            changed += noise
        else:
            changed = noise * (1 + at)
        return bytes(changed)

    return damage


def check_damages(kind: Kind, folder: Path, number: int) -> set[bytes]:
    """Reads so many damaged files; returns what they held."""
    path = folder / kind.name
    path.parent.mkdir(parents=True, exist_ok=True)
    kind.write(path)
    whole = path.read_bytes()
    right = kind.read(path)
    tried = set()

    @settings(max_examples=number, **DETERMINED)
    @given(damages())
    def check(damage):
        path.write_bytes(damage(whole))
        check_read(kind, path, folder, right)
        if path.read_bytes() != whole:
            tried.add(path.read_bytes())

    check()
    return tried


def check_read(kind: Kind, path: Path, folder: Path, right: object) -> None:
    before = contents(folder)
    try:
        value = kind.read(path)
    except UserError as error:
        assert path.name in str(error)  # noqa: PT017
    else:
        if kind.has_checksum:
            np.testing.assert_array_equal(value, right)
    assert contents(folder) == before


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_damaged_file_is_read_as_it_was_or_refused(kind, tmp_path):
    is_slow = kind.name in ("start.npz", "weights.h5")
    check_damages(kind, tmp_path / "files", 2 if is_slow else 10)


@pytest.mark.slow
def test_two_hundred_damaged_files(tmp_path):
    tried = set()
    for number, kind in enumerate(KINDS):
        tried |= check_damages(kind, tmp_path / str(number), 80)
    assert len(tried) >= 200


@pytest.mark.slow
def test_a_damaged_model_is_refused_or_encodes_as_before(trained_model, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(trained_model, model)
    right = Representation(str(model)).encode(IMAGES)
    parts = [path for path in (model / "tfhub").rglob("*") if path.is_file()]

    @settings(max_examples=30, **DETERMINED)
    @given(st.sampled_from(parts), damages())
    def check(path, damage):
        whole = path.read_bytes()
        path.write_bytes(damage(whole)[: 2 * len(whole)])
        before = contents(model)
        try:
            value = Representation(str(model)).encode(IMAGES)
        except UserError as error:
            assert str(model) in str(error)  # noqa: PT017
        else:
            assert [v.shape for v in value] == [v.shape for v in right]
        finally:
            assert contents(model) == before
            path.write_bytes(whole)

    check()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_in_a_file_is_executed(kind, tmp_path):
    trap = tmp_path / "trap"
    path = tmp_path / kind.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(UserError):
        kind.read(path)
    if path.suffix == ".npz":
        objects = np.array([Trap(trap)], dtype=object)
        names = ["x", "imgs", "metadata", "data", "responsibilities"]
        np.savez(path, **dict.fromkeys(names, objects))
        with pytest.raises(UserError):
            kind.read(path)
    assert not trap.exists()


@pytest.mark.parametrize("declared", [10**6, 10**12, 2**62])
def test_what_a_header_declares_is_not_allocated(tmp_path, declared):
    """A small file that says it holds a great array, in the zip entry as well."""
    path = tmp_path / "bomb.npz"
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({declared},), }}\n"
    start_of_file = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", start_of_file + header.encode() + bytes(80))
    with pytest.raises(UserError, match="too small"):
        files.read_npz(str(path), ["x"])


@pytest.mark.parametrize("kind_of_link", ["link", "external", "virtual"])
def test_weights_in_another_file_are_not_read(tmp_path, kind_of_link):
    path, other = tmp_path / "weights.h5", tmp_path / "other.h5"
    for place in (path, other):
        _write_jiang_weights(place)
    with h5py.File(path, "a") as file:
        group = file["dense_0"]
        shape = group["W"].shape
        del group["W"]
        if kind_of_link == "link":
            group["W"] = h5py.ExternalLink(str(other), "dense_0/W")
        elif kind_of_link == "external":
            where = [(str(other), 0, h5py.h5f.UNLIMITED)]
            group.create_dataset("W", shape, "f4", external=where)
        else:
            layout = h5py.VirtualLayout(shape, "f4")
            layout[:] = h5py.VirtualSource(str(other), "dense_0/W", shape)
            group.create_virtual_dataset("W", layout)
    before = contents(tmp_path)
    with pytest.raises(UserError, match="refers to other files"):
        load_jiang_weights(_vade(), path)
    assert contents(tmp_path) == before
