"""How right are points and pictures that ``read_film`` finds in rendered films? ``python tools/bench images.poses``.

Against the renderer's own projected points and silhouettes, over the part of each film in which the walk was found.
Films are read once and kept under ``build/images/read``. Rendered people, not real ones.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grfkit.arrays import Floats
from grfkit.errors import GrfError
from grfkit.records import Recording
from grfkit.records.film_streams import BACKGROUND
from grfkit.video.recording import read_film

from .keypoints import recording_of
from .render import film_file
from .schreiber import FilmedTrial, walkers

PARTS = ("shoulder", "hip", "knee", "ankle", "heel", "toe")
"""Points whose errors are printed."""
_APART = 0.15  # mean distance of the legs' points, leg lengths, from which on an exchange of them is one


@dataclass(frozen=True)
class Row:
    """What was found in one film, beside the truth.

    Attributes
    ----------
    error
        Shape (frames, parts, 2: near and far side), leg lengths; ``bias`` the median of forward and down.
    exchanged, put_right
        Pictures with legs exchanged that are left, and those that were put right.
    """

    name: str
    frames: int
    error: Floats
    bias: Floats
    exchanged: int
    put_right: int
    leg_ratio: float
    floor_off: float
    overlap: float


def compared(filmed: FilmedTrial, found: Recording) -> Row:
    """Return what was found in a film beside the truth."""
    true, seen = filmed.film.streams["keypoints"], found.streams["keypoints"]
    leg = float(true.attrs["leg_px"])
    start, end = (float(seen.attrs[name]) for name in ("walk_start_s", "walk_end_s"))
    time = seen["time"].values
    walk = (time >= start) & (time <= end)
    near = str(true.attrs["near_side"])
    sides = (near, "left" if near == "right" else "right")
    names = [[f"{part}_{side}" for side in sides] for part in PARTS]
    off = np.stack(
        [(seen["position"].sel(landmark=n).values - true["position"].sel(landmark=n).values) for n in names], 1
    )
    off = off[walk] / leg * [float(true.attrs["heading"]), 1.0]
    left, right = ([f"{part}_{side}" for part in PARTS[2:]] for side in ("left", "right"))
    legs = [stream["position"].sel(landmark=left + right).values[walk] for stream in (true, seen)]
    other = np.roll(legs[1], len(left), axis=1)
    apart = np.hypot(*np.moveaxis(legs[0][:, : len(left)] - legs[0][:, len(left) :], -1, 0)).mean(axis=1) > _APART * leg
    worse = [np.hypot(*np.moveaxis(points - legs[0], -1, 0)).mean(axis=1) for points in (legs[1], other)]
    notes = " ".join(found.provenance.findings)
    put = re.search(r"exchanged the legs in (\d+) of", notes)
    pictures = [recording.streams["images"]["image"].values[walk] > 127 for recording in (filmed.film, found)]
    return Row(
        filmed.name,
        int(walk.sum()),
        np.hypot(off[..., 0], off[..., 1]),
        np.nanmedian(off, axis=(0, 2)),
        int(((worse[1] < worse[0]) & apart).sum()),
        int(put.group(1)) if put else 0,
        float(seen.attrs["leg_px"]) / leg,
        (float(seen.attrs["floor_px"]) - float(true.attrs["floor_px"])) / leg,
        _overlap(*pictures),
    )


def _overlap(true: NDArray[np.bool_], seen: NDArray[np.bool_]) -> float:
    """Return the mean intersection over union of pictures (frames, rows, columns)."""
    union = np.maximum((true | seen).sum(axis=(1, 2)), 1)
    return float(((true & seen).sum(axis=(1, 2)) / union).mean())


def _background(films: Sequence[FilmedTrial]) -> None:
    """Print how far silhouettes by background subtraction overlap the true ones, and how they are scaled.

    The pose model's silhouettes stand beside them, of the same pictures: those in which both have one.
    """
    rows = []
    for filmed in films:
        try:
            found = read_film(film_file(filmed), picture=BACKGROUND).streams["images"]
            posed = recording_of(filmed, "read").streams["images"]
        except GrfError as error:
            print(f"{filmed.name}: refused: {error}")
            continue
        about = filmed.film.streams["keypoints"].attrs
        leg = float(about["leg_px"])
        true, other, pose = (s["image"].values > 127 for s in (filmed.film.streams["images"], found, posed))
        both = other.any(axis=(1, 2)) & pose.any(axis=(1, 2))
        overlap, by_pose = (_overlap(true[both], seen[both]) for seen in (other, pose))
        floor = (float(found.attrs["floor_px"]) - float(about["floor_px"])) / leg
        rows.append((overlap, by_pose, float(found.attrs["leg_px"]) / leg, floor))
        print(
            f"{filmed.name}: overlap {overlap:.2f} (pose model {by_pose:.2f}), leg {rows[-1][2]:.2f} of the true one,"
            f" floor {floor:+.2f} legs",
            flush=True,
        )
    whats = ("overlap (IoU, 40 x 40)", "overlap, pose model", "leg found / true", "floor off, legs")
    for name, values in zip(whats, zip(*rows)):
        print(f"{name}: median {np.median(values):.3f}, {min(values):.3f} to {max(values):.3f}, {len(values)} films")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the films and print the table."""
    parser = argparse.ArgumentParser(prog="bench images.poses", description=__doc__.partition("\n")[0])
    parser.add_argument("--laboratory", choices=["base", "other"], default="base")
    parser.add_argument("--films", type=int, default=48, help="how many of the 48 films")
    parser.add_argument("--background", action="store_true", help="silhouettes by background subtraction, too")
    options = parser.parse_args(arguments)
    if options.background:
        _background(walkers(laboratory=options.laboratory)[: options.films])
        return
    rows = []
    for filmed in walkers(laboratory=options.laboratory)[: options.films]:
        try:
            rows.append(compared(filmed, recording_of(filmed, "read")))
        except GrfError as error:
            print(f"{filmed.name}: refused: {error}")
    print(
        f"{len(rows)} films, {sum(r.frames for r in rows)} pictures of walks; errors in % of the leg, rendered people"
    )
    for p, part in enumerate(PARTS):
        errors = [np.concatenate([r.error[:, p, side] for r in rows]) * 100 for side in (0, 1)]
        texts = [f"{np.nanmedian(e):.1f} (95 %: {np.nanpercentile(e, 95):.1f})" for e in errors]
        forward, down = np.median([r.bias[p] for r in rows], axis=0) * 100
        print(f"{part}: near {texts[0]}, far {texts[1]}; bias {forward:+.1f} forward, {down:+.1f} down")
    print(f"legs exchanged: {sum(r.put_right for r in rows)} put right, {sum(r.exchanged for r in rows)} left")
    print("with exchanges left:", ", ".join(f"{r.name} {r.exchanged}" for r in rows if r.exchanged) or "none")
    for what, values in (
        ("leg found / true", [r.leg_ratio for r in rows]),
        ("floor off, leg lengths", [r.floor_off for r in rows]),
        ("silhouettes' overlap (IoU, 40 x 40)", [r.overlap for r in rows]),
    ):
        print(f"{what}: median {np.median(values):.3f}, {min(values):.3f} to {max(values):.3f}")


if __name__ == "__main__":
    main()
