"""Two commands on one folder at once: the second refuses, the first goes on."""

import commands
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["dlib_train", "mvhg_cluster"])
def test_the_second_refuses(start, samples, tmp_path, name):
    folder = tmp_path / "run"
    long = ("model.training_steps = 100000", "fit.epochs = 100000")
    command = {
        "dlib_train": commands.training(folder, long[0]),
        "mvhg_cluster": commands.clustering(samples, folder, long[1]),
    }[name]
    first = start(command)
    first.wait_until(lambda: commands.newest_checkpoint(folder) >= 2)
    seen = commands.newest_checkpoint(folder)
    for flags in ([], ["--overwrite"]):
        second = start([*command, *flags])
        assert second.wait() == 2
        [sentence] = second.said().splitlines()
        assert f"Another run is using {folder}: wait for it to end" in sentence
    first.wait_until(lambda: commands.newest_checkpoint(folder) > seen)
    assert first.is_alive(), first.said()
