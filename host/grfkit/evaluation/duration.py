"""How long a comparison with features will take: a step of every network is timed before the work begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from ..learn.batches import Windows, matching_channels
from ..learn.folds import Fold
from ..learn.networks import ForceNetwork, Shape, build
from ..learn.parallel import JobReport
from ..learn.recipe import Recipe
from ..records.stance_set import StanceSet
from .feature_methods import LINEAR, Cell, Plan, feature_method
from .methods import NetworkMethod

AROUND_S = 0.5
"""Of one training beside its steps (scaling, ridge, the answers): measured on 36 stances, rounded up."""
AGAIN_S = 300.0
"""Time between two sentences on what is left: chosen by hand."""
FEW = 2
"""Windows that a step is timed with where a window takes over :data:`LONG_S`: two, for norms need more than one."""
LONG_S = 0.3
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0

Notice = Callable[[str], None]
"""Takes a sentence for whoever waits."""


def seconds_of_fits(plan: Plan, recipe: Recipe, data: StanceSet, folds: Sequence[Fold]) -> dict[str, float]:
    """Return how long one training of every network takes about, s, on one thread."""
    people = data.per_stance("participant")
    windows = float(np.mean([np.isin(people, fold.train).sum() for fold in folds]))
    found = dict.fromkeys(LINEAR, AROUND_S)
    for name in plan.networks:
        method = feature_method(Cell(name, plan.main), recipe, plan.weights)
        if isinstance(method, NetworkMethod):
            once, step = _timed(method, data, min(recipe.train.batch, int(windows)))
            # a frozen trunk is passed once, for the norms and for what is kept of it
            found[name] = AROUND_S + windows * (once + step * method.config.epochs)
    return found


def _timed(method: NetworkMethod, data: StanceSet, batch: int) -> tuple[float, float]:
    """Return seconds of a window for its first pass beyond the others, and for a step of training."""
    config = method.config
    channels, axes = matching_channels(data.channels, config.channels), config.axes or data.axes
    windows = Windows(data, channels, config.statics, axes, memory_mb=0.0)
    shape = Shape(len(channels) * (2 if config.missing_masks else 1), len(config.statics), len(axes))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = build(method.network.for_windows(windows), shape, seed=0).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.0)
        first = _step(network, optimizer, FEW, windows.points) / FEW
        size = FEW if first > LONG_S else max(batch, FEW)
        # the first of its size also sets up
        once = _step(network, optimizer, size, windows.points) / size
        step = _step(network, optimizer, size, windows.points) / size
    finally:
        torch.set_num_threads(threads)
    passed_once = getattr(method.network, "trunk", "") == "frozen"
    return (max(first, once) - step if passed_once else 0.0), step


def _step(network: ForceNetwork, optimizer: torch.optim.Optimizer, windows: int, points: int) -> float:
    """Return how long one step of training takes, s."""
    channels, statics, _ = network.shape
    # each window another, so that a frozen trunk has them all to pass
    inputs = torch.linspace(0.0, 1.0, windows)[:, None, None].expand(windows, points, channels).contiguous()
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    network(inputs, torch.zeros(windows, statics)).square().mean().backward()
    optimizer.step()
    return time.perf_counter() - start


def forecast(plan: Plan, seconds: Mapping[str, float], folds: int, workers: int) -> tuple[float, str]:
    """Return how long a comparison will take, s, and a sentence on that."""
    cells = plan.cells()
    total = {n: folds * s * sum(c.network == n for c in cells) for n, s in seconds.items()}
    longest = sorted(total, key=lambda n: -total[n])[:3]
    parts = ", ".join(f"{n} {duration(total[n])}" for n in longest if n not in LINEAR)
    shared = f"{workers} processes" if workers > 1 else "one process"
    long_s = sum(total.values()) / max(1, workers)
    words = (
        f"{len(plan.networks)} network{'s' * (len(plan.networks) > 1)}, {folds * len(cells)} trainings: about"
        f" {duration(long_s)} on this computer, as busy as it is now, in {shared}"
    )
    return long_s, words + (f" (most of it: {parts})" if parts else "")


def duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> [duration(s) for s in (20, 700, 9000, 400_000)]
    ['1 min', '12 min', '2.5 h', '4.6 days']
    """
    if seconds < 1.5 * HOUR_S:
        return f"{max(1.0, seconds / MINUTE_S):.0f} min"
    return f"{seconds / HOUR_S:.1f} h" if seconds < 2 * DAY_S else f"{seconds / DAY_S:.1f} days"


def advice(*, kept: bool, workers: int, quick: bool, long_s: float) -> str:
    """Return what could be done about a long comparison; empty for a short one."""
    if long_s < AGAIN_S:
        return ""
    ways = [] if quick else ["--quick takes about ten minutes"]
    ways += [] if workers > 1 else ["--workers N shares it among N processes"]
    ways += [] if kept else ["with --out FOLDER a stopped run goes on"]
    return f"; {', '.join(ways)}" if ways else ""


def watched(
    plan: Plan, seconds: Mapping[str, float], notice: Notice, progress: Callable[[JobReport], None] | None
) -> Callable[[JobReport], None]:
    """Return a report of jobs that every few minutes also says how much is left, by what each network takes."""
    network = {cell.name: cell.network for cell in plan.cells()}
    left = {"sum": 0.0, "done": 0.0, "began": time.monotonic(), "told": time.monotonic()}

    def report(job: JobReport) -> None:
        if progress is not None:
            progress(job)
        cost = seconds.get(network.get(job.name.split(" | ", 1)[-1], ""), 0.0)
        left["sum"] += cost
        left["done"] += 0.0 if job.reused else cost
        now = time.monotonic()
        if now - left["told"] < AGAIN_S or not left["done"]:
            return
        left["told"] = now
        share = (now - left["began"]) / left["done"]
        rest = share * max(0.0, _total(plan, seconds, job.total) - left["sum"])
        notice(f"{job.done} of {job.total} trainings are done, about {duration(rest)} left")

    return report


def _total(plan: Plan, seconds: Mapping[str, float], jobs: int) -> float:
    """Return the seconds of all trainings; mean curves and other baselines among the jobs take none."""
    cells = plan.cells()
    # as many folds as jobs hold all cells
    folds = max(1, jobs // max(1, len(cells)))
    return folds * sum(seconds.get(c.network, 0.0) for c in cells)
