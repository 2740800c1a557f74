"""The paper's own numbers, as printed: tables 1 and 3 of Sutter et al. (ICLR 2023).

Its figures 2, 11 and 13 have no printed numbers.
"""

from __future__ import annotations

from mvhg_tf.studies.jobs.report_parts import Spread

# Adjusted balanced accuracy, by method, s and part of the representation ("S": shared,
# "I": independent), over three seeds. No pair of s = 0 has a shared factor, unless the
# paper's "s = 0" is the library's k = -1, as its table 3 suggests.
TABLE_1: dict[tuple[str, int | str, str], Spread] = {
    ("labelvae", 0, "I"): Spread(0.14, 0.01),
    ("labelvae", 1, "S"): Spread(0.19, 0.03),
    ("labelvae", 1, "I"): Spread(0.16, 0.01),
    ("labelvae", 3, "S"): Spread(0.10, 0.00),
    ("labelvae", 3, "I"): Spread(0.23, 0.01),
    ("labelvae", 5, "S"): Spread(0.34, 0.00),
    ("labelvae", 5, "I"): Spread(0.00, 0.00),
    ("adavae", 0, "I"): Spread(0.12, 0.01),
    ("adavae", 1, "S"): Spread(0.19, 0.01),
    ("adavae", 1, "I"): Spread(0.15, 0.01),
    ("adavae", 3, "S"): Spread(0.10, 0.03),
    ("adavae", 3, "I"): Spread(0.22, 0.02),
    ("adavae", 5, "S"): Spread(0.33, 0.03),
    ("adavae", 5, "I"): Spread(0.00, 0.00),
    ("hgvae", 0, "I"): Spread(0.18, 0.01),
    ("hgvae", 1, "S"): Spread(0.22, 0.05),
    ("hgvae", 1, "I"): Spread(0.19, 0.01),
    ("hgvae", 3, "S"): Spread(0.08, 0.02),
    ("hgvae", 3, "I"): Spread(0.28, 0.01),
    ("hgvae", 5, "S"): Spread(0.28, 0.01),
    ("hgvae", 5, "I"): Spread(0.01, 0.00),
}

# Seconds of a training on a GTX 1080, by method and k, over five runs.
TABLE_3 = {
    ("labelvae", -1): Spread(21907.4, 273.0),
    ("labelvae", 2): Spread(20921.1, 705.9),
    ("labelvae", 4): Spread(21389.3, 163.8),
    ("labelvae", 6): Spread(21761.1, 567.9),
    ("adavae", -1): Spread(29071.5, 133.2),
    ("adavae", 2): Spread(28609.8, 439.9),
    ("adavae", 4): Spread(29479.1, 487.1),
    ("adavae", 6): Spread(29966.3, 303.3),
    ("hgvae", -1): Spread(21888.9, 632.9),
    ("hgvae", 2): Spread(21299.4, 293.6),
    ("hgvae", 4): Spread(21863.9, 190.1),
    ("hgvae", 6): Spread(22241.0, 137.8),
}
