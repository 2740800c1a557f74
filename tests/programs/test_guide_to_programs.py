"""The guide to the programs tells of every one, and truly."""

import importlib.metadata
import re

import pytest

from mvhg_tf.programs import PROGRAMS


@pytest.fixture
def rows(repository):
    text = (repository / "docs" / "programs.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(dlib_\w+)` \| ([^|]+) \|", text, re.M))


def test_tells_of_every_program_that_the_library_installs(rows):
    files = importlib.metadata.files("disentanglement-lib")
    programs = {file.name for file in files if file.name.startswith("dlib_")}
    assert set(rows) == programs
    assert len(programs) == 16


def test_tells_which_are_here(rows):
    here = {name for name, state in rows.items() if state in ("same", "better")}
    assert here == {name for name in PROGRAMS if name.startswith("dlib_")}
