"""Flags, folders and exit codes of the experiments' programs."""

import errno
import os

import pytest

from benchmarks import subjects
from mvhg_tf.programs import command_line
from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies import text_tables


def test_output_dir_keeps_foreign_files_and_replaces_results(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    command_line.prepare_output_dir(tmp_path, ["a.csv"], overwrite=False)
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(UserError, match="--overwrite"):
        command_line.prepare_output_dir(tmp_path, ["a.csv"], overwrite=False)
    assert (tmp_path / "a.csv").read_text() == "old"
    command_line.prepare_output_dir(tmp_path, ["a.csv"], overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_csv_and_markdown_hold_the_rows(tmp_path):
    path = tmp_path / "a.csv"
    text_tables.write_csv(path, [{"x": 1, "y": "a"}, {"x": 2.5, "y": "b"}])
    assert path.read_text() == "x,y\n1,a\n2.5,b\n"
    assert text_tables.markdown_table(("x",), [(1,)]) == "| x |\n| --- |\n| 1 |\n"


def test_only_the_users_mistakes_are_caught(capsys):
    def mistake(argv):
        raise UserError("Give another.")

    def bug(argv):
        raise ValueError("a bug")

    assert command_line.run_program(mistake) == 2
    assert capsys.readouterr().err == "Give another.\n"
    with pytest.raises(ValueError, match="a bug"):
        command_line.run_program(bug)


def test_a_full_disk_is_told_in_one_sentence(capsys):
    def fill_the_disk(argv):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "table.csv")

    assert command_line.run_program(fill_the_disk) == 1
    said = capsys.readouterr().err
    assert said.startswith("The disk is full") and said.count("\n") == 1


def test_help_ends_with_code_0(capsys):
    with pytest.raises(SystemExit) as ended:
        subjects.main(["distribution", "--help"])
    assert ended.value.code == 0
    assert "--authors_code" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags, said",
    [
        ([], "No subject"),
        (["speed"], "'speed'"),
        (["distribution", "--rounds=0"], "from 1"),
        (["distribution", "--authors_code=nowhere"], "mvhg/pt_fmvhg.py"),
        (["training", "--steps=0"], "from 1"),
        (["training", f"--output={'long' * 100}"], "can't be written"),
        (["clustering", "--samples=100"], "from 128"),
        (["training", "--stock_python=python"], "belong together"),
        (
            ["pipeline", "--library_source=nowhere", "--stock_python=python"],
            "'nowhere' has no disentanglement_lib/methods/weak",
        ),
    ],
)
def test_benchmark_rejects_bad_flags(flags, said, capsys):
    assert subjects.main(flags) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_benchmark_names_a_python_that_cannot_be_run(tmp_path, capsys):
    module = tmp_path / "mvhg" / "pt_fmvhg.py"
    module.parent.mkdir()
    module.write_text("raise ImportError('broken on purpose')")
    flags = ["distribution", f"--authors_code={tmp_path}"]
    assert subjects.main([*flags, "--torch_python=nowhere/python"]) == 2
    assert "'nowhere/python' can't be run" in capsys.readouterr().err
    # Whether or not this Python has PyTorch, the worker ends with an error.
    assert subjects.main(flags) == 2
    error = capsys.readouterr().err
    assert "can't be run" in error and error.count("\n") == 1


def test_benchmark_keeps_an_earlier_table(tmp_path, capsys):
    table = tmp_path / "table.md"
    table.write_text("old")
    assert subjects.main(["distribution", f"--output={table}"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert table.read_text() == "old"
