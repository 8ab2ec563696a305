"""The contact detector that a model's cut describes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from ..embedded.levels import levels_settings
from ..embedded.lowpass import LowpassSettings, lowpass_settings
from ..embedded.stance_buffer import StanceSettings
from ..errors import BadInputError
from ..gait.causal import causal_settings
from ..gait.contacts import rule_of
from ..gait.relative_cells import UNIT
from ..learn.spec import ModelSpec
from ..runtime.manifest import Detector

COUNTS: Mapping[str, float] = {
    "m/s^2": 16 * 9.80665 / 32768,
    "rad/s": math.radians(2000.0) / 32768,
    "count": 1.0,
    "N": 0.1,
    "kPa": 0.1,
    "m": 1e-4,
    "s": 1e-4,
    "kg": 0.01,
    "m/s": 0.001,
    "%": 0.01,
    UNIT: 1e-4,
}
"""Unit -> what one count of an int16 stands for: inertial sensors of 16 g and 2000 deg/s; scalars as on the wire."""

_LONGEST_SAMPLES = 4096
"""Longest stance buffer of a device, samples: chosen by hand; at 20 channels of 16 bits it takes 160 KiB of memory."""


def detector(spec: ModelSpec, points: int, rate_hz: float) -> Detector | None:
    """Return the detector and the stance buffer of a device of this rate; None for continuous windows.

    Raises
    ------
    BadInputError
        If the rate is none a detector works at, or the longest contact does not fit the buffer.
    """
    if spec.window != "stance":
        return None
    rule = rule_of(str(spec.cut_told.get("rule", "20N")))
    contacts = causal_settings(rate_hz)
    # limits rounded inwards: a contact that the device takes, training would have taken
    longest = math.floor(rule.longest_s * rate_hz)
    capacity = longest + contacts.confirm_on + contacts.confirm_off + (1 << contacts.smooth_shift) + 8
    if capacity > _LONGEST_SAMPLES:
        raise BadInputError(
            f"contacts of {rule.longest_s:g} s at {rate_hz:g} Hz need {capacity} samples; lower the rate"
        )
    buffer = StanceSettings(
        channels=len(spec.scaler.channels),
        capacity=capacity,
        points=points,
        shortest=math.ceil(rule.shortest_s * rate_hz),
        longest=longest,
        most_missed=contacts.bridge,
        smooth_shift=contacts.smooth_shift,
    )
    levels = levels_settings(rate_hz, unit_per_count=COUNTS[UNIT]) if UNIT in spec.scaler.units else None
    lowpass = _lowpass(spec, rate_hz)
    return Detector(
        rate_hz=rate_hz,
        source="insole",
        contacts=asdict(contacts),
        buffer=asdict(buffer),
        levels=asdict(levels) if levels else None,
        lowpass=asdict(lowpass) if lowpass else None,
    )


def _lowpass(spec: ModelSpec, rate_hz: float) -> LowpassSettings | None:
    """Return what the inertial channels go through, as in training: nothing from half the rate on."""
    cutoff = float(spec.cut_told.get("imu_lowpass_hz", 0.0))
    moved = [k for k, name in enumerate(spec.scaler.channels) if name.startswith(("acc_", "gyro_"))]
    if not 0 < cutoff < rate_hz / 2 or not moved:
        return None
    corrected = bool(spec.cut_told.get("lowpass_corrected", True))
    return lowpass_settings(cutoff, rate_hz=rate_hz, channels=moved, corrected=corrected)
