"""Landing and toe-off of a film's windows put right: by how much its contacts are early or late, learnt of plates.

A film's contacts are off the plates' by 13 ms (SD; the far foot's by 23), in part for reasons that the joints show. A
ridge regression learns that part from the training people, and windows are cut anew before the force is predicted: of
12 rendered walkers left out in turn, landings are then off by 11 ms (far foot 14), toe-offs by 13 (far foot 15).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ..arrays import Floats
from ..records.stance_set import StanceSet
from ..records.window_length import WINDOW, window_length_s
from .baseline_base import MOVES
from .moved_limits import moved
from .ridge import ridge_weights

ENDS = ("landing", "toe-off")
LOOKS_S: dict[str, tuple[float, float]] = {"landing": (-0.08, 0.16), "toe-off": (-0.16, 0.08)}
"""Time (s) about an end in which the joints are looked at: as far beyond it as windows of films go, and twice as far
into the stance. Chosen by hand."""
STEP_S = 0.02
"""Time (s) between two of these looks, about that between two pictures of a film of 60 Hz."""
PENALTY = 7.0
"""Of the regression, for each training window. Chosen on 12 rendered walkers left out in turn: a tenth of it makes
landings of the near foot worse by 1 to 2 ms (SD)."""
MOVED_S, COPIES = 0.012, 4
"""Training windows are moved by this SD (s), so many times, so that the joints tell where an end is, and not only by
how much films of these people were wrong; it is the SD by which near contacts of films are off."""
LARGEST_S = 0.05
"""Greatest time (s) by which an end is moved: inputs go .08 s beyond the contact. Chosen by hand."""
LOADED_BW = 0.05
"""Force (BW) at which a contact on plates begins and ends: that of the rule for walkers, ``5%BW``."""
FEWEST_PEOPLE, FEWEST_WINDOWS = 4, 16
"""People and windows below which nothing is learnt; chosen by hand."""
GROUPS = 5
"""Groups of people for each of whom training windows are put right by the others."""


class FilmEnd(BaseModel):
    """Regression of one end: features' centre and size, weights, and the mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    centre: tuple[float, ...]
    size: tuple[float, ...]
    weights: tuple[float, ...]
    mean_s: float

    @model_validator(mode="after")
    def _alike(self) -> Self:
        if not len(self.centre) == len(self.size) == len(self.weights):
            raise ValueError("centre, size and weights differ in length")
        if not all(size > 0 for size in self.size):
            raise ValueError("a size is not above 0")
        return self

    def late_s(self, features: Floats) -> Floats:
        """Return by how much an end should lie later (s), shape (windows,), of features (windows, n)."""
        scaled = np.nan_to_num((features - np.asarray(self.centre)) / np.asarray(self.size))
        late: Floats = np.clip(scaled @ np.asarray(self.weights) + self.mean_s, -LARGEST_S, LARGEST_S)
        return late


class FilmLimits(BaseModel):
    """By how much landing and toe-off of a film's windows are moved, by the joints around them.

    Attributes
    ----------
    channels
        That it looks at, in their order.
    landing, toe_off
        The regressions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    channels: tuple[str, ...] = Field(min_length=1)
    landing: FilmEnd
    toe_off: FilmEnd

    def shift_s(self, data: StanceSet) -> Floats:
        """Return by how much the landing and the toe-off of each window move (s), shape (2, windows)."""
        features = [_features(data, self.channels, end) for end in ENDS]
        return np.stack([end.late_s(f) for end, f in zip((self.landing, self.toe_off), features)])

    def put_right(self, data: StanceSet) -> tuple[StanceSet, Floats]:
        """Return the windows cut anew, and by how much their ends moved (s), shape (2, windows).

        Windows that plates or anything else but a film cut stay as they are.
        """
        if not of_film_contacts(data):
            return data, np.zeros((2, data.size))
        shift = self.shift_s(data)
        return moved(data, shift), shift


def fit_film_limits(data: StanceSet, channels: tuple[str, ...]) -> tuple[FilmLimits, StanceSet] | None:
    """Return what is learnt of training windows, and these windows as other people's would be put right.

    Each window is put right by what windows of other people tell, as those of a tested person are.

    Parameters
    ----------
    data
        Windows of training participants, cut by a film.
    channels
        That the model takes.

    Returns
    -------
    tuple
        None where windows are not cut by a film and do not go beyond their contact, or people or contacts on plates are
        too few.
    """
    if not of_film_contacts(data) or "vgrf" not in data.axes:
        return None
    known: NDArray[np.bool_] = np.asarray(np.isfinite(true_shift_s(data)).all(axis=0))
    learnt = data.where(known) if not known.all() else data
    if known.sum() < FEWEST_WINDOWS or len(learnt.participants) < FEWEST_PEOPLE:
        return None
    shift = np.zeros((2, data.size))
    people, learnable = data.per_stance("participant"), learnt.participants
    tables = _Tables.of(learnt, channels)
    for k in range(min(GROUPS, len(learnable))):
        out = learnable[k::GROUPS]
        rest = tables.fitted(~np.isin(tables.people, np.asarray(out)))
        tested = np.isin(people, out)
        shift[:, tested] = rest.shift_s(data.where(tested))
    return tables.fitted(np.ones(len(tables.people), dtype=bool)), moved(data, shift)


def of_film_contacts(data: StanceSet) -> bool:
    """Return whether windows are cut by a film's contacts and go beyond them."""
    if data.data.attrs["window"] != "stance" or str(data.data.attrs["cut"]) != "film":
        return False
    return WINDOW in {str(name) for name in data.data["scalar"].values}


def laid_back(forces: Floats, data: StanceSet, shift_s: Floats) -> Floats:
    """Return forces of windows that were cut anew at the times of the windows as they were; 0 beyond.

    Parameters
    ----------
    forces
        Shape (windows, time, axes).
    data
        The windows as they were.
    shift_s
        By how much each end was moved, shape (2, windows).
    """
    share = np.linspace(0.0, 1.0, forces.shape[1])
    begin, end = np.nan_to_num(shift_s / window_length_s(data))
    back = np.full_like(forces, np.nan)
    for i, curves in enumerate(forces):
        if np.isfinite(curves).all():
            at = (share - begin[i]) / (1.0 + end[i] - begin[i])
            back[i] = np.stack([np.interp(at, share, c, left=0.0, right=0.0) for c in curves.T], axis=1)
    return back


def true_shift_s(data: StanceSet) -> Floats:
    """Return by how much the plates' landing and toe-off lie later than a film's (s), shape (2, windows).

    NaN where the force around that end does not count, or the window holds no whole contact.
    """
    vertical = np.asarray(data.data["targets"].sel(axis="vgrf").values, dtype=np.float64)
    vertical = np.where(np.asarray(data.data["weight"].values) > 0, vertical, np.nan)
    lasts, contact = window_length_s(data), data.scalar("contact_s")
    ends = np.stack([_loaded(vertical), 1.0 - _loaded(vertical[:, ::-1])]) * lasts
    begin = (lasts - contact) / 2.0
    return ends - np.stack([begin, lasts - begin])


def _loaded(vertical: Floats) -> Floats:
    """Return the share of each window at which a force first reaches :data:`LOADED_BW`; NaN where it is not seen.

    Targets are 0 before the contact, so that the course within it is continued to the level.
    """
    found = np.full(len(vertical), np.nan)
    for i, force in enumerate(vertical):
        loaded = np.flatnonzero(force >= LOADED_BW)
        k = int(loaded[0]) if loaded.size else 0
        # a first sample that is loaded, or a neighbour that does not count: the contact's begin is not seen
        if k == 0 or k + 1 >= len(force) or not np.isfinite(force[k - 1 : k + 2]).all():
            continue
        slope = force[k + 1] - force[k]
        found[i] = k - (np.clip((force[k] - LOADED_BW) / slope, 0.0, 1.0) if slope > 0 else 0.5)
    return np.asarray(found / (vertical.shape[1] - 1))


def _features(data: StanceSet, channels: tuple[str, ...], end: str) -> Floats:
    """Return the channels at :data:`STEP_S` about an end, then the scalars, shape (windows, features)."""
    inputs = np.asarray(data.data["inputs"].sel(channel=list(channels)).values, dtype=np.float64)
    low, high = LOOKS_S[end]
    looks = np.arange(round((high - low) / STEP_S) + 1) * STEP_S + low
    lasts, contact = window_length_s(data), data.scalar("contact_s")
    at_s = (lasts - contact) / 2.0 + (contact if end == ENDS[1] else 0.0)
    last = inputs.shape[1] - 1
    # beyond the window its border stands
    at = np.clip(np.nan_to_num((at_s[:, None] + looks) / lasts[:, None]) * last, 0.0, last)
    below = np.minimum(at.astype(int), last - 1)
    part, rows = (at - below)[:, :, None], np.arange(data.size)[:, None]
    values = (1.0 - part) * inputs[rows, below] + part * inputs[rows, below + 1]
    return np.concatenate([values.reshape(data.size, -1), contact[:, None]], axis=1)


@dataclass(frozen=True)
class _Tables:
    """Features of both ends (each windows x features) of training windows and copies that were moved; their lateness.

    ``late_s`` is of shape (2, windows): by how much the plates' ends lie later.
    """

    channels: tuple[str, ...]
    people: NDArray[np.str_]
    features: tuple[Floats, ...]
    late_s: Floats

    @classmethod
    def of(cls, data: StanceSet, channels: tuple[str, ...]) -> _Tables:
        rng = np.random.default_rng(0)
        shifts = [np.zeros((2, data.size)), *rng.normal(0.0, MOVED_S, (COPIES, 2, data.size))]
        copies = [moved(data, shift) for shift in shifts]
        late = true_shift_s(data)
        return cls(
            channels,
            np.tile(data.per_stance("participant"), len(copies)),
            tuple(np.concatenate([_features(copy, channels, end) for copy in copies]) for end in ENDS),
            # an end that was moved to a later time is by so much less too early
            np.concatenate([late - shift for shift in shifts], axis=1),
        )

    def fitted(self, rows: NDArray[np.bool_]) -> FilmLimits:
        ends = [_fitted(features[rows], late[rows]) for features, late in zip(self.features, self.late_s)]
        return FilmLimits(channels=self.channels, landing=ends[0], toe_off=ends[1])


def _fitted(features: Floats, late_s: Floats) -> FilmEnd:
    centre, size = features.mean(axis=0), features.std(axis=0)
    still = ~(size > MOVES * (1.0 + np.abs(centre)))
    size[still] = 1.0
    scaled = (features - centre) / size
    scaled[:, still] = 0.0
    mean = float(late_s.mean())
    weights = next(ridge_weights(scaled, (late_s - mean)[:, None], (PENALTY * len(late_s),)))[:, 0]
    return FilmEnd(
        centre=tuple(centre.tolist()), size=tuple(size.tolist()), weights=tuple(weights.tolist()), mean_s=mean
    )
