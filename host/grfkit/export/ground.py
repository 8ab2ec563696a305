"""The force of each plate under each foot: force, point and free moment in stated axes of the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arguments import ArgumentError
from ..arrays import Floats
from ..errors import BadInputError
from ..gait.free_moment import free_moment
from ..gait.plate_force import PlateForce, same_clock
from ..signals.runs import true_runs
from ..steps.plates_of import up_vector
from .source import ExportSource, require_newtons

LOADED_N = 20.0
"""Force (N) below which a plate's load is taken for none, and above which its point has to be known: the usual
threshold of contacts."""
HELD_S = 0.02
"""Time (s) at most over which a loaded plate's point is held where it is missing: ends of contacts. Chosen by hand."""
SIDES = ("left", "right", "")


@dataclass(frozen=True)
class Axes:
    """Unit vectors (3,) of the ground in the file's own axes, and whether the forward one is known or only chosen."""

    forward: Floats
    left: Floats
    up: Floats
    known: bool

    def turned(self, vectors: Floats) -> Floats:
        """Return vectors (..., 3) with the parts forward, left and up."""
        return np.asarray(vectors @ np.stack([self.forward, self.left, self.up], axis=1))


@dataclass(frozen=True)
class PlateLoad:
    """What one plate bore of one foot (``side`` empty: of a foot that is not known): (samples, 3) each.

    Attributes
    ----------
    force_n, point_m, free_n_m
        Parts forward, left and up; 0, held, and 0 where the plate does not bear this foot. NaN where it is not known.
    """

    plate: str
    side: str
    force_n: Floats
    point_m: Floats
    free_n_m: Floats


def ground_axes(plates: dict[str, PlateForce], forward: str) -> Axes:
    """Return the axes of the ground: the lab's, a stated forward axis, or the first horizontal axis of the file.

    Parameters
    ----------
    forward
        ``+x``, ``-y`` ...; empty where it is not stated.

    Raises
    ------
    BadInputError
        If there is no plate, the vertical axis is not known, plates differ in it, the stated axis is none or is the
        vertical one, or the trial is in the lab's axes already and another than +x is stated.
    """
    if not plates:
        raise BadInputError("holds no force plate; --to csv, parquet or mat take any stream")
    verticals = {p.vertical for p in plates.values()}
    up = up_vector(next(iter(verticals), "")) if len(verticals) == 1 else None
    if up is None:
        which = ", ".join(sorted(v or "unknown" for v in verticals))
        raise BadInputError(f"which axis of the plates is vertical is not clear ({which}); align with --forward")
    in_lab = all(p.in_lab for p in plates.values())
    if not forward:
        first = up_vector("+x" if abs(up[0]) < 1 else "+y")
        assert first is not None
        return Axes(first, np.cross(up, first), up, in_lab)
    stated = up_vector(forward if len(forward) == 2 else f"+{forward}")
    if stated is None or abs(float(stated @ up)) > 0:
        raise ArgumentError("forward", f"is '{forward}', expected a horizontal axis, such as +x or -y")
    if in_lab and forward not in ("+x", "x"):
        raise ArgumentError(
            "forward",
            f"is '{forward}', and the trial was turned by --forward when it was aligned: walking is +x; leave it out",
        )
    return Axes(stated, np.cross(up, stated), up, True)


def plate_loads(source: ExportSource, axes: Axes) -> tuple[Floats, list[PlateLoad], list[str]]:
    """Return the times, the load of each plate by foot, and what was noticed.

    A plate that knows its foot is that foot's. Elsewhere its force is a foot's within the contacts of that foot, and
    of an unknown foot outside of them while it is ``LOADED_N`` or more.

    Raises
    ------
    BadInputError
        If plates are on different clocks, or one has no force vector or centre of pressure.
    """
    plates = list(source.plates.items())
    require_newtons(source)
    if not all(same_clock(p, plates[0][1]) for _, p in plates):
        raise BadInputError("its plates are on different clocks or rates; take those of one with --stream")
    time = plates[0][1].time_s
    step_s = float(np.nanmedian(np.diff(time)))
    loads: list[PlateLoad] = []
    notes: list[str] = []
    for name, plate in plates:
        short = name.removeprefix("reference/")
        if plate.force_n is None or plate.cop_m is None:
            raise BadInputError(f"'{short}' has no force vector with a centre of pressure; --to csv takes what it has")
        force, point = axes.turned(plate.force_n), axes.turned(plate.cop_m)
        free = free_moment(source.raw[name], plate, axes.up)
        masks = _masks(source, short, plate)
        for side in SIDES:
            if masks[side].any():
                loads.append(_load(short, side, masks[side], (force, point, free), step_s))
        loose = masks[""]
        if loose.any():
            seconds = float(loose.sum()) * step_s
            notes.append(
                f"{short}: {LOADED_N:g} N or more for {seconds:.2f} s outside of known feet's contacts, given to none"
                " (a foot that is not known, or a zero that is off)"
            )
    return time, loads, notes


def _masks(source: ExportSource, short: str, plate: PlateForce) -> dict[str, NDArray[np.bool_]]:
    loaded = ~(plate.up_n < LOADED_N)
    masks = {side: np.zeros(loaded.size, dtype=bool) for side in SIDES}
    if plate.side != "unknown":
        masks[plate.side] = loaded
        return masks
    for ic, to, side, names in source.stances:
        if short in names:
            masks[side] |= (plate.time_s >= ic) & (plate.time_s <= to)
    masks[""] |= loaded & ~masks["left"] & ~masks["right"]
    return masks


def _load(
    plate: str, side: str, mask: NDArray[np.bool_], parts: tuple[Floats, Floats, Floats], step_s: float
) -> PlateLoad:
    force, point, free = parts
    known = np.isfinite(force).all(axis=1)
    borne = mask & ~(force[:, 2] < LOADED_N)
    no_point = ~np.isfinite(point).all(axis=1)
    # plates find the centre of pressure of a filtered force: at the ends of a contact it may be missing
    lost = mask & ~known
    for start, end in true_runs(borne & no_point):
        lost[start:end] |= (end - start) * step_s > HELD_S
    here = mask & known & ~lost & (borne | ~no_point)
    lost |= here & ~no_point & ~np.isfinite(free)
    turn = np.zeros_like(force)
    turn[:, 2] = np.where(here & np.isfinite(free), free, 0.0)
    held = _held(point, here & ~no_point)
    force = np.where(here[:, None], force, 0.0)
    force[lost] = np.nan
    return PlateLoad(plate, side, force, held, turn)


def _held(point: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return points (samples, 3), the last one held where none is known; the first before it."""
    at = np.flatnonzero(known)
    if not at.size:
        return np.zeros_like(point)
    last = np.clip(np.searchsorted(at, np.arange(len(point)), side="right") - 1, 0, None)
    return np.asarray(point[at[last]])
