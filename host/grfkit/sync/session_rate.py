"""One rate for a device's clock over a session: what its other trials say of it holds each trial's fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .clock_map import DeviceAlignment
from .fit import RATE_WALK_PPM
from .session_link import SAME_S

Rate = tuple[float, float, float]
"""A trial's rate by its contacts alone (ppm), its standard error, and the middle of the trial on the device's clock."""

RATE_PRIOR_PPM = 60.0
"""SD (ppm) of a crystal's rate before anything is known of it: ``AlignSettings.rate_prior_ppm``."""
CONTRADICTS_SDS = 4.0
"""Rates this many SDs from what the other trials say are told: 6 in 100,000 of true ones; chosen by hand."""
_FITTED = ("offset_s", "drift_ppm", "knots", "segments", "uncertainty_ms")
"""Fields of a map that come from the fit of the clock, and not from the search."""


def rate_of_others(rates: Sequence[Rate], number: int) -> tuple[float, float] | None:
    """Return mean and SD (ppm) of a clock's rate at one trial, by the other trials alone; None without any.

    A rate walks: what a trial says of another holds the better the nearer they are in time (``fit.RATE_WALK_PPM`` a
    root second).
    """
    if len(rates) < 2:
        return None
    widened = _scatter(rates)
    at = rates[number][2]
    means, weights = [0.0], [1.0 / RATE_PRIOR_PPM**2]
    for k, (mean, sd, middle) in enumerate(rates):
        if k != number:
            weights.append(1.0 / ((widened * sd) ** 2 + RATE_WALK_PPM**2 * abs(middle - at)))
            means.append(mean)
    return float(np.average(means, weights=weights)), 1.0 / math.sqrt(sum(weights))


def _scatter(rates: Sequence[Rate]) -> float:
    """Return by how much trials' rates scatter more than their standard errors say, at least 1 (Birge's ratio).

    R. T. Birge, Phys Rev 40 (1932) 207: errors are widened until the results agree with one another.
    """
    mean, sd, middle = np.asarray(rates).T
    variance = sd**2 + RATE_WALK_PPM**2 * np.abs(middle - np.median(middle))
    centre = np.average(mean, weights=1.0 / variance)
    return float(np.sqrt(max(1.0, ((mean - centre) ** 2 / variance).sum() / (len(rates) - 1))))


def middle_s(device: DeviceAlignment) -> float:
    """Return the middle (s, device's clock) of the contacts that a trial's fit rests on."""
    kept = device.anchors.t_device_s[device.anchors.kept]
    return float(np.mean(kept)) if kept.size else float("nan")


def with_rate(device: DeviceAlignment, again: DeviceAlignment, rate_ppm: tuple[float, float]) -> DeviceAlignment:
    """Return a trial's alignment with the fit of ``again``, which knew the clock's rate, and a finding that says so.

    Where that is no alignment of the same place, nothing changes: the search does not know the rate, so it would be
    another reading of the device.
    """
    old, new = device.clock_map, again.clock_map
    if new.verdict != "aligned" or len(new.segments) != 1 or len(old.segments) != 1:
        return device
    at = np.asarray([middle_s(device)])
    if not abs(float(new.apply(at)[0] - old.apply(at)[0])) < SAME_S:
        return device
    update: dict[str, object] = {name: getattr(new, name) for name in _FITTED}
    update["findings"] = [*old.findings, *_finding(device, rate_ppm)]
    return replace(device, clock_map=old.model_copy(update=update), anchors=again.anchors)


def _finding(device: DeviceAlignment, rate_ppm: tuple[float, float]) -> list[str]:
    mean, sd = rate_ppm
    lines = [f"the clock's rate is held by the session's other trials: {mean:+.0f} +- {1.96 * sd:.0f} ppm (95 %)"]
    own, own_sd = device.rate_ppm or rate_ppm
    if abs(own - mean) > CONTRADICTS_SDS * math.hypot(sd, own_sd):
        lines.append(
            f"by its own contacts it would be {own:+.0f} ppm, over {CONTRADICTS_SDS:g} SDs away: look at this trial's"
            " report before using it"
        )
    return lines


def known_rates(devices: Mapping[str, DeviceAlignment]) -> dict[str, Rate]:
    """Return the rates of those trials that are aligned as one stretch by contacts."""
    return {
        name: (*device.rate_ppm, middle_s(device))
        for name, device in devices.items()
        if device.rate_ppm is not None and device.clock_map.verdict == "aligned" and len(device.clock_map.segments) == 1
    }
