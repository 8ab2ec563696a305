"""What a lag measured by blows or jumps lacks of one in gait, by simulation; ``--write`` puts it into calibration/.

A hammer's blow rises in milliseconds and a stance does not, and the jerk of a blow has its peak elsewhere than that of
a landing. Here simulated devices whose own delay is known are struck, jump, run and walk; what their lag has beyond
that delay is averaged, and ``add_s`` is the difference of the two means. Its SD is that of both spreads in quadrature
(shoes, people, sensors), as if the same sensor were another one in gait: too wide rather than too narrow.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.calibrate.documents import LagTable
from grfkit.errors import BadInputError
from grfkit.records import Recording
from grfkit.simulate.blows import simulate_blows
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.sync.inputs import apart_from_plates
from grfkit.sync.lag_measure import FEATURES, LagSource, measure_recording

SEEDS = 36_300_000
"""First seed; no other tool uses those from here on."""
COUNT = 40
BANDS = {"insole": [(50.0, 150.0), (150.0, 2000.0)], "imu": [(50.0, 150.0), (150.0, 300.0), (300.0, 2000.0)]}
RATES = {"insole": (100.0, 200.0, 500.0), "imu": (100.0, 200.0, 500.0)}
GAITS: dict[str, dict[str, Any]] = {
    "jumps": {"surface": "overground", "jumps": 12, "hits": 0},
    "running": {"duration_s": 40},
    "walking": {"duration_s": 40, "gait": "walk", "split_belt": True},
}
LANDING_S = 0.08
"""A plate's contact so near a true landing (s) is that of a jump."""


def places(job: tuple[int, str]) -> list[dict[str, Any]]:
    """Return what the lag of each device of one simulated recording has beyond the device's own delay (ms)."""
    number, how = job
    rates = {"insole_rate_hz": RATES["insole"][number % 3], "imu_rate_hz": RATES["imu"][(number // 3) % 3]}
    if how == "blows":
        reference, device = apart_from_plates(simulate_blows(SEEDS + number, **rates))
        assert device is not None
        return _rows(how, reference, device, dict.fromkeys(FEATURES, 0.0) | {"insole": 0.002, "imu": 0.0015}, None)
    condition = Condition(family="AB"[number % 2], **GAITS[how], **rates)
    lab = simulate_trial(condition, SEEDS + number)
    landings = None
    if how == "jumps":
        landings = np.asarray([j.landing_s for rest in lab.truth.world.rests for j in rest.jumps])
    rows = []
    for wearable, recording in lab.wearables.items():
        truth = {name: lab.truth.streams[wearable, name] for name in recording.streams}
        mapped = {
            name: s.assign_coords(time=("time", truth[name].t_reference(s["time"].values), s["time"].attrs))
            for name, s in recording.streams.items()
        }
        delay = next(iter(truth.values())).device_lag_s
        rows += _rows(how, lab.reference, recording.replaced(mapped), dict.fromkeys(FEATURES, delay), landings)
    return rows


def _rows(
    how: str, reference: Recording, device: Recording, delay_s: dict[str, float], landings: np.ndarray | None
) -> list[dict[str, Any]]:
    method = how if how in ("blows", "jumps") else "steps"
    try:
        lags = measure_recording(LagSource("simulated", reference, device, 0.0, ()), method)  # type: ignore[arg-type]
    except BadInputError:
        return []
    rows = []
    for lag in lags:
        seen, at = lag.pairs.lag_s[lag.kept], lag.pairs.onset_s[lag.kept]
        if landings is not None:
            seen = seen[np.abs(at[:, None] - landings[None, :]).min(axis=1) < LANDING_S]
        if seen.size >= 4:
            place = 1e3 * (float(np.mean(seen)) - delay_s[lag.device_class])
            rows.append({"how": how, "class": lag.device_class, "rate_hz": lag.rate_hz, "place_ms": place})
    return rows


def transfers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the table's transfers; a band with fewer than five recordings of either kind has none."""
    table = []
    for kind, bands in BANDS.items():
        for low, high in bands:
            own = {
                how: np.asarray(
                    [
                        r["place_ms"]
                        for r in rows
                        if r["how"] == how and r["class"] == kind and low <= r["rate_hz"] < high
                    ]
                )
                for how in ("blows", *GAITS)
            }
            for how, place in own.items():
                print(f"{kind} from {low:g} Hz, {how}: {place.size}, {place.mean():.2f} ms, SD {place.std(ddof=1):.2f}")
            for method in ("blows", "jumps"):
                for gait in ("running", "walking"):
                    if min(own[method].size, own[gait].size) < 5:
                        continue
                    spread = float(np.hypot(own[method].std(ddof=1), own[gait].std(ddof=1)))
                    table.append(
                        {
                            "device_class": kind,
                            "feature": FEATURES[kind],
                            "method": method,
                            "gait": gait,
                            "rate_hz_min": low,
                            "rate_hz_max": high,
                            "add_s": round(1e-3 * float(own[gait].mean() - own[method].mean()), 5),
                            "sd_s": round(1e-3 * spread, 5),
                            "n": int(min(own[method].size, own[gait].size)),
                            "source": "simulated: tools/fit_lag_transfers.py",
                        }
                    )
    return table


def main() -> None:
    """Simulate, print, and with ``--write`` replace the transfers of calibration/lags/default.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--count", type=int, default=COUNT)
    request = parser.parse_args()
    todo = [(number, how) for how in ("blows", *GAITS) for number in range(request.count)]
    with ProcessPoolExecutor(request.jobs) as pool:
        rows = [row for rows in pool.map(places, todo, chunksize=2) for row in rows]
    fitted = transfers(rows)
    print(json.dumps(fitted, indent=2))
    if request.write:
        path = Path(__file__).resolve().parents[1] / "calibration" / "lags" / "default.json"
        table = json.loads(path.read_text(encoding="utf-8")) | {"transfers": fitted}
        LagTable.model_validate(table)
        path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
