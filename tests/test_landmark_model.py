"""Landmarks by recipe, rigid clusters, hinges, hip regression, heading and landing frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from grfkit.errors import BadInputError
from grfkit.formats.c3d import parse_c3d
from grfkit.gait.joint_centres import carried, harrington_hips, hinge_centre, rigid_fit
from grfkit.gait.landing import Travel, aligned, heading_aligned, landing_frame, mirrored, travel
from grfkit.gait.landmarks import (
    LANDMARKS,
    LandmarkMapping,
    LandmarkMissingError,
    LandmarkRecipe,
    Points,
    landmarks,
    load_mapping,
    mapping_names,
    segment_points,
    turned,
)
from grfkit.simulate.body import LANDMARKS as SIMULATED
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial

Floats = NDArray[np.float64]

CLUSTER = np.asarray([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.12, 0.0], [0.03, 0.02, 0.09]])


def motion(frames: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    angles = np.cumsum(rng.normal(0, 0.05, (frames, 3)), axis=0)
    return Rotation.from_rotvec(angles).as_matrix(), np.cumsum(rng.normal(0, 0.01, (frames, 3)), axis=0)


def moved(points: Floats, rotation: Floats, shift: Floats) -> Floats:
    return np.asarray(np.einsum("fij,pj->fpi", rotation, points) + shift[:, None])


@given(seed=st.integers(0, 10**6))
def test_a_rigid_cluster_is_followed_exactly_with_one_marker_hidden(seed: int) -> None:
    rotation, shift = motion(20, seed)
    seen = moved(CLUSTER, rotation, shift)
    seen[::3, seed % 4] = np.nan
    found, at = rigid_fit(CLUSTER, seen)
    np.testing.assert_allclose(found, rotation, atol=1e-9)
    np.testing.assert_allclose(at, shift, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(found), 1.0)


def test_two_markers_give_no_pose_and_a_line_is_refused() -> None:
    rotation, shift = motion(3, 1)
    seen = moved(CLUSTER, rotation, shift)
    seen[1, :2] = np.nan
    made = carried(np.asarray([[0.0, 0.0, 1.0]]), CLUSTER, seen)
    assert np.isnan(made[1]).all()
    assert np.isfinite(made[[0, 2]]).all()
    with pytest.raises(BadInputError, match="on a line"):
        rigid_fit(np.asarray([[0, 0, 0], [1, 0, 0], [2, 0, 0.0]]), np.zeros((2, 3, 3)))


def test_mirror_images_are_not_taken_for_turns() -> None:
    seen = (CLUSTER * np.asarray([1.0, -1.0, 1.0]))[None]
    rotation, _ = rigid_fit(CLUSTER, seen)
    assert np.linalg.det(rotation[0]) == pytest.approx(1.0)


def test_hip_centres_are_those_of_the_published_equations() -> None:
    # width 240 mm, depth 150 mm: 0.24*150+9.9 = 45.9 back, 0.30*240+10.9 = 82.9 down, 0.33*240+7.3 = 86.5 outward
    hips = harrington_hips(np.asarray([0, 0.12, 1.0]), np.asarray([0, -0.12, 1.0]), np.asarray([-0.15, 0, 1.0]))
    np.testing.assert_allclose(hips, [[-0.0459, 0.0865, 0.9171], [-0.0459, -0.0865, 0.9171]], atol=1e-12)


def test_a_hinge_is_found_from_motion_alone() -> None:
    t = np.linspace(0, 2, 200)
    thigh = Rotation.from_rotvec(np.stack([0.05 * np.sin(9 * t), 0.5 * np.sin(7 * t), 0.1 * np.cos(5 * t)], axis=1))
    bend = Rotation.from_rotvec(np.stack([0 * t, 0.6 + 0.5 * np.sin(11 * t), 0 * t], axis=1))
    hip = np.stack([3 * t, 0.1 * np.sin(t), 0.9 + 0 * t], axis=1)
    knee = hip + thigh.apply([0.0, 0.0, -0.42])
    shank = thigh * bend
    ankle = knee + shank.apply([0.0, 0.0, -0.40])
    upper = np.stack([hip + thigh.apply(p + np.asarray([0.05, 0.03, -0.2])) for p in CLUSTER], axis=1)
    lower = np.stack([knee + shank.apply(p + np.asarray([0.0, 0.04, -0.2])) for p in CLUSTER], axis=1)
    found = hinge_centre(upper, lower, hip, ankle)
    # along the axis only the guide line between hip and ankle decides: it passes the knee in the median
    assert np.abs(found - knee).max() < 0.005
    with pytest.raises(BadInputError, match="30 or more"):
        hinge_centre(upper[:20], lower[:20], hip[:20], ankle[:20])


def test_every_shipped_mapping_is_read_and_says_where_it_comes_from() -> None:
    wanted = {"rbds", "schreiber", "hamner", "plugin_gait", "opencap", "pose2sim", "theia3d"}
    assert wanted <= set(mapping_names())
    for name in mapping_names():
        mapping = load_mapping(name)
        assert mapping.name == name
        assert len(mapping.source) > 30
        turned(np.zeros((1, 3)), mapping.axes)


def test_a_mapping_with_a_typo_or_two_ways_is_refused(tmp_path: Path) -> None:
    text = load_text("pose2sim")
    (tmp_path / "a.toml").write_text(text.replace("[[knee]]\nmean", "[[knee]]\nmaen"))
    with pytest.raises(BadInputError, match="knee"):
        load_mapping(tmp_path / "a.toml")
    with pytest.raises(BadInputError, match="no landmark mapping"):
        load_mapping("nobody")
    with pytest.raises(ValueError, match="expected one"):
        LandmarkRecipe(mean=("A",), static_mean=("B",), by=("A", "B", "C"))
    with pytest.raises(BadInputError, match="right-handed"):
        turned(np.zeros((1, 3)), ["x", "z", "y"])
    with pytest.raises(BadInputError, match="expected three"):
        turned(np.zeros((1, 3)), ["x", "left", "q"])


def load_text(name: str) -> str:
    from importlib.resources import files

    return files("grfkit.gait").joinpath("mappings").joinpath(f"{name}.toml").read_text(encoding="utf-8")


def body(mapping: LandmarkMapping, names: list[str], frames: int = 4) -> Points:
    rng = np.random.default_rng(3)
    return Points(np.arange(frames) / 100.0, tuple(names), rng.normal(size=(frames, len(names), 3)))


def test_keypoints_become_the_eleven_in_lab_axes() -> None:
    mapping = load_mapping("pose2sim")
    names = ["Hip", *(f"{s}{p}" for s in "LR" for p in ("Hip", "Knee", "Ankle", "Heel", "BigToe", "SmallToe"))]
    points = body(mapping, names)
    made = landmarks(points, mapping)
    assert made.names == LANDMARKS
    raw = points.position[:, names.index("LKnee")]
    np.testing.assert_allclose(made.path("knee_left"), np.stack([raw[:, 0], -raw[:, 2], raw[:, 1]], axis=1))
    toes = points.position[:, [names.index("RBigToe"), names.index("RSmallToe")]].mean(axis=1)
    np.testing.assert_allclose(made.path("toe_right")[:, 2], toes[:, 1])
    with pytest.raises(LandmarkMissingError, match=r"'heel_right'.*RHeel"):
        landmarks(body(mapping, [n for n in names if n != "RHeel"]), mapping)


@pytest.mark.parametrize("prefix", ["Subject 8:", "Skeleton_001:"])
def test_a_subject_before_the_names_changes_no_landmark(prefix: str) -> None:
    mapping = load_mapping("pose2sim")
    names = ["Hip", *(f"{s}{p}" for s in "LR" for p in ("Hip", "Knee", "Ankle", "Heel", "BigToe", "SmallToe"))]
    points = body(mapping, names)
    prefixed = Points(points.time_s, tuple(f"{prefix}{name}" for name in names), points.position)
    np.testing.assert_array_equal(landmarks(prefixed, mapping).position, landmarks(points, mapping).position)


def test_a_static_trial_gives_joint_centres_that_markers_of_the_trial_carry() -> None:
    mapping = load_mapping("rbds").model_copy(update={"axes": ("x", "y", "z")})
    rng = np.random.default_rng(5)
    base = ["ASIS", "PSIS", "Iliac.Crest", "Heel.Bottom", "Heel.Top", "Heel.Lateral", "MT1", "MT5"]
    base += [f"{g}.{e}.{s}" for g in ("Thigh", "Shank") for e in ("Top", "Bottom") for s in ("Lateral", "Medial")]
    only_static = ["Knee", "Knee.Medial", "Ankle", "Ankle.Medial"]
    names = [f"{s}.{n}" for s in "LR" for n in base + only_static]
    still = rng.normal(size=(1, len(names), 3))
    rotation, shift = motion(30, 8)
    kept = [i for i, n in enumerate(names) if not n.endswith(("Knee", "Knee.Medial", "Ankle", "Ankle.Medial"))]
    trial = Points(np.arange(30) / 150, tuple(names[i] for i in kept), moved(still[0, kept], rotation, shift))
    made = landmarks(trial, mapping, static=Points(np.zeros(1), tuple(names), still))
    knee = still[0, [names.index("L.Knee"), names.index("L.Knee.Medial")]].mean(axis=0)
    np.testing.assert_allclose(made.path("knee_left"), moved(knee[None], rotation, shift)[:, 0], atol=1e-9)
    with pytest.raises(LandmarkMissingError, match=r"knee|ankle"):
        landmarks(trial, mapping)


def test_virtual_points_of_segments_turn_with_them() -> None:
    mapping = load_mapping("theia3d")
    names = ["pelvis", *(f"{s}_{p}" for s in "lr" for p in ("thigh", "shank", "foot", "toes"))]
    matrices = np.tile(np.eye(4), (2, len(names), 1, 1))
    matrices[1, names.index("l_foot"), :3, :3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    points = segment_points(np.arange(2.0), matrices, names, mapping)
    np.testing.assert_allclose(points.path("l_heel")[0], [0.0, -0.05, -0.06])
    np.testing.assert_allclose(points.path("l_heel")[1], [0.05, 0.0, -0.06], atol=1e-12)
    assert landmarks(points, mapping).names == LANDMARKS
    with pytest.raises(BadInputError, match="r_toes"):
        segment_points(np.arange(2.0), matrices[:, :-1], names[:-1], mapping)


def walker(heading: float, *, belt_m_s: float, speed: float = 1.5, seconds: float = 4.0) -> Points:
    """Return a walker whose feet stand half of the time, on a belt that runs back at ``belt_m_s``."""
    t = np.arange(round(seconds * 100)) / 100.0
    position = np.zeros((t.size, len(LANDMARKS), 3))
    for index, name in enumerate(LANDMARKS):
        side = 1.0 if name.endswith("left") else -1.0 if name.endswith("right") else 0.0
        phase = (t + (0.5 if side > 0 else 0.0)) % 1.0
        swing = np.clip((phase - 0.5) * 2.0, 0.0, 1.0)
        steps = np.floor(t + (0.5 if side > 0 else 0.0)) + swing
        foot = name.startswith(("heel", "toe", "ankle"))
        ahead = speed * steps if foot else speed * t
        ahead = ahead + (0.2 if name.startswith("toe") else 0.0)
        height = 0.05 + 0.15 * np.sin(np.pi * swing) if foot else np.full(t.size, 1.0)
        position[:, index] = np.stack([ahead - belt_m_s * t, 0.1 * side + 0 * t, height], axis=1)
    return Points(t, LANDMARKS, aligned(position, -heading))


@given(degrees=st.floats(-179, 179), belt=st.sampled_from([0.0, 1.5]))
def test_heading_and_speed_are_found_on_floor_and_belt_in_any_direction(degrees: float, belt: float) -> None:
    heading = float(np.deg2rad(degrees))
    points = walker(heading, belt_m_s=belt)
    found = travel(points)
    assert np.angle(np.exp(1j * (found.heading_rad - heading))) == pytest.approx(0.0, abs=0.02)
    assert found.speed_m_s == pytest.approx(1.5, abs=0.03)
    straight, ahead = heading_aligned(points, found)
    assert ahead.ground_m_s[0] == pytest.approx(-belt, abs=0.03)
    left = straight.path("hip_left") - straight.path("hip_right")
    assert (left[:, 1] > 0).all()


def test_a_foot_that_swings_low_before_it_lands_is_not_taken_for_the_belt() -> None:
    condition = Condition(
        surface="treadmill", wearables=("landmarks",), duration_s=12.0, speed_m_s=3.5, slope_percent=0.0
    )
    body = simulate_trial(condition, 3).truth.body
    time = np.arange(2.0, 10.0, 0.005)
    columns = [SIMULATED.index("_".join(reversed(n.split("_")))) for n in LANDMARKS]
    found = travel(Points(time, LANDMARKS, body(time).landmarks[:, columns]))
    assert found.speed_m_s == pytest.approx(3.5, abs=0.05)
    assert found.heading_rad == pytest.approx(0.0, abs=0.02)


def test_toes_that_point_back_are_refused() -> None:
    points = walker(0.3, belt_m_s=0.0)
    names = [n.replace("heel", "x").replace("toe", "heel").replace("x", "toe") for n in LANDMARKS]
    swapped = Points(points.time_s, LANDMARKS, points.position[:, [LANDMARKS.index(n) for n in names]])
    with pytest.raises(BadInputError, match="toes point against"):
        travel(swapped)


def test_a_body_that_stands_has_no_heading() -> None:
    still = Points(np.arange(50) / 100, LANDMARKS, np.zeros((50, len(LANDMARKS), 3)))
    with pytest.raises(BadInputError, match="travels at"):
        travel(still)
    with pytest.raises(BadInputError, match="too few"):
        travel(Points(np.arange(3.0), LANDMARKS, np.zeros((3, len(LANDMARKS), 3))))


def test_a_belt_and_a_floor_look_alike_in_the_landing_frame() -> None:
    frames = []
    for belt in (0.0, 1.5):
        points = walker(0.4, belt_m_s=belt)
        straight, ahead = heading_aligned(points, travel(points))
        pelvis = straight.path("pelvis")
        frames.append(
            landing_frame(straight.position, points.time_s, origin_m=pelvis[50], at_s=0.5, drift_m_s=ahead.ground_m_s)
        )
        assert np.abs(frames[-1][50, 0, :2]).max() < 1e-9
    assert np.abs(frames[0] - frames[1]).max() < 0.08  # 3.5 s of 2 cm/s


def test_mirroring_swaps_sides_and_twice_is_nothing() -> None:
    position = np.random.default_rng(1).normal(size=(5, len(LANDMARKS), 3))
    once = mirrored(position)
    np.testing.assert_array_equal(mirrored(once), position)
    left, right = LANDMARKS.index("knee_left"), LANDMARKS.index("knee_right")
    np.testing.assert_array_equal(once[:, right], position[:, left] * [1, -1, 1])
    np.testing.assert_array_equal(once[:, 0, 2], position[:, 0, 2])


def test_travel_keeps_the_sense_of_the_turn() -> None:
    turned_left = Travel(np.pi / 2, 1.0, np.zeros(3), np.asarray([0.0, 1.0, 0.0]))
    _, ahead = heading_aligned(Points(np.zeros(1), ("a",), np.zeros((1, 1, 3))), turned_left)
    np.testing.assert_allclose(ahead.body_m_s, [1.0, 0.0, 0.0], atol=1e-12)


@pytest.mark.recordings
def test_theia_segments_of_a_real_file_make_a_body(real_file: Callable[[str], Path]) -> None:
    held = parse_c3d(real_file("ezc3d_testfiles/C3DRotationExample.c3d").read_bytes())
    names = [n.removesuffix("_4X4") for n in held.rotation_labels]
    matrices = held.rotations.copy()
    matrices[..., :3, 3] *= 1e-3
    time = np.arange(len(matrices)) / held.rotation_rate_hz
    mapping = load_mapping("theia3d")
    made = landmarks(segment_points(time, matrices, names, mapping), mapping)
    height = {n: float(np.nanmean(made.path(n)[:, 2])) for n in LANDMARKS}
    assert height["hip_left"] > height["knee_left"] > height["ankle_left"]
    lowest = np.nanpercentile(np.stack([made.path(f"heel_{s}")[:, 2] for s in ("left", "right")]), 5)
    assert 0.0 < lowest < 0.06
