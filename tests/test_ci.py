"""Does CI's script end with an error where any part does, and with the main suite's closing lines in every case?"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import check_install

ROOT = Path(__file__).resolve().parents[1]
MAKE = """#!/usr/bin/env bash
case "$1" in
  docs) echo "page.md: WARNING: there is no such heading" ;;
  check-install) echo "Python 3.10, plain: works (1 s, 2 MB); quick tests on it: 3 passed in 1.00s"
    echo "WARNING: NOTHING WAS TRIED ON PYTHON 3.12: no such Python here" ;;
  test) echo "FAILED tests/test_x.py::test_y - it was wrong"
    echo "====== 1 failed, 7 passed in 2.00s ======"
    echo "after it" ;;
esac
[ "$1" != "$FAILS" ]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if not (ROOT / ".ci" / "run").exists():
        pytest.skip("the source distribution has no figures, and no .ci")
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "make").write_text(MAKE, encoding="utf-8")
    (tmp_path / "bin" / "make").chmod(0o755)
    return tmp_path


def run(checkout: Path, fails: str, *parts: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(checkout / ".ci" / "run"), *parts], env=os.environ | {"PATH": path, "FAILS": fails},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("fails", "code"), [("", 0), ("docs", 1), ("check-install", 1), ("test", 1)])
def test_a_part_that_fails_fails_the_whole_and_the_main_suite_closes_it(checkout: Path, fails: str, code: int) -> None:
    done = run(checkout, fails)
    assert done.returncode == code, done.stdout
    *before, failed, closing = done.stdout.splitlines()
    assert failed.startswith("FAILED tests/test_x.py")
    assert closing == "====== 1 failed, 7 passed in 2.00s ======"
    assert "docs | page.md: WARNING: there is no such heading" in before
    end = before[before.index("after it") :]
    assert f"--- docs: {'FAILED' if fails == 'docs' else 'done'}" in end
    assert "wheel | Python 3.10, plain: works (1 s, 2 MB); quick tests on it: 3 passed in 1.00s" in end
    assert "wheel | WARNING: NOTHING WAS TRIED ON PYTHON 3.12: no such Python here" in end


def test_without_an_environment_no_suite_is_run_and_no_site_built(checkout: Path) -> None:
    done = run(checkout, "setup")
    assert done.returncode == 1
    assert "the environment could not be made" in done.stdout
    assert "7 passed" not in done.stdout
    assert "docs | " not in done.stdout


def test_a_part_can_be_run_alone(checkout: Path) -> None:
    assert run(checkout, "docs", "docs").returncode == 1
    assert run(checkout, "docs", "test").returncode == 0


def test_the_quick_tests_are_files_and_what_they_need_is_among_the_tests_packages() -> None:
    names = [name for tests in check_install.QUICK_TESTS.values() for name in tests.split()]
    assert len(names) == len(set(names))
    assert [name for name in names if not (ROOT / "tests" / f"test_{name}.py").is_file()] == []
    packages = {check_install.package_of(line) for line in check_install.EXTRAS["test"]}
    assert {*check_install.RUN_TESTS, *(name for needs in check_install.QUICK_TESTS for name in needs)} <= packages
