"""How could a filter be wrong? A cut-off that is not where it says, a lag, a gap smeared over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from grfkit.errors import BadInputError
from grfkit.signals.filters import corrected_cutoff_hz, lowpass


@pytest.mark.parametrize(("wanted_hz", "design_hz"), [(15.0, 18.69), (20.0, 24.91), (50.0, 62.05)])
def test_published_constants_at_1_khz(wanted_hz: float, design_hz: float) -> None:
    assert corrected_cutoff_hz(wanted_hz, rate_hz=1000.0) == pytest.approx(design_hz, abs=0.005)


@pytest.mark.parametrize(("order", "factor"), [(2, 0.8022), (4, 0.8957)])
def test_winter_factor_far_below_the_rate(order: int, factor: float) -> None:
    designed = corrected_cutoff_hz(1.0, rate_hz=1e5, order=order)
    assert 1.0 / designed == pytest.approx(factor, abs=5e-5)


def test_one_pass_needs_no_correction() -> None:
    assert corrected_cutoff_hz(20.0, rate_hz=1000.0, passes=1) == pytest.approx(20.0)


@pytest.mark.parametrize(("cutoff_hz", "rate_hz"), [(20.0, 1000.0), (50.0, 300.0), (6.0, 100.0)])
def test_gain_is_3_db_down_at_the_cutoff_and_there_is_no_lag(cutoff_hz: float, rate_hz: float) -> None:
    t = np.arange(int(40 * rate_hz / cutoff_hz)) / rate_hz
    wave = np.sin(2 * np.pi * cutoff_hz * t)
    passed = lowpass(wave, rate_hz=rate_hz, cutoff_hz=cutoff_hz)
    middle = slice(t.size // 4, -t.size // 4)
    gain = np.dot(passed[middle], wave[middle]) / np.dot(wave[middle], wave[middle])
    assert gain == pytest.approx(np.sqrt(0.5), abs=0.01)
    quadrature = np.cos(2 * np.pi * cutoff_hz * t)[middle]
    assert abs(np.dot(passed[middle], quadrature) / np.dot(quadrature, quadrature)) < 0.01


def test_plain_filtfilt_would_be_6_db_down() -> None:
    t = np.arange(4000) / 1000.0
    wave = np.sin(2 * np.pi * 20.0 * t)
    plain = sosfiltfilt(butter(2, 20.0, fs=1000.0, output="sos"), wave)
    middle = slice(1000, 3000)
    assert np.dot(plain[middle], wave[middle]) / np.dot(wave[middle], wave[middle]) == pytest.approx(0.5, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 399), max_size=30), st.integers(0, 2**31))
def test_gaps_stay_where_they_are_and_nothing_leaks_out_of_them(gaps: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(400, 2))
    values[gaps, 0] = np.nan
    passed = lowpass(values, rate_hz=200.0, cutoff_hz=20.0)
    assert np.array_equal(np.isnan(passed), np.isnan(values))
    whole = lowpass(values[:, 1], rate_hz=200.0, cutoff_hz=20.0)
    assert np.array_equal(passed[:, 1], whole)


@given(st.integers(1, 60), st.floats(-1e4, 1e4))
@settings(max_examples=25, deadline=None)
def test_a_constant_stays_itself_however_short(samples: int, level: float) -> None:
    passed = lowpass(np.full(samples, level), rate_hz=1000.0, cutoff_hz=50.0)
    assert np.allclose(passed, level, rtol=1e-9, atol=1e-9)


def test_the_input_is_not_changed() -> None:
    values = np.random.default_rng(0).normal(size=100)
    before = values.copy()
    lowpass(values, rate_hz=100.0, cutoff_hz=10.0)
    assert np.array_equal(values, before)


@pytest.mark.parametrize("cutoff_hz", [0.0, -5.0, 50.0, 80.0, float("nan")])
def test_a_cutoff_that_does_not_fit_is_refused(cutoff_hz: float) -> None:
    with pytest.raises(BadInputError, match=r"does not fit a rate of 100 Hz"):
        lowpass(np.zeros(10), rate_hz=100.0, cutoff_hz=cutoff_hz)
