"""Sensors on pelvis, torso, thigh or shank: are they aligned by the force on both feet, or refused with the reason?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.spatial.transform import Rotation

from grfkit.arrays import Floats
from grfkit.dataset.public.pearl_trials import read_people, read_trial
from grfkit.io import read
from grfkit.provenance import Provenance
from grfkit.records import Channel, ClockMap, Recording, make_recording, make_stream
from grfkit.sync import align, align_device
from grfkit.sync.body_course import GRID_HZ, agreement, course_of, foretold, unforetold
from grfkit.units import G

RATE_HZ, MASS_KG = 100.0, 70.0


def belts_force(seconds: float = 60.0, *, seed: int, late_s: float = 0.0) -> Floats:
    """Return the vertical force (N, two belts) of a walker whose steps differ; the right belt late by ``late_s``."""
    rng = np.random.default_rng(seed)
    strides = rng.normal(1.15, 0.03, size=int(seconds / 0.9))
    edges = np.concatenate([[0.0], np.cumsum(strides)])
    heights = rng.normal(1.0, 0.05, size=edges.size)
    time_s = np.arange(0.0, seconds, 1.0 / RATE_HZ)
    force = np.zeros((time_s.size, 2))
    for k, (ahead, late) in enumerate(((0.0, 0.0), (0.5, late_s))):
        at = time_s - late
        which = np.clip(np.searchsorted(edges, at + ahead * 1.15, side="right") - 1, 0, strides.size - 1)
        share = np.clip((at + ahead * 1.15 - edges[which]) / strides[which] / 0.62, 0.0, 1.0)
        force[:, k] = heights[which] * (np.sin(np.pi * share) + 0.3 * np.sin(3 * np.pi * share)) * MASS_KG * G
    return force


def belts(force: Floats) -> Recording:
    time_s = np.arange(len(force)) / RATE_HZ
    streams = {
        f"belt_{side}": make_stream(
            [Channel("fz", force[:, k], "N", "lab")], time_s, kind="force_plate", rate_hz=RATE_HZ,
            attrs={"vertical": "+z", "knows_feet": side},
        )
        for k, side in enumerate(("left", "right"))
    }  # fmt: skip
    return make_recording(streams, device="belts", reader="test", provenance=Provenance())


def pelvis(force: Floats, *, start_s: float = 0.0, ppm: float = 0.0, place: str = "pelvis") -> Recording:
    """Return a sensor on the body, turned anyhow, whose recording begins ``start_s`` after the belts'."""
    count = int(RATE_HZ * (len(force) / RATE_HZ - start_s))
    device_s = np.arange(count) / RATE_HZ
    true_s = start_s + (1.0 + 1e-6 * ppm) * device_s
    total = np.interp(true_s, np.arange(len(force)) / RATE_HZ, force.sum(axis=1)) / MASS_KG
    rng = np.random.default_rng(5)
    acc = np.stack([np.zeros(count), np.zeros(count), total], axis=1) + rng.normal(scale=0.4, size=(count, 3))
    acc = Rotation.from_euler("zyx", [40.0, 70.0, -20.0], degrees=True).apply(acc)
    stream = make_stream(
        [Channel(f"acc_{c}", acc[:, k], "m/s^2", "sensor") for k, c in enumerate("xyz")], device_s,
        kind="body_imu", rate_hz=RATE_HZ, attrs={"place": place},
    )  # fmt: skip
    return make_recording({f"imu_{place}": stream}, device="imu", reader="test", provenance=Provenance())


def aligned(force: Floats, wearable: Recording, **options: object) -> ClockMap:
    return align(belts(force), wearable, surface="treadmill", **options).maps[next(iter(wearable.streams))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "start_s", "ppm"), [("pelvis", 3.33, 0.0), ("torso", 0.0, 60.0), ("thigh", 7.5, -60.0)]
)
def test_a_sensor_on_the_body_is_aligned_however_it_is_turned(place: str, start_s: float, ppm: float) -> None:
    force = belts_force(seed=1)
    found = aligned(force, pelvis(force, start_s=start_s, ppm=ppm, place=place))
    assert found.verdict == "aligned"
    assert found.margin is not None
    assert found.uncertainty_ms is not None
    assert found.margin > 50.0
    error_ms = 1e3 * (found.apply(np.asarray([20.0]))[0] - (start_s + (1.0 + 1e-6 * ppm) * 20.0))
    # the lag of the place is taken off, which the made sensor does not have
    assert abs(error_ms - 1e3 * found.lag_s) < 10.0
    assert any("acceleration of the" in text for text in found.findings)
    assert found.lag_source.startswith("default: real")


def test_another_walk_is_refused() -> None:
    found = aligned(belts_force(seed=1), pelvis(belts_force(seed=2)))
    assert found.verdict == "refused"
    assert found.offset_s is None
    assert "nats" in found.reasons[0]


def test_steps_that_do_not_differ_are_refused() -> None:
    phase = np.arange(0.0, 60.0, 0.01) % 1.2 / 1.2
    force = np.stack([np.clip(np.sin(2 * np.pi * (phase + k)), 0.0, None) for k in (0.0, 0.5)], axis=1) * MASS_KG * G
    assert aligned(force, pelvis(force)).verdict == "refused"


def test_belts_on_two_clocks_are_noticed_before_they_are_summed_and_corrected_where_asked() -> None:
    force, shifted = belts_force(seed=3), belts_force(seed=3, late_s=0.1)
    wearable = pelvis(force, start_s=2.0)
    found = aligned(shifted, wearable)
    assert found.verdict == "refused"
    assert "not on one clock" in found.reasons[0]
    assert "with --correct belts (" in found.reasons[0]  # a terminal leaves out what stands in parentheses
    mended = aligned(shifted, wearable, correct="belts")
    assert mended.verdict == "aligned"
    assert mended.apply(np.asarray([20.0]))[0] == pytest.approx(22.0, abs=0.02)


def without(force: Floats, first: int, end: int) -> Recording:
    """Return a pelvis sensor that lost some samples, and whose clock knows nothing of it."""
    whole = pelvis(force)
    stream = whole.streams["imu_pelvis"]
    kept = stream.isel(time=np.r_[0:first, end : stream.sizes["time"]])
    jumped = kept.assign_coords(time=stream["time"].values[: kept.sizes["time"]])
    return whole.replaced({"imu_pelvis": jumped})


@pytest.mark.parametrize(("first", "lost"), [(5000, 40), (4000, 6), (6000, 115)])
def test_samples_lost_within_the_record_cut_it_into_two_segments(first: int, lost: int) -> None:
    found = aligned(belts_force(100.0, seed=4), without(belts_force(100.0, seed=4), first, first + lost))
    assert found.verdict == "aligned"
    before, after = found.segments
    assert before.end_s < first / RATE_HZ <= after.start_s
    assert after.start_s - before.end_s < 6.0
    assert found.lost_samples == pytest.approx(lost, abs=1)
    assert any("not placed" in text for text in found.findings)
    at = np.asarray([10.0, 0.01 * first - 0.5, after.start_s + 0.1, 95.0])
    error_s = found.apply(at) - at - found.lag_s - np.asarray([0.0, 0.0, 0.01 * lost, 0.01 * lost])
    assert np.isnan(error_s[1])
    assert np.nanmax(np.abs(error_s)) < 0.01


def test_two_breaks_make_three_segments() -> None:
    force = belts_force(120.0, seed=4)
    once = without(force, 4000, 4030).streams["imu_pelvis"]
    kept = once.isel(time=np.r_[0:8000, 8050 : once.sizes["time"]])
    twice = kept.assign_coords(time=once["time"].values[: kept.sizes["time"]])
    found = aligned(force, pelvis(force).replaced({"imu_pelvis": twice}))
    assert found.verdict == "aligned"
    assert len(found.segments) == 3
    assert found.apply(np.asarray([20.0, 60.0, 100.0])) - found.lag_s == pytest.approx([20.0, 60.3, 100.8], abs=0.01)


def test_samples_lost_near_the_end_are_refused_with_the_place() -> None:
    found = aligned(belts_force(80.0, seed=4), without(belts_force(80.0, seed=4), 7000, 7040))
    assert found.verdict == "refused"
    assert "breaks between 6" in found.reasons[0]
    assert "cut the file there" in found.reasons[0]


def test_over_plates_a_sensor_on_the_body_is_refused_with_the_reason() -> None:
    force = belts_force(seed=1)
    found = align_device(belts(force), pelvis(force), surface="overground").clock_map
    assert found.verdict == "refused"
    assert "on a treadmill" in found.reasons[0]


def test_what_gait_repeats_is_no_evidence() -> None:
    time_s = np.arange(0.0, 60.0, 0.01)
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=0.02, size=(2, time_s.size))
    one, other = (np.sin(2 * np.pi * time_s / 1.1) + part for part in noise)
    x, y = course_of(time_s, one), course_of(time_s, other)
    assert x is not None
    assert y is not None
    weights = foretold(y)
    _, nats, _ = agreement(unforetold(y, weights), unforetold(x, weights), shortest_s=15.0)
    _, naive, _ = agreement(y, x, shortest_s=15.0)
    assert nats.max() < 15.0 < naive.max()
    assert GRID_HZ > 2 * 10.0


@pytest.mark.parametrize(
    ("column", "stream", "place", "side"),
    [
        ("pelvis_acc", "imu_pelvis", "pelvis", "unknown"),
        ("sacrum_acc", "imu_pelvis", "pelvis", "unknown"),
        ("torso_acc", "imu_torso", "torso", "unknown"),
        ("left_shank_acc", "imu_shank_left", "shank", "left"),
        ("right_thigh_acc", "imu_thigh_right", "thigh", "right"),
    ],
)
def test_names_of_columns_say_where_a_sensor_sits(
    tmp_path: Path, column: str, stream: str, place: str, side: str
) -> None:
    head = ",".join(["time [s]", *(f"{column}_{c} [m/s^2]" for c in "xyz")])
    rows = [f"{k / 100:.2f},0.1,9.8,{0.01 * k:.2f}" for k in range(200)]
    path = tmp_path / "body.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    streams = read(path).streams
    assert list(streams) == [stream]
    assert streams[stream].attrs["kind"] == "body_imu"
    assert streams[stream].attrs["place"] == place
    assert streams[stream].attrs["side"] == side
    assert set("xyz") == {str(n)[-1] for n in streams[stream].data_vars if str(n).startswith("acc_")}


@pytest.mark.recordings
def test_a_real_pelvis_is_aligned_to_real_belts(real_file: Callable[[str], Path]) -> None:
    folder = real_file("pearl2024_imu_treadmill")
    trial = read_trial(folder / "trials" / "Sub06_EMGStiffKnee.npz", read_people(folder))
    acc, _ = trial.of("pelvis")
    channels = [Channel(f"acc_{c}", acc[:, k], "m/s^2", "sensor") for k, c in enumerate("xyz")]
    worn: dict[str, xr.Dataset] = {
        "imu_pelvis": make_stream(channels, trial.time_s, kind="body_imu", rate_hz=RATE_HZ, attrs={"place": "pelvis"})
    }
    found = align_device(belts(trial.force_n[:, :, 1]), worn, surface="treadmill").clock_map
    assert found.verdict == "aligned"
    # the reference lag is -4.49 s, good to 15 ms
    assert found.offset_s == pytest.approx(4.49, abs=0.025)


def test_a_dead_sensor_is_refused_with_the_reason() -> None:
    force = belts_force(seed=3)
    sensor = pelvis(force)
    stream = sensor.streams["imu_pelvis"]
    dead = stream.assign({f"acc_{c}": stream[f"acc_{c}"] * 0.0 + v for c, v in zip("xyz", (9.8, 0.1, 0.3))})
    result = align(belts(force), sensor.replaced({"imu_pelvis": dead}), surface="treadmill")
    assert result.verdict == "refused"
    assert "does not change over the whole record" in " ".join(result.maps["imu_pelvis"].reasons)
