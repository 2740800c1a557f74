"""Results in the library's layout, with the versions that made them."""

import json
import os
import platform
from importlib import metadata

import keras
import numpy as np
import sklearn
import tensorflow as tf

import mvhg_tf
from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.utils import results as library_results  # isort: skip


def write_results(
    output_dir: str, step_name: str, results: dict, input_dir: str | None = None
) -> None:
    """Writes `<output_dir>/results`, with the operative gin configuration.

    The files and keys are the library's: `gin/<step>.gin`, `json/<step>_config.json`,
    `json/<step>_results.json` and `aggregate/<step>.json`. In addition,
    `json/<step>_versions.json` is written and aggregated like the others.

    Args:
      output_dir: the run's folder.
      step_name: "train", "postprocess" or "evaluation".
      results: names and values; values are numbers, strings, arrays or dictionaries.
      input_dir: the folder of the step before, whose results, if it has any, are
        carried over. Nothing is written there.

    Raises:
      UserError: if those can't be read, or the folder can't be written to.
    """
    folder = os.path.join(output_dir, "results")
    path = os.path.join(folder, "json", f"{step_name}_versions.json")
    earlier = os.path.join(input_dir, "results") if input_dir else ""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(_versions(), file, indent=2)
        library_results.update_result_directory(
            folder,
            step_name,
            dict(results),
            earlier if os.path.isdir(earlier) else None,
        )
    except PermissionError as error:
        raise UserError(
            f"{error.filename} can't be read or written ({error.strerror}): change its "
            "permissions."
        ) from error


def _versions() -> dict[str, str]:
    return {
        "disentanglement_lib": metadata.version("disentanglement-lib"),
        "keras": keras.__version__,
        "mvhg_tf": mvhg_tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "tensorflow": tf.__version__,
    }
