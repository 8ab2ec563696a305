"""How could a real C3D be misread? Every real file, against ezc3d and against what others derived from it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from c3d_files import DATA, real
from grfkit.errors import BadInputError
from grfkit.formats.c3d import C3dFile, parse_c3d
from grfkit.io.base import ReadOptions
from grfkit.io.readers.c3d import READER
from grfkit.records import Recording

pytestmark = pytest.mark.recordings

FILES = sorted(str(path.relative_to(DATA)) for path in DATA.rglob("*") if path.suffix.lower() == ".c3d")
SAMPLE01 = "btkdata/Input/C3DSamples/sample01/Eb015{}.c3d"
SAMPLE02 = "btkdata/Input/C3DSamples/sample02/{}"
RAW = ReadOptions(cop_filter_hz=0.0, extra={"zero": "never"})


def _read(name: str, options: ReadOptions | None = None) -> Recording:
    return READER.read(real(name), options or ReadOptions())


def _parse(name: str) -> C3dFile:
    return parse_c3d(real(name).read_bytes())


@pytest.mark.skipif(not FILES, reason="the recordings are not in ../shared/data")
def test_every_real_file_is_read_and_all_that_is_left_out_is_said() -> None:
    for name in FILES:
        recording = _read(name)
        used = _parse(name).parameters.count("FORCE_PLATFORM", "USED") or 0
        told = [note for note in recording.notes if "is not read" in note]
        assert len(recording.of_kind("force_plate")) + len(told) == used, name
        for data in recording.of_kind("force_plate").values():
            cop = np.stack([data[c].values for c in ("cop_x", "cop_y", "cop_z")])
            assert np.isfinite(data.fz.values).all(), name
            assert np.abs(cop[np.isfinite(cop)]).max(initial=0.0) < 10.0, name


@pytest.mark.parametrize("kind", ["si", "vi", "pr", "sr", "vr"])
def test_the_same_trial_in_six_encodings(kind: str) -> None:
    intel, other = _read(SAMPLE01.format("pi")), _read(SAMPLE01.format(kind))
    assert list(intel.streams) == list(other.streams)
    for name, data in intel.streams.items():
        for channel in data.data_vars:
            found = other.streams[name][channel].values
            assert np.allclose(found, data[channel].values, rtol=1e-6, atol=1e-4, equal_nan=True), channel
    assert intel.tree.attrs["events"] == other.tree.attrs["events"]


@pytest.mark.parametrize("name", ["DEC_INT.C3D", "Dec_real.c3d", "pc_real.c3d", "sgi_int.c3d", "sgi_real.c3d"])
def test_another_trial_in_six_encodings(name: str) -> None:
    intel, other = _parse(SAMPLE02.format("pc_int.c3d")), _parse(SAMPLE02.format(name))
    # the makers rounded 59 coordinates of the real-number files to the next integer step
    assert np.allclose(intel.points, other.points, rtol=0, atol=1.01 * intel.header.scale, equal_nan=True)
    assert np.sum(np.abs(intel.points - other.points) > 1e-3) <= 59
    assert np.allclose(intel.analog, other.analog, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "bmclab_bmc/data/Gait.c3d",
        SAMPLE01.format("vr"),
        "btkdata/Input/C3DSamples/sample10/TYPE-4.C3D",
        "btkdata/Input/C3DSamples/PiG/PiG_Motion3_FF.c3d",
        "btkdata/Input/C3DSamples/sample09/PlugInC3D.c3d",
        "ezc3d_testfiles/FP_Type1.c3d",
        "ezc3d_testfiles/Kistler.c3d",
        "ezc3d_testfiles/Qualisys.c3d",
        "nimblephysics/data/osim/P04_MarkerCrash/1.5mps_05.c3d",
        "pomarat_loadsol/test_poussee_4_fp.c3d",
        "rbds_fukuchi/RBDS001runT35.c3d",
        "schreiber2019_walk_overground/data/2014001/dynamic/2014001_C4_05.c3d",
    ],
)
def test_equal_to_ezc3d(name: str) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    path = real(name)
    oracle = ezc3d.c3d(str(path), extract_forceplat_data=name != "ezc3d_testfiles/FP_Type1.c3d")
    mine = _parse(name)
    points = oracle["data"]["points"][:3].transpose(2, 1, 0)
    seen = np.isfinite(mine.points)
    assert np.array_equal(mine.points[seen], points[seen])
    assert not np.nan_to_num(points[~seen]).any()
    assert np.array_equal(mine.analog, oracle["data"]["analogs"][0].T)
    recording = READER.read(path, RAW)
    for number, plate in enumerate(oracle["data"].get("platform", []), start=1):
        _compare_plate(recording, f"plate_{number}", plate, lengths_are_mm="Kistler" in name)


def _compare_plate(recording: Recording, name: str, plate: dict[str, object], *, lengths_are_mm: bool) -> None:
    data = recording.streams[name]
    length = {"m": 1.0, "mm": 1e-3}[str(plate["unit_position"])] * (1e-3 if lengths_are_mm else 1.0)
    force, moment, cop = (
        np.stack([data[f"{kind}{axis}"].values for axis in "xyz"], axis=1) for kind in ("f", "m", "cop_")
    )
    loaded = np.isfinite(cop[:, 0])
    assert np.allclose(force, np.asarray(plate["force"]).T, atol=1e-9)
    assert np.allclose(moment, np.asarray(plate["moment"]).T * length, atol=1e-9)
    assert np.allclose(cop[loaded], np.asarray(plate["center_of_pressure"]).T[loaded] * length, atol=1e-9)


@pytest.mark.parametrize("trial", ["C4_05", "C5_01"])
def test_peaks_equal_those_of_the_authors_own_mot(trial: str) -> None:
    folder = "schreiber2019_walk_overground/data/2014001/dynamic/2014001_"
    recording = _read(f"{folder}{trial}.c3d")
    lines = real(f"{folder}{trial}_grf.mot").read_text(encoding="utf-8").splitlines()
    start = lines.index("endheader") + 2
    table = np.asarray([[float(cell) for cell in line.split()] for line in lines[start:] if line.strip()])
    peaks = sorted(float(recording.streams[name].fz.values.max()) for name in ("plate_1", "plate_2"))
    assert peaks == pytest.approx(sorted([table[:, 2].max(), table[:, 11].max()]), abs=0.5)


def test_rbds_equals_the_derived_arrays() -> None:
    recording = _read("rbds_runners/RBDS010runT35.c3d", RAW)
    plate, landmarks = recording.streams["plate_1"], recording.streams["landmarks"]
    with np.load(real("rbds_runners/RBDS010.npz")) as derived:
        force, positions = derived["T35_F"].astype(float), derived["T35_mk"].astype(float)
        names = [str(name) for name in derived["T35_markers"]]
    force[force == -32768], positions[positions == -32768] = np.nan, np.nan
    for column, (channel, step) in enumerate([("fx", 0.1), ("fy", 0.1), ("fz", 0.1), ("cop_x", 1e-4)]):
        error = np.abs(plate[channel].values - force[:, column] * step)
        assert np.nanmax(error) < 0.51 * step, channel
    assert plate.attrs["vertical"] == "+y"
    found = landmarks.position.sel(landmark=names).values
    assert np.nanmax(np.abs(found - positions * 1e-4)) < 0.51e-4
    assert recording.notes == ()


def test_theia_segments_become_landmarks() -> None:
    recording = _read("ezc3d_testfiles/C3DRotationExample.c3d")
    landmarks = recording.streams["landmarks"]
    assert landmarks.sizes["landmark"] == 21
    assert landmarks.attrs["rate_hz"] == 85.0
    assert {"pelvis", "l_foot", "r_foot"} <= set(landmarks.landmark.values)
    heights = np.nanmedian(landmarks.position.sel(landmark=["l_foot", "pelvis", "head"]).values[:, :, 2], axis=0)
    assert heights == pytest.approx([0.11, 0.92, 1.62], abs=0.02)
    assert any("ROTATION data (Theia3D)" in note for note in recording.notes)


def test_theia_equals_ezc3d() -> None:
    ezc3d = pytest.importorskip("ezc3d")
    path = real("ezc3d_testfiles/C3DRotationExample.c3d")
    oracle = ezc3d.c3d(str(path))["data"]["rotations"]
    mine = parse_c3d(path.read_bytes()).rotations.transpose(2, 3, 1, 0)
    assert np.array_equal(mine[:3], oracle[:3], equal_nan=True)


def test_922_analog_channels() -> None:
    recording = _read("kineticstoolkit/data/c3d_test_suite/others/many_analogs.c3d")
    names = [name for name in recording.streams["analog"].data_vars if name != "time_raw"]
    assert len(names) == len(set(names)) == 922
    assert any("922 analog channels but FORCE_PLATFORM describes no plate" in note for note in recording.notes)


def test_duplicate_labels_are_kept_and_numbered() -> None:
    recording = _read("kineticstoolkit/data/c3d_test_suite/others/duplicate_labels.c3d")
    names = list(recording.streams["landmarks"].landmark.values)
    assert len(names) == len(set(names)) == 48
    assert {"CLAVD", "CLAVD_2", "CLAVD_3"} <= set(names)


def test_walk_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(real("kineticstoolkit/data/walk.c3d.zip")) as archive:
        archive.extractall(tmp_path)
    recording = READER.read(tmp_path / "walk.c3d", ReadOptions())
    assert [name for name in recording.streams if "plate" in name] == [f"plate_{i}" for i in (1, 2, 3, 4)]
    assert float(recording.streams["plate_1"].fz.max()) == pytest.approx(988.0, abs=0.1)
    assert {event["context"] for event in json.loads(recording.tree.attrs["events"])} == {"Left", "Right"}


def test_ten_plates_without_markers() -> None:
    recording = _read("nimblephysics/data/osim/P04_MarkerCrash/1.5mps_05.c3d")
    assert len(recording.of_kind("force_plate")) == 10
    assert {data.attrs["vertical"] for data in recording.of_kind("force_plate").values()} == {"+z"}
    assert len([note for note in recording.notes if "turned round" in note]) == 1


def test_plates_with_corners_of_noise_are_left_out_one_by_one() -> None:
    recording = _read("ezc3d_testfiles/FP_Type1.c3d")
    assert list(recording.of_kind("force_plate")) == ["plate_1"]
    assert [note.split(":")[0] for note in recording.notes] == [f"plate {i} is not read" for i in (2, 3, 4)]


def test_kistler_in_a_file_without_point_parameters() -> None:
    recording = _read("ezc3d_testfiles/Kistler.c3d")
    plate = recording.streams["plate_1"]
    assert (plate.attrs["plate_type"], plate.attrs["vertical"]) == (3, "+y")
    at = np.asarray(plate.attrs["corners_m"]).reshape(4, 3)
    cop = plate.cop_x.values[np.isfinite(plate.cop_x.values)]
    assert np.mean((cop > at[:, 0].min()) & (cop < at[:, 0].max())) > 0.95
    assert any("taken as mm" in note for note in recording.notes)


def test_events_of_a_cut_trial_lie_inside_it() -> None:
    recording = _read("btkdata/Input/C3DSamples/PiG/PiG_Motion-FlatFoot-Full.c3d")
    events = json.loads(recording.tree.attrs["events"])
    strikes = [event["time_s"] for event in events if event["label"] == "Foot Strike"]
    end = float(recording.streams["plate_1"].time[-1])
    assert strikes
    assert 0.0 <= min(strikes) <= max(strikes) <= end
    plates = recording.of_kind("force_plate").values()
    rises = [float(p.time[np.flatnonzero(p.fz.values > 20.0)[0]]) for p in plates]
    assert all(min(abs(rise - strike) for strike in strikes) < 0.03 for rise in rises)


def test_the_unzeroed_plates_of_the_real_pair_are_left_as_they_are() -> None:
    recording = _read("pomarat_loadsol/test_poussee_4_fp.c3d")
    means = [float(recording.streams[f"plate_{i}"].fz.values[:500].mean()) for i in (1, 2, 3)]
    assert all(-260.0 < mean < -200.0 for mean in means)
    assert int(np.argmax(recording.streams["plate_2"].fz.values)) / 1000.0 == pytest.approx(5.233, abs=0.002)


def test_a_static_trial_without_analog_says_that_its_plate_has_no_channels() -> None:
    recording = _read("rbds_fukuchi/RBDS001static.c3d")
    assert list(recording.streams) == ["landmarks"]
    assert any("holds no analog channel" in note for note in recording.notes)


@pytest.mark.parametrize("share", [0.999, 0.5, 0.05, 0.003])
def test_a_real_file_cut_short_is_refused_in_one_line(tmp_path: Path, share: float) -> None:
    data = real("rbds_fukuchi/RBDS001runT35.c3d").read_bytes()
    path = tmp_path / "cut.c3d"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInputError, match=r"^is (cut|broken)[^\n]*$"):
        READER.read(path, ReadOptions())
