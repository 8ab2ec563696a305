"""Laws of 280 insole cells in a pressure chamber, each run held out, and the dead cells found (Belli 2023)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from grfkit.sync.bench_runs import Bench, calibrate_pressure

from .. import harness

FOLDER = harness.DATA / "iit_insole_calibration"
RUNS = ("calibration_dataset", "validation_dataset_1", "validation_dataset_2", "validation_dataset_3")
AREA_MM2 = 32.4
"""Area of a cell: a tenth of a triangle of 24 x 27 mm (the authors' configurationfile.m); the bar too is theirs."""
COLUMNS = """
[cells]
variable = "experiment.C"
time_column = 2
first_cell = 3
unit = "count"
full_scale = [0, 255]
[bench]
variable = "experiment.P"
column = 1
rate_hz = 48.7
unit = "bar"
"""


def found(bench: Bench) -> list[harness.Rows]:
    """Return, for each run, how many of the columns that never change are named as faulty, and all that are."""
    rows = []
    for run, clock in zip(bench.runs, bench.clocks):
        still = {j + 1 for j in np.flatnonzero(np.ptp(run.cells, axis=0) == 0)}
        named = {f.number for f in run.examined.faults if not run.examined.usable[f.number - 1]}
        kinds = [f.kind for f in run.examined.faults if not run.examined.usable[f.number - 1]]
        rows.append(
            {
                "run": run.name,
                "columns that never change": len(still),
                "of them found": len(still & named),
                **{f"out: {k}": kinds.count(k) for k in ("dead", "stopped", "noisy", "deaf", "saturated")},
                "bench's rows, Hz": 48.7 / clock.rate,
                "clock, SD ms": 1e3 * clock.sd_s,
            }
        )
    return rows


def main() -> int:
    """Calibrate from the four runs, and print and write the tables."""
    request = harness.parser(__doc__, "calibrate_pressure").parse_args()
    if not FOLDER.is_dir():
        print(f"{FOLDER}: not there; tools/fetch_recordings.py fetches it", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        columns = Path(folder) / "bench.toml"
        columns.write_text(COLUMNS, encoding="utf-8")
        files = [FOLDER / f"{name}.mat" for name in RUNS]
        bench = calibrate_pressure(
            files, [], columns, name="iit-left", stream="insole_left", area_mm2=AREA_MM2, zero_s=1.0
        )
    rows: list[harness.Rows] = [
        {
            "law": s.law,
            "rest from": "the run's start" if s.zero == "start" else "the other runs",
            "mean, N": s.rms_n,
            "median, N": s.median_rms_n,
            "95 % within, N": s.p95_rms_n,
            "mean, bar": s.rms_n / AREA_MM2 * 10,
            "hysteresis, %": s.hysteresis_percent,
            "n": s.n,
        }
        for s in bench.document.compared
    ]
    faults = found(bench)
    text = [
        "# Pressure cells in a chamber",
        "",
        f"`python tools/bench calibrate.pressure` at commit {harness.commit()}; RMS error of half-second means, each"
        " run held out.",
        "",
        *harness.table(rows),
        "",
        *harness.table(faults),
    ]
    harness.write(
        request.out, {"about": harness.machine("numpy"), "rows": rows, "faults": faults}, "\n".join(text) + "\n"
    )
    print("\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
