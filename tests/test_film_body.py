"""A rendered film's true points and pictures: the camera's geometry, the crop, the repeated stride, the clock."""

from __future__ import annotations

import numpy as np
import pytest

from film_walker import STRIDE_S, stick_walker
from grfkit.errors import BadInputError
from grfkit.signals.film_crop import CROP_PX, FLOOR_ROW, LEG_ROWS, crop_matrix
from grfkit.simulate.film.camera import Camera
from grfkit.simulate.film.clock import film_stamps
from grfkit.simulate.film.look import draw_look
from grfkit.simulate.film.motion import FilmedBody, extended, stride_s
from grfkit.simulate.film.truth import true_clock_map, true_film_recording


def test_a_walker_seen_from_its_right_goes_to_the_right_and_from_its_left_to_the_left() -> None:
    body, look = stick_walker(), draw_look("base", seed=1, person=0)
    stamps = film_stamps(from_s=0.0, to_s=1.6)
    for side, heading in (("right", 1.0), ("left", -1.0)):
        camera = look.camera(body, side, width_px=640, height_px=360)
        film = true_film_recording(body, look, camera, stamps).streams
        position = film["keypoints"]["position"].sel(landmark="nose", plane="x").values
        assert np.sign(position[-1] - position[0]) == heading == film["keypoints"].attrs["heading"]
        assert film["images"].attrs["mirrored"] == (heading < 0)
        assert film["keypoints"].attrs["near_side"] == side


def test_a_pinhole_camera_shows_a_metre_at_its_distance() -> None:
    camera = Camera(np.asarray([0.0, -3.5, 1.0]), "right", 1280, 720, field_deg=66.0)
    pixels, per_m = camera.project(np.asarray([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 2.0]]))
    assert pixels[0] == pytest.approx([639.5, 359.5])
    assert pixels[1] - pixels[0] == pytest.approx([per_m[0], 0.0])
    assert pixels[2] - pixels[0] == pytest.approx([0.0, -per_m[0]])
    assert per_m[0] == pytest.approx(camera.focal_px / 3.5)


def test_pictures_stand_on_one_row_with_the_trunk_in_the_middle_and_look_to_the_right() -> None:
    body, look = stick_walker(), draw_look("other", seed=3, person=1)
    stamps = film_stamps(from_s=0.0, to_s=1.6)
    films = {}
    for side in ("right", "left"):
        camera = look.camera(body, side, width_px=1280, height_px=720)
        films[side] = true_film_recording(body, look, camera, stamps).streams["images"]["image"].values
        assert films[side].shape == (stamps.film_s.size, CROP_PX, CROP_PX)
        lowest = [np.flatnonzero(picture.max(axis=1) > 127)[-1] for picture in films[side]]
        assert np.ptp(lowest) <= 3
        assert abs(np.median(lowest) - (FLOOR_ROW - 0.5)) < 2.5
        across = [np.average(np.arange(CROP_PX), weights=p[8:20].sum(axis=0)) for p in films[side]]
        assert np.abs(np.asarray(across) - (CROP_PX - 1) / 2).max() < 2.0
    # the two cameras stand differently, and near and far limbs change places: alike, not equal
    agree = (films["right"] > 127) == (films["left"] > 127)
    assert agree.mean() > 0.9


def test_the_crop_keeps_scale_and_floor_and_mirrors_about_the_trunk() -> None:
    plain, turned = (crop_matrix(300.0, 500.0, 200.0, turned=t) for t in (False, True))
    trunk, floor, ahead = np.asarray([300.0, 500.0, 1]), np.asarray([300.0, 500.0, 1]), np.asarray([350.0, 300.0, 1])
    assert (plain @ trunk)[0] == (turned @ trunk)[0] == pytest.approx((CROP_PX - 1) / 2)
    assert (plain @ floor)[1] == pytest.approx(FLOOR_ROW - 0.5)
    scale = LEG_ROWS / 200.0
    assert (plain @ ahead)[0] - (CROP_PX - 1) / 2 == pytest.approx(50 * scale)
    assert (turned @ ahead)[0] - (CROP_PX - 1) / 2 == pytest.approx(-50 * scale)


def test_a_stride_is_repeated_at_either_end_and_the_measured_stretch_stays() -> None:
    body = stick_walker()
    assert stride_s(body) == pytest.approx(STRIDE_S, abs=0.011)
    longer = extended(body, before_s=0.5, after_s=1.3)
    kept = (longer.time_s > -0.005) & (longer.time_s < body.time_s[-1] + 0.005)
    whole = stick_walker(5.0)
    for name in ("toe_left", "wrist_right", "nose"):
        np.testing.assert_array_equal(longer.points[name][kept], body.points[name])
        inside = longer.time_s >= 0.0
        np.testing.assert_allclose(longer.points[name][inside], whole.points[name][: inside.sum()], atol=1e-6)
    with pytest.raises(BadInputError, match="no whole stride"):
        extended(stick_walker(0.6), before_s=0.5, after_s=0.0)


def test_stamps_jitter_drop_and_drift_as_asked_and_the_map_is_exact() -> None:
    stamps = film_stamps(from_s=-0.3, to_s=9.7, drift_ppm=80.0, jitter_ms=2.0, dropped=0.1, seed=5)
    assert stamps.film_s[0] == 0.0
    assert np.all(np.diff(stamps.film_s) > 0)
    assert 0.85 < stamps.film_s.size / 600 < 0.95
    np.testing.assert_allclose(true_clock_map(stamps).apply(stamps.film_s), stamps.reference_s, atol=1e-12)
    np.testing.assert_allclose(stamps.reference_s, -0.3 + 1.00008 * stamps.film_s, atol=1e-12)


def test_a_body_with_gaps_or_without_a_point_is_refused() -> None:
    body = stick_walker()
    broken = dict(body.points) | {"nose": np.full((body.time_s.size, 3), np.nan)}
    with pytest.raises(BadInputError, match="'nose' has gaps"):
        FilmedBody(body.time_s, broken, 1.75, "sines", body.measured_s)
    lacking = {n: p for n, p in body.points.items() if n != "toe_left"}
    with pytest.raises(BadInputError, match="lacks the point 'toe_left'"):
        FilmedBody(body.time_s, lacking, 1.75, "sines", body.measured_s)
