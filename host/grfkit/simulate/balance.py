"""Forces that hold a body up: per-contact corrections that keep its centre of mass on a bounded path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..units import G
from .family import Person, Steps

_NODES = 48
"""Nodes of the Gauss-Legendre rule over a contact: dense at its ends, where the impact is. Chosen by hand."""
_SCALE_LIMITS = (0.3, 2.0)
"""Factors between which a contact's force is scaled, so that a contact beside a rest stays possible. Chosen by hand."""


@dataclass(frozen=True)
class Bout:
    """Contacts ``[first, end)`` without a rest; when standing ends before and begins after them (s), or None."""

    first: int
    end: int
    stood_until_s: float | None
    stands_from_s: float | None


@dataclass(frozen=True)
class Balance:
    """Corrections of a family's forces, per contact.

    Attributes
    ----------
    scale
        Factor on the whole force.
    lean_x, lean_y
        Share of the scaled vertical force added to the forward and leftward force.
    impulse_bw_s
        Vertical impulse after scaling.
    """

    scale: Floats
    lean_x: Floats
    lean_y: Floats
    impulse_bw_s: Floats

    def apply(self, force_bw: Floats, index: int) -> Floats:
        """Return a family's force (n, 3) of contact ``index`` as the lab uses it, in body weights."""
        force: Floats = force_bw * self.scale[index]
        force[:, 0] += self.lean_x[index] * force[:, 2]
        force[:, 1] += self.lean_y[index] * force[:, 2]
        return force


def impulses(person: Person, steps: Steps, indices: Sequence[int]) -> tuple[Floats, Floats]:
    """Return impulse (contacts, 3) in BW s and the centroid of the vertical one (s after onset)."""
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    # the rule's nodes lie in [-1, 1] and its weights sum to 2
    phase, share = (node + 1) / 2, weight / 2
    total, centre = np.zeros((len(indices), 3)), np.zeros(len(indices))
    for row, index in enumerate(indices):
        force = person.force_bw(steps, index, phase)
        mean = share @ force
        total[row] = mean * steps.contact_s[index]
        centre[row] = (share * force[:, 2]) @ phase / mean[2] * steps.contact_s[index]
    return total, centre


def balance(person: Person, steps: Steps, bouts: Sequence[Bout], *, slope_percent: float) -> Balance:
    """Return corrections under which the centre of mass neither rises, sinks nor drifts away.

    Within a bout each contact's vertical impulse is what carries the body ballistically to the next one, with
    half of any deviation in height taken back per step; over a bout the mean vertical force is body weight
    (times the cosine of the slope). Fore-aft and sideways the line of action leans a little.
    """
    count = steps.onset_s.size
    scale, lean_x, lean_y, impulse = np.ones(count), np.zeros(count), np.zeros(count), np.zeros(count)
    angle = np.arctan(slope_percent / 100)
    for bout in bouts:
        picked = range(bout.first, bout.end)
        if not len(picked):
            continue
        raw, centre = impulses(person, steps, picked)
        mid = steps.onset_s[bout.first : bout.end] + centre
        want = _vertical(mid, bout, G * float(np.cos(angle)))
        span = slice(bout.first, bout.end)
        scale[span] = np.clip(want / raw[:, 2], *_SCALE_LIMITS)
        impulse[span] = raw[:, 2] * scale[span]
        scaled = raw * scale[span, None]
        lean_x[span] = _forward(scaled, mid, float(np.sin(angle)))
        lean_y[span] = _sideways(scaled, mid)
    return Balance(scale, lean_x, lean_y, impulse)


def _vertical(mid: Floats, bout: Bout, gravity: float) -> Floats:
    """Return vertical impulses (BW s) that keep the height at each contact's centroid near zero."""
    gap = np.diff(mid)
    typical = float(np.median(gap)) if gap.size else 0.5
    ahead = np.append(gap, typical)
    want = np.empty(mid.size)
    started = bout.stood_until_s
    fall = typical / 2 if started is None else max(mid[0] - started, 0.0)
    velocity, height = -gravity * fall, 0.0
    # velocity after contact k = ballistic flight to the next one, less what takes back half of the height error
    for k in range(mid.size):
        leave = gravity * ahead[k] / 2 - 0.5 * height / ahead[k]
        if k == mid.size - 1 and bout.stands_from_s is not None:
            leave = gravity * (bout.stands_from_s - mid[k])
        # the change of velocity over the contact, which in BW s is its impulse
        want[k] = (leave - velocity) / G
        height += leave * ahead[k] - gravity * ahead[k] ** 2 / 2
        velocity = leave - gravity * ahead[k]
    return want


def _forward(scaled: NDArray[np.float64], mid: Floats, sine: float) -> Floats:
    """Return forward leans that hold speed and place against the slope, drawn back over some ten steps."""
    ahead = _ahead(mid)
    lean = np.empty(mid.size)
    velocity, place = 0.0, 0.0
    for k in range(mid.size):
        # a tenth of the way back per step; on a slope gravity's own pull until the next contact is met in advance
        leave = -0.1 * place / ahead[k] + 0.5 * G * sine * ahead[k]
        lean[k] = ((leave - velocity) / G - scaled[k, 0]) / scaled[k, 2]
        velocity = leave - G * sine * ahead[k]
        place += (leave + velocity) / 2 * ahead[k]
    return lean


def _sideways(scaled: NDArray[np.float64], mid: Floats) -> Floats:
    """Return sideways leans that leave the family's own sway and take back what drifts."""
    ahead = _ahead(mid)
    lean = np.empty(mid.size)
    # begun in the middle of the sway, so that the first push does not set the body drifting
    velocity, place = -G * scaled[0, 1] / 2, 0.0
    for k in range(mid.size):
        push = G * scaled[k, 1]
        correction = -0.5 * (velocity + push / 2) - 0.1 * place / ahead[k]
        lean[k] = correction / G / scaled[k, 2]
        velocity += push + correction
        place += velocity * ahead[k]
    return lean


def _ahead(mid: Floats) -> Floats:
    """Return the time (s) from each contact's middle to the next one's; the median for the last."""
    gap = np.diff(mid)
    return np.append(gap, float(np.median(gap)) if gap.size else 0.5)
