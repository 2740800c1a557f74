"""Scores of a representation, or of models: the library's metrics and ours, by gin."""

import importlib
import inspect
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import numpy as np
from threadpoolctl import threadpool_limits

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.metrics import (
    corners,
    shared_independent,  # noqa: F401
    udr,
    without_factors,  # noqa: F401
)
from mvhg_tf.disentanglement.models.shared.gaussian import (
    Gaussian,
    kl_to_standard_normal,
)
from mvhg_tf.disentanglement.steps import results
from mvhg_tf.disentanglement.steps.saved_model import (
    Representation,
    bound_value,
    resolve_dataset,
    resolve_dynamics,
)
from mvhg_tf.runs import gin_config, run_directory
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import Seed

# Importing a metric's module makes its name known to gin.
for _name in (
    "beta_vae",
    "dci",
    "downstream_task",
    "factor_vae",
    "fairness",
    "irs",
    "mig",
    "modularity_explicitness",
    "reduced_downstream_task",
    "sap_score",
    "strong_downstream_task",
    "unified_scores",
    "unsupervised_metrics",
):
    importlib.import_module(f"disentanglement_lib.evaluation.metrics.{_name}")


@gin_config.configurable(
    "evaluation", denylist=["model_dir", "output_dir", "overwrite"]
)
def evaluate(
    model_dir: str | Sequence[str],
    output_dir: str,
    overwrite: bool = False,
    evaluation_fn: Callable = gin.REQUIRED,
    random_seed: Seed = gin.REQUIRED,
    name: str = "",
) -> None:
    """Computes one metric of a representation, or of several models side by side.

    If `dynamics.k` is not bound, pairs are drawn as in training. Of `pairs`, the
    held-out ones are scored.

    Args:
      model_dir: the folder of a representation, or those of several trained models.
      output_dir: gets `results`; those of the steps before are carried over.
      overwrite: whether an earlier run there may be replaced.
      evaluation_fn: such as `@mig`. It takes the data set, the representation (a
        function from images to `[N, d]`; see `Representation`), `random_state` and,
        if it has such a parameter, `artifact_dir`, and returns a dictionary. For
        several models it is `@udr_sklearn`, which takes a list of encoders in place
        of the representation; the models' folders join its results.
      random_seed: of the random state.
      name: of the metric; the artifacts go to `<output_dir>/artifacts/<name>` (the
        library puts them into the folder that it reads).

    Raises:
      UserError: if there is no representation or model, the models were trained on
        several data sets, the metric does not fit the input, or the folder is not free.
    """
    _check_metric(evaluation_fn, several=not isinstance(model_dir, str))
    scored: Representation | list[udr.Encoder]
    if isinstance(model_dir, str):
        first, step_before = model_dir, "postprocess"
        scored = Representation(model_dir)
    else:
        _check_models(model_dir)
        first, step_before = model_dir[0], "train"
        scored = [encoder(path) for path in model_dir]
    resolve_dataset(first, step_before)
    follows_training = resolve_dynamics(first)
    dataset = named_data.get_named_ground_truth_data()
    if isinstance(dataset, ListedPairs):
        _, dataset = dataset.split()
    if isinstance(scored, Representation):
        corners.check(evaluation_fn, dataset, scored.num_latent)
    with run_directory.open_run(output_dir, "evaluation", overwrite, model_dir):
        started = time.monotonic()
        arguments: dict[str, Any] = {"random_state": np.random.RandomState(random_seed)}
        if _takes_artifact_dir(evaluation_fn):
            arguments["artifact_dir"] = os.path.join(output_dir, "artifacts", name)
        # Their regressions are small: over several threads they take ten times as long.
        with threadpool_limits(1):
            scores = corners.scores_of(evaluation_fn, dataset, scored, **arguments)
        if not isinstance(model_dir, str):
            scores["model_dirs"] = list(model_dir)
        scores["elapsed_time"] = time.monotonic() - started
        results.write_results(output_dir, "evaluation", scores, first)
        if follows_training:
            _say_dynamics()


evaluate_with_gin = gin_config.with_gin(evaluate)


def _say_dynamics() -> None:
    """Tells which pairs were drawn, if the metric has drawn any."""
    lines = re.findall(
        r"^dynamics\.\w+ = .*$", gin.operative_config_str(), re.MULTILINE
    )
    used = [line for line in lines if not line.endswith(" None")]
    if used:
        print(
            f"Pairs were drawn with {' and '.join(used)}, as in training: bind "
            "dynamics.k to evaluate on others.",
            file=sys.stderr,
        )


def encoder(model_dir: str) -> udr.Encoder:
    """A trained model as `udr` takes it: its posterior means and their divergences.

    Raises:
      UserError: if there is no trained model in the folder.
    """
    model = Representation(model_dir)

    def encode(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, log_variance = model.encode(images)
        divergences = kl_to_standard_normal(Gaussian(mean, log_variance))
        return mean, np.mean(divergences, axis=0)

    return encode


def _check_metric(evaluation_fn: Callable, several: bool) -> None:
    """Makes sure that the metric fits the input."""
    compares = "representation_functions" in _parameters(evaluation_fn)
    if several and not compares:
        raise UserError(
            "evaluation.evaluation_fn scores one representation, but trained models "
            "were given: bind it to @udr_sklearn, or use dlib_evaluate."
        )
    if not several and compares:
        raise UserError(
            "evaluation.evaluation_fn compares trained models, but one representation "
            "was given: use dlib_udr, or bind it to another metric."
        )


def _check_models(model_dirs: Sequence[str]) -> None:
    """Makes sure that there are several models, of one data set."""
    udr.check_number(len(model_dirs))
    if gin_config.query("dataset.name") == "auto":
        names = {bound_value(path, "train", "dataset.name") for path in model_dirs}
        if len(names) > 1:
            raise UserError(
                f"The models were trained on {' and '.join(sorted(names))}: rank "
                "models of one data set, or bind dataset.name to one that all can "
                "encode."
            )


def _takes_artifact_dir(function: Callable) -> bool:
    """Whether a function has this parameter, or takes any."""
    parameters = _parameters(function)
    kinds = {parameter.kind for parameter in parameters.values()}
    return "artifact_dir" in parameters or inspect.Parameter.VAR_KEYWORD in kinds


def _parameters(function: Callable) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters
