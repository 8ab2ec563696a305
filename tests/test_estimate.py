"""grf-estimate as installed: is what it writes the model's answer at the right instants, feet, axes and units?"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

from grfkit.cli.estimate import main
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.windows import trial_windows
from grfkit.errors import BadInputError
from grfkit.estimation.estimate import estimate_source
from grfkit.estimation.flag_counts import flag_counts
from grfkit.estimation.source import EstimateSource
from grfkit.io import read
from grfkit.learn.folds import Fold
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.provenance import Provenance
from grfkit.records import Anchors, ClockMap, Segment, Trial
from grfkit.records.stance_set import join
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import csv_file
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.simulate.settings import default_settings
from grfkit.sync import assemble_streams
from grfkit.units import G

SCRIPTS = Path(sys.executable).parent
MASS_KG = 70.0
KINDS = ("insole",)


def simulated(seed: int, **more: object) -> LabTrial:
    known = default_settings()
    shared = known.model_copy(update={"insole": known.insole.model_copy(update={"stamp_jitter_share": 0.0})})
    given = {"family": "A", "duration_s": 30.0, "wearables": KINDS, "insole_bits": 12, "insole_rate_hz": 200.0} | more
    return simulate_trial(Condition.model_validate(given), seed, shared)


def as_trial(lab: LabTrial, participant: str, *, mass_kg: float = MASS_KG, verdict: str = "aligned") -> Trial:
    """Return the trial with the clocks that are known to be true."""
    streams, maps = {}, {}
    for wearable, recording in lab.wearables.items():
        for name, stream in recording.streams.items():
            truth = lab.truth.streams[(wearable, name)]
            segment = Segment(start_s=-1e6, end_s=1e6, offset_s=truth.offset_s, drift_ppm=truth.drift_ppm)
            streams[name] = stream
            maps[name] = ClockMap(source=name, target="reference", verdict=verdict, segments=[segment])  # type: ignore[arg-type]
    none = np.zeros(0)
    anchors = {name: Anchors(none, none, none, np.zeros(0, dtype=bool)) for name in streams}
    attrs = {"participant": participant, "surface": "treadmill", "mass_kg": mass_kg, "speed_m_s": 3.0,
             "slope_percent": 0.0}  # fmt: skip
    return assemble_streams(lab.reference, streams, maps, anchors, attrs=attrs, provenance=Provenance())


@dataclass(frozen=True)
class World:
    """A small model of two people, a trial and a raw recording of a third, and one of a trained person."""

    folder: Path
    lab: LabTrial

    @property
    def model(self) -> str:
        return str(self.folder / "model")

    @property
    def trial(self) -> str:
        return str(self.folder / "trial.nc")

    @property
    def known(self) -> str:
        return str(self.folder / "known.nc")

    @property
    def raw(self) -> str:
        return str(self.folder / "insole.csv")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    trials = {f"P{seed}": as_trial(simulated(seed), f"P{seed}") for seed in (1, 2)}
    asked = CutRequest(points=51, kinds=KINDS)
    data = join([trial_windows(t, asked, name=p) for p, t in trials.items()])
    fold = Fold("everyone", ("P1", "P2"), (), ())
    model = fit(network_config("mlp", hidden=32), TrainConfig(epochs=25, patience=0, batch=16), data, fold)
    model.save(folder / "model")
    lab = simulated(9)
    as_trial(lab, "P9").to_netcdf(folder / "trial.nc")
    trials["P1"].to_netcdf(folder / "known.nc")
    (folder / "insole.csv").write_text(csv_file(lab.wearables["insole"]), encoding="utf-8")
    return World(folder, lab)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def run(*arguments: str | Path) -> Ran:
    """Run the installed console script."""
    command = [str(SCRIPTS / "grf-estimate"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


def here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ran:
    """Run it within this process, which takes a tenth of the time."""
    with patch.object(sys, "argv", ["grf-estimate", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return Ran(int(stop.value.code or 0), said.out, said.err)


def tree_of(path: Path) -> xr.DataTree:
    with xr.open_datatree(path, engine="h5netcdf", decode_times=False) as tree:
        return tree.load()


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_trial_is_answered_as_the_model_answers_its_windows(world: World, tmp_path: Path) -> None:
    out = tmp_path / "grf.nc"
    ran = run(world.model, world.trial, "--out", out, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert names(tmp_path) == ["grf.nc"]
    tree = tree_of(out)
    data = trial_windows(Trial.from_netcdf(Path(world.trial)), CutRequest(points=51, kinds=KINDS))
    answers = predict(GrfModel.load(Path(world.model)), data)
    side, start, contact = data.per_stance("side"), data.data["start_s"].values, data.scalar("contact_s")
    for row in range(data.size):
        stream = tree[f"/force_{side[row]}"].to_dataset()
        time = stream["time"].values
        at = np.linspace(start[row], start[row] + contact[row], 51)
        inside = (time > at[0]) & (time < at[-1])
        assert inside.sum() > 20
        for axis, column in (("vgrf", 0), ("apgrf", 1), ("mlgrf", 2))[: answers.shape[2]]:
            wanted = np.interp(time[inside], at, answers[row, :, column])
            np.testing.assert_allclose(stream[f"{axis}_bw"].values[inside], wanted, atol=1e-5)
    assert told["feet"]["left"]["answered"] + told["feet"]["right"]["answered"] >= data.size
    assert told["leaks"] == []
    assert told["cut"] == told["cut_of_training"] == "insole_causal"


def test_the_curve_follows_the_plate_and_is_zero_in_swing(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(capsys, world.model, world.trial, "--out", tmp_path / "grf.nc").code == 0
    tree = tree_of(tmp_path / "grf.nc")
    plate = next(s for s in world.lab.reference.of_kind("force_plate").values())
    truth_n = np.abs(plate["fz"].values)
    total, time = 0.0, tree["/force_left"]["time"].values
    for side in ("left", "right"):
        stream = tree[f"/force_{side}"].to_dataset()
        known = np.isfinite(stream["vgrf_bw"].values)
        assert known.mean() > 0.6
        own = np.where(known, stream["vgrf_n"].values, 0.0)
        np.testing.assert_allclose(own[known], stream["vgrf_bw"].values[known] * MASS_KG * G, rtol=1e-9)
        total = total + np.interp(time, stream["time"].values, own)
        assert (stream["vgrf_bw"].values == 0).mean() > 0.3  # a runner's foot is in the air most of the time
        rows = tree["/stances"].to_dataset()
        first = rows["start"].values[rows["side"].values == side].min()
        assert np.isnan(stream["vgrf_bw"].values[stream["time"].values < first]).all()
    table = tree["/stances"].to_dataset()
    span = (time > table["start"].values.min()) & (time < table["end"].values.max())
    span &= (time > plate["time"].values[0]) & (time < plate["time"].values[-1])
    measured = np.interp(time[span], plate["time"].values, truth_n)
    assert np.corrcoef(total[span], measured)[0, 1] > 0.9


def test_medial_of_the_left_foot_is_right_in_the_lab() -> None:
    from grfkit.estimation.curves import FootCurve
    from grfkit.estimation.files import lab_y
    from grfkit.estimation.opensim_files import _ground

    axes = ("vgrf", "apgrf", "mlgrf")
    curve = FootCurve(np.asarray([0.0, 0.01]), np.asarray([[2.0, 0.3, 0.1], [2.0, 0.3, 0.1]]), 100.0, axes)
    np.testing.assert_array_equal(lab_y(curve, "left"), [-0.1, -0.1])
    np.testing.assert_array_equal(lab_y(curve, "right"), [0.1, 0.1])
    # OpenSim's Z points to the right: medial of the left foot is +Z, of the right foot -Z
    np.testing.assert_array_equal(_ground(curve.force_bw, axes, "left")[0], [0.3, 2.0, 0.1])
    np.testing.assert_array_equal(_ground(curve.force_bw, axes, "right")[0], [0.3, 2.0, -0.1])


def test_a_raw_recording_becomes_csv_that_inspect_reads(world: World, tmp_path: Path) -> None:
    out = tmp_path / "grf.csv"
    ran = run(world.model, world.raw, "--out", out, "--participant", "P9", "--json")
    assert ran.code == 0, ran.err
    shown = subprocess.run(
        [str(SCRIPTS / "grf-inspect"), str(out), "--json"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    channels = {c["name"]: c["unit"] for s in json.loads(shown.stdout)["streams"] for c in s["channels"]}
    assert channels["left_vgrf"] == channels["right_vgrf"] == "BW"
    assert not any(name.endswith("_n") for name in channels)  # nobody stated a mass
    back = read(out).streams["analog"]
    assert float(np.nanmax(back["left_vgrf"].values)) > 1.2
    assert np.isnan(back["left_vgrf"].values[:3]).all()
    told = json.loads(ran.out)
    assert told["mass_kg"] is None
    assert told["feet"]["left"]["answered"] > 25


def test_newtons_are_body_weights_times_the_stated_mass(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grf.csv"
    assert here(capsys, world.model, world.raw, "--out", out, "--participant", "P9", "--mass-kg", "60").code == 0
    back = read(out).streams["analog"]
    bw, n = back["right_vgrf"].values, back["right_vgrf_n"].values
    np.testing.assert_allclose(n[np.isfinite(n)], bw[np.isfinite(bw)] * 60 * G, atol=0.02)


def centre(stream: xr.Dataset, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre of the cells' loads, forward and to the right (m), from the published places of size M."""
    document = Path(__file__).parent.parent / "calibration" / "insoles" / "fsr16_m.json"
    cells = json.loads(document.read_text())["cells"]
    load = np.stack([stream[f"cell_{c['number']:02d}"].values for c in cells], axis=1)
    load = np.clip(load - np.nanpercentile(load, 30, axis=0), 0, None)  # a runner's foot is in the air for longer
    out = 1 if side == "left" else -1
    total = np.maximum(load.sum(axis=1), 1.0)
    return (load @ [c["y_mm"] for c in cells]) / total / 1e3, out * (load @ [c["x_mm"] for c in cells]) / total / 1e3


def test_opensim_gets_both_feet_their_bodies_and_points(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grf.mot"
    ran = here(capsys, world.model, world.trial, "--out", out, "--insole", "fsr16_m", "--heel-m", "0.01", "--json")
    assert ran.code == 0, ran.err
    assert names(tmp_path) == ["grf.mot", "grf_ExternalLoads.xml"]
    head, _, body = out.read_text().partition("endheader\n")
    labels = body.splitlines()[0].split("\t")
    table = np.asarray([[float(c) for c in line.split("\t")] for line in body.splitlines()[1:]])
    assert f"nRows={len(table)}" in head
    assert f"nColumns={len(labels)}" in head
    assert np.isfinite(table).all()
    assert "estimated, not measured" in head
    column = dict(zip(labels, table.T))
    root = ElementTree.parse(tmp_path / "grf_ExternalLoads.xml").getroot()
    assert root.findtext("ExternalLoads/datafile") == "grf.mot"
    loads = root.findall("ExternalLoads/objects/ExternalForce")
    assert [f.findtext("applied_to_body") for f in loads] == ["calcn_l", "calcn_r"]
    for force in loads:
        up = column[f"{force.findtext('force_identifier')}y"]
        assert 1.2 * MASS_KG * G < up.max() < 4 * MASS_KG * G
        point = np.stack([column[f"{force.findtext('point_identifier')}{a}"] for a in "xyz"], axis=1)[up > 200]
        assert (point[:, 1] == 0).all()
        assert 0.03 < np.median(point[:, 0]) < 0.24  # between the heel and the toes of size M
        assert np.abs(point[:, 2]).max() < 0.03
        tag = (force.findtext("force_identifier") or "")[13]
        side = {"l": "left", "r": "right"}[tag]
        stream = Trial.from_netcdf(Path(world.trial)).tree[f"/insole_{side}"]
        forward, right = centre(stream.to_dataset(), side)
        when = stream["time"].values
        loaded = np.interp(when, column["time"], up, left=0, right=0) > 500
        for axis, wanted in (("x", forward + 0.01), ("z", right)):
            found = np.interp(when, column["time"], column[f"ground_force_{tag}_p{axis}"])
            np.testing.assert_allclose(np.median(np.abs(found - wanted)[loaded]), 0, atol=0.002)
    plates = read(out).streams
    for stream in plates.values():
        tag = str(stream.attrs["knows_feet"])[0]
        np.testing.assert_allclose(stream["fy"].values, column[f"ground_force_{tag}_vy"], atol=1e-9)


def test_the_medial_cells_of_each_foot_lie_to_the_other_foot() -> None:
    from grfkit.calibrate.library import load_insole
    from grfkit.estimation.curves import FootCurve
    from grfkit.estimation.opensim_files import as_mot
    from grfkit.estimation.types import Estimate, StanceRow

    time = np.arange(40) / 100
    loads = {f"cell_{k:02d}": ("time", np.zeros(40), {"units": "N"}) for k in range(1, 17)}
    medial = np.where((time >= 0.1) & (time <= 0.3), 100.0, 0.0)
    heel = np.where((time >= 0.1) & (time <= 0.2), 100.0, 0.0)
    loads["cell_07"] = ("time", medial - heel, {"units": "N"})  # cell 7: 24 mm to the right of a left insole
    loads["cell_02"] = ("time", heel, {"units": "N"})
    rows, feet, streams = [], {}, {}
    for side in ("left", "right"):
        streams[side] = xr.Dataset(loads, coords={"time": time}, attrs={"kind": "insole", "side": side})
        feet[side] = FootCurve(time, np.where(medial > 0, 1.0, 0.0)[:, None], 100.0, ("vgrf",))
        rows.append(StanceRow(side, 0.095, 0.305, 0.21, 1.0))
    made = Estimate(
        feet, tuple(rows), ("vgrf",), "P1", 70.0, "force", "force", "mlp", (), {}, (), Provenance(), streams
    )
    text, notes = as_mot(made, "grf", geometry=load_insole("fsr16_m").document, heel_m=0.0)
    (sure,) = [note for note in notes if note.startswith("right foot")]
    assert sure.startswith("right foot: centre of pressure of 16 cells, weighted plainly; 95 % within 29 mm forward")
    assert sure in text
    body = text.partition("endheader\n")[2].splitlines()
    column = dict(zip(body[0].split("\t"), np.asarray([[float(c) for c in r.split("\t")] for r in body[1:]]).T))
    late = (column["time"] > 0.25) & (column["time"] < 0.3)
    np.testing.assert_allclose(column["ground_force_l_px"][late], 0.216, atol=1e-6)
    np.testing.assert_allclose(column["ground_force_l_pz"][late], 0.024, atol=1e-6)
    np.testing.assert_allclose(column["ground_force_r_pz"][late], -0.024, atol=1e-6)


def test_provenance_names_every_byte_that_went_in(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.nc", "b.nc"):
        assert here(capsys, world.model, world.trial, "--out", tmp_path / name).code == 0
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    made = Provenance.model_validate_json(tree_of(tmp_path / "a.nc").attrs["provenance"])
    files = [Path(world.trial), Path(world.model) / "model.json", Path(world.model) / "model.safetensors"]
    assert [i.sha256 for i in made.inputs] == [hashlib.sha256(p.read_bytes()).hexdigest() for p in files]
    assert made.configuration["allow_leak"] == ""


def test_one_of_the_training_is_refused_until_the_leak_is_named(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grf.nc"
    ran = here(capsys, world.model, world.known, "--out", out)
    assert ran.code == 2
    assert "P1 was in the training" in ran.err
    assert not names(tmp_path)
    assert here(capsys, world.model, world.known, "--out", out, "--allow-leak", "personal model").code == 0
    tree = tree_of(out)
    assert json.loads(tree.attrs["leaks"]) == ["personal model: P1 was in training"]
    assert set(tree["/stances"]["leaks"].values) == {"personal model: P1 was in training"}
    assert here(capsys, world.model, world.trial, "--out", tmp_path / "o.nc", "--allow-leak", "x").code == 0
    assert json.loads(tree_of(tmp_path / "o.nc").attrs["leaks"]) == []  # nobody leaked


def mended(world: World, tmp_path: Path, what: str) -> str:
    """Return the raw recording, spoilt."""
    path = tmp_path / "in" / f"{what}.csv"
    path.parent.mkdir(exist_ok=True)
    text = Path(world.raw).read_text()
    header, _, body = text.partition("\n")
    rows = np.asarray([[float(c) if c else np.nan for c in line.split(",")] for line in body.splitlines()])
    cells = [i for i, c in enumerate(header.split(",")) if "cell_" in c]
    if what == "units":
        header = header.replace("[adc]", "[N]")
    if what == "mixed":
        header = ",".join(c.replace("[adc]", "[N]") if "right_cell_03" in c else c for c in header.split(","))
    if what == "channel":
        header = header.replace("_cell_16", "_cell_17")
    if what == "still":
        rows[:, cells] = rows[0, cells]
    if what == "nothing":
        rows[:, cells] = np.nan
    lines = [",".join("" if np.isnan(v) else f"{v:.6g}" for v in row) for row in rows[:6000]]
    path.write_text("\n".join([header, *lines]) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("units", r"'cell_01' of the left foot is in N, but the model was trained on count"),
        ("mixed", r"'cell_03' of the right foot is in N, but the model was trained on count"),
        ("channel", r"asks for channels cell_16, which the left foot does not have"),
        ("still", r"no stance was found by insole_causal"),
        ("nothing", r"insole"),
    ],
)
def test_a_recording_that_cannot_be_answered_is_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, line: str
) -> None:
    import re

    spoilt = mended(world, tmp_path, what)
    ran = here(capsys, world.model, spoilt, "--out", tmp_path / "grf.nc", "--participant", "P9")
    assert ran.code == 2, ran.err
    assert re.search(line, ran.err), ran.err
    assert ran.out == ""
    assert names(tmp_path) == ["in"]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--out", "grf.txt"], "expected one of .nc, .csv, .mot"),
        (["--out", "there.nc"], "exists; use --force"),
        (["--out", "missing/grf.nc"], "folder does not exist"),
        (["--out", "grf.mot"], "state --mass-kg"),
        (["--out", "grf.mot", "--mass-kg", "70"], "name the insole's geometry with --insole"),
        (["--out", "grf.mot", "--mass-kg", "70", "--insole", "fsr16_mm"], "fsr16_mm"),
        (["--out", "grf.nc", "--insole", "fsr16_m"], "leave it out"),
        (["--out", "grf.nc", "--mass-kg", "700"], "--mass-kg is 700"),
        (["--out", "grf.nc", "--cut", "force"], "the recording has none"),
        (["--out", "grf.nc", "--cut", "imu"], "sees no toe-off"),
        (["--out", "grf.nc", "--cut", "magic"], "cannot be run"),
    ],
)
def test_options_that_do_not_fit_are_refused_and_nothing_written(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    more: list[str], line: str,
) -> None:  # fmt: skip
    (tmp_path / "there.nc").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)
    ran = here(capsys, world.model, world.raw, "--participant", "P9", *more)
    assert ran.code == 2, ran.err
    assert line in ran.err
    assert ran.err.count("Traceback") == 0
    assert names(tmp_path) == ["there.nc"]
    assert (tmp_path / "there.nc").read_bytes() == b"mine"


def test_who_it_is_has_to_be_known(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_trial(world.lab, " ").to_netcdf(tmp_path / "nobody.nc")
    ran = here(capsys, world.model, tmp_path / "nobody.nc", "--out", tmp_path / "grf.nc")
    assert ran.code == 2
    assert "--participant CODE" in ran.err
    (tmp_path / "nobody.nc").unlink()
    ran = here(capsys, world.model, world.trial, "--out", tmp_path / "grf.nc", "--participant", "P8")
    assert ran.code == 2
    assert "is of participant 'P9', not 'P8'" in ran.err
    ran = here(capsys, world.folder, world.trial, "--out", tmp_path / "grf.nc")
    assert ran.code == 2
    assert "is no grfkit model" in ran.err
    as_trial(world.lab, "P9", verdict="refused").to_netcdf(tmp_path / "refused.nc")
    ran = here(capsys, world.model, tmp_path / "refused.nc", "--out", tmp_path / "grf.nc")
    assert ran.code == 2
    assert "refused by alignment" in ran.err
    assert names(tmp_path) == ["refused.nc"]
    partial = as_trial(world.lab, "P9")
    partial.tree.attrs["verdict"] = "partial"
    partial.tree["insole_left"].attrs["verdict"] = "refused"
    assert len(partial.refused_streams) == 1
    with pytest.raises(BadInputError, match="--allow-partial in place"):
        trial_windows(partial, CutRequest(kinds=("insole",)))
    partial.to_netcdf(tmp_path / "partial.nc")
    ran = here(capsys, world.model, tmp_path / "partial.nc", "--out", tmp_path / "grf.nc")
    assert ran.code == 2
    assert f"holds {partial.refused_streams[0]}, which alignment refused" in ran.err
    assert names(tmp_path) == ["partial.nc", "refused.nc"]


def test_a_device_names_nobody_and_the_estimate_says_what_that_means(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = here(capsys, world.model, world.raw, "--out", tmp_path / "grf.nc", "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["participant"] == "not stated"
    assert any("nobody can tell whether they were in the model's training" in f for f in told["findings"])
    made = Provenance.model_validate_json(tree_of(tmp_path / "grf.nc").attrs["provenance"])
    assert any("nobody can tell" in f for f in made.findings)


def test_a_leak_of_the_model_opens_no_door_for_its_participants(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = GrfModel.load(Path(world.model))
    model.spec = model.spec.model_copy(update={"leaks": ("contact limits from the plate",)})
    model.save(tmp_path / "leaky")
    ran = here(capsys, tmp_path / "leaky", world.known, "--out", tmp_path / "grf.nc")
    assert ran.code == 2
    assert "P1 was in the training" in ran.err
    ran = here(capsys, tmp_path / "leaky", world.trial, "--out", tmp_path / "grf.nc", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["leaks"] == ["contact limits from the plate"]


def test_both_opensim_files_or_none(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [world.model, world.trial, "--out", tmp_path / "grf.mot", "--insole", "fsr16_m"]
    (tmp_path / "grf_ExternalLoads.xml").write_text("mine")
    assert "exists" in here(capsys, *arguments).err
    assert names(tmp_path) == ["grf_ExternalLoads.xml"]
    replace = os.replace

    def fails_on_mot(source: Path, target: Path) -> None:
        if Path(target).suffix == ".mot":
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_on_mot)
    ran = here(capsys, *arguments, "--force")
    monkeypatch.undo()
    assert ran.code == 2
    assert names(tmp_path) == ["grf_ExternalLoads.xml"]
    assert (tmp_path / "grf_ExternalLoads.xml").read_text() == "mine"
    assert here(capsys, *arguments, "--force").code == 0
    assert "OpenSimDocument" in (tmp_path / "grf_ExternalLoads.xml").read_text()


def test_a_gap_and_a_contact_turned_down_are_not_called_swing() -> None:
    from grfkit.estimation.curves import from_stances

    time = np.arange(300) / 100
    signal = np.ones(300)
    signal[62:66] = np.nan
    base = xr.Dataset({"force": ("time", signal)}, coords={"time": time}, attrs={"rate_hz": 100.0})
    stance = [(np.asarray([a, a + 0.2]), np.ones((2, 1))) for a in (0.1, 0.8, 1.3, 2.75)]
    curve = from_stances(base, stance, [(1.1, 1.2)], ("vgrf",)).force_bw[:, 0]
    at = {round(float(t), 2): v for t, v in zip(time, curve)}
    assert np.isnan(at[0.05])  # before the first
    assert at[0.2] == 1.0
    assert at[0.5] == 0.0
    assert np.isnan(at[0.64])  # nothing was received
    assert np.isnan(at[1.05])  # a contact was turned down before the next stance
    assert np.isnan(at[2.0])  # 1.25 s without a stance: standing, or not worn
    assert np.isnan(at[2.98])  # after the last


def test_overlapping_windows_are_averaged() -> None:
    from grfkit.estimation.curves import from_windows

    time = np.arange(30) / 10
    base = xr.Dataset({"acc_x": ("time", np.ones(30))}, coords={"time": time}, attrs={"rate_hz": 10.0})
    first = np.asarray([0, 10])
    answers = np.stack([np.full((20, 1), 1.0), np.full((20, 1), 3.0)])
    known = [np.ones(20, dtype=bool), np.ones(20, dtype=bool)]
    curve = from_windows(base, first, answers, known, rate_hz=10.0, axes=("vgrf",))
    np.testing.assert_allclose(curve.force_bw[:, 0], [1.0] * 10 + [2.0] * 10 + [3.0] * 10)
    known[0][:] = False
    curve = from_windows(base, first, answers, known, rate_hz=10.0, axes=("vgrf",))
    assert np.isnan(curve.force_bw[:9, 0]).all()
    np.testing.assert_allclose(curve.force_bw[10:, 0], 3.0)


def test_help_comes_without_heavy_imports() -> None:
    code = (
        "import sys; import grfkit.cli.estimate; "
        "print([m for m in ('torch', 'xarray', 'scipy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert run("--help").code == 0


def test_a_broken_model_is_refused(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "model"
    shutil.copytree(world.model, broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    ran = here(capsys, broken, world.trial, "--out", tmp_path / "grf.nc")
    assert ran.code == 2
    assert names(tmp_path) == ["model"]
    with pytest.raises(BadInputError):
        GrfModel.load(broken)


def test_a_model_of_filtered_imus_sees_filtered_imus(tmp_path: Path) -> None:
    asked = CutRequest(points=51, kinds=("insole", "imu"), imu_lowpass_hz=15.0)
    worn: dict[str, object] = {"wearables": ("insole", "imu")}
    data = join([trial_windows(as_trial(simulated(s, **worn), f"P{s}"), asked, name=f"P{s}") for s in (1, 2)])
    fold = Fold("everyone", ("P1", "P2"), (), ())
    config = TrainConfig(epochs=2, patience=0, batch=16, channels=("acc_*", "gyro_*"))
    model = fit(network_config("mlp", hidden=8), config, data, fold)
    third = as_trial(simulated(9, **worn), "P9")
    third.to_netcdf(tmp_path / "third.nc")
    expected = trial_windows(third, asked, name="third")
    peaks = predict(model, expected)[:, :, 0].max(axis=1)
    off = {}
    for hz in (15.0, 0.0):
        cut = {"imu_lowpass_hz": hz, "lowpass_corrected": True, "rule": "20N"}
        model.spec.provenance.configuration = {"recipe": {"cut": cut}}
        model.save(tmp_path / "model", force=True)
        found = estimate_source(model, tmp_path / "model", EstimateSource.of_trial(tmp_path / "third.nc"))
        starts = np.asarray([row.start_s for row in found.rows])
        rows = [found.rows[int(np.argmin(np.abs(starts - s)))] for s in expected.data["start_s"].values]
        off[hz] = np.abs(np.asarray([row.peak_bw for row in rows]) - peaks)
    assert np.quantile(off[15.0], 0.9) < 1e-3 < np.quantile(off[0.0], 0.5)


def test_flags_that_differ_in_a_share_alone_are_one_line() -> None:
    rows = [("11 % of the samples missing",), ("28 % of the samples missing", "pulls"), (), ("pulls",)]
    assert flag_counts(rows) == ["2 of 4 stances: 11 to 28 % of the samples missing", "2 of 4 stances: pulls"]
    assert flag_counts([("11 % of the samples missing",)] * 2) == ["2 of 2 stances: 11 % of the samples missing"]
