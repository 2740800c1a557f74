import json
import os
import subprocess
import sys

import gin
import pytest

from mvhg_tf.runs.errors import RunInterrupted, UserError
from mvhg_tf.runs.run_directory import AlreadyFinished, open_run


class Stopped(Exception):
    """Stands for whatever ends a run."""


@gin.configurable("run_directory_test")
def _configurable(value=0):
    return value


def configure(value):
    gin.clear_config()
    gin.bind_parameter("run_directory_test.value", value)


def make_results(folder, text):
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results" / "scores").write_text(text)


def stop_run(folder, text=None, **arguments):
    with pytest.raises(Stopped), open_run(str(folder), "train", **arguments):
        if text is not None:
            make_results(folder, text)
        raise Stopped


def finish_run(folder, text, **arguments):
    with open_run(str(folder), "train", **arguments) as resume:
        make_results(folder, text)
    return resume


def scores(folder):
    return (folder / "results" / "scores").read_text()


@pytest.fixture
def folder(tmp_path):
    configure(1)
    return tmp_path / "run"


def test_a_new_folder_is_made_and_holds_a_finished_run(folder):
    assert finish_run(folder, "first") is False
    assert json.loads((folder / "run.json").read_text())["finished"] is True


def test_an_empty_folder_is_free(folder):
    folder.mkdir()
    assert finish_run(folder, "first") is False


def test_the_same_unfinished_run_resumes(folder):
    stop_run(folder, "half")
    assert finish_run(folder, "whole") is True
    assert scores(folder) == "whole"


def test_a_killed_run_resumes(folder):
    code = (
        "import os, signal, sys\n"
        "from mvhg_tf.runs.run_directory import open_run\n"
        "with open_run(sys.argv[1], 'train'):\n"
        "    os.mkdir(os.path.join(sys.argv[1], 'checkpoints'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    gin.clear_config()
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert finish_run(folder, "whole") is True


def test_a_finished_run_is_refused_and_kept(folder):
    finish_run(folder, "first")
    with pytest.raises(AlreadyFinished, match="--overwrite"):
        finish_run(folder, "second")
    assert scores(folder) == "first"


@pytest.mark.parametrize("finished", [True, False])
def test_another_configuration_is_refused_and_named(folder, finished):
    (finish_run if finished else stop_run)(folder, "first")
    configure(2)
    with pytest.raises(UserError, match=r"test.value = 1, here .*test.value = 2"):
        finish_run(folder, "second")
    assert scores(folder) == "first"


def test_another_input_is_refused(folder):
    stop_run(folder, "first", input_dir="a")
    with pytest.raises(UserError, match="another configuration"):
        finish_run(folder, "second", input_dir="b")


def test_another_step_is_refused(folder):
    finish_run(folder, "first")
    with (
        pytest.raises(UserError, match="another kind"),
        open_run(str(folder), "evaluation"),
    ):
        pass


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_foreign_folder_is_never_touched(folder, overwrite):
    folder.mkdir()
    (folder / "results").write_text("a thesis")
    with pytest.raises(UserError, match="not written by mvhg_tf"):
        finish_run(folder, "first", overwrite=overwrite)
    assert [path.name for path in folder.iterdir()] == ["results"]
    assert (folder / "results").read_text() == "a thesis"


def test_a_file_is_no_folder(folder):
    folder.write_text("")
    with pytest.raises(UserError, match="not a folder"):
        finish_run(folder, "first")


def test_overwriting_replaces_what_runs_make_and_nothing_else(folder):
    finish_run(folder, "first")
    (folder / "notes.txt").write_text("mine")
    configure(2)
    assert finish_run(folder, "second", overwrite=True) is False
    assert scores(folder) == "second"
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / ".replaced").exists()


def test_an_overwriting_run_that_makes_nothing_gives_the_old_one_back(folder):
    finish_run(folder, "first")
    configure(2)
    stop_run(folder, overwrite=True)
    assert scores(folder) == "first"
    configure(1)
    with pytest.raises(AlreadyFinished):
        finish_run(folder, "second")


def test_an_interrupted_overwriting_run_resumes_without_the_flag(folder):
    finish_run(folder, "first")
    configure(2)
    stop_run(folder, "half", overwrite=True)
    assert finish_run(folder, "whole") is True
    assert scores(folder) == "whole"


def test_a_run_that_makes_nothing_leaves_nothing(folder):
    stop_run(folder)
    assert not folder.exists()
    configure(2)
    assert finish_run(folder, "first") is False


def test_a_run_that_makes_nothing_leaves_no_parent_that_it_made(folder):
    folder.mkdir()
    stop_run(folder / "a" / "b")
    assert not list(folder.iterdir())
    stop_run(folder)
    assert not list(folder.iterdir())
    finish_run(folder / "a" / "b", "first")
    with pytest.raises(UserError, match="cannot be created"):
        finish_run(folder / "c" / ("long" * 100), "second")
    assert [path.name for path in folder.iterdir()] == ["a"]


def test_a_refused_run_leaves_the_folder_as_it_was(folder):
    finish_run(folder, "first")
    before = sorted(os.listdir(folder))
    assert ".run.lock" not in before
    with pytest.raises(AlreadyFinished):
        finish_run(folder, "second")
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("makes", [True, False])
def test_an_interrupt_says_whether_there_is_something_to_go_on_with(folder, makes):
    with pytest.raises(KeyboardInterrupt) as caught, open_run(str(folder), "train"):
        if makes:
            make_results(folder, "half")
        raise KeyboardInterrupt
    assert isinstance(caught.value, RunInterrupted) is makes
    assert folder.exists() is makes


def test_two_runs_at_once_are_refused(folder):
    with open_run(str(folder), "train"):
        make_results(folder, "first")
        with pytest.raises(UserError, match="Another run is using"):
            finish_run(folder, "second")
    assert scores(folder) == "first"


def test_a_damaged_record_is_told(folder):
    finish_run(folder, "first")
    (folder / "run.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        finish_run(folder, "second")
    finish_run(folder, "second", overwrite=True)
    assert scores(folder) == "second"


def test_the_folder_that_is_read_is_not_written_to(tmp_path):
    finish_run(tmp_path / "a", "old")
    before = sorted(os.listdir(tmp_path / "a"))
    with (
        pytest.raises(UserError, match="can't go into .*, which this command reads"),
        open_run(str(tmp_path / "a"), "evaluation", True, str(tmp_path / "a") + "/"),
    ):
        pass
    assert sorted(os.listdir(tmp_path / "a")) == before
