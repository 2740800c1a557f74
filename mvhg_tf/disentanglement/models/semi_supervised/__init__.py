"""Models of images, a few of them labelled; `labelled_models.py` has the gin names."""
