"""What event-level trials over plates know beside times: the course of each contact, and which foot hit a plate.

Drawn as the estimator finds them in whole recordings of the virtual lab (both families, 118 bouts of tuning seeds).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grfkit.arrays import Floats
from grfkit.signals.contacts import Contacts
from grfkit.signals.hit_feet import PASS_GAP_S
from grfkit.simulate.noise import ar1

from .events import EventTable

_CORRELATION = {"insole": {"peak": (0.0, 0.95), "loading_rate": (0.0, 0.9)}, "imu": {"loading_rate": (0.1, 0.98)}}
"""Correlation of a device's measure with the plates' over one bout, whole hits alone; uniform, once a bout."""
_PARTIAL_SHARE, _PARTIAL_SDS = 0.08, 15.0
"""Share of hits beside whose plate part of the foot is, and how many SDs of a measure are missing there at most."""
_UNLABELLED_BOUTS, _UNLABELLED_PASSES, _WRONG_PASSES = 0.06, 0.15, 0.005
"""Share of bouts and of passes whose feet the plates do not tell, and of passes labelled the other way round: of 518
labels none was wrong."""


@dataclass(frozen=True)
class EventCourses:
    """The measures of every true contact, and what plates and device see of them.

    Attributes
    ----------
    plates, device
        By name, shape (true contacts,).
    """

    plates: dict[str, Floats]
    device: dict[str, Floats]


def draw_courses(seed: int, wearable: str, count: int) -> EventCourses:
    """Return the measures of ``count`` contacts; 30 % of their variance goes on from step to step."""
    rng = np.random.default_rng([seed, 1])
    plates, device = {}, {}
    for name, (low, high) in _CORRELATION[wearable].items():
        true = 0.84 * rng.normal(0, 1, count) + 0.55 * ar1(rng, count, 0.8) if count else np.zeros(0)
        r = float(rng.uniform(low, high))
        partial = (rng.random(count) < _PARTIAL_SHARE) * rng.uniform(0, _PARTIAL_SDS, count)
        plates[name] = true - partial
        device[name] = r * true + np.sqrt(1 - r**2) * rng.normal(0, 1, count)
    return EventCourses(plates, device)


def measured(train: Contacts, table: EventTable, values: dict[str, Floats]) -> Contacts:
    """Return the contacts of a table with their measures, NaN for spurious ones."""
    source = table.source[np.argsort(table.onset_s, kind="stable")]
    known, safe = source >= 0, np.clip(source, 0, None)
    return replace(train, measures={name: np.where(known, v[safe], np.nan) for name, v in values.items() if v.size})


def labelled(seed: int, train: Contacts, table: EventTable, left: np.ndarray) -> Contacts:
    """Return the plates' contacts with feet, pass by pass, as their places on the plates tell them."""
    rng = np.random.default_rng([seed, 2])
    source = table.source[np.argsort(table.onset_s, kind="stable")]
    lap = np.cumsum(np.diff(train.onset_s, prepend=-np.inf) > PASS_GAP_S)
    drawn = rng.random(int(lap.max(initial=0)) + 1)[lap]
    foot = np.where(left[np.clip(source, 0, None)], 0, 1)
    foot = np.where(drawn < _WRONG_PASSES, 1 - foot, foot)
    unknown = (source < 0) | (drawn > 1 - _UNLABELLED_PASSES) | (rng.random() < _UNLABELLED_BOUTS)
    return replace(train, foot=np.where(unknown, -1, foot).astype(np.int64))
