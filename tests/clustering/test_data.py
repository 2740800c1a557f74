"""Sources, versions and parts of the data to cluster."""

import gzip
import struct

import numpy as np
import pytest
from sklearn.datasets import load_digits

from mvhg_tf.clustering import data
from mvhg_tf.runs.errors import UserError


def write_idx(folder, part, labels):
    """Images of 3x2 bytes, all of the value of their label, as MNIST's files are."""
    labels = np.asarray(labels, np.uint8)
    images = np.repeat(labels, 6)
    size = len(labels)
    (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(struct.pack(">4I", 0x803, size, 3, 2) + images.tobytes())
    )
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(
        struct.pack(">2I", 0x801, size) + labels.tobytes()
    )


def rows_of(part):
    return {tuple(row) for row in part.x}


def test_digits_are_all_there_split_alike_in_each_class():
    loaded = data.load()
    digits = load_digits()
    assert rows_of(loaded.train) | rows_of(loaded.test) == {
        tuple(row) for row in (digits.data / 16).astype(np.float32)
    }
    assert not rows_of(loaded.train) & rows_of(loaded.test)
    assert loaded.sample_shape == (8, 8)
    sizes = np.bincount(digits.target)
    np.testing.assert_allclose(np.bincount(loaded.test.labels), sizes / 5, atol=1)


@pytest.mark.parametrize(
    ("version", "share"), [("subsampled_80", 0.8), ("subsampled_60", 0.6)]
)
def test_the_first_half_of_the_classes_keeps_a_share(version, share):
    loaded = data.load(version=version, seed=3)
    labels = np.concatenate([loaded.train.labels, loaded.test.labels])
    sizes = np.bincount(load_digits().target)
    expected = [round(share * size) for size in sizes[:5]] + list(sizes[5:])
    np.testing.assert_array_equal(np.bincount(labels), expected)
    # The samples that are left keep their own labels.
    digits = load_digits()
    rows = map(tuple, (digits.data / 16).astype(np.float32))
    label_of = dict(zip(rows, digits.target, strict=True))
    assert [label_of[tuple(row)] for row in loaded.train.x] == list(loaded.train.labels)


def test_the_seed_decides_what_is_where():
    first, same, other = (data.load(seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train.x, same.train.x)
    np.testing.assert_array_equal(first.test.labels, same.test.labels)
    assert rows_of(first.test) != rows_of(other.test)


def test_a_test_part_alone_is_split_and_two_parts_are_kept(tmp_path):
    write_idx(tmp_path, "t10k", [0, 1, 2, 3] * 10)
    alone = data.load(str(tmp_path))
    assert (len(alone.train.x), len(alone.test.x)) == (32, 8)
    write_idx(tmp_path, "train", [0, 1, 2, 3] * 20)
    both = data.load(str(tmp_path))
    assert (len(both.train.x), len(both.test.x)) == (80, 40)
    assert len(data.load(str(tmp_path), part="test").test.x) == 8
    assert both.sample_shape == (3, 2)
    np.testing.assert_array_equal(
        both.train.x[:, 0], (both.train.labels / 255).astype(np.float32)
    )
    subsampled = data.load(str(tmp_path), "subsampled_60")
    np.testing.assert_array_equal(
        np.bincount(subsampled.train.labels), [12, 12, 20, 20]
    )
    np.testing.assert_array_equal(np.bincount(subsampled.test.labels), [6, 6, 10, 10])


def test_an_npz_file_with_labels_of_any_kind(tmp_path):
    path = str(tmp_path / "a.npz")
    x = np.linspace(0, 1, 40).reshape(20, 2)
    labels = np.array(["cat", "dog"] * 10)
    np.savez(path, x=x, y=labels)
    loaded = data.load(path)
    assert loaded.classes == ("cat", "dog")
    assert loaded.sample_shape == (2,)
    for row, label in zip(loaded.train.x, loaded.train.labels, strict=True):
        original = row * loaded.scaling.scale + loaded.scaling.offset
        (place,) = np.nonzero(np.isclose(x, original, atol=1e-5).all(axis=1))
        assert loaded.classes[label] == labels[place[0]]
    np.savez(
        path, x_train=x[:12], y_train=labels[:12], x_test=x[12:], y_test=labels[12:]
    )
    assert (len(data.load(path).train.x), len(data.load(path).test.x)) == (12, 8)


def test_labels_may_be_left_out(tmp_path):
    path = str(tmp_path / "a.npz")
    x = np.arange(40.0).reshape(20, 2)
    np.savez(path, x=x)
    loaded = data.load(path)
    assert loaded.classes == () and loaded.train.labels is None
    assert (len(loaded.train.x), len(loaded.test.x)) == (16, 4)
    np.savez(path, x_train=x[:12], x_test=x[12:])
    assert (len(data.load(path).train.x), len(data.load(path).test.x)) == (12, 8)
    with pytest.raises(UserError, match="has no labels to subsample by"):
        data.load(path, "subsampled_60")


def test_tables_are_standardised_by_their_training_part(tmp_path):
    path = str(tmp_path / "a.npz")
    rng = np.random.default_rng(0)
    x = rng.normal(size=[50, 3]) * [1.0, 1e-3, 30.0] + [1.7e9, 0.0, -5.0]
    np.savez(path, x_train=x[:40], x_test=x[40:])
    loaded = data.load(path)
    assert loaded.is_table
    expected = (x - x[:40].mean(axis=0)) / x[:40].std(axis=0)
    np.testing.assert_allclose(loaded.test.x, expected[40:], atol=1e-5)
    order = np.argsort(loaded.train.x[:, 2])
    np.testing.assert_allclose(
        loaded.train.x[order], expected[np.argsort(x[:40, 2])], atol=1e-5
    )


@pytest.mark.parametrize(
    ("x", "is_table", "ends"),
    [
        (np.array([0, 51, 255], np.uint8), False, (0.0, 1.0)),  # bytes
        (np.array([0.0, 0.25, 1.0]), False, (0.0, 1.0)),  # in [0, 1] already
        (np.array([-1.0, 0.0, 1.0]), False, (0.0, 1.0)),  # mapped from their range
    ],
)
def test_images_end_in_the_unit_interval(tmp_path, x, is_table, ends):
    path = str(tmp_path / "a.npz")
    pixels = np.random.default_rng(0).choice(x, size=[30, 3, 4])
    np.savez(path, x=pixels)
    loaded = data.load(path)
    assert loaded.is_table is is_table
    assert (loaded.train.x.min(), loaded.train.x.max()) == ends


def test_images_of_seldom_extremes_are_images_if_in_the_unit_interval(tmp_path):
    path = str(tmp_path / "a.npz")
    x = np.random.default_rng(0).uniform(size=[30, 2, 2])
    np.savez(path, x=x)
    assert not data.load(path).is_table
    np.savez(path, x=x.reshape(30, 4))
    assert data.load(path).is_table


X, Y = np.linspace(0, 1, 20).reshape(10, 2), np.arange(10) % 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": Y}, "neither x nor x_train and x_test"),
        ({"x_train": X, "x_test": X, "y_test": Y}, "or labels only one part"),
        ({"x": X, "y": Y[:9]}, "one label for each sample"),
        ({"x": X[:, 0], "y": Y}, "one label for each sample"),
        ({"x": X[:0], "y": Y[:0]}, "one label for each sample"),
        ({"x": X * np.nan, "y": Y}, "holds 20 values that are NaN or infinite"),
        ({"x": X, "y": Y * 0}, "only one class"),
        ({"x": X, "y": Y * np.nan}, "labels that are NaN"),
        ({"x": X.astype(str), "y": Y}, "samples must be numbers"),
        ({"x": X[:2], "y": Y[:2]}, "has 2 samples, or fewer than 2 of some class"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :1], "y_test": Y},
            "parts of one data set",
        ),
    ],
)
def test_wrong_data_are_told_in_one_sentence(tmp_path, arrays, message):
    path = str(tmp_path / "a.npz")
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message):
        data.load(path)


def test_a_wrong_source_or_version_is_told_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no data set, file or folder 'digit'"):
        data.load("digit")
    with pytest.raises(UserError, match="holds no t10k-images-idx3-ubyte"):
        data.load(str(tmp_path))
    with pytest.raises(UserError, match="data.version is 'half'"):
        data.load(version="half")
    with pytest.raises(UserError, match="data.part is 'train'"):
        data.load(part="train")


def test_a_download_that_fails_is_told_in_one_sentence(monkeypatch):
    import keras

    def fail():
        raise Exception("URL fetch failure on https://example.org: None -- no net")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(UserError, match="mnist can't be downloaded .URL fetch"):
        data.load("mnist")


def test_kerass_own_loader_serves_its_two_parts(monkeypatch):
    import keras

    images = np.full([10, 2, 2], 255, np.uint8)
    labels = np.arange(10, dtype=np.uint8) % 2
    both = ((images, labels), (images[:4], labels[:4]))
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: both)
    loaded = data.load("fashion_mnist")
    assert (loaded.train.x.shape, loaded.test.x.shape) == ((10, 4), (4, 4))
    assert loaded.train.x.min() == loaded.train.x.max() == 1.0
