"""How could a plate be wrong? Axes, origin, sign, a sensor's arm, division by a force that is not there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.signals import plates
from grfkit.signals.filters import lowpass

FLAT = np.asarray([[0.3, 0.25, 0.0], [0.3, -0.25, 0.0], [-0.3, -0.25, 0.0], [-0.3, 0.25, 0.0]])
"""A plate with z down, as most makes are: corners at +x+y, -x+y, -x-y, +x-y of the plate."""


def _rotation(seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turn if np.linalg.det(turn) > 0 else -turn


def _wrench_at(arm: np.ndarray, force: np.ndarray, normal: np.ndarray, free: np.ndarray) -> np.ndarray:
    return np.cross(arm, force) + free[:, None] * normal


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1.0, -1.0]))
def test_cop_and_free_moment_come_back_on_any_plate_with_either_sign(seed: int, sign: float) -> None:
    random = np.random.default_rng(seed)
    turn, shift = _rotation(seed), random.normal(size=3)
    corners = FLAT @ turn.T + shift
    frame = plates.plate_frame(corners)
    normal = plates.upward(frame)
    local = np.column_stack([random.uniform(-0.3, 0.3, 20), random.uniform(-0.25, 0.25, 20), np.zeros(20)])
    arm = local @ frame.axes.T
    force = sign * (normal * random.uniform(30, 2000, (20, 1)) + random.normal(scale=5, size=(20, 3)))
    free = random.normal(scale=8, size=20)
    moment = _wrench_at(arm, force, normal, free)
    found = plates.center_of_pressure(force, moment, corners_m=corners, threshold_n=1.0)
    assert np.allclose(found.cop, arm + shift, atol=1e-9)
    assert np.allclose(found.free_moment, free, atol=1e-8)


def test_axes_follow_the_corner_numbers() -> None:
    frame = plates.plate_frame(FLAT)
    assert np.allclose(frame.axes, [[0, 1, 0], [1, 0, 0], [0, 0, -1]])
    assert np.allclose(frame.centre_m, 0)


@pytest.mark.parametrize("vertical", ["", "+z"])
def test_normal_points_up_though_the_plate_looks_down(vertical: str) -> None:
    assert np.allclose(plates.upward(plates.plate_frame(FLAT), vertical), [0, 0, 1])


def test_normal_follows_a_downward_vertical() -> None:
    assert np.allclose(plates.upward(plates.plate_frame(FLAT), "-z"), [0, 0, -1])


def test_sub_surface_origin_moves_the_cop_by_the_lever_of_the_horizontal_force() -> None:
    origin = np.asarray([0.002, -0.001, -0.05])
    force = np.asarray([[120.0, -40.0, 800.0]])
    arm_from_sensor = np.asarray([[0.10, -0.07, 0.0]]) + origin
    channels = np.hstack([force, np.cross(arm_from_sensor, force)])
    wrench = plates.plate_wrench(channels, plate_type=2, origin_m=origin)
    turned = plates.to_global(wrench, plates.plate_frame(FLAT))
    found = plates.center_of_pressure(turned.force, turned.moment, corners_m=FLAT)
    assert np.allclose(found.cop, [[-0.07, 0.10, 0.0]])
    without = plates.to_global(plates.Wrench(force, channels[:, 3:]), plates.plate_frame(FLAT))
    wrong = plates.center_of_pressure(without.force, without.moment, corners_m=FLAT)
    lever = origin[:2] - origin[2] * force[0, :2] / force[0, 2]
    assert np.allclose(wrong.cop[0, :2] - found.cop[0, :2], lever[::-1])


def _sensors(seed: int) -> tuple[np.ndarray, np.ndarray, plates.Wrench]:
    """Return the forces (n, 4, 3) of four corner sensors, ORIGIN, and the wrench about the surface centre."""
    random = np.random.default_rng(seed)
    a, b, depth = 0.21, 0.26, 0.041
    forces = random.normal(loc=(0.0, 0.0, 200.0), scale=100.0, size=(6, 4, 3))
    arms = np.asarray([[a, b, depth], [-a, b, depth], [-a, -b, depth], [a, -b, depth]])
    wrench = plates.Wrench(forces.sum(axis=1), np.cross(arms[None], forces).sum(axis=1))
    return forces, np.asarray([a, b, -depth]), wrench


def _kistler_sums(forces: np.ndarray) -> np.ndarray:
    x, y, z = forces[:, :, 0], forces[:, :, 1], forces[:, :, 2]
    pairs = [x[:, 0] + x[:, 1], x[:, 2] + x[:, 3], y[:, 0] + y[:, 3], y[:, 1] + y[:, 2]]
    return np.column_stack([*pairs, *z.T])


@pytest.mark.parametrize("seed", [0, 1])
def test_type_3_equals_four_sensors(seed: int) -> None:
    forces, origin, true = _sensors(seed)
    found = plates.plate_wrench(_kistler_sums(forces), plate_type=3, origin_m=origin)
    assert np.allclose(found.force, true.force)
    assert np.allclose(found.moment, true.moment)


@pytest.mark.parametrize("kind", [5, 6, 7])
def test_types_5_to_7_built_from_the_specification(kind: int) -> None:
    forces, origin, true = _sensors(kind)
    ideal = forces.reshape(6, 12) if kind == 6 else _kistler_sums(forces)
    matrix = np.random.default_rng(kind).normal(size=(ideal.shape[1],) * 2)
    volts = ideal @ np.linalg.inv(matrix).T
    found = plates.plate_wrench(volts, plate_type=kind, origin_m=origin, calibration=matrix)
    assert np.allclose(found.force, true.force)
    assert np.allclose(found.moment, true.moment)


@pytest.mark.parametrize(("kind", "width"), [(4, 6), (5, 8), (6, 12), (7, 8)])
def test_a_matrix_of_six_rows_gives_forces_and_moments_about_the_sensor(kind: int, width: int) -> None:
    random = np.random.default_rng(kind)
    matrix, volts, origin = (
        random.normal(size=(6, width)),
        random.normal(size=(5, width)),
        np.asarray([0, 0, -0.04]),
    )
    found = plates.plate_wrench(volts, plate_type=kind, origin_m=origin, calibration=matrix)
    six = volts @ matrix.T
    assert np.allclose(found.force, six[:, :3])
    assert np.allclose(found.moment, six[:, 3:] + np.cross(six[:, :3], origin))


def test_type_1_gives_back_its_own_cop() -> None:
    channels = np.asarray([[10.0, -20.0, 700.0, 0.11, -0.06, 4.0]])
    wrench = plates.plate_wrench(channels, plate_type=1, origin_m=np.zeros(3))
    corners = [[0.3, 0.25, 0], [-0.3, 0.25, 0], [-0.3, -0.25, 0], [0.3, -0.25, 0]]
    found = plates.center_of_pressure(wrench.force, wrench.moment, corners_m=np.asarray(corners))
    assert np.allclose(found.cop, [[0.11, -0.06, 0.0]])
    assert found.free_moment[0] == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("shape", "kind", "matrix", "words"),
    [
        ((4, 6), 9, None, "types 1 to 7"),
        ((4, 6), 3, None, r"expected \(samples, 8\)"),
        ((4, 8), 5, None, "none as calibration matrix"),
        ((4, 12), 6, np.ones((6, 6)), "expected 12 columns"),
        ((4, 8), 7, np.ones((7, 8)), "7 rows"),
    ],
)
def test_what_does_not_fit_the_type_is_refused(
    shape: tuple[int, int], kind: int, matrix: np.ndarray | None, words: str
) -> None:
    with pytest.raises(BadInputError, match=words):
        plates.plate_wrench(np.ones(shape), plate_type=kind, origin_m=np.zeros(3), calibration=matrix)


def test_no_cop_under_the_threshold_or_in_a_gap() -> None:
    force = np.asarray([[0, 0, 19.9], [0, 0, 20.0], [0, 0, -500.0], [0, 0, np.nan], [0, 0, 0.0]])
    moment = np.zeros((5, 3))
    found = plates.center_of_pressure(force, moment, corners_m=FLAT, threshold_n=20.0)
    assert np.isnan(found.cop).all(axis=1).tolist() == [True, False, False, True, True]
    assert np.isnan(found.free_moment).tolist() == [True, False, False, True, True]


def test_no_division_by_nothing_without_a_threshold() -> None:
    found = plates.center_of_pressure(np.zeros((3, 3)), np.zeros((3, 3)), corners_m=FLAT, threshold_n=0.0)
    assert np.isnan(found.cop).all()


def test_force_and_moment_are_filtered_before_the_division() -> None:
    random = np.random.default_rng(3)
    t = np.arange(1500) / 1000.0
    load = 700.0 * np.clip(np.sin(np.pi * t / 1.5), 0, None)
    force = np.column_stack([np.zeros_like(t), np.zeros_like(t), load]) + random.normal(scale=8, size=(1500, 3))
    moment = np.column_stack([0.05 * load, -0.10 * load, 0 * t]) + random.normal(scale=2, size=(1500, 3))
    found = plates.center_of_pressure(force, moment, corners_m=FLAT, rate_hz=1000.0, cutoff_hz=50.0)
    smooth = [lowpass(x, rate_hz=1000.0, cutoff_hz=50.0) for x in (force, moment)]
    by_hand = plates.center_of_pressure(smooth[0], smooth[1], corners_m=FLAT)
    assert np.array_equal(found.cop, by_hand.cop, equal_nan=True)
    raw = plates.center_of_pressure(force, moment, corners_m=FLAT)
    spread = [float(np.nanmax(np.abs(x.cop[:, :2] - [0.10, 0.05]))) for x in (found, raw)]
    assert spread[0] < 0.5 * spread[1]


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        (np.zeros((4, 3)), "make no surface"),
        (np.full(12, np.nan), "expected 12 finite numbers"),
        (np.ones(9), "9 corner coordinates"),
        (FLAT * 1e3, "sides"),
        (np.asarray([[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [0.5, 0, 0]]), "make no surface"),
    ],
)
def test_corners_that_make_no_surface_are_refused(corners: np.ndarray, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        plates.plate_frame(corners)


def test_markers_say_which_way_is_up() -> None:
    frame = plates.plate_frame(FLAT)
    above = np.asarray([[0, 0, 0.9], [0.1, 0, 1.2], [np.nan] * 3])
    assert plates.vertical_axis(frame, above) == "+z"
    assert plates.vertical_axis(frame, -above) == "-z"
    assert plates.vertical_axis(frame, None, "-Z") == "-z"
    assert plates.vertical_axis(frame, None, "+X") == "+z"
    standing = plates.plate_frame(FLAT[:, [0, 2, 1]])
    assert plates.vertical_axis(standing, None, "+Y") == "+y"
    tilted = plates.plate_frame(FLAT @ np.asarray([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]).T)
    assert plates.vertical_axis(tilted) == ""


def test_kistler_polynomial_against_numbers_worked_by_hand() -> None:
    polynomial = np.arange(1.0, 13.0)
    moved = plates.kistler_cop_correction(np.asarray([[2.0, 1.0, 0.0]]), polynomial)
    # dx = (1 + 2 + 3) * 8 + (4 + 5 + 6) * 2 = 78; dy = (7*16 + 8*4 + 9) * 1 + (10*16 + 11*4 + 12) * 1 = 369
    assert moved.tolist() == [[2.0 - 78.0, 1.0 - 369.0, 0.0]]
