"""Autoencoders that learn from pairs, from images alone, or also from a few labels."""
