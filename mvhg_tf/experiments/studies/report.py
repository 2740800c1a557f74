"""A report of text, tables and figures, as one HTML page, as Markdown and as CSV.

    <folder>/report.html   one file, pictures within
            /report.md     the same, beside its pictures
            /<name>.png    each chart
            /<name>.csv    each table, with all digits
            /report.json   the report's title and its files

A report may be written again over itself; files that are not its own it leaves alone.
Nothing here knows what is reported.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import math
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import markdown
import numpy as np
from matplotlib.figure import Figure

from mvhg_tf.errors import UserError
from mvhg_tf.experiments import command_line

_MANIFEST = "report.json"
_DOTS_PER_INCH = 110
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
h1, h2 {{ line-height: 1.2; }}
h2 {{ margin-top: 3rem; border-bottom: 1px solid #ccc; padding-bottom: .3rem; }}
table {{ display: block; overflow-x: auto; border-collapse: collapse;
  font-size: .9rem; font-variant-numeric: tabular-nums; margin: 1rem 0; }}
th, td {{ padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }}
th {{ border-bottom: 2px solid #888; vertical-align: bottom; }}
tbody tr:nth-child(even) {{ background: #f6f6f6; }}
img {{ max-width: 100%; display: block; margin: 1rem 0 .3rem; }}
pre {{ background: #f6f6f6; padding: .7rem; overflow-x: auto; font-size: .8rem; }}
summary {{ cursor: pointer; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


class Spread(NamedTuple):
    """A mean over repetitions.

    Attributes:
      mean: of the values.
      deviation: the sample standard deviation (over n - 1); None of one value.
      count: of the values; None where it isn't known.
    """

    mean: float
    deviation: float | None = None
    count: int | None = None


Cell = str | int | float | Spread | None


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


def is_known(value: float | None) -> bool:
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
        table = command_line.markdown_table(
            self.header, [[self._shown(cell) for cell in row] for row in self.rows]
        )
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
            record = {}
            for column, (title, cell) in enumerate(zip(self.header, row, strict=True)):
                if column not in spread_columns:
                    record[title] = cell
                    continue
                known = isinstance(cell, Spread)
                spread = cell if known else Spread(cell)
                record[title] = spread.mean
                record[f"{title} (deviation)"] = spread.deviation
                record[f"{title} (count)"] = spread.count
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
        return f"{self.name}.png"

    def as_markdown(self) -> str:
        return f"![{self.caption}]({self.file})\n\n*{self.caption}*\n"

    def as_png(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
        return buffer.getvalue()


@dataclasses.dataclass(frozen=True)
class Listing:
    """A long text as it is, such as a configuration, folded under its title."""

    title: str
    text: str

    def as_markdown(self) -> str:
        return _folded(self.title, f"<pre>{html.escape(self.text.strip())}</pre>\n")


def _folded(title: str, text: str) -> str:
    # GitHub's Markdown needs the empty lines, Python's the attribute.
    summary = f"<summary>{html.escape(title)}</summary>"
    return f'<details markdown="1">\n{summary}\n\n{text}\n</details>\n'


@dataclasses.dataclass(frozen=True)
class Section:
    """A headline and what is under it, in order; a `str` is Markdown."""

    title: str
    parts: Sequence[str | Table | Chart | Listing]


@dataclasses.dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
      title: its headline, which tells it from other reports.
      lead: Markdown under the headline.
      sections: in their order.
    """

    title: str
    lead: str
    sections: Sequence[Section]

    def parts(self, kind: type) -> list:
        """The tables, charts or listings of all sections."""
        return [
            part
            for section in self.sections
            for part in section.parts
            if isinstance(part, kind)
        ]

    def as_markdown(self) -> str:
        blocks = [f"# {self.title}\n", f"{self.lead.strip()}\n"]
        for section in self.sections:
            blocks.append(f"## {section.title}\n")
            for part in section.parts:
                is_text = isinstance(part, str)
                blocks.append(f"{part.strip()}\n" if is_text else part.as_markdown())
        return "\n".join(blocks)


def write(report: Report, folder: str) -> str:
    """Writes a report's files.

    Args:
      report: the report.
      folder: made if it isn't there; its other files stay as they are.

    Returns:
      The path of `report.html`.

    Raises:
      UserError: if the folder can't be written to, or holds another report or a file
        of a name that the report needs.
    """
    pictures = {chart.file: chart.as_png() for chart in report.parts(Chart)}
    tables = {f"{table.name}.csv": table for table in report.parts(Table)}
    names = ["report.html", "report.md", *pictures, *tables]
    try:
        os.makedirs(folder, exist_ok=True)
        earlier = _claim(folder, report.title, names)
        for name, picture in pictures.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(picture)
        for name, table in tables.items():
            command_line.write_csv(os.path.join(folder, name), table.as_records())
        text = report.as_markdown()
        _write_text(os.path.join(folder, "report.md"), text)
        page = _as_html(report.title, text, pictures)
        _write_text(os.path.join(folder, "report.html"), page)
        for name in set(earlier) - set(names):
            os.remove(os.path.join(folder, name))
        _write_manifest(folder, report.title, names)
    except OSError as error:
        raise UserError(
            f"The report can't be written to {folder} ({error.strerror}); give a "
            "folder that you may write to."
        ) from error
    return os.path.join(folder, "report.html")


def _as_html(title: str, text: str, pictures: dict[str, bytes]) -> str:
    body = markdown.markdown(text, extensions=["tables", "sane_lists", "md_in_html"])
    for name, picture in pictures.items():
        data = base64.b64encode(picture).decode("ascii")
        body = body.replace(f'src="{name}"', f'src="data:image/png;base64,{data}"')
    return _PAGE.format(title=html.escape(title), body=body)


def _claim(folder: str, title: str, names: Sequence[str]) -> list[str]:
    """Notes that the files are the report's, and returns those that already were."""
    path = os.path.join(folder, _MANIFEST)
    earlier: list[str] = []
    if os.path.exists(path):
        try:
            with open(path, encoding="utf-8") as file:
                manifest = json.load(file)
            of_this, earlier = manifest["title"] == title, manifest["files"]
        except (ValueError, TypeError, KeyError):
            of_this = False
        if not of_this:
            raise UserError(
                f"{path} is not of this report ({title!r}): move that folder away, "
                "or give another --output_directory."
            )
    present = {name for name in names if os.path.exists(os.path.join(folder, name))}
    if foreign := sorted(present - set(earlier)):
        raise UserError(
            f"{os.path.join(folder, foreign[0])} is in the report's way and not its "
            "own: move it away, or give another --output_directory."
        )
    kept = [name for name in earlier if os.path.exists(os.path.join(folder, name))]
    _write_manifest(folder, title, sorted({*kept, *names}))
    return kept


def _write_manifest(folder: str, title: str, names: Sequence[str]) -> None:
    path = os.path.join(folder, _MANIFEST)
    _write_text(path + ".part", json.dumps({"title": title, "files": names}, indent=2))
    os.replace(path + ".part", path)


def _write_text(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
