"""Insoles: load per cell, edges that jitter, and the sensor between a newton and a count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..records import Channel
from .family import CELL_X_MM, CELL_Y_MM
from .noise import ar1, lowpass
from .sampling import Sampling
from .settings import InsoleRanges, LoadsolRanges, Settings, draw
from .world import World, in_contact

_HEEL_END_MM = 100.0
"""Where a loadsol's heel zone ends (mm from the heel): behind the arch. Chosen by hand."""
_BUMP_LONGEST_S = 1.5
"""Longest swing (s) in which a foot moves in its shoe; longer ones are rests. Chosen by hand."""


def cell_loads(rng: np.random.Generator, ranges: InsoleRanges, world: World, time_s: Floats, *, left: bool) -> Floats:
    """Return the load (N) on each of 16 cells of one foot, (samples, 16), its edges early or late by a few ms."""
    indices = np.flatnonzero(world.steps.left == left)
    on = edge_jitter(rng, ranges, indices.size, draw(rng, ranges.on_jitter_ms))
    off = edge_jitter(rng, ranges, indices.size, draw(rng, ranges.off_jitter_ms))
    onset, contact = world.steps.onset_s.copy(), world.steps.contact_s.copy()
    onset[indices] += on
    # counted from the moved onset, so that the end moves by `off` alone
    contact[indices] = np.maximum(contact[indices] + off - on, 0.4 * contact[indices])
    loads = np.zeros((time_s.size, 16))
    for k, at, phase in in_contact(time_s, onset, contact, indices):
        up = world.force_n(k, phase)[:, 2]
        loads[at] += up[:, None] * world.load_share(k, phase)
    if world.example.onset_s.size:
        # standing loads the sole as the middle of a contact does
        standing = world.person.load_share(world.example, 0, np.asarray([0.4]))[0]
        for rest in world.rests:
            loads += np.outer(rest.share(time_s, left=left) * world.weight_n, standing)
    return loads


def edge_jitter(rng: np.random.Generator, ranges: InsoleRanges, count: int, sd_ms: float) -> Floats:
    """Return per-contact deviations (s) of an edge; part of their variance is AR(1)."""
    # shares of variance: the sum has SD 1 whatever the share
    white = rng.normal(0, np.sqrt(1 - ranges.jitter_ar_share), count)
    slow = ar1(rng, count, ranges.jitter_ar) * np.sqrt(ranges.jitter_ar_share)
    return np.asarray(np.clip(white + slow, -3.5, 3.5) * sd_ms * 1e-3)


def swing_bump(world: World, time_s: Floats, *, left: bool) -> Floats:
    """Return a bump in [0, 1] in mid-swing, where the foot moves within the shoe."""
    indices = np.flatnonzero(world.steps.left == left)
    if indices.size < 2:
        return np.zeros(time_s.size)
    off = (world.steps.onset_s + world.steps.contact_s)[indices[:-1]]
    length = np.maximum(world.steps.onset_s[indices[1:]] - off, 1e-3)
    at = np.clip(np.searchsorted(off, time_s, side="right") - 1, 0, off.size - 1)
    share = np.clip((time_s - off[at]) / length[at], 0, 1)
    return np.asarray(np.where(length[at] < _BUMP_LONGEST_S, np.sin(np.pi * share) ** 4, 0.0))


@dataclass(frozen=True)
class Fsr:
    """One device's force sensors, the same model in both shoes; see ``settings.toml`` for the quantities."""

    bits: int
    rise_s: float
    fall_s: float
    hysteresis: float
    creep: float
    creep_s: float
    half_scale_bw: float
    exponent: float
    clip_level: float
    swing_bump_bw: float
    preload_bw: float


def draw_fsr(rng: np.random.Generator, ranges: InsoleRanges, *, bits: int | None) -> Fsr:
    """Return the sensors of one device; ``bits`` in place of a drawn resolution."""
    return Fsr(
        bits=bits or int(rng.choice(ranges.bits)),
        rise_s=draw(rng, ranges.rise_ms) * 1e-3,
        fall_s=draw(rng, ranges.fall_ms) * 1e-3,
        hysteresis=draw(rng, ranges.hysteresis),
        creep=draw(rng, ranges.creep),
        creep_s=draw(rng, ranges.creep_s),
        half_scale_bw=draw(rng, ranges.half_scale_bw),
        exponent=draw(rng, ranges.exponent),
        clip_level=draw(rng, ranges.hard_clip_level) if rng.random() < ranges.hard_clip_share else 1.0,
        swing_bump_bw=draw(rng, ranges.swing_bump_bw),
        preload_bw=draw(rng, ranges.preload_bw),
    )


def adc_channels(
    rng: np.random.Generator,
    settings: Settings,
    world: World,
    sampling: Sampling,
    fsr: Fsr,
    *,
    left: bool,
    with_force: bool,
) -> list[Channel]:
    """Return 16 FSR cells in counts, and with ``with_force`` a summed ``force`` (N)."""
    ranges = settings.insole
    loads = cell_loads(rng, ranges, world, sampling.world_s, left=left)
    total = loads.sum(axis=1)
    bump = swing_bump(world, sampling.world_s, left=left) * fsr.swing_bump_bw * world.weight_n
    loads += bump[:, None] * rng.dirichlet(np.ones(16))
    loads += fsr.preload_bw * world.weight_n * rng.dirichlet(np.ones(16))
    counts = adc_counts(rng, ranges, fsr, loads, sampling.rate_hz, world.weight_n)
    channels = [Channel(f"cell_{cell + 1:02d}", _received(counts[:, cell], sampling), "count") for cell in range(16)]
    if with_force:
        summed = lowpass(total + bump, sampling.rate_hz, fsr.rise_s) * rng.normal(1, 0.05)
        channels.append(Channel("force", _received(np.round(summed, 1), sampling), "N"))
    return channels


def adc_counts(
    rng: np.random.Generator, ranges: InsoleRanges, fsr: Fsr, loads: Floats, rate_hz: float, weight_n: float
) -> Floats:
    """Return counts: gain per cell, rise and fall, hysteresis, creep, power law, saturation, rounding.

    The order is that of the sensor: what the material does to the load, then resistance to voltage, then the ADC.
    """
    felt = loads * np.exp(rng.normal(0, ranges.cell_gain_sd, 16))
    felt[:, rng.random(16) < ranges.dead_cell_share] = 0.0
    # the larger of a quick and a slow filter: up with the rise time, down with the longer fall time
    felt = np.maximum(lowpass(felt, rate_hz, fsr.rise_s), lowpass(felt, rate_hz, fsr.fall_s))
    felt += fsr.hysteresis * (lowpass(felt, rate_hz, 0.05) - felt)
    felt += fsr.creep * lowpass(felt, rate_hz, fsr.creep_s)
    half = fsr.half_scale_bw * weight_n / 4
    bent = np.power(np.maximum(felt, 0) / half, fsr.exponent)
    out = bent / (1 + bent)
    out = np.minimum(out, fsr.clip_level * float(out.max(initial=0.0)))
    top = 2**fsr.bits - 1
    noise = rng.standard_normal(out.shape, dtype=np.float32) * ranges.noise_lsb
    return np.asarray(np.clip(np.round(0.97 * top * out + 0.01 * top + noise), 0, top))


def loadsol_channels(
    rng: np.random.Generator, settings: Settings, world: World, sampling: Sampling, *, left: bool
) -> list[Channel]:
    """Return a loadsol's zones and total (N), rounded to its step."""
    ranges: LoadsolRanges = settings.loadsol
    loads = cell_loads(rng, settings.insole, world, sampling.world_s, left=left)
    bump = swing_bump(world, sampling.world_s, left=left) * draw(rng, ranges.swing_bump_n)
    heel = np.asarray(CELL_Y_MM) < _HEEL_END_MM
    medial = ~heel & (np.asarray(CELL_X_MM) < 0)
    gain = rng.normal(1, ranges.gain_sd)
    zones = {}
    for name, cells in (("heel", heel), ("medial", medial), ("lateral", ~heel & ~medial)):
        force = loads[:, cells].sum(axis=1) + bump / 3
        fast = lowpass(force, sampling.rate_hz, draw(rng, ranges.rise_ms) * 1e-3)
        force = np.maximum(fast, lowpass(force, sampling.rate_hz, draw(rng, ranges.fall_ms) * 1e-3))
        force = np.minimum(force * gain * rng.normal(1, ranges.zone_gain_sd), ranges.saturation_n)
        # rounded before they are summed: the total agrees with its zones to the digit
        zones[name] = np.round(np.maximum(force, 0) / ranges.force_step_n) * ranges.force_step_n
    channels = [Channel(f"zone_{name}", _received(force, sampling), "N") for name, force in zones.items()]
    total = np.sum(list(zones.values()), axis=0)
    return [*channels, Channel("force", _received(total, sampling), "N")]


def _received(values: Floats, sampling: Sampling) -> Floats:
    return np.asarray(values[sampling.received])
