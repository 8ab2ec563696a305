"""The device's clock on simulated links: aligned, never backwards, and no surer than it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.live import clock as clock_bench
from bench.live.radio import LinkModel
from grfkit.device.clock import ClockEstimate
from grfkit.signals.clock_bounds import line_above, line_below, lower_hull, offset_over_time


def test_one_time_is_mapped_as_many_are() -> None:
    """The uncertainty and the way to a better offset go by single times, samples by arrays."""
    clock, rng = ClockEstimate(), np.random.default_rng(4)
    for k in range(400):
        device = k * 25_000
        clock.arrived(device, device * 1000 + 9_000_000 + int(rng.exponential(2e6)))
        if k % 100 < 8:
            sent = device * 1000 + int(1e6 * np.sin(k))
            clock.exchanged(sent - 4_000_000, device, device, sent + 4_000_000)
        clock.host_s(float(device))
        times = np.linspace(-1.0, device * 1e-6 + 2.0, 50)
        single = [clock._mapped_one(float(at)) for at in times]
        np.testing.assert_allclose(single, clock._mapped(times), rtol=0, atol=1e-12)
    assert len(clock._pieces) > 2


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("interval_ms", [7.5, 15.0, 30.0, 45.0])
def test_left_and_right_are_aligned_within_a_millisecond(interval_ms: float, late: bool) -> None:
    pair = clock_bench.feet(LinkModel(interval_ms=interval_ms, late_stamp=late), seconds=150.0, seed=3)
    live, offline = clock_bench.scores(clock_bench.live, pair), clock_bench.scores(clock_bench.offline, pair)
    assert live["apart"] < 1.0
    assert offline["apart"] <= live["apart"], "hindsight is no worse"
    assert live["back"] == offline["back"] == 0
    assert live["inside"] == offline["inside"] == 1.0
    if late:
        assert abs(live["bias"]) < 1.0, "the same delay both ways leaves no bias"


def test_arrivals_alone_do_worse_and_say_so() -> None:
    pair = clock_bench.feet(LinkModel(), seconds=150.0, seed=3)
    one_way = clock_bench.scores(lambda truth: clock_bench.live(truth, two_way=False), pair)
    assert one_way["inside"] > 0.99
    assert one_way["back"] == 0
    assert clock_bench.scores(clock_bench.arrival, pair)["apart"] > 5 * one_way["apart"]


@given(st.lists(st.tuples(st.integers(1, 400_000), st.integers(0, 600_000)), min_size=2, max_size=80), st.booleans())
def test_time_never_runs_backwards_whatever_arrives(steps: list[tuple[int, int]], syncs: bool) -> None:
    clock, device_us, last, arrival_us = ClockEstimate(), 0, -np.inf, 0
    for step, delay in steps:
        device_us += step
        arrival_us = max(arrival_us, device_us + 5_000_000 + delay)
        clock.arrived(device_us, arrival_us * 1000)
        if syncs and step % 3 == 0:
            t4 = arrival_us * 1000
            clock.exchanged(t4 - 2_000_000 - delay * 2000, device_us - delay // 2 + 10, device_us - delay // 2 + 20, t4)
        at = clock.host_s(np.asarray([device_us - min(step, 5000) + 1, device_us], dtype=float))
        assert last <= at[0] <= at[1]
        last = float(at[1])
        assert clock.uncertainty_ms > 0


def test_a_correction_is_taken_up_gently() -> None:
    """The first packet is stuck for 4 ms; 4 ms later in device time nothing has jumped, in 5 s it is made good."""
    clock = ClockEstimate()
    clock.arrived(0, 14_000_000)
    first = float(clock.host_s(0.0)[0])
    answers = []
    for k in range(1, 400):
        clock.arrived(25_000 * k, 25_000_000 * k + 10_000_000)
        answers.append(float(clock.host_s(25_000.0 * k)[0]) - 0.025 * k)
    assert abs(answers[0] - first) < 1e-4
    assert np.diff(answers).min() >= -1e-3 * 0.025 - 1e-9
    assert answers[-1] == pytest.approx(first - 0.004, abs=2e-4)


def test_an_answer_once_given_stays() -> None:
    clock = ClockEstimate()
    for k in range(100):
        clock.arrived(25_000 * k, 25_000_000 * k + 10_000_000 + (k % 7) * 1_000_000)
        clock.host_s(25_000.0 * k)
    before = clock.host_s(np.arange(50) * 25_000.0 + 1_200_000.0, advance=False)
    clock.exchanged(2_500_000_000, 2_480_000, 2_480_100, 2_502_000_000)
    clock.arrived(2_500_000, 2_509_000_000)
    clock.host_s(2_600_000.0)
    assert np.array_equal(before, clock.host_s(np.arange(50) * 25_000.0 + 1_200_000.0, advance=False))


def test_a_clock_that_nothing_reached_does_not_answer() -> None:
    with pytest.raises(ValueError, match="before anything came"):
        ClockEstimate().host_s(0.0)
    assert ClockEstimate().uncertainty_ms == np.inf


POINTS = st.lists(st.tuples(st.integers(0, 1000), st.integers(-500, 500)), min_size=1, max_size=40)


@given(POINTS)
def test_the_line_below_is_below_and_touches(points: list[tuple[int, int]]) -> None:
    x, y = np.asarray(sorted(points), dtype=float).T
    for line, sign in ((line_below, 1.0), (line_above, -1.0)):
        level, slope = line(x, y, most_slope=1e9)
        room = sign * (y - level - slope * (x - x[-1]))
        assert room.min() == pytest.approx(0.0, abs=1e-6)
        assert set(lower_hull(x, y)) <= set(range(x.size))


@given(POINTS)
def test_no_line_below_is_closer_on_average(points: list[tuple[int, int]]) -> None:
    """Against every line through two points, the optimum of the linear programme being one of these."""
    x, y = np.asarray(sorted(dict(points).items()), dtype=float).T
    level, slope = line_below(x, y, most_slope=1e9)
    best = np.mean(y - level - slope * (x - x[-1]))
    for i in range(x.size):
        for j in range(i + 1, x.size):
            other = (y[j] - y[i]) / (x[j] - x[i])
            room = y - y[i] - other * (x - x[i])
            if room.min() >= -1e-9:
                assert best <= room.mean() + 1e-6


def test_a_recording_of_one_packet_has_a_time() -> None:
    knots, offsets, half = offset_over_time(np.asarray([2.0]), np.asarray([7.0]), np.empty((0, 4)))
    assert knots.tolist() == [2.0]
    assert offsets[0] == pytest.approx(5.0, abs=half)
