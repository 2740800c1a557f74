"""Runs the minimal example and writes its results."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.studies import text_tables
from mvhg_tf.studies.minimal import minimal_figures, weight_learning
from mvhg_tf.studies.minimal.weight_learning import LEARNERS, OMEGA_2

MAXIMUM_LIKELIHOOD = "maximum likelihood (fit)"
TOLERANCE = 0.1


def run(
    output_dir: str,
    num_samples: int,
    num_training: int,
    num_epochs: int,
    batch_size: int,
    records_per_epoch: int,
    seed: int,
) -> str:
    """Learns all urns' weights, and writes the files that `minimal_example` names.

    Args:
      output_dir: an existing folder.
      num_samples: observations of each urn.
      num_training: how many of them train; the others validate.
      num_epochs: passes over the training observations.
      batch_size: observations of a step.
      records_per_epoch: how often losses and weights are recorded.
      seed: of the data and of the draws.

    Returns:
      The summary, in Markdown.
    """
    data = weight_learning.make_data(num_samples, seed)
    training, validation = np.split(data, [num_training], axis=1)
    started = time.perf_counter()
    learning = weight_learning.WeightLearning(training, validation, batch_size, seed)
    total = num_epochs * (num_training // batch_size)
    with tqdm(total=total, unit="step", desc="gradient descent") as progress:
        records = learning.train(num_epochs, records_per_epoch, progress)
    trained = time.perf_counter()
    fitted = fit(training)
    seconds = {
        "gradient descent (all learners and urns together)": trained - started,
        "fit (all urns)": time.perf_counter() - trained,
    }
    rows = recovered_rows(records, fitted)
    summary = summarize(rows, seconds)
    _write(output_dir, records, rows, summary)
    return summary


def fit(training: np.ndarray) -> np.ndarray:
    """Maximum-likelihood log-weights `[10, 3]` of observations `[10, N, 3]`."""
    fitted = MultivariateFisherNoncentralHypergeometric.fit(
        np.moveaxis(training, 1, 0),
        total_count=weight_learning.TOTAL_COUNT,
        group_sizes=weight_learning.GROUP_SIZES,
    )
    return fitted.log_weights_parameter().numpy()


def training_rows(records: Mapping[str, np.ndarray]) -> list[dict]:
    """The records of a training as rows, one a step, learner and urn."""
    return [
        {
            "learner": str(learner),
            "omega_2": omega_2,
            "step": step,
            "training_loss": records["training_loss"][time_index, index, urn],
            "validation_loss": records["validation_loss"][time_index, index, urn],
            **_weight_columns(
                "log_weight", records["log_weights"][time_index, index, urn]
            ),
        }
        for index, learner in enumerate(LEARNERS)
        for urn, omega_2 in enumerate(OMEGA_2)
        for time_index, step in enumerate(records["step"])
    ]


def recovered_rows(records: Mapping[str, np.ndarray], fitted: np.ndarray) -> list[dict]:
    """The recovered weights as rows, one a way of learning and urn.

    Args:
      records: of `WeightLearning.train`.
      fitted: maximum-likelihood log-weights `[10, 3]`.
    """
    rows = []
    errors = weight_learning.recovery_error(records["log_weights"])
    for index, learner in enumerate(LEARNERS):
        needed = weight_learning.steps_needed(
            records["step"], errors[:, index], TOLERANCE
        )
        final = records["log_weights"][-1, index]
        rows += _recovered(str(learner), final, errors[-1, index], needed)
    fit_errors = weight_learning.recovery_error(fitted)
    return rows + _recovered(MAXIMUM_LIKELIHOOD, fitted, fit_errors, [""] * len(fitted))


def _recovered(
    name: str, log_weights: np.ndarray, errors: np.ndarray, needed: Sequence[object]
) -> list[dict]:
    # Shown so that the mean log-weight of classes 1 and 3 is 0, as the truth's is.
    shown = np.exp(log_weights - log_weights[:, ::2].mean(-1, keepdims=True))
    return [
        {
            "learner": name,
            "omega_2": omega_2,
            **_weight_columns("weight", shown[urn]),
            "error": errors[urn],
            "steps_needed": "never" if needed[urn] is None else needed[urn],
        }
        for urn, omega_2 in enumerate(OMEGA_2)
    ]


def _weight_columns(name: str, values: np.ndarray) -> dict[str, float]:
    return {f"{name}_{group}": value for group, value in enumerate(values, start=1)}


def summarize(rows: Sequence[dict], seconds: Mapping[str, float]) -> str:
    """Returns the Markdown text of the recovered weights."""
    lines = []
    for name in dict.fromkeys(row["learner"] for row in rows):
        chosen = [row for row in rows if row["learner"] == name]
        errors = [row["error"] for row in chosen]
        needed = [row["steps_needed"] for row in chosen]
        reached = [steps for steps in needed if isinstance(steps, int)]
        lines.append(
            (
                name,
                f"{np.median(errors):.4f}",
                f"{max(errors):.4f}",
                f"{chosen[1]['weight_2']:.3f}",
                f"{chosen[4]['weight_2']:.3f}",
                f"{chosen[9]['weight_2']:.3f}",
                "-" if "" in needed else f"{len(reached)} of {len(chosen)}",
                f"{np.median(reached):.0f}" if reached else "-",
            )
        )
    table = text_tables.markdown_table(
        (
            "learned by",
            "median error",
            "largest error",
            "weight 2 (true 2)",
            "(true 5)",
            "(true 10)",
            f"within {TOLERANCE}",
            "median steps",
        ),
        lines,
    )
    return (
        "The error is the largest error of an urn's three centred log-weights. Steps "
        f"are the number after which it stays within {TOLERANCE}. Weights are shown "
        "relative to the geometric mean of classes 1 and 3.\n\n"
        f"{table}\nSeconds: "
        + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
        + ".\n"
    )


def _write(
    output_dir: str, records: Mapping[str, np.ndarray], rows: list[dict], summary: str
) -> None:
    errors: dict[str, list[float]] = {}
    for row in rows:
        errors.setdefault(row["learner"], []).append(row["error"])
    minimal_figures.write_figures(output_dir, LEARNERS, records, errors)
    text_tables.write_csv(
        os.path.join(output_dir, "training.csv"), training_rows(records)
    )
    text_tables.write_csv(os.path.join(output_dir, "recovered.csv"), rows)
    path = os.path.join(output_dir, "summary.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(summary)
