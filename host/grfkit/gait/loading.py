"""Features of the force of one contact: peaks, loading rates with their method and filter, impulses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError

ValrMethod = Literal["A", "B_time", "B_force", "C", "D", "E"]
VALR_METHODS: tuple[ValrMethod, ...] = get_args(ValrMethod)
IMPACT_WINDOW = 0.30
"""Share of the contact in which the impact peak is looked for. Chosen by hand: the active peak comes later."""
IMPACT_FALLBACK = 0.13
"""Share of the contact whose force stands in for a missing impact peak (Zhou 2025, doi
10.16156/j.1004-7220.2025.05.028, who cite Yang 2024)."""
PROMINENCE_BW = 0.05
"""How far (BW) an impact peak rises above the dip behind it. Chosen by hand, above the noise of plates."""
_EARLY_SPIKE = 0.10
"""Share of the contact in which a forward spike of the landing is not the propulsive peak. Chosen by hand."""


@dataclass(frozen=True)
class Curve:
    """One contact of one force: ``t_s`` from 0 at initial contact to the contact time, ``value_bw``; (samples,)."""

    t_s: Floats
    value_bw: Floats

    @property
    def contact_s(self) -> float:
        """Return the contact time (s)."""
        return float(self.t_s[-1])

    def at(self, t_s: float) -> float:
        """Return the value at a time by a straight line between samples; NaN outside the contact."""
        return float(np.interp(t_s, self.t_s, self.value_bw, left=np.nan, right=np.nan))


@dataclass(frozen=True)
class Peak:
    """A peak: its height (BW), when (s after contact), and whether the curve really has one there."""

    value_bw: float
    at_s: float
    visible: bool


@dataclass(frozen=True)
class LoadingRate:
    """A loading rate and what it cannot be compared without: method and filter cut-off (None: not filtered)."""

    value_bw_s: float
    method: str
    cutoff_hz: float | None

    def __str__(self) -> str:
        """Return the rate as it is printed."""
        low = "unfiltered" if self.cutoff_hz is None else f"low-pass {self.cutoff_hz:g} Hz"
        return f"{self.value_bw_s:.1f} BW/s ({self.method}, {low})"


@dataclass(frozen=True)
class Horizontal:
    """Braking and propulsion of one contact; braking is negative (BW, BW s, s after contact)."""

    braking_peak_bw: float
    braking_at_s: float
    propulsive_peak_bw: float
    propulsive_at_s: float
    braking_impulse_bw_s: float
    propulsive_impulse_bw_s: float

    @property
    def net_impulse_bw_s(self) -> float:
        """Return the sum of both impulses; about 0 at steady speed on the level."""
        return self.braking_impulse_bw_s + self.propulsive_impulse_bw_s


@dataclass(frozen=True)
class Loading:
    """The features of one contact; loading rates by method (``vilr`` in the window of method A)."""

    contact_s: float
    impact: Peak
    active: Peak
    valr: dict[str, LoadingRate]
    vilr: LoadingRate
    impulse_bw_s: float
    net_impulse_bw_s: float
    horizontal: Horizontal | None


def curve(time_s: Floats, force_bw: Floats, *, ic_s: float, to_s: float) -> Curve:
    """Return one contact cut out of a continuous force, its ends on straight lines between samples.

    Filter the continuous signal first, then cut.

    Parameters
    ----------
    time_s, force_bw
        Shape (samples,); time increasing.

    Raises
    ------
    BadInputError
        If the contact does not lie within the record, holds fewer than three samples or a missing one.
    """
    if not time_s[0] <= ic_s < to_s <= time_s[-1]:
        raise BadInputError(
            f"contact {ic_s:.3f}-{to_s:.3f} s does not lie within the force's {time_s[0]:.3f}-{time_s[-1]:.3f} s"
        )
    first, end = int(np.searchsorted(time_s, ic_s, side="right")), int(np.searchsorted(time_s, to_s, side="left"))
    low, high = max(first - 1, 0), min(end + 1, time_s.size)
    if end - first < 3 or not np.isfinite(force_bw[low:high]).all():
        raise BadInputError(
            f"contact {ic_s:.3f}-{to_s:.3f} s has {end - first} samples, missing ones among them or too few;"
            " expected 3 or more, all measured"
        )
    edges = np.interp([ic_s, to_s], time_s[low:high], force_bw[low:high])
    t = np.concatenate([[0.0], time_s[first:end] - ic_s, [to_s - ic_s]])
    return Curve(t, np.concatenate([edges[:1], force_bw[first:end], edges[1:]]))


def impact_peak(vertical: Curve, *, window_s: float | None = None, always_13_percent: bool = False) -> Peak:
    """Return the impact peak: the first local maximum early in the contact with a prominence of 0.05 BW or more.

    Early is the first 30 % of the contact, or the first ``window_s`` where given (50 ms is usual). Where there is no
    such peak, or with ``always_13_percent``, the force at 13 % of the contact stands in for it and ``visible`` is
    False (Zhou 2025, doi 10.16156/j.1004-7220.2025.05.028).
    """
    from scipy.signal import find_peaks

    fallback = IMPACT_FALLBACK * vertical.contact_s
    if not always_13_percent:
        limit = IMPACT_WINDOW * vertical.contact_s if window_s is None else window_s
        # in the whole contact, then the early ones: a peak's prominence is that over the dips on both sides
        tops, _ = find_peaks(vertical.value_bw, prominence=PROMINENCE_BW)
        tops = tops[vertical.t_s[tops] <= limit]
        if tops.size:
            return Peak(float(vertical.value_bw[tops[0]]), float(vertical.t_s[tops[0]]), True)
    return Peak(vertical.at(fallback), fallback, False)


def active_peak(vertical: Curve, *, window: tuple[float, float] = (0.30, 1.0)) -> Peak:
    """Return the highest force in a part of the contact: after 30 %, or (0.4, 0.6) as in Alcantara 2022.

    ``visible`` is False where the highest value lies on the window's edge.
    """
    t, v = vertical.t_s, vertical.value_bw
    candidates = np.flatnonzero((t >= window[0] * vertical.contact_s) & (t <= window[1] * vertical.contact_s))
    if not candidates.size:
        return Peak(float("nan"), float("nan"), False)
    top = int(candidates[np.argmax(v[candidates])])
    return Peak(float(v[top]), float(t[top]), bool(candidates[0] < top < candidates[-1]))


def valr(vertical: Curve, *, method: ValrMethod, cutoff_hz: float | None, impact: Peak | None = None) -> LoadingRate:
    """Return the average vertical loading rate (BW/s): the mean slope of the force over the method's window.

    ``A`` contact to impact peak; ``B_time`` 20 to 80 % of that time; ``B_force`` from 20 to 80 % of the peak's force;
    ``C`` the first 50 ms; ``D`` the first 25 ms (Alcantara 2022); ``E`` 3 to 12 % of the contact. A, B and C are
    compared in Int J Sports Med, doi 10.1055/s-0042-107248: they differ, VILR does not. NaN where the contact is
    shorter than the window.

    Parameters
    ----------
    cutoff_hz
        Of the low-pass that the force went through, None if none; it is stated with the rate.
    impact
        In place of :func:`impact_peak` of the same curve.

    Raises
    ------
    BadInputError
        If the method is unknown.
    """
    start, end = _window(vertical, method, impact or impact_peak(vertical))
    rise = vertical.at(end) - vertical.at(start)
    return LoadingRate(rise / (end - start) if end > start else float("nan"), f"VALR {method}", cutoff_hz)


def vilr(vertical: Curve, *, cutoff_hz: float | None, impact: Peak | None = None) -> LoadingRate:
    """Return the instantaneous vertical loading rate: the steepest central difference from contact to impact peak."""
    peak = impact or impact_peak(vertical)
    t, v = vertical.t_s, vertical.value_bw
    inner = np.arange(1, t.size - 1)
    slope = (v[inner + 1] - v[inner - 1]) / (t[inner + 1] - t[inner - 1])
    early = slope[t[inner] <= peak.at_s]
    return LoadingRate(float(early.max()) if early.size else float("nan"), "VILR", cutoff_hz)


def horizontal(forward: Curve) -> Horizontal:
    """Return braking and propulsive peaks and impulses of an antero-posterior force, forward positive.

    The propulsive peak ignores the first tenth of the contact, where the landing may cause a forward spike. Impulses
    are the areas of the negative and the positive part, of straight lines between samples.
    """
    t, v = forward.t_s, forward.value_bw
    late = np.flatnonzero(t >= _EARLY_SPIKE * forward.contact_s)
    low, high = int(np.argmin(v)), int(late[np.argmax(v[late])])
    negative, positive = _signed_areas(t, v)
    return Horizontal(
        braking_peak_bw=min(float(v[low]), 0.0),
        braking_at_s=float(t[low]),
        propulsive_peak_bw=max(float(v[high]), 0.0),
        propulsive_at_s=float(t[high]),
        braking_impulse_bw_s=negative,
        propulsive_impulse_bw_s=positive,
    )


def impulse_bw_s(force: Curve) -> float:
    """Return the impulse (BW s) of a contact by trapezia."""
    return float(np.sum(0.5 * (force.value_bw[1:] + force.value_bw[:-1]) * np.diff(force.t_s)))


def loading(vertical: Curve, forward: Curve | None = None, *, cutoff_hz: float | None) -> Loading:
    """Return all features of one contact, rates by every method.

    Parameters
    ----------
    vertical, forward
        In body weights, of the same contact; rates want a cut-off of 50 Hz or more.
    cutoff_hz
        Of the low-pass both went through, None if none.
    """
    peak = impact_peak(vertical)
    total = impulse_bw_s(vertical)
    return Loading(
        contact_s=vertical.contact_s,
        impact=peak,
        active=active_peak(vertical),
        valr={m: valr(vertical, method=m, cutoff_hz=cutoff_hz, impact=peak) for m in VALR_METHODS},
        vilr=vilr(vertical, cutoff_hz=cutoff_hz, impact=peak),
        impulse_bw_s=total,
        # body weight acts for as long as the contact lasts: 1 BW times its duration
        net_impulse_bw_s=total - vertical.contact_s,
        horizontal=None if forward is None else horizontal(forward),
    )


def _window(vertical: Curve, method: ValrMethod, peak: Peak) -> tuple[float, float]:
    """Return the start and end (s) over which a method takes the slope; NaN where it has none."""
    contact_s = vertical.contact_s
    if method == "B_force":
        return _first_reached(vertical, 0.2 * peak.value_bw, peak), _first_reached(vertical, 0.8 * peak.value_bw, peak)
    windows: dict[str, tuple[float, float]] = {
        "A": (0.0, peak.at_s),
        "B_time": (0.2 * peak.at_s, 0.8 * peak.at_s),
        "C": (0.0, 0.050),
        "D": (0.0, 0.025),
        "E": (0.03 * contact_s, 0.12 * contact_s),
    }
    if method not in windows:
        raise BadInputError(f"loading rate method '{method}' is unknown; expected one of {', '.join(VALR_METHODS)}")
    return windows[method]


def _first_reached(vertical: Curve, level_bw: float, peak: Peak) -> float:
    """Return when the force first reaches a level on its way to the peak; NaN if it does not, or starts above it."""
    t, v = vertical.t_s, vertical.value_bw
    reached = np.flatnonzero((v >= level_bw) & (t <= peak.at_s + 1e-12))
    if not reached.size or reached[0] == 0:
        # the fallback at 13 % lies between samples: the first one above the level may come after it
        over = np.flatnonzero(v >= level_bw)
        if not over.size or over[0] == 0:
            return float("nan")
        reached = over[:1]
    k = int(reached[0])
    return float(t[k - 1] + (level_bw - v[k - 1]) / (v[k] - v[k - 1]) * (t[k] - t[k - 1]))


def _signed_areas(t: Floats, v: Floats) -> tuple[float, float]:
    """Return the areas of the parts below and above zero of a line through samples."""
    left, right, width = v[:-1], v[1:], np.diff(t)
    crossing = left * right < 0
    span = np.where(crossing, np.abs(left) + np.abs(right), 1.0)
    trapezium = 0.5 * (left + right) * width
    # where a line crosses zero it makes two triangles, whose areas go with the squares of their heights
    above = np.where(crossing, 0.5 * np.maximum(left, right) ** 2 / span * width, np.maximum(trapezium, 0.0))
    below = np.where(crossing, -0.5 * np.minimum(left, right) ** 2 / span * width, np.minimum(trapezium, 0.0))
    return float(below.sum()), float(above.sum())
