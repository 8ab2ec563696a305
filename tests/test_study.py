"""Does a study go from a lab's table to a page, part by part, and only once?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import grfkit
from grfkit import BadInputError
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.shoe_signals import names_of_both
from grfkit.documents import toml_document
from grfkit.errors import NothingLeftError
from grfkit.learn.uncalibrated import cut_for_training
from grfkit.provenance import tool_version
from grfkit.records import Trial
from grfkit.simulate.folder import LabRequest, write_lab
from grfkit.study import begin_study, run_study

_NETWORK = '[train]\nnetwork = "mlp"\nepochs = 1\n'


def grf(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "grfkit.cli.grf", *map(str, words)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab") / "lab"
    request = LabRequest(surface="treadmill", people=2, duration_s=45, gaps=False, insole="adc")
    assert len(list(write_lab(folder, request))) == 2
    return folder / "TABLE.csv"


@pytest.fixture(scope="module")
def study(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was run once."""
    folder = tmp_path_factory.mktemp("study") / "S"
    begin_study(folder, table=lab)
    (folder / "study.toml").write_text(f'name = "two runners"\ntable = "{lab}"\n{_NETWORK}', encoding="utf-8")
    assert [part.state for part in run_study(folder).parts] == ["done"] * 4
    return folder


def test_a_study_goes_from_files_to_a_proof_and_a_page(study: Path) -> None:
    result = run_study(study)
    assert [part.state for part in result.parts] == ["done", "kept", "kept", "kept"]
    assert [row["verdict"] for row in result.rows] == ["aligned", "aligned"]
    for part in result.parts:
        assert all((study / file).exists() for file in part.files), part
    page = (study / "index.html").read_text(encoding="utf-8")
    assert "two runners" in page
    assert all(f'href="{file}"' in page for file in ("model/CARD.md", "proof.html"))
    scores = json.loads((study / "proof" / "evaluation.json").read_text(encoding="utf-8"))
    assert scores["participants"] == 2
    assert scores["headline"] == "mlp"
    # the mean of two people's errors is what the page says
    wanted = scores["methods"]["mlp"]["vgrf"]["group"]["rmse_bw"]["mean"]
    assert f"vertical force: RMSE of mlp {wanted:.3f} BW" in page
    assert "2 people, each answered by what had not seen them" in page


def test_a_part_is_made_again_where_what_it_is_made_of_changes(study: Path) -> None:
    text = (study / "study.toml").read_text(encoding="utf-8")
    (study / "study.toml").write_text(text.replace("epochs = 1", "epochs = 2"), encoding="utf-8")
    assert [part.state for part in run_study(study).parts] == ["done", "kept", "done", "done"]
    (study / "proof.html").unlink()
    assert [part.state for part in run_study(study).parts] == ["done", "kept", "kept", "done"]


def test_a_trial_is_aligned_again_where_its_recording_changed(study: Path, lab: Path) -> None:
    name = lab.read_text(encoding="utf-8").splitlines()[1].split(",")[0]
    insole = next(p for p in lab.parent.iterdir() if p.name.startswith(f"{name}_insole"))
    kept = insole.read_bytes()
    trial = lab.parent / "aligned" / f"{name}.nc"
    before = trial.read_bytes()
    try:
        lines = kept.splitlines(keepends=True)
        insole.write_bytes(b"".join(lines[:-300]))
        result = run_study(study, skip=["train", "prove"])
        assert [part.state for part in result.parts[:2]] == ["done", "done"]
        assert trial.read_bytes() != before
        trial.write_bytes(b"somebody wrote into it")
        insole.write_bytes(b"".join(lines[:-200]))
        assert run_study(study, skip=["train", "prove"]).parts[0].state == "not possible"
    finally:
        insole.write_bytes(kept)
        trial.unlink()


def test_what_somebody_else_wrote_is_not_overwritten(study: Path) -> None:
    (study / "run.json").unlink()
    model = (study / "model" / "model.json").read_bytes()
    result = run_study(study, skip=["steps", "prove"])
    assert [part.state for part in result.parts] == ["done", "left out", "not possible", "left out"]
    assert "use --force" in result.parts[2].lines[0]
    assert result.parts[2].exit_code == 2
    assert (study / "model" / "model.json").read_bytes() == model
    assert "not possible" in (study / "index.html").read_text(encoding="utf-8")


def test_trials_of_others_are_not_taken_for_those_of_the_table(lab: Path, tmp_path: Path) -> None:
    head, first, *_ = lab.read_text(encoding="utf-8").splitlines()
    lab.with_name("OTHER.csv").write_text(
        "\n".join([head, first.replace("aligned/", "other/")]) + "\n", encoding="utf-8"
    )
    begin_study(tmp_path / "S", table=lab.with_name("OTHER.csv"))
    (lab.parent / "other").mkdir()
    (trial,) = (lab.parent / part.split(",")[-1].strip() for part in [first.replace("aligned/", "other/")])
    trial.write_bytes(b"somebody's own")
    result = run_study(tmp_path / "S")
    assert [part.state for part in result.parts] == ["not possible"] * 4
    assert "not made by this table" in result.parts[0].lines[0]
    assert "--skip align" in result.parts[1].lines[0]
    assert trial.read_bytes() == b"somebody's own"


def test_one_person_is_aligned_and_told_what_cannot_be_proven(lab: Path, tmp_path: Path) -> None:
    head, first, *_ = lab.read_text(encoding="utf-8").splitlines()
    alone = lab.with_name("ALONE.csv")
    alone.write_text("\n".join([head, first.replace("aligned/", "alone/")]) + "\n", encoding="utf-8")
    begin_study(tmp_path / "S", table=alone)
    run = grf("run", tmp_path / "S", "--skip", "steps", "--json")
    result: dict[str, Any] = json.loads(run.stdout)
    states = {part["name"]: part["state"] for part in result["parts"]}
    assert states["align"] == "done"
    assert states["prove"] == "not possible"
    assert run.returncode == 2
    assert (tmp_path / "S" / "index.html").is_file()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('tabel = "a.csv"', "tabel"),
        ('skip = ["everything"]', "skip"),
        ('table = "gone.csv"', "gone.csv: is not there"),
        ("[train]\nepochs = 0", "train.epochs"),
        ('table = "trials.csv"\n[train]\nconfig = "gone.toml"', "holds no row"),
        ("name = ", "is no TOML"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_before_anything_is_done(
    document: str, expected: str, tmp_path: Path
) -> None:
    begin_study(tmp_path)
    (tmp_path / "study.toml").write_text(document, encoding="utf-8")
    with pytest.raises(BadInputError, match=expected) as refusal:
        run_study(tmp_path)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "index.html").exists()


def test_a_new_study_says_what_comes_next_and_keeps_what_is_there(tmp_path: Path) -> None:
    run = grf("init", tmp_path / "S")
    assert run.returncode == 0, run.stderr
    assert "fill in" in run.stdout
    assert (tmp_path / "S" / "trials.csv").read_text(encoding="utf-8").startswith("participant,reference,")
    again = grf("init", tmp_path / "S")
    assert again.returncode == 2
    assert "use --force" in again.stderr
    assert grf("init", tmp_path / "S", "--force").returncode == 0
    empty = grf("run", tmp_path / "S")
    assert empty.returncode == 2
    assert "holds no row" in empty.stderr


def test_every_command_is_one_of_grf_too(tmp_path: Path) -> None:
    project = toml_document(Path(__file__).parents[1] / "pyproject.toml")
    names = [name.removeprefix("grf-") for name in project["project"]["scripts"] if name != "grf"]
    shown = grf("--help").stdout
    for name in names:
        assert f"\n  {name} " in shown, name
    helped = grf("inspect", "--help")
    assert helped.stdout.startswith("Usage: grf inspect ")
    missing = grf("inspect", tmp_path / "gone.csv")
    assert missing.returncode == 2
    assert missing.stderr.startswith("grf inspect: ")
    assert grf("--version").stdout == grf("sync", "--version").stdout == f"grfkit {tool_version()}\n"
    assert "or sync or" in grf().stderr
    wrong = grf("synch")
    assert wrong.returncode == 2
    assert "did you mean 'sync'" in wrong.stderr


_SHOES_MAP = """[files."*_Accel.trc"]
"toes_r_imu_offset_imu" = "right_acc [m/s^2]"
"toes_l_imu_offset_imu" = "left_acc [m/s^2]"
[files."*_Gyro.trc"]
"toes_r_imu_offset_imu" = "right_gyro [rad/s]"
"toes_l_imu_offset_imu" = "left_gyro [rad/s]"
"""
_WALKS = (("Sub02", "Sub02_CSBaseline", 56, 0.735), ("Sub06", "Sub06_EMGStiffKnee", 69.7, 0.722))


@pytest.mark.recordings
def test_walkers_with_shoe_imus_go_from_their_own_files_to_a_proof(
    real_file: Callable[[str], Path], tmp_path: Path
) -> None:
    files = real_file("pearl2024_imu_treadmill/original/OpenSim_Sub02_CSBaseline_GRF.mot").parent
    lines = ["participant,reference,wearable,surface,mass_kg,speed_m_s,column_map,together,correct,out"]
    for person, name, mass, speed in _WALKS:
        path = f"{files}/OpenSim_{name}"
        worn = f"{path}_Accel.trc;{path}_Gyro.trc"
        lines.append(f"{person},{path}_GRF.mot,{worn},treadmill,{mass},{speed},map.toml,false,belts,trials/{person}.nc")
    (tmp_path / "map.toml").write_text(_SHOES_MAP, encoding="utf-8")
    (tmp_path / "trials.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    begin_study(tmp_path / "S", table=tmp_path / "trials.csv")
    document = 'table = "../trials.csv"\n[align]\nreports = false\n[train]\nmethod = "ridge"\n'
    (tmp_path / "S" / "study.toml").write_text(document, encoding="utf-8")
    result = run_study(tmp_path / "S")
    assert [part.state for part in result.parts] == ["done"] * 4, result.parts
    assert [row["verdict"] for row in result.rows] == ["aligned"] * 2
    model = grfkit.load_model(tmp_path / "S" / "model")
    assert model.spec.scaler.channels == names_of_both()
    assert any("IMUs of both shoes" in line for line in result.parts[2].lines)
    # what was trained on is what an estimate cuts of the same recording
    trial = Trial.from_netcdf(tmp_path / "trials" / "Sub02.nc")
    windows = cut_for_training([trial], CutRequest(), decide=True)
    assert len(windows.data["participant"]) > 90
    answer = grfkit.estimate(tmp_path / "S" / "model", trial, participant="Sub02", allow_leak="compared")
    assert sum(row.answered for row in answer.rows) >= len(windows.data["participant"])


def test_what_somebody_wrote_into_is_neither_shown_as_a_result_nor_lost(study: Path) -> None:
    assert run_study(study, skip=["train", "prove"], force=True).parts[1].state == "done"
    steps = study / "steps.csv"
    steps.write_text(steps.read_text(encoding="utf-8") + "my own line\n", encoding="utf-8")
    result = run_study(study, skip=["train", "prove"])
    assert result.parts[1].state == "not possible"
    assert "steps.csv: exists; use --force" in result.parts[1].lines[0]
    assert steps.read_text(encoding="utf-8").endswith("my own line\n")
    steps.unlink()
    assert run_study(study, skip=["train", "prove"]).parts[1].state == "done"


def test_a_table_that_somebody_filled_in_is_kept(lab: Path, tmp_path: Path) -> None:
    begin_study(tmp_path / "S")
    table = tmp_path / "S" / "trials.csv"
    table.write_text(table.read_text(encoding="utf-8") + "P01,a.c3d,b.csv,treadmill,60,a.nc\n", encoding="utf-8")
    filled = table.read_bytes()
    run = grf("init", tmp_path / "S", "--force")
    assert run.returncode == 0
    assert table.read_bytes() == filled
    assert "fill in" not in run.stdout


def test_trials_that_are_not_there_are_named_where_nothing_is_aligned(lab: Path, tmp_path: Path) -> None:
    begin_study(tmp_path / "S", table=lab)
    lost = sorted((lab.parent / "aligned").glob("*.nc"))[-1]
    lost.rename(lost.with_suffix(".kept"))
    try:
        result = run_study(tmp_path / "S", skip=["align", "train", "prove"])
    finally:
        lost.with_suffix(".kept").rename(lost)
    assert result.parts[0].doubt.endswith("trials are there")
    assert any(lost.name in line and "is not there" in line for line in result.parts[0].lines)
    assert result.parts[0].exit_code == 2


def test_a_proof_is_of_the_model_that_lies_there(study: Path) -> None:
    assert [part.state for part in run_study(study, force=True).parts] == ["done"] * 4
    assert [part.state for part in run_study(study, skip=["train"]).parts][3] == "kept"
    document = study / "model" / "model.json"
    kept = document.read_bytes()
    document.unlink()
    # no model of grfkit: neither the old proof nor a new one stands for it
    assert run_study(study, skip=["train"]).parts[3].state == "not possible"
    document.write_bytes(kept)
    (study / "run.json").unlink()
    parts = run_study(study, skip=["steps"]).parts
    assert [part.state for part in parts[2:]] == ["not possible"] * 2
    assert "--skip train" in parts[3].lines[0]


def test_a_study_of_the_centre_of_pressure_is_proven_in_mm(study: Path, lab: Path, tmp_path: Path) -> None:
    assert study.is_dir()  # its trials are aligned
    begin_study(tmp_path / "S", table=lab)
    document = tmp_path / "S" / "study.toml"
    text = document.read_text(encoding="utf-8").replace('targets = "force"', 'targets = "cop"')
    document.write_text(text.replace('method = ""', 'method = "mean curve"'), encoding="utf-8")
    align, steps, train, prove = run_study(tmp_path / "S", skip=["align"]).parts
    assert (align.state, steps.state, train.state, prove.state) == ("left out", "done", "done", "done")
    assert any("centre of pressure under the foot known of" in line for line in steps.lines)
    assert train.lines[0].startswith("centre of pressure (mm) by mean path, of 2 people")
    assert prove.doubt == "not better than the sensor-blind paths"
    page = (tmp_path / "S" / "index.html").read_text(encoding="utf-8")
    assert "mm (median distance), 2 people" in page
    assert "BW" not in page
    proof = (tmp_path / "S" / "proof.html").read_text(encoding="utf-8")
    assert "Bland-Altman" in proof
    assert [part.state for part in run_study(tmp_path / "S", skip=["align"]).parts][1:] == ["kept"] * 3
    document.write_text(text + "\nepochs = 3\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="epochs is of models of force"):
        run_study(tmp_path / "S", skip=["align"])


def test_a_trial_without_a_stance_is_left_out_by_name(tmp_path: Path, study: Path, lab: Path) -> None:
    trial = grfkit.simulate_trial(seed=0, duration_s=12, wearables=("insole",)).on_true_clock(participant="P9")
    for name, stream in trial.streams.items():
        if stream.attrs.get("kind") == "force_plate":
            trial.tree[name]["fz"].values[:] = 0.0
    (tmp_path / "trials").mkdir()
    empty = tmp_path / "trials" / "empty.nc"
    trial.to_netcdf(empty)
    with pytest.raises(NothingLeftError, match="no stance is left") as caught:
        grfkit.cut_windows([empty])
    assert caught.value.trial == str(empty)
    assert study.is_dir()  # its trials are aligned
    for good in sorted((lab.parent / "aligned").glob("*.nc")):
        (tmp_path / "trials" / good.name).symlink_to(good)
    run = grf("train", tmp_path / "trials", "--method", "mean curve", "--out", tmp_path / "model")
    assert run.returncode == 0, run.stderr
    assert "LEFT OUT: " in run.stderr
    assert f"{empty}: no stance is left (" in run.stderr
    assert f"note: trial left out: {empty}: no stance is left (" in run.stdout
    card = (tmp_path / "model" / "CARD.md").read_text(encoding="utf-8")
    assert f"* trial left out: {empty}: no stance is left (" in card
    assert "P9" not in card.replace(str(tmp_path), "")
    proven = grf("evaluate", tmp_path / "trials", "--model", tmp_path / "model", "--json")
    assert proven.returncode == 0, proven.stderr
    assert "LEFT OUT: " in proven.stderr
    scores = json.loads(proven.stdout)
    assert scores["participants"] == 2
    assert any(text.startswith(f"trial left out: {empty}") for text in scores["findings"])
    alone = grf("train", empty, "--method", "mean curve", "--out", tmp_path / "none")
    assert (alone.returncode, (tmp_path / "none").exists()) == (2, False)
    assert f"{empty}: no stance is left (" in alone.stderr
