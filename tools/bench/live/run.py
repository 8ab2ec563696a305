"""The live benchmark: ``make bench-live`` (or ``python tools/bench live --help``); under an hour.

Virtual insoles over Bluetooth's own protocol stack against the monitor: losses, latency, processor time, clocks, kills
of the recorder, reconnection, the page in a browser, a day in accelerated time, and the loop closed against a force
plate. Every figure is of a simulated link; Windows, macOS and boards are untested.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .. import harness
from ..harness import ROOT, Rows
from .tables import Part, goals_of, markdown

BUNDLES = ("firmware_models/bilstm_simulated", "firmware_models/tcn_simulated", "demo/learn/bundle")
"""Looked for in this order where none is named."""
PACKAGES = ("bumble", "bleak", "numpy")


def part_link(request: argparse.Namespace) -> Rows:
    """Losses, latency and processor time; the trials beside the long ones last a minute at most."""
    from .link import link_part

    return link_part(request.seconds, short_s=min(request.seconds, 8.0 if request.quick else 60.0))


def part_clock(request: argparse.Namespace) -> Rows:
    """Device times as host times."""
    from .clock import clock_part

    return clock_part(seconds=150.0 if request.quick else 300.0, runs=1 if request.quick else 5)


def part_kills(request: argparse.Namespace) -> Rows:
    """Kills of the recorder, forked from a process of its own."""
    kills = str(40 if request.quick else 500)
    return child("live.kills", "--kills", kills, "--over-old", kills, "--json", limit_s=1800)


def part_reconnect(request: argparse.Namespace) -> Rows:
    """From a lost link to streaming again."""
    from .reconnect import reconnect_part

    return reconnect_part(30.0 if request.quick else 120.0)


def part_page(request: argparse.Namespace) -> Rows:
    """The page in a browser."""
    from .shown import page_part

    return page_part(10.0 if request.quick else 60.0, bundle=request.bundle)


def part_day(request: argparse.Namespace) -> Rows:
    """A day in accelerated time, in a process of its own."""
    return child("live.day", "--hours", "2" if request.quick else "24", limit_s=1800)


def part_loop(request: argparse.Namespace) -> Rows:
    """The loop closed against the force plate."""
    from .loop import loop_part

    figures: Rows = loop_part(20.0 if request.quick else 60.0, bundle=request.bundle)
    return figures


def _part(title: str, measure: Callable[..., Rows], module: str, prefix: str = "") -> Part:
    """Return a part whose goals and table are functions of a module, which is imported when they are called."""

    def call(function: str, figures: Rows) -> Any:
        return getattr(importlib.import_module(f".{module}", __package__), function)(figures)

    prefix = prefix or module
    return Part(title, measure, partial(call, f"{prefix}_goals"), partial(call, f"{prefix}_table"))


PARTS: dict[str, Part] = {
    "link": _part("Link", part_link, "link"),
    "clock": _part("Clock", part_clock, "clock"),
    "reconnect": _part("Reconnection", part_reconnect, "reconnect"),
    "page": _part("Page", part_page, "shown", "page"),
    "kills": _part("Kills of the recorder", part_kills, "kills"),
    "day": _part("A day", part_day, "day"),
    "loop": _part("Loop closed", part_loop, "loop"),
}


def child(name: str, *words: str, limit_s: float) -> Rows:
    """Return what one of the tools prints as its last line of JSON.

    Raises
    ------
    RuntimeError
        If it prints none.
    """
    ended = subprocess.run(
        harness.command(name, *words), stdout=subprocess.PIPE, text=True, check=False, timeout=limit_s
    )
    try:
        figures: Rows = json.loads(ended.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"{name} ended with {ended.returncode} and printed no figures") from None
    return figures


def calibration_loop_s() -> float:
    """Return the wall time of two million additions in Python, median of five: other work shows here."""
    times = []
    for _ in range(5):
        start_s, total = time.perf_counter(), 0
        for k in range(2_000_000):
            total += k
        times.append(time.perf_counter() - start_s)
    return statistics.median(times)


def measured(name: str, part: Part, request: argparse.Namespace) -> Rows:
    """Return a part's figures, or what went wrong, with commit, time and the calibration loop around it."""
    about: Rows = {"on": "simulated link", "untested": "Windows, macOS, boards", "commit": harness.commit()}
    before = calibration_loop_s()
    figures, about["wall_s"] = harness.attempted(name, lambda: part.measure(request))
    return figures | about | {"calibration_s": {"before": before, "after": calibration_loop_s()}}


def run(parts: Mapping[str, Part], names: list[str], request: argparse.Namespace, out: Path) -> Rows:
    """Run some parts, write both files after each, and return all figures.

    Parts of an earlier run stay where ``request.parts`` names some to run anew.
    """
    figures: Rows = {"machine": harness.machine(*PACKAGES), "quick": request.quick}
    # a full run starts afresh: no figure of an older commit is left among the new ones
    figures["parts"] = harness.earlier(out).get("parts", {}) if request.parts else {}
    for name in names:
        figures["parts"][name] = measured(name, parts[name], request)
        figures["goals"] = [list(goal) for goal in goals_of(parts, figures)]
        harness.write(out, figures, markdown(parts, figures))
    return figures


def first_bundle() -> Path | None:
    """Return a bundle that insoles can run, None where there is none."""
    return next((ROOT / name for name in BUNDLES if (ROOT / name / "manifest.json").exists()), None)


def main() -> int:
    """Run the benchmark, print its tables; 1 where a part could not be run."""
    parser = harness.parser(__doc__, "live")
    parser.add_argument("--seconds", type=float, help="of the long trials (600; with --quick 20)")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), help="run these, and keep the others' figures")
    parser.add_argument("--quick", action="store_true", help="short and few of everything (some minutes)")
    parser.add_argument("--bundle", type=Path, default=first_bundle(), help="of grf-quantize; the insoles run it")
    request = parser.parse_args()
    request.seconds = request.seconds or (20.0 if request.quick else 600.0)
    names = request.parts or list(PARTS)
    figures = run(PARTS, names, request, harness.quick_out(request))
    print(markdown(PARTS, figures))
    return int(any("error" in figures["parts"][name] for name in names))
