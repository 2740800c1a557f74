"""The library's studies: that they are the library's, and what the programs do."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

from mvhg_tf.disentanglement import library_studies
from mvhg_tf.studies.jobs import runner
from mvhg_tf.studies.jobs.job import Progress, do_steps
from mvhg_tf.studies.library.library_study import make_jobs
from mvhg_tf.studies.library.placed_jobs import discard

from disentanglement_lib.config import reproduce  # isort: skip

WEAKLY = "dlib_reproduce_weakly_supervised"
NUM_MODELS = {
    "unsupervised_study_v1": 7 * 6 * 6 * 50,
    "fairness_study_v1": 7 * 6 * 6 * 50,
    "abstract_reasoning_study_v1": 2 * 6 * 6 * 5,
    "test": 1,
}


@pytest.mark.parametrize("name", reproduce.STUDIES)
def test_a_number_is_the_library_s_configuration(name):
    theirs = reproduce.STUDIES[name]
    ours = library_studies.LibraryStudy(name)
    assert ours.num_models == NUM_MODELS[name]
    drawn = np.random.RandomState(0).randint(ours.num_models, size=6)
    for number in {0, ours.num_models - 1, *map(int, drawn)}:
        bindings, config = theirs.get_model_config(number)
        assert ours.model_bindings(number) == bindings
        [job] = make_jobs(name, [number], ["model.training_steps = 3"])
        training = job.steps[0]
        assert library_studies.path_of(training.arguments["config"]) == config
        assert training.arguments["bindings"] == [
            f"model.name = '{os.path.basename(config).removesuffix('.gin')}'",
            f"model.model_num = {number}",
            *bindings,
            "model.training_steps = 3",
        ]


@pytest.mark.parametrize("name", reproduce.STUDIES)
def test_the_steps_have_the_library_s_files_seeds_and_folders(name):
    theirs = reproduce.STUDIES[name]
    representations = sorted(theirs.get_postprocess_config_files())
    metrics = sorted(theirs.get_eval_config_files())
    [job] = make_jobs(name, [0])
    first, drawing, *others = job.steps
    assert (first.name, drawing.name) == ("train", "visualize")
    seeds = np.random.RandomState(0)
    expected = []
    for config in representations:
        kind = os.path.basename(config)[:-4]
        seed = f"postprocess.random_seed = {seeds.randint(2**32)}"
        expected.append((f"postprocessed/{kind}", config, seed))
    for representation in representations:
        for config in metrics:
            kind = os.path.basename(representation)[:-4]
            folder = f"metrics/{kind}/{os.path.basename(config)[:-4]}"
            seed = f"evaluation.random_seed = {seeds.randint(2**32)}"
            expected.append((folder, config, seed))
    found = [
        (
            step.arguments["output"],
            library_studies.path_of(step.arguments["config"]),
            step.arguments["bindings"][0],
        )
        for step in others
    ]
    assert found == expected
    assert len({step.name for step in job.steps}) == len(job.steps)


def test_all_models_of_a_study_are_its_jobs():
    jobs = make_jobs("abstract_reasoning_study_v1")
    assert [job.settings["model_num"] for job in jobs] == list(range(360))
    folders = {job.folder("out/{study}/{model_num}") for job in jobs}
    assert len(folders) == 360
    assert jobs[3].folder("out/{study}/{model_num}") == (
        "out/abstract_reasoning_study_v1/3"
    )


@pytest.fixture
def gin_folder(tmp_path):
    """A small pipeline's gin files."""
    files = {
        "model.gin": "model.batch_size = 2\n",
        "posts/mean.gin": "postprocess.postprocess_fn = @mean_representation\n"
        "dataset.name = 'auto'\n",
        "metrics/mig.gin": "evaluation.evaluation_fn = @mig\n"
        "dataset.name = 'auto'\nmig.num_train = 100\n"
        "discretizer.discretizer_fn = @histogram_discretizer\n"
        "discretizer.num_bins = 10\n",
        "metrics/unsupervised.gin": "# left out\n",
    }
    for name, text in files.items():
        path = tmp_path / "gin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "gin"


def pipeline_flags(gin_folder, output):
    return [
        f"--output_dir={output}",
        f"--gin_postprocess_config_glob={gin_folder}/posts/*.gin",
        f"--gin_evaluation_config_glob={gin_folder}/metrics/*.gin",
    ]


@pytest.fixture
def done(monkeypatch):
    """What the runner is given, in place of doing it."""
    jobs = []
    monkeypatch.setattr(runner, "run", lambda given, *rest: jobs.extend(given) or [])
    return jobs


def test_weakly_supervised_seeds_follow_the_pipeline_s(
    run_program, gin_folder, tmp_path, done
):
    flags = [
        *pipeline_flags(gin_folder, tmp_path / "out" / "{pipeline_seed}"),
        f"--gin_model_config_dir={gin_folder}",
        "--gin_model_config_name=model.gin",
        "--gin_bindings=model.training_steps = 1",
        "--pipeline_seed=3,5-6",
        "--eval_seed=1",
    ]
    code, out, error = run_program(WEAKLY, *flags)
    assert (code, error) == (0, "--eval_seed has no effect, as in the library.\n")
    assert out.startswith(f"All 3 jobs are finished: see {tmp_path}/out.\n\nNext:\n")
    assert f"={tmp_path}/out/*/metrics/*/*/results/aggregate/" in out.replace("'", "")
    assert [job.settings["pipeline_seed"] for job in done] == [3, 5, 6]
    assert done[1].folder("out/{pipeline_seed}") == "out/5"
    train, _, mean, mig = done[1].steps
    seeds = np.random.RandomState(5).randint(2**32, size=3)
    assert train.arguments["config"] == str(gin_folder / "model.gin")
    assert train.arguments["bindings"] == [
        f"model.random_seed = {seeds[0] % 2**30}",
        "model.name = 'model'",
        "model.training_steps = 1",
    ]
    assert mean.arguments["bindings"][0] == f"postprocess.random_seed = {seeds[1]}"
    assert mig.arguments["bindings"] == [
        f"evaluation.random_seed = {seeds[2]}",
        "evaluation.name = 'mig_0'",
    ]
    assert mig.arguments["output"] == "metrics/mean/mig_0"


def test_a_trained_model_is_scored(
    run_program, gin_folder, tmp_path, done, trained_model
):
    shutil.copytree(trained_model, tmp_path / "earlier" / "model")
    output = tmp_path / "out"
    flags = [*pipeline_flags(gin_folder, output), f"--model_dir={tmp_path}/earlier"]
    assert run_program(WEAKLY, *flags)[0] == 0
    [job] = done
    assert job.steps[0].name == "visualize"  # which takes long
    job = dataclasses.replace(job, steps=job.steps[1:])
    output.mkdir()
    do_steps(job, str(output))
    assert Progress(job, str(output)).is_finished
    path = output / "metrics" / "mean" / "mig_0" / "results" / "aggregate"
    row = json.loads((path / "evaluation.json").read_text())
    assert 0 <= row["evaluation_results.discrete_mig"] <= 1
    assert row["evaluation_config.evaluation.name"] == "'mig_0'"
    assert row["train_results.loss"] == 3.5
    # To begin anew takes away what was made, and no more.
    (output / "notes.txt").touch()
    discard([job], str(output))
    assert sorted(path.name for path in output.iterdir()) == [".job.lock", "notes.txt"]
    assert (tmp_path / "earlier" / "model" / "tfhub").exists()


@pytest.mark.usefixtures("done")
def test_one_job_says_its_folder(run_program):
    _, out, _ = run_program("dlib_reproduce", "--model_num=7")
    assert out.startswith(
        "The job is finished: see output/unsupervised_study_v1/7.\n\nNext:\n"
    )


def test_a_study_is_listed_and_printed(run_program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run_program(
        "dlib_reproduce", "--model_num=0,12590-12599", "--list", "--shard=1/2"
    )
    assert code == 0
    numbers = [0, 12591, 12593, 12595, 12597, 12599]
    assert [line.split()[0] for line in out.splitlines()] == [
        f"unsupervised_study_v1_{number}" for number in numbers
    ]
    code, out, _ = run_program("dlib_reproduce", "--model_num=7", "--only_print=True")
    assert code == 0
    bindings, _ = reproduce.STUDIES["unsupervised_study_v1"].get_model_config(7)
    assert set(bindings) < {line.strip() for line in out.splitlines()}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--study=strong"], "no study 'strong': give one of unsupervised_study_v1, "),
        (["--model_num=12600"], "no model 12600 in unsupervised_study_v1: its models"),
        (["--model_num=3-1"], "'3-1', but must be a number, several as in"),
        (["--model_num=0-999999999"], "several as in"),
        (["--model_num=-1"], "several as in"),
        (["--model_dir=a", "--gin_bindings=a.b=1"], "leave one of them out"),
        (["--model_num=0-1", "--output_dir=x"], "put {model_num} into it"),
        (["--output_dir=/dev/null/x"], "can't be created"),
        (["--jobs=0"], "from 1"),
        (["--overwrite=maybe"], "--overwrite=maybe: it must be true or false"),
    ],
)
def test_mistakes_get_one_sentence(run_program, tmp_path, monkeypatch, flags, sentence):
    monkeypatch.chdir(tmp_path)
    code, out, error = run_program("dlib_reproduce", *flags)
    assert (code, out) == (2, "")
    assert sentence in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "No model was given"),
        (["--gin_model_config_dir=a"], "No model was given"),
        (["--gin_model_config_name=model.gin"], "no gin file model.gin"),
        (["--model_dir=a", "--gin_bindings=a.b=1"], "leave one or the other out"),
        (
            ["--gin_model_config_dir=a", "--gin_model_config_name=b.gin"],
            "no gin file a/b.gin",
        ),
        (["--model_dir=a", "--pipeline_seed=0-1"], "put {pipeline_seed} into it"),
        (["--model_dir=a", "--pipeline_seed=all"], "below 2**32"),
        (
            ["--model_dir=a", "--gin_evaluation_config_glob=no*"],
            "No file matches 'no*'",
        ),
    ],
)
def test_mistakes_in_a_pipeline_get_one_sentence(
    run_program, gin_folder, tmp_path, flags, sentence
):
    output = tmp_path / "out"
    given = [*pipeline_flags(gin_folder, output), *flags]
    code, out, error = run_program(WEAKLY, *given)
    assert (code, out) == (2, "")
    assert sentence in error and error.count("\n") == 1
    assert not output.exists()


@pytest.mark.slow
def test_the_library_s_test_study_runs_to_its_scores(run_program, tmp_path):
    output = tmp_path / "{study}" / "{model_num}"
    flags = ["--study=test", f"--output_dir={output}"]
    code, _, error = run_program("dlib_reproduce", *flags)
    assert code == 0, error
    folder = tmp_path / "test" / "0"
    pattern = "metrics/*/*/results/aggregate/evaluation.json"
    assert len(list(folder.glob(pattern))) == 2 * 12
    assert (folder / "visualizations" / "traversals").is_dir()
    # What is finished is skipped, and what is lost is done again.
    [lost] = folder.glob("metrics/mean/mig/results/json/evaluation_results.json")
    first = sorted(path.stat().st_mtime_ns for path in folder.glob(pattern))
    lost.unlink()
    assert run_program("dlib_reproduce", *flags)[0] == 0
    second = sorted(path.stat().st_mtime_ns for path in folder.glob(pattern))
    assert lost.exists() and len(set(second) - set(first)) == 1
