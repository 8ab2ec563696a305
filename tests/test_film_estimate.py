"""From films to a model and back: force of both feet of a film, and films that are refused with advice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from film_walks import contacts, film_trial, stance_force_bw
from grfkit import cut_windows, estimate, evaluate, train
from grfkit.cli.learn_words import scores_text
from grfkit.dataset.cut import CutRequest
from grfkit.errors import BadInputError, RefusedError
from grfkit.learn.recipe import Recipe
from grfkit.records import Trial
from grfkit.records.window_length import in_contact

SPEEDS = (1.0, 1.15, 1.3, 1.45, 1.6)


@pytest.fixture(scope="module")
def trials() -> dict[str, Trial]:
    return {
        f"walk{k}{i}": film_trial(participant=f"P{k}", speed_m_s=speed + 0.05 * i, seed=10 * k + i)
        for k, speed in enumerate(SPEEDS)
        for i in (0, 1)
    }


@pytest.fixture(scope="module")
def model(trials: dict[str, Trial], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    (folder / "trials").mkdir()
    for name, trial in trials.items():
        trial.to_netcdf(folder / "trials" / f"{name}.nc")
    config = folder / "film.toml"
    config.write_text('method = "ridge"\n[cut]\nkinds = ["keypoints"]\nsource = "force"\nrule = "5%BW walking"\n')
    train(folder / "trials", config=config, out=folder / "model")
    return folder / "model"


def test_force_of_a_new_walker_comes_from_the_film(model: Path) -> None:
    walker = film_trial(participant="new", speed_m_s=1.25, seed=99)
    found = estimate(model, walker, cut="force")
    assert found.axes == ("vgrf", "apgrf", "mlgrf")
    assert sorted(found.feet) == ["left", "right"]
    for side, curve in found.feet.items():
        for begin, stop in contacts(side, 4, 1.25)[:3]:
            inside = (curve.time_s > begin + 0.03) & (curve.time_s < stop - 0.03)
            truth = stance_force_bw((curve.time_s[inside] - begin) / (stop - begin), 1.25)
            assert np.abs(curve.force_bw[inside] - truth).mean(axis=0).max() < 0.05
    assert {r.side for r in found.rows if "far foot, half hidden by the near leg" in r.flags} == {"left"}
    assert any("the right side faces the camera" in f for f in found.findings)


def test_rows_tell_of_the_contacts_that_the_film_shows_not_of_the_windows_beyond_them(model: Path) -> None:
    found = estimate(model, film_trial(participant="new", speed_m_s=1.25, seed=99), cut="film", accept_beyond=True)
    shown = contacts("right", 4, 1.25)
    rows = [row for row in found.rows if row.side == "right"]
    assert rows
    for row in rows:
        begin, stop = min(shown, key=lambda contact: abs(contact[0] - row.start_s))
        assert row.start_s == pytest.approx(begin, abs=0.05)
        assert row.contact_s == pytest.approx(stop - begin, abs=0.08)


def test_trials_of_films_alone_are_cut_as_films(trials: dict[str, Trial]) -> None:
    from grfkit.dataset.cut import CutRequest
    from grfkit.learn.uncalibrated import film_request

    request = film_request(CutRequest())
    assert (request.kinds, request.source, request.rule) == (("keypoints",), "film", "5%BW walking")


def test_networks_on_films_are_told_how_films_are_cut(trials: dict[str, Trial]) -> None:
    with pytest.raises(BadInputError, match=r"no insole or imu stream .*it holds a film, .* kinds = \["):
        train(list(trials.values())[:2], network="mlp", epochs=1)


def test_a_film_without_a_mass_is_refused(model: Path) -> None:
    walker = film_trial(participant="new")
    walker.tree.attrs["mass_kg"] = float("nan")
    with pytest.raises(BadInputError, match="--mass-kg"):
        estimate(model, walker, cut="force")


def test_a_film_whose_near_side_is_not_known_is_refused(model: Path) -> None:
    with pytest.raises(BadInputError, match="--near-side"):
        estimate(model, film_trial(participant="new", near=""), cut="force")


def test_a_film_of_30_pictures_a_second_is_refused(model: Path) -> None:
    with pytest.raises(RefusedError, match="30 pictures a second, expected 50"):
        estimate(model, film_trial(participant="new", rate_hz=30.0), cut="force")


def test_a_film_with_a_third_of_its_pictures_missing_is_refused(model: Path) -> None:
    walker = film_trial(participant="new")
    stream = walker.tree["film/keypoints"].to_dataset()
    lost = np.random.default_rng(1).random(stream.sizes["time"]) < 0.3
    walker.tree["film/keypoints"] = stream.isel(time=np.flatnonzero(~lost))
    with pytest.raises(RefusedError, match="% of its pictures are missing"):
        estimate(model, walker, cut="force")


def test_a_walker_seen_from_elsewhere_is_refused_and_taken_where_that_is_accepted(model: Path) -> None:
    walker = film_trial(participant="new", seed=3)
    stream = walker.tree["film/keypoints"].to_dataset().copy(deep=True)
    # filmed obliquely: the way ahead is shortened
    stream["position"].values[:, :, 0] *= 0.3
    walker.tree["film/keypoints"] = stream
    with pytest.raises(RefusedError, match="film from the side"):
        estimate(model, walker, cut="force")
    assert estimate(model, walker, cut="force", accept_beyond=True).outside


def test_a_hole_in_the_film_costs_its_stances_alone(model: Path) -> None:
    walker = film_trial(participant="new", seed=4)
    stream = walker.tree["film/keypoints"].to_dataset()
    time = stream["time"].values
    walker.tree["film/keypoints"] = stream.isel(time=np.flatnonzero((time < 1.6) | (time > 1.85)))
    found = estimate(model, walker, cut="force")
    assert found.rejected["leaves the picture, or a joint is hidden"] >= 1
    curve = found.feet["right"]
    assert np.isnan(curve.force_bw[(curve.time_s > 1.3) & (curve.time_s < 1.5)]).all()


def test_an_evaluation_tells_the_error_of_the_contact_alone_where_windows_go_beyond_it(
    trials: dict[str, Trial],
) -> None:
    cut = CutRequest(kinds=("keypoints",), source="film", rule="5%BW walking")
    three = [trials[name] for name in ("walk00", "walk10", "walk20")]
    scores = evaluate(three, config=Recipe(method="ridge", cut=cut)).scores
    group = scores["methods"][scores["headline"]]["vgrf"]["group"]
    # .08 s of nothing on either side of .6 s: the error of all is the smaller one
    assert 1.02 < group["rmse_contact_bw"]["mean"] / group["rmse_bw"]["mean"] < 1.3
    assert "vgrf RMSE BW, contact alone" in scores_text(scores)
    by_plates = cut_windows(three[0], replace(cut, source="force"))
    assert in_contact(by_plates, by_plates.data.sizes["time"]) is None


def test_a_hole_within_a_stance_costs_that_stance_and_a_lost_picture_none(model: Path) -> None:
    for lost_s, reason in ((0.15, "pictures are missing"), (0.03, "")):
        walker = film_trial(participant="new", seed=4)
        stream = walker.tree["film/keypoints"].to_dataset()
        time = stream["time"].values
        walker.tree["film/keypoints"] = stream.isel(time=np.flatnonzero((time < 1.6) | (time > 1.6 + lost_s)))
        found = estimate(model, walker, cut="force")
        assert ("pictures are missing" in found.rejected) == bool(reason)


def test_a_film_of_50_rounded_pictures_a_second_is_taken(model: Path) -> None:
    assert estimate(model, film_trial(participant="new", rate_hz=49.97), cut="force").rows


def test_a_film_whose_pictures_repeat_each_other_is_refused(model: Path) -> None:
    walker = film_trial(participant="new")
    stream = walker.tree["film/keypoints"].to_dataset()
    stream.attrs["repeated"] = 0.5
    walker.tree["film/keypoints"] = stream
    with pytest.raises(RefusedError, match="50 % of its pictures repeat the one before, so that it has 30 pictures"):
        estimate(model, walker, cut="force")


def test_pictures_cut_out_within_a_stance_cost_it_though_stamps_go_on(model: Path) -> None:
    walker = film_trial(participant="new", seed=4)
    stream = walker.tree["film/keypoints"].to_dataset()
    time = stream["time"].values
    kept = np.flatnonzero((time < 1.6) | (time > 1.85))
    walker.tree["film/keypoints"] = stream.isel(time=kept).assign_coords(time=time[: kept.size])
    found = estimate(model, walker, cut="film", accept_beyond=True)
    assert any("pictures seem to be cut out" in f and "1.6" in f for f in found.findings)
    assert found.rows
    assert not any(row.start_s < 1.6 < row.end_s for row in found.rows)


def test_a_film_at_a_pace_that_nobody_walks_is_refused_and_slow_motion_too(model: Path) -> None:
    walker = film_trial(participant="new")
    stream = walker.tree["film/keypoints"].to_dataset()
    assert any(f.startswith("pace: 109 steps a minute") for f in estimate(model, walker, cut="force").findings)
    walker.tree["film/keypoints"] = stream.assign_coords(time=stream["time"] / 2.0)
    with pytest.raises(RefusedError, match="times too fast; nobody walks so"):
        estimate(model, walker, cut="film")
    walker.tree["film/keypoints"] = stream.assign_attrs(captured_hz=240.0)
    with pytest.raises(RefusedError, match="4 times slower than its camera states"):
        estimate(model, walker, cut="film")
