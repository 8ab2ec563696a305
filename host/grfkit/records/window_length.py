"""How long time-normalised windows last: from contact to toe-off, or somewhat beyond both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .stance_set import Windowed

WINDOW = "window_s"
"""Scalar of windows that go beyond their contact: how long they last, s."""


def window_length_s(windows: Windowed) -> NDArray[np.float64]:
    """Return how long each window lasts (s): as it says, else as long as its contact; shape (windows,)."""
    contact_s = windows.scalar("contact_s")
    if WINDOW not in {str(name) for name in windows.data["scalar"].values}:
        return contact_s
    stated = windows.scalar(WINDOW)
    return np.where(np.isfinite(stated), stated, contact_s)
