"""Rows of one session in a batch table: aligned together, each with a summary, a trial and a report of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from grfkit import BadInputError, Trial
from grfkit.cli.sync import app
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import csv_file, write_reference
from grfkit.simulate.session import simulate_session
from grfkit.sync.batch import read_table, run_batch, run_row

SHORT_S = 10.5
"""Length (s) of a bout that is refused alone: fewer than 32 contacts of a runner match in it."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of a bout of 40 s, a short one and a file that is missing, all on one insole's clock."""
    folder = tmp_path_factory.mktemp("study")
    condition = Condition(surface="treadmill", wearables=("insole",), insole_rate_hz=100.0)
    session = simulate_session(condition, seed=3, bouts=2, bout_s=40.0, pause_s=(8.0, 12.0))
    cut = {n: s.isel(time=s["time"].values < SHORT_S) for n, s in session.references[1].streams.items()}
    for name, reference, clock in zip(
        ("run", "short"), (session.references[0], session.references[1].replaced(cut)), session.clocks
    ):
        write_reference(folder / f"{name}.c3d", replace(session.lab, reference=reference), clock=clock)
    (folder / "insole.csv").write_text(csv_file(session.wearables["insole"]), encoding="utf-8")
    begins = [clock.offset_s for clock in session.clocks]
    rows = [
        f"{n}.c3d,insole.csv,treadmill,out/{n}.nc,monday,{s:.2f},0.05" for n, s in zip(("short", "run"), begins[::-1])
    ]
    rows.append("none.c3d,insole.csv,treadmill,out/none.nc,monday,,")
    path = folder / "TABLE.csv"
    path.write_text(
        "reference,wearable,surface,out,session,start,start_sd\n" + "\n".join(rows) + "\n", encoding="utf-8"
    )
    return path


def test_a_short_trial_is_placed_by_its_session_and_a_missing_one_is_its_own_misfortune(table: Path) -> None:
    result = CliRunner().invoke(app, ["batch", str(table), "--json", "--reports"])
    summary = json.loads(result.stdout)
    assert [row["verdict"] for row in summary["trials"]] == ["aligned", "aligned", "bad input"]
    assert "none.c3d" in summary["trials"][2]["error"]
    short = Trial.from_netcdf(table.parent / "out" / "short.nc")
    assert any("session's other trials place it" in text for text in short.provenance.findings)
    # the device's recording of the whole morning is not kept with a trial of 20 s
    assert np.ptp(short.streams["insole_left"]["time"].values) < SHORT_S + 11.0
    assert (table.parent / "out" / "short.html").exists()
    assert not list((table.parent / "out").glob(".*"))


def test_alone_the_short_trial_is_refused(table: Path) -> None:
    rows = [row.model_copy(update={"companions": ()}) for row in read_table(table, {})]
    assert run_row(rows[0])["verdict"] == "refused"


def test_a_session_runs_once_and_is_not_run_again_where_all_of_it_is_done(table: Path, tmp_path: Path) -> None:
    rows = [row for row in read_table(table, {}) if row.number < 3]
    one, other = rows[0], rows[1]
    rows = [
        row.model_copy(update={"companions": (mate,), "out": tmp_path / row.out.name})
        for row, mate in (
            (one, other.model_copy(update={"companions": (), "out": tmp_path / other.out.name})),
            (other, one.model_copy(update={"companions": (), "out": tmp_path / one.out.name})),
        )
    ]
    seen: list[int] = []

    def counting(row):  # type: ignore[no-untyped-def]
        seen.append(row.number)
        return run_row(row)

    journal = tmp_path / "journal.jsonl"
    for _ in range(2):
        done = run_batch(rows, journal=journal, worker=counting, processes=1)
        assert [d["verdict"] for d in done] == ["aligned", "aligned"]
    assert seen == [1]
    # one trial is lost: its session runs again, and nothing waits behind
    (tmp_path / "run.nc").unlink()
    run_batch(rows, journal=journal, worker=counting, processes=1)
    assert seen == [1, 2]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["journal.jsonl", "run.nc", "short.nc"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("a.c3d,w.csv,treadmill,o/a.nc,,5.0,", "states a start but no session"),
        ("a.c3d,w.csv,treadmill,o/a.nc,monday,noon,", "row 1, start"),
        ("a.c3d,w.csv,treadmill,o/a.nc,monday,5,,0", "row 1, start_sd is '0', expected seconds, more than 0"),
        ("a.c3d,w.csv,treadmill,o/a.nc,monday,,3.5", "states a clock, which session 'monday' estimates"),
        ("a.c3d,w.csv,treadmill,o/a.nc,monday,,\na.c3d,w.csv,treadmill,o/b.nc,monday,,", "are of the same files"),
        ("a.c3d,w.csv,treadmill,o/a.nc,monday,,\nb.c3d,w.csv,treadmill,p/a.nc,monday,,", "of the name 'a'"),
    ],
)
def test_what_contradicts_a_session_is_refused_before_any_row_runs(tmp_path: Path, cells: str, words: str) -> None:
    table = tmp_path / "TABLE.csv"
    table.write_text(f"reference,wearable,surface,out,session,start,offset,start_sd\n{cells}\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=words):
        read_table(table, {})
