"""What the live program loads: neither the exporter nor the simulator, for it runs where neither is wanted."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("bleak")
pytest.importorskip("starlette")

MODULES = (
    "grfkit.monitor",
    *(f"grfkit.monitor.{name}" for name in ("hub", "live", "headless", "server", "live_model")),
)


def test_the_monitor_loads_neither_the_exporter_nor_the_simulator() -> None:
    """One interpreter imports them one after another: what any of them loads is loaded in the end."""
    code = f"""
import importlib, sys
for module in {MODULES}:
    importlib.import_module(module)
    unwanted = [m for m in sys.modules if m.startswith(("grfkit.deploy", "grfkit.simulate", "grfkit.virtual"))]
    print(module, unwanted)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [f"{module} []" for module in MODULES]
