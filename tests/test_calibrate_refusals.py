"""What grf-calibrate refuses or names: benches that do not fit, cells that fail, stands too short, texts of insoles."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from grfkit import read, simulate_trial
from grfkit.calibrate import apply, load
from grfkit.calibrate.cell_faults import examine_cells
from grfkit.cli.calibrate import main
from grfkit.errors import BadInputError
from grfkit.provenance import Provenance
from grfkit.records import Channel, make_recording, make_stream
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import loadsol_file
from grfkit.units import G

MASS_KG = 70.0


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with patch.object(sys, "argv", ["grf-calibrate", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def bench(folder: Path, name: str, *, cells: int = 4, unit: str = "kPa") -> list[object]:
    """Write a run of a bench that nothing is found in, and its map; return its options."""
    rows = ["time," + ",".join(f"c{j + 1}" for j in range(cells))]
    rows += [f"{k / 50:.2f}," + ",".join("300" for _ in range(cells)) for k in range(600)]
    (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    (folder / f"{name}_load.csv").write_text("pressure\n" + "\n".join(f"{k % 50}" for k in range(600)) + "\n")
    (folder / "map.toml").write_text(
        f'[cells]\ntime_column = "time"\nfirst_cell = "c1"\nunit = "count"\n'
        f'[bench]\ncolumn = "pressure"\nrate_hz = 50\nunit = "{unit}"\n'
    )
    return ["--run", folder / f"{name}.csv", "--bench", folder / f"{name}_load.csv"]


def test_benches_that_do_not_fit_their_runs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = bench(tmp_path, "a"), bench(tmp_path, "b", cells=5)
    start = ["pressure", "--columns", tmp_path / "map.toml", "--out", tmp_path / "cells.json"]
    area = ["--cell-area-mm2", 100]
    cases = [
        ([*start, *area, *one, *two[:2]], "1 files of the bench and 2 of the cells; give one for each"),
        ([*start, *area, *one, *one], "is the same recording as"),
        # cells that never change
        ([*start, *area, *one, *two], "0 of 4 cells change at all; 3 or more are needed"),
    ]
    for given, why in cases:
        code, _, error = command(capsys, *given)
        assert code == 2, error
        assert why in error
    bench(tmp_path, "d", unit="N")
    code, _, error = command(capsys, *start, *area, *one, *two)
    assert "the bench is in N, which needs no area; leave --cell-area-mm2 out" in error
    assert not (tmp_path / "cells.json").exists()


def test_cells_that_spike_saturate_or_do_not_answer_are_named() -> None:
    """All cells follow a course of steps but the third, which is wild; the fourth spikes, the fifth meets its limit."""
    rng = np.random.default_rng(3)
    time_s = np.arange(0, 120, 0.02)
    course = np.repeat(rng.uniform(0, 400, 60), time_s.size // 60)
    cells = 300 + course[:, None] * np.linspace(0.8, 1.2, 8) + rng.normal(0, 1.0, (time_s.size, 8))
    cells[:, 2] = 300 + np.repeat(rng.uniform(0, 400, 60), time_s.size // 60)
    cells[40::400, 3] -= 200
    cells[:, 4] = np.minimum(cells[:, 4] * 1.6, 700)
    found = examine_cells(time_s, cells, course, full_scale=(0, 700))
    faults = {fault.number: fault for fault in found.faults}
    assert faults[3].kind == "deaf"
    assert not found.usable[2]
    assert faults[4].kind == "spiking"
    assert found.usable[3]
    assert not found.good[40::400, 3].any(), "a spike is not used, its cell is"
    assert found.good[:, 3].mean() > 0.95
    assert faults[5].kind == "saturated"
    assert not found.good[cells[:, 4] >= 700, 4].any()
    with pytest.raises(BadInputError, match="no cell follows the load; is the bench's file that of this run"):
        examine_cells(time_s, cells, np.roll(course, 2111))


def stand(seconds: float, *, one_foot: bool = False) -> object:
    """Return a walker who stands for some seconds between strides, on both feet or the left one."""
    rate = 100.0
    time_s = np.arange(0, 12 + seconds, 1 / rate)
    streams = {}
    standing = (time_s >= 6) & (time_s < 6 + seconds)
    for side, shift in (("left", 0.0), ("right", 0.55)):
        phase = np.mod(time_s - shift, 1.1) / 0.66
        load = np.where(phase < 1, 1.2 * np.sin(np.pi * np.clip(phase, 0, 1)), 0.0)
        share = (1.0 if side == "left" else 0.0) if one_foot else 0.5
        load = np.where(standing, share, load) * MASS_KG * G
        streams[f"insole_{side}"] = make_stream(
            [Channel("force", load, "N")], time_s, kind="insole", side=side, rate_hz=rate
        )  # fmt: skip
    return make_recording(streams, device="t", reader="t", provenance=Provenance())


@pytest.mark.parametrize(("method", "where"), [("stand", "both feet"), ("one-foot", "insole_left alone")])
def test_a_stand_of_a_second_is_too_short(
    method: str, where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scale.json"
    for seconds, code in ((1.0, 2), (8.0, 0)):
        path = tmp_path / f"{seconds:g}.nc"
        recording = stand(seconds, one_foot=method == "one-foot")
        if method == "one-foot":
            del recording.tree["insole_right"]
        recording.to_netcdf(path)
        done, _, error = command(
            capsys, "bodyweight", path, "--mass-kg", MASS_KG, "--method", method, "--out", out
        )  # fmt: skip
        assert done == code, error
        assert out.exists() == (code == 0)
        if code:
            assert f"nobody stands still on {where} for 2 s" in error


def moticon(*, scale: float = 1.25) -> str:
    """Return a walk as Moticon writes it: pressures, and the total force, which shows ``scale`` times the weight."""
    time_s = np.arange(0, 16, 0.01)
    loads = []
    for shift in (0.3, 0.85):
        phase = np.mod(time_s - shift, 1.1) / 0.66
        loads.append(np.where(phase < 1, np.sin(np.pi * np.clip(phase, 0, 1)), 0.0))
    mean = np.mean(loads[0][200:1300] + loads[1][200:1300])
    forces = [load / mean * scale * MASS_KG * G for load in loads]
    names = [f"{foot} {what}" for foot in ("left", "right") for what in ("pressure 1[N/cm²]", "total force[N]")]
    rows = ["# Start time: 27.09.2023 10:21:14.922", "\t".join(["# time", *names])]
    rows += [
        "\t".join([f"{t:.2f}", *(f"{v:.2f}" for force in forces for v in (force[k] / 90, force[k]))])
        for k, t in enumerate(time_s)
    ]
    return "\n".join(rows) + "\n"


def test_a_moticon_text_is_scaled_by_its_total_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "walk.txt", tmp_path / "scale.json"
    path.write_text(moticon(), encoding="utf-8")
    code, said, error = command(capsys, "bodyweight", path, "--mass-kg", MASS_KG, "--out", out, "--json")
    assert code == 0, error
    for foot in json.loads(said)["feet"]:
        assert foot["scale"] == pytest.approx(1 / 1.25, rel=0.01)
    left = apply(read(path), [load(out)]).streams["insole_left"]
    before = read(path).streams["insole_left"]
    assert float(left["force"].max()) == pytest.approx(float(before["force"].max()) / 1.25, rel=0.01)
    assert left["cell_01"].attrs["units"] == "Pa", "a pressure is no force: it stays as it is"
    np.testing.assert_array_equal(left["cell_01"].values, before["cell_01"].values)


def test_a_loadsol_text_is_scaled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial = simulate_trial(seed=4, duration_s=15, gait="walk", condition=Condition(insole="loadsol"))
    path, out = tmp_path / "walk.txt", tmp_path / "scale.json"
    path.write_text(loadsol_file(trial.wearables["insole"], comment="walk"), encoding="utf-8")
    code, _, error = command(capsys, "bodyweight", path, "--mass-kg", trial.truth.mass_kg, "--out", out)
    assert code == 0, error
    streams = apply(read(path), [load(out)]).streams
    assert {str(streams["insole_left"][n].attrs["units"]) for n in ("zone_heel", "force")} == {"N"}
