"""disentanglement_lib's own studies: what `dlib_reproduce` runs."""
