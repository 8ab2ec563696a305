"""Centre of pressure from few cells against full pressure fields: 10 people, 600 steps, three speeds (Pataky 2008).

Cells are laid over each person's own footprint; whatever is fitted (a correction, the mean path, half-widths) is
fitted to the other nine people. Prints errors in mm along and across the foot.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from grfkit.calibrate import load_insole
from grfkit.gait.cop import insole_cop

from .. import harness

FOLDER = harness.DATA / "pataky2008_plantar_pressure"
PIXEL_MM = 5.08
"""Side of a pixel, taken as square: feet are then as long as feet are; the source does not say it."""
EVERY = 5
"""Frames of 500 Hz that become one: 100 Hz, as insoles have."""
LEAST_SHARE = 0.05
"""Share of a step's highest load below which the centre of pressure is not judged."""
CELL_MM = 10.0
"""Diameter of a force-sensing cell."""
SPEEDS = ("slow", "normal", "fast")
#: shares of length and width (0 medial or lateral border, whichever comes first in the picture)
EIGHT = ((0.08, 0.3), (0.08, 0.7), (0.3, 0.6), (0.5, 0.6), (0.72, 0.2), (0.72, 0.5), (0.72, 0.85), (0.92, 0.3))
FOUR = ((0.1, 0.5), (0.72, 0.2), (0.72, 0.8), (0.92, 0.3))


@dataclass
class Person:
    """One person's steps: cells of every layout, and the true centre, all in mm of the foot (x along, y across)."""

    cells: dict[str, np.ndarray]  # layout: (steps, frames, cells)
    places: dict[str, np.ndarray]  # layout: (cells, 2)
    centre: np.ndarray  # (steps, frames, 2)
    share: np.ndarray  # (steps, frames): of stance
    speed: np.ndarray
    length_mm: float


def person(number: int) -> Person:
    """Return one person's steps; the heel is at x = 0."""
    with np.load(FOLDER / f"person{number:02d}.npz") as data:
        field = data["pressure"][..., ::EVERY].astype(np.float32)
        speed = data["condition"]
    field = np.moveaxis(field, 3, 1)
    first = field[:, :10].sum(axis=(0, 1, 3))
    last = field.sum(axis=(0, 1, 3))
    rows = np.arange(field.shape[2])
    if (rows * first).sum() / first.sum() > (rows * last).sum() / last.sum():
        field = field[:, :, ::-1]
    outline = field.mean(axis=(0, 1)) > 0.002 * field.mean(axis=(0, 1)).max()
    along = np.flatnonzero(outline.any(axis=1))
    x = (np.arange(field.shape[2]) - along[0] + 0.5) * PIXEL_MM
    y = (np.arange(field.shape[3]) + 0.5) * PIXEL_MM
    length = (along[-1] - along[0] + 1) * PIXEL_MM
    total = field.sum(axis=(2, 3))
    loaded = total > LEAST_SHARE * total.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.stack([field.sum(axis=3) @ x, field.sum(axis=2) @ y], axis=2) / total[..., None]
    centre = np.where(loaded[..., None], centre, np.nan)
    places = layouts(outline, x, y, length)
    cells = {name: read_cells(field, p, x, y, name) for name, p in places.items()}
    return Person(cells, places, centre, _share(loaded), speed, float(length))


def _share(loaded: np.ndarray) -> np.ndarray:
    first = loaded.argmax(axis=1)
    last = loaded.shape[1] - 1 - loaded[:, ::-1].argmax(axis=1)
    at = np.arange(loaded.shape[1])[None]
    return np.where(loaded, (at - first[:, None]) / np.maximum(last - first, 1)[:, None], np.nan)


def layouts(outline: np.ndarray, x: np.ndarray, y: np.ndarray, length: float) -> dict[str, np.ndarray]:
    """Return the places of 99, 16, 8 and 4 cells on this foot."""

    def at(shares: Any) -> np.ndarray:
        found = []
        for along, across in shares:
            row = outline[int(np.argmin(np.abs(x - along * length)))]
            wide = np.flatnonzero(row) if row.any() else np.flatnonzero(outline.any(axis=0))
            found.append((along * length, y[wide[0]] + across * (y[wide[-1]] - y[wide[0]])))
        return np.asarray(found)

    grid = [((i + 0.5) / 15, (j + 0.5) / (7 if i < 9 else 6)) for i in range(15) for j in range(7 if i < 9 else 6)]
    geometry = load_insole("fsr16_m").document
    across = np.asarray([c.x_mm for c in geometry.cells])
    along = np.asarray([c.y_mm for c in geometry.cells])
    middle = at([(v / (geometry.extent_mm * 1.06), 0.5) for v in along])
    scale = length / (geometry.extent_mm * 1.06)
    sixteen = np.stack([along * scale, middle[:, 1] + across * scale], axis=1)
    return {"99": at(grid), "16": sixteen, "8": at(EIGHT), "4": at(FOUR)}


def read_cells(field: np.ndarray, places: np.ndarray, x: np.ndarray, y: np.ndarray, name: str) -> np.ndarray:
    """Return what cells show: 99 tile the foot, fewer are discs of 10 mm."""
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=2).reshape(-1, 1, 2)
    far = np.linalg.norm(grid - places[None], axis=2)
    weight = (
        (far == far.min(axis=1, keepdims=True)) & (far < 20.0) if name == "99" else far <= CELL_MM / 2 + PIXEL_MM / 2
    )
    return field.reshape(*field.shape[:2], -1) @ weight.astype(np.float32)


def features(who: Person, layout: str, dead: tuple[int, ...]) -> np.ndarray:
    """Return the centre of the cells left, shape (steps, frames, 2), mm."""
    cells = who.cells[layout].astype(np.float64).copy()
    cells[..., list(dead)] = np.nan
    flat = insole_cop(cells.reshape(-1, cells.shape[2]), who.places[layout] / 1e3, least_share=0.001)
    return flat.reshape(*cells.shape[:2], 2) * 1e3


def corrected(people: list[Person], of: list[np.ndarray], test: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the test person's centre by an affine map fitted to the others, and the others' 95 % half-widths (mm)."""
    design, target = [], []
    for k, who in enumerate(people):
        if k == test:
            continue
        good = np.isfinite(of[k]).all(axis=2) & np.isfinite(who.centre).all(axis=2)
        design.append(_design(of[k][good], who))
        target.append(_normal(who.centre[good], who))
    a, b = np.concatenate(design), np.concatenate(target)
    weight = np.linalg.lstsq(a, b, rcond=None)[0]
    off = [np.percentile(np.abs(d @ weight - t), 95, axis=0) for d, t in zip(design, target)]
    half = np.max(off, axis=0) * people[test].length_mm
    own = _design(of[test].reshape(-1, 2), people[test]) @ weight
    return _back(own, people[test]).reshape(of[test].shape), half


def _middle(who: Person) -> float:
    return float(np.mean(who.places["99"][:, 1]))


def _normal(centre: np.ndarray, who: Person) -> np.ndarray:
    return (centre - [0.0, _middle(who)]) / who.length_mm


def _back(normal: np.ndarray, who: Person) -> np.ndarray:
    return normal * who.length_mm + [0.0, _middle(who)]


def _design(centre: np.ndarray, who: Person) -> np.ndarray:
    n = _normal(centre, who)
    return np.stack([np.ones(len(n)), n[:, 0], n[:, 1], n[:, 0] ** 2, n[:, 0] * n[:, 1]], axis=1)


def mean_path(people: list[Person], test: int) -> np.ndarray:
    """Return the other people's mean centre at each share of the stance: no sensor at all."""
    grid = np.linspace(0, 1, 51)
    paths = []
    for k, who in enumerate(people):
        if k == test:
            continue
        steps = []
        for s in range(who.share.shape[0]):
            good = np.isfinite(who.share[s])
            n = _normal(who.centre[s][good], who)
            steps.append(np.stack([np.interp(grid, who.share[s][good], n[:, d]) for d in (0, 1)], axis=1))
        paths.append(np.mean(steps, axis=0))
    path = np.mean(paths, axis=0)
    who = people[test]
    share = np.nan_to_num(who.share)
    own = np.stack([np.interp(share, grid, path[:, d]) for d in (0, 1)], axis=2)
    return _back(own, who)


def row(people: list[Person], estimate: list[np.ndarray], condition: int | None, **head: Any) -> harness.Rows:
    """Return errors (mm) over people: the mean over people of each one's median and 95th percentile."""
    figures = []
    for who, own in zip(people, estimate):
        steps = np.ones(len(who.speed), dtype=bool) if condition is None else who.speed == condition
        off = (own - who.centre)[steps]
        off = off[np.isfinite(who.centre[steps]).all(axis=2)]
        seen = np.isfinite(off).all(axis=1)
        off = off[seen]
        far = np.linalg.norm(off, axis=1)
        figures.append(
            [
                np.median(far),
                np.percentile(far, 95),
                np.median(np.abs(off[:, 0])),
                np.median(np.abs(off[:, 1])),
                seen.mean(),
            ]
        )
    m = np.mean(figures, axis=0)
    names = ("median", "p95", "median along", "median across")
    return {**head, **{n: float(v) for n, v in zip(names, m)}, "answered": f"{100 * m[4]:.0f} %"}


def main() -> int:
    """Measure every layout, and print and write the tables."""
    options = harness.parser(__doc__, "calibrate_cop")
    request = options.parse_args()
    if not FOLDER.is_dir():
        print(f"{FOLDER}: not there; tools/fetch_recordings.py fetches it", file=sys.stderr)
        return 1
    people = []
    for k in range(10):
        print(f"person {k} ...", file=sys.stderr)
        people.append(person(k))
    rows: list[harness.Rows] = []
    held: list[harness.Rows] = []
    blind = [mean_path(people, k) for k in range(10)]
    for name, speed in (("all", None), *zip(SPEEDS, (1, 2, 3))):
        rows.append(row(people, blind, speed, cells="none (mean path)", dead=0, how="sensor-blind", speed=name))
    rng = np.random.default_rng(18)
    for layout, count in (("99", 99), ("16", 16), ("8", 8), ("4", 4)):
        for dead in (0, 1, 2, 4):
            if dead and (layout == "4" or (layout == "8" and dead > 2)):
                continue
            gone = [tuple(int(i) for i in rng.choice(count, dead, replace=False)) for _ in people]
            of = [features(p, layout, g) for p, g in zip(people, gone)]
            # the correction is fitted to the others with the test person's dead cells, which are known
            pairs = [corrected(people, [features(p, layout, g) for p in people], k) for k, g in enumerate(gone)]
            held.append(coverage(people, pairs, layout, dead))
            for how, found in (("plain", of), ("corrected", [p[0] for p in pairs])):
                speeds = (("all", None), *zip(SPEEDS, (1, 2, 3))) if not dead else (("all", None),)
                rows += [row(people, found, s, cells=layout, dead=dead, how=how, speed=n) for n, s in speeds]
    figures = {"about": harness.machine("numpy"), "rows": rows, "held": held}
    text = [
        "# Centre of pressure from few cells",
        "",
        f"`python tools/bench calibrate.cop` at commit {harness.commit()}; mm, mean over 10 people, each held out.",
        "",
        *harness.table(rows),
        "",
        "Stated half-widths (95 %: the largest of the nine other people's 95th percentiles):",
        "",
        *harness.table(held),
    ]
    harness.write(request.out, figures, "\n".join(text) + "\n")
    print("\n".join(text))
    return 0


def coverage(people: list[Person], pairs: list[tuple[np.ndarray, np.ndarray]], layout: str, dead: int) -> harness.Rows:
    """Return the half-widths and the share of samples they hold, of people held out."""
    within = []
    for who, (own, half) in zip(people, pairs):
        off = np.abs(own - who.centre)
        good = np.isfinite(off).all(axis=2)
        within.append((off[good] <= half).mean(axis=0))
    width = np.mean([half for _, half in pairs], axis=0)
    share = np.mean(within, axis=0)
    return {
        "cells": layout,
        "dead": dead,
        "half-width along, mm": float(width[0]),
        "across, mm": float(width[1]),
        "held along": f"{100 * share[0]:.0f} %",
        "held across": f"{100 * share[1]:.0f} %",
    }


if __name__ == "__main__":
    sys.exit(main())
