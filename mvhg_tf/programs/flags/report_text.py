"""Markdown as text for a terminal: wrapped paragraphs, and tables in columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

_WIDTH = 80
_MARGIN = "  "


def print_markdown(text: str) -> None:
    """Prints Markdown for a terminal: wrapped paragraphs, and tables in columns."""
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        table = [line for line in lines if line.startswith("|")]
        if table:
            header, _, *rows = (line.strip("| ").split(" | ") for line in table)
            print("\n".join(_table(header, rows)))
        rest = " ".join(line for line in lines if line not in table)
        print(textwrap.fill(rest, _WIDTH), end="\n\n" if rest else "\n")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned columns; rows that share their first cell stand under it."""
    groups = dict.fromkeys(row[0] for row in rows)
    is_grouped = len(groups) < len(rows)
    first = 1 if is_grouped else 0
    widths = [
        max(len(cell) for cell in (*cells, *name.split()))
        for name, *cells in list(zip(header, *rows, strict=True))[first:]
    ]

    def line(cells: Iterable[str]) -> str:
        return (_MARGIN + "  ".join(map(str.ljust, cells, widths))).rstrip()

    names = [
        textwrap.wrap(name, width, break_on_hyphens=False)
        for name, width in zip(header[first:], widths, strict=True)
    ]
    height = max(map(len, names))
    above = zip(*([""] * (height - len(parts)) + parts for parts in names), strict=True)
    yield from map(line, above)
    for group in groups if is_grouped else [""]:
        if is_grouped:
            yield f"{_MARGIN}{header[0]} {group}:"
        for row in rows:
            if not is_grouped or row[0] == group:
                yield line(row[first:])
