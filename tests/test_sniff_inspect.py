"""How could sniffing or grf-inspect be wrong? The wrong reader or number, a traceback, a wrong exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from grfkit.cli import common
from grfkit.cli.inspect import app
from grfkit.errors import BadInputError, RefusedError
from grfkit.io import all_readers, sniff
from grfkit.io.inspect import inspect
from grfkit.io.sniff import READER_MODULES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

CSV = "time [s],left_force [N],left_acc_x [g],fz [N]\n" + "".join(
    f"{t / 100},{t},{t % 3},{2 * t}\n" for t in range(40) if t not in (10, 11, 12, 20)
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "run[1].csv"
    path.write_text(CSV)
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of grf-inspect."""
    with pytest.raises(SystemExit) as stopped:
        common.run(app, arguments, name="grf-inspect")
    out, err = capsys.readouterr()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, out, err


def test_every_reader_has_its_own_name_and_sniffs_anything() -> None:
    names = [reader.name for reader in all_readers()]
    assert len(set(names)) == len(names)
    assert len(names) == len(READER_MODULES)
    assert READER_MODULES[-1] == "csv_generic"


def test_sniff_says_why_and_why_not(recording: Path) -> None:
    found = sniff(recording)
    assert found.reader.name == "csv"
    assert found.why == "has a header row with 'time [s]' and 'left_force [N]'"
    assert "PathFileType" in found.others["trc"]
    assert set(found.others) == {reader.name for reader in all_readers()} - {"csv"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\0\1\2\3", "first bytes 00 01 02 03"),
        (b"\xff\xfe", "of no format"),
        (b"just words\nand more\n", "first line 'just words'"),
        (b"\n\n\n", "of no format"),
    ],
)
def test_sniff_refuses_what_no_reader_knows(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "x.dat"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"x\.dat: is ") as caught:
        sniff(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sniff_refuses_folders_missing_files_and_odd_names(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path, "is a folder"),
        (tmp_path / "no", "No such file"),
        (Path("a\0b"), "no file name"),
    ):
        with pytest.raises(BadInputError, match=says):
            sniff(path)


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.c3d"
    path.write_text(CSV)
    assert sniff(path).reader.name == "csv"


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("path", "reader"),
    [
        ("ezc3d_testfiles/Vicon.c3d", "c3d"),
        ("pomarat_loadsol/test_poussee_4_ls.txt", "loadsol"),
        ("gaitpdb_insole/GaCo01_01.txt", "gaitpdb"),
        ("pressuRe_samples/inst/extdata/pedar_example.asc", "pedar"),
        ("pressuRe_samples/inst/extdata/xsensor_data.csv", "xsensor"),
        ("pressuRe_samples/inst/extdata/fscan_testL.asf", "fscan"),
        ("pressuRe_samples/inst/extdata/stappone_example.csv", "stappone"),
        ("bmclab_bmc/data/walk1.trc", "trc"),
        ("bmclab_bmc/data/walk1.forces", "cortex"),
        ("bmclab_bmc/data/opensim/grf_run.mot", "opensim"),
        ("bmclab_bmc/data/jump1.txt", "csv"),
        ("rbds_fukuchi/RBDS001runT25forces.txt", "rbds"),
        ("rbds_fukuchi/RBDS001runT25markers.txt", "rbds"),
        ("opensim_core/OpenSim/Tests/shared/IMUData/Xsens/MT2022_ACC_00B42D4B.txt", "xsens"),
        ("opensim_core/OpenSim/Tests/shared/IMUData/APDM/imuData01.csv", "apdm"),
        ("opensim_core/OpenSim/Tests/shared/IMUData/APDM/apdm_format7.csv", "apdm"),
    ],
)
def test_real_files_find_their_reader(path: str, reader: str) -> None:
    if not (DATA / path).exists():
        pytest.skip(f"{path} of ../shared/data is not here")
    assert sniff(DATA / path).reader.name == reader


@pytest.mark.recordings
@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "bmclab_bmc/data/GRFZjump.txt",
        "bmclab_bmc/data/AMTIdata.bsf",
        "bmclab_bmc/data/BiomecII2018_gait_d.txt",
        "rbds_fukuchi/LICENSE.txt",
        "rbds_fukuchi/RBDSinfo.txt",
        "gaitpdb_insole/trials.csv",
        "alcantara2022_example/data/GRF_one_sub.csv",
        "dryft_sample/dryft/sample/custom_drift_S001runT25.csv",
    ],
)
def test_real_files_that_are_no_recordings(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    if not (DATA / path).exists():
        pytest.skip(f"{path} of ../shared/data is not here")
    code, out, err = call(capsys, str(DATA / path), "--json")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert Path(path).name in err


def test_report_tells_what_the_file_holds(recording: Path) -> None:
    report = inspect(recording).to_dict()
    assert list(report) == [
        *("file", "sha256", "size_bytes", "reader", "why", "others", "device", "duration_s", "t0_unix_s"),
        *("streams", "notes"),
    ]
    assert report["size_bytes"] == len(CSV)
    assert report["duration_s"] == pytest.approx(0.39)
    assert report["t0_unix_s"] is None
    insole, imu, plate = report["streams"]
    assert [s["name"] for s in (insole, imu, plate)] == ["insole_left", "imu_left", "plate_1"]
    assert (insole["samples"], insole["missing_samples"], insole["gaps"]) == (40, 4, 2)
    assert insole["longest_gap_s"] == pytest.approx(0.04)
    assert insole["rate_hz"] == pytest.approx(100)
    assert insole["channels"] == [
        {"name": "force", "raw_name": "left_force [N]", "unit": "N", "raw_unit": "N", "frame": "foot"}
        | {"min": 0.0, "max": 39.0, "missing": 4}
    ]
    assert imu["channels"][0]["max"] == pytest.approx(2 * 9.80665)
    assert plate["plate"] == {
        "type": 0,
        "corners_m": None,
        "origin_m": None,
        "vertical": "",
        "knows_feet": "",
        "unverified": "",
    }
    assert "plate" not in insole


def test_report_of_landmarks_has_one_row_per_marker(tmp_path: Path) -> None:
    path = tmp_path / "a.trc"
    path.write_text(
        "PathFileType\t4\t(X/Y/Z)\ta\nDataRate\tNumFrames\tNumMarkers\tUnits\n100\t2\t2\tmm\n"
        "Frame#\tTime\tA\t\t\tB\t\t\n\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n\n1\t0\t1\t2\t3\t\t\t\n2\t0.01\t4\t5\t6\t7\t8\t9\n"
    )
    got = inspect(path).to_dict()["streams"][0]["channels"]
    assert [(c["name"], c["missing"]) for c in got] == [("A", 0), ("B", 1)]
    assert [c["min"] for c in got] == pytest.approx([0.001, 0.007])
    assert [c["max"] for c in got] == pytest.approx([0.006, 0.009])


@pytest.mark.recordings
def test_json_of_a_c3d_names_its_plates(capsys: pytest.CaptureFixture[str]) -> None:
    path = DATA / "ezc3d_testfiles" / "Qualisys.c3d"
    if not path.exists():
        pytest.skip("Qualisys.c3d of ../shared/data is not here")
    code, out, err = call(capsys, str(path), "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    plates = [s for s in report["streams"] if s["kind"] == "force_plate"]
    assert plates
    assert all(len(p["plate"]["corners_m"]) == 4 and p["plate"]["type"] > 0 for p in plates)


def test_json_is_one_strict_document(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, str(recording), "--json")
    assert (code, err) == (0, "")
    report = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert report == json.loads(json.dumps(inspect(recording).to_dict()))
    assert call(capsys, str(recording), "--json")[1] == out


def test_tables_fit_80_columns(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, str(recording))
    assert (code, err) == (0, "")
    assert all(len(line) <= 80 for line in out.splitlines())
    for word in ("run[1].csv", "insole_left", "left_force [N]", "has a header row"):
        assert word in out.replace("\n", "")


def test_long_names_and_many_channels_still_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wide.csv"
    header = ",".join(f"a_very_long_channel_name_that_goes_on_and_on_{i} [mV]" for i in range(40))
    path.write_text(f"time [s],{header}\n" + "\n".join(f"{i},{','.join(['1e-9'] * 40)}" for i in range(3)))
    _, out, _ = call(capsys, str(path))
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "24 more (--json lists all)" in " ".join(out.split())


def test_options_reach_the_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, toml = tmp_path / "a.csv", tmp_path / "map.toml"
    path.write_text("t;F\n0;1,5\n10;2,5\n")
    toml.write_text('time = "t"\ntime_unit = "ms"\n[columns]\nF = "force [kN]"\n')
    _, out, _ = call(capsys, str(path), "--json", "--column-map", str(toml), "--side", "right")
    stream = json.loads(out)["streams"][0]
    assert (stream["name"], stream["side"], stream["channels"][0]["max"]) == ("insole_right", "right", 2500)
    code, out, err = call(capsys, str(path), "--column-map", str(tmp_path / "none.toml"))
    assert (code, out) == (2, "")
    assert "none.toml: cannot be read" in err
    path.write_text("force [N],b [V]\n1,2\n2,3\n")
    _, out, _ = call(capsys, str(path), "--json", "--rate-hz", "50")
    assert json.loads(out)["streams"][0]["rate_hz"] == 50


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{f}", "--rate-hz", "-1"], "--rate-hz is -1"),
        (["{f}", "--rate-hz", "nan"], "--rate-hz is nan"),
        (["{f}", "--side", "both"], "--side is 'both', expected one of 'left', 'right'"),
        (["{f}", "--nonsense"], "there is no option --nonsense"),
        ([], "FILE is missing"),
        (["/no/such/file.csv"], "/no/such/file.csv: cannot be read"),
    ],
)
def test_wrong_calls_end_with_one_line_and_2(
    recording: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    code, out, err = call(capsys, *(a.replace("{f}", str(recording)) for a in arguments))
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


# --- what all commands share


def _app_that(error: BaseException) -> typer.Typer:
    made = common.make_app()

    @made.command()
    def fail() -> None:
        raise error

    return made


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (BadInputError("x.csv: is\nempty"), 2, "tool: x.csv: is empty\n"),
        (RefusedError("no step fits"), 3, "tool: no step fits\n"),
        (ValueError("odd\nthing"), 1, "tool: internal error (ValueError: odd thing); please report it"),
        (OSError(28, "No space left on device", "out.nc"), 2, "tool: out.nc: No space left on device\n"),
        (MemoryError(), 2, "tool: not enough memory"),
        (KeyboardInterrupt(), 130, "tool: interrupted\n"),
        (typer.Exit(3), 3, ""),
    ],
)
def test_errors_become_one_line(
    error: BaseException,
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GRFKIT_DEBUG", raising=False)
    with pytest.raises(SystemExit) as stopped:
        common.run(_app_that(error), [], name="tool")
    assert stopped.value.code == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(says)
    assert err.count("\n") <= 1


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRFKIT_DEBUG", "1")
    with pytest.raises(SystemExit):
        common.run(_app_that(ValueError("odd")), [], name="tool")
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("tool: internal error")


def test_broken_pipe_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    header = ",".join(f"c{i} [mV]" for i in range(2000))
    path.write_text(f"time [s],{header}\n" + "\n".join(f"{i},{','.join(['1'] * 2000)}" for i in range(2)))
    command = [sys.executable, "-m", "grfkit.cli.inspect", str(path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 141


def test_help_waits_for_no_heavy_import() -> None:
    code = (
        "import sys\n"
        "from grfkit.cli.inspect import main\n"
        "sys.argv = ['grf-inspect', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'numpy', 'scipy', 'xarray', 'pandas', 'pydantic', 'ezc3d', 'pyxdf', 'h5py', 'rich.table'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    environment = os.environ | {"COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "HEAVY []" in done.stderr
    assert "--column-map" in done.stdout
    assert "Exit codes" in done.stdout
