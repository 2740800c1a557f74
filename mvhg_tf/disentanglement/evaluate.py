"""Scores of a representation: disentanglement_lib's metrics, and ours, by gin."""

import importlib
import inspect
import os
import time
from collections.abc import Callable

import gin
import numpy as np
from threadpoolctl import threadpool_limits

from mvhg_tf import gin_session, run_directory
from mvhg_tf.disentanglement import compat, results  # noqa: F401
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.metrics import shared_independent  # noqa: F401
from mvhg_tf.disentanglement.saved_model import Representation, resolve_dataset

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


def evaluate_with_gin(
    model_dir: str,
    output_dir: str,
    overwrite: bool = False,
    gin_config_files: list[str] | None = None,
    gin_bindings: list[str] | None = None,
) -> None:
    """Evaluates as gin files and bindings say, and clears the configuration.

    Args:
      model_dir: the folder of a representation.
      output_dir: the folder for the scores.
      overwrite: whether earlier ones there may be replaced.
      gin_config_files: paths, read in their order.
      gin_bindings: such as "evaluation.random_seed = 0"; they win over the files.

    Raises:
      UserError: for a mistake in any of these; nothing is deleted.
    """
    with gin_session.configured(gin_config_files, gin_bindings):
        evaluate(model_dir, output_dir, overwrite)


@gin.configurable("evaluation", denylist=["model_dir", "output_dir", "overwrite"])
def evaluate(
    model_dir: str,
    output_dir: str,
    overwrite: bool = False,
    evaluation_fn: Callable = gin.REQUIRED,
    random_seed: int = gin.REQUIRED,
    name: str = "",
) -> None:
    """Computes one metric of a representation.

    Args:
      model_dir: the folder of a representation.
      output_dir: gets `results`; those of the steps before are carried over.
      overwrite: whether an earlier run there may be replaced.
      evaluation_fn: such as `@mig`. It takes the data set, the representation (a
        function from images to `[N, d]`; see `Representation`), `random_state` and,
        if it has such a parameter, `artifact_dir`, and returns a dictionary.
      random_seed: of the random state.
      name: of the metric; the artifacts go to `<model_dir>/artifacts/<name>`.

    Raises:
      UserError: if there is no representation, or the folder is not free.
    """
    representation = Representation(model_dir)
    resolve_dataset(model_dir, "postprocess")
    dataset = named_data.get_named_ground_truth_data()
    with run_directory.open_run(output_dir, "evaluation", overwrite, model_dir):
        started = time.monotonic()
        arguments = {"random_state": np.random.RandomState(random_seed)}
        if _takes(evaluation_fn, "artifact_dir"):
            arguments["artifact_dir"] = os.path.join(model_dir, "artifacts", name)
        # Their regressions are small: over several threads they take ten times as long.
        with threadpool_limits(1):
            scores = dict(evaluation_fn(dataset, representation, **arguments))
        scores["elapsed_time"] = time.monotonic() - started
        results.write_results(output_dir, "evaluation", scores, model_dir)


def _takes(function: Callable, name: str) -> bool:
    """Whether a function has the parameter, or takes any."""
    parameters = inspect.signature(function).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    return name in parameters or inspect.Parameter.VAR_KEYWORD in kinds
