"""Links lost and found again: how long until samples flow, and whether the gap is what the insole knows it to be.

From the insole's own disconnection (its clock is this machine's) and from the host's notice of it, to the arrival of
the first packet of the next connection. The gap is counted three times: by the hub as it happens, by the recording read
back with ``grfkit.io``, and by the insole, which counted its samples throughout.
"""

from __future__ import annotations

import asyncio
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.io import read

from .host import Foot, hosted
from .insoles import RATE_HZ, Run, insoles, runs_in, true_gaps, with_truth

INTERVAL_MS, WITHIN_S, WANTED = 15.0, 1.0, 20
"""The link's interval (ms); goals: the longest reconnection (s), and how many there are to be."""
OFTEN = ("--interval-ms", "15", "--disconnect-every-s", "6", "--loss", "0.01")


def reconnect_part(seconds: float) -> dict[str, Any]:
    """Return the figures of ``seconds`` of two feet whose links are lost every six seconds on average."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "lost_and_found.grfrec"
        with insoles(*OFTEN) as program:
            host = asyncio.run(hosted([program], seconds, record=record))
        runs = runs_in(record)
        missing = missing_in(record)
    feet = {foot.side: (foot, with_truth(runs[device], program.foot(foot.side))) for device, foot in host.feet.items()}
    lost = {side: [disconnection["at_ns"] for disconnection in program.foot(side)["disconnections"]] for side in feet}
    each = [
        reconnection
        for side, (foot, connections) in feet.items()
        for reconnection in _each(foot, connections, lost[side])
    ]
    recorded = {side: missing.get(side, -1) for side in feet}
    return {
        "seconds": host.processor.seconds,
        "interval_ms": INTERVAL_MS,
        "each": each,
        "from_insole_s": _spread([reconnection["from_insole_s"] for reconnection in each]),
        "from_host_s": _spread([reconnection["from_host_s"] for reconnection in each]),
        "recording_missing": recorded,
        "truly_missing": {side: _missing(foot, connections) for side, (foot, connections) in feet.items()},
        "counted_missing": {
            side: foot.counts["samples_lost"] + foot.counts["samples_between"] for side, (foot, _) in feet.items()
        },
    }


def _each(foot: Foot, runs: list[Run], lost_ns: list[int]) -> list[dict[str, Any]]:
    """Return every reconnection of a foot: the times it took, and the gap as counted and in truth.

    A link that is lost again before anything came is one reconnection, from the first loss on.
    """
    reconnections = []
    gaps = zip(true_gaps(runs), foot.noted.gaps, strict=True)
    for (before, after), (true, counted) in zip(pairwise(runs), gaps, strict=True):
        again_ns = after.packets[0][0]
        both = (lost_ns, foot.noted.lost_ns)
        left, noticed = (min(at for at in stamps if before.packets[0][0] <= at < again_ns) for stamps in both)
        reconnections.append(
            {
                "side": foot.side,
                "from_insole_s": (again_ns - left) / 1e9,
                "from_host_s": (again_ns - noticed) / 1e9,
                "gap_true": true,
                "gap_counted": counted,
            }
        )
    return reconnections


def _missing(foot: Foot, runs: list[Run]) -> int:
    """Return how many samples are truly missing between the first that came and the last."""
    return runs[-1].after - int(runs[0].truth["first_sample"]) - foot.counts["samples"]


def missing_in(path: Path) -> dict[str, int]:
    """Return by side how many samples are missing in a recording: by the holes in the device's own time.

    Rows that are NaN and rows that are not there count alike; what lacks before the first row is not seen.
    """
    counts = {}
    for name, stream in read(path).streams.items():
        if name.startswith("insole_"):
            raw = stream["time_raw"].values
            # rounded: the device's crystal is off by ppm, a hole is of whole samples
            steps = np.rint(np.diff(raw[np.isfinite(raw)]) * RATE_HZ)
            counts[name.removeprefix("insole_")] = int((steps - 1).sum())
    return counts


def _spread(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {"n": 0, "median": float("nan"), "worst": float("nan")}
    return {"n": len(seconds), "median": float(np.median(seconds)), "worst": max(seconds)}


def reconnect_goals(part: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return each goal: what, the figure, whether it is met."""
    took, each = part["from_insole_s"], part["each"]
    exact = [reconnection["gap_true"] == reconnection["gap_counted"] for reconnection in each]
    truly, recorded, counted = part["truly_missing"], part["recording_missing"], part["counted_missing"]
    samples = ", ".join(f"{side} {recorded[side]} of {truly[side]}" for side in truly)
    return [
        (
            f"streaming again <= {WITHIN_S:g} s after a disconnection, at 15 ms",
            f"median {took['median']:.2f} s, worst {took['worst']:.2f} s",
            bool(took["worst"] <= WITHIN_S),
        ),
        (f"{WANTED} disconnections or more", f"{took['n']}", took["n"] >= WANTED),
        (
            "every gap marked to the sample",
            f"{sum(exact)} of {len(each)} gaps as the insole knows them",
            bool(each) and all(exact) and counted == truly,
        ),
        ("the recording lacks these samples and no other", f"{samples} samples", recorded == truly),
    ]


def reconnect_table(part: dict[str, Any]) -> list[str]:
    """Return the part's text and table."""
    each = part["each"]
    lines = [
        f"Two feet at {part['interval_ms']:g} ms for {part['seconds']:.0f} s, links lost every 6 s on average, 1 % of"
        " the packets lost beside. To the arrival of the first packet:",
        "",
        "| since | n | median s | worst s |",
        "|---|---|---|---|",
    ]
    for name, key in (("the insole's disconnection", "from_insole_s"), ("the host's notice of it", "from_host_s")):
        took = part[key]
        lines.append(f"| {name} | {took['n']} | {took['median']:.3f} | {took['worst']:.3f} |")
    gaps = [reconnection["gap_true"] for reconnection in each]
    text = f"Gaps of {min(gaps, default=0)} to {max(gaps, default=0)} samples ({sum(gaps)} in all)"
    return [*lines, "", f"{text}; a sample is 5 ms. Counted by the device's clock, which runs on meanwhile."]
