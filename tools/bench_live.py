"""The live benchmark: ``python tools/bench_live.py --seconds 600``; parts are run one after the other.

Every figure is of a simulated link (the model is printed) and stands beside a fixed calibration loop of the same run;
Windows, macOS and boards are untested.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from live_link import goals_of, link_part

ROOT = Path(__file__).resolve().parents[1]
PARTS: dict[str, Callable[[float], dict[str, Any]]] = {"link": link_part}
GOALS: dict[str, Callable[[dict[str, Any]], list[tuple[str, str, bool]]]] = {"link": goals_of}


def calibration_loop_s() -> float:
    """Return the wall time of two million additions in Python: what else the machine does shows here."""
    begun, total = time.perf_counter(), 0
    for k in range(2_000_000):
        total += k
    return time.perf_counter() - begun


def markdown(done: dict[str, Any]) -> str:
    """Return the figures as tables."""
    lines = ["# Live", "", f"{done['machine']}; calibration loop {done['calibration_s']['before']:.3f} s before,"]
    lines += [f"{done['calibration_s']['after']:.3f} s after. Simulated link. Windows, macOS and boards: untested.", ""]
    lines += ["| goal | measured | met |", "|---|---|---|"]
    lines += [f"| {what} | {figure} | {'yes' if met else 'no'} |" for what, figure, met in done["goals"]]
    link = done["parts"].get("link")
    if link:
        lines += ["", "## Link", "", f"Model: {link['link_model']}.", ""]
        lines += [
            "| interval ms | PDUs | feet | packets/s | p50 ms | p99 ms | CPU % | own % | sent | came | counted lost |"
        ]
        lines += ["|---|---|---|---|---|---|---|---|---|---|---|"]
        for row in [*link["intervals"], link["four_feet"], link["faults"]]:
            figures = (row["notifications_s"], row["p50_ms"], row["p99_ms"], row["cpu_percent"])
            own, lost = row["cpu_percent_without_bumble"], f"{row['counted']} of {row['injected']}"
            shown = " | ".join(f"{one:.1f}" for one in (*figures, own))
            where = f"{row['interval_ms']:g} | {row['pdus_per_event']} | {row['feet']}"
            lines += [f"| {where} | {shown} | {row['sent']} | {row['came']} | {lost} |"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the parts asked for, print the goals, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of each trial")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "live", help="without suffix")
    asked = parser.parse_args()
    done: dict[str, Any] = {"machine": f"{platform.machine()}, Python {platform.python_version()}", "parts": {}}
    done["seconds"], before = asked.seconds, calibration_loop_s()
    for name in asked.parts:
        done["parts"][name] = PARTS[name](asked.seconds)
    done["calibration_s"] = {"before": before, "after": calibration_loop_s()}
    done["goals"] = [goal for name in asked.parts for goal in GOALS[name](done["parts"][name])]
    asked.out.with_suffix(".json").write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
    told = markdown(done)
    asked.out.with_suffix(".md").write_text(told, encoding="utf-8")
    print(told)


if __name__ == "__main__":
    main()
