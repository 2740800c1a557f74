"""The programs, one a module of the program's name.

`dlib_*` have disentanglement_lib's names and flags, and `absl_program.py` what they
share; `command_line.py` has what the others share, and `job_programs.py` what those
share that do a study's jobs. A program imports what does its work once its flags are
right, because TensorFlow takes seconds.
"""
