"""Windows of the IMUs on both shoes of a walker in an aligned trial, each with the plates' force on its foot."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.contacts import rule_of
from ..gait.shoe_stances import stances_of_shoe
from ..gait.stances import Stance, Stances, find_stances
from ..records import Trial
from ..records.stance_set import StanceSet
from ..signals.clocks import increasing
from .cop_target import plate_centres
from .cut import CutRequest
from .foot_force import low_passed, plate_columns
from .from_wearables import Sources, axes_of, set_of, stances_of
from .motion import SIDES, Side
from .shoe_signals import PITCH, check_shoe, names_of_both, shoe_inputs, shoe_signals, shoes_of, units_of_both


def windows_of_shoes(trial: Trial, request: CutRequest, *, name: str = "trial") -> StanceSet:
    """Return the stances of both feet, with the signals of the own and of the other shoe in axes of the walk.

    A stance is cut by the turning of its shoe (``source="imu"``), as an estimate without plates cuts it, or by the
    plates (``source="force"``). The shoes' signals are low-passed at ``imu_lowpass_hz``.

    Raises
    ------
    BadInputError
        If a foot has not one IMU with all six channels in SI units, its axes are not certain, the request is of other
        windows or the trial has no plates, or no window is left.
    """
    if request.window != "stance":
        raise BadInputError("windows of both shoes are stances; leave out window='continuous'")
    if request.source not in ("imu", "force"):
        raise BadInputError(f"stances of both shoes are cut by 'imu' or by 'force', not by '{request.source}'")
    signals = _signals(trial, request, name)
    detected = (
        _turning_stances(signals, request)
        if request.source == "imu"
        else find_stances(trial, source="force", rule=request.rule)
    )
    # the shoes' own low-pass is that of shoe_signals
    streams = low_passed(trial.streams, request)
    plates = {n: s for n, s in streams.items() if s.attrs.get("kind") == "force_plate"}
    if not plates:
        raise BadInputError("the trial holds no force plate; windows are cut with the force of each foot")
    axes, channels = axes_of(plates), names_of_both()

    def inputs(stance: Stance, at: Floats) -> Floats:
        side: Side = "left" if stance.side == "left" else "right"
        return shoe_inputs(signals, side, at, channels=channels, mirror=request.mirror)

    columns = plate_columns(plates, three=len(axes) > 1)
    centres = plate_centres(trial, plates, request, name) if request.targets == "cop" else None
    sources = Sources(trial, request, streams, columns, list(channels), inputs, centres)
    return set_of(sources, stances_of(sources, detected), name, axes, units_of_both())


def _signals(trial: Trial, request: CutRequest, name: str) -> dict[Side, tuple[Floats, Floats]]:
    signals: dict[Side, tuple[Floats, Floats]] = {}
    for side, found in shoes_of(trial.streams).items():
        if len(found) != 1:
            raise BadInputError(
                f"trial '{name}' holds {len(found)} IMUs of the {side} foot, and kinds = ['shoes'] takes one on each"
                " shoe; align both with grf-sync, or leave one out"
            )
        check_shoe(found[0], side, taker="kinds = ['shoes']")
        rising = increasing(np.asarray(found[0]["time"].values, dtype=np.float64))
        stream = found[0] if rising.all() else found[0].isel(time=np.flatnonzero(rising))
        signals[side] = shoe_signals(stream, request.imu_lowpass_hz)
    return signals


def _turning_stances(signals: dict[Side, tuple[Floats, Floats]], request: CutRequest) -> Stances:
    """Return the stances of both feet in order of contact, as the turning of each shoe shows them."""
    rule = rule_of(request.rule)
    feet = {side: stances_of_shoe(signals[side][0], signals[side][1][:, PITCH], rule) for side in SIDES}
    stances = [
        Stance(float(start), float(end), side, "imu", "turning of the shoe")
        for side in SIDES
        for start, end in feet[side].spans
    ]
    rejections = [one for side in SIDES for one in feet[side].rejections]
    return Stances(tuple(sorted(stances, key=lambda s: (s.ic_s, s.side))), tuple(rejections))
