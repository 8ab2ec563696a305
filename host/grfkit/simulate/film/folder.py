"""A folder of rendered films of simulated walkers: films, plates as C3D, a table, and the truth apart."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...arrays import PathLike
from ...artefacts import FolderKind
from ..conditions import Condition
from ..folder import write_reference
from ..lab import LabTrial, simulate_trial
from ..new_folder import new_folder, rows_of
from .clock import FilmStamps, film_stamps
from .look import Laboratory, draw_look
from .phantom import phantom_body
from .pictures import film_pictures
from .truth import RENDERED
from .write import write_film

_TABLE_CSV = "TABLE.csv"
_COLUMNS = ("film", "reference", "participant", "mass_kg", "near_side", "surface", "out", "rendered")
_START_S = (0.5, 3.0)
"""How long (s) after the plates the camera is started, drawn flat, and how long before them it is stopped."""
_DRIFT_PPM = (-60.0, 60.0)
"""Drift of a phone's clock against the plates', drawn flat: crystals are good to some tens of ppm."""
_FIRST_STAMP_S = (0.0, 0.5)
"""Stamp of a film's first picture, drawn flat."""


class FilmRequest(BaseModel):
    """Contents of a folder of rendered films.

    Attributes
    ----------
    near_side
        The side that faces the camera; ``both`` takes turns.
    jitter_ms
        SD of the time of a picture about its regular place.
    dropped
        Share of pictures that the phone loses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    surface: Literal["treadmill", "overground"] = "overground"
    gait: Literal["run", "walk"] = "walk"
    laboratory: Laboratory = "base"
    near_side: Literal["left", "right", "both"] = "both"
    seed: int = Field(default=1, ge=0)
    people: int = Field(default=1, ge=1, le=200)
    films: int = Field(default=1, ge=1, le=50)
    duration_s: float = Field(default=30.0, ge=6, le=600)
    rate_hz: float = Field(default=60.0, ge=10, le=240)
    width_px: int = Field(default=1280, ge=64, le=3840)
    height_px: int = Field(default=720, ge=64, le=2160)
    jitter_ms: float = Field(default=0.0, ge=0, le=5)
    dropped: float = Field(default=0.0, ge=0, lt=0.5)

    @model_validator(mode="after")
    def _even(self) -> FilmRequest:
        if self.width_px % 2 or self.height_px % 2:
            raise ValueError("width_px and height_px have to be even, as H.264 halves colours")
        return self


@dataclass(frozen=True)
class PlannedFilm:
    """One film of a folder."""

    name: str
    participant: str
    person: int
    seed: int
    near_side: str


def planned_films(request: FilmRequest) -> list[PlannedFilm]:
    """Return the films that a request asks for, in order."""
    films = []
    for person in range(request.people):
        for number in range(request.films):
            seed = int(np.random.SeedSequence([request.seed, person, number, 6]).generate_state(1)[0])
            turn = ("right", "left")[(person * request.films + number) % 2]
            side = turn if request.near_side == "both" else request.near_side
            participant = f"P{person + 1:02d}"
            films.append(PlannedFilm(f"{participant}_rendered_{number + 1}", participant, person, seed, side))
    return films


def write_films(out_dir: PathLike, request: FilmRequest, *, force: bool = False) -> Iterator[PlannedFilm]:
    """Write a folder of films, giving each when it is written; the folder appears with the last one.

    Raises
    ------
    BadInputError
        If the folder holds something and ``force`` is false, or cannot be written.
    """
    with new_folder(out_dir, FILM_FOLDER, force=force, parts=("truth",)) as temporary:
        rows = []
        for planned in planned_films(request):
            rows.append(_write(temporary, planned, request))
            yield planned
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        (temporary / _TABLE_CSV).write_text(text.getvalue(), encoding="utf-8", newline="")


def _members(folder: Path) -> frozenset[str]:
    """Return the files of a folder of films that its table names, and those beside them."""
    rows = rows_of(folder / _TABLE_CSV)
    films = [str(row.get("film")) for row in rows]
    references = [str(row.get("reference")) for row in rows]
    truths = [f"truth/{Path(film).stem}.truth.json" for film in films]
    return frozenset({_TABLE_CSV, *films, *references, *truths})


FILM_FOLDER = FolderKind("rendered films", _TABLE_CSV, _members)
"""What a folder of films holds; whatever else lies in it is never removed."""


def simulate_film(planned: PlannedFilm, request: FilmRequest) -> tuple[LabTrial, FilmStamps, float]:
    """Return the simulated trial of a film, when its pictures are, and the stamp of its first one (s)."""
    condition = Condition(
        surface=request.surface,
        gait=request.gait,
        wearables=("landmarks",),
        duration_s=request.duration_s,
        split_belt=request.surface == "treadmill" and request.gait == "walk",
        person_seed=request.seed * 1000 + planned.person,
    )
    trial = simulate_trial(condition, planned.seed)
    rng = np.random.default_rng([planned.seed, 7])
    start, stop = rng.uniform(*_START_S, 2)
    stamps = film_stamps(
        from_s=float(start),
        to_s=float(trial.truth.reference_s[1] - stop),
        rate_hz=request.rate_hz,
        drift_ppm=float(rng.uniform(*_DRIFT_PPM)),
        jitter_ms=request.jitter_ms,
        dropped=request.dropped,
        seed=planned.seed,
    )
    return trial, stamps, round(float(rng.uniform(*_FIRST_STAMP_S)), 3)


def _write(folder: Path, planned: PlannedFilm, request: FilmRequest) -> dict[str, Any]:
    trial, stamps, first_stamp_s = simulate_film(planned, request)
    body = phantom_body(trial.truth, stamps.reference_s)
    look = draw_look(request.laboratory, seed=request.seed, person=planned.person)
    # over the middle of the plates, where every pass goes by
    camera = look.camera(body, planned.near_side, width_px=request.width_px, height_px=request.height_px)
    film, reference = f"{planned.name}.mp4", f"{planned.name}.c3d"
    pictures = film_pictures(body, look, camera, stamps)
    write_film(folder / film, pictures, stamps.film_s, rate_hz=request.rate_hz, first_stamp_s=first_stamp_s)
    write_reference(folder / reference, trial)
    document = json.loads(trial.truth.to_json(files={"reference": reference, "film": film}))
    document["rendered"] = f"{RENDERED} (phantom, {request.laboratory} laboratory)"
    document["film"] = {
        "offset_s": stamps.offset_s,
        "drift_ppm": stamps.drift_ppm,
        "frames": int(stamps.film_s.size),
        "first_stamp_s": first_stamp_s,
        "near_side": planned.near_side,
        "seed": planned.seed,
    }
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    (folder / "truth" / f"{planned.name}.truth.json").write_text(text, encoding="utf-8", newline="")
    return {
        "film": film,
        "reference": reference,
        "participant": planned.participant,
        "mass_kg": trial.truth.mass_kg,
        "near_side": planned.near_side,
        "surface": request.surface,
        "out": f"aligned/{planned.name}.nc",
        "rendered": "phantom",
    }
