"""What the review page asks: signals of a stretch, how likely a place is, drafts, decisions; files are written here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import InputFile
from ..records import Segment, Trial
from ..report.decimate import curve
from ..sync.by_hand import CLOSE_S, decided
from ..sync.evidence import device_signal, levels, reference_signal
from ..sync.review import (
    ContactEdit,
    Decision,
    Places,
    ReviewedClock,
    best_places,
    clocks_of,
    edited,
    fit_to_contacts,
    moved,
    on_device_clock,
    places_about,
    trains,
)

COLUMNS = 1600
"""Columns that a curve is drawn in at most."""
SHOWN_CONTACTS = 400
"""Contacts of one side that are sent for a stretch at most; more than a screen can tell apart."""
CURVE_POINTS = 801
"""Points of the curve of log-likelihood."""
HALF_SPAN_S = 1.2
"""Half of the stretch of shifts that the curve shows (s): a step or two to either side; chosen by hand."""
LONGEST_SHIFT_S = 86_400.0
"""Shift (s) that a page may ask for."""

MOST_DRIFT_PPM = 20_000.0
"""Rate (ppm) that a person may accept: a little more than the 1.5 % that the search looks at."""


class Draft(BaseModel):
    """What the page shows of one clock, not decided yet.

    Attributes
    ----------
    shift_s
        By how much the device is moved from the trial's map, or from the fitted one.
    fitted
        A clock fitted to contacts, in place of the trial's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    clock: int = Field(ge=0)
    shift_s: float = Field(default=0.0, ge=-LONGEST_SHIFT_S, le=LONGEST_SHIFT_S)
    fitted: Segment | None = None
    edits: tuple[ContactEdit, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Return whether it differs from the trial."""
        return abs(self.shift_s) >= CLOSE_S or self.fitted is not None or bool(self.edits)


class Verdict(Draft):
    """A decision as the page sends it."""

    accept: bool
    who: str = Field(min_length=1, max_length=80)
    note: str = Field(default="", max_length=1000)
    uncertainty_ms: float | None = Field(default=None, gt=0.0, le=1e5)


@dataclass
class Desk:
    """A trial under review, its drafts and decisions.

    Parameters
    ----------
    trial
        As it was read; it is never changed.
    out
        What the reviewed trial is written to, anew after every decision.
    force
        Whether ``out`` may be overwritten the first time.
    name, file
        The trial's name on the page, and its file for provenance.
    who
        Who decides, as far as known beforehand.
    keep_refused
        As of :func:`grfkit.sync.by_hand.decided`.
    """

    trial: Trial
    out: Path
    force: bool = False
    name: str = "trial"
    file: InputFile | None = None
    who: str = ""
    keep_refused: bool = True
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    clocks: list[ReviewedClock] = field(init=False)
    decisions: dict[int, Decision] = field(init=False, default_factory=dict)
    drafts: dict[int, Draft] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Find the clocks and the places where they may belong."""
        self.clocks = clocks_of(self.trial)
        self._best: dict[tuple[int, tuple[ContactEdit, ...]], Places] = {}

    def about(self) -> dict[str, Any]:
        """Return what the page shows at its head, and every clock."""
        attrs = self.trial.tree.attrs
        mass_kg = float(attrs.get("mass_kg", np.nan))
        return {
            "name": self.name,
            "participant": str(attrs.get("participant", "")),
            "surface": str(attrs.get("surface", "")),
            "mass_kg": mass_kg if np.isfinite(mass_kg) else None,
            "verdict": self.trial.verdict,
            "out": str(self.out),
            "who": self.who,
            "clocks": [self._about_clock(number) for number in range(len(self.clocks))],
        }

    def _about_clock(self, number: int) -> dict[str, Any]:
        clock, decision = self.clocks[number], self.decisions.get(number)
        clock_map, beat = clock.clock_map, clock.beat
        start, end = self._span(clock)
        return {
            "streams": list(clock.streams),
            "sides": [str(self.trial.streams[n].attrs.get("side", "unknown")) for n in clock.streams],
            "verdict": clock_map.verdict,
            "origin": clock_map.origin,
            "offset_s": clock_map.segments[0].offset_s,
            "drift_ppm": clock_map.segments[0].drift_ppm,
            "pieces": len(clock_map.segments),
            "uncertainty_ms": clock_map.uncertainty_ms,
            "margin": clock_map.margin,
            "reasons": clock_map.reasons,
            "findings": clock_map.findings,
            "before": None if clock_map.by_hand is None else clock_map.by_hand.in_words(),
            "step_s": beat.step_s if beat is not None else None,
            "lag_sd_ms": 1e3 * clock.pair.lag.sd_s if clock.pair is not None else None,
            "why_no_contacts": clock.why,
            "reference": self._label(clock) if clock.reference else "",
            "start_s": start,
            "end_s": end,
            "look_s": self._look_s(clock),
            "decision": None if decision is None else {"accept": decision.accept, "note": decision.note},
            "draft": draft.model_dump(mode="json") if (draft := self.drafts.get(number)) is not None else None,
        }

    def _reference(self, clock: ReviewedClock) -> tuple[Floats, Floats]:
        """Return the signal that the device is compared with: the plates' total load, else the first device's own."""
        if clock.loads:
            return reference_signal(clock.loads)
        if not clock.reference:
            return np.zeros(0), np.zeros(0)
        name = clock.reference[0]
        return device_signal(name, self.trial.streams[name], ())

    def _label(self, clock: ReviewedClock) -> str:
        """Return what the reference's signal is, for the axis and the legend."""
        plates = [n for n in clock.reference if self.trial.streams[n].attrs.get("kind") == "force_plate"]
        if plates and clock.loads:
            return "total force (N)"
        return f"signal of {', '.join(load.name for load in clock.loads) or clock.reference[0]}"

    def _look_s(self, clock: ReviewedClock) -> float:
        """Return the moment (s) to look at first: a contact in the middle of what both recorded."""
        device = [self.trial.streams[n]["time"].values for n in clock.streams]
        reference = [self.trial.streams[n]["time"].values for n in clock.reference] or device
        middle = (max(t[0] for t in (*device, *reference)) + min(t[-1] for t in (*device, *reference))) / 2.0
        if clock.pair is None or not clock.pair.reference.size:
            return float(middle)
        onset_s = clock.pair.reference.onset_s
        return float(onset_s[np.argmin(np.abs(onset_s - middle))])

    def _span(self, clock: ReviewedClock) -> tuple[float, float]:
        """Return from when to when (s) reference or device recorded, on the reference clock."""
        times = [self.trial.streams[n]["time"].values for n in clock.streams]
        times += [self.trial.streams[n]["time"].values for n in clock.reference]
        return min(float(t[0]) for t in times if t.size), max(float(t[-1]) for t in times if t.size)

    def clock(self, number: int) -> ReviewedClock:
        """Return a clock by its number.

        Raises
        ------
        BadInputError
            If there is none.
        """
        if not 0 <= number < len(self.clocks):
            raise BadInputError(f"there is no clock {number}; the trial has {len(self.clocks)}")
        return self.clocks[number]

    def signals(self, draft: Draft, start_s: float, end_s: float, columns: int = COLUMNS) -> dict[str, Any]:
        """Return the reference and the device over a stretch of reference time, at few enough points to draw.

        Raises
        ------
        BadInputError
            If the stretch is empty.
        """
        if not end_s > start_s:
            raise BadInputError(f"a stretch from {start_s:g} to {end_s:g} s is none")
        clock, segments = self.clock(draft.clock), self._segments(draft)
        columns = int(np.clip(columns, 50, COLUMNS))
        time_s, total = self._reference(clock)
        low, high = levels(total)
        clock_map = clock.clock_map.model_copy(update={"segments": list(segments)})
        device = {}
        for name in clock.streams:
            own_s, values = device_signal(
                name, on_device_clock(self.trial.streams[name]), () if clock.pair is None else clock.pair.train.loads
            )
            bottom, top = levels(values)
            mapped = clock_map.apply(own_s)
            placed = np.isfinite(mapped)
            # drawn at the height of the reference's usual contact, whatever its unit
            drawn = low + (values[placed] - bottom) / (top - bottom) * (high - low)
            device[name] = _points(mapped[placed], drawn, start_s, end_s, columns)
        return {
            "start_s": start_s,
            "end_s": end_s,
            "reference": _points(time_s, total, start_s, end_s, columns),
            "device": device,
            "levels": [low, high],
            "contacts": self._contacts(draft, segments, start_s, end_s),
            "middle": self._middle(draft, (start_s + end_s) / 2.0),
        }

    def _middle(self, draft: Draft, at_s: float) -> dict[str, float]:
        """Return a moment of the reference clock, and what a contact there has for an onset on the device's clock."""
        clock, segment = self.clock(draft.clock), self._segments(draft)[0]
        lag_s = 0.0 if clock.pair is None else clock.pair.lag.lag_s
        return {"at_s": at_s, "own_s": float(segment.inverse(np.asarray([at_s]))[0]) + lag_s}

    def _contacts(
        self, draft: Draft, segments: tuple[Segment, ...], start_s: float, end_s: float
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the contacts of both sides in a stretch, with their onsets on their own clocks."""
        clock = self.clock(draft.clock)
        if clock.pair is None:
            return {"reference": [], "device": []}
        reference, device, placed = trains(clock, segments, draft.edits)
        own = edited(clock.pair.train.contacts, draft.edits, "device").onset_s[placed]
        changed = {(e.on, e.now_s): e for e in draft.edits if e.now_s is not None}
        found: dict[str, list[dict[str, Any]]] = {}
        sides: tuple[tuple[Literal["reference", "device"], Any, Floats], ...] = (
            ("reference", reference, reference.onset_s),
            ("device", device, own),
        )
        for side, contacts, own_s in sides:
            inside = np.flatnonzero((contacts.onset_s >= start_s) & (contacts.onset_s <= end_s))[:SHOWN_CONTACTS]
            rows = []
            for index in inside:
                edit = changed.get((side, float(own_s[index])))
                rows.append(
                    {
                        "at_s": float(contacts.onset_s[index]),
                        "own_s": float(own_s[index]),
                        "foot": int(contacts.foot[index]),
                        "was_s": float(own_s[index]) if edit is None else edit.was_s,
                        "changed": edit is not None,
                    }
                )
            found[side] = rows
        return found

    def _segments(self, draft: Draft) -> tuple[Segment, ...]:
        clock = self.clock(draft.clock)
        start = clock.segments if draft.fitted is None else (draft.fitted,)
        return moved(start, draft.shift_s)

    def _shift_s(self, draft: Draft) -> float:
        """Return by how much (s) the shown clock lies from the trial's, in the middle of the device's record."""
        clock = self.clock(draft.clock)
        if draft.fitted is None:
            return draft.shift_s
        middle = np.asarray([(clock.segments[0].start_s + clock.segments[-1].end_s) / 2.0])
        before = clock.clock_map.apply(middle)
        return float(self._segments(draft)[0].apply(middle)[0] - before[0])

    def likelihood(self, draft: Draft) -> dict[str, Any]:
        """Return how likely the shown place is, the curve about it, and the likeliest places of all."""
        clock = self.clock(draft.clock)
        if clock.pair is None:
            return {"nats": None, "curve": None, "places": [], "why": clock.why}
        shift = self._shift_s(draft)
        half = max(HALF_SPAN_S, 2.5 * (clock.beat.step_s if clock.beat else 0.0))
        near = places_about(clock, shift, half, draft.edits)
        best = self._best_of(draft)
        together = Places(*(np.concatenate([getattr(near, n), getattr(best, n)]) for n in Places.__dataclass_fields__))
        at = np.linspace(shift - half, shift + half, CURVE_POINTS)
        height = together.at(at)
        nearest = int(np.argmin(np.abs(together.shift_s - shift))) if together.shift_s.size else None
        return {
            "shift_s": shift,
            "offset_s": self._segments(draft)[0].offset_s,
            "drift_ppm": self._segments(draft)[0].drift_ppm,
            "nats": _number(float(together.at(np.asarray([shift]))[0])),
            "best_nats": _number(float(together.nats.max())) if together.nats.size else None,
            "nearest": None if nearest is None else _place(together, nearest),
            "curve": {"shift_s": at.tolist(), "nats": [_number(v) for v in height.tolist()]},
            "places": [_place(best, k) for k in range(best.shift_s.size)],
            "why": "",
        }

    def _best_of(self, draft: Draft) -> Places:
        key = (draft.clock, draft.edits)
        if key not in self._best:
            self._best = {k: v for k, v in self._best.items() if k[0] != draft.clock}
            self._best[key] = best_places(self.clock(draft.clock), draft.edits)
        return self._best[key]

    def fit(self, draft: Draft) -> dict[str, Any]:
        """Return the clock through the contacts that match where the device is shown.

        Raises
        ------
        BadInputError
            If too few match.
        """
        fit = fit_to_contacts(self.clock(draft.clock), self._shift_s(draft), draft.edits)
        segment = fit.segment.model_dump(mode="json")
        return {"fitted": segment, "uncertainty_ms": fit.uncertainty_ms, "matched": fit.matched}

    def keep(self, draft: Draft) -> None:
        """Remember what is shown, so that what was not decided can be told at the end."""
        self.clock(draft.clock)
        self.drafts[draft.clock] = draft

    def decide(self, verdict: Verdict) -> dict[str, Any]:
        """Write the trial with this decision and all earlier ones, and return what it is now.

        Raises
        ------
        BadInputError
            If the file cannot be written, or a clock is accepted at which device and reference share no time.
        """
        if not verdict.who.strip():
            raise BadInputError("say who decides: initials or a code are enough")
        clock, likely = self.clock(verdict.clock), self.likelihood(verdict)
        if verdict.accept:
            self._refuse_apart(clock, verdict)
        decision = Decision(
            streams=clock.streams,
            accept=verdict.accept,
            who=verdict.who.strip(),
            when=self.now().isoformat(timespec="seconds"),
            note=verdict.note.strip(),
            shift_s=verdict.shift_s,
            fitted=verdict.fitted,
            uncertainty_ms=verdict.uncertainty_ms,
            nats=likely["nats"],
            best_nats=likely.get("best_nats"),
            edits=verdict.edits,
        )
        decisions = self.decisions | {verdict.clock: decision}
        reviewed = self._decided(decisions)
        reviewed.to_netcdf(self.out, force=self.force)
        # our own file from now on
        self.decisions, self.force, self.who = decisions, True, decision.who
        self.drafts.pop(verdict.clock, None)
        return {"written": str(self.out), "verdict": reviewed.verdict}

    def _refuse_apart(self, clock: ReviewedClock, draft: Draft) -> None:
        """Refuse a clock at which the device recorded at another time than what it is compared with."""
        segments = self._segments(draft)
        if max(abs(s.drift_ppm) for s in segments) > MOST_DRIFT_PPM:
            raise BadInputError(f"a clock more than {MOST_DRIFT_PPM:g} ppm off is none; fit it to other contacts")
        clock_map = clock.clock_map.model_copy(update={"segments": list(segments)})
        placed = [clock_map.apply(on_device_clock(self.trial.streams[n])["time"].values) for n in clock.streams]
        device = [t[np.isfinite(t)] for t in placed if np.isfinite(t).any()]
        reference = [t for n in clock.reference if (t := self.trial.streams[n]["time"].values).size]
        if reference and not any(d[0] < r[-1] and r[0] < d[-1] for d in device for r in reference):
            raise BadInputError(
                "here the device and the reference have no moment in common; move it back, or refuse it"
            )

    def reviewed(self) -> Trial:
        """Return the trial after all decisions so far."""
        return self._decided(self.decisions)

    def _decided(self, decisions: dict[int, Decision]) -> Trial:
        return decided(self.trial, list(decisions.values()), file=self.file, keep_refused=self.keep_refused)

    def result(self) -> dict[str, Any]:
        """Return what came of the review, as ``--json`` prints it."""
        undecided = {
            n: draft for n, draft in self.drafts.items() if draft.is_changed and not self._is_decided(n, draft)
        }
        reviewed = self.reviewed()
        return {
            "trial": self.name,
            "written": str(self.out) if self.decisions else None,
            "verdict": reviewed.verdict,
            "decisions": [d.model_dump(mode="json") for _, d in sorted(self.decisions.items())],
            "undecided": [
                {"streams": list(self.clocks[n].streams), **draft.model_dump(mode="json", exclude={"clock"})}
                for n, draft in sorted(undecided.items())
            ],
        }

    def _is_decided(self, number: int, draft: Draft) -> bool:
        decision = self.decisions.get(number)
        same = (draft.shift_s, draft.fitted, draft.edits)
        return decision is not None and same == (decision.shift_s, decision.fitted, decision.edits)


def _points(
    time_s: Floats, values: Floats, start_s: float, end_s: float, columns: int
) -> dict[str, list[float | None]]:
    x, y = curve(time_s, values, start=start_s, end=end_s, columns=columns)
    return {"x": np.round(x, 5).tolist(), "y": [_number(v) for v in np.round(y, 3).tolist()]}


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _place(places: Places, index: int) -> dict[str, Any]:
    return {
        "shift_s": float(places.shift_s[index]),
        "sd_ms": 1e3 * float(places.sd_s[index]),
        "nats": float(places.nats[index]),
        "matched": int(places.matched[index]),
        "possible": int(places.possible[index]),
    }
