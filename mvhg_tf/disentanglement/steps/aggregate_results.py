"""The results of many runs as one table, in disentanglement_lib's JSON format.

TensorFlow is not needed, and so not imported: the library's module, which loads the
table again (`load_aggregated_json_results`), would do that.
"""

import glob
import json
import math
import os

from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.whole import write_json


def aggregate_results_to_json(result_file_pattern: str, output_path: str) -> int:
    """Collects JSON files in one table, with a row for each.

    Args:
      result_file_pattern: such as "output/*/results/aggregate/evaluation.json"; "**"
        stands for any folders. Each file holds an object.
      output_path: gets an object of columns, each an object from the row ("0", "1",
        ...) to the value, null where a file has no such value. Rows are in the order
        of their paths, which are the last column, `path`. The file is written whole
        or not at all; one that is there already is replaced, and is no result itself.

    Returns:
      The number of rows.

    Raises:
      UserError: if no file matches, one of them can't be read or holds no object, or
        the table can't be written.
    """
    paths = [
        path
        for path in sorted(glob.glob(result_file_pattern, recursive=True))
        if os.path.realpath(path) != os.path.realpath(output_path)
    ]
    if not paths:
        raise UserError(
            f"No file matches {result_file_pattern!r}: check --result_file_pattern "
            "(in quotes, so that the shell leaves it alone)."
        )
    rows = [_load(path) | {"path": path} for path in paths]
    names = dict.fromkeys(name for row in rows for name in row if name != "path")
    table = {
        name: {str(i): _finite(row.get(name)) for i, row in enumerate(rows)}
        for name in [*names, "path"]
    }
    _write(output_path, table)
    return len(rows)


def _load(path: str) -> dict:
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        problem = getattr(error, "strerror", None) or error
        raise UserError(
            f"The results in {path} can't be read ({problem}): create them again, or "
            "choose a --result_file_pattern that excludes them."
        ) from error
    if not isinstance(result, dict):
        raise UserError(
            f"{path} holds no results (a JSON object of names and values): choose a "
            "--result_file_pattern that excludes it."
        )
    return result


def _finite(value: object) -> object:
    """The value with null for NaN and infinities, which JSON doesn't have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return value


def _write(path: str, table: dict) -> None:
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        write_json(path, table, allow_nan=False)
    except OSError as error:
        raise UserError(
            f"The table can't be written to {path} ({error.strerror}): choose another "
            "--output_path."
        ) from error
