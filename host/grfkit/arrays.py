"""Names for the types that signatures repeat: arrays by what they hold, and a path as a caller gives it."""

from __future__ import annotations

import os
from typing import Union

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Measured or computed values in double precision, NaN where there is none."""

PathLike = Union[str, "os.PathLike[str]"]
"""A path as a caller may give it."""
