"""Relative cells on a device and in a training, compared: ``python tools/bench edge.levels BUNDLE --seconds 60``.

Training sets relative cells against the whole recording, in floating point; a device against what it has seen, in
integers (``grf_levels.c`` and its twin :mod:`grfkit.embedded.levels`). SIMULATED people, whom no training has drawn,
run on a treadmill; of every stance that the device cuts, both windows are answered by the bundle and held against
each other and against the true force. The tables are those of firmware_models/README.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grfkit.arrays import Floats
from grfkit.embedded.insole import AXES, CELLS, IMU, DeviceWindow, Insole, fixed_columns, int8_window
from grfkit.errors import BadInputError
from grfkit.gait.contacts import underloaded
from grfkit.gait.relative_cells import UNLOADED_PERCENT
from grfkit.runtime.bundle import Bundle, load_bundle
from grfkit.runtime.manifest import Detector, Manifest
from grfkit.units import G
from grfkit.virtual.source import Phantom, SampleSource, phantom

SEEDS = (7_301, 7_302, 7_303, 7_304)
SENSOR_HZ, RECENT_S = 200, 30.0
"""The insole's rate; how far back its levels look (s)."""


@dataclass(frozen=True)
class AnsweredStance:
    """A stance, the samples so far, and what the device took for levels and peak (counts) at that time."""

    window: DeviceWindow
    samples: int
    level: Floats
    peak: float


@dataclass(frozen=True)
class Pair:
    """One stance both ways: what is off, in shares and counts, and forces (points, axes) in BW."""

    at_s: float
    peak_off: float
    cells_off: float
    level_off: float
    level_off_counts: float
    definition: Floats
    device: Floats
    truth: Floats


def answered(insole: Insole, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> Iterator[AnsweredStance]:
    """Yield the stances of one foot as the device answers them."""
    levels = insole.levels
    for k in range(len(cells)):
        window = insole.push(cells[k], imu[k])
        relative = levels.relative() if levels is not None and window is not None else None
        if levels is not None and window is not None and relative is not None:
            peak = levels.settings.units * 2.0**relative.shift / relative.multiplier / 256
            yield AnsweredStance(window, k + 1, levels.level_q8 / 256, peak)


def times_of(window: DeviceWindow, insole: Insole, rate_hz: float, points: int) -> Floats:
    """Return where the points of a stance lie (samples)."""
    _, fraction_q8, sample, _ = window.contact
    start = sample - 1 + fraction_q8 / 256 - insole.delay_samples
    return np.asarray(start + np.linspace(0.0, 1.0, points) * window.contact_100us * 1e-4 * rate_hz)


def in_units(manifest: Manifest, rows: Floats, at: Floats, *, left: bool) -> Floats:
    """Return a window (points, channels) of rows of relative cells and IMU counts, a left foot turned."""
    columns = []
    for column in manifest.of_role("channel"):
        values = np.interp(at, np.arange(len(rows)), rows[:, (*CELLS, *IMU).index(column.name)])
        unit = 1.0 if column.name in CELLS else column.unit_per_count
        columns.append(values * unit * (-1.0 if left and column.turned_on_left else 1.0))
    return np.stack(columns, axis=1)


def median_peak(load: Floats, spans: list[Floats]) -> float:
    """Return the median of the steps' peaks, faint ones left out."""
    peaks = np.asarray([load[int(at[0]) : int(at[-1]) + 1].max() for at in spans])
    return float(np.median(peaks[~underloaded(peaks)]))


def pairs(bundle: Bundle, detector: Detector, world: Phantom, source: SampleSource) -> Iterator[Pair]:
    """Yield the stances of one foot, answered both ways."""
    manifest, rate, left = bundle.manifest, detector.rate_hz, source.side == "left"
    every = round(SENSOR_HZ / rate)
    cells, imu = source.rows(0, len(source.cells) // every, every=every)
    insole = Insole(detector, manifest.of_role("channel"), relative=True, imu_lowpass_hz=manifest.imu_lowpass_hz)
    stances = list(answered(insole, cells, imu))
    spans = [times_of(stance.window, insole, rate, manifest.points) for stance in stances]
    # as a training defines it: of the whole recording, in floating point
    level = np.percentile(cells, UNLOADED_PERCENT, axis=0)
    peak = median_peak((cells - level).sum(axis=1), spans)
    rows = np.concatenate([(cells - level) / peak, imu], axis=1)
    weight = world.trial.truth.world.weight_n
    mass = np.asarray([weight / G])
    for stance, at in zip(stances, spans):
        inputs = in_units(manifest, rows, at, left=left)
        forces = bundle.predict(inputs[None], np.asarray([[stance.window.contact_100us * 1e-4]]), mass)[0]
        stored = int8_window(manifest.columns, fixed_columns(manifest), stance.window, [], left=left)
        # what the device's level stands for: the percentile of all samples of the last 30 s
        recent = cells[max(0, stance.samples - round(RECENT_S * rate)) : stance.samples]
        off = float(np.abs(stance.level - np.percentile(recent, UNLOADED_PERCENT, axis=0)).max())
        apart = stance.window.counts[:, insole.cells] * 1e-4 - inputs[:, insole.cells]
        yield Pair(
            at_s=stance.samples / rate,
            peak_off=abs(stance.peak / peak - 1.0),
            cells_off=float(np.sqrt((apart**2).mean()) / inputs[:, insole.cells].max()),
            level_off=off / peak,
            level_off_counts=off,
            definition=forces,
            device=bundle.forces_bw(bundle.engine.run(stored[None]), mass)[0],
            truth=_truth(manifest, world, at / rate, left=left) / weight,
        )


def _truth(manifest: Manifest, world: Phantom, time_s: Floats, *, left: bool) -> Floats:
    """Return the true force (N) in the order of the manifest's axes, medial of that foot positive."""
    # the world's second axis points left: medial for a right foot
    force = world.trial.truth.force_n(time_s) * [1.0, -1.0 if left else 1.0, 1.0]
    return np.asarray(force[:, [AXES.index(a.name) for a in manifest.axes]], dtype=np.float64)


def line(name: str, stances: list[Pair], manifest: Manifest) -> str:
    """Return a row of the table: medians and 95th percentiles, rRMSE in percent of each stance's true range."""

    def spread(values: list[float]) -> str:
        low, high = np.percentile(np.asarray(values) * 100, [50, 95])
        return f"{low:.2g} %, {high:.2g} %"

    first, second, truth = (np.stack([getattr(p, n) for p in stances]) for n in ("definition", "device", "truth"))

    def rrmse(a: Floats, b: Floats) -> Floats:
        return np.asarray((np.sqrt(((a - b) ** 2).mean(axis=1)) / np.ptp(truth, axis=1)).mean(axis=0) * 100)

    axes = ", ".join(f"{v:.2f}" for v in rrmse(second, first))
    v = [a.name for a in manifest.axes].index("vgrf")
    both = f"{rrmse(first, truth)[v]:.2f}, {rrmse(second, truth)[v]:.2f}"
    offs = [spread([getattr(p, n) for p in stances]) for n in ("peak_off", "cells_off", "level_off")]
    counts = np.percentile([p.level_off_counts for p in stances], [50, 95])
    return f"| {name} | {len(stances)} | {' | '.join(offs)} ({counts[0]:.1f}, {counts[1]:.1f}) | {axes} % | {both} % |"


def main() -> None:
    """Print the table of a bundle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    request = parser.parse_args()
    bundle = load_bundle(request.bundle)
    manifest = bundle.manifest
    if manifest.cells != "relative" or manifest.detector is None or len(manifest.of_role("static")) != 1:
        raise BadInputError(
            f"{request.bundle}: takes no relative cells and contact time alone; there is nothing to compare"
        )
    stances: list[Pair] = []
    for seed in SEEDS:
        world = phantom(seed=seed, duration_s=request.seconds)
        for source in world.sources.values():
            stances += pairs(bundle, manifest.detector, world, source)
    axes = ", ".join(a.name for a in manifest.axes)
    print(
        f"{manifest.name}, {len(SEEDS)} simulated people, both feet, {request.seconds:g} s; medians, 95th percentiles\n"
    )
    print(
        "| stances | n | peak off | cells off, RMS of the greatest | level off that of all samples of 30 s (counts)",
        end="",
    )
    print(f" | answers apart, rRMSE {axes} | vertical to truth: definition, device |\n|{'---|' * 7}")
    parts = {"all": (0.0, np.inf), "first 10 s": (0.0, 10.0), "after 30 s": (30.0, np.inf)}
    for name, (low, high) in parts.items():
        some = [p for p in stances if low <= p.at_s < high]
        if some:
            print(line(name, some, manifest))
