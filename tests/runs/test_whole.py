import json
import os
from pathlib import Path

import pytest

from mvhg_tf.runs.whole import write_json, written_whole


def write_file(part: str) -> None:
    Path(part).write_text("new")


def write_folder(part: str) -> None:
    os.makedirs(os.path.join(part, "deep"))
    Path(part, "deep", "a").write_text("new")


def content(path: Path) -> list[str]:
    if path.is_file():
        return [path.read_text()]
    return sorted(p.read_text() for p in path.rglob("*") if p.is_file())


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("earlier", [None, write_file, write_folder])
@pytest.mark.parametrize("left", [None, write_file, write_folder])
def test_what_was_written_gets_the_name(tmp_path, write, earlier, left):
    path, part = tmp_path / "a.x", tmp_path / "a.part.x"
    if earlier:
        earlier(str(path))
    if left:
        left(str(part))
        (part / "old" if part.is_dir() else part).write_text("old")
    if earlier is write_folder and write is write_file:
        # A folder is replaced by a folder alone.
        with pytest.raises(IsADirectoryError):
            with written_whole(str(path)) as given:
                write(given)
        assert os.listdir(tmp_path) == ["a.x"]
        return
    with written_whole(str(path)) as given:
        assert given == str(part) and not part.exists()
        write(given)
    assert content(path) == ["new"]
    assert os.listdir(tmp_path) == ["a.x"]


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_changes_where_writing_fails(tmp_path, write, error):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(error), written_whole(str(path)) as part:
        write(part)
        raise error
    assert content(path) == ["old"]
    assert os.listdir(tmp_path) == ["a"]


def test_json_that_cannot_be_written_leaves_the_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(str(path), {"a": [1, 2.5]}, indent=2)
    assert json.loads(path.read_text()) == {"a": [1, 2.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(str(path), {"a": float("nan")}, allow_nan=False)
    assert json.loads(path.read_text()) == {"a": [1, 2.5]}
    assert os.listdir(tmp_path) == ["a.json"]
