"""`run_directory` under kill -9 before each of its changes to the disk.

These runs take milliseconds, so every moment is tried. The children are forked off a
fresh process, which has no threads.
"""

import contextlib
import multiprocessing
import os

import gin
import pytest
from processes import count_changes

from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.run_directory import AlreadyFinished, open_run

_MOST_CHANGES = 100


@gin.configurable("killed_folder_test")
def _configurable(value=0):
    return value


def command(folder, value, overwrite=False):
    """A run of a configuration that makes two entries of that value."""
    gin.clear_config()
    gin.bind_parameter("killed_folder_test.value", value)
    with open_run(folder, "train", overwrite):
        for entry in ("results", "figures"):
            os.makedirs(os.path.join(folder, entry), exist_ok=True)
            with open(os.path.join(folder, entry, "made"), "w") as file:
                file.write(str(value))


def made(folder):
    """The two values, as far as they are there."""
    values = []
    for entry in ("results", "figures"):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(folder, entry, "made")) as file:
                values.append(file.read())
    return values


def killed(folder, moment, value, overwrite=False):
    """Runs the command in a child that dies before a change; whether it died."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            count_changes(folder, moment)
            command(folder, value, overwrite)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def kill_a_first_run(folder, moment):
    if not killed(folder, moment, 1):
        return False
    with contextlib.suppress(AlreadyFinished):  # and killed before it could end
        command(folder, 1)
    assert made(folder) == ["1", "1"]
    return True


def kill_a_run_that_overwrites(folder, moment):
    command(folder, 1)
    if not killed(folder, moment, 2, overwrite=True):
        return False
    command(folder, 2, overwrite=True)
    assert made(folder) == ["2", "2"]
    return True


def kill_twice_and_leave_the_flag_out(folder, moment):
    """It goes on, or it is refused because the old run is there, and whole."""
    command(folder, 1)
    if not killed(folder, moment, 2, overwrite=True):
        return False
    killed(folder, 2, 2, overwrite=True)
    try:
        command(folder, 2)
        expected = ["2", "2"]
    except AlreadyFinished:
        expected = ["2", "2"]
    except UserError:
        expected = ["1", "1"]
    assert made(folder) == expected
    return True


def every_moment(scenario, root):
    """Tries the scenario with each moment until there is none; how many there were."""
    for moment in range(1, _MOST_CHANGES):
        folder = os.path.join(root, str(moment))
        if not scenario(folder, moment):
            return moment - 1
        # What was killed while it was written or taken away may lie there.
        rest = set(os.listdir(folder)) - {"run.part.json", ".replaced"}
        assert rest == {"run.json", "results", "figures"}, (moment, rest)
    raise AssertionError("a child was always killed")


@pytest.mark.parametrize(
    ("scenario", "least"),
    [
        (kill_a_first_run, 8),
        (kill_a_run_that_overwrites, 14),
        (kill_twice_and_leave_the_flag_out, 14),
    ],
)
def test_a_run_that_was_killed_leaves_a_folder_to_go_on_with(tmp_path, scenario, least):
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        assert fresh.apply(every_moment, [scenario, str(tmp_path)]) >= least
