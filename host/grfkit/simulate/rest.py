"""Standing still and jumping on the spot: vertical force of a body that does not run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import Floats
from .settings import JumpRanges, draw

_GRID_HZ = 1000.0
"""Rate of a rest's force, as the plates'."""
_PUSH_S, _RECOVER_S = 0.5, 0.9
"""Time (s) of the push-off before a jump and of the rise after its landing. Chosen by hand."""
_TRANSIENT_AREA = 1.49
"""Integral of t^3 exp(3 (1 - t)) over t >= 0, of a landing's peak."""


@dataclass(frozen=True)
class Jump:
    """One jump: both feet leave at ``take_off_s`` and land at ``landing_s`` (reference time)."""

    take_off_s: float
    landing_s: float


@dataclass(frozen=True)
class Rest:
    """A stretch without steps: ``force_bw`` on a 1000 Hz grid from ``start_s``, and the jumps in it."""

    start_s: float
    end_s: float
    force_bw: Floats
    left_share: Floats
    jumps: tuple[Jump, ...] = field(default=())

    def vertical(self, time_s: Floats) -> Floats:
        """Return total vertical force (BW) at times inside the rest, zero outside."""
        return self._on_grid(time_s, self.force_bw)

    def share(self, time_s: Floats, *, left: bool) -> Floats:
        """Return one foot's vertical force (BW) at times inside the rest, zero outside."""
        foot_share = self.left_share if left else 1 - self.left_share
        return self._on_grid(time_s, self.force_bw * foot_share)

    def _on_grid(self, time_s: Floats, values: Floats) -> Floats:
        at = self.start_s + np.arange(values.size) / _GRID_HZ
        inside = (time_s >= self.start_s) & (time_s < self.end_s)
        return np.asarray(np.where(inside, np.interp(time_s, at, values), 0.0))


def make_rest(rng: np.random.Generator, ranges: JumpRanges, *, start_s: float, end_s: float | None, jumps: int) -> Rest:
    """Return a rest with ``jumps`` jumps; without ``end_s`` it ends after the pause behind the last one."""
    pieces = [_stand(draw(rng, ranges.stand_s))]
    timed_jumps: list[Jump] = []
    for _ in range(jumps):
        now = start_s + sum(piece.size for piece in pieces) / _GRID_HZ
        flight = draw(rng, ranges.flight_s)
        jump, take_off = _jump(flight, draw(rng, ranges.landing_bw))
        timed_jumps.append(Jump(now + take_off, now + take_off + flight))
        pieces += [jump, _stand(draw(rng, ranges.pause_s))]
    force = np.concatenate(pieces)
    if end_s is None:
        end_s = start_s + force.size / _GRID_HZ
    samples = max(1, round((end_s - start_s) * _GRID_HZ) + 1)
    force = np.concatenate([force, np.ones(max(0, samples - force.size))])[:samples]
    sway = _sway(rng, samples)
    air = force <= 0
    # nobody sways in the air: the flight stays exactly 0
    force = np.where(air, 0.0, force + 0.004 * sway[0])
    return Rest(start_s, end_s, force, 0.5 + 0.04 * sway[1], tuple(timed_jumps))


def _stand(seconds: float) -> Floats:
    return np.ones(round(seconds * _GRID_HZ))


def _jump(flight_s: float, landing_bw: float) -> tuple[Floats, float]:
    """Return vertical force (BW) of one jump on the grid and when it leaves the ground (s).

    Push-off and landing each hold the impulse of half the flight; a gentle rise afterwards brings the body
    back to the height it started from.
    """
    share = np.arange(round(_PUSH_S * _GRID_HZ)) / (_PUSH_S * _GRID_HZ)
    dip = -0.5 * np.sin(np.pi * np.clip(share / 0.4, 0, 1))
    drive = np.sin(np.pi * np.clip((share - 0.4) / 0.6, 0, 1)) ** 0.7
    lack = flight_s / 2 - float(dip.sum()) / _GRID_HZ
    push = 1 + dip + drive * lack / (float(drive.sum()) / _GRID_HZ)
    push *= np.clip((1 - share) / 0.03, 0, 1)
    # once more after the ramp at its end, which took a little of the impulse away
    push *= 1 + (flight_s / 2 + _PUSH_S - push.sum() / _GRID_HZ) / (push.sum() / _GRID_HZ)
    air = np.zeros(round(flight_s * _GRID_HZ))
    time = np.arange(round(0.6 * _GRID_HZ)) / _GRID_HZ
    peak_s = flight_s / 2 / _TRANSIENT_AREA / (landing_bw - 1)
    knock = (time / peak_s) ** 3 * np.exp(3 * (1 - time / peak_s))
    ramp = np.clip(time / 0.008, 0, 1)
    area = (air.size / _GRID_HZ + push.size / _GRID_HZ) - push.sum() / _GRID_HZ + (1 - ramp).sum() / _GRID_HZ
    land = ramp + knock * area / (knock.sum() / _GRID_HZ)
    force = np.concatenate([push, air, land])
    rise = np.sin(2 * np.pi * np.arange(round(_RECOVER_S * _GRID_HZ)) / (_RECOVER_S * _GRID_HZ))
    # the height that is left after the landing, by integrating twice, is what the rise has to bring back
    sunk = float(np.cumsum(np.cumsum(force - 1))[-1]) / _GRID_HZ**2
    recover = 1 - rise * sunk * 2 * np.pi / _RECOVER_S**2
    return np.concatenate([force, recover]), push.size / _GRID_HZ


def _sway(rng: np.random.Generator, count: int) -> Floats:
    """Return two slow wanderings of SD about 1, shape (2, count)."""
    knots = max(4, int(count / _GRID_HZ * 1.5))
    coarse = rng.normal(0, 1, (2, knots))
    at = np.linspace(0, knots - 1, count)
    return np.stack([np.interp(at, np.arange(knots), row) for row in coarse])
