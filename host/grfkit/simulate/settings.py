"""The virtual lab's parameter ranges: one pydantic model, read from ``settings.toml`` beside this module."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from ..arguments import refusal
from ..arrays import PathLike
from ..documents import toml_document
from ..errors import BadInputError


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"a range runs from low to high, not from {pair[0]:g} to {pair[1]:g}")
    return pair


Pair = tuple[float, float]
Range = Annotated[Pair, AfterValidator(_ordered)]
"""Low and high end; values are drawn uniformly between them."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StepRanges(_Section):
    """How step times, contact times and peaks vary (mass-spring family)."""

    cv_percent: Range
    white_share: float
    ar_coefficient: float
    drift_percent_per_min: float
    asymmetry_percent: Range
    speed_change_share: float
    speed_changes_per_min: Range
    speed_change_percent: Range
    speed_ramp_s: Range
    contact_cv_percent: float
    peak_cv_percent: float
    metronome_cv_percent: float


class PersonRanges(_Section):
    """Mass, height, speed and slope."""

    mass_kg: Range
    height_m: Range
    run_speed_m_s: Range
    walk_speed_m_s: Range
    slope_percent: Range
    level_share: float


class TreadmillRanges(_Section):
    """Length of treadmill trials and what the belt adds to the force."""

    duration_s: Range
    duration_skew: float
    least_overlap_s: float
    rate_hz: float
    noise_n: float
    horizontal_noise_n: float
    tone_n: Range
    tone_hz: Range
    zero_n: float
    belt_m: Pair


class OvergroundRanges(_Section):
    """Bouts, laps and plates."""

    bout_s: Range
    wearable_s: Range
    least_overlap_s: float
    lap_s: Range
    lap_cv_percent: float
    plates: int
    plate_m: Pair
    pitch_m: Range
    stances_per_pass: tuple[int, int]
    partial_share: float
    noise_n: float
    horizontal_noise_n: float
    zero_n: float
    zero_drift_n: float


class JumpRanges(_Section):
    """Jumps on the spot."""

    flight_s: Range
    pause_s: Range
    landing_bw: Range
    stand_s: Range


class InsoleRanges(_Section):
    """A 16-cell insole: edges, FSR, digitisation, delay."""

    rates_hz: tuple[float, ...]
    bits: tuple[int, ...]
    on_jitter_ms: Range
    off_jitter_ms: Range
    jitter_ar_share: float
    jitter_ar: float
    exponent: Range
    half_scale_bw: Range
    hard_clip_share: float
    hard_clip_level: Range
    rise_ms: Range
    fall_ms: Range
    creep: Range
    creep_s: Range
    hysteresis: Range
    cell_gain_sd: float
    dead_cell_share: float
    swing_bump_bw: Range
    preload_bw: Range
    noise_lsb: float
    lag_ms: float
    lag_sd_ms: Range
    stamp_jitter_share: float
    stamp_jitter_ms: Range


class LoadsolRanges(_Section):
    """A three-zone capacitive insole that reports newtons."""

    rate_hz: float
    force_step_n: float
    gain_sd: float
    zone_gain_sd: float
    saturation_n: float
    rise_ms: Range
    fall_ms: Range
    swing_bump_n: Range


class ImuRanges(_Section):
    """A shoe IMU: ranges, noise, mounting, delay."""

    rates_hz: tuple[float, ...]
    range_g: float
    gyro_range_deg_s: float
    acc_noise_m_s2: float
    gyro_noise_rad_s: float
    acc_bias_m_s2: float
    gyro_bias_rad_s: float
    mount_tilt_deg: float
    onset_jitter_ms: Range
    lag_ms: float
    lag_sd_ms: Range
    stamp_jitter_share: float
    stamp_jitter_ms: Range


class LandmarkRanges(_Section):
    """Markerless landmarks."""

    rate_hz: float
    noise_mm: Range
    smoothing_hz: float
    lag_ms: float
    lag_sd_ms: Range
    lost_share: float


class ClockRanges(_Section):
    """Errors of a device's clock against the reference clock."""

    offset_s: Range
    drift_ppm: Range
    warm_up_ppm: Range
    warm_up_s: Range
    sinusoid_ppm: Range
    sinusoid_s: Range
    index_rate_error_percent: Range
    unix_error_s: float


class GapRanges(_Section):
    """Lost packets, drop-outs, and losses that leave no trace in the stamps."""

    packet_s: Range
    packet_loss: Range
    dropouts_per_min: Range
    dropout_s: Range
    silent_loss_s: Range


class EventRanges(_Section):
    """Errors of contact detectors, for trials of events only (``tools/bench/sync/events.py``)."""

    reference_jitter_ms: Range
    reference_off_jitter_ms: Range
    insole_miss: Range
    insole_spurious: Range
    imu_onset_jitter_ms: Range
    imu_lag_ms: Range
    imu_miss: Range
    imu_spurious: Range
    insole_impulse_cv_percent: Range
    imu_amplitude_cv_percent: Range
    partial_contact_loss: Range


class Settings(_Section):
    """Every range of the virtual lab; unknown keys are refused."""

    steps: StepRanges
    person: PersonRanges
    treadmill: TreadmillRanges
    overground: OvergroundRanges
    jumps: JumpRanges
    insole: InsoleRanges
    loadsol: LoadsolRanges
    imu: ImuRanges
    landmarks: LandmarkRanges
    clock: ClockRanges
    gaps: GapRanges
    events: EventRanges


def load_settings(path: PathLike) -> Settings:
    """Return the settings in a TOML file.

    Raises
    ------
    BadInputError
        If the file cannot be read, is no TOML, or a key is missing, unknown or of the wrong type.
    """
    path = Path(path)
    try:
        return Settings.model_validate(toml_document(path))
    except ValidationError as error:
        more = error.error_count() - 1
        others = f" (and {more} more)" if more else ""
        raise BadInputError(f"{path}: {refusal(error, Settings)}{others}") from error


@lru_cache(maxsize=1)
def default_settings() -> Settings:
    """Return the settings that come with grfkit."""
    return load_settings(Path(__file__).with_name("settings.toml"))


def draw(rng: np.random.Generator, pair: Pair) -> float:
    """Return one value drawn uniformly from a range."""
    return float(rng.uniform(pair[0], pair[1]))
