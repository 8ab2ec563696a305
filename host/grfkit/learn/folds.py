"""Folds: who is trained on, who decides when to stop, who is tested; participants unless the name says it leaks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..records.participants import seen_among
from ..records.stance_set import StanceSet

Unit = Literal["participant", "trial", "window"]
LEAK_TRIAL = "other trials of the tested participant are in training"
LEAK_WINDOW = "other parts of the tested trial are in training"


class LeakError(BadInputError):
    """A participant would be both in what a model knows and in what it is tested on."""


@dataclass(frozen=True)
class Fold:
    """Names of the units in training, in early stopping (``inner``) and in the test; no unit is in two of them.

    Attributes
    ----------
    unit
        What is split: ``participant``; ``trial`` and ``window`` leak and need ``leaks`` to say so.
    leaks
        What is known of the tested participant before the test; empty for participants.
    """

    name: str
    train: tuple[str, ...]
    inner: tuple[str, ...]
    test: tuple[str, ...]
    unit: Unit = "participant"
    leaks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = (set(self.train), set(self.inner), set(self.test))
        twice = (parts[0] & parts[1]) | (parts[0] & parts[2]) | (parts[1] & parts[2])
        if twice:
            raise BadInputError(f"fold '{self.name}': {self.unit} {min(twice)} is in two of train, inner and test")
        if self.unit != "participant" and not self.leaks:
            raise BadInputError(f"fold '{self.name}' splits by {self.unit}, which leaks, but names no leak")

    def of(self, data: StanceSet, *parts: Literal["train", "inner", "test"]) -> StanceSet:
        """Return the windows of these parts; refuses if there is none."""
        names = [n for part in parts for n in getattr(self, part)]
        rows = np.isin(unit_keys(data, self.unit), names)
        if not rows.any():
            raise BadInputError(f"fold '{self.name}': the set holds no window of its {' or '.join(parts)} part")
        return data.where(rows)

    def keys(self, data: StanceSet) -> NDArray[np.str_]:
        """Return the name of the unit each window belongs to, shape (stances,)."""
        return unit_keys(data, self.unit)

    def seed(self, base: int) -> int:
        """Return the seed of this fold: of the base seed and the names of those tested, the same on every machine."""
        return stable_seed(base, self.unit, *sorted(self.test))

    def check(self, data: StanceSet) -> None:
        """Refuse data that holds anything of the test part, or anyone the fold does not name.

        Raises
        ------
        LeakError
            If a tested unit is in the data.
        BadInputError
            If a unit is in no part of the fold, or none of the training part is in the data.
        """
        units = set(unit_keys(data, self.unit).tolist())
        leaked = sorted(units & set(self.test))
        if leaked:
            raise LeakError(
                f"fold '{self.name}': {self.unit} {', '.join(leaked[:3])} is to be tested, but is in the set to train"
                " on; take it out of the set first (StanceSet.without, or Fold.of with train and inner)"
            )
        strangers = sorted(units - set(self.train) - set(self.inner))
        if strangers:
            raise BadInputError(
                f"fold '{self.name}': {self.unit} {', '.join(strangers[:3])} is in the set but in no part of the fold;"
                " make the folds from the whole set, or take these windows out"
            )
        if not units & set(self.train):
            raise BadInputError(f"fold '{self.name}': the set holds nothing of its training part")


def check_blind(fold: Fold, participants: Sequence[str], by: str) -> None:
    """Refuse if one of the tested is among the participants that something has seen; ``by`` names it.

    Raises
    ------
    LeakError
        If so, and the fold names no leak.
    """
    tested = seen_among(fold.test, participants) if fold.unit == "participant" else []
    if tested and not fold.leaks:
        raise LeakError(
            f"fold '{fold.name}': {by} has seen {', '.join(tested)}, who is to be tested; take one made without"
        )


def stable_seed(*parts: object) -> int:
    """Return a seed below 2**31 from any values, by SHA-256 of their text: the same in every process."""
    # a separator no name holds, so that ("a", "bc") and ("ab", "c") differ; Python's hash() changes with each process
    text = "\x1f".join(str(p) for p in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF


def unit_keys(data: StanceSet, unit: Unit) -> NDArray[np.str_]:
    """Return the name of the unit each window belongs to, shape (stances,).

    Raises
    ------
    BadInputError
        If windows are asked for and their starts are not known.
    """
    people = data.per_stance("participant")
    if unit == "participant":
        return people
    keys = [f"{p}/{t}" for p, t in zip(people, data.per_stance("trial"))]
    if unit == "window":
        starts = np.asarray(data.data["start_s"].values, dtype=np.float64)
        if not np.isfinite(starts).all():
            raise BadInputError("a split within trials needs start_s of every window, and some are not known")
        # windows of both feet may begin at the same time
        keys = [f"{k}/{s}/{t:.6f}" for k, s, t in zip(keys, data.per_stance("side"), starts)]
    return np.asarray(keys)


def _participants(data: StanceSet, least: int = 2) -> tuple[str, ...]:
    people = data.participants
    if len(people) < least:
        raise BadInputError(
            f"the set holds {len(people)} participant(s) ({', '.join(people)}), and a test on people not trained on"
            f" needs at least {least}; add participants, or name a split that leaks (leave_one_trial_out,"
            " within_trial)"
        )
    return people


def _inner(test: Sequence[str], others: Sequence[str], inner: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (train, inner): the inner ones by a hash of their and the tested names; at least one is left to train."""
    count = min(inner, max(len(others) - 1, 0))
    # the tested names take part, so that the inner ones differ from fold to fold
    order = sorted(others, key=lambda p: (stable_seed("inner", *sorted(test), p), p))
    return tuple(sorted(order[count:])), tuple(sorted(order[:count]))


def loso(data: StanceSet, *, inner: int = 1) -> tuple[Fold, ...]:
    """Return one fold per participant, tested on that one alone.

    Parameters
    ----------
    inner
        How many of the others decide when to stop; fewer where that would leave nobody to train on.

    Raises
    ------
    BadInputError
        If the set holds one participant only.
    """
    people = _participants(data)
    folds = []
    for person in people:
        train, stop = _inner([person], [p for p in people if p != person], inner)
        folds.append(Fold(f"loso:{person}", train, stop, (person,)))
    return tuple(folds)


def grouped_kfold(data: StanceSet, *, k: int, seed: int = 0, inner: int = 1) -> tuple[Fold, ...]:
    """Return ``k`` folds, each participant tested once, numbers per fold as equal as can be.

    Raises
    ------
    BadInputError
        If there are fewer participants than folds, or ``k`` is below 2.
    """
    people = _participants(data)
    if not 2 <= k <= len(people):
        raise BadInputError(f"k is {k} with {len(people)} participants; expected 2 to {len(people)}")
    order = sorted(people, key=lambda p: (stable_seed("kfold", seed, p), p))
    folds = []
    for i in range(k):
        # every k-th: sizes differ by one at most
        test = tuple(sorted(order[i::k]))
        train, stop = _inner(test, [p for p in people if p not in test], inner)
        folds.append(Fold(f"grouped_kfold:{i + 1}/{k}", train, stop, test))
    return tuple(folds)


def leave_one_trial_out(data: StanceSet, *, inner: int = 0) -> tuple[Fold, ...]:
    """Return one fold per trial; LEAKS where a participant has several trials, as its folds say.

    Raises
    ------
    BadInputError
        If there is one trial only.
    """
    trials = sorted(set(unit_keys(data, "trial")))
    if len(trials) < 2:
        raise BadInputError(f"the set holds one trial only ({trials[0]}); leave-one-trial-out needs two")
    folds = []
    for trial in trials:
        train, stop = _inner([trial], [t for t in trials if t != trial], inner)
        folds.append(Fold(f"leave_one_trial_out:{trial}", train, stop, (trial,), "trial", (LEAK_TRIAL,)))
    return tuple(folds)


def within_trial(data: StanceSet, *, shares: tuple[float, float] = (0.5, 0.25)) -> Fold:
    """Return one fold that cuts every trial in time: the first half trains, a quarter stops, the rest tests. LEAKS.

    Windows that overlap the border are in one part by their start; continuous windows should not overlap here.

    Parameters
    ----------
    shares
        Of windows in training and in ``inner``; what is left is the test (Bach 2022: 50/25/25).
    """
    keys, trials = unit_keys(data, "window"), unit_keys(data, "trial")
    starts = np.asarray(data.data["start_s"].values, dtype=np.float64)
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for trial in np.unique(trials):
        rows = np.flatnonzero(trials == trial)
        # cut in time, not at random: neighbouring windows are so alike that a random half would know the rest
        rows = rows[np.argsort(starts[rows], kind="stable")]
        ends = np.round(np.cumsum([0.0, *shares, 1.0 - sum(shares)]) * len(rows)).astype(int)
        for part, low, high in zip(parts, ends, ends[1:]):
            part += [str(k) for k in keys[rows[low:high]]]
    train, inner, test = (tuple(p) for p in parts)
    if not train or not test:
        raise BadInputError("no trial is long enough to be cut into training, inner and test windows")
    return Fold("within_trial", train, inner, test, "window", (LEAK_WINDOW,))
