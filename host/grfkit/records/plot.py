"""Pictures behind ``.plot()``: matplotlib is an extra, imported when one is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, PANEL_IN = 10.0, 2.2
"""Width of a figure and height of a panel, inches: a notebook's column."""
MOST_LINES = 12
"""More channels than this (cells of an insole) are drawn as a picture of channel against time."""


def plot_streams(streams: Mapping[str, xr.Dataset], *, title: str = "") -> Figure:
    """Return a figure with a panel per stream and unit, on one axis of time; gaps stay empty.

    Parameters
    ----------
    streams
        By name, as :attr:`grfkit.Recording.streams` gives them; at least one.

    Raises
    ------
    BadInputError
        If matplotlib is not installed, or there is no stream.
    """
    figure_class = _figure_class()
    panels = [(name, unit, lines) for name, data in streams.items() for unit, lines in _by_unit(data).items()]
    if not panels:
        raise BadInputError("there is no stream to draw")
    figure = figure_class(figsize=(WIDTH_IN, PANEL_IN * len(panels) + 0.6), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (name, unit, lines) in zip(axes, panels):
        time = np.asarray(streams[name]["time"].values, dtype=np.float64)
        _draw(panel, time, lines)
        panel.set_ylabel(f"{name}\n{unit}" if unit else name)
    axes[-1].set_xlabel("time (s)")
    figure.suptitle(title)
    return figure


def _figure_class() -> type[Figure]:
    """Return matplotlib's Figure, without pyplot: no window, no state, any backend."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BadInputError(f"drawing needs matplotlib ({error}); pip install 'grfkit[plot]'") from error
    return Figure


def _by_unit(data: xr.Dataset) -> dict[str, dict[str, Floats]]:
    """Return the channels of a stream by unit: newtons and metres do not share an axis."""
    if "landmark" in data.coords:
        return {f"height, {data['position'].attrs.get('units', '')}": _heights(data)}
    groups: dict[str, dict[str, Floats]] = {}
    for name, channel in data.data_vars.items():
        if name in ("time_raw", "time_device") or channel.dims != ("time",):
            continue
        unit = str(channel.attrs.get("units", ""))
        groups.setdefault(unit, {})[str(name)] = np.asarray(channel.values, dtype=np.float64)
    return groups


def _heights(data: xr.Dataset) -> dict[str, Floats]:
    """Return the upward coordinate of each landmark, which shows steps."""
    height = data["position"].sel(axis="z").transpose("landmark", "time").values
    return dict(zip([str(name) for name in data["landmark"].values], height))


def _draw(panel: Axes, time: Floats, lines: Mapping[str, Floats]) -> None:
    if len(lines) <= MOST_LINES:
        for name, values in lines.items():
            panel.plot(time, values, linewidth=0.9, label=name)
        panel.legend(loc="upper right", fontsize="x-small", ncols=3)
        return
    picture = np.asarray(list(lines.values()))
    panel.imshow(picture, aspect="auto", origin="lower", extent=(time[0], time[-1], 0.5, len(lines) + 0.5))
