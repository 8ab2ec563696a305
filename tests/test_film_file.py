"""A rendered film as a file: its stamps, its pictures, its bytes, and that a person can be seen in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from film_walker import stick_walker
from grfkit.errors import BadInputError
from grfkit.simulate.film.camera import Camera
from grfkit.simulate.film.clock import FilmStamps, film_stamps
from grfkit.simulate.film.look import draw_look
from grfkit.simulate.film.pictures import body_masks, film_pictures
from grfkit.simulate.film.truth import true_film_recording
from grfkit.simulate.film.write import write_film

av = pytest.importorskip("av")
SIZE = {"width_px": 256, "height_px": 144}


def short_stamps() -> FilmStamps:
    return film_stamps(from_s=0.2, to_s=0.45, jitter_ms=1.5, dropped=0.15, seed=2)


def test_a_film_keeps_the_stamps_and_says_that_it_is_rendered(tmp_path: Path) -> None:
    body, look, stamps = stick_walker(), draw_look("base", seed=1, person=0), short_stamps()
    camera = look.camera(body, "right", **SIZE)
    for name in ("a.mp4", "b.mp4"):
        write_film(tmp_path / name, film_pictures(body, look, camera, stamps), stamps.film_s, first_stamp_s=0.3)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["title"] == "rendered film"
        frames = list(container.decode(video=0))
    seen = np.asarray([float(frame.pts * frame.time_base) for frame in frames])
    np.testing.assert_allclose(seen, stamps.film_s + 0.3, atol=1e-5)
    pictures = film_pictures(body, look, camera, stamps)
    first = next(pictures).astype(float)
    assert np.abs(frames[0].to_ndarray(format="rgb24") - first).mean() < 8.0


def test_pictures_show_the_walker_where_the_true_points_are(tmp_path: Path) -> None:
    body, look, stamps = stick_walker(), draw_look("other", seed=4, person=2), short_stamps()
    camera = look.camera(body, "left", **SIZE)
    empty = replace(body, points={n: p + np.asarray([0.0, 0.0, 99.0]) for n, p in body.points.items()})
    with_body = next(film_pictures(body, look, camera, stamps)).astype(int)
    without = next(film_pictures(empty, look, camera, stamps)).astype(int)
    mask = next(body_masks(body, look, camera, stamps.reference_s[:1]))
    changed = np.abs(with_body - without).max(axis=2) > 25
    assert (changed & mask).sum() / mask.sum() > 0.7
    assert (changed & ~mask).mean() < 0.01
    points = true_film_recording(body, look, camera, stamps).streams["keypoints"]["position"].values[0]
    columns, rows = np.rint(points).astype(int).T
    assert mask[rows, columns].mean() > 0.85


def test_nobody_is_in_the_picture_before_and_after_the_motion() -> None:
    body, look = stick_walker(), draw_look("base", seed=1, person=0)
    camera = look.camera(body, "right", **SIZE)
    before, during = film_pictures(body, look, camera, FilmStamps(np.asarray([0.0, 0.6]), -0.2, 0.0))
    alone = next(film_pictures(body, look, camera, FilmStamps(np.asarray([0.0]), 9.0, 0.0)))
    assert np.abs(before.astype(int) - alone).max() < 40
    assert np.abs(during.astype(int) - alone).max() > 60


def test_films_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    picture = np.zeros((32, 48, 3), dtype=np.uint8)
    with pytest.raises(BadInputError, match="same stamp"):
        write_film(tmp_path / "a.mp4", [picture] * 2, np.asarray([0.1, 0.1]))
    with pytest.raises(BadInputError, match="1 pictures for 2 stamps"):
        write_film(tmp_path / "a.mp4", [picture], np.asarray([0.0, 0.1]))
    with pytest.raises(BadInputError, match="more pictures than 1 stamps"):
        write_film(tmp_path / "a.mp4", [picture] * 2, np.asarray([0.0]))
    with pytest.raises(BadInputError, match="even sides"):
        write_film(tmp_path / "a.mp4", [picture[:31]], np.asarray([0.0]))


def test_the_camera_of_another_laboratory_sees_the_whole_walker() -> None:
    body = stick_walker()
    for person in range(12):
        camera: Camera = draw_look("other", seed=16, person=person).camera(body, "right", width_px=1280, height_px=720)
        low, _ = camera.project(body.middle("hip") * np.asarray([1.0, 1.0, 0.0]))
        high, _ = camera.project(body.points["head"] + np.asarray([0.0, 0.0, 0.12]))
        assert low[:, 1].max() < 712
        assert high[:, 1].min() > 8
