"""Live samples in newtons: the same as the document makes of the recording, and refused where it does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from grfkit import BadInputError
from grfkit.calibrate import apply, load
from grfkit.calibrate.cell_documents import CellCalibration, CellLaw, CellOut
from grfkit.calibrate.documents import PressureCalibration
from grfkit.calibrate.scale_documents import FootScale, LoadScale
from grfkit.device.session import Samples, Session, TimedItem
from grfkit.monitor.live import LiveFoot
from grfkit.monitor.live_calibration import NAMES, LiveCalibration
from grfkit.monitor.live_contact import Contact
from grfkit.monitor.messages import DeviceState
from grfkit.monitor.tui import _force_source
from grfkit.provenance import Provenance
from grfkit.records import Channel, make_recording, make_stream
from grfkit.virtual.source import SampleSource
from grfkit.wire import Info, Running
from monitor_room import EMPTY, PEAK, steps
from monitor_serial import on_socket

SOURCE = "made for a test"


def scale(**changes: Any) -> LoadScale:
    rest = dict.fromkeys(NAMES, EMPTY)
    feet = tuple(FootScale(stream=f"insole_{s}", scale=0.05, rest=rest, error_percent=1) for s in ("left", "right"))
    fields: dict[str, Any] = {
        "name": "scale", "source": SOURCE, "unit_in": "count", "mass_kg": 70, "method": "strides", "feet": feet,
        "n": 9, "residual_percent": 1, "load_max_bw": 2,
    }  # fmt: skip
    return LoadScale(**(fields | changes))


def laws(**changes: Any) -> CellCalibration:
    """Laws of the left insole that know which way the load went; cell 3 is out of use."""
    cells = tuple(
        CellLaw(
            number=k, rest=EMPTY, sign=1, polynomial=(0.0, 0.05, 1e-6), play_widths=(20.0, 60.0),
            play_gains=(0.004, -0.002), valid_max_u=1.1 * PEAK, residual_n=0.1, noise_n=0.1,
        )
        for k in range(1, 17) if k != 3
    )  # fmt: skip
    fields: dict[str, Any] = {
        "name": "laws", "source": SOURCE, "stream": "insole_left", "law": "hysteresis", "cells": cells,
        "out_of_use": (CellOut(number=3, why="still"),), "residual_n": 0.1, "force_max_n": 50,
    }  # fmt: skip
    return CellCalibration(**(fields | changes))


def written(folder: Path, *documents: Any) -> list[Path]:
    for document in documents:
        (folder / f"{document.name}.json").write_text(document.model_dump_json(), encoding="utf-8")
    return [folder / f"{document.name}.json" for document in documents]


class Fed:
    """One left foot with documents, and what it showed."""

    def __init__(self, documents: list[Path], names: tuple[str, ...] = ("Insole", "AA")) -> None:
        self.shown: list[Contact] = []
        self.refused: list[str] = []
        self.foot = LiveFoot(
            0, None, {}, show=self.shown.append, predict=pytest.fail, refuse=self.refused.append,
            calibration=LiveCalibration(documents), names=names,
        )  # fmt: skip
        one = Session(number=1, info=Info(0, 16, 12, 16, 2000, 0), running=Running(1, 5, 200, 5000), started_ns=0)
        self.foot.session_began(one, 0, sends=False)

    def feed(self, source: SampleSource) -> np.ndarray:
        """Take all samples; return the columns that a page gets: the force, then the cells."""
        for k in range(0, len(source.cells) - 4, 5):
            rows = source.cells[k : k + 5], source.imu[k : k + 5]
            item = Samples(k, k * 5000, 0, 0, 0, False, False, False, *rows)
            self.foot.take(TimedItem(item, 10.0 + np.arange(k, k + 5) / 200.0, 1.0), 7)
        return np.concatenate([batch.columns for batch in self.foot.batches.take(0.0, 10.0)], axis=1)


def of_recording(source: SampleSource, document: Path) -> np.ndarray:
    channels = [Channel(n, source.cells[:, k].astype(float), "count") for k, n in enumerate(NAMES)]
    stream = make_stream(
        channels, np.arange(len(source.cells)) / 200.0, kind="insole", side="left", rate_hz=200.0
    )  # fmt: skip
    made = make_recording({"insole_left": stream}, device="t", reader="t", provenance=Provenance())
    calibrated = apply(made, [load(document)]).streams["insole_left"]
    return np.stack([calibrated[n].values for n in NAMES])


@pytest.mark.parametrize("document", [scale(), laws()], ids=["scale", "laws"])
def test_live_newtons_are_those_of_the_recording(document: Any, tmp_path: Path) -> None:
    source, (path,) = steps("left", seconds=8.0), written(tmp_path, document)
    fed = Fed([path])
    columns = fed.feed(source)
    expected = of_recording(source, path)[:, : columns.shape[1]]
    np.testing.assert_allclose(columns[1:], expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(columns[0], np.nansum(expected, axis=0), rtol=1e-5, atol=1e-2)
    assert (fed.foot.force_unit, fed.foot.calibrated, fed.refused) == ("N", document.name, [])
    assert len(fed.shown) >= 5
    assert {c.unit for c in fed.shown} == {"N"}
    assert max(c.axes["v"].max() for c in fed.shown) == pytest.approx(np.nansum(expected, axis=0).max(), rel=0.01)


def test_a_contact_beyond_the_range_of_a_cell_is_not_shown(tmp_path: Path) -> None:
    fed = Fed(written(tmp_path, laws()))
    columns = fed.feed(steps("left", seconds=6.0, scale=1.3))
    assert np.isnan(columns[0]).any()
    assert not fed.shown
    assert set(fed.foot.track.refused) == {"beyond the calibration's range"}


def test_another_insole_keeps_its_counts(tmp_path: Path) -> None:
    source, paths = steps("left", seconds=4.0), written(tmp_path, laws(device="insole 7"))
    other = Fed(paths)
    assert other.feed(source)[1:].max() > 900
    assert (other.foot.force_unit, other.foot.calibrated) == ("count", None)
    assert "was measured on 'insole 7', this insole is 'Insole' at AA" in other.refused[0]
    assert not Fed(paths, ("insole 7", "AA")).refused
    (right,) = written(tmp_path, replace_stream(laws(), "insole_right"))
    assert Fed([right]).refused == ["no calibration is for the left insole: its load stays in counts"]


def replace_stream(document: CellCalibration, stream: str) -> CellCalibration:
    return document.model_copy(update={"stream": stream})


def test_documents_that_no_live_insole_can_use_are_refused_at_once(tmp_path: Path) -> None:
    few = scale(name="few", feet=(FootScale(stream="insole_left", scale=1, rest={"cell_01": 0.0}, error_percent=1),))
    kpa = PressureCalibration(
        name="kpa", source=SOURCE, stream="insole_left", unit_in="kPa", gain=1, valid_min=0, valid_max=9, residual_n=0
    )
    cases = (
        ([few], "is of an insole of 1 cells, a live insole has 16"),
        ([kpa], "is for values in kPa; insoles send counts"),
        ([kpa.model_copy(update={"stream": "force", "unit_in": "count"})], "is for force; expected insole_left"),
        ([scale(), laws()], "'scale' and 'laws' are both for the left insole"),
    )
    for documents, why in cases:
        with pytest.raises(BadInputError, match=why):
            LiveCalibration(written(tmp_path, *documents))
    with pytest.raises(BadInputError, match="kind lag_table; live, the cells of insoles are calibrated"):
        LiveCalibration([Path("lags/default")])


def test_what_shows_a_foot_says_what_its_load_is_calibrated_with() -> None:
    state = DeviceState(0, "left", "Insole", "AA", "streaming", force_unit="N", calibrated="scale")
    assert _force_source(state) == "sum of cells, calibrated with scale"
    assert _force_source(replace(state, calibrated=None)) == "estimated on the device"


def test_the_command_calibrates_and_says_so(tmp_path: Path) -> None:
    (path,) = written(tmp_path, scale())
    with on_socket() as (url, _):
        done = run("--serial", url, "--headless", "--json", "--seconds", "1", "--no-record", "--calibration", path)
    assert done.returncode == 0, done.stderr
    assert [device["calibrated"] for device in json.loads(done.stdout)["devices"]] == ["scale"]
    refused = run("--demo", "--headless", "--no-record", "--calibration", "lags/default")
    assert refused.returncode == 2
    assert "kind lag_table" in refused.stderr


def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grfkit.cli.monitor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
