"""From aligned trials to a stance set: windows of the wearables, cut by a detector, with the plates' force of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.contacts import TOO_LONG, rule_of
from ..gait.relative_cells import is_cell, relative_cells
from ..gait.stances import Stance, insole_total, stances
from ..records import Trial
from ..records.stance_set import StanceSet, join, make_stance_set
from ..units import G
from .cut import KINDS, LATERAL, CutRequest
from .foot_force import PlateColumns, alone, foot_force, low_passed, of_foot, plate_columns, plate_contact, stance_force
from .resample import check_window, continuous_starts, linear, stance_times
from .set_writer import write_sets
from .trial_checks import check_mass_kg, check_newtons
from .trial_scalars import insole_scalars

PARTIAL = "no whole contact of this foot alone on a plate"
_LEAST_SHARE = 0.75
_SIGNALS = {"insole": ("cell_", "zone_", "force", "cop_"), "imu": ("acc_", "gyro_")}


def from_trials(paths: Iterable[Path], request: CutRequest | None = None) -> StanceSet:
    """Return the stances of trial files as one set, one trial in memory at a time.

    Raises
    ------
    BadInputError
        If a trial names no participant or mass, was refused, or no stance is left; or if trials differ in channels.
    """
    return join(list(sets_of(paths, request)))


def from_trials_to(paths: Iterable[Path], request: CutRequest | None, out: Path, *, force: bool = False) -> StanceSet:
    """Return the set of :func:`from_trials`, written to a netCDF4 file trial by trial and opened there, lazily.

    Raises
    ------
    BadInputError
        As :func:`from_trials`; or if the file exists and ``force`` is false. Nothing is written then.
    """
    return write_sets(sets_of(paths, request), out, force=force)


def sets_of(paths: Iterable[Path], request: CutRequest | None = None) -> Iterator[StanceSet]:
    """Give the windows of one trial file after the other.

    Raises
    ------
    BadInputError
        As :func:`from_trials`, naming the file.
    """
    none = True
    for path in paths:
        none = False
        try:
            yield from_trial(Trial.from_netcdf(path), request, name=path.stem)
        except BadInputError as error:
            text = str(error)
            raise BadInputError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    if none:
        raise BadInputError("no trial was given; name the files that grf-sync wrote")


@dataclass
class _Rows:
    """The windows that were cut, and those that were not."""

    sides: list[str] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)
    inputs: list[Floats] = field(default_factory=list)
    targets: list[Floats] = field(default_factory=list)
    weight: list[Floats] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)

    def add(self, side: str, span: tuple[float, float], values: tuple[Floats, Floats, Floats]) -> None:
        self.sides.append(side)
        self.times.append(span)
        for column, value in zip((self.inputs, self.targets, self.weight), values):
            column.append(value)


def from_trial(trial: Trial, request: CutRequest | None = None, *, name: str = "trial") -> StanceSet:
    """Return the windows of one trial.

    The force is the sum of the plates that bore the foot, in body weights, at the instants of the window. Vertical
    always; forward and medial where the plates are in the lab frame. Stances whose force or inputs are missing, and
    those whose foot is unknown, are counted and left out. Scalars ``insole_length_m`` and ``insole_size`` (a number,
    or XS to XXL as 1 to 6) are those that the trial or its insoles state.

    Raises
    ------
    BadInputError
        If the trial names no participant or mass, was refused, or no stance is left; or the detector sees no stances.
    """
    request = request or CutRequest()
    _check(trial, request, name)
    if request.kinds == ("landmarks",):
        from .from_landmarks import from_landmark_trial

        return from_landmark_trial(trial, request, name=name)
    streams = low_passed(trial.streams, request)
    _check_values(streams, request.kinds)
    if request.cells == "relative":
        streams = relative_cells(streams, trial)
    plates = {n: s for n, s in streams.items() if s.attrs.get("kind") == "force_plate"}
    axes = _axes(plates)
    channels, units = channels_of(streams, request.kinds)
    columns = plate_columns(plates, three=len(axes) > 1)
    cut = _stances if request.window == "stance" else _continuous
    rows = cut(trial, streams, columns, channels, request)
    if not rows.inputs:
        counts = ", ".join(f"{n} {reason}" for reason, n in rows.excluded.items()) or "none was found"
        what = "stance" if request.window == "stance" else "window"
        raise BadInputError(f"no {what} is left ({counts}){_hint(rows.excluded, request)}")
    return _made(trial, rows, request, name, axes, (channels, units), insole_scalars(trial, streams))


def _hint(excluded: Mapping[str, int], request: CutRequest) -> str:
    """Return what to do where contacts were as long as a walker's."""
    long = sum(n for reason, n in excluded.items() if reason.endswith(TOO_LONG))
    if 2 * long <= sum(excluded.values()) or "walking" in request.rule:
        return ""
    return f"; contacts over {rule_of(request.rule).longest_s:g} s are no runner's: is it walking? rule '20N walking'"


def _stances(
    trial: Trial,
    streams: dict[str, xr.Dataset],
    plates: Sequence[PlateColumns],
    channels: Sequence[str],
    request: CutRequest,
) -> _Rows:
    """Return the stances that the request's detector finds; what both feet bear together on a plate counts nothing."""
    detected = stances(trial, source=request.source, rule=request.rule)
    rows = _Rows(excluded=Counter(detected.rejected))
    weight_n = float(trial.tree.attrs["mass_kg"]) * G
    by_force = request.source == "force"
    on_plates = detected.stances if by_force else stances(trial, source="force", rule=request.rule).stances
    for stance in detected.stances:
        if stance.side not in ("left", "right"):
            rows.excluded["foot unknown"] += 1
            continue
        if not np.isfinite(stance.to_s):
            rows.excluded["no toe-off"] += 1
            continue
        plate_stance = stance if by_force else plate_contact(stance, on_plates)
        if plate_stance is None:
            rows.excluded[PARTIAL] += 1
            continue
        stance = replace(stance, plates=plate_stance.plates)
        at = stance_times(stance.ic_s, stance.to_s, request.points)
        counts = alone(plates, stance, (*on_plates, *detected.stances), at)
        target = of_foot(stance_force(plates, stance, at), stance.side) / weight_n
        inputs = inputs_at(streams, stance, at, channels, request)
        if not np.isfinite(target).all():
            rows.excluded["force missing"] += 1
        elif not np.isfinite(inputs).any(axis=0).any():
            rows.excluded["all inputs missing"] += 1
        elif not counts.any():
            rows.excluded["both feet on one plate throughout"] += 1
        elif target[:, 0].max() < 0.3:
            rows.excluded["beside the plates"] += 1
        else:
            span = (stance.ic_s, stance.to_s - stance.ic_s)
            rows.add(stance.side, span, (inputs, target, counts.astype(np.float64)))
    _drop_partial(rows, streams)
    return rows


def _drop_partial(rows: _Rows, streams: dict[str, xr.Dataset]) -> None:
    """Leave out stances in which the plate bore far less, or more, than the insole says, as the foot's others go.

    The ratio of the plates' impulse to the insole's is compared with the median of the same foot: a foot a little
    beside a plate shows in no centre of pressure that is far enough from the edge. Needs three stances of a foot.
    """
    keep = np.ones(len(rows.sides), dtype=bool)
    for side in ("left", "right"):
        indices = [i for i, s in enumerate(rows.sides) if s == side]
        insoles = [s for s in streams.values() if s.attrs.get("kind") == "insole" and s.attrs.get("side") == side]
        if len(indices) < 3 or not insoles:
            continue
        load, time = insole_total(insoles[0])[0], np.asarray(insoles[0]["time"].values, dtype=np.float64)
        ratio = []
        for i in indices:
            start, span = rows.times[i]
            at = np.linspace(start, start + span, len(rows.targets[i]))
            ratio.append(rows.targets[i][:, 0].sum() / max(float(np.nansum(np.interp(at, time, load))), 1e-9))
        share = np.asarray(ratio) / np.median(ratio)
        keep[[i for i, r in zip(indices, share) if not _LEAST_SHARE <= r <= 1 / _LEAST_SHARE]] = False
    if not keep.all():
        rows.excluded[PARTIAL] += int((~keep).sum())
    for name in ("sides", "times", "inputs", "targets", "weight"):
        setattr(rows, name, [v for v, k in zip(getattr(rows, name), keep) if k])


def _continuous(
    trial: Trial,
    streams: dict[str, xr.Dataset],
    plates: Sequence[PlateColumns],
    channels: Sequence[str],
    request: CutRequest,
) -> _Rows:
    """Return windows of equal length of each foot, over the time that its wearables and the plates share."""
    on_plates = stances(trial, source="force", rule=request.rule)
    rows = _Rows(excluded=Counter({f"contact {k}": n for k, n in on_plates.rejected.items()}))
    weight_n = float(trial.tree.attrs["mass_kg"]) * G
    belt = str(trial.tree.attrs.get("surface", "")) == "treadmill"
    samples = round(request.window_s * request.rate_hz)
    span = (samples - 1) / request.rate_hz
    sides: tuple[Literal["left", "right"], ...] = ("left", "right")
    for side in sides:
        start, end = _shared_span(streams, plates, side, request.kinds)
        if not end - start > 0:
            continue
        for begin in continuous_starts(start, end, window_s=span, overlap=request.overlap):
            at = begin + np.arange(samples) / request.rate_hz
            force, usable = foot_force(plates, on_plates.stances, side, at, weight_n=weight_n, treadmill=belt)
            stretch = Stance(float(at[0]), float(at[-1]), side, "window", "none")
            inputs = inputs_at(streams, stretch, at, channels, request)
            usable &= np.isfinite(inputs).any(axis=1)
            if not np.isfinite(inputs).any():
                rows.excluded["all inputs missing"] += 1
            elif not usable.any():
                rows.excluded["force unknown throughout"] += 1
            else:
                target = np.where(usable[:, None], of_foot(force, side) / weight_n, 0.0)
                rows.add(side, (float(begin), float("nan")), (inputs, target, usable.astype(np.float64)))
    return rows


def _shared_span(
    streams: Mapping[str, xr.Dataset], plates: Sequence[PlateColumns], side: str, kinds: Sequence[str]
) -> tuple[float, float]:
    """Return from when to when plates and any of the foot's wearables recorded; (0, 0) without wearables."""
    recorded = [
        s["time"].values for s in streams.values() if s.attrs.get("side") == side and s.attrs.get("kind") in kinds
    ]
    if not recorded or not plates:
        return 0.0, 0.0
    start = max(max(float(p.time_s[0]) for p in plates), min(float(np.nanmin(t)) for t in recorded))
    return start, min(min(float(p.time_s[-1]) for p in plates), max(float(np.nanmax(t)) for t in recorded))


def _made(
    trial: Trial,
    rows: _Rows,
    request: CutRequest,
    name: str,
    axes: tuple[str, ...],
    channels: tuple[list[str], list[str]],
    sizes: dict[str, dict[str, float]],
) -> StanceSet:
    attrs, size = trial.tree.attrs, len(rows.inputs)
    continuous = request.window == "continuous"
    return make_stance_set(
        np.stack(rows.inputs),
        np.stack(rows.targets),
        weight=np.stack(rows.weight),
        channels=channels[0],
        units=channels[1],
        axes=axes,
        labels={
            "participant": [str(attrs["participant"])] * size,
            "trial": [name] * size,
            "surface": [str(attrs.get("surface", ""))] * size,
            "side": rows.sides,
        },
        scalars={
            "mass_kg": [float(attrs["mass_kg"])] * size,
            "speed_m_s": [float(attrs.get("speed_m_s", np.nan))] * size,
            "slope_percent": [float(attrs.get("slope_percent", np.nan))] * size,
            "contact_s": [t[1] for t in rows.times],
        }
        | {what: [of[s] for s in rows.sides] for what, of in sizes.items()},
        start_s=[t[0] for t in rows.times],
        window=request.window,
        cut="none" if continuous else request.source,
        source=name,
        rate_hz=request.rate_hz if continuous else float("nan"),
        mirrored=request.mirror,
        excluded=dict(rows.excluded),
    )


def _check(trial: Trial, request: CutRequest, name: str) -> None:
    attrs = trial.tree.attrs
    if not str(attrs.get("participant", "")).strip():
        raise BadInputError(
            f"trial '{name}' names no participant; without one nobody can tell whether a person is in training and in"
            " test: align it again with --participant CODE"
        )
    check_mass_kg(attrs.get("mass_kg"), name)
    check_newtons(trial, name)
    if trial.verdict == "refused":
        raise BadInputError(f"trial '{name}' was refused by alignment; nothing is learnt from it")
    unknown = [k for k in request.kinds if k not in KINDS]
    if (unknown or not request.kinds) and request.kinds != ("landmarks",):
        raise BadInputError(
            f"kinds are {', '.join(request.kinds) or 'none'}; expected some of {', '.join(KINDS)}, or landmarks alone"
        )
    check_window(request.window, "", ("",))
    if not request.rate_hz > 0 or round(request.window_s * request.rate_hz) < 2:
        raise BadInputError(
            f"window_s is {request.window_s:g} and rate_hz {request.rate_hz:g}; expected two samples a window or more"
        )
    if request.window == "stance" and request.source in ("imu", "landmarks"):
        raise BadInputError(
            f"source '{request.source}' sees contacts without toe-off, so that it cuts no stances; take"
            " window='continuous', or stances cut by an insole or by 'force' (which is named in every result)"
        )


def _check_values(streams: Mapping[str, xr.Dataset], kinds: Sequence[str]) -> None:
    """Refuse a wearable of which a signal holds no value at all; of an insole's cells some may be dead."""
    for name, stream in streams.items():
        kind = str(stream.attrs.get("kind"))
        if kind not in kinds or stream.attrs.get("side") not in ("left", "right"):
            continue
        signals = [str(n) for n in stream.data_vars if str(n).startswith(_SIGNALS[kind]) and str(n) != "cop_z"]
        empty = [n for n in signals if not np.isfinite(stream[n].values).any()]
        cells = [n for n in signals if is_cell(n)]
        lost = [n for n in empty if n not in cells or set(cells) <= set(empty)]
        if lost:
            raise BadInputError(
                f"stream '{name}' holds no value of {', '.join(lost[:4])}{' ...' if len(lost) > 4 else ''} in the whole"
                " trial; leave the trial out, or its stream when aligning (single dead cells are masked)"
            )


def _axes(plates: dict[str, xr.Dataset]) -> tuple[str, ...]:
    lab = [all(s[f"f{a}"].attrs.get("frame") == "lab" for a in "xyz" if f"f{a}" in s) for s in plates.values()]
    complete = [all(f"f{a}" in s for a in "xyz") for s in plates.values()]
    return ("vgrf", "apgrf", "mlgrf") if plates and all(lab) and all(complete) else ("vgrf",)


def channels_of(streams: dict[str, xr.Dataset], kinds: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names and units of the inputs: those that any foot's stream of these kinds holds."""
    units: dict[str, str] = {}
    for kind in kinds:
        for stream in streams.values():
            if stream.attrs.get("kind") != kind or str(stream.attrs.get("side")) not in ("left", "right"):
                continue
            for item in stream.data_vars:
                channel = str(item)
                if channel.startswith(_SIGNALS[kind]) and channel != "cop_z":
                    units.setdefault(channel, str(stream[channel].attrs.get("units", "")))
    if not units:
        raise BadInputError(f"the trial holds no {' or '.join(kinds)} stream of a known foot")
    names = sorted(units, key=lambda n: (not n.startswith(_SIGNALS["insole"]), n))
    return names, [units[n] for n in names]


def inputs_at(
    streams: dict[str, xr.Dataset], stance: Stance, at: Floats, channels: Sequence[str], request: CutRequest
) -> Floats:
    """Return the foot's own signals at the window's instants, shape (points, channels); NaN where it has none.

    Filters are no part of it: see :func:`low_passed`.
    """
    values = np.full((at.size, len(channels)), np.nan)
    for kind in request.kinds:
        for stream in streams.values():
            if stream.attrs.get("kind") != kind or stream.attrs.get("side") != stance.side:
                continue
            here = [i for i, n in enumerate(channels) if n in stream and n.startswith(_SIGNALS[kind])]
            time = np.asarray(stream["time"].values, dtype=np.float64)
            low, high = np.searchsorted(time, [at[0] - 0.1, at[-1] + 0.1])
            if not here or high - low < 2:
                continue
            columns = np.stack([stream[channels[i]].values[low:high] for i in here], axis=1)
            values[:, here] = linear(time[low:high], np.asarray(columns, dtype=np.float64), at)
    if request.mirror and stance.side == "left":
        for index, channel in enumerate(channels):
            if channel in LATERAL:
                values[:, index] *= -1.0
    return values
