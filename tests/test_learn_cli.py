"""grf-train and grf-evaluate through the installed commands: what they write, and what they refuse without writing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from grfkit.cli.evaluate import main as evaluate_main
from grfkit.cli.train import main
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up

BIN = Path(sys.executable).parent


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / str(words[0])), *[str(w) for w in words[1:]]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def here(*words: object) -> subprocess.CompletedProcess[str]:
    """Run grf-train or grf-evaluate within this process and folder, which takes a tenth of the time."""
    out, err = io.StringIO(), io.StringIO()
    typed = [str(w) for w in words]
    command = evaluate_main if typed[0] == "grf-evaluate" else main
    with patch.object(sys, "argv", typed), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        command()
    return subprocess.CompletedProcess(typed, int(end.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learn")
    made_up("abcdefg", each=16).to_netcdf(folder / "set.nc")
    (folder / "small.toml").write_text(
        '[network]\nname = "bilstm"\nhidden = 8\n[train]\nepochs = 3\nbatch = 16\npatience = 0\n', encoding="utf-8"
    )
    return folder


def test_train_evaluate_and_the_card_says_what_was_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("grf-train", "set.nc", "--config", "small.toml", "--out", "model", "--json", folder=place)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["participants"] == list("abcdefg")
    assert told["windows"] == 112
    assert sorted(p.name for p in (place / "model").iterdir()) == [
        "CARD.md", "calibration.nc", "model.json", "model.safetensors",
    ]  # fmt: skip
    assert "nobody has proven this model yet" in (place / "model" / "CARD.md").read_text(encoding="utf-8")
    assert not list(place.glob("*.training.safetensors"))

    words = ("--model", "model", "--out", "proof", "--report", "report.html", "--json")
    done = run("grf-evaluate", "set.nc", *words, folder=place)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["split"] == "loso"
    assert found["leaks"] == []
    assert set(found["methods"]) >= {"mean curve", "mean curve of the known speed", "ridge", "kNN", "bilstm"}
    error = found["methods"]["bilstm"]["vgrf"]
    people = error["participants"]["rmse_bw"]
    assert error["group"]["rmse_bw"]["mean"] == pytest.approx(np.mean(list(people.values())))
    assert error["group"]["rmse_bw"]["worst"] == max(people, key=people.__getitem__)
    card = (place / "model" / "CARD.md").read_text(encoding="utf-8")
    for person, value in people.items():
        assert f"| {person} | 16 | {value:.4f}" in card
    assert "beats no baseline" in card
    page = (place / "report.html").read_text(encoding="utf-8")
    assert "beats no baseline" in page
    assert "<script" not in page

    monkeypatch.chdir(place)
    again = here("grf-evaluate", "set.nc", "--model", "model", "--out", "proof")
    assert again.returncode == 2
    assert "--force" in again.stderr
    renewed = here("grf-evaluate", "set.nc", *words, "--force")
    assert json.loads(renewed.stdout)["methods"]["bilstm"]["vgrf"]["participants"] == error["participants"]


def test_a_split_that_leaks_says_so_and_gets_on_no_card(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    done = here("grf-evaluate", "set.nc", "--config", "small.toml", "--split", "leave_one_trial_out", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["leaks"]
    assert found["headline_allowed"] is False
    faithful = here("grf-evaluate", "set.nc", "--preset", "zhou2025", "--kind", "faithful", "--epochs", "1")
    assert faithful.returncode == 0, faithful.stderr
    assert "LEAKS" in faithful.stdout


@pytest.fixture(scope="module")
def unusable(place: Path) -> None:
    """Write sets beside the good one from which nothing can be learnt."""
    made_up("a").to_netcdf(place / "one.nc")
    broken = made_up("abc")
    broken.data["inputs"][:, :, 1] = np.nan
    broken.to_netcdf(place / "nan.nc")
    made_up("abc", mass_kg=float("nan")).to_netcdf(place / "massless.nc")
    made_up("xyz", points=31).to_netcdf(place / "units.nc")
    (place / "newton.toml").write_text('[train]\ntarget = "newton"\nepochs = 1\n', encoding="utf-8")
    with StanceSet.open(place / "set.nc").data as stored:
        only = stored.load()
    belt = np.asarray(["treadmill"] * 112, dtype=object)
    StanceSet(only.assign_coords(surface=("stance", belt))).to_netcdf(place / "belt.nc")


@pytest.mark.parametrize(("words", "said"), [
    (("set.nc", "--network", "oracle"), "oracle"),
    (("set.nc", "--preset", "carter2023"), "carter2023"),
    (("set.nc", "--kind", "faithful"), "--preset"),
    (("nothing.nc",), "does not exist"),
    (("small.toml",), "netCDF4"),
    (("set.nc", "set.nc"), "twice"),
    (("belt.nc", "--regime", "D2"), "surface"),
    (("one.nc",), "one participant"),
    (("nan.nc",), "missing in every training window"),
    (("massless.nc", "--config", "newton.toml"), "no mass_kg"),
    (("units.nc", "set.nc"), "differ"),
])  # fmt: skip
@pytest.mark.usefixtures("unusable")
def test_what_cannot_be_used_is_refused_in_one_line_and_nothing_is_written(
    place: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done = here("grf-train", *words, "--out", "refused")
    assert done.returncode == 2, (done.stdout, done.stderr)
    line = done.stderr.strip().splitlines()[-1]
    assert said in line, line
    assert "Traceback" not in done.stderr
    assert not (place / "refused").exists()
    assert not (place / "refused.training.safetensors").exists()
