"""The pictures of a clustering: what stands in them, and that legends are whole."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mvhg_tf.clustering import figures
from mvhg_tf.clustering.evaluation import Evaluation


def evaluation_of(class_of_cluster, class_proportions):
    return Evaluation(
        scores={"accuracy": 1.0} if len(class_proportions) else {},
        train_scores={},
        confusion=np.eye(len(class_proportions), dtype=int),
        class_of_cluster=np.array(class_of_cluster),
        learned_proportions=np.array([0.7, 0.3]),
        assigned_proportions=np.array([0.75, 0.25]),
        weights=np.array([0.5, 0.5]),
        class_proportions=np.array(class_proportions),
    )


def heights(figure):
    [axes] = figure.axes
    return {
        bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers
    }


def test_true_learned_and_assigned_proportions_stand_side_by_side():
    evaluation = evaluation_of([1, 0], [0.2, 0.8])
    assert heights(figures.proportions_figure(evaluation, ["few", "many"])) == {
        "true": [0.2, 0.8],
        "learned": [0.3, 0.7],
        "assigned": [0.25, 0.75],
    }


def test_without_classes_the_clusters_stand_in_their_own_order():
    figure = figures.proportions_figure(evaluation_of([-1, -1], []), [])
    assert heights(figure) == {"learned": [0.7, 0.3], "assigned": [0.75, 0.25]}
    assert figure.axes[0].get_xlabel() == "cluster"


@pytest.mark.parametrize("classes", [["a", "b"], []])
def test_the_legend_is_whole_and_hides_no_bar(classes):
    named = [0, 1] if classes else [-1, -1]
    evaluation = evaluation_of(named, [0.5, 0.5] if classes else [])
    figure = figures.proportions_figure(evaluation, classes)
    FigureCanvasAgg(figure).draw()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
    assert not box.overlaps(figure.axes[0].get_window_extent())


def test_the_embedding_says_how_it_was_drawn_and_names_all_colours():
    points, classes = np.arange(8.0).reshape(4, 2), ["a", "b"]
    clusters = np.array([0, 0, 1, 2])  # the third is named after no class
    figure = figures.embedding_figure(
        points, np.array([0, 0, 1, 1]), clusters, np.array([0, 1, -1]), classes, "PCA"
    )
    assert figure.get_suptitle().endswith("PCA")
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"a", "b", "none"}


def test_rows_of_numbers_are_no_pictures():
    for shape in ((8, 8), (8, 8, 1), (8, 8, 3)):
        assert figures.are_pictures(shape)
    for shape in ((13,), (8, 8, 5), (2, 8, 8, 3)):
        assert not figures.are_pictures(shape)
