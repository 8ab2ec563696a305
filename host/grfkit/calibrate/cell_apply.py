"""A document of calibrated cells applied to an insole's stream: each cell's value to newtons, by its own law."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..units import parse_unit, require
from .cell_documents import CellCalibration, CellLaw
from .cell_laws import FittedLaw, ahead_of_play, force_of
from .same_device import refuse_other_device

BEYOND_SHARE = 0.05
"""Share of the range a law was fitted to by which a value may exceed it; chosen by hand: a curve bends little there."""
RESTLESS_SHARE = 0.1
"""Share of the range by which an insole said to be unloaded may move at its start: more is a load; chosen by hand."""


def cells_to_force(stream: xr.Dataset, name: str, document: CellCalibration) -> xr.Dataset:
    """Return the stream with every cell in N; a cell out of use, and a value beyond the law's range, is NaN.

    Raises
    ------
    BadInputError
        If the insole is another one, has other cells, or is loaded at a start that should show its rest.
    """
    _fits(stream, name, document)
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    changed: xr.Dataset = stream.copy()
    changed.attrs = dict(stream.attrs)
    for cell in document.cells:
        channel = _channel(cell.number)
        values = _in_unit(stream[channel], f"{name} channel '{channel}'", document.unit_in)
        rest = cell.rest if document.zero_s is None else _rest(values, time_s, cell, document, name)
        force = cell_force(cell, document.law, values, rest)
        attrs = dict(stream[channel].attrs) | {"units": "N", "residual_n": cell.residual_n}
        changed[channel] = (stream[channel].dims, force, attrs)
    for number in (out.number for out in document.out_of_use):
        channel = _channel(number)
        attrs = dict(stream[channel].attrs) | {"units": "N"}
        changed[channel] = (stream[channel].dims, np.full(stream[channel].shape, np.nan), attrs)
    return changed


def cell_force(cell: CellLaw, law: str, values: Floats, rest: float, state: Floats | None = None) -> Floats:
    """Return the force (N) of one cell's values, NaN beyond the range of its law.

    Parameters
    ----------
    state
        Of the play operators, shape (1, plays), where values come piece by piece; moved along.
    """
    u = cell.sign * (values - rest)
    powers = np.stack([u, u**2, u**3], axis=1)
    ahead = ahead_of_play(u[:, None], np.asarray(cell.play_widths).reshape(1, -1), state)[:, 0]
    of_law = FittedLaw(
        law,  # type: ignore[arg-type]  # pydantic has checked it
        polynomial=cell.polynomial,
        play_widths=cell.play_widths,
        play_gains=cell.play_gains,
        gain=cell.gain,
        start=cell.start,
        exponent=cell.exponent,
    )
    force = force_of(of_law, powers, ahead)
    return np.where(u <= (1 + BEYOND_SHARE) * cell.valid_max_u, force, np.nan)


def _channel(number: int) -> str:
    return f"cell_{number:02d}"


def _fits(stream: xr.Dataset, name: str, document: CellCalibration) -> None:
    refuse_other_device(stream, name, document.name, document.device, what="insole")
    has = {str(c) for c in stream.data_vars if str(c).startswith("cell_")}
    numbers = [c.number for c in document.cells] + [c.number for c in document.out_of_use]
    expected = {_channel(number) for number in numbers}
    if has != expected:
        raise BadInputError(
            f"calibration '{document.name}' is of an insole of {len(expected)} cells, '{name}' has"
            f" {len(has)} ({len(has & expected)} of the same name); it does not fit"
        )


def _in_unit(channel: xr.DataArray, what: str, unit: str) -> Floats:
    require(str(channel.attrs.get("units", "unknown")), parse_unit(unit).canonical, what=what)
    scale = parse_unit(unit)
    return (np.asarray(channel.values, dtype=np.float64) - scale.shift) / scale.factor


def _rest(values: Floats, time_s: Floats, cell: CellLaw, document: CellCalibration, name: str) -> float:
    assert document.zero_s is not None
    start = values[(time_s - time_s[0] <= document.zero_s) & np.isfinite(values)]
    if not start.size:
        raise BadInputError(f"'{name}': cell {cell.number} has no sample in the first {document.zero_s:g} s, its rest")
    if float(np.ptp(np.percentile(start, [10, 90]))) > RESTLESS_SHARE * cell.valid_max_u + 1.0:
        raise BadInputError(
            f"'{name}': cell {cell.number} moves in the first {document.zero_s:g} s, in which calibration"
            f" '{document.name}' expects the insole unloaded"
        )
    return float(start.mean())
