"""Two belts of a treadmill that are not on one clock: told with the size, and taken away where that is asked for."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import Recording, Surface
from ..signals.belt_breaks import PLACE_S, BeltPart, belt_parts, told_parts
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

    Where that changes within the record, the finding names the place, and the plate holds the parts.

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
    forces = first[:, [0, along]], second[:, [0, along]]
    late, other = plates[1], plates[0].plate
    parts = belt_parts(*forces, rate_hz=rate_hz)
    shift = None if parts else told_shift(*forces, rate_hz=rate_hz)
    if shift is None and not parts:
        return findings
    finding = _break(parts, other) if shift is None else _finding(shift, other)
    changed = late.model_copy(update={"findings": [*late.findings, finding], "belt_parts": parts})
    return [changed if p is late else p for p in findings]


def _break(parts: list[BeltPart], other: str) -> Finding:
    """Return that a belt's clock breaks within the record; correctable where every part's shift is known."""
    what = f"this belt's clock breaks within the record: its force comes {told_parts(parts, other)}"
    sized = all(np.isfinite(part.late_s) for part in parts)
    if not sized:
        return Finding(
            code="belt_break_unsized", severity="error",
            text=f"{what}: samples of one belt were lost; how many cannot be told, so cut the file there, and take one"
            " part of it",
        )  # fmt: skip
    return Finding(
        code="belt_break", severity="error", value=1e3 * (parts[1].late_s - parts[0].late_s), unit="ms",
        text=f"{what}: samples of one belt were lost; ask for it to be taken away in parts (--correct belts)",
        done=f"{what}; each part was moved onto the clock of {other}, and {PLACE_S:.1f} s on either side of a break are"
        " unknown",
    )  # fmt: skip


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
