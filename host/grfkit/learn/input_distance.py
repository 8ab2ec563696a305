"""How far windows lie from those of training, all channels and their course together; no torch.

A test of one channel at a time (:mod:`~grfkit.learn.beyond`) sees wrong units. It does not see the other foot under a
foot's name, exchanged axes or another gait: each channel is then still within its own spread, and only their
combination is one that nobody of the training showed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..arrays import Floats
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .batches import Windows
from .input_strength import MADE_OTHERWISE

MOST_FEATURES = 600
"""Features of a window, at most: chosen by hand. 99 channels in 6 parts of the stance find what they find in 12."""
PARTS = (3, 12)
"""Fewest and most parts into which a stance is divided: chosen by hand."""
MOST_WINDOWS = 2000
"""Windows that the distance is fitted on, as many of everybody: chosen by hand, seconds for any set."""
GROUPS = 10
"""Groups of people left out for the limit (or as many as there are people): chosen by hand, as in cross-validation."""
EXPLAINED = 0.95
"""Share of the variance that the directions kept explain: chosen by hand; .90 and .98 find the same departures."""
MOST_DIRECTIONS = 40
"""Directions kept at most, so that the document stays below 100 kB."""
HELD_OUT = 0.975
"""Share of recordings of new people that are to lie within the limit; speed, contact time and mass have the rest of
the 5 % in which a right recording may be called outside."""
WINDOWS_WITHIN = 0.99
"""Share of single windows of new people that are to lie within the limit of a window."""
FEWEST_PEOPLE = 3
"""People without whom nothing is known of how much people differ."""
_NOTHING = 1e-6
"""A number below this is rounding."""
_OF_WINDOW = ("mean", "spread", "least", "greatest", "change")


class Packed(BaseModel):
    """An array in a document: little-endian numbers in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    shape: tuple[int, ...] = Field(max_length=2)
    kind: Literal["<f4", "<f2"]
    data: str

    @model_validator(mode="after")
    def _whole(self) -> Packed:
        held = len(base64.b64decode(self.data, validate=True))
        size = np.dtype(self.kind).itemsize
        if min(self.shape, default=1) < 0 or held != size * int(np.prod(self.shape, dtype=object)):
            raise ValueError(f"holds {held} bytes, expected {self.shape} numbers of {size}")
        return self

    @classmethod
    def of(cls, values: NDArray[Any], kind: Literal["<f4", "<f2"] = "<f4") -> Packed:
        """Return values packed as this kind of number."""
        content = np.ascontiguousarray(values, dtype=kind).tobytes()
        return cls(shape=values.shape, kind=kind, data=base64.b64encode(content).decode("ascii"))

    def values(self) -> Floats:
        """Return the values."""
        flat = np.frombuffer(base64.b64decode(self.data), dtype=self.kind)
        return np.asarray(flat.reshape(self.shape), dtype=np.float64)


class _Fit(NamedTuple):
    """Centre and size of every feature, main directions and the variance along each."""

    centre: Floats
    size: Floats
    directions: Floats
    variance: Floats


class InputDistance(BaseModel):
    """The distance of a window from training; 1 is the median of people left out of it.

    Windows are summarised (:func:`features`), standardised, and seen along the main directions of the training. Two
    numbers make the distance: the root mean square along these directions in units of the training's spread
    (Hotelling's T2), and that of what they leave over (the residual Q of process monitoring; Jackson & Mudholkar 1979,
    Technometrics 21, 341-349); each is divided by its median in people left out, then the root of their mean square.

    Attributes
    ----------
    parts
        Into how many a stance is divided; 0 for continuous windows.
    centre, size, directions, variance
        Of the training; ``directions`` has shape (directions, features) and is kept in half precision.
    typical
        Median of both numbers in people left out.
    limit
        Distance of a recording (the median of its windows) below which 97.5 % of the recordings of new people are
        expected: of the logarithm in people left out, mean and spread, by Student's t for as many people.
    window_limit
        Of a single window: 99 % of those of new people are expected within it, likewise.
    people
        How many were left out in turn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    parts: int = Field(ge=0)
    centre: Packed
    size: Packed
    directions: Packed
    variance: Packed
    typical: tuple[float, float]
    limit: float
    window_limit: float
    people: int

    @model_validator(mode="after")
    def _alike(self) -> InputDistance:
        count, of_window = self.centre.shape, self.directions.shape
        if len(of_window) != 2 or not (
            count == self.size.shape == of_window[1:] and self.variance.shape == of_window[:1]
        ):
            raise ValueError(f"directions have shape {of_window}, the centre has {count}")
        return self

    def of(self, data: StanceSet, channels: tuple[str, ...]) -> Floats:
        """Return the distance of every window, shape (windows,); NaN where no sample is known.

        Raises
        ------
        BadInputError
            If these are not as many channels as it was fitted on.
        """
        count = len(channels) * (self.parts or len(_OF_WINDOW))
        if self.centre.shape != (count,):
            raise BadInputError(
                f"the model's range knows {self.centre.shape[0]} features of its inputs, and its channels make {count}:"
                f" {MADE_OTHERWISE}"
            )
        fit = _Fit(self.centre.values(), self.size.values(), self.directions.values(), self.variance.values())
        parts = [_distance(fit, table, self.typical) for table in _tables(data, channels, self.parts)]
        return np.concatenate(parts) if parts else np.zeros(0)


def parts_of(points: int, channels: int) -> int:
    """Return into how many parts a stance is divided, so that features stay few."""
    return int(min(points, max(PARTS[0], min(PARTS[1], MOST_FEATURES // channels))))


def features(inputs: NDArray[Any], parts: int) -> Floats:
    """Return a summary of windows, shape (windows, features); NaN where nothing is known.

    Parameters
    ----------
    inputs
        Shape (windows, time, channels), NaN where missing.
    parts
        Of a stance: the mean of each of this many parts of it, channel by channel. 0, of continuous windows, which
        begin anywhere in a stride: mean, spread, least, greatest, and root mean square change of a channel.
    """
    x = np.asarray(inputs, dtype=np.float64)
    if parts:
        return np.concatenate([_mean(part) for part in np.array_split(x, parts, axis=1)], axis=1)
    known = np.isfinite(x)
    some = known.any(axis=1)
    mean = _mean(x)
    spread = np.sqrt(_mean((x - mean[:, None]) ** 2))
    least = np.where(some, np.where(known, x, np.inf).min(axis=1), np.nan)
    greatest = np.where(some, np.where(known, x, -np.inf).max(axis=1), np.nan)
    change = np.sqrt(_mean(np.diff(x, axis=1) ** 2)) if x.shape[1] > 1 else np.zeros_like(mean)
    return np.concatenate([mean, spread, least, greatest, change], axis=1)


def _mean(values: Floats) -> Floats:
    """Return the mean of what is known over time."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), dtype=np.float64)


def _tables(data: StanceSet, channels: tuple[str, ...], parts: int) -> Iterator[Floats]:
    windows = Windows(data, channels, (), (), memory_mb=0)
    for batch in windows.in_order():
        yield features(batch.inputs, parts)


def recordings_of(data: StanceSet) -> NDArray[np.object_]:
    """Return the recording of every window, by participant and trial."""
    pairs = zip(data.per_stance("participant"), data.per_stance("trial"))
    return np.asarray([f"{person}/{trial}" for person, trial in pairs], dtype=object)


def fit_input_distance(data: StanceSet, channels: tuple[str, ...], *, least: float = 0.0) -> InputDistance | None:
    """Return the distance from these windows, all of training; None of fewer than three people.

    A feature that varies by less than ``least`` in training counts as one that varies by so much.

    Of everybody at most as many windows are taken as of the others, evenly spread over theirs. Groups of people are
    left out in turn, the distance fitted on the others, and the limits taken from those left out.
    """
    if len(data.participants) < FEWEST_PEOPLE:
        return None
    data = data.where(_balanced(data))
    stance = str(data.data.attrs["window"]) == "stance"
    parts = parts_of(int(data.data.sizes["time"]), len(channels)) if stance else 0
    table = np.concatenate(list(_tables(data, channels, parts)))
    people, recordings = data.per_stance("participant"), recordings_of(data)
    pair = np.full((len(table), 2), np.nan)
    for group in np.array_split(np.asarray(data.participants), min(GROUPS, len(data.participants))):
        out = np.isin(people, group)
        pair[out] = _pair(_fit(table[~out], people[~out], len(channels), least), table[out])
    known = np.isfinite(pair).all(axis=1)
    if not known.any():
        return None
    first, second = (float(np.median(pair[known, k])) for k in (0, 1))
    if not first > _NOTHING:
        return None
    # where nothing is left over (few features), rounding must not become a distance
    typical = (first, second if second > _NOTHING else 1.0)
    away = _joined(pair, typical)
    fit = _fit(table, people, len(channels), least)
    # recordings of one person are alike: it is people that count
    count = len(np.unique(people[known].astype(str)))
    limit = _limit(_medians(away[known], recordings[known]), HELD_OUT, count)
    return InputDistance(
        parts=parts,
        centre=Packed.of(fit.centre),
        size=Packed.of(fit.size),
        directions=Packed.of(fit.directions, "<f2"),
        variance=Packed.of(fit.variance),
        typical=typical,
        limit=limit,
        window_limit=max(limit, _limit(away[known], WINDOWS_WITHIN, count)),
        people=len(data.participants),
    )


def _balanced(data: StanceSet) -> NDArray[np.bool_]:
    """Return which windows are taken: evenly spread over those of everybody."""
    people = data.per_stance("participant")
    each = max(2, MOST_WINDOWS // len(data.participants))
    taken = np.zeros(data.size, dtype=bool)
    for person in data.participants:
        rows = np.flatnonzero(people == person)
        taken[rows[np.unique(np.linspace(0, len(rows) - 1, min(each, len(rows))).round().astype(int))]] = True
    return taken


def _fit(table: Floats, people: NDArray[Any], channels: int, least: float) -> _Fit:
    """Return centre, size and main directions of a table of features, everybody counting alike."""
    _, index, counts = np.unique(people.astype(str), return_inverse=True, return_counts=True)
    weight = 1.0 / counts[index]
    weight /= weight.sum()
    known = np.isfinite(table)
    share = np.maximum(weight @ known, np.finfo(float).tiny)
    centre = weight @ np.where(known, table, 0.0) / share
    moved = np.where(known, table - centre, 0.0)
    variance = weight @ moved**2 / share
    # half the channel's own mean: a point at which nobody differs must not decide alone
    of_channel = np.tile(variance.reshape(-1, channels).mean(axis=0), len(variance) // channels)
    size = np.maximum(np.sqrt(0.5 * variance + 0.5 * of_channel), least)
    size = np.where(size > 0, size, np.inf)
    values, vectors = _main(moved / size * np.sqrt(weight)[:, None])
    enough = int(np.searchsorted(np.cumsum(values), EXPLAINED * values.sum())) + 1
    count = max(1, min(enough, MOST_DIRECTIONS, int((values > 1e-9 * max(values[0], 1e-300)).sum())))
    kept = vectors[:, :count]
    # a direction's sign is arbitrary: the largest component is made positive, for the same bytes everywhere
    kept = kept * np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(count)])
    return _Fit(centre, size, kept.T, np.maximum(values[:count], np.finfo(float).tiny))


def _main(rows: Floats) -> tuple[Floats, Floats]:
    """Return eigenvalues, largest first, and eigenvectors (columns) of ``rows' rows``, by the smaller of its forms."""
    if len(rows) < rows.shape[1]:
        _, singular, right = np.linalg.svd(rows, full_matrices=False)
        return singular**2, right.T
    values, vectors = np.linalg.eigh(rows.T @ rows)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def _pair(fit: _Fit, table: Floats) -> Floats:
    """Return both numbers of every window, shape (windows, 2): along the directions, and beside them."""
    known = np.isfinite(table)
    scaled = np.where(known, table - fit.centre, 0.0) / fit.size
    along = scaled @ fit.directions.T
    inside = np.sqrt((along**2 / fit.variance).mean(axis=1))
    beside = np.sqrt(np.maximum((scaled**2).sum(axis=1) - (along**2).sum(axis=1), 0.0) / table.shape[1])
    some = np.asarray(known.any(axis=1), dtype=bool)
    return np.where(some[:, None], np.stack([inside, beside], axis=1), np.nan)


def _joined(pair: Floats, typical: tuple[float, float]) -> Floats:
    ratio = pair / np.asarray(typical)
    return np.asarray(np.sqrt((ratio**2).mean(axis=1)), dtype=np.float64)


def _distance(fit: _Fit, table: Floats, typical: tuple[float, float]) -> Floats:
    return _joined(_pair(fit, table), typical)


def _medians(away: Floats, recordings: NDArray[Any]) -> Floats:
    """Return the median distance of each recording's windows."""
    names = np.unique(recordings.astype(str))
    return np.asarray([np.median(away[recordings == name]) for name in names], dtype=np.float64)


def _limit(away: Floats, share: float, people: int) -> float:
    """Return below what a share of new distances is expected, from those of this many people left out."""
    from scipy.special import stdtrit

    values = np.log(np.maximum(away, _NOTHING))
    factor = float(stdtrit(people - 1, share)) * np.sqrt(1 + 1 / people)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return float(np.exp(np.mean(values) + factor * spread))
