"""The windows by which methods are compared: some of everybody, thinned so that trials can still be balanced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..records.stance_set import StanceSet
from .balance import LEAST_STANCES, steady_trials, trials_of
from .kernel import spread

T = TypeVar("T")
MOST_WINDOWS = 1500
"""Windows by which is chosen, evenly spread over people: more of the same people hardly move the order of methods."""


def comparison_windows(data: StanceSet, most: int = MOST_WINDOWS) -> StanceSet:
    """Return at most ``most`` windows by which methods are compared.

    They are evenly spread over each person's. Where that leaves most trials with too few stances to be balanced
    (many people, or many trials of each), runs of :data:`~grfkit.learn.balance.LEAST_STANCES` neighbours are kept
    instead, of trials evenly spread over each person's; where even one run of everybody is too many, of people evenly
    spread over all.
    """
    evenly = spread(data, most)
    if evenly is data:
        return data
    steady = steady_trials(data)
    if 2 * len(steady_trials(evenly)) >= len(steady):
        return evenly
    people = _picked(data.participants, most // LEAST_STANCES)
    each = most // len(people) // LEAST_STANCES
    runs: dict[str, list[NDArray[np.int64]]] = {person: [] for person in people}
    of_person = data.per_stance("participant")
    for trial, rows in trials_of(data).items():
        if (person := str(of_person[rows[0]])) in runs:
            runs[person] += _runs(steady.get(trial, rows))
    kept = [run for of_one in runs.values() for run in _picked(of_one, each)]
    return StanceSet(data.data.isel(stance=np.sort(np.concatenate(kept))))


def _runs(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return neighbours in tens; of a trial of fewer, all. What is left at its end is no run of its own."""
    ends = range(LEAST_STANCES, len(rows) + 1, LEAST_STANCES)
    return [rows[end - LEAST_STANCES : end] for end in ends] or [rows]


def _picked(items: Sequence[T], most: int) -> list[T]:
    """Return at most ``most`` items, evenly spread."""
    places = np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int))
    return [items[int(place)] for place in places]
