"""Contacts: are known half-sines found where they are, through gaps, drift, any unit and either sign?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from grfkit.signals.contacts import Contacts, empty_contacts, inside, intersect, load_contacts, merge
from grfkit.signals.impacts import impacts, stride_period
from grfkit.signals.landmark_contacts import landmark_contacts, shows_speed
from grfkit.signals.marker_names import foot_landmarks, plain_names
from grfkit.sync.contact_events import points_down, resting_level, upright

CONTACT_S = 0.25
LEVEL = 0.1
RISE_S = CONTACT_S * np.arcsin(LEVEL) / np.pi
"""How long after its start a half-sine passes the threshold."""


def onsets(seed: int, count: int = 60, stride_s: float = 0.7) -> np.ndarray:
    """Return onsets of one running foot, strides 2 % uneven."""
    rng = np.random.default_rng(seed)
    return 1.0 + np.cumsum(stride_s * (1 + 0.02 * rng.standard_normal(count)))


def half_sines(time_s: np.ndarray, start_s: np.ndarray, height: float | np.ndarray = 1500.0) -> np.ndarray:
    """Return half-sines of ``CONTACT_S`` at the onsets, zero between."""
    last = np.searchsorted(start_s, time_s, side="right") - 1
    since = np.where(last >= 0, time_s - start_s[np.maximum(last, 0)], np.inf)
    heights = np.broadcast_to(height, start_s.shape)[np.maximum(last, 0)]
    return np.where(since < CONTACT_S, heights * np.sin(np.pi * np.minimum(since, CONTACT_S) / CONTACT_S), 0.0)


def _time(start_s: np.ndarray, rate_hz: float) -> np.ndarray:
    return np.arange(int((start_s[-1] + 2.0) * rate_hz)) / rate_hz


# --- load


@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 200.0, 1000.0])
def test_half_sines_are_found_where_they_are(rate_hz: float) -> None:
    start = onsets(1)
    time = _time(start, rate_hz)
    found = load_contacts(time, half_sines(time, start), foot=1, level=LEVEL)
    assert found.size == start.size
    error = found.onset_s - (start + RISE_S)
    np.testing.assert_allclose(error, np.median(error), atol=0.5 / rate_hz)
    assert abs(np.median(error)) < 0.006
    np.testing.assert_allclose(found.duration_s, CONTACT_S - 2 * RISE_S, atol=0.012)
    assert set(found.foot) == {1}
    np.testing.assert_allclose(found.covered_s, [[time[0], time[-1]]])


@given(st.floats(1e-3, 1e6), st.floats(-1e3, 1e3), st.floats(-1e4, 1e4))
@hypothesis_settings(max_examples=20)
def test_gain_zero_and_time_shift_do_not_matter(gain: float, zero: float, shift_s: float) -> None:
    start = onsets(2)
    time = _time(start, 200.0)
    load = half_sines(time, start)
    plain = load_contacts(time, load)
    moved = load_contacts(time + shift_s, gain * (load + zero))
    assert moved.size == plain.size == start.size
    np.testing.assert_allclose(moved.onset_s - shift_s, plain.onset_s, atol=1e-6)
    np.testing.assert_allclose(moved.offset_s - shift_s, plain.offset_s, atol=1e-6)


def test_a_drifting_baseline_moves_no_contact_by_much() -> None:
    start = onsets(3, count=400)
    time = _time(start, 200.0)
    load = half_sines(time, start, 1000.0)
    drift = 300.0 * time / time[-1] + 50.0 * np.sin(2 * np.pi * time / 200.0)
    found = load_contacts(time, load + drift)
    plain = load_contacts(time, load)
    assert found.size == plain.size == start.size
    assert np.abs(found.onset_s - plain.onset_s).max() < 0.006


def test_contacts_that_a_gap_touches_at_an_edge_are_dropped_and_no_other() -> None:
    start = onsets(4)
    time = _time(start, 200.0)
    load = half_sines(time, start)
    for k, at in ((10, RISE_S), (20, CONTACT_S - RISE_S)):  # over an onset, over an offset
        load[np.abs(time - start[k] - at) < 0.012] = np.nan
    load[np.abs(time - start[30] - CONTACT_S / 2) < 0.02] = np.nan  # 40 ms in the middle: bridged
    load[np.abs(time - start[40] - CONTACT_S / 2) < 0.05] = np.nan  # 100 ms: too long
    found = load_contacts(time, load)
    nearest = np.abs(found.onset_s[:, None] - start - RISE_S).argmin(axis=1)
    assert set(range(60)) - set(nearest.tolist()) == {10, 20, 40}
    assert found.size == 57


def test_what_was_not_recorded_is_not_covered() -> None:
    start = onsets(5)
    time = _time(start, 100.0)
    load = half_sines(time, start)
    load[(time >= 10.0) & (time < 14.0)] = np.nan
    found = load_contacts(time, load)
    np.testing.assert_allclose(found.covered_s, [[0.0, 9.99], [14.0, time[-1]]], atol=1e-9)
    assert not ((found.onset_s > 9.9) & (found.onset_s < 14.0)).any()
    assert np.isfinite(found.onset_s).all()


def test_long_standing_is_dropped_unless_asked_for() -> None:
    start = onsets(6)
    time = _time(start, 100.0)
    load = half_sines(time, start)
    load[(time > start[-1] + 0.5) & (time < start[-1] + 1.9)] = 700.0
    assert load_contacts(time, load, longest_s=1.2).size == 60
    assert load_contacts(time, load, longest_s=np.inf).size == 61


@pytest.mark.parametrize("load", [np.zeros(2000), np.full(2000, 700.0), np.full(2000, np.nan), np.zeros(5)])
def test_nothing_to_see_gives_no_contact(load: np.ndarray) -> None:
    found = load_contacts(np.arange(load.size) / 100.0, load)
    assert found.size == 0
    assert found.offset_s.shape == found.strength.shape == found.foot.shape == (0,)


@given(st.integers(0, 1000))
@hypothesis_settings(max_examples=20)
def test_contacts_are_in_order_and_disjoint_whatever_the_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = onsets(seed, count=30)
    time = _time(start, 100.0)
    load = half_sines(time, start) + rng.normal(0, rng.uniform(0, 80), time.size)
    load[rng.random(time.size) < 0.05] = np.nan
    found = load_contacts(time, load)
    assert np.all(found.offset_s > found.onset_s)
    assert np.all(found.onset_s[1:] > found.offset_s[:-1])
    assert inside(found.covered_s, found.onset_s).all()


# --- sign


@pytest.mark.parametrize("zero", [0.0, -250.0, 400.0])
def test_a_load_that_points_down_is_turned_and_one_that_does_not_is_not(zero: float) -> None:
    start = onsets(7)
    time = _time(start, 200.0)
    load = half_sines(time, start)
    assert not points_down(load + zero)
    assert points_down(-load + zero)
    np.testing.assert_array_equal(upright(load + zero), load + zero)
    np.testing.assert_array_equal(upright(-load + zero), load - zero)
    assert resting_level(load + zero) == pytest.approx(zero, abs=20.0)
    turned = load_contacts(time, upright(-load + zero))
    np.testing.assert_allclose(turned.onset_s, load_contacts(time, load).onset_s, atol=1e-6)


def test_sign_needs_a_sample() -> None:
    assert not points_down(np.full(100, np.nan))


# --- impact


def _shocks(time_s: np.ndarray, start_s: np.ndarray) -> np.ndarray:
    """Return acceleration (m/s^2), shape (samples, 3): gravity, swing at the stride's pace, a shock per contact."""
    stride = np.interp(time_s, start_s, np.arange(start_s.size))
    swing = 15.0 * np.sin(2 * np.pi * stride)
    last = np.clip(np.searchsorted(start_s, time_s, side="right") - 1, 0, None)
    since = np.clip(time_s - start_s[last], 0.0, None)
    shock = 120.0 * (np.exp(-since / 0.030) - np.exp(-since / 0.006))  # rises fast, rings down slowly
    return np.stack([swing + 0.4 * shock, 0.3 * swing, 9.81 + shock], axis=1)


@pytest.mark.parametrize("rate_hz", [200.0, 500.0])
def test_shocks_are_found_once_a_stride_at_one_delay(rate_hz: float) -> None:
    start = onsets(8)
    time = np.arange(int(start[-1] * rate_hz)) / rate_hz
    found = impacts(time, _shocks(time, start), foot=0).contacts
    nearest = start[np.abs(found.onset_s[:, None] - start).argmin(axis=1)]
    delay = found.onset_s - nearest
    assert abs(found.size - start.size) <= 2
    assert np.unique(nearest).size == found.size
    assert np.abs(delay - np.median(delay))[1:-1].max() < 0.004  # the ends of the record cut the filter
    assert np.isnan(found.offset_s).all()
    assert set(found.foot) == {0}


@given(st.permutations([0, 1, 2]), st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3), st.floats(0.01, 100))
@hypothesis_settings(max_examples=15)
def test_axes_signs_units_and_gravity_do_not_matter(order: list[int], signs: list[float], gain: float) -> None:
    start = onsets(9, count=30)
    time = _time(start, 200.0)
    plain = _shocks(time, start)
    turned = gain * (plain[:, order] * np.asarray(signs) + 3.0)
    a, b = impacts(time, plain).contacts, impacts(time, turned).contacts
    assert a.size == b.size > 25
    np.testing.assert_allclose(a.onset_s, b.onset_s, atol=1e-6)


def test_an_imu_gap_hides_its_contacts_alone() -> None:
    start = onsets(10)
    time = _time(start, 200.0)
    acceleration = _shocks(time, start)
    whole = impacts(time, acceleration).contacts
    hole = (time > 20.0) & (time < 23.0)
    acceleration[hole] = np.nan
    found = impacts(time, acceleration).contacts
    assert not ((found.onset_s > 20.0) & (found.onset_s < 23.0)).any()
    expected = whole.onset_s[(whole.onset_s < 19.9) | (whole.onset_s > 23.1)]
    assert np.mean(np.abs(expected[:, None] - found.onset_s).min(axis=1) < 0.002) > 0.95


def _walk(push_off: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return time, acceleration with a shock of 1 at each landing and of ``push_off`` 0.2 s later, and landings."""
    start = onsets(12)
    time = _time(start, 200.0)
    leaving = start + 0.2
    return time, _shocks(time, start) + push_off * _shocks(time, leaving) * [1.0, 0.0, 1.0], start


@pytest.mark.parametrize("push_off", [0.3, 0.5, 2.0, 3.0])
def test_landings_are_told_from_push_offs_by_the_contact_time(push_off: float) -> None:
    time, acceleration, start = _walk(push_off)
    found = impacts(time, acceleration, stance_s=0.2)
    delay = found.contacts.onset_s[2:-2, None] - start
    nearest = np.take_along_axis(delay, np.abs(delay).argmin(axis=1)[:, None], axis=1)
    assert found.contacts.size > 0.9 * start.size
    assert np.all((nearest > -0.005) & (nearest < 0.04))
    assert (found.landing_evidence > 0) == (push_off < 1)


def test_without_a_contact_time_there_is_no_evidence() -> None:
    time, acceleration, _ = _walk(0.3)
    assert np.isnan(impacts(time, acceleration).landing_evidence)


def test_stride_period_is_that_of_the_signal() -> None:
    start = onsets(11, stride_s=0.74)
    time = _time(start, 200.0)
    assert stride_period(time, half_sines(time, start)) == pytest.approx(0.74, rel=0.03)


def test_noise_has_no_stride_period() -> None:
    noise = np.random.default_rng(1).normal(size=8000)
    assert np.isnan(stride_period(np.arange(8000) / 200.0, noise))


# --- landmarks


def _feet(time_s: np.ndarray, left_s: np.ndarray, up: int = 2) -> tuple[np.ndarray, list[str]]:
    """Return heel, toe and head positions (m) of feet that land at the onsets on ground that goes back at 2 m/s."""
    names = ["LHEE", "LTOE", "RHEE", "RTOE", "HEAD"]
    position = np.zeros((time_s.size, 5, 3))
    for column, shift in ((0, 0.0), (1, 0.05), (2, 0.35), (3, 0.40)):
        start = left_s + shift
        last = np.clip(np.searchsorted(start, time_s, side="right") - 1, 0, start.size - 2)
        since = np.clip(time_s - start[last], 0, None)
        swing = np.clip((since - 0.3) / (start[last + 1] - start[last] - 0.3), 0, 1)
        position[:, column, up] = 0.05 + 1.6 * swing**2 * (1 - swing)  # leaves the ground gently, meets it at speed
        ahead = position[:, column - column % 2, (up + 1) % 3]  # of the heel; the toe is 0.2 m farther ahead
        if column % 2 == 0:
            ahead[:] = 0.3 - 2.0 * np.minimum(since, 0.3) + 0.3 * (1 - np.cos(np.pi * swing))
        else:
            position[:, column, (up + 1) % 3] = ahead + 0.2
    position[:, 4, up] = 1.7
    return position, names


@pytest.mark.parametrize("up", [1, 2])
def test_landmark_contacts_keep_one_delay_whichever_axis_is_up(up: int) -> None:
    start = onsets(12)
    time = _time(start, 200.0)
    position, names = _feet(time, start, up)
    left, right = landmark_contacts(time, position, names)
    for train, shift, foot in ((left, 0.0, 0), (right, 0.35, 1)):
        true = start[:-1] + shift
        delay = train.onset_s - true[np.abs(train.onset_s[:, None] - true).argmin(axis=1)]
        middle = np.median(delay)
        assert abs(middle) < 0.005  # at the landing, and so on real people within 10 ms
        assert np.mean(np.abs(delay - middle) < 0.01) > 0.95
        assert abs(train.size - start.size) <= 3
        assert set(train.foot) == {foot}


def test_landings_by_speed_follow_a_runner_who_turns_round_and_ignore_where_the_body_is() -> None:
    start = onsets(12)
    time = _time(start, 200.0)
    position, names = _feet(time, start)
    want = landmark_contacts(time, position, names)
    turning = np.interp(time, [15.0, 30.0], [0.0, np.pi])
    x, y = position[:, :, 0].copy(), position[:, :, 1].copy()
    position[:, :, 0] = x * np.cos(turning)[:, None] - y * np.sin(turning)[:, None] + 3.0 * np.sin(time / 5)[:, None]
    position[:, :, 1] = x * np.sin(turning)[:, None] + y * np.cos(turning)[:, None]
    for got, train in zip(landmark_contacts(time, position, names), want):
        assert got.size == train.size
        assert np.abs(got.onset_s - train.onset_s).max() < 0.01


def test_feet_alone_are_timed_by_their_braked_fall() -> None:
    start = onsets(12)
    time = _time(start, 200.0)
    position, names = _feet(time, start)
    assert shows_speed(position, names)
    assert not shows_speed(position[:, :4], names[:4])
    assert not shows_speed(position[:, [0, 2, 4]], [names[k] for k in (0, 2, 4)])
    left, _ = landmark_contacts(time, position[:, :4], names[:4])
    assert abs(left.size - start.size) <= 3


BOTH = {"left": {"heel": [0], "toe": [2]}, "right": {"heel": [1], "toe": [3]}}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["L_heel", "R_heel", "L_toe"], {"left": {"heel": [0], "toe": [2]}, "right": {"heel": [1]}}),
        (["LeftHeel", "RightBigToe"], {"left": {"heel": [0]}, "right": {"toe": [1]}}),
        (["heel_l", "toe_r"], {"left": {"heel": [0]}, "right": {"toe": [1]}}),
        (["pelvis", "head", "lumbar"], {}),
        (["Subject 8:LHEE", "Subject 8:RHEE", "Subject 8:LTOE", "Subject 8:RTOE", "Wand:W1"], BOTH),
        (["Skeleton 001:LHeel", "Skeleton 001:RHeel", "Skeleton 001:LToeTip", "Skeleton 001:RToeTip"], BOTH),
        (["JD_LHEE", "JD_RHEE", "JD_LTOE", "JD_RTOE", "JD_LASI"], BOTH),
        (["LCA", "RCA", "LFM", "RVM", "LASIS"], BOTH),  # CAST, IOR
        (["L_FCC", "R_FCC", "L_FM1", "R_FM5", "L_FLE", "L_FAL"], BOTH),  # after the ISB
        (["P1:LFCC", "P1:RFCC", "P1:LFM2", "P1:RFM2"], BOTH),
        (["Heel.L", "HeelR", "ToeLeft", "toe r", "Lateral heel"], BOTH),
        (["left_heel", "right_heel", "left_foot_index", "right_foot_index"], BOTH),  # MediaPipe
        (["LHEE", "RHEE", "LHLX", "RD1M", "LMMA"], BOTH),  # Oxford
        (["L_HEEL", "R_HEEL", "L1MT", "R.MTP5"], BOTH),
        (["L_CA", "R_CA", "L_SMH", "R_VMH"], BOTH),  # IOR
        (["LFM", "RFM", "LFL", "RFL"], {}),  # epicondyles: no CAST heel beside them
        (["A:LHEE", "B:LHEE", "A:LTOE", "B:LTOE"], {}),  # two people
        (["L_HM2", "L_HM5", "LTOA", "LTOL", "LMT"], {}),
        ([], {}),
    ],
)  # fmt: skip
def test_feet_are_known_by_name(names: list[str], expected: dict[str, dict[str, list[int]]]) -> None:
    assert foot_landmarks(names) == expected


def test_names_lose_the_subject_and_stay_apart() -> None:
    assert plain_names(["S 1:LHEE", "LTOE", ":x", "S 1:"]) == ["LHEE", "LTOE", "x", "S 1:"]
    assert plain_names(["A:LHEE", "B:LHEE", "A:C7"]) == ["A:LHEE", "B:LHEE", "C7"]


@given(
    st.lists(st.sampled_from(["LHEE", "RTOE", "C7", "L_FCC", "heel_r", "LASI"]), min_size=1, max_size=6, unique=True)
)
def test_a_prefix_changes_no_foot(names: list[str]) -> None:
    assert foot_landmarks([f"Anna Maria:{name}" for name in names]) == foot_landmarks(names)


@pytest.mark.parametrize("up", [0, 1, 2])
def test_landmarks_with_the_axis_down_give_the_same_contacts(up: int) -> None:
    start = onsets(12)
    time = _time(start, 200.0)
    position, names = _feet(time, start, up)
    upside_down = position.copy()
    upside_down[:, :, up] *= -1
    for got, want in zip(landmark_contacts(time, upside_down, names), landmark_contacts(time, position, names)):
        np.testing.assert_allclose(got.onset_s, want.onset_s)
        assert got.size > 40


def test_a_foot_out_of_sight_is_not_covered() -> None:
    start = onsets(12)
    time = _time(start, 200.0)
    position, names = _feet(time, start)
    hidden = (time > 10.0) & (time < 14.0)
    position[hidden, :2] = np.nan  # the left foot
    position[400, 0:2] = np.nan  # a marker that flickers
    left, right = landmark_contacts(time, position, names)
    np.testing.assert_allclose(left.covered_s, [[time[0], 10.0], [14.0, time[-1]]], atol=0.006)
    np.testing.assert_allclose(right.covered_s, [[time[0], time[-1]]])
    assert not ((left.onset_s > 10.0) & (left.onset_s < 14.0)).any()


# --- sets of stretches

stretches = st.lists(st.floats(0, 100), min_size=0, max_size=12, unique=True).map(
    lambda v: np.asarray(sorted(v)[: len(v) // 2 * 2]).reshape(-1, 2)
)


@given(stretches, stretches, st.lists(st.floats(-1, 101), min_size=1, max_size=30))
def test_intersection_holds_what_both_hold(a: np.ndarray, b: np.ndarray, times: list[float]) -> None:
    t = np.asarray(times)
    np.testing.assert_array_equal(inside(intersect(a, b), t), inside(a, t) & inside(b, t))
    np.testing.assert_array_equal(intersect(a, b), intersect(b, a))


def test_merged_feet_are_in_order_and_covered_where_both_are() -> None:
    one = Contacts(
        np.asarray([1.0, 3.0]), np.asarray([1.2, 3.2]), np.ones(2), np.zeros(2, int), np.asarray([[0.0, 9.0]])
    )
    two = Contacts(np.asarray([2.0]), np.asarray([2.2]), np.ones(1), np.ones(1, int), np.asarray([[1.5, 12.0]]))
    both = merge([one, empty_contacts(), two])
    np.testing.assert_array_equal(both.onset_s, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(both.foot, [0, 1, 0])
    np.testing.assert_array_equal(both.covered_s, [[1.5, 9.0]])
    moved = both.warped(5.0, 2.0)
    np.testing.assert_array_equal(moved.onset_s, [7.0, 9.0, 11.0])
    np.testing.assert_allclose(moved.duration_s, 0.4)
    np.testing.assert_array_equal(moved.covered_s, [[8.0, 23.0]])
    assert merge([]).size == 0
