"""A trial's clocks for a person to look at: contacts on both sides, and how likely each place of a device is.

Times of a device under review are given as ``shift_s``: by how much it is moved from where the trial has it, on the
reference clock, to later if positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import stdtrit

from ..arrays import Floats
from ..calibrate.lags import Lag
from ..errors import BadInputError
from ..records import ClockMap, Segment, Trial
from ..signals.contacts import Contacts
from .contact_alignment import FEWEST_TO_MATCH, ContactPair
from .contact_events import LoadSignal, hides_feet, plate_loads, reference_train
from .device import best_reading, packaged_lags
from .device_pair import compared_contacts
from .fit import fit_anchors, segment_of
from .matching import RATE_PRIOR_PPM
from .rhythm import Rhythm, rhythm
from .score import match_and_score
from .search import SAME_LAG, Limits, search
from .settings import AlignSettings

START_STEP_S = 0.02
"""Distance (s) of the shifts that are tried: contacts match within 0.11 s, so that no place is passed over."""
LEAST_SD_S = 0.001
"""Least SD (s) of a place: no contact is timed better."""
MOST_PAIRS = 4_000_000
"""Shifts times contacts that are compared at once; more would take more memory than a laptop likes."""
SAME_ONSET_S = 1e-6
"""Distance (s) within which an onset that the page names is one that was detected: times travel as JSON."""
MOST_PLACES = 6
"""Places that a person is offered to look at."""
_CONFIDENCE, _NORMAL_95 = 0.975, 1.96
"""Upper quantile of a two-sided 95 % interval, and that quantile of the normal distribution in SDs."""


class ContactEdit(BaseModel):
    """A contact that a person moved, added or deleted.

    Attributes
    ----------
    on
        ``reference``, or ``device``.
    was_s
        Its detected onset (s) on that side's own clock; None for one that was added.
    now_s
        Where it was put; None for one that was deleted.
    foot
        Of an added one: 0 left, 1 right, -1 unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    on: Literal["reference", "device"]
    was_s: float | None = None
    now_s: float | None = None
    foot: Literal[-1, 0, 1] = -1

    @property
    def action(self) -> str:
        """Return ``moved``, ``added`` or ``deleted``."""
        return "added" if self.was_s is None else "deleted" if self.now_s is None else "moved"


@dataclass(frozen=True)
class Places:
    """Shifts at which the contacts fit, and how well each is known.

    Attributes
    ----------
    shift_s, sd_s, nats
        Shape (places,), in order of the shift; SD of the sensor's lag included.
    matched, possible
        Shape (places,): contacts that match, and that could.
    """

    shift_s: Floats
    sd_s: Floats
    nats: Floats
    matched: NDArray[np.int64]
    possible: NDArray[np.int64]

    def at(self, shift_s: Floats) -> Floats:
        """Return the log-likelihood (nats) of shifts: that of the nearest place, less the distance from it in its SDs.

        -inf where there is no place.
        """
        shifts = np.asarray(shift_s, dtype=np.float64)
        if not self.shift_s.size:
            return np.full(shifts.shape, -np.inf)
        z = (shifts[:, None] - self.shift_s[None, :]) / self.sd_s[None, :]
        return np.asarray((self.nats[None, :] - 0.5 * z**2).max(axis=1))


@dataclass(frozen=True)
class ReviewedClock:
    """One clock of a trial: its streams, its map, and the contacts that it is compared by.

    Attributes
    ----------
    streams
        Names of the streams on it.
    reference
        Names of the streams that it is compared with: plates, or, without any, those on the trial's own clock.
    pair
        Contacts of both sides on their own clocks; None where there are none to compare, ``why`` says why.
    loads
        The reference's loads.
    """

    streams: tuple[str, ...]
    reference: tuple[str, ...]
    clock_map: ClockMap
    pair: ContactPair | None
    loads: tuple[LoadSignal, ...]
    why: str = ""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Return the pieces of the map."""
        return tuple(self.clock_map.segments)

    @property
    def beat(self) -> Rhythm | None:
        """Return the rhythm of the contacts."""
        pair = self.pair
        return None if pair is None else rhythm(pair.reference, pair.train.contacts, plates=pair.plates)


def clocks_of(trial: Trial) -> list[ReviewedClock]:
    """Return the clocks of a trial that can be reviewed: streams with the same map share one.

    Raises
    ------
    BadInputError
        If the trial holds no stream whose clock was mapped.
    """
    groups: dict[str, list[str]] = {}
    maps, streams = trial.clock_maps, trial.streams
    for name, clock_map in maps.items():
        if clock_map.segments and name in streams:
            groups.setdefault(str([s.model_dump() for s in clock_map.segments]), []).append(name)
    if not groups:
        raise BadInputError(
            "the trial holds no device to review; of a refused alignment it holds one only if it was written with"
            " --accept-refused (accept_refused=True in Python)"
        )
    reference = {n: s for n, s in streams.items() if n.startswith("reference/")}
    if not reference:
        reference = {n: s for n, s in streams.items() if n not in maps and "clock_map" not in s.attrs}
    return [_clock(trial, reference, {n: streams[n] for n in names}, maps[names[0]]) for names in groups.values()]


def _clock(
    trial: Trial, reference: dict[str, xr.Dataset], streams: dict[str, xr.Dataset], clock_map: ClockMap
) -> ReviewedClock:
    names, settings = tuple(streams), settings_of(trial)
    own = {name: on_device_clock(stream) for name, stream in streams.items()}
    plates = any(name.startswith("reference/") for name in reference)
    loads = _loads(reference) if plates else ()
    pair: ContactPair | None
    try:
        if plates:
            pair = _beside_plates(reference, own, trial.tree.attrs.get("surface") == "overground", settings)
        else:
            pair = compared_contacts(reference, own, settings=settings, lags=packaged_lags())
    except BadInputError as error:
        return ReviewedClock(names, tuple(reference), clock_map, None, loads, str(error))
    if pair is None:
        why = "the first device sees one foot and this one both; exchange them to compare their contacts"
        return ReviewedClock(names, tuple(reference), clock_map, None, (), why)
    if clock_map.lag_source:
        pair = replace(pair, lag=Lag(clock_map.lag_s, clock_map.lag_sd_s, clock_map.lag_source))
    few = min(pair.reference.size, pair.train.contacts.size) < FEWEST_TO_MATCH
    why = f"fewer than {FEWEST_TO_MATCH} contacts on one side" if few else ""
    return ReviewedClock(names, tuple(reference), clock_map, None if few else pair, loads, why)


def _beside_plates(
    reference: dict[str, xr.Dataset], own: dict[str, xr.Dataset], plates: bool, settings: AlignSettings
) -> ContactPair:
    """Return the contacts of both sides."""
    contacts, loads = reference_train(reference, plates=plates)
    if not plates and hides_feet(loads):
        raise BadInputError("the reference is one force that is never at rest: it shows no single contact")
    return best_reading(contacts, reference, own, plates=plates, prior=None, settings=settings, lags=packaged_lags())[1]


def _loads(reference: dict[str, xr.Dataset]) -> tuple[LoadSignal, ...]:
    """Return the plates' loads, none where they hold no force."""
    try:
        return tuple(plate_loads(reference))
    except BadInputError:
        return ()


def on_device_clock(stream: xr.Dataset) -> xr.Dataset:
    """Return a trial's stream on the clock of its device."""
    moved: xr.Dataset = stream.assign_coords(time=("time", stream["time_device"].values, {"units": "s"}))
    return moved


def settings_of(trial: Trial) -> AlignSettings:
    """Return the settings that a trial was aligned with, the usual ones where it does not say."""
    try:
        return AlignSettings.model_validate(trial.provenance.configuration.get("settings", {}))
    except (ValidationError, KeyError):
        return AlignSettings()


def moved(segments: Sequence[Segment], shift_s: float) -> tuple[Segment, ...]:
    """Return the pieces of a map, each moved on the reference clock."""
    return tuple(s.model_copy(update={"offset_s": s.offset_s + shift_s}) for s in segments)


def edited(contacts: Contacts, edits: Sequence[ContactEdit], on: Literal["reference", "device"]) -> Contacts:
    """Return contacts with what a person moved, added and deleted on their side.

    Raises
    ------
    BadInputError
        If a contact that was to be moved or deleted is not there, or is put where that side recorded nothing.
    """
    for edit in edits:
        if edit.on == on and edit.now_s is not None and not _recorded(contacts, edit.now_s):
            raise BadInputError(f"the {on} recorded nothing at {edit.now_s:g} s; no contact can be there")
    onset, keep = contacts.onset_s.copy(), np.ones(contacts.size, dtype=bool)
    fresh = [e for e in edits if e.on == on and e.was_s is None and e.now_s is not None]
    for edit in edits:
        if edit.on != on or edit.was_s is None:
            continue
        index = int(np.argmin(np.abs(contacts.onset_s - edit.was_s))) if contacts.size else -1
        if index < 0 or abs(contacts.onset_s[index] - edit.was_s) > SAME_ONSET_S:
            raise BadInputError(f"there is no contact of the {on} at {edit.was_s} s to change")
        keep[index] = edit.now_s is not None
        onset[index] = onset[index] if edit.now_s is None else edit.now_s
    kept = replace(contacts, onset_s=onset).subset(keep)
    unknown = np.full(len(fresh), np.nan)
    together = Contacts(
        np.concatenate([kept.onset_s, [float(e.now_s or 0.0) for e in fresh]]),
        np.concatenate([kept.offset_s, unknown]),
        np.concatenate([kept.strength, unknown]),
        np.concatenate([kept.foot, np.asarray([e.foot for e in fresh], dtype=np.int64)]),
        kept.covered_s,
        {name: np.concatenate([values, unknown]) for name, values in kept.measures.items()},
    )
    return together.subset(np.argsort(together.onset_s, kind="stable"))


def _recorded(contacts: Contacts, at_s: float) -> bool:
    """Return whether a moment lies between the beginning and the end of what was recorded."""
    covered_s = np.asarray(contacts.covered_s)
    return bool(covered_s.size and covered_s.min() <= at_s <= covered_s.max())


def trains(
    clock: ReviewedClock, segments: Sequence[Segment], edits: Sequence[ContactEdit]
) -> tuple[Contacts, Contacts, NDArray[np.int64]]:
    """Return contacts of the reference and of the device, both on the reference clock, and the latter's places.

    The sensor's lag is taken off. Contacts of the device between two pieces of the map have no time and are left out:
    the places are those among all of the device's contacts.
    """
    assert clock.pair is not None
    pair = clock.pair
    reference, device = (
        edited(pair.reference, edits, "reference"),
        edited(pair.train.contacts, edits, "device").warped(-pair.lag.lag_s, 1.0),
    )
    clock_map = clock.clock_map.model_copy(update={"segments": list(segments)})
    onset = clock_map.apply(device.onset_s)
    placed = np.flatnonzero(np.isfinite(onset))
    covered = np.stack([clock_map.apply(device.covered_s[:, 0]), clock_map.apply(device.covered_s[:, 1])], axis=1)
    covered = covered[np.isfinite(covered).all(axis=1)]
    if not covered.size:
        covered = np.asarray([[onset[placed].min(), onset[placed].max()]]) if placed.size else np.zeros((0, 2))
    on_reference = replace(device, onset_s=onset, offset_s=clock_map.apply(device.offset_s), covered_s=covered)
    return reference, on_reference.subset(placed), placed


def places_about(clock: ReviewedClock, shift_s: float, half_s: float, edits: Sequence[ContactEdit] = ()) -> Places:
    """Return the places within ``half_s`` of a shift at which the device's contacts fit the reference's."""
    if clock.pair is None:
        return _no_places()
    reference, device, _ = trains(clock, clock.segments, edits)
    count = int(np.clip(MOST_PAIRS // max(reference.size, 1), 3, 2 * half_s / START_STEP_S + 1))
    return _places(clock, reference, device, shift_s + np.linspace(-half_s, half_s, count))


def best_places(clock: ReviewedClock, edits: Sequence[ContactEdit] = ()) -> Places:
    """Return the likeliest places of the whole recording, each another alignment, the likeliest first."""
    if clock.pair is None:
        return _no_places()
    reference, device, _ = trains(clock, clock.segments, edits)
    found = search(reference, device, Limits(None), plates=clock.pair.plates)
    if found is None:
        return _no_places()
    shifts: list[float] = []
    apart = SAME_LAG * found.beat.step_s
    for index in np.argsort(-found.log_likelihood, kind="stable"):
        if all(abs(found.lags_s[index] - other) > apart for other in shifts):
            shifts.append(float(found.lags_s[index]))
        if len(shifts) == MOST_PLACES:
            break
    places = _places(clock, reference, device, np.sort(np.asarray(shifts)))
    order = np.argsort(-places.nats, kind="stable")
    return Places(*(getattr(places, n)[order] for n in ("shift_s", "sd_s", "nats", "matched", "possible")))


def _places(clock: ReviewedClock, reference: Contacts, device: Contacts, starts: Floats) -> Places:
    pair, beat = clock.pair, clock.beat
    if pair is None or beat is None or min(reference.size, device.size) < FEWEST_TO_MATCH:
        return _no_places()
    matches, scores = match_and_score(
        reference, device, starts, beat, plates=pair.plates, rate=1.0, rate_prior_ppm=RATE_PRIOR_PPM
    )
    middle = _middle(reference, device, starts)
    shift = matches.offset_s + (matches.rate - 1.0) * middle
    matched = matches.inlier.sum(axis=1)
    sd = np.hypot(scores.residual_s / np.sqrt(np.maximum(matched, 1)), max(pair.lag.sd_s, LEAST_SD_S))
    order = np.argsort(shift, kind="stable")
    order = order[matched[order] >= FEWEST_TO_MATCH]
    possible = matches.possible.sum(axis=1)
    return Places(shift[order], sd[order], scores.total[order], matched[order], possible[order])


def _middle(reference: Contacts, device: Contacts, shift_s: Floats) -> Floats:
    """Return the middle (s) of what both sides cover at each shift, on the device's side."""
    first = np.maximum(reference.covered_s[0, 0] - shift_s, device.covered_s[0, 0])
    last = np.minimum(reference.covered_s[-1, 1] - shift_s, device.covered_s[-1, 1])
    return np.asarray((first + last) / 2.0)


def _no_places() -> Places:
    empty, none = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Places(empty, empty, empty, none, none)


@dataclass(frozen=True)
class EventFit:
    """A clock through the contacts that match about a place: its only piece, and its 95 % half-width (ms)."""

    segment: Segment
    uncertainty_ms: float
    matched: int


def fit_to_contacts(clock: ReviewedClock, shift_s: float, edits: Sequence[ContactEdit] = ()) -> EventFit:
    """Return the clock fitted through the contacts that match where the device is shown.

    Raises
    ------
    BadInputError
        If there are too few, or the clock is in several pieces.
    """
    pair, beat = clock.pair, clock.beat
    if pair is None or beat is None:
        raise BadInputError(f"there are no contacts to fit a clock to: {clock.why}")
    if len(clock.segments) != 1:
        raise BadInputError("this clock is in pieces, as samples were lost in between: it can be moved as a whole only")
    segment = moved(clock.segments, shift_s)[0]
    reference, device, placed = trains(clock, [segment], edits)
    matches, _ = match_and_score(
        reference, device, np.zeros(1), beat, plates=pair.plates, rate=1.0, rate_prior_ppm=RATE_PRIOR_PPM
    )
    used = matches.inlier[0] & (matches.partner[0] >= 0)
    if used.sum() < FEWEST_TO_MATCH:
        raise BadInputError(f"only {int(used.sum())} contacts match here; at least {FEWEST_TO_MATCH} are needed")
    anchors, fit = fit_anchors(
        reference,
        edited(pair.train.contacts, edits, "device").subset(placed),
        matches.partner[0],
        matches.inlier[0],
        lag_s=pair.lag.lag_s,
        start_s=segment.start_s,
        end_s=segment.end_s,
        rate=1.0 + 1e-6 * segment.drift_ppm,
        foot_s=float(matches.foot_s[0]),
    )
    quantile = float(stdtrit(max(int(anchors.kept.sum()) - 3, 1), _CONFIDENCE))
    spread_ms = 1e3 * float(np.hypot(quantile * fit.worst_sd_s, _NORMAL_95 * pair.lag.sd_s))
    return EventFit(segment_of(fit, segment.start_s, segment.end_s), spread_ms, int(used.sum()))


class Decision(BaseModel):
    """What a person decided on one clock, as it comes from the page or from code.

    Attributes
    ----------
    streams
        The streams on the clock.
    shift_s
        By how much it is moved from where the trial has it.
    fitted
        A clock fitted to contacts, in place of the trial's own; the shift is then from that.
    uncertainty_ms
        How sure the person is, 95 % half-width; None where nothing is stated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    streams: tuple[str, ...]
    accept: bool
    who: str = Field(min_length=1, max_length=80)
    when: str
    note: str = Field(default="", max_length=1000)
    shift_s: float = 0.0
    fitted: Segment | None = None
    uncertainty_ms: float | None = Field(default=None, gt=0.0)
    nats: float | None = None
    best_nats: float | None = None
    edits: tuple[ContactEdit, ...] = ()

    def configuration(self) -> dict[str, Any]:
        """Return the decision as provenance keeps it."""
        return self.model_dump(mode="json")
