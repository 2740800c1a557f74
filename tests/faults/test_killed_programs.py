"""Programs under kill -9, and then the same commands again.

They complete, with the results of commands that nothing broke: weights bit for bit,
scores but for elapsed times. The moments are random, of a fixed seed: a number of
changes to the disk, or some milliseconds after a file was seen.
"""

import contextlib
import random
import signal

import commands
import numpy as np
import pytest
from processes import Run

from mvhg_tf.disentanglement.data import mpi3d

pytestmark = pytest.mark.slow

KILLED = -signal.SIGKILL
SEED = 2023


def test_training(start, finished, trained, tmp_path):
    folder, moments = tmp_path / "model", random.Random(SEED)
    steps = sorted(moments.sample(range(39), 7))
    for step in [-1, *steps]:

        def is_there(step=step):
            has_started = (folder / "run.json").exists()
            return has_started and commands.newest_checkpoint(folder) >= step

        run = start(commands.training(folder))
        code = run.kill_at(is_there, moments.uniform(0.0, 0.1))
        assert code == KILLED, run.said()
    finished(commands.training(folder))
    commands.assert_same_results(folder, trained)


def test_while_a_checkpoint_is_written(start, finished, trained, tmp_path):
    folder, moments = tmp_path / "model", random.Random(SEED)
    checkpoints = folder / "checkpoints"
    for step in sorted(moments.sample(range(0, 36, 2), 6)):

        def is_writing(step=step):
            # A checkpoint is put together in a folder of its own.
            return commands.newest_checkpoint(folder) >= step and any(
                checkpoints.glob("*_temp")
            )

        run = start(commands.training(folder))
        assert run.kill_at(is_writing, 0.0) == KILLED, run.said()
    finished(commands.training(folder))
    commands.assert_same_results(folder, trained)


def test_training_while_it_writes_its_results(start, finished, trained, tmp_path):
    """Its last changes to the disk are those of the results."""
    whole = finished(commands.training(tmp_path / "whole"), folder=tmp_path / "whole")
    folder, moments = tmp_path / "model", random.Random(SEED)
    for back in sorted(moments.sample(range(8), 3), reverse=True):
        moment = whole.changes - back
        run = start(commands.training(folder), folder=folder, die_at=moment)
        assert run.wait() == KILLED, run.said()
    finished(commands.training(folder))
    commands.assert_same_results(folder, trained)


@pytest.fixture(scope="module")
def represented(finished, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("represented") / "mean"
    finished(commands.postprocessing(trained, folder))
    return folder


def kill_at_changes(start, finished, command, folder, counted, num_kills):
    """Kills runs of the command at changes that a run made which nothing broke."""
    moments = random.Random(SEED)
    for moment in sorted(moments.sample(range(1, counted + 1), num_kills)):
        run = start(command, folder=folder, die_at=moment)
        assert run.wait() == KILLED, run.said()
    finished(command)


def test_postprocessing(start, finished, trained, represented, tmp_path):
    whole = tmp_path / "whole"
    counted = finished(commands.postprocessing(trained, whole), folder=whole).changes
    folder = tmp_path / "mean"
    command = commands.postprocessing(trained, folder)
    kill_at_changes(start, finished, command, folder, counted, 3)
    commands.assert_same_results(folder, represented)


def test_evaluation(start, finished, represented, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "scores"
    run = finished(commands.evaluation(represented, whole), folder=whole)
    command = commands.evaluation(represented, folder)
    moments = random.Random(SEED)
    for _ in range(3):
        killed = start(command)
        record = folder / "run.json"
        assert killed.kill_at(record.exists, moments.uniform(0.0, 1.0)) == KILLED
    kill_at_changes(start, finished, command, folder, run.changes, 3)
    commands.assert_same_results(folder, whole)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A file of mpi3d's layout, 100 MB, and the sizes of its factors."""
    sizes = (4, 4, 2, 2, 2, 8, 8)
    folder = tmp_path_factory.mktemp("data")
    (folder / "mpi3d_toy").mkdir()
    values = np.random.default_rng(0).integers(
        0, 256, [np.prod(sizes), 64, 64, 3], np.uint8
    )
    np.savez(folder / "mpi3d_toy" / "mpi3d_toy.npz", images=values)
    return folder, sizes, values


def unpack(folder, sizes):
    mpi3d.MPI3D("mpi3d_toy", folder, [sizes])


def test_data_conversion(images, tmp_path):
    folder, sizes, values = images
    target = folder / "mpi3d_toy" / "mpi3d_toy.npy"
    part = target.with_name(target.name + ".part")
    moments = random.Random(SEED)

    for number in range(6):
        # The killed run before has left its part, which is made anew.
        earlier = part.stat().st_mtime_ns if part.exists() else 0
        size = moments.uniform(0.0, 0.8) * values.nbytes

        def has_grown(earlier=earlier, size=size):
            with contextlib.suppress(FileNotFoundError):
                now = part.stat()
                return now.st_mtime_ns > earlier and now.st_size >= size

        run = Run(unpack, (folder, sizes), tmp_path / f"{number}.txt")
        assert run.kill_at(has_grown, 0.0) == KILLED, run.said()
        assert not target.exists()
    unpack(folder, sizes)
    np.testing.assert_array_equal(np.load(target, mmap_mode="r"), values)
    assert not part.exists()


def test_clustering(start, finished, samples, clustered, tmp_path):
    folder, moments = tmp_path / "run", random.Random(SEED)
    command = commands.clustering(samples, folder)
    for epoch in [None, -1, *sorted(moments.sample(range(1, 9), 3))]:

        def is_there(epoch=epoch):
            if epoch is None:
                return (folder / "run.json").exists()
            started = (folder / "start.npz").exists()
            return started and commands.newest_checkpoint(folder) >= epoch

        run = start(command)
        code = run.kill_at(is_there, moments.uniform(0.0, 0.2))
        assert code == KILLED, run.said()
    finished(command)
    commands.assert_same_results(folder, clustered)


def test_clustering_while_it_writes(start, finished, samples, clustered, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "run"
    counted = finished(commands.clustering(samples, whole), folder=whole).changes
    command = commands.clustering(samples, folder)
    kill_at_changes(start, finished, command, folder, counted, 4)
    commands.assert_same_results(folder, clustered)


def test_study(start, finished, tmp_path):
    def command(folder):
        where = f"--output_dir={folder}"
        return ["mvhg_reproduce", "clustering", "--preset=smoke", "--shard=1/6", where]

    whole, folder = tmp_path / "whole", tmp_path / "study"
    finished(command(whole))
    [job] = (whole / "jobs").iterdir()
    marks = [path.relative_to(whole) for path in job.glob("*/results/results.json")]
    assert len(marks) == 3
    moments = random.Random(SEED)
    job = folder / "jobs" / job.name
    for seen in (
        job / "uniform" / "run.json",
        job / "uniform" / "results" / "results.json",
        job / "categorical" / "checkpoints",
        job / "categorical" / "results" / "results.json",
    ):
        run = start(command(folder))
        assert run.kill_at(seen.exists, moments.uniform(0.0, 1.0)) == KILLED
    finished(command(folder))
    for mark in marks:
        run = mark.parent.parent
        commands.assert_same_results(folder / run, whole / run)
