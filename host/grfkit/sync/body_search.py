"""The lag and the rate at which a body's acceleration follows the force on both feet best, of all there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..records import Prior
from .body_course import GRID_HZ, Course, agreement_between, course_of, foretold, unforetold
from .candidates import PRIOR_REACH_SDS, surprise_nats
from .contact_events import LoadSignal
from .settings import AlignSettings

SMEAR_S = 0.02
"""Distance (s) by which a rate may move the ends of the record until another rate is tried; half a grid step."""
PHASES = 4
"""Places of the device's grid within one step of it, so that lags are tried every 10 ms: half a step of 40 ms away a
course of 10 Hz is not recognised."""
MOST_RATES = 200
"""Rates that are tried at most, either way together."""


@dataclass(frozen=True)
class BestBodyLag:
    """The best lag at the middle of the device's record, its rate, and what else was scored.

    Attributes
    ----------
    lags_s, plain, total
        Shape (lags,): those within a prior's reach, their nats without and with the prior.
    floor
        Nats of no alignment at all; 0 without a prior.
    against_prior, range_s
        As in :class:`~grfkit.sync.waveform.WaveformLag`.
    """

    lag_s: float
    rate: float
    middle_s: float
    correlation: float
    lags_s: Floats
    plain: Floats
    total: Floats
    floor: float
    against_prior: float
    range_s: float

    def mapped(self, device_s: Floats) -> Floats:
        """Return reference times of device times."""
        return np.asarray(self.middle_s + self.rate * (device_s - self.middle_s) + self.lag_s)


def _rates(span_s: float, settings: AlignSettings) -> Floats:
    """Return the rates to try: as many as keep the ends of the overlap on one grid step."""
    reach = 1e-6 * settings.max_drift_ppm
    step = max(2.0 * SMEAR_S / (span_s / 2.0), 2.0 * reach / MOST_RATES)
    count = int(reach / step + 0.5)
    return np.asarray(1.0 + step * np.arange(-count, count + 1))


def search_body(
    body: LoadSignal, force: LoadSignal, prior: Prior | None, settings: AlignSettings
) -> BestBodyLag | None:
    """Return the best lag and rate, None where no lag overlaps enough or the best is at the end of the search."""
    reference = course_of(force.time_s, force.value)
    middle_s = 0.5 * float(body.time_s[0] + body.time_s[-1])
    plain = course_of(body.time_s - middle_s, body.value)
    if reference is None or plain is None:
        return None
    weights = foretold(plain)
    left = unforetold(reference, weights)
    span_s = min(reference.value.size, plain.value.size) / GRID_HZ
    sd_ppm = max(settings.rate_prior_ppm, settings.max_drift_ppm / 2.0 if settings.max_drift_ppm > 250.0 else 0.0)
    scored = []
    for rate in _rates(span_s, settings):
        shifted = [
            course_of(body.time_s - middle_s, body.value, rate=float(rate), shift_s=k / (PHASES * GRID_HZ))
            for k in range(PHASES)
        ]
        courses = [unforetold(course, weights) for course in shifted if course is not None]
        lags, nats = agreement_between(courses, left, shortest_s=0.5 * settings.enough_overlap_s)
        scored.append((float(rate), lags, nats - 0.5 * ((rate - 1.0) / (1e-6 * sd_ppm)) ** 2))
    start, end = max(s[1][0] for s in scored), min(s[1][-1] for s in scored)
    lags = np.arange(start, end + 1e-9, 1.0 / (PHASES * GRID_HZ)) - middle_s
    table = np.stack([np.interp(lags + middle_s, s[1], s[2]) for s in scored])
    everywhere, range_s = np.maximum(table.max(axis=0), 0.0), float(end - start)
    bonus, within = np.zeros(lags.size), np.ones(lags.size, dtype=bool)
    if prior is not None:
        within = np.abs(lags - prior.offset_s) <= PRIOR_REACH_SDS * prior.sd_s
        bonus = -0.5 * ((lags - prior.offset_s) / prior.sd_s) ** 2
    lags, plain_nats, total = lags[within], everywhere[within], (everywhere + bonus)[within]
    top = int(np.argmax(total)) if total.size else 0
    if top in (0, lags.size - 1) or plain_nats[top] <= 0:
        return None
    rate = scored[int(np.argmax(table[:, within][:, top]))][0]
    return BestBodyLag(
        float(lags[top]), rate, middle_s, _correlation(body, reference, rate, middle_s, float(lags[top]) + middle_s),
        lags, plain_nats, total, -surprise_nats(prior, range_s),
        float(everywhere.max() - plain_nats.max()), range_s,
    )  # fmt: skip


def _correlation(body: LoadSignal, force: Course, rate: float, middle_s: float, lag_s: float) -> float:
    """Return the correlation of both courses as they are at one lag."""
    course = course_of(body.time_s - middle_s, body.value, rate=rate)
    if course is None:
        return float("nan")
    at = course.time_s + lag_s
    inside = (at >= force.start_s) & (at <= force.time_s[-1]) & (course.known > 0)
    other = np.interp(at[inside], force.time_s, force.value)
    return float(np.corrcoef(other, course.value[inside])[0, 1]) if inside.sum() > 8 else float("nan")
