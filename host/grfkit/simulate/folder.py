"""A laboratory's folder: trials in real file formats, a table of them, and the truth apart."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..arrays import Floats, PathLike
from ..artefacts import FolderKind
from ..formats.csv_generic import CsvColumn, csv_text
from ..formats.trc import trc_text
from ..formats.write_c3d import C3dPlate, write_c3d
from ..formats.write_loadsol import LoadsolFoot, loadsol_text
from ..records import Recording
from ..units import G
from .clocks import TrueClock
from .conditions import Condition, FamilyName, check_footprints
from .family import CELL_RIGHT_MM, CELL_Y_MM
from .knees import Knees
from .lab import LabTrial, simulate_trial
from .new_folder import new_folder, rows_of
from .settings import Settings, default_settings

_TABLE_CSV, _INSOLE = "TABLE.csv", "insole.json"
_POINT_HZ = 100.0
"""Rate of the markers in a C3D file, as optical systems usually have."""
_DECIMALS = {"count": 0, "N": 1, "m/s^2": 3}
"""Decimals of a value in a CSV file, by unit; 5 of any other."""
_COLUMNS = (
    "trial", "reference", "wearable", "surface", "mass_kg", "participant", "speed_m_s", "slope_percent",
    "forward", "out",
)  # fmt: skip


class LabRequest(BaseModel):
    """Contents of a lab folder: a number of people, and of trials per person on each surface.

    ``insole`` ``both`` gives people loadsol and generic CSV in turn. ``footprints``: as in
    :class:`~grfkit.simulate.conditions.Condition`. ``knee_gain``: of :class:`~grfkit.simulate.knees.Knees`; the table
    then states each person's knees and affected side.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    surface: Literal["treadmill", "overground", "both"] = "both"
    gait: Literal["run", "walk"] = "run"
    family: FamilyName = "draw"
    insole: Literal["adc", "loadsol", "both"] = "both"
    seed: int = Field(default=1, ge=0)
    people: int = Field(default=1, ge=1, le=500)
    trials: int = Field(default=1, ge=1, le=500)
    duration_s: float | None = Field(default=None, ge=20, le=600)
    jumps: int = Field(default=0, ge=0, le=20)
    gaps: bool = True
    footprints: Path | None = None
    knee_gain: float | None = Field(default=None, ge=0.0, le=10.0)

    @model_validator(mode="after")
    def _consistent(self) -> LabRequest:
        check_footprints(self.family, self.gait, self.footprints)
        return self


class PlannedTrial(BaseModel):
    """One trial of a lab: its name, person, seed and condition."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    participant: str
    seed: int
    condition: Condition


def planned_trials(request: LabRequest) -> list[PlannedTrial]:
    """Return the trials a request asks for, in order."""
    surfaces = ("treadmill", "overground") if request.surface == "both" else (request.surface,)
    trials = []
    for person in range(request.people):
        for surface in surfaces:
            for number in range(request.trials):
                trials.append(_planned(request, person, surface, number))
    return trials


def _planned(request: LabRequest, person: int, surface: str, number: int) -> PlannedTrial:
    loadsol = request.insole == "loadsol" or (request.insole == "both" and person % 2 == 0)
    condition = Condition(
        family=request.family,
        footprints=request.footprints,
        knees=None if request.knee_gain is None else Knees(gain=request.knee_gain),
        surface="treadmill" if surface == "treadmill" else "overground",
        gait=request.gait,
        wearables=("insole", "imu", "landmarks"),
        insole="loadsol" if loadsol else "adc",
        gaps=request.gaps,
        jumps=request.jumps,
        duration_s=request.duration_s,
        # walkers stand on both feet at once: only a belt for each foot tells them apart
        split_belt=surface == "treadmill" and request.gait == "walk",
        person_seed=request.seed * 1000 + person,
    )
    participant = f"P{person + 1:02d}"
    # the surface counts by the length of its name, 9 or 10 letters
    seed = int(np.random.SeedSequence([request.seed, person, number, len(surface)]).generate_state(1)[0])
    name = f"{participant}_{surface}_{number + 1}"
    return PlannedTrial(name=name, participant=participant, seed=seed, condition=condition)


def write_lab(
    out_dir: PathLike, request: LabRequest, *, force: bool = False, settings: Settings | None = None
) -> Iterator[PlannedTrial]:
    """Write a lab folder, giving each trial when it is written; the folder appears with the last one.

    Raises
    ------
    BadInputError
        If the folder holds something and ``force`` is false, or cannot be written.
    """
    with new_folder(out_dir, LAB_FOLDER, force=force, parts=("truth", "aligned")) as temporary:
        rows = []
        for planned in planned_trials(request):
            rows.append(_write_trial(temporary, planned, _shared_stamps(settings or default_settings())))
            yield planned
        (temporary / _TABLE_CSV).write_text(_table(rows), encoding="utf-8", newline="")
        if request.insole != "loadsol":
            (temporary / _INSOLE).write_text(insole_document(), encoding="utf-8", newline="")


def _members(folder: Path) -> frozenset[str]:
    """Return the files of a lab that its table names, and those beside them; not what was aligned since."""
    rows = rows_of(folder / _TABLE_CSV)
    names = [str(row.get("trial")) for row in rows]
    endings = (".c3d", "_insole.txt", "_insole.csv", "_imu.csv", "_landmarks.trc")
    files = [name + ending for name in names for ending in endings] + [f"truth/{name}.truth.json" for name in names]
    return frozenset({_TABLE_CSV, _INSOLE, *files})


LAB_FOLDER = FolderKind("simulated lab", _TABLE_CSV, _members)
"""What a lab's folder holds; trials that were aligned in it, and whatever else, are never removed."""


def _shared_stamps(settings: Settings) -> Settings:
    """Return settings under which both feet of a device share their stamps, as one table needs."""
    insole = settings.insole.model_copy(update={"stamp_jitter_share": 0.0})
    return settings.model_copy(
        update={"insole": insole, "imu": settings.imu.model_copy(update={"stamp_jitter_share": 0.0})}
    )


def _aligned_names(surface: str) -> tuple[str, ...]:
    """Return the wearables that the table aligns; over plates landmarks show too few steps of a lap."""
    return ("insole", "imu", "landmarks") if surface == "treadmill" else ("insole", "imu")


def _write_trial(folder: Path, planned: PlannedTrial, settings: Settings) -> dict[str, Any]:
    trial = simulate_trial(planned.condition, planned.seed, settings)
    loadsol = planned.condition.insole == "loadsol"
    files = {
        "reference": f"{planned.name}.c3d",
        "insole": f"{planned.name}_insole.{'txt' if loadsol else 'csv'}",
        "imu": f"{planned.name}_imu.csv",
        "landmarks": f"{planned.name}_landmarks.trc",
    }
    write_reference(folder / files["reference"], trial)
    texts = {
        "insole": loadsol_file(trial.wearables["insole"], comment=planned.name)
        if loadsol
        else csv_file(trial.wearables["insole"]),
        "imu": csv_file(trial.wearables["imu"]),
        "landmarks": trc_file(trial.wearables["landmarks"]),
    }
    for name, text in texts.items():
        (folder / files[name]).write_text(text, encoding="utf-8", newline="")
    truth = folder / "truth" / f"{planned.name}.truth.json"
    truth.write_text(trial.truth.to_json(files=files), encoding="utf-8", newline="")
    now = trial.truth.world.situation
    return {
        "trial": planned.name,
        "reference": files["reference"],
        "wearable": ";".join(files[name] for name in _aligned_names(planned.condition.surface)),
        "surface": planned.condition.surface,
        "mass_kg": now.mass_kg,
        "participant": planned.participant,
        "speed_m_s": now.speed_m_s,
        "slope_percent": now.slope_percent,
        "forward": "+x",
        "out": f"aligned/{planned.name}.nc",
        **_facts(trial),
    }


def _facts(trial: LabTrial) -> dict[str, Any]:
    """Return the table's columns about the person's legs, none where nothing is simulated about them."""
    legs = trial.truth.world.legs
    return {} if legs is None else legs.person().stated()


def write_reference(path: PathLike, trial: LabTrial, *, clock: TrueClock | None = None) -> None:
    """Write the reference as C3D: plates at 1000 Hz and a waist marker at 100 Hz.

    ``clock`` maps the reference's running time to the world's, where it has one of its own.
    """
    streams = trial.reference.streams
    rate = float(next(iter(streams.values())).attrs["rate_hz"])
    per_frame = round(rate / _POINT_HZ)
    frames = min(data.sizes["time"] for data in streams.values()) // per_frame
    names = ("fx", "fy", "fz", "mx", "my", "mz")
    plates = [
        C3dPlate(
            np.asarray(data.attrs["corners_m"], dtype=np.float64).reshape(4, 3),
            np.stack([data[name].values[: frames * per_frame] for name in names], axis=1),
        )
        for data in streams.values()
    ]
    at = np.arange(frames) / _POINT_HZ
    # a marker on the waist, behind the pelvis, tells which way and how fast the person goes
    body = trial.truth.body(at if clock is None else clock.running(at))
    waist = np.where(body.visible[:, None], body.centre + np.asarray([-0.1, 0.0, 0.02]), np.nan)
    write_c3d(Path(path), plates, waist[:, None] * 1e3, ["WAIST"], point_rate_hz=_POINT_HZ, analog_rate_hz=rate)


def insole_document() -> str:
    """Return where the simulated cells lie, as an insole document that grf-estimate takes (``--insole``)."""
    places = enumerate(zip(CELL_RIGHT_MM, CELL_Y_MM), start=1)
    document = {
        "kind": "insole_geometry",
        "schema_version": "1",
        "name": "simulated16_m",
        "source": "grfkit's virtual lab: the cells of fsr16_m (grfkit.simulate.family)",
        "size": "M",
        "extent_mm": max(CELL_Y_MM),
        "cells": [{"number": number, "x_mm": x, "y_mm": float(y)} for number, (x, y) in places],
    }
    return json.dumps(document, indent=2) + "\n"


def csv_file(recording: Recording) -> str:
    """Return a wearable as generic CSV: one time column, both feet's channels named after the side."""
    streams = recording.streams
    rate = float(next(iter(streams.values())).attrs["rate_hz"])
    # both feet in one table: samples find their row by their stamp, lost ones leave it empty
    rows = {name: np.rint(data["time"].values * rate).astype(np.int64) for name, data in streams.items()}
    count = max(int(row[-1]) for row in rows.values()) + 1
    columns: list[tuple[str, str, Floats, int]] = []
    for name, data in streams.items():
        side = "left" if name.endswith("left") else "right"
        for channel in data.data_vars:
            if channel == "time_raw":
                continue
            values = np.full(count, np.nan)
            values[rows[name]] = data[channel].values
            unit = str(data[channel].attrs["units"])
            columns.append((f"{side}_{channel}", "adc" if unit == "count" else unit, values, _DECIMALS.get(unit, 5)))
    present = ~np.all([np.isnan(values) for _, _, values, _ in columns], axis=0)
    time = CsvColumn("time", "s", np.arange(count)[present] / rate, 5)
    return csv_text([time, *(CsvColumn(name, unit, values[present], n) for name, unit, values, n in columns)])


def loadsol_file(recording: Recording, *, comment: str) -> str:
    """Return a loadsol recording as its text export."""
    streams = recording.streams
    rate = float(next(iter(streams.values())).attrs["rate_hz"])
    count = max(int(np.rint(data["time"].values[-1] * rate)) for data in streams.values()) + 1
    feet = []
    for side, sensor in (("left", "PGV901-L"), ("right", "PGV902-R")):
        if f"insole_{side}" not in streams:
            continue
        load, motion = streams[f"insole_{side}"], streams[f"imu_{side}"]
        zones = _spread(load, ("zone_heel", "zone_medial", "zone_lateral"), rate, count)
        acc = _spread(motion, ("acc_x", "acc_y", "acc_z"), rate, count) / G
        gyro = _spread(motion, ("gyro_x", "gyro_y", "gyro_z"), rate, count)
        feet.append(LoadsolFoot(sensor, side == "right", zones, acc, gyro))
    name = "loadapp_2024_01_01_12_00_00_000.loadflux"
    return loadsol_text(feet, np.arange(count) / rate, file_name=name, comment=comment)


def _spread(data: xr.Dataset, names: tuple[str, ...], rate_hz: float, count: int) -> Floats:
    values = np.full((count, len(names)), np.nan)
    rows = np.rint(data["time"].values * rate_hz).astype(np.int64)
    for column, name in enumerate(names):
        values[rows, column] = data[name].values
    return values


def trc_file(recording: Recording) -> str:
    """Return landmarks as TRC text."""
    data = recording.streams["landmarks"]
    names = [str(name) for name in data["landmark"].values]
    return trc_text(data["position"].values * 1e3, names, data["time"].values, rate_hz=float(data.attrs["rate_hz"]))


def _table(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    facts = [name for name in rows[0] if name not in _COLUMNS]
    writer = csv.DictWriter(text, (*_COLUMNS, *facts), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
