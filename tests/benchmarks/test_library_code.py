"""What the benchmarks of training and of the pipeline are run on."""

import numpy as np
import pytest

from benchmarks import library_code
from mvhg_tf.disentanglement.sources.pairs import Dynamics, PairSource
from mvhg_tf.runs.errors import UserError

SIZES = (2, 3)


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setattr(library_code, "FACTOR_SIZES", SIZES)
    return library_code.save_images(tmp_path / "images.npy")


@pytest.mark.parametrize("mapped", [False, True])
def test_stored_images_are_those_of_their_factors(images, mapped):
    data = library_code.StoredImages(images, mapped)
    stored = np.load(images)
    assert stored.shape == (6, 64, 64, 3)
    # The last factor runs fastest.
    factors = np.array([[0, 0], [0, 2], [1, 0], [1, 2]])
    np.testing.assert_array_equal(
        data.sample_bytes_from_factors(factors), stored[[0, 2, 3, 5]]
    )
    np.testing.assert_allclose(
        data.sample_observations_from_factors(factors) * 255, stored[[0, 2, 3, 5]]
    )


def test_mapped_pairs_are_those_in_memory(images):
    batches = [
        next(iter(PairSource(data, 4, 0, Dynamics(k=1)).dataset(3)))
        for data in map(library_code.StoredImages, [images] * 2, [False, True])
    ]
    assert batches[0]["images_1"].dtype == np.uint8
    for name, value in batches[0].items():
        np.testing.assert_array_equal(value, batches[1][name])


def worker(library, python, images):
    model = library_code.MODELS[0]
    return library_code.Worker(str(library), str(python), images, model, 4)


def test_a_library_that_cannot_be_run_is_named(images, tmp_path):
    with pytest.raises(UserError, match="no disentanglement_lib/methods/weak"):
        worker(tmp_path, "python", images).__enter__()
    (tmp_path / "disentanglement_lib" / "methods" / "weak").mkdir(parents=True)
    with pytest.raises(UserError, match="'nowhere/python' can't be run"):
        worker(tmp_path, "nowhere/python", images).__enter__()
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho broken on purpose >&2\nexit 1\n")
    broken.chmod(0o755)
    with worker(tmp_path, broken, images) as running:
        with pytest.raises(UserError, match="can't be run .*broken on purpose"):
            running.seconds_of(1)
