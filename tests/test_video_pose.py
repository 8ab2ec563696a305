"""Pose networks, legs, measures of a walk and clips of it: on made-up walkers, and on one real film."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError, RefusedError
from grfkit.signals.film_crop import FLOOR_ROW, LEG_ROWS
from grfkit.video.camera import Background
from grfkit.video.clip import SIDE, crop_map, full_frame, silhouettes
from grfkit.video.follow import Walker, keep_mask
from grfkit.video.legs import LEFT, RIGHT, exchanged, repaired
from grfkit.video.people import Path as WayThrough
from grfkit.video.people import _seen, choose, tiles
from grfkit.video.pose import DIGESTS, INDEX, MODELS, POINTS, Pose, PoseModel, Region, anchors, inverse
from grfkit.video.walk import LEAST_LEG_PX, against, find_walk

LEG, FLOOR, WIDTH, HEIGHT = 200.0, 620.0, 1280, 720
"""Of the made-up walker: length of the leg, height of the floor and size of the picture, px."""


def _walker(*, rate_hz: float = 60.0, seconds: float = 4.0, heading: float = 1.0, scale: float = 1.0) -> Walker:
    """Return a walker of straight lines from the side: legs that swing against each other, near side as in geometry."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    points = np.zeros((len(times), len(POINTS), 2))
    x = WIDTH / 2 + heading * scale * LEG * 1.4 * (times - times.mean())
    near, far = ("right", "left") if heading > 0 else ("left", "right")
    for side, sign in ((near, 1.0), (far, -1.0)):
        swing = sign * 0.5 * np.sin(2 * np.pi * 0.9 * times)
        up = scale * LEG * np.cos(swing)
        hip = np.column_stack([x, FLOOR - up])
        ankle = np.column_stack([x + heading * scale * LEG * np.sin(swing), np.full(len(times), FLOOR - 0.04 * LEG)])
        points[:, INDEX[f"hip_{side}"]] = hip
        points[:, INDEX[f"knee_{side}"]] = (hip + ankle) / 2
        points[:, INDEX[f"ankle_{side}"]] = ankle
        points[:, INDEX[f"heel_{side}"]] = ankle + np.array([-heading * 0.05 * LEG, 0.04 * LEG])
        points[:, INDEX[f"toe_{side}"]] = ankle + np.array([heading * 0.18 * LEG, 0.04 * LEG])
        points[:, INDEX[f"shoulder_{side}"]] = hip + np.array([sign * 0.05 * LEG, -0.7 * scale * LEG])
        points[:, INDEX[f"ear_{side}"]] = hip + np.array([0.0, -0.9 * scale * LEG])
    depth = np.zeros(points.shape[:2])
    for name in ("hip", "shoulder"):
        depth[:, INDEX[f"{name}_{near}"]], depth[:, INDEX[f"{name}_{far}"]] = -0.2 * LEG, 0.2 * LEG
    mask = np.zeros((256, 256), dtype=np.uint8)
    mask[28:228, 118:138] = 255
    squares = (Region(float(at), FLOOR - LEG, 512.0, 0.0, 1.0) for at in x)
    masks = tuple(keep_mask(mask, square) for square in squares)
    return Walker(times, points, depth, np.ones(points.shape[:2]), np.ones(len(times)), masks)


def _path(xs: np.ndarray, times: np.ndarray) -> WayThrough:
    path = WayThrough()
    path.times, path.hips = list(times), [np.array([x, 300.0]) for x in xs]
    path.regions = [Region(float(x), 300.0, 500.0, 0.0, 1.0) for x in xs]
    return path


@pytest.mark.parametrize("name", DIGESTS)
def test_the_networks_that_ship_are_those_of_the_public_package(name: str) -> None:
    assert hashlib.sha256((MODELS / name).read_bytes()).hexdigest() == DIGESTS[name]


def test_the_networks_licence_is_beside_them() -> None:
    text = (MODELS / "LICENSE.mediapipe").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert all(digest in (MODELS / "README.md").read_text(encoding="utf-8") for digest in DIGESTS.values())


def test_the_detector_has_an_anchor_for_each_of_its_boxes() -> None:
    assert anchors().shape == (2254, 2)
    np.testing.assert_allclose(anchors().mean(axis=0), 0.5)
    np.testing.assert_allclose(anchors()[[0, 1, 2]], [[0.5 / 28] * 2, [0.5 / 28] * 2, [1.5 / 28, 0.5 / 28]])


def test_a_region_s_map_takes_its_centre_to_the_middle_and_back() -> None:
    region = Region(100.0, 60.0, 80.0, 0.3, 1.0)
    there = region.to_crop(256)
    np.testing.assert_allclose(there @ [100.0, 60.0, 1.0], [128.0, 128.0])
    np.testing.assert_allclose(inverse(there) @ [128.0, 128.0, 1.0], [100.0, 60.0])
    # the body's upward direction (angle 0.3 to the right of the picture's) is upward in the square
    up = there[:, :2] @ [np.sin(0.3), -np.cos(0.3)]
    np.testing.assert_allclose(up, [0.0, -256 / 80.0], atol=1e-12)


def test_nobody_is_found_where_nobody_is() -> None:
    model = PoseModel()
    noise = np.random.default_rng(16).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    assert model.detect(noise) == []
    assert model.look(noise, Region(80.0, 60.0, 120.0, 0.0, 1.0)).score < 0.5


def test_exchanged_legs_are_found_and_put_right() -> None:
    walker = _walker()
    wrong = np.zeros(len(walker.times), dtype=bool)
    wrong[[20, 21, 22, 90, 150, 151]] = True
    points = walker.points.copy()
    points[np.ix_(wrong, LEFT)], points[np.ix_(wrong, RIGHT)] = (
        walker.points[wrong][:, RIGHT],
        walker.points[wrong][:, LEFT],
    )
    mixed = replace(walker, points=points)
    # where the legs pass each other either label is right, and the network's is kept
    apart = np.abs(walker.points[:, INDEX["ankle_left"], 0] - walker.points[:, INDEX["ankle_right"], 0]) > 0.1 * LEG
    np.testing.assert_array_equal(exchanged(mixed, LEG)[apart], wrong[apart])
    fixed, count, turned = repaired(mixed, LEG, "right")
    np.testing.assert_allclose(fixed.points[apart], walker.points[apart])
    assert count == wrong.sum()
    assert not turned


def _blurred(walker: Walker) -> Walker:
    """Return the walker as a network sees it whose legs cling together while they pass each other."""
    points = walker.points.copy()
    middle = (points[:, LEFT] + points[:, RIGHT]) / 2
    close = np.abs(points[:, INDEX["ankle_left"], 0] - points[:, INDEX["ankle_right"], 0]) < 0.15 * LEG
    points[np.ix_(close, LEFT)] = points[np.ix_(close, RIGHT)] = middle[close]
    return replace(walker, points=points)


def test_legs_that_were_exchanged_for_a_whole_step_are_put_right() -> None:
    walker = _blurred(_walker())
    ankles = walker.points[:, INDEX["ankle_left"], 0] - walker.points[:, INDEX["ankle_right"], 0]
    crossings = np.flatnonzero(
        np.diff(np.signbit(_walker().points[:, INDEX["ankle_left"], 0] - _walker().points[:, INDEX["ankle_right"], 0]))
    )
    wrong = np.zeros(len(walker.times), dtype=bool)
    wrong[crossings[2] + 1 : crossings[3] + 1] = True  # from one passing of the legs to the next: nothing leaps
    points = walker.points.copy()
    points[np.ix_(wrong, LEFT)], points[np.ix_(wrong, RIGHT)] = (
        walker.points[wrong][:, RIGHT],
        walker.points[wrong][:, LEFT],
    )
    apart = np.abs(ankles) > 0.2 * LEG
    np.testing.assert_array_equal(exchanged(replace(walker, points=points), LEG)[apart], wrong[apart])


def test_legs_of_who_draws_one_foot_up_to_the_other_are_not_made_to_pass() -> None:
    walker = _walker()
    drawn = np.where(np.sin(2 * np.pi * 0.9 * walker.times) > 0, 0.0, 1.0)[:, None, None]
    points = walker.points.copy()
    middle = (points[:, LEFT] + points[:, RIGHT]) / 2
    points[:, LEFT] += drawn * (middle - points[:, LEFT])
    points[:, RIGHT] += drawn * (middle - points[:, RIGHT])
    apart = np.abs(points[:, INDEX["ankle_left"], 0] - points[:, INDEX["ankle_right"], 0]) > 0.1 * LEG
    assert not exchanged(replace(walker, points=points), LEG)[apart].any()


def test_legs_that_were_never_exchanged_stay() -> None:
    assert not exchanged(_walker(rate_hz=30.0), LEG).any()


def test_sides_change_where_the_network_took_the_far_one_for_the_near_one() -> None:
    walker = _walker()
    fixed, _, turned = repaired(walker, LEG, "left")
    assert turned
    np.testing.assert_array_equal(fixed.points[:, INDEX["heel_left"]], walker.points[:, INDEX["heel_right"]])
    np.testing.assert_array_equal(fixed.points[:, INDEX["nose"]], walker.points[:, INDEX["nose"]])


@pytest.mark.parametrize(("heading", "side"), [(1.0, "right"), (-1.0, "left")])
def test_direction_and_near_side_are_those_of_the_way_through_the_picture(heading: float, side: str) -> None:
    walk = find_walk(_walker(heading=heading), WIDTH, HEIGHT, None, name="film")
    assert (walk.heading, walk.near_side) == (heading, side)
    assert walk.leg_px == pytest.approx(0.96 * LEG, rel=0.02)
    assert walk.floor_px == pytest.approx(FLOOR, abs=0.02 * LEG)
    assert abs(walk.floor_slope) < 0.02
    assert find_walk(_walker(heading=heading), WIDTH, HEIGHT, "left", name="film").near_side == "left"


def test_the_walk_ends_where_head_or_feet_leave_the_picture() -> None:
    walker = _walker(seconds=8.0)
    walk = find_walk(walker, WIDTH, HEIGHT, None, name="film")
    rows = [INDEX[f"{name}_{side}"] for name in ("heel", "toe") for side in ("left", "right")]
    feet = walker.points[walk.start : walk.end, rows, 0]
    assert 0.09 * LEG <= feet.min() < 0.09 * LEG + 12
    assert WIDTH - 0.09 * LEG - 12 < feet.max() < WIDTH - 0.09 * LEG
    with pytest.raises(BadInputError, match=r"film: head and feet of the walker are in the picture for 0.0 s"):
        find_walk(walker, WIDTH, int(FLOOR) - 40, None, name="film")


def test_who_turns_back_is_left_out_on_the_way_back() -> None:
    there, back = _walker(), _walker(heading=-1.0)
    both = Walker(
        np.concatenate([there.times, there.times[-1] + 1 / 60 + back.times]),
        *(np.concatenate([getattr(there, n), getattr(back, n)]) for n in ("points", "depth", "visibility", "score")),
        (*there.masks, *back.masks),
    )
    walk = find_walk(both.part(0, 440), WIDTH, HEIGHT, None, name="film")
    assert walk.heading == 1.0
    assert walk.end == pytest.approx(len(there.times), abs=16)
    away = against(both, walk)
    assert away[260:].all()
    assert not away[:220].any()
    gone = both.without(away)
    assert np.isnan(gone.points[300]).all()
    assert gone.masks[300] is None


def test_films_that_no_force_can_be_told_of_are_refused_with_advice() -> None:
    walker = _walker()
    wide = walker.points.copy()
    wide[:, INDEX["shoulder_left"], 0] -= 0.3 * LEG
    with pytest.raises(RefusedError, match=r"not seen from the side.*at right angles"):
        find_walk(replace(walker, points=wide), WIDTH, HEIGHT, None, name="film")
    small = walker.points * (0.9 * LEAST_LEG_PX / LEG)
    with pytest.raises(BadInputError, match=r"leg is 3[0-9] px long.*film from nearer"):
        find_walk(replace(walker, points=small), WIDTH, HEIGHT, None, name="film")
    late = walker.times + np.where(walker.times > 2.91, 0.9, 0.0)
    lost = walker.points.copy()
    lost[175:178] = np.nan  # who went on meanwhile is found again some pictures later
    with pytest.raises(BadInputError, match=r"no picture is there for 0.9 s from 2.90 s on"):
        find_walk(replace(walker, times=late, points=lost).part(130, 200), WIDTH, HEIGHT, None, name="film")
    middle = np.array([640.0, 360.0])
    for turn, words in ((np.diag([-1.0, -1.0]), "upside down"), (np.array([[0.0, 1.0], [-1.0, 0.0]]), "on the side")):
        turned = replace(walker, points=(walker.points - middle) @ turn + middle)
        with pytest.raises(RefusedError, match=f"film: the walker is {words} in the picture; turn the film"):
            find_walk(turned, WIDTH, HEIGHT, None, name="film")
    standing = walker.points - (walker.points[:, [INDEX["hip_left"]]] - [640.0, 420.0])
    assert find_walk(replace(walker, points=standing), WIDTH, HEIGHT, None, name="film").heading == 1.0  # a treadmill
    for side in ("left", "right"):
        standing[:, INDEX[f"toe_{side}"]] = standing[:, INDEX[f"heel_{side}"]]
    with pytest.raises(RefusedError, match="near side is unknown"):
        find_walk(replace(walker, points=standing), WIDTH, HEIGHT, None, name="film")


def test_the_walker_is_who_goes_farthest_and_another_is_asked_for() -> None:
    times = np.arange(20) * 0.2
    far, near, still = (
        _path(np.linspace(0, 900, 20), times),
        _path(np.linspace(900, 300, 20), times),
        _path(np.full(20, 50.0), times),
    )
    assert choose([far, still], None, name="film") is far
    with pytest.raises(RefusedError, match=r"2 people walk .* at the same time; say whose .*--walker left, right"):
        choose([far, near, still], None, name="film")
    assert choose([far, near, still], "left", name="film") is far
    assert choose([far, near, still], "right", name="film") is near
    assert choose([far, near, still], 2, name="film") is still
    later = _path(np.linspace(900, 300, 20), times + 10)
    assert choose([far, later], None, name="film") is far
    for wrong in ("3", "middle", -1):
        with pytest.raises(BadInputError, match="is not left, right or 0 to 2"):
            choose([far, near, still], wrong, name="film")
    with pytest.raises(BadInputError, match="nobody was found; film one person whole"):
        choose([], None, name="film")


def test_one_person_is_not_two() -> None:
    walker = _walker()
    square, mask = Region(640.0, 420.0, 500.0, 0.0, 1.0), np.zeros((256, 256), dtype=np.uint8)
    points = walker.points[17].copy()
    points[points.sum(axis=1) == 0] = points[INDEX["hip_left"]]

    def pose(shift_px: float) -> Pose:
        moved = points + np.array([shift_px, 0.0])
        return Pose(moved, np.zeros(33), np.ones(33), 1.0, square, square, mask)

    assert _seen(pose(0.0), [pose(20.0)])
    ghost = replace(
        pose(0.0), points=points + np.where(np.arange(33) < INDEX["hip_left"], 90.0, 0.0)[:, None] * [1.0, 0.0]
    )
    assert _seen(ghost, [pose(0.0)])  # the legs of one square, the trunk of another
    assert not _seen(pose(0.0), [pose(300.0)])
    path = _path(np.array([300.0, 330.0]), np.array([0.0, 0.2]))
    assert path.expected(0.4).x == pytest.approx(360.0)
    assert path.expected(1.1).x == pytest.approx(330.0)


def test_squares_cover_a_wide_picture() -> None:
    squares = tiles(1920, 1080)
    assert squares[0].x - squares[0].side / 2 == 0
    assert squares[-1].x + squares[-1].side / 2 == 1920
    assert np.diff([square.x for square in squares]).max() <= 540
    assert tiles(480, 480) == []


def test_a_clip_has_one_scale_the_floor_fixed_and_goes_to_the_right() -> None:
    for heading in (1.0, -1.0):
        walker = _walker(heading=heading)
        walk = find_walk(walker, WIDTH, HEIGHT, None, name="film")
        there = crop_map(walk, 500.0)
        ahead = there @ [500.0 + heading * walk.leg_px, walk.floor_px, 1.0]
        np.testing.assert_allclose(ahead, [(SIDE - 1) / 2 + LEG_ROWS, FLOOR_ROW - 0.5])
        images = silhouettes(walker, walk)
        assert images.shape == (len(walker.times), SIDE, SIDE)
        # the mask is 40 px wide and 400 high, its middle at the trunk
        assert images[10].sum() / 255 == pytest.approx(40 * 400 * (LEG_ROWS / walk.leg_px) ** 2, rel=0.05)
        columns = images[10].sum(axis=0)
        assert (columns * np.arange(SIDE)).sum() / columns.sum() == pytest.approx((SIDE - 1) / 2, abs=0.3)


def test_the_full_frame_is_the_whole_picture_in_grey() -> None:
    picture = np.zeros((90, 160, 3), dtype=np.uint8)
    picture[:, 80:] = 200
    small = full_frame(picture, turned=False)
    assert small.shape == (SIDE, SIDE)
    assert small[:, :18].max() == 0
    assert small[:, 22:].min() == 200
    assert full_frame(picture, turned=True)[:, 22:].max() == 0


def test_a_camera_that_moves_is_told_from_one_that_stands() -> None:
    texture = np.kron(np.random.default_rng(3).integers(0, 255, (60, 90)), np.ones((8, 8))).astype(np.uint8)
    still, moving, even = Background(), Background(), Background()
    for i in range(6):
        still.look(np.repeat(texture[:, :640, None], 3, axis=2), 0.2 * i, [])
        moving.look(np.repeat(texture[:, 6 * i : 640 + 6 * i, None], 3, axis=2), 0.2 * i, [])
        even.look(np.full((480, 640, 3), 90, dtype=np.uint8), 0.2 * i, [])
    assert still.shift_px(0.0, 2.0) < 0.1
    assert moving.shift_px(0.0, 2.0) == pytest.approx(12.0, abs=1.0)  # from the median place: half of 24 px
    assert np.isnan(even.shift_px(0.0, 2.0))


@pytest.mark.recordings
def test_a_real_walker_is_found_in_a_picture(real_file: Callable[[str], Path]) -> None:
    cv = pytest.importorskip("cv2")
    capture = cv.VideoCapture(str(real_file("sports2d_demo/demo.mp4")))
    capture.set(cv.CAP_PROP_POS_FRAMES, 120)
    picture = capture.read()[1][..., ::-1].copy()
    model = PoseModel()
    first = model.look(picture, model.detect(picture)[0])
    pose = model.look(picture, first.following)
    assert pose.score > 0.9
    # the woman who walks to the left near the middle of the picture, her left foot ahead
    assert pose.hip == pytest.approx([823, 722], abs=12)
    assert pose.points[INDEX["heel_left"], 0] < pose.points[INDEX["heel_right"], 0]
    assert pose.mask.max() == 255


def test_the_networks_say_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    PoseModel()
    assert capfd.readouterr().err == ""
