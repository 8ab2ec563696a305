"""The spline family: forces keep a body aloft, rhythm is as asked, loads and shoe motion are possible."""

from __future__ import annotations

import copy
import sys
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import pytest
from scipy.integrate import trapezoid

from grfkit.arrays import Floats
from grfkit.simulate.family import CELL_Y_MM, Person, Situation, Steps
from grfkit.simulate.splines import SPLINE_FAMILY
from grfkit.simulate.splines_rhythm import fractal_noise
from grfkit.simulate.splines_settings import check_settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Gait = Literal["run", "walk"]
PHASE = np.linspace(0, 1, 201)
CASES: list[tuple[Gait, float, float]] = [
    ("run", 2.2, 0),
    ("run", 3.3, 8),
    ("run", 4.5, -8),
    ("run", 7.0, 0),
    ("walk", 0.8, 0),
    ("walk", 1.4, -6),
    ("walk", 2.0, 6),
]


def draw(
    gait: Gait, speed: float, slope: float = 0.0, cv: float = 2.5, duration: float = 40.0, seed: int = 3
) -> tuple[Person, Steps]:
    person = SPLINE_FAMILY.person(np.random.default_rng(seed), Situation(gait, speed, slope, 68.0, cv, duration))
    return person, person.steps(np.random.default_rng(seed + 1))


def forces(person: Person, steps: Steps) -> Floats:
    return np.stack([person.force_bw(steps, i, PHASE) for i in range(steps.onset_s.size)])


@pytest.mark.parametrize(("gait", "speed", "slope"), CASES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mean_force_is_one_body_weight_upwards(gait: Gait, speed: float, slope: float, seed: int) -> None:
    person, steps = draw(gait, speed, slope, seed=seed)
    impulse = trapezoid(forces(person, steps), PHASE, axis=1) * steps.contact_s[:, None]
    last = (steps.onset_s.size - 1) // 2 * 2
    mean = impulse[:last].sum(axis=0) / (steps.onset_s[last] - steps.onset_s[0])
    np.testing.assert_allclose(mean, [0, 0, 1], atol=0.01)


@pytest.mark.parametrize(("gait", "speed", "slope"), CASES)
def test_each_step_carries_gravity_from_mid_gap_to_mid_gap(gait: Gait, speed: float, slope: float) -> None:
    person, steps = draw(gait, speed, slope)
    impulse = trapezoid(forces(person, steps)[:, :, 2], PHASE, axis=1) * steps.contact_s
    middle = (steps.onset_s[1:] + (steps.onset_s + steps.contact_s)[:-1]) / 2
    np.testing.assert_allclose(impulse[1:-1], np.diff(middle), rtol=0.004)


@pytest.mark.parametrize(("gait", "speed", "slope"), CASES)
@pytest.mark.parametrize("seed", range(5))
def test_forces_are_those_a_foot_can_make(gait: Gait, speed: float, slope: float, seed: int) -> None:
    person, steps = draw(gait, speed, slope, seed=seed, duration=15)
    force = forces(person, steps)
    assert np.all(np.isfinite(force))
    assert force[:, :, 2].min() >= -1e-9
    low, high = (1.4, 5.0) if gait == "run" else (0.85, 1.9)
    peak = force[:, :, 2].max(axis=1)
    assert np.all((peak > low) & (peak < high))
    loaded = force[:, :, 2] > 0.3
    assert np.median(np.abs(force[:, :, 0])[loaded] / force[:, :, 2][loaded]) < 0.4
    assert np.all(force[:, 40:80, 0].min(axis=1) < 0)  # brakes first
    assert np.all(force[:, 130:180, 0].max(axis=1) > 0)  # then pushes
    medial = np.where(steps.left, -1, 1)[:, None] * force[:, 60:160, 1]
    assert np.all(medial.mean(axis=1) > 0)


def test_force_is_zero_outside_contact() -> None:
    for person, steps in (draw("run", 3.0), draw("walk", 1.3)):
        outside = person.force_bw(steps, 4, np.array([-5.0, -1e-9, 1 + 1e-9, 2.0]))
        assert np.all(outside == 0)
        ends = person.force_bw(steps, 4, np.array([0.0, 1.0]))
        np.testing.assert_allclose(ends, 0, atol=1e-9)
        assert person.force_bw(steps, 4, np.zeros(0)).shape == (0, 3)


@pytest.mark.parametrize("cv", [0.0, 1.0, 3.0, 6.0])
@pytest.mark.parametrize(("gait", "speed"), [("run", 3.0), ("walk", 1.3)])
def test_step_time_cv_is_as_asked(gait: Gait, speed: float, cv: float) -> None:
    for seed in range(4):
        _, steps = draw(gait, speed, cv=cv, duration=120, seed=seed)
        step = np.diff(steps.onset_s)
        assert 100 * step.std() / step.mean() == pytest.approx(cv, abs=0.02 * cv + 1e-6)


@pytest.mark.parametrize(("gait", "speed", "slope"), CASES)
@pytest.mark.parametrize("cv", [2.0, 6.0, 10.0])
def test_running_flies_and_walking_has_double_support(gait: Gait, speed: float, slope: float, cv: float) -> None:
    for seed in range(6):
        _, steps = draw(gait, speed, slope, cv=cv, seed=seed, duration=3.0 if seed < 3 else 40.0)
        gap = steps.onset_s[1:] - (steps.onset_s + steps.contact_s)[:-1]
        assert np.all(gap > 0) if gait == "run" else np.all(gap < 0)
        assert np.all(steps.onset_s[2:] > (steps.onset_s + steps.contact_s)[:-2])


def test_steps_cover_the_trial_and_alternate() -> None:
    for duration in (1.0, 10.0, 120.0):
        _, steps = draw("run", 3.0, duration=duration)
        assert steps.onset_s[0] >= 0
        assert np.all(np.diff(steps.onset_s) > 0)
        assert duration - 1.0 < (steps.onset_s + steps.contact_s)[-1] <= duration
        assert np.all(steps.left[1:] != steps.left[:-1])
        assert steps.variation.shape[0] == steps.onset_s.size


def test_walking_force_has_two_peaks_and_a_valley() -> None:
    person, steps = draw("walk", 1.5)
    mean = forces(person, steps)[:, :, 2].mean(axis=0)
    assert mean[90:115].min() < mean[35:70].max() - 0.15
    assert mean[90:115].min() < mean[135:175].max() - 0.15


def test_speed_shortens_contact_and_raises_the_peak() -> None:
    slow, fast = (draw("run", speed) for speed in (2.5, 5.0))
    assert fast[1].contact_s.mean() < 0.75 * slow[1].contact_s.mean()
    assert forces(*fast)[:, :, 2].max(axis=1).mean() > 1.15 * forces(*slow)[:, :, 2].max(axis=1).mean()
    assert np.diff(fast[1].onset_s).mean() < np.diff(slow[1].onset_s).mean()


@pytest.mark.parametrize(("gait", "speed", "slope"), CASES)
def test_shares_sum_to_one_and_roll_forward(gait: Gait, speed: float, slope: float) -> None:
    person, steps = draw(gait, speed, slope)
    for index in (0, 1, 7):
        share = person.load_share(steps, index, np.linspace(-0.2, 1.2, 141))
        assert share.shape == (141, 16)
        assert share.min() >= 0
        np.testing.assert_allclose(share.sum(axis=1), 1, atol=1e-12)
        along = share @ np.array(CELL_Y_MM)
        assert along[115] > along[50] + 20
        assert along[115] > 170


def test_equal_seeds_give_equal_trials_and_others_do_not() -> None:
    (one, first), (two, second), (other, third) = (draw("run", 3.0, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.onset_s, second.onset_s)
    np.testing.assert_array_equal(first.variation, second.variation)
    np.testing.assert_array_equal(one.force_bw(first, 3, PHASE), two.force_bw(second, 3, PHASE))
    time_s = np.arange(0, 10, 0.002)
    for a, b in zip(one.shoe_motion(first, True, time_s), two.shoe_motion(second, True, time_s)):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(one.force_bw(first, 3, PHASE), other.force_bw(third, 3, PHASE))


def test_feet_differ_and_so_do_steps() -> None:
    person, steps = draw("run", 3.0)
    force = forces(person, steps)
    left, right = force[steps.left, :, 2], force[~steps.left, :, 2]
    assert np.abs(left.mean(axis=0) - right.mean(axis=0)).max() > 0.005
    assert left.std(axis=0).max() > 0.01


@pytest.mark.parametrize(("gait", "speed"), [("run", 3.2), ("walk", 1.3)])
def test_shoe_rests_in_stance_and_jolts_at_contact(gait: Gait, speed: float) -> None:
    person, steps = draw(gait, speed)
    time_s = np.arange(0, 40, 0.001)
    for left in (True, False):
        force, rate = person.shoe_motion(steps, left, time_s)
        assert force.shape == rate.shape == (time_s.size, 3)
        assert np.all(np.isfinite(force))
        own = steps.left == left
        onset, contact = steps.onset_s[own], steps.contact_s[own]
        flat = np.searchsorted(time_s, onset + 0.4 * contact)
        assert np.median(np.linalg.norm(force[flat], axis=1)) == pytest.approx(9.81, abs=6)
        assert np.median(np.abs(rate[flat, 1])) < 2
        jolt = [np.ptp(force[(time_s >= t) & (time_s < t + 0.03), 2]) for t in onset]
        assert np.median(jolt) > 10
        swing = [rate[(time_s > a) & (time_s < b), 1].min() for a, b in zip(onset + contact, onset[1:])]
        assert np.all(np.degrees(swing) < -150)  # the toes come up again


@pytest.mark.parametrize("slope", [-8.0, 0.0, 8.0])
def test_shoe_turns_back_to_where_it_was(slope: float) -> None:
    person, steps = draw("run", 3.0, slope)
    onset = steps.onset_s[steps.left]
    time_s = np.arange(onset[1], onset[11], 0.0005)
    force, rate = person.shoe_motion(steps, True, time_s)
    turned = np.degrees(trapezoid(rate[:, 1], time_s))
    assert abs(turned) < 15  # ten strides; roll and yaw leave a little on this axis
    rest = person.shoe_motion(steps, True, np.array([-1.0]))
    assert np.linalg.norm(rest[0]) == pytest.approx(9.81, abs=1e-6)
    assert np.all(rest[1] == 0)
    assert np.abs(force).max() < 2000


def test_shoe_without_contacts_lies_still() -> None:
    person, steps = draw("walk", 1.2)
    none = Steps(steps.onset_s[:0], steps.contact_s[:0], steps.left[:0], steps.variation[:0])
    force, rate = person.shoe_motion(none, True, np.arange(5) / 100)
    np.testing.assert_array_equal(force, np.tile([0, 0, 9.81], (5, 1)))
    assert np.all(rate == 0)


def test_long_memory_shows() -> None:
    rng = np.random.default_rng(0)
    lag = [np.corrcoef(x[:-20], x[20:])[0, 1] for x in (fractal_noise(rng, 4000, 0.9) for _ in range(10))]
    white = [np.corrcoef(x[:-20], x[20:])[0, 1] for x in (fractal_noise(rng, 4000, 0.5) for _ in range(10))]
    assert np.mean(lag) > 0.2
    assert abs(np.mean(white)) < 0.05


def packaged() -> dict[str, Any]:
    return tomllib.loads(files("grfkit.simulate").joinpath("splines.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("where", "name", "value", "says"),
    [
        ("run", "brake_bw", [0.2, 0.1], "low end above high end"),
        ("walk", "vertical", [0.0, 1.0], "needs 12 finite numbers"),
        ("walk", "depth", ["a", 1], "not a list of numbers"),
        ("run", "strike_probability", [0.5, 0.1, 0.1], "sum to 1"),
        ("run", "medial", [1.0] * 12, "begin and end at zero"),
        ("person", "colour", [0, 1], "missing or unknown names"),
    ],
)
def test_settings_are_checked(where: str, name: str, value: object, says: str) -> None:
    assert set(check_settings(packaged())) == {"run", "walk"}
    raw = copy.deepcopy(packaged())
    raw[where][name] = value
    with pytest.raises(ValueError, match=says):
        check_settings(raw)
