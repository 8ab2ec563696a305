"""From aligned trials to a stance set: windows of the wearables, cut by a detector, with the plates' force of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..errors import BadInputError
from ..gait.plate_hits import upward_n
from ..gait.stances import Source, Stance, stances
from ..records import Trial
from ..units import G
from .stance_set import StanceSet, join, make_stance_set
from .windows import linear, stance_times

Floats = NDArray[np.float64]

KINDS = ("insole", "imu")
_SIGNALS = {"insole": ("cell_", "zone_", "force", "cop_"), "imu": ("acc_", "gyro_")}
_LATERAL = ("acc_y", "gyro_x", "gyro_z", "cop_y")
"""Channels whose sign turns where a left foot is mirrored onto a right one: y of vectors, x and z of rotations."""


@dataclass(frozen=True)
class CutRequest:
    """How windows are cut from trials.

    Attributes
    ----------
    points
        Samples of a time-normalised stance.
    source
        The detector: ``insole_causal`` is what a device can run; ``force`` knows the answer and is named in results.
    kinds
        Wearables whose channels become inputs.
    mirror
        Left turned into right, so that one network serves both feet. Assumes sensors mounted alike on both shoes with
        y to the left; turn it off where they are not.
    """

    points: int = 101
    source: Source = "insole_causal"
    rule: str = "20N"
    kinds: tuple[str, ...] = KINDS
    mirror: bool = True


def from_trials(paths: Iterable[Path], request: CutRequest | None = None) -> StanceSet:
    """Return the stances of trial files as one set, one trial in memory at a time.

    Raises
    ------
    BadInputError
        If a trial names no participant or mass, was refused, or no stance is left; or if trials differ in channels.
    """
    chosen = request or CutRequest()
    sets = []
    for path in paths:
        try:
            sets.append(from_trial(Trial.from_netcdf(path), chosen, name=path.stem))
        except BadInputError as error:
            text = str(error)
            raise BadInputError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    if not sets:
        raise BadInputError("no trial was given; name the files that grf-sync wrote")
    return join(sets)


def from_trial(trial: Trial, request: CutRequest | None = None, *, name: str = "trial") -> StanceSet:
    """Return the stances of one trial.

    The force is the sum of the plates that bore the foot, in body weights, at the instants of the window. Vertical
    always; forward and medial where the plates are in the lab frame. Stances whose force or inputs are missing, and
    those whose foot is unknown, are counted and left out.

    Raises
    ------
    BadInputError
        If the trial names no participant or mass, was refused, or no stance is left.
    """
    chosen = request or CutRequest()
    attrs = trial.tree.attrs
    _check(trial, chosen, name)
    found = stances(trial, source=chosen.source, rule=chosen.rule)
    excluded: Counter[str] = Counter(found.rejected)
    streams = dict(trial.streams())
    plates = {n: s for n, s in streams.items() if s.attrs.get("kind") == "force_plate"}
    axes = _axes(plates)
    channels, units = channels_of(streams, chosen.kinds)
    weight_n = float(attrs["mass_kg"]) * G
    rows: list[tuple[Stance, Floats, Floats]] = []
    for stance in found.stances:
        if stance.side not in ("left", "right"):
            excluded["foot unknown"] += 1
            continue
        if not np.isfinite(stance.to_s):
            excluded["no toe-off"] += 1
            continue
        at = stance_times(stance.ic_s, stance.to_s, chosen.points)
        target = _force(plates, stance, at, axes) / weight_n
        inputs = inputs_at(streams, stance, at, channels, chosen)
        if not np.isfinite(target).all():
            excluded["force missing"] += 1
        elif not np.isfinite(inputs).any(axis=0).any():
            excluded["all inputs missing"] += 1
        elif target[:, 0].max() < 0.3:
            excluded["beside the plates"] += 1
        else:
            rows.append((stance, inputs, target))
    if not rows:
        counts = ", ".join(f"{n} {reason}" for reason, n in excluded.items()) or "none was found"
        raise BadInputError(f"no stance is left ({counts})")
    made = [r[0] for r in rows]
    size = len(rows)
    return make_stance_set(
        np.stack([r[1] for r in rows]),
        np.stack([r[2] for r in rows]),
        channels=channels,
        units=units,
        axes=axes,
        labels={
            "participant": [str(attrs["participant"])] * size,
            "trial": [name] * size,
            "surface": [str(attrs.get("surface", ""))] * size,
            "side": [s.side for s in made],
        },
        scalars={
            "mass_kg": [float(attrs["mass_kg"])] * size,
            "speed_m_s": [float(attrs.get("speed_m_s", np.nan))] * size,
            "slope_percent": [float(attrs.get("slope_percent", np.nan))] * size,
            "contact_s": [s.to_s - s.ic_s for s in made],
        },
        start_s=[s.ic_s for s in made],
        window="stance",
        cut=chosen.source,
        source=name,
        mirrored=chosen.mirror,
        excluded=dict(excluded),
    )


def _check(trial: Trial, request: CutRequest, name: str) -> None:
    attrs = trial.tree.attrs
    if not str(attrs.get("participant", "")).strip():
        raise BadInputError(
            f"trial '{name}' names no participant; without one nobody can tell whether a person is in training and in"
            " test: align it again with --participant CODE"
        )
    if not np.isfinite(float(attrs.get("mass_kg", np.nan))):
        raise BadInputError(f"trial '{name}' states no body mass; align it again with --mass-kg M")
    if trial.verdict == "refused":
        raise BadInputError(f"trial '{name}' was refused by alignment; nothing is learnt from it")
    unknown = [k for k in request.kinds if k not in KINDS]
    if unknown or not request.kinds:
        raise BadInputError(f"kinds are {', '.join(request.kinds) or 'none'}; expected some of {', '.join(KINDS)}")


def _axes(plates: dict[str, xr.Dataset]) -> tuple[str, ...]:
    lab = [all(s[f"f{a}"].attrs.get("frame") == "lab" for a in "xyz" if f"f{a}" in s) for s in plates.values()]
    whole = [all(f"f{a}" in s for a in "xyz") for s in plates.values()]
    return ("vgrf", "apgrf", "mlgrf") if plates and all(lab) and all(whole) else ("vgrf",)


def channels_of(streams: dict[str, xr.Dataset], kinds: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names and units of the inputs: those that any foot's stream of these kinds holds."""
    found: dict[str, str] = {}
    for kind in kinds:
        for stream in streams.values():
            if stream.attrs.get("kind") != kind or str(stream.attrs.get("side")) not in ("left", "right"):
                continue
            for item in stream.data_vars:
                known = str(item)
                if known.startswith(_SIGNALS[kind]) and known != "cop_z":
                    found.setdefault(known, str(stream[known].attrs.get("units", "")))
    if not found:
        raise BadInputError(f"the trial holds no {' or '.join(kinds)} stream of a known foot")
    names = sorted(found, key=lambda n: (not n.startswith(_SIGNALS["insole"]), n))
    return names, [found[n] for n in names]


def inputs_at(
    streams: dict[str, xr.Dataset], stance: Stance, at: Floats, channels: Sequence[str], request: CutRequest
) -> Floats:
    """Return the foot's own signals at the window's instants, shape (points, channels); NaN where it has none."""
    values = np.full((at.size, len(channels)), np.nan)
    for kind in request.kinds:
        for stream in streams.values():
            if stream.attrs.get("kind") != kind or stream.attrs.get("side") != stance.side:
                continue
            here = [i for i, n in enumerate(channels) if n in stream and n.startswith(_SIGNALS[kind])]
            columns = np.stack([np.asarray(stream[channels[i]].values, dtype=np.float64) for i in here], axis=1)
            part = _near(np.asarray(stream["time"].values, dtype=np.float64), columns, at)
            values[:, here] = part
    if request.mirror and stance.side == "left":
        for index, channel in enumerate(channels):
            if channel in _LATERAL:
                values[:, index] *= -1.0
    return values


def _near(time_s: Floats, columns: Floats, at: Floats) -> Floats:
    low, high = np.searchsorted(time_s, [at[0] - 0.1, at[-1] + 0.1])
    if high - low < 2:
        return np.full((at.size, columns.shape[1]), np.nan)
    return linear(time_s[low:high], columns[low:high], at)


def _force(plates: dict[str, xr.Dataset], stance: Stance, at: Floats, axes: Sequence[str]) -> Floats:
    """Return the force on the foot (N) at the window's instants, shape (points, axes), medial of that foot positive."""
    total = np.zeros((at.size, len(axes)))
    bore = [n for n in plates if not stance.plates or n in stance.plates or n.split("/")[-1] in stance.plates]
    for name in bore:
        stream = plates[name]
        up = upward_n(stream, name)
        turned = -1.0 if _turned(stream, up) else 1.0
        columns = [up]
        if len(axes) > 1:
            medial = 1.0 if stance.side == "right" else -1.0
            columns += [turned * stream["fx"].values, turned * medial * stream["fy"].values]
        values: NDArray[Any] = np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)
        total += _near(np.asarray(stream["time"].values, dtype=np.float64), values, at)
    return total


def _turned(stream: xr.Dataset, up: Floats) -> bool:
    """Return whether the vertical force was turned round, so that the other axes are turned with it."""
    axis = str(stream.attrs.get("vertical", "+z"))[-1]
    raw = np.asarray(stream[f"f{axis}"].values, dtype=np.float64)
    return bool(np.nansum(raw * up) < 0)
