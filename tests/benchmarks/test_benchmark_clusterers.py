"""The benchmark of clusterers keeps what it has measured, and refuses early."""

import sys

import numpy as np
import pytest

from benchmarks import clusterer_accuracies, clusterers


@pytest.mark.parametrize(
    ("python", "expected"),
    [("nowhere/python", "does not run"), (sys.executable, "can't import ClustPy")],
)
def test_a_python_without_clustpy_is_refused_before_anything_is_measured(
    python, expected, tmp_path, capsys
):
    output = tmp_path / "table.md"
    flags = [f"--clustpy_python={python}", f"--output={output}"]
    assert clusterers.main(flags) == 2
    assert expected in capsys.readouterr().err
    assert not output.exists()


def test_what_was_measured_before_a_stop_is_written(tmp_path, monkeypatch, capsys):
    x = np.repeat([[0.0, 0.0], [9.0, 9.0]], 5, axis=0)
    labels = np.repeat([0, 1], 5)
    sets = [clusterer_accuracies._Set(name, x, labels) for name in ("first", "digits")]

    def cluster(x, num_clusters, seed):
        if output.exists():
            raise KeyboardInterrupt
        return labels

    monkeypatch.setattr(clusterer_accuracies, "_small_sets", lambda: iter(sets))
    monkeypatch.setattr(clusterer_accuracies, "_vade", cluster)
    output = tmp_path / "table.md"
    assert clusterers.main([f"--output={output}", "--rounds=1"]) == 130
    assert "--output holds what was measured" in capsys.readouterr().err
    written = output.read_text()
    assert "| first | 10 x 2 | 100.0 (0 s) | 100.0 (0 s) |" in written
    assert "digits" not in written
