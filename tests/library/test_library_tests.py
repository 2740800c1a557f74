"""The table of exclusions, and that nothing else is left out."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import library_tests
import pytest
from exclusions import EXCLUSIONS
from library_tests import NUM_FILES, LibraryTests

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "library_tests.md"
LIBRARY = library_tests.library_path()
EXCLUDED = [name for exclusion in EXCLUSIONS for name in exclusion.test_ids]


def functions_of(file: Path) -> dict[str, str]:
    """Each function of a file with its decorators as source."""
    return {
        node.name: " ".join(map(ast.unparse, node.decorator_list))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }


def items_of(test_ids):
    """As pytest collects them, with one more test in each of the library's files."""
    files = [f.relative_to(LIBRARY).as_posix() for f in LIBRARY.rglob("*_test.py")]
    return [
        SimpleNamespace(nodeid=f"../{name}", path=LIBRARY / name.split("::")[0])
        for name in [*test_ids, *(f"{file}::Other::test" for file in files)]
    ]


@pytest.fixture
def config():
    hook = SimpleNamespace(pytest_deselected=lambda items: left_out.extend(items))
    left_out = []
    return SimpleNamespace(hook=hook, left_out=left_out)


def test_every_counterpart_is_a_test_of_the_default_run():
    named = {c for e in EXCLUSIONS for c in e.counterparts}
    assert len(named) > 10
    for counterpart in named:
        file, name = counterpart.split("::")
        functions = functions_of(ROOT / file)
        assert name.startswith("test_") and name in functions, counterpart
        assert "slow" not in functions[name], counterpart


def test_only_what_is_no_test_has_no_counterpart():
    for exclusion in EXCLUSIONS:
        alone = exclusion.reason.startswith("no test: ")
        assert alone == (not exclusion.counterparts), exclusion


def test_the_document_names_each_file_and_counterpart():
    text = DOCUMENT.read_text()
    files = sorted(LIBRARY.rglob("*_test.py"))
    assert len(files) == NUM_FILES
    for file in files:
        assert f"`{file.relative_to(LIBRARY)}`" in text
    for exclusion in EXCLUSIONS:
        for counterpart in exclusion.counterparts:
            assert f"`{counterpart.split('::')[1]}`" in text


def test_the_exclusions_are_left_out_and_nothing_else(config):
    items = items_of(EXCLUDED)
    LibraryTests(LIBRARY).pytest_collection_modifyitems(config, items)
    assert len(items) == NUM_FILES
    assert {item.nodeid for item in config.left_out} == {f"../{n}" for n in EXCLUDED}


def test_an_exclusion_that_does_not_exist_is_told(config):
    with pytest.raises(pytest.UsageError, match="do not exist.*test_convolute'"):
        items = items_of([n for n in EXCLUDED if not n.endswith("test_convolute")])
        LibraryTests(LIBRARY).pytest_collection_modifyitems(config, items)


def test_a_missing_file_is_told(config):
    items = items_of(EXCLUDED)
    with pytest.raises(pytest.UsageError, match="has 27 files of tests, but"):
        items = [item for item in items if item.path.name != "mig_test.py"]
        LibraryTests(LIBRARY).pytest_collection_modifyitems(config, items)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("skipped", "failed"), ("passed", "passed"), ("failed", "failed")],
)
def test_a_test_that_skips_itself_fails(outcome, expected):
    report = SimpleNamespace(
        skipped=outcome == "skipped", outcome=outcome, longrepr="no data"
    )
    item = SimpleNamespace(nodeid="a_test.py::test")
    hook = LibraryTests(LIBRARY).pytest_runtest_makereport(item, None)
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(report)
    assert report.outcome == expected
    assert ("skipped itself" in report.longrepr) == (outcome == "skipped")


@pytest.mark.slow
def test_a_test_of_the_library_runs():
    done = subprocess.run(
        [sys.executable, library_tests.__file__, "-q", "-k", "test_discrete_entropy"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert f"{124 + len(EXCLUDED)} deselected" in done.stdout
