"""Bias and variance of the gradient estimators: what `estimators` runs."""
