"""Which foot hit each plate: labels of the reference's contacts where plates show where on them a foot stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..signals.contacts import Contacts
from ..signals.hit_feet import hit_feet
from ..signals.step_direction import horizontal, push_direction, up_vector
from .score import LONG_STAY

LOADED = 0.5
"""Share of a contact's highest load above which its centre of pressure is averaged; chosen by hand."""


def with_feet(reference: Contacts, streams: Mapping[str, xr.Dataset], step_s: float) -> Contacts:
    """Return the contacts with feet labelled by their side of the line of progress; those that know theirs as they are.

    Long stays (standing, jumps) get no label, and none does where a plate lies at no known place.
    """
    plates = [s for s in streams.values() if s.attrs.get("kind") == "force_plate"]
    ups = {str(s.attrs.get("vertical", "")) for s in plates}
    up = up_vector(ups.pop()) if len(ups) == 1 else None
    if up is None or not reference.size or (reference.foot >= 0).any() or not all(_placed(s) for s in plates):
        return reference
    up = np.abs(up)  # a sign tells of the load; axes of a laboratory that point down would not be told by it
    place, push = np.full((reference.size, 3), np.nan), np.full((reference.size, 3), np.nan)
    highest = np.zeros(reference.size)
    for plate in plates:
        _look(plate, reference, up, place, push, highest)
    usual = float(np.nanmedian(reference.duration_s))
    short = reference.duration_s <= LONG_STAY * usual
    feet = np.full(reference.size, -1, dtype=np.int64)
    feet[short] = hit_feet(reference.onset_s[short], place[short], push[short], up, step_s)
    return replace(reference, foot=feet)


def _placed(stream: xr.Dataset) -> bool:
    """Return whether a plate's centre of pressure lies in the laboratory, and its three forces with it."""
    names = [f"{what}_{axis}" for what in ("cop",) for axis in "xyz"] + ["fx", "fy", "fz"]
    corners = np.asarray(stream.attrs.get("corners_m", ()), dtype=np.float64)
    return all(name in stream for name in names) and corners.size == 12 and bool(np.isfinite(corners).all())


def _look(plate: xr.Dataset, reference: Contacts, up: Floats, place: Floats, push: Floats, highest: Floats) -> None:
    """Write place and push of each contact that this plate bears more of than those before it did."""
    time_s = np.asarray(plate["time"].values, dtype=np.float64)
    starts, ends = np.searchsorted(time_s, reference.onset_s), np.searchsorted(time_s, reference.offset_s)
    for k, (first, last) in enumerate(zip(starts, ends)):
        within = slice(int(first), int(last))
        force = np.stack([np.asarray(plate[f"f{a}"].values[within], dtype=np.float64) for a in "xyz"], axis=1)
        load = force @ up
        if not load.size or not np.isfinite(load).any():
            continue
        turned = -1.0 if np.nanmean(load) < 0 else 1.0
        force, load = force * turned, load * turned
        top = float(np.nanmax(load))
        if top <= highest[k]:
            continue
        highest[k] = top
        cop = np.stack([np.asarray(plate[f"cop_{a}"].values[within], dtype=np.float64) for a in "xyz"], axis=1)
        good = (load > LOADED * top) & np.isfinite(horizontal(cop, up)).all(axis=1)
        place[k] = cop[good].mean(axis=0) if good.any() else np.nan
        direction = push_direction(force, up)
        push[k] = np.nan if direction is None else direction
