"""The runner, with jobs that leave marks in their folders."""

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mvhg_tf.programs import mvhg_reproduce
from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs import runner
from mvhg_tf.studies.jobs.job import Job, Progress, Step, unfinished


def mark(folder, text):
    """Appends to `marks`, so that calls can be counted, and leaves a result."""
    with open(os.path.join(folder, "marks"), "a") as file:
        file.write(text)
    with open(os.path.join(folder, f"{text}.json"), "w") as file:
        json.dump({"text": text}, file)


def fail_without_a_key(folder):
    if not os.path.exists(os.path.join(folder, "key")):
        raise RuntimeError("no key")


def write_threads(folder):
    names = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
    with open(os.path.join(folder, "threads.json"), "w") as file:
        json.dump([os.environ[name] for name in names], file)


def wait_for_a_key(folder):
    mark(folder, "waiting")
    while not os.path.exists(os.path.join(folder, "key")):
        time.sleep(0.05)


def marks_of(tmp_path, name):
    return (tmp_path / "jobs" / name / "marks").read_text()


def marking_job(name, texts="ab"):
    steps = (Step(text, mark, {"text": text}, f"{text}.json") for text in texts)
    return Job(name, tuple(steps))


def test_what_is_finished_is_skipped(tmp_path):
    jobs = [marking_job("first"), marking_job("second")]
    assert runner.run(jobs, tmp_path, num_jobs=2) == []
    assert runner.run(jobs, tmp_path) == []
    assert marks_of(tmp_path, "first") == marks_of(tmp_path, "second") == "ab"


@pytest.mark.parametrize("damage", [os.remove, lambda path: open(path, "w").close()])
def test_a_step_whose_result_is_lost_is_done_again(tmp_path, damage):
    jobs = [marking_job("job")]
    runner.run(jobs, tmp_path)
    damage(tmp_path / "jobs" / "job" / "b.json")
    assert Progress(jobs[0], jobs[0].folder(tmp_path)).state == "started"
    runner.run(jobs, tmp_path)
    assert marks_of(tmp_path, "job") == "abb"


def test_a_failed_job_is_told_and_the_others_go_on(tmp_path, capfd):
    failing = Job("failing", (Step("fail", fail_without_a_key), Step("rest", mark)))
    jobs = [failing, marking_job("other")]
    assert runner.run(jobs, tmp_path) == ["failing"]
    log = tmp_path / "jobs" / "failing" / "log.txt"
    [line] = [x for x in capfd.readouterr().err.splitlines() if "failed" in x]
    assert line.endswith(
        f"failing: failed (RuntimeError: no key); all of it is in {log}."
    )
    assert "Traceback" in log.read_text()
    assert marks_of(tmp_path, "other") == "ab"


def test_a_failed_job_goes_on_at_the_step_that_failed(tmp_path):
    first, last = marking_job("x").steps
    job = Job("job", (first, Step("fail", fail_without_a_key), last))
    assert runner.run([job], tmp_path) == ["job"]
    (tmp_path / "jobs" / "job" / "key").touch()
    assert runner.run([job], tmp_path) == []
    assert marks_of(tmp_path, "job") == "ab"
    progress = Progress(job, job.folder(tmp_path))
    assert [progress.of_step(step)["attempts"] for step in job.steps] == [1, 2, 1]


def test_jobs_get_their_threads(tmp_path):
    job = Job("job", (Step("look", write_threads, result="threads.json"),))
    runner.run([job], tmp_path, num_threads=3)
    path = tmp_path / "jobs" / "job" / "threads.json"
    assert json.loads(path.read_text()) == ["3", "3"]


def test_a_job_of_other_settings_is_refused(tmp_path):
    runner.run([marking_job("job")], tmp_path)
    with pytest.raises(UserError, match="other settings"):
        runner.run([marking_job("job", "c")], tmp_path)
    assert marks_of(tmp_path, "job") == "ab"


def test_a_function_that_moved_makes_no_other_job(tmp_path):
    runner.run([marking_job("job")], tmp_path)
    moved = Job(
        "job",
        tuple(
            dataclasses.replace(step, function=wait_for_a_key)
            for step in marking_job("job").steps
        ),
    )
    assert unfinished([moved], tmp_path) == []


def test_shards_part_the_jobs():
    jobs = [marking_job(f"job{i}") for i in range(7)]
    parts = [runner.select(jobs, (i, 3)) for i in (1, 2, 3)]
    assert [len(part) for part in parts] == [3, 2, 2]
    names = [job.name for part in parts for job in part]
    assert sorted(names) == [job.name for job in jobs]


def test_only_the_jobs_that_are_asked_for(tmp_path, capsys):
    flags = ["weak", "--preset=smoke", f"--output_dir={tmp_path}", "--list"]
    assert mvhg_reproduce.main([*flags, "--only=hgvae_s1*,adavae_s5_seed0"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["hgvae_s1_seed0", "adavae_s5_seed0"]


RUN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by "pytest &"
sys.path.insert(0, {tests!r})
import test_runner
from mvhg_tf.studies.jobs.job import Job, Step
from mvhg_tf.studies.jobs import runner
step = Step("wait", test_runner.wait_for_a_key)
runner.run([Job("a", (step,)), Job("b", (step,))], {folder!r}, num_jobs=2)
"""


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def is_free(path):
    """Whether no process holds the lock: a job's process does until it ends."""
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_study_that_is_ended_leaves_no_process_and_goes_on(tmp_path, how):
    code = RUN.format(tests=os.path.dirname(__file__), folder=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.DEVNULL, start_new_session=True
    )
    marks = [tmp_path / "jobs" / name / "marks" for name in "ab"]
    wait_until(lambda: all(path.exists() for path in marks))
    process.send_signal(how)
    assert process.wait(60) != 0
    wait_until(lambda: all(is_free(path.parent / ".job.lock") for path in marks))
    for name in "ab":
        (tmp_path / "jobs" / name / "key").touch()
    jobs = [Job(name, (Step("wait", wait_for_a_key),)) for name in "ab"]
    assert runner.run(jobs, tmp_path, num_jobs=2) == []
    assert marks_of(tmp_path, "a") == marks_of(tmp_path, "b") == "waiting" * 2


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_backend_that_is_not_installed_is_told(tmp_path, backend, monkeypatch):
    for name in ("dask.distributed", "ray.util.joblib"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=f"--backend {backend} needs .*pip install"):
        runner.run([marking_job("job")], tmp_path, backend=backend)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "The study is missing"),
        (["strong"], "'strong'"),
        (["weak", "--shard=3/2"], "I from 1 to N"),
        (["weak", "--shard=two"], "I/N"),
        (["weak", "--jobs=0"], "from 1"),
        (["weak", "--preset=huge"], "'huge'"),
        (["weak", "--backend=slurm"], "'slurm'"),
        (["weak", "--only=nothing*"], "'nothing*' matches no job"),
    ],
)
def test_bad_flags_get_one_sentence(flags, said, capsys):
    assert mvhg_reproduce.main(flags) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_an_output_directory_that_is_a_file_is_refused(tmp_path, capsys):
    path = tmp_path / "file"
    path.touch()
    assert mvhg_reproduce.main(["weak", f"--output_dir={path}"]) == 2
    assert "can't be created" in capsys.readouterr().err


def test_a_job_at_work_elsewhere_is_left_alone(tmp_path, capfd):
    job = marking_job("job")
    os.makedirs(job.folder(tmp_path))
    with open(os.path.join(job.folder(tmp_path), ".job.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert runner.run([job], tmp_path) == ["job"]
    assert "job: another process is at work in" in capfd.readouterr().err
    assert not (tmp_path / "jobs" / "job" / "marks").exists()
