"""Cells on a bench: a simulated chamber whose laws, clocks and dead cells are known; refused where nothing is seen."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from grfkit.calibrate import apply, load
from grfkit.calibrate.cell_documents import CellCalibration
from grfkit.calibrate.cell_laws import ahead_of_play, hysteresis_percent
from grfkit.cli.calibrate import main
from grfkit.errors import BadInputError
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_recording, make_stream
from grfkit.sync.bench_clock import join_bench

AREA_MM2 = 100.0
CELLS = 12
MAP = """
[cells]
time_column = "time"
first_cell = "c1"
unit = "count"
full_scale = [0, 1023]
device = "insole 7"
[bench]
column = "pressure"
rate_hz = 50
unit = "kPa"
"""


def course(seed: int, duration_s: float) -> np.ndarray:
    """Return a chamber's pressure (kPa) at 50.9 Hz: rest, steps of unlike height and length up, then down."""
    rng = np.random.default_rng(seed)
    levels = np.r_[0.0, np.sort(rng.uniform(10, 300, 12)), np.sort(rng.uniform(10, 300, 9))[::-1], 0.0]
    ends = np.cumsum(np.r_[8.0, rng.uniform(4, 12, levels.size - 1)])
    at = np.arange(0, duration_s, 1 / 50.9)
    raw = levels[np.minimum(np.searchsorted(ends * duration_s / ends[-1], at), levels.size - 1)]
    return np.convolve(np.r_[np.zeros(40), raw], np.ones(41) / 41, mode="same")[40:]


def write_run(folder: Path, seed: int, *, gains: np.ndarray, dead: tuple[int, ...] = (3,)) -> tuple[Path, Path]:
    """Write one run: cells with a slack of 6 counts at 48 Hz, the bench's rows 2 s ahead and without times."""
    rng = np.random.default_rng(seed)
    pressure = course(seed, 150.0)
    bench_s = np.arange(pressure.size) / 50.9 - 2.0
    time_s = np.arange(0, 147.0, 1 / 48.0)
    load = np.interp(time_s, bench_s, pressure)
    u = np.zeros((time_s.size, CELLS))
    state = 0.0
    for k, value in enumerate(load):
        state = min(max(state, value - 9.0), value + 9.0)
        u[k] = gains * (0.7 * value + 0.3 * state)
    cells = np.rint(300 + u + rng.normal(0, 0.6, u.shape))
    cells[:, list(dead)] = 0.0
    cells[time_s > 60, 5] = 512.0  # stopped
    cells[700::900, 7] = 1023.0  # spikes, at the end of the scale too
    rows = [f"{t:.4f}," + ",".join(f"{v:.0f}" for v in row) for t, row in zip(time_s, cells)]
    a, b = folder / f"cells{seed}.csv", folder / f"bench{seed}.csv"
    a.write_text("time," + ",".join(f"c{j + 1}" for j in range(CELLS)) + "\n" + "\n".join(rows) + "\n")
    b.write_text("pressure\n" + "\n".join(f"{p:.3f}" for p in pressure) + "\n")
    return a, b


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    gains = np.linspace(0.6, 1.4, CELLS)
    for seed in (1, 2, 3):
        write_run(folder, seed, gains=gains)
    (folder / "bench.toml").write_text(MAP)
    return folder


def options(folder: Path, *seeds: int) -> list[object]:
    given: list[object] = ["pressure", "--columns", folder / "bench.toml"]
    for seed in seeds:
        given += ["--run", folder / f"cells{seed}.csv", "--bench", folder / f"bench{seed}.csv"]
    return given


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with patch.object(sys, "argv", ["grf-calibrate", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def insole(values: np.ndarray, *, units: str = "count", device: str = "") -> Recording:
    stream = make_stream(
        [Channel(f"cell_{j + 1:02d}", values[:, j], units) for j in range(values.shape[1])],
        np.arange(values.shape[0]) / 100.0,
        kind="insole",
        side="left",
        rate_hz=100.0,
    )
    if device:
        stream.attrs["device"] = device
    return make_recording({"insole_left": stream}, device="t", reader="t", provenance=Provenance())


def test_a_simulated_chamber_gives_back_its_laws_clocks_and_dead_cells(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "cells.json", tmp_path / "cells.html"
    code, said, error = command(
        capsys, *options(runs, 1, 2, 3), "--cell-area-mm2", AREA_MM2, "--out", out, "--report", page, "--json"
    )
    assert code == 0, error
    summary = json.loads(said)
    # 48 Hz rows called 50 Hz run 50.9: the bench's clock is found with its rate and its two seconds
    for run in summary["runs"]:
        assert abs(1 / run["rate"] - 50.9 / 50.0) < 0.002
        assert abs(run["offset_s"] + 2.0) < 0.15
    document = load(out).document
    assert isinstance(document, CellCalibration)
    assert {c.number for c in document.out_of_use} == {4, 6}
    assert "dead" in document.out_of_use[0].why
    assert "stopped" in document.out_of_use[1].why
    errors = {s["law"]: s["rms_n"] for s in summary["compared"] if s["zero"] == "document"}
    assert errors["hysteresis"] < 0.7 * errors["linear"]
    assert document.law == "hysteresis"
    assert document.residual_n < 0.015 * document.force_max_n
    assert len({i.sha256 for i in document.inputs}) == 7
    assert "cell_01" not in page.read_text()
    # 200 kPa on 100 mm^2 are 20 N, on the way up
    up = np.tile(300 + np.linspace(0.6, 1.4, CELLS) * (0.7 * 200 + 0.3 * 191), (100, 1))
    ramp = 300 + (up - 300) * np.linspace(0, 1, 100)[:, None]
    stream = apply(insole(np.concatenate([ramp, up])), [load(out)]).streams["insole_left"]
    assert stream["cell_01"].attrs["units"] == "N"
    assert float(stream["cell_01"][-1]) == pytest.approx(20.0, rel=0.03)
    assert np.isnan(stream["cell_04"].values).all()
    with pytest.raises(BadInputError, match="is in N, expected count"):
        apply(insole(up, units="N"), [load(out)])
    with pytest.raises(BadInputError, match=r"insole of 12 cells, 'insole_left' has 11"):
        apply(insole(up[:, :11]), [load(out)])
    with pytest.raises(BadInputError, match="was measured on 'insole 7'"):
        apply(insole(up, device="insole 8"), [load(out)])
    beyond = apply(insole(up + 400), [load(out)]).streams["insole_left"]
    assert np.isnan(beyond["cell_01"].values).all()


def test_what_cannot_be_calibrated_is_refused(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.json"
    area = ("--cell-area-mm2", AREA_MM2, "--out", out)

    def refused(*given: object) -> str:
        code, _, error = command(capsys, *given)
        assert code == 2, error
        assert not out.exists()
        assert "Traceback" not in error
        return error

    assert "1 run of the bench" in refused(*options(runs, 1), *area)
    assert "0 runs of the bench" in refused(*options(runs), *area)
    assert "is the same recording as" in refused(*options(runs, 1, 2, 1), *area)
    assert "give --cell-area-mm2" in refused(*options(runs, 1, 2), "--out", out)
    assert "--out CELLS.json is missing" in refused(*options(runs, 1, 2))
    strangers = ["pressure", "--columns", runs / "bench.toml"]
    for a, b in ((1, 2), (2, 3)):
        strangers += ["--run", runs / f"cells{a}.csv", "--bench", runs / f"bench{b}.csv"]
    said = refused(*strangers, *area)
    assert "agree on when the bench was recorded" in said or "more than one way" in said
    unknown = tmp_path / "unknown.toml"
    unknown.write_text(MAP.replace('"kPa"', '"unknown"'))
    given = [unknown if o == runs / "bench.toml" else o for o in options(runs, 1, 2)]
    assert "unit 'unknown' is not known" in refused(*given, *area)
    unknown.write_text(MAP.replace('"pressure"', '"force"'))
    assert "has no column 'force'; it has pressure" in refused(*given, *area)


def test_play_is_a_slack_link_and_waits_over_gaps() -> None:
    u = np.array([0.0, 3.0, np.nan, 3.0, 1.0, -2.0])[:, None]
    ahead = ahead_of_play(u, np.array([[1.0]]))[:, 0, 0]
    np.testing.assert_allclose(ahead, [0.0, 1.0, np.nan, 1.0, -1.0, -1.0])


def test_hysteresis_is_the_difference_between_ways() -> None:
    force = np.r_[np.linspace(0, 10, 200), np.linspace(10, 0, 200)]
    estimate = force + np.r_[np.zeros(200), np.full(200, 0.5)]
    assert hysteresis_percent(estimate, force) == pytest.approx(5.0, abs=0.6)
    assert np.isnan(hysteresis_percent(estimate[:10], force[:10]))


def test_a_bench_of_even_steps_that_fits_at_many_places_is_refused() -> None:
    at = np.arange(0, 240.0, 0.02)
    even = np.sign(np.sin(2 * np.pi * at / 7.0)) * 50
    part = slice(3000, 9000)
    with pytest.raises(BadInputError, match=r"more than one way|agree on when|share no time"):
        join_bench(
            at[part] - at[3000],
            even[part],
            at,
            even + 0.01 * np.random.default_rng(0).normal(size=at.size),
            name="even",
        )
