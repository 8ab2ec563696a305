"""Sets of pictures of the rendered walkers: silhouettes, and whole frames as published; made once, kept in build/."""

from __future__ import annotations

import hashlib
import sys
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import xarray as xr

from grfkit import cut_windows
from grfkit.records import Recording, Trial, make_images, make_recording
from grfkit.records.stance_set import StanceSet
from grfkit.simulate.film.look import Laboratory
from grfkit.simulate.film.pictures import film_pictures

from ..harness import ROOT
from .schreiber import FilmedTrial, assembled, trial_paths, walkers

CACHE = ROOT / "build" / "bench" / "images"
SIZE_PX = 40
"""Rows and columns of a picture, as published."""
FRAME_PX = (640, 360)
"""Of the rendered frame that is reduced to it: half of a 720p film each way, of which the result holds nothing more."""
LABORATORIES: tuple[Laboratory, ...] = ("base", "other")
FEET = ("near", "far")
WINDOW_S, RATE_HZ, RULE = 1.2, 60.0, "20N walking"


def set_path(picture: str, *, laboratory: Laboratory, foot: str, quick: bool) -> Path:
    """Return the file of a set."""
    return CACHE / f"{'_'.join([picture.split()[0], laboratory, foot, *(['quick'] if quick else [])])}.nc"


def set_digest(picture: str, *, foot: str, quick: bool) -> str:
    """Return a digest of both laboratories' sets, which names results of other pictures apart."""
    digest = hashlib.sha256()
    for laboratory in LABORATORIES:
        digest.update(set_path(picture, laboratory=laboratory, foot=foot, quick=quick).read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def picture_set(picture: str, *, laboratory: Laboratory = "base", foot: str = "near", quick: bool = False) -> StanceSet:
    """Return clips of all walkers (four of them with ``quick``) with the force of the near or the far foot.

    The sets of both feet and both laboratories are made together, where one is missing.

    Parameters
    ----------
    picture
        ``silhouette`` (the true one, as a perfect pose model would give it) or ``full frame``.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    path = set_path(picture, laboratory=laboratory, foot=foot, quick=quick)
    if not path.exists():
        for lab in LABORATORIES:
            make_sets(picture, lab, quick=quick)
    return StanceSet(StanceSet.open(path).data.load())


def make_sets(picture: str, laboratory: Laboratory, *, quick: bool) -> None:
    """Write the sets of both feet in one laboratory."""
    people = sorted({path.parent.parent.name for path in trial_paths()})[:: 3 if quick else 1]
    trials = {name: trial for person in people for name, trial in person_trials(person, picture, laboratory).items()}
    for foot in FEET:
        path = set_path(picture, laboratory=laboratory, foot=foot, quick=quick)
        cut = cut_windows(
            trials, kinds=("images",), picture=picture, foot=foot, rule=RULE, window_s=WINDOW_S, rate_hz=RATE_HZ
        )
        cut.to_netcdf(path, force=True)


def person_trials(person: str, picture: str, laboratory: Laboratory) -> dict[str, Trial]:
    """Return a person's films beside the plates; those of whole frames are kept, since drawing them takes a while."""
    folder = CACHE / "trials"
    folder.mkdir(parents=True, exist_ok=True)
    trials = {}
    for filmed in walkers(laboratory=laboratory, participants=[person], size_px=FRAME_PX):
        path = folder / f"{laboratory}_{filmed.name}.nc"
        if picture == "full frame" and path.exists():
            trials[filmed.name] = Trial.from_netcdf(path)
            continue
        trial = assembled(filmed, with_full_frames(filmed) if picture == "full frame" else filmed.film)
        trial.tree.attrs["speed_m_s"] = walking_speed_m_s(filmed)
        if picture == "full frame":
            print(f"  {laboratory} {filmed.name}", file=sys.stderr)
            trial.to_netcdf(path)
        trials[filmed.name] = trial
    return trials


def walking_speed_m_s(filmed: FilmedTrial) -> float:
    """Return the mean speed of the hips while their motion was measured: what a film does not tell for nothing."""
    low, high = filmed.body.measured_s
    hips = filmed.body.middle("hip")
    time = filmed.body.time_s
    ends = np.stack([np.interp([low, high], time, hips[:, i]) for i in (0, 1)], axis=1)
    return float(np.linalg.norm(ends[1] - ends[0]) / (high - low))


def with_full_frames(filmed: FilmedTrial) -> Recording:
    """Return the film's recording with its whole frames, grey and bilinear to 40 x 40, walking to the right."""
    film = filmed.film
    images = film.streams["images"]
    turned = bool(images.attrs.get("mirrored", 0))
    small = [
        reduced(frame, turned=turned) for frame in film_pictures(filmed.body, filmed.look, filmed.camera, filmed.stamps)
    ]
    attrs = {k: v for k, v in images.attrs.items() if k in ("heading", "near_side", "mirrored", "rendered", "leg_px")}
    full: xr.Dataset = make_images(np.stack(small), images["time"].values, picture="full frame", attrs=attrs)
    return make_recording(
        {**film.streams, "images_full": full}, device=film.device, reader="rendered", provenance=film.provenance
    )


def reduced(frame: np.ndarray, *, turned: bool) -> np.ndarray:
    """Return a frame (rows, columns, 3) as grey 40 x 40."""
    grey = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grey[:, ::-1] if turned else grey, dtype=np.uint8)
