"""Flags, sentences and exit codes, which are the same in every program."""

import errno
import os
import subprocess
import sys

import pytest

import mvhg_tf
from benchmarks import subjects
from mvhg_tf.programs import PROGRAMS
from mvhg_tf.programs.flags import experiment_flags
from mvhg_tf.programs.flags.command_line import Program, choice, integer
from mvhg_tf.runs.errors import RunInterrupted, UserError
from mvhg_tf.studies import text_tables

MOST_LINES, MOST_COLUMNS = 36, 80  # one screen
HOME = os.path.expanduser("~")


@pytest.fixture
def received():
    """What the body of the program `try` was given."""
    return []


@pytest.fixture
def program(received):
    program = Program("try", "Tries flags.", received.append, "try --size=3")
    program.add_text("place", "folder of a thing", aliases=["old_place"])
    program.add_list("files", "file")
    program.add_text("size", "number of things", integer(1, 9), 2)
    program.add_text("kind", "kind of thing", choice(["round", "square"]), "round")
    program.add_switch("overwrite", "replace things")
    return program


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"place": None, "files": [], "size": 2, "overwrite": False}),
        (["--place=a", "--size=3", "--overwrite"], {"place": "a", "size": 3}),
        (["--place", "a", "--size", "3"], {"place": "a", "size": 3}),
        (["-place=a", "-size", "3", "-overwrite"], {"size": 3, "overwrite": True}),
        (["--overwrite", "--nooverwrite"], {"overwrite": False}),
        (["--overwrite=true"], {"overwrite": True}),
        (["--overwrite=False"], {"overwrite": False}),
        (["--files=a", "--files=b,c"], {"files": ["a", "b,c"]}),
        (["--size=1", "--size=4"], {"size": 4}),
        (["--old_place=a"], {"place": "a"}),
        (["--place=~/a", "--files=~"], {"place": f"{HOME}/a", "files": [HOME]}),
        (["--kind=square"], {"kind": "square"}),
    ],
)
def test_flags_are_read_as_the_library_reads_them(
    program, received, arguments, expected
):
    assert program.run(arguments) == 0
    [flags] = received
    assert expected.items() <= vars(flags).items()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--palce=a"], "'palce'. Did you mean: place ?; see try --help."),
        (["--size=0"], "--size is '0', but must be an integer from 1 to 9."),
        (["--size=two"], "--size is 'two', but must be an integer from 1 to 9."),
        (["--kind=oval"], "--kind is 'oval', but must be one of round, square."),
        (["--kind="], "--kind is missing: give the kind of thing."),
        (["--place="], "--place is empty: give the folder of a thing, or leave the"),
        (["--overwrite=2"], "--overwrite=2: it must be true or false; see try --help."),
        (["a"], "'a' is not the value of any flag; see try --help."),
        (["--size"], "--size"),
    ],
)
def test_a_mistake_is_one_sentence_of_the_program(
    program, received, capsys, arguments, sentence
):
    assert program.run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and not received
    assert said.err.startswith("try: ") and said.err.count("\n") == 1
    assert sentence in said.err


@pytest.mark.parametrize("given", [[], ["--place="]])
def test_a_required_flag_has_to_be_given(capsys, given):
    program = Program("try", "Tries.", lambda flags: None, "try --place=a")
    program.add_text("place", "folder of a thing", required=True)
    assert program.run(given) == 2
    said = capsys.readouterr().err
    assert said == "try: --place is missing: give the folder of a thing.\n"


def test_a_word_may_stand_before_and_after_flags(capsys):
    words = []
    for arguments in (["weak", "--size=2"], ["--size=2", "weak"], ["strong"], []):
        program = Program("try", "Tries.", lambda flags: words.append(flags.study), "")
        program.add_word("study", ["weak", "weaker"])
        program.add_text("size", "number", integer(1))
        program.run(arguments)
    assert words == ["weak", "weak"]
    assert capsys.readouterr().err == (
        "try: The study is 'strong', but must be one of weak, weaker; see try --help.\n"
        "try: The study is missing: it must be one of weak, weaker; see try --help.\n"
    )


def ends_with(error: BaseException, *arguments: str) -> int:
    def fail(flags):
        raise error

    program = Program("try", "Tries.", fail, "try", "stopped; try again.")
    program.add_switch("overwrite", "replace things")
    return program.run(arguments)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UserError("Give\n another."), 2, "Give another."),
        (
            OSError(errno.ENOSPC, "No space left", "x"),
            1,
            "Reading or writing x failed (No ",
        ),
        (RunInterrupted(), 130, "stopped; the same command continues from here."),
        (KeyboardInterrupt(), 130, "stopped; try again."),
    ],
)
def test_every_end_has_its_code_and_sentence(
    capsys, monkeypatch, error, code, sentence
):
    assert ends_with(error) == code
    said = capsys.readouterr().err
    assert said.startswith(f"try: {sentence}") and said.count("\n") == 1
    monkeypatch.setenv("MVHG_TF_TRACEBACK", "1")
    assert ends_with(error) == code
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback") and "raise error" in shown
    assert shown.endswith(said)


def test_who_goes_on_leaves_overwrite_out(capsys):
    assert ends_with(RunInterrupted(), "--overwrite") == 130
    assert "same command without --overwrite continues" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ValueError, match="a bug"):
        ends_with(ValueError("a bug"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_version_says_whose_program_it_is(run_program, name):
    code, out, _ = run_program(name, "--version")
    port = ", TensorFlow 2 port of disentanglement_lib 1.5"
    mine = port if name.startswith("dlib_") else ""
    assert (code, out) == (0, f"{name} (mvhg_tf {mvhg_tf.__version__}{mine})\n")


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_fits_one_screen_and_ends_with_examples(run_program, parsed, name):
    code, out, err = run_program(name, "--help")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= MOST_COLUMNS
    assert lines[0].startswith(f"usage: {name} ")
    _, examples = out.split("\nExamples:\n")
    assert {program for program, _ in parsed(examples)} == {name}
    assert run_program(name, "-h") == (0, out, "")


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_unknown_flag_is_refused_by_name(run_program, name):
    code, out, err = run_program(name, "--nosuchflag=1")
    assert (code, out) == (2, "")
    assert err.startswith(f"{name}: Unknown command line flag 'nosuchflag'")
    assert err.count("\n") == 1


def test_a_program_that_is_none_of_ours(monkeypatch, run_program):
    code, out, err = run_program("dlib_tests")
    assert (code, out) == (2, "") and "'dlib_tests' is not a program of mvhg_tf" in err


@pytest.mark.parametrize("flag", ["output_dir", "output_directory", "output"])
def test_the_output_folder_has_its_old_names(run_program, tmp_path, flag):
    folder = tmp_path / "file"
    folder.touch()
    for name in ("mvhg_cluster", "mvhg_ks_test"):
        code, out, err = run_program(name, f"--{flag}={folder}")
        assert (code, out) == (2, "") and str(folder) in err


def test_ours_are_found_by_their_names(run_program, tmp_path, monkeypatch):
    """In a folder without gin files; one's own file of the name wins."""
    monkeypatch.chdir(tmp_path)
    command = ["--model_dir=m", "--gin_config=hgvae_arm3d.gin"]
    wrong = "--gin_bindings=model.batch_size = 0"
    _, _, err = run_program("dlib_train", *command, wrong)
    assert "model.batch_size is 0" in err
    (tmp_path / "hgvae_arm3d.gin").write_text("model.batch_size = -3")
    _, _, err = run_program("dlib_train", *command)
    assert "model.batch_size is -3" in err
    _, _, err = run_program("dlib_train", "--model_dir=m", "--gin_config=no.gin")
    assert "there is no file no.gin" in err
    assert [path.name for path in tmp_path.iterdir()] == ["hgvae_arm3d.gin"]


def test_output_dir_keeps_foreign_files_and_replaces_results(tmp_path):
    prepare = experiment_flags.prepare_output_dir
    (tmp_path / "mine.txt").write_text("x")
    prepare(tmp_path, ["a.csv"], overwrite=False)
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(UserError, match="--overwrite"):
        prepare(tmp_path, ["a.csv"], overwrite=False)
    assert (tmp_path / "a.csv").read_text() == "old"
    prepare(tmp_path, ["a.csv"], overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_csv_and_markdown_hold_the_rows(tmp_path):
    path = tmp_path / "a.csv"
    text_tables.write_csv(path, [{"x": 1, "y": "a"}, {"x": 2.5, "y": "b"}])
    assert path.read_text() == "x,y\n1,a\n2.5,b\n"
    assert text_tables.markdown_table(("x",), [(1,)]) == "| x |\n| --- |\n| 1 |\n"


def test_help_of_a_benchmark(capsys):
    with pytest.raises(SystemExit) as ended:
        subjects.main(["distribution", "--help"])
    assert not ended.value.code
    assert "--authors_code" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
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
    assert error.startswith("benchmark")
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


@pytest.mark.parametrize(
    "command",
    [
        [
            "dlib_visualize_dataset",
            "--name=npz",
            "--gin_bindings=npz.path = '~/no.npz'",
        ],
        ["mvhg_cluster", "--gin_bindings=data.source = '~/no.npz'"],
        ["mvhg_cluster", "--data=~/no.npz"],
        ["mvhg_reproduce", "clustering", "--data=~/no.npz"],
    ],
    ids=lambda command: command[-1],
)
def test_a_home_folder_in_a_path(run_program, tmp_path, monkeypatch, command):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code, _, err = run_program(*command)
    assert code == 2 and f"{tmp_path}/no.npz" in err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mpi3d_toy", "dsprites_full"])
def test_a_home_folder_of_all_data(repository, tmp_path, name):
    """In a process of its own: the library reads the variable when it is imported."""
    environment = {"HOME": str(tmp_path), "DISENTANGLEMENT_LIB_DATA": "~/data"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mvhg_tf.programs",
            "dlib_visualize_dataset",
            f"--name={name}",
            f"--path={tmp_path}/pictures",
        ],
        cwd=repository,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f" {tmp_path}/data/" in done.stderr and done.stderr.count("\n") == 1
