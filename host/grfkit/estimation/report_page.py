"""What the report of an estimate shows: estimated over measured force, how the clocks were joined, what limits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Floats
from ..learn.training_range import OUTSIDE
from ..records import Trial
from ..report.estimate_page import CurveOverMeasured, EstimateReport, KeyPicture
from ..report.headline import CONTACTS_BY, NAMES
from ..report.numbers import count, fixed
from ..sync.contact_events import LoadSignal, plate_loads
from ..units import G
from .curves import FootCurve
from .source import NOT_STATED
from .types import Estimate, Side, StanceRow

SHOWN_S = 6.0
"""Length (s) of the course that is shown, in the middle of what is known; chosen by hand: some eight strides."""
POINTS = 101
"""Points of a mean stance."""
LOADED_N = 20.0
"""Force (N) above which a plate is taken to bear a foot, as in the table of stances."""
RATE_HZ = 200.0
"""Rate of the course that is drawn; chosen by hand."""


def estimate_report(
    estimate: Estimate, trial: Trial | None, clocks: Sequence[str], pictures: Sequence[KeyPicture] = ()
) -> EstimateReport:
    """Return what the report shows.

    Parameters
    ----------
    trial
        What was estimated from; where it holds force plates, and the mass is known, they are drawn beneath.
    clocks
        How the inputs were joined, a sentence each.
    pictures
        Of a film.
    """
    measured = _Measured.of(trial, estimate.mass_kg)
    figures = [_course(estimate, measured)] if estimate.feet else []
    figures += [_mean_stance(estimate, side, curve, measured) for side, curve in estimate.feet.items()]
    return EstimateReport(
        title=_title(estimate),
        headline=_headline(estimate),
        verdict="refused" if estimate.leaks else "partial",
        facts=[
            ("model", estimate.network),
            ("mass", fixed(estimate.mass_kg, 1, "kg")),
            ("forces", ", ".join(NAMES.get(axis, axis) for axis in estimate.axes)),
            ("contacts found by", CONTACTS_BY.get(estimate.cut, estimate.cut)),
        ],
        limits=[*(f"LEAK: {leak}" for leak in estimate.leaks), *estimate.findings],
        clocks=list(clocks),
        figures=figures,
        heads=["Foot", "Stances", "Estimated", "Median peak, BW", "Median contact, s", "Samples known, %"],
        table=[_row(estimate, side, curve) for side, curve in estimate.feet.items()],
        inputs=estimate.provenance.inputs,
        pictures=pictures,
    )


def _title(estimate: Estimate) -> str:
    """Return whose force it is; of nobody who is named, what it was estimated from."""
    if estimate.participant != NOT_STATED:
        return f"Ground reaction force of {estimate.participant}"
    files = [i.name for i in estimate.provenance.inputs if i.role != "model"]
    return f"Ground reaction force in {', '.join(files)}" if files else "Ground reaction force"


def _headline(estimate: Estimate) -> str:
    """Return how far off the estimate is for somebody new, first of the vertical force."""
    if estimate.leaks:
        return "Do not use it to judge the model: this person is among those it was trained on"
    stated = estimate.stated_error
    if stated is None:
        return "How far off it is nobody knows: this model was not tested on people left out (grf-evaluate does it)"
    errors = stated.contact_bw or stated.rmse_bw
    axis = "vgrf" if "vgrf" in errors else next(iter(errors))
    mean, low, high = errors[axis]
    # a model of drawn films says so in its findings: its people left out were drawn, too
    drawn = any("rendered" in text.lower() for text in estimate.findings)
    unlike = f"{OUTSIDE}, so that its error here is not known. " if estimate.outside else ""
    return (
        f"{unlike}On {count(stated.people, 'person', 'people')} left out of its training the model was off by"
        f" {fixed(mean, 3)} BW, {NAMES.get(axis, axis)} (RMSE; 95 % interval {fixed(low, 3)} to {fixed(high, 3)})"
        f"{', all on rendered films: how far off it is on a real one nobody knows' if drawn else ''}"
    )


class _Measured:
    """The vertical force of all plates in body weights: what both feet together should come to."""

    def __init__(self, loads: Sequence[LoadSignal], weight_n: float, sees_all: bool) -> None:
        self.loads, self.weight_n, self.sees_all = loads, weight_n, sees_all

    @classmethod
    def of(cls, trial: Trial | None, mass_kg: float) -> _Measured:
        """Return the force of a trial's plates; none where there are none, or the mass is unknown."""
        if trial is None or not np.isfinite(mass_kg):
            return cls((), float("nan"), False)
        sees_all = str(trial.tree.attrs.get("surface", "")) == "treadmill"
        return cls(plate_loads(trial.streams), mass_kg * G, sees_all)

    def at(self, time_s: Floats) -> Floats:
        """Return the force (BW) at some times; NaN where no plate bears a foot unless they see every contact."""
        if not self.loads:
            return np.full(time_s.shape, np.nan)
        total = np.sum([_linear(load, time_s) for load in self.loads], axis=0)
        if not self.sees_all:
            total = np.where(total > LOADED_N, total, np.nan)
        return np.asarray(total / self.weight_n)


def _linear(load: LoadSignal, time_s: Floats) -> Floats:
    return np.asarray(np.interp(time_s, load.time_s, load.value, left=np.nan, right=np.nan))


def _total(feet: Mapping[Side, FootCurve], time_s: Floats) -> Floats:
    """Return the vertical force of all feet together at some times."""
    return np.asarray(np.sum([curve.at(time_s)[:, 0] for curve in feet.values()], axis=0))


def _course(estimate: Estimate, measured: _Measured) -> CurveOverMeasured:
    known = [c.time_s[np.isfinite(c.force_bw[:, 0])] for c in estimate.feet.values()]
    start = max((float(t[0]) for t in known if t.size), default=0.0)
    end = min((float(t[-1]) for t in known if t.size), default=0.0)
    middle = (start + end) / 2.0
    first, last = max(start, middle - SHOWN_S / 2), min(end, middle + SHOWN_S / 2)
    shown = np.arange(first, last, 1.0 / RATE_HZ) if last > first else np.zeros(0)
    note = ""
    if measured.loads:
        whole = np.arange(start, end, 1.0 / RATE_HZ)
        error = _total(estimate.feet, whole) - measured.at(whole)
        error = error[np.isfinite(error)]
        if error.size and measured.sees_all and len(estimate.feet) == 2:
            note = f"Over all that is known the estimate is off by {np.sqrt(np.mean(error**2)):.3f} BW (RMSE)."
        elif not measured.sees_all:
            note = "The plates bear a foot now and then; what is beside them they miss."
    which = "Both feet together" if len(estimate.feet) == 2 else f"The {next(iter(estimate.feet))} foot"
    return CurveOverMeasured(
        f"{which}, vertical", shown, _total(estimate.feet, shown), measured.at(shown), "time, s", "force, BW", note
    )


def _mean_stance(estimate: Estimate, side: Side, curve: FootCurve, measured: _Measured) -> CurveOverMeasured:
    rows = [row for row in estimate.rows if row.side == side and row.answered]
    share = np.linspace(0.0, 1.0, POINTS)
    course = _mean([curve.at(row.start_s + share * row.contact_s)[:, 0] for row in rows])
    # the plates bear both feet: they are this one's where the other is known to be in the air
    others = [c for other, c in estimate.feet.items() if other != side]
    plates = _mean([_alone(row, share, others, measured) for row in rows]) if others else np.full(POINTS, np.nan)
    note = ("One stance." if len(rows) == 1 else f"Mean of {len(rows)} stances.") + (
        " Measured where the other foot is estimated to be in the air." if np.isfinite(plates).any() else ""
    )
    return CurveOverMeasured(f"Mean stance, {side} foot", 100 * share, course, plates, "% of stance", "force, BW", note)


def _alone(row: StanceRow, share: Floats, others: Sequence[FootCurve], measured: _Measured) -> Floats:
    at = row.start_s + share * row.contact_s
    in_air = np.all([other.at(at)[:, 0] == 0.0 for other in others], axis=0)
    return np.where(in_air, measured.at(at), np.nan)


def _mean(courses: Sequence[Floats]) -> Floats:
    """Return the mean of those courses that are known, NaN at points where fewer than half are."""
    if not courses:
        return np.full(POINTS, np.nan)
    stacked = np.stack(courses)
    count = np.isfinite(stacked).sum(axis=0)
    mean = np.nansum(stacked, axis=0) / np.maximum(count, 1)
    return np.asarray(np.where(2 * count >= len(courses), mean, np.nan))


def _row(estimate: Estimate, side: Side, curve: FootCurve) -> list[str]:
    rows = [row for row in estimate.rows if row.side == side]
    peaks = [row.peak_bw for row in rows if row.answered]
    known = 100.0 * float(np.isfinite(curve.force_bw).all(axis=1).mean()) if curve.time_s.size else 0.0
    return [
        side,
        str(len(rows)),
        str(len(peaks)),
        fixed(float(np.median(peaks)) if peaks else None, 2),
        fixed(float(np.median([row.contact_s for row in rows])) if rows else None, 3),
        fixed(known, 0),
    ]
