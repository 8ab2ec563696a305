"""Every benchmark by its name: ``python tools/bench NAME [OPTIONS]``; tools/README.md says what each prints."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

COMMANDS = {
    "sync": "sync.run",
    "accuracy": "accuracy.run",
    "edge": "edge.run",
    "live": "live.run",
    "images": "images.run",
    "knee": "knee.run",
    "sync.real": "sync.real",
    "accuracy.cop": "accuracy.cop",
    "accuracy.cost": "accuracy.cost",
    "accuracy.range": "accuracy.range",
    "accuracy.share": "accuracy.share",
    "calibrate.cop": "calibrate.cop",
    "calibrate.pressure": "calibrate.pressure",
    "edge.choice": "edge.choice",
    "edge.contacts": "edge.contacts",
    "edge.levels": "edge.levels",
    "edge.shipped": "edge.shipped",
    "edge.size": "edge.size",
    "edge.steps": "edge.steps",
    "faults.kills": "faults.kills",
    "images.int8": "images.int8",
    "images.keypoints": "images.keypoints",
    "images.poses": "images.poses",
    "images.render": "images.render",
    "live.clock": "live.clock",
    "live.day": "live.day",
    "live.kills": "live.kills",
    "live.loop": "live.loop",
    "live.page": "live.page",
    "steps.truth": "steps.truth",
}
"""The name on the command line, and the module whose ``main`` it runs."""


def main() -> int | None:
    """Run the command that the first argument names, and return its exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        print(f"usage: python tools/bench NAME [OPTIONS]; NAME is one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 0 if name in ("-h", "--help") else 2
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # the folder of the package, not the package itself
    sys.argv = [f"bench {name}", *sys.argv[2:]]
    code: int | None = importlib.import_module(f"bench.{COMMANDS[name]}").main()
    return code


if __name__ == "__main__":
    sys.exit(main())
