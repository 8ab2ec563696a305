"""Landings by jerk in integers: by hand, causal, and on simulated shoes of runners."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from grfkit.errors import BadInputError
from grfkit.gait.causal import MISSING
from grfkit.gait.causal_imu import LARGEST, CausalImpacts, ImpactSettings, impact_settings, impacts_causal
from grfkit.gait.contacts import ContactTimes
from grfkit.gait.detector_offset import detector_offset
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial

RATE = 500.0


def shaken(landings: NDArray[np.int64], size: int = 10000, *, push_off: int = 120) -> NDArray[np.int64]:
    """Return three axes that jerk by 8000 counts at each landing and by 5000 a stance later."""
    values = np.zeros((size, 3), dtype=np.int64)
    values[landings] += [4000, 0, 0]
    late = landings[landings + push_off < size] + push_off
    values[late] += [2500, 0, 0]
    return values


def test_landings_are_found_and_push_offs_are_not() -> None:
    at = np.arange(1000, 9800, 350)
    found = impacts_causal(shaken(at), impact_settings(RATE))
    assert found.size == at.size
    assert set(found - at) == {1}  # up and down again: the ring holds both a sample after the landing


def test_a_start_on_a_push_off_mends_itself() -> None:
    at = np.arange(1000, 9800, 350)
    values = shaken(at)
    values[1000] = 0  # the first landing is missed: its push-off is taken for one
    found = impacts_causal(values, impact_settings(RATE))
    assert found[0] == 1121
    np.testing.assert_array_equal(found[1:] - at[1:], 1)


def test_what_is_to_come_changes_nothing_and_a_missing_sample_is_no_jerk() -> None:
    at = np.arange(1000, 9800, 350)
    values, one = shaken(at), impact_settings(RATE)
    cut = values.copy()
    cut[5000:] = 0
    known = impacts_causal(values, one)
    np.testing.assert_array_equal(impacts_causal(cut, one)[: (at < 4900).sum()], known[: (at < 4900).sum()])
    gone = values + 3000
    gone[2500:2520] = MISSING
    np.testing.assert_array_equal(impacts_causal(gone, one), known)


def test_state_stays_within_32_bits() -> None:
    detector = CausalImpacts(ImpactSettings(4, 2, 4, 255, 3, 3, 0, 1))
    for k in range(300):
        value = LARGEST if k % 2 else -LARGEST
        detector.push((value, value, value))
        assert max(detector._sum, detector._high, detector._on) < 2**31
    with pytest.raises(BadInputError, match="2\\^18"):
        detector.push((LARGEST + 1, 0, 0))
    with pytest.raises(BadInputError, match="integers"):
        impacts_causal(np.zeros((4, 3)), impact_settings(RATE))  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="50 to 5000"):
        impact_settings(10.0)


@pytest.mark.parametrize("seed", [41, 42, 43])
def test_every_landing_of_simulated_runners(seed: int) -> None:
    made = simulate_trial(Condition(duration_s=40.0, wearables=("imu",)), seed)
    table = made.truth.contacts
    for (_, name), known in made.truth.streams.items():
        stream = made.wearables["imu"].streams[name]
        time = known.t_reference(np.asarray(stream["time"].values))
        rate = float(stream.attrs["rate_hz"])
        values = np.stack([stream[f"acc_{a}"].values for a in "xyz"], axis=1)
        counts = np.where(np.isfinite(values), np.round(np.nan_to_num(values) * 100), MISSING).astype(np.int64)
        one = impact_settings(rate)
        found = time[impacts_causal(counts, one)] - one.delay_samples / rate
        low, high = max(float(time[0]) + 3.0, 1.0), min(float(time[-1]) - 1.0, 38.0)
        true = table.onset_s[(table.left == name.endswith("left")) & (table.onset_s > low) & (table.onset_s < high)]
        near = found[(found > low - 0.05) & (found < high + 0.05)]
        offset = detector_offset(ContactTimes(true, true, "truth"), ContactTimes(near, near, "jerk"))
        assert true.size > 5
        assert (offset.missed, offset.extra <= 1) == (0, True)
        assert -10 < offset.ic_median_ms < 30
