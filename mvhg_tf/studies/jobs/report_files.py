"""Writes a report as one HTML page, as Markdown and as CSV.

    <folder>/report.html   one file, pictures within
            /report.md     the same, beside its pictures
            /<name>.png    each chart
            /<name>.csv    each table, with all digits
            /report.json   the report's title and its files

A report may be written again over itself; files that are not its own it leaves alone.
"""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable, Sequence

import markdown

from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.whole import write_json
from mvhg_tf.studies import text_tables
from mvhg_tf.studies.jobs.report_parts import Chart, Report, Section, Table

_FOLDER = "report"
_MANIFEST = "report.json"
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
p code {{ overflow-wrap: anywhere; }}
summary {{ cursor: pointer; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


_SMOKE = "**A smoke run: it shows that all steps work. Its numbers mean nothing.**"


def write_of_study(
    preset: str,
    title: str,
    lead: str,
    sections: Iterable[Section | None],
    output_directory: str,
) -> str:
    """Writes a study's report into the folder `report` beside its jobs.

    Args:
      preset: of the study; a report of "smoke" begins with what that is.
      title: its headline.
      lead: Markdown under the headline.
      sections: in their order; tables without rows are left out, and sections that
        are None or empty.
      output_directory: of the study.

    Returns:
      The path of the HTML page.

    Raises:
      UserError: if the report can't be written there.
    """
    kept = []
    for section in filter(None, sections):
        parts = [p for p in section.parts if not isinstance(p, Table) or p.rows]
        if parts:
            kept.append(Section(section.title, parts))
    lead = f"{_SMOKE}\n\n{lead.strip()}" if preset == "smoke" else lead
    report = Report(title, lead, kept)
    return write(report, os.path.join(output_directory, _FOLDER))


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
            text_tables.write_csv(os.path.join(folder, name), table.as_records())
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
    body = body.replace(" ± ", "&nbsp;±&nbsp;")  # in one line
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
                "or give another --output_dir."
            )
    present = {name for name in names if os.path.exists(os.path.join(folder, name))}
    if foreign := sorted(present - set(earlier)):
        raise UserError(
            f"{os.path.join(folder, foreign[0])} is in the report's way and not its "
            "own: move it away, or give another --output_dir."
        )
    kept = [name for name in earlier if os.path.exists(os.path.join(folder, name))]
    _write_manifest(folder, title, sorted({*kept, *names}))
    return kept


def _write_manifest(folder: str, title: str, names: Sequence[str]) -> None:
    manifest = {"title": title, "files": names}
    write_json(os.path.join(folder, _MANIFEST), manifest, indent=2)


def _write_text(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
