"""Trials of contact events only, as detectors would report them: hundreds of trials a second."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from grfkit.arrays import Floats
from grfkit.signals.contacts import Contacts
from grfkit.simulate.balance import Balance
from grfkit.simulate.clocks import TrueClock, draw_clock, draw_received
from grfkit.simulate.conditions import Condition, draw_situation, load_family
from grfkit.simulate.family import Steps
from grfkit.simulate.insole import edge_jitter
from grfkit.simulate.noise import ar1
from grfkit.simulate.passes import Ground, overground_ground
from grfkit.simulate.plan import RecordingPlan, draw_plan
from grfkit.simulate.sampling import draw_lag, draw_losses
from grfkit.simulate.settings import Settings, default_settings, draw
from grfkit.simulate.world import FOOT_M, World
from grfkit.units import G

_FOOT = np.asarray([1, 0, -1])  # the lab's 0 right, 1 left, -1 unknown
_GRID_HZ = 50.0
"""Rate of the grid on which an event is lost with its packet: a packet is longer. Chosen by hand."""


@dataclass(frozen=True)
class EventTable:
    """Contacts as one detector saw them, in order of onset; one row per contact.

    Attributes
    ----------
    onset_s, contact_s
        On the table's own clock, counted from its record's start; contact times are NaN for an IMU.
    impulse_n_s
        Vertical impulse; for an IMU the size of the impact, in any unit.
    side
        1 left, 0 right, -1 where the detector cannot know.
    plate, lap
        Reference: plate from 1, and overground the pass from 0; elsewhere 0.
    source
        Truth: number of the true contact in ``EventTrial.steps``, -1 for a spurious event.
    """

    onset_s: Floats
    contact_s: Floats
    impulse_n_s: Floats
    side: NDArray[np.int8]
    plate: NDArray[np.int64]
    lap: NDArray[np.int64]
    source: NDArray[np.int64]


@dataclass(frozen=True)
class EventStream:
    """One wearable's events (both feet together) and the truth about its clock.

    Attributes
    ----------
    clock, clock_right
        Exact map of stamps to reference time; ``clock_right`` differs only if each foot has a clock.
    lag_s
        Delay of device and detector together: an event at true time T is stamped as if at ``T + lag_s``.
    overlap_s
        Device time shared with the reference; equal ends where there is none.
    """

    events: EventTable
    clock: TrueClock
    clock_right: TrueClock
    lag_s: float
    overlap_s: tuple[float, float]
    offset_s: float
    drift_ppm: float


@dataclass(frozen=True)
class EventTrial:
    """An event-level trial: reference, wearables by name, and the true contacts (reference time)."""

    reference: EventTable
    reference_s: float
    wearables: dict[str, EventStream]
    steps: Steps
    family: str


def simulate_events(condition: Condition, seed: int, settings: Settings | None = None) -> EventTrial:
    """Return an event-level trial; the same condition, seed and settings give the same values.

    A single treadmill plate sees no separate contacts in walking, so its reference is then empty. Jumps are
    contacts of both feet on one plate; ``standing`` leaves spurious events alone.
    """
    ranges = settings or default_settings()
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    family = load_family(condition.family, rng, ranges)
    plan = draw_plan(rng, condition, ranges)
    now = draw_situation(rng, rng, condition, ranges, duration_s=plan.span[1] - plan.span[0])
    regular = family.person(rng, now).steps(rng)
    steps = replace(regular, onset_s=regular.onset_s + plan.span[0])
    steps, jumped = _with_jumps(rng, condition, ranges, steps, plan)
    impulse = _impulses(rng, steps, now.mass_kg)
    reference = _reference(rng, condition, ranges, steps, impulse, jumped, plan, now_world=_world(steps, now, plan))
    wearables: dict[str, EventStream] = {
        name: _wearable(rng, condition, ranges, name, steps, impulse, plan)
        for name in condition.wearables
        if name != "landmarks"
    }
    return EventTrial(reference, plan.reference_s, wearables, steps, family.name)


def contacts(table: EventTable, length_s: float) -> Contacts:
    """Return an event table as the estimator takes it."""
    # jitter may have changed the order
    order = np.argsort(table.onset_s, kind="stable")
    start = min(0.0, float(table.onset_s.min())) if table.onset_s.size else 0.0
    end = max(length_s, float(table.onset_s.max()) + 0.01) if table.onset_s.size else length_s
    return Contacts(
        table.onset_s[order],
        (table.onset_s + table.contact_s)[order],
        table.impulse_n_s[order],
        _FOOT[table.side[order].astype(int)].astype(np.int64),
        np.asarray([[start, end]]),
    )


def _with_jumps(
    rng: np.random.Generator, condition: Condition, settings: Settings, steps: Steps, plan: RecordingPlan
) -> tuple[Steps, NDArray[np.bool_]]:
    """Return steps with rests cut out and jump landings put in, and which of them are jumps."""
    keep = np.ones(steps.onset_s.size, dtype=bool)
    low, high = plan.overlap
    if condition.standing:
        keep[:] = False
    if condition.start_stop:
        keep &= (steps.onset_s > low + float(rng.uniform(4, 9))) & (steps.onset_s < high - float(rng.uniform(4, 9)))
    start = low + float(rng.uniform(4, 8))
    ranges, landing, landed_s = settings.jumps, [], []
    now = start
    for _ in range(condition.jumps):
        now += draw(rng, ranges.flight_s)
        landing.append(now)
        landed_s.append(draw(rng, ranges.pause_s) + 0.5)
        now += landed_s[-1]
    if landing:
        keep &= (steps.onset_s + steps.contact_s < start - 1) | (steps.onset_s > now + 0.5)
    onset = np.concatenate([steps.onset_s[keep], landing])
    order = np.argsort(onset, kind="stable")
    # a landing has no step's variation
    blank = np.zeros((len(landing), steps.variation.shape[1]))
    merged = Steps(
        onset[order],
        np.concatenate([steps.contact_s[keep], landed_s])[order],
        np.concatenate([steps.left[keep], np.zeros(len(landing), dtype=bool)])[order],
        np.concatenate([steps.variation[keep], blank])[order],
    )
    return merged, order >= np.count_nonzero(keep)


def _impulses(rng: np.random.Generator, steps: Steps, mass_kg: float) -> Floats:
    """Return vertical impulses (N s): body weight times the time each contact carries it."""
    if steps.onset_s.size < 3:
        return mass_kg * G * steps.contact_s
    middle = steps.onset_s + steps.contact_s / 2
    # half the time between the contacts before and after: on average force is weight, and this contact's share of it
    carried = np.gradient(middle)
    return np.asarray(mass_kg * G * np.clip(carried, 0, 3) * np.exp(rng.normal(0, 0.015, carried.size)))


def _world(steps: Steps, now: object, plan: RecordingPlan) -> World:
    """Return a world that holds contacts alone; its forces are never used."""
    none = np.zeros(0)
    bare = Balance(none, none, none, none)
    return World("", now, None, steps, steps, bare, (), (), *plan.span)  # type: ignore[arg-type]


def _reference(
    rng: np.random.Generator,
    condition: Condition,
    settings: Settings,
    steps: Steps,
    impulse: Floats,
    jumped: NDArray[np.bool_],
    plan: RecordingPlan,
    *,
    now_world: World,
) -> EventTable:
    count = steps.onset_s.size
    on = rng.normal(0, draw(rng, settings.events.reference_jitter_ms) * 1e-3, count)
    off = rng.normal(0, draw(rng, settings.events.reference_off_jitter_ms) * 1e-3, count)
    if condition.surface == "overground":
        ground = overground_ground(rng, condition, settings, now_world)
        table = _hits(rng, settings, steps, impulse, jumped, ground)
    else:
        visible = np.arange(count) if condition.gait == "run" or condition.split_belt else np.flatnonzero(jumped)
        side = np.where(steps.left, 1, 0) if condition.split_belt else np.full(count, -1)
        plate = np.where(steps.left | (not condition.split_belt), 1, 2)
        table = _table(steps, impulse, side, plate, np.zeros(count, dtype=np.int64), visible)
    onset, contact = table.onset_s + on[table.source], table.contact_s + off[table.source]
    inside = (onset >= 0) & (onset + contact < plan.reference_s)
    return _picked(replace(table, onset_s=onset, contact_s=contact), inside)


def _hits(
    rng: np.random.Generator,
    settings: Settings,
    steps: Steps,
    impulse: Floats,
    jumped: NDArray[np.bool_],
    ground: Ground,
) -> EventTable:
    """Return plate hits, whole or in part, and the jumps, which are all on the second plate."""
    rows = [hit for hit in ground.hits if not jumped[hit.contact]]
    at = np.asarray([hit.contact for hit in rows], dtype=np.int64)
    plate = np.asarray([hit.plate + 1 for hit in rows], dtype=np.int64)
    lap = np.asarray([hit.lap for hit in rows], dtype=np.int64)
    low = np.clip([hit.heel_from_m / FOOT_M for hit in rows], 0, 1)
    high = np.clip([hit.heel_to_m / FOOT_M for hit in rows], 0, 1)
    lost = draw(rng, settings.events.partial_contact_loss)
    # a foot half on the plate is seen later or shorter, in proportion to what is off it
    late, early = lost * low * steps.contact_s[at], lost * (1 - high) * steps.contact_s[at]
    extra = np.flatnonzero(jumped)
    onset = np.concatenate([steps.onset_s[at] + late, steps.onset_s[extra]])
    order = np.argsort(onset, kind="stable")
    zero = np.zeros(extra.size, dtype=np.int64)
    return EventTable(
        onset[order],
        np.concatenate([steps.contact_s[at] - late - early, steps.contact_s[extra]])[order],
        np.concatenate([impulse[at] * (high - low), impulse[extra]])[order],
        np.full(order.size, -1, dtype=np.int8),
        np.concatenate([plate, zero + 2])[order],
        np.concatenate([lap, zero])[order],
        np.concatenate([at, extra])[order],
    )


def _wearable(
    rng: np.random.Generator,
    condition: Condition,
    settings: Settings,
    name: str,
    steps: Steps,
    impulse: Floats,
    plan: RecordingPlan,
) -> EventStream:
    window, insole = plan.windows[name], name == "insole"
    clock = draw_clock(rng, settings.clock, offset_s=window.offset_s, index_stamps=condition.index_stamps)
    if condition.drift_ppm is not None:
        clock = replace(clock, drift_ppm=condition.drift_ppm)
    right = clock
    if condition.own_clocks:
        shifted = window.offset_s + float(rng.uniform(-2, 2))
        right = draw_clock(rng, settings.clock, offset_s=shifted, index_stamps=condition.index_stamps)
    losses = draw_losses(rng, condition, settings, duration_s=window.length_s)
    clock, right = clock.started(0.0, _stamped(losses)), right.started(0.0, _stamped(losses))
    lag = _lag(rng, settings, insole)
    detected = _detected(rng, settings, steps, impulse, insole)
    parts = [
        _stamps(part, foot_clock, lag, losses, window.length_s) for part, foot_clock in _sides(detected, clock, right)
    ]
    if condition.gaps:
        parts = [_received(rng, settings, part, window.length_s) for part in parts]
    if condition.one_foot is not None:
        parts = [parts[0] if condition.one_foot == "left" else parts[1]]
    table = _merged(parts)
    table = _spurious(rng, settings, table, window.length_s, insole)
    if condition.swap_sides:
        table = replace(table, side=(1 - table.side).astype(np.int8))
    shared = clock.t_running(np.asarray([0.0, plan.reference_s]))
    overlap = (max(0.0, float(shared[0])), min(window.length_s, float(shared[1])))
    overlap = overlap if overlap[1] > overlap[0] else (0.0, 0.0)
    stretch = overlap if overlap[1] > overlap[0] else (0.0, window.length_s)
    return EventStream(table, clock, right, lag, overlap, *clock.affine(*stretch))


def _lag(rng: np.random.Generator, settings: Settings, insole: bool) -> float:
    if insole:
        return draw_lag(rng, mean_ms=settings.insole.lag_ms, sd_ms=settings.insole.lag_sd_ms)
    middle = sum(settings.events.imu_lag_ms) / 2
    return draw_lag(rng, mean_ms=middle, sd_ms=settings.imu.lag_sd_ms)


def _detected(rng: np.random.Generator, settings: Settings, steps: Steps, impulse: Floats, insole: bool) -> EventTable:
    """Return the contacts a detector finds, on the reference clock, its jitter and misses included."""
    ranges, count = settings.events, steps.onset_s.size
    table = _table(steps, impulse, np.where(steps.left, 1, 0), np.zeros(count, dtype=np.int64), None, np.arange(count))
    missed = rng.random(count) < draw(rng, ranges.insole_miss if insole else ranges.imu_miss)
    if insole:
        on = edge_jitter(rng, settings.insole, count, draw(rng, settings.insole.on_jitter_ms))
        off = edge_jitter(rng, settings.insole, count, draw(rng, settings.insole.off_jitter_ms))
        release = draw(rng, settings.insole.fall_ms) * 1e-3
        contact = np.maximum(steps.contact_s + off - on + release, 0.05)
        spread = draw(rng, ranges.insole_impulse_cv_percent) / 100
    else:
        sd = draw(rng, ranges.imu_onset_jitter_ms) * 1e-3
        # 0.84^2 + 0.55^2 = 1: 70 % of the variance is white, 30 % goes on from step to step
        on = sd * (0.84 * rng.normal(0, 1, count) + 0.55 * ar1(rng, count, 0.8)) if count else np.zeros(0)
        contact = np.full(count, np.nan)
        spread = draw(rng, ranges.imu_amplitude_cv_percent) / 100
    # each impulse is felt with an error of its own, and all of them with one gain
    felt = impulse * np.exp(rng.normal(0, spread, count)) * float(np.exp(rng.normal(0, 0.2)))
    moved = replace(table, onset_s=steps.onset_s + on, contact_s=contact, impulse_n_s=felt)
    return _picked(moved, ~missed)


def _sides(table: EventTable, clock: TrueClock, right: TrueClock) -> list[tuple[EventTable, TrueClock]]:
    return [(_picked(table, table.side == 1), clock), (_picked(table, table.side == 0), right)]


def _stamps(
    table: EventTable,
    clock: TrueClock,
    lag_s: float,
    losses: tuple[tuple[float, float], ...],
    length_s: float,
) -> EventTable:
    """Return events with the stamps a device gives them; what lies in a silent loss is gone."""
    running = clock.t_running(table.onset_s + lag_s)
    inside = (running >= 0) & (running < length_s)
    # a silent loss leaves no hole in the stamps: later ones are too early by what was lost
    lost_s = np.zeros(running.size)
    for at, lost in losses:
        inside &= ~((running >= at) & (running < at + lost))
        lost_s += np.where(running >= at + lost, lost, 0.0)
    return _picked(replace(table, onset_s=running - lost_s), inside)


def _stamped(losses: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Return losses by the stamp at which they happen instead of the device's running time."""
    stamped, before = [], 0.0
    for at, lost in losses:
        stamped.append((at - before, lost))
        before += lost
    return tuple(stamped)


def _received(rng: np.random.Generator, settings: Settings, table: EventTable, length_s: float) -> EventTable:
    """Return the events whose onset is not in a gap."""
    # two samples more than the record: an onset at its very end has a place
    arrived = draw_received(rng, settings.gaps, samples=int(length_s * _GRID_HZ) + 2, rate_hz=_GRID_HZ)
    return _picked(table, arrived[(table.onset_s * _GRID_HZ).astype(np.int64)])


def _spurious(
    rng: np.random.Generator, settings: Settings, table: EventTable, length_s: float, insole: bool
) -> EventTable:
    ranges = settings.events
    share = draw(rng, ranges.insole_spurious if insole else ranges.imu_spurious)
    count = int(rng.poisson(share * max(table.onset_s.size, 5)))
    typical = float(np.median(table.impulse_n_s)) if table.onset_s.size else 100.0
    false = EventTable(
        rng.uniform(0, length_s, count),
        rng.uniform(0.08, 0.4, count) if insole else np.full(count, np.nan),
        typical * rng.uniform(0.2, 1.2, count),
        rng.integers(0, 2, count).astype(np.int8),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.full(count, -1, dtype=np.int64),
    )
    return _merged([table, false])


def _table(
    steps: Steps,
    impulse: Floats,
    side: NDArray[np.int64],
    plate: NDArray[np.int64],
    lap: NDArray[np.int64] | None,
    rows: NDArray[np.int64],
) -> EventTable:
    laps = np.zeros(steps.onset_s.size, dtype=np.int64) if lap is None else lap
    everything = np.arange(steps.onset_s.size)
    contacts = EventTable(
        steps.onset_s,
        steps.contact_s,
        impulse,
        side.astype(np.int8),
        plate.astype(np.int64),
        laps,
        everything,
    )
    return _picked(contacts, rows)


def _picked(table: EventTable, which: NDArray[np.bool_] | NDArray[np.int64]) -> EventTable:
    return EventTable(*(np.asarray(column)[which] for column in vars(table).values()))


def _merged(parts: list[EventTable]) -> EventTable:
    columns = [np.concatenate(group) for group in zip(*(vars(part).values() for part in parts))]
    return _picked(EventTable(*columns), np.argsort(columns[0], kind="stable"))
