"""Fit the sensor-lag table on training seeds of the virtual lab and print it (``--write`` puts it into calibration/).

What is fitted is the offset error of ``align()`` with no lag assumed, per device class and band of sampling rates:
its mean over simulated devices is the lag, its SD between them the lag's SD. Seeds are those of ``TRAINING`` and no
other tool uses them.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.calibrate.documents import LagTable
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import align_in_detail
from sync_trials import judge

TRAINING = range(500_000, 500_240)
BANDS = {
    "insole": [(50.0, 150.0), (150.0, 2000.0)],
    "imu": [(50.0, 150.0), (150.0, 300.0), (300.0, 2000.0)],
    "landmarks": [(50.0, 300.0)],
}
FEATURE = {"insole": "onset", "imu": "jerk", "landmarks": "kinematic"}
NO_LAG = LagTable(name="none", source="no lag at all, to fit one", unknown_sd_s=0.002, entries=[])


def one(seed: int) -> list[dict[str, Any]]:
    """Return the offset error of each wearable of one training trial."""
    condition = Condition(surface="treadmill", family="draw", wearables=("insole", "imu", "landmarks"))
    trial = simulate_trial(condition, seed)
    rows = []
    for wearable, recording in trial.wearables.items():
        made = align_in_detail(trial.reference, recording, surface="treadmill", lags=NO_LAG).clock_map
        truth = trial.truth.streams[(wearable, next(iter(recording.streams)))]
        if made.verdict == "aligned":
            verdict = judge(made, truth)
            if not verdict["wrong"]:
                rows.append({"class": wearable, "rate_hz": truth.rate_hz, "mean_ms": verdict["mean_ms"]})
    return rows


def entries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lag table's entries: a map that is late by x ms saw its contacts x ms early, so the lag is -x."""
    found = []
    for kind, bands in BANDS.items():
        for low, high in bands:
            errors = np.asarray([r["mean_ms"] for r in rows if r["class"] == kind and low <= r["rate_hz"] < high])
            if errors.size < 8:
                continue
            kept = errors[
                np.abs(errors - np.median(errors)) < 5 * 1.4826 * np.median(np.abs(errors - np.median(errors)))
            ]
            found.append(
                {
                    "device_class": kind,
                    "feature": FEATURE[kind],
                    "rate_hz_min": low,
                    "rate_hz_max": high,
                    "lag_s": round(float(-kept.mean()) * 1e-3, 5),
                    "sd_s": round(float(kept.std(ddof=1)) * 1e-3, 5),
                    "n": int(kept.size),
                    "source": f"simulated: tools/fit_lags.py, training seeds {TRAINING.start}-{TRAINING.stop - 1}",
                }
            )
    return found


def main() -> None:
    """Fit, print, and with ``--write`` replace the entries of calibration/lags/default.json of these classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trials", type=int, default=len(TRAINING))
    chosen = parser.parse_args()
    with ProcessPoolExecutor(chosen.jobs) as pool:
        rows = [row for rows in pool.map(one, list(TRAINING)[: chosen.trials], chunksize=4) for row in rows]
    fitted = entries(rows)
    print(json.dumps(fitted, indent=2))
    if chosen.write:
        path = Path(__file__).resolve().parents[1] / "calibration" / "lags" / "default.json"
        table = json.loads(path.read_text(encoding="utf-8"))
        same = {(e["device_class"], e["feature"]) for e in fitted}
        table["entries"] = [e for e in table["entries"] if (e["device_class"], e["feature"]) not in same] + fitted
        LagTable.model_validate(table)
        path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
