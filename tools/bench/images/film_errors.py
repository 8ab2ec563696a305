"""What the error of an estimate from a film is made of: part of the stance, its limits, the person's own curve, pace.

Nothing is fitted here and nobody's figures change: errors that were made are divided. Putting limits right, or taking a
person's mean error away, needs the plates; it says what could be gained, not what can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grfkit.arrays import Floats

from ..harness import Rows

PARTS: tuple[tuple[str, float, float], ...] = (
    ("first fifth", 0.0, 0.2),
    ("middle", 0.2, 0.8),
    ("last fifth", 0.8, 1.0),
)
"""Parts of the contact on the plates, as shares of it: loading, support, unloading. Chosen by hand."""


@dataclass(frozen=True)
class Curves:
    """Vertical force of stances over their contact on the plates, BW.

    Attributes
    ----------
    measured, said, laid
        Shape (stances, time): the plates', the estimate's at the same times, and the estimate's from the landing to the
        toe-off that the film shows, laid on the plates' contact.
    people
        Of every stance.
    """

    measured: Floats
    said: Floats
    laid: Floats
    people: Sequence[str]

    @property
    def errors(self) -> dict[str, Floats]:
        """Return errors (BW): as they are, with the plates' limits, and without the person's mean error as well."""
        right = self.laid - self.measured
        people = np.asarray(self.people)
        own = np.stack([right[people == person].mean(axis=0) for person in people])
        return {"as it is": self.said - self.measured, "limits right": right, "person's mean error away": right - own}


def by_person(values: Floats, people: Sequence[str]) -> dict[str, float]:
    """Return the mean size of errors (stances, time) in % BW for each person."""
    who = np.asarray(people)
    return {str(p): float(100.0 * np.abs(values[who == p]).mean()) for p in np.unique(who)}


def parts_of(curves: Curves) -> dict[str, float]:
    """Return the mean over people of the error in each part of the contact, % BW."""
    share = np.linspace(0.0, 1.0, curves.measured.shape[1])
    error = curves.errors["as it is"]
    return {
        name: float(np.mean(list(by_person(error[:, (share >= low) & (share <= high)], curves.people).values())))
        for name, low, high in PARTS
    }


def made_of(curves: Curves, speeds: Mapping[str, float], about: Mapping[str, object]) -> Rows:
    """Return the errors divided: means over people (% BW), and a row for each person.

    Parameters
    ----------
    speeds
        Walking speed of each person, m/s.
    about
        Columns that stand before.
    """
    errors = {name: by_person(values, curves.people) for name, values in curves.errors.items()}
    whole = errors["as it is"]
    people = sorted(whole)
    fast = np.asarray([speeds[p] for p in people])
    off = np.asarray([whole[p] for p in people])
    bias = curves.errors["limits right"]
    who = np.asarray(curves.people)
    return {
        "mean": {
            **about,
            **{name: round(float(np.mean(list(of.values()))), 1) for name, of in errors.items()},
            **{name: round(value, 1) for name, value in parts_of(curves).items()},
            "r with speed": round(float(np.corrcoef(fast, off)[0, 1]), 2),
        },
        "people": [
            {
                **about,
                "person": person,
                "speed m/s": f"{speeds[person]:.2f}",
                "stances": int((who == person).sum()),
                **{name: f"{of[person]:.1f}" for name, of in errors.items()},
                "mean, signed": f"{100.0 * bias[who == person].mean():+.1f}",
            }
            for person in people
        ],
    }
