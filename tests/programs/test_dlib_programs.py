import glob
import importlib
import json
import os
import re
import subprocess
import sys

import pytest

from mvhg_tf.programs import quickstart
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.run_directory import open_run

# Enough to train, were it not for the mistakes below.
TRAINING = """
dataset.name = "arm3d"
dynamics.k = 2
model.model = @group_vae_hypergeometric()
model.batch_size = 2
model.training_steps = 1
model.random_seed = 0
AdamOptimizer.learning_rate = 1e-3
encoder.num_latent = 10
encoder.encoder_fn = @conv_encoder
decoder.decoder_fn = @deconv_decoder
reconstruction_loss.loss_fn = @bernoulli_loss
vae_optimizer.optimizer_fn = @AdamOptimizer
group_vae.beta = 1.0
"""

MEAN = [
    "--gin_bindings=dataset.name = 'auto'",
    "--gin_bindings=postprocess.postprocess_fn = @mean_representation",
    "--gin_bindings=postprocess.random_seed = 0",
]
MIG = """
dataset.name = "auto"
evaluation.evaluation_fn = @mig
evaluation.random_seed = 0
mig.num_train = 100
discretizer.discretizer_fn = @histogram_discretizer
discretizer.num_bins = 10
"""


@pytest.fixture
def training_gin(tmp_path):
    path = tmp_path / "training.gin"
    path.write_text(TRAINING)
    return str(path)


def assert_one_sentence(written: tuple[int, str, str], sentence: str) -> None:
    code, out, err = written
    assert (code, out) == (2, "")
    assert re.search(sentence, err)
    assert err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("dlib_train", [], "--model_dir is missing: give the folder"),
        ("dlib_train", ["--model_dir="], "--model_dir is missing"),
        ("dlib_postprocess", ["--model_dir=a"], "--output_dir is missing"),
        ("dlib_visualize_model", ["--model_dir=a"], "--output_dir is missing"),
        ("dlib_visualize_dataset", ["--name="], "--name is missing"),
        ("dlib_evaluate", ["--output_dir=a"], "--input_dir is missing"),
        ("dlib_train", ["--modeldir=a"], "Unknown command line flag 'modeldir'"),
        (
            "dlib_train",
            ["--overwrite=maybe", "--model_dir=a"],
            "--overwrite=maybe: it must be true or false",
        ),
        ("dlib_reason", ["--output_dir=a", "--input_dir="], "--input_dir is empty"),
        ("dlib_train", ["--model_dir=a", "b"], "'b' is not the value of any flag"),
        (
            "dlib_train",
            ["--model_dir=a", "--gin_file_name=b"],
            "--gin_model_dir and --gin_file_name belong together",
        ),
    ],
)
def test_mistakes_in_the_flags(run_program, name, arguments, sentence):
    assert_one_sentence(run_program(name, *arguments), sentence)


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [
        ("dataset.name = 'arm4d'", "no data set 'arm4d'; .* arm3d"),
        ("model.batch_size = 'many'", "model.batch_size is 'many', .* an integer"),
        ("model.batch_size = %gin.REQUIRED", "model.batch_size set to"),
        ("modle.batch_size = 2", "No configurable matching 'modle'"),
        ("model.batchsize = 2", "parameter named 'batchsize'"),
        ("model.batch_size =", "Unable to parse value"),
        ("model.batch_size = 0", "model.batch_size is 0"),
        ("model.model = @no_such_vae()", "no_such_vae"),
        ("dynamics.k = 9", "dynamics.k is 9"),
    ],
)
def test_mistakes_in_the_configuration_leave_nothing(
    run_program, training_gin, tmp_path, binding, sentence
):
    folder = tmp_path / "model"
    written = run_program(
        "dlib_train",
        f"--model_dir={folder}",
        f"--gin_config={training_gin}",
        f"--gin_bindings={binding}",
    )
    assert_one_sentence(written, sentence)
    assert not folder.exists()


def test_a_missing_binding(run_program, tmp_path):
    written = run_program("dlib_train", f"--model_dir={tmp_path}/m")
    assert_one_sentence(written, "No value is bound to .*model.batch_size")
    assert not (tmp_path / "m").exists()


def test_a_missing_gin_file(run_program, tmp_path):
    written = run_program(
        "dlib_train", f"--model_dir={tmp_path}/m", f"--gin_config={tmp_path}/no.gin"
    )
    assert_one_sentence(written, "there is no file .*no.gin")
    written = run_program(
        "dlib_train",
        f"--model_dir={tmp_path}/m",
        f"--gin_model_dir={tmp_path}",
        "--gin_file_name=no.gin",
    )
    assert_one_sentence(written, "there is no file .*no.gin")


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_foreign_folder_is_left_alone(run_program, training_gin, tmp_path, overwrite):
    folder = tmp_path / "home"
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "thesis.tex").write_text("years of work")
    written = run_program(
        "dlib_train",
        f"--model_dir={folder}",
        f"--gin_config={training_gin}",
        f"--overwrite={overwrite}",
    )
    assert_one_sentence(written, "not written by mvhg_tf")
    assert [path.name for path in folder.rglob("*")] == ["results", "thesis.tex"]


def test_a_finished_folder_is_kept(run_program, training_gin, tmp_path):
    from mvhg_tf.disentanglement.steps import training  # noqa: F401  (for its gin names)

    folder = tmp_path / "model"
    with gin_config.configured([training_gin]), open_run(str(folder), "train"):
        (folder / "results").mkdir()
    arguments = [f"--model_dir={folder}", f"--gin_config={training_gin}"]
    written = run_program("dlib_train", *arguments)
    assert_one_sentence(written, "finished run of this same command: use --overwrite")
    written = run_program(
        "dlib_train", *arguments, "--gin_bindings=model.random_seed = 1"
    )
    assert_one_sentence(written, "model.random_seed = 0, here model.random_seed = 1")
    # A mistake beside --overwrite costs nothing either.
    written = run_program(
        "dlib_train", *arguments, "--overwrite", "--gin_bindings=dataset.name = 'x'"
    )
    assert_one_sentence(written, "no data set 'x'")
    assert (folder / "results").exists()
    assert json.loads((folder / "run.json").read_text())["finished"] is True


def test_the_terminal_sees_nothing_but_the_sentence(training_gin, tmp_path):
    # In a process of its own, where TensorFlow is yet to be imported.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mvhg_tf.programs",
            "dlib_train",
            f"--model_dir={tmp_path}/m",
            f"--gin_config={training_gin}",
            "--gin_bindings=model.batch_size = 'many'",
        ],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )
    assert done.returncode == 2
    assert done.stderr == (
        "dlib_train: model.batch_size is 'many', but must be an integer: change it.\n"
    )


def test_postprocess_then_evaluate(run_program, trained_model, tmp_path):
    representation, scores = tmp_path / "mean", tmp_path / "scores"
    arguments = [f"--model_dir={trained_model}", f"--output_dir={representation}"]
    assert run_program("dlib_postprocess", *arguments, *MEAN)[0] == 0
    gin_file = tmp_path / "one" / "mig.gin"
    gin_file.parent.mkdir()
    gin_file.write_text(MIG)
    arguments = [f"--input_dir={representation}", f"--output_dir={scores}"]
    code, _, err = run_program("dlib_evaluate", *arguments, f"--gin_config={gin_file}")
    assert (code, err) == (0, "")
    with open(scores / "results" / "json" / "evaluation_results.json") as file:
        assert 0 <= json.load(file)["discrete_mig"] <= 1


def test_a_pattern_evaluates_each_file_once(run_program, trained_model, tmp_path):
    representation, scores = tmp_path / "mean", tmp_path / "scores"
    arguments = [f"--model_dir={trained_model}", f"--output_dir={representation}"]
    run_program("dlib_postprocess", *arguments, *MEAN)
    for name in ("a", "b"):
        (tmp_path / f"{name}.gin").write_text(MIG)
    arguments = [
        f"--input_dir={representation}",
        f"--output_dir={scores}",
        f"--gin_evaluation_config_glob={tmp_path}/*.gin",
    ]
    # The second fails, the first has its scores; the same command does the rest.
    (tmp_path / "b.gin").write_text(MIG + "mig.num_train = 'x'")
    assert run_program("dlib_evaluate", *arguments)[0] == 2
    first = (scores / "a" / "run.json").stat().st_mtime_ns
    (tmp_path / "b.gin").write_text(MIG)
    assert run_program("dlib_evaluate", *arguments)[0] == 0
    assert (scores / "a" / "run.json").stat().st_mtime_ns == first
    with open(scores / "b" / "results" / "json" / "evaluation_config.json") as file:
        assert json.load(file)["evaluation.name"] == "'b'"
    code, _, err = run_program("dlib_evaluate", *arguments)
    assert code == 2 and "All 2 evaluations" in err
    assert run_program("dlib_evaluate", *arguments, "--overwrite")[0] == 0
    assert (scores / "a" / "run.json").stat().st_mtime_ns > first


def test_a_pattern_without_files(run_program, tmp_path):
    written = run_program(
        "dlib_evaluate",
        f"--input_dir={tmp_path}",
        f"--output_dir={tmp_path}/s",
        f"--gin_evaluation_config_glob={tmp_path}/*.gin",
    )
    assert_one_sentence(written, "No file matches")


def test_results_are_aggregated(run_program, tmp_path):
    for name, score in [("a", 0.25), ("b", 0.5)]:
        (tmp_path / f"{name}.json").write_text(json.dumps({"score": score}))
    arguments = [
        f"--result_file_pattern={tmp_path}/*.json",
        f"--output_path={tmp_path}/table/all.json",
    ]
    code, out, err = run_program("dlib_aggregate_results", *arguments)
    path = f"{tmp_path}/table/all.json"
    assert (code, err) == (0, "") and f"2 results is in {path}.\n" in out
    table = json.loads((tmp_path / "table" / "all.json").read_text())
    assert table["score"] == {"0": 0.25, "1": 0.5}
    (tmp_path / "b.json").write_text("")
    written = run_program("dlib_aggregate_results", *arguments)
    assert_one_sentence(written, "b.json can't be read")
    for path in tmp_path.glob("*.json"):
        path.unlink()
    written = run_program("dlib_aggregate_results", *arguments)
    assert_one_sentence(written, "No file matches")
    written = run_program("dlib_aggregate_results", "--output_path=")
    assert_one_sentence(written, "--output_path is missing")


def test_the_librarys_defaults(run_program, tmp_path, monkeypatch):
    from mvhg_tf.disentanglement import compat  # noqa: F401

    monkeypatch.chdir(tmp_path)
    scores = tmp_path / "output/0/metrics/mean/mig/results/aggregate/evaluation.json"
    scores.parent.mkdir(parents=True)
    scores.write_text('{"score": 1}')
    assert run_program("dlib_aggregate_results")[0] == 0
    assert json.loads((tmp_path / "results.json").read_text())["score"] == {"0": 1}
    dsprites = importlib.import_module("disentanglement_lib.data.ground_truth.dsprites")
    monkeypatch.setattr(dsprites, "DSPRITES_PATH", str(tmp_path / "no.npz"))
    written = run_program("dlib_visualize_dataset")
    assert_one_sentence(written, "data of DSprites are missing")
    _, out, _ = run_program("dlib_visualize_dataset", "--help")
    assert "(default: dsprites_full)" in out
    assert "(default: dataset_visualizations)" in out


@pytest.mark.slow
def test_a_model_and_a_data_set_are_drawn(run_program, trained_model, tmp_path):
    few = ["num_animations = 0", "num_points_irs = 60"]
    model = [f"--model_dir={trained_model}", f"--output_dir={tmp_path}/model"]
    model += [f"--gin_bindings=visualize_model.{binding}" for binding in few]
    data = ["--name=arm3d", f"--path={tmp_path}"]
    data += [f"--gin_bindings=visualize_dataset.{few[0]}"]
    for name, arguments in [
        ("dlib_visualize_model", model),
        ("dlib_visualize_dataset", data),
    ]:
        code, out, err = run_program(name, *arguments)
        assert (code, err) == (0, "") and f"The pictures are in {tmp_path}/" in out
        written = run_program(name, *arguments)
        assert_one_sentence(written, "finished run of this same command")
    assert run_program(name, *arguments, "--overwrite")[0] == 0
    assert (tmp_path / "model" / "sampled" / "samples.jpg").exists()
    assert (tmp_path / "arm3d" / "variations_of_factor6.png").exists()


def test_the_gin_files_that_come_along_can_be_used(repository, monkeypatch):
    from mvhg_tf.disentanglement.reasoning import reason  # noqa: F401
    from mvhg_tf.disentanglement.steps import evaluate, postprocess, training  # noqa: F401

    monkeypatch.chdir(repository)
    paths = glob.glob("gin_configs/**/*.gin", recursive=True)
    assert len(paths) > 5
    for path in paths:
        if "clustering_" in path:
            continue  # of another program
        with gin_config.configured([path]):
            pass


def test_the_table_of_the_quickstart(tmp_path):
    values = {}
    for number, (metric, key, _, _) in enumerate(quickstart._SCORES):
        values.setdefault(metric, {})[key] = number + 0.5
    values["shared_independent_downstream"]["active_latents"] = 7
    for metric, scores in values.items():
        folder = tmp_path / metric / "results" / "json"
        folder.mkdir(parents=True)
        (folder / "evaluation_results.json").write_text(json.dumps(scores))
    lines = quickstart.score_table(str(tmp_path)).splitlines()
    assert len(lines) == len(quickstart._SCORES)
    assert re.match(r"  MIG +0\.500 ", lines[0])
    assert re.match(r"  latents in use +7 ", lines[-1])
