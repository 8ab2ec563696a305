"""Samples of a device: their true times, their stamps, and which of them arrive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .clocks import TrueClock, draw_received
from .conditions import Condition
from .settings import Pair, Settings, draw


@dataclass(frozen=True)
class Sampling:
    """One stream's samples.

    Attributes
    ----------
    world_s
        Reference time of what each sample shows: its true instant less the device's own delay.
    stamp_s
        The device's stamp, increasing; shape (samples,) like ``world_s`` and ``received``.
    received
        False where the sample never arrived, and the stamps show it.
    losses
        ``(stamp_s, lost_s)`` of samples lost without a trace, which are in none of the arrays.
    """

    rate_hz: float
    world_s: Floats
    stamp_s: Floats
    received: NDArray[np.bool_]
    losses: tuple[tuple[float, float], ...]
    lag_s: float
    jittered: bool


def draw_sampling(
    rng: np.random.Generator,
    condition: Condition,
    settings: Settings,
    clock: TrueClock,
    *,
    rate_hz: float,
    duration_s: float,
    lag_s: float,
    jitter_ms: Pair,
    jitter_share: float,
    losses: tuple[tuple[float, float], ...] = (),
) -> Sampling:
    """Return when a stream is sampled and what arrives; ``losses`` are silent, in device running time."""
    running = np.arange(int(duration_s * rate_hz)) / rate_hz
    indices, stamped_losses = _silent(running, losses, rate_hz)
    world = clock.running(running[indices]) - lag_s
    # stamps close up over what was lost without a trace: that is why no stamp shows it
    stamp = np.arange(indices.size) / rate_hz
    jittered = not condition.index_stamps and bool(rng.random() < jitter_share)
    if jittered:
        # a host stamps in order of arrival: late stamps push, they never pass
        stamp = np.sort(stamp + rng.normal(0, draw(rng, jitter_ms) * 1e-3, stamp.size))
    received = np.ones(indices.size, dtype=bool)
    if condition.gaps:
        received = draw_received(rng, settings.gaps, samples=indices.size, rate_hz=rate_hz)
    return Sampling(rate_hz, world, np.round(stamp, 5), received, stamped_losses, lag_s, jittered)


def draw_losses(
    rng: np.random.Generator, condition: Condition, settings: Settings, *, duration_s: float
) -> tuple[tuple[float, float], ...]:
    """Return silent losses ``(running time, lost_s)`` as the condition asks for them."""
    silent_loss = condition.silent_loss
    if isinstance(silent_loss, tuple):
        return tuple(sorted(silent_loss))
    places = np.sort(rng.uniform(0.15, 0.85, silent_loss)) * duration_s
    return tuple((float(at), draw(rng, settings.gaps.silent_loss_s)) for at in places)


def _silent(
    running: Floats, losses: tuple[tuple[float, float], ...], rate_hz: float
) -> tuple[NDArray[np.int64], tuple[tuple[float, float], ...]]:
    """Return the samples kept, and per loss the stamp just before the first sample after it."""
    keep = np.ones(running.size, dtype=bool)
    for at, lost in losses:
        first = int(np.searchsorted(running, at))
        keep[first : first + max(1, round(lost * rate_hz))] = False
    indices = np.flatnonzero(keep)
    jumps = np.flatnonzero(np.diff(indices) > 1)
    stamped_losses = [((int(j) + 0.5) / rate_hz, (int(indices[j + 1] - indices[j]) - 1) / rate_hz) for j in jumps]
    return indices, tuple(stamped_losses)


def draw_lag(rng: np.random.Generator, *, mean_ms: float, sd_ms: Pair) -> float:
    """Return one device's own delay (s): the mean of its class and a spread between devices."""
    return 1e-3 * (mean_ms + float(rng.normal(0, draw(rng, sd_ms))))
