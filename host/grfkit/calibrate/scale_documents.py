"""The document of an insole's load scaled to body weight, and how it is applied."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import BadInputError
from ..provenance import InputFile
from ..units import parse_unit, require
from .documents import Document, check_unit

LOADS = ("cell_", "zone_")
"""Starts of the names of channels that are scaled, besides ``force``."""


class FootScale(BaseModel):
    """One foot's factor from its own unit to N.

    Attributes
    ----------
    rest
        What each channel shows while the foot is off the ground, taken off before.
    error_percent
        Standard error of the factor, from stride to stride or stand to stand; what all strides share is not in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    stream: str = Field(min_length=1)
    scale: float = Field(gt=0)
    rest: dict[str, float] = {}
    error_percent: float = Field(ge=0)


class LoadScale(Document):
    """An insole's load scaled so that the wearer weighs what the scales say.

    Attributes
    ----------
    method
        ``strides``: over whole strides of a steady walk or run both feet together carry one body weight;
        ``one foot``: each foot in turn carries it; ``stand``: both do, standing.
    residual_percent
        RMS of the strides', or stands', mean load about one body weight, after scaling.
    load_max_bw
        Largest load of a foot in the recording (BW): beyond it the scale is not checked.
    """

    kind: Literal["load_scale"] = "load_scale"
    unit_in: str
    unit_out: Literal["N"] = "N"
    mass_kg: float = Field(gt=0)
    method: Literal["strides", "one foot", "stand"]
    feet: tuple[FootScale, ...] = Field(min_length=1)
    n: int = Field(ge=1)
    residual_percent: float = Field(ge=0)
    load_max_bw: float = Field(gt=0)
    inputs: tuple[InputFile, ...] = ()

    @model_validator(mode="after")
    def _sane(self) -> LoadScale:
        check_unit(self.unit_in)
        return self


def scaled_load(stream: xr.Dataset, name: str, document: LoadScale) -> xr.Dataset:
    """Return the stream with every load channel in N, less what it shows at rest, times the foot's factor.

    Raises
    ------
    UnitError, BadInputError
        If a channel is in another unit, or the stream has other channels than were calibrated.
    """
    foot = next(f for f in document.feet if f.stream == name)
    channels = load_channels(stream)
    if set(channels) != set(foot.rest):
        raise BadInputError(
            f"calibration '{document.name}' is for {', '.join(sorted(foot.rest))}, '{name}' has"
            f" {', '.join(sorted(channels)) or 'no load'}; it does not fit"
        )
    changed: xr.Dataset = stream.copy()
    changed.attrs = dict(stream.attrs)
    for channel in channels:
        require(
            str(stream[channel].attrs.get("units", "unknown")),
            parse_unit(document.unit_in).canonical,
            what=f"{name} channel '{channel}'",
        )
        values = np.asarray(stream[channel].values, dtype=np.float64)
        load = np.maximum((values - foot.rest[channel]) * foot.scale, 0.0)
        changed[channel] = (stream[channel].dims, load, dict(stream[channel].attrs) | {"units": "N"})
    return changed


def load_channels(stream: xr.Dataset) -> list[str]:
    """Return the names of a stream's load channels: cells, zones and ``force``.

    Only ``force`` where cells are in another unit, such as a Moticon's pressures beside its total force.
    """
    names = [str(c) for c in stream.data_vars if str(c).startswith(LOADS) or c == "force"]
    units = {str(stream[n].attrs.get("units", "unknown")) for n in names}
    return ["force"] if "force" in names and len(units) > 1 else names
