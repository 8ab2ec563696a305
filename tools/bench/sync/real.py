"""The real-recordings part of the alignment benchmark; rows are left out with a reason where data is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from grfkit.records import Channel, make_stream
from grfkit.sync import AlignSettings, align, align_device

from ..harness import DATA
from . import real_belts, real_landmarks

TRUE_OFFSET_S = -5.83
"""Hand label of the stomp in test_poussee_4: insole time less plate time is 5.83 s (SOURCE.md), good to tens of ms."""


def measure() -> dict[str, Any]:
    """Return the rows of the real-data table."""
    rows: list[dict[str, str]] = []
    rows += loadsol() if (DATA / "pomarat_loadsol").is_dir() else [_missing("loadsol pair")]
    rows += runners() if (DATA / "rbds_runners").is_dir() else [_missing("treadmill forces")]
    rows += short_trials() if (DATA / "nimblephysics").is_dir() else [_missing("2 s trials")]
    rows += real_belts.rows() if (DATA / real_belts.FOLDER).is_dir() else [_missing("real belts, shoes and bodies")]
    rows += real_landmarks.rows() or [_missing("real markers and plates on one clock")]
    return {"rows": rows}


def _missing(what: str) -> dict[str, str]:
    return {"what": what, "result": "not run: ../shared/data is not there"}


def loadsol() -> list[dict[str, str]]:
    """Return the real insole and plate pairs, without and with a coarse prior."""
    folder = DATA / "pomarat_loadsol"
    rows = []
    for name, prior in (("test_poussee_4", False), ("test_poussee_4", True), ("test_poids", False)):
        plate = folder / (f"{name}_fp.c3d" if "poussee" in name else f"{name}.c3d")
        insole = folder / (f"{name}_ls.txt" if "poussee" in name else f"{name}.txt")
        extra: dict[str, Any] = {"prior_offset_s": -6.0, "prior_sd_s": 0.5} if prior else {}
        result = align(plate, insole, surface="overground", allow_partial=True, **extra)
        offsets = [
            f"{n} {m.offset_s:+.3f} s (+-{m.uncertainty_ms:.0f} ms, {1e3 * (m.offset_s - TRUE_OFFSET_S):+.0f} ms from"
            f" the hand label, margin {m.margin:.0f})"
            for n, m in result.maps.items()
            if m.offset_s is not None and m.uncertainty_ms is not None and m.margin is not None
        ]
        refused = [n for n, m in result.maps.items() if m.verdict == "refused"]
        text = "; ".join([*offsets, *([f"refused: {', '.join(refused)}"] if refused else [])])
        rows.append({"what": f"{name}{', prior -6 +- 0.5 s' if prior else ''}", "result": text})
    return rows


def real_gaps() -> list[tuple[float, float]]:
    """Return (time since the last gap's end, length) of the gaps in the real loadsol file, in order."""
    from grfkit.io import read
    from grfkit.sync.evidence import gaps_of

    stream = read(DATA / "pomarat_loadsol" / "test_poussee_4_ls.txt").streams["insole_left"]
    gaps = gaps_of(stream)
    waits, last = [], 0.0
    for start, end in gaps:
        waits.append((start - last, end - start))
        last = end
    return waits


def clone(
    force: np.ndarray, *, start_s: float, drift_ppm: float, gaps: list[tuple[float, float]], seed: int
) -> tuple[dict[str, Any], dict[str, Any], np.ndarray, np.ndarray]:
    """Return reference and device streams of one force on a false clock, and device and true reference time.

    Parameters
    ----------
    force
        Shape (samples, 3) at 300 Hz, vertical along y.
    """
    time_s = np.arange(len(force)) / 300.0
    channels = [Channel(n, force[:, k], "N", "global") for k, n in enumerate(("fx", "fy", "fz"))]
    reference = {"plate_1": make_stream(channels, time_s, kind="force_plate", rate_hz=300.0)}
    device_s = np.arange(0.0, time_s[-1] - 4.5, 1 / 200.0)
    true_s = start_s + (1 + drift_ppm * 1e-6) * device_s
    load = np.interp(true_s, time_s, force[:, 1])
    # the real gaps in another order for every trial
    at, order = 0.0, np.random.default_rng(seed).permutation(len(gaps))
    for k in order:
        wait, length = gaps[k]
        load[(device_s >= at + wait) & (device_s < at + wait + length)] = np.nan
        at += wait + length
    stream = make_stream([Channel("force", load, "count")], device_s, kind="insole", rate_hz=200.0)
    return reference, {"insole": stream}, device_s, true_s


def runners() -> list[dict[str, str]]:
    """Return how 60 real treadmill trials align with themselves on false clocks with real gaps."""
    settings = AlignSettings(shortest_overlap_s=20.0)
    gaps, rng = real_gaps(), np.random.default_rng(20261121)
    errors, trials = [], 0
    for path in sorted((DATA / "rbds_runners").glob("*.npz")):
        with np.load(path) as archive:
            for speed in ("T25", "T35", "T45"):
                force = archive[f"{speed}_F"][:, :3] * 0.1
                trials += 1
                reference, device, device_s, true_s = clone(
                    force,
                    start_s=float(rng.uniform(0, 4)),
                    drift_ppm=float(rng.uniform(-100, 100)),
                    gaps=gaps,
                    seed=trials,
                )
                clock_map = align_device(reference, device, surface="treadmill", settings=settings).clock_map
                if clock_map.verdict == "aligned":
                    errors.append(1e3 * float(np.abs(clock_map.apply(device_s) - true_s).max()))
    worst = np.asarray(errors)
    text = (
        f"accepted {worst.size} of {trials}, wrong {int((worst > 120).sum())}, off by {np.median(worst):.2f} ms median,"
        f" {worst.max():.2f} ms at most"
    )
    return [{"what": "RBDS treadmill forces on false clocks, real loadsol gaps, 30 s", "result": text}]


def short_trials() -> list[dict[str, str]]:
    """Return that trials of a few seconds are refused."""
    from grfkit.io import read

    refused = trials = 0
    for path in sorted((DATA / "nimblephysics").rglob("*amner*/**/*.mot")):
        streams = {n: s for n, s in read(path).streams.items() if s.attrs["kind"] == "force_plate"}
        if not streams:
            continue
        first = next(iter(streams.values()))
        time_s = first["time"].values
        load = np.sum([np.abs(s["fy"].values) for s in streams.values() if s.sizes["time"] == time_s.size], axis=0)
        device = {"insole": make_stream([Channel("force", load, "N")], time_s * (1 - 3e-5), kind="insole")}
        trials += 1
        refused += align_device(streams, device, surface="treadmill").clock_map.verdict == "refused"
    return [{"what": "Hamner treadmill trials of 2-5 s", "result": f"refused {refused} of {trials}"}]


def main() -> None:
    """Print the rows."""
    for row in measure()["rows"]:
        print(row["what"], "|", row["result"])
