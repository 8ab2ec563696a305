"""The loop closed, in little: a phantom's insoles over Bluetooth into a recording, aligned with the plate, compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from bundle_models import need_tensorflow, small
from grfkit import wire
from grfkit.cli.sync import main as sync_main
from grfkit.formats import grfrec
from grfkit.formats.grfrec import Kind, Record, RecordFile
from grfkit.io import read
from grfkit.io.inspect import inspect
from grfkit.records import Trial
from grfkit.simulate.clocks import TrueClock
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_world
from grfkit.simulate.passes import treadmill_ground
from grfkit.simulate.plates import record_reference
from grfkit.simulate.settings import default_settings
from live_files import ZERO_NS, Insole, write_recording

ROOT = Path(__file__).resolve().parents[1]
SEED, SECONDS = 7_302, 14.0
SHIPPED = ROOT / "firmware_models" / "bilstm_simulated"


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def sync(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Give grf-sync, run in this process."""

    def typed(*words: str | Path) -> Ended:
        monkeypatch.setattr("sys.argv", ["grf-sync", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            sync_main()
        said = capsys.readouterr()
        return Ended(int(stop.value.code or 0), said.out, said.err)

    return typed


@dataclass
class Closed:
    """One loop that has run, and what was made of it."""

    loop: Any
    told: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.loop.folder

    @property
    def lost(self) -> int:
        """Packets that a machine too busy for half a second has cost."""
        return sum(device["packets_lost"] for device in self.told["monitor"])


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Closed:
    """Run one short loop; too short to tell one step from the next, so that wall clocks have to be near each other."""
    if not (SHIPPED / "manifest.json").is_file():
        need_tensorflow()
    from bench.live import loop as live_loop
    from bench.live import loop_score as score

    bundle = SHIPPED if (SHIPPED / "manifest.json").is_file() else small().bundle
    folder = tmp_path_factory.mktemp("loop")
    loop = live_loop.ran(live_loop.runner_of(SEED, SECONDS), folder, bundle, SECONDS)
    told_s, _, plate_s = loop.true_s(read(loop.live), "left")
    prior = ("--prior-offset", f"{plate_s[0] - told_s[0] + 0.03:.3f}", "--prior-sd", "0.05")
    told = live_loop.one_person(loop, bundle, score.mean_of_answers(bundle), *prior)
    return Closed(loop, told)


def test_every_stance_in_the_recording_is_a_contact_of_that_foot_on_the_plate(closed: Closed) -> None:
    met = closed.told["stances"]
    steps = closed.loop.runner.contacts()
    streams = read(closed.loop.live).streams
    _, _, plate_s = closed.loop.true_s(read(closed.loop.live), "left")
    within = (steps["ic_s"] > plate_s[0] + 4.0) & (steps["to_s"] < plate_s[-1] - 0.5)
    assert met["answers"] == sum(streams[f"stances_{side}"].sizes["time"] for side in ("left", "right"))
    assert met["matched"] == met["answers"] > 0
    assert (met["wrong_foot"], met["matched_twice"]) == (0, 0)
    assert abs(met["ic_truth_ms"]["median"]) < 20.0
    if not closed.lost:
        assert met["contacts_unanswered"] == 0
        assert met["answers"] >= 0.9 * within.sum() > 20


def test_the_alignment_lies_within_its_stated_interval_of_the_truth(closed: Closed) -> None:
    """The interval is that of the recording's times; how far these are off on either foot comes on top."""
    assert closed.told["sync"]["verdict"] == "aligned"
    placed_ms = sum(off["placed_ms"] for off in closed.told["alignment"].values())
    for side, off in closed.told["alignment"].items():
        assert off["worst_ms"] <= off["stated_ms"] + placed_ms, (side, closed.told["alignment"])


def test_what_arrived_are_the_bytes_that_the_insole_said(closed: Closed) -> None:
    air = closed.told["over_the_air"]
    assert air["LiteRT"]["came"] == air["LiteRT"]["same_bytes"] == air["arrived"] > 0
    if not closed.lost:
        assert air["LiteRT"]["due"] - air["arrived"] <= 2, "of each foot the last one may be on its way at STOP"
    if "C runtime" in air:
        assert air["C runtime"]["came"] == air["arrived"]
        assert air["C runtime"]["most_lsb"] <= 8


def test_the_same_bundle_on_the_host_says_nearly_the_same_of_the_recording(closed: Closed) -> None:
    methods = closed.told["methods"]
    assert methods["host"]["stances"] >= 0.9 * methods["device"]["stances"]
    assert abs(methods["host"]["rms_bw"]["vgrf"] - methods["device"]["rms_bw"]["vgrf"]) < 0.05


def test_a_trained_network_is_nearer_to_the_plate_than_the_mean_curve(closed: Closed) -> None:
    if not (SHIPPED / "manifest.json").is_file():
        pytest.skip("no trained bundle is in firmware_models; the small one was not trained for long enough")
    methods = closed.told["methods"]
    assert methods["device"]["rms_bw"]["vgrf"] < methods["mean"]["rms_bw"]["vgrf"]
    for axis in ("vgrf", "apgrf"):
        assert methods["device"]["rms_bw"][axis] < methods["device"]["turned_rms_bw"][axis]


def test_the_true_forces_are_the_plates_in_all_axes_of_both_feet(closed: Closed) -> None:
    """Signs and feet of the comparison: the truth is put in the place of the network."""
    from bench.live import loop_score as score

    runner = closed.loop.runner
    plate = score.Plate.of(Trial.from_netcdf(closed.folder / "trial.nc"), runner.person.mass_kg)
    answers = [one for one in runner.true_answers() if 2.0 < one.start_s < 12.0]
    for side in ("left", "right"):
        found = score.errors([one for one in answers if one.side == side], plate)
        assert found["stances"] > 8
        for axis, off in found["rms_bw"].items():
            assert off < 0.05, (side, axis)
            assert off < 0.7 * found["turned_rms_bw"][axis], (side, axis)


def test_grf_sync_refuses_a_recording_that_shares_too_little_or_nothing_with_the_plate(
    closed: Closed, sync: Callable[..., Ended]
) -> None:
    words = ["--wearable", closed.loop.live, "--surface", "treadmill", "--out", closed.folder / "none.nc"]
    short = sync("--reference", closed.folder / "plate.c3d", *words, "--min-overlap-s", "30")
    assert short.code == 3
    assert "overlap" in short.out
    from bench.live import loop as live_loop

    other = live_loop.runner_of(SEED + 1, SECONDS)
    other.write_plate(closed.folder / "other.c3d")
    for least in ((), ("--min-overlap-s", "10")):
        wrong = sync("--reference", closed.folder / "other.c3d", *words, *least)
        assert wrong.code == 3
        assert "REFUSED" in wrong.out
    assert not (closed.folder / "none.nc").exists()


def test_a_recording_of_stances_alone_is_refused_by_name(
    closed: Closed, tmp_path: Path, sync: Callable[..., Ended]
) -> None:
    kept = [r for r in RecordFile(closed.loop.live) if not (r.kind == Kind.PACKET and r.body[0] == 4)]
    path, out = tmp_path / "stances.grfrec", tmp_path / "trial.nc"
    path.write_bytes(grfrec.opening() + b"".join(r.to_bytes() for r in kept))
    plate = closed.folder / "plate.c3d"
    ended = sync("--reference", plate, "--wearable", path, "--surface", "treadmill", "--out", out)
    assert ended.code == 2
    assert "no insole" in ended.err
    assert "stances_left" in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert not out.exists()


def report(points: int, axes: int, value: int) -> wire.StanceReport:
    sent = bin(axes).count("1")
    curve = np.full((points, sent), value, np.int8) + np.arange(sent, dtype=np.int8)
    scale, offset = tuple(0.5 + k for k in range(sent)), tuple(0.25 * k for k in range(sent))
    return wire.StanceReport(7, 0.25, axes, 0, 0, 1.0, 0.1, 0.0, 0.0, offset, scale, curve)


def test_curves_are_read_from_a_recording_with_no_row_for_a_stance_that_never_came(tmp_path: Path) -> None:
    """Stances come as regularly as samples do; a hole between two of them is no missing sample."""
    foot = Insole(0, 0.0, 10_000_000, 0)
    cells, imu = np.full((1000, 16), 40), np.zeros((1000, 6), np.int64)
    records = [foot.begin(), *foot.packets(cells, imu, frozenset()), *foot.syncs(5.0)]
    sent = {k: report(11, 4 if k == 9 else 7, k) for k in range(12) if k != 5}
    for sequence, (k, one) in enumerate(sent.items()):
        at_us = 10_000_000 + 300_000 * k
        packets = wire.fragments(one.to_bytes(), wire.PacketHeader(3, sequence, at_us, 60 * k, 0, 7), k, room=244)
        assert len(packets) == 1
        arrival = ZERO_NS + round(1e9 * (0.5 + 0.3 * k + 0.3))
        records += [Record(Kind.PACKET, arrival, 0, grfrec.packet_body(5, p.to_bytes())) for p in packets]
    path = tmp_path / "live.grfrec"
    write_recording(path, records)
    told = read(path).streams["stances_left"]
    assert told["stance_id"].values.tolist() == list(sent)
    assert told["vgrf"].dims == ("time", "point")
    np.testing.assert_allclose(np.diff(told["time"].values), 0.3 * np.diff(list(sent)), atol=2e-3)
    for row, (k, one) in enumerate(sent.items()):
        np.testing.assert_allclose(told["vgrf"].values[row], one.force_bw[:, -1], rtol=1e-6)
        assert np.isnan(told["apgrf"].values[row]).all() == (k == 9)
    assert next(s for s in inspect(path).streams if s.name == "stances_left").missing_samples == 0


def test_a_plate_with_a_clock_of_its_own_sees_contacts_at_its_own_times() -> None:
    settings, condition = default_settings(), Condition(family="A", duration_s=20.0, wearables=("insole",), gaps=False)
    world = simulate_world(condition, 96_002)
    ground = treadmill_ground(np.random.default_rng(1), condition, settings, world)
    clock = TrueClock(offset_s=3.0, drift_ppm=2000.0)
    made = record_reference(
        np.random.default_rng(2), condition, settings, world, ground, duration_s=10.0, clock=clock
    ).streams["plate_1"]
    up, time = made["fz"].values, made["time"].values
    loaded = up - np.median(up[up < np.percentile(up, 20)]) > 100.0
    begins = time[1:][loaded[1:] & ~loaded[:-1]]
    steps = world.steps.onset_s
    due = (steps[(steps > 3.1) & (steps < 3.0 + 10.0 * 1.002 - 0.1)] - 3.0) / 1.002
    assert len(due) > 20
    nearest = np.asarray([begins[np.argmin(np.abs(begins - one))] for one in due])
    late = nearest - due
    assert np.all((late > 0) & (late < 0.02))
    assert abs(np.polyfit(due, late, 1)[0]) < 5e-4, "the plate's clock runs at its own rate"
