"""Facts of people as inputs of a model: which of them it is given, and the control that gives everybody another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from ..errors import BadInputError
from ..records.person import PERSONAL
from ..records.stance_set import StanceSet
from .folds import stable_seed

Features = Literal["", "none", "alignment", "side", "both", "shuffled"]
FEATURES: tuple[str, ...] = get_args(Features)[1:]
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "alignment": ("hka_own", "hka_other"),
    "side": ("affected_own", "affected_other"),
    "both": PERSONAL,
    "shuffled": PERSONAL,
}
_PAIRS = (("hka_own", "hka_other"), ("affected_own", "affected_other"))
"""A leg's own value, and that of the other one."""
FEWEST_EXCHANGED = 2
"""People among whom features can be exchanged: nobody may keep their own."""


def columns_of(features: str) -> tuple[str, ...]:
    """Return the scalars that a choice of features gives a model.

    Raises
    ------
    BadInputError
        If there is no such choice.

    Examples
    --------
    >>> columns_of("alignment")
    ('hka_own', 'hka_other')
    """
    if features not in _COLUMNS:
        raise BadInputError(
            f"--features (features in Python) is '{features}', expected one of {', '.join(_COLUMNS)}: none, knee"
            " alignment, the affected side, both, or both of other people (a control)"
        )
    return _COLUMNS[features]


def with_features(statics: Sequence[str], features: str) -> tuple[str, ...]:
    """Return static inputs with those of a choice of features in place of any facts of people among them."""
    return (*(name for name in statics if name not in PERSONAL), *columns_of(features))


def facts_of(statics: Sequence[str]) -> tuple[str, ...]:
    """Return those of the static inputs that are facts of people."""
    return tuple(name for name in statics if name in PERSONAL)


def unvarying(data: StanceSet, names: Sequence[str]) -> tuple[str, ...]:
    """Return the features that are the same in every window: they can tell a model nothing."""
    return tuple(name for name in names if len(np.unique(data.scalar(name))) < FEWEST_EXCHANGED)


Values = dict[str, dict[str, tuple[float, ...]]]
"""By participant and side of the window: the values of the columns."""


def values_of(data: StanceSet, names: Sequence[str]) -> Values:
    """Return everybody's features by side of the window; a side without windows has those of the other, turned.

    Raises
    ------
    BadInputError
        If one participant has two values of one feature on one side.
    """
    people, sides = data.per_stance("participant"), data.per_stance("side")
    table = np.stack([data.scalar(name) for name in names], axis=1)
    found: Values = {}
    for person in data.participants:
        found[person] = {}
        for side in sorted(set(sides[people == person].tolist())):
            rows = np.unique(table[(people == person) & (sides == side)], axis=0)
            if len(rows) > 1:
                raise BadInputError(
                    f"participant '{person}' has two values of {', '.join(names)} on the {side} side; correct one"
                )
            found[person][side] = tuple(float(v) for v in rows[0])
        for side, other in (("left", "right"), ("right", "left")):
            if side not in found[person] and other in found[person]:
                found[person][side] = _turned(found[person][other], names)
    return found


def _turned(values: tuple[float, ...], names: Sequence[str]) -> tuple[float, ...]:
    """Return the values of the other leg's windows: what was the own leg's is the other one's."""
    by_name = dict(zip(names, values))
    partner = dict(_PAIRS) | {other: own for own, other in _PAIRS}
    return tuple(by_name[partner[name]] for name in names)


def derangement(people: Sequence[str], seed: int) -> dict[str, str]:
    """Return for everybody whose features they are given, never their own; the same people and seed, the same result.

    Drawn anew until nobody keeps their own, so that all such exchanges are equally likely.

    Raises
    ------
    BadInputError
        If there is nobody to exchange with.
    """
    names = sorted(people)
    if len(names) < FEWEST_EXCHANGED:
        raise BadInputError(
            "features are exchanged between people (the shuffled control), and the set has one; add people"
        )
    rng = np.random.default_rng(stable_seed("derangement", seed, *names))
    while True:
        order = rng.permutation(len(names))
        if not (order == np.arange(len(names))).any():
            return {name: names[k] for name, k in zip(names, order)}


def exchanged(data: StanceSet, names: Sequence[str], donors: Mapping[str, str], values: Values) -> StanceSet:
    """Return the set with the features of each participant's donor in place of their own.

    Parameters
    ----------
    donors
        By participant: of whom the values are.
    values
        Of :func:`values_of`, of all donors.
    """
    people, sides = data.per_stance("participant"), data.per_stance("side")
    scalars = [str(s) for s in data.data["scalar"].values]
    table = np.array(data.data["scalars"].values, dtype=np.float64)
    columns = [scalars.index(name) for name in names]
    for row, (person, side) in enumerate(zip(people.tolist(), sides.tolist())):
        of_donor = values[donors[person]]
        # a foot of unknown side has values of its own only where the donor has such windows, too
        table[row, columns] = of_donor.get(side, next(iter(of_donor.values())))
    changed = data.data.assign(scalars=(("stance", "scalar"), table))
    # facts of people no longer stand beside the scalars that they would contradict
    attrs: dict[Any, Any] = {k: v for k, v in changed.attrs.items() if k != "people"}
    changed.attrs = attrs
    return StanceSet(changed)


def check_known(data: StanceSet, names: Sequence[str]) -> None:
    """Refuse a set that does not hold the features, or not everybody's.

    Raises
    ------
    BadInputError
        Naming the feature, the participants and what to do.
    """
    from .batches import require_personal

    have = [str(s) for s in data.data["scalar"].values]
    lacking = [name for name in names if name not in have]
    if lacking:
        raise BadInputError(
            f"features {', '.join(lacking)} are wanted, and the windows hold no facts of people; state them for every"
            " participant (hka_left_deg, hka_right_deg, hka_method, affected: grf-sync --person FILE, or columns of a"
            " table), or leave out --features (features in Python)"
        )
    require_personal(data, names)
