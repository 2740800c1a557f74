"""The notebooks' code runs, and prints what its reader sees."""

import contextlib
import io
import json
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "docs").glob("*.ipynb"))
NUMBER = re.compile(r" *-?\d+(?:\.\d*)?")  # NumPy pads numbers with spaces


def test_each_part_has_one():
    assert [path.stem for path in NOTEBOOKS] == ["clustering", "distribution", "pairs"]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_prints_and_draws_what_is_stored(monkeypatch, notebook):
    monkeypatch.setattr(plt, "show", lambda: None)
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    names = {"__name__": "__notebook__"}
    with matplotlib.rc_context({"backend": "agg"}):
        for cell in (cell for cell in cells if cell["cell_type"] == "code"):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec("".join(cell["source"]), names)
            stored = "".join(
                line for output in cell["outputs"] for line in output.get("text", [])
            )
            assert NUMBER.sub("#", printed.getvalue()) == NUMBER.sub("#", stored)
            got, shown = (
                [float(number) for number in NUMBER.findall(text)]
                for text in (printed.getvalue(), stored)
            )
            # The last digit may be rounded otherwise on another machine.
            np.testing.assert_allclose(got, shown, atol=0.011)
            pictures = ["image/png" in out.get("data", {}) for out in cell["outputs"]]
            assert any(pictures) == bool(plt.get_fignums())
            plt.close("all")
