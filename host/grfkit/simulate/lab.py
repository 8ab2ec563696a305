"""The virtual laboratory: one trial of a reference and of wearables on their own clocks, and the truth about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from ..arguments import described, refuse_other
from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION, Provenance
from ..records import Channel, Recording, Trial, make_landmarks, make_recording, make_stream
from .body import LANDMARKS, body_positions, recorded_landmarks
from .clocks import TrueClock, draw_clock
from .conditions import Condition, condition_with, draw_situation, load_family
from .imu import imu_channels
from .insole import Fsr, adc_channels, draw_fsr, loadsol_channels
from .knees import draw_legs
from .passes import Ground, overground_ground, treadmill_ground
from .plan import RecordingPlan, RecordingSpan, draw_plan
from .plates import record_reference
from .sampling import Sampling, draw_lag, draw_losses, draw_sampling
from .settings import Settings, default_settings, draw
from .truth import StreamTruth, Truth, contact_table
from .world import World, make_world

_SIDES = ("left", "right")
_EXAMPLE_S = 60.0
"""Length (s) of a trial without a condition. Chosen by hand: simulated in a second, and most of them can be aligned."""


@dataclass(frozen=True, repr=False)
class LabTrial:
    """A simulated trial: the recordings that a reader would give, and the truth.

    Attributes
    ----------
    wearables
        By wearable: ``insole`` (``insole_left``, ``insole_right``; with a loadsol also ``imu_left``,
        ``imu_right``), ``imu`` and ``landmarks``.
    """

    reference: Recording
    wearables: dict[str, Recording]
    truth: Truth

    def __repr__(self) -> str:
        """Return what was recorded of whom, a line a recording."""
        rows = [("reference", self.reference), *self.wearables.items()]
        lines = [f"{name}: {', '.join(recording.streams)}" for name, recording in rows]
        return "\n  ".join([f"LabTrial of {self.truth.words}", *lines])

    def on_true_clock(self, *, participant: str = "P01") -> Trial:
        """Return the trial as a perfect alignment would give it: every stream's time mapped by its true clock.

        Devices keep their own delay, which no clock shows. Where two wearables have a stream of one name, the second
        one's is named after its wearable too.
        """
        nodes = {f"/reference/{name}": stream for name, stream in self.reference.streams.items()}
        for (wearable, name), truth in self.truth.streams.items():
            stream = self.wearables[wearable].streams[name]
            device_s = np.asarray(stream["time"].values, dtype=np.float64)
            mapped = stream.assign_coords(time=("time", truth.t_reference(device_s), stream["time"].attrs))
            node = f"/{name}" if f"/{name}" not in nodes else f"/{wearable}_{name}"
            nodes[node] = mapped.assign(time_device=("time", device_s, stream["time"].attrs))
        tree = xr.DataTree.from_dict(nodes)
        now = self.truth.world.situation
        tree.attrs.update(
            schema_version=SCHEMA_VERSION,
            artefact="trial",
            verdict="aligned",
            participant=participant,
            surface=self.truth.condition.surface,
            mass_kg=now.mass_kg,
            speed_m_s=now.speed_m_s,
            slope_percent=now.slope_percent,
            clock_maps="{}",
            provenance=Provenance(seed=self.truth.seed).model_dump_json(),
        )
        return Trial(tree)


def simulate_trial(
    condition: Condition | None = None, seed: int = 0, settings: Settings | None = None, **options: Any
) -> LabTrial:
    """Return a simulated trial: recordings of reference and wearables, and the truth about them.

    Parameters
    ----------
    condition
        What to simulate; if left out, 60 s of treadmill running with insoles and shoe IMUs.
    seed
        The same condition, seed and settings give the same values.
    settings
        Ranges to draw from; those that come with grfkit if left out.
    options
        Fields of :class:`~grfkit.simulate.conditions.Condition`, in place of those in ``condition``.

    Raises
    ------
    BadInputError
        If an option is unknown, options contradict each other, or the seed is no whole number from 0 on.

    Examples
    --------
    >>> from grfkit import simulate_trial
    >>> lab = simulate_trial(seed=0, surface="treadmill", duration_s=20)
    >>> {name: sorted(recording.streams) for name, recording in lab.wearables.items()}
    {'insole': ['insole_left', 'insole_right'], 'imu': ['imu_left', 'imu_right']}
    >>> round(lab.truth.streams["insole", "insole_left"].offset_s, 3)  # s from the plates' start to the insole's
    2.135
    """
    _check_seed(seed)
    if settings is not None:
        refuse_other(settings, Settings, "settings, as grfkit.simulate.settings.load_settings reads them")
    condition = condition_with(Condition(duration_s=_EXAMPLE_S) if condition is None else condition, options)
    bench, streams = _bench(condition, seed, settings or default_settings())
    reference_rng = np.random.default_rng(streams[5])
    reference = record_reference(
        reference_rng, condition, bench.settings, bench.world, bench.ground, duration_s=bench.plan.reference_s
    )
    return _with_wearables(reference, bench, streams, seed)


def simulate_bouts(
    condition: Condition, seed: int, settings: Settings, plan: RecordingPlan, clocks: Sequence[TrueClock], bout_s: float
) -> tuple[LabTrial, tuple[Recording, ...]]:
    """Return a trial on a plan that the caller states, and the plates' recording of each of its bouts.

    For sessions (:mod:`grfkit.simulate.session`), in which the plates record several times and the wearables once. The
    trial's reference is that of the first bout.

    Parameters
    ----------
    clocks
        From the plates' running time in each bout to the world's.
    """
    _check_seed(seed)
    bench, streams = _bench(condition, seed, settings, plan)
    rng = np.random.default_rng(streams[5])
    references = tuple(
        record_reference(rng, condition, settings, bench.world, bench.ground, duration_s=bout_s, clock=clock)
        for clock in clocks
    )
    return _with_wearables(references[0], bench, streams, seed), references


def _with_wearables(reference: Recording, bench: _Bench, streams: list[np.random.SeedSequence], seed: int) -> LabTrial:
    condition, plan = bench.condition, bench.plan
    wearables: dict[str, Recording] = {}
    truths: dict[tuple[str, str], StreamTruth] = {}
    for name, rng in zip(
        ("insole", "imu", "landmarks"), [np.random.default_rng(sequence) for sequence in streams[6].spawn(3)]
    ):
        if name in condition.wearables:
            wearables[name], stream_truths = _record(rng, bench, name)
            truths.update(stream_truths)
    contacts = contact_table(bench.world, bench.ground, start_s=0.0, end_s=plan.reference_s)
    truth = Truth(condition, seed, bench.world, bench.ground, contacts, truths, (0.0, plan.reference_s), bench.height_m)
    return LabTrial(reference, wearables, truth)


def _check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise BadInputError(
            f"the trial cannot be simulated: seed is {described(seed)}, expected a whole number from 0 on"
        )


def simulate_world(condition: Condition, seed: int, settings: Settings | None = None) -> World:
    """Return the world of :func:`simulate_trial` without recording it: the same arguments give the same world.

    Raises
    ------
    BadInputError
        As :func:`simulate_trial`.
    """
    return _bench(condition, seed, settings or default_settings())[0].world


def _bench(
    condition: Condition, seed: int, ranges: Settings, plan: RecordingPlan | None = None
) -> tuple[_Bench, list[np.random.SeedSequence]]:
    """Return the trial without its recordings, and the seeds of everything random in it; a plan is drawn if None.

    Each part draws from a generator of its own, so that a change of one leaves the others as they were.
    """
    # more than are used: a new part takes a free one and moves nothing
    streams = np.random.SeedSequence(seed).spawn(8)
    rngs = [np.random.default_rng(sequence) for sequence in streams]
    person_seed = seed if condition.person_seed is None else condition.person_seed
    # a key that no trial's own streams have: persons and trials of one seed stay independent
    who = np.random.default_rng(np.random.SeedSequence(person_seed, spawn_key=(99,)))
    family = load_family(condition.family, who, ranges, footprints=condition.footprints)
    plan = draw_plan(rngs[1], condition, ranges) if plan is None else plan
    situation = draw_situation(rngs[2], who, condition, ranges, duration_s=plan.span[1] - plan.span[0])
    height = draw(who, ranges.person.height_m)
    legs = None if condition.knees is None else draw_legs(person_seed, condition.knees)
    world = make_world(
        rngs[3], who, condition, ranges, family, situation, span=plan.span, overlap=plan.overlap, legs=legs
    )
    place = treadmill_ground if condition.surface == "treadmill" else overground_ground
    ground = place(rngs[4], condition, ranges, world)
    return _Bench(condition, ranges, world, ground, plan, height), streams


@dataclass(frozen=True)
class _Bench:
    condition: Condition
    settings: Settings
    world: World
    ground: Ground
    plan: RecordingPlan
    height_m: float


def _record(rng: np.random.Generator, bench: _Bench, name: str) -> tuple[Recording, dict[tuple[str, str], StreamTruth]]:
    """Return one wearable's recording and the truth about each of its streams."""
    window = bench.plan.windows[name]
    clocks = _clocks(rng, bench, window)
    record = _landmark_streams if name == "landmarks" else _foot_streams
    streams, samplings, feet = record(rng, bench, name, clocks, window)
    device = {"imu": "virtual imu", "landmarks": "virtual cameras"}.get(name, "virtual insole")
    if name == "insole" and bench.condition.insole == "loadsol":
        device = "loadsol"
    recording = make_recording(streams, device=device, reader="simulate", provenance=Provenance())
    first = float(recording.tree.attrs["first_stamp_s"])
    truths = {
        (name, stream): _truth(bench, name, stream, clocks, samplings[stream], feet[stream], first, data)
        for stream, data in recording.streams.items()
    }
    return recording, truths


def _clocks(rng: np.random.Generator, bench: _Bench, window: RecordingSpan) -> dict[str, TrueClock]:
    """Return the clock of each side, the same unless each foot runs on its own."""
    condition, ranges = bench.condition, bench.settings.clock
    by_side: dict[str, TrueClock] = {}
    for side in (*_SIDES, "both"):
        apart = float(rng.uniform(-2, 2)) if condition.own_clocks and side == "right" else 0.0
        # for every side, used or not: the same draws with one clock and with two
        clock = draw_clock(rng, ranges, offset_s=window.offset_s + apart, index_stamps=condition.index_stamps)
        if condition.drift_ppm is not None:
            clock = replace(clock, drift_ppm=condition.drift_ppm)
        by_side[side] = clock if condition.own_clocks or side == "left" else by_side["left"]
    return by_side


DeviceStreams = tuple[dict[str, xr.Dataset], dict[str, Sampling], dict[str, str]]


def _foot_streams(
    rng: np.random.Generator, bench: _Bench, name: str, clocks: dict[str, TrueClock], window: RecordingSpan
) -> DeviceStreams:
    condition = bench.condition
    loadsol = name == "insole" and condition.insole == "loadsol"
    lag, rate = _device(rng, bench, name, loadsol)
    fsr = draw_fsr(rng, bench.settings.insole, bits=condition.insole_bits)
    losses = draw_losses(rng, condition, bench.settings, duration_s=window.length_s)
    streams: dict[str, xr.Dataset] = {}
    samplings: dict[str, Sampling] = {}
    feet: dict[str, str] = {}
    seeds = rng.integers(0, 2**63, 2)
    for side, foot_rng in zip(_SIDES, [np.random.default_rng(int(seed)) for seed in seeds]):
        foot = _SIDES[1 - _SIDES.index(side)] if condition.swap_sides else side
        if condition.one_foot not in (None, foot):
            continue
        section = bench.settings.imu if name == "imu" else bench.settings.insole
        sampling = draw_sampling(
            foot_rng,
            condition,
            bench.settings,
            clocks[side],
            rate_hz=rate,
            duration_s=window.length_s,
            lag_s=lag,
            jitter_ms=section.stamp_jitter_ms,
            jitter_share=0.0 if loadsol else section.stamp_jitter_share,
            losses=losses,
        )
        for stream, channels in _channels(
            foot_rng, bench, name, sampling, None if loadsol else fsr, left=foot == "left"
        ).items():
            label = f"{stream}_{side}"
            streams[label] = _foot_stream(channels, sampling, stream, side, condition)
            samplings[label], feet[label] = sampling, foot
    return streams, samplings, feet


def _device(rng: np.random.Generator, bench: _Bench, name: str, loadsol: bool) -> tuple[float, float]:
    """Return a device's own delay (s) and its rate (Hz)."""
    section = bench.settings.imu if name == "imu" else bench.settings.insole
    lag = draw_lag(rng, mean_ms=section.lag_ms, sd_ms=section.lag_sd_ms)
    stated = bench.condition.imu_rate_hz if name == "imu" else bench.condition.insole_rate_hz
    fallback = float(rng.choice(section.rates_hz))
    return lag, bench.settings.loadsol.rate_hz if loadsol else (stated or fallback)


def _channels(
    rng: np.random.Generator, bench: _Bench, name: str, sampling: Sampling, fsr: Fsr | None, *, left: bool
) -> dict[str, list[Channel]]:
    if name == "imu":
        return {"imu": imu_channels(rng, bench.settings.imu, bench.world, sampling, left=left)}
    if fsr is not None:
        force = bench.condition.insole == "adc+force"
        return {"insole": adc_channels(rng, bench.settings, bench.world, sampling, fsr, left=left, with_force=force)}
    return {
        "insole": loadsol_channels(rng, bench.settings, bench.world, sampling, left=left),
        "imu": imu_channels(rng, bench.settings.imu, bench.world, sampling, left=left),
    }


def _foot_stream(
    channels: list[Channel], sampling: Sampling, stream: str, side: str, condition: Condition
) -> xr.Dataset:
    return make_stream(
        channels,
        sampling.stamp_s[sampling.received],
        kind="imu" if stream == "imu" else "insole",
        side="left" if side == "left" else "right",
        rate_hz=sampling.rate_hz,
        stamp_source="index" if condition.index_stamps else "host" if sampling.jittered else "crystal",
        clock=side if condition.own_clocks else "device",
    )


def _landmark_streams(
    rng: np.random.Generator, bench: _Bench, _name: str, clocks: dict[str, TrueClock], window: RecordingSpan
) -> DeviceStreams:
    ranges = bench.settings.landmarks
    lag = draw_lag(rng, mean_ms=ranges.lag_ms, sd_ms=ranges.lag_sd_ms)
    # no packets are lost on the way from cameras; hidden landmarks are drawn apart
    steady = bench.condition.model_copy(update={"gaps": False})
    sampling = draw_sampling(
        rng,
        steady,
        bench.settings,
        clocks["both"],
        rate_hz=ranges.rate_hz,
        duration_s=window.length_s,
        lag_s=lag,
        jitter_ms=(0.0, 0.0),
        jitter_share=0.0,
    )
    body = body_positions(bench.world, bench.ground, sampling.world_s, height_m=bench.height_m)
    data = make_landmarks(
        recorded_landmarks(rng, ranges, body, rate_hz=ranges.rate_hz),
        LANDMARKS,
        sampling.stamp_s,
        unit="m",
        rate_hz=ranges.rate_hz,
        stamp_source="index" if steady.index_stamps else "crystal",
    )
    return {"landmarks": data}, {"landmarks": sampling}, {"landmarks": "both"}


def _truth(
    bench: _Bench,
    name: str,
    stream: str,
    clocks: dict[str, TrueClock],
    sampling: Sampling,
    foot: str,
    first_s: float,
    data: xr.Dataset,
) -> StreamTruth:
    side = "left" if stream.endswith("left") else "right" if stream.endswith("right") else "both"
    losses = tuple((at - first_s, lost) for at, lost in sampling.losses)
    # a reader counts from the first stamp that arrived, so the truth is stated from there
    clock = clocks[side].started(first_s, losses)
    time = np.asarray(data["time"].values, dtype=np.float64)
    mapped = clock.t_reference(time)
    shared = time[(mapped >= 0) & (mapped <= bench.plan.reference_s)]
    overlap = (float(shared[0]), float(shared[-1])) if shared.size else (0.0, 0.0)
    stretch = overlap if shared.size > 1 else (float(time[0]), float(time[-1]))
    offset, drift = clock.affine(*stretch)
    return StreamTruth(
        wearable=name,
        stream=stream,
        clock=clock,
        device_lag_s=sampling.lag_s,
        stamp_source=str(data.attrs["stamp_source"]),
        rate_hz=sampling.rate_hz,
        lost_samples=int(np.count_nonzero(~sampling.received)),
        worn=foot,
        overlap_s=overlap,
        offset_s=offset,
        drift_ppm=drift,
    )
