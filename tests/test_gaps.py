"""Lost samples: told from stamps that are late or stand twice, from clocks that were set, and from what is masked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3d_files import real
from grfkit import wire
from grfkit.errors import BadInputError
from grfkit.formats import grfrec
from grfkit.formats.grfrec import Kind, Record
from grfkit.io import read
from grfkit.io.inspect import inspect
from grfkit.records import Channel, make_landmarks, make_stream
from grfkit.records.gaps import find_gaps
from live_files import PERIOD_US, ZERO_NS, Insole, write_recording

T = np.arange(4000) / 400.0


def _csv(tmp_path: Path, time: np.ndarray, *, unit: str = "s", digits: int = 6) -> Path:
    path = tmp_path / "a.csv"
    rows = "".join(f"{t:.{digits}f},{k % 7}\n" for k, t in enumerate(time))
    path.write_text(f"time [{unit}],left_acc_x [g]\n{rows}")
    return path


# --- late and doubled stamps


def _next(t: np.ndarray, every: int) -> np.ndarray:
    """Return stamps of which every n-th is already that of the next sample."""
    late = t.copy()
    k = np.arange(every // 2, t.size - 2, every)
    late[k] = t[k + 1]
    return late


def _previous(t: np.ndarray, every: int) -> np.ndarray:
    """Return stamps of which every n-th repeats the one before."""
    late = t.copy()
    k = np.arange(every, t.size - 1, every)
    late[k] = t[k - 1]
    return late


def _burst(t: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return stamps of which those of a stretch are all the last one's: they came together."""
    late = t.copy()
    late[first:last] = t[last]
    return late


def _stands(t: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return stamps that stand over a stretch, as a clock does that is read seldom."""
    late = t.copy()
    late[first:last] = t[first]
    return late


def _fraction(t: np.ndarray, every: int) -> np.ndarray:
    """Return stamps of which every n-th is late by .8 of a period, and the two after it by less and less."""
    late = t.copy()
    k = np.arange(every, t.size - 3, every)
    for after, share in enumerate((0.8, 0.5, 0.2)):
        late[k + after] += share * t[1]
    return late


@pytest.mark.parametrize(
    "stamps",
    [
        _next(T, 100),
        _previous(T, 24),
        _previous(T, 97),
        _burst(T, 1000, 1012),
        _burst(T, 1000, 1300),
        _stands(T, 2000, 2014),
        _stands(T, 2000, 2047),
        _fraction(T, 60),
    ],
    ids=["next", "repeat 24", "repeat 97", "burst 12", "burst 300", "stands 14", "stands 47", "fraction"],
)
def test_late_and_doubled_stamps_are_no_losses(tmp_path: Path, stamps: np.ndarray) -> None:
    got = read(_csv(tmp_path, stamps))
    stream = got.streams["imu_left"]
    assert (stream.sizes["time"], stream.attrs["missing_samples"], stream.attrs["gaps"]) == (T.size, 0, 0)
    assert np.isfinite(stream["acc_x"].values).all()
    assert stream.attrs["late_stamps"] >= 1
    assert [n for n in got.notes if "late or stand twice" in n]


def test_real_losses_beside_late_stamps_are_counted_where_they_are() -> None:
    lost = np.asarray([500, 501, 502, 1500, 3000])
    stamps = _next(np.delete(T, lost), 100)
    stream = make_stream([Channel("acc_x", np.ones(stamps.size), "g")], stamps, kind="imu")
    assert stream.attrs["missing_samples"] == lost.size
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(stream["acc_x"].values)), lost)
    assert stream.attrs["late_stamps"] == np.arange(50, stamps.size - 2, 100).size


@given(st.sets(st.integers(1, 598), max_size=50), st.sampled_from([60.0, 100.0, 148.1, 1000.0]), st.integers(0, 2**32))
def test_jitter_hides_no_loss_and_makes_none(lost: set[int], rate_hz: float, seed: int) -> None:
    keep = np.setdiff1d(np.arange(600), sorted(lost))
    jitter = np.random.default_rng(seed).uniform(-0.09, 0.09, keep.size)
    gaps = find_gaps((keep + jitter) / rate_hz)
    np.testing.assert_array_equal(gaps.missing, np.diff(keep) - 1)
    assert gaps.late == 0


@given(
    st.lists(st.tuples(st.integers(20, 60), st.integers(1, 6), st.booleans()), min_size=1, max_size=12),
    st.sampled_from([50.0, 100.0, 400.0]),
)
def test_bursts_and_doubled_stamps_anywhere_lose_nothing(places: list[tuple[int, int, bool]], rate_hz: float) -> None:
    whole = np.arange(1000) / rate_hz
    stamps, at = whole.copy(), 0
    for ahead, length, is_late in places:
        # late samples have the stamp of the one that comes after them, doubled ones that of the first
        at += ahead + length
        stamps[at : at + length] = whole[at + length] if is_late else whole[at]
    gaps = find_gaps(stamps)
    assert gaps.missing.sum() == 0


@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("share", [0.005, 0.02, 0.04])
def test_doubled_or_late_stamps_at_random_lose_nothing(shift: int, share: float) -> None:
    for seed in range(20):
        true = np.arange(2_000) / 100.0
        stamps = true.copy()
        for row in np.flatnonzero(np.random.default_rng(seed).random(1_990) < share) + 5:
            stamps[row] = stamps[row - 1] if shift < 0 else true[row + 1]
        gaps = find_gaps(np.maximum.accumulate(stamps))
        assert (int(gaps.missing.sum()), seed) == (0, seed)


@pytest.mark.parametrize("size", [8, 15, 16, 17, 20, 30, 60])
@pytest.mark.parametrize("later", [True, False])
def test_a_burst_of_any_length_on_one_stamp_loses_nothing(size: int, later: bool) -> None:
    stamps = np.arange(4_000) / 400.0
    stamps[1_000 : 1_000 + size] = stamps[1_000 + size] if later else stamps[999]
    assert int(find_gaps(stamps).missing.sum()) == 0
    beside = np.delete(stamps, slice(2_000, 2_003))
    assert np.flatnonzero(find_gaps(beside).missing).tolist() == [1_999]


def test_stamps_rounded_to_milliseconds_count_a_long_hole_right() -> None:
    whole = np.arange(1200) / 60.0
    keep = np.r_[0:400, 700:1200]
    assert find_gaps(np.round(whole[keep], 3)).missing.sum() == 300


def test_landmarks_with_late_stamps_have_no_gap() -> None:
    stream = make_landmarks(np.ones((4000, 1, 3)), ["heel"], _previous(T, 50), unit="m")
    assert stream.attrs["gaps"] == 0


# --- clocks that were set


@pytest.mark.parametrize(("leap_s", "words"), [(3600.0, "1 hour"), (1800.0, "0.5 hours"), (7200.0, "2 hours")])
def test_a_clock_that_leaps_by_hours_loses_no_sample(tmp_path: Path, leap_s: float, words: str) -> None:
    time = 1711846790.0 + np.arange(400) / 100.0
    time[200:] += leap_s
    got = read(_csv(tmp_path, time, digits=3))
    stream = got.streams["imu_left"]
    assert (stream.sizes["time"], stream.attrs["missing_samples"], stream.attrs["gaps"]) == (401, 0, 1)
    assert any(f"leaps by {leap_s:.0f} s ({words}) at 1.99 s" in note for note in got.notes)


@pytest.mark.parametrize(("step_s", "says"), [(-3600.0, "daylight saving"), (-86400.0, "time of day does at midnight")])
def test_a_clock_that_goes_back_is_refused_with_what_to_add(step_s: float, says: str) -> None:
    time = 1e9 + np.arange(400) / 100.0
    time[200:] += step_s
    with pytest.raises(BadInputError, match=f"{says}.*: add {-step_s:.0f} s to the time from there on"):
        make_stream([Channel("acc_x", np.ones(400), "g")], time, kind="imu")


@pytest.mark.parametrize("pause_s", [3.0, 60.0, 300.0, 3500.0])
def test_a_pause_is_counted_and_noted(tmp_path: Path, pause_s: float) -> None:
    time = np.arange(400) / 100.0
    time[200:] += pause_s
    got = read(_csv(tmp_path, time, digits=3))
    assert got.streams["imu_left"].attrs["missing_samples"] == pause_s * 100
    assert any(f"a gap of {pause_s + 0.01:.6g} s without a sample after 1.99 s" in note for note in got.notes)


def test_of_many_pauses_three_are_named(tmp_path: Path) -> None:
    time = np.arange(600) / 100.0 + 20.0 * (np.arange(600) // 100)
    notes = [n for n in read(_csv(tmp_path, time)).notes if "imu_left" in n]
    assert len(notes) == 4
    assert notes[-1] == "imu_left: 2 further gaps of more than 1 s"


def test_a_clock_set_by_seconds_is_a_gap_that_is_noted(tmp_path: Path) -> None:
    got = read(_csv(tmp_path, np.arange(400) / 100.0 + 5.0 * (np.arange(400) >= 200)))
    assert got.streams["imu_left"].attrs["missing_samples"] == 500
    assert any("a gap of 5.01 s without a sample after 1.99 s" in note for note in got.notes)


# --- clocks that start anew


@pytest.mark.parametrize(
    ("span", "unit", "digits", "what"),
    [
        (2**32, "us", 0, "32-bit counter of microseconds"),
        (2**32 * 1e-6, "s", 6, "32-bit counter of microseconds"),
        (2**32, "ms", 0, "32-bit counter of milliseconds"),
        (2**16, "ms", 0, "16-bit counter of milliseconds"),
        (86400.0, "s", 3, "time of day at midnight"),
    ],
)
def test_a_clock_that_starts_anew_is_counted_on(tmp_path: Path, span: float, unit: str, digits: int, what: str) -> None:
    scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6}[unit]
    shown = np.mod(span - 2.0 / scale + np.arange(400) * 0.01 / scale, span)
    got = read(_csv(tmp_path, shown, unit=unit, digits=digits))
    stream = got.streams["imu_left"]
    np.testing.assert_allclose(stream["time"].values, np.arange(400) * 0.01, atol=1e-3)
    np.testing.assert_allclose(stream["time_raw"].values, shown, atol=10.0**-digits)
    assert stream.attrs["missing_samples"] == 0
    assert any(f"starts anew once, as a {what}" in note for note in got.notes)


def test_a_signed_counter_wraps_from_plus_to_minus(tmp_path: Path) -> None:
    shown = np.mod(2**31 - 2e6 + np.arange(400) * 1e4 + 2**31, 2**32) - 2**31
    stream = read(_csv(tmp_path, shown, unit="us", digits=0)).streams["imu_left"]
    np.testing.assert_allclose(stream["time"].values, np.arange(400) * 0.01, atol=1e-6)


@pytest.mark.parametrize("back", [100.0, 4294.967296, 86400.0])
def test_a_step_back_elsewhere_in_the_range_stays_refused(tmp_path: Path, back: float) -> None:
    time = 90000.0 + np.arange(400) * 0.01
    time[200:] -= back
    with pytest.raises(BadInputError, match="goes back by"):
        read(_csv(tmp_path, time))


def test_seconds_that_are_milliseconds_are_doubted(tmp_path: Path) -> None:
    assert any("check the unit" in n for n in read(_csv(tmp_path, np.arange(400) * 10.0)).notes)
    assert any("check the unit" in n for n in read(_csv(tmp_path, np.arange(400) * 0.04, unit="ms")).notes)


# --- live recordings


def _jumping(jump_us: int, lost: frozenset[int]) -> list[Record]:
    """Return an insole's packets, its clock set forward by ``jump_us`` at packet 40, and its time syncs."""
    insole, rng = Insole(0, 20.0, 5, 1), np.random.default_rng(0)
    records = [insole.begin()]
    for k in range(400):
        time_us = (insole.clock_us + 5 * k * PERIOD_US + jump_us * (k >= 40)) & 0xFFFFFFFF
        header = wire.PacketHeader(1, k, time_us, 5 * k, 5, 7, time_jump=k == 40 and jump_us != 0)
        content = wire.SensorPacket(header, np.full((5, 16), k, np.uint16), np.zeros((5, 6), np.int16)).to_bytes()
        arrival = ZERO_NS + round(1e9 * (float(insole.true_s(5 * k + 4)) + 0.008 + rng.exponential(4e-4)))
        if k not in lost:
            records.append(Record(Kind.PACKET, arrival, 1, grfrec.packet_body(4, content)))
    return records + insole.syncs(9)


@pytest.mark.parametrize("jump_us", [0, 3_000_000, -2_000_000, 3_600_000_000])
@pytest.mark.parametrize("lost", [(), (39,), (38, 39, 200), (40, 41)])
def test_an_insoles_clock_that_jumps_loses_no_sample(tmp_path: Path, jump_us: int, lost: tuple[int, ...]) -> None:
    if 40 in lost and jump_us:
        lost = tuple(k - 5 for k in lost)  # the packet that announces the jump arrives
    write_recording(tmp_path / "a.grfrec", _jumping(jump_us, frozenset(lost)))
    stream = read(tmp_path / "a.grfrec").streams["insole_left"]
    assert (stream.sizes["time"], stream.attrs["missing_samples"]) == (2000, 5 * len(lost))
    absent = np.concatenate([np.arange(5 * k, 5 * k + 5) for k in sorted(lost)]) if lost else []
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(stream["cell_01"].values)), absent)
    np.testing.assert_allclose(np.diff(stream["time"]), 5e-3, atol=6e-4)


# --- what is masked


def test_a_masked_free_moment_is_no_missing_force() -> None:
    free = np.where(np.arange(100) < 60, np.nan, 1.0)
    channels = [Channel("fz", np.ones(100), "N"), Channel("free_moment", free, "N m")]
    stream = make_stream(channels, np.arange(100) / 100.0, kind="force_plate")
    assert (stream.attrs["missing_samples"], stream.attrs["gaps"]) == (0, 0)
    channels[0] = Channel("fz", np.where(np.arange(100) == 5, np.nan, 1.0), "N")
    stream = make_stream(channels, np.arange(100) / 100.0, kind="force_plate")
    assert (stream.attrs["missing_samples"], stream.attrs["gaps"]) == (1, 1)


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["ezc3d_testfiles/Qualisys.c3d", "bmclab_bmc/data/Gait.c3d"])
def test_real_overground_plates_miss_nothing(name: str) -> None:
    plates = [s for s in inspect(real(name)).streams if s.kind == "force_plate"]
    assert plates
    assert {(s.missing_samples, s.gaps, s.longest_gap_s) for s in plates} == {(0, 0, 0.0)}


@pytest.mark.recordings
def test_real_losses_by_packet_counter_are_all_kept() -> None:
    name = "opensim_core/OpenSim/Tests/shared/IMUData/Xsens/MT_012005D6-000_sit_to_stand-000_00B421ED.txt"
    assert read(real(name)).streams["imu"].attrs["missing_samples"] == 68


def test_samples_with_the_stamp_of_the_one_before_are_told_with_their_number(tmp_path: Path) -> None:
    whole = read(_csv(tmp_path, T)).notes
    assert not [n for n in whole if "stamp of the sample before" in n]
    # one row stands twice; every row does
    for stamps, count in ((np.insert(T, 100, T[100]), 1), (np.repeat(T[:500], 2), 500)):
        got = read(_csv(tmp_path, stamps))
        assert any(f"{count} samples have the stamp of the sample before" in n for n in got.notes), got.notes
        assert got.streams["imu_left"].sizes["time"] == stamps.size
