"""Where CI is set, a test that is skipped for want of something installable fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SOURCE = """
import pytest

def test_lacking():
    pytest.skip("this compiler has no sanitizers")

@pytest.mark.skipif(True, reason="spm1d is not installed")
def test_marked():
    raise AssertionError

def test_of_the_kernel():
    pytest.skip("this kernel has no /dev/vhci to plug a controller into")

@pytest.mark.xfail(strict=True)
def test_expected():
    raise AssertionError
"""
MODULE = """
import pytest

pytest.importorskip("there_is_no_such_module")
"""


@pytest.mark.parametrize(
    ("ci", "closing"), [({}, "4 skipped, 1 xfailed"), ({"CI": "true"}, "1 failed, 1 skipped, 1 xfailed, 2 errors")]
)
def test_a_skip_fails_only_where_ci_is_set(tmp_path: Path, ci: dict[str, str], closing: str) -> None:
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "test_some.py").write_text(SOURCE)
    (tmp_path / "test_module.py").write_text(MODULE)
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_ADDOPTS")} | ci
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-rN"]
    command += ["--continue-on-collection-errors", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.stdout.splitlines()[-1].startswith(closing), done.stdout
