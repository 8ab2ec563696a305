"""Estimates: the ground reaction of a recording that no force plate saw, by a trained model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..dataset.cut import KINDS, CutRequest
from ..dataset.foot_force import low_passed
from ..dataset.resample import continuous_starts, stance_times
from ..dataset.wearable_inputs import inputs_at
from ..errors import BadInputError
from ..gait.contacts import Rejection
from ..gait.relative_cells import UNIT, is_cell, relative_cells
from ..gait.stances import SOURCES, Stance, Stances, find_stances
from ..learn.spec import ForceModel, ModelSpec
from ..provenance import InputFile, Provenance, describe_input
from ..records import Recording, Trial
from ..records.participants import seen_among
from ..records.stance_set import StanceSet, make_stance_set
from .curves import FootCurve, between, from_stances, from_windows, increasing
from .open_model import BundleForceModel

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
OVERLAP = 0.5
"""Share that a continuous window has in common with the one before."""
NOT_STATED = "not stated"
"""Participant of a device's own recording, which names nobody, where the user names nobody either."""
_PEAK_BW = (0.3, 5.0)
_AROUND_S = 0.5
_PREFIX = {"insole": ("cell_", "zone_", "force", "cop_"), "imu": ("acc_", "gyro_")}


class EstimateRequest(BaseModel):
    """What a user states of a recording, and what is asked.

    Attributes
    ----------
    participant
        Code of the person; tells whether the model has seen them. That of the trial if empty; a recording of a device
        names nobody, and its estimate then says that nobody can tell.
    mass_kg
        Turns body weights into newtons; that of the trial if None.
    speed_m_s, slope_percent
        Inputs of some models; those of the trial if None.
    cut
        Detector of stances in place of the one the model was trained with; named in the result.
    allow_leak
        Name of the leak by design under which a participant of the training may be answered; empty refuses them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    participant: str = ""
    mass_kg: float | None = Field(default=None, ge=10, le=300)
    speed_m_s: float | None = Field(default=None, ge=0, le=15)
    slope_percent: float | None = Field(default=None, ge=-100, le=100)
    cut: str = ""
    allow_leak: str = ""


@dataclass(frozen=True)
class Source:
    """A recording or trial to be answered: its streams as a trial, and the file it came from."""

    trial: Trial
    name: str
    aligned: bool
    file: InputFile

    @classmethod
    def of_trial(cls, path: Path) -> Source:
        """Return the trial in a file of grf-sync.

        Raises
        ------
        BadInputError
            If it is no trial, or alignment refused it.
        """
        trial = Trial.from_netcdf(path)
        if trial.verdict == "refused":
            raise BadInputError(f"{path}: was refused by alignment; nothing is estimated from it")
        return cls(trial, path.stem, True, describe_input(path, role="recording"))

    @classmethod
    def of_recording(cls, recording: Recording, path: Path) -> Source:
        """Return a recording of one device as it was read."""
        return cls(Trial(recording.tree), path.stem, False, describe_input(path, role="recording"))


@dataclass(frozen=True)
class StanceRow:
    """One stance of the result; peaks are NaN where it was not answered, ``flags`` say what is to be known of it."""

    side: Side
    start_s: float
    end_s: float
    contact_s: float
    peak_bw: float
    flags: tuple[str, ...] = ()
    answered: bool = True


@dataclass(frozen=True)
class Estimate:
    """The estimated force of both feet.

    Attributes
    ----------
    feet
        Curve of each foot that the recording holds.
    rows
        Every stance in order of contact, answered or not.
    axes
        Of the curves' columns.
    cut, cut_of_training
        Detector of the stances here and in training.
    leaks
        What the model knew of this person by design; empty for an honest estimate.
    rejected
        Contacts the detector turned down, reason -> count.
    """

    feet: Mapping[Side, FootCurve]
    rows: tuple[StanceRow, ...]
    axes: tuple[str, ...]
    participant: str
    mass_kg: float
    cut: str
    cut_of_training: str
    network: str
    leaks: tuple[str, ...]
    rejected: Mapping[str, int]
    findings: tuple[str, ...]
    provenance: Provenance
    streams: Mapping[str, xr.Dataset] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _Foot:
    side: Side
    streams: dict[str, xr.Dataset]
    base: xr.Dataset
    found: tuple[Stance, ...]
    rejections: tuple[Rejection, ...]


def estimate(model: ForceModel, folder: Path, source: Source, request: EstimateRequest | None = None) -> Estimate:
    """Return the force of each foot by a model, on the recording's own clock.

    Inputs are cut, and left feet mirrored, as in training. Where the model answers stances, a foot's force is 0
    between two of its stances (they are at most 1 s apart, nothing was turned down between them and no sample is
    missing), and NaN wherever nobody knows: before the first and after the last stance, in gaps between stances, in
    contacts that were turned down and in stances that were not answered. A stance of which samples or channels are
    missing is answered with the training's mean in their place, and its row is flagged. A model of continuous windows
    answers all of a recording; windows overlap by half, and where they do their answers are averaged.

    A left foot's lateral inputs are turned as in training, so that one network serves both feet; its third axis is
    medial of the foot in question.

    Parameters
    ----------
    folder
        Where the model lies; its files' SHA-256 go into the provenance.

    Raises
    ------
    LeakError
        If the participant was in the training of the model, and no leak is allowed.
    BadInputError
        If a trial names no participant, the recording lacks channels of the model or has them in other units, the
        detector cannot be run on it, no stance is found, or none can be answered.
    """
    wanted = request or EstimateRequest()
    spec = model.spec
    about, findings = _about(source, wanted, spec)
    streams = source.trial.streams
    worn = _worn(streams, spec)
    cut = _cutting(spec, wanted, streams, findings)
    asked = _cut_request(spec, cut)
    filtered = {side: low_passed(own, asked) for side, own in worn.items()}
    feet, lost = _feet(filtered, source, asked, cut)
    findings += [f"the {side} foot is left out: {why}" for side, why in lost.items()]
    rejected = Counter(r.reason for r in {r for foot in feet for r in foot.rejections})
    allowed = _allowed(spec, about["participant"], wanted.allow_leak)
    curves: dict[Side, FootCurve] = {}
    rows: list[StanceRow] = []
    beyond: list[int] = []
    by_stance = spec.window == "stance"
    if by_stance and not any(foot.found for foot in feet):
        counts = ", ".join(f"{n} turned down: {why}" for why, n in rejected.items()) or "nothing like a contact"
        raise BadInputError(f"{source.name}: no stance was found by {cut} ({counts}); is a person walking in it?")
    for foot in feet:
        answer = _answer_stances if by_stance else _answer_windows
        curve, own_rows, own_beyond = answer(model, foot, asked, about, allowed, source.name)
        curves[foot.side] = curve
        rows += own_rows
        beyond += own_beyond
    _check_answered(curves, rows, source.name)
    findings += [*_said({**curves, **lost}, rows, spec), *_said_of_range(beyond)]
    return Estimate(
        feet=curves,
        rows=tuple(sorted(rows, key=lambda r: r.start_s)),
        axes=spec.scaler.axes,
        participant=about["participant"],
        mass_kg=about["mass_kg"],
        cut=cut,
        cut_of_training=spec.cut,
        network=model.name,
        leaks=(*spec.leaks, *allowed),
        rejected=dict(rejected),
        findings=tuple(findings),
        provenance=_provenance(model, folder, source, wanted, findings),
        streams={foot.side: foot.base for foot in feet},
    )


def _about(source: Source, wanted: EstimateRequest, spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return participant, mass, speed and slope, as stated by the user or else by the trial; and what differs."""
    attrs = source.trial.tree.attrs
    known, said = str(attrs.get("participant", "")).strip(), wanted.participant.strip()
    if known and said and known != said:
        raise BadInputError(f"the trial is of participant '{known}', not '{said}'; leave --participant out")
    if source.aligned and not (known or said):
        raise BadInputError(
            f"trial '{source.name}' names no participant, so that nobody can tell whether they were in training;"
            " state --participant CODE"
        )
    about: dict[str, Any] = {"participant": known or said or NOT_STATED}
    findings: list[str] = []
    if not (known or said):
        findings.append("no participant was stated: nobody can tell whether they were in the model's training")
    for name in ("mass_kg", "speed_m_s", "slope_percent"):
        told, own = getattr(wanted, name), float(attrs.get(name, np.nan))
        if told is not None and np.isfinite(own) and abs(told - own) > 1e-6:
            findings.append(f"{name} is {told:g} as stated; the trial says {own:g}")
        about[name] = own if told is None else float(told)
        if name in spec.scaler.statics and not np.isfinite(about[name]) and name != "mass_kg":
            findings.append(f"{name} is an input of the model and not known; the mean of the training is taken")
    if np.isfinite(about["mass_kg"]) and not 10 <= about["mass_kg"] <= 300:
        raise BadInputError(f"{source.name}: mass_kg is {about['mass_kg']:g}, expected kilograms (10 to 300)")
    return about, findings


def _allowed(spec: ModelSpec, participant: str, leak: str) -> tuple[str, ...]:
    """Return the leak under which a participant of the training is answered; empty for anybody else."""
    known = bool(seen_among([participant], spec.participants))
    return (f"{leak.strip()}: {participant} was in training",) if known and leak.strip() else ()


def _kinds(spec: ModelSpec) -> tuple[str, ...]:
    return tuple(k for k in KINDS if any(c.startswith(_PREFIX[k]) for c in spec.scaler.channels))


def _in_order(stream: xr.Dataset) -> xr.Dataset:
    """Return the samples whose times are known and increase: windows are looked up by time."""
    kept = increasing(np.asarray(stream["time"].values, dtype=np.float64))
    return stream if kept.all() else stream.isel(time=np.flatnonzero(kept))


def _worn(streams: Mapping[str, xr.Dataset], spec: ModelSpec) -> dict[Side, dict[str, xr.Dataset]]:
    """Return the wearable streams of each foot that holds every channel of the model, in the model's units.

    Raises
    ------
    BadInputError
        If no foot does, or a channel is in another unit than in training.
    """
    kinds = _kinds(spec)
    worn = {n: s for n, s in streams.items() if s.attrs.get("kind") in KINDS and not n.startswith("reference/")}
    feet: dict[Side, dict[str, xr.Dataset]] = {}
    lacking: dict[Side, list[str]] = {}
    for side in SIDES:
        own = {n: _in_order(s) for n, s in worn.items() if s.attrs.get("side") == side}
        if not own:
            continue
        usable = [s for s in own.values() if s.attrs.get("kind") in kinds]
        missing = [c for c in spec.scaler.channels if not any(c in s for s in usable)]
        if missing:
            lacking[side] = missing
        else:
            _check_units(side, usable, spec)
            feet[side] = own
    if feet:
        return feet
    if not lacking:
        sides = sorted({str(s.attrs.get("side")) for s in worn.values()})
        held = f"{len(worn)} of unknown foot" if sides else f"it holds {', '.join(streams) or 'nothing'}"
        hint = "state the foot with --side" if sides else "give a recording with samples of an insole or IMU"
        raise BadInputError(f"the recording holds no wearable of a known foot ({held}); {hint}")
    side, missing = next(iter(lacking.items()))
    have = sorted({str(v) for s in worn.values() if s.attrs.get("side") == side for v in s.data_vars} - _CLOCKS)
    raise BadInputError(
        f"the model asks for channels {', '.join(missing)}, which the {side} foot does not have (it has"
        f" {', '.join(have)}); take a model trained on these channels"
    )


_CLOCKS = {"time_raw", "time_device"}


def _check_units(side: Side, streams: list[xr.Dataset], spec: ModelSpec) -> None:
    for channel, unit in zip(spec.scaler.channels, spec.scaler.units):
        for stream in streams:
            if channel not in stream or (unit == UNIT and is_cell(channel)):
                continue
            have = str(stream[channel].attrs.get("units", ""))
            if have != unit:
                raise BadInputError(
                    f"channel '{channel}' of the {side} foot is in {have or 'no unit'}, but the model was trained on"
                    f" {unit}; calibrate or convert the recording first"
                )


def _cutting(spec: ModelSpec, wanted: EstimateRequest, streams: Mapping[str, xr.Dataset], findings: list[str]) -> str:
    """Return the detector of stances: the model's own, or the one asked for; "none" where nothing is to cut.

    Raises
    ------
    BadInputError
        If it does not exist, sees no toe-off, or was that of the force and no plate is in the recording.
    """
    cut = wanted.cut.strip() or spec.cut
    insole = any(s.attrs.get("kind") == "insole" and s.attrs.get("side") in SIDES for s in streams.values())
    if spec.window != "stance" and not wanted.cut.strip():
        return "insole_causal" if insole else "none"
    usable = ("insole_causal", "insole", "force")
    if cut not in usable:
        known = "cannot be run on a recording" if cut not in SOURCES else "sees no toe-off"
        raise BadInputError(f"stances cut by '{cut}' {known}; name one of {', '.join(usable)} with --cut")
    plates = any(s.attrs.get("kind") == "force_plate" for s in streams.values())
    if cut == "force" and not plates:
        raise BadInputError(
            "the model was trained on stances cut by force plates, and the recording has none; name what a wearable"
            " can see with --cut insole_causal (the windows then differ from those of training)"
        )
    if cut == "force":
        findings.append("stances are cut by the force plates: this estimate needs what it is to replace")
    if cut != spec.cut and spec.window == "stance":
        findings.append(f"stances are cut by {cut}; the model was trained on stances cut by {spec.cut}")
    return cut


def _cut_request(spec: ModelSpec, cut: str) -> CutRequest:
    """Return how windows are cut: as the recipe of the model says, where it holds one."""
    told = spec.cut_told
    source = cut if cut in SOURCES else "insole_causal"
    return CutRequest(
        points=spec.points,
        source=source,
        rule=str(told.get("rule", CutRequest.rule)),
        kinds=_kinds(spec),
        cells="relative" if UNIT in spec.scaler.units else "as recorded",
        mirror=spec.mirrored,
        imu_lowpass_hz=float(told.get("imu_lowpass_hz", 0.0)),
        lowpass_corrected=bool(told.get("lowpass_corrected", CutRequest.lowpass_corrected)),
    )


def _feet(
    worn: Mapping[Side, dict[str, xr.Dataset]], source: Source, asked: CutRequest, cut: str
) -> tuple[list[_Foot], dict[Side, str]]:
    """Return the feet, and why one was left out; BadInputError if none can be used."""
    feet: list[_Foot] = []
    lost: dict[Side, BadInputError] = {}
    for side, own in worn.items():
        try:
            feet.append(_foot(side, own, source, asked, cut))
        except BadInputError as error:
            lost[side] = error
    if not feet:
        raise next(iter(lost.values()))
    return feet, {side: str(error) for side, error in lost.items()}


def _foot(side: Side, own: dict[str, xr.Dataset], source: Source, asked: CutRequest, cut: str) -> _Foot:
    """Return a foot's streams, the one whose samples the result has, and its stances."""
    order = [k for k in KINDS if k in asked.kinds or k == "insole"]
    base = next(s for k in order for s in own.values() if s.attrs.get("kind") == k)
    if cut == "none" or (cut.startswith("insole") and base.attrs["kind"] != "insole"):
        if cut != "none":
            raise BadInputError(f"the {side} foot has no insole to cut stances by; only IMU signals are in it")
        return _Foot(side, own, base, (), ())
    found = _found(source, own, asked, cut)
    if asked.cells == "relative":
        own = relative_cells(own, _trial_of(own, source))
    return _Foot(side, own, base, tuple(s for s in found.stances if s.side == side), found.rejections)


def _found(source: Source, own: dict[str, xr.Dataset], asked: CutRequest, cut: str) -> Stances:
    if cut == "force":
        return find_stances(source.trial, source="force", rule=asked.rule)
    return find_stances(_trial_of(own, source), source=asked.source, rule=asked.rule)


def _trial_of(own: dict[str, xr.Dataset], source: Source) -> Trial:
    """Return one foot's streams as a trial."""
    tree = xr.DataTree.from_dict({f"/{name}": stream for name, stream in own.items()})
    tree.attrs.update(source.trial.tree.attrs)
    return Trial(tree)


def _nearby(streams: Mapping[str, xr.Dataset], at: Floats) -> dict[str, xr.Dataset]:
    """Return the streams' samples around a window: a long recording is not gone through for every one of them."""
    limits = (at[0] - _AROUND_S, at[-1] + _AROUND_S)
    return {n: s.isel(time=slice(*np.searchsorted(s["time"].values, limits))) for n, s in streams.items()}


def _set_of(
    foot: _Foot,
    inputs: list[Floats],
    at: list[Floats],
    model: ForceModel,
    about: Mapping[str, Any],
    name: str,
    cut: str,
) -> StanceSet:
    """Return windows without a force, as the model takes them."""
    spec, size = model.spec, len(inputs)
    names = {"mass_kg", "speed_m_s", "slope_percent"}
    return make_stance_set(
        np.stack(inputs),
        np.full((size, len(at[0]), len(spec.scaler.axes)), np.nan),
        weight=np.zeros((size, len(at[0]))),
        channels=spec.scaler.channels,
        units=spec.scaler.units,
        axes=spec.scaler.axes,
        labels={"participant": [about["participant"]] * size, "trial": [name] * size, "side": [foot.side] * size},
        scalars={n: [about[n]] * size for n in names} | {"contact_s": [float(t[-1] - t[0]) for t in at]},
        start_s=[float(t[0]) for t in at],
        window=spec.window,
        cut=cut,
        source=name,
        rate_hz=spec.rate_hz or float("nan"),
        mirrored=spec.mirrored,
    )


def _answer_stances(
    model: ForceModel, foot: _Foot, asked: CutRequest, about: Mapping[str, Any], leaks: tuple[str, ...], name: str
) -> tuple[FootCurve, list[StanceRow], list[int]]:
    """Return the foot's force by its stances, and of each answered window how many numbers are beyond the range."""
    channels = model.spec.scaler.channels
    made: list[tuple[Stance, Floats, Floats]] = []
    for stance in foot.found:
        if np.isfinite(stance.to_s):
            at = stance_times(stance.ic_s, stance.to_s, asked.points)
            made.append((stance, at, inputs_at(_nearby(foot.streams, at), stance, at, channels, asked)))
    usable = [i for i, (_, _, x) in enumerate(made) if np.isfinite(x).any()]
    answers: dict[int, Floats] = {}
    beyond: list[int] = []
    if usable:
        data = _set_of(
            foot, [made[i][2] for i in usable], [made[i][1] for i in usable], model, about, name, asked.source
        )
        answers = dict(zip(usable, model.predict(data, leaks=leaks)))
        beyond = _beyond(model, data)
    nothing = np.full((asked.points, len(model.spec.scaler.axes)), np.nan)
    parts = [(at, answers.get(i, nothing)) for i, (_, at, _) in enumerate(made)]
    rows = [_row(foot.side, at, y, made[i][2], channels) for i, (at, y) in enumerate(parts)]
    curve = from_stances(foot.base, parts, [(r.start_s, r.end_s) for r in foot.rejections], model.spec.scaler.axes)
    return curve, rows, beyond


def _beyond(model: ForceModel, data: StanceSet) -> list[int]:
    """Return how many numbers of each window are beyond a bundle's range; a trained model has none."""
    return [int(n) for n in model.beyond(data)] if isinstance(model, BundleForceModel) else [0] * data.size


def _row(side: Side, at: Floats, force_bw: Floats, inputs: Floats, channels: tuple[str, ...]) -> StanceRow:
    """Return the row of a stance, flagged where inputs lack or the answer is not that of a stance."""
    start, end = float(at[0]), float(at[-1])
    if not np.isfinite(force_bw).any():
        return StanceRow(side, start, end, end - start, float("nan"), ("all inputs missing",), False)
    peak = float(np.nanmax(force_bw[:, 0]))
    flags = []
    absent = np.asarray(np.isnan(inputs).all(axis=0), dtype=bool)
    dead = [c for c, gone in zip(channels, absent) if gone]
    if dead:
        flags.append(f"{len(dead)} of {len(channels)} channels missing")
    holes = float(np.isnan(inputs[:, ~absent]).mean())
    if holes > 0.1:
        flags.append(f"{100 * holes:.0f} % of the samples missing")
    if not _PEAK_BW[0] <= peak <= _PEAK_BW[1]:
        flags.append(f"peak outside {_PEAK_BW[0]:g} to {_PEAK_BW[1]:g} BW")
    return StanceRow(side, start, end, end - start, peak, tuple(flags))


def _answer_windows(
    model: ForceModel, foot: _Foot, asked: CutRequest, about: Mapping[str, Any], leaks: tuple[str, ...], name: str
) -> tuple[FootCurve, list[StanceRow], list[int]]:
    """Return the foot's force by a model of continuous windows; stances are those of its insole, if it has one.

    The numbers beyond a bundle's range are of the windows that hold a known sample.
    """
    spec = model.spec
    rate, points = float(spec.rate_hz or np.nan), spec.points
    time = np.asarray(foot.base["time"].values, dtype=np.float64)
    time = time[np.isfinite(time)]
    count = int((time[-1] - time[0]) * rate) + 1
    begins = continuous_starts(0, count - 1, window_s=points - 1, overlap=OVERLAP)
    first = np.rint(begins).astype(np.int64)
    at = [time[0] + (k + np.arange(points)) / rate for k in first]
    whole = Stance(float(time[0]), float(time[-1]), foot.side, name, "none")
    inputs = [inputs_at(_nearby(foot.streams, t), whole, t, spec.scaler.channels, asked) for t in at]
    data = _set_of(foot, inputs, at, model, about, name, "none")
    answers = model.predict(data, leaks=leaks)
    known = [np.asarray(np.isfinite(x).any(axis=1), dtype=bool) for x in inputs]
    curve = from_windows(foot.base, first, answers, known, rate_hz=rate, axes=spec.scaler.axes)
    rows = []
    for stance in foot.found:
        inside = between(curve.time_s, stance.ic_s, stance.to_s)
        if np.isfinite(stance.to_s) and inside.stop > inside.start:
            t, y = np.asarray([stance.ic_s, stance.to_s]), curve.force_bw[inside]
            rows.append(_row(foot.side, t, y, np.zeros((1, 1)), spec.scaler.channels[:1]))
    return curve, rows, [n for n, some in zip(_beyond(model, data), known) if some.any()]


def _check_answered(curves: Mapping[Side, FootCurve], rows: list[StanceRow], name: str) -> None:
    if not any(np.isfinite(c.force_bw).any() for c in curves.values()):
        why = Counter(f for r in rows for f in r.flags)
        counts = ", ".join(f"{n} x {text}" for text, n in why.items()) or "no input sample is known"
        raise BadInputError(f"{name}: none of {len(rows)} stances can be answered ({counts})")


def _said(curves: Mapping[Side, object], rows: list[StanceRow], spec: ModelSpec) -> list[str]:
    said = [f"no {side} foot is in the recording with the model's channels" for side in SIDES if side not in curves]
    flags = Counter(flag for row in rows for flag in row.flags)
    said += [f"{n} of {len(rows)} stances: {flag}" for flag, n in flags.items()]
    if spec.window != "stance" and not rows:
        said.append("no insole tells when the foot stood; the table of stances is empty")
    return said


def _said_of_range(beyond: list[int]) -> list[str]:
    """Return what is to be known of numbers that a bundle cannot hold; nothing where it holds them all."""
    windows = sum(n > 0 for n in beyond)
    if not windows:
        return []
    return [
        f"{windows} of {len(beyond)} windows have numbers beyond the bundle's range ({sum(beyond)} numbers); its"
        " answers for them are held at the border"
    ]


def _provenance(
    model: ForceModel, folder: Path, source: Source, wanted: EstimateRequest, findings: list[str]
) -> Provenance:
    files = [source.file, *(describe_input(folder / name, role="model") for name in model.files)]
    configuration = wanted.model_dump(mode="json")
    return Provenance(command="grf-estimate", configuration=configuration, inputs=files, findings=list(findings))
