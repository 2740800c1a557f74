"""Shows arm3d's factors: a contact sheet, and the loudness of each factor.

    python -m mvhg_tf.disentanglement.data.arm3d_sheet --figure=arm3d_factors.png

draws each factor varied alone, in two scenes, and prints the table of
docs/arm3d.md.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes

from mvhg_tf.disentanglement.data import arm3d, grid

_VALUE_NAMES = (
    ("red", "green", "blue", "yellow"),
    ("sphere", "cylinder", "cone", "ring"),
    ("small", "large"),
    ("low", "middle", "high"),
    ("blue", "red", "green"),
)
# The values that stay where another factor varies.
_SCENES = ((0, 1, 1, 1, 0, 31, 26), (2, 2, 1, 1, 1, 8, 14))
_COLUMNS = 8


def bernoulli_kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL divergence in nats of each image's pixels, as probabilities.

    Args:
      p: Images `[N, h, w, c]` in (0, 1).
      q: Images of the same shape, in (0, 1).

    Returns:
      KL(p || q) of independent Bernoulli pixels, summed over pixels and channels:
      float64 `[N]`.
    """
    p, q = p.astype(np.float64), q.astype(np.float64)
    divergence = p * np.log(p / q) + (1.0 - p) * np.log((1.0 - p) / (1.0 - q))
    return divergence.sum(axis=(1, 2, 3))


def loudness(data: grid.GridData, pairs: int = 1000, seed: int = 0) -> np.ndarray:
    """What a Bernoulli decoder loses, in nats, if it ignores a factor.

    Args:
      data: A data set with images in (0, 1).
      pairs: How many pairs of images to average over, for each factor.
      seed: Of the random pairs.

    Returns:
      For each factor the mean KL divergence between two images that differ in it
      alone, all values being uniform: float64 `[num_factors]`.
    """
    random_state = np.random.RandomState(seed)
    means = []
    for factor, size in enumerate(data.factors_num_values):
        first = data.sample_factors(pairs, random_state)
        second = first.copy()
        second[:, factor] += random_state.randint(1, size, size=pairs)
        second[:, factor] %= size
        means.append(
            bernoulli_kl(
                data.sample_observations_from_factors(first, random_state),
                data.sample_observations_from_factors(second, random_state),
            ).mean()
        )
    return np.array(means)


# A factor, the scene's other factors, and the factor's value.
_Tile: TypeAlias = tuple[int, tuple[int, ...], int]


def draw_sheet(data: arm3d.Arm3D) -> matplotlib.figure.Figure:
    """Draws each factor varied alone, in two scenes.

    The scenes stand side by side where a factor has few values, else below each
    other, with a choice of the values.
    """
    rows: list[tuple[int, list[_Tile | None]]] = []
    for factor, size in enumerate(data.factors_num_values):
        values = np.unique(np.linspace(0, size - 1, min(size, _COLUMNS)).astype(int))
        scenes: list[list[_Tile | None]] = [
            [(factor, scene, value) for value in values] for scene in _SCENES
        ]
        if 2 * len(values) <= _COLUMNS:
            gap: list[_Tile | None] = [None] * (_COLUMNS // 2 - len(values))
            scenes = [scenes[0] + gap + scenes[1]]
        rows.extend((factor, tiles) for tiles in scenes)
    figure = matplotlib.figure.Figure(figsize=(_COLUMNS * 1.28 + 1.5, len(rows) * 1.42))
    axes = figure.subplots(len(rows), _COLUMNS)
    for axis in axes.flat:
        axis.set_axis_off()
    for row_axes, (factor, row) in zip(axes, rows, strict=True):
        name = data.factor_names[factor]
        row_axes[0].text(-8, 32, name, ha="right", va="center", fontsize=9)
        for axis, tile in zip(row_axes, row, strict=False):
            if tile is not None:
                _draw_tile(axis, data, *tile)
    figure.subplots_adjust(0.128, 0.005, 0.995, 0.98, 0.04, 0.16)
    return figure


def _draw_tile(
    axis: Axes, data: arm3d.Arm3D, factor: int, scene: tuple[int, ...], value: int
) -> None:
    factors = np.array([scene])
    factors[0, factor] = value
    axis.imshow(data.sample_observations_from_factors(factors)[0], vmin=0.0, vmax=1.0)
    named = factor < len(_VALUE_NAMES)
    axis.set_title(_VALUE_NAMES[factor][value] if named else value, fontsize=7, pad=2)


def main() -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--figure", default="arm3d_factors.png", help="where to write the sheet"
    )
    parser.add_argument(
        "--pairs", type=int, default=1000, help="pairs of images for each factor"
    )
    arguments = parser.parse_args()
    data = arm3d.Arm3D()
    draw_sheet(data).savefig(arguments.figure, dpi=100)
    print("| factor | values | loudness (nats) |\n|---|---|---|")
    for name, size, nats in zip(
        data.factor_names,
        data.factors_num_values,
        loudness(data, arguments.pairs),
        strict=True,
    ):
        print(f"| {name} | {size} | {nats:.0f} |")


if __name__ == "__main__":
    main()
