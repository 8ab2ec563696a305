"""Benchmark A: acceleration of one shank to the vertical force of that foot, walking and treadmill running.

Bach, Dominici & Daffertshofer 2022 (doi 10.1101/2022.02.14.480318).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...arrays import Floats, PathLike
from ...errors import BadInputError
from ...gait.contacts import ContactRule, contacts_from_force, rule_of, unloaded_level_n
from ...provenance import Provenance, describe_input
from ...records.stance_set import StanceSet, make_stance_set
from ...signals.filters import lowpass
from ...units import G
from ..resample import check_window, continuous_starts, linear, resampled, stance_times
from .tables import table

CHANNELS = ("acc_up", "acc_side", "acc_forward")
Orient = Literal["gravity", "nearest"]


@dataclass(frozen=True)
class ShankTrial:
    """One trial: ``acc_m_s2`` (samples, 3) up, to the side, forward; ``vgrf_n`` (samples,) up positive."""

    participant: str
    name: str
    condition: str
    mass_kg: float
    speed_m_s: float
    rate_hz: float
    acc_m_s2: Floats
    vgrf_n: Floats

    @property
    def time_s(self) -> Floats:
        """Return the times of the samples."""
        return np.arange(len(self.vgrf_n)) / self.rate_hz


_Window = tuple[ShankTrial, Floats, float, float]
"""A window: its trial, times (s), start (s), and contact time (s; NaN of continuous windows)."""
_LEAST_UP_G, _LEAST_FORWARD = 0.3, 0.3
"""Mean acceleration (g) and share of the forward axis that is level, below which a direction is not certain. Chosen by
hand."""
_SLOW_HZ = 10.0
"""Cut-off (Hz) below which side and forward acceleration are compared, to leave impacts out. Chosen by hand."""


def oriented(acc: Floats, *, rate_hz: float, orient: Orient = "gravity") -> Floats:
    """Return an acceleration along up, to the side and forward, from the signal itself.

    Up is the direction of the mean acceleration: over whole strides the rest averages out, gravity does not, and an
    accelerometer at rest shows it upward. Forward is the sensor's third axis made square to it. ``nearest`` turns
    by right angles only: up is the sensor's axis nearest to the mean. The data set does not state which leg
    wore the sensor, so that left and right cannot be distinguished; the sign of the side is chosen such that, below
    10 Hz, it falls when forward rises, as in every trial of Bach 2022 whose sensor was not turned round.

    Parameters
    ----------
    acc
        Shape (samples, 3): sensor axes vertical, medio-lateral, forward, each of either sign, m/s^2.

    Raises
    ------
    BadInputError
        If no mean direction stands out, or it is along the sensor's forward axis.
    """
    mean = np.nanmean(acc, axis=0)
    length = float(np.linalg.norm(mean))
    if not length > _LEAST_UP_G * G:
        raise BadInputError(
            f"mean acceleration is {length:.2f} m/s^2, too little to tell where up is; expected about 1 g"
        )
    up = mean / length
    if orient == "nearest":
        up = np.where(np.arange(3) == np.argmax(np.abs(up)), np.sign(up), 0.0)
    # the sensor's third axis less its part along up (Gram-Schmidt)
    forward = np.asarray([0.0, 0.0, 1.0]) - up[2] * up
    if np.linalg.norm(forward) < _LEAST_FORWARD:
        raise BadInputError("gravity is along the sensor's forward axis; which way the shank faces is not certain")
    forward /= np.linalg.norm(forward)
    turned = acc @ np.stack([up, np.cross(up, forward), forward], axis=1)
    slow = lowpass(turned, rate_hz=rate_hz, cutoff_hz=_SLOW_HZ)
    slow = slow - np.nanmean(slow, axis=0)
    turned[:, 1] *= -1.0 if float(np.nanmean(slow[:, 1] * slow[:, 2])) > 0.0 else 1.0
    return np.asarray(turned)


def trials(folder: PathLike, *, orient: Orient = "gravity") -> list[ShankTrial]:
    """Return the trials in a folder that holds ``data/walk+run.mat`` and ``data/walk+run_INFO.csv``.

    Forces are turned up positive and zeroed at what they show in swing.

    Raises
    ------
    BadInputError
        If a file is missing or broken, or the two speak of different trials.
    """
    from scipy.io import loadmat

    matrix, info = (Path(folder) / "data" / n for n in ("walk+run.mat", "walk+run_INFO.csv"))
    for path in (matrix, info):
        if not path.is_file():
            raise BadInputError(f"{path}: is missing; fetch the recordings first")
    try:
        data = loadmat(matrix, squeeze_me=True, struct_as_record=False)["data"]
    except (KeyError, ValueError, OSError) as error:
        raise BadInputError(f"{matrix}: holds no struct array 'data' ({error})") from error
    rows = _info(info)
    people = {int(k): person for person, ks in table("bach")["people"].items() for k in ks}
    if len(rows) != len(data) or set(people) != set(range(1, len(data) + 1)):
        raise BadInputError(
            f"{matrix}: holds {len(data)} trials, {info.name} {len(rows)}, the table of people {len(people)}"
        )
    return [_trial(k, people[k], record, *rows[k], orient) for k, record in enumerate(data, start=1)]


def _info(path: Path) -> dict[int, tuple[float, float]]:
    """Return mass (kg) and speed (m/s) by trial."""
    rows: dict[int, tuple[float, float]] = {}
    with open(path, encoding="utf-8-sig", newline="") as handle:
        for row in csv.DictReader(handle):
            if row["Trial"].strip():
                rows[int(row["Trial"])] = (float(row["Weight [kg]"]), float(row["Speed [km/h]"]) / 3.6)
    return rows


def _trial(number: int, person: str, record: Any, mass: float, speed: float, orient: Orient) -> ShankTrial:
    acc = np.asarray(record.Accelerometer, dtype=np.float64) * G
    # in the file a load is negative
    force = -np.asarray(record.GroundReactionForce, dtype=np.float64)
    rate = float(record.SamplingRate)
    return ShankTrial(
        participant=person,
        name=f"trial_{number:02d}",
        condition=str(record.Condition),
        mass_kg=mass,
        speed_m_s=speed,
        rate_hz=rate,
        acc_m_s2=oriented(acc, rate_hz=rate, orient=orient),
        vgrf_n=force - unloaded_level_n(force),
    )


def load(
    folder: PathLike,
    *,
    window: str = "stance",
    points: int = 101,
    cut: str = "force",
    rule: ContactRule | str = "5%BW",
    orient: Orient = "gravity",
    window_s: float = 2.0,
    overlap: float = 0.0,
    conditions: Sequence[str] = ("walking", "running"),
) -> StanceSet:
    """Return the windows of the shank trials: three channels in m/s^2, one axis ``vgrf`` in BW of the stated mass.

    Parameters
    ----------
    folder
        Of the data set, with its ``data``.
    rule
        Cuts stances; of walking with a walker's limits.
    window_s, overlap
        Of continuous windows, at the recorded rate.

    Raises
    ------
    BadInputError
        As :func:`trials`, or if a window or cut does not exist.
    """
    check_window(window, cut)
    rule = rule_of(rule)
    selected = [t for t in trials(folder, orient=orient) if t.condition in conditions]
    left_out = Counter[str]()
    windows: list[_Window] = []
    for trial in selected:
        if window == "continuous":
            windows += _continuous(trial, window_s=window_s, overlap=overlap)
            continue
        limits = rule.walking() if trial.condition == "walking" else rule
        contacts = contacts_from_force(trial.time_s, trial.vgrf_n, rule=limits, mass_kg=trial.mass_kg)
        left_out.update(contacts.rejected)
        for ic, to in zip(contacts.ic_s, contacts.to_s):
            windows.append((trial, stance_times(ic, to, points), float(ic), float(to - ic)))
    return _gathered(windows, window, cut, left_out, Path(folder))


def _continuous(trial: ShankTrial, *, window_s: float, overlap: float) -> list[_Window]:
    """Return every continuous window of a trial; they begin on samples."""
    size = round(window_s * trial.rate_hz)
    begins = continuous_starts(0, len(trial.vgrf_n) - 1, window_s=size - 1, overlap=overlap)
    at = [(begin, begin + np.arange(size) / trial.rate_hz) for begin in np.round(begins) / trial.rate_hz]
    return [(trial, times, float(begin), float("nan")) for begin, times in at]


def _gathered(windows: list[_Window], window: str, cut: str, left_out: Counter[str], folder: Path) -> StanceSet:
    """Return the windows as a set, weight 0 where force or acceleration is missing."""
    inputs, targets = [], []
    for trial, at, _, _ in windows:
        inside = at <= trial.time_s[-1] + 1e-9  # start plus k / rate may pass the last sample by rounding
        at = np.minimum(at, trial.time_s[-1])
        inputs.append(np.where(inside[:, None], resampled(trial.time_s, trial.acc_m_s2, at), np.nan))
        force = linear(trial.time_s, trial.vgrf_n, at) / (trial.mass_kg * G)
        targets.append(np.where(inside[:, None], force, np.nan))
    x, y = np.stack(inputs), np.stack(targets)
    weight = np.isfinite(y[:, :, 0]) & np.isfinite(x).all(axis=2)
    of = [w[0] for w in windows]
    files = [describe_input(folder / "data" / n) for n in ("walk+run.mat", "walk+run_INFO.csv")]
    return make_stance_set(
        x,
        np.where(weight[:, :, None], y, 0.0),
        weight=weight.astype(np.float32),
        channels=CHANNELS,
        units=["m/s^2"] * 3,
        labels={
            "participant": [t.participant for t in of],
            "trial": [t.name for t in of],
            "surface": ["treadmill"] * len(of),
            "condition": [t.condition for t in of],
        },
        scalars={
            "mass_kg": [t.mass_kg for t in of],
            "speed_m_s": [t.speed_m_s for t in of],
            "slope_percent": [0.0] * len(of),
            "contact_s": [w[3] for w in windows],
        },
        window=window,
        cut=cut if window == "stance" else "none",
        source="bach",
        axes=("vgrf",),
        start_s=[w[2] for w in windows],
        rate_hz=of[0].rate_hz if window == "continuous" and of else float("nan"),
        excluded=dict(left_out),
        provenance=Provenance(configuration={"mass_source": "stated", "people": table("bach")["source"]}, inputs=files),
    )
