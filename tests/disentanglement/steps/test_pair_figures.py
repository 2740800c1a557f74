import numpy as np
import pytest

from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.steps import pair_figures
from mvhg_tf.disentanglement.steps.saved_model import Representation


@pytest.fixture(scope="module")
def dataset():
    return named_data.get_named_ground_truth_data("arm3d")


def shown(axis) -> np.ndarray:
    return np.asarray(axis.images[0].get_array())


def test_pairs_stand_above_their_reconstructions(dataset, trained_model):
    model = Representation(trained_model)
    figure = pair_figures.pairs_figure(
        dataset, model, np.random.RandomState(0), "logits"
    )
    rows = np.array(figure.axes).reshape(4, 8)
    for k, column in enumerate(rows.T):
        assert column[0].get_title().startswith(f"k = {k}")
        images = [shown(axis) for axis in column]
        assert np.array_equal(images[0], images[2]) == (k == 0)
        for image in images[1::2]:
            assert image.shape == images[0].shape
            assert image.min() >= 0 and image.max() <= 1
    # Where nothing differs, both views have one posterior, so one reconstruction.
    np.testing.assert_allclose(shown(rows[1, 0]), shown(rows[3, 0]), atol=1e-5)


def test_traversals_change_one_latent_a_row(dataset, trained_model):
    model = Representation(trained_model)
    random_state = np.random.RandomState(0)
    figure = pair_figures.traversals_figure(dataset, model, random_state, "logits", 5)
    rows = np.array(figure.axes).reshape(4, 5)
    spreads = [float(row[0].get_ylabel().split()[-1]) for row in rows]
    assert spreads == sorted(spreads, reverse=True)
    # The decoder is linear: logits change evenly along a row, in the direction of
    # the projection's column.
    projection = model.decode(np.eye(4, dtype=np.float32))
    for row in rows:
        latent = int(row[0].get_ylabel().split()[1])
        pixels = np.stack([shown(axis) for axis in row]).astype(np.float64)
        logits = np.log(pixels) - np.log1p(-pixels)
        for step in np.diff(logits, axis=0):
            np.testing.assert_allclose(step, projection[latent], atol=1e-3)


def test_counts_are_histograms_for_each_k(dataset, trained_model):
    model = Representation(trained_model)
    figure = pair_figures.counts_figure(dataset, model, np.random.RandomState(0), 64)
    assert len(figure.axes) == 6
    for k, axis in enumerate(figure.axes, start=1):
        heights = [bar.get_height() for bar in axis.patches]
        assert axis.get_title().startswith(f"k = {k}\n")
        assert axis.lines[0].get_xdata()[0] == k
        assert sum(heights) == pytest.approx(1)
        # The model's rule gives 1, 2 or 3 (see `trained_model`).
        assert heights[0] == heights[4] == 0


def test_pairs_show_which_latents_and_which_factors_differ(dataset, trained_model):
    model = Representation(trained_model)
    figure = pair_figures.pairs_figure(
        dataset, model, np.random.RandomState(0), "logits"
    )
    bottom = np.array(figure.axes).reshape(4, 8)[-1]
    for k, axis in enumerate(bottom):
        names = [name for name in axis.get_xlabel().split("\n") if name]
        assert len(names) == k
        assert set(names) <= set(dataset.factor_names)
        (cells,) = axis.child_axes
        k_hat = int(figure.axes[k].get_title()[-1])
        assert shown(cells).sum() == k_hat
