"""A sensor on its six sides whose errors are known, on a shoe whose axes are known; refused where sides are missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from grfkit import read
from grfkit.calibrate import apply, load
from grfkit.cli.calibrate import main
from grfkit.errors import BadInputError
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_recording, make_stream
from grfkit.units import G

SCALE = np.array([1.02, 0.97, 1.05])
BIAS = np.array([0.3, -0.2, 0.1])
GYRO_BIAS = np.array([0.02, -0.01, 0.005])
TURN = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rows: the shoe's forward, left and up in the sensor's axes."""


def recorded(acc: np.ndarray, gyro: np.ndarray, *, unit: str = "m/s^2", device: str = "", seed: int = 0) -> Recording:
    """Return what the faulty sensor shows of true values, at 100 Hz."""
    rng = np.random.default_rng(seed)
    shown = acc / SCALE + BIAS + rng.normal(0, 0.02, acc.shape)
    rates = gyro + GYRO_BIAS + rng.normal(0, 0.003, gyro.shape)
    channels = [Channel(f"acc_{a}", shown[:, k], unit) for k, a in enumerate("xyz")]
    channels += [Channel(f"gyro_{a}", rates[:, k], "rad/s") for k, a in enumerate("xyz")]
    stream = make_stream(channels, np.arange(len(acc)) / 100.0, kind="imu", side="left", rate_hz=100.0)
    if device:
        stream.attrs["device"] = device
    return make_recording({"imu_left": stream}, device="t", reader="t", provenance=Provenance())


def sides(*, only: int = 6, extra: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return a sensor that lies on its sides for 4 s each, tilted by some degrees, and is turned between."""
    rng = np.random.default_rng(4)
    ups = [sign * np.eye(3)[k] for k in range(3) for sign in (1, -1)][:only]
    ups += [ups[k] for k in range(extra)]
    acc, gyro = [], []
    for up in ups:
        tilted = up + 0.08 * rng.normal(size=3)
        acc += [np.tile(G * tilted / np.linalg.norm(tilted), (400, 1)), rng.normal(0, 4, (100, 3)) + 5]
        gyro += [np.zeros((400, 3)), rng.normal(0, 2, (100, 3))]
    return np.concatenate(acc), np.concatenate(gyro)


def walk() -> tuple[np.ndarray, np.ndarray]:
    """Return a shoe that stands flat, pitches toe down, swings and pitches back, in the sensor's axes."""
    rate = np.zeros((2000, 3))
    phase = np.mod(np.arange(2000), 110)
    rate[:, 1] = np.where((phase > 50) & (phase < 70), 4.0, np.where((phase >= 75) & (phase < 100), -3.4, 0.0))
    rate[:, 1] += np.where((phase >= 100) & (phase < 105), 1.0, 0.0)
    rate[:, 0] = 0.3 * np.sin(phase / 110 * 2 * np.pi) * (rate[:, 1] != 0)
    pitch = np.cumsum(rate[:, 1]) / 100
    pitch -= np.linspace(0, pitch[-1], pitch.size)
    acc = G * np.stack([-np.sin(pitch), np.zeros(2000), np.cos(pitch)], axis=1)
    return acc @ TURN, rate @ TURN


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with patch.object(sys, "argv", ["grf-calibrate", "imu", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def test_six_sides_and_a_walk_give_back_scale_bias_and_axes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    static, walked, out, page = (tmp_path / n for n in ("static.nc", "walk.nc", "imu.json", "imu.html"))
    recorded(*sides()).to_netcdf(static)
    recorded(*walk(), seed=1).to_netcdf(walked)
    code, said, error = command(
        capsys, static, "--walk", walked, "--out", out, "--report", page, "--device", "A1", "--json"
    )
    assert code == 0, error
    summary = json.loads(said)
    np.testing.assert_allclose(summary["acc_scale"], SCALE, atol=0.003)
    np.testing.assert_allclose(summary["acc_bias_m_s2"], BIAS, atol=0.02)
    np.testing.assert_allclose(summary["gyro_bias_rad_s"], GYRO_BIAS, atol=0.001)
    np.testing.assert_allclose(summary["turn"], TURN, atol=0.1)
    assert 0 < summary["residual_m_s2"] < 0.03
    assert "How it sits on the shoe" in page.read_text()
    stream = apply(read(walked), [load(out)]).streams["imu_left"]
    still = np.median(np.stack([stream[f"acc_{a}"].values for a in "xyz"], axis=1)[:40], axis=0)
    np.testing.assert_allclose(still, [0, 0, G], atol=0.8)
    with pytest.raises(BadInputError, match="was measured on 'A1'"):
        apply(recorded(*walk(), device="B2"), [load(out)])
    with pytest.raises(BadInputError, match=r"is in count, expected m/s\^2"):
        apply(recorded(*walk(), unit="count"), [load(out)])


def test_six_positions_alone_are_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    static, out = tmp_path / "static.nc", tmp_path / "imu.json"
    recorded(*sides(extra=0)).to_netcdf(static)
    code, said, error = command(capsys, static, "--out", out)
    assert code == 0, error
    assert "not judged" in said


@pytest.mark.parametrize(
    ("recording", "why"),
    [
        (recorded(*sides(only=5, extra=0)), "missing are -z"),
        (recorded(*walk()), "of its six sides up"),
        (recorded(*sides(), unit="count"), "is in count, expected m/s^2"),
        (recorded(2.5 * sides()[0], sides()[1]), "is it in m/s^2"),
    ],
)
def test_what_shows_no_six_sides_is_refused(
    recording: Recording, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    static, out = tmp_path / "static.nc", tmp_path / "imu.json"
    recording.to_netcdf(static)
    code, _, error = command(capsys, static, "--out", out)
    assert code == 2
    assert why in error
    assert not out.exists()
