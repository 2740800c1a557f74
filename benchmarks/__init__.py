"""What `bin/benchmark SUBJECT` runs: a program for each subject, and what it measures.

`subjects.py` lists them. `distribution.py` has the flags, `distribution_timings.py` the
measurements and their text, and so on; `programs.py` has what they share.
`measuring.py` and `step_memory.py` measure; `authors_*.py` and `library_*.py` run the
code of others beside ours, in a Python of its own. The wheel does not have these.
"""
