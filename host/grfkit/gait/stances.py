"""Stances of a trial: when which foot stood, which stream shows it, and which contacts were rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arguments import as_path
from ..arrays import Floats, PathLike
from ..errors import BadInputError
from ..records import Trial
from ..signals.clocks import dejittered
from ..signals.contacts import Contacts, load_contacts
from ..signals.film_stream import side_view_of
from ..signals.impacts import impacts
from ..signals.landmark_contacts import landmark_contacts
from .causal import causal_settings
from .causal_record import as_counts, contact_times, contacts_causal
from .contacts import UNDERLOADED, ContactRule, ContactTimes, Rejection, counted, peak_loads, rule_of, underloaded
from .film_stances import FILM_DETECTOR, film_stances
from .lower_foot import lower_feet
from .plate_force import ContactSide, PlateContact, PlateForce
from .plate_hits import plate_contacts
from .standing_foot import foot_times, standing_foot
from .temporal import strides_of_foot

if TYPE_CHECKING:
    import pandas as pd

StanceSource = Literal["force", "insole", "insole_causal", "imu", "landmarks", "film"]
SOURCES: tuple[StanceSource, ...] = ("force", "insole", "insole_causal", "imu", "landmarks", "film")
_KINDS = {"insole_causal": "insole", "film": "keypoints"}
_SIDES = ("left", "right")
_LEAST_SPAN_COUNTS, _LEAST_SPAN_N, _LEAST_SPAN_SCALED = 64, 100.0, 1000
"""Load between flight and stance without which the causal detector reports no steps: counts, newtons, and of pressure
in the detector's integers. Chosen by hand: well above noise, far below a step."""
_STEPS_PER_N, _FULL_SCALE = 8.0, 1e5
"""The causal detector's integers: 1/8 N each, or a largest pressure of 100,000, which leaves it four bits to spare."""

_FEWEST_VOTES, _CLEAR_VOTE = 3, 0.8
"""Contacts on a belt whose foot a wearable shows, and the share of them that are one foot's, from which on the belt is
that foot's. Chosen by hand."""
_UNLOADED_PERCENT = 5.0
"""Percentile of a load that is its level in the air."""


@dataclass(frozen=True)
class Stance:
    """One stance: ``to_s`` is NaN where the source cannot see toe-off; ``plates`` are those that bore the foot."""

    ic_s: float
    to_s: float
    side: ContactSide
    source: str
    detector: str
    plates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stances:
    """The stances of a trial in order of contact, and the rejected contacts.

    Attributes
    ----------
    merged
        Number of stances of a foot across two plates, whose contacts were merged.
    """

    stances: tuple[Stance, ...]
    rejections: tuple[Rejection, ...]
    merged: int = 0

    def __repr__(self) -> str:
        """Return how many stances of which foot there are, by which detector, and what was rejected."""
        sides: Counter[str] = Counter(s.side for s in self.stances)
        feet = ", ".join(f"{sides[side]} {side}" for side in (*_SIDES, "unknown") if sides[side]) or "none"
        detector = f"; detector {self.stances[0].detector}" if self.stances else ""
        rejected = ", ".join(f"{n} {reason}" for reason, n in self.rejected.items())
        return f"Stances({len(self.stances)}: {feet}{detector}{f'; rejected: {rejected}' if rejected else ''})"

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per stance: ``ic_s to_s contact_s side source detector plates``."""
        import pandas as pd

        rows = [
            (s.ic_s, s.to_s, s.to_s - s.ic_s, s.side, s.source, s.detector, " + ".join(s.plates)) for s in self.stances
        ]
        return pd.DataFrame(rows, columns=["ic_s", "to_s", "contact_s", "side", "source", "detector", "plates"])

    @property
    def rejected(self) -> dict[str, int]:
        """Return how many contacts were rejected, by reason."""
        return counted(self.rejections)

    @property
    def times(self) -> ContactTimes:
        """Return the stances' times."""
        ic, to = np.asarray([s.ic_s for s in self.stances]), np.asarray([s.to_s for s in self.stances])
        name = self.stances[0].detector if self.stances else ""
        return ContactTimes(ic, to, name, self.rejections)

    @property
    def feet(self) -> NDArray[np.int64]:
        """Return the sides: 0 left, 1 right, -1 unknown."""
        return np.asarray([_SIDES.index(s.side) if s.side in _SIDES else -1 for s in self.stances], dtype=np.int64)


def stride_times(stances: Sequence[Stance]) -> dict[tuple[str, float], float]:
    """Return by side and contact (s) the time (s) to the next contact of that foot, NaN where it is not certain."""
    strides: dict[tuple[str, float], float] = {}
    for side in _SIDES:
        contacts = sorted(s.ic_s for s in stances if s.side == side)
        strides |= {(side, ic): float(t) for ic, t in zip(contacts, strides_of_foot(np.asarray(contacts)))}
    return strides


def find_stances(
    trial: Trial | PathLike, *, source: StanceSource = "force", rule: ContactRule | str = "20N"
) -> Stances:
    """Return the stances of a trial as one kind of its streams shows them.

    Parameters
    ----------
    trial
        A trial, or the path of its file.
    source
        ``force`` takes the reference's plates by ``rule``: on a treadmill whose plates both feet share, their sum; on
        two belts each by itself, where a foot on the other's belt is rejected; elsewhere plate by plate, where partial
        hits and two feet on one plate are rejected and a foot across two plates is one stance. ``insole`` is the
        detector that sees the whole record, ``insole_causal`` the one that a device can run. ``imu`` and ``landmarks``
        show initial contacts without toe-off, ``film`` both, of a walker or runner seen from the side.
    rule
        A contact rule or its name: ``20N``, ``10N`` or ``5%BW``, with the word ``walking`` behind it for a walker.

    Returns
    -------
    Stances
        The side is that of the plate or of the wearable. Where plates know no feet it is that of the insole that was
        loaded at the time, of the landmarks or the shoe that landed, or of the lower foot; on two belts else
        that of the belt, as it lies along the walk (belts carry the centre of pressure backward).

    Raises
    ------
    BadInputError
        If the trial has no stream of this kind, the source or rule is unknown, or the rule needs a mass that the
        trial does not state.

    Examples
    --------
    >>> from grfkit import find_stances, simulate_trial
    >>> trial = simulate_trial(seed=0, duration_s=20).on_true_clock()
    >>> find_stances(trial)
    Stances(63: 32 left, 31 right; detector 20N; rejected: 1 cut at the border)
    >>> by_insoles = find_stances(trial, source="insole_causal").to_pandas()
    >>> round(float(by_insoles["contact_s"].median()), 2)
    0.23
    """
    trial = trial if isinstance(trial, Trial) else Trial.from_netcdf(as_path(trial, what="a trial, or a Trial"))
    rule = rule_of(rule)
    if source not in SOURCES:
        raise BadInputError(f"source of stances '{source}' is unknown; expected one of {', '.join(SOURCES)}")
    return _force_stances(trial, rule) if source == "force" else _stances_by_wearables(trial, source, rule)


def _stances_by_wearables(trial: Trial, source: StanceSource, rule: ContactRule) -> Stances:
    """Return the stances that the wearables of one kind show, in order of contact."""
    kind = _KINDS.get(source, source)
    streams = _wearables(trial, kind)
    if not streams:
        names = ", ".join(name for name in trial.streams) or "nothing"
        raise BadInputError(f"the trial holds no {kind} stream to take stances from; it holds {names}")
    detected: list[Stance] = []
    turned: list[Rejection] = []
    for name, stream in streams.items():
        rows, rejected = _wearable_stances(name, stream, source, rule)
        detected += rows
        turned += rejected
    return Stances(tuple(sorted(detected, key=lambda s: s.ic_s)), tuple(sorted(turned, key=lambda r: r.start_s)))


def insole_total(stream: xr.Dataset) -> tuple[Floats, str]:
    """Return an insole's total load and its unit: its force, else pressure sum, else the sum of zones or cells.

    A cell that never reports counts as unloaded; a sample that any other cell misses is NaN.

    Raises
    ------
    BadInputError
        If the stream holds none of these.
    """
    for name in ("force", "pressure_sum"):
        if name in stream and np.isfinite(stream[name].values).any():
            return np.asarray(stream[name].values, dtype=np.float64), str(stream[name].attrs.get("units", ""))
    for start in ("zone_", "cell_"):
        cells = [stream[n] for n in stream.data_vars if str(n).startswith(start)]
        alive = [np.asarray(c.values, dtype=np.float64) for c in cells if np.isfinite(c.values).any()]
        if alive:
            return np.sum(alive, axis=0), str(cells[0].attrs.get("units", ""))
    raise BadInputError("an insole stream holds neither force nor pressure sum, zones or cells; nothing to cut by")


def _wearables(trial: Trial, kind: str) -> dict[str, xr.Dataset]:
    streams = {name: stream for name, stream in trial.streams.items() if stream.attrs.get("kind") == kind}
    return {n: s for n, s in streams.items() if kind == "landmarks" or not n.startswith("reference/")}


def _clock(stream: xr.Dataset) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a stream's times without jitter, and which rows have one."""
    time = np.asarray(stream["time"].values, dtype=np.float64)
    stamped = np.isfinite(time)
    return dejittered(time[stamped]), stamped


def _wearable_stances(
    name: str, stream: xr.Dataset, source: StanceSource, rule: ContactRule
) -> tuple[list[Stance], list[Rejection]]:
    if source == "film":
        whole, cut = film_stances(stream)
        return [Stance(s.ic_s, s.to_s, _side_name(s.foot), name, FILM_DETECTOR) for s in whole], cut
    if source == "insole_causal":
        times = causal_insole(stream, rule)
        side = _side(stream)
        rows = [Stance(float(a), float(b), side, name, times.detector) for a, b in zip(times.ic_s, times.to_s)]
        return rows, list(times.rejections)
    detector = {"insole": "load_contacts", "imu": "impacts", "landmarks": "landmark_contacts"}[source]
    rows = []
    for train in _foot_contacts(stream, source):
        for ic, to, foot in zip(train.onset_s, train.offset_s, train.foot):
            rows.append(Stance(float(ic), float(to), _side_name(int(foot)), name, detector))
    return rows, []


def causal_insole(stream: xr.Dataset, rule: ContactRule) -> ContactTimes:
    """Return the contacts that :func:`~grfkit.gait.causal_record.contacts_causal` finds in an insole stream.

    Counts are searched as they are, loads in newtons in steps of 1/8 N, pressures scaled to a largest value of 100,000.
    A shoe that presses on the foot in the air can look like steps; such contacts are rejected (:data:`UNDERLOADED`)
    where the record shows steps of more than twice their load.
    """
    time, stamped = _clock(stream)
    load, unit = insole_total(stream)
    per_unit = (
        1.0
        if unit == "count"
        else _STEPS_PER_N
        if unit == "N"
        else _FULL_SCALE / max(float(np.nanmax(np.abs(load))), 1e-9)
    )
    rate = float(stream.attrs["rate_hz"])
    span = (
        _LEAST_SPAN_COUNTS
        if unit == "count"
        else round(_LEAST_SPAN_N * per_unit)
        if unit == "N"
        else _LEAST_SPAN_SCALED
    )
    settings = causal_settings(rate, source="insole", least_span=span)
    events = contacts_causal(as_counts(load[stamped], per_unit=per_unit), rate, settings)
    contacts = contact_times(events, time, settings, shortest_s=rule.shortest_s, longest_s=rule.longest_s)
    return _without_underloaded(contacts, time, load[stamped])


def _without_underloaded(contacts: ContactTimes, time: Floats, load: Floats) -> ContactTimes:
    """Reject contacts that bear far less than the foot's steps."""
    if contacts.ic_s.size == 0:
        return contacts
    # above the level in the air: with an offset in it a press and a step would differ too little
    above = peak_loads(load, time, contacts.ic_s, contacts.to_s) - np.nanpercentile(load, _UNLOADED_PERCENT)
    loaded = ~underloaded(above)
    turned = [
        Rejection(float(a), float(b), UNDERLOADED) for a, b in zip(contacts.ic_s[~loaded], contacts.to_s[~loaded])
    ]
    rejections = tuple(sorted((*contacts.rejections, *turned), key=lambda r: r.start_s))
    return replace(contacts, ic_s=contacts.ic_s[loaded], to_s=contacts.to_s[loaded], rejections=rejections)


def _foot_contacts(stream: xr.Dataset, source: str) -> list[Contacts]:
    """Return the contacts of each foot that a wearable's stream shows."""
    time, stamped = _clock(stream)
    if source == "insole":
        return [load_contacts(time, insole_total(stream)[0][stamped], foot=_foot(stream))]
    if source == "imu":
        names = [n for n in ("acc_x", "acc_y", "acc_z") if n in stream and np.isfinite(stream[n].values).any()]
        if not names:
            return []
        return [
            impacts(time, np.stack([stream[n].values[stamped] for n in names], axis=1), foot=_foot(stream)).contacts
        ]
    if source == "keypoints":
        return [side_view_of(stream).contacts()]
    marks = [str(n) for n in stream["position"]["landmark"].values]
    return landmark_contacts(time, np.asarray(stream["position"].values)[stamped], marks)


def _force_stances(trial: Trial, rule: ContactRule) -> Stances:
    plates = [PlateForce.of(n, s) for n, s in trial.streams.items() if s.attrs.get("kind") == "force_plate"]
    if not plates:
        raise BadInputError("the trial holds no force plate; take stances from 'insole', 'imu' or 'landmarks'")
    mass = float(trial.tree.attrs.get("mass_kg", float("nan")))
    belt = str(trial.tree.attrs.get("surface", "")) == "treadmill"
    contacts, turned = plate_contacts(plates, rule, mass_kg=mass, treadmill=belt)
    sides = _sides_of(trial, contacts)
    if belt:
        sides = _sides_of_belts(contacts, sides)
    rows = [Stance(c.ic_s, c.to_s, s, " + ".join(c.plates), rule.name, c.plates) for c, s in zip(contacts, sides)]
    return Stances(tuple(rows), tuple(turned), sum(c.across for c in contacts))


def _sides_of_belts(contacts: list[PlateContact], sides: list[ContactSide]) -> list[ContactSide]:
    """Return the sides, unknown ones on a belt filled in: by its other contacts, else by where the belts lie."""
    votes: dict[str, Counter[ContactSide]] = {}
    for contact, side in zip(contacts, sides):
        if len(contact.plates) == 1:
            votes.setdefault(contact.plates[0], Counter())[side] += side != "unknown"
    # both feet step on a belt that is the only one
    if len(votes) != 2:
        return sides
    feet = {plate: _majority(count) for plate, count in votes.items()}
    if sorted(feet.values()).count("unknown") == 1:
        other: ContactSide = "right" if "left" in feet.values() else "left"
        feet = {plate: other if foot == "unknown" else foot for plate, foot in feet.items()}
    contradicted = any(c.deduced and feet[c.plates[0]] not in (c.side, "unknown") for c in contacts)
    filled: list[ContactSide] = []
    for contact, side in zip(contacts, sides):
        belt = feet[contact.plates[0]] if len(contact.plates) == 1 else "unknown"
        deduced = contact.side if contact.deduced and not contradicted else "unknown"
        filled.append(next((s for s in (side, belt, deduced) if s != "unknown"), "unknown"))
    return filled


def _majority(votes: Counter[ContactSide]) -> ContactSide:
    """Return the foot that most of a belt's contacts were, unknown where the feet alternate or few are known."""
    side, count = max(votes.items(), key=lambda vote: vote[1])
    return side if count >= max(_FEWEST_VOTES, _CLEAR_VOTE * sum(votes.values())) else "unknown"


def _sides_of(trial: Trial, contacts: list[PlateContact]) -> list[ContactSide]:
    """Return which foot each contact was: as its plate states, else by insoles, landmarks or shoe IMUs, in turn."""
    # insoles first: they show how long a foot stood, landmarks and shoe IMUs only when it landed
    sides: list[ContactSide] = ["unknown" if c.deduced else c.side for c in contacts]
    for kind in ("insole", "landmarks", "keypoints", "imu"):
        if "unknown" not in sides:
            break
        trains = [t for s in _wearables(trial, kind).values() for t in _foot_contacts(s, kind)]
        feet = [foot_times(trains, foot) for foot in (0, 1)]
        for k, contact in enumerate(contacts):
            if sides[k] == "unknown":
                sides[k] = _side_name(standing_foot(contact, *feet, overlap=kind == "insole"))
    if "unknown" in sides:
        lower = lower_feet(_wearables(trial, "landmarks").values(), [(c.ic_s, c.to_s) for c in contacts])
        sides = [_side_name(foot) if side == "unknown" else side for side, foot in zip(sides, lower)]
    return sides


def _foot(stream: xr.Dataset) -> int:
    side = str(stream.attrs.get("side", ""))
    return _SIDES.index(side) if side in _SIDES else -1


def _side(stream: xr.Dataset) -> ContactSide:
    return _side_name(_foot(stream))


def _side_name(foot: int) -> ContactSide:
    return "left" if foot == 0 else "right" if foot == 1 else "unknown"
