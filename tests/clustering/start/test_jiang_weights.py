import itertools

import h5py
import numpy as np
import pytest

from mvhg_tf.clustering import VaDE, load_jiang_weights
from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.runs.errors import UserError

SIZES = [6, 5, 4, 7, 2, 7, 4, 5, 6]


def _model():
    units = (5, 4, 7)
    return VaDE(
        6, 3, encoder=make_encoder(6, 2, 0, units), decoder=make_decoder(6, 2, 0, units)
    )


def _weights(sizes=SIZES):
    rng = np.random.default_rng(0)
    shapes = itertools.pairwise(sizes)
    return [(rng.normal(size=shape), rng.normal(size=shape[1])) for shape in shapes]


def _write(path, weights):
    """As `Sequential.save_weights` of Keras 1.1, a dropout layer among the others."""
    names = [f"dense_{index + 1}" for index in range(len(weights))]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"dropout_1", *(name.encode() for name in names)]
        file.create_group("dropout_1").attrs["weight_names"] = []
        for name, (kernel, bias) in zip(names, weights, strict=True):
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}_W".encode(), f"{name}_b".encode()]
            group.create_dataset(f"{name}_W", data=kernel.astype(np.float32))
            group.create_dataset(f"{name}_b", data=bias.astype(np.float32))
    return path


def test_the_networks_compute_what_the_weights_say(tmp_path):
    weights = _weights()
    model = _model()
    load_jiang_weights(model, _write(tmp_path / "ae.h5", weights))
    x = np.random.default_rng(1).uniform(size=[3, 6]).astype(np.float32)
    hidden = x
    for index, (kernel, bias) in enumerate(weights):
        hidden = hidden @ kernel + bias
        if index not in (3, 7):
            hidden = np.maximum(hidden, 0.0)
        if index == 3:
            np.testing.assert_allclose(model.encode(x), hidden, rtol=1e-4)
    np.testing.assert_allclose(model(x), 1 / (1 + np.exp(-hidden)), rtol=1e-4)


def test_other_networks_are_refused(tmp_path):
    model = VaDE(6, 3, encoder=make_encoder(6, 2), decoder=make_decoder(6, 2, 0, [5]))
    with pytest.raises(UserError, match="are not mirrored .* weights of Jiang et al."):
        load_jiang_weights(model, _write(tmp_path / "ae.h5", _weights()))


def _no_names(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(3))
    return path


def _huge(path):
    """Declares a kernel of a million gigabytes, which must not be read."""
    _write(path, _weights())
    with h5py.File(path, "a") as file:
        group = file["dense_1"]
        del group["dense_1_W"]
        group.create_dataset(
            "dense_1_W", shape=(10**9, 10**6), dtype="f4", chunks=(1, 100)
        )
    return path


def _text(path):
    path.write_text("weights")
    return path


def _not_finite(path):
    weights = _weights()
    weights[2][0][0, 0] = np.nan
    return _write(path, weights)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "can't be read as weights of Keras 1"),
        (_text, "can't be read as weights of Keras 1"),
        (_no_names, "can't be read as weights of Keras 1"),
        (lambda path: _write(path, _weights([6, 5, 4])), "sizes 6x5, 5x4, but the"),
        (lambda path: _write(path, _weights([784, *SIZES[1:]])), "sizes 784x5, .* but"),
        (_huge, "sizes 1000000000x1000000, "),
        (_not_finite, "not finite"),
    ],
)
def test_other_files_are_refused_and_leave_the_model_alone(tmp_path, make, message):
    model = _model()
    before = model.get_weights()
    with pytest.raises(UserError, match=message):
        load_jiang_weights(model, make(tmp_path / "ae.h5"))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
