"""``grfkit.sync.align`` is ``grf-sync``: the same files, read or named, give the same verdict, maps and bytes."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from grfkit.cli.sync import main, sync
from grfkit.errors import BadInputError, RefusedError
from grfkit.io import read
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import csv_file, loadsol_file, write_reference
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import Alignment, align, assemble
from grfkit.sync.request import SyncRequest

SEED = 98_301
LAB = Condition(family="A", duration_s=50.0, step_cv_percent=2.5, insole="loadsol", wearables=("insole", "imu"))
few = hypothesis_settings(
    max_examples=3,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "together": st.booleans(),
        "allow_partial": st.just(True),
        "accept_refused": st.just(True),
        "mass_kg": st.sampled_from([70.0, 20.0]),
        "participant": st.just("P01"),
        "forward": st.sampled_from(["+x", "-y"]),
        "prior": st.sampled_from([(0.0, 30.0), (-300.0, 0.5)]),
        "correct": st.just(["zero"]),
        "min_overlap_s": st.sampled_from([20.0, 3000.0]),
    },
)
"""What may differ from the defaults; some draws are refused, some in part."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with plates, a loadsol insole (a clock for each foot), an IMU, and another trial's insole."""
    folder = tmp_path_factory.mktemp("lab")
    trial, other = simulate_trial(LAB, SEED), simulate_trial(LAB, SEED + 1)
    write_reference(folder / "force.c3d", trial)
    (folder / "insole.txt").write_text(loadsol_file(trial.wearables["insole"], comment="P01"), encoding="utf-8")
    (folder / "imu.csv").write_text(csv_file(trial.wearables["imu"]), encoding="utf-8")
    (folder / "stranger.txt").write_text(loadsol_file(other.wearables["insole"], comment="P02"), encoding="utf-8")
    return folder


def by_command(
    lab: Path, wearables: list[str], options: dict[str, Any], out: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, Any], bytes | None]:
    """Return the JSON that ``grf-sync`` prints and the bytes of the trial that it writes."""
    words = ["--reference", str(lab / "force.c3d"), "--surface", "treadmill", "--out", str(out), "--json"]
    words += [word for name in wearables for word in ("--wearable", str(lab / name))]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name == "prior":
            words += ["--prior-offset", str(value[0]), "--prior-sd", str(value[1])]
        elif name == "together":
            words.append("--together" if value else "--apart")
        elif value is True:
            words.append(option)
        else:
            words += [word for each in (value if isinstance(value, list) else [value]) for word in (option, str(each))]
    with patch.object(sys, "argv", ["grf-sync", *words]), pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code in (0, 3), capsys.readouterr().err
    return json.loads(capsys.readouterr().out), out.read_bytes() if out.exists() else None


def by_function(alignment: Alignment, out: Path) -> tuple[dict[str, Any], bytes | None]:
    """Return the same of an alignment by the function."""
    if not alignment.accepted:
        with pytest.raises(RefusedError):
            assemble(alignment)
        return alignment.to_json(out), None
    assemble(alignment).to_netcdf(out)
    return alignment.to_json(out), out.read_bytes()


@given(
    st.sampled_from([["insole.txt"], ["imu.csv"], ["insole.txt", "imu.csv"], ["insole.txt", "stranger.txt"]]), OPTIONS
)
@example(["insole.txt"], {})
@example(["insole.txt", "stranger.txt"], {"allow_partial": True, "participant": "P01"})
@few
def test_the_same_files_give_the_same_verdict_maps_and_bytes_by_function_and_by_command(
    lab: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    wearables: list[str],
    options: dict[str, Any],
) -> None:
    places = [tmp_path_factory.mktemp(name) / "trial.nc" for name in ("command", "paths", "recordings")]
    summary, content = by_command(lab, wearables, options, places[0], capsys)
    keywords = {k: v for k, v in options.items() if k != "prior"}
    if "prior" in options:
        keywords["prior_offset_s"], keywords["prior_sd_s"] = options["prior"]
    paths = [str(lab / name) for name in wearables]
    sources = {
        places[1]: (str(lab / "force.c3d"), paths if len(paths) > 1 else paths[0]),
        places[2]: (read(lab / "force.c3d"), [read(path) for path in paths]),
    }
    for place, (reference, devices) in sources.items():
        alignment = align(reference, devices, surface="treadmill", **keywords)
        same_summary, same_content = by_function(alignment, place)
        assert alignment.verdict == summary["verdict"]
        assert same_summary | {"trial": None} == summary | {"trial": None}
        assert (same_summary["trial"] is None) == (summary["trial"] is None)
        assert same_content == content


def test_function_command_and_stored_request_have_the_same_options_and_defaults() -> None:
    function = {n: p.default for n, p in inspect.signature(align).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert function.pop("surface") is inspect.Parameter.empty
    command = {n: p.default for n, p in inspect.signature(sync).parameters.items()}
    for name, default in function.items():
        assert (command[name] or None) == (default or None), name
    request = SyncRequest.model_validate({"reference": "a", "wearables": ["b"], "surface": "treadmill"})
    assert request.settings.shortest_overlap_s == function.pop("min_overlap_s")
    assert request.settings.max_drift_ppm == function.pop("max_drift_ppm")
    for name, default in function.items():
        assert getattr(request, name) == default, name


def test_a_file_named_twice_is_refused_by_function_and_by_command(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadInputError, match="name the same file twice"):
        align(lab / "force.c3d", [lab / "imu.csv", str(lab / "imu.csv")], surface="treadmill")
    copy = tmp_path / "copy.csv"
    copy.write_bytes((lab / "imu.csv").read_bytes())
    with pytest.raises(BadInputError, match=r"copy\.csv: is a copy of .*imu\.csv"):
        align(None, [lab / "imu.csv", copy], surface="treadmill")
    words = ["--reference", str(lab / "force.c3d"), "--surface", "treadmill", "--out", str(tmp_path / "trial.nc")]
    twice = ["--wearable", str(lab / "imu.csv")] * 2
    with patch.object(sys, "argv", ["grf-sync", *words, *twice]), pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "name the same file twice" in capsys.readouterr().err
