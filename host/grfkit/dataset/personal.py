"""Facts of people as scalars of their windows: of the window's own leg, and of the other one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..arrays import Floats
from ..records.person import PERSONAL, Person, check_people
from ..records.stance_set import StanceSet, people_attribute


def with_people(data: StanceSet, people: Mapping[str, Person]) -> StanceSet:
    """Return a set whose windows hold :data:`~grfkit.records.person.PERSONAL` of the person each is of.

    Windows of left feet are turned into right ones, so that a leg's value is its window's own or the other's, never
    left or right. Participants of whom nothing is known, and windows of an unknown foot, hold NaN: training on such a
    scalar is refused, naming them.

    Parameters
    ----------
    people
        By participant.

    Raises
    ------
    BadInputError
        If two people's knees were measured by different methods.

    Examples
    --------
    >>> from grfkit import cut_windows, simulate_trial
    >>> from grfkit.dataset.personal import with_people
    >>> from grfkit.records.person import Person
    >>> trial = simulate_trial(seed=0, duration_s=20).on_true_clock(participant="P01")
    >>> windows = cut_windows(trial, source="force", kinds=("insole",))
    >>> bowed = Person(hka_left_deg=5.0, hka_right_deg=1.0, hka_method="stated", affected="left")
    >>> known = with_people(windows, {"P01": bowed})
    >>> [float(v) for v in sorted(set(known.scalar("hka_own")))]
    [1.0, 5.0]
    """
    check_people(people.items())
    persons, sides = data.per_stance("participant"), data.per_stance("side")
    nobody = Person()
    values = [people.get(p, nobody).scalars(s) for p, s in zip(persons, sides)]
    table: Floats = np.asarray([[row[name] for name in PERSONAL] for row in values], dtype=np.float64)
    others = [str(name) for name in data.data["scalar"].values if str(name) not in PERSONAL]
    scalars = np.concatenate([data.data["scalars"].sel(scalar=others).values, table.reshape(-1, len(PERSONAL))], axis=1)
    changed = data.data.drop_vars("scalars").drop_dims("scalar", errors="ignore")
    names = np.asarray([*others, *PERSONAL], dtype=object)
    changed = changed.assign_coords(scalar=("scalar", names)).assign(scalars=(("stance", "scalar"), scalars))
    known = {p: people[p] for p in data.participants if p in people}
    return StanceSet(changed.assign_attrs(people_attribute(known)))
