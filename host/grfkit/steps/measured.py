"""Rows of the steps that force plates or belts measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.contacts import (
    BORDER,
    GREATER_PERCENT,
    TOO_LONG,
    UNDERLOADED,
    UNDERLOADED_SHARE,
    Rejection,
    rule_of,
)
from ..gait.foot_frame import FootFrames, StandingFoot
from ..gait.free_moment import free_moment
from ..gait.loading import Curve, curve
from ..gait.plate_force import PlateForce
from ..gait.stances import Stance, Stances, find_stances
from ..records import Trial
from ..units import G
from .chain import ContactChain, step_times, with_asymmetry
from .features import LOADED, ContactCurves, cop_cells, force_cells, free_moment_cells, gait_of, weight_n
from .insole_centre import insole_centres, insole_cop_cells
from .lingering import EARLY, doubts, near_threshold
from .plates_of import Bearing, Bearings, along_axis, cop_travel, push_direction, up_vector
from .table import Cell

RULE, WALKING = "20N", "20N walking"
RULES = ("auto", RULE, WALKING)
UNKNOWN_FOOT = "foot not known"
ACROSS = "foot across several plates"
NO_SUM = "plates on clocks of their own have no sum: no force of this step"
NO_CURVE = "force not known throughout the contact"
NO_RISE = "the force does not rise after contact: contact or the plate's zero is in doubt"
ENDS_IN_DOUBT = "step or stride ends at a contact in doubt"
NEAR_REJECTED = "next to a rejected contact"
NOT_SEEN = "its markers do not show how the foot stands: no centre of pressure in its frame"
_SAME_S = 1e-6


@dataclass(frozen=True)
class MeasuredSteps:
    """Rows of a trial's steps in order, its rejected contacts, and what they were found by."""

    rows: tuple[dict[str, Cell], ...]
    stances: Stances


def measured_steps(
    trial: Trial, *, rule: str = "auto", lowpass_hz: float | None = 50.0, frames: FootFrames | None = None
) -> MeasuredSteps:
    """Return the rows of the steps that a trial's plates measured, and of the contacts that were rejected.

    Parameters
    ----------
    rule
        As :func:`~grfkit.gait.stances.find_stances`; ``auto`` takes ``20N`` with a runner's limits, or a walker's where
        more contacts were too long for a runner than were not.
    lowpass_hz
        Cut-off of the zero-lag low-pass of the whole force before features are taken; None, or a cut-off at or above
        half the plates' rate, filters nothing.
    frames
        The feet's markers, for the centre of pressure in the foot's own frame; None: along the direction of walking.

    Raises
    ------
    BadInputError
        If the trial has no plates, or the rule is unknown.
    """
    stances = stances_of(trial, rule)
    maker = _maker(trial, stances, lowpass_hz, frames)
    rows = [maker.row(k) for k in range(len(stances.stances))]
    rows = [_flagged(row, more) for row, more in zip(rows, maker.doubts())]
    rows = _ending_in_doubt(rows)
    rows = with_asymmetry(_underloaded(rows))
    rows += [_rejected(r, stances) for r in stances.rejections]
    rows.sort(key=lambda row: float(row["ic_s"] or 0.0))
    return MeasuredSteps(tuple(rows), stances)


def plate_ways(
    trial: Trial, *, rule: str = "auto", lowpass_hz: float | None = 50.0, frames: FootFrames | None = None
) -> Callable[[float, float, float], dict[str, Cell]]:
    """Return what gives the cells of the plates' centre of pressure of a step, known by its contact, between two times.

    Parameters
    ----------
    rule, lowpass_hz, frames
        Of :func:`measured_steps`.
    """
    return _maker(trial, stances_of(trial, rule), lowpass_hz, frames).way_between


def _maker(trial: Trial, stances: Stances, lowpass_hz: float | None, frames: FootFrames | None) -> _Maker:
    plates = {n: PlateForce.of(n, s) for n, s in trial.streams.items() if s.attrs.get("kind") == "force_plate"}
    return _Maker(trial, plates, stances, lowpass_hz, frames)


def stances_of(trial: Trial, rule: str = "auto") -> Stances:
    """Return the stances on a trial's plates.

    ``auto`` takes ``20N`` with a runner's limits, or a walker's where these fit.

    Raises
    ------
    BadInputError
        If the trial has no plates, a plate's force is not in newtons, or the rule is unknown.
    """
    _require_newtons(trial)
    if rule != "auto":
        return find_stances(trial, rule=rule)
    running = find_stances(trial, rule=RULE)
    too_long = sum(r.reason == TOO_LONG for r in running.rejections)
    # feet on two belts overlap in walking: one merged contact counts for two
    return find_stances(trial, rule=WALKING) if too_long > len(running.stances) or not running.stances else running


def _require_newtons(trial: Trial) -> None:
    for name, stream in trial.streams.items():
        if stream.attrs.get("kind") != "force_plate":
            continue
        for axis in (f"f{a}" for a in "xyz" if f"f{a}" in stream):
            unit = str(stream[axis].attrs.get("units", ""))
            if unit != "N":
                raise BadInputError(
                    f"'{axis}' of {name.removeprefix('reference/')} is in {unit or 'no unit'}, expected N; align again"
                    " with the plate's unit or calibration"
                )


def _underloaded(rows: list[dict[str, Cell]]) -> list[dict[str, Cell]]:
    """Return the rows, those flagged whose peak is far below the others': a foot beside the plate, or a hop."""
    peaks = [float(p) for row in rows if isinstance(p := row.get("vgrf_peak_n"), float) and np.isfinite(p)]
    if not peaks:
        return rows
    least = UNDERLOADED_SHARE * float(np.percentile(peaks, GREATER_PERCENT))
    for row in rows:
        peak = row.get("vgrf_peak_n")
        if isinstance(peak, float) and peak < least:
            row["flags"] = _flagged(row, [UNDERLOADED])["flags"]
    return rows


def _ending_in_doubt(rows: list[dict[str, Cell]]) -> list[dict[str, Cell]]:
    """Return the rows, those flagged whose step or stride ends at a contact that is in doubt."""
    doubted = np.asarray([float(row["ic_s"] or 0.0) for row in rows if EARLY in str(row["flags"])])
    done = []
    for row in rows:
        start = float(row["ic_s"] or 0.0)
        ends = [start + float(row[name] or np.nan) for name in ("step_s", "stride_s")]
        near = any(np.abs(doubted - end).min() < _SAME_S for end in ends if doubted.size and np.isfinite(end))
        done.append(_flagged(row, [ENDS_IN_DOUBT] if near else []))
    return done


def _flagged(row: dict[str, Cell], more: Sequence[str]) -> dict[str, Cell]:
    return row | {"flags": "; ".join(filter(None, [str(row["flags"]), *more]))}


def _rejected(rejection: Rejection, stances: Stances) -> dict[str, Cell]:
    rule = stances.times.detector
    return {
        "status": "rejected",
        "ic_s": rejection.start_s,
        "to_s": rejection.end_s,
        "reasons": rejection.reason,
        "contact_rule": rule,
    }


class _Maker:
    """What turns a stance of one trial into a row."""

    def __init__(
        self,
        trial: Trial,
        plates: Mapping[str, PlateForce],
        stances: Stances,
        lowpass_hz: float | None,
        frames: FootFrames | None,
    ) -> None:
        self.frames = frames
        attrs = trial.tree.attrs
        self.on_floor = str(attrs.get("surface", "")) != "treadmill"
        self.speed_m_s = float(attrs.get("speed_m_s", np.nan))
        self.mass_n = weight_n(float(attrs.get("mass_kg", np.nan)))
        self.stances, self.bearings = stances, Bearings(plates, lowpass_hz)
        times = stances.times
        chain = ContactChain(times.ic_s, times.to_s, stances.feet)
        self.times = step_times(chain, stances.rejections, on_floor=self.on_floor)
        flights = self.times.flight_s[np.isfinite(self.times.flight_s)]
        self.flight_s = float(np.median(flights)) if flights.size else float("nan")
        self.centres = insole_centres(trial)
        self.plates, self.streams = plates, trial.streams
        self.free: dict[str, Floats] = {}
        self.belt_forward = None if self.on_floor else self._belt_forward()

    def row(self, k: int) -> dict[str, Cell]:
        """Return the row of a stance."""
        stance, times = self.stances.stances[k], self.times
        contact, flight = float(times.contact_s[k]), float(times.flight_s[k])
        gait = gait_of(contact, self.flight_s if np.isfinite(self.flight_s) else flight)
        step = float(times.step_s[k])
        row: dict[str, Cell] = {
            "status": "step",
            "side": "" if stance.side == "unknown" else stance.side,
            "gait": gait,
            "ic_s": stance.ic_s,
            "to_s": stance.to_s,
            "contact_s": contact,
            "flight_s": flight,
            "step_s": step,
            "stride_s": float(times.stride_s[k]),
            "duty_factor_1": float(times.duty_factor[k]),
            "cadence_steps_min": 60.0 / step if step > 0 else None,
            "contact_rule": stance.detector,
            "plates": " + ".join(name.removeprefix("reference/") for name in stance.plates),
        }
        cells, flags = self._force_cells(stance, gait)
        cells |= self._free_cells(stance)
        if (centre := self.centres.get(stance.side)) is not None:
            cells |= insole_cop_cells(centre, gait, ic_s=stance.ic_s, to_s=stance.to_s)
        flags = [*self._flags(stance), *flags]
        return row | cells | {"flags": "; ".join(flags)}

    def doubts(self) -> list[list[str]]:
        """Return the flags of contacts whose beginning or end the noise of the plates may have decided."""
        near = []
        for stance in self.stances.stances:
            bearing, rule = self.bearings.of(stance.plates), rule_of(stance.detector)
            if bearing is None or rule.zeroed:
                near.append((np.nan, np.nan))
                continue
            level_n = rule.level(self.mass_n / G)
            plate = bearing.plate
            near.append(near_threshold(plate.time_s, plate.up_n, ic_s=stance.ic_s, to_s=stance.to_s, level_n=level_n))
        return doubts(near)

    def _flags(self, stance: Stance) -> list[str]:
        flags = [UNKNOWN_FOOT] if stance.side == "unknown" else []
        if self.on_floor and len(stance.plates) > 1:
            flags.append(ACROSS)
        # what began before the record says nothing against the step beside it
        reasons = (r for r in self.stances.rejections if r.reason != BORDER)
        touching = {r.reason for r in reasons if r.start_s < stance.to_s and r.end_s > stance.ic_s}
        return flags + [f"{NEAR_REJECTED} ({reason})" for reason in sorted(touching)]

    def _force_cells(self, stance: Stance, gait: str) -> tuple[dict[str, Cell], list[str]]:
        bearing = self.bearings.of(stance.plates)
        if bearing is None:
            return {}, [NO_SUM]
        time = bearing.plate.time_s

        def cut(values: Floats) -> Curve:
            return curve(time, values, ic_s=stance.ic_s, to_s=stance.to_s)

        try:
            vertical = cut(bearing.up_n)
        except BadInputError:
            return {"filter_hz": bearing.filter_hz}, [NO_CURVE]
        up = up_vector(bearing.plate.vertical)
        forward, how = self._forward(bearing, stance)
        left = None if forward is None or up is None else np.cross(up, forward)
        medial = None
        if left is not None and bearing.force_n is not None and stance.side != "unknown":
            # the inner side of the right foot is to the left, of the left foot to the right
            medial = cut(bearing.force_n @ left * (1.0 if stance.side == "right" else -1.0))
        ahead = None if forward is None or bearing.force_n is None else cut(bearing.force_n @ forward)
        curves = ContactCurves(vertical, ahead, medial, self.mass_n, 1.0)
        cells = force_cells(curves, gait, filter_hz=bearing.filter_hz)
        cells |= {"filter_hz": bearing.filter_hz, "forward_from": how}
        rates = [v for name, v in cells.items() if name.startswith("valr_") and isinstance(v, float) and np.isfinite(v)]
        flags = [NO_RISE] if rates and min(rates) <= 0 else []
        cop = self._cop_cells(bearing, stance, forward, left)
        if not cop and self.frames is not None and bearing.plate.cop_m is not None:
            flags.append(NOT_SEEN)
        return cells | cop, flags

    def _cop_cells(
        self, bearing: Bearing, stance: Stance, forward: Floats | None, left: Floats | None
    ) -> dict[str, Cell]:
        return self._way(bearing, stance, forward, left, (stance.ic_s, stance.to_s))

    def _stands(self, stance: Stance, forward: Floats | None, left: Floats | None) -> StandingFoot | None:
        """Return how the foot of a stance stands, as its markers show; None where they do not."""
        if self.frames is None or forward is None or left is None:
            return None
        level = np.stack([forward, left], axis=1)
        belt = 0.0 if self.on_floor else self.speed_m_s
        return self.frames.of(stance.side, stance.ic_s, stance.to_s, level, belt_m_s=belt)

    def _way(
        self,
        bearing: Bearing,
        stance: Stance,
        forward: Floats | None,
        left: Floats | None,
        span_s: tuple[float, float],
    ) -> dict[str, Cell]:
        """Return the cells of the centre of pressure between two times of a stance."""
        plate = bearing.plate
        inside = (plate.time_s >= span_s[0]) & (plate.time_s <= span_s[1])
        if plate.cop_m is None or not inside.any():
            return {}
        belt = 0.0 if self.on_floor else self.speed_m_s
        foot = self._stands(stance, forward, left)
        if self.frames is not None and foot is None:
            return {}
        return cop_cells(
            plate.time_s[inside], plate.up_n[inside], plate.cop_m[inside],
            ic_s=stance.ic_s, forward=forward, left=left, belt_m_s=belt, foot=foot,
            medial_sign=1.0 if stance.side == "right" else -1.0,
        )  # fmt: skip

    def way_between(self, ic_s: float, start_s: float, end_s: float) -> dict[str, Cell]:
        """Return the cells of the plates' centre of pressure from one time to another, of the step that began then."""
        stance = next((s for s in self.stances.stances if abs(s.ic_s - ic_s) < _SAME_S), None)
        bearing = None if stance is None else self.bearings.of(stance.plates)
        if stance is None or bearing is None:
            return {}
        up, (forward, _) = up_vector(bearing.plate.vertical), self._forward(bearing, stance)
        left = None if forward is None or up is None else np.cross(up, forward)
        return self._way(bearing, stance, forward, left, (start_s, end_s))

    def _free_cells(self, stance: Stance) -> dict[str, Cell]:
        plate = self.plates[stance.plates[0]] if len(stance.plates) == 1 else None
        up = None if plate is None else up_vector(plate.vertical)
        if plate is None or up is None:
            return {}
        if plate.name not in self.free:
            self.free[plate.name] = free_moment(self.streams[plate.name], plate, up)
        inside = (plate.time_s >= stance.ic_s) & (plate.time_s <= stance.to_s)
        if not inside.any():
            return {}
        return free_moment_cells(plate.time_s[inside], plate.up_n[inside], self.free[plate.name][inside])

    def _forward(self, bearing: Bearing, stance: Stance) -> tuple[Floats | None, str]:
        """Return the walking direction (3,) and what shows it; None and "" where it is not clear."""
        if bearing.plate.in_lab and not self.on_floor:
            return np.asarray([1.0, 0.0, 0.0]), "lab"
        if not self.on_floor:
            return self.belt_forward, "" if self.belt_forward is None else "force"
        push = push_direction(bearing, stance)
        forward = None if push is None else along_axis(push)
        travel = cop_travel(bearing, stance, least_share=LOADED)
        # on the floor the centre of pressure goes the same way, from heel to toe
        if forward is None or (travel is not None and float(travel @ forward) <= 0):
            return None, ""
        return forward, "force"

    def _belt_forward(self) -> Floats | None:
        """Return which way a person walks on belts, by all contacts; None where force and belts disagree."""
        pushes: list[Floats] = []
        travels: list[Floats] = []
        for stance in self.stances.stances:
            bearing = self.bearings.of(stance.plates)
            push = None if bearing is None else push_direction(bearing, stance)
            travel = None if bearing is None else cop_travel(bearing, stance, least_share=LOADED)
            pushes += [] if push is None else [push]
            travels += [] if travel is None else [travel]
        forward = _usual_axis(pushes)
        back = _usual(travels)
        # belts carry the centre of pressure backward
        if forward is None or (back is not None and float(back @ forward) >= 0):
            return None
        return forward


def _usual(vectors: Sequence[Floats]) -> Floats | None:
    return np.median(np.stack(vectors), axis=0) if vectors else None


def _usual_axis(vectors: Sequence[Floats]) -> Floats | None:
    usual = _usual(vectors)
    return None if usual is None else along_axis(usual)
