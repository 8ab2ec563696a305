"""The alignment benchmark: ``make bench-sync`` (or ``python tools/bench sync --help``).

Prints a table and writes docs/results/sync.json and sync.md. Every runner is simulated from the seeds listed in
``SEEDS``; the estimator and its gates were frozen by a commit before these seeds were first run, and the table names
the commit that ran.
Baselines run on the same trials in the same process.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from grfkit.simulate.conditions import Condition
from grfkit.sync import AlignSettings

from .. import harness
from . import known, overlaps, pairs, real, sessions, speed
from .nightly import nightly
from .tables import markdown, summary
from .trials import run_trial

SEEDS = {
    "standard": 24_000_000,
    "decoys": 25_000_000,
    "nightly": 26_000_000,
    "known": 27_000_000,
    "pairs": 28_000_000,
    "sessions": 46_000_000,
    "overlaps": 44_000_000,
}

PARTS = ("trials", "speed", "real", "known", "pairs", "sessions", "overlaps")
"""What a run measures, the nightly trials aside."""

Job = tuple[str, dict[str, Any], int, dict[str, Any]]

ALLOWED, FAR_OFF = ", --max-drift-ppm 1500", AlignSettings(max_drift_ppm=1500.0)
"""The end of the name of a condition under which clocks may be that far off, and the settings that say so."""
RUN = {"wearables": ("insole", "imu")}
CONDITIONS: dict[str, dict[str, Any]] = {
    "treadmill, clean": RUN | {"surface": "treadmill"},
    "treadmill, gaps": RUN | {"surface": "treadmill", "gaps": True},
    "overground, clean": RUN | {"surface": "overground"},
    "overground, gaps": RUN | {"surface": "overground", "gaps": True},
    "overground, 3 jumps, clean": RUN | {"surface": "overground", "jumps": 3},
    "overground, 3 jumps, gaps": RUN | {"surface": "overground", "jumps": 3, "gaps": True},
    "treadmill, landmarks": {"surface": "treadmill", "wearables": ("landmarks",)},
    "walking, per-foot reference": RUN | {"surface": "treadmill", "gait": "walk", "split_belt": True},
    "index stamps": RUN | {"surface": "treadmill", "index_stamps": True},
    "silent loss": RUN | {"surface": "treadmill", "silent_loss": 2},
    "sides swapped, force inverted": RUN | {"surface": "treadmill", "swap_sides": True, "inverted": True},
    f"treadmill, 1000 ppm off{ALLOWED}": RUN | {"surface": "treadmill", "drift_ppm": 1000.0},
    f"overground, 3 jumps, 1000 ppm off{ALLOWED}": RUN | {"surface": "overground", "jumps": 3, "drift_ppm": 1000.0},
    f"silent loss{ALLOWED}": RUN | {"surface": "treadmill", "silent_loss": 2},
}
SHARE = {
    "treadmill, landmarks": 0.25,
    "walking, per-foot reference": 0.25,
    "index stamps": 0.25,
    "silent loss": 0.25,
    "sides swapped, force inverted": 0.25,
    f"treadmill, 1000 ppm off{ALLOWED}": 0.25,
    f"overground, 3 jumps, 1000 ppm off{ALLOWED}": 0.25,
    f"silent loss{ALLOWED}": 0.25,
}
BASELINES = {"treadmill, clean", "treadmill, gaps", "overground, clean", "overground, gaps"}
DECOYS: dict[str, dict[str, Any]] = {
    "no overlap, treadmill": RUN | {"surface": "treadmill", "no_overlap": True},
    "no overlap, overground": RUN | {"surface": "overground", "no_overlap": True},
    "metronome, treadmill": RUN | {"surface": "treadmill", "metronome": True},
    "standing, overground": RUN | {"surface": "overground", "standing": True},
    "standing, treadmill": RUN | {"surface": "treadmill", "standing": True},
    "three running hits": RUN | {"surface": "overground", "hits": 3},
    "other person, treadmill": RUN | {"surface": "treadmill"},
    "other person, overground": RUN | {"surface": "overground"},
    f"other person, treadmill{ALLOWED}": RUN | {"surface": "treadmill"},
    f"other person, overground{ALLOWED}": RUN | {"surface": "overground"},
}


def work(job: Job) -> tuple[str, list[dict[str, Any]]]:
    """Run one trial; an exception is a row of its own, never a lost one."""
    name, condition, seed, options = job
    gc.collect()  # trees of the trial before refer to themselves
    try:
        return name, run_trial(Condition(**condition), seed, **options)
    except Exception as error:
        return name, [{"seed": seed, "error": f"{type(error).__name__}: {error}"}]


def jobs(trials: int, decoys: int) -> list[Job]:
    """Return all simulated trials; a runner's seed is its number, the same in every condition of a surface."""
    todo: list[Job] = []
    for name, condition in CONDITIONS.items():
        for k in range(max(4, round(trials * SHARE.get(name, 1.0)))):
            options = _settings(name) | {"baselines": name in BASELINES, "nearest": name in BASELINES and k < 25}
            todo.append((name, condition, SEEDS["standard"] + k, options))
    for name, condition in DECOYS.items():
        for k in range(decoys):
            seed = SEEDS["decoys"] + k
            options = _settings(name) | ({"other_seed": seed + 500_000} if name.startswith("other") else {})
            todo.append((f"decoy: {name}", condition, seed, options))
    return todo


def _settings(name: str) -> dict[str, Any]:
    return {"settings": FAR_OFF} if name.endswith(ALLOWED) else {}


def run_all(todo: list[Job], count: int, log: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows by condition, with progress on stderr; rows in ``log`` are not run again.

    The log is of one commit: a first line that names another empties it. Trials go round the conditions, so that a run
    that is stopped has asked each of them.
    """
    from rich.console import Console
    from rich.progress import track

    rows: dict[str, list[dict[str, Any]]] = {}
    head = json.dumps({"commit": harness.git("rev-parse", "HEAD"), "seeds": SEEDS})
    lines_of_log = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    lines = [json.loads(line) for line in lines_of_log[1:]] if lines_of_log and lines_of_log[0] == head else []
    log.parent.mkdir(parents=True, exist_ok=True)
    if not lines:
        log.write_text(head + "\n", encoding="utf-8")
    for line in lines:
        rows.setdefault(line["name"], []).extend(line["rows"])
    finished = {(line["name"], line["seed"]) for line in lines}
    # conditions and decoys by the runner's number: SEEDS are whole multiples of 500,000
    left = sorted((job for job in todo if (job[0], job[2]) not in finished), key=lambda job: job[2] % 500_000)
    with ProcessPoolExecutor(count) as pool, log.open("a", encoding="utf-8") as handle:
        results = track(
            pool.map(work, left, chunksize=2), total=len(left), description="trials", console=Console(stderr=True)
        )
        for number, (job, (name, rows_of_trial)) in enumerate(zip(left, results)):
            rows.setdefault(name, []).extend(rows_of_trial)
            handle.write(json.dumps({"name": name, "seed": job[2], "rows": rows_of_trial}, default=float) + "\n")
            handle.flush()
            if not sys.stderr.isatty() and number % 200 == 199:
                print(f"{number + 1} of {len(left)} trials", file=sys.stderr, flush=True)
    return rows


def join(figures: dict[str, Any], others: list[dict[str, Any]]) -> None:
    """Add the parts of other runs that these figures lack, and say of which commit and settings each is.

    Raises
    ------
    SystemExit
        If a run was of other seeds, or a part stands in two of them.
    """
    parts = ("nightly", *PARTS)
    for other in others:
        if any(figures["seeds"].get(part) != seed for part, seed in other["seeds"].items()):
            sys.exit(f"commit {other['machine']['commit']} ran other seeds: its figures cannot be joined")
        for part in [part for part in parts if part in other]:
            if part in figures:
                sys.exit(f"part {part} is in two runs: name one of them, or run it with --skip {part}")
            figures[part] = other[part]
            settings = {key: other["settings"][key] for key in ("trials", "decoys")}
            figures.setdefault("joined", {})[part] = settings | {"commit": other["machine"]["commit"]}


def main() -> None:
    """Run the benchmark and write its figures."""
    parser = harness.parser(__doc__, "sync")
    parser.add_argument("--trials", type=int, default=200, help="per condition (default 200)")
    parser.add_argument("--decoys", type=int, default=60, help="per kind of decoy (default 60)")
    parser.add_argument("--nightly", type=int, default=0, help="distinct event-level trials per surface (3000+)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--skip",
        nargs="*",
        default=[],
        choices=PARTS,
        help="parts to leave out",
    )
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS, help="parts to run, the others left out")
    parser.add_argument(
        "--join",
        nargs="*",
        type=Path,
        default=[],
        help="JSON files of other runs: parts that are skipped here are taken from them, each under its own commit",
    )
    request = parser.parse_args()
    start = time.perf_counter()
    figures: dict[str, Any] = {
        "machine": harness.machine(),
        "seeds": SEEDS,
        "settings": vars(request) | {"out": request.out.name, "join": [path.name for path in request.join]},
    }
    parts: dict[str, Callable[[], Any]] = {
        "trials": lambda: summary(
            run_all(jobs(request.trials, request.decoys), request.jobs, request.out.with_suffix(".rows.jsonl"))
        ),
        "speed": speed.measure,
        "real": real.measure,
        "known": lambda: known.measure(max(9, round(0.3 * request.trials)), SEEDS["known"]),
        "pairs": lambda: pairs.measure(max(4, request.trials // 4), max(2, request.decoys // 6), SEEDS["pairs"]),
        "sessions": lambda: sessions.measure(
            max(2, round(0.2 * request.trials)), max(1, round(0.1 * request.decoys)), SEEDS["sessions"], request.jobs
        ),
        "overlaps": lambda: overlaps.measure(
            request.trials, max(2, round(0.6 * request.trials)), SEEDS["overlaps"], request.jobs
        ),
    }
    for name, part in parts.items():
        if name in request.only and name not in request.skip:
            print(f"{name} ...", file=sys.stderr)
            figures[name] = part()
    join(figures, [json.loads(path.read_text(encoding="utf-8")) for path in request.join])
    if request.nightly:
        figures["nightly"] = nightly(request.nightly, SEEDS["nightly"], request.jobs)
    figures["wall_s"] = round(time.perf_counter() - start, 1)
    harness.write(request.out, figures, markdown(figures))
    print(markdown(figures))
