"""Scores as a table for a terminal."""

import json
import os
from collections.abc import Iterator

_WIDTH = 80
_NOT_SCORES = ("elapsed_time", "uuid")


def results_path(output_dir: str, step_name: str) -> str:
    """The file of a step's results.

    Args:
      output_dir: the folder of the step.
      step_name: such as "evaluation".
    """
    return os.path.join(output_dir, "results", "json", f"{step_name}_results.json")


def print_scores(output_dir: str, step_name: str) -> None:
    """Prints what a step has written to its results, and an empty line."""
    path = results_path(output_dir, step_name)
    if not os.path.isfile(path):
        return  # only the chief of several machines has results
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    print(score_table(results), end="\n\n")


def score_table(results: dict[str, object]) -> str:
    """A line for each score; a score that is NaN is undefined.

    For tables, and lists too long for a line, only the size is shown.

    Args:
      results: numbers, texts, lists and dictionaries by name.
    """
    lines = list(_lines(results))
    column = max((len(name) for name, _ in lines), default=0) + 2
    return "\n".join(f"  {name:{column}}{text}" for name, text in lines)


def _lines(results: dict[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in results.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{name}.")
        elif name not in _NOT_SCORES:
            yield f"{prefix}{name}", _told(value)


def _told(value: object) -> str:
    if isinstance(value, float):
        return "undefined" if value != value else f"{value:.4g}"
    if isinstance(value, list):
        is_table = any(isinstance(item, list) for item in value)
        text = " ".join(map(_told, value))
        if is_table or len(text) > _WIDTH // 2:
            return f"({len(value)} {'rows' if is_table else 'values'})"
        return text
    return "undefined" if value is None else str(value)
