"""Body weight against the force: over complete strides of running the mean vertical force is body weight."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..records import Recording
from ..signals.runs import true_runs
from ..signals.treadmill_drift import FLIGHT_THRESHOLD_BW, Flights, find_flights
from ..units import G
from .correct import treated
from .findings import Finding, PlateFindings, Severity, decided
from .vertical import vertical_force

TOLERANCE = 0.05
"""Allowed deviation of the mean vertical force from body weight, as a share."""
_SERIOUS = 0.15
"""Deviation, as a share, that is an error and no mere warning; chosen by hand: a plate or a belt is missing."""
_FEWEST_STRIDES = 2
"""Complete strides that a mean is taken over, at the least; chosen by hand."""
_LONGEST_STEP_S = 0.5
"""Flights of both feet come at most this far apart; those of one foot alone, once a stride, further."""
_REGULAR = (0.6, 1.4)
"""Shares of the median step between which a step is a usual one; chosen by hand."""
_PEAK_PERCENT, _PEAK_RATIO = 95.0, 1.4
"""A run's load at this percentile is so many times its mean; a load that hardly changes is none; chosen by hand, far
below a run's 2 and more."""


def mean_running_load(
    recording: Recording, findings: list[PlateFindings], *, weight_n: float
) -> tuple[float, int] | None:
    """Return the mean vertical force (N) over complete running strides, and how many.

    The force is that after the unambiguous corrections, summed over the plates. None where there are fewer
    than two complete running strides.
    """
    total = total_load(recording, findings)
    return None if total is None else mean_over_strides(total[0], rate_hz=total[1], weight_n=weight_n)


def mass_finding(newtons: float, strides: int, *, mass_kg: float | None) -> Finding:
    """Return how the mean vertical force of complete running strides compares with body weight."""
    measurement = f"the mean vertical force of {strides} running strides is {newtons:.0f} N ({newtons / G:.1f} kg)"
    if not mass_kg:
        text = f"{measurement}; give the body mass to check it"
        return Finding(code="mass", severity="info", text=text, value=newtons / G, unit="kg")
    off = newtons / (mass_kg * G) - 1.0
    if abs(off) <= TOLERANCE:
        text = f"{measurement}, {100 * off:+.1f} % from {mass_kg:g} kg; within the tolerance of {100 * TOLERANCE:.0f} %"
        return Finding(code="mass", severity="info", text=text, value=newtons / G, unit="kg")
    text = (
        f"{measurement}, {100 * off:+.1f} % from {mass_kg:g} kg, expected within {100 * TOLERANCE:.0f} %;"
        " check the body mass, the plate's gain, and whether a plate is missing"
    )
    severity: Severity = "error" if abs(off) > _SERIOUS else "warning"
    return Finding(code="mass", severity=severity, text=text, value=newtons / G, unit="kg")


def total_load(recording: Recording, findings: list[PlateFindings]) -> tuple[Floats, float] | None:
    """Return the sum of the plates' corrected vertical forces and its rate; None where lengths differ."""
    streams = recording.of_kind("force_plate")
    loads, rates = [], set()
    for plate in decided(findings):
        if plate.plate in streams and plate.vertical:
            vertical_only = streams[plate.plate][[f"f{plate.vertical[1:]}"]]
            loads.append(vertical_force(treated(vertical_only, plate)))
            rates.add(float(vertical_only.attrs["rate_hz"]))
    if not loads or len({load.size for load in loads}) != 1 or len(rates) != 1:
        return None
    return np.asarray(np.sum(loads, axis=0), dtype=np.float64), rates.pop()


def mean_over_strides(load_n: Floats, *, rate_hz: float, weight_n: float) -> tuple[float, int] | None:
    """Return the mean load (N) over the longest run of complete strides, and how many; None if under two.

    A stride is two steps, a step runs from mid-flight to mid-flight; a step of unusual length (``_REGULAR``), or one
    that misses samples, ends a run. None too where the load is that of one foot
    (flights more than half a second apart).
    """
    flights = find_flights(load_n, rate_hz=rate_hz, threshold_n=FLIGHT_THRESHOLD_BW * weight_n)
    first, last = _longest_run(flights, load_n)
    # whole strides, as left and right differ; from mid-flight, where a sample more or less weighs nothing
    last -= (last - first) % 2
    strides = (last - first) // 2
    middle = flights.middle()
    if strides < _FEWEST_STRIDES or np.median(np.diff(middle[first : last + 1])) > _LONGEST_STEP_S * rate_hz:
        return None
    a, b = round(float(middle[first])), round(float(middle[last]))
    running = bool(np.percentile(load_n[a:b], _PEAK_PERCENT) > _PEAK_RATIO * np.mean(load_n[a:b]))
    return (float(np.mean(load_n[a:b])), strides) if running else None


def _longest_run(flights: Flights, load_n: Floats) -> tuple[int, int]:
    """Return the first and last flight of the longest run of regular, complete steps."""
    if flights.size < 2:
        return 0, 0
    middle = flights.middle()
    step = np.diff(middle)
    # missing samples up to each one: equal at both ends of a step where it misses none
    lost = np.cumsum(~np.isfinite(load_n))
    complete = lost[middle[1:].astype(int)] == lost[middle[:-1].astype(int)]
    good = complete & (step > _REGULAR[0] * np.median(step)) & (step < _REGULAR[1] * np.median(step))
    runs = [(a, b) for a, b in true_runs(good).tolist()]
    return max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
