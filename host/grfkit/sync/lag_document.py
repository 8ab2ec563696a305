"""The lag document made of measured lags: what ``grf-sync --calibration`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..calibrate import load_lag_table
from ..calibrate.documents import LagEntry, LagTable, LagTransfer, MeasuredLag
from ..calibrate.lags import lookup
from ..provenance import InputFile
from .lag_measure import ClassLag, predictive_sd_s

Scope = Literal["class", "device"]

RATE_SPAN = 1.25
"""A lag holds from the rate it was measured at over this factor to that rate times it; chosen by hand: filters and
sampling, which are part of it, change by a fifth."""
DEVICE_SD_S = 0.0017
"""SD (s) of a delay between devices of one model, where it is not measured: the middle of the simulator's 0.9 to
2.4 ms (``simulate/settings.toml``), which nobody measured either."""
REMOUNTED_SD_S = 0.0005
"""The same of one device that is put on again; chosen by hand."""
WORTH = 4.0
"""Devices that this general SD counts as, against the recordings' own; chosen by hand."""
GAITS: tuple[Literal["running", "walking"], ...] = ("running", "walking")


def lag_document(
    lags: Sequence[ClassLag], *, name: str, inputs: Sequence[InputFile], scope: Scope = "class", made_on: str = ""
) -> LagTable:
    """Return the document of measured lags; classes that were not measured keep the packaged table's.

    A lag by blows or jumps is not one of gait: a stance is seen later than a blow, and not by both devices alike. What
    is to be added is the packaged table's ``transfers``, simulated; its SD, that between devices (``scope`` ``class``)
    or between fittings of one (``device``), and the mean's error make the entry's.

    Parameters
    ----------
    name
        Name of the document: small letters, digits, ``-`` ``.`` and ``_``.
    made_on
        Day of the measurement, ``YYYY-MM-DD``.
    """
    entries = tuple(entry for lag in lags for entry in _entries(lag, scope))
    return LagTable(
        name=name,
        source=_source(lags, scope),
        made_on=made_on,
        base="default",
        entries=entries,
        measured=tuple(measured(lag) for lag in lags),
        inputs=tuple(inputs),
    )


def measured(lag: ClassLag) -> MeasuredLag:
    """Return a class's lag as it was measured, for the document."""
    first, own = lag.first, lag.recordings
    peaks = np.concatenate([r.pairs.peak[r.kept] for r in own])
    squares = [float(((r.lags_s - r.mean_s) ** 2).sum()) for r in own]
    count = sum(r.lags_s.size for r in own)
    return MeasuredLag.model_validate(
        {
            "device_class": first.device_class,
            "feature": first.feature,
            "rate_hz": round(first.rate_hz, 3),
            "method": first.method,
            "gait": first.gait,
            "lag_s": _rounded(lag.lag_s),
            "blow_sd_s": _rounded(lag.blow_sd_s),
            "device_sd_s": None if lag.device_sd_s is None else _rounded(lag.device_sd_s),
            "n_blows": count,
            "n_left_out": sum(int((~r.kept).sum()) for r in own),
            "n_recordings": len(own),
            "residual_s": _rounded(float(np.sqrt(sum(squares) / count))),
            "peak_min": round(float(peaks.min()), 1),
            "peak_max": round(float(peaks.max()), 1),
            "peak_unit": first.peak_unit,
        }
    )


def _entries(lag: ClassLag, scope: Scope) -> list[LagEntry]:
    first = lag.first
    gaits = GAITS if first.method != "steps" else tuple(g for g in GAITS if g == first.gait)
    rows = []
    for gait in gaits:
        add_s, add_sd_s, says = _added(lag, gait)
        general_s = REMOUNTED_SD_S if scope == "device" else _general_sd_s(lag, gait)
        spread_s = predictive_sd_s(lag.device_sd_s, len(lag.recordings), general_s, worth=WORTH)
        blows = sum(r.lags_s.size for r in lag.recordings)
        row = {
            "device_class": first.device_class,
            "feature": first.feature,
            "rate_hz_min": round(first.rate_hz / RATE_SPAN, 1),
            "rate_hz_max": round(first.rate_hz * RATE_SPAN, 1),
            "gait": gait,
            "lag_s": _rounded(lag.lag_s + add_s),
            "sd_s": max(_rounded(float(np.sqrt(spread_s**2 + lag.error_s**2 + add_sd_s**2))), 1e-5),
            "n": len(lag.recordings),
            "source": f"measured: grf-calibrate lag, {blows} {first.method} at {first.rate_hz:g} Hz{says}",
        }
        rows.append(LagEntry.model_validate(row))
    return rows


def _added(lag: ClassLag, gait: str) -> tuple[float, float, str]:
    """Return what a measured lag lacks of the class's in a gait (s), its SD, and how to say so."""
    first = lag.first
    add_s, variance, says = 0.0, 0.0, ""
    if first.method != "steps":
        own = transfer(first.device_class, first.method, gait, first.rate_hz)
        add_s, variance, says = own.add_s, own.sd_s**2, f"; {1e3 * own.add_s:+.1f} ms to {gait} ({own.source})"
    if first.against == "insole":
        table = load_lag_table().document
        # the packaged table's insole at the difference's own rate is not known: that of the same band serves
        insole = lookup(table, device_class="insole", feature="onset", rate_hz=first.rate_hz, gait=gait)
        struck = 0.0 if first.method == "steps" else transfer("insole", first.method, gait, first.rate_hz).add_s
        add_s, variance = add_s + insole.lag_s - struck, variance + insole.sd_s**2
        says += "; a difference to the insole, whose own lag is the packaged table's"
    return add_s, float(np.sqrt(variance)), says


def transfer(device_class: str, method: str, gait: str, rate_hz: float) -> LagTransfer:
    """Return what a lag by blows or jumps lacks of one in gait; 0 with a wide SD where nobody simulated it."""
    table = load_lag_table().document
    for row in reversed(table.transfers):
        same = (row.device_class, row.method, row.gait) == (device_class, method, gait)
        if same and row.rate_hz_min <= rate_hz < row.rate_hz_max:
            return row
    unknown = {
        "device_class": device_class,
        "feature": {"insole": "onset", "imu": "jerk"}.get(device_class, "speed"),
        "method": method,
        "gait": gait,
        "rate_hz_min": 0.0,
        "rate_hz_max": 1e6,
        "add_s": 0.0,
        "sd_s": table.unknown_sd_s,
        "n": 0,
        "source": "assumption: nothing is known of the step from blows to gait",
    }
    return LagTransfer.model_validate(unknown)


def _general_sd_s(lag: ClassLag, gait: str) -> float:
    first = lag.first
    if first.method != "steps":
        return DEVICE_SD_S
    table = load_lag_table().document
    held = [e for e in table.entries if e.holds(first.device_class, first.feature, first.rate_hz, gait)]
    return held[-1].sd_s if held else table.unknown_sd_s


def _source(lags: Sequence[ClassLag], scope: Scope) -> str:
    first = lags[0].first
    whose = "of one device, for that device alone" if scope == "device" else "of the devices of a class"
    return (
        f"Lags {whose}, measured by {first.method} against the {first.against} with grf-calibrate lag; classes that"
        " were not measured are those of lags/default."
    )


def _rounded(value_s: float) -> float:
    return round(value_s, 6)
