"""Two belts of a treadmill that are not on one clock: told with the size, and taken away where that is asked for."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import Recording, Surface
from ..signals.belt_clocks import BeltShift, told_shift
from .correct import treated
from .findings import CorrectionRequest, Finding, PlateFindings, decided
from .vertical import FORCES, vertical_force

SURE_S = 0.015
"""How near (s) the shift comes to that by pelvis sensors in those walks."""


def with_belt_clock(
    recording: Recording, findings: list[PlateFindings], surface: Surface | None
) -> list[PlateFindings]:
    """Return the findings, with one more at the second of two belts where it is late or early against the first.

    Only of somebody who walks with a foot on each belt: in running, or over floor plates, nothing can be told.
    """
    streams = recording.of_kind("force_plate")
    plates = [p for p in findings if p.vertical and p.plate in streams and p.get("unloaded") is None]
    if surface == "overground" or len(plates) != 2:
        return findings
    times = [streams[p.plate]["time"].values for p in plates]
    if not np.array_equal(times[0], times[1]):
        return findings
    # feet leave a belt only where its zero is 0, be it corrected later or not
    zeroed = decided(plates, CorrectionRequest(zero="always"))
    first, second = (_upward_and_forward(streams[p.plate], p) for p in zeroed)
    along = 1 + int(np.nanvar(first[:, 2]) + np.nanvar(second[:, 2]) > np.nanvar(first[:, 1]) + np.nanvar(second[:, 1]))
    rate_hz = float(streams[plates[0].plate].attrs["rate_hz"])
    shift = told_shift(first[:, [0, along]], second[:, [0, along]], rate_hz=rate_hz)
    if shift is None:
        return findings
    late = plates[1]
    finding = _finding(shift, plates[0].plate)
    return [p.model_copy(update={"findings": [*p.findings, finding]}) if p is late else p for p in findings]


def _finding(shift: BeltShift, other: str) -> Finding:
    milliseconds = 1e3 * shift.late_s
    what = (
        f"this belt's force comes {abs(milliseconds):.0f} ms {'later' if milliseconds > 0 else 'earlier'} than that of"
        f" {other} (to {1e3 * SURE_S:.0f} ms, and but for whole strides of {shift.stride_s:.2f} s):"
        f" together they vary by {100 * shift.sd_bw:.0f} % of body weight, by"
        f" {100 * shift.sd_without_bw:.0f} % without the shift, and someone who walks carries one body weight"
    )
    return Finding(
        code="belt_clock", severity="error", value=milliseconds, unit="ms",
        text=f"{what}; the belts were recorded on two clocks: ask for it to be taken away (--correct belts)",
        done=f"{what}; its samples were moved onto the clock of {other}",
    )  # fmt: skip


def _upward_and_forward(stream: xr.Dataset, plate: PlateFindings) -> Floats:
    """Return force (samples, 3): up, and the two horizontal axes, 0 where the plate does not have them."""
    changed = treated(stream[[n for n in FORCES if n in stream]], plate)
    up = vertical_force(changed)
    axes = [n for n in FORCES if n[1] != plate.vertical[1:]]
    sides = [np.asarray(changed[n].values, dtype=np.float64) if n in changed else np.zeros_like(up) for n in axes]
    return np.stack([up, *sides], axis=1)
