"""Whether a recording lies outside what the model was trained on: its speed, contact time, mass, and its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..learn.spec import ModelSpec
from ..learn.training_range import UNLIKE, Departure, Seen
from ..records.stance_set import StanceSet
from .types import StanceRow

CONTACT = "contact time outside training"
"""Flag of a stance of a recording whose contact time is not that of the training."""


def seen_in(spec: ModelSpec, data: StanceSet) -> Seen | None:
    """Return what of these windows is compared with training; None of a model that does not know its range."""
    return None if spec.range is None else spec.range.seen(data, spec.scaler.channels)


def flag_unlike(
    spec: ModelSpec, seen: Seen | None, rows: Sequence[StanceRow], of_row: Sequence[int]
) -> list[StanceRow]:
    """Return the rows, those flagged whose window is unlike training.

    Parameters
    ----------
    of_row
        Row of every window of ``seen``.
    """
    flagged = list(rows)
    if seen is not None and spec.range is not None:
        for row, distance in zip(of_row, seen.distance):
            if spec.range.unlike(float(distance)):
                flagged[row] = replace(flagged[row], flags=(*flagged[row].flags, UNLIKE))
    return flagged


def departures_of(spec: ModelSpec, seen: Sequence[Seen | None]) -> tuple[Departure, ...]:
    """Return in what a recording lies outside training, given what is seen of each foot."""
    known = [part for part in seen if part is not None]
    return tuple(spec.range.departures(known)) if spec.range is not None and known else ()


def flag_contacts(spec: ModelSpec, departures: Sequence[Departure], rows: Sequence[StanceRow]) -> list[StanceRow]:
    """Return the rows; where the recording's contact time is outside training, those flagged whose own is, too."""
    if spec.range is None or not any(d.what == "contact_s" for d in departures):
        return list(rows)
    span = spec.range.spans["contact_s"]
    return [row if span.holds(row.contact_s) else replace(row, flags=(*row.flags, CONTACT)) for row in rows]
