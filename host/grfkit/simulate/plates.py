"""The reference recording: plates or an instrumented treadmill, as a reader of a C3D file gives them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..provenance import Provenance
from ..records import Channel, Recording, make_recording, make_stream
from .clocks import TrueClock
from .conditions import Condition
from .family import CELL_X_MM, CELL_Y_MM
from .passes import Ground, PlateBox
from .settings import Settings, draw
from .world import FOOT_M, World, in_contact

_COP_THRESHOLD_N = 20.0
"""Force below which a plate has no centre of pressure, as in the C3D reader's plates."""


def plate_forces(world: World, ground: Ground, time_s: Floats) -> Floats:
    """Return true force and moment on each plate, shape (plates, samples, 6).

    Columns fx fy fz (N) and mx my mz (N m) about the middle of the plate's surface, axes X forward, Y left,
    Z up; reaction on the person. Only the cells of a foot that lie on a plate load it.
    """
    wrench = np.zeros((len(ground.plates), time_s.size, 6))
    steps = world.steps
    for number, plate in enumerate(ground.plates):
        hits = [hit for hit in ground.hits if hit.plate == number]
        which = np.asarray([hit.contact for hit in hits], dtype=np.int64)
        parts = {hit.contact: hit for hit in hits}
        for k, at, phase in in_contact(time_s, steps.onset_s, steps.contact_s, which):
            hit = parts[k]
            share, cop = _on_plate(world, k, phase, hit.heel_from_m, hit.heel_to_m, hit.whole)
            force = world.force_n(k, phase) * share[:, None]
            travelled = ground.belt_m_s * phase * steps.contact_s[k]
            arm_x = ground.heel_m[k, 0] - travelled + cop[:, 0] - plate.centre[0]
            arm_y = ground.heel_m[k, 1] + cop[:, 1] - plate.centre[1]
            wrench[number, at] += _wrench(force, arm_x, arm_y, 3.0 * np.sin(2 * np.pi * phase) * share)
    _add_rests(world, ground, time_s, wrench)
    return wrench


def _on_plate(
    world: World, k: int, phase: Floats, low_m: float, high_m: float, whole_foot: bool
) -> tuple[Floats, Floats]:
    """Return the share of the load that lies between two places along the foot, and its centre (m)."""
    if whole_foot:
        node, cop = world.cop_m(k)
        return np.ones(phase.size), np.stack([np.interp(phase, node, cop[:, axis]) for axis in (0, 1)], axis=1)
    along, across = np.asarray(CELL_Y_MM) * 1e-3, np.asarray(CELL_X_MM) * 1e-3
    load = world.load_share(k, phase)
    # a cell bears all from 2 cm within the edge: its load fades, instead of leaving the plate at once
    edge = np.clip((along - low_m) / 0.02, 0, 1) * np.clip((high_m - along) / 0.02, 0, 1)
    load = load * edge
    share = load.sum(axis=1)
    safe = np.maximum(share, 1e-9)
    lateral = 1.0 if world.steps.left[k] else -1.0
    return share, np.stack([load @ along / safe, load @ across * lateral / safe], axis=1)


def _wrench(force: Floats, arm_x: Floats, arm_y: Floats, free_moment: Floats) -> Floats:
    wrench = np.empty((force.shape[0], 6))
    wrench[:, :3] = force
    # r x F of a force that acts on the surface (z = 0), and the free moment about the vertical
    wrench[:, 3] = arm_y * force[:, 2]
    wrench[:, 4] = -arm_x * force[:, 2]
    wrench[:, 5] = arm_x * force[:, 1] - arm_y * force[:, 0] + free_moment
    return wrench


def _add_rests(world: World, ground: Ground, time_s: Floats, wrench: Floats) -> None:
    if ground.rest_plate < 0:
        return
    for rest in world.rests:
        at = slice(*np.searchsorted(time_s, [rest.start_s, rest.end_s]))
        for left in (True, False):
            up = rest.share(time_s[at], left=left) * world.weight_n
            number = (0 if left else 1) if len(ground.plates) == 2 else ground.rest_plate
            force = np.stack([np.zeros_like(up), np.zeros_like(up), up], axis=1)
            across = (0.1 if left else -0.1) if len(ground.plates) != 2 else 0.0
            arm = np.full(up.size, across)
            wrench[number, at] += _wrench(force, np.full(up.size, 0.5 * FOOT_M - 0.12), arm, np.zeros_like(up))


def record_reference(
    rng: np.random.Generator,
    condition: Condition,
    settings: Settings,
    world: World,
    ground: Ground,
    *,
    duration_s: float,
    clock: TrueClock | None = None,
) -> Recording:
    """Return the reference recording: ``plate_1``... with noise, belt tone and zero offsets.

    Parameters
    ----------
    duration_s
        On the plates' clock.
    clock
        From the plates' running time to the world's; None where they are the same.
    """
    rate = settings.treadmill.rate_hz
    time = np.arange(round(duration_s * rate)) / rate
    wrench = plate_forces(world, ground, time if clock is None else clock.running(time))
    streams = {}
    for number, plate in enumerate(ground.plates):
        measured = wrench[number] + _disturbance(rng, condition, settings, time)
        if condition.inverted:
            measured = -measured
        foot = ("left", "right")[number] if condition.split_belt else ""
        streams[f"plate_{number + 1}"] = _plate_stream(measured, time, plate, foot, rate)
    device = "virtual treadmill" if condition.surface == "treadmill" else "virtual plates"
    return make_recording(streams, device=device, reader="simulate", provenance=Provenance())


def _disturbance(rng: np.random.Generator, condition: Condition, settings: Settings, time_s: Floats) -> Floats:
    """Return one plate's noise, belt tone and zero (drifting overground), shape (samples, 6)."""
    belt, floor = settings.treadmill, settings.overground
    treadmill = condition.surface == "treadmill"
    level = belt if treadmill else floor
    wobble = rng.standard_normal((time_s.size, 6), dtype=np.float32).astype(np.float64)
    wobble *= np.asarray([level.horizontal_noise_n] * 2 + [level.noise_n] + [0.15 * level.noise_n] * 3)
    zero = rng.normal(0, 1, 6) * level.zero_n * np.asarray([0.4, 0.4, 1, 0.1, 0.1, 0.05])
    wobble += zero
    if treadmill:
        tone, hz = draw(rng, belt.tone_n), draw(rng, belt.tone_hz)
        turn = 2 * np.pi * hz * time_s + 0.3 * np.sin(2 * np.pi * 0.07 * time_s) + rng.uniform(0, 6.3)
        wobble[:, 2] += tone * np.sin(turn)
        wobble[:, 0] += 0.4 * tone * np.cos(turn)
    else:
        knots = rng.normal(0, floor.zero_drift_n, 6)
        wobble[:, 2] += np.interp(time_s, np.linspace(0, time_s[-1], 6), knots)
    return wobble


def _plate_stream(measured: Floats, time_s: Floats, plate: PlateBox, foot: str, rate_hz: float) -> xr.Dataset:
    names = ("fx", "fy", "fz", "mx", "my", "mz")
    channels = [Channel(name, measured[:, k], "N" if k < 3 else "N m", "global") for k, name in enumerate(names)]
    channels += _cop_channels(measured, plate)
    return make_stream(
        channels,
        time_s,
        kind="force_plate",
        side="left" if foot == "left" else "right" if foot == "right" else "unknown",
        rate_hz=rate_hz,
        stamp_source="crystal",
        clock="reference",
        attrs=plate_attrs(plate, foot),
    )


def plate_attrs(plate: PlateBox, knows_feet: str) -> dict[str, object]:
    """Return a plate's attributes as a C3D reader gives them, corners in C3D's order (plate axes X forward, Z down)."""
    (x0, x1), (y0, y1) = plate.x, plate.y
    corners = [x1, y0, 0.0, x0, y0, 0.0, x0, y1, 0.0, x1, y1, 0.0]
    return {
        "corners_m": [float(c) for c in corners],
        "origin_m": [0.0, 0.0, 0.0],
        "plate_type": 2,
        "vertical": "+z",
        "knows_feet": knows_feet,
        "cop_threshold_n": _COP_THRESHOLD_N,
        "cop_filter_hz": 0.0,
        "unverified": "",
    }


def _cop_channels(measured: Floats, plate: PlateBox) -> list[Channel]:
    up = measured[:, 2]
    loaded = np.abs(up) > _COP_THRESHOLD_N
    safe = np.where(loaded, up, np.nan)
    x, y = plate.centre[0] - measured[:, 4] / safe, plate.centre[1] + measured[:, 3] / safe
    return [
        Channel("cop_x", x, "m", "global"),
        Channel("cop_y", y, "m", "global"),
        Channel("cop_z", np.where(loaded, 0.0, np.nan), "m", "global"),
    ]
