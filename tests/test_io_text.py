"""How could a text reader be wrong? A value, a unit, a column, a foot, a gap or a time misread."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.io import ReadOptions, read
from grfkit.io.columns import load_column_map
from grfkit.records import Recording
from grfkit.units import G
from xdf_files import xdf_bytes

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NIMBLE = DATA / "nimblephysics" / "data"
OPENSIM = DATA / "opensim_core"
XSENS = OPENSIM / "OpenSim" / "Tests" / "shared" / "IMUData" / "Xsens"
APDM = OPENSIM / "OpenSim" / "Tests" / "shared" / "IMUData" / "APDM"


def real(path: Path) -> Path:
    """Return a real recording's path, or skip the test where the recordings are not there."""
    if not path.exists():
        pytest.skip(f"{path.name} of ../shared/data is not here")
    return path


def write(folder: Path, text: str, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def fields(path: Path, line: int, separator: str | None = "\t") -> list[str]:
    """Return the cells of a file's raw line (counted from 1), the oracle of these tests."""
    return path.read_text(encoding="utf-8-sig").splitlines()[line - 1].split(separator)


def refused(path: Path, options: ReadOptions | None = None) -> str:
    with pytest.raises(BadInputError) as caught:
        read(path, options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert "did not expect" not in text
    return text


# --- generic CSV


def test_csv_names_become_streams_in_si(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "time [ms],left_force [kN],right_acc_x [g],left_cell_1 [adc],fz [N],plate_2_fz [lbf],note [V]\n"
        "0,1,1,3,4,1,7\n10,2,,nan,5,1,8\n20,3,-2,5,6,1,9\n",
    )
    got = read(path).streams
    assert list(got) == ["insole_left", "imu_right", "plate_1", "plate_2", "analog"]
    np.testing.assert_allclose(got["insole_left"]["force"], [1000, 2000, 3000])
    np.testing.assert_allclose(got["imu_right"]["acc_x"], [G, np.nan, -2 * G])
    np.testing.assert_allclose(got["plate_2"]["fz"], 4.4482216152605)
    np.testing.assert_allclose(got["analog"]["note"], [7, 8, 9])
    np.testing.assert_allclose(got["insole_left"]["time"], [0, 0.01, 0.02])
    assert got["insole_left"]["cell_01"].attrs["units"] == "count"
    assert got["insole_left"]["cell_01"].attrs["frame"] == "raw"
    assert got["insole_left"]["cell_01"].attrs["raw_name"] == "left_cell_1 [adc]"
    assert got["insole_left"]["force"].attrs["raw_units"] == "kN"
    assert {s.attrs["clock"] for s in got.values()} == {"device"}
    assert got["imu_right"].attrs["missing_samples"] == 1
    assert got["insole_left"].attrs["side"] == "left"


def test_csv_counts_are_never_a_force(tmp_path: Path) -> None:
    got = read(write(tmp_path, "time [s],left_force [adc],left_acc_z [adc]\n0,1,2\n1,2,3\n")).streams
    assert got["insole_left"]["force"].attrs["units"] == "count"
    assert got["imu_left"]["acc_z"].attrs["units"] == "count"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_separators(tmp_path: Path, separator: str) -> None:
    rows = [["time [s]", "force [N]"], ["0", "1.5"], ["0.01", "2.5"]]
    path = write(tmp_path, "\n".join(separator.join(row) for row in rows))
    np.testing.assert_allclose(read(path).streams["insole"]["force"], [1.5, 2.5])


def test_csv_decimal_comma_bom_comment_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeff# made here\nsep=;\n"time [s]";"left_force [N]"\n0;1,5\n0,01;\n0,02;-3,5e1\n\n'.encode())
    got = read(path).streams["insole_left"]
    np.testing.assert_allclose(got["force"], [1.5, np.nan, -35])
    np.testing.assert_allclose(got["time"], [0, 0.01, 0.02])
    quoted = write(tmp_path, 'time [s],force [N]\n"0","1"\n"0.5","2"\n')
    np.testing.assert_allclose(read(quoted).streams["insole"]["force"], [1, 2])


def test_csv_utf16_and_windows_1252(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("time [s],left_force [N]\n0,1\n1,2\n".encode("utf-16"))
    np.testing.assert_allclose(read(path).streams["insole_left"]["force"], [1, 2])
    path.write_bytes("time [µs],acc_x [m/s²]\n0,1\n5000,2\n".encode("cp1252"))
    np.testing.assert_allclose(read(path).streams["imu"]["time"], [0, 0.005])


def test_csv_gap_becomes_nan_rows(tmp_path: Path) -> None:
    times = [t / 100 for t in range(30) if t not in (10, 11, 20)]
    path = write(tmp_path, "time [s],left_force [N]\n" + "\n".join(f"{t},{t}" for t in times))
    got = read(path).streams["insole_left"]
    assert got.sizes["time"] == 30
    assert (got.attrs["missing_samples"], got.attrs["gaps"]) == (3, 2)
    assert np.flatnonzero(np.isnan(got["force"])).tolist() == [10, 11, 20]


def test_csv_sum_of_cells_stands_in_for_force(tmp_path: Path) -> None:
    names = (
        "left_cell_01 [kPa]",
        "left_cell_02 [kPa]",
        "left_cell_03 [kPa]",
        "right_cell_01 [N]",
        "right_force [N]",
    )
    text = ",".join(("time [s]", *names)) + "\n"
    got = read(write(tmp_path, text + "0,1,2,,1,5\n1,3,,,1,5\n2,5,6,,1,5\n")).streams
    np.testing.assert_allclose(got["insole_left"]["pressure_sum"], [3000, np.nan, 11000])
    assert got["insole_left"]["pressure_sum"].attrs["units"] == "Pa"
    assert "pressure_sum" not in got["insole_right"]


def test_csv_centre_of_pressure_goes_to_its_own_device(tmp_path: Path) -> None:
    got = read(write(tmp_path, "time [s],fz [N],cop_x [mm],left_force [N],left_cop_x [mm]\n0,1,2,3,4\n1,1,2,3,4\n"))
    assert "cop_x" in got.streams["plate_1"]
    assert "cop_x" in got.streams["insole_left"]
    bare = read(write(tmp_path, "time [s],force [N],cop_x [mm]\n0,1,2\n1,1,2\n"))
    assert list(bare.streams) == ["insole"]


def test_csv_belts_know_their_feet(tmp_path: Path) -> None:
    got = read(write(tmp_path, "time [s],right_fz [N],left_fz [N]\n0,1,2\n1,3,4\n")).streams
    feet = {data.attrs["knows_feet"]: data["fz"].values.tolist() for data in got.values()}
    assert feet == {"left": [2, 4], "right": [1, 3]}


def test_csv_unix_time_keeps_the_start(tmp_path: Path) -> None:
    got = read(write(tmp_path, "time [us],force [N]\n1550879504438281,1\n1550879504448281,2\n"))
    assert got.tree.attrs["t0_unix_s"] == pytest.approx(1550879504.438281, abs=1e-5)
    np.testing.assert_allclose(got.streams["insole"]["time"], [0, 0.01], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time [s],left_force [m]\n0,1\n", "is in m, but left_force is measured in N"),
        ("time [s],left_force [adc],left_acc_x [N]\n0,1,1\n", "acc_x is measured in m/s^2"),
        ("time [s],left_force\n0,1\n", "states no unit; write 'left_force [N]'"),
        ("time,left_force [N]\n0,1\n", "'time' states no unit"),
        ("time [N],left_force [N]\n0,1\n", "is in N, expected s"),
        ("time [s],foo [furlong]\n0,1\n", "unit 'furlong' is not known"),
        ("clock [s],left_force [N]\n0,1\n", "has no column 'time'"),
        ("time [s],left_force [N],Left Force [N]\n0,1,2\n", "are both 'left_force'"),
        ("time [s],left_cell_1 [adc],left_cell_01 [adc]\n0,1,2\n", "stands twice"),
        ("time [s],left_force [N]\n", "no data"),
        ("time [s],left_force [N]\n0,1\n1\n", "line 3 has 1 cells, expected 2"),
        ("time [s],left_force [N]\n0,1\n1,2,3\n", "line 3 has 3 cells, expected 2"),
        ("time [s],left_force [N]\n0,1\n1,abc\n", "line 3, column 'left_force [N]': 'abc' is no number"),
        ("time [s],left_force [N]\n0,1\n1,inf\n", "'inf' is no number"),
        ("time [s],left_force [N]\n0,1\n1,1e40\n", "1e+40 is no measurement"),
        ("time [s],left_force [N]\n0,1\n1,1_000\n", "'1_000' is no number"),
        ("time [s],left_force [N]\n0,1\n1e20,2\n", "no clock shows that"),
        ("time [s],left_force [N]\n0,1\n,2\n", "no time stamp in row 2"),
        ("time [s],left_force [N]\n0.1,1\n0,2\n", "goes back by 0.1 s"),
        ("time [s];left_force [N]\n0.5;1,5\n", "both ',' and '.'"),
        ("time [s]\n1\n", "holds one cell"),
        ("time [s],[N]\n1,2\n", "has no name"),
    ],
)
def test_csv_refusals_name_the_thing(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(write(tmp_path, text))


def test_csv_without_time_at_a_stated_rate(tmp_path: Path) -> None:
    path = write(tmp_path, "left_force [N],note [V]\n1,2\n3,4\n")
    got = read(path, ReadOptions(rate_hz=50)).streams["insole_left"]
    np.testing.assert_allclose(got["time"], [0, 0.02])
    assert got.attrs["stamp_source"] == "index"
    assert got.attrs["rate_hz"] == 50


def test_column_map(tmp_path: Path) -> None:
    path = write(tmp_path, "Zeit (ms);Kraft, links;Marke;plate_1_fz [N]\n0;1,5;start;3\n10;2,5;;4\n")
    toml = write(
        tmp_path,
        'time = "Zeit (ms)"\ntime_unit = "ms"\n[columns]\n"Kraft, links" = "left_force [kN]"\n',
        "map.toml",
    )
    got = read(path, load_column_map(toml).options())
    np.testing.assert_allclose(got.streams["insole_left"]["force"], [1500, 2500])
    np.testing.assert_allclose(got.streams["insole_left"]["time"], [0, 0.01])
    assert got.streams["insole_left"]["force"].attrs["raw_name"] == "Kraft, links"
    np.testing.assert_allclose(got.streams["plate_1"]["fz"], [3, 4])
    assert got.notes == ("1 columns outside the column map are left out: 'Marke'",)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('colums = "x"\n', "colums is unknown; known keys are time, time_unit"),
        ('[columns]\n"a" = "left_force [N]"\n"b" = "left_force [N]"\n', "both 'a' and 'b' as 'left_force'"),
        ('time = "t"\n', "'time' and 'time_unit' belong together"),
        ('time = "t"\ntime_unit = "N"\n', "expected s, ms, us or min"),
        ('time = "t"\ntime_unit = "s"\nrate_hz = 5\n', "keep one"),
        ('time = "t"\ntime_unit = "s"\n[columns]\n"a" = "time [s]"\n', "both 't' and 'a' as 'time'"),
        ('[columns]\n"a" = "left_force [stone]"\n', "unit 'stone' is not known"),
        ('[columns]\n"a" = 3\n', "columns.a"),
        ("rate_hz = -1\n", "rate_hz"),
        ('side = "both"\n', "side"),
        ("[columns\n", "is no TOML"),
    ],
)
def test_column_map_refusals(tmp_path: Path, toml: str, says: str) -> None:
    path = write(tmp_path, toml, "map.toml")
    with pytest.raises(BadInputError) as caught:
        load_column_map(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_column_map_must_fit_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "t,a,a\n0,1,2\n")
    assert "the column map names 'b'" in refused(path, ReadOptions(column_map={"b": "left_force [N]"}))
    assert "stands 2 times in the file" in refused(
        path, ReadOptions(column_map={"a": "left_force [N]", "t": "time [s]"})
    )


def test_side_is_stated_once(tmp_path: Path) -> None:
    path = write(tmp_path, "time [s],force [N],acc_x [g]\n0,1,2\n1,2,3\n")
    got = read(path, ReadOptions(extra={"side": "right"}))
    assert list(got.streams) == ["insole_right", "imu_right"]
    assert got.streams["imu_right"].attrs["side"] == "right"
    assert "right foot" in got.provenance.findings[-1]
    sided = write(tmp_path, "time [s],left_force [N]\n0,1\n1,2\n")
    assert "leave the side out" in refused(sided, ReadOptions(extra={"side": "left"}))
    assert "knows no option 'gain'" in refused(path, ReadOptions(extra={"gain": 2}))


def csv_text(columns: list[str], table: np.ndarray) -> str:
    rows = [",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in table]
    return "\n".join([",".join(columns), *rows]) + "\n"


names = st.sampled_from(
    [
        "left_force [N]",
        "right_force [kN]",
        "left_cell_01 [adc]",
        "acc_x [g]",
        "right_gyro_z [deg/s]",
        "fz [N]",
        "plate_2_cop_x [mm]",
        "somewhat [V]",
        "left_mag_y [uT]",
    ]
)
reals = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=st.lists(names, min_size=1, max_size=6, unique=True), rows=st.integers(2, 12), data=st.data())
def test_csv_and_netcdf_round_trip(tmp_path: Path, columns: list[str], rows: int, data: st.DataObject) -> None:
    values = np.array(
        data.draw(st.lists(st.lists(reals, min_size=rows, max_size=rows), min_size=len(columns), max_size=len(columns)))
    )
    table = np.column_stack([np.arange(rows) / 100.0, values.T])
    path = write(tmp_path, csv_text(["time [s]", *columns], table))
    got = read(path)
    by_raw = {
        v.attrs["raw_name"]: v for s in got.streams.values() for v in s.data_vars.values() if "raw_name" in v.attrs
    }
    factors = {"N": 1, "kN": 1e3, "adc": 1, "g": G, "deg/s": np.pi / 180, "mm": 1e-3, "V": 1, "uT": 1e-6}
    for index, column in enumerate(columns):
        factor = factors[column.split("[")[1].rstrip("]")]
        np.testing.assert_allclose(by_raw[column].values, values[index] * factor, rtol=1e-12)
    stored = tmp_path / "stored.nc"
    got.to_netcdf(stored, force=True)
    again = read(stored)
    assert list(again.streams) == list(got.streams)
    for name, stream in got.streams.items():
        assert again.streams[name].identical(stream)


# --- TRC

TRC = (
    "PathFileType\t4\t(X/Y/Z)\ta.trc\nDataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n"
    "150\t150\t3\t2\tmm\nFrame#\tTime\tA\t\t\tB\t\t\n\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n\n"
    "1\t0.000\t1\t2\t3\t4\t5\t6\n2\t0.007\t1\t2\t\t0\t0\t0\n3\t0.013\t7\t8\t9\tNaN\tNaN\tNaN\n"
)


def test_trc_values_missing_points_and_exact_time(tmp_path: Path) -> None:
    got = read(write(tmp_path, TRC, "a.trc"))
    stream = got.streams["landmarks"]
    np.testing.assert_allclose(
        stream["position"].sel(landmark="A")[[0, 2]], [[0.001, 0.002, 0.003], [0.007, 0.008, 0.009]]
    )
    assert np.isnan(stream["position"].values[1, 0, 2])
    assert np.isnan(stream["position"].values[1:, 1]).all()
    np.testing.assert_allclose(stream["time"], [0, 1 / 150, 2 / 150], atol=1e-12)
    assert stream.attrs["rate_hz"] == 150
    assert stream["position"].attrs["frame"] == "global"
    assert "1 marker positions of exactly 0 0 0" in got.notes[0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("\tUnits\n", "\tUnit\n", "name no 'Units'"),
        ("\tmm\n", "\tN\n", "expected m"),
        ("\t7\t8\t9\t", "\t7\t8\t", "line 9 has 7 cells, expected 8"),
        ("\t4\t5\t6\n", "\t4\tfive\t6\n", "line 7, column 'B Y': 'five' is no number"),
        ("A\t\t\tB\t\t", "\t\t\t\t\t", "names no marker"),
        ("A\t\t\tB\t\t", "A\tB\tC\t\t\t", "cannot be told"),
        ("2\t0.007", "2\t-0.007", "goes back"),
        ("Frame#\tTime", "Time\tFrame#", "line 4 does not start"),
    ],
)
def test_trc_refusals(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TRC
    assert says in refused(write(tmp_path, TRC.replace(old, new), "a.trc"))


def test_trc_that_ends_inside_a_row_is_refused(tmp_path: Path) -> None:
    text = TRC.replace("\t3\t2\tmm", "\t4\t2\tmm").rstrip("\n")
    assert "is cut off: its header states 4 frames, it holds 3" in refused(write(tmp_path, text, "a.trc"))


def test_trc_wrong_unit_is_noticed(tmp_path: Path) -> None:
    header = "\t".join(f"M{i}\t\t" for i in range(6))
    axes = "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(6))
    row = "\t".join(f"{300 * i}\t{100 * i}\t5" for i in range(6))
    text = (
        "PathFileType\t4\t(X/Y/Z)\ta\nDataRate\tNumFrames\tNumMarkers\tUnits\n100\t2\t6\tm\n"
        f"Frame#\tTime\t{header}\n\t\t{axes}\n\n1\t0\t{row}\n2\t0.01\t{row}\n"
    )
    assert "span 1.5e+03 m if their unit is m" in refused(write(tmp_path, text, "a.trc"))
    assert read(write(tmp_path, text.replace("\tm\n", "\tmm\n"), "a.trc")).streams["landmarks"].sizes["landmark"] == 6


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("path", "line", "marker", "scale", "markers", "rate"),
    [
        ("bmclab_bmc/data/walk1.trc", 7, "R.PSIS", 1e-3, 28, 150),
        ("bmclab_bmc/data/walk2.trc", 7, "R.PSIS", 1e-3, 55, 150),
        ("btkdata/Input/TRCSamples/Gait.trc", 300, "R.Elbow", 1e-3, 33, 100),
        ("btkdata/Input/TRCSamples/SprintCalib.trc", 7, "T12", 1e-3, 65, 250),
        ("btkdata/Input/TRCSamples/Knee.trc", 7, "genou1_NewMarker2", 1e-3, 71, 200),
        ("nimblephysics/data/grf/Subject4/MarkerData/walking1.trc", 20, "L.PSIS", 1, 51, 100),
        ("nimblephysics/data/osim/WeirdFormatTests/markers.trc", 8, "LBHD", 1, 61, 100),
        (
            "nimblephysics/data/osim/HamnerSubject04/subject04/trials/run500/markers.trc",
            7,
            "RTH1",
            1e-3,
            41,
            100,
        ),
        (
            "opensim_core/OpenSim/Examples/Moco/example3DWalking/markers_walk.trc",
            7,
            "R.Clavicle",
            1e-3,
            41,
            100,
        ),
        ("schreiber2019_walk_overground/data/2014001/dynamic/2014001_C4_05.trc", 7, "R_IPS", 1e-3, 52, 100),
    ],
)
def test_real_trc(path: str, line: int, marker: str, scale: float, markers: int, rate: float) -> None:
    """The third marker's cells in the raw text are its coordinates."""
    file = real(DATA / path)
    stream = read(file).streams["landmarks"]
    first = next(i for i, text in enumerate(file.read_text().splitlines()[5:], 6) if text.strip())
    cells = fields(file, line)
    assert stream["landmark"].values[2] == marker
    assert stream.sizes["landmark"] == markers
    assert stream.attrs["rate_hz"] == rate
    expected = [float(cell) * scale if cell.strip() else np.nan for cell in cells[8:11]]
    np.testing.assert_allclose(stream["position"].values[line - first, 2], expected)


@pytest.mark.recordings
def test_real_trc_that_cannot_be_used() -> None:
    folder = real(DATA / "btkdata/Input/TRCSamples/Truncated.trc").parent
    assert "inside its TRC header" in refused(folder / "Truncated.trc")
    assert "label the markers" in refused(folder / "10002-20130626160334-Unnamed.trc")


# --- OpenSim


def mot(labels: str, *rows: str, header: str = "x\nversion=1\nnRows={n}\ninDegrees=no\nendheader") -> str:
    return header.format(n=len(rows)) + "\n" + "\n".join([labels, *rows]) + "\n"


_SCHEME_PARTS = [
    ("ground_force_v{}", "1_ground_force_v{}", "ground_torque_y", "1_ground_torque_y", ("", "")),
    ("R_ground_force_v{}", "L_ground_force_v{}", "R_ground_torque_y", "L_ground_torque_y", ("right", "left")),
    ("ground_force_1_v{}", "ground_force_2_v{}", "ground_force_1_my", "ground_force_2_my", ("", "")),
    ("ground_force_r_v{}", "ground_force_l_v{}", "ground_torque_r_y", "ground_torque_l_y", ("right", "left")),
    ("force_r_v{}", "force_l_v{}", "torque_r_y", "torque_l_y", ("right", "left")),
]
SCHEMES = [
    ([a.format("x"), b.format("x"), a.format("y"), b.format("y"), c, d], feet) for a, b, c, d, feet in _SCHEME_PARTS
]


@pytest.mark.parametrize(("labels", "feet"), SCHEMES)
def test_opensim_naming_schemes(tmp_path: Path, labels: list[str], feet: tuple[str, str]) -> None:
    text = mot("\t".join(["time", *labels]), "0\t1\t2\t3\t4\t5\t6", "0.01\t1\t2\t3\t4\t5\t6")
    got = read(write(tmp_path, text, "a.mot")).streams
    assert list(got) == ["plate_1", "plate_2"]
    for name, values, foot in (("plate_1", (1, 3, 5), feet[0]), ("plate_2", (2, 4, 6), feet[1])):
        stream = got[name]
        assert [float(stream[c][0]) for c in ("fx", "fy", "free_moment")] == list(values)
        assert stream.attrs["knows_feet"] == foot
        assert stream.attrs["vertical"] == "+y"
        assert stream["fx"].attrs["frame"] == "global"


def test_opensim_old_header_stray_lines_and_blanks(tmp_path: Path) -> None:
    header = "name a b\ndatacolumns 4\ndatarows {n}\nrange 0 1\n\nsome remark\nendheader \n\nstray line"
    labels = "         time\t     ground_force_vx\tground_force_px\tknee angle\t"
    got = read(write(tmp_path, mot(labels, " 0\t 1\t 2 \t3\t", " 1\t 4\t5\t6\t", header=header), "a.mot")).streams
    np.testing.assert_allclose(got["plate_1"]["cop_x"], [2, 5])
    np.testing.assert_allclose(got["analog"]["knee_angle"], [3, 6])
    assert got["analog"]["knee_angle"].attrs["units"] == "unknown"


def test_opensim_coordinates_have_units(tmp_path: Path) -> None:
    text = mot("time\tpelvis_tilt\tpelvis_tx", "0\t180\t2", "1\t90\t3").replace("inDegrees=no", "inDegrees=yes")
    got = read(write(tmp_path, text, "a.mot")).streams["analog"]
    np.testing.assert_allclose(got["pelvis_tilt"], [np.pi, np.pi / 2])
    np.testing.assert_allclose(got["pelvis_tx"], [2, 3])


def test_opensim_point_in_mm_is_said(tmp_path: Path) -> None:
    text = mot("time\tground_force_vy\tground_force_px\tground_torque_y", "0\t700\t300\t5000", "1\t700\t301\t5000")
    got = read(write(tmp_path, text, "a.mot"))
    np.testing.assert_allclose(got.streams["plate_1"]["cop_x"], [0.3, 0.301])
    np.testing.assert_allclose(got.streams["plate_1"]["free_moment"], 5)
    assert "taken as mm" in got.notes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            mot("time\ta", "0\t1").replace("nRows=1", "nRows=2").rstrip(),
            "is cut off: its header states 2 rows, it holds 1",
        ),
        (mot("a\tb", "0\t1"), "no row of labels"),
        (mot("time\ta", "0\t1\t2"), "line 7 has 3 cells, expected 2"),
        (mot("time\ta", "0\tx"), "'x' is no number"),
        (mot("time\tground_force_vx\tground_force_vx", "0\t1\t2"), "stands twice"),
        (mot("time", "0"), "names no column but time"),
    ],
)
def test_opensim_refusals(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(write(tmp_path, text, "a.mot"))


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("path", "line", "plates", "feet", "rate"),
    [
        (DATA / "bmclab_bmc/data/opensim/grf_run.mot", 100, 2, ["right", "left"], 300),
        (NIMBLE / "grf/Subject4/ID/DJ1_grf.mot", 150, 3, ["", "", ""], 100),
        (NIMBLE / "osim/WeirdFormatTests/grf_extra_line.mot", 100, 2, ["right", "left"], 2000),
        (NIMBLE / "osim/WeirdFormatTests/grf.mot", 1000, 2, ["", ""], 1000),
        (NIMBLE / "osim/HamnerSubject04/subject04/trials/run500/grf.mot", 900, 2, ["right", "left"], 2000),
        (NIMBLE / "osim/LaiArnoldSubject6/walking1_forces.mot", 500, 2, ["right", "left"], 2000),
        (OPENSIM / "OpenSim/Examples/Moco/example3DWalking/grf_walk.mot", 1500, 2, ["right", "left"], 2000),
        (
            OPENSIM / "Bindings/Python/tutorials/resources/Tutorial 5/subject01_walk1_grf.mot",
            500,
            2,
            ["", ""],
            600,
        ),
        (
            DATA / "schreiber2019_walk_overground/data/2014001/dynamic/2014001_C4_05_grf.mot",
            700,
            2,
            ["", ""],
            1000,
        ),
    ],
)
def test_real_mot(path: Path, line: int, plates: int, feet: list[str], rate: float) -> None:
    file = real(path)
    streams = read(file).streams
    assert [s.attrs["knows_feet"] for s in streams.values()] == feet
    assert len(streams) == plates
    lines = file.read_text().splitlines()
    labels = next(i for i, text in enumerate(lines) if text.strip().lower().startswith("time"))
    raw = dict(zip(lines[labels].split(), (float(v) for v in lines[line - 1].split())))
    assert streams["plate_1"].attrs["rate_hz"] == pytest.approx(rate, rel=1e-3)
    for stream in streams.values():
        for channel in stream.data_vars.values():
            if "raw_name" in channel.attrs:
                assert float(channel[line - labels - 2]) == pytest.approx(raw[channel.attrs["raw_name"]])


@pytest.mark.recordings
def test_real_sto_of_the_c3d_adapter_is_in_mm() -> None:
    file = real(OPENSIM / "OpenSim/Common/Test/std_cop_walking5_grfs.sto")
    stream = read(file).streams["plate_2"]
    raw = [float(v) for v in fields(file, 7, None)]
    assert float(stream["cop_x"][0]) == pytest.approx(raw[13] * 1e-3)
    assert float(stream["torque_z"][0]) == pytest.approx(raw[18] * 1e-3)
    assert stream.attrs["vertical"] == ""


# --- RBDS, Cortex


@pytest.mark.recordings
def test_real_rbds_forces() -> None:
    file = real(DATA / "rbds_fukuchi/RBDS001runT25forces.txt")
    stream = read(file).streams["plate_1"]
    raw = [float(v) for v in fields(file, 102)]
    got = [float(stream[c][100]) for c in ("fx", "fy", "fz", "cop_x", "cop_y", "cop_z", "free_moment")]
    np.testing.assert_allclose(got, [*raw[1:4], *(v * 1e-3 for v in raw[4:8])])
    assert float(stream["time"][100]) == pytest.approx(100 / 300)
    assert stream.attrs["rate_hz"] == pytest.approx(300)
    assert stream.attrs["vertical"] == "+y"
    # the mean load of a runner is body weight: 62 kg (SOURCE.md)
    assert float(stream["fy"].mean()) == pytest.approx(62 * G, rel=0.05)


@pytest.mark.recordings
def test_real_rbds_markers() -> None:
    file = real(DATA / "rbds_fukuchi/RBDS001runT25markers.txt")
    stream = read(file).streams["landmarks"]
    raw = [float(v) for v in fields(file, 1002)]
    np.testing.assert_allclose(stream["position"].sel(landmark="L.ASIS")[1000], np.array(raw[4:7]) * 1e-3)
    assert float(stream["time"][1000]) == pytest.approx(1000 / 150)
    assert float(stream["time_raw"][1]) == pytest.approx(1 / 150)


@pytest.mark.recordings
def test_real_cortex_forces_match_its_markers() -> None:
    file = real(DATA / "bmclab_bmc/data/walk1.forces")
    got = read(file)
    assert len(got.streams) == 7
    plate = got.streams["plate_4"]
    raw = [float(v) for v in fields(file, 605)]
    assert raw[0] == 600
    np.testing.assert_allclose(
        [float(plate[c][599]) for c in ("fx", "fy", "fz", "cop_x", "cop_y", "cop_z", "free_moment")],
        [*raw[22:25], *(v * 1e-3 for v in raw[25:29])],
    )
    assert plate.attrs["rate_hz"] == 450
    assert plate.attrs["vertical"] == "+y"
    markers = read(real(DATA / "bmclab_bmc/data/walk1.trc")).streams["landmarks"]
    assert abs(float(markers["time"][-1]) - float(plate["time"][-1])) < 1 / 150


# --- Xsens, APDM

MT = (
    "// General information: \n//  DeviceId: 00B42D4B\n// Update Rate: 100.0Hz\n"
    "PacketCounter\tSampleTimeFine\tAcc_X\tGyr_Z\tMag_Y\tRoll\n"
)


def test_xsens_counter_wraps_and_shows_loss(tmp_path: Path) -> None:
    counters = [65533, 65534, 65535, 0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12]
    text = MT + "".join(f"{c:05d}\t\t{i}.5\t1\t0.1\t180\n" for i, c in enumerate(counters))
    stream = read(write(tmp_path, text, "mt.txt")).streams["imu"]
    assert stream.sizes["time"] == 16
    assert stream.attrs["missing_samples"] == 2
    np.testing.assert_allclose(stream["time"], np.arange(16) / 100, atol=1e-9)
    assert float(stream["acc_x"][3]) == 3.5
    assert float(stream["roll"][0]) == pytest.approx(np.pi)
    assert (stream["mag_y"].attrs["units"], stream["gyro_z"].attrs["units"]) == ("1", "rad/s")
    assert stream.attrs["device_id"] == "00B42D4B"


def test_xsens_refusals(tmp_path: Path) -> None:
    row = "\t\t1\t1\t1\t1\n"
    assert "goes back" in refused(write(tmp_path, MT + f"100{row}90{row}", "mt.txt"))
    assert "is 70000 in row 2" in refused(write(tmp_path, MT + f"100{row}70000{row}", "mt.txt"))
    bare = MT.replace("// Update Rate: 100.0Hz\n", "") + f"100{row}101{row}"
    assert "states no update rate" in refused(write(tmp_path, bare, "mt.txt"))
    assert read(tmp_path / "mt.txt", ReadOptions(rate_hz=60)).streams["imu"].attrs["rate_hz"] == 60


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("name", "line", "separator", "column", "channel", "scale"),
    [
        ("MT2022_ACC_00B42D4B.txt", 15, "\t", 7, "acc_y", 1),
        ("MT2022_ACC_GYRO_ROT_ALL_TAB_NAN_00B42D4B.txt", 15, "\t", 18, "yaw", np.pi / 180),
        ("MT2022_ACC_GYRO_ROT_MAT_COMMA_00B42D4B.txt", 15, ",", 9, "gyro_x", 1),
        ("MT2022_ACC_GYRO_ROT_MAT_SEMICOLON_00B42D4B.txt", 15, ";", 12, "mat_1_1", 1),
        ("MT2022_ACC_GYRO_ROT_MAT_SPACE_00B42D4B.txt", 15, " ", 11, "gyro_z", 1),
        ("MT46_01-000_00B42D4D.txt", 7, "\t", 8, "acc_z", 1),
        ("MT_01200454_000-000_00B40DE4.txt", 15, "\t", 7, "mag_x", 1),
        ("test1_00B421E6.txt", 8, "\t", 1, "acc_x", 1),
    ],
)
def test_real_xsens(name: str, line: int, separator: str, column: int, channel: str, scale: float) -> None:
    file = real(XSENS / name)
    stream = read(file, ReadOptions(rate_hz=100)).streams["imu"]
    first = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if text.startswith("PacketCounter"))
    expected = float(fields(file, line, separator)[column]) * scale
    assert float(stream[channel][line - first - 1]) == pytest.approx(expected)


@pytest.mark.recordings
def test_real_apdm() -> None:
    file = real(APDM / "imuData01.csv")
    got = read(file)
    assert list(got.streams) == ["imu_static", "imu_upper", "imu_middle", "imu_lower"]
    raw = [float(v) for v in fields(file, 104, ",")]
    upper = got.streams["imu_upper"]
    assert float(upper["acc_z"][99]) == pytest.approx(raw[18])
    assert float(upper["mag_x"][99]) == pytest.approx(raw[22] * 1e-6)
    assert float(upper["temperature"][99]) == pytest.approx(raw[29] + 273.15)
    assert float(upper["pressure"][99]) == pytest.approx(raw[30] * 1e3)
    assert upper.attrs["rate_hz"] == 128
    assert got.tree.attrs["first_stamp_s"] == pytest.approx(0.007457625)


@pytest.mark.recordings
def test_real_apdm_format7() -> None:
    file = real(APDM / "apdm_format7.csv")
    got = read(file)
    raw = fields(file, 4, ",")
    assert got.streams["imu_right_ankle"].attrs["side"] == "right"
    assert float(got.streams["imu_right_ankle"]["acc_x"][0]) == pytest.approx(float(raw[15]))
    assert float(got.streams["imu_lumbar"]["quat_s"][0]) == pytest.approx(float(raw[11]))
    assert float(got.tree.attrs["t0_unix_s"]) == pytest.approx(1550879504.438281, abs=1e-5)
    assert any("Barometer" in note for note in got.notes)


# --- XDF


def test_xdf_streams_keep_their_clocks_and_raw_stamps(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(xdf_bytes())
    got = read(path)
    assert list(got.streams) == ["insole_left", "analog_sole_l", "imu", "analog_shank", "events_marks"]
    sole, imu, marks = got.streams["insole_left"], got.streams["imu"], got.streams["events_marks"]
    np.testing.assert_allclose(sole["force"], np.arange(20) * 1e3)
    assert sole["cell_01"].attrs["units"] == "count"
    np.testing.assert_allclose(sole["time_raw"], 1000 + np.arange(20) / 100)
    np.testing.assert_allclose(imu["time_raw"], 1500 + np.arange(10) / 50)
    np.testing.assert_allclose(imu["acc_x"], G)
    assert (sole.attrs["clock"], imu.attrs["clock"]) == ("sole_l", "shank")
    assert (sole.attrs["rate_hz"], sole.attrs["stamp_source"]) == (100, "host")
    assert imu.attrs["clock_offset_s"] == pytest.approx(-500.1)
    assert float(imu["time"][0]) == pytest.approx(0, abs=1e-9)
    assert float(sole["time"][0]) == pytest.approx(0.1)
    assert [marks.attrs["labels"][int(c)] for c in marks["code"]] == ["start", "stop", "start"]
    assert any("'Silent' holds no sample" in note for note in got.notes)
    assert any("'cubits' is not known" in note for note in got.notes)
    got.to_netcdf(tmp_path / "a.nc")
    assert read(tmp_path / "a.nc").streams["imu"].identical(imu)


def test_xdf_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"XDF:\x04\xff\xff")
    refused(path)
    path.write_bytes(xdf_bytes()[:150])
    assert "no stream that can be read" in refused(path)


def test_xdf_without_footers_says_so(tmp_path: Path) -> None:
    path, whole = tmp_path / "a.xdf", xdf_bytes()
    path.write_bytes(whole[: whole.index(struct.pack("<H", 6) + struct.pack("<I", 1) + b"<?xml") - 5])
    assert any("'Shank' has no footer" in note for note in read(path).notes)


def test_xdf_packed(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "a.xdfz"
    path.write_bytes(gzip.compress(xdf_bytes()))
    assert "imu" in read(path).streams


def test_netcdf_of_another_kind_is_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["x"] = [1, 2, 3]
    assert "was not written by grfkit" in refused(tmp_path / "a.nc")
    recording = read(write(tmp_path, "time [s],force [N]\n0,1\n1,2\n"))
    tree = recording.tree.copy()
    tree.attrs["artefact"] = "trial"
    Recording(tree).to_netcdf(tmp_path / "b.nc")
    assert "is a grfkit trial, not a recording" in refused(tmp_path / "b.nc")


def test_provenance_names_the_file_once(tmp_path: Path) -> None:
    path = write(tmp_path, "time [s],force [N]\n0,1\n1,2\n")
    inputs = read(path).provenance.inputs
    assert [(i.name, i.size_bytes) for i in inputs] == [("file.csv", path.stat().st_size)]


@pytest.mark.recordings
def test_real_csv_through_a_column_map(tmp_path: Path) -> None:
    file = real(DATA / "alcantara2022_example/data/Sample_test_data.csv")
    toml = write(
        tmp_path,
        'time = "System_Timestamp_Plot_Zeroed"\ntime_unit = "ms"\n[columns]\nAccel_LN_X = "acc_x [m/s^2]"\n',
        "map.toml",
    )
    stream = read(file, load_column_map(toml).options()).streams["imu"]
    raw = [float(v) for v in fields(file, 102, ",")]
    assert float(stream["acc_x"][100]) == pytest.approx(raw[0])
    assert float(stream["time"][100]) == pytest.approx((raw[3] - 1.953125) / 1000)
    assert stream.attrs["rate_hz"] == pytest.approx(512, rel=2e-3)


@pytest.mark.recordings
def test_real_csv_with_units_in_its_header() -> None:
    file = real(DATA / "bmclab_bmc/data/jump1.txt")
    stream = read(file).streams["analog"]
    raw = [float(v) for v in fields(file, 1502)]
    assert float(stream["grf"][1500]) == pytest.approx(raw[1])
    assert stream["grf"].attrs["units"] == "N"
    assert stream.attrs["rate_hz"] == pytest.approx(450)
