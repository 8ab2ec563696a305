"""Sessions of the alignment benchmark: three bouts over plates on one recording of every wearable, together and alone.

Every session is aligned without start times, and with start times of two precisions; its bouts alone are those that
their contacts align before the session has a say. A decoy has a bout of another person in place of its second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from grfkit.simulate.conditions import Condition
from grfkit.simulate.session import SimulatedSession, simulate_session
from grfkit.sync import SessionAlignment, align_session

from .trials import WRONG_S

STARTS: dict[str, float | None] = {"no start times": None, "start times +-1 s": 0.5, "start times +-0.1 s": 0.05}
"""SD (s) of the start times; what is written is its double, as everywhere."""
STRANGER = "a bout of another person"
CONDITION = Condition(surface="overground", gaps=True)
_NAMES = ("bout_1", "bout_2", "bout_3")


def tables(session: SimulatedSession, *, start_sd_s: float | None, rng: np.random.Generator) -> dict[str, Any]:
    """Return a session as :func:`grfkit.sync.align_session` takes it, with start times that are off by an SD."""
    trials = [{"name": name, "reference": r} for name, r in zip(_NAMES, session.references)]
    document: dict[str, Any] = {
        "surface": "overground",
        "wearables": list(session.wearables.values()),
        "trial": trials,
        "keep_s": None,
        "allow_partial": True,
    }
    if start_sd_s is not None:
        starts = {
            name: clock.offset_s + float(rng.normal(0.0, start_sd_s)) for name, clock in zip(_NAMES, session.clocks)
        }
        for trial in trials:
            trial["start"] = starts[trial["name"]]
        document["start_sd_s"] = start_sd_s
    return document


def one(job: tuple[int, bool]) -> list[dict[str, Any]]:
    """Return a row for each kind of start times and each wearable of a simulated session."""
    seed, decoy = job
    session = simulate_session(CONDITION, seed)
    donor = simulate_session(CONDITION, seed + 500_000) if decoy else session
    rows = []
    for kind, start_sd_s in STARTS.items():
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(9,)))
        document = tables(session, start_sd_s=start_sd_s, rng=rng)
        if decoy:
            document["trial"][1]["reference"] = donor.references[1]
        began = time.process_time()
        aligned = align_session(document)
        cpu_s = time.process_time() - began
        for number, wearable in enumerate(session.wearables):
            rows.append({"seed": seed, "kind": kind, "decoy": decoy, "wearable": wearable, "cpu_s": cpu_s})
            rows[-1] |= _judged(session, aligned, number, wearable, decoy)
    return rows


def _judged(
    session: SimulatedSession, aligned: SessionAlignment, number: int, wearable: str, decoy: bool
) -> dict[str, Any]:
    """Return how many bouts of a wearable are aligned, alone and together, and how many of these are wrong."""
    stream = next(iter(session.wearables[wearable].streams))
    bouts = []
    for bout, name in enumerate(_NAMES):
        maps = list(aligned.trials[name].maps.values())
        # both feet of a wearable are on one clock
        clock_map = next(m for m in maps if m.source.startswith(wearable.removesuffix("s")))
        wrong, error_s = decoy and bout == 1, None
        if clock_map.segments and not wrong:
            span = session.lab.truth.streams[wearable, stream].clock
            shown = np.asarray(session.clocks[bout].running(np.linspace(5.0, 115.0, 50)))
            device_s = span.t_running(shown) - span.first_stamp_s
            error = clock_map.apply(device_s) - session.t_reference(bout, wearable, stream, device_s)
            error_s = float(np.median(error))
            wrong = abs(error_s) > WRONG_S
        bouts.append(
            {
                "accepted": clock_map.verdict == "aligned",
                "wrong": bool(wrong),
                "error_ms": None if error_s is None else 1e3 * error_s,
                "uncertainty_ms": clock_map.uncertainty_ms,
                "margin": clock_map.margin,
                "p_wrong": clock_map.p_wrong,
                "reasons": clock_map.reasons,
            }
        )
    clock = aligned.clocks[number]
    return {"bouts": bouts, "alone": clock.alone, "session_margin": clock.margin, "any_wearable": aligned.verdict}


def measure(sessions: int, decoys: int, first_seed: int, jobs: int) -> dict[str, Any]:
    """Return the rows of the table of sessions."""
    todo = [(first_seed + k, False) for k in range(sessions)]
    todo += [(first_seed + 100_000 + k, True) for k in range(decoys)]
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(jobs) as pool:
        for number, found in enumerate(pool.map(one, todo)):
            rows += found
            print(f"session {number + 1} of {len(todo)}", file=sys.stderr, flush=True)
    return {"rows": summary(rows), "sessions": rows}


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each kind of session and each wearable."""
    table = []
    for decoy in (False, True):
        for kind in STARTS:
            for wearable in ("insole", "imu", "any"):
                some = [
                    r for r in rows if r["decoy"] == decoy and r["kind"] == kind and wearable in (r["wearable"], "any")
                ]
                if some:
                    table.append(
                        {"what": f"{kind}{f', {STRANGER}' if decoy else ''}, {wearable}"} | _counts(some, wearable)
                    )
    return table


def _counts(rows: list[dict[str, Any]], wearable: str) -> dict[str, Any]:
    """Return sessions and bouts that are accepted; of ``any`` those in which a wearable is."""
    by_seed: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_seed.setdefault(row["seed"], []).append(row)
    aligned = [
        [any(r["bouts"][k]["accepted"] for r in group) for k in range(len(_NAMES))] for group in by_seed.values()
    ]
    bouts = [bout for row in rows for bout in row["bouts"]]
    accepted = [bout for bout in bouts if bout["accepted"]]
    wrong = sum(bout["wrong"] for bout in accepted)
    covered = [
        abs(b["error_ms"]) <= b["uncertainty_ms"] for b in accepted if not b["wrong"] and b["error_ms"] is not None
    ]
    return {
        "sessions": len(by_seed),
        "placed": sum(any(group) for group in aligned),
        "whole": sum(all(group) for group in aligned),
        "bouts": sum(len(group) for group in aligned),
        "alone": None if wearable == "any" else sum(row["alone"] for row in rows),
        "accepted": sum(sum(group) for group in aligned),
        "streams": len(accepted),
        "wrong": wrong,
        "covered": float(np.mean(covered)) if covered else None,
        "cpu_s": float(np.median([row["cpu_s"] for row in rows])),
    }


def markdown(figures: dict[str, Any], upper_bound: Callable[[int, int], float | None]) -> list[str]:
    """Return the table of sessions.

    Parameters
    ----------
    upper_bound
        Gives the 95 % upper bound of a rate by wrong and accepted.
    """
    lines = [
        "## Sessions: three bouts of 2 min over plates, no jumps, 1 % of the packets lost",
        "",
        "| session | sessions | with a bout aligned | all bouts aligned | bouts alone | bouts in the session |"
        " wrong / maps (95 % upper) | covered | CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in figures["rows"]:
        n, bouts = row["sessions"], row["bouts"]
        alone = "-" if row["alone"] is None else f"{100 * row['alone'] / bouts:.0f} %"
        bound = upper_bound(row["wrong"], row["streams"])
        upper = "-" if bound is None else f"{bound:.2g}"
        covered = "-" if row["covered"] is None else f"{row['covered']:.2f}"
        lines.append(
            f"| {row['what']} | {n} | {100 * row['placed'] / n:.0f} % | {100 * row['whole'] / n:.0f} % | {alone} |"
            f" {100 * row['accepted'] / bouts:.0f} % | {row['wrong']} / {row['streams']} ({upper}) |"
            f" {covered} | {row['cpu_s']:.1f} |"
        )
    return [*lines, "", "*any*: a bout counts if one of the wearables is aligned in it.", ""]
