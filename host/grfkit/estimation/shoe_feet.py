"""The feet of a recording of IMUs on both shoes, for a model that sees the other shoe, too."""

from __future__ import annotations

import xarray as xr

from ..dataset.resample import stance_times
from ..dataset.shoe_signals import LOWPASS_HZ, OTHER, PITCH, check_shoe, shoe_inputs, shoe_signals, shoes_of
from ..errors import BadInputError
from ..gait.contacts import rule_of
from ..gait.shoe_stances import stances_of_shoe
from ..gait.stances import Stance
from ..learn.spec import ModelSpec
from .feet import Foot, cut_findings, in_order
from .source import EstimateRequest, EstimateSource
from .types import SIDES, Side

BY_SHOES = "imu"
"""What cuts the stances: the turning of each shoe."""


def of_both_shoes(spec: ModelSpec) -> bool:
    """Return whether a model takes the IMUs of both shoes for each foot."""
    return any(c.startswith(OTHER) for c in spec.scaler.channels)


def shoe_feet(spec: ModelSpec, source: EstimateSource, request: EstimateRequest, findings: list[str]) -> list[Foot]:
    """Return both feet with the inputs of their stances, in axes found from the walk itself.

    Raises
    ------
    BadInputError
        If a shoe's IMU is missing or in other units, its axes are not certain, or the model is of continuous windows.
    """
    if spec.window != "stance" or request.cut not in ("", BY_SHOES):
        raise BadInputError(
            "a model of both shoes takes stances that the shoes themselves show; leave out --cut (cut in Python)"
        )
    rule, cutoff = (
        rule_of(str(spec.cut_told.get("rule", "5%BW walking"))),
        spec.cut_told.get("imu_lowpass_hz", LOWPASS_HZ),
    )
    streams = {side: _shoe(source, side) for side in SIDES}
    signals = {side: shoe_signals(stream, float(cutoff)) for side, stream in streams.items()}
    findings += cut_findings(spec, BY_SHOES, "the turning of the shoes")
    feet = []
    for side in SIDES:
        time, values = signals[side]
        found = stances_of_shoe(time, values[:, PITCH], rule)
        stances = tuple(Stance(float(a), float(b), side, "imu", "turning of the shoe") for a, b in found.spans)
        windows = []
        for stance in stances:
            at = stance_times(stance.ic_s, stance.to_s, spec.points)
            inputs = shoe_inputs(signals, side, at, channels=spec.scaler.channels, mirror=spec.mirrored)
            windows.append((at, inputs))
        feet.append(Foot(side, {}, streams[side], stances, found.rejections, tuple(windows)))
    return feet


def _shoe(source: EstimateSource, side: Side) -> xr.Dataset:
    """Return the IMU of one shoe."""
    streams = shoes_of(source.trial.streams)[side]
    if len(streams) != 1:
        held = ", ".join(source.trial.streams) or "nothing"
        raise BadInputError(
            f"{source.name}: holds {len(streams)} IMUs of the {side} foot, and the model takes one on each shoe (it"
            f" holds {held}); give both in one recording, or align them to one trial with grf-sync"
        )
    stream = in_order(streams[0])
    check_shoe(stream, side, taker=f"{source.name}: the model")
    return stream
