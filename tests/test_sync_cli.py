"""grf-sync as installed: exit codes, what it writes and what it never does, the same bytes twice, JSON for machines."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from grfkit.cli.sync import main
from grfkit.errors import BadInputError
from grfkit.io import read
from grfkit.records import Trial
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import csv_file, write_reference
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.simulate.settings import Settings, default_settings

SEED = 96_001
KEYS = {
    "stream", "verdict", "offset_s", "drift_ppm", "uncertainty_ms", "margin", "p_wrong", "inliers", "residual_ms",
    "overlap_s", "runner_up_offset_s", "lost_samples", "reasons",
}  # fmt: skip
SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True)
class Lab:
    """A simulated trial as files, its truth, and a wearable of other minutes that cannot align."""

    folder: Path
    trial: LabTrial

    @property
    def reference(self) -> str:
        return str(self.folder / "force.c3d")

    @property
    def insole(self) -> str:
        return str(self.folder / "insole.csv")

    @property
    def stranger(self) -> str:
        return str(self.folder / "stranger.csv")


@dataclass(frozen=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str


def run(name: str, *arguments: str | Path) -> Ran:
    """Run an installed console script."""
    done = subprocess.run(
        [str(SCRIPTS / name), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def run_here(*arguments: str | Path) -> Ran:
    """Run ``grf-sync`` within this process, which takes a tenth of the time."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["grf-sync", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as stop,
    ):
        main()
    return Ran(int(stop.value.code or 0), out.getvalue(), err.getvalue())


def shared_stamps() -> Settings:
    """Return settings under which both feet share their stamps, as one table needs."""
    known = default_settings()
    return known.model_copy(update={"insole": known.insole.model_copy(update={"stamp_jitter_share": 0.0})})


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("lab")
    condition = Condition(family="A", duration_s=60.0, step_cv_percent=2.5, wearables=("insole",), gaps=True)
    trial = simulate_trial(condition, SEED, shared_stamps())
    write_reference(folder / "force.c3d", trial)
    (folder / "insole.csv").write_text(csv_file(trial.wearables["insole"]), encoding="utf-8")
    away = condition.model_copy(update={"no_overlap": True})
    stranger = simulate_trial(away, SEED, shared_stamps())
    (folder / "stranger.csv").write_text(csv_file(stranger.wearables["insole"]), encoding="utf-8")
    (folder / "truth").mkdir()
    (folder / "truth" / "one.truth.json").write_text(trial.truth.to_json(), encoding="utf-8")
    return Lab(folder, trial)


def words(lab: Lab, out: Path, *more: str | Path, wearables: tuple[str, ...] | None = None) -> list[str | Path]:
    """Return the arguments of ``grf-sync`` on the lab's files."""
    worn = [a for w in (wearables or (lab.insole,)) for a in ("--wearable", w)]
    return ["--reference", lab.reference, *worn, "--surface", "treadmill", "--out", out, *more]


def sync(lab: Lab, out: Path, *more: str | Path, wearables: tuple[str, ...] | None = None) -> Ran:
    """Run ``grf-sync`` on the lab's files within this process."""
    return run_here(*words(lab, out, *more, wearables=wearables))


def names(folder: Path) -> list[str]:
    """Return what stands in a folder, hidden files too."""
    return sorted(p.name for p in folder.iterdir())


def test_an_aligned_trial_is_written_with_its_map_and_origins(lab: Lab, tmp_path: Path) -> None:
    out, report = tmp_path / "trial.nc", tmp_path / "trial.html"
    ran = run("grf-sync", *words(lab, out, "--json", "--report", report, "--mass-kg", "70"))
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    assert set(answer) == {"verdict", "trial", "maps"}
    assert (answer["verdict"], answer["trial"]) == ("aligned", str(tmp_path / "trial.nc"))
    assert [m["stream"] for m in answer["maps"]] == ["insole_left", "insole_right"]
    for row in answer["maps"]:
        assert set(row) >= KEYS
        assert row["verdict"] == "aligned"
        assert row["reasons"] == []
    trial = Trial.from_netcdf(tmp_path / "trial.nc")
    assert trial.verdict == "aligned"
    roles = {i.name: i.role for i in trial.provenance.inputs}
    assert roles == {"force.c3d": "reference", "insole.csv": "wearable"}
    digest = hashlib.sha256(Path(lab.insole).read_bytes()).hexdigest()
    assert digest in {i.sha256 for i in trial.provenance.inputs}
    assert trial.provenance.configuration["surface"] == "treadmill"
    streams = trial.streams
    truth = lab.trial.truth.streams[("insole", "insole_left")]
    stream = streams["insole_left"]
    device = stream["time_device"].values
    error = np.abs(stream["time"].values - truth.t_reference(device))
    assert np.nanmax(error[(device > truth.overlap_s[0]) & (device < truth.overlap_s[1])]) < 0.02
    assert stream.attrs["verdict"] == "aligned"
    assert trial.clock_maps["insole_left"].offset_s == answer["maps"][0]["offset_s"]
    assert "reference/plate_1" in streams
    assert names(tmp_path) == ["trial.html", "trial.nc"]


def test_the_words_for_people_say_the_same(lab: Lab, tmp_path: Path) -> None:
    ran = sync(lab, tmp_path / "trial.nc")
    assert ran.code == 0
    assert ran.out.startswith("verdict: aligned\n")
    assert "offset" in ran.out
    assert f"trial: {tmp_path / 'trial.nc'}" in ran.out


def test_two_runs_give_the_same_bytes_wherever_they_stand(lab: Lab, tmp_path: Path) -> None:
    digests = []
    for place in ("one", "two"):
        folder = tmp_path / place
        folder.mkdir()
        for name in ("force.c3d", "insole.csv"):
            (folder / name).write_bytes((lab.folder / name).read_bytes())
        moved = Lab(folder, lab.trial)
        # the second in a process of its own, with an order of sets and an import order of its own
        go = run_here if place == "one" else functools.partial(run, "grf-sync")
        ran = go(*words(moved, folder / "trial.nc", "--report", folder / "trial.html"))
        assert ran.code == 0, ran.err
        digests.append([hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in ("trial.nc", "trial.html")])
    assert digests[0] == digests[1]


def test_a_refusal_writes_no_trial_and_says_what_to_do(lab: Lab, tmp_path: Path) -> None:
    asked = ("--json", "--report", tmp_path / "why.html")
    ran = run("grf-sync", *words(lab, tmp_path / "trial.nc", *asked, wearables=(lab.stranger,)))
    assert ran.code == 3
    answer = json.loads(ran.out)
    assert (answer["verdict"], answer["trial"]) == ("refused", None)
    for row in answer["maps"]:
        assert (row["verdict"], row["offset_s"], row["drift_ppm"], row["segments"]) == ("refused", None, None, [])
        assert row["reasons"]
    assert names(tmp_path) == ["why.html"]
    assert "refused" in (tmp_path / "why.html").read_text(encoding="utf-8").lower()


def test_an_accepted_refusal_is_written_and_stays_refused_everywhere(lab: Lab, tmp_path: Path) -> None:
    report = tmp_path / "trial.html"
    ran = sync(
        lab, tmp_path / "trial.nc", "--json", "--accept-refused", "--report", report, wearables=(lab.stranger,)
    )  # fmt: skip
    assert ran.code == 3
    answer = json.loads(ran.out)
    assert answer["verdict"] == "refused"
    assert answer["trial"] == str(tmp_path / "trial.nc")
    trial = Trial.from_netcdf(tmp_path / "trial.nc")
    assert trial.verdict == "refused"
    assert {m.verdict for m in trial.clock_maps.values()} == {"refused"}
    assert trial.provenance.configuration["accept_refused"] is True
    worn = {n: s for n, s in trial.streams.items() if n.startswith("insole")}
    assert worn
    assert {s.attrs["verdict"] for s in worn.values()} == {"refused"}
    assert "refused" in report.read_text(encoding="utf-8").lower()


def test_one_refused_stream_refuses_the_whole_unless_partial_is_allowed(lab: Lab, tmp_path: Path) -> None:
    both = (lab.insole, lab.stranger)
    ran = sync(lab, tmp_path / "trial.nc", "--json", wearables=both)
    assert ran.code == 3
    answer = json.loads(ran.out)
    assert (answer["verdict"], answer["trial"]) == ("partial", None)
    assert {m["verdict"] for m in answer["maps"]} == {"aligned", "refused"}
    assert names(tmp_path) == []
    ran = sync(lab, tmp_path / "trial.nc", "--json", "--allow-partial", wearables=both)
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    assert (answer["verdict"], answer["trial"]) == ("partial", str(tmp_path / "trial.nc"))
    verdicts = {m["stream"]: m["verdict"] for m in answer["maps"]}
    assert verdicts == {
        "insole_left": "aligned",
        "insole_right": "aligned",
        "insole_left_2": "refused",
        "insole_right_2": "refused",
    }
    trial = Trial.from_netcdf(tmp_path / "trial.nc")
    assert trial.verdict == "partial"
    held = set(trial.streams)
    assert {"insole_left", "insole_right"} <= held
    assert not {"insole_left_2", "insole_right_2"} & held
    assert trial.clock_maps["insole_left_2"].verdict == "refused"
    assert trial.clock_maps["insole_left_2"].reasons


def test_nothing_is_overwritten_without_force(lab: Lab, tmp_path: Path) -> None:
    out, report = tmp_path / "trial.nc", tmp_path / "trial.html"
    out.write_text("precious")
    ran = sync(lab, out)
    assert ran.code == 2
    assert "exists; use --force" in ran.err
    assert out.read_text() == "precious"
    report.write_text("precious")
    ran = sync(lab, tmp_path / "other.nc", "--report", report)
    assert ran.code == 2
    assert names(tmp_path) == ["trial.html", "trial.nc"]
    ran = sync(lab, out, "--report", report, "--force")
    assert ran.code == 0, ran.err
    assert Trial.from_netcdf(out).verdict == "aligned"


def test_trial_and_report_in_one_file_and_a_prior_of_nan_are_refused_before_anything_is_written(
    lab: Lab, tmp_path: Path
) -> None:
    ran = sync(lab, tmp_path / "one.nc", "--report", tmp_path / "one.nc")
    assert ran.code == 2
    assert "name the same file" in ran.err
    ran = sync(lab, tmp_path / "two.nc", "--prior-offset", "nan", "--prior-sd", "1")
    assert ran.code == 2
    assert "finite" in ran.err
    assert names(tmp_path) == []


def test_a_refusal_does_not_touch_what_stands_there_even_with_force(lab: Lab, tmp_path: Path) -> None:
    out = tmp_path / "trial.nc"
    out.write_text("precious")
    ran = sync(lab, out, "--force", wearables=(lab.stranger,))
    assert ran.code == 3
    assert out.read_text() == "precious"
    assert "trial.nc is of an earlier run and stays as it was" in ran.out


def test_bad_input_is_one_line_code_2_and_no_file(lab: Lab, tmp_path: Path) -> None:
    torn = tmp_path / "torn.c3d"
    torn.write_bytes(Path(lab.reference).read_bytes()[:5000])
    empty = tmp_path / "empty.csv"
    empty.touch()
    before = names(tmp_path)
    out = str(tmp_path / "trial.nc")
    good = ["--reference", lab.reference, "--wearable", lab.insole, "--surface", "treadmill", "--out", out]
    attempts = {
        "torn.c3d": ["--reference", str(torn), *good[2:]],
        "empty.csv": [*good[:3], str(empty), *good[4:]],
        "none.csv": [*good[:3], str(tmp_path / "none.csv"), *good[4:]],
        "--surface": [*good[:5], "grass", *good[6:]],
        "--prior-sd": [*good, "--prior-offset", "3"],
        "--out": good[:-2],
        "folder does not exist": [*good[:-1], str(tmp_path / "no" / "trial.nc")],
        "--mass-kg": [*good, "--mass-kg", "-4"],
        "to align by in: landmarks": [*good[:3], lab.reference, *good[4:]],
    }
    for says, arguments in attempts.items():
        ran = run_here(*arguments)
        assert ran.code == 2, (says, ran)
        assert says in ran.err
        assert len(ran.err.strip().splitlines()) == 1, ran.err
        assert "Traceback" not in ran.err
        assert ran.out == ""
    assert names(tmp_path) == before


def test_the_truth_is_read_by_no_reader(lab: Lab, tmp_path: Path) -> None:
    truth = lab.folder / "truth" / "one.truth.json"
    with pytest.raises(BadInputError, match=r"one\.truth\.json"):
        read(truth)
    for name in ("truth.csv", "truth.txt", "truth.mot"):
        (tmp_path / name).write_bytes(truth.read_bytes())
        with pytest.raises(BadInputError):
            read(tmp_path / name)
    ran = sync(lab, tmp_path / "trial.nc", wearables=(str(truth),))
    assert ran.code == 2


def test_the_folder_of_the_virtual_lab_goes_through_the_batch_command(tmp_path: Path) -> None:
    made = run("grf-simulate", "lab", tmp_path / "lab", "--surface", "treadmill", "--insole", "adc", "--duration-s",
               "60", "--seed", "5", "--no-gaps", "--json")  # fmt: skip
    assert made.code == 0, made.err
    ran = run("grf-sync", "batch", tmp_path / "lab" / "TABLE.csv", "--processes", "1", "--reports", "--json")
    answer = json.loads(ran.out)
    assert ran.code in (0, 3), ran.err
    (row,) = answer["trials"]
    truth = json.loads(next((tmp_path / "lab" / "truth").glob("*.json")).read_text(encoding="utf-8"))
    known = {s["stream"]: s for s in truth["streams"]}
    for found in row["maps"]:
        if found["verdict"] == "aligned":
            said = known[found["stream"]]
            middle = sum(said["overlap_s"]) / 2
            ours = found["offset_s"] + 1e-6 * found["drift_ppm"] * middle
            theirs = said["offset_s"] + 1e-6 * said["drift_ppm"] * middle
            assert ours == pytest.approx(theirs, abs=0.1)
    assert (tmp_path / "lab" / f"{row['out']}").exists() == (ran.code == 0)


def test_help_comes_at_once_and_names_the_exit_codes() -> None:
    ran = run("grf-sync", "--help")
    assert ran.code == 0
    assert "Exit code" in ran.out
