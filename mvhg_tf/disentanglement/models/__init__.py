"""Autoencoders by what they learn from: pairs, images alone, or a few labels too."""
