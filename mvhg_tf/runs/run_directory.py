"""One rule for the folders that training, evaluation and the like make.

The same command on the folder of its own unfinished run goes on with it. On a
finished run, or one of another configuration, it refuses, unless asked to overwrite.
A folder that no run made is never touched.

A run's folder holds `run.json`, which says what made it. Overwriting takes away only
what runs make (`RUN_ENTRIES`), and not before there is something new in its place:
until the new run has finished, the old one waits in `.replaced`, and comes back if
the new one ends before it has made anything. A run may be killed at any moment: what
it was about to move or to take away is found, and dealt with, by the next one.
"""

import contextlib
import fcntl
import fnmatch
import json
import os
import re
from collections.abc import Iterator, Sequence

import gin

from mvhg_tf.runs import console
from mvhg_tf.runs.errors import RunInterrupted, UserError
from mvhg_tf.runs.whole import remove, write_json

UNFINISHED_PICTURES = "pictures.part"
RUN_ENTRIES = (  # patterns
    "animated_traversals",
    "animation*.gif",
    "artifacts",
    "checkpoints",
    "figures",
    "interventional_effects",
    "model*.keras",
    UNFINISHED_PICTURES,
    "reconstructions",
    "results",
    "sampled",
    "start*.npz",
    "tensorboard",
    "tfhub",
    "tfhub.part",
    "traversals",
    "variations_of_factor*.png",
)
_RECORD = "run.json"
_RECORD_PART = "run.part.json"  # of a run that was killed while it wrote
_LOCK = ".run.lock"
_REPLACED = ".replaced"
_MACRO = re.compile(r"([\w/]+/)?\w+ = ")


class AlreadyFinished(UserError):
    """The folder holds a finished run of the very same command."""


@contextlib.contextmanager
def open_run(
    directory: str,
    step_name: str,
    overwrite: bool = False,
    input_dir: str | Sequence[str] = "",
    may_grow: str | None = None,
) -> Iterator[bool]:
    """Reserves a folder for one run, of the active gin configuration.

    When the block ends, the run counts as finished. When it raises, the run stays
    unfinished, and if it made nothing, the folder is as it was before.

    Args:
      directory: the folder, made if there is none.
      step_name: the kind of run, such as "train" or "evaluation".
      overwrite: whether an earlier run there may be replaced.
      input_dir: the folder that the run reads, or several in their order; with
        another one it is another run.
      may_grow: a bound integer, such as "model.training_steps". A run that differs in
        nothing but its being smaller is gone on with, also if it is finished; its
        record stays until this one is finished as well.

    Yields:
      Whether a run is there to go on with.

    Raises:
      AlreadyFinished: if the folder holds the same run, finished.
      UserError: if the folder is not free for another reason, or cannot be made.
      RunInterrupted: in place of a KeyboardInterrupt in the block, if the run has
        made something to go on with.
    """
    given = [input_dir] if isinstance(input_dir, str) else input_dir
    input_dirs = [os.path.realpath(path) for path in given if path]
    run = {
        "step": step_name,
        "config": gin.config_str(),
        "input_dir": os.pathsep.join(input_dirs),
        "finished": False,
    }
    _check_apart(directory, input_dirs)
    _check_ours(directory)
    with _folder(directory), _locked(directory):
        _restore(directory)
        earlier = _resumable(directory, run, overwrite, may_grow)
        if earlier is None:
            _set_aside(directory)
        try:
            _write_record(directory, earlier or run)
            with console.signals_as_keyboard_interrupt():
                yield earlier is not None
        except BaseException as error:
            if not _made_entries(directory):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(os.path.join(directory, _RECORD))
                _restore(directory)
            elif isinstance(error, KeyboardInterrupt) and not isinstance(
                error, RunInterrupted
            ):
                raise RunInterrupted from error
            raise
        _discard_replaced(directory)
        _write_record(directory, run | {"finished": True})


def _check_apart(directory: str, input_dirs: Sequence[str]) -> None:
    """Refuses to write where the run reads: overwriting would move its input."""
    if os.path.realpath(directory) in input_dirs:
        raise UserError(
            f"The results can't go into the folder {directory} that is read: choose "
            "another one."
        )


def _check_ours(directory: str) -> None:
    """Refuses a folder that holds anything, but not a run."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise UserError(f"{directory} is not a folder: choose another one.")
    entries = set(os.listdir(directory)) if os.path.isdir(directory) else set()
    if entries - {_LOCK, _RECORD_PART} and entries.isdisjoint({_RECORD, _REPLACED}):
        raise UserError(
            f"The folder {directory} holds files that no run of mvhg_tf made, so it is "
            "left alone (even with --overwrite): choose an empty or a new one."
        )


@contextlib.contextmanager
def _folder(directory: str) -> Iterator[None]:
    """Makes the folder if there is none; what stays empty is taken away again."""
    missing = [os.path.abspath(directory)]
    while not os.path.isdir(missing[-1]):
        missing.append(os.path.dirname(missing[-1]))
    try:
        _make_folders(directory)
        yield
    except BaseException:
        for folder in missing[:-1]:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        raise


def _make_folders(directory: str) -> None:
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The folder {directory} cannot be made ({error.strerror}): choose one "
            "that you may write to."
        ) from error


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Keeps other runs out. The system lets go of the lock if this one is killed."""
    path = os.path.join(directory, _LOCK)
    try:
        lock = open(path, "w")  # noqa: SIM115
    except OSError as error:
        raise UserError(
            f"The folder {directory} cannot be written to ({error.strerror}): choose "
            "another one."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A run that is just ending may have removed this very file.
            if not os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError) as error:
            raise UserError(
                f"Another run is at work in {directory}: wait for it to end, or choose "
                "another folder."
            ) from error
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)


def _resumable(
    directory: str, run: dict, overwrite: bool, may_grow: str | None
) -> dict | None:
    """The record of a run in the folder that is to be gone on with, None without one.

    Raises:
      UserError: if the folder holds any other run.
    """
    if overwrite or not _made_entries(directory):
        return None
    try:
        with open(os.path.join(directory, _RECORD), encoding="utf-8") as file:
            earlier = json.load(file)
        if not (isinstance(earlier, dict) and earlier.keys() == run.keys()):
            raise ValueError("it is no record of a run")
    except (OSError, RecursionError, ValueError) as error:
        raise UserError(
            f"{os.path.join(directory, _RECORD)} is damaged, so it is unknown which "
            "run the folder holds: use --overwrite to replace it, or choose another."
        ) from error
    if earlier == run or _has_grown(earlier, run, may_grow):
        return earlier
    if earlier == run | {"finished": True}:
        raise AlreadyFinished(
            f"The folder {directory} holds a finished run of this very command: use "
            "--overwrite to replace it, or choose another folder."
        )
    if earlier["step"] != run["step"]:
        what = f"a run of another kind ({earlier['step']})"
    else:
        what = f"a run of another configuration{_first_difference(earlier, run)}"
    raise UserError(
        f"The folder {directory} holds {what}: use --overwrite to replace it, or "
        "choose another folder."
    )


def _has_grown(earlier: dict, run: dict, name: str | None) -> bool:
    """Whether a run differs from an earlier one in a greater value of `name` alone."""
    if name is None:
        return False
    binding = re.compile(rf"{re.escape(name)} = (\d+)")
    sizes, rests = [], []
    for record in (earlier, run):
        lines = _bindings_of(record["config"])
        sizes += [int(found[1]) for line in lines if (found := binding.fullmatch(line))]
        others = [line for line in lines if not binding.fullmatch(line)]
        rests.append({**record, "config": others, "finished": False})
    return len(sizes) == 2 and sizes[0] < sizes[1] and rests[0] == rests[1]


def _bindings_of(config: str) -> list[str]:
    """The lines of a configuration, without macros: bindings have their values."""
    lines = [line for line in config.splitlines() if line and not line.startswith("#")]
    return [line for line in lines if not _MACRO.match(line)]


def _first_difference(earlier: dict, run: dict) -> str:
    """Such as " (there model.random_seed = 1, here model.random_seed = 2)"."""
    if earlier["input_dir"] != run["input_dir"]:
        return f" (there input {earlier['input_dir']}, here {run['input_dir']})"
    there, here = (
        [line for line in config.splitlines() if not line.startswith("#")]
        for config in (earlier["config"], run["config"])
    )
    only_there = next((line for line in there if line not in here), "nothing")
    only_here = next((line for line in here if line not in there), "nothing")
    return f" (there {only_there}, here {only_here})"


def _write_record(directory: str, record: dict) -> None:
    write_json(os.path.join(directory, _RECORD), record, indent=2)


def _made_entries(directory: str) -> list[str]:
    """What runs have made in the folder."""
    return [
        name
        for name in os.listdir(directory)
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in RUN_ENTRIES)
    ]


def _set_aside(directory: str) -> None:
    """Moves an earlier run to `.replaced`."""
    replaced = os.path.join(directory, _REPLACED)
    entries = _made_entries(directory)
    if not entries:
        return
    _discard_replaced(directory)
    os.mkdir(replaced)
    # The record goes last, and comes back first: a folder with entries has one, and
    # `.replaced` without one means that a move was cut short.
    for name in [*entries, _RECORD]:
        os.replace(os.path.join(directory, name), os.path.join(replaced, name))


def _restore(directory: str) -> None:
    """Brings an earlier run back from `.replaced`, if the later one made nothing."""
    replaced = os.path.join(directory, _REPLACED)
    if not os.path.isdir(replaced):
        return
    names = os.listdir(replaced)
    if _RECORD in names and _made_entries(directory):
        return
    for name in sorted(names, key=lambda name: name != _RECORD):
        os.replace(os.path.join(replaced, name), os.path.join(directory, name))
    os.rmdir(replaced)


def _discard_replaced(directory: str) -> None:
    """Takes `.replaced` away, its record last: with it, half of it is not restored."""
    replaced = os.path.join(directory, _REPLACED)
    if os.path.isdir(replaced):
        for name in os.listdir(replaced):
            if name != _RECORD:
                remove(os.path.join(replaced, name))
        remove(replaced)
