"""What `benchmark SUBJECT` runs: a program for each subject, and what it measures.

`distribution.py` has the flags, `distribution_timings.py` the measurements and their
text, and so on. `measuring.py` and `step_memory.py` measure; `authors_*.py` and
`library_*.py` run the code of others beside ours, in a Python of its own.
"""
