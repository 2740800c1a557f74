"""A folder that is read-only: one sentence, and nothing changes."""

import commands
import mounts
import pytest
from processes import Run, program

pytestmark = pytest.mark.slow


def on_a_read_only_disk(folder, command):
    mounts.make_read_only(folder)
    return program(*command)


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
