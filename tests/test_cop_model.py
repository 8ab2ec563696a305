"""The centre of pressure from a model: its path on the ground, windows, training, proof and estimates, all in mm."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

import grfkit
from grfkit import GrfModel, StanceSet, Trial, cut_windows
from grfkit.errors import BadInputError
from grfkit.estimation.cop import estimate_cop
from grfkit.evaluation.cop import _against, cop_scores, evaluate_cop, sentences
from grfkit.evaluation.predictions import Predictions
from grfkit.gait.cop_path import BACKWARD, LOADED_BW, NOT_KNOWN, TOO_FAR, cop_path
from grfkit.learn import candidates
from grfkit.learn.cop_job import FAMILIES, cop_recipe, train_cop
from grfkit.learn.folds import LeakError
from grfkit.records.stance_set import join
from grfkit.records.target_units import COP_AXES, targets_of, unit_of
from grfkit.records.trees import read_tree
from grfkit.report.cop_page import cop_headline, render_cop_report
from grfkit.steps.cop_estimated import ESTIMATED_ONLY, MEASURED_ONLY
from grfkit.steps.study import study_table
from grfkit.steps.summary import counts
from grfkit.sync.frames import into_lab, lab_rotation
from test_learn_landmark_trials import mapping

TIME = np.linspace(0.0, 0.8, 81)
FORCE = 1.1 * np.sin(np.pi * TIME / 0.8)

WALKS = (("Sub02", "Sub02_CSBaseline", 56, 0.735), ("Sub06", "Sub06_EMGStiffKnee", 69.7, 0.722))
SHOES_MAP = "".join(
    f'[files."*_{kind}.trc"]\n"toes_r_imu_offset_imu" = "right_{of}"\n"toes_l_imu_offset_imu" = "left_{of}"\n'
    for kind, of in (("Accel", "acc [m/s^2]"), ("Gyro", "gyro [rad/s]"))
)


def step(run_m: float = 0.2, belt_m_s: float = 0.75, left_m: float = 0.01) -> np.ndarray:
    """Return a centre in the lab, forward and left, that runs so far under the foot while the belt carries it back."""
    share = TIME / TIME[-1]
    return np.stack([0.3 + run_m * share - belt_m_s * TIME, 0.1 + left_m * share], axis=1)


def test_a_path_is_that_under_the_foot_whatever_the_belt_does() -> None:
    on_belt = cop_path(step(), FORCE, TIME, belt_m_s=0.75, medial_sign=1.0)
    on_floor = cop_path(step(belt_m_s=0.0), FORCE, TIME, belt_m_s=0.0, medial_sign=1.0)
    assert not isinstance(on_belt, str)
    assert not isinstance(on_floor, str)
    np.testing.assert_allclose(on_belt, on_floor, atol=1e-9)
    loaded = FORCE >= LOADED_BW
    assert np.array_equal(np.isfinite(on_belt).all(axis=1), loaded)
    assert np.ptp(on_belt[loaded, 0]) == pytest.approx(200 * np.ptp(TIME[loaded]) / 0.8)
    assert np.average(on_belt[loaded], axis=0, weights=FORCE[loaded]) == pytest.approx([0, 0], abs=1e-9)


def test_medial_is_left_of_a_right_foot_and_right_of_a_left_one() -> None:
    right, left = (cop_path(step(), FORCE, TIME, belt_m_s=0.75, medial_sign=s) for s in (1.0, -1.0))
    assert not isinstance(right, str)
    assert not isinstance(left, str)
    np.testing.assert_allclose(right * [1, -1], left, atol=1e-9)
    assert right[40, 1] - right[20, 1] > 0


def test_paths_that_no_foot_makes_are_left_out_by_name() -> None:
    def path(lab: np.ndarray, force: np.ndarray = FORCE) -> object:
        return cop_path(lab, force, TIME, belt_m_s=0.75, medial_sign=1.0)

    assert path(step(run_m=-0.1)) == BACKWARD
    # the belt's speed is wrong by its half, or the other foot is on this belt
    assert path(step(run_m=0.6)) == TOO_FAR
    assert path(np.where(np.arange(81)[:, None] < 50, np.nan, step())) == NOT_KNOWN
    assert path(step(), 0.2 * FORCE) == NOT_KNOWN


def test_units_follow_the_axes_and_never_mix() -> None:
    assert (unit_of(COP_AXES), unit_of(("vgrf",)), targets_of(("cop_along",))) == ("mm", "BW", "cop")
    with pytest.raises(BadInputError, match=r"mix force \(BW\) and centre of pressure \(mm\)"):
        targets_of(("vgrf", *COP_AXES))


def in_lab(trial: Trial) -> Trial:
    """Return a simulated trial as grf-sync --forward +x aligns it."""
    for name, stream in trial.streams.items():
        if stream.attrs.get("kind") == "force_plate":
            trial.tree[name] = xr.DataTree(into_lab(stream, lab_rotation("+x", "+z")))
    return trial


@pytest.fixture(scope="module")
def trials() -> dict[str, Trial]:
    """Give four people's trials on a treadmill."""
    made = {}
    for k in range(1, 5):
        simulated = grfkit.simulate_trial(seed=k, duration_s=10, surface="treadmill", wearables=("insole",))
        made[f"P{k}"] = in_lab(simulated.on_true_clock(participant=f"P{k}"))
    return made


@pytest.fixture(scope="module")
def folder(trials: dict[str, Trial], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with three people's trials as files, the fourth's beside it, a model and its proof."""
    place = tmp_path_factory.mktemp("cop")
    (place / "trials").mkdir()
    for name, trial in trials.items():
        trial.to_netcdf(place / ("P4.nc" if name == "P4" else f"trials/{name}.nc"))
    train_cop(place / "trials", out=place / "model", method="ridge")
    return place


@pytest.fixture(scope="module")
def windows(trials: dict[str, Trial]) -> StanceSet:
    """Give windows of everybody."""
    return cut_windows(list(trials.values()), targets="cop", cells="relative")


def test_windows_hold_the_simulated_centre_in_mm(windows: StanceSet, trials: dict[str, Trial]) -> None:
    assert windows.axes == COP_AXES
    assert windows.data["targets"].attrs["units"] == "mm"
    assert "(mm)" in repr(windows)
    assert {"cop_along_mm", "cop_across_mm"} <= set(windows.to_pandas().columns)
    targets, weight = windows.arrays()[1:]
    assert weight[:, 50].all()
    assert weight[:, -1].mean() < 0.5
    travel = [np.ptp(t[w > 0, 0]) for t, w in zip(targets, weight)]
    # a runner's foot on the simulated belt: from heel or midfoot to the toes
    assert 70 < np.median(travel) < 250
    of_force = cut_windows(list(trials.values()), cells="relative")
    with pytest.raises(BadInputError, match="sets differ in channels or axes"):
        join([windows, of_force])


def run(capsys: pytest.CaptureFixture[str], name: str, *arguments: object) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command."""
    main = importlib.import_module(f"grfkit.cli.{name}").main
    with patch.object(sys, "argv", [f"grf-{name}", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def test_from_trials_to_a_path_by_commands_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "train", folder / "trials", "--targets", "cop", "--method", "ridge", "--out",
                         folder / "again")  # fmt: skip
    assert code == 0, err
    assert "RMSE in mm" in out
    assert "mean path" in out
    assert "BW" not in out
    code, out, _ = run(capsys, "evaluate", folder / "trials", "--model", folder / "again", "--json")
    assert code == 0
    scores = json.loads(out)
    assert (scores["unit"], scores["participants"]) == ("mm", 3)
    assert set(scores["band"]["half_width_mm"]) > {"along"}
    card = (folder / "again" / "CARD.md").read_text()
    assert "Somebody new: within +-" in card
    assert "mean path" in card
    assert "rmse_bw" not in json.dumps(scores)
    code, out, _ = run(capsys, "estimate", folder / "again", folder / "P4.nc", "--out", folder / "path.csv")
    assert code == 0
    assert "stated half-widths" in out
    assert "mm along (median)" in out
    head, *rows = (folder / "path.csv").read_text().splitlines()
    assert head == "time [s],left_cop_along [mm],left_cop_across [mm],right_cop_along [mm],right_cop_across [mm]"
    table = np.genfromtxt(rows, delimiter=",")
    # nothing in swing, and never both feet of a runner at once
    both = np.isfinite(table[:, [1, 3]]).all(axis=1)
    assert 0.2 < np.isfinite(table[:, 1]).mean() < 0.5
    assert both.mean() < 0.01
    assert not (table[:, 1:] == 0).all(axis=1).any()


def test_the_estimate_runs_as_the_belt_saw_it(folder: Path, trials: dict[str, Trial]) -> None:
    made = estimate_cop(folder / "model", folder / "P4.nc", out=folder / "path.nc")
    truth = cut_windows(trials["P4"], targets="cop", cells="relative")
    targets, weight = truth.arrays()[1:]
    off = []
    for start, contact, side, target, w in zip(
        truth.data["start_s"].values, truth.scalar("contact_s"), truth.per_stance("side"), targets, weight
    ):
        curve = made.feet[side]
        at = np.interp(start + np.linspace(0, contact, 101), curve.time_s, curve.cop_mm[:, 0])
        off.append(np.abs(at - target[:, 0])[(w > 0) & np.isfinite(at)])
    assert 0 < np.median(np.concatenate(off)) < 40
    with xr.open_datatree(folder / "path.nc", engine="h5netcdf") as tree:
        assert tree.attrs["artefact"] == "cop_estimate"
        assert tree["cop_left"]["cop_along_mm"].attrs["units"] == "mm"
    with pytest.raises(LeakError):
        estimate_cop(folder / "model", folder / "trials" / "P1.nc")


def test_a_network_learns_the_path_where_it_is_asked_for(
    folder: Path, windows: StanceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "EPOCHS", 1)
    monkeypatch.setattr(candidates, "HIDDEN", 4)
    model = train_cop(windows.without({"P4"}), out=folder / "network", method="network", force=True)
    assert model.spec.training["method"] == "BiLSTM from ridge"
    table = {row["method"]: row["rmse_mm"]["cop_along"] for row in model.summary["choice"]["table"]}
    assert set(table) == {"mean curve", "BiLSTM from ridge"}
    assert 5 < table["BiLSTM from ridge"] < 100
    assert "mean path" in model.summary["choice"]["words"]
    made = estimate_cop(folder / "network", folder / "P4.nc", out=folder / "network.nc")
    assert all(np.isfinite(curve.cop_mm).any() for curve in made.feet.values())
    assert "network" not in FAMILIES
    for toml, says in (
        ('[network]\nname = "mlp"\n', "a BiLSTM that starts from ridge, with epochs of its own"),
        ('method = "network"\n[train]\nepochs = 3\n', "with epochs of its own"),
        ('[cut]\nkinds = ["images"]\n', "a film shows no plate's centre of pressure"),
    ):
        (folder / "c.toml").write_text(toml, encoding="utf-8")
        with pytest.raises(BadInputError, match=says):
            cop_recipe(folder / "c.toml")


def test_landmarks_learn_the_path_that_insoles_learn(tmp_path: Path) -> None:
    trial = grfkit.simulate_trial(seed=1, duration_s=6, surface="treadmill", wearables=("insole", "landmarks"))
    made = in_lab(trial.on_true_clock(participant="P1"))
    named: dict[str, Any] = {"kinds": ("landmarks",), "mapping": mapping(tmp_path), "source": "force", "targets": "cop"}
    named["landmark_inputs"] = ("position",)  # enough here, and quick
    with pytest.raises(BadInputError, match="expected both in one of"):
        cut_windows(made, **named)  # the plates are in the lab, the landmarks are not
    made.tree["landmarks"] = xr.DataTree(into_lab(made.streams["landmarks"], lab_rotation("+x", "+z")))
    found, known = cut_windows(made, **named), cut_windows(made, targets="cop", kinds=("insole",), source="force")
    assert found.axes == COP_AXES
    assert found.size > 4
    of_insoles = {round(float(t), 4): row for row, t in enumerate(known.data["start_s"].values)}
    rows = [of_insoles[round(float(t), 4)] for t in found.data["start_s"].values]
    for ours, theirs in zip(found.arrays()[1:], known.arrays()[1:]):
        np.testing.assert_array_equal(ours, theirs[rows])
    assert 50 < np.ptp(found.arrays()[1][0][:, 0]) < 300
    second, third = (Trial(made.tree.copy(deep=True)) for _ in range(2))
    second.tree.attrs["participant"], third.tree.attrs["participant"] = "P2", "P3"
    model = train_cop(join([found, cut_windows(second, **named)]), out=tmp_path / "model", method="ridge")
    assert model.spec.scaler.channels[0].startswith("pelvis")
    path = estimate_cop(tmp_path / "model", third, mapping=named["mapping"], accept_beyond=True)
    assert path.cut == "landmarks"
    assert all(np.isfinite(curve.cop_mm).any() for curve in path.feet.values())


def test_scores_are_those_of_errors_that_are_known(windows: StanceSet) -> None:
    found = evaluate_cop(windows, method="ridge")
    # the blind row 3 mm along and 4 mm across off everywhere, the headline exact
    data = found.data.copy(deep=True)
    exact = np.asarray(data["measured"].values)
    data["predicted"].values[:] = exact[None]
    data["predicted"].values[0] += np.asarray([3.0, 4.0], dtype=np.float32)
    scores = cop_scores(Predictions(data))
    mean = scores["methods"]["mean curve"]["mean"]
    assert [mean[d]["median"] for d in ("along", "across", "distance")] == pytest.approx([3, 4, 5], abs=1e-3)
    assert scores["against"]["mean curve"]["mean"] == pytest.approx(-5, abs=1e-3)
    # three people cannot show anything, whatever the interval says
    assert "is not shown to differ from the mean path" in scores["words"][0]
    assert "fewer than 6 people give no p" in scores["words"][0]


def compared(differences: list[float]) -> str:
    """Return the first sentence on people whose median distance differs by so much from the mean path's."""
    distance = {f"P{k}": d for k, d in enumerate(differences)}
    methods = {
        "main": {p: 10.0 + d for p, d in distance.items()},
        "mean curve": dict.fromkeys(distance, 10.0),
        "mean curve of the known speed": dict.fromkeys(distance, 10.0),
    }
    shaped = {m: {"participants": {p: {"distance": {"median": v}} for p, v in of.items()}} for m, of in methods.items()}
    against = _against(shaped, "main")
    return sentences({"headline": "main", "against": against, "band": {"note": "none"}})[0]


def test_better_means_p_after_holm_as_everywhere() -> None:
    some = [-1.1, -2.3, -0.7, -1.9, -2.8, -0.4, -1.3, -2.1]
    assert "is better than the mean path" in compared(some)
    assert "is worse than the mean path" in compared([-d for d in some])
    # seven of eight closer, an interval below 0, but p .078 before Holm: the belts' eight walkers
    wavering = [-4.0, -0.6, -1.0, -1.4, -3.6, -2.5, -3.1, 2.0]
    assert "is not shown to differ from the mean path" in compared(wavering)


def page_of(scores: dict[str, Any]) -> str:
    """Return the page of scores without its style, its minus signs plain."""
    html = render_cop_report(scores)
    return html[html.index("<main") :].replace("\u2212", "-")


def test_the_page_says_by_person_and_direction_what_the_scores_say(windows: StanceSet, tmp_path: Path) -> None:
    found = evaluate_cop(windows, method="ridge", report=tmp_path / "proof.html")
    scores = found.scores
    page = page_of(scores)
    assert (tmp_path / "proof.html").read_text(encoding="utf-8").replace("\u2212", "-").endswith(page)
    for person in found.participants:
        for method in ("grf-train: ridge", "mean curve", "mean curve of the known speed"):
            of = scores["methods"][method]["participants"][person]
            for direction in ("along", "across", "distance"):
                cell = f"{of[direction]['median']:.1f}<small>p95 {of[direction]['p95']:.1f}</small>"
                assert cell in page, (person, method, direction)
    for against in scores["against"].values():
        assert f"{against['mean']:.1f} ({against['low']:.1f} to {against['high']:.1f})" in page
        assert "untested, too few people" in page
    # Bland-Altman of how far each contact's centre ran, over the points that are known
    targets, weight = windows.arrays()[1:]
    ends = [(t[w > 0][-1] - t[w > 0][0])[0] for t, w in zip(targets, weight)]
    drawn = scores["drawn"]["contacts"]["run along mm"]
    assert drawn["measured"] == pytest.approx(ends, abs=0.02)
    limits = scores["agreement"]["run along mm"]
    assert limits["bias"] == pytest.approx(np.mean(np.subtract(drawn["estimated"], drawn["measured"])))
    assert f"run along: bias {limits['bias']:.1f}, limits {limits['low']:.1f} to {limits['high']:.1f} mm" in page
    assert "BW" not in page.replace(".3 BW or more", "")
    with pytest.raises(BadInputError, match="exists"):
        evaluate_cop(windows, method="ridge", report=tmp_path / "proof.html")


def test_the_page_calls_better_what_the_sentences_call_better() -> None:
    for shift, word, verdict in ((-2.0, "Better than the mean path", "aligned"), (2.0, "WORSE than", "refused"),
                                 (0.0, "NOT better than", "refused"),
                                 (-0.05, "NOT SHOWN to be better", "refused")):  # fmt: skip
        wobble = [0.3, -0.2, 0.1, -0.4, 0.2, -0.1, 0.35, -0.25]
        distance = {f"P{k}": 10.0 + shift + w for k, w in enumerate(wobble)}
        people = {"main": distance, "mean curve": dict.fromkeys(distance, 10.0),
                  "mean curve of the known speed": dict.fromkeys(distance, 10.0)}  # fmt: skip
        methods = {
            m: {"participants": {p: {"distance": {"median": v}} for p, v in of.items()},
                "mean": {"distance": {"median": float(np.mean(list(of.values())))}}}
            for m, of in people.items()
        }  # fmt: skip
        scores = {"headline": "main", "methods": methods, "against": _against(methods, "main"), "participants": 8}
        first = cop_headline(scores | {"words": []})
        assert first.text.startswith(word)
        assert first.verdict == verdict


def test_whatever_takes_force_refuses_it_in_one_line(
    folder: Path, windows: StanceSet, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadInputError, match=r"is of the centre of pressure \(mm\), not of force"):
        GrfModel.load(folder / "model")
    with pytest.raises(BadInputError, match=r"not of force \(BW\)"):
        grfkit.train(windows, method="ridge")
    with pytest.raises(BadInputError, match=r"not of force \(BW\)"):
        grfkit.evaluate(windows, method="ridge")
    with pytest.raises(BadInputError, match=r"not of force \(BW\)"):
        grfkit.estimate(folder / "model", folder / "P4.nc")
    for name, *arguments in (
        ("quantize", "export", folder / "model", "--out", folder / "bundle"),
        ("evaluate", folder / "trials", "--model", folder / "model", "--compare", "ridge,mlp"),
        ("train", folder / "trials", "--targets", "cop", "--network", "lstm", "--out", folder / "m"),
        ("estimate", folder / "model", folder / "P4.nc", "--out", folder / "p.mot"),
        ("estimate", folder / "model", folder / "P4.nc", "--out", folder / "p.csv", "--mass-kg", "70"),
    ):
        code, _, err = run(capsys, str(name), *arguments)
        assert code == 2, (name, err)
        assert len(err.strip().splitlines()) == 1, err
        assert "centre of pressure" in err, err
    assert not (folder / "bundle").exists()
    assert not (folder / "p.csv").exists()


def test_trials_without_a_centre_a_speed_or_a_direction_are_refused(trials: dict[str, Trial]) -> None:
    trial = grfkit.simulate_trial(seed=1, duration_s=6, surface="treadmill", wearables=("insole",))
    plain = trial.on_true_clock(participant="P9")
    with pytest.raises(BadInputError, match=r"global frame.*--forward"):
        cut_windows(plain, targets="cop")
    laid = in_lab(plain)
    name = next(n for n in laid.streams if n.startswith("reference/"))
    del laid.tree.attrs["speed_m_s"]
    with pytest.raises(BadInputError, match=r"states no speed.*--speed-m-s"):
        cut_windows(laid, targets="cop")
    laid.tree[name] = xr.DataTree(laid.streams[name].drop_vars(["cop_x", "cop_y", "cop_z"]))
    with pytest.raises(BadInputError, match="has no centre of pressure"):
        cut_windows(laid, targets="cop")
    with pytest.raises(BadInputError, match="learnt of stances"):
        cut_windows(trials["P1"], targets="cop", window="continuous")
    with pytest.raises(BadInputError, match="not from keypoints of a film"):
        cut_windows(trials["P1"], targets="cop", kinds=("keypoints",))


def test_an_estimated_path_goes_into_tables_in_mm_and_into_nothing_that_holds_force(folder: Path) -> None:
    estimate_cop(folder / "model", folder / "P4.nc", out=folder / "out.nc", force=True)
    grfkit.export_trial(folder / "out.nc", "csv", folder / "table.csv")
    head = (folder / "table.csv").read_text().splitlines()[0]
    assert "cop_along_mm [mm]" in head
    assert "BW" not in head
    grfkit.export_trial(folder / "out.nc", "mat", folder / "table.mat")
    for kind, name in (("opensim", "o.mot"), ("c3d", "o.c3d"), ("bids", "o"), ("xdf", "o.xdf")):
        with pytest.raises(BadInputError, match=r"centre of pressure \(mm\) without force"):
            grfkit.export_trial(folder / "out.nc", kind, folder / name)
        assert not (folder / name).exists()


def path_rows(*files: Path, which: str = "both") -> dict[str, list[dict[str, Any]]]:
    """Return the rows of steps, by force."""
    table = study_table(list(files), which=which)  # type: ignore[arg-type]
    rows: dict[str, list[dict[str, Any]]] = {"measured": [], "estimated": []}
    for row in table.steps:
        rows[str(row["force"])].append(dict(row))
    return rows


def test_steps_hold_the_path_of_a_model_beside_the_plates_own_over_the_same_time(folder: Path) -> None:
    estimate_cop(folder / "model", folder / "P4.nc", out=folder / "steps.nc", force=True)
    rows = path_rows(folder / "P4.nc", folder / "steps.nc")
    both = [row for row in rows["estimated"] if row["plate_cop_forward_m"] is not None]
    assert len(both) > 12
    for row in both:
        plate = next(m for m in rows["measured"] if m["step"] == row["measured_step"])
        assert (row["cop_from"], row["cop_frame"], plate["cop_from"]) == ("model", "lab", "plate")
        # over a shorter time the plates' centre went less far
        assert 0.05 < row["plate_cop_forward_m"] < plate["cop_forward_m"]
        assert row["cop_end_s"] - row["cop_start_s"] < plate["cop_end_s"] - plate["cop_start_s"]
        assert abs(row["cop_forward_m"] - row["plate_cop_forward_m"]) < 0.06
        assert not row["flags"]
    curve = read_tree(folder / "steps.nc")["cop_left"].to_dataset()
    row = next(r for r in both if r["side"] == "left")
    inside = (curve["time"] >= row["ic_s"]) & (curve["time"] <= row["to_s"])
    run_mm = curve["cop_along_mm"].values[inside]
    assert row["cop_forward_m"] == pytest.approx(np.ptp(run_mm[np.isfinite(run_mm)]) / 1e3, abs=0.004)


def test_steps_say_where_only_plates_or_model_know_the_centre(folder: Path, trials: dict[str, Trial]) -> None:
    trial = Trial(trials["P4"].tree.copy(deep=True))
    trial.to_netcdf(folder / "whole.nc", force=True)
    estimate_cop(folder / "model", folder / "whole.nc", out=folder / "whole_cop.nc", force=True)
    rows = path_rows(folder / "whole.nc", folder / "whole_cop.nc")
    answered = {row["measured_step"] for row in rows["estimated"]}
    for row in rows["measured"]:
        wanted = row["cop_from"] is not None and row["step"] not in answered
        assert (MEASURED_ONLY in str(row["flags"])) == wanted
    alone = [row for row in rows["estimated"] if ESTIMATED_ONLY in str(row["flags"])]
    # the insole recorded longer than the plates
    assert alone
    assert all(row["cop_from"] == "model" and row["plate_cop_path_m"] is None for row in alone)
    # a step of which one alone knows the centre stays in the means of all other numbers
    assert all(counts(row) for row in alone)
    # without the trial nothing is compared, and nothing is missing
    assert not any(row["flags"] for row in path_rows(folder / "whole_cop.nc")["estimated"])
    assert not path_rows(folder / "whole.nc", folder / "whole_cop.nc", which="estimated")["measured"]


def test_forces_and_centre_of_two_models_are_one_row_a_step(folder: Path) -> None:
    grfkit.train(folder / "trials", out=folder / "forces", method="ridge", force=True)
    grfkit.estimate(folder / "forces", folder / "P4.nc", out=folder / "P4_force.nc", force=True)
    estimate_cop(folder / "model", folder / "P4.nc", out=folder / "P4_cop.nc", force=True)
    files = (folder / "P4.nc", folder / "P4_force.nc", folder / "P4_cop.nc")
    alone, both = path_rows(*files[:2])["estimated"], path_rows(*files)["estimated"]
    assert len(both) == len(alone)
    assert [row["vgrf_peak_bw"] for row in both] == [row["vgrf_peak_bw"] for row in alone]
    assert sum(row["cop_from"] == "model" and row["vgrf_peak_bw"] is not None for row in both) > 12
    # a second centre of one trial would count its steps twice
    estimate_cop(folder / "model", folder / "P4.nc", out=folder / "P4_again.nc", force=True, accept_beyond=True)
    table = study_table([*files, folder / "P4_again.nc"])
    assert any("name one" in why for _, why in table.left_out)


@pytest.mark.recordings
def test_walkers_with_shoe_imus_go_from_their_own_files_to_a_path(
    real_file: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = real_file("pearl2024_imu_treadmill/original/OpenSim_Sub02_CSBaseline_GRF.mot").parent
    lines = ["participant,reference,wearable,surface,mass_kg,speed_m_s,column_map,together,correct,forward,out"]
    for person, name, mass, speed in WALKS:
        path = f"{files}/OpenSim_{name}"
        worn = f"{path}_Accel.trc;{path}_Gyro.trc"
        lines.append(f"{person},{path}_GRF.mot,{worn},treadmill,{mass},{speed},map.toml,false,belts,+x,t/{person}.nc")
    (tmp_path / "map.toml").write_text(SHOES_MAP, encoding="utf-8")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run(capsys, "sync", "batch", tmp_path / "table.csv")[0] == 0
    model = train_cop(tmp_path / "t", out=tmp_path / "model", method="ridge")
    recipe = model.spec.provenance.configuration["recipe"]
    # an estimate cuts by what the model's recipe says
    assert recipe["cut"]["kinds"] == ["shoes"]
    made = estimate_cop(tmp_path / "model", tmp_path / "t" / "Sub06.nc", allow_leak="compared")
    runs = [row.along_mm for row in made.rows]
    assert len(runs) > 60
    # what belts show of walkers where they bear .3 BW: 110 to 270 mm in 90 of 100 contacts
    assert 90 < np.median(runs) < 250
