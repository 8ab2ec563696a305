"""The bounds that a bundle has to keep, imported without torch."""

from __future__ import annotations

from typing import NamedTuple


class Bounds(NamedTuple):
    """Greatest differences from the trained model; chosen by hand, far below the errors of any model on a new person.

    Attributes
    ----------
    float_bw
        Greatest difference of the float file from torch, BW.
    rrmse_points
        Greatest rRMSE that eight bits add on any axis, percentage points.
    rms_bw, p999_bw
        RMS and 99.9th percentile of the difference from torch, vertical, BW.
    micro_lsb
        Greatest difference of LiteRT's reference kernels from TFLite Micro, steps of the last bit. XNNPACK rounds in
        its own way in every layer, so that a deep network is 3 steps off: its steps are only reported, and its forces
        keep the bounds in BW.
    """

    float_bw: float = 1e-5
    rrmse_points: float = 0.1
    rms_bw: float = 0.02
    p999_bw: float = 0.06
    micro_lsb: int = 2


BOUNDS = Bounds()
FIXED_LSB = 1
"""Greatest difference of inputs in fixed point from those in floating point, steps of the last bit: both round, and a
half may fall to either side."""
VERTICAL = "vgrf"
"""The axis whose RMS and p99.9 have a bound."""


def bound_of(figure: str) -> float | None:
    """Return the bound of a figure by its name; None for one that is reported only, or is not of parity."""
    for text, bound in (
        ("torch to float32 TFLite, greatest", BOUNDS.float_bw),
        (": rRMSE added, ", BOUNDS.rrmse_points),
        (": error added, RMS, vgrf", BOUNDS.rms_bw),
        (": error added, p99.9, vgrf", BOUNDS.p999_bw),
        ("BUILTIN_REF to TFLite Micro, greatest", float(BOUNDS.micro_lsb)),
        ("differ in another order", 0.0),
        ("windows that differ", 0.0),
        ("fixed-point inputs to floating ones, greatest", float(FIXED_LSB)),
    ):
        if text in figure:
            return bound
    return None
