"""Reading idx and npz files, whole ones and others."""

import gzip
import struct
import zipfile

import numpy as np
import pytest

from mvhg_tf.clustering.files import read_idx, read_npz
from mvhg_tf.runs.errors import UserError

VALUES = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)


def idx_bytes(values, shape=None):
    shape = shape or values.shape
    header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    return header + values.tobytes()


def npy_bytes(shape, payload, dtype="<f8"):
    """An npy file that announces a shape, whatever it holds."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(header))
        + header.encode()
        + payload
    )


@pytest.mark.parametrize("name", ["a-ubyte", "a-ubyte.gz"])
def test_an_idx_file_is_read_as_it_was_written(tmp_path, name):
    path = tmp_path / name
    content = idx_bytes(VALUES)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    np.testing.assert_array_equal(read_idx(str(path)), VALUES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an idx file"),
        (b"\0\0\x0d\x01" + bytes(8), "is not an idx file of unsigned bytes"),
        (idx_bytes(VALUES)[:9], "truncated"),
        (idx_bytes(VALUES)[:-1], "does not hold the"),
        (idx_bytes(VALUES) + b"\0", "does not hold the"),
        (idx_bytes(VALUES, (2**32 - 1,) * 3), "too small"),
    ],
)
def test_a_wrong_idx_file_is_told_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "a-ubyte"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"a-ubyte .*{message}"):
        read_idx(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not packed", "truncated"),
        (gzip.compress(idx_bytes(VALUES))[:-9], "truncated"),
        (gzip.compress(idx_bytes(VALUES)[:-1]), "does not hold the"),
        (gzip.compress(idx_bytes(VALUES, (2**32 - 1,) * 3)), "too small"),
    ],
)
def test_a_wrong_gzip_file_is_told_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "a-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_idx(str(path))


def test_a_missing_file_is_told_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_idx(str(tmp_path / "none"))
    with pytest.raises(UserError, match="No such file"):
        read_npz(str(tmp_path / "none"), ["x"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_named_arrays_of_an_npz_file_are_read(tmp_path, save):
    path = str(tmp_path / "a.npz")
    save(path, x=VALUES, names=np.array(["a", "b"]), other=np.ones(3))
    arrays = read_npz(path, ["x", "names", "y"])
    assert set(arrays) == {"x", "names"}
    np.testing.assert_array_equal(arrays["x"], VALUES)
    np.testing.assert_array_equal(arrays["names"], ["a", "b"])


def test_nothing_in_an_npz_file_is_executed(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, x=np.array([{"a": 1}, print], dtype=object))
    with pytest.raises(UserError, match="Python objects in 'x'"):
        read_npz(path, ["x"])


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (b"", "not an array"),
        (b"not an array at all", "not an array"),
        (npy_bytes((10**12,), bytes(80)), "too small"),
        (npy_bytes((11,), bytes(80)), "less of 'x'"),
    ],
)
def test_a_wrong_npz_member_is_told_in_one_sentence(tmp_path, member, message):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
    with pytest.raises(UserError, match=message):
        read_npz(str(path), ["x"])


def test_a_damaged_npz_file_is_told_in_one_sentence(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.ones(1000))
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-30])
    with pytest.raises(UserError, match="damaged or not an npz file"):
        read_npz(str(path), ["x"])
    content[2000] ^= 1  # the checksum of the member tells
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged or not an npz file"):
        read_npz(str(path), ["x"])
