"""The feet of a recording: streams that hold the model's channels, the detector of stances, and the stances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..dataset.cut import KINDS, CutRequest
from ..errors import BadInputError
from ..gait.contacts import Rejection
from ..gait.relative_cells import UNIT, is_cell, relative_cells
from ..gait.stances import SOURCES, Stance, Stances, find_stances
from ..learn.spec import ModelSpec
from ..records import Trial
from ..signals.clocks import increasing
from .source import CUTS, EstimateRequest, EstimateSource
from .types import SIDES, Side

_STATE_FOOT = "state the foot with --side (ReadOptions(extra={'side': 'left'}) in Python)"

PREFIXES = {"insole": ("cell_", "zone_", "force", "cop_"), "imu": ("acc_", "gyro_")}
"""How the names of a wearable's channels begin, by its kind."""
_CLOCKS = {"time_raw", "time_device"}


@dataclass(frozen=True)
class Foot:
    """One foot: its streams, the one whose samples the result has, its stances, and contacts turned down.

    Attributes
    ----------
    windows
        Of landmarks and films: times and inputs of every stance; None where streams give them.
    scalars
        Of films: further scalars of every stance.
    flags
        What limits every stance of this foot.
    """

    side: Side
    streams: dict[str, xr.Dataset]
    base: xr.Dataset
    stances: tuple[Stance, ...]
    rejections: tuple[Rejection, ...]
    windows: tuple[tuple[Floats, Floats], ...] | None = None
    scalars: tuple[dict[str, float], ...] = ()
    flags: tuple[str, ...] = ()


def _kinds(spec: ModelSpec) -> tuple[str, ...]:
    return tuple(k for k in KINDS if any(c.startswith(PREFIXES[k]) for c in spec.scaler.channels))


def in_order(stream: xr.Dataset) -> xr.Dataset:
    """Return the samples whose times are known and increase: windows are looked up by time."""
    rising = increasing(np.asarray(stream["time"].values, dtype=np.float64))
    return stream if rising.all() else stream.isel(time=np.flatnonzero(rising))


def wearables_of(streams: Mapping[str, xr.Dataset], spec: ModelSpec) -> dict[Side, dict[str, xr.Dataset]]:
    """Return the wearable streams of each foot that holds every channel of the model, in the model's units.

    Raises
    ------
    BadInputError
        If no foot does, or a channel is in another unit than in training.
    """
    kinds = _kinds(spec)
    wearables = {n: s for n, s in streams.items() if s.attrs.get("kind") in KINDS and not n.startswith("reference/")}
    feet: dict[Side, dict[str, xr.Dataset]] = {}
    lacking: dict[Side, list[str]] = {}
    for side in SIDES:
        of_side = {n: in_order(s) for n, s in wearables.items() if s.attrs.get("side") == side}
        if not of_side:
            continue
        usable = [s for s in of_side.values() if s.attrs.get("kind") in kinds]
        missing = [c for c in spec.scaler.channels if not any(c in s for s in usable)]
        if missing:
            lacking[side] = missing
        else:
            _check_units(side, usable, spec)
            feet[side] = of_side
    if feet:
        return feet
    if not lacking:
        sides = sorted({str(s.attrs.get("side")) for s in wearables.values()})
        content = f"{len(wearables)} of unknown foot" if sides else f"it holds {', '.join(streams) or 'nothing'}"
        hint = _STATE_FOOT if sides else "give a recording with samples of an insole or IMU"
        raise BadInputError(f"the recording holds no wearable of a known foot ({content}); {hint}")
    side, missing = next(iter(lacking.items()))
    have = sorted({str(v) for s in wearables.values() if s.attrs.get("side") == side for v in s.data_vars} - _CLOCKS)
    raise BadInputError(
        f"the model asks for channels {', '.join(missing)}, which the {side} foot does not have (it has"
        f" {', '.join(have)}); take a model trained on these channels"
    )


def _check_units(side: Side, streams: list[xr.Dataset], spec: ModelSpec) -> None:
    for channel, unit in zip(spec.scaler.channels, spec.scaler.units):
        for stream in streams:
            # cells of any unit are made relative to the foot's own steps later
            if channel not in stream or (unit == UNIT and is_cell(channel)):
                continue
            have = str(stream[channel].attrs.get("units", ""))
            if have != unit:
                raise BadInputError(
                    f"channel '{channel}' of the {side} foot is in {have or 'no unit'}, but the model was trained on"
                    f" {unit}; calibrate or convert the recording first"
                )


def detector_of(
    spec: ModelSpec, request: EstimateRequest, streams: Mapping[str, xr.Dataset], findings: list[str]
) -> str:
    """Return the detector of stances: the model's own, or the requested one; "none" where nothing is to cut.

    Raises
    ------
    BadInputError
        If it does not exist, sees no toe-off, or was that of the force and no plate is in the recording.
    """
    cut = request.cut.strip() or spec.cut
    insole = any(s.attrs.get("kind") == "insole" and s.attrs.get("side") in SIDES for s in streams.values())
    if spec.window != "stance" and not request.cut.strip():
        return "insole_causal" if insole else "none"
    if cut not in CUTS:
        reason = "cannot be run on a recording" if cut not in SOURCES else "sees no toe-off"
        raise BadInputError(
            f"stances cut by '{cut}' {reason}; name one of {', '.join(CUTS)} with --cut (cut in Python)"
        )
    plates = any(s.attrs.get("kind") == "force_plate" for s in streams.values())
    if cut == "force" and not plates:
        raise BadInputError(
            "the model was trained on stances cut by force plates, and the recording has none; name what a wearable"
            " can see with --cut insole_causal (cut='insole_causal' in Python); the windows then differ from those of"
            " training"
        )
    if cut == "force":
        findings.append("stances are cut by the force plates: this estimate needs what it is to replace")
    if spec.window == "stance":
        findings += cut_findings(spec, cut)
    return cut


def cut_findings(spec: ModelSpec, cut: str, words: str = "") -> list[str]:
    """Return what it costs that stances are not cut as those of the training; nothing where they are.

    Parameters
    ----------
    cut
        What cuts them here.
    words
        The same, as people read it; the detector's name if empty.
    """
    if cut == spec.cut:
        return []
    return [
        f"stances are cut by {words or cut}; the model was trained on stances cut by {spec.cut}, which begin and end"
        " elsewhere: its error is larger than that of its card, and can be several times as large (train on stances cut"
        " as these)"
    ]


def cut_request(spec: ModelSpec, cut: str) -> CutRequest:
    """Return how windows are cut: as the recipe of the model says, where it holds one."""
    recorded = spec.cut_told
    source = cut if cut in SOURCES else "insole_causal"
    return CutRequest(
        points=spec.points,
        source=source,
        rule=str(recorded.get("rule", CutRequest.rule)),
        kinds=_kinds(spec),
        cells="relative" if UNIT in spec.scaler.units else "as recorded",
        mirror=spec.mirrored,
        imu_lowpass_hz=float(recorded.get("imu_lowpass_hz", 0.0)),
        lowpass_corrected=bool(recorded.get("lowpass_corrected", CutRequest.lowpass_corrected)),
    )


def feet_of(
    wearables: Mapping[Side, dict[str, xr.Dataset]], source: EstimateSource, request: CutRequest, cut: str
) -> tuple[list[Foot], dict[Side, str]]:
    """Return the feet, and why one was left out; BadInputError if none can be used."""
    feet: list[Foot] = []
    lost: dict[Side, BadInputError] = {}
    for side, streams in wearables.items():
        try:
            feet.append(_foot(side, streams, source, request, cut))
        except BadInputError as error:
            lost[side] = error
    # one foot without a usable insole is left out; only if both are, its reason is the answer
    if not feet:
        raise next(iter(lost.values()))
    return feet, {side: str(error) for side, error in lost.items()}


def _foot(side: Side, streams: dict[str, xr.Dataset], source: EstimateSource, request: CutRequest, cut: str) -> Foot:
    """Return a foot's streams, the one whose samples the result has, and its stances."""
    # the insole first, also for a model of IMUs alone: its stances are cut by it
    order = [k for k in KINDS if k in request.kinds or k == "insole"]
    base = next(s for k in order for s in streams.values() if s.attrs.get("kind") == k)
    if cut == "none" or (cut.startswith("insole") and base.attrs["kind"] != "insole"):
        if cut != "none":
            raise BadInputError(f"the {side} foot has no insole to cut stances by; only IMU signals are in it")
        return Foot(side, streams, base, (), ())
    detected = _stances(source, streams, request, cut)
    # after the stances are cut: the detector works on the load as recorded
    if request.cells == "relative":
        streams = relative_cells(streams, _trial_of(streams, source))
    return Foot(side, streams, base, tuple(s for s in detected.stances if s.side == side), detected.rejections)


def _stances(source: EstimateSource, streams: dict[str, xr.Dataset], request: CutRequest, cut: str) -> Stances:
    if cut == "force":
        return find_stances(source.trial, source="force", rule=request.rule)
    return find_stances(_trial_of(streams, source), source=request.source, rule=request.rule)


def _trial_of(streams: dict[str, xr.Dataset], source: EstimateSource) -> Trial:
    """Return one foot's streams as a trial."""
    tree = xr.DataTree.from_dict({f"/{name}": stream for name, stream in streams.items()})
    tree.attrs.update(source.trial.tree.attrs)
    return Trial(tree)
