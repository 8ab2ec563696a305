"""Two devices and no force plate: insole with shoe IMU of one foot, shoe with shoe; and what must not be joined.

Both devices of a trial have clocks of their own, also left and right. Each record is about two minutes long, and at
least 40 s of it are shared. Decoys: the shoe of another runner, and records of other minutes of the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from grfkit.arrays import Floats
from grfkit.records import ClockMap
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.sync.device_pair import align_pair

from .. import harness
from . import real_belts

WRONG_S = 0.12
"""A map that is off by more than this on average is a step (or worse) wrong, as in the other rows."""
PAIRS: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "insole with shoe IMU, left foot": (("insole", "left"), ("imu", "left")),
    "insoles with shoe IMUs, both feet": (("insole", ""), ("imu", "")),
    "left shoe IMU with right one": (("imu", "left"), ("imu", "right")),
    "left insole with right one": (("insole", "left"), ("insole", "right")),
    "left insole with right shoe IMU": (("insole", "left"), ("imu", "right")),
}
"""By name: wearable and foot (empty: both) whose clock is kept, and whose clock is mapped."""
GAITS = ("run", "walk")
DECOYS = ("other person", "other minutes")


def run_pair(name: str, gait: str, seed: int, decoy: str = "") -> dict[str, Any]:
    """Return one row: a simulated pair aligned, and how far its map is from the truth."""
    (kept, side), (mapped, other_side) = PAIRS[name]
    # one clock for both feet where both are aligned together, as one device would have
    condition = Condition(surface="treadmill", gait=gait, duration_s=120, own_clocks=bool(side))
    lab = simulate_trial(condition, seed)
    donor = simulate_trial(condition, seed + 500_000) if decoy == "other person" else lab
    target, device = _foot(lab, kept, side), _foot(donor, mapped, other_side)
    truth = None
    if decoy == "other minutes":
        target, device = _apart(lab, target, device, (kept, mapped))
    elif not decoy:
        truth = _truth(lab, (kept, next(iter(target))), (mapped, next(iter(device))))
    if not target or not device:
        return {"pair": name, "gait": gait, "seed": seed, "decoy": decoy, "accepted": False, "wrong": None}
    found = align_pair(target, device, accept_refused=True).clock_map
    row = {
        "pair": name,
        "gait": gait,
        "seed": seed,
        "decoy": decoy,
        "accepted": found.verdict == "aligned",
        "margin": found.margin,
        "uncertainty_ms": found.uncertainty_ms,
        "residual_ms": found.residual_ms,
        "reasons": found.reasons,
        "segments": len(found.segments),
        "rates_hz": [float(next(iter(s.values())).attrs["rate_hz"]) for s in (target, device)],
    }
    return row | ({"wrong": row["accepted"]} if truth is None else _judged(found, *truth))


def _foot(lab: LabTrial, wearable: str, side: str) -> dict[str, xr.Dataset]:
    return {n: s for n, s in lab.wearables[wearable].streams.items() if not side or s.attrs["side"] == side}


def _apart(
    lab: LabTrial, target: Mapping[str, xr.Dataset], device: Mapping[str, xr.Dataset], wearables: tuple[str, str]
) -> tuple[dict[str, xr.Dataset], dict[str, xr.Dataset]]:
    """Return the beginning of one and the end of the other, with no moment in both."""
    cut_s = 60.0
    parts = []
    for streams, wearable, first in ((target, wearables[0], True), (device, wearables[1], False)):
        part = {}
        for name, stream in streams.items():
            at = lab.truth.streams[wearable, name].t_reference(stream["time"].values)
            part[name] = stream.isel(time=np.flatnonzero(at < cut_s if first else at >= cut_s))
        parts.append({} if any(s.sizes["time"] < 100 for s in part.values()) else part)
    return parts[0], parts[1]


def _truth(lab: LabTrial, target: tuple[str, str], device: tuple[str, str]) -> tuple[Floats, Floats]:
    """Return device times over what both recorded, and the target's times of the same moments."""
    ours, theirs = lab.truth.streams[target], lab.truth.streams[device]
    at = {key: lab.wearables[key[0]].streams[key[1]]["time"].values[[0, -1]] for key in (target, device)}
    start = max(ours.t_reference(at[target])[0], theirs.t_reference(at[device])[0])
    end = min(ours.t_reference(at[target])[1], theirs.t_reference(at[device])[1])
    moments = np.linspace(start, end, 100)

    def device_times(truth: Any) -> Floats:
        grid = np.linspace(start - 400.0, end + 400.0, 100_001)
        return np.asarray(np.interp(moments, truth.t_reference(grid), grid))

    return device_times(theirs), device_times(ours)


def _judged(found: ClockMap, device_s: Floats, target_s: Floats) -> dict[str, Any]:
    if not found.segments:
        return {"wrong": None}
    error = 1e3 * (found.apply(device_s) - target_s)
    error = error[np.isfinite(error)]
    return {
        "wrong": bool(np.median(np.abs(error)) > 1e3 * WRONG_S),
        "mean_ms": float(np.mean(error)),
        "worst_ms": float(error[np.argmax(np.abs(error))]),
        "overlap_s": float(device_s[-1] - device_s[0]),
    }


def real_shoes() -> dict[str, Any] | None:
    """Return what becomes of both shoes of every real walk, each on a false clock; None without the data."""
    folder = harness.DATA / real_belts.FOLDER
    if not folder.exists():
        return None
    clocks, rows = real_belts.false_clocks(), []
    for walk in real_belts.walks(folder):
        left, right = next(clocks), next(clocks)
        shoes = [
            {f"imu_{side}": real_belts.sensor(walk.trial, f"toes_{side[0]}", side, clock)}
            for side, clock in (("left", left), ("right", right))
        ]
        found = align_pair(shoes[0], shoes[1], accept_refused=True).clock_map
        time_s = walk.trial.time_s
        row = {"walk": walk.trial.name, "accepted": found.verdict == "aligned", "uncertainty_ms": found.uncertainty_ms}
        rows.append(row | _judged(found, right.false_s(time_s), left.false_s(time_s)))
    return summarised(rows)


def measure(count: int, decoys: int, seed: int) -> dict[str, Any]:
    """Return the rows of the table, by pair and gait, and that of the real shoes where the data are there."""
    rows: dict[str, Any] = {}
    for name in PAIRS:
        for gait in GAITS:
            rows[f"{name}, {gait}"] = summarised([run_pair(name, gait, seed + k) for k in range(count)])
            strangers = [run_pair(name, gait, seed + k, decoy) for decoy in DECOYS for k in range(decoys)]
            rows[f"{name}, {gait}"]["decoys"] = [sum(r["accepted"] for r in strangers), len(strangers)]
    shoes = real_shoes()
    return rows | ({"left shoe IMU with right one, real walks": shoes} if shoes else {})


def markdown(figures: dict[str, Any]) -> list[str]:
    """Return the table of devices without a plate as Markdown."""
    lines = ["## Two devices, no force plate", ""]
    lines += [
        "| devices | trials | accepted | wrong | lag ms | error 95 % about it ms | stated holds | decoys accepted |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for name, f in figures.items():
        decoys = "{} of {}".format(*f["decoys"]) if "decoys" in f else "-"
        accepted = f"{100 * f['accepted'] / f['trials']:.0f} %"
        held = f"{100 * f['stated_holds']:.0f} %"
        cells = [
            name,
            f["trials"],
            accepted,
            f["wrong"],
            f"{f['lag_ms']:+.1f}",
            f"{f['error_p95_ms']:.1f}",
            held,
            decoys,
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def summarised(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return counts, and errors of what was accepted: about their median, one lag for the class."""
    accepted = [row for row in rows if row["accepted"]]
    right = [row for row in accepted if not row["wrong"]]
    error = np.asarray([row["mean_ms"] for row in right])
    lag = float(np.median(error)) if error.size else float("nan")
    held = [abs(row["worst_ms"]) <= row["uncertainty_ms"] for row in right]
    return {
        "trials": len(rows),
        "accepted": len(accepted),
        "wrong": len(accepted) - len(right),
        "lag_ms": lag,
        "error_p95_ms": float(np.percentile(np.abs(error - lag), 95)) if error.size else float("nan"),
        "stated_holds": float(np.mean(held)) if held else float("nan"),
    }
