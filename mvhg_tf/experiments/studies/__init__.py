"""What all studies share: jobs, the runner, results and reports."""
