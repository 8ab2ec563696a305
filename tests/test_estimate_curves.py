"""Curves of estimates: is a force that of its foot and instant, mirrored as in training, and open where unknown?"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from grfkit.cli.estimate import main
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.windows import trial_windows
from grfkit.estimation.curves import LONGEST_SWING_S, from_stances, increasing
from grfkit.estimation.estimate import estimate_source
from grfkit.estimation.files import lab_y
from grfkit.estimation.source import EstimateSource
from grfkit.formats.csv_generic import CsvColumn, csv_text
from grfkit.io import read
from grfkit.learn.model import GrfModel
from grfkit.learn.recipe import Recipe
from grfkit.learn.train_config import TrainConfig
from grfkit.learn.training_job import train_model
from grfkit.provenance import InputFile
from grfkit.records import Trial
from grfkit.records.stance_set import StanceSet, join, make_stance_set
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from test_learn_trials import LAB, trial

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
    sets = [three_axes(trial_windows(trial(lab, participant=p), cut)) for lab, p in ((LAB, "P1"), (NEW, "P2"))]
    config = TrainConfig(epochs=epochs, batch=16, lr=1e-2, threads=1)
    recipe = Recipe(network={"name": "bilstm", "hidden": 8, "head": (8,)}, train=config, cut=cut, inner=0)
    train_model(join(sets), recipe).model.save(folder)
    return GrfModel.load(folder), folder


@pytest.fixture(scope="module")
def insole_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[GrfModel, Path]:
    """Give a model of insole counts and where it lies."""
    return trained(tmp_path_factory.mktemp("models") / "insole", INSOLE, 1)


@pytest.fixture(scope="module")
def both_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[GrfModel, Path]:
    """Give a hardly trained model of insole and IMU: it hears all, and what it says means nothing."""
    return trained(tmp_path_factory.mktemp("models") / "both", CUT, 1)


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


def of(given: Trial) -> EstimateSource:
    """Return a trial in memory as a source."""
    return EstimateSource(given, "trial", True, InputFile(name="trial.nc", sha256="0" * 64, size_bytes=1))


class Ran(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ran:
    """Run ``grf-estimate`` within this process."""
    with patch.object(sys, "argv", ["grf-estimate", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return Ran(int(stop.value.code or 0), said.out, said.err)


def test_a_model_that_repeats_a_cell_gives_that_cell_at_every_instant_of_stance(
    both_model: tuple[GrfModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = both_model
    acc_y = model.spec.scaler.channels.index("acc_y")
    monkeypatch.setattr(GrfModel, "predict", lambda _m, data, **_: data.arrays()[0][:, :, [acc_y] * 3])
    someone = trial(NEW, participant="P3")
    found = estimate_source(model, folder, of(someone))
    streams = someone.streams
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
    for name, stream in plain.streams.items():
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
    first, second = estimate_source(model, folder, of(plain)), estimate_source(model, folder, of(Trial(tree)))
    for side, other in (("left", "right"), ("right", "left")):
        a, b = first.feet[side], second.feet[other]  # type: ignore[index]
        np.testing.assert_allclose(a.force_bw, b.force_bw, atol=1e-6)
        np.testing.assert_allclose(lab_y(a, side), -lab_y(b, other), atol=1e-6)  # type: ignore[arg-type]
    known = np.isfinite(first.feet["left"].force_bw[:, 2])
    np.testing.assert_array_equal(lab_y(first.feet["left"], "left")[known], -first.feet["left"].force_bw[known, 2])


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


def test_a_model_of_continuous_windows_answers_every_sample(
    insole_model: tuple[GrfModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = insole_model
    spec = model.spec.model_copy(update={"window": "continuous", "points": 80, "rate_hz": 200.0, "cut": "none"})
    monkeypatch.setattr(GrfModel, "predict", lambda _m, data, **_: data.arrays()[0][:, :, [0, 0, 0]])
    someone = trial(NEW, participant="P3")
    found = estimate_source(GrfModel(spec, model.network), folder, of(someone))
    left = someone.streams["insole_left"]
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


def test_csv_comes_back_and_a_column_map_gives_the_same(
    insole_model: tuple[GrfModel, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, mapped, own = tmp_path / "plain.csv", tmp_path / "mapped.csv", tmp_path / "insoles.csv"
    text = csv_text(insole_columns())
    own.write_text(text)
    assert run_here(capsys, insole_model[1], own, "--out", plain).code == 0
    head, _, body = plain.read_text().partition("\n")
    assert head.split(",")[:4] == ["time [s]", "left_vgrf [BW]", "left_apgrf [BW]", "left_mlgrf [BW]"]
    assert "[N]" not in head  # no mass, no newtons
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


def test_a_clock_that_is_set_back_or_lost_keeps_what_is_in_order() -> None:
    t = np.asarray([np.nan, 1.0, 2.0, 3.0, 1.5, 2.5, np.nan, 3.0, 4.0])
    np.testing.assert_array_equal(t[increasing(t)], [1.0, 2.0, 3.0, 4.0])
    assert not increasing(np.full(3, np.nan)).any()


def test_a_sample_without_a_time_changes_nothing_before_and_moves_no_stance(
    insole_model: tuple[GrfModel, Path],
) -> None:
    model, folder = insole_model
    plain = trial(NEW, participant="P3")
    tree = plain.tree.copy(deep=True)
    data = tree["insole_left"].to_dataset()
    lost = data["time"].values.copy()
    lost[1000] = np.nan  # one stamp was never mapped
    tree["insole_left"] = data.assign_coords(time=("time", lost, data["time"].attrs))
    a, b = estimate_source(model, folder, of(plain)), estimate_source(model, folder, of(Trial(tree)))
    kept = np.isin(a.feet["left"].time_s, b.feet["left"].time_s)
    assert (~kept).sum() == 1
    before = b.feet["left"].time_s < data["time"].values[1000]
    np.testing.assert_allclose(a.feet["left"].force_bw[kept][before], b.feet["left"].force_bw[before], atol=1e-6)
    starts = [np.asarray([r.start_s for r in e.rows if r.side == "left"]) for e in (a, b)]
    np.testing.assert_allclose(starts[0], starts[1], atol=0.0105)  # the detector counts samples, and one is gone
