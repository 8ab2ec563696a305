"""The force on one foot from a trial's plates: where it is known and where it must be 0; filters of whole records."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..gait.plate_force import upward_n
from ..gait.stances import Stance
from ..signals.filters import corrected_cutoff_hz, lowpass
from .cut import CutRequest
from .resample import linear

Flags = NDArray[np.bool_]

PARTIAL = "no whole contact of this foot alone on a plate"

_NEAR_S = 0.1
"""How far (s) a wearable's contact and toe-off may be from the plates' to be of one stance. Chosen by hand: offsets of
the detectors stay below 50 ms (README of grfkit.gait)."""
_EDGE_S = 0.02
"""Time (s) around a contact over a floor in which the foot's force is that of its plates, although below the threshold.
Chosen by hand."""
_MARGIN_S = 0.1
"""Samples this close (s) are read with a stretch, so that its ends lie between two. Chosen by hand."""
_HOLE_S = 0.5
"""A filter starts anew behind a longer time (s) without samples. Chosen by hand."""
_NOTHING_BW, _NOTHING_N = 0.05, 30.0
"""Force on all plates of a treadmill below whose larger one nobody stands on it: 5 % BW, the highest of the contact
rules, or 30 N, above their 20 N."""


@dataclass(frozen=True)
class PlateColumns:
    """A plate's force on the foot: ``force_n`` (samples, 1 or 3), vertical up first, then the plate's x and y."""

    name: str
    side: str
    time_s: Floats
    force_n: Floats

    def bore(self, stance: Stance) -> bool:
        """Return whether the stance was on this plate, or may have been where its plates are not known."""
        if self.side in ("left", "right") and stance.side in ("left", "right"):
            return self.side == stance.side
        return not stance.plates or self.name in stance.plates or self.name.split("/")[-1] in stance.plates

    def at(self, at_s: Floats) -> Floats:
        """Return the force at these times, shape (times, 1 or 3); NaN beyond the record."""
        low, high = np.searchsorted(self.time_s, [at_s[0] - _MARGIN_S, at_s[-1] + _MARGIN_S])
        if high - low < 2:
            return np.full((at_s.size, self.force_n.shape[1]), np.nan)
        return linear(self.time_s[low:high], self.force_n[low:high], at_s)


def plate_columns(plates: Mapping[str, xr.Dataset], *, three: bool) -> list[PlateColumns]:
    """Return each plate's force on the foot; where the vertical is turned round, so are the other axes."""
    by_plate = []
    for name, stream in plates.items():
        up = upward_n(stream, name)
        columns = [up]
        if three:
            axis = str(stream.attrs.get("vertical", "+z"))[-1]
            # turned round, the vertical says that the file holds the force on the plate: its other axes turn, too
            turned = -1.0 if np.nansum(np.asarray(stream[f"f{axis}"].values, dtype=np.float64) * up) < 0 else 1.0
            columns += [turned * stream["fx"].values, turned * stream["fy"].values]
        values: NDArray[Any] = np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)
        knows = str(stream.attrs.get("knows_feet", ""))
        by_plate.append(PlateColumns(name, knows, np.asarray(stream["time"].values, dtype=np.float64), values))
    return by_plate


def stance_force(plates: Sequence[PlateColumns], stance: Stance, at_s: Floats) -> Floats:
    """Return the force (N) of the plates that bore a stance, shape (times, 1 or 3)."""
    # one column of zeros fits plates of one and of three axes alike
    return np.asarray(sum((p.at(at_s) for p in plates if p.bore(stance)), np.zeros((at_s.size, 1))))


def plate_contact(stance: Stance, contacts: Sequence[Stance]) -> Stance | None:
    """Return the plates' contact that is a wearable's stance; None where they show none, or a part of it.

    The plates' force is not this foot's where the foot is half beside a plate, or where two feet are on one.
    """
    for contact in contacts:
        near = abs(contact.ic_s - stance.ic_s) < _NEAR_S and abs(contact.to_s - stance.to_s) < _NEAR_S
        if near and contact.side in (stance.side, "unknown"):
            return contact
    return None


def no_other_foot(plates: Sequence[PlateColumns], stance: Stance, others: Sequence[Stance], at_s: Floats) -> Flags:
    """Return where in a stance no other foot stands on its plates, shape (times,)."""
    rivals = [s for s in others if s.side != stance.side and np.isfinite(s.to_s) and _shared(plates, s, stance)]
    return ~_within(at_s, rivals)


def of_foot(force_n: Floats, side: str) -> Floats:
    """Return vertical, forward and medial force of vertical, X (forward) and Y (left)."""
    # medial is to the left (+Y) of a right foot, and to the right of a left one
    signs = np.asarray([1.0, 1.0, 1.0 if side == "right" else -1.0])
    return np.asarray(force_n * signs[: force_n.shape[1]])


def foot_force(
    plates: Sequence[PlateColumns],
    stances: Sequence[Stance],
    side: str,
    at_s: Floats,
    *,
    weight_n: float,
    treadmill: bool,
) -> tuple[Floats, Flags]:
    """Return the force on one foot (N) at any times, and where it is known.

    On a treadmill with a plate for each foot the plate's force is the foot's, always. Where feet share plates:

    * Within a contact of this foot its force is that of its plates, unless the other foot (or an unknown one) stands on
      one of them too, for the two cannot be separated.
    * Outside its contacts it is 0 only while the foot is certainly in swing: while only the other foot stands, or
      nobody does (all plates together below 5 % of body weight or 30 N).
    * Elsewhere, as in rejected contacts, it is unknown.

    Over a floor a foot may stand beside the plates: its force is known only within its contacts, and 20 ms around them,
    where its plates carry less than the contact's threshold.

    Parameters
    ----------
    stances
        Of both feet, cut from the force, so that they know their plates.
    at_s
        Shape (times,), increasing.

    Returns
    -------
    force, known
        Shapes (times, 1 or 3) and (times,); the force is NaN where it is unknown.
    """
    width = plates[0].force_n.shape[1]
    force = np.full((at_s.size, width), np.nan)
    foot_plates = [p for p in plates if p.side == side]
    if treadmill and foot_plates:
        force = np.asarray(sum(p.at(at_s) for p in foot_plates))
        return force, np.asarray(np.isfinite(force).all(axis=1), dtype=bool)
    if treadmill:
        force[_in_swing(plates, stances, side, at_s, weight_n)] = 0.0
    near = [s for s in stances if s.to_s > at_s[0] and s.ic_s < at_s[-1]]
    for stance in near:
        if stance.side == side:
            inside = _within(at_s, [stance], margin_s=0.0 if treadmill else _EDGE_S)
            force[inside] = stance_force(plates, stance, at_s[inside]) if inside.any() else 0.0
            # last, so that it also takes back what an overlapping contact of this foot had filled in
            force[inside & ~no_other_foot(plates, stance, near, at_s)] = np.nan
    return force, np.asarray(np.isfinite(force).all(axis=1), dtype=bool)


def _in_swing(
    plates: Sequence[PlateColumns], stances: Sequence[Stance], side: str, at_s: Floats, weight_n: float
) -> Flags:
    """Return when a foot on a treadmill is certainly in the air, shape (times,)."""
    total = sum(p.at(at_s)[:, 0] for p in plates)
    empty = np.asarray(total < max(_NOTHING_BW * weight_n, _NOTHING_N))
    other = _within(at_s, [s for s in stances if s.side not in (side, "unknown")])
    # a contact of nobody known may be this foot's
    return (empty | other) & ~_within(at_s, [s for s in stances if s.side == "unknown"])


def _within(at_s: Floats, stances: Sequence[Stance], *, margin_s: float = 0.0) -> Flags:
    """Return which times lie in one of these stances, shape (times,)."""
    inside = np.zeros(at_s.size, dtype=bool)
    for stance in stances:
        low = np.searchsorted(at_s, stance.ic_s - margin_s)
        inside[low : np.searchsorted(at_s, stance.to_s + margin_s, side="right")] = True
    return inside


def _shared(plates: Sequence[PlateColumns], stance: Stance, other: Stance) -> bool:
    return any(p.bore(stance) and p.bore(other) for p in plates)


def filtered(
    stream: xr.Dataset, names: Sequence[str], *, cutoff_hz: float, corrected: bool = True, order: int = 2
) -> xr.Dataset:
    """Return the stream with these channels low-passed forward and backward over the whole record; gaps stay NaN.

    Parameters
    ----------
    cutoff_hz
        0 filters nothing, nor does a cut-off at or above half the stream's rate: there is nothing to remove.
    corrected
        Whether the cut-off is that of both passes together (:func:`~grfkit.signals.filters.corrected_cutoff_hz`) or
        of each pass, as published filters often are; two passes are then 3 dB down at a lower frequency.
    order
        Of one pass.
    """
    rate = float(stream.attrs["rate_hz"])
    if not cutoff_hz or cutoff_hz >= rate / 2:
        return stream
    both = cutoff_hz if corrected else _both_passes_hz(cutoff_hz, rate_hz=rate, order=order)
    time = np.asarray(stream["time"].values, dtype=np.float64)
    # across a hole a filter would draw the end of one stretch into the beginning of the next
    ends = [0, *(np.flatnonzero(np.diff(time) > _HOLE_S) + 1), time.size]
    smooth: xr.Dataset = stream.copy()
    for name in names:
        values = np.array(stream[name].values, dtype=np.float64)
        for low, high in itertools.pairwise(ends):
            values[low:high] = lowpass(values[low:high], rate_hz=rate, cutoff_hz=both, order=order)
        smooth[name] = (stream[name].dims, values, stream[name].attrs)
    return smooth


def low_passed(streams: dict[str, xr.Dataset], request: CutRequest) -> dict[str, xr.Dataset]:
    """Return the streams with whole records filtered as the request says: forces of plates, channels of IMUs."""
    filters = {
        "force_plate": (("fx", "fy", "fz"), request.force_lowpass_hz),
        "imu": (("acc_", "gyro_"), request.imu_lowpass_hz),
    }
    smooth = dict(streams)
    for name, stream in streams.items():
        begins, cutoff = filters.get(str(stream.attrs.get("kind")), ((), 0.0))
        names = [str(n) for n in stream.data_vars if str(n).startswith(begins)] if begins else []
        smooth[name] = filtered(stream, names, cutoff_hz=cutoff, corrected=request.lowpass_corrected)
    return smooth


def _both_passes_hz(cutoff_hz: float, *, rate_hz: float, order: int) -> float:
    """Return where two passes, each 3 dB down at ``cutoff_hz``, are 3 dB down together."""
    of_each = corrected_cutoff_hz(cutoff_hz, rate_hz=rate_hz, order=order)
    # the correction scales a cut-off by a fixed factor after the bilinear transform's warping; here it is undone
    warped = np.tan(np.pi * cutoff_hz / rate_hz)
    share = warped / np.tan(np.pi * of_each / rate_hz)
    return float(np.arctan(warped * share) * rate_hz / np.pi)
