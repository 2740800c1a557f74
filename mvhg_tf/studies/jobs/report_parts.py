"""What a report is made of: text, tables, charts and listings, in sections.

Nothing here knows what is reported.
"""

from __future__ import annotations

import dataclasses
import html
import io
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias, TypeGuard, TypeVar

import numpy as np
from matplotlib.figure import Figure

from mvhg_tf.studies import text_tables

_DOTS_PER_INCH = 110


@dataclasses.dataclass(frozen=True)
class Spread:
    """A mean over repetitions.

    Attributes:
      mean: of the values.
      deviation: the sample standard deviation (over n - 1); None of one value.
      count: of the values; None where it isn't known.
    """

    mean: float
    deviation: float | None = None
    count: int | None = None


Cell: TypeAlias = str | int | float | Spread | None


def spread_of(values: Iterable[float | None]) -> Spread | None:
    """The mean and deviation of what is known: None and NaN are left out.

    Returns:
      None where nothing is known, which is an empty cell.
    """
    known = [value for value in values if is_known(value)]
    if not known:
        return None
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Spread(float(np.mean(known)), deviation, len(known))


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether it is a number, and not NaN."""
    return value is not None and not math.isnan(value)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table, shown rounded and written as CSV with all digits.

    In the CSV file, a column that holds a `Spread` becomes three: its mean, its
    deviation and its count.

    Attributes:
      name: of its CSV file, unique within the report.
      header: the columns' titles.
      rows: of as many cells each; None is an empty cell.
      digits: shown after the decimal point.
      folded: a title under which a long table is folded away; "" shows it at once.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: int = 2
    folded: str = ""

    def as_markdown(self) -> str:
        """As it stands in `report.md`."""
        table = text_tables.markdown_table(
            self.header, [[self._shown(cell) for cell in row] for row in self.rows]
        )
        table += f"\n[{self.name}.csv]({self.name}.csv)\n"
        return _folded(self.folded, table) if self.folded else table

    def as_records(self) -> list[dict[str, Cell]]:
        """The rows of the CSV file."""
        spread_columns = {
            column
            for row in self.rows
            for column, cell in enumerate(row)
            if isinstance(cell, Spread)
        }
        records = []
        for row in self.rows:
            record: dict[str, Cell] = {}
            for column, (title, cell) in enumerate(zip(self.header, row, strict=True)):
                if column not in spread_columns:
                    record[title] = cell
                    continue
                spread = cell if isinstance(cell, Spread) else None
                record[title] = spread.mean if spread else cell
                record[f"{title} (deviation)"] = spread.deviation if spread else None
                record[f"{title} (count)"] = spread.count if spread else None
            records.append(record)
        return records

    def _shown(self, cell: Cell) -> str:
        if cell is None:
            return ""
        if isinstance(cell, Spread):
            mean = self._shown(cell.mean)
            if cell.deviation is None:
                return mean
            return f"{mean} ± {self._shown(cell.deviation)}"
        if isinstance(cell, float):
            return f"{cell:.{self.digits}f}"
        return html.escape(str(cell), quote=False).replace("|", "\\|")


@dataclasses.dataclass(frozen=True)
class Chart:
    """A picture.

    Attributes:
      name: of its PNG file, unique within the report.
      figure: what it shows.
      caption: a sentence under it.
    """

    name: str
    figure: Figure
    caption: str

    @property
    def file(self) -> str:
        """The name of its PNG file."""
        return f"{self.name}.png"

    def as_markdown(self) -> str:
        """As it stands in `report.md`."""
        return f"![{self.caption}]({self.file})\n\n*{self.caption}*\n"

    def as_png(self) -> bytes:
        """What its PNG file holds."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
        return buffer.getvalue()


@dataclasses.dataclass(frozen=True)
class Listing:
    """A long text as it is, such as a configuration, folded under its title."""

    title: str
    text: str

    def as_markdown(self) -> str:
        """As it stands in `report.md`."""
        return _folded(self.title, f"<pre>{html.escape(self.text.strip())}</pre>\n")


def _folded(title: str, text: str) -> str:
    # GitHub's Markdown needs the empty lines, Python's the attribute.
    summary = f"<summary>{html.escape(title)}</summary>"
    return f'<details markdown="1">\n{summary}\n\n{text}\n</details>\n'


Part: TypeAlias = str | Table | Chart | Listing
P = TypeVar("P", Table, Chart, Listing)


@dataclasses.dataclass(frozen=True)
class Section:
    """A headline and what is under it, in order; a `str` is Markdown."""

    title: str
    parts: Sequence[Part]


@dataclasses.dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
      title: its headline, which distinguishes it from other reports.
      lead: Markdown under the headline.
      sections: in their order.
    """

    title: str
    lead: str
    sections: Sequence[Section]

    def parts(self, kind: type[P]) -> list[P]:
        """The tables, charts or listings of all sections."""
        return [
            part
            for section in self.sections
            for part in section.parts
            if isinstance(part, kind)
        ]

    def as_markdown(self) -> str:
        """As it stands in `report.md`."""
        blocks = [f"# {self.title}\n", f"{self.lead.strip()}\n"]
        for section in self.sections:
            blocks.append(f"## {section.title}\n")
            for part in section.parts:
                blocks.append(
                    f"{part.strip()}\n" if isinstance(part, str) else part.as_markdown()
                )
        return "\n".join(blocks)
