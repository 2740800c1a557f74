"""Weakly supervised models of pairs: LabelVAE, AdaVAE, ML-VAE, HGVAE, DRPM-VAE.

`pair_models.py` has their gin names. All are a `GroupVAE` (`group_vae.py`); they differ
in which latents are shared (`selection.py`, `drawn_selections.py`) and in the cost of a
pair's latents (`pair_regularizers.py`).
"""
