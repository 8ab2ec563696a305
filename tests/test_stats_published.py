"""Agreement: does it give the published numbers for unequal repeats, and what at the edges of a table?"""

from __future__ import annotations

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.stats.agreement import bland_altman, icc_2_1, icc_3_1

CARDIAC_OUTPUT = """
1 7.83 6.57  1 7.42 5.62  1 7.89 6.90  1 7.12 6.57  1 7.88 6.35  2 6.16 4.06  2 7.26 4.29  2 6.71 4.26
2 6.54 4.09  3 4.75 4.71  3 5.24 5.50  3 4.86 5.08  3 4.78 5.02  3 6.05 6.01  3 5.42 5.67  4 4.21 4.14
4 3.61 4.20  4 3.72 4.61  4 3.87 4.68  4 3.92 5.04  5 3.13 3.03  5 2.98 2.86  5 2.85 2.77  5 3.17 2.46
5 3.09 2.32  5 3.12 2.43  6 5.92 5.90  6 6.42 5.81  6 5.92 5.70  6 6.27 5.76  7 7.13 5.09  7 6.62 4.63
7 6.58 4.61  7 6.93 5.09  8 4.54 4.72  8 4.81 4.61  8 5.11 4.36  8 5.29 4.20  8 5.39 4.36  8 5.57 4.20
9 4.48 3.17  9 4.92 3.12  9 3.97 2.96  10 4.22 4.35  10 4.65 4.62  10 4.74 3.16  10 4.44 3.53
10 4.50 3.53  11 6.78 7.20  11 6.07 6.09  11 6.52 7.00  11 6.42 7.10  11 6.41 7.40  11 5.76 6.80
12 5.06 4.50  12 4.72 4.20  12 4.90 3.80  12 4.80 3.80  12 4.90 4.20  12 5.10 4.50
"""
"""Subject, radionuclide ventriculography, impedance cardiography: 60 pairs of 12 subjects, table 4 of Bland and Altman
1999 (doi 10.1191/096228099673819272)."""


def test_limits_with_unequal_repeats_are_the_published_ones() -> None:
    table = np.asarray(CARDIAC_OUTPUT.split(), dtype=float).reshape(-1, 3)
    assert table.shape == (60, 3)
    found = bland_altman(table[:, 1], table[:, 2], [f"{s:.0f}" for s in table[:, 0]])
    assert (found.n_participants, found.n) == (12, 60)
    assert found.bias == pytest.approx(0.6021667, abs=5e-8)  # Bland and Altman 2007, section 3
    assert found.sd == pytest.approx(0.99062408, abs=5e-8)
    assert found.low == pytest.approx(-1.3394565, abs=2e-7)
    assert found.high == pytest.approx(2.5437899, abs=2e-7)
    assert found.low_ci[0] < found.low < found.low_ci[1]


def test_perfect_agreement_is_an_icc_of_one() -> None:
    table = np.repeat(np.arange(8.0)[:, None], 2, axis=1)
    for icc in (icc_2_1, icc_3_1):
        found = icc(table)
        assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("icc", [icc_2_1, icc_3_1])
def test_a_table_without_spread_has_no_icc(icc) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInputError, match="targets that differ"):
        icc(np.full((8, 2), 1.5))
