"""The edge install: a wheel in an empty environment answers by a bundle, by either interpreter, without torch."""

from __future__ import annotations

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
LITERT = ("[edge]", (), "ai-edge-litert")
OLD = ("", ("tflite-runtime==2.14.0", "numpy<2"), "tflite-runtime")
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


def here(made: Small, out: Path) -> xr.DataTree:
    """The same estimate by this environment."""
    from grfkit.estimation.estimate import estimate

    estimate(made.bundle, made.stranger, out=out)
    return xr.open_datatree(out, engine="h5netcdf", decode_times=False)


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment, filled from outside: pip is not among what it holds."""
    folder = tmp_path_factory.mktemp("edge") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    return folder


def install(venv: Path, *asked: str) -> None:
    """Install into an environment; modules are compiled when they are imported, the many others never."""
    pip("--python", venv / "bin" / "python", "install", "--no-compile", *asked)


def answered(made: Small, venv: Path, folder: Path, package: str) -> None:
    """Estimate by a bundle in an environment: without torch, by this interpreter, and with the forces of here."""
    python = venv / "bin" / "python"
    looked = f"from importlib.util import find_spec; print([m for m in {UNWANTED} if find_spec(m)])"
    assert _ran(python, "-c", looked).stdout.strip() == "[]"
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


@pytest.mark.slow
def test_a_clean_environment_estimates_by_a_bundle_by_either_interpreter(
    made: Small, wheel: Path, venv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second interpreter replaces the first, with the older NumPy that it asks for."""
    said = []
    for extra, more, package in (LITERT, OLD):
        if package == "tflite-runtime" and sys.version_info >= (3, 12):
            break  # tflite-runtime 2.14.0 has no wheel past Python 3.11
        folder = tmp_path / package
        folder.mkdir()
        if said:
            pip("--python", venv / "bin" / "python", "uninstall", "--yes", "ai-edge-litert")
        install(venv, f"{wheel}{extra}", *more)
        answered(made, venv, folder, package)
        said.append(f"{package}: {_size_mb(venv):.0f} MB installed, of it {_own_mb(venv, package):.1f} MB {package}")
    with capsys.disabled():
        print("\n" + "\n".join(said), end=" ")


def _ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, check=False)


def _size_mb(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink()) / 1e6


def _own_mb(venv: Path, package: str) -> float:
    (site,) = venv.glob("lib/python*/site-packages")
    return _size_mb(site / package.replace("-", "_"))
