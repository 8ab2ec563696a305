"""A live recording through grf-sync: phantom, insole packets, file, alignment with the plates, against the truth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import xarray as xr

from grfkit import wire
from grfkit.formats import grfrec
from grfkit.formats.grfrec import Kind, Record
from grfkit.io import read
from grfkit.records import ClockMap, Trial
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import write_reference
from grfkit.simulate.lab import simulate_trial
from grfkit.sync.align import with_stated_uncertainty
from live_files import PERIOD_US, ZERO_NS, Insole, write_recording

SCRIPTS = Path(sys.executable).parent


def run(name: str, *arguments: str | Path) -> str:
    """Run an installed console script and return what it said."""
    command = [str(SCRIPTS / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stances(foot: Insole, count: int) -> list[Record]:
    """Return the records of so many stances, one each 140 samples, with curves of 11 points."""
    curve = np.arange(11, dtype=np.int8)[:, None]
    report = wire.StanceReport(7, 0.25, 4, 0, 10, 1.0, 0.1, 0.0, 0.0, (0.0,), (0.1,), curve)
    records = []
    for k in range(count):
        at_us = (foot.clock_us + 140 * (k + 1) * PERIOD_US) & 0xFFFFFFFF
        (one,) = wire.fragments(report.to_bytes(), wire.PacketHeader(3, k, at_us, 140 * (k + 1), 0, 7), k, room=244)
        arrival = ZERO_NS + round(1e9 * (float(foot.true_s(140 * (k + 1))) + 0.3))
        records.append(Record(Kind.PACKET, arrival, foot.device, grfrec.packet_body(5, one.to_bytes())))
    return records


def test_a_live_recording_is_inspected_and_aligned(tmp_path: Path) -> None:
    condition = Condition(family="A", duration_s=75.0, step_cv_percent=2.5, wearables=("insole",), gaps=False)
    lab = simulate_trial(condition, 96_001)
    write_reference(tmp_path / "force.c3d", lab)
    records, streams = [], lab.wearables["insole"].streams
    for side, name in enumerate(("insole_left", "insole_right")):
        data = streams[name]
        at = np.arange(0, float(data["time"].values[-1]), PERIOD_US * 1e-6)
        cells = [np.interp(at, data["time"].values, data[f"cell_{k:02d}"].values) for k in range(1, 17)]
        foot = Insole(side, 0.0, 2**32 - 30_000_000 * (side + 1), side)
        counts = np.rint(np.nan_to_num(np.stack(cells, axis=1))).astype(np.int64)
        packets = foot.packets(counts, np.zeros((at.size, 6), np.int64), frozenset({500, 501, 1200 + side}))
        records += [foot.begin(), *packets, *foot.syncs(float(at[-1]))]
        records += stances(foot, 20) if side == 0 else []
    path = tmp_path / "live.grfrec"
    write_recording(path, records)
    shown = json.loads(run("grf-inspect", path, "--json"))
    told = shown[0] if isinstance(shown, list) else shown
    assert told["reader"] == "grfrec"
    assert [s["missing_samples"] for s in told["streams"] if s["kind"] == "insole"] == [15, 15]
    out = tmp_path / "trial.nc"
    asked = (
        "--reference",
        tmp_path / "force.c3d",
        "--wearable",
        path,
        "--surface",
        "treadmill",
        "--out",
        out,
        "--json",
    )
    said = json.loads(run("grf-sync", *asked))
    assert said["verdict"] == "aligned"
    trial = Trial.from_netcdf(out)
    states_its_own_uncertainty(said, trial, path)
    aligned = trial.streams
    carries_stances(aligned, trial, path)
    for name in ("insole_left", "insole_right"):
        truth, data = lab.truth.streams[("insole", name)], aligned[name]
        device = data["time_device"].values
        wrong = np.abs(data["time"].values - truth.t_reference(device))
        assert wrong[(device > truth.overlap_s[0]) & (device < truth.overlap_s[1])].max() < 0.02


def states_its_own_uncertainty(said: dict, trial: Trial, path: Path) -> None:
    """Check that the interval is never smaller than that of the recording's own times."""
    for row in said["maps"]:
        own = float(read(path).streams[row["stream"]].attrs["uncertainty_ms"])
        assert own > 3.0, "time syncs took 4 ms each way"
        assert row["uncertainty_ms"] > own
        assert any("states its own times" in finding for finding in row["findings"])
        assert trial.clock_maps[row["stream"]].uncertainty_ms == row["uncertainty_ms"]


def carries_stances(aligned: dict, trial: Trial, path: Path) -> None:
    """Check that what the insole sent is in the trial, whole and on the reference clock."""
    sent, carried = read(path).streams["stances_left"], aligned["stances_left"]
    assert carried.sizes["time"] == 20
    np.testing.assert_array_equal(carried["vgrf"].values, sent["vgrf"].values)
    np.testing.assert_allclose(carried["time_device"].values, sent["time"].values)
    expected = trial.clock_maps["insole_left"].apply(sent["time"].values)
    np.testing.assert_allclose(carried["time"].values, expected, atol=1e-9)
    assert "stances_right" not in aligned


def test_a_stream_that_states_nothing_of_its_times_is_aligned_as_before() -> None:
    before = ClockMap(source="a", target="b", verdict="aligned", uncertainty_ms=3.0)
    stream = xr.Dataset(attrs={"kind": "insole"})
    assert with_stated_uncertainty(before, stream) is before
    told = with_stated_uncertainty(before, stream.assign_attrs(uncertainty_ms=4.0))
    assert told.uncertainty_ms == 5.0
    refused = before.model_copy(update={"uncertainty_ms": None})
    assert with_stated_uncertainty(refused, stream.assign_attrs(uncertainty_ms=4.0)) is refused
