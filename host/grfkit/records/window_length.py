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


def in_contact(windows: Windowed, points: int) -> NDArray[np.bool_] | None:
    """Return which samples lie within the contact that cut their window, shape (windows, points).

    None where no window goes beyond its contact. A window goes beyond both ends alike.
    """
    lasts, contact_s = window_length_s(windows), windows.scalar("contact_s")
    beyond = np.where(np.isfinite(contact_s), (lasts - contact_s) / 2.0, 0.0)
    if not (beyond > 0.0).any():
        return None
    share = np.linspace(0.0, 1.0, points)
    at = share * lasts[:, None]
    return np.asarray((at >= beyond[:, None]) & (at <= (lasts - beyond)[:, None]) | (beyond <= 0.0)[:, None])
