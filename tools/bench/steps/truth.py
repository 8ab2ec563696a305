"""The table of steps of simulated trials against their truth: steps that are flagged, and errors of those that are not.

Runs and walks on belts and over four plates, each belt and plate with its own noise, offset and drift; feet named by
insoles on their true clocks. Contacts in doubt were judged on seeds 0 to 23 (``grfkit.steps.lingering``); these
are others.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grfkit import simulate_trial, step_table
from grfkit.simulate.lab import LabTrial
from grfkit.steps.measured import UNKNOWN_FOOT
from grfkit.units import G

from .. import harness

KINDS: dict[str, dict[str, Any]] = {
    "run, one belt": {},
    "walk, two belts": {"gait": "walk", "split_belt": True},
    "run, four plates": {"surface": "overground"},
    "walk, four plates": {"surface": "overground", "gait": "walk"},
}
SEED, TRIALS, SECONDS = 100, 24, 25.0
TIMES = ("ic", "to", "step", "stride")
_FINE_S = 1e-3


def errors(row: Mapping[str, Any], lab: LabTrial) -> dict[str, float]:
    """Return the errors of a step: times in ms, peak and impulse in percent; NaN where the row says nothing."""
    contacts = lab.truth.contacts
    order = np.argsort(contacts.onset_s)
    on, off = contacts.onset_s[order], (contacts.onset_s + contacts.contact_s)[order]
    left = contacts.left[order]
    k = int(np.abs(on - row["ic_s"]).argmin())
    found = {"ic": row["ic_s"] - on[k], "to": row["to_s"] - off[k]}
    for name, ahead in (("step", 1), ("stride", 2)):
        said = row[f"{name}_s"]
        true = on[k + ahead] - on[k] if k + ahead < on.size else np.nan
        found[name] = np.nan if said is None else said - true
    result = {name: 1e3 * float(value) for name, value in found.items()}
    time = np.arange(row["ic_s"], row["to_s"], _FINE_S)
    force = lab.truth.force_n(time)[:, 2] / (lab.truth.mass_kg * G)
    # of a walker the truth is of both feet: only a runner's contact is his whole force
    alone = row["gait"] == "run" and row["vgrf_peak_bw"] is not None
    result["peak"] = 100 * (row["vgrf_peak_bw"] / float(force.max()) - 1) if alone else np.nan
    impulse = float(force.sum() * _FINE_S)
    result["impulse"] = 100 * (row["vertical_impulse_bw_s"] / impulse - 1) if alone else np.nan
    result["side"] = np.nan if row["side"] is None else float((row["side"] == "left") != left[k])
    return result


def rows_of(kind: str, seeds: Sequence[int]) -> tuple[list[dict[str, Any]], int]:
    """Return every step of a kind of trial with its errors and whether it is flagged, and how many truly happened."""
    made, happened = [], 0
    for seed in seeds:
        lab = simulate_trial(seed=seed, duration_s=SECONDS, wearables=("insole",), **KINDS[kind])
        happened += int(np.count_nonzero(lab.truth.contacts.whole))
        for row in step_table(lab.on_true_clock()).steps:
            flags = set(str(row["flags"] or "").split("; ")) - {"", UNKNOWN_FOOT}
            made.append(errors(row, lab) | {"flagged": bool(flags)})
    return made, happened


def line(kind: str, rows: Sequence[Mapping[str, Any]], happened: int) -> harness.Rows:
    """Return a row of the table: how many steps, how many flagged, and errors of the others."""
    clear = [row for row in rows if not row["flagged"]]
    made: harness.Rows = {"trial": kind, "steps": len(rows), "whole contacts": happened}
    made["flagged"] = f"{100 * (1 - len(clear) / max(len(rows), 1)):.0f} %"
    for name in TIMES:
        of = np.abs([row[name] for row in clear])
        known = of[np.isfinite(of)]
        made[f"{name}, ms: 95 %"] = round(float(np.percentile(known, 95)), 1) if known.size else None
        made[f"{name}: largest"] = round(float(known.max()), 1) if known.size else None
    for name in ("peak", "impulse"):
        of = np.abs([row[name] for row in clear])
        known = of[np.isfinite(of)]
        made[f"{name}, %: 95 %"] = round(float(np.percentile(known, 95)), 1) if known.size else None
    sides = np.asarray([row["side"] for row in rows])
    made["wrong foot"] = f"{int(np.nansum(sides))} of {int(np.isfinite(sides).sum())}"
    doubted = [max(abs(row["ic"]), abs(row["to"])) for row in rows if row["flagged"]]
    made["flagged: ic or to 10 ms off"] = f"{sum(d > 10 for d in doubted)} of {len(doubted)}"
    return made


def main() -> int:
    """Print the table."""
    options = harness.parser(__doc__, "steps")
    options.add_argument("--first", type=int, default=SEED, help="first seed")
    options.add_argument("--trials", type=int, default=TRIALS, help="of each kind")
    request = options.parse_args()
    seeds = range(request.first, request.first + request.trials)
    rows = [line(kind, *rows_of(kind, seeds)) for kind in KINDS]
    text = [
        "# Steps against the truth of simulated trials",
        "",
        f"`python tools/bench steps.truth --trials {request.trials}` at commit {harness.commit()}, seeds {seeds[0]} to"
        f" {seeds[-1]}, {SECONDS:g} s each. Errors are of",
        "steps without a flag (but `foot not known`), times in ms; peak and impulse of runners, after the low-pass of",
        "50 Hz that `grf-steps` takes. SIMULATED plates, with noise, offset and drift.",
        "",
        *harness.table(rows),
    ]
    harness.write(request.out, {"about": harness.machine("numpy"), "rows": rows}, "\n".join(text) + "\n")
    print("\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
