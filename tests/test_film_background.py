"""Silhouettes by background subtraction: named, scaled by the outline alone, with no contacts and so no force."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from film_walks import film_trial
from grfkit import align, assemble, estimate, read, read_film
from grfkit.cli.inspect import main as inspect
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.from_keypoints import windows_of_keypoints
from grfkit.dataset.from_pictures import windows_of_pictures
from grfkit.errors import BadInputError, RefusedError
from grfkit.io import ReadOptions
from grfkit.provenance import Provenance
from grfkit.records import Recording, Trial
from grfkit.records.trees import make_recording
from grfkit.simulate.film.write import write_film

WIDTH, HEIGHT, LEG_PX, FLOOR_PX = 640, 360, 80, 320
NAMED = "background silhouette"


def a_walk(*, people: int = 1, way: float = 1.0, frames: int = 72, shift: float = 0.0) -> list[np.ndarray]:
    """Return pictures of blocks as tall as a body that go through the picture before a wall of noise."""
    rng = np.random.default_rng(1)
    # patches as large as a hand: a camera's marks
    patches = rng.integers(80, 140, (HEIGHT // 12, (WIDTH + 240) // 12, 3)).astype(np.uint8)
    wall = np.kron(patches, np.ones((12, 12, 1), dtype=np.uint8))
    pictures = []
    for k in range(frames):
        begin = round(shift * k)
        picture = wall[:, begin : begin + WIDTH].copy()
        for person in range(people):
            x = round(WIDTH / 2 + way * (k - frames / 2) * 6) + 150 * person
            top = round(FLOOR_PX - 2.1 * LEG_PX)
            picture[top:FLOOR_PX, max(0, x - 20) : max(0, x + 20)] = (200, 30, 30)
        pictures.append(picture)
    return pictures


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("film")
    write_film(tmp_path / "walk.mp4", a_walk(way=-1.0), np.arange(72) / 60.0)
    return tmp_path / "walk.mp4"


def test_the_outline_scales_the_picture_and_says_that_it_is_no_pose(film: Path) -> None:
    recording = read(film, ReadOptions(extra={"picture": NAMED}))
    assert list(recording.streams) == ["images"]
    stream = recording.streams["images"]
    assert stream.attrs["picture"] == NAMED
    assert (stream.attrs["heading"], stream.attrs["near_side"], stream.attrs["mirrored"]) == (-1.0, "left", 1)
    assert stream.attrs["leg_px"] == pytest.approx(LEG_PX, rel=0.05)
    assert stream.attrs["floor_px"] == pytest.approx(FLOOR_PX, abs=4)
    image = stream["image"].values[36] > 127
    rows = np.flatnonzero(image.any(axis=1))
    assert (rows[0], rows[-1]) == (pytest.approx(38 - 34, abs=1), pytest.approx(37, abs=1)), "2.1 legs of 16 rows"
    assert np.flatnonzero(image.any(axis=0)).mean() == pytest.approx(19.5, abs=1)
    assert any("no joint, contact or pace is known" in note for note in recording.notes)
    assert recording.provenance.configuration == {"picture": NAMED}


def test_it_needs_no_pose_model_and_is_named_where_that_lacks(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ai_edge_litert" else real(name))
    with pytest.raises(
        BadInputError, match=r"needs LiteRT, which runs the pose model.*--picture 'background silhouette'"
    ):
        read(film)
    with patch("grfkit.video.recording.PoseModel", side_effect=AssertionError("asked for the pose model")):
        assert "images" in read(film, ReadOptions(extra={"picture": NAMED})).streams


def test_what_it_cannot_tell_is_refused(tmp_path: Path) -> None:
    def of(name: str, pictures: list[np.ndarray]) -> Path:
        """Write a film."""
        write_film(tmp_path / name, pictures, np.arange(len(pictures)) / 60.0)
        return tmp_path / name

    with pytest.raises(RefusedError, match="two people or more move"):
        read_film(of("two.mp4", a_walk(people=2)), picture=NAMED)
    with pytest.raises(BadInputError, match="nobody is seen whole against the background"):
        read_film(of("none.mp4", a_walk(people=0)), picture=NAMED)
    with pytest.raises(RefusedError, match="the camera moves"):
        read_film(of("pan.mp4", a_walk(shift=2.0)), picture=NAMED)
    with pytest.raises(BadInputError, match="knows no people apart"):
        read_film(tmp_path / "two.mp4", picture=NAMED, walker="left")


def plates_of(trial: Trial) -> Recording:
    """Return the plates of a trial as a reference."""
    plates = {n.removeprefix("reference/"): s for n, s in trial.streams.items() if s.attrs["kind"] == "force_plate"}
    return make_recording(plates, device="plates", reader="none", provenance=Provenance())


def test_nothing_aligns_it_and_no_force_comes_of_it(film: Path) -> None:
    person = {"participant": "P", "mass_kg": 70.0, "surface": "overground"}
    with pytest.raises(BadInputError, match=r"no contact can be seen, so that nothing aligns it.*state its clock"):
        align(plates_of(film_trial()), [read_film(film, picture=NAMED)], **person)
    with pytest.raises(BadInputError, match=r"no contacts and no force.*by the pose model: leave out --picture"):
        estimate("grfkit:walking-side-view", read_film(film, picture=NAMED), mass_kg=70.0)


def test_where_its_clock_is_stated_it_is_put_beside_the_plates_and_can_be_learnt_from(film: Path) -> None:
    alignment = align(
        plates_of(film_trial(strides=1)), [read_film(film, picture=NAMED)], participant="P", mass_kg=70.0,
        surface="overground", offset_s=0.1,
    )  # fmt: skip
    stated = alignment.maps["images"]
    assert (stated.verdict, stated.origin, stated.check) == ("aligned", "offset", "unclear")
    assert any("nothing checks the given clock" in finding for finding in stated.findings)
    trial = assemble(alignment)
    assert trial.streams["images"]["time"].values[0] == pytest.approx(0.1)
    request = CutRequest(kinds=("images",), source="force", rule="5%BW walking", picture=NAMED, window_s=0.8)
    windows = windows_of_pictures(trial, request)
    assert windows.size >= 1
    with pytest.raises(BadInputError, match="0 streams of pictures 'silhouette'"):
        windows_of_pictures(trial, CutRequest(kinds=("images",), source="force", picture="silhouette"))
    with pytest.raises(BadInputError, match="no contacts and no force without plates"):
        windows_of_keypoints(trial, CutRequest(kinds=("keypoints",), source="film"))
    # one plate alone, which does not say whose foot it is
    del trial.tree["reference"]["plate_left"]
    del trial.tree["reference/plate_right"].attrs["knows_feet"]
    with pytest.raises(BadInputError, match=r"foot unknown.*do not show which foot is on a plate"):
        windows_of_pictures(trial, request)


def test_grf_inspect_shows_it(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(sys, "argv", ["grf-inspect", str(film), "--picture", NAMED, "--json"]), pytest.raises(SystemExit):
        inspect()
    report = json.loads(capsys.readouterr().out)
    assert "background subtraction" in json.dumps(report)
