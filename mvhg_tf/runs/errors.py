"""What the programs report: users' mistakes, and failures of the system."""

import re


class UserError(ValueError):
    """A mistake in what the user gave, as one sentence that says how to fix it.

    The message says what was given, what is allowed and what to do. The programs print
    only the message, without a traceback, and exit with code 2.
    """


class Terminated(KeyboardInterrupt):
    """The interrupt that SIGTERM raises; Ctrl-C raises a plain KeyboardInterrupt."""


class RunInterrupted(KeyboardInterrupt):
    """An interrupt of a run that the same command can resume.

    Args:
      sentence: what the program prints; by default that the same command continues from
        `place`.
      place: where the same command continues from, such as "step 350".
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
    """What a program prints for an error, and its exit code; None for a bug."""
    sentence = _mistake_in(error)
    if sentence is not None:
        return sentence, 2
    sentence = _system_sentence(error)
    return None if sentence is None else (sentence, 1)


def _system_sentence(error: Exception) -> str | None:
    """What a program prints if a file, the disk or memory failed; else None."""
    said = message_of(error)
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        reason = error.strerror or said
        return (
            f"Reading or writing{where} failed ({reason}): fix that, and run this "
            "again."
        )
    # TensorFlow has one error for both. It is not imported just for this check.
    if type(error).__name__ == "ResourceExhaustedError":
        return (
            f"Memory or disk space ran out ({said}): use a smaller size, such as a "
            "smaller batch, or free some space, and run this again."
        )
    if isinstance(error, MemoryError):
        reason = f" ({said})" if said else ""
        return (
            f"Memory ran out{reason}: use a smaller size, such as a smaller batch, or "
            "a machine with more memory."
        )
    return None


def _mistake_in(error: Exception) -> str | None:
    """The sentence of the `UserError` that an error is or repeats.

    gin adds notes to an error. Keras, and TensorFlow when it traces a function, raise
    it again with text of their own, possibly as another class.
    """
    mistake = error if isinstance(error, UserError) else None
    earlier = error.__context__
    while earlier is not None:
        if isinstance(earlier, UserError) and str(earlier) in str(error):
            mistake = earlier
        earlier = earlier.__context__
    return None if mistake is None else message_of(mistake)


def message_of(error: BaseException) -> str:
    """The error's message in one line, without the notes that gin adds."""
    return " ".join(_GIN_NOTE.split(str(error))[0].split())
