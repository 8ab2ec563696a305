"""The benchmark of films: ``make bench-images`` (or ``python tools/bench images --help``).

Rendered walkers over real plates, each person left out in turn, every method on the same frames; beside the base
laboratory the other one, whose background, clothes, light, width and camera no training has seen. Pictures and finished
folds are kept under build/bench/images, so that a run that was stopped goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from grfkit.stats.compare import paired

from .. import harness
from ..harness import Rows
from .film_page import keypoint_lines
from .picture_rows import DRAWN, EPOCHS, WIDTH, mean, picture_rows, tried

PAPER = "Mochizuki & Shibata 2023: 15 (10-19), r .59; predecessor, one image: 8. Five real people, one plate."
SOFT, HARD = "MLP, soft labels", "MLP, classes, highest"


PARTS: dict[str, Callable[..., Iterator[Rows]]] = {"pictures": picture_rows}
"""Every part by name; each takes ``quick`` and ``workers`` and gives rows as :func:`picture_rows` does."""


def table_rows(rows: Sequence[Rows]) -> list[Rows]:
    """Return the table: MAE in % BW as mean (range) over people, r, and the other laboratory."""
    lines = []
    people = max((len(row["base vgrf"]["mae_percent_bw"]) for row in rows if "base vgrf" in row), default=0)
    for row in rows:
        if "base vgrf" not in row:
            continue
        base, other = (row.get(f"{where} vgrf", {}) for where in ("base", "other"))
        lines.append(
            {
                "pictures": row["pictures"] if row["frames"] else "-",
                "method": row["method"]
                + (" *" if len(base["mae_percent_bw"]) < people else "")
                + (" +" if "published" in row["method"] else ""),
                "frames": row["frames"] or "-",
                "MAE % BW": spread(base["mae_percent_bw"]),
                "r": harness.cell(round(mean(list(base["r_samples"].values())), 2)),
                "other lab": spread(other["mae_percent_bw"]) if other else "-",
                "parameters": row["parameters"] or "-",
            }
        )
    return lines


def spread(by_person: Rows) -> str:
    """Return the mean over people, and the least and greatest of them."""
    values = np.asarray([v for v in by_person.values() if np.isfinite(v)])
    return f"{values.mean():.1f} ({values.min():.1f}-{values.max():.1f})" if values.size else "-"


def of_drawn(rows: Sequence[Rows], method: str) -> str:
    """Return a method's error on silhouettes over the people on whom the slow networks are tested."""
    few = [set(row["base vgrf"]["mae_percent_bw"]) for row in rows]
    row = next((r for r in rows if (r["pictures"], r["method"]) == ("silhouette", method)), None)
    if row is None or not few:
        return "-"
    by_person = row["base vgrf"]["mae_percent_bw"]
    return spread({person: by_person[person] for person in min(few, key=len) if person in by_person})


def comparisons(rows: Sequence[Rows]) -> list[Rows]:
    """Return what the labels and the time factor change, as paired differences over people."""
    lines = []
    by_name = {(r["pictures"], r["method"], r["frames"]): r for r in rows if r["foot"] == "near"}
    pairs = []
    for frames in ("5 frames", "+-8 frames"):
        for other in (HARD, "MLP, classes, expected value", "MLP, absolute error", "MLP, squared error"):
            pairs.append((("silhouette", SOFT, frames), ("silhouette", other, frames)))
    for pictures, method in (
        ("full frame", "2D-CNN, soft labels"),
        ("full frame", SOFT),
        ("silhouette", SOFT),
        ("silhouette", "image kernel"),
    ):
        pairs.append(((pictures, method, "5 frames"), (pictures, method, "1 frame")))
    pairs.append((("silhouette", SOFT, "+-8 frames"), ("silhouette", SOFT, "5 frames")))
    pairs.append((("silhouette", "MLP, soft labels, balanced", "+-8 frames"), ("silhouette", SOFT, "+-8 frames")))
    for a, b in pairs:
        if a not in by_name or b not in by_name:
            continue
        both = [by_name[k]["base vgrf"]["mae_percent_bw"] for k in (a, b)]
        found = paired(both[0], both[1])
        lines.append(
            {
                "first": ", ".join(a), "second": ", ".join(b), "first - second, points": f"{found.mean:+.1f}",
                "95 % interval": f"{found.low:+.1f} to {found.high:+.1f}",
            }
        )  # fmt: skip
    return lines


def other_axes(rows: Sequence[Rows]) -> list[Rows]:
    """Return forward and medial errors, where a row has them."""
    names = {"apgrf": "fore-aft", "mlgrf": "medio-lateral"}
    return [
        {"method": row["method"], "axis": names[axis], "MAE % BW": spread(row[f"base {axis}"]["mae_percent_bw"]),
         "r": f"{mean(list(row[f'base {axis}']['r_samples'].values())):.2f}",
         "other lab": spread(row[f"other {axis}"]["mae_percent_bw"])}
        for row in rows for axis in names if f"base {axis}" in row
    ]  # fmt: skip


def markdown(figures: Rows) -> str:
    """Return the page."""
    rows = [row for part in PARTS for row in figures.get(part, {}).get("rows", [])]
    people = max((len(r["base vgrf"]["mae_percent_bw"]) for r in rows), default=0)
    done = {(r["pictures"], r["method"], r["frames"]) for r in rows}
    plan = [(r.picture, r.method.name, r.note) for r in tried(quick=bool(figures.get("quick")))]
    lacking = "; ".join(", ".join(words) for words in plan if words not in done)
    stopped = f"**Stopped before its end.** Not run: {lacking}." if lacking else ""
    lines = [
        "# Films: pictures to force",
        "",
        f"Printed by `python tools/bench images{' --quick' if figures.get('quick') else ''}`."
        f" {harness.versions(figures['machine'], but=('python',))}.",
        "",
        f"**Rendered, not filmed:** capsules posed by the measured markers of {people} walkers (Schreiber & Moissenet"
        " 2019), seen from both sides at 60 frames/s; silhouettes are the true ones, as a perfect pose model would give"
        " them; forces are the plates'. Every person is left out in turn. MAE in % of body weight over the samples of a"
        " person, mean (least to greatest person); r over the samples of a person, mean. The other laboratory has"
        " another background, clothing, light, body width and camera pose, and is in no training.",
        "",
        f"Published: {PAPER}",
        "",
        *([stopped, ""] if stopped else []),
        *harness.table(table_rows(rows)),
        "",
        f"\\* {DRAWN} people only, every third, since a CPU needs minutes for one; their constant median errs by"
        f" {of_drawn(rows, 'constant median')}, the 2D-CNN of silhouettes by {of_drawn(rows, '2D-CNN, soft labels')}.",
        "",
        f"\\+ {WIDTH} maps and {EPOCHS} epochs: as published it has 256 maps (110.5 million parameters) and up to 500"
        " epochs, which are for a GPU.",
        "",
        "## Labels, time and balance",
        "",
        *harness.table(comparisons(rows)),
        "",
        "## Other axes",
        "",
        *harness.table(other_axes(rows)),
        "",
        *[
            f"{part} took {figures[part]['seconds'] / 60:.0f} min (the last run; finished folds of earlier ones are not"
            " counted)."
            for part in PARTS
            if "seconds" in figures.get(part, {})
        ],
        "",
        *(keypoint_lines(figures["keypoints"]) if "keypoints" in figures else []),
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    options = harness.parser(__doc__, "images")
    options.add_argument("--quick", action="store_true", help="four people, no 3D networks (ten minutes)")
    options.add_argument("--workers", type=int, default=1, help="processes")
    options.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS), help="parts to run anew")
    options.add_argument("--kept", action="store_true", help="only rows that earlier runs have finished")
    request = options.parse_args()
    out = harness.quick_out(request)
    figures = harness.earlier(out) | {"machine": harness.machine("torch"), "quick": request.quick}
    for part in request.only:
        start, rows = time.perf_counter(), []
        for row in PARTS[part](quick=request.quick, workers=request.workers, kept=request.kept):
            rows.append(row)
            # after every row: what was stopped has its rows
            figures[part] = {"rows": rows, "seconds": round(time.perf_counter() - start, 1)}
            harness.write(out, figures, markdown(figures))
    print(markdown(figures))


if __name__ == "__main__":
    main()
