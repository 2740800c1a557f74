"""Gin files with macros and includes, through the programs."""

import json

import pytest

MODEL = """
DATA = "dummy_data"
BETA = %WEIGHT
WEIGHT = 2.0
SEED = 5
STEPS = [1, 1]

dataset.name = %DATA
model.model = @vae()
vae.beta = %BETA
model.batch_size = 4
model.training_steps = 1
model.eval_steps = 1
model.random_seed = %SEED
train.log_steps = 1
train.checkpoint_steps = 1
encoder.num_latent = 2
include "parts/networks.gin"
"""
NETWORKS = """
include "loss.gin"
NETWORK = @test_encoder
encoder.encoder_fn = %NETWORK
decoder.decoder_fn = @test_decoder
vae_optimizer.optimizer_fn = @AdamOptimizer
"""
LOSS = """
reconstruction_loss.loss_fn = @bernoulli_loss
"""
METRIC = """
AUTO = "auto"
dataset.name = %AUTO
evaluation.random_seed = 0
"""
POSTPROCESSING = """
AUTO = "auto"
MEAN = @mean_representation
dataset.name = %AUTO
postprocess.postprocess_fn = %MEAN
postprocess.random_seed = 0
"""
MIG = """
NUM = 100
evaluation.evaluation_fn = @mig
mig.num_train = %NUM
discretizer.discretizer_fn = @histogram_discretizer
discretizer.num_bins = 5
"""
UDR = """
evaluation.evaluation_fn = @udr_sklearn
udr_sklearn.batch_size = 10
udr_sklearn.num_data_points = 50
"""
REASONING = """
AUTO = "auto"
dataset.name = %AUTO
pgm.pgm_type = "easy_1"
abstract_reasoning.model = @TwoStageModel()
abstract_reasoning.num_iterations = 1
abstract_reasoning.training_steps_per_iteration = 1
abstract_reasoning.eval_steps_per_iteration = 1
abstract_reasoning.random_seed = 0
abstract_reasoning.batch_size = 2
TwoStageModel.embedding_model_class = @HubEmbedding
TwoStageModel.reasoning_model_class = @OptimizedWildRelNet
OptimizedWildRelNet.edge_mlp = [2]
OptimizedWildRelNet.graph_mlp = [2]
OptimizedWildRelNet.dropout_in_last_graph_layer = None
"""


def literals(folder, step):
    """The lines of a saved gin file that bind something."""
    lines = (folder / "results" / "gin" / f"{step}.gin").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of gin files, and what the programs make of them."""
    folder = tmp_path_factory.mktemp("macros")
    (folder / "parts").mkdir()
    for name, text in {
        "model": MODEL,
        "parts/networks": NETWORKS,
        "parts/loss": LOSS,
        "postprocess": POSTPROCESSING,
        "mig": METRIC + MIG,
        "udr": METRIC + UDR,
        "reason": REASONING,
    }.items():
        (folder / f"{name}.gin").write_text(text)
    return folder


@pytest.fixture
def run(made, run_program):
    """Runs a program on `<program>.gin` of the folder; nothing may go wrong."""

    def run(program, config, *flags):
        arguments = [flag.format(made=made) for flag in flags]
        if config:
            arguments.append(f"--gin_config={made}/{config}.gin")
        code, _, err = run_program(program, *arguments)
        assert code == 0, err

    return run


@pytest.fixture
def model(made, run):
    """A trained model of macros, in a folder that later tests use again."""
    if not (made / "model").exists():
        run("dlib_train", "model", "--model_dir={made}/model")
    return made / "model"


@pytest.fixture
def representation(made, run, model):
    folder = made / "representation"
    if not folder.exists():
        run(
            "dlib_postprocess",
            "postprocess",
            f"--model_dir={model}",
            f"--output_dir={folder}",
        )
    return folder


def test_training_saves_values(model):
    lines = literals(model, "train")
    assert "dataset.name = 'dummy_data'" in lines
    assert "vae.beta = 2.0" in lines
    assert "model.random_seed = 5" in lines
    assert "encoder.encoder_fn = @test_encoder" in lines
    assert not any("%" in line for line in lines)


def test_postprocessing_goes_on_from_it(representation):
    assert "dataset.name = 'dummy_data'" in literals(representation, "postprocess")


@pytest.mark.parametrize(
    ("program", "config", "flags", "step"),
    [
        ("dlib_evaluate", "mig", ["--input_dir={made}/representation"], "evaluation"),
        ("dlib_udr", "udr", ["--model_dirs={made}/model,{made}/model"], "evaluation"),
        (
            "dlib_reason",
            "reason",
            ["--input_dir={made}/representation"],
            "abstract_reasoning",
        ),
    ],
)
def test_scores_go_on_from_it(made, run, representation, program, config, flags, step):
    output = made / program
    run(program, config, *flags, f"--output_dir={output}")
    assert "dataset.name = 'dummy_data'" in literals(output, step)
    results = json.loads((output / f"results/json/{step}_results.json").read_text())
    assert results


def test_pictures_go_on_from_it(made, run, model):
    bindings = [
        f"--gin_bindings=visualize_model.{name} = %N"
        for name in ("num_animations", "num_frames")
    ]
    output = made / "pictures"
    run(
        "dlib_visualize_model",
        None,
        f"--model_dir={model}",
        f"--output_dir={output}",
        "--gin_bindings=N = 1",
        "--gin_bindings=visualize_model.num_points_irs = 50",
        *bindings,
    )
    assert len(list((output / "animated_traversals").iterdir())) == 5


def test_a_file_that_macros_were_saved_in_is_read(made, run, model):
    """As training did in earlier versions."""
    saved = model / "results" / "gin" / "train.gin"
    values = saved.read_text()
    saved.write_text(
        'NAME = %DATA\nDATA = "dummy_data"\n'
        + values.replace("dataset.name = 'dummy_data'", "dataset.name = %NAME")
    )
    try:
        output = made / "again"
        run(
            "dlib_postprocess",
            "postprocess",
            f"--model_dir={model}",
            f"--output_dir={output}",
        )
    finally:
        saved.write_text(values)
    assert "dataset.name = 'dummy_data'" in literals(output, "postprocess")


@pytest.mark.parametrize(
    ("program", "flags", "binding", "value", "sentence"),
    [
        ("dlib_train", ["--model_dir={out}"], "vae.beta", "-1", "must be at least 0"),
        (
            "dlib_train",
            ["--model_dir={out}"],
            "model.batch_size",
            "0",
            "must be a positive integer",
        ),
        (
            "dlib_evaluate",
            ["--input_dir={made}/representation", "--output_dir={out}"],
            "mig.batch_size",
            "0",
            "must be a positive integer",
        ),
        (
            "dlib_evaluate",
            ["--input_dir={made}/representation", "--output_dir={out}"],
            "mig.num_train",
            "[1]",
            "must be an integer",
        ),
        (
            "dlib_train",
            ["--model_dir={out}"],
            "encoder.encoder_fn",
            "@vae",
            "not of the kind",
        ),
    ],
)
def test_a_macro_is_refused_as_its_value_is(
    made, run_program, tmp_path, program, flags, binding, value, sentence
):
    config = {"dlib_train": "model", "dlib_evaluate": "mig"}[program]
    arguments = [flag.format(made=made, out=tmp_path / "out") for flag in flags]
    arguments.append(f"--gin_config={made}/{config}.gin")
    said = [
        run_program(program, *arguments, *(f"--gin_bindings={b}" for b in bindings))
        for bindings in (
            [f"{binding} = {value}"],
            [f"V = {value}", "W = %V", f"{binding} = %W"],
        )
    ]
    assert said[0] == said[1]
    assert said[0][0] == 2
    assert binding in said[0][2] and sentence in said[0][2]
    assert not (tmp_path / "out").exists()
