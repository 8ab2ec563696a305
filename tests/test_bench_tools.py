"""The harness of the benchmarks, the tables they have stored, and the comparison of two checkouts."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import compare_checkouts
from bench import harness

TOOLS = Path(__file__).resolve().parents[1] / "tools"


def commands() -> dict[str, str]:
    """Return the table of commands without running the module that holds it."""
    tree = ast.parse((TOOLS / "bench" / "__main__.py").read_text(encoding="utf-8"))
    (table,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "COMMANDS")  # type: ignore[attr-defined]
    found: dict[str, str] = ast.literal_eval(table)
    return found


def test_every_command_is_a_file_with_a_main_and_stands_in_the_readme() -> None:
    readme = (TOOLS / "README.md").read_text(encoding="utf-8")
    for name, module in commands().items():
        path = TOOLS / "bench" / f"{module.replace('.', '/')}.py"
        functions = [n.name for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)]
        assert "main" in functions, name
        assert f"`bench/{path.relative_to(TOOLS / 'bench')}`" in readme, name


def test_an_unknown_benchmark_is_refused_with_the_names_there_are() -> None:
    ended = subprocess.run([sys.executable, str(TOOLS / "bench"), "none"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "sync, accuracy, edge, live" in ended.stderr


def writers() -> dict[str, Callable[[dict[str, Any]], str]]:
    from bench.accuracy.range import markdown as ranges
    from bench.accuracy.tables import markdown as accuracy
    from bench.images.run import markdown as images
    from bench.sync.tables import markdown as sync

    return {
        "sync": sync,
        "sync_before_sign_fix": sync,
        "sync_nightly": sync,
        "sync_overlaps": sync,
        "sync_sessions": sync,
        "sync_speed": sync,
        "accuracy": accuracy,
        "range": ranges,
        "images": images,
    }


def test_stored_tables_are_those_of_the_stored_figures() -> None:
    pytest.importorskip("torch")
    for name, markdown in writers().items():
        figures = harness.earlier(harness.RESULTS / name)
        if not figures:
            pytest.skip("the source distribution has no figures, only their tables")
        stored = (harness.RESULTS / f"{name}.md").read_text(encoding="utf-8")
        assert markdown(figures) == stored, name


def test_the_error_of_a_film_is_divided_into_limits_and_what_a_person_has_in_common() -> None:
    from bench.images.film_errors import Curves, made_of
    from bench.images.film_page import with_chance

    measured = np.ones((4, 101))
    # A's curves err by .1 and .3 on the right limits, and by .05 more where they were laid; B's by -.2 at both
    laid = measured + np.asarray([0.1, 0.3, -0.2, -0.2])[:, None]
    said = laid + np.asarray([0.05, 0.05, 0.0, 0.0])[:, None]
    made = made_of(Curves(measured, said, laid, ["A", "A", "B", "B"]), {"A": 1.2, "B": 1.6}, {"laboratory": "base"})
    by_person = {row["person"]: row for row in made["people"]}
    assert [by_person["A"][n] for n in ("as it is", "limits right", "person's mean error away")] == [
        "25.0",
        "20.0",
        "10.0",
    ]
    assert [by_person["B"][n] for n in ("as it is", "person's mean error away", "mean, signed")] == [
        "20.0",
        "0.0",
        "-20.0",
    ]
    assert (made["mean"]["as it is"], made["mean"]["limits right"], made["mean"]["middle"]) == (22.5, 20.0, 22.5)
    assert with_chance(made)["chance"] == "14.1", "20 over the root of two, since two stances make a mean"


def test_a_part_that_fails_is_an_error_among_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    figures, seconds = harness.attempted("broken", lambda: {"quotient": 1 / 0})
    assert figures == {"error": "ZeroDivisionError: division by zero"}
    assert seconds >= 0
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_checkouts_are_compared_without_wall_times_and_nothing_else(tmp_path: Path) -> None:
    for name, seconds, error in (("a", 1.0, 0.5), ("b", 2.0, 0.5), ("c", 1.0, 0.25)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "e.json").write_text(json.dumps({"seconds": {"ridge": seconds}, "error": error}))
        data = xr.Dataset({"seconds": ("job", [seconds]), "error": ("job", np.asarray([error]))})
        data.to_netcdf(tmp_path / name / "p.nc", engine="h5netcdf")
    (tmp_path / "c" / "more.txt").write_text("more")
    rows = {row.name: row for row in compare_checkouts.compare(tmp_path / "a", tmp_path / "b")}
    assert {row.verdict for row in rows.values()} == {"same without times"}
    rows = {row.name: row for row in compare_checkouts.compare(tmp_path / "a", tmp_path / "c")}
    assert not any(row.same for row in rows.values())
    assert rows["more.txt"].verdict == "DIFFERS: missing in BEFORE"


def test_parts_of_other_runs_keep_their_commit_and_other_seeds_are_refused() -> None:
    run = pytest.importorskip("bench.sync.run")

    def figures(commit: str, **parts: object) -> dict[str, object]:
        return {"machine": {"commit": commit}, "seeds": {"a": 1}, "settings": {"trials": 5, "decoys": 2}} | parts

    whole = figures("now", pairs=[1])
    run.join(whole, [figures("then", sessions=[2], wall_s=3.0)])
    assert whole["sessions"] == [2]
    assert "wall_s" not in whole
    assert whole["joined"] == {"sessions": {"trials": 5, "decoys": 2, "commit": "then"}}
    with pytest.raises(SystemExit, match="pairs is in two runs"):
        run.join(whole, [figures("then", pairs=[3])])
    earlier = figures("then", known=[4])
    run.join(
        figures("now") | {"seeds": {"a": 1, "b": 3}}, [earlier]
    )  # a part that there was not yet has a seed of its own
    with pytest.raises(SystemExit, match="other seeds"):
        run.join(whole, [figures("then", trials=[3]) | {"seeds": {"a": 2}}])
