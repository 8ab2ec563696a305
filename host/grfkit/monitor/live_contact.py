"""One contact as it is shown: its curves on 101 points, its interval, and the features read off it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..arrays import Floats
from ..gait.loading import Curve, Peak, ValrMethod, horizontal, impact_peak, impulse_bw_s, valr, vilr
from ..wire import AXES as WIRE_AXES
from ..wire import StanceReport

__all__ = ["METHOD", "NAMES", "Contact", "features", "interval", "of_report", "on_points", "warm_up"]

METHOD: ValrMethod = "E"
"""Of the loading rate: the slope from 3 to 12 % of the contact. It asks for no impact peak, which a sum of cells in
counts does not show, so that one name means one thing whoever estimates."""
NAMES = (
    "contact_s",
    "peak",
    "impulse",
    "loading_rate",
    "vilr",
    "impact_peak",
    "braking",
    "propulsion",
    "flight_s",
)
"""Features that a target may be set on."""
POINTS = 101
"""Of a shown curve: 0 to 100 % of the contact."""
_WIRE = dict(zip(WIRE_AXES, ("ap", "ml", "v")))


@dataclass(frozen=True)
class Contact:
    """One contact, as it is known.

    Attributes
    ----------
    start_s
        Initial contact, s of the host's monotonic clock.
    axes
        Curves over the contact by axis (``v ap ml``), any number of points each.
    """

    start_s: float
    contact_s: float
    axes: Mapping[str, Floats]
    unit: str
    source: Literal["device", "host", "cells"]
    missed: int = 0
    arrival_ns: int = 0
    half_width: Mapping[str, float] = field(default_factory=dict)


def of_report(report: StanceReport, start_s: float, arrival_ns: int, half_width: Mapping[str, float]) -> Contact:
    """Return the contact that an insole reported."""
    sent = [name for k, name in enumerate(WIRE_AXES) if report.axes >> k & 1]
    force = report.force_bw
    axes = {_WIRE[name]: force[:, k] for k, name in enumerate(sent)}
    return Contact(start_s, report.contact_s, axes, "BW", "device", report.missed, arrival_ns, half_width)


def on_points(curve: Floats, points: int = POINTS) -> list[float]:
    """Return a curve on so many points, by straight lines."""
    if len(curve) == points:
        return [float(v) for v in curve]
    at = np.linspace(0.0, len(curve) - 1.0, points)
    return [float(v) for v in np.interp(at, np.arange(len(curve)), curve)]


def interval(contact: Contact) -> tuple[list[float] | None, list[float] | None]:
    """Return the ends of the vertical curve's interval, None where the model has none."""
    half = contact.half_width.get("v")
    if half is None or "v" not in contact.axes:
        return None, None
    middle = np.asarray(contact.axes["v"])
    return on_points(middle - half), on_points(middle + half)


def features(contact: Contact) -> dict[str, float]:
    """Return what is read off a contact with :mod:`grfkit.gait.loading`; what a curve does not show is left out.

    ``loading_rate`` is the VALR by method E, unfiltered, in the curve's unit per second. Impact peak, VILR, braking
    and propulsion are of forces in BW alone.
    """
    values = {"contact_s": contact.contact_s}
    if "v" in contact.axes:
        vertical = _curve(contact, "v")
        # method E does not look at the impact peak
        nowhere = Peak(math.nan, math.nan, False)
        values["peak"] = float(np.max(vertical.value_bw))
        values["impulse"] = impulse_bw_s(vertical)
        values["loading_rate"] = valr(vertical, method=METHOD, cutoff_hz=None, impact=nowhere).value_bw_s
        if contact.unit == "BW":
            impact = impact_peak(vertical)
            values["vilr"] = vilr(vertical, cutoff_hz=None, impact=impact).value_bw_s
            if impact.visible:
                values["impact_peak"] = impact.value_bw
    if "ap" in contact.axes:
        forward = horizontal(_curve(contact, "ap"))
        values["braking"], values["propulsion"] = forward.braking_peak_bw, forward.propulsive_peak_bw
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def warm_up() -> None:
    """Load what the first stance would have to wait for."""
    flat = np.ones(POINTS)
    features(Contact(0.0, 0.25, {"v": flat, "ap": flat}, "BW", "cells"))


def _curve(contact: Contact, axis: str) -> Curve:
    values = np.asarray(contact.axes[axis], dtype=np.float64)
    return Curve(np.linspace(0.0, contact.contact_s, len(values)), values)
