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

WIDTH_IN, PANEL_IN, HEAD_IN = 10.0, 2.0, 0.6
"""Width of a figure, height of a panel and of what stands above and below them, inches: a notebook's column."""
MOST_LINES = 12
"""More channels than this are drawn as a picture of channel against time: lines and legend would hide each other."""
MOST_CURVES = 300
"""Windows of a stance set that are drawn singly; of more, evenly chosen ones. Chosen by eye."""
_COLOURS = 10
"""Colours of matplotlib's cycle; lines beyond them are dashed, so that no two look alike."""
_BREAK = 5.0
"""A step of time longer than this many usual ones is drawn as a gap; chosen by hand: a host's stamps jitter less."""


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
    panels = [(name, label, rows) for name, data in streams.items() for label, rows in _by_unit(data).items()]
    if not panels:
        raise BadInputError("there is no stream to draw")
    figure, axes = _figure(len(panels), title)
    for panel, (name, label, rows) in zip(axes, panels):
        time, values = _with_breaks(np.asarray(streams[name]["time"].values), np.asarray(list(rows.values())))
        gaps = _missing(streams[name])
        # marks at the bottom keep their size where a gap is narrower than a pixel
        marks = (gaps, np.full(gaps.size, 0.03), "|")
        panel.plot(*marks, color="C3", transform=panel.get_xaxis_transform(), label="missing" if gaps.size else None)
        if len(rows) <= MOST_LINES:
            for k, (channel, line) in enumerate(zip(rows, values)):
                style = "-" if k < _COLOURS else "--"
                panel.plot(time, line, style, color=f"C{k % _COLOURS}", linewidth=0.9, label=channel)
            _legend(panel)
            panel.set_ylabel(f"{name}\n{label}")
        else:
            _picture(figure, panel, time, values, label)
            panel.set_ylabel(f"{name}\nchannel")
    axes[-1].set_xlabel("time (s)")
    return figure


def plot_stances(data: xr.Dataset) -> Figure:
    """Return a figure with a panel per axis of force: every window thin, their mean and standard deviation.

    Parameters
    ----------
    data
        Of a :class:`grfkit.StanceSet`.

    Raises
    ------
    BadInputError
        If matplotlib is not installed, or the set is empty.
    """
    windows, axis_names = data.sizes["stance"], [str(name) for name in data["axis"].values]
    if not windows:
        raise BadInputError("there is no stance to draw")
    counted = np.asarray(data["weight"].values)[:, :, None] > 0
    force = np.where(counted, np.asarray(data["targets"].values, dtype=np.float64), np.nan)
    points = force.shape[1]
    normalised = data.attrs["window"] == "stance"
    x = np.linspace(0.0, 100.0, points) if normalised else np.arange(points) / float(data.attrs["rate_hz"])
    people = len(np.unique(data["participant"].values.astype(str)))
    title = f"{windows} windows of {people} participant{'' if people == 1 else 's'}"
    figure, axes = _figure(len(axis_names), title)
    for k, (panel, name) in enumerate(zip(axes, axis_names)):
        curves = force[:: -(-windows // MOST_CURVES), :, k]
        count = np.isfinite(force[:, :, k]).sum(axis=0)
        # a point that no window has stays empty: the mean of nothing is no number
        mean = np.nansum(force[:, :, k], axis=0) / np.where(count, count, np.nan)
        sd = np.sqrt(np.nansum((force[:, :, k] - mean) ** 2, axis=0) / np.where(count, count, np.nan))
        panel.plot(x, curves.T, color="0.75", linewidth=0.5)
        panel.plot([], [], color="0.75", linewidth=0.5, label="each window")
        panel.fill_between(x, mean - sd, mean + sd, color="C0", alpha=0.25, linewidth=0, label="±1 SD")
        panel.plot(x, mean, color="C0", linewidth=1.8, label="mean")
        _legend(panel)
        panel.set_ylabel(f"{name}\n{data['targets'].attrs.get('units', 'BW')}")
    axes[-1].set_xlabel("% of stance" if normalised else "time in window (s)")
    return figure


def _figure(panels: int, title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels below one another, without pyplot: no window, no state, any backend."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BadInputError(f"drawing needs matplotlib ({error}); pip install 'grfkit[plot]'") from error
    figure = Figure(figsize=(WIDTH_IN, PANEL_IN * panels + HEAD_IN), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    axes = list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.margins(x=0.0)
    figure.align_ylabels(axes)
    return figure, axes


def _legend(panel: Axes) -> None:
    """Put the legend beside the panel, where it hides no curve."""
    panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize="x-small", frameon=False)


def _by_unit(data: xr.Dataset) -> dict[str, dict[str, Floats]]:
    """Return the channels of a stream by the label of their panel: newtons and metres do not share an axis.

    Nor do an insole's cells and their sum, which is far larger than each of them.
    """
    if "landmark" in data.coords:
        return {f"height z, {data['position'].attrs.get('units', '')}": _heights(data)}
    groups: dict[str, dict[str, Floats]] = {}
    for name, channel in data.data_vars.items():
        if name in ("time_raw", "time_device") or channel.dims != ("time",):
            continue
        unit = str(channel.attrs.get("units", ""))
        label = f"sum, {unit}" if name == "pressure_sum" else unit
        groups.setdefault(label, {})[str(name)] = np.asarray(channel.values, dtype=np.float64)
    return groups


def _heights(data: xr.Dataset) -> dict[str, Floats]:
    """Return the third coordinate of each landmark: upward in grfkit's own axes, and so steps show."""
    height = data["position"].sel(axis="z").transpose("landmark", "time").values
    return dict(zip([str(name) for name in data["landmark"].values], height))


def _missing(data: xr.Dataset) -> Floats:
    """Return the times (s) of samples of which nothing was recorded; an unloaded plate has forces, and no gap."""
    present = np.zeros(data.sizes["time"], dtype=bool)
    for name, channel in data.data_vars.items():
        if name not in ("time_raw", "time_device"):
            finite = np.isfinite(np.asarray(channel.values, dtype=np.float64))
            present |= finite.any(axis=tuple(range(1, finite.ndim)))
    return np.asarray(data["time"].values[~present], dtype=np.float64)


def _with_breaks(time: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return time and values (channels, samples) with an empty sample in each gap that has no rows of its own."""
    steps = np.diff(time)
    if not steps.size:
        return time, values
    usual = float(np.median(steps))
    before = np.flatnonzero(steps > _BREAK * usual) + 1
    return np.insert(time, before, time[before - 1] + usual), np.insert(values, before, np.nan, axis=1)


def _picture(figure: Figure, panel: Axes, time: Floats, values: Floats, label: str) -> None:
    """Draw channels as rows of colour; each sample reaches to the next, wherever that is."""
    if not time.size:
        return
    edges = np.append(time, time[-1] + (np.median(np.diff(time)) if time.size > 1 else 1.0))
    rows = np.arange(len(values) + 1) + 0.5
    # rows of colour as an image inside the file: a mesh of many thousand cells is slow as vectors
    mesh = panel.pcolormesh(edges, rows, values, rasterized=True)
    figure.colorbar(mesh, ax=panel, label=label, pad=0.01)
    panel.locator_params(axis="y", integer=True)
