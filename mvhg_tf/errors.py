"""What the programs tell their user when the user's input is at fault."""


class UserError(ValueError):
    """A mistake in what the user gave: one sentence that says how to mend it.

    The message states what was given, what is allowed and what to do. The
    programs print it alone, without a traceback, and exit with code 2.
    """
