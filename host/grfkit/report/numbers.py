"""Numbers as a person reads them: fixed digits, units, a true minus, and a dash for unknown values."""

from __future__ import annotations

import math

from ..records.evidence import LEAST_CHANCE

DASH = "—"
_MINUS = "−"
_THIN = "\u202f"
HALF_DIGIT_S = 5e-4
"""Half of the last digit that :func:`seconds` prints: what is smaller reads as 0.000 s."""
MINUTES_FROM_S = 300
"""Length (s) from which a time axis counts minutes: chosen by eye, before its numbers need four digits."""
_ONE_DECIMAL_BELOW_MS = 9.95
"""Rounded to one decimal, this and more would read 10.0."""
_ODDS_UP_TO = 0.2
"""Chance up to which odds say more than percent: chosen by eye, one in five."""
_LEAST_P = 0.001
"""p below which no digits are shown: chosen by hand, ten people give no smaller one."""
_SECONDS_BELOW_S, _MINUTES_BELOW = 119.95, 120
"""Lengths (s, min) from which minutes, and then hours, are shown instead: two of each; 119.95 s would read 120.0 s."""


def has_value(value: float | None) -> bool:
    """Return whether there is a finite number to show."""
    return value is not None and math.isfinite(value)


def fixed(value: float | None, digits: int, unit: str = "") -> str:
    """Return the number with a fixed number of decimals and its unit, a dash for None, NaN or infinity."""
    if value is None or not math.isfinite(value):
        return DASH
    # adding 0.0 turns a rounded -0.0 into 0.0: no minus before a zero
    rounded = round(value, digits) + 0.0
    text = f"{abs(rounded):,.{digits}f}"
    return (_MINUS if rounded < 0 else "") + text + (f" {unit}" if unit else "")


def signed(value: float | None, digits: int, unit: str = "") -> str:
    """Return the number as :func:`fixed` does, with a plus where it is above 0 as printed."""
    text = fixed(value, digits, unit)
    return f"+{text}" if text != DASH and not text.startswith(_MINUS) and value and round(value, digits) else text


def seconds(value: float | None) -> str:
    """Return seconds to the millisecond."""
    return fixed(value, 3, "s")


def milliseconds(value: float | None, *, from_s: bool = False) -> str:
    """Return milliseconds, with a decimal below 10; ``from_s`` if the value is in seconds."""
    if value is None or not math.isfinite(value):
        return DASH
    scaled = value * 1e3 if from_s else value
    return fixed(scaled, 1 if abs(scaled) < _ONE_DECIMAL_BELOW_MS else 0, "ms")


def percent(share: float | None) -> str:
    """Return a share in whole percent; less than all is never rounded to 100 %."""
    if share is None or not math.isfinite(share):
        return DASH
    rounded = round(share * 100)
    return f"{99 if rounded == 100 and share < 1 else rounded}{_THIN}%"


def chance(probability: float | None) -> str:
    """Return a probability as odds: ``1 in 4,000``, to two figures; in percent above one in five."""
    if probability is None or not math.isfinite(probability):
        return DASH
    if probability > _ODDS_UP_TO:
        return f"{min(round(probability * 100), 100)}{_THIN}%"
    if abs(probability - LEAST_CHANCE) < 1e-9:
        return "less than 1 in 10,000"
    if probability < 1e-6:
        return "below 1 in 1,000,000"
    odds = 1.0 / probability
    # the power of ten of the second figure
    step = 10 ** max(math.floor(math.log10(odds)) - 1, 0)
    return f"1 in {round(odds / step) * step:,}"


def p_value(p: float | None) -> str:
    """Return a p-value to three figures; a smaller one than tests of some people can tell as less, a dash for none."""
    if p is None or not math.isfinite(p):
        return DASH
    return f"under {_LEAST_P:g}" if p < _LEAST_P else f"{p:.3g}"


def duration(span_s: float | None) -> str:
    """Return a stretch of time: ``8.4 s``, ``5 min 02 s`` or ``2 h 03 min``."""
    if span_s is None or not math.isfinite(span_s):
        return DASH
    if span_s < _SECONDS_BELOW_S:
        return fixed(span_s, 1, "s")
    minutes, rest = divmod(round(span_s), 60)
    if minutes < _MINUTES_BELOW:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(span_s / 60), 60)
    return f"{hours} h {minutes:02d} min"


def count(number: int, thing: str, things: str | None = None) -> str:
    """Return ``1 gap``, ``3 gaps`` or ``no gaps``."""
    many = things or f"{thing}s"
    return f"no {many}" if number == 0 else f"{number:,} {thing if number == 1 else many}"


def size(size_bytes: int) -> str:
    """Return a file's size in kB or MB (powers of ten)."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    return f"{size_bytes / 1e3:,.1f} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:,.1f} MB"
