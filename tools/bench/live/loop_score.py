"""Scores of the closed loop: curves of stances against the plate that measured the same contacts.

All times are of the plate's clock. A stance counts where the plate saw the same contact, whole; an answer without one
and a contact without an answer are counted beside the errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from grfkit.arrays import Floats
from grfkit.dataset.foot_force import of_foot, plate_columns, plate_contact, stance_force
from grfkit.dataset.resample import linear, stance_times
from grfkit.gait.stances import Stance, find_stances
from grfkit.learn.baseline_base import mean_curve
from grfkit.records import Trial
from grfkit.records.stance_set import StanceSet
from grfkit.units import G

AXES = ("vgrf", "apgrf", "mlgrf")
SIDES = ("left", "right")
NEAR_S = 0.1
"""Contacts up to this before the first answer or after the last count as well (s); chosen by hand: less than a step."""
_UNLOADED_PERCENT = 2.0
"""Percentile of a cell's samples that is its level without load, chosen by hand."""


@dataclass(frozen=True)
class Answer:
    """One stance as one source estimates it: its contact (s, plate's clock) and ``force_bw`` (points, AXES)."""

    side: str
    start_s: float
    end_s: float
    force_bw: Floats


@dataclass(frozen=True)
class Plate:
    """The plate's side of a trial of grf-sync: contacts with the foot that the insoles tell, and the force."""

    contacts: tuple[Stance, ...]
    columns: list[Any]
    weight_n: float

    @classmethod
    def of(cls, trial: Trial, mass_kg: float) -> Plate:
        """Return the plate of a trial whose axes are the lab's."""
        plates = {n: s for n, s in trial.streams.items() if s.attrs.get("kind") == "force_plate"}
        return cls(find_stances(trial, source="force").stances, plate_columns(plates, three=True), mass_kg * G)

    def contact_of(self, answer: Answer) -> Stance | None:
        """Return the plate's own contact that a stance is, None where it saw none."""
        side: Any = answer.side
        return plate_contact(Stance(answer.start_s, answer.end_s, side, "device", "device"), self.contacts)

    def force_bw(self, contact: Stance, side: str, at_s: Floats) -> Floats:
        """Return what the plate measured (BW), shape (times, AXES)."""
        return of_foot(stance_force(self.columns, contact, at_s), side) / self.weight_n


class Map(Protocol):
    """A map of times onto the plate's clock."""

    def apply(self, time_s: Floats, /) -> Floats:
        """Return the plate's times."""
        ...


def mapped(clock: Map, time_s: Floats) -> Floats:
    """Return times of a recording on the plate's clock."""
    return np.asarray(clock.apply(np.atleast_1d(np.asarray(time_s, dtype=np.float64))))


def on_device(recording: Mapping[str, xr.Dataset], maps: Mapping[str, Map]) -> list[Answer]:
    """Return the stances that the insoles sent (type 3), placed by the alignment of their own foot."""
    answers = []
    for side in SIDES:
        if f"stances_{side}" not in recording:
            continue
        reports, clock = recording[f"stances_{side}"], maps[f"insole_{side}"]
        start = np.asarray(reports["time"].values, dtype=np.float64)
        ends = mapped(clock, start + reports["contact_s"].values)
        curves = np.stack([reports[axis].values for axis in AXES], axis=2)
        answers += [Answer(side, *row) for row in zip(mapped(clock, start), ends, curves)]
    return [answer for answer in answers if np.isfinite([answer.start_s, answer.end_s]).all()]


def on_host(path: Path, maps: Mapping[str, Map], points: int) -> list[Answer]:
    """Return the stances of a file that grf-estimate wrote."""
    tree, answers = xr.open_datatree(path, engine="h5netcdf"), []
    table = tree["/stances"].to_dataset().load()
    for side in SIDES:
        if f"/force_{side}" not in tree.groups:
            continue
        foot, clock = tree[f"/force_{side}"].to_dataset().load(), maps[f"insole_{side}"]
        columns = [foot[f"{a}_bw"].values if f"{a}_bw" in foot else np.full(foot.sizes["time"], np.nan) for a in AXES]
        force = np.stack(columns, axis=1)
        answered = (table["side"].values == side) & (table["answered"].values == 1)
        for start, end in zip(table["start"].values[answered], table["end"].values[answered]):
            curve = _within(foot["time"].values, force, stance_times(start, end, points))
            answers.append(Answer(side, *map(float, mapped(clock, np.asarray([start, end]))), curve))
    tree.close()
    return [answer for answer in answers if np.isfinite([answer.start_s, answer.end_s]).all()]


def _within(time_s: Floats, force_bw: Floats, at_s: Floats) -> Floats:
    """Return the force at times from contact to toe-off, of the samples between them alone."""
    # a line to the sample beyond the stance's edge would bend the curve's ends
    inside = slice(*np.searchsorted(time_s, [at_s[0], at_s[-1]]))
    if inside.stop - inside.start < 2:
        return np.full((at_s.size, force_bw.shape[1]), np.nan)
    time, force = time_s[inside], force_bw[inside]
    return linear(time, force, np.clip(at_s, time[0], time[-1]))


def with_mean_curve(answers: Sequence[Answer], curve_bw: Floats) -> list[Answer]:
    """Return the same stances with one curve (points, AXES) for all."""
    answers_with_curve = []
    for answer in answers:
        at, grid = np.linspace(0, 1, len(answer.force_bw)), np.linspace(0, 1, len(curve_bw))
        answers_with_curve.append(Answer(answer.side, answer.start_s, answer.end_s, linear(grid, curve_bw, at)))
    return answers_with_curve


def with_cells(answers: Sequence[Answer], recording: Mapping[str, xr.Dataset], maps: Mapping[str, Map]) -> list[Answer]:
    """Return the same stances with the sum of the cells, scaled so that both feet bear body weight on average.

    That is what a runner's feet do over many steps, so that neither a plate nor training is needed for the scale.
    """
    sums = {}
    for side in SIDES:
        stream = recording[f"insole_{side}"]
        cells = np.stack([stream[f"cell_{k:02d}"].values for k in range(1, 17)], axis=1)
        total = (cells - np.nanpercentile(cells, _UNLOADED_PERCENT, axis=0)).sum(axis=1)
        sums[side] = mapped(maps[f"insole_{side}"], stream["time"].values), total
    scale = 1.0 / sum(float(np.nanmean(total)) for _, total in sums.values())
    answers_of_cells = []
    for answer in answers:
        time, total = sums[answer.side]
        at = stance_times(answer.start_s, answer.end_s, len(answer.force_bw))
        curve = np.full((len(at), len(AXES)), np.nan)
        curve[:, 0] = scale * linear(time, total, at)[:, 0]
        answers_of_cells.append(Answer(answer.side, answer.start_s, answer.end_s, curve))
    return answers_of_cells


def mean_of(path: Path) -> Floats:
    """Return the mean curve (points, AXES) of a stance set's people, each of whom counts alike."""
    data = StanceSet(StanceSet.open(path).data.load())
    curve, names = mean_curve(data), [str(a) for a in data.data["axis"].values]
    return np.stack([curve[:, names.index(a)] if a in names else np.full(len(curve), np.nan) for a in AXES], axis=1)


def mean_of_answers(bundle: Path) -> Floats:
    """Return the mean prediction of a bundle's golden windows, for use where the training's own set is not at hand."""
    from grfkit.runtime.bundle_files import read_manifest

    names = [axis.name for axis in read_manifest(bundle).axes]
    with np.load(bundle / "golden.npz") as golden:
        curve = golden["force_bw"].mean(axis=0)
    return np.stack([curve[:, names.index(a)] if a in names else np.full(len(curve), np.nan) for a in AXES], axis=1)


class Measure(Protocol):
    """A measurement that curves are compared with."""

    def contact_of(self, answer: Answer) -> Stance | None:
        """Return the measure's own contact that a stance is."""
        ...

    def force_bw(self, contact: Stance, side: str, at_s: Floats) -> Floats:
        """Return the force (BW), shape (times, AXES)."""
        ...


def errors(answers: Sequence[Answer], plate: Measure) -> dict[str, Any]:
    """Return how far curves are from the plate: RMS and peaks in BW, and how many stances that is.

    ``turned_rms_bw`` is the RMS with the sign turned: where it is the lesser one, somebody has the axis wrong.
    """
    off, turned, peaks = [], [], []
    for answer in answers:
        contact = plate.contact_of(answer)
        if contact is None:
            continue
        at = stance_times(answer.start_s, answer.end_s, len(answer.force_bw))
        measured = plate.force_bw(contact, answer.side, at)
        off.append(answer.force_bw - measured)
        turned.append(-answer.force_bw - measured)
        # each curve's own extremes, wherever they are in the stance
        peaks.append(_ends(answer.force_bw) - _ends(measured))
    if not off:
        return {"stances": 0}
    figures: dict[str, Any] = {"stances": len(off)}
    figures["rms_bw"] = dict(zip(AXES, map(_rms, np.moveaxis(np.stack(off), 2, 0))))
    figures["turned_rms_bw"] = dict(zip(AXES, map(_rms, np.moveaxis(np.stack(turned), 2, 0))))
    ends = np.stack(peaks)
    for k, name in enumerate(("peak", "braking", "propulsion")):
        figures[f"{name}_bw"] = _figure(np.abs(ends[:, k]).mean())
    figures["peak_bias_bw"] = _figure(ends[:, 0].mean())
    return figures


def _ends(curve: Floats) -> Floats:
    return np.asarray([curve[:, 0].max(), curve[:, 1].min(), curve[:, 1].max()])


def _rms(values: Floats) -> float | None:
    return _figure(np.sqrt(np.mean(values**2)))


def _figure(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def matches(answers: Sequence[Answer], plate: Plate, truth: Mapping[str, Floats]) -> dict[str, Any]:
    """Return how answers and contacts meet, and how far initial contact and toe-off are off (ms, median and p95).

    Parameters
    ----------
    truth
        ``ic_s``, ``to_s`` and ``left`` of the contacts that were simulated.
    """
    pairs = [(answer, contact) for answer in answers if (contact := plate.contact_of(answer)) is not None]
    used = {contact.ic_s for _, contact in pairs}
    span = (
        (min(answer.start_s for answer in answers), max(answer.start_s for answer in answers))
        if answers
        else (0.0, 0.0)
    )
    contacts = [c for c in plate.contacts if span[0] - NEAR_S <= c.ic_s <= span[1] + NEAR_S]
    figures: dict[str, Any] = {
        "answers": len(answers),
        "matched": len(pairs),
        "answers_unmatched": len(answers) - len(pairs),
        "contacts_unanswered": sum(c.ic_s not in used for c in contacts),
        "matched_twice": len(pairs) - len(used),
    }
    rows: dict[str, list[float]] = {"ic_plate": [], "to_plate": [], "ic_truth": [], "to_truth": []}
    wrong_foot = 0
    for answer, contact in pairs:
        # by time alone, whatever foot: a wrong foot is to show
        k = int(np.argmin(np.abs(truth["ic_s"] - contact.ic_s)))
        wrong_foot += bool(truth["left"][k]) != (answer.side == "left")
        rows["ic_plate"].append(answer.start_s - contact.ic_s)
        rows["to_plate"].append(answer.end_s - contact.to_s)
        rows["ic_truth"].append(answer.start_s - float(truth["ic_s"][k]))
        rows["to_truth"].append(answer.end_s - float(truth["to_s"][k]))
    figures["wrong_foot"] = wrong_foot
    for name, values in rows.items():
        ms = 1e3 * np.asarray(values)
        figures[f"{name}_ms"] = _spread(ms) if ms.size else None
    return figures


def _spread(ms: Floats) -> dict[str, float]:
    middle = float(np.median(ms))
    return {"median": middle, "sd": float(ms.std()), "p95": float(np.percentile(np.abs(ms), 95))}
