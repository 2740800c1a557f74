"""On the two metrics that take little at small sizes; the program has all nine."""

import pytest

from benchmarks import metric_timings
from mvhg_tf.disentanglement.metrics import boosted_trees

FILES = ["dci", "mig"]


@pytest.fixture
def text(monkeypatch) -> str:
    files = metric_timings.library_studies.LibraryStudy(
        metric_timings._STUDY
    ).evaluation_files

    class _Study:
        def __init__(self, name):
            self.evaluation_files = [
                next(file for file in files if file.endswith(f"/{name}.gin"))
                for name in FILES
            ]

    monkeypatch.setattr(metric_timings.library_studies, "LibraryStudy", _Study)
    monkeypatch.setattr(metric_timings, "_FACTOR_SIZES", (3, 2))
    return metric_timings.run(rounds=1, num_points=200, num_seeds=2, seed_points=100)


def _tables(text: str) -> list[list[list[str]]]:
    """The rows of each table, without its header."""
    return [
        [
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in block.splitlines()[2:]
        ]
        for block in text.split("\n\n")
        if block.startswith("|")
    ]


def test_tells_times_and_scores_of_both_kinds_of_trees(text):
    times, scores = _tables(text)
    assert [row[0] for row in times] == [*FILES, "all"]
    for row in times:
        library, ours, ratio = map(float, row[1:4])
        assert library >= 0 and ours >= 0 and ratio > 0
    assert {row[0] for row in scores} == {
        "informativeness_train",
        "informativeness_test",
        "disentanglement",
        "completeness",
    }
    for row in scores:
        for cell in (row[1], row[2]):
            mean, spread = map(float, cell.split(" ± "))
            assert 0 <= mean <= 1 and spread >= 0
        library, ours = map(float, row[4:])
        assert library == pytest.approx(ours, abs=0.05)


def test_the_two_sides_grow_different_trees(monkeypatch):
    grown = []
    fit = boosted_trees.GradientBoostingClassifier.fit

    def noted(self, *arguments):
        grown.append(self)
        return fit(self, *arguments)

    monkeypatch.setattr(boosted_trees.GradientBoostingClassifier, "fit", noted)
    monkeypatch.setattr(metric_timings, "_FACTOR_SIZES", (3, 2))
    [file] = [
        file
        for file in metric_timings.library_studies.LibraryStudy(
            metric_timings._STUDY
        ).evaluation_files
        if file.endswith("/dci.gin")
    ]
    with metric_timings.compat.scikit_learns_trees():
        metric_timings._measure(file, 100, seed=0)
    assert not grown
    metric_timings._measure(file, 100, seed=0)
    assert len(grown) == 2
