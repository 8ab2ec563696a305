"""Sessions: trials on one device's clock aligned together, through the command and the function."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from grfkit import BadInputError, Trial, align_session
from grfkit.cli.sync import app
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import csv_file, write_reference
from grfkit.simulate.session import SimulatedSession, simulate_session

BOUTS, BOUT_S, SHORT_S = 3, 40.0, 9.0
CONDITION = Condition(surface="treadmill", wearables=("insole",), insole_rate_hz=100.0)
CLOSE_S = 0.02
"""Error (s) of a map that is right: lags of insoles and the fit."""


def write_bouts(folder: Path, session: SimulatedSession, names: list[str]) -> None:
    for name, reference, clock in zip(names, session.references, session.clocks):
        write_reference(folder / f"{name}.c3d", replace(session.lab, reference=reference), clock=clock)


@pytest.fixture(scope="module")
def session() -> SimulatedSession:
    return simulate_session(CONDITION, seed=3, bouts=BOUTS, bout_s=BOUT_S, pause_s=(8.0, 12.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, session: SimulatedSession) -> Path:
    """Return a folder of three bouts of 40 s, a short one cut from the second, and one of another person."""
    folder = tmp_path_factory.mktemp("session")
    write_bouts(folder, session, ["run1", "run2", "run3"])
    (folder / "insole.csv").write_text(csv_file(session.wearables["insole"]), encoding="utf-8")
    cut = {n: s.isel(time=s["time"].values < SHORT_S) for n, s in session.references[1].streams.items()}
    short = replace(session.lab, reference=session.references[1].replaced(cut))
    write_reference(folder / "short.c3d", short, clock=session.clocks[1])
    other = simulate_session(CONDITION, seed=4, bouts=1, bout_s=BOUT_S)
    write_bouts(folder, other, ["foreign"])
    return folder


def tables(folder: Path, *names: str, **options: object) -> dict[str, object]:
    shared = {"surface": "treadmill", "wearables": [str(folder / "insole.csv")]}
    return {**shared, **options, "trial": [{"reference": str(folder / f"{name}.c3d")} for name in names]}


def starts(session: SimulatedSession, *names: str, **changed: float) -> dict[str, float]:
    bout = {"run1": 0, "run2": 1, "short": 1, "run3": 2}
    return {f"{name}.c3d": session.clocks[bout[name]].offset_s + changed.get(name, 0.0) for name in names}


def test_a_session_through_the_command(folder: Path, session: SimulatedSession, tmp_path: Path) -> None:
    for name in ("run1.c3d", "run2.c3d", "run3.c3d", "insole.csv"):
        shutil.copy(folder / name, tmp_path / name)
    document = tmp_path / "monday.toml"
    document.write_text(
        'surface = "treadmill"\nparticipant = "P07"\nwearables = "insole.csv"\n'
        + "".join(f'[[trial]]\nreference = "run{k}.c3d"\nspeed_m_s = 3.{k}\n' for k in (1, 2, 3)),
        encoding="utf-8",
    )
    result = CliRunner().invoke(app, ["session", str(document), "--json", "--reports"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["verdict"] == "aligned"
    assert [row["verdict"] for row in summary["trials"]] == ["aligned"] * 3
    (clock,) = summary["clocks"]
    assert clock["aligned"] == 3
    assert clock["p_wrong"] < 0.01
    for k in range(BOUTS):
        trial = Trial.from_netcdf(tmp_path / "aligned" / f"run{k + 1}.nc")
        assert trial.tree.attrs["speed_m_s"] == pytest.approx(3.1 + 0.1 * k)
        clock_map = trial.clock_maps["insole_left"]
        middle = session.t_reference(k, "insole", "insole_left", np.asarray([-clock_map.offset_s + BOUT_S / 2]))
        assert abs(float(clock_map.apply(np.asarray([-clock_map.offset_s + BOUT_S / 2]))[0] - middle[0])) < CLOSE_S
        # the rest of the device's recording is not in the trial
        time_s = trial.streams["insole_left"]["time"].values
        assert time_s[0] > -5.1
        assert time_s[-1] < BOUT_S + 5.1
    page = (tmp_path / "monday.html").read_text(encoding="utf-8")
    assert "clock of insole.csv: 3 of 3 trials aligned" in page
    assert "aligned/run2.html" in page
    again = CliRunner().invoke(app, ["session", str(document)])
    assert isinstance(again.exception, BadInputError)
    assert "--force" in str(again.exception)
    assert CliRunner().invoke(app, ["session", str(document), "--reports", "--force"]).exit_code == 0


def test_a_short_trial_takes_its_offset_from_those_that_are_sure(folder: Path, session: SimulatedSession) -> None:
    alone = align_session(tables(folder, "run1", "short", "run3"))
    assert alone.trials["short"].verdict == "refused"
    names = ("run1", "short", "run3")
    tied = align_session(tables(folder, *names, starts=starts(session, *names), start_sd_s=0.05))
    assert tied.verdict == "aligned", tied
    clock_map = tied.trials["short"].maps["insole_left"]
    at = np.asarray([-clock_map.offset_s + SHORT_S / 2])
    error_s = clock_map.apply(at) - session.t_reference(1, "insole", "insole_left", at)
    assert abs(float(error_s[0])) < CLOSE_S
    assert any("'run1', 'run3'" in finding and "start times" in finding for finding in clock_map.findings)


def test_trials_in_the_wrong_order_are_refused_by_name(folder: Path) -> None:
    wrong = align_session(tables(folder, "run1", "run3", "run2"))
    verdicts = {name: alignment.verdict for name, alignment in wrong.trials.items()}
    assert verdicts == {"run1": "aligned", "run3": "refused", "run2": "refused"}
    (reason, *_) = wrong.trials["run3"].maps["insole_left"].reasons
    assert "after trial 'run2'" in reason
    assert "the session lists it before" in reason
    assert align_session(tables(folder, "run1", "run3", "run2", in_order=False)).verdict == "aligned"


def test_a_trial_of_another_session_is_refused_and_the_others_are_not(folder: Path, session: SimulatedSession) -> None:
    found = align_session(tables(folder, "run1", "run2", "run3", "foreign"))
    assert {n: a.verdict for n, a in found.trials.items()} == {
        "run1": "aligned",
        "run2": "aligned",
        "run3": "aligned",
        "foreign": "refused",
    }
    assert found.verdict == "partial"
    assert not found.is_safe
    late = starts(session, "run1", "run2") | {"foreign.c3d": 5000.0}
    found = align_session(tables(folder, "run1", "run2", "foreign", starts=late))
    (reason, *_) = found.trials["foreign"].maps["insole_left"].reasons
    assert "s after the device's recording, by 'run1', 'run2'" in reason


def test_a_start_time_that_contradicts_the_contacts_refuses_its_trial(folder: Path, session: SimulatedSession) -> None:
    wrong = starts(session, "run1", "run2", "run3", run2=30.0)
    found = align_session(tables(folder, "run1", "run2", "run3", starts=wrong, start_sd_s=0.5))
    assert {n: a.verdict for n, a in found.trials.items()} == {"run1": "aligned", "run2": "refused", "run3": "aligned"}
    (reason, *_) = found.trials["run2"].maps["insole_left"].reasons
    assert "disagree by 30.0 s with those of trial 'run" in reason


def test_start_times_from_file_names(folder: Path, session: SimulatedSession, tmp_path: Path) -> None:
    for k, (name, clock) in enumerate(zip(("run1", "short", "run3"), session.clocks)):
        seconds = 36000 + clock.offset_s
        stamp = f"{int(seconds // 3600):02d}{int(seconds % 3600 // 60):02d}{int(seconds % 60):02d}"
        shutil.copy(folder / f"{name}.c3d", tmp_path / f"t{k}_2026-03-02_{stamp}_{int(seconds % 1 * 1000):03d}.c3d")
    shutil.copy(folder / "insole.csv", tmp_path / "insole.csv")
    names = sorted(path.stem for path in tmp_path.glob("*.c3d"))
    found = align_session(tables(tmp_path, *names, start_pattern="t*_%Y-%m-%d_%H%M%S_%f", start_sd_s=0.05))
    assert found.verdict == "aligned", found
    assert {start.source for start in found.starts.values()} == {"its name"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("surface = ", "is no TOML"),
        ('surface = "treadmill"\n', "lists no trial; write a table [[trial]]"),
        ('surfaces = "treadmill"\n[[trial]]\nreference = "a.c3d"\n', "'surfaces' is unknown (did you mean 'surface'?)"),
        ('surface = "grass"\nwearables = "i.csv"\n[[trial]]\nreference = "a.c3d"\n', "trial 1, surface is 'grass'"),
        ('surface = "treadmill"\n[[trial]]\nreference = "a.c3d"\n', "trial 1: has no 'wearables'"),
        ('surface = "treadmill"\nwearables = "i.csv"\n[[trial]]\nname = "x"\n', "trial 'x': has no 'reference'"),
        (
            'surface = "treadmill"\nwearables = "i.csv"\noffset_s = 2\n[[trial]]\nreference = "a.c3d"\n',
            "offset_s states a clock, which a session estimates",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\n' + '[[trial]]\nreference = "a.c3d"\n' * 2,
            "two trials are named 'a'",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\n[starts]\n"b.c3d" = 3\n[[trial]]\nreference = "a.c3d"\n',
            "[starts] names b.c3d, which no trial reads",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\n[starts]\n"a.c3d" = "noon"\n[[trial]]\nreference = "a.c3d"\n',
            "expected a date and time as 2026-03-01T10:15:30, or seconds",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\nstart_pattern = "%Q"\n[[trial]]\nreference = "a.c3d"\n',
            "%Q is unknown",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\nstart_pattern = "walk_%H%M"\n[[trial]]\nreference = "a.c3d"\n',
            "which fits the name of none of the session's files",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\n[[trial]]\nreference = "a.c3d"\nstart = nan\n',
            "start is nan, expected a date and time",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\n[[trial]]\nreference = "a.c3d"\nstart = 2026-03-02\n',
            "start is a date, expected a date and time",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\n[[trial]]\nreference = "a.c3d"\nout = "i.csv"\n',
            "a trial is written as netCDF4",
        ),
        (
            'surface = "treadmill"\nwearables = "i.csv"\nstart_sd_s = 0\n[[trial]]\nreference = "a.c3d"\n',
            "start_sd_s is 0, expected more than 0",
        ),
    ],
)
def test_a_bad_document_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    document = tmp_path / "bad.toml"
    document.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError) as refused:
        align_session(document)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert str(document) in str(refused.value)


def test_files_that_cannot_be_used_concern_their_trial_alone(folder: Path) -> None:
    found = align_session(tables(folder, "run1", "absent"))
    assert found.trials["run1"].verdict == "aligned"
    assert "absent.c3d" in found.errors["absent"]
    assert found.verdict == "partial"


def test_device_files_of_one_name_are_devices_of_their_own(
    folder: Path, session: SimulatedSession, tmp_path: Path
) -> None:
    rows = []
    for name in ("run1", "run2"):
        (tmp_path / name).mkdir()
        shutil.copy(folder / "insole.csv", tmp_path / name)
        rows.append({"reference": str(folder / f"{name}.c3d"), "wearables": [str(tmp_path / name / "insole.csv")]})
    found = align_session({"surface": "treadmill", "trial": rows[::-1]})
    assert found.verdict == "aligned", found
    assert [Path(clock.device).parent.name for clock in found.clocks] == ["run2", "run1"]


def test_a_prior_for_two_wearables_is_told_and_advice_is_of_the_document(folder: Path, tmp_path: Path) -> None:
    for name in ("run1.c3d", "insole.csv"):
        shutil.copy(folder / name, tmp_path / name)
    shutil.copy(folder / "insole.csv", tmp_path / "again.csv")
    document = tmp_path / "two.toml"
    document.write_text(
        'surface = "treadmill"\nwearables = ["insole.csv", "again.csv"]\nprior_offset = 1e3\nprior_sd = 50\n'
        '[[trial]]\nreference = "run1.c3d"\n',
        encoding="utf-8",
    )
    said = CliRunner().invoke(app, ["session", str(document)]).stdout
    assert "was taken for the clocks of all 2 wearables" in said
    assert "--prior-offset and --prior-sd" not in said
