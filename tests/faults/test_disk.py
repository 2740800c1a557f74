"""A disk that is full, and a folder that is read-only: one sentence, nothing lost."""

import shutil

import commands
import mounts
import pytest
from processes import Run, program

pytestmark = pytest.mark.slow


def on_a_small_disk(folder, num_bytes, copy, command):
    """Runs a command that writes into a small disk at `folder`, and copies that."""
    mounts.mount_small(folder, num_bytes)
    try:
        return program(*command)
    finally:
        shutil.copytree(folder, copy)


def on_a_read_only_disk(folder, command):
    mounts.make_read_only(folder)
    return program(*command)


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def assert_refused(said):
    sentence = said.rstrip().splitlines()[-1]
    assert "No space left on device" in sentence
    assert sentence.endswith("run this again.")
    assert "Traceback" not in said


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_full_disk_while_training(finished, trained, tmp_path, share):
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    command = commands.training(disk / "model")
    room = int(share * size_of(trained))
    run = Run(on_a_small_disk, (str(disk), room, str(copy), command), tmp_path / "log")
    assert run.wait() == 1, run.said()
    assert_refused(run.said())
    finished(commands.training(copy / "model"))
    commands.assert_same_results(copy / "model", trained)


def test_full_disk_while_clustering(finished, samples, clustered, tmp_path):
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    command = commands.clustering(samples, disk / "run")
    room = int(0.7 * size_of(clustered))
    run = Run(on_a_small_disk, (str(disk), room, str(copy), command), tmp_path / "log")
    assert run.wait() == 1, run.said()
    assert_refused(run.said())
    finished(commands.clustering(samples, copy / "run"))
    commands.assert_same_results(copy / "run", clustered)


@pytest.fixture(scope="module")
def unfinished(start, tmp_path_factory):
    """The folder of a training that was killed."""
    folder = tmp_path_factory.mktemp("unfinished") / "model"
    run = start(commands.training(folder))
    run.kill_at(lambda: commands.newest_checkpoint(folder) >= 4, 0.0)
    return folder


@pytest.mark.parametrize(
    "make",
    [
        lambda folder, trained, samples: commands.training(folder),
        lambda folder, trained, samples: commands.training(folder / "new"),
        lambda folder, trained, samples: commands.postprocessing(trained, folder / "n"),
        lambda folder, trained, samples: commands.clustering(samples, folder / "new"),
    ],
    ids=["unfinished", "train", "postprocess", "cluster"],
)
def test_a_read_only_folder_is_told(unfinished, trained, samples, tmp_path, make):
    before = sorted(path.name for path in unfinished.rglob("*"))
    command = make(unfinished, trained, samples)
    run = Run(on_a_read_only_disk, (str(unfinished), command), tmp_path / "log")
    assert run.wait() == 2, run.said()
    [sentence] = run.said().splitlines()
    assert "Read-only file system" in sentence and "choose" in sentence
    assert sorted(path.name for path in unfinished.rglob("*")) == before
