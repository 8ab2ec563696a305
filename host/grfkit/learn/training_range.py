"""What a model was trained on: speeds, contact times, masses, slopes, and a distance from its inputs; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..arrays import Floats
from ..dataset.from_pictures import of_pictures
from ..records.stance_set import StanceSet
from .input_distance import InputDistance, fit_input_distance, recordings_of
from .input_strength import STILL_WINDOWS, InputStrength, fit_input_strength
from .picture_summary import LEAST_VARIED, summarised, without_rare_blocks

OUTSIDE = "OUTSIDE TRAINING"
"""How a finding begins that says so."""
NAMED = 3
"""Channels at rest that are listed by name; the others are counted."""
UNLIKE = "inputs unlike those of training"
"""Flag of a stance that is further away than 99 % of those of people left out of the training."""


class _Scalar(NamedTuple):
    """A scalar in words, its unit, and the least margin: a share of the value, and in its own unit."""

    words: str
    unit: str
    share: float
    least: float


SCALARS = {
    "speed_m_s": _Scalar("speed", "m/s", 0.05, 0.1),
    "contact_s": _Scalar("contact time", "s", 0.05, 0.01),
    "mass_kg": _Scalar("body mass", "kg", 0.1, 1.0),
    "slope_percent": _Scalar("slope", "%", 0.0, 1.0),
    "input_strength": _Scalar("strength of the inputs", "times that of training", 0.05, 0.0),
}
"""What a recording is compared in; the least margins are chosen by hand, about what differs between measurements."""


WITHIN = 0.998
"""Share of new people expected on the right side of each end of a span: five scalars of two ends are 2 %, which with
the 2.5 % of the distance stays below 5 % of the recordings that are right."""
_MOST_LOG = 30.0
"""Greatest logarithm of an end: two people who differ say nothing of a third, and no number overflows."""
FEWEST_SPREAD = 2
"""People from whom a spread between people can be told."""


MOST_BEYOND = 1.5
"""Factor beyond the least and greatest of a training at which its kind ends for certain: chosen by hand. Of few people
one slow walker would let Student's t take four times the others' speed for theirs."""


class Span(BaseModel):
    """The values that a scalar has in the recordings of a training.

    Attributes
    ----------
    least, low, high, most
        Least, 5 %, 95 % and greatest of the recordings' medians.
    below, above
        Where the training's kind ends: 99.8 % of new people are expected above and below, by mean and spread of
        everybody's least and greatest and Student's t for as many people; never within least and most, nor (of positive
        values) further out than :data:`MOST_BEYOND` times.
    people
        How many people's values are known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    least: float
    low: float
    high: float
    most: float
    below: float
    above: float
    people: int

    def holds(self, value: float) -> bool:
        """Return whether a value is of the training's kind; one that is not known is."""
        below, above = self.below, self.above
        if self.least > 0:
            below, above = max(below, self.least / MOST_BEYOND), min(above, self.most * MOST_BEYOND)
        return not np.isfinite(value) or below <= value <= above

    def joined(self, other: Span) -> Span:
        """Return the span of both."""
        wider = {name: min(getattr(self, name), getattr(other, name)) for name in ("least", "low", "below")}
        wider |= {name: max(getattr(self, name), getattr(other, name)) for name in ("high", "most", "above")}
        return Span(**wider, people=max(self.people, other.people))


class Seen(NamedTuple):
    """Of some windows: scalars by name and distance, each (windows,) and NaN where unknown; and which channels rest.

    ``still`` has shape (windows, channels).
    """

    scalars: dict[str, Floats]
    distance: Floats
    still: NDArray[np.bool_]
    channels: tuple[str, ...]


class Departure(NamedTuple):
    """In what a recording lies outside training.

    Attributes
    ----------
    what
        A scalar's name, ``inputs``, or ``still``.
    value
        Of the recording: the median of its windows; of ``still`` the number of channels.
    low, high
        Least and greatest of the training; of the distance, 0 and its limit; of ``still`` 0.
    text
        All that in words.
    """

    what: str
    value: float
    low: float
    high: float
    text: str


class TrainingRange(BaseModel):
    """What the windows of a training had in common.

    Attributes
    ----------
    spans
        By scalar: those of :data:`SCALARS` that are known; the contact time of stance windows only.
    inputs
        Distance in the inputs; None where training had fewer than three people.
    strength
        How strong the inputs are, and how much each moves at least.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    spans: dict[str, Span]
    inputs: InputDistance | None = None
    strength: InputStrength | None = None

    def seen(self, data: StanceSet, channels: tuple[str, ...]) -> Seen:
        """Return what of these windows is compared with training; of pictures, their summary."""
        # as the fit took them: a training of whole films knew no stances
        data, channels = summarised(data, channels, phases="contact_s" in self.spans)
        unknown = np.full(data.size, np.nan)
        held = {str(s) for s in data.data["scalar"].values}
        scalars = {name: data.scalar(name) if name in held else unknown for name in self.spans}
        still = np.zeros((data.size, len(channels)), dtype=bool)
        if self.strength is not None:
            scalars["input_strength"], still = self.strength.of(data, channels)
        return Seen(scalars, unknown if self.inputs is None else self.inputs.of(data, channels), still, channels)

    def unlike(self, distance: float) -> bool:
        """Return whether one window's distance is beyond the limit of a window."""
        return self.inputs is not None and distance > self.inputs.window_limit

    def departures(self, parts: Sequence[Seen]) -> list[Departure]:
        """Return in what one recording lies outside training, given its windows (of one foot, or of each)."""
        found = []
        for name, span in self.spans.items():
            value = _median([part.scalars[name] for part in parts])
            if not span.holds(value):
                scalar = SCALARS[name]
                trained = f"{span.least:.3g} to {span.most:.3g}" if span.most > span.least else f"{span.least:.3g}"
                text = f"{scalar.words} {value:.3g} {scalar.unit}, trained on {trained}"
                found.append(Departure(name, value, span.least, span.most, text))
        away = _median([part.distance for part in parts])
        if self.inputs is not None and away > self.inputs.limit:
            text = (
                f"its inputs lie {away:.1f} times as far from those of training as people do who were left out of it"
                f" (limit {self.inputs.limit:.1f}): another gait or other people than those of training, or a wrong"
                " side, axis or unit"
            )
            found.append(Departure("inputs", away, 0.0, self.inputs.limit, text))
        return found + _still(parts)

    def joined(self, earlier: TrainingRange | None) -> TrainingRange:
        """Return the range with the spans of an earlier training of the same weights; the distance is the later's."""
        if earlier is None:
            return self
        both = set(self.spans) & set(earlier.spans)
        spans = {**earlier.spans, **self.spans} | {k: self.spans[k].joined(earlier.spans[k]) for k in sorted(both)}
        return self.model_copy(update={"spans": spans})


def _still(parts: Sequence[Seen]) -> list[Departure]:
    """Return the departure that names the channels of a foot that rest in most of its windows."""
    names = [
        channel
        for part in parts
        for channel, share in zip(part.channels, part.still.mean(axis=0) if len(part.still) else ())
        if share >= STILL_WINDOWS
    ]
    if not names:
        return []
    # a channel of both feet is named once
    alike = list(dict.fromkeys(names))
    listed = ", ".join(alike[:NAMED]) + (f" and {len(alike) - NAMED} more" if len(alike) > NAMED else "")
    text = f"{listed} hardly moving, as in no recording of training: dead, or another channel?"
    return [Departure("still", float(len(names)), 0.0, 0.0, text)]


def range_words(known: TrainingRange) -> list[str]:
    """Return what a training covered, a line for every scalar and one for the distance in the inputs."""
    lines = []
    for name, span in known.spans.items():
        if name == "input_strength":
            continue
        scalar = SCALARS[name]
        trained = f"{span.least:.3g} to {span.most:.3g}" if span.most > span.least else f"{span.least:.3g}"
        lines.append(f"Trained on {scalar.words} {trained} {scalar.unit} ({span.people} people)")
    if known.inputs is None:
        lines.append("Too few people for a distance in the inputs: another gait, side or unit is not noticed")
    else:
        lines.append(
            f"An estimate says `{OUTSIDE}` where a recording's inputs lie more than {known.inputs.limit:.1f} times as"
            f" far from these people's as each of {known.inputs.people} does when left out"
        )
    return lines


def finding_of(departures: Sequence[Departure]) -> list[str]:
    """Return the finding that names all departures of a recording; none where there are none."""
    return [f"{OUTSIDE}: {'; '.join(d.text for d in departures)}"] if departures else []


def fit_training_range(data: StanceSet, channels: tuple[str, ...]) -> TrainingRange:
    """Return the range of windows that are all of a training.

    Parameters
    ----------
    channels
        Inputs of the model; of pictures their summary is taken.
    """
    least = LEAST_VARIED if of_pictures(channels) else 0.0
    data, channels = summarised(data, channels)
    names = recordings_of(data)
    strength = fit_input_strength(data, channels, names)
    if least:
        strength = without_rare_blocks(strength)
    recordings = names.astype(str)
    first = {name: i for i, name in reversed(list(enumerate(recordings)))}
    people = data.per_stance("participant").astype(str)
    held = {str(s) for s in data.data["scalar"].values}
    if str(data.data.attrs["window"]) != "stance":
        held.discard("contact_s")
    known = {name: data.scalar(name) for name in SCALARS if name in held}
    known["input_strength"] = strength.of(data, channels)[0]
    spans = {}
    for name, values in known.items():
        scalar = SCALARS[name]
        of = [(people[i], _median([values[recordings == r]])) for r, i in sorted(first.items())]
        span = _span(of, scalar)
        if span is not None:
            spans[name] = span
    return TrainingRange(spans=spans, inputs=fit_input_distance(data, channels, least=least), strength=strength)


def _median(parts: Sequence[Floats]) -> float:
    values = np.concatenate(parts) if parts else np.zeros(0)
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _span(of: Sequence[tuple[str, float]], scalar: _Scalar) -> Span | None:
    """Return the span of recordings' values, each with its person; None where none is known."""
    known = [(person, value) for person, value in of if np.isfinite(value)]
    if not known:
        return None
    people = np.asarray([person for person, _ in known])
    values = np.asarray([value for _, value in known])
    each = [values[people == name] for name in np.unique(people)]
    least_margin = max(scalar.least, scalar.share * float(np.abs(values).max()))
    below = min(_expected([float(own.min()) for own in each], above=False), float(values.min()) - least_margin)
    above = max(_expected([float(own.max()) for own in each], above=True), float(values.max()) + least_margin)
    low, high = np.quantile(values, [0.05, 0.95])
    return Span(
        least=float(values.min()), low=float(low), high=float(high), most=float(values.max()),
        below=below, above=above, people=len(each),
    )  # fmt: skip


def _expected(values: Sequence[float], *, above: bool) -> float:
    """Return above (or below) what 0.2 % of new people's values are expected; of one person's, theirs.

    Positive values by their logarithms: the slow and heavy differ by more than the quick and light.
    """
    from scipy.special import stdtrit

    count = len(values)
    if count < FEWEST_SPREAD:
        return values[0]
    factor = float(stdtrit(count - 1, WITHIN)) * float(np.sqrt(1 + 1 / count)) * (1 if above else -1)
    positive = min(values) > 0
    scale = np.log(values) if positive else np.asarray(values)
    end = float(np.mean(scale) + factor * np.std(scale, ddof=1))
    return float(np.exp(min(end, _MOST_LOG))) if positive else end
