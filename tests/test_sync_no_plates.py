"""Devices without a force plate: joined to one clock by the landings that both saw, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.harness import DATA
from bench.sync import pairs, real_belts
from grfkit import cut_windows
from grfkit.arrays import Floats
from grfkit.cli.sync import app
from grfkit.errors import BadInputError
from grfkit.records import Anchors, ClockMap, Recording, Segment, Trial
from grfkit.signals.contacts import Contacts
from grfkit.signals.shoe_rest import CLEAR_REST, shoe_landings
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial
from grfkit.sync import align, align_device, assemble
from grfkit.sync.clock_map import DeviceAlignment
from grfkit.sync.device_pair import _for_other_foot, align_pair, halfway, turned_round
from grfkit.sync.settings import AlignSettings
from sync_helpers import made, on_clock

RUN = Condition(surface="treadmill", gait="run", duration_s=90, overlap_s=75, imu_rate_hz=200, insole_rate_hz=200)
WALK = RUN.model_copy(update={"gait": "walk"})
APART = RUN.model_copy(update={"own_clocks": True})
SEED = 34_500_001


def foot(recording: Recording, side: str) -> dict[str, object]:
    return {name: s for name, s in recording.streams.items() if s.attrs["side"] == side}


def error_ms(lab: LabTrial, clock_map: ClockMap, target: tuple[str, str], device: tuple[str, str]) -> float:
    """Return the mean error of a map from one device's clock to another's."""
    truths = lab.truth.streams
    start, end = truths[device].overlap_s
    at = np.linspace(start + 5, end - 5, 50)
    grid = np.linspace(-400.0, 600.0, 100_001)
    true: Floats = np.interp(truths[device].t_reference(at), truths[target].t_reference(grid), grid)
    return float(1e3 * np.nanmean(clock_map.apply(at) - true))


@pytest.mark.parametrize("condition", [RUN, WALK], ids=["run", "walk"])
def test_insole_and_shoe_imu_of_one_foot_need_no_plate(condition: Condition) -> None:
    lab = made(condition, SEED)
    insole, imu = foot(lab.wearables["insole"], "left"), foot(lab.wearables["imu"], "left")
    found = align_pair(insole, imu).clock_map
    assert found.verdict == "aligned", found.reasons
    error = error_ms(lab, found, ("insole", "insole_left"), ("imu", "imu_left"))
    assert abs(error) < found.uncertainty_ms + 5.0
    assert found.target == "insole_left"
    # the other way round is the same clock
    back = align_pair(imu, insole).clock_map
    at = np.linspace(20.0, 60.0, 9)
    assert np.abs(back.apply(found.apply(at)) - at).max() < 0.02


def test_a_runners_insole_overstates_contact_time_and_misleads_no_more() -> None:
    # its contacts last 0.44 s where the true ones last 0.31 s: by that time push-offs were taken for landings
    lab = made(Condition(surface="treadmill", gait="run", duration_s=120), 34_001_004)
    found = align_device(lab.wearables["insole"], lab.wearables["imu"], surface="treadmill").clock_map
    assert found.verdict == "aligned", found.reasons
    assert abs(error_ms(lab, found, ("insole", "insole_left"), ("imu", "imu_left"))) < 20.0


def test_left_shoe_with_right_shoe_by_landings_halfway() -> None:
    lab = made(APART, SEED)
    imu = lab.wearables["imu"]
    found = align_pair(foot(imu, "left"), foot(imu, "right")).clock_map
    assert found.verdict == "aligned", found.reasons
    assert abs(error_ms(lab, found, ("imu", "imu_left"), ("imu", "imu_right"))) < found.uncertainty_ms
    assert any("limp" in finding for finding in found.findings)
    assert found.uncertainty_ms > 20.0  # 2 % of a stride, 95 %


def test_strangers_and_other_minutes_are_refused() -> None:
    lab, other = made(RUN, SEED), made(RUN, SEED + 1)
    insole = lab.wearables["insole"]
    assert align_pair(insole, other.wearables["imu"]).clock_map.verdict == "refused"
    apart = made(RUN.model_copy(update={"overlap_s": None, "no_overlap": True}), SEED)
    found = align_pair(apart.wearables["insole"], apart.wearables["imu"])
    # both devices may share minutes that the plates do not: only a map that is wrong is a fault
    if found.clock_map.verdict == "aligned":
        error = error_ms(apart, found.clock_map, ("insole", "insole_left"), ("imu", "imu_left"))
        assert abs(error) < 50.0


def test_a_runners_load_upside_down_is_refused() -> None:
    """Its swings pass for contacts, and the best alignment is a swing off with a large margin."""
    lab = made(RUN, SEED)
    insole = {n: s.map(np.negative, keep_attrs=True) for n, s in lab.wearables["insole"].streams.items()}
    for found in (align_pair(insole, lab.wearables["imu"]), align_pair(lab.wearables["imu"], insole)):
        assert found.clock_map.verdict == "refused"
        assert any("upside down" in reason for reason in found.clock_map.reasons)


def test_a_sensor_that_never_rests_is_no_shoe() -> None:
    rng = np.random.default_rng(1)
    time_s = np.arange(0, 60, 0.005)
    found = shoe_landings(time_s, rng.normal(size=(time_s.size, 3)))
    assert not found.landing_evidence >= CLEAR_REST
    lab = made(RUN, SEED)
    imu = {n: s.copy() for n, s in foot(lab.wearables["imu"], "left").items()}
    for stream in imu.values():
        for axis in ("acc_x", "acc_y", "acc_z"):
            stream[axis] = ("time", rng.normal(size=stream.sizes["time"]), stream[axis].attrs)
    refused = align_pair(foot(lab.wearables["insole"], "left"), imu).clock_map
    assert refused.verdict == "refused"
    assert any("on a shoe?" in reason for reason in refused.reasons)


def test_halfway_leaves_missed_landings_out() -> None:
    onset = np.asarray([0.0, 1.0, 2.0, 4.0, 5.0])
    foot_unknown = np.full(5, -1, dtype=np.int64)
    nothing = np.full(5, np.nan)
    found = halfway(Contacts(onset, nothing, nothing, foot_unknown, np.asarray([[0.0, 5.0]])))
    assert found.onset_s.tolist() == [0.5, 1.5, 4.5]
    assert found.covered_s.tolist() == [[0.0, 2.0], [4.0, 5.0]]


def test_turned_round_is_the_inverse() -> None:
    lab = made(RUN, SEED)
    found = align_pair(foot(lab.wearables["insole"], "left"), foot(lab.wearables["imu"], "left"))
    back: DeviceAlignment = turned_round(found)
    at = np.linspace(10.0, 70.0, 13)
    assert np.abs(back.clock_map.apply(found.clock_map.apply(at)) - at).max() < 1e-6


def test_four_clocks_become_one_trial_without_force(tmp_path: Path) -> None:
    lab = made(APART, SEED)
    found = align(None, [lab.wearables["insole"], lab.wearables["imu"]], surface="overground", participant="P1")
    assert found.verdict == "aligned", found.messages
    assert not found.reference.streams
    assert sorted(found.maps) == ["imu_left", "imu_right", "insole_right"]
    for name, clock_map in found.maps.items():
        error = error_ms(lab, clock_map, ("insole", "insole_left"), (name.split("_")[0], name))
        assert abs(error) < clock_map.uncertainty_ms + 5.0
    trial = assemble(found)
    assert sorted(trial.streams) == ["imu_left", "imu_right", "insole_left", "insole_right"]
    assert (trial.tree.attrs["force"], trial.tree.attrs["surface"]) == ("none", "overground")
    assert any("no force plate was recorded" in finding for finding in trial.provenance.findings)
    assert "no force" in repr(trial)
    with pytest.raises(BadInputError, match="has no force"):
        cut_windows(trial, source="insole")


def test_the_command_joins_devices_without_a_reference(tmp_path: Path) -> None:
    lab = made(RUN, SEED)
    for name in ("insole", "imu"):
        lab.wearables[name].to_netcdf(tmp_path / f"{name}.nc")
    out, report = tmp_path / "trial.nc", tmp_path / "trial.html"
    words = [
        "--wearable",
        str(tmp_path / "insole.nc"),
        "--wearable",
        str(tmp_path / "imu.nc"),
        "--surface",
        "treadmill",
    ]
    run = CliRunner().invoke(app, [*words, "--out", str(out), "--report", str(report)])
    assert run.exit_code == 0, run.output
    assert Trial.from_netcdf(out).tree.attrs["force"] == "none"
    assert "no force plate was recorded" in report.read_text(encoding="utf-8")


def test_one_device_alone_or_options_of_plates_are_refused() -> None:
    lab = made(RUN, SEED)
    insole, imu = lab.wearables["insole"], lab.wearables["imu"]
    with pytest.raises(BadInputError, match="two or more recordings"):
        align(None, insole, surface="treadmill")
    with pytest.raises(BadInputError, match="--forward is about a reference"):
        align(None, [insole, imu], surface="treadmill", forward="+x")
    with pytest.raises(BadInputError, match="take the file as --reference"):
        align(None, [insole, lab.reference], surface="treadmill")


def test_a_clock_far_off_is_found_from_either_side() -> None:
    lab = made(RUN, SEED)
    insole, imu = foot(lab.wearables["insole"], "left"), foot(lab.wearables["imu"], "left")
    there = align_pair(insole, imu).clock_map
    moved = align_pair(insole, on_clock(imu, shift_s=1000.0)).clock_map
    assert moved.offset_s is not None
    assert there.offset_s is not None
    assert moved.offset_s + 1000.0 * (1 + 1e-6 * moved.drift_ppm) == pytest.approx(there.offset_s, abs=0.005)


def test_a_segment_with_knots_inverts() -> None:
    whole = Segment(start_s=0.0, end_s=60.0, offset_s=2.5, drift_ppm=100.0)
    clock_map = ClockMap(source="a", target="b", verdict="aligned", offset_s=2.5, drift_ppm=100.0, segments=[whole])
    empty = np.zeros(0)
    there = DeviceAlignment(clock_map, Anchors(empty, empty, empty, empty.astype(bool)), empty, empty)
    back = turned_round(there).clock_map
    at = np.linspace(0.0, 60.0, 7)
    assert np.abs(back.apply(whole.apply(at)) - at).max() < 1e-9


def test_other_feet_need_more_nats_and_may_scatter_as_steps_do() -> None:
    ours, walk, run = AlignSettings(), _for_other_foot(AlignSettings(), 1.2), _for_other_foot(AlignSettings(), 0.7)
    assert walk.treadmill.margin > ours.treadmill.margin
    assert walk.treadmill.residual_s > ours.treadmill.residual_s
    assert run.treadmill.residual_s == ours.treadmill.residual_s


def test_real_shoes_of_a_slow_walk_are_joined_by_their_turning() -> None:
    if not (DATA / real_belts.FOLDER).is_dir():
        pytest.skip("the walks of Pearl 2024 are not in ../shared/data")
    walk = next(w for w in real_belts.walks(DATA / real_belts.FOLDER) if w.trial.name == "Sub05_CSBaseline")
    left, right = real_belts.FalseClock(-12.0, 40.0), real_belts.FalseClock(7.5, -30.0)
    shoes = [
        {f"imu_{side}": real_belts.sensor(walk.trial, f"toes_{side[0]}", side, clock)}
        for side, clock in (("left", left), ("right", right))
    ]
    found = align_pair(shoes[0], shoes[1]).clock_map
    assert found.verdict == "aligned", found.reasons
    time_s = walk.trial.time_s
    error = found.apply(right.false_s(time_s)) - left.false_s(time_s)
    # 5 ms of this person; walks of others 20 ms at the most
    assert abs(float(np.nanmean(error))) < 0.025


def test_the_benchmark_of_pairs_judges_and_prints() -> None:
    row = pairs.run_pair("insole with shoe IMU, left foot", "run", 34_010_000)
    decoy = pairs.run_pair("insole with shoe IMU, left foot", "run", 34_010_000, "other minutes")
    assert row["accepted"]
    assert not row["wrong"]
    assert not decoy["accepted"]
    table = pairs.markdown({"a pair": pairs.summarised([row]) | {"decoys": [0, 1]}})
    assert table[-2].startswith("| a pair | 1 | 100 % | 0 |")
