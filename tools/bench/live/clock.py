"""Clocks on simulated links: how well device times become host times, live and afterwards, against simple ways.

``python tools/bench live.clock [--seconds 300] [--runs 5] [--interval 7.5 15 30 45]`` prints a table. Two feet at
+30 and -25 ppm with 2 ppm of wander, 40 packets/s each, 2 % retransmissions, stalls of 0.1 to 0.5 s, time sync in
bursts of 8 every 10 s. Figures are of a simulated link, not of a radio.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from grfkit.arrays import Floats
from grfkit.device.clock import ClockEstimate
from grfkit.signals.clock_bounds import line_below, offset_over_time
from grfkit.simulate.clocks import TrueClock

from .radio import LinkModel, LinkTruth, draw_link

Way = Callable[[LinkTruth], tuple[Floats, Floats]]
"""Truth to ``(estimated host time of every packet's stamp, stated uncertainty)``, both in s."""
APART_MS, INSIDE = 1.0, 0.99
"""Goals: left against right (ms, rms), and the share of packets whose error is within what is stated."""
GRID_FROM_S = 5.0
"""Left out at the start (s), while the live clock settles, chosen by hand."""


def arrival(truth: LinkTruth) -> tuple[Floats, Floats]:
    """Return arrival time itself."""
    return truth.arrival_s, np.full(truth.arrival_s.size, np.nan)


def recursive_least_squares(truth: LinkTruth, *, forget_s: float = 90.0) -> tuple[Floats, Floats]:
    """Return arrival times smoothed by a line with exponential forgetting, as LSL's postprocessing does."""
    device, estimate = truth.device_us * 1e-6, np.empty(truth.device_us.size)
    # half the weight is gone after forget_s, at 40 packets a second
    keep = 0.5 ** (0.025 / forget_s)
    start, weights, covariance = truth.arrival_s[0], np.asarray([0.0, 1.0]), np.diag([1e10, 1e10])
    for k, (x, y) in enumerate(zip(device, truth.arrival_s - start)):
        u = np.asarray([1.0, x - device[0]])
        gain = covariance @ u / (keep + u @ covariance @ u)
        weights = weights + gain * (y - weights @ u)
        covariance = (covariance - np.outer(gain, u @ covariance)) / keep
        estimate[k] = start + weights @ u
    return estimate, np.full(estimate.size, np.nan)


def hull(truth: LinkTruth) -> tuple[Floats, Floats]:
    """Return times by the line below all arrivals of the whole recording."""
    device = truth.device_us * 1e-6
    level, slope = line_below(device, truth.arrival_s - device, most_slope=100e-6)
    return device + level + slope * (device - device[-1]), np.full(device.size, np.nan)


def live(truth: LinkTruth, *, two_way: bool = True) -> tuple[Floats, Floats]:
    """Return what the live clock answers, packet by packet, and how sure it says it is."""
    clock = ClockEstimate()
    # in the order in which they come back, as a host has them
    syncs = truth.exchanges[np.argsort(truth.exchanges[:, 3])] if two_way else np.empty((0, 4))
    estimate, sure, k = np.empty(truth.device_us.size), np.empty(truth.device_us.size), 0
    for p, (device_us, arrived_s) in enumerate(zip(truth.device_us, truth.arrival_s)):
        while k < len(syncs) and syncs[k, 3] <= arrived_s:
            t1, t2, t3, t4 = syncs[k]
            clock.exchanged(round(t1 * 1e9), int(t2), int(t3), round(t4 * 1e9))
            k += 1
        clock.arrived(int(device_us), round(arrived_s * 1e9))
        estimate[p] = clock.host_s(device_us)[0]
        sure[p] = clock.uncertainty_ms * 1e-3
    return estimate, sure


def offline(truth: LinkTruth, *, two_way: bool = True) -> tuple[Floats, Floats]:
    """Return what a reader of the recording makes of it."""
    device = truth.device_us * 1e-6
    exchanges = truth.exchanges * [1, 1e-6, 1e-6, 1] if two_way else np.empty((0, 4))
    knots, offsets, half = offset_over_time(device, truth.arrival_s, exchanges)
    inner = np.interp(device, knots, offsets)
    return device + inner, np.full(device.size, half)


WAYS: dict[str, Way] = {
    "arrival time": arrival,
    "recursive least squares": recursive_least_squares,
    "hull, one way": hull,
    "live, one way": lambda truth: live(truth, two_way=False),
    "live, time sync": live,
    "offline, one way": lambda truth: offline(truth, two_way=False),
    "offline, time sync": offline,
}


def feet(model: LinkModel, *, seconds: float, seed: int) -> list[tuple[LinkTruth, TrueClock]]:
    """Return a left and a right foot on links of their own."""
    pair = []
    for foot, ppm in enumerate((30.0, -25.0)):
        rng = np.random.default_rng([seed, foot])
        phase = float(rng.uniform(0, 2 * np.pi))
        clock = TrueClock(100.0 + foot, -ppm, sinusoid_ppm=2.0, sinusoid_s=400.0, sinusoid_phase=phase)
        pair.append((draw_link(rng, model, clock, duration_s=seconds), clock))
    return pair


def scores(way: Way, pair: list[tuple[LinkTruth, TrueClock]]) -> dict[str, float]:
    """Return bias and rms of the error, of left against right, the share within what is stated, steps back (ms)."""
    errors, inside, back = [], [], 0
    for truth, _ in pair:
        estimate, sure = way(truth)
        error = estimate - truth.true_s
        # both feet on one grid: the devices were switched on at 100 and 101 s of the host
        grid = np.arange(102.0 + GRID_FROM_S, truth.true_s[-1] - 1.0, 0.1)
        errors.append(np.interp(grid, truth.true_s, error))
        inside.append(np.mean(np.abs(error) <= sure) if np.isfinite(sure).all() else np.nan)
        back += int(np.sum(np.diff(estimate) <= 0))
    size = min(map(len, errors))
    apart = errors[0][:size] - errors[1][:size]
    both = np.concatenate(errors)
    share_inside = np.nanmean(inside) if np.isfinite(inside).any() else np.nan
    return {
        "bias": 1e3 * both.mean(),
        "sd": 1e3 * np.mean([e.std() for e in errors]),
        "apart": 1e3 * float(np.sqrt(np.mean(apart**2))),
        "worst": 1e3 * float(np.abs(apart).max()),
        "inside": float(share_inside),
        "back": float(back),
    }


def clock_part(
    *, seconds: float = 300.0, runs: int = 5, intervals: Sequence[float] = (7.5, 15.0, 30.0, 45.0)
) -> dict[str, Any]:
    """Return a row for every interval, stamping and way: means over the runs, the largest ``worst``, ms."""
    rows = []
    for interval in intervals:
        for late in (False, True):
            model = LinkModel(interval_ms=interval, late_stamp=late)
            pairs = [feet(model, seconds=seconds, seed=seed) for seed in range(runs)]
            ways = {name: way for name, way in WAYS.items() if not late or "sync" in name}
            rows += [{"interval_ms": interval, "late_stamp": late, "way": n, **_row(w, pairs)} for n, w in ways.items()]
    return {"seconds": seconds, "runs": runs, "rows": rows}


def _row(way: Way, pairs: list[list[tuple[LinkTruth, TrueClock]]]) -> dict[str, float | None]:
    runs = [scores(way, pair) for pair in pairs]
    row = {key: float(np.mean([run[key] for run in runs])) for key in ("bias", "sd", "inside")}
    return row | {
        "apart": float(np.sqrt(np.mean([run["apart"] ** 2 for run in runs]))),
        "worst": max(run["worst"] for run in runs),
        "back": sum(run["back"] for run in runs),
        "inside": None if np.isnan(row["inside"]) else row["inside"],
    }


def clock_goals(part: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return each goal: what, the figure, whether it is met."""
    synced = [row for row in part["rows"] if row["way"] in ("live, time sync", "offline, time sync")]
    live = [row for row in synced if row["way"].startswith("live")]
    apart = {row["interval_ms"]: 0.0 for row in live}
    for row in live:
        apart[row["interval_ms"]] = max(apart[row["interval_ms"]], row["apart"])
    figures = ", ".join(f"{ms:.2f} at {interval:g} ms" for interval, ms in apart.items())
    back = sum(row["back"] for row in part["rows"] if row["way"].startswith("live"))
    inside = min(row["inside"] for row in synced)
    return [
        ("left against right < 1 ms rms, live with time sync", f"{figures} (rms, ms)", max(apart.values()) < APART_MS),
        ("host time never runs backwards", f"{back:.0f} steps back", back == 0),
        ("the stated uncertainty holds the truth", f"{100 * inside:.1f} % of packets at least", inside >= INSIDE),
    ]


def clock_table(part: dict[str, Any]) -> list[str]:
    """Return the part's text and table."""
    lines = [
        f"Two feet at +30 and -25 ppm with 2 ppm of wander, {part['seconds']:.0f} s, {part['runs']} runs; 2 %"
        " retransmissions, stalls of 0.1 to 0.5 s. In ms; left-right is rms over all runs, worst the largest.",
        "",
        "| interval | t3 stamped | way | bias | sd | left-right | worst | within stated | backwards |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in part["rows"]:
        inside = "-" if row["inside"] is None else f"{100 * row['inside']:.1f} %"
        stamped = "-" if "sync" not in row["way"] else "on leaving" if row["late_stamp"] else "on queueing"
        figures = " | ".join(f"{row[key]:.2f}" for key in ("bias", "sd", "apart", "worst"))
        lines.append(
            f"| {row['interval_ms']:g} | {stamped} | {row['way']} | {figures} | {inside} | {row['back']:.0f} |"
        )
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--interval", type=float, nargs="+", default=[7.5, 15.0, 30.0, 45.0])
    request = parser.parse_args()
    part = clock_part(seconds=request.seconds, runs=request.runs, intervals=request.interval)
    print("Simulated link.", *clock_table(part), sep="\n")
