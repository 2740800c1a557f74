"""Which checkpoint training goes on from, whatever has become of the files."""

import os

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.runs.checkpoints import open_manager, remove_all, restore_newest
from mvhg_tf.runs.errors import UserError


class Counter(tf.Module):
    """A variable that holds the step of its checkpoint, and something to damage."""

    def __init__(self):
        super().__init__()
        self.step = tf.Variable(0)
        self.ballast = tf.Variable(np.arange(3000.0))


def manager_of(folder, counter):
    return open_manager(tf.train.Checkpoint(model=counter), str(folder))


@pytest.fixture
def folder(tmp_path):
    counter = Counter()
    manager = manager_of(tmp_path, counter)
    # The steps are not in the order of their names.
    for step in (8, 9, 10):
        counter.step.assign(step)
        manager.save(checkpoint_number=step)
    return tmp_path


def restored_step(folder):
    counter = Counter()
    restore_newest(manager_of(folder, counter))
    np.testing.assert_array_equal(counter.ballast, np.arange(3000.0))
    return int(counter.step)


def test_the_newest_is_restored_and_an_empty_folder_is_no_mistake(folder, tmp_path):
    assert restored_step(folder) == 10
    assert restored_step(tmp_path / "new") == 0


def flip(content):
    return bytes([content[0]]) + bytes(255 - byte for byte in content[1:])


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        flip,
        lambda content: None,
    ],
    ids=["empty", "half", "cut", "flipped", "deleted"],
)
def test_a_damaged_one_is_told_and_the_one_before_used(folder, capfd, part, damage):
    path = folder / f"ckpt-10.{part}"
    content = damage(path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert restored_step(folder) == 9
    # Without its index a checkpoint was never finished.
    if content is not None or part != "index":
        assert (
            f"{folder}/ckpt-10 is damaged, so the previous one" in capfd.readouterr()[1]
        )


@pytest.mark.parametrize("content", ["", "\0\1", None])
def test_the_list_of_checkpoints_is_not_needed(folder, content):
    (folder / "checkpoint").unlink()
    if content is not None:
        (folder / "checkpoint").write_text(content)
    assert restored_step(folder) == 10


def test_if_all_are_damaged_nothing_is_lost(folder):
    for path in folder.glob("*.index"):
        path.write_bytes(b"")
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(UserError, match="No checkpoint in .* can be read: use --ov"):
        restored_step(folder)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_what_a_killed_process_left_is_taken_away(folder):
    # It was about to note and to write, and to remove one too many.
    (folder / "ckpt-11_temp").mkdir()
    (folder / "ckpt-7.data-00000-of-00001").write_bytes(b"its index is gone")
    (folder / "checkpoint.tmp0").write_text("")
    (folder / "checkpoint").write_text('model_checkpoint_path: "ckpt-9"\n')
    counter = Counter()
    manager = manager_of(folder, counter)
    restore_newest(manager)
    assert int(counter.step) == 10
    manager.save(checkpoint_number=12)
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint",
        *(
            f"ckpt-{step}.{part}"
            for step in (10, 12)
            for part in ("data-00000-of-00001", "index")
        ),
    ]


def test_removing_them_leaves_none_that_is_torn(folder, monkeypatch):
    removed = []

    def killed(path):
        if len(removed) == 1:
            raise KeyboardInterrupt
        removed.append(path)
        os.unlink(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_all(str(folder))
    assert restored_step(folder) == 10
    remove_all(str(folder))
    assert not folder.exists()
