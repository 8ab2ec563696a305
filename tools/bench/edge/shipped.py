"""How fast the shipped bundles' networks are: ``python tools/bench edge.shipped``, after ``tools/make_bundles.py``.

The int8 file of each in LiteRT beside both networks in torch eager, one window, timed in turn; processor time, so that
a busy machine tells the same ratio. Prints a table; writes nothing.
"""

from __future__ import annotations

import argparse
import sys

from grfkit.learn.model import GrfModel
from make_bundles import NETWORKS

from .. import harness
from ..accuracy.sets import BUILD
from . import latency


def main() -> int:
    """Print the times and how many times an int8 file is faster than the BiLSTM in torch eager."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="of timing")
    request = parser.parse_args()
    folders = {name: BUILD.parent / "bundles" / name / "model" for name in NETWORKS}
    lacking = [str(folder) for folder in folders.values() if not folder.exists()]
    if lacking:
        print(f"{', '.join(lacking)}: not there; run python tools/make_bundles.py first", file=sys.stderr)
        return 2
    trained = {name: GrfModel.load(folder) for name, folder in folders.items()}
    timed = latency.measured(trained, rounds=request.rounds, quick=True)["rows"]
    took = {(row["model"], row["engine"]): row.get("CPU ms median", float("nan")) for row in timed}
    slow = took["bilstm_simulated", latency.EAGER]
    rows = [
        {
            "network": name,
            "torch eager, us": round(1e3 * took[name, latency.EAGER]),
            "int8 in LiteRT, us": round(1e3 * took[name, latency.EIGHT], 1),
            "BiLSTM in torch over int8": round(slow / took[name, latency.EIGHT], 1),
            "its own torch over int8": round(took[name, latency.EAGER] / took[name, latency.EIGHT], 1),
        }
        for name in trained
    ]
    print("\n".join(harness.table(rows)))
    return 0
