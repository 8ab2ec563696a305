"""Rows of the steps whose centre of pressure a model estimated, beside the plates' own over the same time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from ..gait.foot_frame import FootFrames
from .estimated import NOT_ANSWERED, matched, rejected_of, timed_rows
from .features import FOOT, LAB, MODEL, way_cells
from .insole_centre import LONGEST_GAP_S
from .measured import NOT_SEEN
from .table import Cell

MEASURED_ONLY = "centre of pressure measured only: the model gave none of this step"
ESTIMATED_ONLY = "centre of pressure estimated only: the plates gave none of this step"
NO_PATH = "the model gave no centre of pressure of this step"
COP_FLAGS = (MEASURED_ONLY, ESTIMATED_ONLY, NO_PATH, NOT_SEEN)
"""Flags that say nothing against the other numbers of a step."""
LEVEL = np.eye(3)[:, :2]
"""Forward and left of the lab frame, in which a model's path runs."""
_PLATES = {f"cop_{what}_m": f"plate_cop_{what}_m" for what in ("path", "forward", "sideways")}

PlatePath = Callable[[float, float, float], dict[str, Cell]]
"""Gives the plates' cells ``cop_...`` of the step that began at a time, from one time to another (s)."""


def cop_steps(tree: xr.DataTree, frames: FootFrames | None = None) -> tuple[list[dict[str, Cell]], dict[str, int]]:
    """Return the rows of the stances of an estimated centre of pressure, and how many contacts were rejected.

    Parameters
    ----------
    tree
        As :func:`~grfkit.estimation.cop.as_tree` makes it.
    frames
        The feet's markers in the lab frame, for the foot's own frame; None: along the direction of walking.
    """
    stances = tree["stances"].to_dataset()
    side = [str(s) for s in stances["side"].values]
    start, end = (np.asarray(stances[name].values, dtype=np.float64) for name in ("start", "end"))
    order, rows = timed_rows(start, end, side, str(tree.attrs.get("cut", "")))
    width = dict(json.loads(str(tree.attrs.get("half_width_mm", "{}"))))
    leaks = [f"LEAK: {leak}" for leak in json.loads(str(tree.attrs.get("leaks", "[]")))]
    done = []
    for source, row in zip(order, rows):
        flags = [f for f in str(stances["flags"].values[source]).split("; ") if f]
        cells = _path(tree, side[source], row, frames)
        if cells.get("cop_from"):
            within = {"forward": width.get("along"), "sideways": width.get("across")}
            cells |= {f"cop_within_{name}_m": mm / 1e3 for name, mm in within.items() if mm is not None}
        else:
            flags.append(NOT_SEEN if cells else NO_PATH)
            cells = {}
        done.append(row | cells | {"flags": "; ".join([*flags, *leaks])})
    return done, rejected_of(tree)


def _path(tree: xr.DataTree, side: str, row: Mapping[str, Cell], frames: FootFrames | None) -> dict[str, Cell]:
    """Return the cells of a step's path; none where it is not known, or not known for a while within the contact.

    Where its markers do not show how the foot stands, the frame alone.
    """
    node = f"cop_{side}"
    if node not in tree.children:
        return {}
    stream = tree[node].to_dataset()
    time = np.asarray(stream["time"].values, dtype=np.float64)
    place = np.stack([np.asarray(stream[f"cop_{a}_mm"].values, dtype=np.float64) for a in ("along", "across")], axis=1)
    ic, to = _number(row["ic_s"]), _number(row["to_s"])
    inside = (time >= ic) & (time <= to) & np.isfinite(place).all(axis=1)
    if np.count_nonzero(inside) < 2 or float(np.diff(time[inside]).max()) > LONGEST_GAP_S:
        return {}
    way = place[inside] / 1e3
    if frames is None:
        return way_cells(time[inside], way, ic_s=ic, source=MODEL, frame=LAB)
    foot = frames.of(side, ic, to, LEVEL)
    if foot is None:
        return {"cop_frame": FOOT}
    to_left = [1.0, medial_sign(side)]
    return way_cells(time[inside], foot.turned(way * to_left) * to_left, ic_s=ic, source=MODEL, frame=FOOT)


def medial_sign(side: str) -> float:
    """Return 1 where medial is to the left (a right foot), else -1."""
    return 1.0 if side == "right" else -1.0


def beside_plates(
    rows: Sequence[dict[str, Cell]], measured: Sequence[dict[str, Cell]], plates: PlatePath | None
) -> list[dict[str, Cell]]:
    """Return rows of an estimated centre, each with the plates' own over the same time, or a flag that they have none.

    Parameters
    ----------
    measured
        Complete, numbered rows of the trial that the estimate was made from; none where there is no such trial.
    plates
        Of that trial.
    """
    done = []
    by_step = {row["step"]: row for row in measured}
    for row in matched(list(rows), list(measured)):
        beside = by_step.get(row["measured_step"])
        cells: dict[str, Cell] = {}
        if row.get("cop_from") and plates is not None:
            if beside is not None and beside["cop_from"]:
                begin, ic = _number(row["ic_s"]), _number(beside["ic_s"])
                way = plates(ic, begin + _number(row["cop_start_s"]), begin + _number(row["cop_end_s"]))
                cells = {name: way[own] for own, name in _PLATES.items() if own in way}
            if not cells:
                row = flagged(row, ESTIMATED_ONLY)
        done.append(row | cells)
    return done


def measured_only(measured: Sequence[Mapping[str, Cell]], estimated: Sequence[Mapping[str, Cell]]) -> list[Cell]:
    """Return the numbers of the measured steps with a centre of pressure of which the model gave none."""
    answered = {row["measured_step"] for row in estimated if row.get("cop_from")}
    steps = (row for row in measured if row["status"] == "step" and row["cop_from"])
    return [row["step"] for row in steps if row["step"] not in answered]


def with_forces(rows: Sequence[dict[str, Cell]], forces: Sequence[Mapping[str, Cell]]) -> list[dict[str, Cell]]:
    """Return the rows of estimated forces with the centre of pressure that another model gave of the same steps.

    A step of one of both models alone stays a row, and says so.
    """
    own = [dict(row) for row in forces]
    of_step: dict[Cell, dict[str, Cell]] = {
        row["measured_step"]: row for row in matched(list(rows), own) if row["measured_step"] is not None
    }
    # what was matched is a step of the forces; the measured one stands in the row itself
    by_contact = {(row["side"], row["ic_s"]): row for row in rows}
    done = []
    for row in own:
        other = of_step.get(row["step"])
        if other is None:
            done.append(flagged(row, NO_PATH))
            continue
        given = by_contact[other["side"], other["ic_s"]]
        cells = {n: v for n, v in given.items() if n.startswith(("cop_", "plate_cop_")) and v is not None}
        merged = row | cells
        for flag in str(given["flags"] or "").split("; "):
            merged = flagged(merged, flag) if flag and flag not in str(merged["flags"] or "") else merged
        done.append(merged)
    taken = {(row["side"], row["ic_s"]) for row in of_step.values()}
    done += [flagged(row, NOT_ANSWERED) for key, row in by_contact.items() if key not in taken]
    return sorted(done, key=lambda row: _number(row["ic_s"]))


def flagged(row: Mapping[str, Cell], flag: str) -> dict[str, Cell]:
    """Return a row with one more flag."""
    return dict(row) | {"flags": "; ".join(filter(None, [str(row["flags"] or ""), flag]))}


def half_width_words(tree: xr.DataTree) -> str:
    """Return the sentence on how far off a model's path may be."""
    width: Mapping[str, float] = json.loads(str(tree.attrs.get("half_width_mm", "{}")))
    if not width:
        return "how far off this centre of pressure is nobody measured: grf-evaluate TRIALS --model FOLDER does"
    return (
        f"centre of pressure by a model: +-{width['along']:.0f} mm along, +-{width['across']:.0f} mm across held 95 %"
        " of the samples of each person left out of training; from the path's own mean, not from the heel"
    )


def _number(value: Cell) -> float:
    return float(value) if isinstance(value, float | int) else float("nan")
