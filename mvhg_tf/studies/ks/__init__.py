"""The Kolmogorov-Smirnov experiment (the paper's section 5.1): `mvhg_ks_test`."""
