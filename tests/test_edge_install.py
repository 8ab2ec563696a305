"""The edge install: a wheel in an empty environment answers by a bundle, by either interpreter, without torch."""

from __future__ import annotations

import email
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bundle_models import Small, need_tensorflow, small

ROOT = Path(__file__).resolve().parents[1]
LITERT, OLD = "ai-edge-litert", "tflite-runtime"
OLD_WITH = ("tflite-runtime==2.14.0", "numpy<2")
UNWANTED = ("torch", "tensorflow", "tf_keras", "safetensors")


def pip(*arguments: str | Path, python: str | Path = sys.executable) -> None:
    """Run pip; where the package index cannot be reached the test is skipped, any other failure fails it."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    offline = ("Temporary failure in name resolution", "Network is unreachable", "ConnectTimeoutError")
    if done.returncode and any(text in done.stderr for text in offline):
        pytest.skip("the package index cannot be reached from here")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def made() -> Small:
    need_tensorflow()
    return small()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ROOT, "--no-deps", "-w", folder)
    (path,) = folder.glob("grfkit-*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_all_that_export_and_verify_compile(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    firmware = ROOT / "firmware_models"
    expected = {
        f"grfkit/_firmware/{p.relative_to(firmware).as_posix()}"
        for part in ("runtime", "tests")
        for p in (firmware / part).iterdir()
    }
    assert {"grfkit/_firmware/tests/board.c", "grfkit/_firmware/tests/board_insole.c"} <= expected
    assert expected | {"grfkit/_firmware/LICENSE"} <= names


@pytest.mark.slow
def test_the_wheel_states_the_licences_of_its_models_and_carries_their_texts(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (metadata,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        stated = email.message_from_bytes(file.read(metadata))
        assert stated["License-Expression"] == "Apache-2.0 AND CC-BY-4.0 AND CC0-1.0 AND MIT AND ODC-By-1.0"
        for path in ("LICENSE", "host/grfkit/models/LICENSES.md"):
            assert path in stated.get_all("License-File", [])
            text = file.read(f"{metadata.removesuffix('METADATA')}licenses/{path}")
            assert text == (ROOT / path).read_bytes()
        assert "grfkit/models/LICENSES.md" in file.namelist()


def here(made: Small, out: Path) -> xr.DataTree:
    """The same estimate by this environment."""
    from grfkit.estimation.estimate import estimate

    estimate(made.bundle, made.stranger, out=out)
    return xr.open_datatree(out, engine="h5netcdf", decode_times=False)


@pytest.mark.slow
def test_a_clean_environment_estimates_by_a_bundle_with_either_interpreter(
    made: Small, wheel: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120)
    python = venv / "bin" / "python"
    pip("install", "--no-compile", f"{wheel}[edge]", python=python)
    found = [m for m in UNWANTED if _ran(python, "-c", f"import {m}").returncode == 0]
    assert found == []
    _check_estimate(made, venv, tmp_path / "litert", LITERT)
    if sys.version_info < (3, 12):  # tflite-runtime 2.14.0 has no wheel past Python 3.11
        # as in an empty environment: what would be installed is decided without what is there
        pip("install", "--dry-run", "--ignore-installed", wheel, *OLD_WITH, python=python)
        pip("uninstall", "--yes", LITERT, python=python)
        pip("install", "--no-compile", wheel, *OLD_WITH, python=python)
        _check_estimate(made, venv, tmp_path / "old", OLD)


def _check_estimate(made: Small, venv: Path, folder: Path, package: str) -> None:
    """Estimate in the environment, by this interpreter, as here."""
    folder.mkdir()
    out = folder / "edge.nc"
    done = _ran(venv / "bin" / "grf-estimate", made.bundle, made.stranger, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    network = xr.open_datatree(out, engine="h5netcdf", decode_times=False).attrs
    told = json.loads(done.stdout)
    assert package in json.dumps(told) or package in str(network)
    edge, own = xr.open_datatree(out, engine="h5netcdf", decode_times=False), here(made, folder / "own.nc")
    for foot in ("force_left", "force_right"):
        off = np.abs(edge[foot]["vgrf_bw"].values - own[foot]["vgrf_bw"].values)
        assert np.array_equal(np.isnan(edge[foot]["vgrf_bw"].values), np.isnan(own[foot]["vgrf_bw"].values))
        assert np.nanquantile(off, 0.999) <= 0.06


def _ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, check=False)
