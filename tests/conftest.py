"""What tests share: where the real recordings are, seeds in the output, and hypothesis without clocks of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
MAY_BE_MISSING = (
    "/dev/vhci",  # a kernel module
    "has no wheel past Python 3.11",  # tflite-runtime ends there
    "the package index cannot be reached",
    "the source distribution has no figures",
    *(() if SHARED.is_dir() else ("../shared/data", "shared/data beside the repository", "no recording at")),
)
"""Parts of the reasons for which a test may be skipped where CI is set: all else is installed there."""

# before numpy or torch is imported: threads of small networks wait for each other, eight times as long as they compute
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile(
    "grfkit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("grfkit")


@pytest.fixture(scope="session")
def real_file() -> Callable[[str], Path]:
    """Give a real recording by its path below ``../shared/data``; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"real recording {name} is not in {SHARED.parent.name}/{SHARED.name} beside the repository")
        return path

    return find


def _run_in_ci(report: Any) -> None:
    """Turn a skip into a failure where CI is set and the reason is none of ``MAY_BE_MISSING``."""
    if not (os.environ.get("CI") and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if not any(part in reason for part in MAY_BE_MISSING):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was not run, and has to be where CI is set: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    _run_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    _run_in_ci(report)
    return report
