"""Runs the tests that disentanglement_lib ships, from its package, on TensorFlow 2.

    python tests/library/library_tests.py [arguments of pytest]

Those of `exclusions` are left out by name; no other is skipped.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from exclusions import EXCLUSIONS

NUM_FILES = 28  # in the wheel of version 1.5
# They ask for a session of their own, or the static shapes of placeholders.
_GRAPH_MODE_FILES = ("util_test.py", "relational_layers_test.py")


def library_path() -> Path:
    [folder] = importlib.util.find_spec(
        "disentanglement_lib"
    ).submodule_search_locations
    return Path(folder)


class LibraryTests:
    """Pytest's hooks: what the tests need around them, and what is left out."""

    def __init__(self, root: Path):
        self._root = root

    def _test_id(self, item: pytest.Item) -> str:
        file = item.path.relative_to(self._root).as_posix()
        return "::".join([file, *item.nodeid.split("::")[1:]])

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Takes the exclusions out, if all are there, and all files too.

        Raises:
          pytest.UsageError: if the library's tests are not those that are known.
        """
        num_files = len({item.path for item in items})
        if num_files != NUM_FILES:
            raise pytest.UsageError(
                f"disentanglement_lib has {num_files} files of tests, but version 1.5 "
                f"has {NUM_FILES}: install disentanglement-lib==1.5 anew."
            )
        excluded = {name for e in EXCLUSIONS for name in e.test_ids}
        unknown = excluded - {self._test_id(item) for item in items}
        if unknown:
            raise pytest.UsageError(
                f"These tests are excluded, but do not exist: {sorted(unknown)}; mend "
                "tests/library/exclusions.py."
            )
        left_out = [item for item in items if self._test_id(item) in excluded]
        items[:] = [item for item in items if self._test_id(item) not in excluded]
        config.hook.pytest_deselected(items=left_out)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Without an earlier test's bindings, and where it is needed in a graph."""
        import gin
        import tensorflow as tf

        gin.clear_config()
        try:
            if item.path.name in _GRAPH_MODE_FILES:
                with tf.Graph().as_default():
                    return (yield)
            return (yield)
        finally:
            gin.clear_config()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call) -> Iterator[None]:
        """A test that skips itself fails: only the exclusions are left out."""
        report = yield
        if report.skipped:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} skipped itself: {report.longrepr}"
        return report


def main(arguments: list[str]) -> int:
    root = library_path()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TEST_TMPDIR"] = folder  # absl's and TensorFlow's
        from absl import flags

        from mvhg_tf.disentanglement import compat  # noqa: F401

        if not flags.FLAGS.is_parsed():
            flags.FLAGS(["library_tests"])
        return pytest.main(
            [
                # Rewritten assertions would bypass compat, which loads the modules.
                "--assert=plain",
                f"--rootdir={root}",
                "--config-file=/dev/null",
                "-p",
                "no:cacheprovider",
                *arguments,
                *map(str, sorted(root.rglob("*_test.py"))),
            ],
            plugins=[LibraryTests(root)],
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
