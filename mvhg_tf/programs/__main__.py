"""`python -m mvhg_tf.programs NAME [flags]`: a program, without its script."""

import importlib
import sys

from mvhg_tf.programs import PROGRAMS


def main() -> int:
    """Runs the program that the first argument names."""
    del sys.argv[0]
    name = sys.argv[0] if sys.argv else ""
    if name not in PROGRAMS:
        print(
            f"mvhg_tf.programs: {name!r} is not a program of mvhg_tf; give one of "
            f"{', '.join(PROGRAMS)}.",
            file=sys.stderr,
        )
        return 2
    return importlib.import_module(f"mvhg_tf.programs.{PROGRAMS[name]}").main()


if __name__ == "__main__":
    sys.exit(main())
