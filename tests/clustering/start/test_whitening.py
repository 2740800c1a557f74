import keras
import numpy as np
import pytest

from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.clustering.start.whitening import LinearEnds, joint_diagonaliser, whitening
from mvhg_tf.runs.errors import UserError


def _rotation(size, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=[size, size]))[0]


def _diagonals(num, size, seed=0):
    values = np.random.default_rng(seed).uniform(0.1, 3.0, [num, size])
    return np.array([np.diag(row) for row in values])


def _off_diagonal(matrices):
    return np.abs(matrices * (1.0 - np.eye(matrices.shape[-1]))).max()


def test_matrices_with_common_axes_become_diagonal():
    turn = _rotation(6, 0)
    matrices = turn @ _diagonals(4, 6) @ turn.T
    found = joint_diagonaliser(matrices)
    np.testing.assert_allclose(found.T @ found, np.eye(6), atol=1e-12)
    assert _off_diagonal(found.T @ matrices @ found) < 1e-10


def test_no_rotation_is_nearer_to_diagonal():
    rng = np.random.default_rng(1)
    roots = rng.normal(size=[5, 3, 3])
    matrices = roots @ roots.transpose(0, 2, 1)

    def rest(turn):
        turned = turn.T @ matrices @ turn
        return np.square(turned * (1.0 - np.eye(3))).sum()

    found = joint_diagonaliser(matrices)
    others = [rest(_rotation(3, seed)) for seed in range(2000)]
    assert rest(found) <= min(others) + 1e-9
    near = [rest(found @ _small_turn(seed)) for seed in range(50)]
    assert rest(found) <= min(near) + 1e-9


def _small_turn(seed):
    noise = 0.05 * np.random.default_rng(seed).normal(size=[3, 3])
    return np.linalg.qr(np.eye(3) + noise - noise.T)[0]


def test_whitened_clusters_have_the_identity_for_pooled_covariance():
    root = np.random.default_rng(2).normal(size=[4, 4])
    covariances = root @ _diagonals(3, 4) @ root.T
    shares = np.array([0.5, 0.3, 0.2])
    matrix = whitening(covariances, shares)
    inside = matrix.T @ covariances @ matrix
    np.testing.assert_allclose(np.tensordot(shares, inside, 1), np.eye(4), atol=1e-10)
    assert _off_diagonal(inside) < 1e-8


def test_the_ends_take_in_the_map_and_leave_reconstructions_alone():
    encoder = make_encoder(6, 3, 0, (8,))
    decoder = make_decoder(6, 3, 0, (8,))
    x = np.random.default_rng(0).uniform(size=[5, 6]).astype(np.float32)
    before, outputs = encoder(x)[0].numpy(), decoder(encoder(x)[0]).numpy()
    matrix, centre = np.random.default_rng(1).normal(size=[3, 3]), np.arange(3.0)
    LinearEnds(encoder, decoder).transform(matrix, centre)
    after = encoder(x)[0].numpy()
    np.testing.assert_allclose(after, (before - centre) @ matrix, atol=1e-5)
    np.testing.assert_allclose(decoder(after), outputs, atol=1e-4)


def _encoder(last, read=False):
    x = keras.Input([6])
    mean = last(x)
    log_variance = keras.layers.Dense(3)(mean if read else x)
    return keras.Model(x, [mean, log_variance])


def _decoder(first):
    z = keras.Input([3])
    return keras.Model(z, keras.layers.Dense(6)(first(z)))


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (_encoder(keras.layers.Dense(3, "relu")), make_decoder(6, 3, 0, (8,))),
        (_encoder(keras.layers.Dense(3, use_bias=False)), make_decoder(6, 3, 0, (8,))),
        (_encoder(keras.layers.Dense(3), read=True), make_decoder(6, 3, 0, (8,))),
        (make_encoder(6, 3, 0, (8,)), _decoder(keras.layers.LayerNormalization())),
        (make_encoder(6, 3, 0, (8,)), _decoder(keras.layers.Dense(4, use_bias=False))),
    ],
)
def test_other_ends_are_refused(encoder, decoder):
    with pytest.raises(UserError, match="pass whiten=False"):
        LinearEnds(encoder, decoder)
