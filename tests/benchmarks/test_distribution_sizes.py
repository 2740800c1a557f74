"""The benchmark's rows of urns of other and of great sizes, for small ones."""

import re

import pytest

from benchmarks import distribution_sizes


@pytest.mark.slow
@pytest.mark.parametrize("num_groups", [2, 3])
def test_a_row_of_great_totals(num_groups):
    cells = distribution_sizes._great_total_cells(60, num_groups)
    assert len(cells) == (6 if num_groups == 2 else 5)  # SciPy has two groups.
    assert all(re.fullmatch(r"\d+\.\d{3} \(\d+\)", cell) for cell in cells[:5])
    assert num_groups != 2 or len(cells[5].split(", ")) == 3


def test_what_would_not_fit_is_not_tried():
    assert distribution_sizes._great_total(10**12, 10**5) == ["-"] * 6
