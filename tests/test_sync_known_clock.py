"""Clocks that are known: taken as stated, held against the contacts, and never called an estimate."""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from c3d_files import real
from grfkit.cli import inspect
from grfkit.cli.sync import main
from grfkit.errors import BadInputError, RefusedError
from grfkit.records import ClockMap, Recording, Trial
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import Alignment, align, assemble
from grfkit.sync.batch import read_table, run_batch, run_row
from known_clock_files import a_run, insole_on_reference, write_markers, write_one_file

STATED = "clock given, not estimated"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run in one C3D, the same with markers late, and 4 s of it; an insole of its own clock."""
    made = tmp_path_factory.mktemp("clocks")
    write_one_file(made / "run.c3d", a_run())
    write_one_file(made / "late.c3d", a_run(), markers_late_s=0.5)
    write_one_file(made / "short.c3d", a_run(), start_s=20.0, end_s=21.0)
    insole_on_reference(a_run())[0].to_netcdf(made / "insole.nc")
    return made


def command(*words: str | Path) -> tuple[int, str, str]:
    """Return code, stdout and stderr of ``grf-sync``."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["grf-sync", *map(str, words)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0), out.getvalue(), err.getvalue()


def inspected(*words: str | Path) -> str:
    """Return what ``grf-inspect`` prints."""
    out, argv = io.StringIO(), ["grf-inspect", *map(str, words)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), pytest.raises(SystemExit) as stop:
        inspect.main()
    assert not stop.value.code
    return out.getvalue()


def of_one_file(path: Path, **options: Any) -> Alignment:
    return align(path, surface="treadmill", synchronised=True, **options)


def only(alignment: Alignment) -> ClockMap:
    """Return the one clock map."""
    (clock_map,) = {m.model_dump_json(exclude={"source"}): m for m in alignment.maps.values()}.values()
    return clock_map


def test_markers_and_plates_of_one_file_enter_a_trial_on_the_files_own_times(folder: Path) -> None:
    alignment = of_one_file(folder / "run.c3d", participant="P1", mass_kg=70.0)
    clock_map = only(alignment)
    assert (alignment.verdict, clock_map.origin, clock_map.check) == ("aligned", "synchronised", "agrees")
    assert (clock_map.offset_s, clock_map.drift_ppm) == (0.0, 0.0)
    # nothing of an estimate stands in it
    assert (clock_map.margin, clock_map.p_wrong, clock_map.uncertainty_ms) == (None, None, None)
    trial = assemble(alignment)
    assert sorted(trial.streams) == ["landmarks", "reference/plate_1", "reference/plate_2"]
    marks = trial.streams["landmarks"]
    np.testing.assert_array_equal(marks["time"].values, marks["time_device"].values)
    assert any(STATED in text for text in trial.provenance.findings)
    assert trial.provenance.configuration["synchronised"] is True
    assert trial.clock_maps["landmarks"] == clock_map


def test_a_second_of_one_file_is_a_trial_whose_clock_nothing_checks(folder: Path) -> None:
    alignment = of_one_file(folder / "short.c3d")
    assert (alignment.verdict, only(alignment).check) == ("aligned", "unclear")
    assert alignment.verdict_words == f"aligned ({STATED}: the signals cannot check it)"
    assert assemble(alignment).streams["landmarks"].sizes["time"] == 100


def test_a_statement_that_sure_contacts_contradict_is_refused(folder: Path) -> None:
    alignment = of_one_file(folder / "late.c3d")
    clock_map = only(alignment)
    assert (alignment.verdict, clock_map.check, clock_map.segments) == ("refused", "contradicts", [])
    assert "the contacts contradict the given clock (--synchronised" in clock_map.reasons[0]
    assert re.search(r"offset -0\.(49|50)\d", clock_map.reasons[0])
    with pytest.raises(RefusedError, match="contradict the given clock"):
        assemble(alignment)


def test_a_contradicted_statement_that_the_user_insists_on_stays_marked(folder: Path) -> None:
    alignment = of_one_file(folder / "late.c3d", accept_refused=True)
    trial = assemble(alignment)
    assert trial.verdict == "refused"
    assert trial.clock_maps["landmarks"].offset_s == 0.0
    assert "the contacts contradict it" in alignment.verdict_words


def test_files_of_one_clock_keep_the_times_that_they_state(folder: Path, tmp_path: Path) -> None:
    write_markers(tmp_path / "markers.trc", a_run(), from_s=5.0, to_s=35.0, named_from_s=5.0)
    alignment = align(folder / "run.c3d", tmp_path / "markers.trc", surface="treadmill", synchronised=True)
    assert {n: m.offset_s for n, m in alignment.maps.items()} == {"landmarks": 5.0, "landmarks_2": 0.0}
    assert {m.check for m in alignment.maps.values()} == {"agrees"}


def test_files_of_one_clock_that_each_begin_at_zero_are_contradicted(folder: Path, tmp_path: Path) -> None:
    write_markers(tmp_path / "markers.trc", a_run(), from_s=5.0, to_s=40.0, named_from_s=0.0)
    alignment = align(folder / "run.c3d", tmp_path / "markers.trc", surface="treadmill", synchronised=True)
    assert alignment.verdict == "partial"
    assert alignment.maps["landmarks"].check == "contradicts"
    assert alignment.maps["landmarks_2"].check == "agrees"


def test_files_that_share_no_time_are_refused(folder: Path, tmp_path: Path) -> None:
    write_markers(tmp_path / "markers.trc", a_run(), from_s=5.0, to_s=8.0, named_from_s=1000.0)
    alignment = align(folder / "run.c3d", tmp_path / "markers.trc", surface="treadmill", synchronised=True)
    assert "share no time" in alignment.maps["landmarks"].reasons[0]
    assert alignment.maps["landmarks"].check == "contradicts"


def test_a_stated_offset_is_taken_with_its_sd_and_the_contacts_agree(folder: Path) -> None:
    recording, offset_s = insole_on_reference(a_run())
    alignment = align(folder / "run.c3d", recording, surface="treadmill", offset_s=offset_s, offset_sd_s=0.01)
    clock_map = only(alignment)
    assert (clock_map.verdict, clock_map.origin, clock_map.check) == ("aligned", "offset", "agrees")
    assert clock_map.offset_s == offset_s
    assert clock_map.uncertainty_ms == pytest.approx(19.6)
    assert any("SD of 0.01 s" in text for text in clock_map.findings)


@pytest.mark.parametrize("wrong_s", [0.35, -0.35, 3.0, 500.0])
def test_a_stated_offset_that_is_wrong_is_refused(folder: Path, wrong_s: float) -> None:
    recording, offset_s = insole_on_reference(a_run())
    alignment = align(folder / "run.c3d", recording, surface="treadmill", offset_s=offset_s + wrong_s)
    assert (alignment.verdict, only(alignment).check) == ("refused", "contradicts")


def test_contacts_that_are_not_sure_cast_doubt_and_the_verdict_says_so(folder: Path, tmp_path: Path) -> None:
    # too short to align by themselves
    write_one_file(tmp_path / "bit.c3d", a_run(), markers_late_s=0.3, start_s=10.0, end_s=18.0)
    alignment = of_one_file(tmp_path / "bit.c3d")
    assert (alignment.verdict, only(alignment).check) == ("aligned", "doubtful")
    assert "the contacts speak against it" in alignment.verdict_words
    assert any("speak against the given clock" in text for text in alignment.warnings)
    assert any("speak against the given clock" in text for text in assemble(alignment).provenance.findings)


def test_insoles_of_the_plates_own_recording_are_devices_beside_them(folder: Path) -> None:
    lab = a_run()
    plates = lab.reference.streams
    on_clock = lab.on_true_clock().streams
    worn = {n: on_clock[n].drop_vars("time_device") for n in ("insole_left", "insole_right")}
    one = lab.reference.replaced(plates | worn)
    alignment = align(one, surface="treadmill", synchronised=True)
    assert sorted(alignment.maps) == ["insole_left", "insole_right"]
    assert {m.check for m in alignment.maps.values()} == {"agrees"}


def test_one_file_without_any_device_is_refused_with_what_it_holds() -> None:
    with pytest.raises(BadInputError, match="holds force plates alone"):
        align(a_run().reference, surface="treadmill", synchronised=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"synchronised": True, "offset_s": 1.0}, "--synchronised says that the clocks are one"),
        ({"offset_sd_s": 0.1}, "--offset-sd is the SD of --offset"),
        ({"synchronised": True, "prior_offset_s": 1.0, "prior_sd_s": 1.0}, "--synchronised what it is"),
        ({"offset_s": 1.0, "prior_offset_s": 1.0, "prior_sd_s": 1.0}, "--offset what it is"),
        ({"offset_s": 1.0, "offset_sd_s": 0.0}, "offset_sd_s is 0.0, expected more than 0"),
        ({"offset_s": float("inf")}, "offset_s is inf, expected a finite number"),
    ],
)
def test_statements_that_exclude_one_another_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        align("plates.c3d", "insole.csv", surface="treadmill", **options)


def test_an_offset_of_two_devices_and_no_device_at_all_are_refused() -> None:
    with pytest.raises(BadInputError, match="offset of one device, and 2 wearables"):
        align("plates.c3d", ["a.csv", "b.csv"], surface="treadmill", offset_s=1.0)
    with pytest.raises(BadInputError, match="there is no wearable to align"):
        align("plates.c3d", surface="treadmill")


def test_the_command_says_what_the_function_says_twice_the_same(folder: Path, tmp_path: Path) -> None:
    words = ["--reference", folder / "run.c3d", "--synchronised", "--surface", "treadmill", "--participant", "P1"]
    code, out, _ = command(*words, "--out", tmp_path / "a.nc", "--report", tmp_path / "a.html", "--json")
    (row,) = json.loads(out)["maps"]
    assert (code, row["origin"], row["check"], row["margin"]) == (0, "synchronised", "agrees", None)
    assert command(*words, "--out", tmp_path / "b.nc", "--report", tmp_path / "b.html")[0] == 0
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    assert (tmp_path / "a.html").read_text() == (tmp_path / "b.html").read_text()
    assemble(of_one_file(folder / "run.c3d", participant="P1")).to_netcdf(tmp_path / "c.nc")
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "c.nc").read_bytes()
    assert Trial.from_netcdf(tmp_path / "a.nc").clock_maps["landmarks"].origin == "synchronised"


def test_the_command_refuses_what_the_contacts_contradict(folder: Path, tmp_path: Path) -> None:
    words = ["--reference", folder / "late.c3d", "--synchronised", "--surface", "treadmill"]
    code, out, _ = command(*words, "--out", tmp_path / "a.nc", "--report", tmp_path / "a.html")
    assert code == 3
    assert "REFUSED" in out
    assert "the contacts contradict the given clock" in out
    assert not (tmp_path / "a.nc").exists()
    assert "the contacts contradict the given clock" in (tmp_path / "a.html").read_text()


def test_the_report_calls_a_given_clock_given(folder: Path, tmp_path: Path) -> None:
    words = ["--reference", folder / "run.c3d", "--synchronised", "--surface", "treadmill"]
    command(*words, "--out", tmp_path / "a.nc", "--report", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "clock given, not estimated" in page
    assert "next best alignment" not in page


def test_grf_inspect_shows_a_trial_and_where_its_clocks_are_from(folder: Path, tmp_path: Path) -> None:
    assemble(of_one_file(folder / "short.c3d", participant="P1")).to_netcdf(tmp_path / "t.nc")
    words = inspected(tmp_path / "t.nc")
    assert "Trial of P1, treadmill, aligned" in words
    assert "clock of landmarks: offset +0.0000 s; clock given, not estimated" in words
    with pytest.raises(BadInputError, match="without further options"):
        inspect.inspect(tmp_path / "t.nc", rate_hz=100.0)
    document = json.loads(inspected(tmp_path / "t.nc", "--json"))
    assert (document["artefact"], document["verdict"], document["mass_kg"]) == ("trial", "aligned", None)
    assert [(row["origin"], row["check"]) for row in document["maps"]] == [("synchronised", "unclear")]


def test_help_names_the_sign_and_keeps_the_prior_apart() -> None:
    _, out, err = command("--help")
    text = " ".join((out + err).split())
    assert "--offset 5.8" in text
    assert "Not a prior" in text


def test_a_table_has_columns_of_stated_clocks(folder: Path, tmp_path: Path) -> None:
    offset_s = insole_on_reference(a_run())[1]
    lines = [
        "reference,wearable,surface,out,synchronised,offset,offset_sd",
        f"{folder / 'run.c3d'},,treadmill,one.nc,true,,",
        f"{folder / 'run.c3d'},{folder / 'insole.nc'},treadmill,two.nc,,{offset_s},0.01",
        f"{folder / 'late.c3d'},,treadmill,three.nc,yes,,",
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = read_table(tmp_path / "t.csv", {})
    summaries = run_batch(rows, journal=tmp_path / "j.jsonl", worker=run_row, processes=1)
    assert [s["verdict"] for s in summaries] == ["aligned", "aligned", "refused"]
    assert [s["maps"][0]["check"] for s in summaries] == ["agrees", "agrees", "contradicts"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,b,treadmill,c.nc,true,1.0", "row 1, --synchronised says that the clocks are one"),
        ("a,,treadmill,c.nc,,1.0", "row 1 has no 'wearable'"),
        ("a,,treadmill,c.nc,false,", "row 1, there is no wearable to align"),
        ("a,b;c,treadmill,c.nc,,1.0", "row 1, --offset"),
    ],
)
def test_a_tables_bad_statements_are_refused_before_any_row_runs(tmp_path: Path, row: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(f"reference,wearable,surface,out,synchronised,offset\n{row}\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=words):
        read_table(tmp_path / "t.csv", {})


def test_estimated_clocks_stay_as_they_were(folder: Path) -> None:
    recording: Recording = insole_on_reference(a_run())[0]
    trial = assemble(align(folder / "run.c3d", recording, surface="treadmill", min_overlap_s=20.0))
    assert "origin" not in trial.tree.attrs["clock_maps"]
    assert {m.origin for m in trial.clock_maps.values()} == {"estimated"}


@pytest.mark.parametrize("name", ["rbds_fukuchi/RBDS001runT35.c3d", "ezc3d_testfiles/Qualisys.c3d"])
def test_real_files_of_markers_and_plates_become_trials(name: str) -> None:
    surface = "treadmill" if "run" in name else "overground"
    alignment = align(real(name), surface=surface, synchronised=True)
    assert alignment.verdict == "aligned"
    assert only(alignment).check != "contradicts"
    assert "landmarks" in assemble(alignment).streams


def test_what_a_statement_saves_of_the_search_is_no_evidence_for_it() -> None:
    """Three hits that fit 2 s off by chance: as a sure prior the statement would have aligned them to itself."""
    lab = simulate_trial(
        Condition(family="B", surface="overground", duration_s=40.0, wearables=("insole",), gaps=False), 37_000_036
    )
    streams = {n: s.sel(time=slice(5.925, 23.905)) for n, s in lab.wearables["insole"].streams.items()}
    cut = lab.wearables["insole"].replaced(streams)
    truth = next(iter(lab.truth.streams.values()))
    middle_s = 14.915121641652632
    true_s = float(truth.t_reference(np.array([middle_s]))[0]) - middle_s
    first_s = float(next(iter(streams.values()))["time"].values[0])
    assert first_s == pytest.approx(5.93)
    wrong = align(lab.reference, cut, surface="overground", offset_s=true_s + 2.0)
    assert {m.check for m in wrong.maps.values()} <= {"unclear", "doubtful"}
    prior = align(lab.reference, cut, surface="overground", prior_offset_s=true_s + 2.0, prior_sd_s=0.02)
    assert prior.verdict == "aligned"  # else this case shows nothing
