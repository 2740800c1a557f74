"""The weakly supervised study's jobs."""

import json
from pathlib import Path

import gin
import pytest

from mvhg_tf.programs import mvhg_reproduce
from mvhg_tf.studies.jobs.model_steps import config_path
from mvhg_tf.studies.weak import weak_study
from mvhg_tf.studies.weak.weak_study import PRESETS, make_jobs


@pytest.mark.parametrize("preset", PRESETS)
def test_methods_times_s_times_seeds(preset):
    jobs = make_jobs(preset)
    assert len({job.name for job in jobs}) == len(jobs)
    chosen = PRESETS[preset]
    methods = [job for job in jobs if job.settings["group"] in weak_study.METHODS]
    assert len(methods) == 3 * len(chosen.shared) * len(chosen.seeds)
    for job in jobs:
        shared, k = job.settings["shared"], job.settings["k"]
        assert k == (-1 if shared == "mixed" else 7 - shared)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_job_is_a_configuration_that_gin_takes(preset):
    from mvhg_tf.disentanglement.steps import evaluate, postprocess, training  # noqa: F401
    from mvhg_tf.runs import gin_config

    for job in make_jobs(preset):
        for step in job.steps:
            files = [config_path(step.arguments["config"])]
            bindings = step.arguments["bindings"]
            with gin_config.configured(files, bindings):
                if step.name in ("train", weak_study.COUNTS):
                    assert gin.query_parameter("dynamics.k") == job.settings["k"]
                if step.name == "train":
                    seed = gin.query_parameter("model.random_seed")
                    assert seed == job.settings["seed"]


def test_counts_are_of_pairs_as_trained():
    for job in make_jobs("cpu"):
        of_dynamics = [
            {line for line in lines if line.startswith("dynamics.")}
            for lines in (
                job.steps[0].arguments["bindings"],
                job.steps[-1].arguments["bindings"],
            )
        ]
        assert of_dynamics[0] == of_dynamics[1]


def test_fixed_pairs_are_scored_by_both_protocols():
    group = weak_study.fixed_group("hgvae")
    jobs = [job for job in make_jobs("cpu") if job.settings["group"] == group]
    assert len(jobs) == 3 * 3
    for job in jobs:
        bindings = {step.name: step.arguments["bindings"] for step in job.steps}
        paper, ours = bindings[weak_study.PAPER_PROTOCOL], bindings[weak_study.COUNTS]
        assert [line for line in paper if "protocol =" in line] == [
            'shared_independent_downstream.protocol = "paper"'
        ]
        assert not any("protocol =" in line for line in ours)
        for lines in (paper, ours):
            assert 'dynamics.mode = "fixed"' in lines


def test_what_starts_alive_is_trained_on_both_kinds_of_pairs():
    for method in weak_study.ALIVE_METHODS:
        group = weak_study.alive_group(method)
        for name, is_fixed in ((group, False), (weak_study.fixed_group(group), True)):
            jobs = [job for job in make_jobs("cpu") if job.settings["group"] == name]
            assert len(jobs) == 3 * 3
            for job in jobs:
                training = job.steps[0].arguments
                assert training["config"].endswith(f"{method}_arm3d_he.gin")
                fixed_line = 'dynamics.mode = "fixed"'
                assert (fixed_line in training["bindings"]) == is_fixed


def test_what_starts_alive_differs_in_the_model_alone():
    ada, hg = (
        Path(config_path(f"gin_configs/{weak_study.alive_config(method)}"))
        .read_text()
        .splitlines()
        for method in weak_study.ALIVE_METHODS
    )
    changed = ("#", "model.model", "group_vae", "ExponentialAnnealing", "hgvae")
    assert [line for line in ada if not line.startswith(changed)] == [
        line for line in hg if not line.startswith(changed)
    ]


def test_list_prints_each_job(tmp_path, capsys):
    flags = ["weak", "--preset=cpu", "--list", f"--output_dir={tmp_path}"]
    assert mvhg_reproduce.main(flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [x.name for x in make_jobs("cpu")]
    assert all(line.endswith("to do") for line in lines)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_job_of_the_smoke_preset_runs_to_its_scores(tmp_path, capsys):
    flags = ["weak", "--preset=smoke", "--shard=6/6", f"--output_dir={tmp_path}"]
    assert mvhg_reproduce.main(flags) == 0
    job = make_jobs("smoke")[-1]
    path = tmp_path / "jobs" / job.name / job.steps[-1].result
    scores = json.loads(path.read_text())
    assert scores["k"] == job.settings["k"] == 2
    assert 0 <= scores["k_hat"] <= 10
