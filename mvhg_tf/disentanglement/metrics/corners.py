"""Explains in one sentence where the library's metrics are undefined.

What a metric can't do with a data set and a representation is found before any work is
done. What only its own computation finds, such as a value missing from a small sample,
is reported then.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError, message_of

from disentanglement_lib.evaluation.metrics import irs  # isort: skip

# By the names of the functions.
_TWO_LATENTS = ("mig", "sap", "unified_scores", "unsupervised_metrics")
_TWO_FACTORS = (
    "beta_vae_sklearn",
    "fairness",
    "reduced_downstream_task",
    "strong_downstream_task",
    "unified_scores",
)
_TWO_VALUES = (
    "dci",
    "downstream_task",
    "fairness",
    "mig",
    "modularity_explicitness",
    "reduced_downstream_task",
    "sap",
    "strong_downstream_task",
    "unified_scores",
)
_OF_LIBRARY = "disentanglement_lib."
_FAILURES = (AssertionError, IndexError, ValueError, ZeroDivisionError)


def check(
    evaluation_fn: Callable, dataset: GroundTruthData, num_latent: int | None
) -> None:
    """Makes sure that a metric of the library is defined; others pass.

    Args:
      evaluation_fn: the metric.
      dataset: a disentanglement_lib `GroundTruthData`.
      num_latent: d, if it is known.

    Raises:
      UserError: if there are too few latents, factors or values of a factor.
    """
    if not evaluation_fn.__module__.startswith(_OF_LIBRARY):
        return
    name = evaluation_fn.__name__.removeprefix("compute_")
    least = 2 if name in _TWO_LATENTS else 1
    if name == "reduced_downstream_task":
        least += gin_config.query(f"{name}.num_factors_to_remove", 0)
    if num_latent is not None and num_latent < least:
        raise UserError(
            f"@{name} of {_number(num_latent, 'latent')} is undefined, because it "
            f"needs {least} or more: use another "
            f"metric{', or remove fewer' if least > 2 else ''}."
        )
    sizes = list(dataset.factors_num_values)
    if name in _TWO_FACTORS and len(sizes) < 2:
        raise UserError(
            f"@{name} of {_number(len(sizes), 'factor')} is undefined, because it "
            "needs 2 or more: use another metric."
        )
    constant = [i for i, size in enumerate(sizes) if size < 2]
    if constant and name in _TWO_VALUES:
        names = getattr(dataset, "factor_names", None) or range(len(sizes))
        raise UserError(
            f"@{name} is undefined, because the factor {names[constant[0]]!r} has only "
            "one value: leave the factor out of the data, or use another metric."
        )


def _number(num: int, noun: str) -> str:
    return f"{num} {noun}{'' if num == 1 else 's'}"


def scores_of(
    evaluation_fn: Callable, dataset: GroundTruthData, scored: object, **arguments: Any
) -> dict[str, object]:
    """The scores of a metric; reports on stderr what is undefined.

    `num_active_dims` of IRS is the number of latents that vary; in the library it is
    the sum of all their values.

    Args:
      evaluation_fn: the metric.
      dataset: a disentanglement_lib `GroundTruthData`.
      scored: what it scores.
      **arguments: further ones of the metric.

    Raises:
      UserError: if a metric of the library fails.
    """
    if not hasattr(dataset, "factor_names") and hasattr(dataset, "num_factors"):
        dataset.factor_names = [f"factor {i}" for i in range(dataset.num_factors)]
    drop_constant_dims, active = irs._drop_constant_dims, []

    def counted(latents: np.ndarray) -> np.ndarray:
        kept = drop_constant_dims(latents)
        active.append(len(kept))
        return kept

    irs._drop_constant_dims = counted
    try:
        scores = dict(evaluation_fn(dataset, scored, **arguments))
    except UserError:
        raise
    except _FAILURES as error:
        if not evaluation_fn.__module__.startswith(_OF_LIBRARY):
            raise
        name = evaluation_fn.__name__.removeprefix("compute_")
        raise UserError(
            f"@{name} is undefined for this model and these data "
            f"({message_of(error).rstrip('.')}): use more examples (such as "
            f"{name}.num_train), or another metric."
        ) from error
    finally:
        irs._drop_constant_dims = drop_constant_dims
    if active and "num_active_dims" in scores:
        scores["num_active_dims"] = active[-1]
    undefined = list(_undefined(scores))
    if undefined:
        print(f"Undefined (NaN): {', '.join(undefined)}.", file=sys.stderr)
    return scores


def _undefined(scores: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in scores.items():
        if isinstance(value, Mapping):
            yield from _undefined(value, f"{prefix}{name}.")
        elif isinstance(value, float | np.floating) and math.isnan(value):
            yield f"{prefix}{name}"
