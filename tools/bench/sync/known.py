"""Clocks that a user states, true and wrong, on short simulated recordings: what the contacts' check says of them.

A third of the recordings is over plates. The device is cut to 11 to 25 s of the trial, as stated recordings are short;
the statement is the true offset in the middle of it, or that plus an error.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from grfkit.records import Recording, Surface
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import align

ERRORS_S = (0.0, -0.15, 0.35, 2.0)
"""By how much (s) the statement is wrong: not at all, half a running step, a running step, seconds."""
WEARABLES = ("insole", "imu", "landmarks")
_SHORTEST_S, _LONGEST_S = 11.0, 25.0


def measure(trials: int, seed: int) -> dict[str, Any]:
    """Return how often each check came of each error, by wearable and surface.

    Parameters
    ----------
    trials
        Recordings; each is stated once with every one of :data:`ERRORS_S`.
    seed
        The first recording's; it also draws what is cut out.
    """
    rng = np.random.default_rng(seed)
    tally: Counter[tuple[str, str, float, str]] = Counter()
    for k in range(trials):
        surface: Surface = "overground" if k // 3 % 3 == 0 else "treadmill"
        wearable = WEARABLES[k % 3]
        condition = Condition(
            family="A" if k % 2 else "B", surface=surface, duration_s=40.0, wearables=(wearable,), gaps=False
        )
        lab = simulate_trial(condition, seed + k)
        truth = next(t for (of, _), t in lab.truth.streams.items() if of == wearable)
        cut, middle_s = _cut(lab.wearables[wearable], truth.overlap_s, rng)
        true_s = float(truth.t_reference(np.array([middle_s]))[0]) - middle_s
        for error_s in ERRORS_S:
            result = align(lab.reference, cut, surface=surface, offset_s=true_s + error_s)
            check = next(iter(result.maps.values())).check or "none"
            tally[wearable, surface, error_s, check] += 1
    rows = [
        {"wearable": w, "surface": s, "error_s": e, "check": c, "recordings": n}
        for (w, s, e, c), n in sorted(tally.items())
    ]
    return {"seed": seed, "recordings": trials, "rows": rows}


def _cut(recording: Recording, overlap_s: tuple[float, float], rng: np.random.Generator) -> tuple[Recording, float]:
    """Return some seconds of a recording, and the middle of them on its own clock."""
    start, end = overlap_s
    length = float(rng.uniform(_SHORTEST_S, _LONGEST_S))
    first = start + float(rng.uniform(0.0, max(end - start - length, 0.0)))
    streams = {}
    for name, stream in recording.streams.items():
        time = stream["time"].values
        streams[name] = stream.isel(time=np.flatnonzero((time >= first) & (time <= first + length)))
    return recording.replaced(streams), first + 0.5 * length


def markdown(figures: dict[str, Any]) -> list[str]:
    """Return the figures as lines of Markdown."""
    checks = ("agrees", "unclear", "doubtful", "contradicts")
    lines = [
        "## Clocks that are stated",
        "",
        f"{figures['recordings']} simulated recordings of {_SHORTEST_S:.0f} to {_LONGEST_S:.0f} s, each stated truly"
        " and with three errors; `contradicts` refuses, `doubtful` warns.",
        "",
        "| device, surface | off by s | " + " | ".join(checks) + " |",
        "|---|---|---|---|---|---|",
    ]
    counted = {(r["wearable"], r["surface"], r["error_s"], r["check"]): r["recordings"] for r in figures["rows"]}
    for wearable, surface, error_s in sorted({key[:3] for key in counted}):
        cells = [str(counted.get((wearable, surface, error_s, check), 0)) for check in checks]
        lines.append(f"| {wearable}, {surface} | {error_s:+.2f} | {' | '.join(cells)} |")
    return [*lines, ""]
