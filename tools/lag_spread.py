"""How far the insole lags of other plausible simulators lie from the table's, for the SD of its entries.

The lag table is fitted on one simulator (``tools/fit_lags.py``). Another one has feet that land otherwise, foam, rise
times, thresholds and stamps of its own, so its mean lag is another. Here each of ``SIMULATORS`` is drawn from
``RANGES`` once and keeps its draw over ``TRIALS`` runners or walkers. Its insole is built apart from
``grfkit.simulate.insole``; its lag is what the alignment sees: onsets of ``load_contacts`` against those of
``reference_train``, on the true clock. ``between_sd_s`` is the root mean square of (its mean - the table's lag), less
the error of that mean. ``--write`` puts it into calibration/lags/default.json, after ``fit_lags.py --write``. The
ranges are judgements: nobody measured them.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.calibrate import load_lag_table
from grfkit.calibrate.documents import LagTable
from grfkit.calibrate.lags import lookup
from grfkit.signals.contacts import load_contacts
from grfkit.simulate.conditions import Condition
from grfkit.simulate.insole import edge_jitter
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.simulate.noise import lowpass
from grfkit.simulate.settings import default_settings
from grfkit.simulate.world import in_contact
from grfkit.sync.contact_events import INSOLE_LEVEL, reference_train

SEEDS = 36_000_000
"""First seed; no other tool uses those from here on."""
SIMULATORS, TRIALS = 48, 3
RATES_HZ = (100.0, 200.0)
"""One rate in each band of the table's insole entries; 500 Hz lies in the second one."""
RANGES: dict[str, tuple[float, float]] = {
    "rise_10_90_ms": (1.0, 25.0),  # of the sensor: ours has 2 to 9; foam and textile sensors 8 to 25
    "onset_share": (0.2, 1.0),  # of the load that cells see at first contact, before the heel lies on them
    "onset_ms": (4.0, 25.0),  # until they see all of it
    "threshold_percent": (0.0, 4.0),  # of body weight that the whole sole has to bear before it shows any
    "exponent": (0.5, 1.0),  # of the sensor's curve: 1 is a capacitive one
    "half_scale_bw": (0.3, 3.0),  # load of half output: large where nothing saturates
    "delay_ms": (0.0, 4.0),  # of radio and electronics that stamps do not show
    "stamp_share": (-0.5, 0.5),  # of a sample: stamped at the beginning, the middle or the end of its integration
}
GAITS: dict[str, dict[str, Any]] = {"running": {}, "walking": {"gait": "walk", "split_belt": True}}
MATCH_S = 0.06
"""Onsets of one contact lie within this time (s); a step is several times as long."""


def draw_simulator(number: int) -> dict[str, Any]:
    """Return one simulator: its family of contact shapes and one value of every range."""
    rng = np.random.default_rng(SEEDS + number)
    values: dict[str, Any] = {name: float(rng.uniform(*ends)) for name, ends in RANGES.items()}
    return {"family": "AB"[number % 2], **values}


def insole_force(lab: LabTrial, simulator: dict[str, Any], time_s: np.ndarray, *, left: bool, seed: int) -> np.ndarray:
    """Return what the simulator's insole shows of one foot's vertical force, any unit."""
    world, rng, ranges = lab.truth.world, np.random.default_rng(seed), default_settings().insole
    at_s = time_s - 1e-3 * simulator["delay_ms"]
    steps = np.flatnonzero(world.steps.left == left)
    onset = world.steps.onset_s.copy()
    onset[steps] += edge_jitter(rng, ranges, steps.size, float(rng.uniform(*ranges.on_jitter_ms)))
    force = np.zeros(time_s.size)
    for step, at, phase in in_contact(at_s, onset, world.steps.contact_s, steps):
        since = (at_s[at] - onset[step]) / (1e-3 * simulator["onset_ms"])
        seen = np.clip(simulator["onset_share"] + (1 - simulator["onset_share"]) * since, 0, 1)
        force[at] += seen * world.force_n(step, phase)[:, 2] / world.weight_n
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    force = np.maximum(lowpass(force, rate_hz, 1e-3 * simulator["rise_10_90_ms"] / 2.2), 0)
    felt = np.maximum(force - 1e-2 * simulator["threshold_percent"], 0) / simulator["half_scale_bw"]
    bent = felt ** simulator["exponent"]
    return np.asarray(bent / (1 + bent) + rng.normal(0, 2e-3, time_s.size))


def lags_ms(job: tuple[int, str]) -> list[dict[str, Any]]:
    """Return a simulator's lags, a row for every trial and rate: the median of its contacts."""
    number, gait = job
    simulator, rows = draw_simulator(number), []
    for trial in range(TRIALS):
        seed = SEEDS + 1000 + 10 * number + trial
        condition = Condition(family=simulator["family"], duration_s=40, wearables=("insole",), **GAITS[gait])
        lab = simulate_trial(condition, seed)
        reference, _ = reference_train(lab.reference.streams, plates=False)
        fine = np.arange(0.0, 40.0, 1e-3)
        for rate_hz in RATES_HZ:
            off: list[float] = []
            for left in (True, False):
                force = insole_force(lab, simulator, fine, left=left, seed=seed + left)
                step = round(1000 / rate_hz)
                size = fine.size // step * step
                # the mean over the sample: what an integrating converter gives, stamped where the simulator does
                samples = force[:size].reshape(-1, step).mean(axis=1)
                stamps = fine[:size].reshape(-1, step).mean(axis=1) + simulator["stamp_share"] / rate_hz
                onsets = load_contacts(stamps, samples, level=INSOLE_LEVEL).onset_s
                off += list(_nearest(onsets, reference.onset_s))
            if len(off) > 8:
                rows.append(
                    {"simulator": number, "gait": gait, "rate_hz": rate_hz, "lag_ms": 1e3 * float(np.median(off))}
                )
    return rows


def _nearest(onsets: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return how late (s) each onset is after the reference's nearest one, those beyond ``MATCH_S`` left out."""
    late = onsets[:, None] - reference[None, :]
    late = late[np.arange(onsets.size), np.argmin(np.abs(late), axis=1)]
    return np.asarray(late[np.abs(late) < MATCH_S])


def spread(rows: list[dict[str, Any]], table: LagTable) -> list[dict[str, Any]]:
    """Return for every gait and rate how the simulators' mean lags lie about the table's."""
    found = []
    for gait in GAITS:
        for rate_hz in RATES_HZ:
            own = [r for r in rows if r["gait"] == gait and r["rate_hz"] == rate_hz]
            by = [[r["lag_ms"] for r in own if r["simulator"] == k] for k in sorted({r["simulator"] for r in own})]
            means = np.asarray([np.mean(lags) for lags in by])
            within = float(np.mean([np.var(lags, ddof=1) for lags in by if len(lags) > 1]))
            lag = lookup(table, device_class="insole", feature="onset", rate_hz=rate_hz, gait=gait)
            about = float(np.mean((means - 1e3 * lag.lag_s) ** 2)) - within / TRIALS
            found.append(
                {
                    "gait": gait,
                    "rate_hz": rate_hz,
                    "table_ms": 1e3 * lag.lag_s,
                    "mean_ms": float(means.mean()),
                    "percentiles_ms": [float(p) for p in np.percentile(means, (2.5, 50, 97.5))],
                    "within_sd_ms": within**0.5,
                    "between_sd_ms": max(about, 0.0) ** 0.5,
                    "simulators": len(by),
                }
            )
    return found


def main() -> None:
    """Draw the simulators, print their spread, and with ``--write`` put it into the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--simulators", type=int, default=SIMULATORS)
    request = parser.parse_args()
    todo = [(number, gait) for gait in GAITS for number in range(request.simulators)]
    with ProcessPoolExecutor(request.jobs) as pool:
        rows = [row for rows in pool.map(lags_ms, todo, chunksize=2) for row in rows]
    found = spread(rows, load_lag_table().document)
    print(json.dumps(found, indent=2))
    if request.write:
        path = Path(__file__).resolve().parents[1] / "calibration" / "lags" / "default.json"
        table = json.loads(path.read_text(encoding="utf-8"))
        table["entries"] = [with_spread(entry, found) for entry in table["entries"]]
        LagTable.model_validate(table)
        path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def with_spread(entry: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an entry of the table with the spread between simulators, where it is the insole's onset in a gait."""
    low, high = entry["rate_hz_min"], entry["rate_hz_max"]
    same = [f for f in found if f["gait"] == entry.get("gait") and low <= f["rate_hz"] < high]
    if (entry["device_class"], entry["feature"]) != ("insole", "onset") or not same:
        return entry
    says = f"between_sd_s: tools/lag_spread.py, {same[0]['simulators']} simulators"
    source = f"{entry['source'].split('; between_sd_s')[0]}; {says}"
    return entry | {"between_sd_s": round(1e-3 * same[0]["between_sd_ms"], 5), "source": source}


if __name__ == "__main__":
    main()
