"""Estimates: is a force that of its foot and instant, cut as in training, and is what nobody knows left open?"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import sysconfig
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from grfkit.cli.estimate import main
from grfkit.errors import BadInputError
from grfkit.formats.write_csv import CsvColumn, csv_text
from grfkit.io import read
from grfkit.learn import estimate as estimating
from grfkit.learn.estimate import Estimate, EstimateRequest, Source, estimate
from grfkit.learn.estimate_curves import LONGEST_SWING_S, from_stances, from_windows
from grfkit.learn.estimate_files import lab_y, written_together
from grfkit.learn.folds import LeakError
from grfkit.learn.jobs import train_model
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.recipe import Recipe
from grfkit.learn.stance_set import StanceSet, join, make_stance_set
from grfkit.learn.train import TrainConfig
from grfkit.learn.trials import CutRequest, from_trial
from grfkit.provenance import InputFile
from grfkit.records import Trial
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.units import G
from test_learn_trials import LAB, MASS_KG, trial

SCRIPTS = Path(sysconfig.get_path("scripts"))
CUT = CutRequest(points=41)
INSOLE = CutRequest(points=41, kinds=("insole",))
NEW = simulate_trial(Condition(family="A", duration_s=24.0, wearables=("insole", "imu"), insole_rate_hz=100.0), 7)


def three_axes(data: StanceSet) -> StanceSet:
    """Return the set with a known braking and propulsion and a constant medial force beside the plates' vertical."""
    vertical = data.arrays()[1][:, :, :1]
    phase = np.linspace(0, 2 * np.pi, vertical.shape[1])[None, :, None]
    others = np.concatenate([-0.2 * np.sin(phase) + 0 * vertical, 0.1 + 0 * vertical], axis=2)
    return make_stance_set(
        data.arrays()[0],
        np.concatenate([vertical, others], axis=2),
        channels=data.channels,
        units=[str(u) for u in data.data["unit"].values],
        labels={name: list(data.per_stance(name)) for name in ("participant", "trial", "side")},
        scalars={"mass_kg": data.scalar("mass_kg"), "contact_s": data.scalar("contact_s")},
        window="stance",
        cut=str(data.data.attrs["cut"]),
        source="simulated",
        mirrored=bool(data.data.attrs["mirrored"]),
    )


def trained(folder: Path, cut: CutRequest, epochs: int) -> tuple[GrfModel, Path]:
    sets = [three_axes(from_trial(trial(lab, participant=p), cut)) for lab, p in ((LAB, "P1"), (NEW, "P2"))]
    config = TrainConfig(epochs=epochs, batch=16, lr=1e-2, threads=1)
    recipe = Recipe(network={"name": "bilstm", "hidden": 8, "head": (8,)}, train=config, cut=cut, inner=0)
    train_model(join(sets), recipe).model.save(folder)
    return GrfModel.load(folder), folder


@pytest.fixture(scope="module")
def insole_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[GrfModel, Path]:
    """Give a model of insole counts and where it lies."""
    return trained(tmp_path_factory.mktemp("models") / "insole", INSOLE, 25)


@pytest.fixture(scope="module")
def both_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[GrfModel, Path]:
    """Give a hardly trained model of insole and IMU: it hears all, and what it says means nothing."""
    return trained(tmp_path_factory.mktemp("models") / "both", CUT, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give a trial of somebody new, the same of somebody in training, and the insoles alone as CSV."""
    folder = tmp_path_factory.mktemp("recordings")
    found = {"trial": folder / "trial.nc", "known": folder / "known.nc", "csv": folder / "insoles.csv"}
    trial(NEW, participant="P3").to_netcdf(found["trial"])
    trial(NEW, participant="P1").to_netcdf(found["known"])
    found["csv"].write_text(csv_text(insole_columns()))
    return found


def insole_columns() -> list[CsvColumn]:
    """Return both insoles on the left one's stamps."""
    left, right = (NEW.wearables["insole"].streams[f"insole_{side}"] for side in ("left", "right"))
    at = left["time"].values
    columns = [CsvColumn("time", "s", at, 6)]
    for side, stream in (("left", left), ("right", right)):
        for cell in (f"cell_{n:02d}" for n in range(1, 17)):
            values = np.interp(at, stream["time"].values, stream[cell].values)
            columns.append(CsvColumn(f"{side}_{cell}", "count", values, 3))
    return columns


def of(given: Trial) -> Source:
    """Return a trial in memory as a source."""
    return Source(given, "trial", True, InputFile(name="trial.nc", sha256="0" * 64, size_bytes=1))


class Ran(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


def run(*arguments: str | Path) -> Ran:
    """Run the installed console script."""
    done = subprocess.run(
        [str(SCRIPTS / "grf-estimate"), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ran:
    """Run ``grf-estimate`` within this process."""
    with patch.object(sys, "argv", ["grf-estimate", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return Ran(int(stop.value.code or 0), said.out, said.err)


def mot_columns(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a MOT file, read with nothing of the package."""
    lines = path.read_text().split("endheader\n")[1].splitlines()
    table = np.asarray([[float(cell) for cell in line.split("\t")] for line in lines[1:]])
    return dict(zip(lines[0].split("\t"), table.T))


# ---- what is estimated ----------------------------------------------------------------------------------------------


def test_stances_and_forces_are_those_that_training_would_have_cut(both_model: tuple[GrfModel, Path]) -> None:
    model, folder = both_model
    someone = trial(NEW, participant="P3")
    expected = from_trial(someone, CUT)
    forces = predict(model, expected)
    found = estimate(model, folder, of(someone))
    rows = {(r.side, round(r.start_s, 6)): r for r in found.rows}
    starts, sides = expected.data["start_s"].values, expected.per_stance("side")
    assert expected.size > 25
    for start, side, contact, force in zip(starts, sides, expected.scalar("contact_s"), forces):
        row = rows[(str(side), round(float(start), 6))]
        assert row.contact_s == pytest.approx(float(contact))
        assert row.peak_bw == pytest.approx(force[:, 0].max(), abs=1e-5)
        curve = found.feet[row.side]
        inside = (curve.time_s >= row.start_s) & (curve.time_s <= row.end_s)
        at = np.linspace(row.start_s, row.end_s, CUT.points)
        for axis in range(3):
            line = np.interp(curve.time_s[inside], at, force[:, axis])
            np.testing.assert_allclose(curve.force_bw[inside, axis], line, atol=1e-5)
    assert found.axes == ("vgrf", "apgrf", "mlgrf")
    assert found.cut == found.cut_of_training == "insole_causal"


def test_a_model_that_repeats_a_cell_gives_that_cell_at_every_instant_of_stance(
    both_model: tuple[GrfModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = both_model
    acc_y = model.spec.scaler.channels.index("acc_y")
    monkeypatch.setattr(estimating, "predict", lambda _m, data, **_: data.arrays()[0][:, :, [acc_y] * 3])
    someone = trial(NEW, participant="P3")
    found = estimate(model, folder, of(someone))
    streams = dict(someone.streams())
    for side, sign in (("left", -1.0), ("right", 1.0)):
        shoe = streams[f"imu_{side}"]
        for row in [r for r in found.rows if r.side == side][5:15]:
            at = np.linspace(row.start_s, row.end_s, CUT.points)
            there = sign * np.interp(at, shoe["time"].values, shoe["acc_y"].values)
            curve = found.feet[row.side]
            inside = (curve.time_s >= row.start_s) & (curve.time_s <= row.end_s)
            expected = np.interp(curve.time_s[inside], at, there)
            np.testing.assert_allclose(curve.force_bw[inside, 0], expected, rtol=1e-4, atol=1e-3)


def test_a_person_seen_in_a_mirror_has_the_other_foots_forces(both_model: tuple[GrfModel, Path]) -> None:
    model, folder = both_model
    plain = trial(NEW, participant="P3")
    turned = {}
    for name, stream in plain.streams():
        other = {"left": "right", "right": "left"}.get(str(stream.attrs.get("side")))
        if other is None or name.startswith("reference/"):
            continue
        mirrored = stream.copy(deep=True)
        for channel in ("acc_y", "gyro_x", "gyro_z"):
            if channel in mirrored:
                mirrored[channel] = -mirrored[channel]
        mirrored.attrs["side"] = other
        turned[f"/{name.rsplit('_', 1)[0]}_{other}"] = mirrored
    tree = xr.DataTree.from_dict(turned)
    tree.attrs.update(plain.tree.attrs)
    first, second = estimate(model, folder, of(plain)), estimate(model, folder, of(Trial(tree)))
    for side, other in (("left", "right"), ("right", "left")):
        a, b = first.feet[side], second.feet[other]  # type: ignore[index]
        np.testing.assert_allclose(a.force_bw, b.force_bw, atol=1e-6)
        np.testing.assert_allclose(lab_y(a, side), -lab_y(b, other), atol=1e-6)  # type: ignore[arg-type]
    known = np.isfinite(first.feet["left"].force_bw[:, 2])
    np.testing.assert_array_equal(lab_y(first.feet["left"], "left")[known], -first.feet["left"].force_bw[known, 2])


def test_swing_is_zero_and_the_ends_and_gaps_are_open(insole_model: tuple[GrfModel, Path]) -> None:
    model, folder = insole_model
    found = estimate(model, folder, of(trial(NEW, participant="P3")))
    for side, curve in found.feet.items():
        own = [r for r in found.rows if r.side == side]
        assert len(own) > 20
        assert np.isnan(curve.force_bw[curve.time_s < own[0].start_s]).all()
        assert np.isnan(curve.force_bw[curve.time_s > own[-1].end_s]).all()
        zeros = 0
        for before, after in pairwise(own):
            swing = curve.force_bw[(curve.time_s > before.end_s) & (curve.time_s < after.start_s)]
            if after.start_s - before.end_s <= LONGEST_SWING_S:
                assert not swing[np.isfinite(swing)].any()
                zeros += int((swing == 0).all())
            else:
                assert np.isnan(swing).all()
        assert zeros > 10


def test_the_model_has_learnt_something(insole_model: tuple[GrfModel, Path]) -> None:
    model, folder = insole_model
    found = estimate(model, folder, of(trial(NEW, participant="P3")))
    truth = from_trial(trial(NEW, participant="P3"), INSOLE).arrays()[1][:, :, 0].max(axis=1)
    peaks = [r.peak_bw for r in found.rows if r.answered]
    assert np.median(peaks) == pytest.approx(np.median(truth), rel=0.2)


@given(
    st.lists(st.tuples(st.floats(0.05, 2.0), st.floats(0.1, 0.4), st.booleans()), min_size=1, max_size=6),
    st.sampled_from([50.0, 100.0, 333.0]),
)
def test_what_is_not_known_of_a_foot_stays_open(steps: list[tuple[float, float, bool]], rate_hz: float) -> None:
    answers, begin = [], 0.5
    for swing, contact, known in steps:
        at = np.linspace(begin + swing, begin + swing + contact, 11)
        answers.append((at, np.full((11, 1), 1.5 if known else np.nan)))
        begin = float(at[-1])
    t = np.arange(0.0, begin + 0.5, 1 / rate_hz)
    base = xr.Dataset({"force": ("time", np.ones(t.size))}, coords={"time": t}, attrs={"rate_hz": rate_hz})
    down = [(float(answers[0][0][-1]), float(answers[0][0][-1]) + 0.01)]
    got = from_stances(base, answers, down, ("vgrf",)).force_bw[:, 0]
    expected = np.full(t.size, np.nan)
    for i, (at, values) in enumerate(answers):
        inside = (t >= at[0]) & (t <= at[-1])
        expected[inside] = values[0, 0]
        if 1 <= i < len(answers) - 1 and answers[i + 1][0][0] - at[-1] <= LONGEST_SWING_S:
            expected[(t > at[-1]) & (t < answers[i + 1][0][0])] = 0.0  # after the first one a contact was turned down
    np.testing.assert_allclose(got, expected)


def test_samples_that_never_came_are_no_swing() -> None:
    t = np.arange(0, 2, 0.01)
    load = np.where((t > 0.8) & (t < 0.9), np.nan, 1.0)
    base = xr.Dataset({"force": ("time", load)}, coords={"time": t}, attrs={"rate_hz": 100.0})
    steps = [(np.linspace(a, a + 0.2, 5), np.ones((5, 1))) for a in (0.4, 1.2)]
    got = from_stances(base, steps, [], ("vgrf",)).force_bw[:, 0]
    np.testing.assert_array_equal(np.isnan(got[(t > 0.61) & (t < 1.19)]), np.isnan(load[(t > 0.61) & (t < 1.19)]))


def test_windows_that_overlap_are_averaged_where_they_know() -> None:
    t = np.arange(30) / 10
    base = xr.Dataset({"acc_x": ("time", np.ones(30))}, coords={"time": t}, attrs={"rate_hz": 10.0})
    answers = np.stack([np.full((20, 1), 1.0), np.full((20, 1), 3.0)])
    known = [np.ones(20, dtype=bool), np.arange(20) != 2]
    got = from_windows(base, np.asarray([0, 10]), answers, known, rate_hz=10.0, axes=("vgrf",)).force_bw[:, 0]
    np.testing.assert_allclose(got, [1.0] * 10 + [2.0, 2.0, 1.0] + [2.0] * 7 + [3.0] * 10)


def test_a_model_of_continuous_windows_answers_every_sample(
    insole_model: tuple[GrfModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = insole_model
    spec = model.spec.model_copy(update={"window": "continuous", "points": 80, "rate_hz": 200.0, "cut": "none"})
    monkeypatch.setattr(estimating, "predict", lambda _m, data, **_: data.arrays()[0][:, :, [0, 0, 0]])
    someone = trial(NEW, participant="P3")
    found = estimate(GrfModel(spec, model.network), folder, of(someone))
    left = dict(someone.streams())["insole_left"]
    curve, cell = found.feet["left"], left["cell_01"].values
    whole = np.isfinite(cell)
    whole[1:-1] &= whole[:-2] & whole[2:]
    whole &= curve.time_s < curve.time_s[-1] - 0.01
    grid = np.arange(curve.time_s[0], curve.time_s[-1], 1 / 200.0)
    expected = np.interp(curve.time_s, grid, np.interp(grid, left["time"].values, cell))
    both = whole & np.isfinite(expected)
    assert both.mean() > 0.9
    np.testing.assert_allclose(curve.force_bw[both, 0], expected[both], rtol=1e-4, atol=1e-2)
    assert len(found.rows) > 40


# ---- who may be answered --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [(), ("within_trial: by design",)])
def test_a_participant_of_the_training_is_refused_unless_a_leak_is_named(
    insole_model: tuple[GrfModel, Path], own: tuple[str, ...]
) -> None:
    model, folder = insole_model
    leaky = GrfModel(model.spec.model_copy(update={"leaks": own}), model.network)
    with pytest.raises(LeakError, match="P1 was in the training"):
        estimate(leaky, folder, of(trial(NEW, participant="P1")))
    found = estimate(leaky, folder, of(trial(NEW, participant="P1")), EstimateRequest(allow_leak="own shoes"))
    assert found.leaks == (*own, "own shoes: P1 was in training")
    new = estimate(leaky, folder, of(trial(NEW, participant="P3")), EstimateRequest(allow_leak="own shoes"))
    assert new.leaks == own  # nothing leaked of somebody the model never saw


def test_who_is_measured_is_known_or_said_to_be_unknown(insole_model: tuple[GrfModel, Path]) -> None:
    model, folder = insole_model
    with pytest.raises(BadInputError, match="names no participant"):
        estimate(model, folder, of(trial(NEW, participant="")))
    with pytest.raises(BadInputError, match="of participant 'P3', not 'P4'"):
        estimate(model, folder, of(trial(NEW, participant="P3")), EstimateRequest(participant="P4"))
    raw = NEW.wearables["insole"]
    source = Source(Trial(raw.tree), "raw", False, of(trial(NEW)).file)
    assert any("no participant was stated" in text for text in estimate(model, folder, source).findings)
    named = estimate(model, folder, source, EstimateRequest(participant="P9"))
    assert not any("participant" in text for text in named.findings)
    with pytest.raises(LeakError):
        estimate(model, folder, source, EstimateRequest(participant="P2"))


# ---- files ----------------------------------------------------------------------------------------------------------


def test_from_console_to_netcdf(insole_model: tuple[GrfModel, Path], files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "grf.nc"
    ran = run(insole_model[1], files["trial"], "--out", out, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["participant"] == "P3"
    assert told["leaks"] == []
    with xr.open_datatree(out, engine="h5netcdf", decode_times=False) as tree:
        made = tree.load()
    stances = made["stances"].to_dataset()
    for side in ("left", "right"):
        force = made[f"force_{side}"].to_dataset()
        assert force["vgrf_bw"].attrs["units"] == "BW"
        np.testing.assert_allclose(force["vgrf_n"], force["vgrf_bw"] * MASS_KG * 9.80665)
        own = stances.isel(stance=np.flatnonzero(stances["side"].values == side))
        assert own.sizes["stance"] == told["feet"][side]["stances"]
        np.testing.assert_allclose(own["end"] - own["start"], own["contact"], atol=1e-9)
        np.testing.assert_allclose(own["peak_vgrf_n"], own["peak_vgrf_bw"] * MASS_KG * G)
        assert np.nanmax(force["vgrf_bw"]) == pytest.approx(float(own["peak_vgrf_bw"].max()), rel=0.05)
    inputs = {i["name"]: i["sha256"] for i in json.loads(made.attrs["provenance"])["inputs"]}
    for path in (files["trial"], insole_model[1] / "model.json", insole_model[1] / "model.safetensors"):
        assert inputs[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_from_console_to_opensim(insole_model: tuple[GrfModel, Path], files: dict[str, Path], tmp_path: Path) -> None:
    out, beside = tmp_path / "grf.mot", tmp_path / "grf_ExternalLoads.xml"
    ran = run(insole_model[1], files["trial"], "--out", out, "--insole", "fsr16_m", "--heel-m", "0.01")
    assert ran.code == 0, ran.err
    found = mot_columns(out)
    loads = ElementTree.parse(beside).getroot()
    assert loads.findtext("ExternalLoads/datafile") == "grf.mot"
    assert [e.text for e in loads.iter("applied_to_body")] == ["calcn_l", "calcn_r"]
    expected = estimated(insole_model, files["trial"])
    for tag, side, right in (("l", "left", -1.0), ("r", "right", 1.0)):
        curve = expected.feet[side]  # type: ignore[index]
        know = curve.at(found["time"]) * MASS_KG * 9.80665
        known = np.isfinite(know).all(axis=1)
        assert known.mean() > 0.9
        np.testing.assert_allclose(found[f"ground_force_{tag}_vy"][known], know[known, 0], atol=0.01)
        np.testing.assert_allclose(found[f"ground_force_{tag}_vx"][known], know[known, 1], atol=0.01)
        # medial of the right foot is to the left, where OpenSim's Z points to the right
        np.testing.assert_allclose(found[f"ground_force_{tag}_vz"][known], -right * know[known, 2], atol=0.01)
        assert not found[f"ground_force_{tag}_vy"][~known].any()
        middle = [float(np.mean([r.start_s, r.end_s])) for r in expected.rows if r.side == side]
        place = np.interp(middle, found["time"], found[f"ground_force_{tag}_px"])
        assert (place > 0.01).all()  # in front of the heel, and under the shoe
        assert (place < 0.26).all()
        assert np.abs(found[f"ground_force_{tag}_pz"]).max() < 0.04
    streams = read(out).streams
    assert [s.attrs["knows_feet"] for s in streams.values()] == ["left", "right"]
    for stream, tag in zip(streams.values(), "lr"):
        np.testing.assert_allclose(stream["fy"].values, found[f"ground_force_{tag}_vy"])


def estimated(model: tuple[GrfModel, Path], path: Path) -> Estimate:
    return estimate(model[0], model[1], Source.of_trial(path))


def test_the_point_of_force_is_the_mean_of_the_cells_places(
    insole_model: tuple[GrfModel, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Load one cell alone in mid-stance: the force acts where the geometry says that it lies, mirrored by foot."""
    someone = trial(NEW, participant="P3")
    tree = someone.tree.copy(deep=True)
    for side in ("left", "right"):
        cells = [f"cell_{n:02d}" for n in range(1, 17)]
        data = tree[f"insole_{side}"].to_dataset()
        total = np.sum([data[c].values for c in cells], axis=0)
        light = total < np.nanpercentile(total, 80)
        for c in cells:
            data[c] = data[c].copy(data=np.full(data[c].shape, 5.0))
        data["cell_06"] = data["cell_06"].copy(data=np.where(light, total, 5.0))
        data["cell_01"] = data["cell_01"].copy(data=np.where(light, 5.0, total))
        for c in cells:
            data[c].attrs.update(someone.tree[f"insole_{side}"][c].attrs)
        tree[f"insole_{side}"] = data
    path, out = tmp_path / "t.nc", tmp_path / "g.mot"
    Trial(tree).to_netcdf(path)
    ran = run_here(capsys, insole_model[1], path, "--out", out, "--insole", "fsr16_m")
    assert ran.code == 0, ran.err
    found = mot_columns(out)
    # size M: cell 1 at x -12, y 20 mm; cell 6 at x 29.5, y 174 mm; x to the right in a left insole
    for tag, mirror in (("l", 1.0), ("r", -1.0)):
        x, z = found[f"ground_force_{tag}_px"], found[f"ground_force_{tag}_pz"]
        share = (x - 0.020) / (0.174 - 0.020)
        assert share.max() > 0.95
        assert share.min() < 0.2
        np.testing.assert_allclose(z, mirror * (-0.012 + share * 0.0415), atol=1e-5)


def test_csv_comes_back_and_a_column_map_gives_the_same(
    insole_model: tuple[GrfModel, Path], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, mapped = tmp_path / "plain.csv", tmp_path / "mapped.csv"
    assert run_here(capsys, insole_model[1], files["csv"], "--out", plain).code == 0
    head, _, body = plain.read_text().partition("\n")
    assert head.split(",")[:4] == ["time [s]", "left_vgrf [BW]", "left_apgrf [BW]", "left_mlgrf [BW]"]
    assert "[N]" not in head  # no mass, no newtons
    text = files["csv"].read_text()
    names = text.partition("\n")[0].split(",")
    other = [f"K{i}" for i in range(len(names))]
    odd, table = tmp_path / "odd.csv", tmp_path / "map.toml"
    odd.write_text(",".join(other) + "\n" + text.partition("\n")[2])
    lines = [f'{o} = "{n}"' for o, n in zip(other[1:], names[1:])]
    table.write_text("\n".join(['time = "K0"', 'time_unit = "s"', "[columns]", *lines]))
    ran = run_here(capsys, insole_model[1], odd, "--column-map", table, "--mass-kg", "70", "--out", mapped)
    assert ran.code == 0, ran.err
    back, heavy = read(plain).streams["analog"], read(mapped).streams["analog"]
    for name in ("left_vgrf", "right_apgrf"):
        assert back[name].attrs["units"] == "BW"
        np.testing.assert_array_equal(back[name].values, heavy[name].values)
    np.testing.assert_allclose(heavy["right_vgrf_n"], heavy["right_vgrf"] * 70 * 9.80665, atol=0.02)
    first = np.genfromtxt(body.splitlines(), delimiter=",")
    assert np.nanmax(first[:, 1]) == pytest.approx(float(back["left_vgrf"].max()))


def test_the_same_command_gives_the_same_bytes(
    insole_model: tuple[GrfModel, Path], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    for _ in range(2):
        for end in ("nc", "mot"):
            more = ("--insole", "fsr16_l") if end == "mot" else ()
            ran = run_here(capsys, insole_model[1], files["trial"], "--out", tmp_path / f"g.{end}", "--force", *more)
            assert ran.code == 0, ran.err
        made.append({p.name: p.read_bytes() for p in tmp_path.iterdir()})
    assert len(made[0]) == 3
    assert made[0] == made[1]


# ---- what cannot be used --------------------------------------------------------------------------------------------


def changed(kind: str) -> str:
    """Return the insoles' CSV, spoilt in one way."""
    columns = insole_columns()
    if kind == "no cell 3":
        columns = [c for c in columns if not c.name.endswith("cell_03")]
    elif kind == "newtons":
        columns = [CsvColumn(c.name, "N" if c.unit == "count" else c.unit, c.values, 3) for c in columns]
    elif kind == "still":
        flat = np.full(columns[0].values.shape, 40.0)
        columns = [columns[0], *(CsvColumn(c.name, c.unit, flat, 3) for c in columns[1:])]
    return csv_text(columns)


@pytest.mark.parametrize(
    ("kind", "arguments", "what"),
    [
        ("no cell 3", (), "asks for channels cell_03"),
        ("newtons", (), "is in N, but the model was trained on count"),
        ("still", (), "no stance was found"),
        ("", ("--mass-kg", "5"), "--mass-kg is 5"),
        ("", ("--cut", "imu"), "sees no toe-off"),
        ("", ("--cut", "force"), "holds no force plate|recording has none"),
        ("", ("--participant", "P1"), "P1 was in the training"),
        ("", ("--insole", "fsr16_m"), "OpenSim file only"),
        ("", ("--side", "left"), "leave the side out"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(
    insole_model: tuple[GrfModel, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    arguments: tuple[str, ...],
    what: str,
) -> None:
    path = tmp_path / "r.csv"
    path.write_text(changed(kind))
    ran = run_here(capsys, insole_model[1], path, "--out", tmp_path / "g.nc", *arguments)
    assert ran.code == 2
    assert re.search(what, ran.err), ran.err
    assert ran.err.count("\n") == 1 or "grf-estimate:" in ran.err.splitlines()[-1]
    assert not ran.out
    assert [p.name for p in tmp_path.iterdir()] == ["r.csv"]


@pytest.mark.parametrize(
    ("given", "arguments", "what"),
    [
        ("csv", ("--insole", "fsr16_m"), "body mass is not known; state --mass-kg"),
        ("csv", ("--mass-kg", "70"), "no centre of pressure and cells of unknown place"),
        ("trial", (), "name the insole's geometry with --insole"),
        ("trial", ("--side", "left"), "is a trial, which states all itself"),
        ("known", ("--insole", "fsr16_m"), "P1 was in the training"),
    ],
)
def test_an_opensim_file_without_mass_or_place_is_refused(
    insole_model: tuple[GrfModel, Path],
    files: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: str,
    arguments: tuple[str, ...],
    what: str,
) -> None:
    ran = run_here(capsys, insole_model[1], files[given], "--out", tmp_path / "g.mot", *arguments)
    assert ran.code == 2
    assert what in ran.err
    assert not list(tmp_path.iterdir())


def _stopped_between(paths: tuple[Path, Path]) -> None:
    with written_together(paths, force=True) as (first, _second):
        first.write_text("half")
        raise RuntimeError("stopped in between")


def test_nothing_is_overwritten_and_two_files_are_written_or_none(
    insole_model: tuple[GrfModel, Path], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, beside = tmp_path / "g.mot", tmp_path / "g_ExternalLoads.xml"
    beside.write_text("mine")
    arguments = (insole_model[1], files["trial"], "--out", out, "--insole", "fsr16_m")
    ran = run_here(capsys, *arguments)
    assert ran.code == 2
    assert "g_ExternalLoads.xml: exists; use --force" in ran.err
    assert beside.read_text() == "mine"
    assert not out.exists()
    with pytest.raises(RuntimeError, match="in between"):
        _stopped_between((out, beside))
    assert [p.name for p in tmp_path.iterdir()] == [beside.name]
    assert beside.read_text() == "mine"
    assert run_here(capsys, *arguments, "--force").code == 0
    assert "calcn_l" in beside.read_text()


def test_what_is_no_model_recording_or_output_is_refused(
    insole_model: tuple[GrfModel, Path], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = insole_model[1], tmp_path / "g.nc"
    cases = [
        ((tmp_path, files["trial"], "--out", out), "is no grfkit model"),
        ((model, tmp_path / "gone.csv", "--out", out), "gone.csv"),
        ((model, model / "calibration.nc", "--out", out), "calibration.nc"),
        ((model, files["trial"], "--out", tmp_path / "g.txt"), "expected one of .nc, .csv, .mot"),
        ((model, files["trial"], "--out", tmp_path / "no" / "g.nc"), "folder does not exist"),
        ((model, files["trial"], "--out", files["trial"], "--force"), "is an input"),
    ]
    for arguments, what in cases:
        ran = run_here(capsys, *arguments)
        assert (ran.code, what in ran.err) == (2, True), ran.err
        assert not list(tmp_path.iterdir())


def test_a_refused_trial_is_refused(
    insole_model: tuple[GrfModel, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.nc"
    trial(NEW, participant="P3", verdict="refused").to_netcdf(path)
    ran = run_here(capsys, insole_model[1], path, "--out", tmp_path / "g.nc")
    assert ran.code == 2
    assert "refused by alignment" in ran.err


def test_a_leak_stands_in_every_row(
    insole_model: tuple[GrfModel, Path], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "g.nc"
    ran = run_here(capsys, insole_model[1], files["known"], "--out", out, "--allow-leak", "demo")
    assert ran.code == 0
    assert "LEAKS: demo: P1 was in training" in ran.out
    with xr.open_dataset(out, group="stances", engine="h5netcdf") as table:
        assert set(table["leaks"].values) == {"demo: P1 was in training"}


def test_help_is_quick_and_needs_no_torch() -> None:
    took = []
    for _ in range(3):
        start = time.perf_counter()
        assert run("--help").code == 0
        took.append(time.perf_counter() - start)
    assert min(took) < 0.5
    code = "import sys, grfkit.cli.estimate; sys.exit(bool({'torch', 'xarray', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
