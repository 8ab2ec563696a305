"""Does what workers log reach the log of whoever asked them, however they were started?"""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from grfkit.cluster import Logged, log_level, with_log
from grfkit.learn.parallel import Job, map_folds


def fold(name: str) -> str:
    """Log as a fold of a training does, with something in the arguments that no other process takes."""
    logging.getLogger("grfkit.learn.train").info("epoch of %s, %s", name, Silent())
    logging.getLogger("grfkit.learn.train").debug("not asked for")
    logging.getLogger("elsewhere").info("of another package")
    return name


class Silent:
    """Something that cannot be pickled."""

    def __reduce__(self) -> str:
        raise TypeError("cannot be sent")

    def __str__(self) -> str:
        return "loss 1"


def test_a_worker_s_lines_are_told_once_with_their_own_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="grfkit")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        logged = pool.submit(with_log, log_level(), fold, "P01").result()
    assert caplog.records == []
    assert logged.told() == "P01"
    assert [(r.name, r.getMessage()) for r in caplog.records] == [("grfkit.learn.train", "epoch of P01, loss 1")]
    assert all(r.process != logging.makeLogRecord({}).process for r in caplog.records)


def test_where_nobody_reads_nothing_is_kept() -> None:
    program = (
        "from grfkit.cluster import log_level, with_log; import logging\n"
        "assert log_level() is None\n"
        "log = logging.getLogger('grfkit.io')\n"
        "assert with_log(None, lambda: log.warning('x')).records == ()\n"
        "kept = with_log(logging.INFO, lambda: log.info('read %s', 'a.csv'))\n"
        "assert [r['msg'] for r in kept.records] == ['read a.csv'], kept\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_folds_in_other_processes_write_into_the_log_file(tmp_path: Path) -> None:
    from grfkit.cli import talk

    talk.begin("grf-evaluate", [])
    talk.keep_log(tmp_path / "log.txt")
    try:
        assert map_folds(fold, [Job("a", {"name": "P01"}), Job("b", {"name": "P02"})], workers=1) == ["P01", "P02"]
    finally:
        talk.ended(0)
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert sorted(line.split("train: ")[1] for line in lines if "epoch of" in line) == [
        "epoch of P01, loss 1", "epoch of P02, loss 1"
    ]  # fmt: skip


def test_a_value_without_records_is_itself() -> None:
    assert Logged(3).told() == 3
