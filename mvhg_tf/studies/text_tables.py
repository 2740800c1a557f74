"""Tables as text: CSV files, and Markdown."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence


def write_csv(path: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes rows of equal keys as a CSV file with a header."""
    rows = list(rows)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a Markdown table, a trailing newline included."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
