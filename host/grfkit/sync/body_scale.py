"""An insole's scale from its wearer's weight: whole strides of a walk or run, one foot after the other, or standing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..calibrate.scale_documents import FootScale, LoadScale, load_channels
from ..errors import BadInputError
from ..gait.contacts import contacts_from_force, rule_of
from ..io import read
from ..io.base import ReadOptions
from ..provenance import describe_input
from ..signals.runs import true_runs
from ..units import G

Method = Literal["strides", "one foot", "stand"]

FEWEST_STRIDES = 6
"""Whole strides that a scale is taken over, at the least; chosen by hand."""
REGULAR = (0.7, 1.4)
"""Shares of the usual stride between which a stride is whole and no turn or stop; chosen by hand."""
STEADY_S = 2.0
"""Time (s) that a foot, or both, stand still at the least."""
STILL_SHARE = 0.1
"""SD of the load over its mean below which a person stands still: swaying gives 2 to 5 %. Chosen by hand."""
KNOWN_SHARE = 0.75
"""Share of a stand's samples that must be there; chosen by hand: lost packets of a person who stands miss nothing."""
OFF_SHARE = 0.1
"""Share of a foot's usual highest load below which it is off the ground; chosen by hand."""
LARGEST_RESIDUAL = 0.1
"""RMS of strides' or stands' mean loads about one body weight beyond which none is told; chosen by hand: real walks
have 2 %."""
SATURATED_SHARE, FLAT_SAMPLES = 0.01, 4
"""Share of the loaded samples in flat tops of so many samples from which a load is cut off; chosen by hand."""


@dataclass(frozen=True)
class Scaled:
    """The document, and what its report shows: each stride's or stand's mean load (BW) and when it was."""

    document: LoadScale
    at_s: Floats
    mean_bw: Floats


def calibrate_bodyweight(
    path: Path,
    *,
    mass_kg: float | None,
    method: Method,
    name: str,
    options: ReadOptions | None = None,
    made_on: str = "",
) -> Scaled:
    """Return the scale of a recording's insoles, by the stated mass.

    Raises
    ------
    BadInputError
        If no mass is stated, the recording has no insole, a unit is unknown, a load is cut off, feet are missing, or
        too few strides or stands are seen.
    """
    if mass_kg is None:
        raise BadInputError("the person's mass is not stated; give --mass-kg (with shoes and clothes, as measured)")
    feet = read(path, options).of_kind("insole")
    sides = {str(s.attrs.get("side")): n for n, s in feet.items()}
    if not {"left", "right"} & set(sides):
        raise BadInputError(f"{path}: holds no insole of a left or right foot")
    if method != "one foot" and not {"left", "right"} <= set(sides):
        raise BadInputError(
            f"{path}: holds the {' and '.join(sorted(sides))} insole alone; both feet carry the weight. Stand on that"
            " foot and use --method one-foot"
        )
    streams = {n: feet[n] for side, n in sorted(sides.items()) if side in ("left", "right")}
    unit = _one_unit(streams, path)
    # who stands on both feet all the time never shows an insole at rest
    time_s, loads, rests = _loads(streams, at_rest=method != "stand")
    for stream, load in loads.items():
        _refuse_saturated(load, stream, path)
    weight = mass_kg * G
    if method == "strides":
        pieces = {n: _strides(time_s, loads, path) for n in loads}
    elif method == "stand":
        pieces = {n: _stands(time_s, sum(loads.values()), path) for n in loads}  # type: ignore[arg-type]
    else:
        pieces = {n: _alone(time_s, loads, n, path) for n in loads}
    scales: dict[str, tuple[float, float]] = {}
    at: list[float] = []
    means: list[float] = []
    for stream in loads:
        total = loads[stream] if method == "one foot" else np.sum(list(loads.values()), axis=0)
        each = np.asarray([np.nanmean(total[a:b]) for a, b in pieces[stream]])
        length = np.asarray([b - a for a, b in pieces[stream]], dtype=np.float64)
        scale = float(weight / np.average(each, weights=length))
        spread = float(np.std(each, ddof=1) / np.sqrt(each.size) / each.mean()) if each.size > 1 else STILL_SHARE
        scales[stream] = scale, 100 * spread
        if method == "one foot" or not at:
            at += [time_s[(a + b) // 2] for a, b in pieces[stream]]
            means += list(each * scale / weight)
    residual = float(np.sqrt(np.mean((np.asarray(means) - 1) ** 2)))
    if residual > LARGEST_RESIDUAL:
        raise BadInputError(
            f"{path}: the {len(means)} {_called(method)} differ by {100 * residual:.0f} % (RMS), more than"
            f" {100 * LARGEST_RESIDUAL:.0f} %; no one scale fits them"
        )
    largest = max(float(np.nanmax(load)) * scales[n][0] for n, load in loads.items()) / weight
    document = LoadScale(
        name=name,
        source=f"grf-calibrate bodyweight: {len(means)} {_called(method)} of a person of {mass_kg:g} kg",
        made_on=made_on,
        unit_in=unit,
        mass_kg=mass_kg,
        method=method,
        feet=tuple(FootScale(stream=n, scale=scales[n][0], rest=rests[n], error_percent=scales[n][1]) for n in loads),
        n=len(means),
        residual_percent=100 * residual,
        load_max_bw=largest,
        inputs=(describe_input(path, role="recording"),),
    )
    return Scaled(document, np.asarray(at), np.asarray(means))


def _called(method: Method) -> str:
    return {"strides": "strides", "one foot": "stands on one foot", "stand": "stands on both feet"}[method]


def _one_unit(streams: dict[str, xr.Dataset], path: Path) -> str:
    units = {str(s[c].attrs.get("units", "unknown")) for s in streams.values() for c in load_channels(s)}
    if len(units) != 1 or units & {"unknown", "Pa"}:
        raise BadInputError(
            f"{path}: its loads are in {', '.join(sorted(units)) or 'no unit'}; expected one unit, counts or N (a"
            " pressure needs the cells' areas)"
        )
    return units.pop()


def _loads(
    streams: dict[str, xr.Dataset], *, at_rest: bool
) -> tuple[Floats, dict[str, Floats], dict[str, dict[str, float]]]:
    """Return the first foot's time, every foot's load less its rest on it, and each channel's rest."""
    first = next(iter(streams.values()))
    time_s = np.asarray(first["time"].values, dtype=np.float64)
    loads, rests = {}, {}
    for name, stream in streams.items():
        parts = load_channels(stream)
        of_load = ["force"] if "force" in parts else parts
        values = {c: np.asarray(stream[c].values, dtype=np.float64) for c in parts}
        total = np.sum([values[c] for c in of_load], axis=0)
        low, high = np.nanmin(total), np.nanpercentile(total, 95)
        off = total <= low + OFF_SHARE * (high - low)
        rests[name] = {c: float(np.nanmedian(v[off])) if at_rest else 0.0 for c, v in values.items()}
        own_s = np.asarray(stream["time"].values, dtype=np.float64)
        known = np.isfinite(own_s) & np.isfinite(total)
        load = np.interp(time_s, own_s[known], total[known], left=np.nan, right=np.nan)
        gap = np.interp(time_s, own_s, (~np.isfinite(total)).astype(np.float64)) > 0
        loads[name] = np.where(gap, np.nan, load - sum(rests[name][c] for c in of_load))
    return time_s, loads, rests


def _refuse_saturated(load: Floats, stream: str, path: Path) -> None:
    top = float(np.nanmax(load))
    loaded = load > 0.5 * top
    # a flat top of several samples: a single highest sample is no limit
    flat = [(a, b) for a, b in true_runs(load >= top - 1e-6 * abs(top)) if b - a >= FLAT_SAMPLES]
    at_top = sum(b - a for a, b in flat) / max(int(loaded.sum()), 1)
    if at_top > SATURATED_SHARE:
        raise BadInputError(
            f"{path}: {stream} shows its largest load in {100 * at_top:.0f} % of the loaded samples: it is cut off"
            " there, and the scale would be too large"
        )


def _strides(time_s: Floats, loads: dict[str, Floats], path: Path) -> list[tuple[int, int]]:
    """Return the samples of the whole, usual strides of the first foot, in which nothing is missing."""
    total = np.sum(list(loads.values()), axis=0)
    # contacts need newtons; a factor that makes the mean 1,000 N serves every person
    load = next(iter(loads.values())) * 1000.0 / float(np.nanmean(total))
    onsets = np.searchsorted(time_s, contacts_from_force(time_s, load, rule=rule_of("20N").walking()).ic_s)
    if onsets.size < FEWEST_STRIDES + 1:
        raise BadInputError(f"{path}: shows {max(onsets.size - 1, 0)} strides, expected {FEWEST_STRIDES} or more")
    length = np.diff(time_s[onsets])
    usual = float(np.median(length))
    pieces = [
        (int(a), int(b))
        for a, b, s in zip(onsets, onsets[1:], length)
        if REGULAR[0] * usual <= s <= REGULAR[1] * usual and np.isfinite(total[a:b]).all()
    ]
    if len(pieces) < FEWEST_STRIDES:
        raise BadInputError(
            f"{path}: shows {len(pieces)} whole strides of usual length, expected {FEWEST_STRIDES} or more; walk or run"
            " steadily"
        )
    return pieces


def _stands(time_s: Floats, load: Floats, path: Path, *, where: str = "both feet") -> list[tuple[int, int]]:
    """Return stretches of ``STEADY_S`` in which a load hardly changes and is no empty insole."""
    width = int(STEADY_S / float(np.median(np.diff(time_s))))
    top = float(np.nanpercentile(load, 95))
    pieces = []
    for a in range(0, load.size - width + 1, width):
        part = load[a : a + width]
        part = part[np.isfinite(part)]
        if part.size < KNOWN_SHARE * width:
            continue
        if part.mean() > 0.5 * top and part.std() < STILL_SHARE * part.mean():
            pieces.append((a, a + width))
    if not pieces:
        raise BadInputError(f"{path}: nobody stands still on {where} for {STEADY_S:g} s")
    return pieces


def _alone(time_s: Floats, loads: dict[str, Floats], foot: str, path: Path) -> list[tuple[int, int]]:
    """Return the stretches in which this foot stands still and the other one, where it was recorded, is off."""
    load = loads[foot].copy()
    for other, its in loads.items():
        if other != foot:
            load = np.where(its < OFF_SHARE * np.nanpercentile(its, 95), load, np.nan)
    # lost packets of a person who stands are no steps
    alone = np.isfinite(load) | ~np.isfinite(loads[foot])
    whole = true_runs(alone)
    width = int(STEADY_S / float(np.median(np.diff(time_s))))
    pieces = []
    for a, b in whole:
        if b - a >= width:
            try:
                pieces += [(a + c, a + d) for c, d in _stands(time_s[a:b], load[a:b], path, where=foot)]
            except BadInputError:
                continue
    if not pieces:
        raise BadInputError(f"{path}: nobody stands still on {foot} alone for {STEADY_S:g} s")
    return [(int(a), int(b)) for a, b in pieces]
