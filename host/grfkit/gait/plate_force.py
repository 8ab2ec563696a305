"""What contacts on plates are found from: a plate's force, place and side; and plates taken as one surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from .cop import combined_cop

ContactSide = Literal["left", "right", "unknown"]
_REST_PERCENT = 30.0
"""Percentile of a plate's force, of its size, below which the plate is unloaded. Chosen by hand."""


@dataclass(frozen=True)
class PlateForce:
    """A plate's signals that contacts are found from.

    Attributes
    ----------
    time_s, up_n
        Shape (samples,): the vertical force on the foot, up positive.
    cop_m
        Shape (samples, 3), or None where the stream has no centre of pressure.
    corners_m
        Shape (4, 3), or None.
    force_n
        Shape (samples, 3), the force on the foot in the axes of the centre of pressure; None where an axis is missing.
    vertical
        The axis that is up, ``"+z"``, ``"-y"``...; empty where it is unknown.
    in_lab
        Whether the axes are the laboratory's: X forward, Y left, Z up.
    """

    name: str
    time_s: Floats
    up_n: Floats
    cop_m: Floats | None
    corners_m: Floats | None
    side: ContactSide
    force_n: Floats | None = None
    vertical: str = ""
    in_lab: bool = False

    @classmethod
    def of(cls, name: str, stream: xr.Dataset) -> PlateForce:
        """Return a trial's plate.

        Raises
        ------
        BadInputError
            If the stream holds no force.
        """
        time = np.asarray(stream["time"].values, dtype=np.float64)
        cop = [f"cop_{a}" for a in "xyz"]
        place = np.stack([stream[c].values for c in cop], axis=1) if all(c in stream for c in cop) else None
        corners = np.asarray(stream.attrs.get("corners_m", ()), dtype=np.float64).reshape(-1)
        usable = corners.size == 12 and bool(np.isfinite(corners).all())
        knows = str(stream.attrs.get("knows_feet", ""))
        side: ContactSide = "left" if knows == "left" else "right" if knows == "right" else "unknown"
        up, vertical = upward_n(stream, name), str(stream.attrs.get("vertical", ""))
        outline = corners.reshape(4, 3) if usable else None
        in_lab = all(stream[f"f{a}"].attrs.get("frame") == "lab" for a in "xyz" if f"f{a}" in stream)
        return cls(name, time, up, place, outline, side, _force_on_foot(stream, vertical, up), vertical, in_lab)


@dataclass(frozen=True)
class PlateContact:
    """One contact on one plate, or across two (``across``).

    Attributes
    ----------
    deduced
        Whether the side is not the plate's stated one but follows from where the belts lie: a wearable knows better.
    """

    ic_s: float
    to_s: float
    side: ContactSide
    plates: tuple[str, ...]
    across: bool = False
    deduced: bool = False


def upward_n(stream: xr.Dataset, name: str = "a plate") -> Floats:
    """Return a plate's vertical force, up positive: along the stated ``vertical`` axis, else along the loaded one.

    Where the file holds the force on the plate, not on the foot, it is turned round.

    Raises
    ------
    BadInputError
        If the stream holds no force channel.
    """
    axes = [f"f{a}" for a in "xyz" if f"f{a}" in stream]
    if not axes:
        raise BadInputError(f"{name} holds no force channel (fx, fy, fz); contacts cannot be cut from it")
    hint = str(stream.attrs.get("vertical", ""))
    vertical = f"f{hint[-1]}" if hint and f"f{hint[-1]}" in axes else ""
    values = {a: np.asarray(stream[a].values, dtype=np.float64) for a in axes}
    force = values[vertical or max(axes, key=lambda a: float(np.nan_to_num(np.nanmax(np.abs(values[a])))))]
    measured = force[np.isfinite(force)]
    if not measured.size:
        return force
    low, high = float(measured.min()), float(measured.max())
    # the level in the air may be off zero: the load's sign is the longer way from there
    rest = float(np.median(measured[np.abs(measured) <= np.percentile(np.abs(measured), _REST_PERCENT)]))
    return -force if rest - low > high - rest else force


def _force_on_foot(stream: xr.Dataset, vertical: str, up_n: Floats) -> Floats | None:
    """Return the three components, turned round as a whole where the vertical one was; None where one is missing."""
    if vertical[1:] not in ("x", "y", "z") or any(f"f{a}" not in stream for a in "xyz"):
        return None
    force = np.stack([np.asarray(stream[f"f{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
    along = force[:, "xyz".index(vertical[1])] * (-1.0 if vertical.startswith("-") else 1.0)
    return -force if np.nansum(along * up_n) < 0 else force


def same_clock(a: PlateForce, b: PlateForce) -> bool:
    """Return whether two plates were sampled at the same times."""
    return a.time_s.shape == b.time_s.shape and bool(np.array_equal(a.time_s, b.time_s, equal_nan=True))


def summed(plates: Sequence[PlateForce]) -> PlateForce:
    """Return several plates as one surface; its centre of pressure where every plate has one."""
    total = np.sum([p.up_n for p in plates], axis=0)
    cops = [p.cop_m for p in plates if p.cop_m is not None]
    cop = combined_cop([p.up_n for p in plates], cops) if len(cops) == len(plates) else None
    corners = [p.corners_m for p in plates if p.corners_m is not None]
    outlines = np.stack(corners) if len(corners) == len(plates) else None
    return PlateForce(" + ".join(p.name for p in plates), plates[0].time_s, total, cop, outlines, "unknown")
