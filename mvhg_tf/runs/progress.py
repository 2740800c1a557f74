"""Progress bars that don't look at the time of day."""

import time

from tqdm import tqdm


class ProgressBar(tqdm):
    """tqdm's bar, by a clock that nobody sets.

    tqdm shows nothing new, and tells a wrong rate and time left, after the system's
    clock was set back.
    """

    # tqdm sets it to time.time when a bar is made, and calls it ever after.
    _time = property(lambda self: time.monotonic, lambda self, value: None)
