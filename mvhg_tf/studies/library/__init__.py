"""disentanglement_lib's own studies: what the `dlib_reproduce` programs run."""
