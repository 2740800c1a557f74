"""What `benchmark` measures: a program and a measurement for each subject."""
