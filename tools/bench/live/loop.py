"""The live loop closed: ``python tools/bench live.loop --seconds 90``.

A person whom no training has seen is simulated on a treadmill. Virtual insoles in another process replay what that
person's feet did, by crystals of their own, and run a bundle; grf-monitor records them over Bluetooth's protocol stack;
grf-sync puts the recording onto the treadmill's C3D, which has a clock of its own as well; and the curves that the
insoles sent are held against the plate, stance by stance, beside the training's mean curve, the sum of the cells and
the same bundle on the host. SIMULATED people, devices and link.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grfkit.arrays import Floats
from grfkit.embedded.compile import build_shared, compiler
from grfkit.errors import GrfError
from grfkit.formats.grfrec import Kind, RecordFile
from grfkit.io import read
from grfkit.records import ClockMap, Recording, Trial
from grfkit.runtime.interpreters import Interpreter, load
from grfkit.runtime.manifest import Manifest
from grfkit.simulate.clocks import TrueClock
from grfkit.simulate.folder import write_reference
from grfkit.simulate.plates import record_reference
from grfkit.simulate.settings import default_settings
from grfkit.virtual.run import InsoleRequest, clocks_of
from grfkit.virtual.source import Phantom, phantom
from grfkit.virtual.stance import OnDeviceModel, OnDeviceRun
from grfkit.wire import SettingKey, StanceReport

from ..harness import ROOT
from . import loop_score as score
from .insoles import insoles
from .loop_many import without_link
from .loop_table import averaged, loop_goals, loop_table

SEEDS = (7_301, 7_302, 7_303)
"""Seeds of the people; no bundle's training has drawn from them (``tools/make_bundles.py`` draws from 2,600,000 on)."""
MORE = range(7_401, 7_421)
"""More people, drawn the same way, whose insoles are asked without a link."""
MORE_SECONDS = 40.0
"""Simulated of each of them (s), chosen by hand."""
TRAINED_ON = ROOT / "build" / "bundles" / "train.nc"
RATE_HZ, LEAD_S, LEAST_OVERLAP_S = 200, 40.0, 12.0
"""The insoles' rate; how much longer than the recording the person runs (finding, connecting, stopping); the overlap
that alignment asks for, short since the recording is."""
STOPS_EARLIER_S = 0.5
"""How much earlier than the person the plate stops (s), chosen by hand: its last samples still measure steps."""


@dataclass(frozen=True)
class Runner:
    """One person and all that is true of them.

    Attributes
    ----------
    plate_clock
        From the plate's running time to the replay's.
    """

    seed: int
    duration_s: float
    person: Phantom
    plate_clock: TrueClock

    @property
    def settings(self) -> dict[SettingKey, float]:
        """Return the settings that the insoles get by SET."""
        now = self.person.trial.truth.world.situation
        return {SettingKey.MASS: now.mass_kg, SettingKey.SPEED: now.speed_m_s, SettingKey.SLOPE: now.slope_percent}

    def contacts(self) -> dict[str, NDArray[Any]]:
        """Return the true contacts on the plate's clock."""
        steps = self.person.trial.truth.world.steps
        ic = self.plate_clock.t_running(steps.onset_s)
        return {"ic_s": ic, "to_s": self.plate_clock.t_running(steps.onset_s + steps.contact_s), "left": steps.left}

    def true_answers(self) -> list[score.Answer]:
        """Return the true contacts with the true force on the foot."""
        world, steps, answers = self.person.trial.truth.world, self.contacts(), []
        for k, left in enumerate(steps["left"]):
            # the world's axes are forward, left, up; a left foot's medial is to the right
            forward, leftward, up = world.force_n(k, np.linspace(0, 1, 101)).T / world.weight_n
            curve = np.stack([up, forward, -leftward if left else leftward], axis=1)
            answers.append(
                score.Answer("left" if left else "right", float(steps["ic_s"][k]), float(steps["to_s"][k]), curve)
            )
        return answers

    def write_plate(self, path: Path) -> None:
        """Write the treadmill's C3D by its own clock."""
        truth, rng = self.person.trial.truth, np.random.default_rng([self.seed, 11])
        seconds = self.duration_s - self.plate_clock.offset_s - STOPS_EARLIER_S
        reference = record_reference(
            rng, truth.condition, default_settings(), truth.world, truth.ground, duration_s=seconds,
            clock=self.plate_clock,
        )  # fmt: skip
        write_reference(path, replace(self.person.trial, reference=reference), clock=self.plate_clock)


def runner_of(seed: int, seconds: float) -> Runner:
    """Return the person that ``grf-simulate insole --seed SEED`` replays, with a treadmill on a clock of its own."""
    duration = float(np.ceil(seconds + LEAD_S))
    clocks = clocks_of(InsoleRequest(seed=seed))
    # the plate's clock draws from a stream of its own, so that the person is that of grf-simulate's seed
    rng = np.random.default_rng([seed, 12])
    clock = TrueClock(
        float(rng.uniform(1.0, 4.0)), float(rng.uniform(-40, 40)), sinusoid_ppm=2.0, sinusoid_s=300.0,
        sinusoid_phase=float(rng.uniform(0, 6.3)),
    )  # fmt: skip
    return Runner(seed, duration, phantom(seed=seed, duration_s=duration, clocks=clocks, loops=False), clock)


@dataclass(frozen=True)
class Loop:
    """One person's loop, once it has run: the files, and the truth about the insoles' clocks."""

    runner: Runner
    folder: Path
    monitor: dict[str, Any]
    truth: dict[str, Any]

    @property
    def live(self) -> Path:
        """Return the recording."""
        return self.folder / "live.grfrec"

    def true_s(self, recording: Recording, side: str) -> tuple[Floats, Floats, Floats]:
        """Return the samples' times in the recording, their true ones there, and their true ones on the plate's clock.

        The first are as time sync and arrivals have placed them, the others follow from the insole's own clock.
        """
        stream = recording.streams[f"insole_{side}"]
        time, raw = (np.asarray(stream[name].values, dtype=np.float64) for name in ("time", "time_raw"))
        finite = np.isfinite(raw)
        parameters = next(insole for insole in self.truth["insoles"] if insole["side"] == side)["clock"]
        clock = TrueClock(**{n: parameters[n] for n in _CLOCK})
        # raw time is the device's clock, which showed first_us when it was switched on
        world = clock.running((raw[finite] * 1e6 - parameters["first_us"]) * 1e-6)
        pair = next(r for r in RecordFile(self.live) if r.kind == Kind.CLOCK_PAIR)
        zero_s = pair.arrival_ns * 1e-9 + float(recording.tree.attrs["first_stamp_s"])
        return time[finite], parameters["epoch_s"] + world - zero_s, self.runner.plate_clock.t_running(world)


_CLOCK = ("offset_s", "drift_ppm", "sinusoid_ppm", "sinusoid_s", "sinusoid_phase")


def ran(runner: Runner, folder: Path, bundle: Path, seconds: float) -> Loop:
    """Run insoles and monitor, write the plate; return grf-monitor's summary with the truth."""
    runner.write_plate(folder / "plate.c3d")
    options = ("--seed", str(runner.seed), "--once", "--duration-s", f"{runner.duration_s:g}")
    with insoles(*options, "--on-device", str(bundle)) as program:
        settings = runner.settings
        words = ["--headless", "--json", "--adapter", program.adapter, "--seconds", f"{seconds:g}"]
        words += ["--model", str(bundle), "--rate-hz", str(RATE_HZ), "--record", "live.grfrec"]
        words += ["--mass", f"{settings[SettingKey.MASS]:g}", "--speed", f"{settings[SettingKey.SPEED]:g}"]
        output = grf(folder, "grf-monitor", *words, "--slope", f"{settings[SettingKey.SLOPE]:g}")
    (folder / "truth.json").write_text(json.dumps(program.truth, indent=1) + "\n", encoding="utf-8")
    return Loop(runner, folder, json.loads(output), program.truth)


def grf(folder: Path, name: str, *words: str, allowed: tuple[int, ...] = (0,)) -> str:
    """Type a command; return what it printed."""
    command = [str(Path(sys.executable).with_name(name)), *words]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode not in allowed:
        raise SystemExit(f"{name} ended with {ended.returncode}: {ended.stderr.strip()}")
    return ended.stdout


def aligned(loop: Loop, *more: str) -> tuple[dict[str, Any], Trial | None]:
    """Run grf-sync; return its output and the trial, None where it refused."""
    words = ["--reference", "plate.c3d", "--wearable", "live.grfrec", "--surface", "treadmill", "--forward", "+x"]
    words += ["--mass-kg", f"{loop.runner.settings[SettingKey.MASS]:g}", "--min-overlap-s", f"{LEAST_OVERLAP_S:g}"]
    words += ["--out", "trial.nc", "--force", "--json", *more]
    output = json.loads(grf(loop.folder, "grf-sync", *words, allowed=(0, 3)))
    return output, Trial.from_netcdf(loop.folder / "trial.nc") if output["verdict"] == "aligned" else None


def one_person(loop: Loop, bundle: Path, mean_bw: Floats, *sync: str) -> dict[str, Any]:
    """Return the figures of one person; ``sync`` are further options of grf-sync."""
    recording, runner = read(loop.live), loop.runner
    now = runner.person.trial.truth.world
    figures: dict[str, Any] = {"seed": runner.seed, "family": now.family, "mass_kg": runner.settings[SettingKey.MASS]}
    figures |= {"speed_m_s": runner.settings[SettingKey.SPEED], "monitor": loop.monitor["devices"]}
    figures["over_the_air"] = over_the_air(loop, recording, bundle)
    output, trial = aligned(loop, *sync)
    figures["sync"] = {
        n: output["maps"][0][n] for n in ("verdict", "offset_s", "drift_ppm", "uncertainty_ms", "reasons")
    }
    if trial is None:
        return figures
    maps = trial.clock_maps
    figures["alignment"] = {side: alignment(loop, recording, maps, side) for side in score.SIDES}
    plate = score.Plate.of(trial, runner.settings[SettingKey.MASS])
    device = score.on_device(recording.streams, maps)
    host, figures["turned_down"] = on_host(loop, bundle, maps, len(mean_bw))
    figures["stances"] = score.matches(device, plate, runner.contacts())
    figures["methods"] = {
        "device": score.errors(device, plate),
        "mean": score.errors(score.with_mean_curve(device, mean_bw), plate),
        "cells": score.errors(score.with_cells(device, recording.streams, maps), plate),
        "host": score.errors(shared_answers(host, device, plate), plate),
        "true_clock": score.errors(score.on_device(recording.streams, true_maps(loop, recording)), plate),
        "truth": score.errors(shared_answers(runner.true_answers(), device, plate), plate),
    }
    figures["host_stances"] = score.matches(host, plate, runner.contacts())
    figures["sides"] = {
        side: score.errors([answer for answer in device if answer.side == side], plate) for side in score.SIDES
    }
    return figures


def shared_answers(others: Sequence[score.Answer], device: Sequence[score.Answer], plate: score.Plate) -> list[Any]:
    """Return another source's stances of those contacts that the device predicted as well."""
    answered = {(c.ic_s, answer.side) for answer in device if (c := plate.contact_of(answer)) is not None}
    return [
        answer for answer in others if (c := plate.contact_of(answer)) is not None and (c.ic_s, answer.side) in answered
    ]


@dataclass(frozen=True)
class TrueMap:
    """The true map from a recording's time to the plate's, in the place of an alignment."""

    recorded_s: Floats
    plate_s: Floats

    def apply(self, time_s: Floats) -> Floats:
        """Return the plate's time."""
        return np.asarray(time_s + np.interp(time_s, self.recorded_s, self.plate_s - self.recorded_s))


def true_maps(loop: Loop, recording: Recording) -> dict[str, Any]:
    """Return the true map of each insole's samples."""
    maps = {}
    for side in score.SIDES:
        recorded_s, _, plate_s = loop.true_s(recording, side)
        maps[f"insole_{side}"] = TrueMap(recorded_s, plate_s)
    return maps


def alignment(loop: Loop, recording: Recording, maps: dict[str, ClockMap], side: str) -> dict[str, float]:
    """Return how far the recording's times and the alignment are off (ms), over what plate and recording share."""
    recorded_s, true_s, plate_s = loop.true_s(recording, side)
    clock_map = maps[f"insole_{side}"]
    # where both are there: the plate stops before the person does
    shared = (plate_s > 0) & (plate_s < loop.runner.duration_s - loop.runner.plate_clock.offset_s - STOPS_EARLIER_S)
    off = 1e3 * (score.mapped(clock_map, recorded_s) - plate_s)[shared]
    off = off[np.isfinite(off)]
    return {
        "error_ms": float(off.mean()),
        "worst_ms": float(np.abs(off).max()),
        "stated_ms": float(clock_map.uncertainty_ms or np.nan),
        "placed_ms": float(np.abs(1e3 * (recorded_s - true_s)).max()),
    }


def on_host(loop: Loop, bundle: Path, maps: dict[str, ClockMap], points: int) -> tuple[list[score.Answer], list[str]]:
    """Run grf-estimate on the recording; return its stances, and why it rejected others."""
    settings = loop.runner.settings
    words = [str(bundle), "live.grfrec", "--out", "host.nc", "--force", "--json"]
    words += ["--participant", f"seed {loop.runner.seed}"]
    words += ["--mass-kg", f"{settings[SettingKey.MASS]:g}", "--speed-m-s", f"{settings[SettingKey.SPEED]:g}"]
    output = grf(
        loop.folder, "grf-estimate", *words, "--slope-percent", f"{settings[SettingKey.SLOPE]:g}", allowed=(0, 2)
    )
    if not output:
        return [], ["grf-estimate refused the recording"]
    turned = [f"{n} x {why}" for why, n in json.loads(output)["rejected"].items()]
    return score.on_host(loop.folder / "host.nc", maps, points), turned


def over_the_air(loop: Loop, recording: Recording, bundle: Path) -> dict[str, Any]:
    """Return whether the reports that arrived are the insoles': made again here, with LiteRT and with the C runtime."""
    maker = OnDeviceModel(bundle)
    figures: dict[str, Any] = {"arrived": 0}
    for name, engine in ({"LiteRT": maker.bundle.engine} | in_c(maker.bundle.manifest, bundle, loop.folder)).items():
        # the same windows, cut and quantised by the same code: only what runs the network differs
        maker.bundle = replace(maker.bundle, engine=engine)
        expected, off = 0, []
        for side in score.SIDES:
            reports = repeated_reports(loop, recording, maker, side)
            expected += len(reports)
            off += _steps_off(reports, recording.streams.get(f"stances_{side}"))
        same = sum(steps == 0 for steps in off)
        figures[name] = {"due": expected, "came": len(off), "same_bytes": same, "most_lsb": max(off, default=0)}
    figures["arrived"] = sum(s.sizes["time"] for n, s in recording.streams.items() if n.startswith("stances_"))
    return figures


def repeated_reports(loop: Loop, recording: Recording, maker: OnDeviceModel, side: str) -> list[StanceReport]:
    """Return an insole's reports of the samples from START to the last that was recorded."""
    source = loop.runner.person.sources[side]  # type: ignore[index]
    foot = next(insole for insole in loop.truth["insoles"] if insole["side"] == side)
    rows = source.rows(int(foot["runs"][0]["first_sample"]), recording.streams[f"insole_{side}"].sizes["time"])
    return [report for _, report in OnDeviceRun(maker, source, RATE_HZ, loop.runner.settings).push(*rows)]


def _steps_off(reports: Sequence[StanceReport], came: Any) -> list[int]:
    """Return by how many steps of the last bit, at most, each report that came is off; they are numbered from 0."""
    off = []
    for number, report in enumerate(reports):
        row = np.flatnonzero(came["stance_id"].values == number % 65536) if came is not None else np.empty(0)
        if row.size:
            names = [axis for bit, axis in enumerate(("apgrf", "mlgrf", "vgrf")) if report.axes >> bit & 1]
            curve = np.stack([came[axis].values[int(row[0])] for axis in names], axis=1)
            off.append(int(np.abs(np.rint((curve - report.force_bw) / np.asarray(report.scale_bw))).max()))
    return off


def in_c(manifest: Manifest, bundle: Path, folder: Path) -> dict[str, Interpreter]:
    """Return the bundle's C, compiled; nothing where there is no compiler."""
    if compiler() is None:
        return {}
    source = bundle / "c" / f"{manifest.name}.c"
    return {"C runtime": load(build_shared([source], folder / f"{manifest.name}.so"), "c")}


def mean_curve_of(bundle: Path, train: Path | None) -> tuple[Floats, str]:
    """Return the mean curve, and of what it is the mean."""
    path = train or (TRAINED_ON if TRAINED_ON.is_file() and "simulated" in bundle.name else None)
    if path is None:
        return score.mean_of_answers(bundle), "the bundle's golden answers; name the training set with --train"
    return score.mean_of(path), f"{path.name}, the training's people"


def loop_part(
    seconds: float, *, bundle: Path | None, train: Path | None = None, seeds: Sequence[int] = SEEDS,
    more: Sequence[int] = MORE, folder: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return all figures of the loop part.

    Parameters
    ----------
    bundle
        What the insoles run; None: ``firmware_models/bilstm_simulated``.
    train
        Stance set of the bundle's training, for the mean curve.
    seeds, more
        Of the people of the loop, and of those whose insoles are asked without a link.
    folder
        Where recordings, plates and trials are left; None: nowhere.
    """
    folder_of_bundle = (bundle or ROOT / "firmware_models" / "bilstm_simulated").resolve()
    if not (folder_of_bundle / "manifest.json").is_file():
        return {"skipped": f"{folder_of_bundle.name} is no bundle; make one with tools/make_bundles.py"}
    mean_bw, of_what = mean_curve_of(folder_of_bundle, train)
    figures: dict[str, Any] = {
        "seconds": seconds,
        "bundle": folder_of_bundle.name,
        "mean_curve_of": of_what,
        "people": [],
    }
    with tempfile.TemporaryDirectory() as temporary:
        for seed in seeds:
            place = (folder or Path(temporary)) / f"seed_{seed}"
            place.mkdir(parents=True, exist_ok=True)
            loop = ran(runner_of(seed, seconds), place, folder_of_bundle, seconds)
            figures["people"].append(one_person(loop, folder_of_bundle, mean_bw))
    others = without_link((runner_of(seed, MORE_SECONDS - LEAD_S) for seed in more), folder_of_bundle, mean_bw)
    return figures | {"mean": averaged(figures["people"]), "more": {"people": others, "mean": averaged(others)}}


def main() -> None:
    """Run the loop and print it; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="what the insoles run; firmware_models/bilstm_simulated if none")
    parser.add_argument("--train", type=Path, help="stance set of its training, for the mean curve")
    parser.add_argument("--seconds", type=float, default=90.0, help="of each recording")
    parser.add_argument("--people", type=int, default=len(SEEDS))
    parser.add_argument("--keep", type=Path, help="folder for recordings, plates and trials")
    parser.add_argument("--json", type=Path, help="file for all figures")
    request = parser.parse_args()
    seeds = [SEEDS[0] + k for k in range(request.people)]
    try:
        figures = loop_part(
            request.seconds, bundle=request.bundle, train=request.train, seeds=seeds, folder=request.keep
        )
    except GrfError as error:
        raise SystemExit(str(error)) from error
    if request.json:
        request.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("\n".join(loop_table(figures)))
    goals = loop_goals(figures)
    print("\n" + "\n".join(f"{'met ' if met else 'MISSED'}  {what}: {figure}" for what, figure, met in goals))
    raise SystemExit(0 if all(met for _, _, met in goals) else 1)
