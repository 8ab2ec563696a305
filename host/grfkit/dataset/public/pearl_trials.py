"""The files of Pearl 2022 as arrays: one walk of one person, sensors and belts each on their own clock."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...arrays import Floats
from ...errors import BadInputError

RATE_HZ = 100.0
"""Rate of every recording, sensors and belts."""
_M_S2_PER_COUNT, _RAD_S_PER_COUNT = 0.005, 0.001
"""The extract holds 5 mm/s^2 and 1 mrad/s a count."""
SENSORS = ("torso", "pelvis", "tibia_r", "femur_r", "tibia_l", "femur_l", "toes_r", "toes_l")
SHOE = "toes"
"""Where the sensors on the shoes sit."""
SITES = ("toes", "other_toes", "tibia", "other_tibia", "femur", "other_femur", "pelvis", "torso")
"""Sensors as seen from one foot."""
_STIFF = "StiffKnee"
"""What the names of trials with an imitated stiff knee hold, as the authors name them."""


@dataclass(frozen=True)
class Person:
    """Who walks: weighed mass, treadmill speed, and whether a knee was replaced."""

    code: str
    mass_kg: float
    speed_m_s: float
    knee_replacement: bool


@dataclass(frozen=True)
class WalkTrial:
    """One walk.

    Attributes
    ----------
    acc_m_s2, gyro_rad_s
        Shape (samples, 8, 3) in ``sensors``' own axes, gravity included, on the sensors' clock.
    force_n
        Shape (samples, 2, 3): left and right belt; forward, up, right, on the belts' clocks.
    cop_m
        The centre of pressure, likewise; None where the file has none.
    """

    participant: str
    name: str
    condition: str
    mass_kg: float
    speed_m_s: float
    acc_m_s2: Floats
    gyro_rad_s: Floats
    force_n: Floats
    sensors: tuple[str, ...] = SENSORS
    cop_m: Floats | None = None

    @property
    def time_s(self) -> Floats:
        """Return the times of the samples, which every stream counts from its own start."""
        return np.arange(len(self.force_n)) / RATE_HZ

    def of(self, sensor: str) -> tuple[Floats, Floats]:
        """Return acceleration and angular velocity of one sensor, shape (samples, 3) each."""
        column = self.sensors.index(sensor)
        return self.acc_m_s2[:, column], self.gyro_rad_s[:, column]

    def with_force(self, force_n: Floats) -> WalkTrial:
        """Return the walk with another force."""
        return replace(self, force_n=force_n)


def condition_of(name: str) -> str:
    """Return the condition that a trial's name states."""
    return "stiff knee" if _STIFF in name else "normal"


def read_people(folder: Path) -> dict[str, Person]:
    """Return the people of ``participants.csv`` by code.

    Raises
    ------
    BadInputError
        If it is missing or lacks a column.
    """
    path = folder / "participants.csv"
    if not path.is_file():
        raise BadInputError(f"{path}: is missing; fetch the recordings first")
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            people = [
                Person(r["person"], float(r["mass_kg"]), float(r["speed_m_per_s"]), r["knee_replacement"] == "yes")
                for r in csv.DictReader(handle)
            ]
    except (KeyError, ValueError) as error:
        raise BadInputError(
            f"{path}: expected columns person, mass_kg, speed_m_per_s, knee_replacement ({error})"
        ) from error
    return {p.code: p for p in people}


def read_trial(path: Path, people: Mapping[str, Person]) -> WalkTrial:
    """Return the walk in a ``PERSON_TRIAL.npz``.

    Raises
    ------
    BadInputError
        If the file is broken, has another rate or other sensors, or its person is not in the table of people.
    """
    person = people.get(path.stem.split("_")[0])
    if person is None:
        raise BadInputError(f"{path}: its person is not in participants.csv, so that nobody knows the mass")
    try:
        with np.load(path, allow_pickle=False) as data:
            acc = data["acceleration_5mm_s2"].astype(np.float64) * _M_S2_PER_COUNT
            gyro = data["angular_velocity_mrad_s"].astype(np.float64) * _RAD_S_PER_COUNT
            force, rate = data["force_n"].astype(np.float64), float(data["rate_hz"])
            sensors = tuple(str(s) for s in data["sensors"])
            cop = data["cop_m"].astype(np.float64) if "cop_m" in data else None
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise BadInputError(f"{path}: is no trial of this data set ({error})") from error
    shapes = acc.shape == gyro.shape and {force.shape, force.shape if cop is None else cop.shape} == {(len(acc), 2, 3)}
    if rate != RATE_HZ or sensors != SENSORS or not shapes:
        raise BadInputError(
            f"{path}: expected {len(SENSORS)} sensors and two belts at {RATE_HZ:g} Hz, as in the others"
        )
    return WalkTrial(
        person.code, path.stem, condition_of(path.stem), person.mass_kg, person.speed_m_s, acc, gyro, force, cop_m=cop
    )
