"""The process in which a study does one job; `runner` starts it.

It reads the pickled job and its folder from standard input, and ends when that is
closed: then whoever started it is gone.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import traceback

from mvhg_tf.runs.errors import sentence_and_code
from mvhg_tf.studies.jobs.job import Job, do_steps, locked
from mvhg_tf.studies.jobs.runner import BUSY


def main() -> int:
    """Does the job, and returns the exit code."""
    job, folder = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_the_study, daemon=True).start()
    try:
        with locked(folder):
            return _do(job, folder)
    except BlockingIOError:
        return BUSY


def _do(job: Job, folder: str) -> int:
    try:
        do_steps(job, folder)
    except Exception as error:
        found = sentence_and_code(error)
        if found is not None:
            sentence, code = found
            print(sentence, file=sys.stderr)
            return code
        traceback.print_exc()
        # The last line is what the study shows of it.
        message = str(error).partition("\n")[0]
        print(f"{type(error).__name__}: {message}", file=sys.stderr)
        return 1
    return 0


def _end_with_the_study() -> None:
    # Not through the buffer, whose lock would outlive the interpreter.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
