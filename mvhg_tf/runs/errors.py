"""What the programs tell their user: of a mistake, a full disk, too little memory."""

import re


class UserError(ValueError):
    """A mistake in what the user gave: one sentence that says how to mend it.

    The message states what was given, what is allowed and what to do. The
    programs print it alone, without a traceback, and exit with code 2.
    """


class RunInterrupted(KeyboardInterrupt):
    """An interrupt that leaves a run which the same command can go on with."""


# The system's words, which the libraries' errors pass on as well.
_NO_ROOM = ("No space left on device", "Disk quota exceeded", "File too large")
# TensorFlow's words; then its and NumPy's for what did not fit.
_NO_MEMORY = re.compile(r"OOM when allocating|[Oo]ut of memory|failed to allocate")
_SHAPE = re.compile(r"shape ?[\[(]([\d, ]*\d)")
_GIN_NOTE = re.compile(r"\n  In (?:call to configurable|bindings string)")


def full_disk_sentence(error: BaseException) -> str | None:
    """What a program says of an error that a full disk made; None of any other."""
    reason = next((words for words in _NO_ROOM if words in str(error)), None)
    if reason is None:
        return None
    return f"The disk is full ({reason.lower()}): make room, and run this again."


def sentence_and_code(error: Exception) -> tuple[str, int] | None:
    """What a program says of an error, and its exit code; None of a defect of ours."""
    sentence = _mistake_in(error)
    if sentence is not None:
        return sentence, 2
    sentence = full_disk_sentence(error) or _memory_sentence(error)
    return None if sentence is None else (sentence, 1)


def _memory_sentence(error: Exception) -> str | None:
    """What a program says where memory did not suffice; None of any other error."""
    said = str(error)
    if not isinstance(error, MemoryError) and not _NO_MEMORY.search(said):
        return None
    found = _SHAPE.search(said)
    array = ""
    if found:
        array = f" for an array of shape [{', '.join(re.findall('[0-9]+', found[1]))}]"
    return (
        f"The memory does not suffice{array}: give a smaller size, such as that of the "
        "batch, or take a machine with more."
    )


def _mistake_in(error: Exception) -> str | None:
    """The sentence of the `UserError` that an error is or repeats.

    gin adds where the error passed; Keras, and TensorFlow where it traces a function,
    raise it anew, amid words of their own and maybe as another class.
    """
    mistake = error if isinstance(error, UserError) else None
    earlier = error.__context__
    while earlier is not None:
        if isinstance(earlier, UserError) and str(earlier) in str(error):
            mistake = earlier
        earlier = earlier.__context__
    return None if mistake is None else message_of(mistake)


def message_of(error: BaseException) -> str:
    """The error's message in one line, without gin's notes of where it passed."""
    return " ".join(_GIN_NOTE.split(str(error))[0].split())
