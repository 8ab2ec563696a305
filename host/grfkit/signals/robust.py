"""Constants that turn robust statistics into those of a normal distribution."""

from __future__ import annotations

MAD_TO_SD = 1.4826
"""SD of a normal distribution over its median absolute deviation."""
MEDIAN_TO_MEAN_ERROR = 1.2533
"""Standard error of a median over that of a mean of as many normal values: the root of pi / 2."""
