"""Can what comes with grfkit be used on the first day, and is it what was packaged?"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

import grfkit
from grfkit import BadInputError, GrfError, Recording
from grfkit.cli.estimate import main
from grfkit.cli.evaluate import main as evaluate_main
from grfkit.dataset.public.pearl_trials import read_people, read_trial
from grfkit.estimation.feet import cut_findings
from grfkit.estimation.files import as_tree
from grfkit.estimation.landmark_feet import eleven_landmarks
from grfkit.learn import packaged
from grfkit.learn.compact import compacted
from grfkit.learn.folds import LeakError
from grfkit.learn.outputs import ABOUT
from grfkit.learn.packaged import BUNDLES, FOLDER, line_of, model_folder, packaged_names
from grfkit.learn.spec import DOCUMENT, WEIGHTS
from grfkit.learn.training_range import OUTSIDE
from grfkit.provenance import Provenance, describe_input
from grfkit.records.stance_set import StanceSet, make_stance_set
from grfkit.runtime.bundle_files import check_digest, read_sums

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OWN = tuple(name for name in packaged_names() if name not in BUNDLES)
MOST_BYTES = 10_000_000


@pytest.mark.parametrize("name", packaged_names())
def test_each_model_is_opened_by_either_name_and_says_what_it_is_for(name: str) -> None:
    model = grfkit.load_model(name)
    assert model.spec.participants == grfkit.load_model(f"grfkit:{name}").spec.participants
    assert line_of(name)
    card = (model_folder(f"grfkit:{name}") / "CARD.md").read_text(encoding="utf-8")
    assert "## Data" in card


@pytest.mark.parametrize("name", OWN)
def test_the_files_of_a_model_are_those_that_were_packaged_with_licence_and_figures(name: str) -> None:
    folder = model_folder(f"grfkit:{name}")
    sums = read_sums(folder)
    assert {p.name for p in folder.iterdir()} == {*sums, "SHA256SUMS"}
    for file in sums:
        check_digest(folder, file, sums)
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    for part in ("## Licence and attribution", "| mean curve |", "| ridge |", "Not for diagnosis", "Trained on"):
        assert part in card
    assert grfkit.load_model(name).spec.range is not None


def test_every_model_s_licence_is_beside_it() -> None:
    page = (FOLDER / "LICENSES.md").read_text(encoding="utf-8")
    for name in OWN:
        assert f"| `{name}` |" in page
    # MIT asks for its text in every copy
    assert "Permission is hereby granted" in page


def test_the_package_states_every_licence_that_a_model_has_and_carries_their_texts() -> None:
    project = tomllib.loads((FOLDER.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = set(project["license"].split(" AND "))
    of_models = {packaged.read_about(FOLDER / name).licence.partition(",")[0] for name in OWN}
    bundles = [json.loads((model_folder(f"grfkit:{name}") / "manifest.json").read_text()) for name in BUNDLES]
    of_bundles = {document["licence"].partition(";")[0] for document in bundles}
    assert {"Apache-2.0"} | of_models | of_bundles == stated
    assert {"LICENSE", "host/grfkit/models/LICENSES.md"} <= set(project["license-files"])
    assert all((FOLDER.parents[2] / file).is_file() for file in project["license-files"])


def test_all_models_together_are_small() -> None:
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < MOST_BYTES


def test_a_model_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(BadInputError, match=r"no model 'walking' comes with this grfkit.*grfkit:insole-simulated"):
        grfkit.load_model("grfkit:walking")
    with pytest.raises(BadInputError, match="no model '' comes"):
        grfkit.estimate("grfkit:", "walk.csv")


@pytest.mark.parametrize("file", [DOCUMENT, WEIGHTS, ABOUT])
def test_a_damaged_model_is_refused(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not OWN:
        pytest.skip("no model of its own is packaged")
    shutil.copytree(FOLDER / OWN[0], tmp_path / OWN[0])
    content = bytearray((tmp_path / OWN[0] / file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / OWN[0] / file).write_bytes(content)
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    with pytest.raises(BadInputError, match=r"damaged|was not written with|is not the file"):
        grfkit.load_model(OWN[0])


def test_a_damaged_model_is_listed_as_such_and_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWN:
        shutil.copytree(FOLDER / name, tmp_path / name)
    (tmp_path / OWN[0] / ABOUT).unlink()
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    assert packaged_names() == tuple(sorted((*OWN, *BUNDLES)))
    assert "damaged" in line_of(OWN[0])
    assert "damaged" not in line_of(OWN[1])
    with pytest.raises(BadInputError, match="was damaged after it was installed"):
        grfkit.load_model(OWN[0])


def test_a_compacted_kernel_answers_as_the_whole_one() -> None:
    trials = [grfkit.simulate_trial(seed=k, duration_s=12).on_true_clock(participant=f"P{k}") for k in (1, 2)]
    data: StanceSet = grfkit.cut_windows(trials)
    model = grfkit.train(data, method="kernel ridge")
    small, change = compacted(model, data)
    assert small.spec.network["curve_rank"] > 0
    assert change.rms_bw <= change.largest_bw <= 0.01


def test_markers_of_a_runner_become_forces_and_a_phantom_in_centimetres_is_outside_training() -> None:
    trial = grfkit.simulate_trial(seed=3, duration_s=8, wearables=("landmarks",), speed_m_s=3.0).on_true_clock(
        participant="stranger"
    )
    result = grfkit.estimate("grfkit:running-landmarks", trial)
    assert result.cut == "landmarks"
    assert sum(row.answered for row in result.rows) >= 16
    assert any("mapping 'landmarks'" in text for text in result.findings)
    costs = [text for text in result.findings if "its error is larger than that of its card" in text]
    assert len(costs) == 1
    assert costs[0].startswith(
        "stances are cut by turning points of the landmarks; the model was trained on stances cut by"
    )
    trial.tree["landmarks"]["position"] = trial.tree["landmarks"]["position"] * 100.0
    with pytest.raises(GrfError, match="far beyond the training range"):
        grfkit.estimate("grfkit:running-landmarks", trial)
    flagged = grfkit.estimate("grfkit:running-landmarks", trial, accept_beyond=True)
    assert any(text.startswith(OUTSIDE) for text in flagged.findings)


def test_a_force_is_balanced_and_says_by_how_much_unless_that_is_turned_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = grfkit.simulate_trial(seed=3, duration_s=8, wearables=("landmarks",), speed_m_s=3.0).on_true_clock(
        participant="stranger"
    )
    even, raw = (grfkit.estimate("grfkit:running-landmarks", trial, balanced=b) for b in (True, False))
    assert even.balance is not None
    assert raw.balance is None
    assert even.carried_bw == pytest.approx(raw.carried_bw, rel=1e-3)
    for side, curve in even.feet.items():
        plain = raw.feet[side].force_bw
        np.testing.assert_allclose(curve.force_bw[:, 0], even.balance.factor * plain[:, 0], rtol=1e-6, atol=1e-9)
        tilted = plain[:, 1] + even.balance.tilt * curve.force_bw[:, 0]
        np.testing.assert_allclose(curve.force_bw[:, 1], tilted, rtol=1e-6, atol=1e-9)
    assert json.loads(as_tree(even).attrs["balance"]) == pytest.approx(even.balance._asdict())
    assert not any("not balanced" in text for text in even.findings)
    trial.to_netcdf(tmp_path / "trial.nc")
    arguments = [
        "grfkit:running-landmarks",
        tmp_path / "trial.nc",
        "--out",
        tmp_path / "raw.csv",
        "--no-balance",
        "--json",
    ]
    with patch("sys.argv", ["grf-estimate", *map(str, arguments)]), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["balance"] is None
    assert any(text.startswith("not balanced over its strides, as was asked for") for text in told["findings"])
    marks = trial.tree["landmarks"]
    trial.tree["landmarks"] = marks.isel(time=marks["time"].values < marks["time"].values[0] + 2.0)
    few = grfkit.estimate("grfkit:running-landmarks", trial)
    assert few.balance is None
    assert any("that takes 10 stances or more" in text for text in few.findings)


@pytest.mark.recordings
def test_markers_of_another_laboratory_are_mapped_by_their_names(real_file: Callable[[str], Path]) -> None:
    path = real_file("nimblephysics/data/osim/HamnerMultipleTrials/run200.trc")
    result = grfkit.estimate("grfkit:running-landmarks", path, participant="Hamner", mass_kg=72.6)
    assert any("mapping 'hamner'" in text for text in result.findings)
    peaks = [row.peak_bw for row in result.rows if row.answered]
    assert 1.5 < float(np.median(peaks)) < 3.5


@pytest.mark.recordings
def test_both_shoes_of_a_walker_become_forces_with_their_own_stances(real_file: Callable[[str], Path]) -> None:
    folder = real_file("pearl2024_imu_treadmill/participants.csv").parent
    walk = read_trial(folder / "trials" / "Sub04_CSBaseline.npz", read_people(folder))
    streams = {}
    for side in ("left", "right"):
        sensor = list(walk.sensors).index(f"toes_{side[0]}")
        parts = (("acc", walk.acc_m_s2, "m/s^2"), ("gyro", walk.gyro_rad_s, "rad/s"))
        values = {
            f"{kind}_{axis}": ("time", table[:, sensor, i], {"units": unit})
            for kind, table, unit in parts
            for i, axis in enumerate("xyz")
        }
        about = {"kind": "imu", "side": side, "rate_hz": 100.0}
        streams[f"/imu_{side}"] = xr.Dataset(values, {"time": walk.time_s}, about)
    recording = Recording(xr.DataTree.from_dict(streams))
    result = grfkit.estimate("grfkit:walking-shoe-imus", recording, participant="somebody", mass_kg=walk.mass_kg)
    assert sum(row.answered for row in result.rows) > 100
    assert abs(result.carried_bw - 1.0) < 0.1, "also before it was balanced"
    assert sum("its error is larger than that of its card" in text for text in result.findings) == 1
    short = Recording(recording.tree.isel(time=slice(0, 30)))
    with pytest.raises(BadInputError, match="30 samples at 100 Hz are too few"):
        grfkit.estimate("grfkit:walking-shoe-imus", short, participant="somebody")
    # somebody of the training, under their own name
    with pytest.raises(LeakError, match="Sub04"):
        grfkit.estimate("grfkit:walking-shoe-imus", recording, participant="Sub04", mass_kg=walk.mass_kg)


@pytest.mark.recordings
def test_four_cells_of_a_real_insole_become_its_load(real_file: Callable[[str], Path]) -> None:
    path = real_file("gaitpdb_insole/GaCo01_01.txt")
    result = grfkit.estimate("grfkit:load-four-cells", path, participant="somebody", mass_kg=83.0)
    # what it was trained on is no body weight over strides either
    assert not any("BODY WEIGHT" in text for text in result.findings)
    assert abs(result.carried_bw - 1.0) > 0.12
    assert result.cut == result.cut_of_training == "insole_causal"
    assert sum(row.answered for row in result.rows) > 50
    with pytest.raises(BadInputError, match="--mass-kg"):
        grfkit.estimate("grfkit:load-four-cells", path, participant="somebody")
    with pytest.raises(BadInputError, match="none is stated; add --participant CODE"):
        grfkit.estimate("grfkit:load-four-cells", path, other_people="our clinic", mass_kg=83.0)
    for side, curve in result.feet.items():
        insole = grfkit.read(path).streams[f"insole_{side}"]
        load = sum(insole[f"cell_{n:02d}"].values for n in range(1, 9)) / (83.0 * 9.80665)
        stands = curve.force_bw[:, 0] > 0.0
        off = curve.force_bw[stands, 0] - np.interp(curve.time_s[stands], insole["time"].values, load)
        assert np.sqrt((off**2).mean()) < 0.2, "as far off as its card says of somebody new"


def test_a_packaged_model_is_evaluated_as_it_is_and_refuses_whom_it_knows(learn_set: StanceSet) -> None:
    predictions = grfkit.evaluate(learn_set, model="grfkit:load-four-cells")
    assert predictions.scores["headline"] == "grfkit:load-four-cells"
    assert "ridge" in predictions.methods
    known = learn_set.data.assign_coords(participant=("stance", ["GaCo01", *learn_set.per_stance("participant")[1:]]))
    with pytest.raises(LeakError, match="GaCo01 was in its training"):
        grfkit.evaluate(StanceSet(known), model="grfkit:load-four-cells")
    with pytest.raises(BadInputError, match="is a bundle"):
        grfkit.evaluate(learn_set, model="grfkit:insole-simulated")


def test_people_with_the_codes_of_others_are_tested_where_somebody_states_whose_they_are(
    learn_set: StanceSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, spec = "grfkit:load-four-cells", grfkit.load_model("load-four-cells").spec
    codes = np.where(learn_set.per_stance("participant") == "stranger 1", "GaCo01", "gaco 02").astype(object)
    data = StanceSet(learn_set.data.assign_coords(participant=("stance", codes)))
    with pytest.raises(LeakError, match=r"GaCo01, gaco 02 were in its training.*--other-people WHO"):
        grfkit.evaluate(data, model=model)
    found = grfkit.evaluate(data, model=model, other_people="our  clinic ")
    assert found.participants == ("GaCo01 of our clinic", "gaco 02 of our clinic")
    assert found.scores["people"] == list(found.participants)
    assert found.scores["findings"][-1].startswith("stated, and not known: GaCo01 of our clinic, gaco 02 of our clinic")
    # nobody of these codes: nothing is stated of them
    assert grfkit.evaluate(learn_set, model=model, other_people="our clinic").participants == learn_set.participants
    same = spec.provenance.inputs[:1]
    for of_training in (
        data.data.assign_attrs(source=f"{spec.source}+more"),
        data.data.assign_attrs(provenance=Provenance(inputs=same).model_dump_json()),
    ):
        with pytest.raises(LeakError, match="no other people than in the training"):
            grfkit.evaluate(StanceSet(of_training), model=model, other_people="our clinic")
    with pytest.raises(BadInputError, match="is of a packaged model"):
        grfkit.evaluate(data, other_people="our clinic")
    data.to_netcdf(tmp_path / "set.nc")
    arguments = [tmp_path / "set.nc", "--model", model, "--other-people", "our clinic", "--json"]
    with patch("sys.argv", ["grf-evaluate", *map(str, arguments)]), pytest.raises(SystemExit) as ended:
        evaluate_main()
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["people"] == list(found.participants)


def test_stances_cut_as_those_of_the_training_cost_nothing() -> None:
    spec = grfkit.load_model("running-landmarks").spec
    assert cut_findings(spec.model_copy(update={"cut": "landmarks"}), "landmarks", "turning points") == []
    assert "cut by insole_causal" in cut_findings(spec, "insole_causal")[0]


def test_an_estimate_of_another_person_of_the_same_code_says_who_stated_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = grfkit.simulate_trial(seed=3, duration_s=8, wearables=("landmarks",), speed_m_s=3.0).on_true_clock(
        participant="RBDS001"
    )
    with pytest.raises(LeakError, match=r"RBDS001 was in the training of this model.*--other-people WHO"):
        grfkit.estimate("grfkit:running-landmarks", trial)
    trial.to_netcdf(tmp_path / "trial.nc")
    arguments = ["grfkit:running-landmarks", tmp_path / "trial.nc", "--out", tmp_path / "grf.nc"]
    stated = ["--other-people", "our clinic", "--json"]
    with patch("sys.argv", ["grf-estimate", *map(str, arguments), *stated]), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["participant"] == "RBDS001 of our clinic"
    assert told["leaks"] == []
    assert any(text.startswith("stated, and not known: RBDS001 of our clinic is not who") for text in told["findings"])
    model = grfkit.load_model("running-landmarks")
    model.spec.provenance.inputs.append(describe_input(tmp_path / "trial.nc"))
    with pytest.raises(LeakError, match="no other people than in the training of this model"):
        grfkit.estimate(model, tmp_path / "trial.nc", other_people="our clinic", cut="landmarks")


@pytest.fixture
def learn_set() -> StanceSet:
    """Return stances of four cells of two people, as a stranger's insole gives them."""
    spec = grfkit.load_model("load-four-cells").spec
    people = np.repeat(["stranger 1", "stranger 2"], 12)
    half_wave = np.sin(np.linspace(0.0, np.pi, spec.points))
    load = np.random.default_rng(0).uniform(100.0, 200.0, (24, 1, 4)) * half_wave[None, :, None]
    return make_stance_set(
        load,
        load.sum(axis=2, keepdims=True) / 700.0,
        channels=spec.scaler.channels,
        units=["N"] * 4,
        axes=("vgrf",),
        labels={"participant": people.tolist(), "trial": people.tolist(), "side": ["right"] * 24},
        scalars={"mass_kg": [70.0] * 24, "contact_s": [0.7] * 24},
        window="stance",
        cut="force",
        source="made up",
        mirrored=True,
    )


def test_names_of_opencap_and_pose2sim_find_their_mapping_and_missing_feet_are_named() -> None:
    augmented = ["ASIS", "PSIS", "knee", "mknee", "ankle", "mankle", "calc", "toe"]
    study = [f"{s}{'.' if part in ('ASIS', 'PSIS') else '_'}{part}_study" for s in "rL" for part in augmented]
    keypoints = [f"{s}{part}" for s in "RL" for part in ("Hip", "Knee", "Ankle", "Heel", "BigToe", "SmallToe")]
    for names, expected in ((keypoints, "pose2sim"), ([*keypoints, "midHip", *study], "opencap")):
        assert eleven_landmarks(body_of(names), "", None)[1].name == expected
    with pytest.raises(BadInputError, match=r"landmark 'heel_left' cannot be made by mapping 'pose2sim'.*LHeel"):
        eleven_landmarks(body_of([n for n in keypoints if "Heel" not in n]), "pose2sim", None)
    with pytest.raises(BadInputError, match="none makes the eleven landmarks"):
        eleven_landmarks(body_of(["RHip", "LHip", "RKnee", "LKnee", "RAnkle", "LAnkle"]), "", None)


def test_landmarks_of_slow_video_are_refused_with_the_rate_that_is_needed() -> None:
    trial = grfkit.simulate_trial(seed=3, duration_s=8, wearables=("landmarks",), speed_m_s=3.0).on_true_clock(
        participant="stranger"
    )
    marks = trial.tree["landmarks"].to_dataset()
    every = round(float(marks.attrs["rate_hz"]) / 30.0)
    trial.tree["landmarks"].dataset = marks.isel(time=slice(None, None, every))
    with pytest.raises(BadInputError, match=r"come at [\d.]+ Hz, .* needs more than 40 Hz.*record faster"):
        grfkit.estimate("grfkit:running-landmarks", trial)


def test_landmarks_that_do_not_stand_upright_are_refused() -> None:
    trial = grfkit.simulate_trial(seed=3, duration_s=5, wearables=("landmarks",), speed_m_s=3.0).on_true_clock(
        participant="stranger"
    )
    position = trial.tree["landmarks"]["position"]
    trial.tree["landmarks"]["position"] = position.copy(data=position.values[..., [0, 2, 1]] * [1, 1, -1])
    with pytest.raises(BadInputError, match=r"pelvis is not above the feet along the axes of mapping 'landmarks'"):
        grfkit.estimate("grfkit:running-landmarks", trial, cut="landmarks")


def body_of(names: list[str]) -> xr.Dataset:
    """Return landmarks of these names anywhere."""
    position = np.random.default_rng(1).normal(size=(40, len(names), 3))
    return xr.Dataset(
        {"position": (("time", "landmark", "axis"), position)}, {"time": np.arange(40) / 100.0, "landmark": names}
    )
