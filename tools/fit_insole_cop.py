"""Correction of an insole's centre of pressure, fitted to the pressure fields of ten people (Pataky 2008).

The sixteen cells of ``fsr16`` are laid over each person's own footprint, in the foot's line and of its length. Written
are the corrections with every cell, without each one, and without each two, with half-widths from people held out.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from bench.calibrate import cop as bench
from grfkit.calibrate import load_insole
from grfkit.gait.centre_path import LEAST_SHARE, design

FOOT_PER_EXTENT = 1.06
"""Length of a foot over the extent of the cells under it, as in the benchmark; by hand: the foremost cell lies under
the middle of the toes."""
OUT = Path(__file__).parents[1] / "host" / "grfkit" / "gait" / "centres" / "fsr16.json"
SPEEDS = {"slow": 1, "normal": 2, "fast": 3}


@dataclass
class Person:
    """Cells (samples, 16), true centre (samples, 2; forward and medial, in foot lengths) and speed of each sample."""

    cells: np.ndarray
    centre: np.ndarray
    speed: np.ndarray
    length_mm: float


def person(number: int, places: np.ndarray) -> Person:
    """Return one person's samples in the foot's own axes; the arch tells which border is medial."""
    with np.load(bench.FOLDER / f"person{number:02d}.npz") as data:
        field = np.moveaxis(data["pressure"][..., :: bench.EVERY].astype(np.float32), 3, 1)
        condition = data["condition"]
    rows = np.arange(field.shape[2])
    first, last = field[:, :10].sum(axis=(0, 1, 3)), field.sum(axis=(0, 1, 3))
    if (rows * first).sum() / first.sum() > (rows * last).sum() / last.sum():
        field = field[:, :, ::-1]
    mean = field.mean(axis=(0, 1))
    outline = mean > 0.002 * mean.max()
    along = np.flatnonzero(outline.any(axis=1))
    x = (np.arange(field.shape[2]) - along[0] + 0.5) * bench.PIXEL_MM
    y = (np.arange(field.shape[3]) + 0.5) * bench.PIXEL_MM
    length = float((along[-1] - along[0] + 1) * bench.PIXEL_MM)
    middle = [y[np.flatnonzero(outline[r])[[0, -1]]].mean() for r in along]
    slope, start = np.polyfit(x[along], middle, 1)
    angle = np.arctan(slope)
    grid_x, grid_y = np.meshgrid(x, y - start, indexing="ij")
    forward = grid_x * np.cos(angle) + grid_y * np.sin(angle)
    across = grid_y * np.cos(angle) - grid_x * np.sin(angle)
    # the big toe lies on the medial side of the foot's line
    toe = (mean * across)[x > 0.85 * length].sum() / mean[x > 0.85 * length].sum()
    place = np.stack([forward.ravel(), np.sign(toe) * across.ravel()], axis=1)
    total = field.sum(axis=(2, 3))
    loaded = total > bench.LEAST_SHARE * total.max(axis=1, keepdims=True)
    flat = field.reshape(*field.shape[:2], -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (flat @ place) / total[..., None] / length
    far = np.linalg.norm(place[:, None] - places[None] * length, axis=2)
    cells = flat @ (far <= bench.CELL_MM / 2 + bench.PIXEL_MM / 2).astype(np.float32)
    speed = np.broadcast_to(condition[:, None], loaded.shape)
    return Person(cells[loaded], centre[loaded], speed[loaded], length)


def samples(who: Person, places: np.ndarray, dead: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return terms, true centres and speeds of the samples whose centre is judged without these cells."""
    load = who.cells.astype(np.float64).copy()
    load[:, list(dead)] = 0.0
    total = load.sum(axis=1)
    good = total > LEAST_SHARE * np.percentile(total, 99)
    return design(load[good] @ places / total[good, None]), who.centre[good], who.speed[good]


def fitted(people: list[Person], places: np.ndarray, dead: tuple[int, ...]) -> dict:
    """Return the correction without these cells, and what it came to on people held out."""
    parts = [samples(p, places, dead) for p in people]
    # each person counts alike
    left = [a.T @ a / len(a) for a, _, _ in parts]
    right = [a.T @ b / len(a) for a, b, _ in parts]

    def weights(without: set[int]) -> np.ndarray:
        """Return the weights fitted to all but these people."""
        some = [k for k in range(len(people)) if k not in without]
        return np.linalg.solve(sum(left[k] for k in some), sum(right[k] for k in some))

    def off(k: int, without: set[int]) -> np.ndarray:
        """Return one person's errors, in foot lengths."""
        return np.abs(parts[k][0] @ weights(without) - parts[k][1])

    numbers = range(len(people))
    errors = [off(k, {k}) for k in numbers]
    wide = {
        name: np.max([np.percentile(errors[k][parts[k][2] == code], 95, axis=0) for k in numbers], axis=0)
        for name, code in SPEEDS.items()
    }
    wide["any"] = np.max(list(wide.values()), axis=0)
    raw = [np.abs(a[:, 1:3] - b) for a, b, _ in parts]
    plainly = {
        name: np.max([np.percentile(raw[k][parts[k][2] == code], 95, axis=0) for k in numbers], axis=0)
        for name, code in SPEEDS.items()
    }
    plainly["any"] = np.max(list(plainly.values()), axis=0)
    # nested: what nine people's widths hold of the tenth, of whom neither correction nor width has seen anything
    held = []
    for k in numbers:
        nine = [np.percentile(off(j, {j, k}), 95, axis=0) for j in numbers if j != k]
        held.append((errors[k] <= np.max(nine, axis=0)).mean(axis=0))
    far = [np.linalg.norm(e, axis=1) * p.length_mm for e, p in zip(errors, people)]
    plain = [np.linalg.norm(a[:, 1:3] - b, axis=1) * p.length_mm for (a, b, _), p in zip(parts, people)]
    return {
        "dead": list(dead),
        "weights": [[round(float(v), 5) for v in row] for row in weights(set()).T],
        "half_width": {name: [round(float(v), 4) for v in w] for name, w in wide.items()},
        "half_width_plain": {name: [round(float(v), 4) for v in w] for name, w in plainly.items()},
        "figures": [
            float(np.mean([np.median(v) for v in plain])),
            float(np.mean([np.percentile(v, 95) for v in plain])),
            float(np.mean([np.median(v) for v in far])),
            float(np.mean([np.percentile(v, 95) for v in far])),
            *(100 * np.mean(held, axis=0)),
        ],
    }


def main() -> int:
    """Fit, print the table, and write the document."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=OUT)
    request = options.parse_args()
    if not bench.FOLDER.is_dir():
        print(f"{bench.FOLDER}: not there; tools/fetch_recordings.py fetches it", file=sys.stderr)
        return 1
    geometry = load_insole("fsr16_m").document
    # of a left insole, whose x is medial
    shares = np.asarray([(c.y_mm, c.x_mm) for c in geometry.cells]) / geometry.extent_mm
    places = shares / FOOT_PER_EXTENT
    people = [person(k, places) for k in range(10)]
    rows = [fitted(people, places, dead) for n in (0, 1, 2) for dead in combinations(range(16), n)]
    print("| cells left | sets | plain median, mm | p95 | corrected median | p95 | half-width forward, mm | sideways |"
          " held forward, % | sideways |")  # fmt: skip
    print("|---" * 10 + "|")
    for count in (0, 1, 2):
        some = [r for r in rows if len(r["dead"]) == count]
        f = np.mean([r["figures"] for r in some], axis=0)
        w = 1e3 * 0.25 * np.mean([r["half_width"]["any"] for r in some], axis=0)
        figures = (f"{f[0]:.1f}", f"{f[1]:.0f}", f"{f[2]:.1f}", *(f"{v:.0f}" for v in (f[3], *w, *f[4:])))
        print(f"| {16 - count} | {len(some)} | " + " | ".join(figures) + " |")
    document = {
        "name": "fsr16",
        "source": "ten people, Pataky 2008, doi 10.1016/j.jbiomech.2008.03.034",
        "made_by": "tools/fit_insole_cop.py",
        "places": [[round(float(v), 5) for v in row] for row in shares],
        "foot_per_extent": FOOT_PER_EXTENT,
        "corrections": [{k: v for k, v in row.items() if k != "figures"} for row in rows],
    }
    lines = [json.dumps(row) for row in document["corrections"]]
    head = json.dumps(document | {"corrections": []}, indent=1).removesuffix("[]\n}")
    request.out.write_text(head + "[\n" + ",\n".join(lines) + "\n]}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
