"""Rows of the steps that a model estimated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.loading import Curve, curve
from .chain import ContactChain, step_times, with_asymmetry
from .features import ContactCurves, force_cells, gait_of, weight_n
from .table import Cell

NOT_ANSWERED = "the model gave no force of this step"
_SIDES = ("left", "right")
_SAME = 0.5
"""Share of the shorter contact during which an estimated and a measured one overlap that are the same step. As for
plates that bear one foot (:mod:`~grfkit.gait.plate_hits`)."""


def estimated_steps(tree: xr.DataTree) -> tuple[list[dict[str, Cell]], dict[str, int]]:
    """Return the rows of an estimate's stances, and how many contacts its detector rejected, by reason.

    Nothing is filtered: a model's force is as smooth as its training. What the detector rejected has no times in an
    estimate, so steps whose neighbours may have been rejected have no step time where feet do not alternate.

    Parameters
    ----------
    tree
        As :func:`~grfkit.estimation.files.as_tree` makes it.
    """
    stances = tree["stances"].to_dataset()
    side = [str(s) for s in stances["side"].values]
    ic, to = _contacts(stances)
    order, rows = timed_rows(ic, to, side, str(tree.attrs.get("cut", "")))
    done: list[dict[str, Cell]] = []
    for source, row in zip(order, rows):
        flags = [f for f in str(stances["flags"].values[source]).split("; ") if f]
        leaks = [f for f in str(stances["leaks"].values[source]).split("; ") if f]
        cells = _force(tree, side[source], row) if bool(stances["answered"].values[source]) else None
        if cells is None:
            flags.append(NOT_ANSWERED)
        done.append(row | (cells or {}) | {"flags": "; ".join([*flags, *(f"LEAK: {leak}" for leak in leaks)])})
    return with_asymmetry(done), rejected_of(tree)


def rejected_of(tree: xr.DataTree) -> dict[str, int]:
    """Return how many contacts the detector of an estimate rejected, by reason."""
    return dict(json.loads(str(tree.attrs.get("rejected", "{}"))))


def timed_rows(
    ic_s: Floats, to_s: Floats, side: Sequence[str], rule: str
) -> tuple[NDArray[np.int64], list[dict[str, Cell]]]:
    """Return the order of an estimate's contacts in time, and in this order a row of each with its times."""
    order = np.argsort(ic_s, kind="stable")
    feet = np.asarray([_SIDES.index(s) if s in _SIDES else -1 for s in side], dtype=np.int64)
    chain = ContactChain(ic_s[order], to_s[order], feet[order])
    # wearables and landmarks see every step, on the floor too
    times = step_times(chain, (), on_floor=False)
    flights = times.flight_s[np.isfinite(times.flight_s)]
    usual = float(np.median(flights)) if flights.size else float("nan")
    rows: list[dict[str, Cell]] = [
        {
            "status": "step",
            "side": side[source],
            "gait": gait_of(float(times.contact_s[k]), usual),
            "ic_s": float(chain.ic_s[k]),
            "to_s": float(chain.to_s[k]),
            "contact_s": float(times.contact_s[k]),
            "flight_s": float(times.flight_s[k]),
            "step_s": float(times.step_s[k]),
            "stride_s": float(times.stride_s[k]),
            "duty_factor_1": float(times.duty_factor[k]),
            "cadence_steps_min": 60.0 / float(times.step_s[k]),
            "contact_rule": rule,
        }
        for k, source in enumerate(order)
    ]
    return order, rows


def _contacts(stances: xr.Dataset) -> tuple[Floats, Floats]:
    """Return contact and toe-off: a window around the contact is cut to it, by as much at either end."""
    start, end = (np.asarray(stances[name].values, dtype=np.float64) for name in ("start", "end"))
    margin = 0.5 * (end - start - np.asarray(stances["contact"].values, dtype=np.float64))
    margin = np.where(np.isfinite(margin) & (margin > 1e-6), margin, 0.0)
    return start + margin, end - margin


def _force(tree: xr.DataTree, side: str, row: Mapping[str, Cell]) -> dict[str, Cell] | None:
    """Return the cells of a step's force; None where it is not known throughout."""
    node = f"force_{side}"
    if node not in tree.children:
        return None
    stream = tree[node].to_dataset()
    time = np.asarray(stream["time"].values, dtype=np.float64)

    def cut(axis: str) -> Curve | None:
        if f"{axis}_bw" not in stream:
            return None
        values = np.asarray(stream[f"{axis}_bw"].values, dtype=np.float64)
        return curve(time, values, ic_s=_time(row["ic_s"]), to_s=_time(row["to_s"]))

    try:
        vertical, forward, medial = (cut(axis) for axis in ("vgrf", "apgrf", "mlgrf"))
    except BadInputError:
        return None
    if vertical is None:
        return None
    mass_n = weight_n(float(tree.attrs.get("mass_kg", np.nan)))
    cells = force_cells(ContactCurves(vertical, forward, medial, 1.0, mass_n), str(row["gait"]), filter_hz=None)
    return cells | {"forward_from": "" if forward is None else "model"}


def _time(value: Any) -> float:
    return float(value)


def matched(estimated: list[dict[str, Cell]], measured: list[dict[str, Cell]]) -> list[dict[str, Cell]]:
    """Return estimated rows with the number of the measured step of that foot at the time, empty where there is none.

    Parameters
    ----------
    measured
        Complete, numbered rows; one whose foot is not known is matched by its time.
    """
    done = []
    steps = [row for row in measured if row["status"] == "step"]
    for row in estimated:
        same = [m for m in steps if m["side"] in (None, row["side"]) and _overlap(m, row) >= _SAME]
        best = max(same, key=lambda m: _overlap(m, row), default=None)
        done.append(row | {"measured_step": None if best is None else best["step"]})
    return done


def _overlap(a: Mapping[str, Cell], b: Mapping[str, Cell]) -> float:
    ends = [_time(row[name]) for row in (a, b) for name in ("ic_s", "to_s")]
    shared = min(ends[1], ends[3]) - max(ends[0], ends[2])
    return shared / max(min(ends[1] - ends[0], ends[3] - ends[2]), 1e-9)
