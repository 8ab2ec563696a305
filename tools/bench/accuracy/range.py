"""How often a recording is called outside training: people left out one by one, and what is not of the training's kind.

Every person is left out in turn, the range fitted on the others (no network is needed), and the person's recordings
are looked at as they are and as they would be with exchanged sides or axes or in wrong units. A recording of another
set is held against the range of everybody. The error beside it is that of ridge regression on the same windows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grfkit.arrays import Floats
from grfkit.dataset.cut import LATERAL
from grfkit.learn.input_distance import recordings_of
from grfkit.learn.ridge import Ridge
from grfkit.learn.training_range import TrainingRange, fit_training_range
from grfkit.records.stance_set import StanceSet, join
from grfkit.units import G

from ..harness import Rows, machine, parser, table, write
from . import sets
from .shoes import NORMAL, STIFF, shoes

WHAT = ("speed_m_s", "contact_s", "mass_kg", "inputs", "input_strength", "still")
BINS = (0.0, 0.7, 0.85, 1.0, 1.5, 2.0, np.inf)
"""Borders of the distance over its limit between which errors are averaged."""
REPLACED = "Sub11"
"""The person with a knee replacement."""
FOLDS = 5
"""Groups of people that are left out for the errors of ridge."""
OTHER = "other_toes_"
"""Before the names of the other shoe's channels."""
NOTE = """A recording is a trial of one person. Columns count what it is outside in: `inputs` is the distance in the
inputs, `input_strength` their root mean square, `still` a channel that hardly moves.

Not seen: a size that is off by 10 %, and in half of the recordings by 20 %; a gyroscope that shows half; in half of
the recordings a left shoe's IMU that is not turned onto the right; and walking with an imitated stiff knee. The stiff
knee is further away than normal walking, but seven healthy people differ by nearly as much, and the limit for a new
person, which has to allow for so few, lies beyond it."""
Change = Callable[[Floats, tuple[str, ...]], Floats]


@dataclass(frozen=True)
class Looked:
    """One recording, looked at: in what it is outside, and its distance over the limit."""

    name: str
    outside: tuple[str, ...]
    ratio: float


def exchanged(a: str, b: str) -> Change:
    """Return a change that gives each channel named by one word the values of that named by the other."""

    def change(inputs: Floats, channels: tuple[str, ...]) -> Floats:
        words = {a: b, b: a}
        other = ["_".join(words.get(w, w) for w in name.split("_")) for name in channels]
        return inputs[:, :, [channels.index(name) for name in other]]

    return change


def negated(axis: str) -> Change:
    """Return a change that turns an axis round."""
    return lambda inputs, channels: inputs * np.asarray([-1.0 if axis in c.split("_") else 1.0 for c in channels])


def scaled(factor: float, ending: str = "") -> Change:
    """Return a change of the unit of the channels with this ending."""
    return lambda inputs, channels: inputs * np.asarray([factor if c.endswith(ending) else 1.0 for c in channels])


def dead(count: int) -> Change:
    """Return a change that leaves the first cells without load."""
    return lambda inputs, channels: inputs * (np.arange(len(channels)) >= count)


def as_faster(inputs: Floats, channels: tuple[str, ...]) -> Floats:
    """Return inputs as a rate stated twice as high makes them."""
    return scaled(4, "_acceleration")(scaled(2, "_velocity")(inputs, channels), channels)


def backwards(inputs: Floats, channels: tuple[str, ...]) -> Floats:
    """Return inputs with the end of the stance first."""
    del channels
    return inputs[:, ::-1]


def toe_first(inputs: Floats, channels: tuple[str, ...]) -> Floats:
    """Return inputs with the channels in the opposite order."""
    del channels
    return inputs[:, :, ::-1]


def both(first: Change, second: Change) -> Change:
    """Return one change after the other."""
    return lambda inputs, channels: second(first(inputs, channels), channels)


def _other_shoe(channels: tuple[str, ...]) -> list[int]:
    """Return the channels' order with those of both shoes exchanged."""
    return [channels.index(c.removeprefix(OTHER) if c.startswith(OTHER) else OTHER + c) for c in channels]


def _turned(channels: tuple[str, ...]) -> Floats:
    """Return -1 for channels that are turned where a left foot is mirrored onto a right one."""
    return np.asarray([-1.0 if c.removeprefix(OTHER) in LATERAL else 1.0 for c in channels])


def _of_kind(channels: tuple[str, ...], kind: str, factor: float) -> Floats:
    return np.asarray([factor if c.removeprefix(OTHER).startswith(kind) else 1.0 for c in channels])


LANDMARKS: dict[str, Change] = {
    "left and right exchanged": exchanged("left", "right"),
    "mirrored (y turned round)": negated("y"),
    "mirrored, and names exchanged: a left foot not turned": both(negated("y"), exchanged("left", "right")),
    "x and y exchanged": exchanged("x", "y"),
    "y and z exchanged": exchanged("y", "z"),
    "x turned round": negated("x"),
    "centimetres for metres": scaled(100),
    "a thousandth": scaled(0.001),
    "metres converted as if they were feet": scaled(0.3048),
    "10 % too large": scaled(1.1),
    "20 % too large": scaled(1.2),
    "rate stated twice as high": as_faster,
    "stance backwards": backwards,
}
CELLS: dict[str, Change] = {
    "cells from toe to heel": toe_first,
    "ten times too large": scaled(10),
    "twice too large": scaled(2),
    "half": scaled(0.5),
    "a tenth": scaled(0.1),
    "heel cell dead": dead(1),
    "three cells of the heel dead": dead(3),
    "stance backwards": backwards,
}


SHOES: dict[str, Change] = {
    "shoes exchanged, left for right": lambda inputs, channels: inputs[:, :, _other_shoe(channels)],
    "left not turned onto right": lambda inputs, channels: inputs * _turned(channels),
    "x and y exchanged": exchanged("x", "y"),
    "y and z exchanged": exchanged("y", "z"),
    "x and z exchanged": exchanged("x", "z"),
    "upside down (x and z turned round)": both(negated("x"), negated("z")),
    "g for m/s^2": lambda inputs, channels: inputs * _of_kind(channels, "acc", 1 / G),
    "deg/s for rad/s": lambda inputs, channels: inputs * _of_kind(channels, "gyro", np.rad2deg(1.0)),
    "gyroscope half": lambda inputs, channels: inputs * _of_kind(channels, "gyro", 0.5),
    "one shoe's sensor dead": lambda inputs, channels: inputs * [not c.startswith("other") for c in channels],
    "stance backwards": backwards,
}


def changed(data: StanceSet, change: Change) -> StanceSet:
    """Return the set with other inputs."""
    inputs = change(np.asarray(data.data["inputs"].values, dtype=np.float64), data.channels)
    return StanceSet(data.data.assign(inputs=(data.data["inputs"].dims, inputs.astype(np.float32))))


def looked_at(known: TrainingRange, data: StanceSet) -> list[Looked]:
    """Return every recording of a set, held against a range."""
    names = recordings_of(data).astype(str)
    seen = []
    for name in np.unique(names):
        part = known.seen(data.where(names == name), data.channels)
        outside = tuple(d.what for d in known.departures([part]))
        limit = np.nan if known.inputs is None else known.inputs.limit
        seen.append(Looked(str(name), outside, float(np.nanmedian(part.distance)) / limit))
    return seen


def row(name: str, looked: list[Looked]) -> Rows:
    """Return a row of the table: how many recordings are called outside, and in what."""
    count = len(looked)
    ratios = [one.ratio for one in looked]
    return {
        "recordings": name,
        "number": count,
        "outside": sum(bool(one.outside) for one in looked),
        "outside, %": 100.0 * sum(bool(one.outside) for one in looked) / max(count, 1),
        **{what: sum(what in one.outside for one in looked) or "" for what in WHAT},
        "distance / limit, median": float(np.median(ratios)) if ratios else float("nan"),
        "greatest": float(np.max(ratios)) if ratios else float("nan"),
    }


def left_out(data: StanceSet, changes: dict[str, Change], others: dict[str, StanceSet] | None = None) -> list[Rows]:
    """Return rows of people left out one by one: as they are, changed, and in other recordings of theirs."""
    others = others or {}
    looked: dict[str, list[Looked]] = {"people left out, as they are": []} | {name: [] for name in [*changes, *others]}
    for person in data.participants:
        known, rest = fit_training_range(data.without([person]), data.channels), data.of([person])
        looked["people left out, as they are"] += looked_at(known, rest)
        for name, change in changes.items():
            looked[name] += looked_at(known, changed(rest, change))
        for name, other in others.items():
            if person in other.participants:
                looked[name] += looked_at(known, other.of([person]))
    return [row(name, of) for name, of in looked.items()]


def ridge_errors(training: StanceSet, data: StanceSet) -> dict[str, float]:
    """Return the error of the vertical force (BW) in every recording of a set, by ridge on a training set."""
    ridge = Ridge(())
    ridge.fit(training)
    _, targets, weight = data.arrays()
    error = (np.asarray(ridge.predict(data))[:, :, 0] - targets[:, :, 0]) ** 2
    names = recordings_of(data).astype(str)
    return {str(n): _rmse(error[names == n], weight[names == n] > 0) for n in np.unique(names)}


def _rmse(square: Floats, counts: NDArray[np.bool_]) -> float:
    """Return the mean over windows of the root mean square over their samples that count."""
    each = np.where(counts, square, 0.0).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return float(np.sqrt(each).mean())


def error_rows(data: StanceSet, others: dict[str, StanceSet], changed_gait: StanceSet | None = None) -> list[Rows]:
    """Return the error by distance over the limit: of people left out in groups, and of other sets' recordings."""
    rows: list[Rows] = []
    errors, looked = {}, []
    for group in np.array_split(np.asarray(data.participants), FOLDS):
        rest = data.of(group) if changed_gait is None else join([data.of(group), changed_gait.of(group)])
        errors |= ridge_errors(data.without(group), rest)
        looked += looked_at(fit_training_range(data.without(group), data.channels), rest)
    for low, high in pairwise(BINS):
        within = [errors[one.name] for one in looked if low <= one.ratio < high]
        if within:
            rows.append(_error_row(f"left out, distance {low:g} to {high:g} of the limit", within))
    known = fit_training_range(data, data.channels)
    for name, other in others.items():
        of_other = ridge_errors(data, other)
        for one in looked_at(known, other):
            label = (
                f"{name}: {one.name.split('/')[-1]}, distance {one.ratio:.2f} ({', '.join(one.outside) or 'inside'})"
            )
            rows.append(_error_row(label, [of_other[one.name]]))
    return rows


def _error_row(name: str, errors: list[float]) -> Rows:
    return {"recordings": name, "number": len(errors), "vertical RMSE, BW": float(np.mean(errors))}


def tables() -> Iterable[tuple[str, list[Rows]]]:
    """Yield every table with its heading, one by one."""
    runners, walkers, other = sets.runners(), sets.walkers(), sets.other_lab()
    yield (
        "B, 20 runners on a treadmill, 11 landmarks",
        [
            *left_out(runners, LANDMARKS),
            *_others(runners, {"Hamner's runners (another laboratory)": other, "Schreiber's walkers": walkers}),
        ],
    )
    yield (
        "C, 12 walkers, 11 landmarks",
        [
            *left_out(walkers, LANDMARKS),
            *_others(walkers, {"Hamner's runners": other, "RBDS runners": sets.thinned(runners, 30)}),
        ],
    )
    yield "D, 97 insole wearers, 8 cells", left_out(sets.insoles(6), CELLS)
    normal, stiff = shoes(NORMAL), shoes(STIFF)
    yield (
        "E, shoe IMUs, walking, normal; healthy people left out one by one",
        [
            *left_out(normal.without([REPLACED]), SHOES, {"their walks with an imitated stiff knee": stiff}),
            *_others(normal.without([REPLACED]), {"a knee replacement": normal.of([REPLACED])}),
        ],
    )
    yield (
        "Error of ridge on E's people walking normally, by distance",
        error_rows(normal.without([REPLACED]), {"knee replacement": normal.of([REPLACED])}, stiff),
    )
    yield "Error of ridge on B's people, by distance", error_rows(runners, {"Hamner": other})


def _others(data: StanceSet, others: dict[str, StanceSet]) -> list[Rows]:
    known = fit_training_range(data, data.channels)
    return [row(name, looked_at(known, other)) for name, other in others.items()]


def markdown(figures: dict[str, Any]) -> str:
    """Return the tables."""
    lines = [
        "# When a recording is called outside training",
        "",
        f"`python tools/bench accuracy.range`, commit {figures['about']['commit']}.",
        "",
        NOTE,
    ]
    for name, rows in figures["tables"].items():
        lines += ["", f"## {name}", "", *table(rows)]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print, and write ``docs/results/range``."""
    request = parser(__doc__, "range").parse_args()
    figures: dict[str, Any] = {"about": machine("numpy"), "tables": {}}
    for name, rows in tables():
        figures["tables"][name] = rows
        print("\n".join([f"## {name}", "", *table(rows), ""]), file=sys.stderr)
    write(request.out, figures, markdown(figures))
    print(markdown(figures))
    return 0
