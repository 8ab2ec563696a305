"""Recordings whose clocks are known: one C3D of markers and plates, and files of one clock (not a test module)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from grfkit.formats.opensim import FootLoad, mot_text, opensim_axes
from grfkit.formats.trc import trc_text
from grfkit.formats.write_c3d import C3dPlate, write_c3d
from grfkit.records import Floats, Recording
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial

POINT_HZ = 100.0


@lru_cache(maxsize=8)
def a_run(seed: int = 3, duration_s: float = 40.0, surface: str = "treadmill", gait: str = "run") -> LabTrial:
    """Return a simulated person with landmarks and insoles."""
    condition = Condition(
        family="A",
        surface="treadmill" if surface == "treadmill" else "overground",
        gait="run" if gait == "run" else "walk",
        duration_s=duration_s,
        wearables=("landmarks", "insole"),
        gaps=False,
        step_cv_percent=2.5,
        split_belt=surface == "treadmill",
    )
    return simulate_trial(condition, seed)


def marker_positions(lab: LabTrial, at_s: Floats) -> tuple[Floats, list[str]]:
    """Return the landmarks at times of the reference clock, shape (times, landmarks, 3), m, and their names."""
    stream = lab.wearables["landmarks"].streams["landmarks"]
    clock = lab.truth.streams["landmarks", "landmarks"]
    own_s = clock.t_reference(np.asarray(stream["time"].values))
    position = np.asarray(stream["position"].values)
    flat = position.reshape(own_s.size, -1)
    moved = np.stack([np.interp(at_s, own_s, column, left=np.nan, right=np.nan) for column in flat.T], axis=1)
    return moved.reshape(at_s.size, *position.shape[1:]), [str(n) for n in stream["landmark"].values]


def write_one_file(
    path: Path, lab: LabTrial, *, markers_late_s: float = 0.0, start_s: float = 0.0, end_s: float = np.inf
) -> None:
    """Write markers and plates into one C3D; ``markers_late_s`` makes its one clock a lie."""
    streams = lab.reference.streams
    rate = float(next(iter(streams.values())).attrs["rate_hz"])
    per_frame = round(rate / POINT_HZ)
    time_s = np.asarray(next(iter(streams.values()))["time"].values)
    first = round(start_s * POINT_HZ)
    last = min(round(min(end_s, time_s[-1]) * POINT_HZ), time_s.size // per_frame)
    names = ("fx", "fy", "fz", "mx", "my", "mz")
    plates = [
        C3dPlate(
            np.asarray(data.attrs["corners_m"], dtype=np.float64).reshape(4, 3),
            np.stack([data[n].values[first * per_frame : last * per_frame] for n in names], axis=1),
        )
        for data in streams.values()
    ]
    positions, labels = marker_positions(lab, np.arange(first, last) / POINT_HZ - markers_late_s)
    write_c3d(path, plates, 1e3 * positions, labels, point_rate_hz=POINT_HZ, analog_rate_hz=rate)


def write_markers(path: Path, lab: LabTrial, *, from_s: float, to_s: float, named_from_s: float) -> None:
    """Write the landmarks of a stretch of reference time as TRC, whose first stamp is ``named_from_s``."""
    at_s = np.arange(round(from_s * POINT_HZ), round(to_s * POINT_HZ)) / POINT_HZ
    positions, labels = marker_positions(lab, at_s)
    path.write_text(trc_text(1e3 * positions, labels, at_s - from_s + named_from_s, rate_hz=POINT_HZ), encoding="utf-8")


def insole_on_reference(lab: LabTrial) -> tuple[Recording, float]:
    """Return the insole's recording and its true offset (s)."""
    truth = next(t for (wearable, _), t in lab.truth.streams.items() if wearable == "insole")
    return lab.wearables["insole"], float(truth.offset_s)


def write_belts_and_shoes(folder: Path, name: str, seed: int) -> float:
    """Write a walker's belts as MOT and both shoes' accelerations as TRC, on one clock; return the mass (kg)."""
    condition = Condition(
        family="A", gait="walk", duration_s=25.0, wearables=("imu",), gaps=False, split_belt=True, person_seed=seed
    )
    lab = simulate_trial(condition, seed)
    at_s = np.arange(0.0, 24.0, 1.0 / POINT_HZ)
    feet = [
        FootLoad(
            side, opensim_axes(*_at(lab.reference.streams[plate], ("fx", "fy", "fz"), at_s)), np.zeros((at_s.size, 3))
        )
        for side, plate in _belts(lab).items()
    ]
    (folder / f"{name}.mot").write_text(mot_text(at_s, feet, name=name), encoding="utf-8")
    shoes = []
    for side in ("left", "right"):
        stream = lab.wearables["imu"].streams[f"imu_{side}"]
        clock = lab.truth.streams["imu", f"imu_{side}"]
        own = stream.assign_coords(time=("time", clock.t_reference(np.asarray(stream["time"].values))))
        shoes.append(np.stack(_at(own, ("acc_x", "acc_y", "acc_z"), at_s), axis=1))
    # its header says mm, as every TRC's does: the column map says what stands there
    text = trc_text(np.stack(shoes, axis=1), ["toes_l_imu", "toes_r_imu"], at_s, rate_hz=POINT_HZ)
    (folder / f"{name}.trc").write_text(text, encoding="utf-8")
    return float(lab.truth.world.situation.mass_kg)


def _belts(lab: LabTrial) -> dict[Literal["left", "right"], str]:
    """Return each foot's belt."""
    feet = {str(s.attrs["knows_feet"]): n for n, s in lab.reference.streams.items()}
    return {"left": feet["left"], "right": feet["right"]}


def _at(stream: xr.Dataset, names: tuple[str, ...], at_s: Floats) -> list[Floats]:
    """Return channels at times, held beyond their ends."""
    return [np.interp(at_s, stream["time"].values, np.nan_to_num(stream[n].values)) for n in names]
