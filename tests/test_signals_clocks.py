"""De-jittering: does it remove arrival jitter, keep every break, and leave regular stamps alone?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.signals.clocks import dejittered


def _late(rng: np.random.Generator, true_s: np.ndarray, jitter_s: float) -> np.ndarray:
    """Return arrival stamps: each late by up to ``jitter_s``, never before the one before it."""
    return np.maximum.accumulate(true_s + rng.uniform(0.0, jitter_s, true_s.size))


def test_regular_stamps_come_back_as_they_are() -> None:
    stamps = np.arange(2000) / 200.0
    assert dejittered(stamps) is stamps


def test_regular_stamps_with_gaps_come_back_as_they_are() -> None:
    keep = np.ones(4000, dtype=bool)
    keep[700:760] = keep[1500:1503] = keep[2900] = False
    stamps = (np.arange(4000) / 200.0)[keep]
    assert dejittered(stamps) is stamps


def test_a_short_record_comes_back_as_it_is() -> None:
    stamps = np.sort(np.random.default_rng(3).uniform(0, 1, 31))
    assert dejittered(stamps) is stamps


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_jitter_is_removed_but_for_a_common_delay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true_s = np.arange(6000) / 100.0 * (1 + 200e-6)
    fixed = dejittered(_late(rng, true_s, 0.012))
    error = fixed - true_s
    assert np.ptp(error) < 0.001
    assert 0.0 < error.mean() < 0.012


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bursts_are_spread_out(seed: int) -> None:
    true_s = np.arange(4000) / 100.0
    burst = np.ceil((true_s + 1e-9) / 0.04) * 0.04  # packets of four arrive together
    late = burst + np.repeat(np.random.default_rng(seed).uniform(0, 0.003, 1000), 4)
    fixed = dejittered(np.maximum.accumulate(late))
    assert np.all(np.diff(fixed) > 0)
    assert np.ptp(fixed - true_s) < 0.004


@pytest.mark.parametrize("lost", [20, 100, 400])
def test_a_break_is_kept(lost: int) -> None:
    rng = np.random.default_rng(lost)
    true_s = np.delete(np.arange(8000) / 100.0, slice(3000, 3000 + lost))
    fixed = dejittered(_late(rng, true_s, 0.008))
    error = fixed - true_s
    away = np.abs(np.arange(error.size) - 3000) > 60
    assert np.ptp(error[away]) < 0.003
    assert fixed[3100] - fixed[2900] == pytest.approx(true_s[3100] - true_s[2900], abs=0.003)


@given(st.integers(0, 10_000), st.floats(25, 500), st.floats(0.2, 1.5), st.floats(-1e4, 1e4))
def test_stamps_never_go_back_stay_finite_and_follow_a_shift(
    seed: int, rate_hz: float, jitter_periods: float, shift_s: float
) -> None:
    rng = np.random.default_rng(seed)
    true_s = np.delete(np.arange(1500) / rate_hz, slice(700, 760))
    stamps = _late(rng, true_s, jitter_periods / rate_hz)
    fixed = dejittered(stamps)
    assert fixed.shape == stamps.shape
    assert np.isfinite(fixed).all()
    assert np.all(np.diff(fixed) >= 0)
    assert np.abs(fixed - stamps).max() < (jitter_periods + 1) / rate_hz
    np.testing.assert_allclose(dejittered(stamps + shift_s) - shift_s, fixed, atol=1e-6)


def test_its_input_is_left_alone() -> None:
    stamps = _late(np.random.default_rng(5), np.arange(3000) / 100.0, 0.02)
    before = stamps.copy()
    dejittered(stamps)
    np.testing.assert_array_equal(stamps, before)
