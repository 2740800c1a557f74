"""What all studies share: their jobs, how they are done, and how they are reported.

`job.py` is a job and how far it is, `runner.py` does many of them side by side, each
in a process of `worker.py`. `study_results.py` reads what they left;
`report_parts.py` and `report_files.py` make tables and figures of it. `model_steps.py`
has the steps of the studies that train models of disentanglement.
"""
