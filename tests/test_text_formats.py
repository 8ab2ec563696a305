"""MOT, STO, TRC and loadsol as other programs leave them: names of forces, separators, trimmed files, vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.arrays import Floats
from grfkit.errors import BadInputError
from grfkit.formats.opensim import parse_storage
from grfkit.formats.opensim_columns import plate_columns, unplaced_forces
from grfkit.formats.rows import quoted_cells
from grfkit.formats.text import as_tabs, ends_whole
from grfkit.formats.trc import parse_trc, trc_text
from grfkit.io import read
from grfkit.records import Recording
from test_loadsol import loadsol_text

AXES = "xyz"


def saved(folder: Path, text: str, name: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


def storage_text(labels: Sequence[str], columns: Sequence[Floats], *, rate_hz: float = 100.0, digits: int = 5) -> str:
    """Return a storage file with these columns behind its time."""
    table = np.stack([np.arange(len(columns[0])) / rate_hz, *columns], axis=1)
    head = ["x", "version=1", f"nRows={len(table)}", f"nColumns={len(labels) + 1}", "inDegrees=yes", "endheader"]
    rows = ["\t".join(f"{value:.{digits}f}" for value in row) for row in table.tolist()]
    return "\n".join([*head, "\t".join(["time", *labels]), *rows]) + "\n"


# --- names of ground reactions ----------------------------------------------------------------------------

WORDS = "{t}GroundReactionForce_{a}"
CALCN = "ground_force_calcn_{t}"
NAMES: list[tuple[str, str, str, Sequence[str], tuple[str, str]]] = [
    ("{t}_ground_force_v{a}", "{t}_ground_force_p{a}", "{t}_ground_torque_{a}", "RL", ("right", "left")),
    ("{t}_ground_force_v{a}", "{t}_ground_force_p{a}", "{t}_ground_moment_m{a}", "12", ("", "")),
    ("ground_force_{t}_v{a}", "ground_force_{t}_p{a}", "ground_torque_{t}_{a}", "rl", ("right", "left")),
    ("ground_force_{t}_v{a}", "ground_force_{t}_p{a}", "ground_moment_{t}_m{a}", "12", ("", "")),
    ("ground_force{t}_v{a}", "ground_force{t}_p{a}", "ground_torque{t}_{a}", "12", ("", "")),
    ("ground_force_v{a}_{t}", "ground_force_p{a}_{t}", "ground_torque_{a}_{t}", "12", ("", "")),
    ("ground_force_v{a}.{t}", "ground_force_p{a}.{t}", "ground_torque_{a}.{t}", "12", ("", "")),
    ("force_{t}_v{a}", "force_{t}_p{a}", "torque_{t}_{a}", "rl", ("right", "left")),
    (CALCN + "_v{a}", CALCN + "_p{a}", "ground_torque_calcn_{t}_v{a}", "lr", ("left", "right")),
    (CALCN + "_v{a}", CALCN + "_p{a}", "ground_torque_calcn_{t}_{a}", "rl", ("right", "left")),
    (CALCN + "_v{a}", CALCN + "_p{a}", CALCN + "_m{a}", "rl", ("right", "left")),
    ("{t}_foot_force_v{a}", "{t}_foot_force_p{a}", "{t}_foot_torque_{a}", ("right", "left"), ("right", "left")),
    ("calcn_{t}_force_v{a}", "calcn_{t}_force_p{a}", "calcn_{t}_torque_{a}", "rl", ("right", "left")),
    ("{t}F{a}", "{t}COP{a}", "{t}M{a}", "lr", ("left", "right")),
    ("{t}_F{a}", "{t}_COP{a}", "{t}_M{a}", ("Right", "Left"), ("right", "left")),
    ("FP{t}_v{a}", "FP{t}_p{a}", "FP{t}_moment_{a}", "16", ("", "")),
    ("Treadmill_{t}_v{a}", "Treadmill_{t}_p{a}", "Treadmill_{t}_moment_{a}", "LR", ("left", "right")),
    ("grf_{t}_v{a}", "grf_{t}_p{a}", "grm_{t}_{a}", "rl", ("right", "left")),
    ("GRF{t}_{a}", "COP{t}_{a}", "GRM{t}_{a}", "RL", ("right", "left")),
    ("{t}GRF{a}", "{t}COP{a}", "{t}GRM{a}", ("Right", "L"), ("right", "left")),
    ("GRF_{t}_F{a}", "GRF_{t}_COP{a}", "GRF_{t}_M{a}", "RL", ("right", "left")),
    ("ground_force_{t}_{a}", "ground_point_{t}_{a}", "ground_torque_{t}_{a}", "rl", ("right", "left")),
    ("ground_force_{t}_v_{a}", "ground_force_{t}_p_{a}", "ground_torque_{t}_{a}", "12", ("", "")),
    (WORDS, "{t}CenterOfPressure_{a}", "{t}GroundReactionMoment_{a}", ("Left", "Right"), ("left", "right")),
    ("ground_reaction_force_{t}_{a}", "centre_of_pressure_{t}_{a}", "free_moment_{t}_{a}", "12", ("", "")),
]  # fmt: skip


def names_of(force: str, point: str, torque: str, tags: Sequence[str], axes: str = AXES) -> list[str]:
    return [name.format(t=tag, a=a) for tag in tags for name in (force, point, torque) for a in axes]


@pytest.mark.parametrize(("force", "point", "torque", "tags", "feet"), NAMES)
def test_ground_reactions_of_every_scheme_are_plates(
    tmp_path: Path, force: str, point: str, torque: str, tags: Sequence[str], feet: tuple[str, str]
) -> None:
    labels = names_of(force, point, torque, tags)
    columns = [np.full(3, 0.125 * (i + 1)) for i in range(len(labels))]
    got = read(saved(tmp_path, storage_text(labels, columns), "a.mot"))
    assert list(got.streams) == ["plate_1", "plate_2"]
    assert not got.notes
    channels = ["fx", "fy", "fz", "cop_x", "cop_y", "cop_z", "torque_x", "free_moment", "torque_z"]
    for number, foot in enumerate(feet):
        plate = got.streams[f"plate_{number + 1}"]
        assert plate.attrs["knows_feet"] == foot
        assert plate.attrs["vertical"] == "+y"
        values = [float(plate[name][0]) for name in channels]
        assert values == [0.125 * (9 * number + i + 1) for i in range(9)]
        assert [plate[name].attrs["units"] for name in channels] == ["N"] * 3 + ["m"] * 3 + ["N m"] * 3


UNKNOWN = [
    names_of("hand_{t}_F{a}", "hand_{t}_P{a}", "hand_{t}_M{a}", "rl"),
    names_of("ground_force_hand_{t}_v{a}", "ground_force_hand_{t}_p{a}", "ground_torque_hand_{t}_{a}", "rl"),
    names_of("F{a}{t}", "P{a}{t}", "M{a}{t}", "12"),
    names_of("LoadCell{t}_F{a}", "LoadCell{t}_P{a}", "LoadCell{t}_M{a}", "12"),
    names_of("box{t}_v{a}", "box{t}_p{a}", "box{t}_q{a}", "12"),
    ["Fx", "Fy", "Fz"],
    ["vGRF_left", "vGRF_right"],
    ["GRFR", "GRFL"],
    ["LeftVerticalGroundReactionForce"],
    ["FzL", "FzR"],
    names_of("Box{t}ReactionForce{a}", "Box{t}CentreOfPressure{a}", "Box{t}FreeMoment{a}", "12", "XYZ"),
    names_of("{t}handForce_{a}", "{t}handCOP_{a}", "{t}handMoment_{a}", "lr"),
    ["ground_torque_x", "ground_torque_y", "ground_torque_z"],
]


@pytest.mark.parametrize("labels", UNKNOWN)
def test_columns_that_look_like_forces_of_no_scheme_are_noted(tmp_path: Path, labels: list[str]) -> None:
    got = read(saved(tmp_path, storage_text(labels, [np.ones(3)] * len(labels)), "a.mot"))
    assert list(got.streams) == ["analog"]
    (note,) = got.notes
    assert labels[0] in note
    assert "analog channels of unknown unit and no plate" in note
    assert "rename them as OpenSim's examples do: ground_force_1_vx" in note


def test_points_beside_a_plate_that_are_not_its_own_are_noted(tmp_path: Path) -> None:
    labels = names_of("ground_force_{t}_v{a}", "foot_point_{t}_{a}", "ground_torque_{t}_{a}", "r")
    got = read(saved(tmp_path, storage_text(labels, [np.ones(3)] * len(labels)), "a.mot"))
    assert list(got.streams) == ["plate_1", "analog"]
    (note,) = got.notes
    assert "foot_point_r_x, foot_point_r_y, foot_point_r_z; they are analog" in note


def test_what_the_note_advises_makes_plates(tmp_path: Path) -> None:
    labels = names_of("ground_force_{t}_v{a}", "ground_force_{t}_p{a}", "ground_torque_{t}_{a}", "12")
    got = read(saved(tmp_path, storage_text(labels, [np.ones(3)] * len(labels)), "a.mot"))
    assert list(got.streams) == ["plate_1", "plate_2"]


@pytest.mark.parametrize(
    "labels",
    [
        names_of("hip_{t}_on_femur_{t}_in_ground_f{a}", "hip_{t}_on_femur_{t}_in_ground_p{a}", "a_on_b_in_c_m{a}", "r"),
        names_of("calcn_{t}_{a}", "calcn_{t}_O{a}", "toes_{t}_{a}", "rl"),
        ["pelvis_tx", "pelvis_ty", "pelvis_tz", "pelvis_tilt", "hip_flexion_r"],
        names_of("acc_{t}_{a}", "gyro_{t}_{a}", "mag_{t}_{a}", "12"),
        names_of("foot_point_{t}_{a}", "{t}KneePosition{a}", "{t}Copper_{a}", "lr"),
        ["pelvis_tx_force", "hip_flexion_r_moment", "gastroc_r_tendon_force", "foxy", "scope_x"],
    ],
)  # fmt: skip
def test_columns_of_other_things_are_no_forces(labels: list[str]) -> None:
    assert not plate_columns(labels)
    assert not unplaced_forces(labels, set())


def test_two_columns_of_one_axis_of_one_foot_are_refused() -> None:
    with pytest.raises(BadInputError, match=r"'R_ground_force_vx' stands twice \(also as 'ground_force_r_vx'"):
        plate_columns(["ground_force_r_vx", "R_ground_force_vx"])


DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.mark.recordings
@pytest.mark.parametrize(("person", "condition"), [("02", "CSBaseline"), ("06", "EMGStiffKnee"), ("10", "CSBaseline")])
def test_real_treadmill_forces_named_lFx_carry_the_walker(person: str, condition: str) -> None:
    folder = DATA / "pearl2024_imu_treadmill"
    if not folder.is_dir():
        pytest.skip("needs the real recordings in ../shared/data")
    people = (folder / "participants.csv").read_text().splitlines()
    place = people[0].split(",").index("mass_kg")
    mass_kg = next(
        float(row.split(",")[place]) for row in people[1:] if int(row.split(",")[0].strip("Sub ")) == int(person)
    )
    got = read(folder / "original" / f"OpenSim_Sub{person}_{condition}_GRF.mot")
    assert [stream.attrs["knows_feet"] for stream in got.streams.values()] == ["left", "right"]
    total = sum(stream["fy"].values for stream in got.streams.values())
    assert float(np.mean(total)) == pytest.approx(mass_kg * 9.81, rel=0.05)


# --- the unit of the point of force -----------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_unit_of_the_points_is_that_of_the_file(tmp_path: Path, order: tuple[int, int]) -> None:
    points_mm = (12.0, 640.0)
    labels, columns = [], []
    for tag, plate in zip("12", order):
        labels += [f"ground_force_{tag}_vy", f"ground_force_{tag}_px", f"ground_torque_{tag}_y"]
        columns += [np.full(5, 700.0), np.full(5, points_mm[plate]), np.full(5, 5000.0)]
    got = read(saved(tmp_path, storage_text(labels, columns), "a.mot"))
    for number, plate in enumerate(order):
        stream = got.streams[f"plate_{number + 1}"]
        assert float(stream["cop_x"][0]) == pytest.approx(points_mm[plate] / 1000)
        assert float(stream["free_moment"][0]) == pytest.approx(5.0)
    (note,) = got.notes
    assert "those of all plates are taken as mm" in note


def test_points_of_an_unloaded_plate_say_nothing_of_the_unit(tmp_path: Path) -> None:
    labels = ["ground_force_1_vy", "ground_force_1_px", "ground_force_2_vy", "ground_force_2_px"]
    columns = [np.full(5, 700.0), np.full(5, 0.5), np.full(5, 2.0), np.full(5, 900.0)]
    got = read(saved(tmp_path, storage_text(labels, columns), "a.mot"))
    assert float(got.streams["plate_1"]["cop_x"][0]) == pytest.approx(0.5)
    assert not got.notes


# --- headers that do not agree with the rows --------------------------------------------------------------


def old_storage(rows: int, *, stated: int, until_s: float | None) -> str:
    span = "" if until_s is None else f"range 0.0 {until_s}\n"
    head = f"name x.mot\ndatacolumns 3\ndatarows {stated}\n{span}endheader\ntime\tground_force_vy\tground_force_px\n"
    return head + "".join(f"{i / 60:.5f}\t{700 + i:.3f}\t0.250\n" for i in range(rows))


@pytest.mark.parametrize("until_s", [15.0, None])
@pytest.mark.parametrize("line_end", ["\n", ""])
def test_a_storage_file_trimmed_at_its_end_is_read_and_noted(
    tmp_path: Path, until_s: float | None, line_end: str
) -> None:
    text = old_storage(60, stated=901, until_s=until_s).rstrip("\n") + line_end
    got = read(saved(tmp_path, text, "a.mot"))
    assert got.streams["plate_1"].sizes["time"] == 60
    assert float(got.streams["plate_1"]["fy"][-1]) == 759.0
    (note,) = got.notes
    assert "the header states 901 rows, the file holds 60" in note
    assert "trimmed, or cut off" in note


@pytest.mark.parametrize("lost", [2, 3, 4, 7, 9])
def test_a_storage_file_torn_inside_its_last_line_is_refused(tmp_path: Path, lost: int) -> None:
    text = old_storage(60, stated=901, until_s=15.0)[:-lost]
    with pytest.raises(BadInputError, match="cut off"):
        read(saved(tmp_path, text, "a.mot"))


@pytest.mark.parametrize("stated", [60, 10])
@pytest.mark.parametrize("lost", [2, 3, 4])
def test_a_last_number_that_lost_digits_is_refused_though_the_count_is_right(
    tmp_path: Path, lost: int, stated: int
) -> None:
    text = old_storage(60, stated=stated, until_s=None)[:-lost]
    with pytest.raises(BadInputError, match=r"cut off inside its last row \(line 65\)"):
        read(saved(tmp_path, text, "a.mot"))


def test_a_last_row_without_line_end_is_read_where_its_digits_are_all_there(tmp_path: Path) -> None:
    text = old_storage(60, stated=60, until_s=None)
    for whole in (text[:-1], text.replace("\n", " \n")[:-1], text.replace("\t0.250", "\t1")[:-1]):
        got = read(saved(tmp_path, whole, "a.mot"))
        assert got.streams["plate_1"].sizes["time"] == 60
        assert float(got.streams["plate_1"]["fy"][-1]) == 759.0
        assert not got.notes


def test_where_digits_vary_a_last_row_without_line_end_is_left_out_with_a_note(tmp_path: Path) -> None:
    head = "x\nnRows=4\nendheader\ntime\tground_force_vy\tground_force_px\n"
    got = read(saved(tmp_path, head + "0\t700\t0.25\n1\t701\t0.253\n2\t702\t0.2501\n3\t703\t0.25", "a.mot"))
    assert got.streams["plate_1"]["fy"].values.tolist() == [700.0, 701.0, 702.0]
    assert list(got.notes) == [
        "the last row (line 8) has no line end and its last number may be cut off; it is left out"
    ]


def test_a_wrong_number_of_columns_is_noted(tmp_path: Path) -> None:
    text = storage_text(["ground_force_vy", "ground_force_px"], [np.ones(4), np.ones(4)])
    got = read(saved(tmp_path, text.replace("nColumns=3", "nColumns=30"), "a.mot"))
    (note,) = got.notes
    assert "the header states 30 columns, the row of labels names 3 with time" in note
    assert not read(saved(tmp_path, text, "b.mot")).notes


def test_a_row_with_more_cells_than_labels_is_refused(tmp_path: Path) -> None:
    text = storage_text(["ground_force_vy", "ground_force_px"], [np.ones(4), np.ones(4)])
    with pytest.raises(BadInputError, match="line 8 has 3 cells, expected 2"):
        read(saved(tmp_path, text.replace("\tground_force_px", ""), "a.mot"))


def trc(frames: int = 60, *, stated: int | None = None) -> str:
    time = np.arange(frames) / 100
    places = np.asarray([[100.0, 900.0, 50.0], [300.0, 950.0, 60.0]]) + 20 * np.sin(time)[:, None, None]
    text = trc_text(places, ["LHEE", "RHEE"], time, rate_hz=100)
    return text if stated is None else text.replace(f"\t{frames}\t2\tmm", f"\t{stated}\t2\tmm")


@pytest.mark.parametrize("line_end", ["\n", ""])
def test_a_trc_file_trimmed_at_its_end_is_read_and_noted(tmp_path: Path, line_end: str) -> None:
    got = read(saved(tmp_path, trc(stated=900).rstrip("\n") + line_end, "a.trc"))
    assert got.streams["landmarks"].sizes["time"] == 60
    (note,) = got.notes
    assert "the header states 900 frames, the file holds 60 (from frame 1); trimmed, or cut off" in note


@pytest.mark.parametrize("lost", [2, 3, 12])
def test_a_trc_file_torn_inside_its_last_line_is_refused(tmp_path: Path, lost: int) -> None:
    with pytest.raises(BadInputError, match="cut off"):
        read(saved(tmp_path, trc(stated=900)[:-lost], "a.trc"))


@pytest.mark.parametrize("lost", [2, 3])
def test_a_trc_file_whose_last_number_lost_digits_is_refused(tmp_path: Path, lost: int) -> None:
    assert not read(saved(tmp_path, trc()[:-1], "a.trc")).notes
    with pytest.raises(BadInputError, match="cut off inside its last row"):
        read(saved(tmp_path, trc()[:-lost], "a.trc"))


@pytest.mark.parametrize("key", ["CameraRate", "DataRate", "OrigDataRate"])
def test_an_empty_cell_of_a_trc_header_shifts_nothing(tmp_path: Path, key: str) -> None:
    lines = trc().split("\n")
    values = lines[2].split("\t")
    values[lines[1].split("\t").index(key)] = ""
    lines[2] = "\t".join(values)
    got = read(saved(tmp_path, "\n".join(lines), "a.trc"))
    want = read(saved(tmp_path, trc(), "b.trc"))
    np.testing.assert_array_equal(got.streams["landmarks"]["position"], want.streams["landmarks"]["position"])
    assert got.streams["landmarks"].attrs["rate_hz"] == pytest.approx(100)


def test_a_trc_header_without_a_unit_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"states nothing below 'Units'; add the unit, e\.g\. mm"):
        read(saved(tmp_path, trc().replace("\tmm\t", "\t\t"), "a.trc"))


def test_a_trc_header_separated_by_blanks_is_read(tmp_path: Path) -> None:
    lines = trc().split("\n")
    lines[1:3] = [line.replace("\t", "  ") for line in lines[1:3]]
    assert parse_trc("\n".join(lines)).unit == "mm"


@pytest.mark.parametrize("blank", [[0], [5], [5, 6, 7], [59], list(range(60))])
def test_a_frame_without_number_keeps_its_time(tmp_path: Path, blank: list[int]) -> None:
    lines = trc().split("\n")
    for frame in blank:
        lines[6 + frame] = "\t" + lines[6 + frame].partition("\t")[2]
    got = read(saved(tmp_path, "\n".join(lines), "a.trc"))
    np.testing.assert_allclose(got.streams["landmarks"]["time"], np.arange(60) / 100, atol=1e-12)
    assert f"{len(blank)} frames have no number" in got.notes[0]


# --- separators that a spreadsheet puts in ----------------------------------------------------------------


def as_spreadsheet(text: str, separator: str, *, decimal: str = ".", quotes: bool = False) -> str:
    """Return a file of tabs as a spreadsheet saves it: every row as wide as the widest."""
    rows = [line.split("\t") for line in text.replace(".", decimal).rstrip("\n").split("\n")]
    width = max(len(row) for row in rows)
    cells = [[*row, *[""] * (width - len(row))] for row in rows]
    if quotes:
        cells = [[f'"{cell}"' if cell else cell for cell in row] for row in cells]
    return "\n".join(separator.join(row) for row in cells) + "\n"


SPREADSHEETS = [
    {"separator": ","},
    {"separator": ",", "quotes": True},
    {"separator": ";"},
    {"separator": ";", "decimal": ","},
    {"separator": "\t", "decimal": ","},
    {"separator": ",", "decimal": ",", "quotes": True},
]


def same_numbers(got: Recording, want: Recording) -> None:
    assert list(got.streams) == list(want.streams)
    for name, stream in want.streams.items():
        assert list(got.streams[name].data_vars) == list(stream.data_vars)
        for channel in stream.data_vars:
            if stream[channel].dtype.kind == "f":
                np.testing.assert_array_equal(got.streams[name][channel].values, stream[channel].values)


@pytest.mark.parametrize("form", SPREADSHEETS)
def test_a_storage_file_saved_by_a_spreadsheet_is_read(tmp_path: Path, form: dict[str, str]) -> None:
    labels = names_of("ground_force_{t}_v{a}", "ground_force_{t}_p{a}", "ground_torque_{t}_{a}", "rl")
    rng = np.random.default_rng(1)
    text = storage_text(labels, [rng.normal(size=20) for _ in labels])
    got = read(saved(tmp_path, as_spreadsheet(text, **form), "a.mot"))  # type: ignore[arg-type]
    same_numbers(got, read(saved(tmp_path, text, "b.mot")))
    assert (form["separator"] == "\t") or f"separated by '{form['separator']}'" in got.notes[0]


@pytest.mark.parametrize("form", SPREADSHEETS)
def test_a_trc_file_saved_by_a_spreadsheet_is_read(tmp_path: Path, form: dict[str, str]) -> None:
    name = "landmarks.trc"  # its dot is no decimal sign
    text = trc().replace(name, "landmarks")
    got = read(saved(tmp_path, as_spreadsheet(text, **form), "a.trc"))  # type: ignore[arg-type]
    same_numbers(got, read(saved(tmp_path, text, "b.trc")))


@pytest.mark.parametrize("form", SPREADSHEETS)
@pytest.mark.parametrize("feet", ["LR", "L"])
def test_a_loadsol_text_saved_by_a_spreadsheet_is_read(tmp_path: Path, form: dict[str, str], feet: str) -> None:
    text = loadsol_text(feet=feet).replace(".loadflux", "")
    got = read(saved(tmp_path, as_spreadsheet(text, **form), "a.csv"))  # type: ignore[arg-type]
    same_numbers(got, read(saved(tmp_path, text, "b.txt")))


@pytest.mark.parametrize("kind", ["mot", "trc", "loadsol"])
def test_decimal_commas_between_commas_are_refused_for_what_they_are(tmp_path: Path, kind: str) -> None:
    storage = storage_text(["ground_force_vy", "ground_force_px"], [np.full(9, 700.5), np.full(9, 0.25)])
    text, name = {
        "mot": (storage, "a.mot"),
        "trc": (trc().replace("landmarks.trc", "landmarks"), "a.trc"),
        "loadsol": (loadsol_text().replace(".loadflux", ""), "a.csv"),
    }[kind]
    with pytest.raises(
        BadInputError, match="decimal commas, which cannot be told from the commas between them; export"
    ):
        read(saved(tmp_path, as_spreadsheet(text, ",", decimal=","), name))


def test_a_table_of_vectors_is_read_as_the_adapter_flattens_it(tmp_path: Path) -> None:
    force = 800 * np.sin(np.pi * np.arange(50) / 49)
    rows = "\n".join(
        f"{i / 100:.2f}\t{f * 0.1:.3f},{f:.3f},0\t300,0,{100 + i}\t0,{f:.3f},0" for i, f in enumerate(force)
    )
    text = f"DataType=Vec3\nversion=3\nOpenSimVersion=4.4\nendheader\ntime\tf1\tp1\tm1\n{rows}\n"
    got = read(saved(tmp_path, text, "a.sto"))
    plate = got.streams["plate_1"]
    np.testing.assert_allclose(plate["fy"], np.round(force, 3))
    np.testing.assert_allclose(plate["cop_z"], (100 + np.arange(50)) / 1000)
    np.testing.assert_allclose(plate["torque_y"], np.round(force, 3) / 1000)
    assert any("DataType=Vec3" in note for note in got.notes)


def test_quaternions_and_missing_vectors(tmp_path: Path) -> None:
    text = (
        "DataRate=100.0\nDataType=Quaternion\nversion=3\nendheader\ntime\ttorso_imu\tpelvis_imu\n"
        "0\t1,0,0,0\t0.5,0.5,0.5,0.5\n0.01\t\t~[0.6,0.8,0,0]\n"
    )
    parsed = parse_storage(text)
    assert parsed.labels == [f"{name}_imu_{i}" for name in ("torso", "pelvis") for i in (1, 2, 3, 4)]
    np.testing.assert_array_equal(parsed.table[0], [1, 0, 0, 0, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_array_equal(parsed.table[1], [*[np.nan] * 4, 0.6, 0.8, 0, 0])


def test_spatial_vectors_are_read_with_their_brackets() -> None:
    text = (
        "DataType=SpatialVec\nversion=3\nendheader\ntime\tfoot\n0\t~[~[1,2,3],~[4,5,6]]\n1\t~[~[7,8,9],~[10,11,12]]\n"
    )
    parsed = parse_storage(text)
    assert parsed.labels == [f"foot_{i}" for i in range(1, 7)]
    np.testing.assert_array_equal(parsed.table, np.arange(1, 13).reshape(2, 6))


@pytest.mark.parametrize("row", ["0.01\t1,2\t3,4,5", "0.01\t1,2,3", "0.01\t1,2,3\t4,5,6,7"])
def test_a_damaged_vector_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    text = f"DataType=Vec3\nversion=3\nendheader\ntime\tf1\tp1\n0\t1,2,3\t4,5,6\n{row}\n"
    with pytest.raises(BadInputError, match=r"line 6 does not hold 2 vectors of 3 numbers \(DataType=Vec3\)"):
        read(saved(tmp_path, text, "a.sto"))


def test_a_data_type_without_vectors_is_named(tmp_path: Path) -> None:
    text = "DataType=Vec3\nversion=3\nendheader\ntime\tf1\tp1\n0\t1\t4\n"
    with pytest.raises(BadInputError, match="states DataType=Vec3, but line 5 holds no vectors"):
        read(saved(tmp_path, text, "a.sto"))


# --- properties -------------------------------------------------------------------------------------------

CELLS = st.lists(st.lists(st.text("0123456789.eE+-abc ", max_size=6), min_size=2, max_size=5), min_size=1, max_size=6)


@given(CELLS, st.sampled_from(",;"), st.booleans())
def test_cells_stay_whichever_separator_stands_between_them(
    cells: list[list[str]], separator: str, quotes: bool
) -> None:
    rows = [separator.join(f'"{cell}"' if quotes else cell for cell in row) for row in cells]
    assert as_tabs(rows, separator) == ["\t".join(row) for row in cells]


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=30), st.integers(1, 5))
def test_a_row_that_lost_digits_is_never_whole(values: list[float], digits: int) -> None:
    rows = [f"{i}\t{value:.{digits}f}" for i, value in enumerate(values)]
    assert ends_whole(rows, "\t")
    assert not ends_whole([*rows[:-1], rows[-1][:-1]], "\t")


def test_lines_of_binary_files_are_cut_into_cells_on_every_python() -> None:
    assert quoted_cells('\0a,"b,\0",c', ",") == ["\0a", "b,\0", "c"]
    assert quoted_cells("", ",") == []
    # longer than a cell of the csv module may be
    long = '"' + "x" * 200_000
    assert quoted_cells(f"{long},y", ",") == [long, "y"]
