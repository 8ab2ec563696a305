"""Batches: each row alone in its luck, resumed after a kill, the same bytes on any scheduler."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from distributed import default_client

from grfkit.errors import BadInputError
from grfkit.records import Trial
from grfkit.report import render_batch_report
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import csv_file, write_reference
from grfkit.simulate.lab import simulate_trial
from grfkit.simulate.settings import default_settings
from grfkit.sync.batch import Row, read_table, run_batch, run_row, waiting
from grfkit.sync.batch_reports import run_row_with_report

SEEDS = (97_001, 97_002, 97_003)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with three trials; the third wearable recorded other minutes."""
    # of files that were there before, where this process comes back to this module: their times are in the bytes
    _ONCE.clear()
    folder = tmp_path_factory.mktemp("batch")
    known = default_settings()
    settings = known.model_copy(update={"insole": known.insole.model_copy(update={"stamp_jitter_share": 0.0})})
    for number, seed in enumerate(SEEDS):
        condition = Condition(
            family="A", duration_s=50.0, step_cv_percent=2.5, wearables=("insole",), no_overlap=number == 2
        )
        trial = simulate_trial(condition, seed, settings)
        write_reference(folder / f"force_{number}.c3d", trial)
        (folder / f"insole_{number}.csv").write_text(csv_file(trial.wearables["insole"]), encoding="utf-8")
    return folder


@pytest.fixture
def table(files: Path, tmp_path: Path) -> Path:
    """Return a table of the three trials, and of a fourth whose file is missing, in a folder of its own."""
    for path in files.iterdir():
        os.link(path, tmp_path / path.name)
    rows = [f"t{n},force_{n}.c3d,insole_{n}.csv,treadmill,70,out/t{n}.nc" for n in range(3)]
    rows.append("t3,force_0.c3d,none.csv,treadmill,70,out/t3.nc")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["trial,reference,wearable,surface,mass_kg,out", *rows]) + "\n")
    return path


def journal_of(table: Path) -> Path:
    return table.with_name(f"{table.name}.journal.jsonl")


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every trial below a folder; a hidden file is what a kill left of one being written."""
    found = [p for p in sorted(folder.rglob("*.nc")) if not p.name.startswith(".")]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def told(summaries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return summaries without their keys, which hold folders and times of files, and without folders."""
    return [{k: v for k, v in s.items() if k not in ("key", "error")} for s in summaries]


_ONCE: dict[int, tuple[dict[str, Any], bytes | None]] = {}
"""What each row of the table truly gave, by its number: its summary, and the bytes of its trial."""


def remembered(row: Row) -> dict[str, Any]:
    """Run a row as ``run_row`` does, and leave what it gave the first time where it is run again in another folder.

    For tests of which rows are run: the same inputs give the same bytes in any folder.
    """
    if row.number not in _ONCE:
        summary = run_row(row)
        _ONCE[row.number] = summary, waiting(row.out).read_bytes() if summary["trial"] else None
    summary, content = _ONCE[row.number]
    if content is not None:
        row.out.parent.mkdir(parents=True, exist_ok=True)
        waiting(row.out).write_bytes(content)
    return summary | {"key": row.key()}


def go(table: Path, worker: Callable[[Row], dict[str, Any]] = run_row_with_report, **more: Any) -> list[dict[str, Any]]:
    return run_batch(read_table(table, {}), journal=journal_of(table), worker=worker, **({"processes": 1} | more))


def test_a_bad_row_is_its_own_misfortune(table: Path) -> None:
    done = go(table)
    assert [s["row"] for s in done] == [1, 2, 3, 4]
    assert [s["verdict"] for s in done] == ["aligned", "aligned", "refused", "bad input"]
    assert "none.csv" in done[3]["error"]
    assert sorted(digests(table.parent)) == ["t0.nc", "t1.nc"]
    assert Trial.from_netcdf(table.parent / "out" / "t0.nc").verdict == "aligned"
    lines = [json.loads(line) for line in journal_of(table).read_text().splitlines()]
    assert [line["verdict"] for line in lines] == [s["verdict"] for s in done]


def test_done_rows_are_not_run_again_and_failed_ones_are(table: Path) -> None:
    first = go(table, remembered)
    seen: list[int] = []

    def counting(row: Row) -> dict[str, Any]:
        seen.append(row.number)
        return remembered(row)

    again = go(table, worker=counting)
    assert seen == [4]
    assert told(again[:3]) == told(first[:3])
    (table.parent / "out" / "t1.nc").unlink()
    go(table, worker=counting)
    assert seen == [4, 2, 4]


def test_a_changed_input_or_request_runs_again(table: Path) -> None:
    go(table, remembered)
    changed = table.parent / "insole_0.csv"
    text = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(text)
    os.utime(changed, ns=(1, 1))
    seen: list[int] = []

    def counting(row: Row) -> dict[str, Any]:
        seen.append(row.number)
        return {"row": row.number, "key": row.key(), "verdict": "refused", "trial": None, "maps": [], "error": None}

    rows = read_table(table, {})
    with pytest.raises(BadInputError, match=r"t0\.nc: exists and was not made by this table; use --force"):
        run_batch(rows, journal=journal_of(table), worker=counting)
    assert seen == []
    (table.parent / "out" / "t0.nc").unlink()
    run_batch(rows, journal=journal_of(table), worker=counting, processes=1)
    assert seen == [1, 4]


def test_a_foreign_file_in_the_way_is_not_overwritten(table: Path) -> None:
    (table.parent / "out").mkdir()
    (table.parent / "out" / "t1.nc").write_text("precious")
    with pytest.raises(BadInputError, match=r"t1\.nc: exists"):
        go(table)
    assert (table.parent / "out" / "t1.nc").read_text() == "precious"
    assert not (table.parent / "out" / "t0.nc").exists()


def test_a_journal_cut_by_a_kill_costs_one_row(table: Path) -> None:
    go(table, remembered)
    journal = journal_of(table)
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], lines[2], lines[1][:40]]))
    (table.parent / "out" / "t1.nc").unlink()
    seen: list[int] = []

    def counting(row: Row) -> dict[str, Any]:
        seen.append(row.number)
        return remembered(row)

    assert [s["verdict"] for s in go(table, worker=counting)] == ["aligned", "aligned", "refused", "bad input"]
    assert seen == [2, 4]


def test_a_killed_batch_goes_on_where_it_was_and_ends_with_the_same_bytes(table: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    for path in [p for p in tmp_path.iterdir() if p.is_file()]:
        os.link(path, whole / path.name)
    go(whole / table.name, remembered)
    command = [str(Path(sys.executable).parent / "grf-sync"), "batch", str(table), "--processes", "1"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first, end = tmp_path / "out" / "t0.nc", time.monotonic() + 60
    while not first.exists() and running.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert journal_of(table).exists()
    before = (tmp_path / "out" / "t0.nc").stat().st_mtime_ns
    for trial in digests(tmp_path / "out"):
        assert Trial.from_netcdf(tmp_path / "out" / trial).verdict == "aligned"
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    counts = {"aligned": 2, "partial": 0, "refused": 1, "bad input": 1, "internal error": 0}
    assert json.loads(done.stdout)["counts"] == counts
    assert (tmp_path / "out" / "t0.nc").stat().st_mtime_ns == before
    assert digests(tmp_path / "out") == digests(whole)


def test_dask_gives_the_same_results_and_bytes_as_local(table: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    other = tmp_path / "dask"
    other.mkdir()
    for path in [p for p in tmp_path.iterdir() if p.is_file()]:
        os.link(path, other / path.name)
    local = go(table, remembered)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        remote = go(other / table.name, scheduler=cluster.scheduler_address)
    assert told(remote) == told(local)
    assert digests(other) == digests(tmp_path / "out")


def test_no_scheduler_is_bad_input(table: Path) -> None:
    with pytest.raises(BadInputError, match="no dask scheduler answers at nowhere"):
        go(table, scheduler="nowhere://1")
    assert not (table.parent / "out").exists()
    with pytest.raises(ValueError, match="No clients found"):  # else xarray would write its files by it
        default_client()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no row"),
        ("reference,wearable,surface,out\n", "holds no row"),
        ("reference,surface,out\na,treadmill,b.nc\n", "column wearable is missing"),
        ("reference,wearable,surface,out,colour\na,b,treadmill,c.nc,red\n", "unknown column colour"),
        ("reference,wearable,surface,out\na,b,grass,c.nc\n", "row 1, surface"),
        ("reference,wearable,surface,out\na,b,treadmill,\n", "row 1 has no 'out'"),
        ("reference,wearable,surface,out,mass_kg\na,b,treadmill,c.nc,heavy\n", "row 1, mass_kg"),
        ("reference,wearable,surface,out\na,b,treadmill,c.nc\nd,e,treadmill,c.nc\n", r"several rows write .*c\.nc"),
        ("reference,wearable,surface,out\na, ; ,treadmill,c.nc\n", "row 1 has no 'wearable'"),
    ],
)
def test_a_broken_table_is_refused_with_row_and_column(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(BadInputError, match=says) as caught:
        read_table(path, {})
    assert str(caught.value).startswith(str(path))


def test_table_paths_are_relative_to_the_table_and_cells_beat_defaults(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "reference,wearable,surface,out,mass_kg\na.c3d,b.txt; c.csv,,d.nc,\ne.c3d,f.txt,overground,g.nc,80\n"
    )
    one, two = read_table(path, {"surface": "treadmill", "mass_kg": 60})
    assert one.request.wearables == (tmp_path / "b.txt", tmp_path / "c.csv")
    assert (one.request.surface, one.request.mass_kg) == ("treadmill", 60)
    assert (two.request.surface, two.request.mass_kg, two.out) == ("overground", 80, tmp_path / "g.nc")


def test_reports_in_a_folder_of_their_own_are_linked_from_the_index(files: Path, tmp_path: Path) -> None:
    for name in ("force_0.c3d", "insole_0.csv"):
        os.link(files / name, tmp_path / name)
    table = tmp_path / "table.csv"
    table.write_text(
        "reference,wearable,surface,out,report\nforce_0.c3d,insole_0.csv,treadmill,out/t.nc,pages/deep/t.html\n"
    )
    (row,) = read_table(table, {})
    (summary,) = go(table)
    assert row.report == tmp_path / "pages/deep/t.html"
    assert (summary["out"], summary["report"]) == ("out/t.nc", "pages/deep/t.html")
    assert (tmp_path / summary["report"]).is_file()
    assert 'href="pages/deep/t.html"' in render_batch_report([summary])


def _one_row(files: Path, folder: Path, out: str, report: str = "") -> Path:
    for name in ("force_0.c3d", "insole_0.csv"):
        if not (folder / name).exists():
            os.link(files / name, folder / name)
    table = folder / "table.csv"
    line = f"force_0.c3d,insole_0.csv,treadmill,{out},{report}"
    table.write_text(f"reference,wearable,surface,out,report\n{line}\n")
    return table


@pytest.mark.parametrize(("out", "report"), [("t.nc", "insole_0.csv"), ("force_0.c3d", ""), ("t.nc", "a/../t.nc")])
def test_a_batch_never_writes_over_an_input_or_one_file_twice(
    files: Path, tmp_path: Path, out: str, report: str
) -> None:
    table = _one_row(files, tmp_path, out, report)
    before = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.iterdir()}
    for force in (False, True):
        with pytest.raises(BadInputError, match=r"input|both write"):
            go(table, force=force)
    assert before == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.iterdir()}


def test_a_damaged_trial_is_made_again_and_a_whole_one_is_not(files: Path, tmp_path: Path) -> None:
    table = _one_row(files, tmp_path, "t.nc", "t.html")
    go(table)
    whole = (tmp_path / "t.nc").read_bytes()
    stamp = (tmp_path / "t.nc").stat().st_mtime_ns
    go(table)
    assert (tmp_path / "t.nc").stat().st_mtime_ns == stamp
    (tmp_path / "t.nc").write_bytes(b"junk")
    go(table)
    assert (tmp_path / "t.nc").read_bytes() == whole
    (tmp_path / "t.html").unlink()
    go(table)
    assert (tmp_path / "t.html").is_file()


def test_a_row_that_breaks_does_not_end_the_others(files: Path, tmp_path: Path) -> None:
    table = _one_row(files, tmp_path, "/proc/none/t.nc")
    (summary,) = go(table)
    assert summary["verdict"] == "bad input"
    assert summary["error"]


def test_a_stop_between_row_and_journal_leaves_a_table_that_goes_on(files: Path, tmp_path: Path) -> None:
    table = _one_row(files, tmp_path, "t.nc")
    (row,) = read_table(table, {})
    run_row(row)  # the worker is done, the batch was stopped before it heard of it
    assert not (tmp_path / "t.nc").exists()
    (summary,) = go(table)
    assert summary["verdict"] == "aligned"
    assert (tmp_path / "t.nc").is_file()
    assert not list(tmp_path.glob(".*waiting"))


def test_a_row_with_too_many_cells_is_named(files: Path, tmp_path: Path) -> None:
    table = _one_row(files, tmp_path, "t.nc", "t.html,more")
    with pytest.raises(BadInputError, match="row 1 has more cells"):
        read_table(table, {})
