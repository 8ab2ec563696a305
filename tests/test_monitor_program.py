"""grf-monitor as a program: the demo in two processes, its JSON, its recording, and the same recording played."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from grfkit.io import read
from grfkit.monitor import demo
from grfkit.runtime import bundle_files
from grfkit.runtime.bundle_files import read_manifest

KEYS = {"side", "packets", "packets_lost", "samples", "samples_lost", "reconnects", "latency_ms"}


def run(*arguments: str | Path) -> dict:
    command = [sys.executable, "-m", "grfkit.cli.monitor", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, "one line of JSON, and nothing else"
    return json.loads(done.stdout)


def test_a_demo_without_a_bundle_says_why_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []
    monkeypatch.setattr(bundle_files, "_SHIPPED", (tmp_path,))
    assert demo._bundle(None, said.append) is None
    assert demo._bundle(tmp_path, said.append) is None, "a trained model answers on the host"
    (line,) = said
    assert "cells only" in line
    assert "--model" in line
    assert "\n" not in line


def test_the_demo_streams_records_and_is_played_again(tmp_path: Path) -> None:
    path = tmp_path / "demo.grfrec"
    told = run("--demo", "--headless", "--json", "--seconds", "3", "--record", path)
    assert told["recording"] == str(path)
    assert [one["side"] for one in told["devices"]] == ["left", "right"]
    for one in told["devices"]:
        assert set(one) >= KEYS
        assert 5 * one["packets"] >= one["samples"] > 0
        assert one["samples"] % 5 == 0
        assert one["samples_lost"] >= 5 * one["packets_lost"]
        if (shipped := demo._bundle(None, print)) is not None:
            assert one["estimate"] == f"device {read_manifest(shipped).model_id:08x}"
        stream = read(path).streams[f"insole_{one['side']}"]
        assert int(np.isfinite(stream["cell_01"].values).sum()) == one["samples"]
    again = run("replay", path, "--speed", "inf", "--headless", "--json")
    assert again["recording"] is None
    for one, other in zip(again["devices"], told["devices"]):
        assert {k: one[k] for k in KEYS - {"latency_ms"}} == {k: other[k] for k in KEYS - {"latency_ms"}}
