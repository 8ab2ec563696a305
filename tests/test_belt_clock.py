"""Two belts of a treadmill on different clocks: told with the size, taken away where asked, silent elsewhere."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from grfkit.calibrate import CorrectionRequest, correct, examine
from grfkit.calibrate.findings import Finding
from grfkit.io import read
from grfkit.io.belt_notes import belt_notes
from grfkit.io.inspect import inspect
from grfkit.records import Recording
from grfkit.signals.belt_clocks import belt_shift
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.sync import align, assemble

Floats = NDArray[np.float64]
PEARL = Path(__file__).resolve().parents[2] / "shared" / "data" / "pearl2024_imu_treadmill"


@lru_cache
def trial(seed: int, gait: str = "walk") -> LabTrial:
    walks = gait == "walk"
    return simulate_trial(Condition(surface="treadmill", gait=gait, split_belt=walks, duration_s=40.0), seed=seed)


def late(recording: Recording, by_s: float) -> Recording:
    """Return the recording with the second belt later by a time, its ends as they were."""
    streams = dict(recording.streams)
    belt = streams["plate_2"].copy(deep=True)
    by = round(by_s * float(belt.attrs["rate_hz"]))
    for name in belt.data_vars:
        belt[name].values[:] = np.roll(belt[name].values, by, axis=0)
    return recording.replaced(streams | {"plate_2": belt})


def told(recording: Recording, surface: str | None = "treadmill") -> list[tuple[str, Finding]]:
    return [(p.plate, f) for p in examine(recording, surface=surface) for f in p.findings if f.code == "belt_clock"]  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [0, 2])
def test_a_walk_on_two_belts_of_one_clock_is_not_doubted(seed: int) -> None:
    assert told(trial(seed).reference) == []


@pytest.mark.parametrize(("seed", "by_s"), [(0, 0.08), (2, -0.3)])
def test_a_late_belt_is_told_with_its_size_and_moved_where_asked(seed: int, by_s: float) -> None:
    recording = late(trial(seed).reference, by_s)
    ((plate, finding),) = told(recording)
    assert plate == "plate_2"
    assert finding.value == pytest.approx(1e3 * by_s, abs=18)
    assert ("later" in finding.text) == (by_s > 0)
    assert "--correct belts" in finding.text
    findings = examine(recording, surface="treadmill")
    assert told(correct(recording, findings)) != []  # never unasked
    mended = correct(recording, findings, ask=CorrectionRequest.of(["belts"]))
    assert told(mended) == []
    moved = mended.streams["plate_2"]
    by = round(1e-3 * (finding.value or 0.0) * float(moved.attrs["rate_hz"]))
    assert moved.attrs["belt_late_ms"] == pytest.approx(finding.value, abs=1.0)
    # samples are moved, not made anew, and those that nobody recorded are missing
    plain = correct(recording, findings)
    before, after = plain.streams["plate_2"]["fz"].values, moved["fz"].values
    there, here = (slice(by, None), slice(None, -by)) if by > 0 else (slice(None, by), slice(-by, None))
    np.testing.assert_array_equal(after[here], before[there])
    assert np.isnan(after).sum() == abs(by)
    np.testing.assert_array_equal(mended.streams["plate_1"]["fz"].values, plain.streams["plate_1"]["fz"].values)
    notes = [text for text in mended.provenance.findings if "onto the clock" in text]
    assert len(notes) == 1
    assert notes[0].endswith("[belt_clock, corrected]")


def test_what_does_not_show_it_is_not_judged() -> None:
    walk = late(trial(0).reference, 0.1)
    assert told(walk, "overground") == []
    forces = [np.stack([s["fz"].values, s["fx"].values], axis=1) for s in walk.of_kind("force_plate").values()]
    rate = float(walk.streams["plate_1"].attrs["rate_hz"])
    assert belt_shift(*forces, rate_hz=rate) is not None
    assert belt_shift(*(f[: round(5 * rate)] for f in forces), rate_hz=rate) is None
    both = np.abs(forces[0]) + np.abs(forces[1])
    assert belt_shift(both / 2, both / 2, rate_hz=rate) is None  # one foot's load on both
    stands = np.tile([350.0, 0.0], (len(both), 1))
    assert belt_shift(stands, stands, rate_hz=rate) is None
    run = trial(1, "run").reference.of_kind("force_plate")
    load = next(iter(run.values()))
    time = load["time"].values
    # a runner's feet, each on a belt of its own: flights leave the sum unsteady
    rises = np.flatnonzero(np.diff((load["fz"].values > 50).astype(int)) > 0)
    foot = np.searchsorted(rises, np.arange(time.size)) % 2 == 0
    feet = [np.stack([np.where(f, load["fz"].values, 0.0), np.zeros(time.size)], axis=1) for f in (foot, ~foot)]
    assert belt_shift(*feet, rate_hz=float(load.attrs["rate_hz"])) is None


def test_two_feet_that_land_together_are_no_late_belt() -> None:
    phase = (np.arange(0.0, 20.0, 0.001) * 2.0) % 1.0  # two hops a second, a foot on each belt
    load = np.where(phase < 0.7, 800.0 * np.sin(np.pi * phase / 0.7), 0.0)
    hops = np.stack([load, 0.02 * load], axis=1)
    assert belt_shift(hops, 1.03 * hops, rate_hz=1000.0) is None


def test_a_shift_near_half_a_stride_is_not_told_and_any_other_only_but_for_whole_strides() -> None:
    # its stride takes 1.13 s: 0.47 s late, near the half, could be hops; 0.7 s late fits as 0.42 s early
    assert told(late(trial(2).reference, 0.47)) == []
    ((_, finding),) = told(late(trial(2).reference, 0.7))
    assert finding.value == pytest.approx(1e3 * (0.7 - 1.13), abs=18)
    assert "but for whole strides of 1.13 s" in finding.text


def test_a_zero_that_is_not_certain_does_not_hide_a_late_belt() -> None:
    recording = late(trial(2).reference, 0.1)
    streams = dict(recording.streams)
    streams["plate_1"] = streams["plate_1"].copy(deep=True)
    streams["plate_1"]["fz"].values[:] += 150.0
    ((plate, finding),) = told(recording.replaced(streams))
    assert plate == "plate_2"
    assert finding.value == pytest.approx(100, abs=18)


def test_missing_samples_and_other_axes_change_nothing() -> None:
    walk = late(trial(2).reference, 0.1)
    forces = [np.stack([s["fz"].values, s["fx"].values], axis=1) for s in walk.of_kind("force_plate").values()]
    rate = float(walk.streams["plate_1"].attrs["rate_hz"])
    whole = belt_shift(*forces, rate_hz=rate)
    assert whole is not None
    holed = [f.copy() for f in forces]
    holed[0][round(20 * rate) : round(23 * rate)] = np.nan
    found = belt_shift(*holed, rate_hz=rate)
    assert found is not None
    assert found.late_s == pytest.approx(whole.late_s, abs=0.01)
    turned = forces[1] * [1.0, -1.0]  # one belt's forward axis is turned: then the vertical force alone is believed
    found = belt_shift(forces[0], turned, rate_hz=rate)
    assert found is not None
    assert found.late_s == pytest.approx(0.1, abs=0.03)


def test_grf_sync_tells_it_and_takes_it_away_where_asked() -> None:
    made = trial(0)
    recording = late(made.reference, 0.1)
    wearable = next(iter(made.wearables.values()))
    plain = align(recording, [wearable], surface="treadmill")
    assert any("plate_2" in m and "--correct belts" in m for m in plain.messages)
    mended = align(recording, [wearable], surface="treadmill", correct=["belts"])
    assert not any("--correct belts" in m for m in mended.messages)
    moved = [s.attrs["belt_late_ms"] for s in assemble(mended).streams.values() if "belt_late_ms" in s.attrs]
    assert moved == [pytest.approx(100, abs=18)]


def test_real_belts_are_told_apart_from_those_of_one_clock() -> None:
    if not PEARL.exists():
        pytest.skip("no recordings at ../shared/data/pearl2024_imu_treadmill")
    with (PEARL / "reference_lags.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        force = np.load(PEARL / "trials" / f"{row['trial']}.npz")["force_n"].astype(np.float64)
        found = belt_shift(force[:, 0, [1, 0]], force[:, 1, [1, 0]], rate_hz=100.0)
        due = 1e-3 * (int(row["left_imu_minus_force_ms"]) - int(row["right_imu_minus_force_ms"]))
        assert found is not None, row["trial"]
        # the reference lags are themselves good to 15 ms
        assert found.late_s == pytest.approx(due, abs=0.015), row["trial"]


def test_a_file_of_its_own_form_is_told() -> None:
    path = PEARL / "original" / "OpenSim_Sub10_CSBaseline_GRF.mot"
    if not path.exists():
        pytest.skip("no recording at ../shared/data/pearl2024_imu_treadmill")
    ((plate, finding),) = told(read(path))
    assert (plate, finding.severity) == ("plate_2", "error")
    assert finding.value == pytest.approx(300, abs=15)
    assert told(read(path.with_name("OpenSim_Sub02_CSBaseline_GRF.mot"))) == []


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_grf_inspect_notes_it_whatever_the_sign_and_zero_of_the_belts(sign: float) -> None:
    def with_belts(recording: Recording, gain: float, zero_n: float) -> Recording:
        streams = dict(recording.streams)
        for name in recording.of_kind("force_plate"):
            streams[name] = streams[name].copy(deep=True)
            for channel in ("fx", "fy", "fz"):
                streams[name][channel].values[:] *= gain
            streams[name]["fz"].values[:] += zero_n
        return recording.replaced(streams)

    walk = trial(0).reference
    assert belt_notes(with_belts(walk, sign, 0.0)) == []
    (note,) = belt_notes(with_belts(late(walk, 0.08), sign, 60.0))
    size = float(note.split(" ms later")[0].split()[-1])
    assert size == pytest.approx(80, abs=18)
    assert "plate_2" in note
    assert belt_notes(trial(1, "run").reference) == []


def test_grf_inspect_notes_real_belts_and_no_others() -> None:
    folder = PEARL / "original"
    if not folder.exists():
        pytest.skip("no recording at ../shared/data/pearl2024_imu_treadmill")
    notes = inspect(folder / "OpenSim_Sub10_CSBaseline_GRF.mot").notes
    assert len([note for note in notes if "--correct belts" in note]) == 1
    for name in ("OpenSim_Sub02_CSBaseline_GRF.mot", "OpenSim_Sub06_EMGStiffKnee_GRF.mot"):
        assert not any("--correct belts" in note for note in inspect(folder / name).notes)
