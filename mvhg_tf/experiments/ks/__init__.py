"""The Kolmogorov-Smirnov experiment (the paper's section 5.1): `ks_test`."""
