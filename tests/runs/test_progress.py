"""The bar under a clock that is set back."""

import io
import re
import time

from mvhg_tf.runs.progress import ProgressBar


def test_a_clock_that_is_set_back_neither_stops_nor_confuses_the_bar(monkeypatch):
    shown = io.StringIO()
    bar = ProgressBar(total=4, file=shown, mininterval=0.01)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    bar.update(2)
    time.sleep(0.02)
    bar.update(1)
    assert "3/4" in shown.getvalue()
    assert re.search(r"\[00:00<00:00, ", shown.getvalue().split("\r")[-1])
