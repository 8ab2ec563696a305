"""Length and size of a trial's insoles, as numbers that a network can take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from ..errors import BadInputError
from ..records import Trial

_SIZES = ("XS", "S", "M", "L", "XL", "XXL")


def insole_scalars(trial: Trial, streams: Mapping[str, xr.Dataset]) -> dict[str, dict[str, float]]:
    """Return length (m) and size of each foot's insole, NaN where neither the trial nor the insole states it."""
    scalars: dict[str, dict[str, float]] = {}
    for what in ("insole_length_m", "insole_size"):
        scalars[what] = {}
        for side in ("left", "right"):
            insoles = [
                s.attrs for s in streams.values() if s.attrs.get("kind") == "insole" and s.attrs.get("side") == side
            ]
            stated = [a[what] for a in (*insoles, trial.tree.attrs) if what in a]
            scalars[what][side] = _number(stated[0], what) if stated else float("nan")
    return scalars


def _number(value: Any, what: str) -> float:
    text = str(value).strip()
    if text in _SIZES:
        return float(_SIZES.index(text) + 1)
    try:
        return float(text) if text else float("nan")
    except ValueError as error:
        raise BadInputError(f"{what} is '{text}', expected a number or one of {', '.join(_SIZES)}") from error
