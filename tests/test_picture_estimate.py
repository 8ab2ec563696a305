"""Models of a film's pictures on new films: the near foot's force, and films that are refused with advice."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from film_walks import FLOOR_PX, contacts, film_trial, stance_force_bw
from grfkit import estimate, train
from grfkit.cli.quantize import main
from grfkit.errors import BadInputError, RefusedError
from grfkit.learn.model import GrfModel
from grfkit.records import Trial
from grfkit.records.film_streams import make_images

SPEEDS = (1.0, 1.15, 1.3, 1.45, 1.6)
SIDE = 40


def filmed(**walk: float | str) -> Trial:
    """Return a walk with keypoints, plates, and pictures of its points: those of the near leg are larger."""
    trial = film_trial(**walk)  # type: ignore[arg-type]
    stream = trial.tree["film/keypoints"].to_dataset()
    leg, names = float(stream.attrs["leg_px"]), [str(n) for n in stream["landmark"].values]
    place = stream["position"].values
    near, heading = str(stream.attrs["near_side"]) or "right", float(stream.attrs["heading"])
    images = np.zeros((place.shape[0], SIDE, SIDE), dtype=np.uint8)
    middle = place[:, names.index("hip_right"), 0]
    for k, name in enumerate(names):
        half = 2 if name.endswith(near) else 1
        column = np.rint(SIDE / 2 + heading * 12 * (place[:, k, 0] - middle) / leg).astype(int)
        row = np.rint(SIDE - 4 - 16 * (FLOOR_PX - place[:, k, 1]) / leg).astype(int)
        for frame, (r, c) in enumerate(zip(row.clip(3, SIDE - 4), column.clip(3, SIDE - 4))):
            images[frame, r - half : r + half + 1, c - half : c + half + 1] = 255
    about = {n: v for n, v in stream.attrs.items() if n in ("heading", "near_side", "leg_px", "floor_px")}
    trial.tree["film/images"] = trial.tree["film/keypoints"].copy()
    pictures = make_images(images, stream["time"].values, picture="silhouette", attrs=about)
    trial.tree["film/images"].dataset = pictures
    return trial


def with_pictures(trial: Trial, images: np.ndarray) -> Trial:
    stream = trial.tree["film/images"].to_dataset()
    trial.tree["film/images"].dataset = stream.assign(image=(stream["image"].dims, images.astype(np.uint8)))
    return trial


def images_of(trial: Trial) -> np.ndarray:
    return np.asarray(trial.tree["film/images"]["image"].values)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "trials").mkdir()
    for k, speed in enumerate(SPEEDS):
        filmed(participant=f"P{k}", speed_m_s=speed, seed=k).to_netcdf(folder / "trials" / f"walk{k}.nc")
    train(folder / "trials", preset="film-silhouette", out=folder / "model")
    return folder / "model"


def test_the_near_foots_force_comes_from_the_pictures(model: Path, tmp_path: Path) -> None:
    walker = filmed(participant="new", speed_m_s=1.25, seed=99)
    found = estimate(model, walker, out=tmp_path / "f.csv", report=tmp_path / "r.html")
    assert (sorted(found.feet), found.cut, found.cut_of_training) == (["right"], "film", "force")
    assert found.axes == ("vgrf", "apgrf", "mlgrf")
    curve, errors = found.feet["right"], []
    for begin, stop in contacts("right", 4, 1.25)[:3]:
        inside = (curve.time_s > begin + 0.05) & (curve.time_s < stop - 0.05)
        truth = stance_force_bw((curve.time_s[inside] - begin) / (stop - begin), 1.25)
        errors.append(np.abs(curve.force_bw[inside] - truth).mean(axis=0))
    assert np.mean(errors, axis=0)[0] < 0.15  # measured .05; the mean force is .9 BW
    told = " ".join(found.findings)
    assert "the right side faces the camera" in told
    assert "the model tells the force of the near foot alone" in told
    assert "landing and toe-off are those that the film shows" in told
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 5
    assert "the right foot pushes off" in page
    assert (tmp_path / "f.csv").read_text(encoding="utf-8").startswith("time [s],right_vgrf [BW]")


def test_a_force_that_does_not_end_with_the_stance_is_flagged(model: Path) -> None:
    walker = filmed(participant="new", speed_m_s=1.25, seed=99)
    flag = "force far from 0 where the foot lands or leaves"
    assert not any(flag in row.flags for row in estimate(model, walker).rows)
    images, (_, stop) = images_of(walker).copy(), contacts("right", 4, 1.25)[1]
    # the picture of midstance stays until the foot has left
    held = slice(round((stop - 0.15) * 60), round((stop + 0.1) * 60))
    images[held] = images[held.start - 12]
    found = estimate(model, with_pictures(walker, images), accept_beyond=True)
    assert sum(flag in row.flags for row in found.rows) == 1


def test_who_walks_the_other_way_shows_the_left_foot(model: Path) -> None:
    found = estimate(model, filmed(participant="new", near="left", heading=-1.0))
    assert sorted(found.feet) == ["left"]


@pytest.mark.parametrize("change", ["backward", "mirrored", "half"])
def test_pictures_unlike_those_of_training_are_refused(model: Path, change: str) -> None:
    walker = filmed(participant="new", speed_m_s=1.25, seed=99)
    images = images_of(walker)
    images = {"backward": images[::-1], "mirrored": images[:, :, ::-1], "half": images * (np.arange(SIDE) < 20)}[change]
    with pytest.raises(RefusedError, match="times as far from those of training"):
        estimate(model, with_pictures(walker, images))
    told = estimate(model, with_pictures(walker, images), accept_beyond=True).findings
    assert any(text.startswith("OUTSIDE TRAINING") for text in told)


def test_a_stance_in_which_the_walker_is_not_found_has_no_force(model: Path) -> None:
    walker = filmed(participant="new", speed_m_s=1.25, seed=99)
    images, (begin, stop) = images_of(walker).copy(), contacts("right", 4, 1.25)[1]
    images[round((begin + stop) / 2 * 60)] = 0
    found = estimate(model, with_pictures(walker, images))
    assert found.rejected["the walker is not found in a picture"] == 1
    curve = found.feet["right"]
    assert np.isnan(curve.at(np.asarray([(begin + stop) / 2]))).all()


def test_films_that_no_force_comes_from_are_refused(model: Path) -> None:
    with pytest.raises(RefusedError, match="30 pictures a second, expected 50"):
        estimate(model, filmed(participant="new", rate_hz=30.0))
    with pytest.raises(RefusedError, match="has 50 pictures a second, and the model's clips 60"):
        estimate(model, filmed(participant="new", rate_hz=50.0))
    with pytest.raises(BadInputError, match="--near-side"):
        estimate(model, filmed(participant="new", near=""))
    alone = filmed(participant="new")
    alone.tree.attrs["mass_kg"] = float("nan")
    with pytest.raises(BadInputError, match="--mass-kg"):
        estimate(model, alone)
    without = filmed(participant="new")
    del without.tree["film"]["images"]
    with pytest.raises(BadInputError, match="0 streams of pictures 'silhouette'"):
        estimate(model, without)


def test_a_film_of_120_pictures_a_second_is_taken_at_the_models_rate(model: Path) -> None:
    found = estimate(model, filmed(participant="new", rate_hz=120.0, speed_m_s=1.25))
    assert found.feet["right"].rate_hz == pytest.approx(120.0)
    assert found.rows
    assert all(row.answered for row in found.rows)


def test_a_model_of_pictures_knows_contact_times_and_a_distance(model: Path) -> None:
    known = GrfModel.load(model).spec.range
    assert known is not None
    assert known.inputs is not None
    assert known.spans["contact_s"].least == pytest.approx(0.65, abs=0.03)
    # blocks, not pixels: the document stays small
    assert len(json.dumps(known.model_dump(mode="json"))) < 200_000


def test_a_model_whose_range_is_of_other_inputs_is_told_to_be_older_or_edited(model: Path) -> None:
    trained = GrfModel.load(model)
    assert trained.spec.range is not None
    assert trained.spec.range.strength is not None
    pixels = trained.spec.range.strength.model_copy(update={"level": (1.0,) * 1600, "spread": (0.0,) * 1600})
    older = trained.spec.range.model_copy(update={"strength": pixels})
    trained = replace(trained, spec=trained.spec.model_copy(update={"range": older}))
    with pytest.raises(
        BadInputError, match=r"knows 1600 channels.*made by an older grfkit, or its document was edited"
    ):
        estimate(trained, filmed(participant="new", speed_m_s=1.25, seed=99))


def test_options_of_insoles_are_refused_with_a_model_of_pictures(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, value in {"--boards": "none", "--rate-hz": "100", "--keep-failed": str(tmp_path / "look")}.items():
        words = ["grf-quantize", "export", str(model), "--out", str(tmp_path / "b"), option, value]
        with patch.object(sys, "argv", words), pytest.raises(SystemExit) as stop:
            main()
        err = " ".join(capsys.readouterr().err.split())
        assert stop.value.code == 2
        assert f"leave out {option}, which would do nothing" in err
