"""The minimal example (the paper's appendix B.5.1): what `minimal_example` runs."""
