"""Reports, read back from their files."""

import base64
import csv
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs import report_files, report_parts
from mvhg_tf.studies.jobs.report_parts import Chart, Listing, Section, Spread, Table


def make_report(title="A study", tables=("scores",), charts=("lines",)):
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [1, 0])
    rows = [["a|b", Spread(0.5, 0.25, 2), 3], ["<c>", Spread(1 / 3, None, 1), None]]
    header = ("method", "score", "runs")
    parts = [
        "Some *words* & signs.",
        *(Table(name, header, rows) for name in tables),
        *(Chart(name, figure, "A line falls.") for name in charts),
        Listing("settings <x>", "a = 1\n\nb = '<tag>' & *not emphasis*\n"),
    ]
    return report_parts.Report(title, "What it is.", [Section("Scores", parts)])


def files_of(folder):
    return {path.name for path in folder.iterdir()}


def test_spread_is_the_mean_and_the_sample_deviation():
    # By hand: the mean of 1, 2, 6 is 3, their squared distances are 4, 1 and 9.
    spread = report_parts.spread_of([1.0, None, 2.0, math.nan, 6.0])
    assert spread == Spread(3.0, pytest.approx(math.sqrt(14 / 2)), 3)
    assert report_parts.spread_of([4.0]) == Spread(4.0, None, 1)
    assert report_parts.spread_of([None, math.nan]) is None


def test_page_is_one_file_with_its_pictures(tmp_path):
    path = report_files.write(make_report(), str(tmp_path))
    page = Path(path).read_text(encoding="utf-8")
    [source] = re.findall(r'<img [^>]*src="([^"]*)"', page)
    kind, data = source.split(",")
    assert kind == "data:image/png;base64"
    shown = imread(io.BytesIO(base64.b64decode(data)))
    np.testing.assert_array_equal(shown, imread(tmp_path / "lines.png"))
    assert "http" not in page
    for link in re.findall(r'href="([^"]*)"', page):
        assert (tmp_path / link).is_file()
    assert '<a href="scores.csv">' in page


def test_page_shows_cells_and_listings_as_they_are(tmp_path):
    path = report_files.write(make_report(), str(tmp_path))
    page = Path(path).read_text(encoding="utf-8")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells == ["a|b", "0.50&nbsp;±&nbsp;0.25", "3", "&lt;c&gt;", "0.33", ""]
    listing = re.search(r"<details>.*?</details>", page, re.DOTALL)[0]
    assert "<summary>settings &lt;x&gt;</summary>" in listing
    assert "a = 1\n\nb = &#x27;&lt;tag&gt;&#x27; &amp; *not emphasis*" in listing
    assert "Some <em>words</em> &amp; signs." in page


def test_csv_has_all_digits_and_a_column_for_each_number(tmp_path):
    report_files.write(make_report(), str(tmp_path))
    with open(tmp_path / "scores.csv", encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first.values()) == ["a|b", "0.5", "0.25", "2", "3"]
    assert float(second["score"]) == 1 / 3
    assert [second["score (deviation)"], second["score (count)"]] == ["", "1"]
    assert second["runs"] == ""


def test_written_again_it_replaces_its_own_files_alone(tmp_path):
    report_files.write(make_report(charts=("lines", "more")), str(tmp_path))
    (tmp_path / "notes.txt").write_text("mine")
    report_files.write(make_report(), str(tmp_path))
    assert files_of(tmp_path) == {
        *("report.html", "report.md", "report.json"),
        *("lines.png", "scores.csv", "notes.txt"),
    }


@pytest.mark.parametrize("name", ["report.md", "scores.csv"])
def test_a_file_that_is_not_its_own_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name} is in the report's way"):
        report_files.write(make_report(), str(tmp_path))
    assert files_of(tmp_path) == {name}
    assert (tmp_path / name).read_text() == "mine"


def test_another_report_is_left_alone(tmp_path):
    report_files.write(make_report(), str(tmp_path))
    before = (tmp_path / "report.md").read_text()
    with pytest.raises(UserError, match="is not of this report"):
        report_files.write(make_report("Another study"), str(tmp_path))
    assert (tmp_path / "report.md").read_text() == before


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"title": "A study"})])
def test_a_torn_list_of_files_owns_nothing(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match="is not of this report"):
        report_files.write(make_report(), str(tmp_path))


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written to .*file"):
        report_files.write(make_report(), str(tmp_path / "file"))
