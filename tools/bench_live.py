"""The live benchmark: ``make bench-live`` (or ``python tools/bench_live.py --help``); under an hour.

Virtual insoles over Bluetooth's own protocol stack against the monitor: losses, latency, processor time, clocks, kills
of the recorder, reconnection, the page in a browser, a day in accelerated time, and the loop closed against a force
plate. Every figure is of a simulated link; Windows, macOS and boards are untested.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from live_tables import Goal, Part, Rows, goals_of, markdown

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "tools"
BUNDLES = ("firmware_models/bilstm_simulated", "firmware_models/tcn_simulated", "demo/learn/bundle")
"""Looked for in this order where none is named."""
PACKAGES = ("bumble", "bleak", "numpy")


def part_link(asked: argparse.Namespace) -> Rows:
    """Losses, latency and processor time; the trials beside the long ones last a minute at most."""
    from live_link import link_part

    return link_part(asked.seconds, short_s=min(asked.seconds, 8.0 if asked.quick else 60.0))


def part_clock(asked: argparse.Namespace) -> Rows:
    """Device times as host times."""
    from bench_live_clock import clock_part

    return clock_part(seconds=150.0 if asked.quick else 300.0, runs=1 if asked.quick else 5)


def part_kills(asked: argparse.Namespace) -> Rows:
    """Kills of the recorder, forked from a process of its own."""
    return child("bench_live_kills.py", "--kills", str(40 if asked.quick else 500), "--json", limit_s=900)


def part_reconnect(asked: argparse.Namespace) -> Rows:
    """From a lost link to streaming again."""
    from live_reconnect import reconnect_part

    return reconnect_part(30.0 if asked.quick else 120.0)


def part_page(asked: argparse.Namespace) -> Rows:
    """The page in a browser."""
    from live_shown import page_part

    return page_part(10.0 if asked.quick else 60.0, bundle=asked.bundle)


def part_day(asked: argparse.Namespace) -> Rows:
    """A day in accelerated time, in a process of its own."""
    return child("live_day.py", "--hours", "2" if asked.quick else "24", limit_s=1800)


def part_loop(asked: argparse.Namespace) -> Rows:
    """The loop closed against the force plate."""
    from live_loop import loop_part

    done: Rows = loop_part(20.0 if asked.quick else 60.0, bundle=asked.bundle)
    return done


def _of(module: str, function: str) -> Any:
    """Return a module's function, imported when it is called."""

    def call(part: Rows) -> Any:
        return getattr(__import__(module), function)(part)

    return call


PARTS: dict[str, Part] = {
    "link": Part("Link", part_link, _of("live_link", "link_goals"), _of("live_link", "link_table")),
    "clock": Part("Clock", part_clock, _of("bench_live_clock", "clock_goals"), _of("bench_live_clock", "clock_table")),
    "reconnect": Part(
        "Reconnection",
        part_reconnect,
        _of("live_reconnect", "reconnect_goals"),
        _of("live_reconnect", "reconnect_table"),
    ),
    "page": Part("Page", part_page, _of("live_shown", "page_goals"), _of("live_shown", "page_table")),
    "kills": Part(
        "Kills of the recorder",
        part_kills,
        _of("bench_live_kills", "kills_goals"),
        _of("bench_live_kills", "kills_table"),
    ),
    "day": Part("A day", part_day, _of("live_day", "day_goals"), _of("live_day", "day_table")),
    "loop": Part("Loop closed", part_loop, _of("live_loop", "loop_goals"), _of("live_loop", "loop_table")),
}


def child(script: str, *words: str, limit_s: float) -> Rows:
    """Return what one of the tools prints as its last line of JSON.

    Raises
    ------
    RuntimeError
        If it prints none.
    """
    done = subprocess.run(
        [sys.executable, str(TOOLS / script), *words], stdout=subprocess.PIPE, text=True, check=False, timeout=limit_s
    )
    try:
        told: Rows = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"{script} ended with {done.returncode} and told no figures") from None
    return told


def calibration_loop_s() -> float:
    """Return the wall time of two million additions in Python, median of five: other work shows here."""
    times = []
    for _ in range(5):
        begun, total = time.perf_counter(), 0
        for k in range(2_000_000):
            total += k
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def commit() -> str:
    """Return the commit that is checked out."""
    words = ["git", "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> Rows:
    """Return commit, machine and versions."""
    about = {"commit": commit(), "Python": platform.python_version(), "machine": platform.machine()}
    return about | {"cores": os.cpu_count()} | {name: version(name) for name in PACKAGES}


def measured(part: Part, asked: argparse.Namespace) -> Rows:
    """Return a part's figures, or what went wrong, with commit, time and the calibration loop around it."""
    about: Rows = {"on": "simulated link", "untested": "Windows, macOS, boards", "commit": commit()}
    before, begun = calibration_loop_s(), time.perf_counter()
    try:
        done = part.measure(asked)
    except Exception as error:
        done = {"error": f"{type(error).__name__}: {error}"}
        print(f"  {done['error']}", file=sys.stderr)
    about["wall_s"] = time.perf_counter() - begun
    return done | about | {"calibration_s": {"before": before, "after": calibration_loop_s()}}


def earlier(path: Path, *, only_some: bool) -> Rows:
    """Return the parts of an earlier run, where some are to be run anew and the others stay."""
    if not only_some or not path.exists():
        return {}
    kept: Rows = json.loads(path.read_text(encoding="utf-8"))["parts"]
    return kept


def run(parts: Mapping[str, Part], names: list[str], asked: argparse.Namespace, out: Path) -> Rows:
    """Run some parts, write both files after each, and return all figures."""
    figures: Rows = {"machine": machine(), "quick": asked.quick}
    figures["parts"] = earlier(out.with_suffix(".json"), only_some=bool(asked.parts))
    out.parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        figures["parts"][name] = measured(parts[name], asked)
        figures["goals"] = [list(goal) for goal in goals_of(parts, figures)]
        out.with_suffix(".json").write_text(json.dumps(figures, indent=1, default=float) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(markdown(parts, figures), encoding="utf-8")
    return figures


def found_bundle() -> Path | None:
    """Return a bundle that insoles can run, None where there is none."""
    return next((ROOT / name for name in BUNDLES if (ROOT / name / "manifest.json").exists()), None)


def main() -> int:
    """Run the benchmark, print its tables; 1 where a part could not be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="of the long trials (600; with --quick 20)")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), help="run these, and keep the others' figures")
    parser.add_argument("--quick", action="store_true", help="short and few of everything (some minutes)")
    parser.add_argument("--bundle", type=Path, default=found_bundle(), help="of grf-quantize; the insoles run it")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "live", help="without suffix")
    asked = parser.parse_args()
    asked.seconds = asked.seconds or (20.0 if asked.quick else 600.0)
    out = asked.out.with_name(asked.out.name + ("_quick" if asked.quick else ""))
    names = asked.parts or list(PARTS)
    figures = run(PARTS, names, asked, out)
    print(markdown(PARTS, figures))
    return int(any("error" in figures["parts"][name] for name in names))


__all__ = ["PARTS", "Goal", "Part", "earlier", "measured", "run"]

if __name__ == "__main__":
    raise SystemExit(main())
