"""A film file as the source of an estimate: its ending, its own options, pictures of a stance in the report."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from film_walks import film_recording, film_trial
from grfkit import estimate, train
from grfkit.errors import BadInputError, RefusedError
from grfkit.estimation import estimate as estimating
from grfkit.estimation import film_source
from grfkit.io import ReadOptions
from grfkit.learn.packaged import model_folder
from grfkit.records import Recording, make_images, make_recording


def with_pictures() -> Recording:
    recording = film_recording(jitter_px=0.5, seed=9)
    stream = recording.streams["keypoints"]
    pictures = np.zeros((stream.sizes["time"], 40, 40), dtype=np.uint8)
    pictures[:, 10:30, 15:25] = 255
    images = make_images(pictures, stream["time"].values, picture="silhouette")
    return make_recording(
        {"keypoints": stream, "images": images},
        device="film",
        reader="film",
        provenance=recording.provenance,
        notes=["3 people (or passes) were seen"],
    )


def test_the_report_shows_a_stance_of_the_near_foot_in_five_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = {f"walk{k}": film_trial(participant=f"P{k}", speed_m_s=1.1 + 0.15 * k, seed=k) for k in range(4)}
    config = tmp_path / "film.toml"
    config.write_text('method = "ridge"\n[cut]\nkinds = ["keypoints"]\nsource = "film"\nrule = "5%BW walking"\n')
    model = train(list(trials.values()), config=config)
    film = tmp_path / "walk.MP4"
    film.write_bytes(b"\0\0\0\x18ftypisom a film")
    monkeypatch.setattr(estimating, "film_recording", lambda *_, **__: with_pictures())
    monkeypatch.setattr(film_source, "is_film", lambda _: False)
    report = tmp_path / "report.html"
    result = estimate(model, film, mass_kg=70.0, out=tmp_path / "grf.csv", report=report)
    assert result.cut == "film"
    assert "3 people (or passes) were seen" in result.findings
    assert "3 people (or passes) were seen" in report.read_text()
    page = report.read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "img-src data:" in page
    for words in ("lands", "is loaded", "stands", "pushes off", "leaves"):
        assert f"the right foot {words}" in page
    first = page.split("data:image/png;base64,")[1].split('"')[0]
    assert base64.b64decode(first).startswith(b"\x89PNG")


@pytest.mark.parametrize("options", [ReadOptions(rate_hz=60.0), ReadOptions(extra={"side": "left"})])
def test_a_film_takes_no_options_of_other_files(tmp_path: Path, options: ReadOptions) -> None:
    film = tmp_path / "walk.mp4"
    film.write_bytes(b"\0\0\0\x18ftypisom a film")
    with pytest.raises(BadInputError, match="states its own times"):
        film_source.film_recording(film, options)


def test_what_is_no_film_is_refused_in_a_line(tmp_path: Path) -> None:
    film = tmp_path / "walk.mp4"
    film.write_bytes(b"\0\0\0\x18ftypisom a film")
    with pytest.raises(BadInputError, match="is no film") as refusal:
        film_source.film_recording(film, None)
    assert "\n" not in str(refusal.value)


def test_the_packaged_model_says_first_that_its_films_were_rendered_and_refuses_a_stick_figure(tmp_path: Path) -> None:
    card = (model_folder("grfkit:walking-side-view") / "CARD.md").read_text(encoding="utf-8")
    assert "RENDERED films" in card.splitlines()[0]
    with pytest.raises(RefusedError, match="times as far from"):
        estimate("grfkit:walking-side-view", film_recording(), mass_kg=70.0, out=tmp_path / "grf.csv")
    assert not (tmp_path / "grf.csv").exists()
    taken = estimate("grfkit:walking-side-view", film_recording(), mass_kg=70.0, accept_beyond=True)
    assert taken.outside
    assert taken.findings[0].startswith("trained on RENDERED films of 12 walkers: no real film with force plates has")
    assert sorted(taken.feet) == ["left", "right"]
