"""Insole cells relative to their own foot's steps, for insoles whose counts are not calibrated to newtons.

The force that a count stands for differs between insoles and changes from day to day. Without calibration one can still
subtract each cell's unloaded level and divide by the load of the whole insole at the peak of an ordinary step. Both
come from the wearer's own recording: no force plate, scale or other participant is needed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..records import Trial
from .contacts import peak_loads
from .stances import find_stances

UNIT = "relative"
"""Unit of such cells: 1 is the load of all of them at the median step's peak."""
LEAST_STEPS = 3
"""Steps without which an ordinary one is not known: a median of fewer is any of them. Chosen by hand."""
UNLOADED_PERCENT = 2.0
"""Which percentile of a cell's record is its unloaded level: a foot in gait is in the air for a third of the time."""
_GROUPS = ("cell_", "zone_")


def is_cell(channel: str) -> bool:
    """Return whether a channel is a cell or zone of an insole."""
    return channel.startswith(_GROUPS)


def relative_cells(streams: Mapping[str, xr.Dataset], trial: Trial) -> dict[str, xr.Dataset]:
    """Return the streams with cells and zones of insoles relative to their own foot's steps, unit ``relative``.

    Each cell's unloaded level (2nd percentile of the whole record) is subtracted. All cells are then divided by one
    number: the median, over the steps that the insole itself shows, of the highest sum of cells in a step. Cells that
    never report stay missing and take no part. Other channels and streams are unchanged.

    Parameters
    ----------
    trial
        Its steps are found by its insoles only (``insole_causal``).

    Raises
    ------
    BadInputError
        If an insole shows fewer than three steps or no load in them.
    """
    insoles = {n: s for n, s in streams.items() if s.attrs.get("kind") == "insole" and any(map(is_cell, map(str, s)))}
    scaled = dict(streams)
    if not insoles:
        return scaled
    steps = find_stances(trial, source="insole_causal").stances
    for name, stream in insoles.items():
        side = stream.attrs.get("side")
        foot_steps = [(s.ic_s, s.to_s) for s in steps if s.side == side and np.isfinite(s.to_s)]
        if side in ("left", "right"):
            scaled[name] = _relative(stream, foot_steps, name)
    return scaled


def _relative(stream: xr.Dataset, steps: list[tuple[float, float]], name: str) -> xr.Dataset:
    """Return one insole's stream with its cells, and its zones, each group relative to its own sum."""
    scaled: xr.Dataset = stream.copy()
    time = np.asarray(stream["time"].values, dtype=np.float64)
    for group in _GROUPS:
        names = [str(n) for n in stream.data_vars if str(n).startswith(group)]
        alive = [n for n in names if np.isfinite(stream[n].values).any()]
        if not alive:
            continue
        cells = np.stack([np.asarray(stream[n].values, dtype=np.float64) for n in alive], axis=1)
        above = cells - np.nanpercentile(cells, UNLOADED_PERCENT, axis=0)
        peak = _median_peak(np.nansum(above, axis=1), time, steps, name)
        for index, cell in enumerate(alive):
            scaled[cell] = (stream[cell].dims, above[:, index] / peak, {**stream[cell].attrs, "units": UNIT})
        # a dead cell has no load to scale, but all cells of an insole have to be in one unit
        for cell in set(names) - set(alive):
            scaled[cell].attrs["units"] = UNIT
    return scaled


def _median_peak(load: Floats, time: Floats, steps: list[tuple[float, float]], name: str) -> float:
    """Return the median over steps of the highest load in each."""
    if len(steps) < LEAST_STEPS:
        raise BadInputError(
            f"insole '{name}' shows {len(steps)} steps; expected {LEAST_STEPS} or more to set its cells against its"
            " own steps (cells = 'relative'); take a longer recording, or cells in newtons as recorded"
        )
    peaks = peak_loads(load, time, *np.asarray(steps).T)
    peaks = peaks[np.isfinite(peaks)]
    middle = float(np.median(peaks)) if peaks.size else 0.0
    if not middle > 0:
        raise BadInputError(f"insole '{name}' shows no load in its steps; are its cells connected?")
    return middle
