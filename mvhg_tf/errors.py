"""What the programs tell their user when the user's input is at fault."""


class UserError(ValueError):
    """A mistake in what the user gave: one sentence that says how to mend it.

    The message states what was given, what is allowed and what to do. The
    programs print it alone, without a traceback, and exit with code 2.
    """


# The system's words, which the libraries' errors pass on as well.
_NO_ROOM = ("No space left on device", "Disk quota exceeded", "File too large")


class RunInterrupted(KeyboardInterrupt):
    """An interrupt that leaves a run which the same command can go on with."""


def check_positive_integer(parameter: str, value: object) -> None:
    """Raises a UserError that names the parameter if the value is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(
            f"{parameter} is {value!r}, but must be a positive integer: bind it to one."
        )


def full_disk_sentence(error: BaseException) -> str | None:
    """What a program says of an error that a full disk made; None of any other."""
    reason = next((words for words in _NO_ROOM if words in str(error)), None)
    if reason is None:
        return None
    return f"The disk is full ({reason.lower()}): make room, and run this again."
