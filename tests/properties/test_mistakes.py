"""Mistakes in command lines and gin configurations: one sentence, nothing changed.

Hypothesis draws mistakes from lists of those that are mistakes for certain; each is
made in a command line that is right otherwise.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import assert_one_sentence, contents, run

TRAINING = {
    "dataset.name": "'arm3d'",
    "model.model": "@vae()",
    "vae.beta": "1.0",
    "model.batch_size": "4",
    "model.training_steps": "1",
    "model.eval_steps": "1",
    "model.random_seed": "5",
    "train.log_steps": "1",
    "train.checkpoint_steps": "1",
    "encoder.num_latent": "4",
    "encoder.encoder_fn": "@test_encoder",
    "decoder.decoder_fn": "@test_decoder",
    "reconstruction_loss.loss_fn": "@bernoulli_loss",
    "vae_optimizer.optimizer_fn": "@AdamOptimizer",
}
SEMI_SUPERVISED = {
    **{k: v for k, v in TRAINING.items() if k not in ("model.random_seed", "vae.beta")},
    "model.model": "@s2_vae",
    "model.model_seed": "5",
    "model.unsupervised_data_seed": "5",
    "model.supervised_data_seed": "5",
    "model.num_labelled_samples": "20",
    "model.train_percentage": "0.9",
    "s2_vae.beta": "1.0",
    "s2_vae.gamma_sup": "2.0",
    "supervised_loss.loss_fn": "@xent",
    "labeller.labeller_fn": "@perfect_labeller",
    "annealer.anneal_fn": "@fixed",
    "annealer.iteration_threshold": "1",
}
POSTPROCESSING = {
    "dataset.name": "'auto'",
    "postprocess.postprocess_fn": "@mean_representation",
    "postprocess.random_seed": "0",
}
EVALUATION = {
    "dataset.name": "'auto'",
    "evaluation.evaluation_fn": "@mig",
    "evaluation.random_seed": "0",
    "mig.num_train": "100",
    "discretizer.discretizer_fn": "@histogram_discretizer",
    "discretizer.num_bins": "10",
}
RANKING = {
    "dataset.name": "'auto'",
    "evaluation.evaluation_fn": "@udr_sklearn",
    "evaluation.random_seed": "0",
    "udr_sklearn.batch_size": "10",
    "udr_sklearn.num_data_points": "100",
}
REASONING = {
    "dataset.name": "'arm3d'",
    "pgm.pgm_type": "'easy_mixed'",
    "abstract_reasoning.model": "@TwoStageModel()",
    "abstract_reasoning.num_iterations": "1",
    "abstract_reasoning.training_steps_per_iteration": "1",
    "abstract_reasoning.eval_steps_per_iteration": "1",
    "abstract_reasoning.random_seed": "0",
    "abstract_reasoning.batch_size": "2",
    "TwoStageModel.embedding_model_class": "'values'",
    "TwoStageModel.reasoning_model_class": "@OptimizedWildRelNet",
    "OptimizedWildRelNet.edge_mlp": "[2]",
    "OptimizedWildRelNet.graph_mlp": "[2]",
    "OptimizedWildRelNet.dropout_in_last_graph_layer": "0.5",
}
CLUSTERING = {
    "pretrain.epochs": "1",
    "fit.epochs": "1",
    "vade.prior": "@hypergeometric_prior()",
}
# By the programs' names: their flags, and the bindings that they need.
COMMANDS = {
    "dlib_train": (["--model_dir={out}"], TRAINING),
    "dlib_train_weakly_supervised": (["--model_dir={out}"], TRAINING),
    "dlib_train_semi_supervised": (["--model_dir={out}"], SEMI_SUPERVISED),
    "dlib_postprocess": (["--model_dir={model}", "--output_dir={out}"], POSTPROCESSING),
    "dlib_evaluate": (["--input_dir={model}", "--output_dir={out}"], EVALUATION),
    "dlib_udr": (["--model_dirs={model},{model}", "--output_dir={out}"], RANKING),
    "dlib_reason": (["--output_dir={out}"], REASONING),
    "dlib_visualize_model": (["--model_dir={model}", "--output_dir={out}"], {}),
    "dlib_visualize_dataset": (["--name=arm3d", "--path={out}"], {}),
    "dlib_aggregate_results": (["--output_path={out}"], None),
    "dlib_download_data": (
        ["--dataset=cars3d", "--base_url=http://localhost:9", "--directory={out}"],
        None,
    ),
    "dlib_reproduce": (["--output_dir={out}"], None),
    "mvhg_cluster": (["--output_dir={out}"], CLUSTERING),
    "mvhg_ks_test": (["--output_dir={out}"], None),
    "mvhg_minimal_example": (["--output_dir={out}"], None),
    "mvhg_reproduce": (["clustering", "--output_dir={out}"], None),
    "benchmark clustering": (["--output={out}"], None),
    "benchmark distribution": (["--output={out}"], None),
    "benchmark metrics": (["--output={out}"], None),
    "benchmark pipeline": (["--output={out}"], None),
    "benchmark training": (["--output={out}"], None),
}
OF_GIN = [name for name, (_, bindings) in COMMANDS.items() if bindings is not None]

# Literals that gin does not read.
SYNTAX = ["'abc", '"""a', "[1", "{1", "(1,", "0x", "1 2", "nan", "", "=", "@", "@()"]
SYNTAX += ["[1, 'a']]", "\\", "$", "3 = 3", "{1: }", "%", "'a' + 1", "f(1)", "[,]"]
NO_NAMES = ["@no_such_thing", "@no_such_thing()", "%no_such_macro"]
HUGE = ["1e999", "-1e999", "9" * 30, "-" + "9" * 30]
NETWORKS = ["@conv_encoder", "@conv_encoder()"]
OTHER_KINDS = ["'a'", "''", "[]", "{}", "(1,)", *NETWORKS]
NO_NUMBERS = SYNTAX + NO_NAMES + HUGE + OTHER_KINDS + ["None", "True"]
NO_COUNTS = [*NO_NUMBERS, "0", "-1", "-7", "1.5"]
NO_WEIGHTS = [*NO_NUMBERS, "-1", "-0.5"]
# Where a schedule is right as well.
NO_RATES = [value for value in NO_WEIGHTS if value not in NETWORKS]
NO_FRACTIONS = [*NO_WEIGHTS, "1.0", "2"]
NO_NUMPY_SEEDS = [*NO_NUMBERS, "-1", "1.5", str(2**32)]
NO_SEEDS = [*NO_NUMPY_SEEDS, str(2**31)]
NO_CHOICES = [*SYNTAX, *NO_NAMES, "'none such'", "''", "'EXACT'", "3", "None", "[]"]
NO_UNITS = [*SYNTAX, *NO_NAMES, "'a'", "[]", "{}", "3", "None", "[0]", "[1.5]", "['a']"]
NO_FUNCTIONS = [
    *SYNTAX,
    *NO_NAMES,
    "3",
    "'a'",
    "None",
    "[]",
    "@vae",
    "@AdamOptimizer()",
]
OF_TRAINING = {
    "model.batch_size": [*NO_COUNTS, str(10**9), str(2**31)],
    "model.training_steps": NO_COUNTS,
    "model.eval_steps": NO_COUNTS,
    "encoder.num_latent": NO_COUNTS,
    "train.log_steps": NO_COUNTS,
    "train.checkpoint_steps": NO_COUNTS,
    "model.random_seed": NO_SEEDS,
    "vae.beta": NO_WEIGHTS,
    "AdamOptimizer.learning_rate": NO_WEIGHTS,
    "AdamOptimizer.epsilon": NO_WEIGHTS,
    "AdamOptimizer.beta1": NO_FRACTIONS,
    "AdamOptimizer.beta2": NO_FRACTIONS,
    "dataset.name": NO_CHOICES,
    "train.strategy": NO_CHOICES,
    "train.precision": NO_CHOICES,
    "reconstruction_loss.activation": NO_CHOICES,
    "model.model": [*NO_FUNCTIONS, "@conv_encoder"],
    "encoder.encoder_fn": NO_FUNCTIONS,
    "decoder.decoder_fn": [*NO_FUNCTIONS, "@conv_encoder"],
    "reconstruction_loss.loss_fn": NO_FUNCTIONS,
    "vae_optimizer.optimizer_fn": [*NO_FUNCTIONS[:-2], "@vae", "@conv_encoder"],
}
# What a metric counts.
COUNTS = [
    "beta_vae_sklearn.batch_size",
    "beta_vae_sklearn.num_eval",
    "beta_vae_sklearn.num_train",
    "dci.batch_size",
    "dci.num_test",
    "dci.num_train",
    "discretizer.num_bins",
    "factor_vae_metric.batch_size",
    "factor_vae_metric.num_eval",
    "factor_vae_metric.num_train",
    "factor_vae_metric.num_variance_estimate",
    "fairness.num_test_points_per_class",
    "fairness.num_train",
    "irs.batch_size",
    "irs.num_train",
    "mig.batch_size",
    "mig.num_train",
    "modularity_explicitness.num_test",
    "modularity_explicitness.num_train",
    "reduced_downstream_task.num_test",
    "sap_score.num_test",
    "sap_score.num_train",
    "shared_independent_downstream.num_train",
    "strong_downstream_task.n_experiment",
    "unified_scores.num_train",
    "unsupervised_metrics.num_train",
]
OF_EVALUATION = {
    "evaluation.random_seed": NO_NUMPY_SEEDS,
    "evaluation.evaluation_fn": NO_FUNCTIONS,
    # The library does not say what a parameter may be.
    **{key: [v for v in NO_COUNTS if v not in NETWORKS] for key in COUNTS},
}
# Parameters of the programs, and values that are wrong for certain.
WRONG_VALUES = {
    "dlib_train": OF_TRAINING,
    "dlib_train_weakly_supervised": OF_TRAINING,
    "dlib_train_semi_supervised": {
        "model.num_labelled_samples": NO_COUNTS,
        "model.model_seed": NO_SEEDS,
        "model.supervised_data_seed": NO_SEEDS,
        "model.train_percentage": [*NO_WEIGHTS, "1.5"],
        "s2_vae.gamma_sup": NO_WEIGHTS,
        "labeller.labeller_fn": NO_FUNCTIONS,
        "supervised_loss.loss_fn": NO_FUNCTIONS,
    },
    "dlib_postprocess": {
        "postprocess.random_seed": NO_NUMPY_SEEDS,
        "postprocess.postprocess_fn": NO_FUNCTIONS,
    },
    "dlib_evaluate": OF_EVALUATION,
    "dlib_udr": {
        "udr_sklearn.batch_size": NO_COUNTS,
        "udr_sklearn.num_data_points": NO_COUNTS,
        "udr_sklearn.correlation_matrix": NO_CHOICES,
        "udr_sklearn.kl_filter_threshold": NO_NUMBERS,
    },
    "dlib_reason": {
        "pgm.pgm_type": NO_CHOICES,
        "abstract_reasoning.model": NO_FUNCTIONS,
        "abstract_reasoning.num_iterations": NO_COUNTS,
        "abstract_reasoning.training_steps_per_iteration": NO_COUNTS,
        "abstract_reasoning.eval_steps_per_iteration": NO_COUNTS,
        "abstract_reasoning.batch_size": NO_COUNTS,
        "abstract_reasoning.random_seed": NO_NUMPY_SEEDS,
        "TwoStageModel.embedding_model_class": NO_CHOICES,
        "TwoStageModel.reasoning_model_class": NO_FUNCTIONS,
        "OptimizedWildRelNet.edge_mlp": NO_UNITS,
        "OptimizedWildRelNet.graph_mlp": NO_UNITS,
        "OptimizedWildRelNet.dropout_in_last_graph_layer": [
            *(value for value in NO_WEIGHTS if value != "None"),
            "1.5",
        ],
    },
    "mvhg_cluster": {
        "cluster.num_clusters": [v for v in NO_COUNTS if v != "None"],
        "cluster.random_seed": NO_SEEDS,
        "cluster.checkpoint_epochs": NO_COUNTS,
        "cluster.embedding": NO_CHOICES,
        "data.source": [*SYNTAX, *NO_NAMES, "3", "None", "[]"],
        "data.version": NO_CHOICES,
        "data.part": NO_CHOICES,
        "fit.epochs": [v for v in NO_COUNTS if v != "None"],
        # 2000 is more than the digits.
        "fit.batch_size": [*(v for v in NO_COUNTS if v != "None"), "2000"],
        "fit.held_epochs": [v for v in NO_COUNTS if v not in ("0", "None")],
        "hypergeometric_prior.group_sizes": NO_COUNTS,
        "hypergeometric_prior.counts": NO_CHOICES,
        "pretrain.batch_size": [v for v in NO_COUNTS if v != "None"] + ["2000"],
        "pretrain.init": NO_CHOICES,
        "pretrain.layer_wise_epochs": [v for v in NO_COUNTS if v != "0"],
        "pretrain.starts": NO_COUNTS,
        "vade.latent_dim": [v for v in NO_COUNTS if v != "None"],
        "vade.learning_rate": [*NO_RATES, "0", "0.0"],
        "vade.likelihood": NO_CHOICES,
        "vade.prior": NO_CHOICES,
        "vade.prior_rate": [*NO_WEIGHTS, "0"],
        "vade.prior_weight": NO_WEIGHTS,
        "vade.temperature": [*NO_RATES, "0"],
    },
}
WRONG_BINDINGS = [
    "modle.name = 1",
    "model.modle = 1",
    "model.name",
    "model..name = 1",
    ".name = 1",
    "1.name = 1",
    "model.name == 1",
    "model.model_dir = 'a'",
    "import no.such.module",
    "import os, sys",
    "include 'no_such_file.gin'",
    "include no_such_file",
    "a = %b\nb = %a\nmodel.name = %a",
    "model.name = " + "[" * 3000,
    "model.name = '\udcff",
    "\u00e9.name = 1",
    "model.name = 1; model.name = 2",
]
WRONG_FILES = {
    "bytes.gin": bytes(range(256)),
    "encoded.gin": "model.name = 'a'\n".encode("utf-16"),
    "latin.gin": b"model.name = '\xff\xfe'\n",
    "nul.gin": b"a\0b = 1\n",
    "string.gin": b"model.name = 'abc\n",
    "lines.gin": b"model.name = '''abc\n",
    "bracket.gin": b"model.name = [1,\n",
    "import.gin": b"import no.such.module\n",
    "include.gin": b"include 'no_such_file.gin'\n",
    "name.gin": b"no_such_name.a = 1\n",
    "indent.gin": b"  model.name = 1\n model:\n",
    "deep.gin": b"a = " + b"[" * 5000 + b"]" * 5000 + b"\n",
    "digits.gin": b"a = " + b"9" * 5000 + b"\n",
    "page.gin": b"<html>404 Not Found</html>\n",
}
# Flags that no program has, or not so.
WRONG_FLAGS = ["--nope", "--nope=1", "junk", "--=1", "--\u00e9=1", "--\udcff=1", "-z"]
WRONG_FLAGS += [
    "\udcff",
    "--" + "x" * 500,
    "--overwrite=maybe",
    "--seed",
    "--gin_config",
]
NUMBERS = {
    "mvhg_ks_test": ["--num_draws", "--seed"],
    "mvhg_minimal_example": ["--num_samples", "--num_epochs", "--batch_size"],
    "mvhg_reproduce": ["--jobs", "--threads", "--shard", "--preset", "--backend"],
    "dlib_reproduce": ["--jobs", "--threads", "--shard"],
    "benchmark clustering": ["--rounds", "--samples"],
    "benchmark distribution": ["--rounds"],
    "benchmark metrics": ["--rounds", "--points", "--seeds", "--seed_points"],
    "benchmark pipeline": ["--rounds", "--batches"],
    "benchmark training": ["--rounds", "--steps"],
}
NO_ADDRESSES = ["", "nowhere", "ftp://a", "file:///etc", "http://", "http://[", "//a/b"]
NO_DATA_SETS = ["", "nothing", "../arm3d", "\udcff", "cars3d,mpi3d"]
PLACES = ["{folder}", "{file}", "{folder}/nothing", "", "\udcff", "a" * 300]
NO_FLAG_NUMBERS = ["abc", "", "-1", "1e3", "nan", "inf", "9" * 30, "1.5", " ", "\udcff"]
NO_FLAG_NUMBERS += ["0x10", "None", "1,2", "++1", "-"]
OUTPUTS = [
    name
    for name in COMMANDS
    if name not in ("mvhg_reproduce", "dlib_aggregate_results")
]
WRONG_OUTPUTS = [
    "{file}",
    "{file}/below",
    "{file}/far/below",
    "",
    "{folder}/" + "y" * 300,
]


class Mistake(NamedTuple):
    """A command line in which one thing is wrong.

    Attributes:
      program: its name.
      arguments: its flags, with {out} and the like for places.
      named: what the sentence has to name.
    """

    program: str
    arguments: tuple[str, ...]
    named: str = ""


def command(name: str, *extra: str, **changed: str) -> tuple[str, ...]:
    """The flags of a command that is right, but for these."""
    flags, bindings = COMMANDS[name]
    flags = list(flags)
    for key, value in ((bindings or {}) | changed).items():
        flags.append(f"--gin_bindings={key} = {value}")
    return (*flags, *extra)


def wrong_value(program: str, parameter: str, value: str) -> Mistake:
    named = parameter
    if value in NO_NAMES:
        named = value.strip("@()%")
    elif program == "mvhg_cluster":  # where what is bound may be used without gin
        named = parameter.partition(".")[2]
    return Mistake(program, command(program, **{parameter: value}), named)


def wrong_flag(program: str, flag: str, value: str, named: str = "") -> Mistake:
    return Mistake(program, command(program, f"{flag}={value}"), named)


def wrong_output(program: str, value: str) -> Mistake:
    flag = COMMANDS[program][0][-1].partition("=")[0]
    return Mistake(program, command(program, f"{flag}={value}"))


# Every mistake that the lists above make.
MISTAKES = [
    *(
        wrong_value(program, parameter, value)
        for program, parameters in WRONG_VALUES.items()
        for parameter, values in parameters.items()
        for value in values
    ),
    *(
        Mistake(name, command(name, f"--gin_bindings={binding}"))
        for name, binding in itertools.product(OF_GIN, WRONG_BINDINGS)
    ),
    *(
        Mistake(name, command(name, f"--gin_config={{folder}}/{file}"), file)
        for name, file in itertools.product(
            OF_GIN, [*WRONG_FILES, "no_such_file.gin", "x" * 300, ""]
        )
    ),
    *(
        Mistake(name, command(name, flag))
        for name, flag in itertools.product(COMMANDS, WRONG_FLAGS)
    ),
    *(
        wrong_flag(name, flag, value, flag)
        for name, flags in NUMBERS.items()
        for flag, value in itertools.product(flags, NO_FLAG_NUMBERS)
    ),
    *(wrong_flag("dlib_download_data", "--base_url", url) for url in NO_ADDRESSES),
    *(wrong_flag("dlib_download_data", "--dataset", name) for name in NO_DATA_SETS),
    *(wrong_flag("dlib_reproduce", "--study", name) for name in NO_FLAG_NUMBERS),
    *(wrong_flag("dlib_reproduce", "--model_num", n) for n in NO_FLAG_NUMBERS),
    *(wrong_flag("mvhg_cluster", "--data", path) for path in PLACES),
    *(wrong_flag("mvhg_cluster", "--start", path) for path in PLACES if path),
    *(wrong_flag("dlib_udr", "--model_dirs", path) for path in PLACES),
    *(wrong_output(*pair) for pair in itertools.product(OUTPUTS, WRONG_OUTPUTS)),
]
DETERMINED = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory, trained_model) -> dict[str, str]:
    """What stands for {folder} and the like."""
    folder = tmp_path_factory.mktemp("given")
    for name, content in WRONG_FILES.items():
        (folder / name).write_bytes(content)
    (folder / "file").write_text("kept")
    out = tmp_path_factory.mktemp("made") / "out"
    return {
        "folder": str(folder),
        "file": str(folder / "file"),
        "model": trained_model,
        "out": str(out),
    }


def place(argument: str, places: dict[str, str]) -> str:
    """The argument with the places in it; other braces stay."""
    for name, path in places.items():
        argument = argument.replace(f"{{{name}}}", path)
    return argument


def check_mistakes(places: dict[str, str], number: int) -> set[Mistake]:
    """Makes so many of the mistakes; returns them."""
    folders = [places["folder"], places["model"], str(Path(places["out"]).parent)]
    before = [contents(folder) for folder in folders]
    by_program = {
        name: [mistake for mistake in MISTAKES if mistake.program == name]
        for name in COMMANDS
    }
    made = set()

    @settings(max_examples=number, **DETERMINED)
    @given(st.one_of(*map(st.sampled_from, by_program.values())))
    def check(mistake):
        arguments = [place(argument, places) for argument in mistake.arguments]
        assert_one_sentence(run(mistake.program, *arguments), mistake.named)
        assert [contents(folder) for folder in folders] == before
        made.add(mistake)

    check()
    return made


def test_a_mistake_is_told_and_changes_nothing(places, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert len(check_mistakes(places, 40)) >= 30
    assert not os.listdir(tmp_path)


@pytest.mark.slow
def test_five_hundred_mistakes_are_told_and_change_nothing(
    places, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    made = check_mistakes(places, 1000)
    assert len(made) >= 500
    assert {mistake.program for mistake in made} == set(COMMANDS)
    assert not os.listdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mistake",
    [
        wrong_value("dlib_train", "model.batch_size", "'abc"),
        wrong_value("dlib_train", "encoder.encoder_fn", "@vae"),
        wrong_output("mvhg_cluster", "{file}/below"),
        wrong_flag("mvhg_ks_test", "--num_draws", "nan", "--num_draws"),
    ],
)
def test_a_process_of_its_own_says_the_same(places, mistake):
    """On its terminal, with all that TensorFlow says."""
    arguments = [place(argument, places) for argument in mistake.arguments]
    program = Path(sys.executable).with_name(mistake.program)
    done = subprocess.run(
        [str(program), *arguments], capture_output=True, encoding="utf-8"
    )
    here = run(mistake.program, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == here
