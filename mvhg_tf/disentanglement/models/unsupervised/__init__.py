"""Unsupervised models of single images, from beta-VAE to FactorVAE.

`image_models.py` has their gin names.
"""
