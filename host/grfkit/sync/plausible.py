"""Doubts about what a user states of a trial: mass, speed, slope and surface against the forces that were recorded.

Nothing is corrected and nothing refused: a doubt is told, and stands in the trial.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Floats
from ..calibrate.vertical import force_channels, vertical_force
from ..errors import BadInputError
from ..io.doubts import LOADED, LOADS, doubts, shows_steps
from ..io.plate_doubts import STEP_S
from ..records import Recording
from ..signals.runs import true_runs
from ..units import G
from .joined_files import pairing_doubts
from .request import SyncRequest

WALKING_STANCE_S = 0.42
"""Contact time (s) above which a person walks; chosen by hand between a run's 0.2 to 0.35 s and a walk's 0.5 s."""
WALKING_LOAD_BW, RUNNING_LOAD_BW = (0.5, 1.5), (0.7, 3.2)
"""Mean load of a contact (BW) where the mass is right: a walk's is .8 to .95 on one foot and 1 on a belt under both, a
run's 1.2 (slow) to 2.3 (sprint). A mass in pounds taken for kilograms makes .4 of a walk's, a force in lbf .2."""
BELT_LOAD_BW = (0.7, 1.4)
"""Mean load (BW) of a belt or plates that someone never leaves: 1 by the laws of motion; a fifth of gain is allowed."""
NEVER_AT_REST, WALK_VARIES, WALK_RECORD_S = 0.5, 0.06, 10.0
"""Share of its mean that such a load keeps for 95 % of the time (a walk .7), its SD as a share of it in a walk (.15;
standing .02), and the length (s) of record that shows it; chosen by hand."""
FASTEST_WALK_M_S = 3.2
"""Speed (m/s) above which people run: 11.5 km/h, of racing walkers alone; a walk of 1 m/s in km/h is 3.6."""
INSOLE_LOAD_BW = (0.2, 4.0)
"""The same by an insole, which may measure half of a load or twice it; chosen by hand."""
STANCE_TRAVEL_M = (0.12, 1.5)
"""Way (m) of the body over a foot on the ground, speed times contact time: .25 of a slow walk to 1.1 of a sprint or a
fast walk, as a leg is .9 m long. A run's speed in km/h taken for m/s makes 2.2 and more."""
USUAL_SPEED_M_S = 7.0
"""Speed (m/s, 25 km/h) above which it is doubted where no contact time shows it; chosen by hand: sprints alone."""
USUAL_SLOPE_PERCENT = 30.0
"""Slope (percent, either way) above which it is doubted; chosen by hand: 17 degrees, above usual treadmills' 25 %."""
TREADMILL_CONTACTS, TREADMILL_REGULAR = 15, 0.8
"""Contacts on one plate, and the share of their intervals within a quarter of the median, that look like a treadmill:
over floor plates a person passes once in some seconds; chosen by hand."""
FLOOR_CONTACTS, FLOOR_RECORD_S = 3, 10.0
"""Contacts on the plate that saw the most, and the length (s) of record from which on so few are no treadmill's."""


@dataclass(frozen=True)
class _Contacts:
    """Contacts of one foot's or plate's load: their mean load (unit of the load), start and length (s)."""

    name: str
    load: Floats
    start_s: Floats
    length_s: Floats
    record_s: float


def input_doubts(
    request: SyncRequest, reference: Recording, wearables: Sequence[Recording], doctor: Sequence[Mapping[str, Any]] = ()
) -> tuple[str, ...]:
    """Return what is doubtful about the recordings' units, and about what the request states of the trial.

    Parameters
    ----------
    reference
        As it is aligned to: examined and corrected.
    doctor
        Findings about its plates; a mass that is doubted there is not doubted twice.
    """
    told = [doubt for recording in (reference, *wearables) for doubt in doubts(recording)]
    told += pairing_doubts(wearables)
    plates = list(_plate_contacts(reference))
    belt = None if plates else _never_left(reference)
    if request.mass_stated_kg is not None:
        if not any(row["code"] == "mass" and row["severity"] != "info" for row in doctor):
            told += _mass(plates, request.mass_stated_kg, "plates")
            told += _belt_mass(belt, request.mass_stated_kg) if request.surface == "treadmill" else []
        for recording in (reference, *wearables):
            told += _mass(list(_insole_contacts(recording)), request.mass_stated_kg, "insoles")
    told += _speed(request.speed_m_s, plates, walks=belt is not None and belt.varies)
    if request.slope_percent is not None and abs(request.slope_percent) > USUAL_SLOPE_PERCENT:
        degrees = np.rad2deg(np.arctan(request.slope_percent / 100))
        told.append(
            f"the slope is stated as {request.slope_percent:g} percent, which are {degrees:.0f} degrees: check it"
        )
    told += _surface(request.surface, plates)
    if request.prior_offset_s is not None and request.reference is not None and len(wearables) > 1:
        told.append(
            f"the prior (--prior-offset {request.prior_offset_s:g} s, SD {request.prior_sd_s:g} s) was taken for the"
            f" clocks of all {len(wearables)} wearables, which is right only if they began together: if not, align each"
            " alone"
        )
    if belt is not None and belt.varies and request.surface == "overground":
        told.append(
            f"the plates are never at rest in {belt.record_s:.0f} s of stepping, as one belt of a treadmill is: is the"
            " surface a treadmill (--surface treadmill)?"
        )
    return tuple(dict.fromkeys(told))


@dataclass(frozen=True)
class _Belt:
    """A load that someone never leaves: its mean (N), whether it varies as in a walk, and for how long (s)."""

    mean_n: float
    varies: bool
    record_s: float


def _never_left(recording: Recording) -> _Belt | None:
    """Return the summed load of the plates where it is a person's and never at rest."""
    loads = list(_vertical_loads(recording))
    if not loads or len({load.size for _, load, _, _ in loads}) > 1:
        return None
    total = np.sum([load for _, load, _, _ in loads], axis=0)
    _, _, time_s, _ = loads[0]
    finite = total[np.isfinite(total)]
    record_s = float(time_s[-1] - time_s[0])
    if not finite.size or record_s < WALK_RECORD_S:
        return None
    mean, low = float(finite.mean()), float(np.percentile(finite, 5))
    if mean < LOADS["N"][0] or low < NEVER_AT_REST * mean:
        return None
    return _Belt(mean, float(finite.std()) > WALK_VARIES * mean, record_s)


def _belt_mass(belt: _Belt | None, mass_kg: float) -> list[str]:
    if belt is None or BELT_LOAD_BW[0] <= belt.mean_n / (mass_kg * G) <= BELT_LOAD_BW[1]:
        return []
    return [
        f"the mean load of {belt.record_s:.0f} s is {belt.mean_n:.0f} N ({belt.mean_n / G:.0f} kg), where a mass of"
        f" {mass_kg:g} kg is stated: check the mass (in kg?) and the unit of the force"
    ]


def _plate_contacts(recording: Recording) -> Iterator[_Contacts]:
    for name, load, time_s, rate_hz in _vertical_loads(recording):
        yield from _contacts(name, load, time_s, rate_hz)


def _vertical_loads(recording: Recording) -> Iterator[tuple[str, Floats, Floats, float]]:
    """Give name, vertical force (N), time (s) and rate (Hz) of every plate in N whose vertical axis is known."""
    for name, stream in recording.of_kind("force_plate").items():
        if {str(stream[c].attrs.get("units")) for c in force_channels(stream)} == {"N"}:
            with contextlib.suppress(BadInputError):  # which axis is up is not known
                yield name, vertical_force(stream), stream["time"].values, float(stream.attrs["rate_hz"])


def _insole_contacts(recording: Recording) -> Iterator[_Contacts]:
    for name, stream in recording.of_kind("insole").items():
        if "force" in stream and str(stream["force"].attrs.get("units")) == "N":
            load = np.asarray(stream["force"].values, dtype=np.float64)
            yield from _contacts(name, load, stream["time"].values, float(stream.attrs["rate_hz"]))


def _contacts(name: str, load: Floats, time_s: Floats, rate_hz: float) -> Iterator[_Contacts]:
    """Give the contacts of a load, if it shows any."""
    finite = np.isfinite(load)
    if finite.sum() < 2 or not shows_steps(load, rate_hz=rate_hz):
        return
    low, high = np.percentile(load[finite], [0.5, 99.5])
    if high < LOADS["N"][0]:
        return  # no person's load: the unit is doubted already, or nobody stepped on it
    rest = max(low, 0.0)
    runs = true_runs(np.nan_to_num(load, nan=low) > rest + LOADED * (high - rest))
    lengths = np.diff(runs, axis=1).ravel() / rate_hz
    runs = runs[(lengths > STEP_S[0]) & (lengths < STEP_S[1])]
    if len(runs):
        means = np.asarray([np.nanmean(load[a:b]) for a, b in runs])
        record_s = float(time_s[-1] - time_s[0])
        yield _Contacts(name, means, np.asarray(time_s)[runs[:, 0]], np.diff(runs, axis=1).ravel() / rate_hz, record_s)


def _mass(contacts: Sequence[_Contacts], mass_kg: float, what: str) -> list[str]:
    """Return a doubt where the usual contact loads plates or insoles by no multiple of body weight that gait has."""
    if not contacts:
        return []
    # of the plate that carries most: at others a foot may have touched the edge only
    most = max(contacts, key=lambda each: float(np.median(each.load)))
    load, stance_s = float(np.median(most.load)), float(np.median(most.length_s))
    walks = stance_s > WALKING_STANCE_S
    low, high = INSOLE_LOAD_BW if what == "insoles" else WALKING_LOAD_BW if walks else RUNNING_LOAD_BW
    ratio = load / (mass_kg * G)
    if low <= ratio <= high:
        return []
    return [
        f"a contact loads the {what} ({most.name}) by {load:.0f} N in the mean, {ratio:.2g} times the body weight of"
        f" {mass_kg:g} kg, where {'a walk' if walks else 'a run'} has {low:g} to {high:g}: check the mass (in kg?) and"
        " the unit of the force"
    ]


def _speed(speed_m_s: float | None, contacts: Sequence[_Contacts], *, walks: bool) -> list[str]:
    if not speed_m_s:
        return []
    stated = f"the speed is stated as {speed_m_s:g} m/s ({3.6 * speed_m_s:.3g} km/h)"
    asked = f"is it in km/h ({speed_m_s:g} km/h are {speed_m_s / 3.6:.2f} m/s)?"
    if walks and speed_m_s > FASTEST_WALK_M_S:
        return [f"{stated}, but the plates are never at rest, as in a walk: {asked}"]
    if not contacts:
        return [f"{stated}, faster than all but sprints: {asked}"] if speed_m_s > USUAL_SPEED_M_S else []
    stance_s = float(np.median(np.concatenate([each.length_s for each in contacts])))
    travel_m = speed_m_s * stance_s
    if STANCE_TRAVEL_M[0] <= travel_m <= STANCE_TRAVEL_M[1]:
        return []
    moves = f"{stated}, at which the body moves {travel_m:.2g} m in a contact of {stance_s:.2f} s"
    if travel_m > STANCE_TRAVEL_M[1]:
        return [f"{moves}, further than a leg allows ({STANCE_TRAVEL_M[1]:g} m): {asked}"]
    return [f"{moves}, less than the slowest walk ({STANCE_TRAVEL_M[0]:g} m): is it in m/s?"]


def _surface(surface: str, contacts: Sequence[_Contacts]) -> list[str]:
    if not contacts:
        return []
    most = max(contacts, key=lambda each: each.start_s.size)
    count, between_s = most.start_s.size, np.diff(most.start_s)
    if surface == "overground" and count >= TREADMILL_CONTACTS:
        usual = float(np.median(between_s))
        if float(np.mean(np.abs(between_s - usual) < 0.25 * usual)) >= TREADMILL_REGULAR:
            return [
                f"{most.name} shows {count} contacts, one every {usual:.2f} s, as a treadmill does and no floor plate:"
                " is the surface a treadmill (--surface treadmill)?"
            ]
    if surface == "treadmill" and count <= FLOOR_CONTACTS and most.record_s >= FLOOR_RECORD_S:
        return [
            f"no plate shows more than {count} contacts in {most.record_s:.0f} s, as floor plates do and no treadmill:"
            " is the surface overground (--surface overground)?"
        ]
    return []
