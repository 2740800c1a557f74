"""The paper's own numbers, as printed: table 2 of Sutter et al. (ICLR 2023)."""

from __future__ import annotations

from mvhg_tf.studies.jobs.report_parts import Spread

# Percent, by version of MNIST, prior and score, over five runs.
TABLE_2 = {
    ("uniform", "uniform", "accuracy"): Spread(92.0, 3.0),
    ("uniform", "categorical", "accuracy"): Spread(87.2, 5.0),
    ("uniform", "hypergeometric", "accuracy"): Spread(91.4, 5.0),
    ("uniform", "uniform", "nmi"): Spread(84.8, 2.2),
    ("uniform", "categorical", "nmi"): Spread(81.8, 1.9),
    ("uniform", "hypergeometric", "nmi"): Spread(85.6, 2.0),
    ("uniform", "uniform", "ari"): Spread(84.2, 4.3),
    ("uniform", "categorical", "ari"): Spread(78.3, 4.6),
    ("uniform", "hypergeometric", "ari"): Spread(84.8, 4.6),
    ("subsampled_80", "uniform", "accuracy"): Spread(90.8, 4.0),
    ("subsampled_80", "categorical", "accuracy"): Spread(87.4, 4.7),
    ("subsampled_80", "hypergeometric", "accuracy"): Spread(92.5, 0.5),
    ("subsampled_80", "uniform", "nmi"): Spread(84.1, 2.2),
    ("subsampled_80", "categorical", "nmi"): Spread(81.8, 2.3),
    ("subsampled_80", "hypergeometric", "nmi"): Spread(84.6, 0.8),
    ("subsampled_80", "uniform", "ari"): Spread(83.2, 3.6),
    ("subsampled_80", "categorical", "ari"): Spread(78.2, 5.0),
    ("subsampled_80", "hypergeometric", "ari"): Spread(84.4, 1.0),
    ("subsampled_60", "uniform", "accuracy"): Spread(83.5, 3.9),
    ("subsampled_60", "categorical", "accuracy"): Spread(86.5, 4.9),
    ("subsampled_60", "hypergeometric", "accuracy"): Spread(89.7, 4.3),
    ("subsampled_60", "uniform", "nmi"): Spread(80.7, 1.4),
    ("subsampled_60", "categorical", "nmi"): Spread(81.3, 2.9),
    ("subsampled_60", "hypergeometric", "nmi"): Spread(82.9, 2.2),
    ("subsampled_60", "uniform", "ari"): Spread(77.6, 2.6),
    ("subsampled_60", "categorical", "ari"): Spread(77.7, 6.3),
    ("subsampled_60", "hypergeometric", "ari"): Spread(81.5, 3.9),
}
