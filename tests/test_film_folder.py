"""``grf-simulate film``: what the folder holds, that its truth is the film's, and that it says ``rendered``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from grfkit.cli.simulate import app
from grfkit.io import read
from grfkit.simulate.film.folder import FilmRequest, planned_films, simulate_film
from grfkit.simulate.film.look import draw_look
from grfkit.simulate.film.phantom import phantom_body
from grfkit.simulate.film.truth import true_film_recording

av = pytest.importorskip("av")
SMALL = ["--width-px", "192", "--height-px", "108", "--duration-s", "6", "--rate-hz", "20", "--surface", "treadmill"]


def test_a_folder_holds_films_plates_a_table_and_the_truth_and_says_rendered(tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ["film", str(tmp_path / name), *SMALL, "--people", "2", "--dropped", "0.1", "--json"]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    folder = tmp_path / "a"
    assert json.loads(done.stdout.splitlines()[-1])["rendered"] is True
    with (folder / "TABLE.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["participant"] for row in rows] == ["P01", "P02"]
    assert [row["near_side"] for row in rows] == ["right", "left"]
    for row in rows:
        assert row["rendered"] == "phantom"
        truth = json.loads((folder / "truth" / f"{Path(row['film']).stem}.truth.json").read_text(encoding="utf-8"))
        assert truth["rendered"].startswith("rendered")
        with av.open(str(folder / row["film"])) as container:
            stamps = np.asarray([float(f.pts * f.time_base) for f in container.decode(video=0)])
        assert stamps.size == truth["film"]["frames"] < 120
        assert stamps[0] == pytest.approx(truth["film"]["first_stamp_s"], abs=1e-5)
        assert len(read(folder / row["reference"]).of_kind("force_plate")) == 2
        assert (folder / row["film"]).read_bytes() == (tmp_path / "b" / row["film"]).read_bytes()


def test_the_phantom_on_film_stands_where_the_plates_feel_it() -> None:
    request = FilmRequest(surface="overground", duration_s=20.0, seed=3, width_px=640, height_px=360)
    planned = planned_films(request)[0]
    trial, stamps, _ = simulate_film(planned, request)
    body = phantom_body(trial.truth, stamps.reference_s)
    camera = draw_look("base", seed=3, person=0).camera(body, "right", width_px=640, height_px=360)
    film = true_film_recording(body, draw_look("base", seed=3, person=0), camera, stamps).streams["keypoints"]
    heels = {side: film["position"].sel(landmark=f"heel_{side}").values for side in ("left", "right")}
    # passes: the walker is in the picture for some seconds, then away
    assert 0.05 < np.isfinite(heels["left"][:, 0]).mean() < 0.8
    table = trial.truth.contacts
    seen = 0
    for onset, contact, left in zip(table.onset_s, table.contact_s, table.left):
        inside = (stamps.reference_s > onset + 0.2 * contact) & (stamps.reference_s < onset + 0.45 * contact)
        path = heels["left" if left else "right"][inside]
        if inside.sum() > 3 and np.isfinite(path).all():
            seen += 1
            assert np.ptp(path[:, 0]) < 3.0
    assert seen >= 3


def test_what_cannot_be_filmed_is_refused_in_a_line(tmp_path: Path) -> None:
    for words, part in (
        (["--width-px", "193"], "even"),
        (["--laboratory", "moon"], "laboratory"),
        (["--dropped", "0.9"], "dropped"),
    ):
        done = CliRunner().invoke(app, ["film", str(tmp_path / "out"), *words])
        assert done.exit_code != 0
        assert part in f"{done.output} {done.exception}"
        assert not (tmp_path / "out").exists()
