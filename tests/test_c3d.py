"""How could a C3D be misread? Built files, one wish or convention at a time, with known answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from c3d_bytes import c3d_bytes
from c3d_files import CORNERS, LABELS, build, loads, platform, read_bytes
from grfkit.errors import BadInputError
from grfkit.formats.c3d import parse_c3d

LOADED = slice(250, 350)


def pressed(offset_n: float) -> np.ndarray:
    """Return the usual loads with a constant vertical force added (plate axes)."""
    return np.add(loads(), [0, 0, offset_n, 0, 0, 0])


def test_plate_landmarks_and_time_come_back(tmp_path: Path) -> None:
    recording = read_bytes(tmp_path, build(first_frame=31))
    plate, landmarks = recording.streams["plate_1"], recording.streams["landmarks"]
    assert plate.attrs["rate_hz"] == 1000.0
    assert landmarks.attrs["rate_hz"] == 100.0
    assert recording.tree.attrs["first_stamp_s"] == pytest.approx(0.30)
    assert plate.time.values[[0, -1]] == pytest.approx([0.0, 0.599])
    assert landmarks.position.sel(landmark="HIP").values[0] == pytest.approx([0.1, 0.2, 0.9])
    assert plate.attrs["vertical"] == "+z"
    assert plate.attrs["plate_type"] == 2
    assert plate.attrs["corners_m"] == pytest.approx((CORNERS / 1000.0).ravel().tolist())
    assert plate.attrs["origin_m"] == pytest.approx([0.0, 0.0, -0.04])


def test_force_is_turned_to_global_with_the_sign_of_the_file(tmp_path: Path) -> None:
    plate = read_bytes(tmp_path, build()).streams["plate_1"]
    # plate x = +y global, plate y = +x, plate z down: the file's +700 N along plate z act downwards
    assert plate.fz.values[LOADED] == pytest.approx(-700.0)
    assert plate.fy.values[LOADED] == pytest.approx(70.0)
    assert plate.fx.values[LOADED] == pytest.approx(0.0)
    assert {plate[c].attrs["frame"] for c in ("fx", "mz", "cop_x")} == {"global"}


def test_cop_honours_the_sub_surface_origin_and_the_threshold(tmp_path: Path) -> None:
    plate = read_bytes(tmp_path, build()).streams["plate_1"]
    assert plate.cop_x.values[LOADED] == pytest.approx(0.3 - 0.030, abs=1e-6)
    assert plate.cop_y.values[LOADED] == pytest.approx(0.2 + 0.050, abs=1e-6)
    assert plate.cop_z.values[LOADED] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(plate.cop_x.values[:150]).all()
    assert plate.attrs["cop_threshold_n"] == 20.0
    assert plate.attrs["cop_filter_hz"] == 50.0
    high = read_bytes(tmp_path, build(), cop_threshold_n=900.0).streams["plate_1"]
    assert np.isnan(high.cop_x.values).all()


def test_origin_from_surface_to_sensor_is_turned_round_and_said(tmp_path: Path) -> None:
    group = platform(ORIGIN=np.asarray([[0.0], [0.0], [40.0]]))
    recording = read_bytes(tmp_path, build(groups={"FORCE_PLATFORM": group}))
    assert recording.streams["plate_1"].cop_y.values[300] == pytest.approx(0.25, abs=1e-6)
    assert any("turned round" in note for note in recording.notes)


@pytest.mark.parametrize("scale", [-1.0, 0.1])
def test_offset_scale_and_gen_scale_are_applied(tmp_path: Path, scale: float) -> None:
    stored = loads() / [0.25, 0.25, 0.25, 5.0, 5.0, 5.0] / 0.5 + 100.0
    if scale > 0:
        stored = np.rint(stored)
    analog = {"OFFSET": np.full(6, 100, np.int16), "SCALE": np.asarray([0.25] * 3 + [5.0] * 3)}
    data = build(stored, groups={"ANALOG": analog | {"GEN_SCALE": np.asarray([0.5])}}, point_scale=scale)
    plate = read_bytes(tmp_path, data).streams["plate_1"]
    assert plate.fz.values[LOADED] == pytest.approx(-700.0, abs=0.1)
    assert plate.cop_y.values[300] == pytest.approx(0.25, abs=1e-4)


def test_unsigned_integers_reach_65535(tmp_path: Path) -> None:
    stored = np.rint(loads() / [0.05, 0.05, 0.05, 2.0, 2.0, 2.0]) + 32768
    analog = {"FORMAT": "UNSIGNED", "OFFSET": np.full(6, -32768, np.int16)}
    analog |= {"SCALE": np.asarray([0.05] * 3 + [2.0] * 3)}
    data = build(stored, groups={"ANALOG": analog}, point_scale=0.1)
    assert read_bytes(tmp_path, data).streams["plate_1"].fz.values[300] == pytest.approx(-700.0, abs=0.1)


def test_newton_metres_are_not_newton_millimetres(tmp_path: Path) -> None:
    metres = loads() * [1, 1, 1, 1e-3, 1e-3, 1e-3]
    plate = read_bytes(tmp_path, build(metres, analog_units=["N"] * 3 + ["Nm"] * 3)).streams["plate_1"]
    usual = read_bytes(tmp_path, build()).streams["plate_1"]
    assert np.allclose(plate.my.values, usual.my.values, atol=1e-4)
    assert plate.mx.attrs["units"] == "N m"


def test_units_of_a_plate_that_the_user_states_stand_for_those_of_the_file(tmp_path: Path) -> None:
    stated = {"force_unit": "N", "moment_unit": "N mm"}
    recording = read_bytes(tmp_path, build(analog_units=[""] * 6), extra=stated)
    assert recording.streams["plate_1"].cop_y.values[300] == pytest.approx(0.25, abs=1e-6)
    assert not recording.notes
    with pytest.raises(BadInputError, match="extra 'force_unit' is in m, expected N"):
        read_bytes(tmp_path, build(analog_units=[""] * 6), extra={"force_unit": "mm"})


@pytest.mark.parametrize(
    ("zero", "offset_n", "expected_n", "words"),
    [
        ([1, 10], 12.0, 0.0, "are subtracted, as the file says"),
        ([1, 0], 12.0, 12.0, None),
        ([0, 0], 12.0, 12.0, None),
        ([1, 10], 600.0, 600.0, "look loaded and are not subtracted"),
        ([15, 30], 12.0, 12.0, "look loaded and are not subtracted"),
        ([900, 910], 12.0, 12.0, "ZERO is 900 910, expected first and last of frames 1 to 60: it is ignored"),
    ],
)
def test_zero_frames_are_honoured_where_the_plate_was_unloaded(
    tmp_path: Path, zero: list[int], offset_n: float, expected_n: float, words: str | None
) -> None:
    analog = pressed(offset_n)
    group = platform(ZERO=np.asarray(zero, np.int16))
    recording = read_bytes(tmp_path, build(analog, groups={"FORCE_PLATFORM": group}))
    assert recording.streams["plate_1"].fz.values[:100] == pytest.approx(-expected_n, abs=1e-3)
    assert any(words in n for n in recording.notes) if words else not any("ZERO" in n for n in recording.notes)


def test_zero_can_be_forced_and_switched_off(tmp_path: Path) -> None:
    data = build(pressed(600.0), groups={"FORCE_PLATFORM": platform(ZERO=np.asarray([1, 10]))})
    always = read_bytes(tmp_path, data, extra={"zero": "always"}).streams["plate_1"]
    never = read_bytes(tmp_path, data, extra={"zero": "never"}).streams["plate_1"]
    assert always.fz.values[:100] == pytest.approx(0.0, abs=1e-3)
    assert never.fz.values[:100] == pytest.approx(-600.0, abs=1e-3)


@pytest.mark.parametrize(("kind", "width"), [(5, 8), (6, 12), (7, 8)])
def test_types_5_to_7_are_decoded_and_marked_unverified(tmp_path: Path, kind: int, width: int) -> None:
    matrix = np.random.default_rng(kind).normal(size=(width, width))
    sensors = np.zeros((600, width))
    sensors[200:400, [2, 5, 8, 11] if kind == 6 else [4, 5, 6, 7]] = 175.0
    group = platform(kind=kind, width=width, CAL_MATRIX=matrix[:, :, None])
    group["ORIGIN"] = np.asarray([[210.0], [260.0], [-41.0]])
    data = build(sensors @ np.linalg.inv(matrix).T, groups={"FORCE_PLATFORM": group}, analog_units=["V"] * width)
    plate = read_bytes(tmp_path, data).streams["plate_1"]
    assert plate.fz.values[LOADED] == pytest.approx(-700.0, rel=1e-4)
    assert plate.cop_x.values[300] == pytest.approx(0.3, abs=1e-4)
    assert plate.cop_y.values[300] == pytest.approx(0.2, abs=1e-4)
    assert f"type {kind}" in plate.attrs["unverified"]


def test_kistler_cop_polynomial_is_applied_in_the_unit_of_the_points(tmp_path: Path) -> None:
    sums = np.zeros((600, 8))
    sums[200:400, 4:] = [250.0, 150.0, 150.0, 150.0]
    group = platform(kind=3, width=8, ORIGIN=np.asarray([[210.0], [260.0], [-41.0]]))
    plain = read_bytes(tmp_path, build(sums, groups={"FORCE_PLATFORM": group}, analog_units=["N"] * 8))
    factors = np.zeros(12)
    factors[[4, 5, 11]] = 1e-5, 0.1, -0.2  # dx = (1e-5 y^2 + 0.1) x, dy = -0.2 y in mm
    group["FPCOPPOLY"] = factors
    moved = read_bytes(tmp_path, build(sums, groups={"FORCE_PLATFORM": group}, analog_units=["N"] * 8))
    # plate x is global y, plate y global x, centre at (0.3, 0.2)
    y, x = (plain.streams["plate_1"][c].values[300] - at for c, at in (("cop_x", 0.3), ("cop_y", 0.2)))
    assert abs(x) > 0.01
    plate = moved.streams["plate_1"]
    assert plate.cop_y.values[300] - 0.2 == pytest.approx(x - (1e-5 * (1e3 * y) ** 2 + 0.1) * x, rel=1e-5)
    assert plate.cop_x.values[300] - 0.3 == pytest.approx(1.2 * y, rel=1e-5)
    assert len(plate.attrs["cop_polynomial"]) == 12


def test_verified_types_carry_no_warning(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, build()).streams["plate_1"].attrs["unverified"] == ""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (11, "Kistler split-belt treadmill: order of the 8 channels and correction of the centre of pressure are not"),
        (11, "export each belt as type 2"),
        (12, "Kistler Gaitway"),
        (12, "export it as text with the vertical force of each plate"),
        (21, "describe its two plates as type 4 by --plates FILE"),
        (99, "type 99"),
    ],
)
def test_other_types_are_refused_by_name_and_the_rest_is_read(tmp_path: Path, kind: int, words: str) -> None:
    analog = np.hstack([loads(), loads()])
    group = platform(2, TYPE=np.asarray([kind, 2], np.int16))
    labels = LABELS + [label.replace("1", "2") for label in LABELS]
    recording = read_bytes(tmp_path, build(analog, groups={"FORCE_PLATFORM": group}, analog_labels=labels))
    assert "plate_1" not in recording.streams
    assert recording.streams["plate_2"].fz.values[300] == pytest.approx(-700.0)
    assert any(note.startswith("plate 1 is not read") and words in note for note in recording.notes)
    assert "fz1" in recording.streams["analog"]


def test_amti_stairs_are_read_by_a_description_of_their_plates(tmp_path: Path) -> None:
    described = [
        {"type": 4, "channels": list(range(1 + 6 * i, 7 + 6 * i)), "corners": np.add(CORNERS, [0, 500 * i, 0]).tolist(),
         "origin": [0, 0, -40], "length_unit": "mm", "moment_unit": "N mm", "calibration": np.eye(6).tolist()}
        for i in range(2)
    ]  # fmt: skip
    labels = [*LABELS, *(label.replace("1", "2") for label in LABELS)]
    group = platform(kind=21, width=12)
    data = build(np.hstack([loads()] * 2), groups={"FORCE_PLATFORM": group}, analog_labels=labels)
    plates = read_bytes(tmp_path, data, extra={"plates": {"plate": described}}).streams
    for number, middle in ((1, 0.2), (2, 0.7)):
        assert plates[f"plate_{number}"].fz.values[LOADED] == pytest.approx(-700.0)
        assert plates[f"plate_{number}"].cop_y.values[300] == pytest.approx(middle + 0.05, abs=1e-6)


def test_a_file_as_motionmonitor_lays_it_out(tmp_path: Path) -> None:
    """Metres, 60 and 1080 Hz, two plates of type 4 with matrices: as its sample on c3d.org is described in public."""
    matrix = np.diag([2.0, 2.0, 5.0, 2.0, 2.0, 2.0])
    volts = loads(60, 18) / np.diag(matrix)
    volts[:, 3:] /= 1000.0
    group = platform(2, kind=4, CAL_MATRIX=np.repeat(matrix[:, :, None], 2, axis=2))
    group["CORNERS"], group["ORIGIN"] = group["CORNERS"] / 1000.0, group["ORIGIN"] / 1000.0
    maker = {"COMPANY": ["Innovative Sports Training"], "SOFTWARE": ["The MotionMonitor"]}
    data = c3d_bytes(
        np.full((60, 1, 3), 0.9), np.hstack([volts, volts]), point_rate_hz=60.0, analog_per_frame=18,
        analog_labels=[f"F{p}{a}" for p in "12" for a in ("X", "Y", "Z", "MX", "MY", "MZ")],
        analog_units=["V"] * 12, groups={"FORCE_PLATFORM": group, "MANUFACTURER": maker, "POINT": {"UNITS": "m"}},
    )  # fmt: skip
    recording = read_bytes(tmp_path, data)
    plate = recording.streams["plate_2"]
    assert plate.attrs["rate_hz"] == 1080.0
    assert plate.fz.values[540] == pytest.approx(-700.0)
    assert plate.cop_y.values[540] == pytest.approx(0.75, abs=1e-5)
    assert recording.streams["landmarks"].position.values[0, 0] == pytest.approx([0.9] * 3)
    assert recording.tree.attrs["device"] == "Innovative Sports Training The MotionMonitor"


def test_invalid_plates_degrade_with_a_reason_each(tmp_path: Path) -> None:
    group = platform(4)
    group["CORNERS"][:, :, 1] = np.nan
    group["CHANNEL"][2, 2] = 300
    group["ORIGIN"][2, 3] = 1e9
    analog = np.hstack([loads()] * 4)
    recording = read_bytes(tmp_path, build(analog, groups={"FORCE_PLATFORM": group}))
    assert [name for name in recording.streams if "plate" in name] == ["plate_1"]
    reasons = [note for note in recording.notes if "is not read" in note]
    assert ["corners" in reasons[0], "channels" in reasons[1], "ORIGIN" in reasons[2]] == [True] * 3


def test_a_plate_without_corners_or_with_a_short_group_is_left_out(tmp_path: Path) -> None:
    group = platform()
    del group["CORNERS"]
    recording = read_bytes(tmp_path, build(groups={"FORCE_PLATFORM": group}))
    assert list(recording.streams) == ["landmarks", "analog"]
    assert any("CORNERS" in note for note in recording.notes)


def test_three_plates_and_more_are_kept_apart(tmp_path: Path) -> None:
    analog = np.hstack([loads() * (i + 1) for i in range(5)])
    recording = read_bytes(tmp_path, build(analog, groups={"FORCE_PLATFORM": platform(5)}))
    peaks = [recording.streams[f"plate_{i + 1}"].fz.values.min() for i in range(5)]
    assert peaks == pytest.approx([-700.0 * (i + 1) for i in range(5)])
    middles = [float(recording.streams[f"plate_{i + 1}"].cop_y.values[300]) for i in range(5)]
    assert np.diff(middles) == pytest.approx(0.5)


def test_counts_kept_as_a_byte_are_read(tmp_path: Path) -> None:
    data = bytearray(build())
    at = data.index(b"USED", data.index(b"FORCE_PLATFORM"))
    # type 2 (16-bit) with value 1 becomes type 1 (byte) followed by a byte that no longer belongs to it
    assert data[at + 6 : at + 11] == b"\x02\x01\x01\x01\x00"
    data[at + 6] = 1
    assert "plate_1" in read_bytes(tmp_path, bytes(data)).streams


def test_missing_markers_are_nan(tmp_path: Path) -> None:
    points = np.full((20, 1, 3), 100.0)
    points[5:9] = np.nan
    recording = read_bytes(tmp_path, c3d_bytes(points, np.empty((20, 0)), point_rate_hz=50.0))
    assert np.isnan(recording.streams["landmarks"].position.values[:, 0, 0]).nonzero()[0].tolist() == [
        5,
        6,
        7,
        8,
    ]
    assert recording.streams["landmarks"].attrs["missing_samples"] == 4


def test_doubled_and_nameless_labels_are_numbered_and_said(tmp_path: Path) -> None:
    points = np.ones((5, 4, 3))
    data = c3d_bytes(points, np.empty((5, 0)), point_rate_hz=50.0, point_labels=["A", "A", "", "A_2"])
    recording = read_bytes(tmp_path, data)
    assert list(recording.streams["landmarks"].landmark.values) == ["A", "A_2", "point_3", "A_2_2"]
    assert any("stand twice" in note for note in recording.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_labels_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    data = build(point_labels=["Fuß~", "HEEL"]).replace("Fuß~".encode(), "Fuß~".encode(encoding).ljust(5))
    names = list(read_bytes(tmp_path, data).streams["landmarks"].landmark.values)
    assert names[0] == "Fuß~"


def test_angles_and_moments_of_a_model_are_no_landmarks(tmp_path: Path) -> None:
    recording = read_bytes(tmp_path, build(groups={"POINT": {"ANGLES": ["HEEL"]}}))
    assert list(recording.streams["landmarks"].landmark.values) == ["HIP"]
    assert any("not positions" in note for note in recording.notes)


def test_other_channels_keep_their_unit_or_are_unknown(tmp_path: Path) -> None:
    analog = np.hstack([loads(), np.ones((600, 3))])
    labels = [*LABELS, "EMG 1", "emg-1", "Pressure"]
    units = ["N", "N", "N", "Nmm", "Nmm", "Nmm", "mV", "V", "furlong"]
    recording = read_bytes(tmp_path, build(analog, analog_labels=labels, analog_units=units))
    stream = recording.streams["analog"]
    assert [name for name in stream.data_vars if name != "time_raw"] == ["emg_1", "emg_1_2", "pressure"]
    assert stream["emg_1"].values[0] == pytest.approx(1e-3)
    assert stream["pressure"].attrs["units"] == "unknown"
    assert stream["emg_1_2"].attrs["raw_name"] == "emg-1"
    assert any("'furlong'" in note for note in recording.notes)


def test_more_than_255_channels_continue_in_second_parameters(tmp_path: Path) -> None:
    width, names = 600, [f"ch{i}" for i in range(600)]
    lists = {"LABELS": names[:255], "LABELS2": names[255:510], "LABELS3": names[510:]}
    scale = np.arange(1.0, width + 1)
    lists |= {"SCALE": scale[:255], "SCALE2": scale[255:510], "SCALE3": scale[510:]}
    lists |= {"OFFSET": np.zeros(255), "UNITS": ["V"] * 255}
    data = c3d_bytes(
        np.ones((3, 1, 3)), np.ones((3, width)), point_rate_hz=50.0, analog_labels=["x"], analog_units=["V"],
        groups={"ANALOG": lists},
    )  # fmt: skip
    file = parse_c3d(data)
    assert file.analog_labels == names
    assert file.analog[0] == pytest.approx(scale)


def test_trials_longer_than_65535_frames(tmp_path: Path) -> None:
    frames = 70000
    long = {"LONG_FRAMES": np.asarray([float(frames)])}
    data = c3d_bytes(np.ones((frames, 1, 3)), np.empty((frames, 0)), point_rate_hz=100.0, groups={"POINT": long})
    assert parse_c3d(data).points.shape[0] == frames
    fields = {"ACTUAL_START_FIELD": np.asarray([1, 0]), "ACTUAL_END_FIELD": np.asarray([frames - 65536, 1])}
    data = c3d_bytes(np.ones((frames, 1, 3)), np.empty((frames, 0)), point_rate_hz=100.0, groups={"TRIAL": fields})
    assert parse_c3d(data).points.shape[0] == frames


def test_events_carry_label_context_and_time_from_the_first_sample(tmp_path: Path) -> None:
    event = {
        "USED": np.asarray([2]),
        "LABELS": ["Foot Strike", "Foot Off"],
        "CONTEXTS": ["Left", "Right"],
        "TIMES": np.asarray([[0.0, 1.0], [0.5, 0.25]]),
    }
    recording = read_bytes(tmp_path, build(groups={"EVENT": event}, first_frame=31))
    assert json.loads(recording.tree.attrs["events"]) == [
        {"label": "Foot Strike", "context": "Left", "time_s": pytest.approx(0.2)},
        {"label": "Foot Off", "context": "Right", "time_s": pytest.approx(59.95)},
    ]


def test_nothing_is_lost_in_netcdf(tmp_path: Path) -> None:
    recording = read_bytes(tmp_path, build())
    recording.to_netcdf(tmp_path / "trial.nc")
    back = type(recording).from_netcdf(tmp_path / "trial.nc")
    assert np.array_equal(back.streams["plate_1"].cop_x, recording.streams["plate_1"].cop_x, equal_nan=True)


PLATES = """
[[plate]]
type = 2
channels = {channels}
corners = [[600, 400, 0], [600, 0, 0], [0, 0, 0], [0, 400, 0]]
origin = [0, 0, -40]
length_unit = "mm"
{more}
"""


@pytest.mark.parametrize("channels", [json.dumps(LABELS), "[1, 2, 3, 4, 5, 6]"])
def test_plates_described_by_hand(tmp_path: Path, channels: str) -> None:
    empty = {"USED": np.asarray([0], np.int16)}
    data = build(groups={"FORCE_PLATFORM": empty})
    without = read_bytes(tmp_path, data)
    assert "plate_1" not in without.streams
    assert any("describe the plates in a TOML file" in note for note in without.notes)
    path = tmp_path / "plates.toml"
    path.write_text(PLATES.format(channels=channels, more=""), encoding="utf-8")
    recording = read_bytes(tmp_path, data, extra={"plates": str(path)})
    assert recording.streams["plate_1"].cop_y.values[300] == pytest.approx(0.25, abs=1e-6)
    assert any("user's description" in note for note in recording.notes)
    assert "analog" not in recording.streams


def test_units_given_by_hand_win(tmp_path: Path) -> None:
    text = PLATES.format(channels="[1, 2, 3, 4, 5, 6]", more='force_unit = "kN"\nmoment_unit = "N m"')
    path = tmp_path / "plates.toml"
    path.write_text(text, encoding="utf-8")
    data = build(loads() * 1e-3, analog_units=["V"] * 6)
    plate = read_bytes(tmp_path, data, extra={"plates": path}).streams["plate_1"]
    assert plate.fz.values[300] == pytest.approx(-700.0, rel=1e-4)
    assert plate.cop_y.values[300] == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[plate]", "is no TOML"),
        ("", "plate is missing"),
        (PLATES.format(channels='["Fx9"]', more=""), "1 channels, type 2 has 6"),
        (PLATES.format(channels='["Fx9", 2, 3, 4, 5, 6]', more=""), "'Fx9', which is not in the file"),
        (PLATES.format(channels="[1, 2, 3, 4, 5, 7]", more=""), "channel 7, the file has 1 to 6"),
        (PLATES.format(channels="[1, 2, 3, 4, 5, 6]", more="cornes = 1"), "plate 1.cornes is unknown"),
        (PLATES.format(channels="[1, 2, 3, 4, 5, 6]", more='moment_unit = "N"'), "moment_unit is in N"),
        (PLATES.format(channels="[1, 2, 3, 4, 5, 6]", more="").replace("= 2", "= 4"), "needs a calibration"),
        (
            PLATES.format(channels="[1, 2, 3, 4, 5, 6]", more="").replace("= 2", "= 21"),
            "plate 1.type is 21, expected 7 or less",
        ),
    ],
)
def test_a_wrong_description_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plates.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError) as refusal:
        read_bytes(tmp_path, build(), extra={"plates": path})
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("extra", "words"),
    [({"plate": 1}, "option 'plate' is not known"), ({"zero": "yes"}, "expected one of auto, always, never")],
)
def test_unknown_options_are_refused(tmp_path: Path, extra: dict[str, object], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        read_bytes(tmp_path, build(), extra=extra)
