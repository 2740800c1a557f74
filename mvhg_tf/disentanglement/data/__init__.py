"""Data sets: the built-in arm3d, mpi3d, and disentanglement_lib's by name."""
