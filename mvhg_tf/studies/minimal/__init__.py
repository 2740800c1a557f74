"""The minimal example (the paper's appendix B.5.1): `mvhg_minimal_example`."""
