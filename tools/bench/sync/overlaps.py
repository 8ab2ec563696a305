"""Records that share less than 30 s on a treadmill: what is accepted by contacts, and whether it is right.

At the level of events every trial is another person; walks of 0.7 to 1.9 m/s and runs of 2 to 5 m/s, one in five with
one foot only, half with gaps. The shared 8 to 30 s lie at the ends of two long records, or the reference is a short
one within a long record, or both are short. Decoys: another person's device, or other minutes of the same person.
At the level of signals a short reference is cut out of a simulated trial and aligned as recordings are.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator

from grfkit.calibrate.lags import Lag
from grfkit.signals.contacts import Contacts
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import align_device
from grfkit.sync.contact_alignment import ContactPair, align_contacts
from grfkit.sync.contact_events import DeviceTrain
from grfkit.sync.settings import AlignSettings

from .chances import reliability, upper_bound
from .events import EventStream, EventTrial, contacts, simulate_events
from .trials import WRONG_S

SHARED_S = (8.0, 30.0)
"""Range (s) of the time that both records hold."""
SPEEDS_M_S = {"run": (2.0, 5.0), "walk": (0.7, 1.9)}
WEARABLES = ("insole", "imu")
PLACES = ("ends of both records", "a short reference", "two short records")
"""Where the shared time lies: :func:`one_event`."""
DECOYS = ("other person", "other minutes")
DONOR = 500_000
"""Seed of another person, beyond that of the first."""
ONE_FOOT, GAPS = 0.2, 0.5
"""Share of the trials with one foot, and with gaps."""
SHORT_TRIAL_S = 150.0
"""Length (s) of a trial that short records are cut from."""
LONGEST_EXTRA_S = 15.0
"""Longest time (s) by which a short record of a device begins before, or ends after, what is shared."""
SIGNALS_S = 60.0
"""Length (s) of a device's record where signals are simulated."""
MARGIN = AlignSettings().treadmill.margin
COUNTS = (0, 18, 24, 32, 40, 60, 1000)
"""Borders of the table by contacts that match."""
_SETTINGS = AlignSettings()
Row = dict[str, Any]


def one_event(job: tuple[int, str, str, str, str]) -> Row:
    """Return the row of one event-level trial: seed, gait, wearable, place of the shared time, decoy or empty."""
    seed, gait, wearable, place, decoy = job
    rng = np.random.default_rng(seed)
    shared_s = float(rng.uniform(*SHARED_S))
    trial, donor = _event_trials(rng, seed, gait, wearable, decoy, shared_s if place == PLACES[0] else None)
    stream: EventStream = donor.wearables[wearable]
    reference = contacts(trial.reference, trial.reference_s)
    device = contacts(stream.events, float(stream.events.onset_s.max(initial=0.0)))
    overlap = (0.0, 0.0) if decoy else stream.overlap_s
    if decoy or place != PLACES[0]:
        reference, overlap = _short_reference(rng, reference, stream, overlap, shared_s)
    if place == PLACES[2]:
        device = _short_device(rng, device, overlap, shared_s)
    found = align_contacts(
        ContactPair(reference, _train(device, wearable), False, None, _SETTINGS, Lag(0.0, 0.002, ""))
    ).clock_map
    at = np.linspace(*overlap, 50)
    wrong = True
    if found.segments and not decoy:
        wrong = not float(np.nanmedian(np.abs(found.apply(at) - stream.clock.t_reference(at)))) <= WRONG_S
    return {
        "seed": seed,
        "gait": gait,
        "wearable": wearable,
        "decoy": decoy,
        "place": place,
        "accepted": found.verdict == "aligned",
        "wrong": wrong,
        "margin": found.margin,
        "p_wrong": found.p_wrong,
        "contacts": found.matched_anchors,
    }


def _event_trials(
    rng: Generator, seed: int, gait: str, wearable: str, decoy: str, shared_s: float | None
) -> tuple[EventTrial, EventTrial]:
    """Return the trial of the reference, and that of the device: another person's for the first decoy."""
    condition: dict[str, Any] = {
        "gait": gait,
        "split_belt": gait == "walk",
        "wearables": (wearable,),
        "gaps": bool(rng.random() < GAPS),
        "speed_m_s": float(rng.uniform(*SPEEDS_M_S[gait])),
        "one_foot": str(rng.choice(["left", "right"])) if rng.random() < ONE_FOOT else None,
        "no_overlap": decoy == DECOYS[1],
    }
    if shared_s is None:
        condition["duration_s"] = SHORT_TRIAL_S
    elif not decoy:
        condition["overlap_s"] = shared_s
    trial = simulate_events(Condition(**condition), seed)
    if decoy != DECOYS[0]:
        return trial, trial
    return trial, simulate_events(
        Condition(**condition | {"speed_m_s": float(rng.uniform(*SPEEDS_M_S[gait]))}), seed + DONOR
    )


def _short_reference(
    rng: Generator, reference: Contacts, stream: EventStream, overlap: tuple[float, float], shared_s: float
) -> tuple[Contacts, tuple[float, float]]:
    """Return so many seconds of the reference, of what is shared where anything is, and that time on the device."""
    first, last = float(reference.covered_s[0, 0]), float(reference.covered_s[-1, 1])
    if overlap[1] > overlap[0]:
        first, last = (float(t) for t in stream.clock.t_reference(np.asarray(overlap)))
    start = float(rng.uniform(first, max(last - shared_s, first)))
    if overlap[1] > overlap[0]:
        moved = overlap[0] + start - first
        overlap = (moved, min(moved + shared_s, overlap[1]))
    return reference.between(start, start + shared_s), overlap


def _short_device(rng: Generator, device: Contacts, overlap: tuple[float, float], shared_s: float) -> Contacts:
    """Return little more of the device than is shared; of a decoy any stretch that is as long."""
    start, end = overlap
    if end <= start:
        last = float(device.covered_s[-1, 1])
        start = float(rng.uniform(0.0, max(last - shared_s, 0.0)))
        end = start + shared_s
    before, after = rng.uniform(0.0, LONGEST_EXTRA_S, 2)
    return device.between(start - before, end + after)


def _train(device: Contacts, wearable: str) -> DeviceTrain:
    feature, polarity = ("onset", float("nan")) if wearable == "insole" else ("jerk", 1.0)
    start, end = (
        (float(device.covered_s[0, 0]), float(device.covered_s[-1, 1])) if device.covered_s.size else (0.0, 0.0)
    )
    return DeviceTrain(device, wearable, feature, 200.0, (), (wearable,), "crystal", start, end, polarity)


def one_signal(job: tuple[int, str]) -> list[Row]:
    """Return the rows of one simulated trial, both wearables, aligned to a short reference cut out of it."""
    seed, gait = job
    rng = np.random.default_rng(seed)
    condition = Condition(
        gait=gait, split_belt=gait == "walk", wearables=WEARABLES, gaps=bool(rng.random() < GAPS),
        speed_m_s=float(rng.uniform(*SPEEDS_M_S[gait])), duration_s=SIGNALS_S,
    )  # fmt: skip
    lab, rows = simulate_trial(condition, seed), []
    for wearable in WEARABLES:
        name = next(iter(lab.wearables[wearable].streams))
        truth = lab.truth.streams[wearable, name]
        shared_s = float(rng.uniform(*SHARED_S))
        first, last = (float(t) for t in truth.t_reference(np.asarray(truth.overlap_s)))
        start = float(rng.uniform(first, max(last - shared_s, first)))
        end = min(start + shared_s, last)
        reference = {n: _between(s, start, end) for n, s in lab.reference.streams.items()}
        found = align_device(reference, lab.wearables[wearable], surface="treadmill", accept_refused=True).clock_map
        device_s = np.linspace(*truth.overlap_s, 600)
        true_s = truth.t_reference(device_s)
        within = (true_s >= start) & (true_s <= end)
        error_ms = 1e3 * (found.apply(device_s[within]) - true_s[within]) if found.segments else np.asarray([np.inf])
        error_ms = error_ms[np.isfinite(error_ms)]
        median_ms = float(np.median(np.abs(error_ms))) if error_ms.size else float("inf")
        rows.append(
            {
                "seed": seed, "gait": gait, "wearable": wearable, "decoy": "", "accepted": found.verdict == "aligned",
                "wrong": not median_ms <= 1e3 * WRONG_S, "margin": found.margin, "p_wrong": found.p_wrong,
                "contacts": found.matched_anchors, "uncertainty_ms": found.uncertainty_ms,
                "worst_ms": float(np.abs(error_ms).max()) if error_ms.size else None,
            }
        )  # fmt: skip
    return rows


def _between(stream: xr.Dataset, start_s: float, end_s: float) -> xr.Dataset:
    time_s = stream["time"].values
    return stream.isel(time=np.flatnonzero((time_s >= start_s) & (time_s < end_s)))


def measure(events: int, signals: int, seed: int, jobs: int) -> dict[str, Any]:
    """Return the rows of both levels: so many trials of events for each gait, wearable and place, and of signals.

    A tenth as many decoys of each kind as trials of events.
    """
    cells = list(itertools.product(SPEEDS_M_S, WEARABLES, PLACES))
    kinds = [*itertools.product(cells, [""], range(events))]
    kinds += [*itertools.product(cells, DECOYS, range(max(1, events // 10)))]
    todo = [(seed + k, *cell, decoy) for k, (cell, decoy, _) in enumerate(kinds)]
    of_signals = [(seed + DONOR // 2 + k, gait) for k, gait in zip(range(signals), itertools.cycle(SPEEDS_M_S))]
    with ProcessPoolExecutor(jobs) as pool:
        rows = list(pool.map(one_event, todo, chunksize=25))
        signal_rows = [row for rows_of in pool.map(one_signal, of_signals, chunksize=4) for row in rows_of]
    return {"first_seed": seed, "events": summarised(rows), "signals": summarised(signal_rows)}


def summarised(rows: list[Row]) -> dict[str, Any]:
    """Return counts by gait and wearable, by contacts that match, of decoys, and of the stated chance and error."""
    true, decoys = [r for r in rows if not r["decoy"]], [r for r in rows if r["decoy"]]
    by_kind = {
        f"{gait}, {wearable}": _counts([r for r in true if (r["gait"], r["wearable"]) == (gait, wearable)])
        for gait, wearable in itertools.product(SPEEDS_M_S, WEARABLES)
    }
    by_contacts = {
        f"{low} to {high - 1}" if high < COUNTS[-1] else f"{low} and more": _counts(
            [r for r in true if low <= r["contacts"] < high]
        )
        for low, high in itertools.pairwise(COUNTS)
    }
    held = [r["worst_ms"] <= r["uncertainty_ms"] for r in true if r["accepted"] and not r["wrong"] and "worst_ms" in r]
    return {
        "kinds": by_kind,
        "contacts": by_contacts,
        "decoys": {"trials": len(decoys), "accepted": sum(r["accepted"] for r in decoys)},
        "largest_margin_of_decoys": max((r["margin"] or 0.0 for r in decoys), default=None),
        "reliability": reliability(true),
        "stated_holds": float(np.mean(held)) if held else None,
    }


def _counts(rows: list[Row]) -> dict[str, int]:
    clear = [r for r in rows if (r["margin"] or 0.0) >= MARGIN]
    accepted = [r for r in rows if r["accepted"]]
    return {
        "trials": len(rows),
        "clear": len(clear),
        "wrong_clear": sum(r["wrong"] for r in clear),
        "accepted": len(accepted),
        "wrong": sum(r["wrong"] for r in accepted),
    }


def markdown(figures: dict[str, Any]) -> list[str]:
    """Return the tables as Markdown."""
    lines = [
        "## Less than 30 s shared",
        "",
        f"Treadmill, {SHARED_S[0]:.0f} to {SHARED_S[1]:.0f} s shared; {_SETTINGS.short_overlap_contacts} contacts have"
        f" to match. Seeds from {figures['first_seed']} on.",
        "",
    ]
    for level in ("events", "signals"):
        lines += _level(level, figures[level])
    return lines


def _bound(counts: dict[str, int]) -> str:
    upper = upper_bound(counts["wrong"], counts["accepted"])
    return f"{counts['wrong']} / {counts['accepted']} ({'-' if upper is None else f'{upper:.2g}'})"


def _level(level: str, figures: dict[str, Any]) -> list[str]:
    total = {key: sum(c[key] for c in figures["kinds"].values()) for key in ("trials", "accepted", "wrong")}
    lines = [f"Level of {level}:", "", "| gait, device | trials | wrong / accepted (95 % upper) |", "|---|---|---|"]
    lines += [f"| {name} | {c['trials']} | {_bound(c)} |" for name, c in figures["kinds"].items()]
    lines += [f"| all | {total['trials']} | {_bound(total)} |", ""]
    lines += [
        f"| contacts that match | trials | wrong / margin of {MARGIN:.0f} nats | wrong / accepted (95 % upper) |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {c['trials']} | {c['wrong_clear']} / {c['clear']} | {_bound(c)} |"
        for name, c in figures["contacts"].items()
    ]
    lines.append("")
    if figures["decoys"]["trials"]:
        lines += [
            f"Decoys: {figures['decoys']['accepted']} accepted of {figures['decoys']['trials']}, largest margin"
            f" {figures['largest_margin_of_decoys']:.1f} nats.",
            "",
        ]
    if figures["stated_holds"] is not None:
        lines += [f"The stated half-width holds in {100 * figures['stated_holds']:.1f} % of those accepted.", ""]
    lines += ["`p_wrong`, accepted or not:", "", "| stated | observed |", "|---|---|"]
    lines += [f"| {r['stated']:.1e} | {r['wrong']}/{r['trials']} |" for r in figures["reliability"]]
    return [*lines, ""]
