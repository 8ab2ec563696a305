"""Fit the sensor-lag table on training seeds of the virtual lab and print it (``--write`` puts it into calibration/).

What is fitted is the offset error of ``align()`` with no lag assumed, per device class and band of sampling rates:
its mean over simulated devices is the lag; the lag's SD is that of the normal whose 95 % half-width holds 95 % of them,
for that is what ``uncertainty_ms`` states. Running and walking are fitted apart where the class is seen in both. Seeds
are those of ``TRAINING`` and no other tool uses them.
"""

from __future__ import annotations

import argparse
import itertools
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.sync.trials import judge
from grfkit.calibrate.documents import LagTable
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import align_device

TRAINING = range(500_000, 500_240)
BANDS = {
    "insole": [(50.0, 150.0), (150.0, 2000.0)],
    "imu": [(50.0, 150.0), (150.0, 300.0), (300.0, 2000.0)],
}
"""Landmarks have none: their lag is real people's (tools/bench/sync/real_landmarks.py) and is not written over."""
FEATURE = {"insole": "onset", "imu": "jerk"}
NO_LAG = LagTable(name="none", source="no lag at all, to fit one", unknown_sd_s=0.002, entries=[])


GAITS: dict[str, dict[str, Any]] = {
    "running": {"wearables": ("insole", "imu")},
    "walking": {"wearables": ("insole", "imu"), "gait": "walk", "split_belt": True},
}


def one(job: tuple[int, str]) -> list[dict[str, Any]]:
    """Return the offset error of each wearable of one training trial."""
    seed, gait = job
    condition = Condition(surface="treadmill", family="draw", **GAITS[gait])
    trial = simulate_trial(condition, seed)
    rows = []
    for wearable, recording in trial.wearables.items():
        clock_map = align_device(trial.reference, recording, surface="treadmill", lags=NO_LAG).clock_map
        truth = trial.truth.streams[(wearable, next(iter(recording.streams)))]
        if clock_map.verdict == "aligned":
            verdict = judge(clock_map, truth)
            if not verdict["wrong"]:
                row = {"class": wearable, "gait": gait, "rate_hz": truth.rate_hz, "mean_ms": verdict["mean_ms"]}
                rows.append(row)
    return rows


def entries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lag table's entries: a map that is late by x ms saw its contacts x ms early, so the lag is -x."""
    table = []
    for gait, (kind, bands) in itertools.product(GAITS, BANDS.items()):
        for low, high in bands:
            of_kind = [r for r in rows if r["class"] == kind and r["gait"] == gait]
            errors = np.asarray([r["mean_ms"] for r in of_kind if low <= r["rate_hz"] < high])
            if errors.size < 8:
                continue
            off = np.abs(errors - errors.mean())
            table.append(
                {
                    "device_class": kind,
                    "feature": FEATURE[kind],
                    "rate_hz_min": low,
                    "rate_hz_max": high,
                    "gait": gait if kind in GAITS["walking"]["wearables"] else "any",
                    "lag_s": round(float(-errors.mean()) * 1e-3, 5),
                    "sd_s": round(float(np.percentile(off, 95)) / 1.96 * 1e-3, 5),
                    "n": int(errors.size),
                    "source": f"simulated: tools/fit_lags.py, training seeds {TRAINING.start}-{TRAINING.stop - 1}",
                }
            )
    return table


def main() -> None:
    """Fit, print, and with ``--write`` replace the entries of calibration/lags/default.json of these classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trials", type=int, default=len(TRAINING))
    request = parser.parse_args()
    with ProcessPoolExecutor(request.jobs) as pool:
        todo = [(seed, gait) for gait in GAITS for seed in list(TRAINING)[: request.trials]]
        rows = [row for rows in pool.map(one, todo, chunksize=4) for row in rows]
    fitted = entries(rows)
    print(json.dumps(fitted, indent=2))
    if request.write:
        path = Path(__file__).resolve().parents[1] / "calibration" / "lags" / "default.json"
        table = json.loads(path.read_text(encoding="utf-8"))
        same = {(e["device_class"], e["feature"]) for e in fitted}
        table["entries"] = [e for e in table["entries"] if (e["device_class"], e["feature"]) not in same] + fitted
        LagTable.model_validate(table)
        path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
