"""An insole scaled by its wearer's weight: a walker whose factor is known, real walks, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from grfkit import read
from grfkit.calibrate import apply, load
from grfkit.cli.calibrate import main
from grfkit.errors import BadInputError
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_recording, make_stream
from grfkit.units import G

DATA = Path(__file__).parents[2] / "shared" / "data"
MASS_KG = 70.0
COUNTS_PER_N = 2.5


def walk(
    *, strides: int = 12, feet: tuple[str, ...] = ("left", "right"), unit: str = "count", cut: float = np.inf
) -> Recording:
    """Return a walk at 100 Hz whose mean load is one body weight, in counts on a level of 40."""
    time_s = np.arange(0, strides * 1.1 + 0.8, 0.01)
    streams = {}
    loads = {}
    for side, start in (("left", 0.3), ("right", 0.85)):
        phase = np.mod(time_s - start, 1.1) / 0.66
        loads[side] = np.where((phase < 1) & (time_s > start), np.sin(np.pi * np.clip(phase, 0, 1)), 0.0)
    mean = np.mean(loads["left"][140:250] + loads["right"][140:250])
    for side in feet:
        counts = np.minimum(40 + COUNTS_PER_N * loads[side] / mean * MASS_KG * G, cut)
        channels = [Channel(f"cell_{k:02d}", counts / 2, unit) for k in (1, 2)]
        streams[f"insole_{side}"] = make_stream(channels, time_s, kind="insole", side=side, rate_hz=100.0)
    return make_recording(streams, device="t", reader="t", provenance=Provenance())


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with (
        patch.object(sys, "argv", ["grf-calibrate", "bodyweight", *map(str, arguments)]),
        pytest.raises(SystemExit) as stop,
    ):
        main()
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def test_a_walkers_counts_become_newtons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, out, page = tmp_path / "walk.nc", tmp_path / "scale.json", tmp_path / "scale.html"
    walk().to_netcdf(recording)
    code, said, error = command(capsys, recording, "--mass-kg", MASS_KG, "--out", out, "--report", page, "--json")
    assert code == 0, error
    summary = json.loads(said)
    for foot in summary["feet"]:
        assert foot["scale"] == pytest.approx(1 / COUNTS_PER_N, rel=0.01)
        assert foot["error_percent"] < 1.0
    assert "one body weight" in page.read_text()
    streams = apply(read(recording), [load(out)]).streams
    total = sum(streams[f"insole_{s}"][c].values for s in ("left", "right") for c in ("cell_01", "cell_02"))
    assert float(np.mean(total[140:1240])) == pytest.approx(MASS_KG * G, rel=0.01)
    with pytest.raises(BadInputError, match="expected count"):
        apply(walk(unit="N"), [load(out)])
    code, _, error = command(capsys, recording, "--mass-kg", MASS_KG, "--out", out)
    assert code == 2
    assert "exists" in error


@pytest.mark.parametrize(
    ("recording", "options", "why"),
    [
        (walk(), (), "mass is not stated"),
        (walk(feet=("left",)), ("--mass-kg", 70), "the left insole alone"),
        (walk(strides=3), ("--mass-kg", 70), "expected 6 or more"),
        (walk(cut=2200.0), ("--mass-kg", 70), "cut off"),
        (walk(unit="unknown"), ("--mass-kg", 70), "expected one unit, counts or N"),
        (walk(), ("--mass-kg", 70, "--method", "stand"), "nobody stands still"),
        (walk(), ("--mass-kg", 70, "--method", "one-foot"), "stands still on insole_left alone"),
    ],
)
def test_what_shows_no_weight_is_refused(
    recording: Recording, options: tuple[object, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "walk.nc", tmp_path / "scale.json"
    recording.to_netcdf(path)
    code, _, error = command(capsys, path, *options, "--out", out)
    assert code == 2
    assert why in error
    assert not out.exists()


@pytest.mark.skipif(not DATA.is_dir(), reason="no shared recordings here")
def test_a_real_walk_and_a_real_stand_of_loadsol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.json"
    code, said, error = command(
        capsys, DATA / "gaitpdb_insole" / "GaCo01_01.txt", "--mass-kg", 83, "--out", out, "--json"
    )
    assert code == 0, error
    # the file's own table: mean total over body weight is 1.329
    assert json.loads(said)["feet"][0]["scale"] == pytest.approx(1 / 1.329, rel=0.01)
    stand = DATA / "pomarat_loadsol" / "test_poids.txt"
    code, said, error = command(
        capsys, stand, "--mass-kg", 60, "--method", "stand", "--out", tmp_path / "b.json", "--json"
    )
    assert code == 0, error
    assert json.loads(said)["residual_percent"] < 3
