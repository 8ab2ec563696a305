"""Contacts from force: instants by hand, what is turned down and why, and independent counts on real treadmills."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from grfkit.errors import BadInputError
from grfkit.gait.contacts import BORDER, GAP, RULES, TOO_LONG, TOO_SHORT, ContactRule, contacts_from_force
from grfkit.units import G

Floats = NDArray[np.float64]
RATE = 1000.0


def trapezoids(
    starts: list[float], *, long_s: float = 0.25, end_s: float = 3.0, top: float = 1000.0
) -> tuple[Floats, Floats]:
    """Return time and a force of contacts that rise within 10 ms to ``top``, stay, and fall within 10 ms."""
    time = np.arange(0.0, end_s, 1 / RATE)
    force = np.zeros(time.size)
    for start in starts:
        force += top * np.interp(time, [start, start + 0.01, start + long_s - 0.01, start + long_s], [0, 1, 1, 0])
    return time, force


def test_crossings_lie_where_the_ramp_crosses_the_level_between_samples() -> None:
    time, force = trapezoids([0.5003, 1.2007])
    found = contacts_from_force(time, force, rule="20N")
    # 1000 N in 10 ms: 20 N is 0.2 ms after the corner, but the corner lies between samples and only the segment
    # from the last zero sample (0.500, 1.200) to the next (70 N at 0.501, 30 N at 1.201) is seen
    np.testing.assert_allclose(found.ic_s, [0.500 + 20 / 70 * 1e-3, 1.200 + 20 / 30 * 1e-3], atol=1e-9)
    assert found.rejected == {}
    assert found.detector == "20N"


@pytest.mark.parametrize(("rule", "level"), [("20N", 20.0), ("10N", 10.0), ("5%BW", 0.05 * 70 * G)])
def test_a_slow_ramp_is_cut_at_the_rules_level(rule: str, level: float) -> None:
    time = np.arange(0, 1, 1e-3)
    force = np.interp(time, [0.3, 0.4, 0.5, 0.6], [0.0, 1000.0, 1000.0, 0.0])
    found = contacts_from_force(time, force, rule=rule, mass_kg=70.0)
    assert found.ic_s[0] == pytest.approx(0.3 + level * 1e-4, abs=1e-9)
    assert found.to_s[0] == pytest.approx(0.6 - level * 1e-4, abs=1e-9)


def test_rejections_are_counted_each_with_its_reason() -> None:
    time, force = trapezoids([0.5, 1.0, 1.5, 2.0], end_s=4.0)
    force[:100] = 500.0  # under way at the start
    force[1100] = np.nan  # within the second
    force += 800 * np.interp(time, [2.5, 2.51, 2.54, 2.55], [0, 1, 1, 0])  # 50 ms
    force += 800 * np.interp(time, [3.0, 3.01, 3.79, 3.8], [0, 1, 1, 0])  # 800 ms
    found = contacts_from_force(time, force)
    assert found.rejected == {BORDER: 1, GAP: 1, TOO_LONG: 1, TOO_SHORT: 1}
    np.testing.assert_allclose(found.ic_s, [0.5002, 1.5002, 2.0002], atol=1e-6)
    gap = next(r for r in found.rejections if r.reason == GAP)
    assert gap.start_s < 1.1 < gap.end_s


def test_a_hole_in_the_stamps_is_a_gap_and_one_in_flight_is_not() -> None:
    time, force = trapezoids([0.5, 1.0])
    within = (time > 0.6) & (time < 0.7)
    assert contacts_from_force(time[~within], force[~within]).rejected == {GAP: 1}
    flight = (time > 0.8) & (time < 0.9)
    assert contacts_from_force(time[~flight], force[~flight]).rejected == {}
    missing = force.copy()
    missing[within] = np.nan
    assert contacts_from_force(time, missing).rejected == {GAP: 1}
    missing = force.copy()
    missing[flight] = np.nan
    assert contacts_from_force(time, missing).size == 2


def test_a_gap_next_to_an_edge_rejects_for_the_edge_is_not_known() -> None:
    time, force = trapezoids([0.5, 1.0])
    force[499:501] = np.nan
    found = contacts_from_force(time, force)
    assert found.rejected == {GAP: 1}
    assert found.size == 1


def test_a_missing_neighbour_that_looks_empty_and_a_hole_of_five_samples_reject_too() -> None:
    time, force = trapezoids([0.5007, 1.0])
    beside = force.copy()
    beside[500] = np.nan  # a straight line puts 15 N here, below the level, but nobody measured it
    assert contacts_from_force(time, beside).rejected == {GAP: 1}
    kept = np.ones(time.size, dtype=bool)
    kept[600:605] = False
    assert contacts_from_force(time[kept], force[kept]).rejected == {GAP: 1}


def test_noise_about_the_level_makes_no_contact_and_short_dips_split_none() -> None:
    time, force = trapezoids([1.0])
    force[300:310] = 25.0  # above 20 N, never above 30 N
    force[1120:1140] = 0.0  # a dip of 20 ms within the contact
    found = contacts_from_force(time, force)
    assert found.size == 1
    assert found.rejected == {}
    assert found.contact_s[0] == pytest.approx(0.25 - 4e-4, abs=1e-6)
    force[1120:1170] = 0.0  # 50 ms: two contacts, one of 0.08 to 0.12 s each
    assert contacts_from_force(time, force, rule=replace(RULES["20N"], shortest_s=0.05)).size == 2


def test_a_plate_that_rests_above_the_level_has_to_be_zeroed() -> None:
    time, force = trapezoids([0.5, 1.0, 1.5])
    raised = force + 40.0
    assert contacts_from_force(time, raised).size == 0
    zeroed = contacts_from_force(time, raised, rule=replace(RULES["20N"], zeroed=True))
    np.testing.assert_allclose(zeroed.ic_s, contacts_from_force(time, force).ic_s, atol=1e-9)


def test_a_20_hz_filter_lengthens_contact_and_100_hz_does_not() -> None:
    time = np.arange(0, 3, 1e-3)
    phase = (time - 1.0) / 0.22
    force = np.where((phase > 0) & (phase < 1), 1700 * np.sin(np.pi * np.clip(phase, 0, 1)), 0.0)
    plain = contacts_from_force(time, force).contact_s[0]
    light = contacts_from_force(time, force, rule=replace(RULES["20N"], lowpass_hz=100.0)).contact_s[0]
    heavy = contacts_from_force(time, force, rule=replace(RULES["20N"], lowpass_hz=20.0)).contact_s[0]
    assert abs(light - plain) < 0.002
    assert 0.006 < heavy - plain < 0.03


@given(
    starts=st.lists(st.floats(0.15, 0.4), min_size=1, max_size=6),
    noise=st.floats(0.0, 4.0),
    seed=st.integers(0, 2**16),
)
def test_reversed_time_gives_mirrored_contacts_and_contacts_are_disjoint(
    starts: list[float], noise: float, seed: int
) -> None:
    at = list(0.3 + np.cumsum([s + 0.25 for s in starts]))
    time, force = trapezoids(at, end_s=at[-1] + 1.0)
    force += np.random.default_rng(seed).normal(0, noise, force.size)
    found = contacts_from_force(time, force)
    back = contacts_from_force(time, force[::-1])
    assert found.size == len(at)
    np.testing.assert_allclose(np.sort(time[-1] - back.to_s), found.ic_s, atol=1e-9)
    np.testing.assert_allclose(np.sort(time[-1] - back.ic_s), found.to_s, atol=1e-9)
    assert (found.ic_s < found.to_s).all()
    assert (found.ic_s[1:] > found.to_s[:-1]).all()


@given(scale=st.floats(0.5, 2.0))
def test_mass_scaled_with_force_leaves_body_weight_contacts_unchanged(scale: float) -> None:
    time, force = trapezoids([0.5, 1.0])
    one = contacts_from_force(time, force, rule="5%BW", mass_kg=60.0)
    other = contacts_from_force(time, force * scale, rule="5%BW", mass_kg=60.0 * scale)
    np.testing.assert_allclose(other.ic_s, one.ic_s, atol=1e-9)


def test_what_cannot_be_searched_is_refused() -> None:
    time, force = trapezoids([0.5])
    with pytest.raises(BadInputError, match="mass is None"):
        contacts_from_force(time, force, rule="5%BW")
    with pytest.raises(BadInputError, match="unknown; expected one of 20N"):
        contacts_from_force(time, force, rule="30N")
    with pytest.raises(BadInputError, match="shape"):
        contacts_from_force(time[:-1], force)
    with pytest.raises(BadInputError, match="backwards or stands"):
        contacts_from_force(time[::-1], force)
    with pytest.raises(BadInputError, match="too short"):
        contacts_from_force(time[:2], force[:2])
    with pytest.raises(BadInputError, match="level_n or level_bw"):
        contacts_from_force(time, force, rule=ContactRule("none"))
    assert contacts_from_force(time, np.full(time.size, np.nan)).size == 0
    assert contacts_from_force(time, np.zeros(time.size)).size == 0
