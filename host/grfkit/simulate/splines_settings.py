"""Parameter ranges of the spline family: read from ``splines.toml``, checked, drawn from."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from ..arrays import Floats

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PERSON_RANGES = (
    "hurst", "asymmetry_variance_share", "drift_variance_share", "irregular_probability",
    "speed_cv_percent", "contact_cv_percent", "contact_step_exponent",
    "contact_fatigue_percent_per_hour", "contact_asymmetry_percent", "shape_asymmetry",
    "impact_asymmetry", "brake_asymmetry", "mass_cadence_exponent", "toe_out_deg", "eversion_deg",
    "medial_bias", "cell_gain_sd", "roll_sharpness", "sensor_behind_ball_m", "sensor_height_m",
    "foot_length_m", "ring_hz", "ring_decay_ms",
)  # fmt: skip
GAIT_RANGES = (
    "cadence_factor", "contact_factor", "slope_cadence", "slope_impact", "slope_brake", "impact_bw",
    "impact_ms", "impact_shear", "brake_bw", "lateral_m_s", "fatigue_impact_percent_per_hour",
    "swing_height_m", "landing_pitch_deg", "ring_m_s2", "skew_sd", "impact_cv", "brake_cv",
    "lateral_cv", "depth_speed", "depth",
)  # fmt: skip
CONTROL_POINTS = 12
"""Control forces of a contact's spline: the length of the tables in the file."""
TABLES = {
    "cadence_poly": 3,
    "contact_law": 2,
    "strike_probability": 3,
    **dict.fromkeys(("vertical", "vertical_fore", "vertical_depth", "brake", "propel", "medial"), CONTROL_POINTS),
    "pitch_stance_deg": 8,
    **dict.fromkeys(("pitch_swing_deg", "swing_shape"), 7),
    **dict.fromkeys(("cell_on", "cell_on_fore", "cell_off", "cell_gain"), 5),
}


@dataclass(frozen=True)
class Draw:
    """One draw from every range, and the fixed tables: ``value`` by name, ``table`` by name."""

    value: dict[str, float]
    table: dict[str, Floats]


@dataclass(frozen=True)
class Ranges:
    """The checked ranges and tables of one gait, the person's own ranges included."""

    span: dict[str, tuple[float, float]]
    table: dict[str, Floats]

    def draw(self, rng: np.random.Generator) -> Draw:
        """Draw each range once, uniformly, in the file's fixed order of names."""
        return Draw({name: float(rng.uniform(*span)) for name, span in self.span.items()}, self.table)


@lru_cache(maxsize=1)
def settings() -> dict[str, Ranges]:
    """Return the packaged ranges by gait."""
    text = files("grfkit.simulate").joinpath("splines.toml").read_text(encoding="utf-8")
    return check_settings(tomllib.loads(text))


def check_settings(raw: dict[str, Any]) -> dict[str, Ranges]:
    """Return the ranges by gait from a parsed file; ValueError names what is wrong."""
    _same_names("file", raw, {"person", "run", "walk"})
    _same_names("person", raw["person"], set(PERSON_RANGES))
    person = {name: _span(f"person.{name}", raw["person"][name]) for name in PERSON_RANGES}
    return {gait: _gait(gait, raw[gait], person) for gait in ("run", "walk")}


def _gait(gait: str, raw: dict[str, Any], person: dict[str, tuple[float, float]]) -> Ranges:
    _same_names(gait, raw, {*GAIT_RANGES, *TABLES})
    span = {name: _span(f"{gait}.{name}", raw[name]) for name in GAIT_RANGES}
    table = {name: _numbers(f"{gait}.{name}", raw[name], length) for name, length in TABLES.items()}
    if not np.isclose(table["strike_probability"].sum(), 1) or np.any(table["strike_probability"] < 0):
        raise ValueError(f"{gait}.strike_probability: must be non-negative and sum to 1")
    for name in ("vertical", "vertical_fore", "brake", "propel", "medial"):
        if table[name][0] != 0 or table[name][-1] != 0:
            raise ValueError(f"{gait}.{name}: force must begin and end at zero")
    return Ranges({**person, **span}, table)


def _same_names(where: str, raw: dict[str, Any], names: set[str]) -> None:
    if set(raw) != names:
        raise ValueError(f"splines.toml, {where}: missing or unknown names {sorted(set(raw) ^ names)}")


def _numbers(where: str, raw: object, length: int) -> Floats:
    try:
        numbers = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: not a list of numbers") from error
    if numbers.shape != (length,) or not np.all(np.isfinite(numbers)):
        raise ValueError(f"{where}: needs {length} finite numbers")
    return numbers


def _span(where: str, raw: object) -> tuple[float, float]:
    low, high = _numbers(where, raw, 2)
    if low > high:
        raise ValueError(f"{where}: low end above high end")
    return float(low), float(high)
