"""Centre of pressure of an insole by its cells, corrected by what other people's feet taught, and how surely."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from .cop import insole_cop

WalkingSpeed = Literal["slow", "normal", "fast", ""]
LEAST_SHARE = 0.05
"""Share of the highest load below which a centre is not judged: half-widths were measured above it."""
_REST_PERCENT = 2.0
"""Percentile of a cell that is its unloaded level: a foot in gait is in the air for a third of the time or more."""
_SAME_PLACE = 0.01
"""Difference of two places, as a share of the insole's extent, up to which two layouts are one: 2 mm, by hand."""
_FOLDER = Path(__file__).parent / "centres"


@dataclass(frozen=True)
class InsoleCentre:
    """An insole's centre of pressure, sample by sample.

    Attributes
    ----------
    time_s
        Shape (samples,), those of the stream.
    cop_mm
        Shape (samples, 2): forward from the heel end of the insole, and to the left of its line. NaN where the load is
        below 5 % of its highest, or a cell in use is missing.
    half_width_mm
        Forward and sideways: within so much lay 95 % of the samples of each of ten people held out; NaN where nothing
        is known of this layout with these cells.
    corrected
        Whether the correction fitted to other people was applied.
    cells_left, cells_dead
        Number of cells in use; names of those left out.
    words
        What it is of, and how sure, in a sentence.
    """

    time_s: Floats
    cop_mm: Floats
    half_width_mm: tuple[float, float]
    corrected: bool
    cells_left: int
    cells_dead: tuple[str, ...]
    words: str


def insole_centre(
    stream: xr.Dataset,
    *,
    speed: WalkingSpeed = "",
    level: Mapping[str, float] | None = None,
    correct: bool = True,
) -> InsoleCentre | None:
    """Return an insole's centre of pressure with its half-width; None of a stream without cells of known place.

    Cells carry their places once an insole geometry was applied (``--calibration insoles/fsr16_m``). A cell that
    reports nothing, or always the same count, is left out. Each cell's unloaded level, its 2nd percentile, is taken
    off; the centre is the mean of the cells' places weighted by what is left. Few cells draw it to themselves: where
    the layout is one that ``tools/fit_insole_cop.py`` laid over the pressure fields of ten people, it is corrected
    by ``1, f, m, f^2, f m`` of its own place (forward, medial), fitted to all of them.

    Parameters
    ----------
    speed
        Of walking, for the half-width; the widest of the three where nothing is said.
    level
        Unloaded level of each cell, in place of its 2nd percentile.
    correct
        False weights the cells plainly, with the half-width of that.
    """
    places = _places(stream)
    side = str(stream.attrs.get("side"))
    if not places or side not in ("left", "right"):
        return None
    names = list(places)
    cells = np.stack([np.asarray(stream[n].values, dtype=np.float64) for n in names], axis=1)
    dead = _dead(cells, [str(stream[n].attrs.get("units", "")) for n in names])
    left = [k for k in range(len(names)) if not dead[k]]
    if not left:
        return None
    medial = 1.0 if side == "left" else -1.0
    where = np.asarray([(places[n][1], medial * places[n][0]) for n in names])
    if level is None:
        load = cells[:, left] - np.nanpercentile(cells[:, left], _REST_PERCENT, axis=0)
    else:
        load = cells[:, left] - np.asarray([level[names[k]] for k in left])
    # a cell in use that is missing for a moment would draw the centre away from itself
    load[~np.isfinite(load).all(axis=1)] = np.nan
    centre = insole_cop(load, where[left], least_share=LEAST_SHARE)
    known = _layout_of(where)
    gone = tuple(k for k in range(len(names)) if dead[k])
    found = None if known is None else known.correction(gone)
    half = (float("nan"), float("nan"))
    if known is not None and found is not None:
        length = known.length_m(where)
        if correct:
            centre = _corrected(centre / length, found["weights"]) * length
        widths = found["half_width" if correct else "half_width_plain"][speed or "any"]
        half = float(widths[0]) * 1e3 * length, float(widths[1]) * 1e3 * length
    to_left = np.asarray([1e3, -medial * 1e3])
    words = _words(stream, [names[k] for k in gone], len(left), found is not None, correct, half, known, speed)
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    return InsoleCentre(
        time_s, centre * to_left, half, correct and found is not None, len(left), tuple(names[k] for k in gone), words
    )


def design(normal: Floats) -> Floats:
    """Return the terms of the correction, shape (samples, 5), of centres in lengths of the foot (forward, medial)."""
    f, m = normal[:, 0], normal[:, 1]
    return np.stack([np.ones(len(normal)), f, m, f**2, f * m], axis=1)


@dataclass(frozen=True)
class _Layout:
    """A layout of cells with its corrections; see ``tools/fit_insole_cop.py``."""

    name: str
    source: str
    places: Floats
    foot_per_extent: float
    corrections: dict[tuple[int, ...], dict[str, Any]]

    def correction(self, dead: tuple[int, ...]) -> dict[str, Any] | None:
        """Return the correction without these cells; None where none was fitted."""
        return self.corrections.get(dead)

    def length_m(self, where: Floats) -> float:
        """Return the length of the foot that cells at these places (m) are laid under."""
        return float(where[:, 0].max()) * self.foot_per_extent


@lru_cache(maxsize=1)
def _layouts() -> tuple[_Layout, ...]:
    found = []
    for path in sorted(_FOLDER.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = {tuple(row["dead"]): row for row in content["corrections"]}
        places = np.asarray(content["places"], dtype=np.float64)
        found.append(_Layout(content["name"], content["source"], places, content["foot_per_extent"], rows))
    return tuple(found)


def _layout_of(where_m: Floats) -> _Layout | None:
    """Return the layout that these cells have, whatever the insole's size."""
    share = where_m / where_m[:, 0].max()
    for layout in _layouts():
        if layout.places.shape == share.shape and float(np.abs(layout.places - share).max()) < _SAME_PLACE:
            return layout
    return None


def _places(stream: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return x (right) and y (to the toes), m, of the cells whose place is known."""
    cells = sorted(str(n) for n in stream.data_vars if str(n).startswith("cell_"))
    about = {n: stream[n].attrs for n in cells}
    return {n: (float(a["x_m"]), float(a["y_m"])) for n, a in about.items() if {"x_m", "y_m"} <= set(a)}


def _dead(cells: Floats, units: Sequence[str]) -> NDArray[np.bool_]:
    """Return which cells report nothing, or always the same count; 0 N throughout is a place the foot never loads."""
    silent = ~np.isfinite(cells).any(axis=0)
    still = np.zeros_like(silent)
    for k in map(int, np.flatnonzero(~silent)):
        known = cells[np.isfinite(cells[:, k]), k]
        still[k] = float(np.ptp(known)) == 0.0 and (units[k] == "count" or float(known[0]) != 0.0)
    return np.asarray(silent | still)


def _corrected(normal: Floats, weights: Sequence[Sequence[float]]) -> Floats:
    return np.asarray(design(normal) @ np.asarray(weights, dtype=np.float64).T)


def _words(
    stream: xr.Dataset,
    dead: list[str],
    left: int,
    measured: bool,
    correct: bool,
    half: tuple[float, float],
    layout: _Layout | None,
    speed: str,
) -> str:
    cells = f"{left} cells" + (f" ({', '.join(dead)} left out)" if dead else "")
    if not measured or layout is None:
        why = "of this layout" if layout is None else "with these cells left out"
        return f"centre of pressure of {cells}, weighted plainly; nothing is known of its error {why}"
    gains = "" if "cell_calibration" in str(stream.attrs.get("calibrated_by", "")) else ", cells of one gain"
    how = "corrected by other people" if correct else "weighted plainly"
    walking = f"barefoot walking{f', {speed}' if speed else ''}{gains}; {layout.source}"
    return (
        f"centre of pressure of {cells}, {how}; 95 % within {half[0]:.0f} mm forward and {half[1]:.0f} mm sideways"
        f" ({walking})"
    )
