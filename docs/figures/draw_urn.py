"""Draws the picture of the home page, `urn.png`, beside this file."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import mvhg_tf

COLORS = {"red": "#d1495b", "green": "#2e9e6b", "blue": "#30638e"}
SIZES, WEIGHTS, DRAWN = (8, 6, 4), (1.0, 2.0, 4.0), (3, 4, 3)
COLUMNS = 5


def draw_marbles(axes: Axes, counts: tuple[int, ...], seed: int) -> None:
    """Draws marbles in rows, mixed, larger where their weight is larger."""
    groups = np.random.default_rng(seed).permutation(np.repeat(range(3), counts))
    colors = list(COLORS.values())
    for place, group in enumerate(groups):
        row, column = divmod(place, COLUMNS)
        radius = 0.22 * WEIGHTS[group] ** 0.5
        axes.add_patch(Circle((column, -row), radius, color=colors[group]))
    axes.set(xlim=(-0.7, COLUMNS - 0.3), ylim=(-3.7, 0.7), aspect="equal")
    axes.axis("off")


def draw() -> Figure:
    """An urn, a draw from it, and the probability of each count."""
    urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(
        total_count=sum(DRAWN), group_sizes=SIZES, weights=WEIGHTS
    )
    figure = Figure(figsize=(7.6, 2.9), layout="constrained")
    of_urn, of_draw, of_counts = figure.subplots(1, 3, width_ratios=(1, 1, 1.6))
    of_urn.set_title("the urn: 8, 6, 4 marbles\nof weights 1, 2, 4", fontsize=10)
    draw_marbles(of_urn, SIZES, seed=2)
    of_draw.set_title("ten are drawn:\nsuch as 3, 4, 3", fontsize=10)
    draw_marbles(of_draw, DRAWN, seed=7)
    for group, (name, color) in enumerate(COLORS.items()):
        probabilities = np.exp(urn.marginal_log_prob(group))
        counts = np.arange(len(probabilities)) + 0.27 * (group - 1)
        of_counts.bar(counts, probabilities, width=0.25, color=color, label=name)
    of_counts.set_title("how many of each colour", fontsize=10)
    of_counts.set(xlabel="number drawn", ylabel="probability", xticks=range(9))
    of_counts.spines[["top", "right"]].set_visible(False)
    of_counts.legend(frameon=False)
    return figure


if __name__ == "__main__":
    draw().savefig(Path(__file__).with_name("urn.png"), dpi=150)
