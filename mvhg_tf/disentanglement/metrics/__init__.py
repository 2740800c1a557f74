"""Evaluation metrics in addition to disentanglement_lib's own."""
