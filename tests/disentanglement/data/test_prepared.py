"""Data sets that tensorflow_datasets has prepared, by a package of its interface."""

import itertools
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.runs.errors import UserError

# Cut-down sizes of the labels, by the features' names in tensorflow_datasets.
LABELS = {
    "dsprites": {
        "label_shape": 3,
        "label_scale": 2,
        "label_orientation": 2,
        "label_x_position": 3,
        "label_y_position": 2,
    },
    "shapes3d": {
        "label_floor_hue": 2,
        "label_wall_hue": 3,
        "label_object_hue": 2,
        "label_scale": 2,
        "label_shape": 2,
        "label_orientation": 2,
    },
    "cars3d": {"label_elevation": 4, "label_azimuth": 3, "label": 5},
    "smallnorb": {
        "label_category": 5,
        "instance": 10,
        "label_elevation": 9,
        "label_azimuth": 18,
        "label_lighting": 6,
    },
}
SHAPES = {
    "dsprites": (64, 64, 1),
    "shapes3d": (64, 64, 3),
    "cars3d": (128, 128, 3),
    "smallnorb": (96, 96, 1),
}
NAMES = {"dsprites": "dsprites_full"}


def level(codes, sizes):
    """A grey level that tells a combination from its neighbours."""
    return (np.ravel_multi_index(tuple(codes), sizes) * 7) % 251


class Builder:
    """What tensorflow_datasets' builders offer, of made-up images in random order."""

    def __init__(self, name, folder, lost=0):
        self.name, self.data_dir, self._lost = name, str(folder), lost
        self.reads = 0

    def as_dataset(self, split=None):
        self.reads += 1
        labels = LABELS[self.name]
        sizes = tuple(labels.values())
        rows = np.array(list(itertools.product(*map(range, sizes))))
        np.random.RandomState(0).shuffle(rows)
        if self.name == "smallnorb":
            # A hundred instances' worth of pictures is enough to be told apart.
            is_test = rows[:, 1] >= 5
            rows = rows[is_test if split == "test" else ~is_test]
        rows = rows[self._lost :]
        shape = SHAPES[self.name]

        def examples():
            for row in rows:
                grey = level(row, sizes)
                if self.name == "dsprites":
                    image = np.zeros(shape, np.uint8)
                    image.reshape(-1)[: grey + 1] = 255
                else:
                    image = np.full(shape, grey, np.uint8)
                yield {"image": image, **dict(zip(labels, row, strict=True))}

        signature = {"image": tf.TensorSpec(shape, tf.uint8)}
        signature |= {label: tf.TensorSpec([], tf.int64) for label in labels}
        return tf.data.Dataset.from_generator(examples, output_signature=signature)


@pytest.fixture
def builders(monkeypatch, tmp_path):
    """Installs a package that has prepared nothing yet; a dict to add builders to."""
    found = {}
    package = types.ModuleType("tensorflow_datasets")
    package.builder = lambda name: found.get(name) or Builder(name, tmp_path / "none")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", package)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return found


def prepare(builders, name, tmp_path, lost=0):
    (tmp_path / name).mkdir()
    builders[name] = Builder(name, tmp_path / name, lost)
    return builders[name]


@pytest.mark.parametrize("name", ["dsprites", "shapes3d", "cars3d"])
def test_each_combination_has_its_image(builders, tmp_path, name):
    builder = prepare(builders, name, tmp_path)
    sizes = list(LABELS[name].values())
    for _ in range(2):
        dataset = named_data.get_named_ground_truth_data(NAMES.get(name, name))
        assert dataset.factors_num_values == sizes
        factors = dataset.sample_factors(20, np.random.RandomState(0))
        images = dataset.sample_observations_from_factors(
            factors, np.random.RandomState(0)
        )
        assert images.shape == (20, 64, 64, SHAPES[name][2])
        for image, row in zip(images, factors, strict=True):
            grey = level(row, sizes)
            shown = image.sum() - 1 if name == "dsprites" else 255 * image.mean()
            np.testing.assert_allclose(shown, grey, rtol=1e-4)
    assert builder.reads == 1  # the second time from the cache


@pytest.mark.slow
def test_smallnorb_leaves_the_instance_to_chance(builders, tmp_path):
    prepare(builders, "smallnorb", tmp_path)
    dataset = named_data.get_named_ground_truth_data("smallnorb")
    assert dataset.factors_num_values == [5, 9, 18, 6]
    factors = np.repeat([[1, 2, 3, 4]], 30, axis=0)
    images = dataset.sample_observations_from_factors(factors, np.random.RandomState(0))
    assert images.shape == (30, 64, 64, 1)
    sizes = (5, 10, 9, 18, 6)
    possible = {int(level((1, i, 2, 3, 4), sizes)) for i in range(10)}
    found = {round(255 * float(image.mean())) for image in images}
    assert found <= possible
    assert len(found) > 3


def test_a_grid_with_a_hole_is_told(builders, tmp_path):
    prepare(builders, "cars3d", tmp_path, lost=1)
    with pytest.raises(UserError, match="cars3d of tensorflow_datasets lacks a comb"):
        named_data.get_named_ground_truth_data("cars3d")


def test_what_is_not_prepared_is_not_downloaded(builders):
    with pytest.raises(
        UserError, match="missing: no .*dsprites.*Data prepared by tensorflow_data"
    ):
        named_data.get_named_ground_truth_data("dsprites_full")
