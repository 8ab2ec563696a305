"""A stated clock of a film held against its few contacts: one pass over plates aligns nothing, but may say no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..records import Recording
from ..signals.contacts import inside, nearest_onset_s
from ..signals.film_stream import side_view_of
from .contact_events import reference_train

NEAR_S = 0.15
"""Time (s) within which a landing in a film is that on a plate; chosen by hand: five SDs, a third of a quick step."""
STANCE_S = 0.7
"""Time (s) from a film's nearest landing beyond which the plates' contacts are no part of what it shows: a walker's
stance."""
FEWEST_MISSED = 2
"""Contacts on plates that a film should show and does not, from which on they contradict; one may be anything."""


def film_check(
    reference: Recording, group: Mapping[str, xr.Dataset], *, offset_s: float, sd_s: float | None, plates: bool
) -> tuple[Literal["contradicts", "doubtful"], str] | None:
    """Return what a film's landings and the plates' contacts say against a stated clock; None if nothing.

    Where the film shows the feet, contacts on plates have a landing. That they do says little: each step has one.

    Parameters
    ----------
    offset_s, sd_s
        The statement: reference minus film, and its SD where known.
    plates
        Whether the reference is separate plates, each for some contacts.
    """
    films = [stream for stream in group.values() if stream.attrs.get("kind") == "keypoints"]
    if not films:
        return None
    try:
        hits, _ = reference_train(reference.streams, plates=plates)
    except BadInputError:
        return None
    landings = side_view_of(films[0]).contacts().warped(offset_s, 1.0)
    if not hits.size or not landings.size:
        return None
    off_s = nearest_onset_s(landings, hits.onset_s)
    near_s = NEAR_S + 1.96 * (sd_s or 0.0)
    shown = inside(landings.covered_s, hits.onset_s)
    missed = int((shown & (off_s > near_s)).sum())
    if shown.any() and missed == shown.sum():
        words = (
            f"the film speaks against the given clock: where it shows the feet, {missed} of {missed} contacts on the"
            f" plates have no landing, the nearest is {off_s[shown].min():.2f} s away; correct the statement"
        )
        return ("contradicts" if missed >= FEWEST_MISSED else "doubtful"), words
    if not shown.any() and off_s.min() > STANCE_S + 1.96 * (sd_s or 0.0):
        words = (
            f"the film speaks against the given clock: on it the plates' contacts ({_span(hits.onset_s)} s) lie"
            f" {off_s.min():.2f} s and more from the film's landings ({_span(landings.onset_s)} s), more than a stance;"
            " check the statement"
        )
        return "doubtful", words
    return None


def _span(times: Floats) -> str:
    return f"{times[0]:.2f}" if times.size == 1 or times[0] == times[-1] else f"{times[0]:.2f} to {times[-1]:.2f}"
