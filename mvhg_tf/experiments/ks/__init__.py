"""The Kolmogorov-Smirnov experiment (the paper's section 5.1): what `ks_test` runs."""
