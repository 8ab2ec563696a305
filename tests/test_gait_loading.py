"""Loading features on curves whose answers follow by hand, and times of gait."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.gait.loading import (
    VALR_METHODS,
    Curve,
    active_peak,
    curve,
    horizontal,
    impact_peak,
    impulse_bw_s,
    loading,
    valr,
    vilr,
)
from grfkit.gait.temporal import temporal


def polygon(*points: tuple[float, float], contact_s: float = 0.25) -> Curve:
    """Return straight lines through (time, BW) sampled at 1 kHz."""
    t = np.arange(0, contact_s + 5e-4, 1e-3)
    x, y = zip(*points)
    return Curve(t, np.interp(t, x, y))


HEEL = polygon((0, 0), (0.03, 1.8), (0.05, 1.4), (0.12, 2.5), (0.25, 0))
"""Impact peak 1.8 BW at 30 ms, a dip to 1.4, active peak 2.5 BW at 120 ms."""
FORE = polygon((0, 0), (0.12, 2.4), (0.25, 0))
"""No impact peak: 20 BW/s up to 2.4 BW."""


def test_impact_peak_is_seen_or_stands_at_13_percent() -> None:
    seen = impact_peak(HEEL)
    assert (seen.value_bw, seen.at_s, seen.visible) == (pytest.approx(1.8), pytest.approx(0.03), True)
    hidden = impact_peak(FORE)
    assert (hidden.value_bw, hidden.at_s, hidden.visible) == (pytest.approx(0.65), pytest.approx(0.0325), False)
    always = impact_peak(HEEL, always_13_percent=True)
    assert not always.visible
    assert always.value_bw == pytest.approx(1.8 - 0.0025 * 20)
    assert not impact_peak(HEEL, window_s=0.025).visible


@pytest.mark.parametrize(("dip", "visible"), [(0.04, False), (0.06, True)])
def test_a_bump_counts_from_a_prominence_of_5_percent_bw(dip: float, visible: bool) -> None:
    bump = polygon((0, 0), (0.03, 1.5), (0.04, 1.5 - dip), (0.12, 2.5), (0.25, 0))
    assert impact_peak(bump).visible is visible


def test_active_peak_is_the_highest_after_30_percent() -> None:
    top = active_peak(HEEL)
    assert (top.value_bw, top.at_s, top.visible) == (pytest.approx(2.5), pytest.approx(0.12), True)
    high_heel = polygon((0, 0), (0.03, 3.0), (0.05, 1.4), (0.12, 2.5), (0.25, 0))
    assert active_peak(high_heel).value_bw == pytest.approx(2.5)
    assert not active_peak(HEEL, window=(0.6, 0.9)).visible


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("A", 60.0),  # 1.8 BW in 30 ms
        ("B_time", 60.0),
        ("B_force", 60.0),
        ("C", 1.4 / 0.050),
        ("D", 60.0),
        ("E", 60.0),  # 7.5 to 30 ms
    ],
)
def test_valr_on_straight_lines(method: str, expected: float) -> None:
    rate = valr(HEEL, method=method, cutoff_hz=50.0)  # type: ignore[arg-type]
    assert rate.value_bw_s == pytest.approx(expected, rel=1e-9)
    assert rate.cutoff_hz == 50.0
    assert str(rate) == f"{expected:.1f} BW/s (VALR {method}, low-pass 50 Hz)"


def test_valr_methods_tell_a_bent_rise_apart() -> None:
    # 0.3 BW in the first 10 ms (30 BW/s), then 1.5 BW in 20 ms (75 BW/s), peak at 30 ms
    bent = polygon((0, 0), (0.01, 0.3), (0.03, 1.8), (0.05, 1.4), (0.12, 2.5), (0.25, 0))
    rates = {m: valr(bent, method=m, cutoff_hz=None).value_bw_s for m in VALR_METHODS}
    assert rates["A"] == pytest.approx(60.0)
    assert rates["B_time"] == pytest.approx((0.3 + 75 * 0.014 - 30 * 0.006) / 0.018)
    assert rates["B_force"] == pytest.approx(75.0)  # 0.36 to 1.44 BW, all on the steep part
    assert rates["C"] == pytest.approx(28.0)
    assert rates["D"] == pytest.approx((0.3 + 75 * 0.015) / 0.025)
    assert rates["E"] == pytest.approx((1.8 - 30 * 0.0075) / 0.0225)
    assert vilr(bent, cutoff_hz=None).value_bw_s == pytest.approx(75.0)


def test_a_contact_shorter_than_the_window_has_no_rate() -> None:
    short = polygon((0, 0), (0.02, 1.0), (0.04, 0), contact_s=0.04)
    assert np.isnan(valr(short, method="C", cutoff_hz=None).value_bw_s)
    assert valr(short, method="D", cutoff_hz=None).value_bw_s == pytest.approx(0.75 / 0.025)
    with pytest.raises(BadInputError, match="expected one of A, B_time"):
        valr(short, method="F", cutoff_hz=None)  # type: ignore[arg-type]


def test_impulses_of_a_half_sine_are_those_of_the_integral() -> None:
    t = np.linspace(0, 0.25, 2001)
    half = Curve(t, np.pi / 2 * np.sin(np.pi * t / 0.25))
    assert impulse_bw_s(half) == pytest.approx(0.25, rel=1e-6)  # mean 1 BW
    made = loading(half, cutoff_hz=None)
    assert made.net_impulse_bw_s == pytest.approx(0.0, abs=1e-6)
    assert made.horizontal is None
    assert made.contact_s == pytest.approx(0.25)


def test_braking_and_propulsion_of_a_sine() -> None:
    t = np.linspace(0, 0.2, 40)  # zero crossing between samples
    found = horizontal(Curve(t, -0.3 * np.sin(2 * np.pi * t / 0.2)))
    assert found.braking_impulse_bw_s == pytest.approx(-0.3 * 0.2 / np.pi, rel=5e-3)
    assert found.propulsive_impulse_bw_s == pytest.approx(0.3 * 0.2 / np.pi, rel=5e-3)
    assert found.net_impulse_bw_s == pytest.approx(0.0, abs=1e-12)
    assert found.braking_peak_bw == pytest.approx(-0.3, rel=5e-3)
    assert found.propulsive_at_s == pytest.approx(0.15, abs=3e-3)


def test_a_spike_of_landing_is_no_propulsion() -> None:
    spiked = polygon((0, 0), (0.01, 0.6), (0.02, 0), (0.06, -0.3), (0.12, 0), (0.19, 0.25), (0.25, 0))
    found = horizontal(spiked)
    assert found.propulsive_peak_bw == pytest.approx(0.25)
    assert found.braking_peak_bw == pytest.approx(-0.3)
    # triangles: 0.6 x 20 ms / 2 + 0.25 x 130 ms / 2, and 0.3 x 100 ms / 2
    assert found.propulsive_impulse_bw_s == pytest.approx(0.006 + 0.01625)
    assert found.braking_impulse_bw_s == pytest.approx(-0.015)


@given(values=st.lists(st.floats(-2, 2), min_size=3, max_size=40))
def test_braking_and_propulsion_sum_to_the_whole(values: list[float]) -> None:
    force = Curve(np.linspace(0, 0.3, len(values)), np.asarray(values))
    found = horizontal(force)
    assert found.braking_impulse_bw_s <= 0 <= found.propulsive_impulse_bw_s
    assert found.net_impulse_bw_s == pytest.approx(impulse_bw_s(force), abs=1e-12)


def test_cutting_keeps_the_ends_between_samples() -> None:
    time = np.arange(0, 1, 0.01)
    cut = curve(time, 100 * time, ic_s=0.2034, to_s=0.4067)
    assert cut.t_s[0] == 0.0
    assert cut.contact_s == pytest.approx(0.2033)
    np.testing.assert_allclose(cut.value_bw, 100 * (cut.t_s + 0.2034), atol=1e-9)
    assert impulse_bw_s(cut) == pytest.approx(50 * (0.4067**2 - 0.2034**2), rel=1e-9)
    with pytest.raises(BadInputError, match="does not lie within"):
        curve(time, time, ic_s=0.9, to_s=1.2)
    with pytest.raises(BadInputError, match="all measured"):
        curve(time, np.where(np.abs(time - 0.3) < 0.005, np.nan, time), ic_s=0.2, to_s=0.4)


def test_times_of_alternating_feet() -> None:
    ic = np.asarray([0.0, 0.35, 0.7, 1.05])
    found = temporal(ic, ic + 0.25, np.asarray([0, 1, 0, 1]))
    np.testing.assert_allclose(found.flight_s[:3], 0.10)
    np.testing.assert_allclose(found.stride_s[:2], 0.70)
    np.testing.assert_allclose(found.duty_factor[:2], 0.25 / 0.70)
    assert np.isnan(found.stride_s[2:]).all()
    assert found.cadence_steps_min == pytest.approx(60 / 0.35)
    unsided = temporal(ic, ic + 0.25)
    np.testing.assert_allclose(unsided.duty_factor, found.duty_factor)


def test_a_missed_contact_makes_no_step_and_no_stride_of_two() -> None:
    ic = np.asarray([0.0, 0.35, 1.05, 1.40])  # the left one at 0.70 was not seen
    found = temporal(ic, ic + 0.25, np.asarray([0, 1, 1, 0]))
    assert np.isnan(found.step_s[1])
    assert np.isnan(found.flight_s[1])
    assert found.stride_s[1] == pytest.approx(0.70)
    assert found.cadence_steps_min == pytest.approx(60 / 0.35)
    apart = temporal(np.asarray([0.0, 5.0]), np.asarray([0.2, 5.2]), np.asarray([0, 1]))
    assert np.isnan(apart.step_s).all()
    with pytest.raises(BadInputError, match="order"):
        temporal(np.asarray([1.0, 0.5]), np.asarray([1.2, 0.7]))
