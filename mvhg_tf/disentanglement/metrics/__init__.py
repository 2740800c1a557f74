"""Evaluation metrics beside disentanglement_lib's own."""
