"""Streams of films: checked, written and read back as they were, and shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.io.film_notes import film_notes
from grfkit.io.inspect import _stream
from grfkit.provenance import Provenance
from grfkit.records import Recording, make_images, make_keypoints, make_recording

TIME = np.arange(6) / 60


def _recording() -> Recording:
    positions = np.arange(24.0).reshape(6, 2, 2)
    positions[2, 1] = np.nan
    pictures = np.arange(6 * 40 * 40, dtype=np.int64).reshape(6, 40, 40).astype(np.uint8)
    streams = {
        "keypoints": make_keypoints(positions, ["heel_left", "toe_left"], TIME),
        "images": make_images(pictures, TIME, picture="silhouette"),
    }
    return make_recording(streams, device="film", reader="film", provenance=Provenance())


def test_streams_of_a_film_come_back_from_a_file(tmp_path: Path) -> None:
    recording = _recording()
    recording.to_netcdf(tmp_path / "film.nc")
    again = Recording.from_netcdf(tmp_path / "film.nc")
    assert again.streams["images"]["image"].dtype == np.uint8
    for name, stream in recording.streams.items():
        again_stream = again.streams[name]
        for variable in stream.variables:
            np.testing.assert_array_equal(stream[variable].values, again_stream[variable].values)
        assert again_stream.attrs == stream.attrs


def test_a_hidden_point_is_not_visible_and_the_report_counts_it() -> None:
    recording = _recording()
    assert recording.streams["keypoints"]["visibility"].values[2].tolist() == [1.0, 0.0]
    streams = {name: _stream(name, data) for name, data in recording.streams.items()}
    assert [c.missing for c in streams["keypoints"].channels] == [0, 1]
    assert [c.name for c in streams["images"].channels] == ["image"]
    assert recording.to_pandas("keypoints").columns.tolist()[:2] == ["heel_left_x", "heel_left_y"]
    assert recording.to_pandas("images")["image"].iloc[0] == pytest.approx(np.mean(np.arange(1600) % 256))


@pytest.mark.parametrize(("step_s", "needed"), [(0.02002, False), (1 / 30, True)])
def test_a_film_of_fifty_pictures_is_not_told_that_fifty_are_needed(step_s: float, needed: bool) -> None:
    points = make_keypoints(np.zeros((40, 2, 2)), ["heel_left", "toe_left"], np.arange(40) * step_s)
    recording = make_recording({"keypoints": points}, device="film", reader="film", provenance=Provenance())
    assert ("at least 50 are needed" in film_notes(recording)[0]) is needed


@pytest.mark.parametrize("shape", [(6, 2, 3), (5, 2, 2), (6, 3, 2)])
def test_positions_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInputError, match=r"shape|samples"):
        make_keypoints(np.zeros(shape), ["heel_left", "toe_left"], TIME)


def test_pictures_that_are_not_eight_bit_are_refused() -> None:
    with pytest.raises(BadInputError, match="uint8"):
        make_images(np.zeros((6, 40, 40)), TIME, picture="grey")  # type: ignore[arg-type]
