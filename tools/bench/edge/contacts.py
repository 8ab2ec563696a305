"""How far an insole's own contacts are from the truth: ``python tools/bench edge.contacts --first 11 --labs 10``.

Contacts of the detector that a device runs (:mod:`grfkit.gait.causal`), with its rule for cells that creep and without
it, which is the rule of bundles made before. SIMULATED people on a belt and over the ground, of whom the truth is
known; and 97 real walkers (gaitpdb), where the force of all eight cells at 5 % of body weight stands for it: once all
eight cells are seen, once heel, arch, ball and toe only. Thresholds were chosen on other seeds of the lab, and on
these real walkers, of whom there are no others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grfkit.arrays import Floats
from grfkit.dataset.public import gaitpdb
from grfkit.gait.causal import MISSING, CausalSettings, Integers, causal_settings
from grfkit.gait.causal_record import as_counts, contact_times, contacts_causal
from grfkit.gait.contacts import contacts_from_force, rule_of
from grfkit.simulate.folder import LabRequest, planned_trials
from grfkit.simulate.lab import simulate_trial
from grfkit.simulate.settings import default_settings

from .. import harness

FIRST, LABS, PEOPLE, SECONDS = 11, 10, 6, 60.0
KINDS: dict[str, dict[str, Any]] = {
    f"{insole}, {gait}, {surface}": {"insole": insole, "gait": gait, "surface": surface}
    for insole in ("adc", "loadsol")
    for gait in ("run", "walk")
    for surface in ("treadmill", "overground")
}
LATE_MS, FAR_MS = 50.0, 120.0
"""Errors that are counted: what is asked of a detector, and more than a fall of the load can take."""
_WARM_S, _END_S, _AROUND_S = 3.0, 0.6, 0.4
"""Contacts within these times (s) of the record's start and end, or of missing samples, are not judged."""
_LEAST_COUNTS, _PER_N, _LEAST_N = 64, 8.0, 50.0
"""Least span of counts and of newtons, and steps of a newton, as ``find_stances`` has them."""
SEEN = (1, 3, 6, 8)


@dataclass(frozen=True)
class Foot:
    """A foot's load as the detector takes it, and its true contacts (s)."""

    time_s: Floats
    load: Integers
    settings: CausalSettings
    on_s: Floats
    off_s: Floats


def simulated(kind: str, seeds: Sequence[int]) -> Iterator[Foot]:
    """Yield the feet of people of ``grf-simulate lab``, whose insoles lie on their true clocks."""
    stamps = default_settings().insole.model_copy(update={"stamp_jitter_share": 0.0})
    settings = default_settings().model_copy(update={"insole": stamps})
    requests = [LabRequest(seed=seed, people=PEOPLE, duration_s=SECONDS, **KINDS[kind]) for seed in seeds]
    for planned in (trial for request in requests for trial in planned_trials(request)):
        lab = simulate_trial(planned.condition.model_copy(update={"wearables": ("insole",)}), planned.seed, settings)
        steps = lab.truth.world.steps
        for side in ("left", "right"):
            stream = lab.on_true_clock().streams[f"insole_{side}"]
            newtons = "force" in stream
            names = ["force"] if newtons else [str(n) for n in stream.data_vars if str(n).startswith("cell_")]
            load = np.sum([np.asarray(stream[n].values, dtype=np.float64) for n in names], axis=0)
            span = round(_LEAST_N * _PER_N) if newtons else _LEAST_COUNTS
            detector = causal_settings(float(stream.attrs["rate_hz"]), least_span=span)
            worn = steps.left == (side == "left")
            on, off = steps.onset_s[worn], (steps.onset_s + steps.contact_s)[worn]
            time = np.asarray(stream["time"].values, dtype=np.float64)
            yield Foot(time, as_counts(load, per_unit=_PER_N if newtons else 1.0), detector, on, off)


def real(cells: Sequence[int]) -> Iterator[Foot]:
    """Yield the feet of the real walkers, of whose cells the detector sees some."""
    walks, _ = gaitpdb.walks(harness.DATA / "gaitpdb_insole")
    rule = rule_of("5%BW walking")
    settings = causal_settings(gaitpdb.RATE_HZ, least_span=round(_LEAST_N * _PER_N))
    for walk in walks:
        for foot in np.split(walk.cells_n, 2, axis=1):
            time = np.arange(len(foot)) / gaitpdb.RATE_HZ
            true = contacts_from_force(time, foot.sum(axis=1), rule=rule, mass_kg=walk.mass_kg)
            load = as_counts(foot[:, np.asarray(cells) - 1].sum(axis=1), per_unit=_PER_N)
            yield Foot(time, load, settings, true.ic_s, true.to_s)


def judged(foot: Foot) -> tuple[Floats, Floats]:
    """Return the true contacts that the record shows whole, no sample missing around them."""
    near = foot.time_s[foot.load == MISSING]
    after = np.searchsorted(near, foot.off_s + _AROUND_S)
    clear = np.searchsorted(near, foot.on_s - _AROUND_S) == after
    inside = (foot.on_s > foot.time_s[0] + _WARM_S) & (foot.off_s < foot.time_s[-1] - _END_S)
    return foot.on_s[clear & inside], foot.off_s[clear & inside]


def errors_ms(foot: Foot, settings: CausalSettings) -> Floats:
    """Return errors of landing and toe-off, (contacts, 2), of what overlaps a true contact most; NaN if nothing."""
    events = contacts_causal(foot.load, 100.0, settings)
    found = contact_times(events, foot.time_s, settings, shortest_s=0.0, longest_s=np.inf)
    rows = []
    for on, off in zip(*judged(foot)):
        overlap = np.minimum(found.to_s, off) - np.maximum(found.ic_s, on)
        k = int(np.argmax(overlap)) if overlap.size else -1
        missed = k < 0 or overlap[k] <= 0
        rows.append((np.nan, np.nan) if missed else (1e3 * (found.ic_s[k] - on), 1e3 * (found.to_s[k] - off)))
    return np.asarray(rows, dtype=np.float64).reshape(-1, 2)


def row_of(kind: str, feet: Iterator[Foot]) -> harness.Rows:
    """Return a row of the table: counts of contacts with and without the rule for cells that creep."""
    with_it, without = [], []
    for foot in feet:
        with_it.append(errors_ms(foot, foot.settings))
        without.append(errors_ms(foot, replace(foot.settings, slack_q6=0)))
    new, old = np.concatenate(with_it), np.concatenate(without)
    moved = [bool((np.nan_to_num(a) != np.nan_to_num(b)).any()) for a, b in zip(with_it, without)]
    row: harness.Rows = {"insole": kind, "feet": len(moved), "contacts": len(new)}
    row["missed"] = int(np.isnan(new[:, 0]).sum())
    row[f"landing > {LATE_MS:g} ms"] = _both(old[:, 0], new[:, 0], LATE_MS)
    for limit in (LATE_MS, FAR_MS):
        row[f"toe-off > {limit:g} ms"] = _both(old[:, 1], new[:, 1], limit)
    row["toe-off, ms: median"] = f"{np.nanmedian(old[:, 1]):.1f}, {np.nanmedian(new[:, 1]):.1f}"
    row["of them worse by > 5 ms"] = int((np.abs(new) > np.abs(old) + 5).any(axis=1).sum())
    row["feet, contacts that changed"] = (
        f"{sum(moved)}, {int((np.nan_to_num(new) != np.nan_to_num(old)).any(axis=1).sum())}"
    )
    return row


def _both(old: Floats, new: Floats, limit_ms: float) -> str:
    return f"{int((np.abs(old) > limit_ms).sum())}, {int((np.abs(new) > limit_ms).sum())}"


def main() -> int:
    """Print the table."""
    options = harness.parser(__doc__, "contacts")
    options.add_argument("--first", type=int, default=FIRST, help="first seed")
    options.add_argument("--labs", type=int, default=LABS, help=f"of each kind, {PEOPLE} people each")
    options.add_argument("--insoles", nargs="+", default=["adc", "loadsol"], choices=["adc", "loadsol"])
    request = options.parse_args()
    seeds = range(request.first, request.first + request.labs)
    rows = []
    for kind in (kind for kind in KINDS if KINDS[kind]["insole"] in request.insoles):
        rows.append(row_of(kind, simulated(kind, seeds)))
        print(rows[-1], file=sys.stderr, flush=True)
    if (harness.DATA / "gaitpdb_insole").is_dir():
        rows.append(row_of("real walkers, eight cells", real(range(1, 9))))
        rows.append(row_of("real walkers, four cells", real(SEEN)))
    text = [
        "# Contacts of an insole's own detector against the truth",
        "",
        f"`python tools/bench edge.contacts --first {request.first} --labs {request.labs}` at commit"
        f" {harness.commit()}: seeds {seeds[0]} to {seeds[-1]},",
        f"{PEOPLE} people each, {SECONDS:g} s, insoles SIMULATED, real walkers of gaitpdb (where these lie). Two",
        "figures: without the rule for cells that creep, and with it. A missed contact counts in `missed` alone.",
        "",
        *harness.table(rows),
    ]
    harness.write(request.out, {"about": harness.machine("numpy"), "rows": rows}, "\n".join(text) + "\n")
    print("\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
