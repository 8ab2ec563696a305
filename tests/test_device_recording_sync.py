"""A live recording through grf-sync: phantom, insole packets, file, alignment with the plates, against the truth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from grfkit.records import Trial
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import write_reference
from grfkit.simulate.lab import simulate_trial
from live_files import PERIOD_US, Insole, write_recording

SCRIPTS = Path(sys.executable).parent


def run(name: str, *arguments: str | Path) -> str:
    """Run an installed console script and return what it said."""
    command = [str(SCRIPTS / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    assert json.loads(run("grf-sync", *asked))["verdict"] == "aligned"
    aligned = dict(Trial.from_netcdf(out).streams())
    for name in ("insole_left", "insole_right"):
        truth, data = lab.truth.streams[("insole", name)], aligned[name]
        device = data["time_device"].values
        wrong = np.abs(data["time"].values - truth.t_reference(device))
        assert wrong[(device > truth.overlap_s[0]) & (device < truth.overlap_s[1])].max() < 0.02
