"""The unit vocabulary: every unit grfkit reads, and the one place where units are converted."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import UnitError

G = 9.80665
"""Standard gravity in m/s^2 (BIPM); the only value of g in grfkit."""

# Pound-force in N, exact: 0.45359237 kg (the international pound) x standard gravity
_LBF = 4.4482216152605


class Unit(NamedTuple):
    """A unit's canonical (SI) unit and the factor to it: ``si_value = factor * value + shift``."""

    canonical: str
    factor: float
    shift: float = 0.0


_TABLE: dict[str, Unit] = {
    "N": Unit("N", 1.0),
    "kN": Unit("N", 1e3),
    "lbf": Unit("N", _LBF),
    "kgf": Unit("N", G),
    "N m": Unit("N m", 1.0),
    "N mm": Unit("N m", 1e-3),
    "N cm": Unit("N m", 1e-2),
    "m": Unit("m", 1.0),
    "cm": Unit("m", 1e-2),
    "mm": Unit("m", 1e-3),
    "in": Unit("m", 0.0254),
    "m/s": Unit("m/s", 1.0),
    "km/h": Unit("m/s", 1 / 3.6),
    "m/s^2": Unit("m/s^2", 1.0),
    "mm/s^2": Unit("m/s^2", 1e-3),
    "g": Unit("m/s^2", G),
    "mg": Unit("m/s^2", G * 1e-3),
    "rad/s": Unit("rad/s", 1.0),
    "deg/s": Unit("rad/s", np.pi / 180.0),
    "mdeg/s": Unit("rad/s", np.pi / 180.0 * 1e-3),
    "rad": Unit("rad", 1.0),
    "deg": Unit("rad", np.pi / 180.0),
    "Pa": Unit("Pa", 1.0),
    "kPa": Unit("Pa", 1e3),
    "MPa": Unit("Pa", 1e6),
    "N/cm^2": Unit("Pa", 1e4),
    # 1 mm of mercury of 13,595.1 kg/m^3 under standard gravity (BIPM); a pound-force on a square inch of 0.0254 m
    "bar": Unit("Pa", 1e5),
    "mbar": Unit("Pa", 100.0),
    "mmHg": Unit("Pa", 133.322387415),
    "psi": Unit("Pa", 6894.757293168),
    "kg/cm^2": Unit("Pa", G * 1e4),
    "s": Unit("s", 1.0),
    "ms": Unit("s", 1e-3),
    "us": Unit("s", 1e-6),
    "min": Unit("s", 60.0),
    "V": Unit("V", 1.0),
    "mV": Unit("V", 1e-3),
    "uV": Unit("V", 1e-6),
    "T": Unit("T", 1.0),
    "mT": Unit("T", 1e-3),
    "uT": Unit("T", 1e-6),
    "G": Unit("T", 1e-4),
    "mG": Unit("T", 1e-7),
    "degC": Unit("K", 1.0, 273.15),
    "K": Unit("K", 1.0),
    "m^2": Unit("m^2", 1.0),
    "cm^2": Unit("m^2", 1e-4),
    "mm^2": Unit("m^2", 1e-6),
    "kg": Unit("kg", 1.0),
    "BW": Unit("BW", 1.0),
    "N/kg": Unit("N/kg", 1.0),
    "Hz": Unit("Hz", 1.0),
    "%": Unit("1", 1e-2),
    "1": Unit("1", 1.0),
    "count": Unit("count", 1.0),
    "unknown": Unit("unknown", 1.0),
}

_ALIASES: dict[str, str] = {
    "newton": "N", "newtons": "N", "nt": "N", "n": "N", "lb": "lbf", "lbs": "lbf",
    "ntmm": "N mm", "n-m": "N m", "n-mm": "N mm",
    "nm": "N m", "n.m": "N m", "n*m": "N m", "n·m": "N m", "newton-meters": "N m",
    "nmm": "N mm", "n.mm": "N mm", "mm.n": "N mm", "n*mm": "N mm", "n·mm": "N mm", "ncm": "N cm", "n.cm": "N cm",
    "meter": "m", "meters": "m", "metre": "m", "metres": "m", "millimeter": "mm", "millimeters": "mm",
    "m/s2": "m/s^2", "m/s²": "m/s^2", "m/sec^2": "m/s^2", "m/sec2": "m/s^2", "m.s^-2": "m/s^2",
    "mm/s2": "mm/s^2", "mm/s²": "mm/s^2", "gs": "g", "gn": "g",
    "dps": "deg/s", "°/s": "deg/s", "deg/sec": "deg/s", "degree/s": "deg/s", "degrees/s": "deg/s",
    "rad/sec": "rad/s", "radian": "rad", "radians": "rad", "degree": "deg", "degrees": "deg", "°": "deg",
    "n/cm2": "N/cm^2", "n/cm²": "N/cm^2", "kg/cm2": "kg/cm^2", "kg/cm²": "kg/cm^2",
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "millisecond": "ms",
    "milliseconds": "ms", "µs": "us", "μs": "us", "microseconds": "us", "minute": "min",
    "volt": "V", "volts": "V", "v": "V", "µv": "uV", "μv": "uV", "µt": "uT", "μt": "uT", "tesla": "T",
    "°c": "degC", "celsius": "degC", "cm2": "cm^2", "cm²": "cm^2", "mm2": "mm^2", "mm²": "mm^2",
    "bw": "BW", "n/bw": "BW", "adc": "count", "counts": "count", "raw": "count", "lsb": "count",
    "percent": "%", "-": "1", "none": "1", "dimensionless": "1", "kmh": "km/h", "kph": "km/h",
    "hertz": "Hz", "hz": "Hz", "pa": "Pa", "kpa": "kPa", "mpa": "MPa", "mmhg": "mmHg",
}  # fmt: skip


def parse_unit(text: str) -> Unit:
    """Return the unit that ``text`` names.

    The exact spelling is looked up first (``mG`` is milligauss, ``mg`` is thousandths of gravity), then
    the lower-case spelling among the aliases.

    Raises
    ------
    UnitError
        If the text is empty or no known unit; nothing is guessed.
    """
    return _TABLE[canonical_name(text)]


def is_unit(text: str, canonical: str = "") -> bool:
    """Return whether ``text`` names a unit, and one of the quantity of ``canonical`` where that is given."""
    try:
        quantity = parse_unit(text).canonical
    except UnitError:
        return False
    return canonical in ("", quantity)


def canonical_name(text: str) -> str:
    """Return the vocabulary's own spelling of the unit that ``text`` names (``"m/s2"`` -> ``"m/s^2"``)."""
    tidy = re.sub(r"\s+", " ", text.strip().strip("[]()").strip())
    if tidy in _TABLE:
        return tidy
    squeezed = tidy.replace(" ", "").lower()
    name = _ALIASES.get(squeezed) or _SQUEEZED.get(squeezed)
    if name is None:
        raise UnitError(f"unit '{text}' is not known; expected one of {', '.join(sorted(_TABLE))}")
    return name


_SQUEEZED: dict[str, str] = {}
for _name in _TABLE:
    # 'mG' and 'mg', 'MPa' and 'mPa' differ by case alone: such spellings are never folded
    _key = _name.replace(" ", "").lower()
    if _key not in {"mg", "g", "k", "t", "mpa"}:
        _SQUEEZED.setdefault(_key, _name)


def to_si(values: NDArray[np.floating], unit: str) -> NDArray[np.float64]:
    """Return ``values`` converted from ``unit`` to its canonical unit (counts stay counts).

    Raises
    ------
    UnitError
        If the unit is unknown.
    """
    source = parse_unit(unit)
    data = np.asarray(values, dtype=np.float64)
    if source.factor == 1.0 and source.shift == 0.0:
        return data
    return data * source.factor + source.shift


def require(unit: str, canonical: str, *, what: str) -> None:
    """Check that ``unit`` is of the quantity whose canonical unit is ``canonical``.

    Raises
    ------
    UnitError
        With the name of the thing, its unit, what was expected and what to do.
    """
    quantity = parse_unit(unit).canonical
    if quantity != canonical:
        advice = "; calibrate the recording first" if quantity == "count" else ""
        raise UnitError(f"{what} is in {quantity}, expected {canonical}{advice}")
