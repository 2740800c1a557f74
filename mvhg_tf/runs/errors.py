"""What the programs report: a mistake, and where the system refused."""

import re


class UserError(ValueError):
    """A mistake in what the user gave: one sentence that says how to mend it.

    The message states what was given, what is allowed and what to do. The
    programs print it alone, without a traceback, and exit with code 2.
    """


class Terminated(KeyboardInterrupt):
    """The interrupt that SIGTERM is; Ctrl-C is a plain KeyboardInterrupt."""


class RunInterrupted(KeyboardInterrupt):
    """An interrupt that leaves a run which the same command can go on with.

    Args:
      sentence: what a program says of it; by default that it goes on from `place`.
      place: where the same command goes on from, such as "step 350".
    """

    def __init__(self, sentence: str = "", place: str = "here"):
        super().__init__(sentence)
        self.place = place


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    """143 after SIGTERM, or else 130: 128 and the signal's number, as in a shell."""
    error: BaseException | None = interrupt
    while error is not None:
        if isinstance(error, Terminated):
            return 143
        error = error.__cause__ or error.__context__
    return 130


_GIN_NOTE = re.compile(r"\n  In (?:call to configurable|bindings string)")


def sentence_and_code(error: Exception) -> tuple[str, int] | None:
    """What a program says of an error, and its exit code; None of a defect of ours."""
    sentence = _mistake_in(error)
    if sentence is not None:
        return sentence, 2
    sentence = _system_sentence(error)
    return None if sentence is None else (sentence, 1)


def _system_sentence(error: Exception) -> str | None:
    """What a program says where a file, the disk or memory failed; else None."""
    said = message_of(error)
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        reason = error.strerror or said
        return f"The system refused{where} ({reason}): mend that, and run this again."
    # TensorFlow, which is not imported for this, has one error for both.
    if type(error).__name__ == "ResourceExhaustedError":
        return (
            f"Memory or disk space ran out ({said}): give a smaller size, such as that "
            "of the batch, or make room, and run this again."
        )
    if isinstance(error, MemoryError):
        reason = f" ({said})" if said else ""
        return (
            f"Memory ran out{reason}: give a smaller size, such as that of the batch, "
            "or take a machine with more."
        )
    return None


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
