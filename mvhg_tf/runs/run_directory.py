"""One rule for the folders that training, evaluation and other steps write.

The same command on the folder of its own unfinished run resumes it. On a finished run,
or a run of another configuration, it refuses unless asked to overwrite. A folder that
no run created is never touched.

A run's folder holds `run.json`, which says what made it. Overwriting removes only what
runs write (`RUN_ENTRIES`), and only once there is something new: until the new run has
finished, the old one is kept in `.replaced`. It is restored if the new run ends before
it has written anything. A run may be killed at any moment: the next one finds what it
was moving or removing, and cleans up.
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
_RECORD_PART = "run.part.json"  # left by a run that was killed while writing
_LOCK = ".run.lock"
_REPLACED = ".replaced"
_MACRO = re.compile(r"([\w/]+/)?\w+ = ")


class AlreadyFinished(UserError):
    """The folder holds a finished run of the same command."""


@contextlib.contextmanager
def open_run(
    directory: str,
    step_name: str,
    overwrite: bool = False,
    input_dir: str | Sequence[str] = "",
    may_grow: str | None = None,
) -> Iterator[bool]:
    """Reserves a folder for one run with the active gin configuration.

    When the block ends, the run counts as finished. If it raises, the run stays
    unfinished; if it wrote nothing, the folder is restored.

    Args:
      directory: the folder, created if it does not exist.
      step_name: the kind of run, such as "train" or "evaluation".
      overwrite: whether an earlier run there may be replaced.
      input_dir: the folder that the run reads, or several in order; another input makes
        it another run.
      may_grow: a bound integer, such as "model.training_steps". A run that differs only
        in a smaller value is resumed, even if it is finished; its record stays until
        this run is finished as well.

    Yields:
      Whether the folder holds a run to resume.

    Raises:
      AlreadyFinished: if the folder holds the same run, finished.
      UserError: if the folder is not free for another reason, or cannot be created.
      RunInterrupted: instead of a KeyboardInterrupt in the block, if the run has
        written something to resume from.
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
    """Refuses to write into the input folder: overwriting would move the input."""
    if os.path.realpath(directory) in input_dirs:
        raise UserError(
            f"The results can't go into {directory}, which this command reads: choose "
            "another folder."
        )


def _check_ours(directory: str) -> None:
    """Refuses a folder that holds files but no run."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise UserError(f"{directory} is not a folder: choose another one.")
    entries = set(os.listdir(directory)) if os.path.isdir(directory) else set()
    if entries - {_LOCK, _RECORD_PART} and entries.isdisjoint({_RECORD, _REPLACED}):
        raise UserError(
            f"The folder {directory} holds files that were not written by mvhg_tf, so "
            "it is left alone (even with --overwrite): choose an empty or a new "
            "folder."
        )


@contextlib.contextmanager
def _folder(directory: str) -> Iterator[None]:
    """Creates the folder if it does not exist; removes it again if it stays empty."""
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
            f"The folder {directory} cannot be created ({error.strerror}): choose one "
            "that you may write to."
        ) from error


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Keeps other runs out. The system releases the lock if this run is killed."""
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
            # A run that is just ending may have removed this file.
            if not os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError) as error:
            raise UserError(
                f"Another run is using {directory}: wait for it to end, or choose "
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
    """The record of the run in the folder that is to be resumed, if there is one.

    Raises:
      UserError: if the folder holds any other run.
    """
    if overwrite or not _made_entries(directory):
        return None
    try:
        with open(os.path.join(directory, _RECORD), encoding="utf-8") as file:
            earlier = json.load(file)
        if not (isinstance(earlier, dict) and earlier.keys() == run.keys()):
            raise ValueError("it is not the record of a run")
    except (OSError, RecursionError, ValueError) as error:
        raise UserError(
            f"{os.path.join(directory, _RECORD)} is damaged, so it is unknown which "
            "run the folder holds: use --overwrite to replace it, or choose another "
            "folder."
        ) from error
    if earlier == run or _has_grown(earlier, run, may_grow):
        return earlier
    if earlier == run | {"finished": True}:
        raise AlreadyFinished(
            f"The folder {directory} holds a finished run of this same command: use "
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
    """What runs have written in the folder."""
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
    # The record is moved last and restored first: a folder with entries has a record,
    # and `.replaced` without one means that a move was cut short.
    for name in [*entries, _RECORD]:
        os.replace(os.path.join(directory, name), os.path.join(replaced, name))


def _restore(directory: str) -> None:
    """Restores an earlier run from `.replaced` if the later one wrote nothing."""
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
    """Removes `.replaced`, its record last."""
    replaced = os.path.join(directory, _REPLACED)
    if os.path.isdir(replaced):
        for name in os.listdir(replaced):
            if name != _RECORD:
                remove(os.path.join(replaced, name))
        remove(replaced)
