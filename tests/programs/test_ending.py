"""What the programs print at their end: tables, paths, and what to type next."""

import json
import shlex
import subprocess
import sys

import pytest

from mvhg_tf.clustering import train
from mvhg_tf.disentanglement.reasoning import reason
from mvhg_tf.disentanglement.steps import evaluate, postprocess, training, visualize
from mvhg_tf.programs.flags import ending
from mvhg_tf.programs.flags.report_text import print_markdown
from mvhg_tf.runs import console, gin_files
from mvhg_tf.studies.jobs import runner
from mvhg_tf.studies.text_tables import markdown_table

WIDTH = 80
PAIRS = "dynamics.k = 2"


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """The working directory, with results of every step; no step does anything."""
    monkeypatch.chdir(tmp_path)
    for step in (
        (training, "train_with_gin"),
        (postprocess, "postprocess_with_gin"),
        (evaluate, "evaluate_with_gin"),
        (visualize, "visualize_model_with_gin"),
        (visualize, "visualize_dataset_with_gin"),
        (reason, "reason_with_gin"),
        (train, "train_with_gin"),
        (runner, "run"),
    ):
        monkeypatch.setattr(*step, lambda *_, **__: "")
    results = {
        "train": {"loss": 3.5},
        "evaluation": {
            "discrete_mig": 0.25,
            "model_scores": [0.1, 0.7],
            "model_dirs": ["a", "b"],
        },
        "abstract_reasoning": {
            "best.test.accuracy": 0.75,
            "best.test.global_step": 4,
            "best.val.accuracy": 0.5,
        },
    }
    for name in ("json", "gin", "aggregate"):
        (tmp_path / "run" / "results" / name).mkdir(parents=True)
    for step, values in results.items():
        path = tmp_path / "run" / "results" / "json" / f"{step}_results.json"
        path.write_text(json.dumps(values))
    (tmp_path / "run" / "results" / "results.json").write_text('{"config": ""}')
    (tmp_path / "run" / "results" / "aggregate" / "evaluation.json").write_text("{}")
    bind(tmp_path, "arm3d", PAIRS)
    return tmp_path


def bind(folder, data, training_binding):
    gin = folder / "run" / "results" / "gin"
    (gin / "train.gin").write_text(training_binding)
    (gin / "postprocess.gin").write_text(f"dataset.name = {data!r}")


@pytest.mark.parametrize(
    ("command", "shown", "following"),
    [
        (
            "dlib_train --model_dir=run/",
            "loss  3.5",
            {
                "dlib_visualize_model": {"model_dir": "run/"},
                "dlib_postprocess": {"output_dir": "run_mean"},
            },
        ),
        (
            "dlib_postprocess --model_dir=m --output_dir=run",
            "representation is in run.",
            {"dlib_evaluate": {"input_dir": "run", "output_dir": "run_scores"}},
        ),
        (
            "dlib_evaluate --input_dir=r --output_dir=run",
            "discrete_mig  0.25",
            {"dlib_aggregate_results": {"output_path": "run.json"}},
        ),
        (
            "dlib_udr --model_dirs=a,b --output_dir=run",
            "0.7000  b\n0.1000  a\n",
            {"dlib_visualize_model": {"model_dir": "b"}},
        ),
        ("dlib_reason --output_dir=run", "test accuracy                  0.75", {}),
        ("dlib_visualize_model --model_dir=m --output_dir=run", "results     4 fi", {}),
        (
            "dlib_visualize_dataset --name=npz --gin_bindings='npz.path = \"a b\"'",
            "dataset_visualizations/npz.",
            {
                "dlib_train": {
                    "gin_bindings": ['dataset.name = "npz"', 'npz.path = "a b"']
                }
            },
        ),
        (
            "mvhg_cluster --output_dir=run --gin_config=clustering_digits.gin",
            "are in run",
            {"mvhg_cluster": {"start": "run/start.npz"}},
        ),
        (
            "mvhg_reproduce clustering --preset=smoke --output_dir=run",
            "jobs are finished: see run.",
            {"mvhg_reproduce": {"preset": "smoke", "report": True}},
        ),
        (
            "dlib_reproduce --output_dir='run/{model_num}'",
            "The job is finished: see run/0.",
            {
                "dlib_aggregate_results": {
                    "result_file_pattern": "run/*/metrics/*/*/results/aggregate/"
                    "evaluation.json"
                }
            },
        ),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)
def test_a_program_ends_with_what_its_user_wants_next(
    finished, run_program, parsed, command, shown, following
):
    code, out, err = run_program(*shlex.split(command))
    assert (code, err) == (0, "")
    assert shown in out
    for line in out.splitlines():
        assert len(line) <= WIDTH or len(line.rstrip(" \\").split()) == 1
    flags = dict(parsed(out.partition("\nNext:\n")[2]))
    assert set(flags) == set(following)
    for name, some in following.items():
        assert some.items() <= vars(flags[name]).items()


@pytest.mark.parametrize(
    ("data", "training_binding", "metrics"),
    [
        ("pairs", PAIRS, "metrics_without_factors/*.gin"),
        ("arm3d", "", "metrics_quick/[dm]*.gin"),
        ("arm3d", PAIRS, "metrics_quick/*.gin"),
    ],
)
def test_the_metrics_suit_the_data_and_the_model(
    finished, run_program, parsed, data, training_binding, metrics
):
    bind(finished, data, training_binding)
    _, out, _ = run_program("dlib_postprocess", "--model_dir=m", "--output_dir=run")
    [(_, flags)] = parsed(out.partition("\nNext:\n")[2])
    assert flags.gin_evaluation_config_glob == metrics
    assert gin_files.find_all(metrics)


def test_a_table_of_results_can_be_read_as_printed(finished, run_program):
    path = finished / "run" / "results" / "aggregate" / "evaluation.json"
    path.write_text('{"evaluation_results.score": 0.5, "path": "a"}')
    _, out, _ = run_program("dlib_aggregate_results", f"--result_file_pattern={path}")
    assert out.startswith("The table of 1 results is in results.json.\n")
    python, *words = shlex.split(out.partition("\nNext:\n")[2])
    assert python == "python"
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert "evaluation_results.score  0.5" in done.stdout


@pytest.mark.parametrize("activated", [True, False])
def test_programs_are_named_as_the_shell_finds_them(tmp_path, monkeypatch, activated):
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    script = scripts / "dlib_train"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(scripts / "python"))
    monkeypatch.setenv("PATH", str(scripts) if activated else "/nowhere")
    assert ending.command("dlib_train", {}) == "python -m mvhg_tf.programs dlib_train"
    script.touch(0o755)
    named = "dlib_train" if activated else ".venv/bin/dlib_train"
    flags = {"model_dir": "a b", "gin_config": ["x", "y"], "import": []}
    assert ending.command("dlib_train", flags, "word") == (
        f"{named} word --model_dir='a b' --gin_config=x --gin_config=y"
    )


def test_our_gin_files_are_named_shortly(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = gin_files.find("metrics/mig.gin")
    assert gin_files.short_name(ours) == "metrics/mig.gin"
    assert gin_files.find("gin_configs/metrics/mig.gin") == ours
    assert ours in gin_files.find_all("gin_configs/metrics/*.gin")
    assert gin_files.short_name("/x/mig.gin") == "/x/mig.gin"
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "mig.gin").touch()  # hides ours
    assert gin_files.short_name(ours) == ours


def test_markdown_becomes_columns(capsys):
    rows = [("a", "x", 1.5), ("a", "yy", 2), ("b", "x", 10)]
    table = markdown_table(("of", "name", "mean value"), rows)
    print_markdown(
        f"{'word ' * 20}\n\n{table}\n" + markdown_table(("p", "q"), [(1, 2)])
    )
    assert capsys.readouterr().out.splitlines() == [
        " ".join(["word"] * 16),
        " ".join(["word"] * 4),
        "",
        "        mean",
        "  name  value",
        "  of a:",
        "  x     1.5",
        "  yy    2",
        "  of b:",
        "  x     10",
        "",
        "  p  q",
        "  1  2",
        "",
    ]


@pytest.mark.parametrize(("level", "shown"), [("3", ""), ("0", "noise of C++\n")])
def test_tensorflow_is_silent_unless_asked_to_speak(capfd, monkeypatch, level, shown):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with console.quiet_imports():
        subprocess.run(["sh", "-c", "echo noise of C++ >&2"], check=True)
    assert capfd.readouterr().err == shown
