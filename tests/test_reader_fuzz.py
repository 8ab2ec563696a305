"""A damaged file: no exception but BadInputError, no hang, and nothing infinite or absurd in what is read."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.io import ReadOptions
from grfkit.io.base import Reader
from grfkit.io.sniff import all_readers, read_head
from grfkit.records import Recording
from live_files import Insole, recording_bytes
from test_delsys import EMGWORKS, discover
from test_io_text import MT, TRC
from test_loadsol import loadsol_text
from test_sensor_text import NGIMU, XIMU3, physilog, shimmer
from test_vicon_csv import nexus
from test_visual3d import visual3d
from xdf_files import markers, stream, xdf, xdf_bytes

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TRIES = 12
SECONDS_PER_FILE = 10.0

CSV = "time [s],left_force [N],left_cell_01 [adc],right_acc_x [g],fz [N],what [V]\n" + "".join(
    f"{i / 100:.2f},{i * 7 % 900},{i % 255},{i % 5 - 2},{i * 3},0.5\n" for i in range(60)
)
COMMA = CSV.replace(".", ";").replace(",", "\t").replace(";", ",")
MOT = "grf\nversion=1\nnRows=40\nnColumns=7\ninDegrees=no\nendheader\ntime\tground_force_vx\tground_force_vy\t" + (
    "ground_force_px\tground_torque_y\t1_ground_force_vy\tknee\n"
    + "".join(f"{i / 100}\t{i}\t{700 + i}\t0.{i:02d}\t0.1\t0\t{i}\n" for i in range(40))
)
FORCES = (
    "[Force Data]\nNumberOfForcePlates=1\nSampleRate=450.0\nNumberOfSamples=30\n"
    "#Sample\tFX1\tFY1\tFZ1\tX1\tY1\tZ1\tMZ1\n"
    + ("".join(f"{i + 1}\t1.0\t{i}\t2\t100.5\t0.0\t{i}\t5.0\n" for i in range(30)))
)
RBDS = "Time\tFx\tFy\tFz\tCOPx\tCOPy\tCOPz\tTy\n" + "".join(
    f"{i + 1}\t1\t{i}\t3\t2500.5\t0\t1134\t-15\n" for i in range(30)
)
XSENS = MT + "".join(f"{100 + i:05d}\t\t{i}.5\t0.1\t0.2\t3\n" for i in range(30))
DOT = "sep=,\nDeviceTag:,D1\nOutputRate:,60Hz\n\nPacketCounter,SampleTimeFine,Quat_W,Acc_X,Gyr_Z\n" + "".join(
    f"{1 + i},{(4294900000 + 16667 * i) % 2**32},1,{i}.5,0.1\n" for i in range(30)
)
APDM = "Test Name:,a\nSample Rate:,128,Hz\nTime,Foot/Acceleration/X,Foot/Angular Velocity/Y\ns,m/s^2,rad/s\n" + (
    "".join(f"{i / 128},{i},{-i}\n" for i in range(30))
)
APDM7 = "Format=7,5718,,,Left Foot,,\nTime,Accelerometer,,,Gyroscope,,\n,X,Y,Z,X,Y,Z\n" + "".join(
    f"{1550879504438281 + 7812 * i},1,2,3,4,5,6\n" for i in range(30)
)

_INSOLE = Insole(0, 20.0, 5, 0)
_CELLS, _IMU = np.full((100, 16), 300), np.zeros((100, 6), np.int64)
LIVE = recording_bytes([_INSOLE.begin(), *_INSOLE.packets(_CELLS, _IMU, frozenset({3})), *_INSOLE.syncs(1)])

_STAMPS = np.concatenate([np.arange(120) / 100, 30 + np.arange(80) / 100])
RESET = xdf(
    stream(
        *(1, "Sole", [("left_force", "N"), ("left_acc_x", "g")], 100, _STAMPS, np.ones((200, 2))),
        fmt="float32",
        stamp_every=5,
        offsets=[(a, 100.0 - 20.0 * (a > 5)) for a in _STAMPS[::10]],  # type: ignore[arg-type]
    ),
    markers(2, "Marks", [(0.5, "a"), (0.4, "b"), (0.9, "a")]),
)

MOT_NAMES = "x\nversion=1\nnRows=40\nnColumns=10\ninDegrees=no\nendheader\ntime\tground_force_calcn_r_vx\t" + (
    "ground_force_calcn_r_vy\tground_force_calcn_r_vz\tlFx\tlFy\tlFz\thand_Fx\thand_Fy\thand_Fz\n"
    + "".join(f"{i / 100:.2f}\t{i}.5\t{700 + i}\t0\t1\t2\t3\t4\t5\t6\n" for i in range(40))
)
VECTORS = "DataType=Vec3\nversion=3\nendheader\ntime\tf1\tp1\tm1\n" + "".join(
    f"{i / 100:.2f}\t1,{700 + i},2\t300,0,{i}\t0,{i}.5,0\n" for i in range(30)
)
QUOTED = '"time [s]","left_force [N]",fz [N]\n' + "".join(f'"{i},5","{i * 7 % 90},25",{i}\n' for i in range(40))


def spreadsheet(text: str, separator: str, decimal: str = ".") -> bytes:
    """Return a file of tabs as a spreadsheet saves it: every row as wide as the widest."""
    rows = [line.split("\t") for line in text.replace(".", decimal).rstrip("\n").split("\n")]
    width = max(map(len, rows))
    return "".join(separator.join([*row, *[""] * (width - len(row))]) + "\n" for row in rows).encode()


SEEDS: dict[str, tuple[str, bytes]] = {
    "csv": ("csv", CSV.encode()),
    "csv with decimal comma": ("csv", COMMA.encode()),
    "trc": ("trc", TRC.encode()),
    "opensim": ("opensim", MOT.encode()),
    "cortex": ("cortex", FORCES.encode()),
    "rbds": ("rbds", RBDS.encode()),
    "xsens": ("xsens", XSENS.encode()),
    "xsens dot": ("xsens", DOT.encode()),
    "apdm": ("apdm", APDM.encode()),
    "apdm format 7": ("apdm", APDM7.encode()),
    "x-io": ("xio", NGIMU.encode()),
    "x-IMU3": ("xio", XIMU3.encode()),
    "physilog": ("physilog", physilog().encode()),
    "delsys discover": ("delsys", discover(timed=True).encode()),
    "delsys emgworks": ("delsys", EMGWORKS.encode()),
    "vicon": ("vicon", nexus(frames=range(1, 9)).encode()),
    "visual3d": ("visual3d", visual3d().encode()),
    "shimmer": ("shimmer", shimmer().encode()),
    "xdf": ("xdf", xdf_bytes()),
    "xdf with a clock reset": ("xdf", RESET),
    "grfrec": ("grfrec", LIVE),
    "csv in UTF-16": ("csv", CSV.encode("utf-16")),
    "csv with quoted decimal commas": ("csv", QUOTED.encode()),
    "trc with commas": ("trc", spreadsheet(TRC, ",")),
    "trc with semicolons": ("trc", spreadsheet(TRC.replace("a.trc", "a"), ";", ",")),
    "opensim with commas": ("opensim", spreadsheet(MOT, ",")),
    "opensim with semicolons": ("opensim", spreadsheet(MOT, ";", ",")),
    "opensim under other names": ("opensim", MOT_NAMES.encode()),
    "opensim vectors": ("opensim", VECTORS.encode()),
    "loadsol": ("loadsol", loadsol_text(30).encode()),
    "loadsol with commas": ("loadsol", spreadsheet(loadsol_text(30, imu=False), ",")),
    "loadsol with semicolons": ("loadsol", spreadsheet(loadsol_text(30), ";", ",")),
}
REAL = {
    "bmclab_bmc/data/walk2.trc": "trc",
    "btkdata/Input/TRCSamples/UpperLimbStatic.trc": "trc",
    "bmclab_bmc/data/opensim/grf_run.mot": "opensim",
    "nimblephysics/data/osim/HamnerMultipleTrials/run200_ik.mot": "opensim",
    "opensim_core/OpenSim/Common/Test/std_cop_walking2_grfs.sto": "opensim",
    "bmclab_bmc/data/walk2.forces": "cortex",
    "opensim_core/OpenSim/Tests/shared/IMUData/Xsens/MT46_01-000_00B42D4D.txt": "xsens",
    "opensim_core/OpenSim/Tests/shared/IMUData/Xsens/MT_012005D6-000_sit_to_stand-000_00B421ED.txt": "xsens",
    "opensim_core/OpenSim/Tests/shared/IMUData/APDM/apdm_format7.csv": "apdm",
}


def flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 30))):
        data[chance.randrange(len(data))] = chance.randrange(256)


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def drop(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 7, 200))]


def repeat(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    data[start:start] = data[start : start + chance.choice((1, 40, 400))]


def huge(data: bytearray, chance: random.Random) -> None:
    """Put an absurd number where a number stands."""
    text = chance.choice((b"1e308", b"-1e29", b"99999999999999999999", b"inf", b"nan", b"1e-320", b"0x10", b"--5", b""))
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    at = chance.choice(digits) if digits else 0
    end = at
    while end < len(data) and data[end] in b"0123456789.":
        end += 1
    data[at:end] = text


def lose_column(data: bytearray, chance: random.Random) -> None:
    """Delete one cell of one line, or the same cell of every line."""
    lines = bytes(data).split(b"\n")
    separator = max((b"\t", b",", b";"), key=bytes(data).count)
    column = chance.randrange(1 + lines[len(lines) // 2].count(separator))
    chosen = range(len(lines)) if chance.random() < 0.5 else [chance.randrange(len(lines))]
    for i in chosen:
        cells = lines[i].split(separator)
        if column < len(cells):
            del cells[column]
            lines[i] = separator.join(cells)
    data[:] = b"\n".join(lines)


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip,
    cut,
    drop,
    repeat,
    huge,
    lose_column,
)


def mutated(data: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2))):
        if changed:
            chance.choice(MUTATIONS)(changed, chance)
    return bytes(changed)


def check(recording: Recording) -> None:
    """What a reader hands over must be finite or missing, in order, and of sane length."""
    for name, data in recording.streams.items():
        stamps = data["time"].values
        assert np.isfinite(stamps).all(), name
        assert (np.diff(stamps) >= 0).all(), name
        assert stamps.size < 1_000_000, name
        assert 0 <= data.attrs["rate_hz"] < 1e9, name
        for channel, item in data.data_vars.items():
            assert not np.isinf(item.values).any(), (name, channel)


def attempt(reader: Reader, path: Path, options: ReadOptions) -> bool:
    """Read with no safety net around the reader; return whether the file was taken."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recording = reader.read(path, options)
    except BadInputError as error:
        text = str(error)
        if not text or "\n" in text:
            pytest.fail(f"the refusal is not one line: {text!r}")
        return False
    finally:
        assert time.perf_counter() - start < SECONDS_PER_FILE
    check(recording)
    return True


def fuzz(tmp_path: Path, name: str, data: bytes, seeds: range) -> None:
    reader = next(r for r in all_readers() if r.name == name)
    path = tmp_path / f"mutated{reader.suffixes[0]}"
    options = ReadOptions(rate_hz=100) if name == "xsens" else ReadOptions()
    path.write_bytes(data)
    assert attempt(reader, path, options), "the file as it is must be read"
    for seed in seeds:
        path.write_bytes(mutated(data, seed))
        try:
            attempt(reader, path, options)
            if path.stat().st_size:
                head = read_head(path)
                assert all(0 <= r.sniff(head).score <= 1 for r in all_readers())
        except Exception as error:
            pytest.fail(f"seed {seed}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("title", SEEDS)
def test_mutated_small_files(tmp_path: Path, title: str) -> None:
    name, data = SEEDS[title]
    fuzz(tmp_path, name, data, range(8 * TRIES))


@pytest.mark.recordings
@pytest.mark.parametrize("relative", REAL)
def test_mutated_real_files(tmp_path: Path, relative: str) -> None:
    path = DATA / relative
    if not path.exists():
        pytest.skip(f"{relative} of ../shared/data is not here")
    fuzz(tmp_path, REAL[relative], path.read_bytes(), range(1000, 1000 + TRIES))


BINARY = ("xdf", "xdf with a clock reset", "grfrec")


# Not lines of bytes that begin with a number
ENCODED = ("csv in UTF-16", "csv with quoted decimal commas")


@pytest.mark.parametrize("title", [t for t in SEEDS if t not in (*BINARY, *ENCODED)])
def test_every_cut_inside_the_header_is_refused(tmp_path: Path, title: str) -> None:
    """A file that ends before its first complete row of numbers holds nothing."""
    name, data = SEEDS[title]
    reader = next(r for r in all_readers() if r.name == name)
    rows = data.split(b"\n")
    first = next(i for i, row in enumerate(rows) if row[:1].isdigit() and b"[" not in row)
    header = sum(len(row) + 1 for row in rows[:first])
    path = tmp_path / "cut.txt"
    for length in range(0, header + 1, 3):
        path.write_bytes(data[:length])
        assert not attempt(reader, path, ReadOptions()), length


@pytest.mark.parametrize("title", [t for t in SEEDS if t not in (*BINARY, *ENCODED, "csv with decimal comma")])
def test_a_cell_lost_from_one_row_is_refused(tmp_path: Path, title: str) -> None:
    """Values that slide into a neighbour's column are worse than a refusal."""
    name, data = SEEDS[title]
    reader = next(r for r in all_readers() if r.name == name)
    separator = max((b"\t", b";", b","), key=data.count)
    lines = data.rstrip(b"\n").split(b"\n")
    path = tmp_path / "lost.txt"
    for line in (len(lines) - 1, len(lines) - 2):
        cells = lines[line].split(separator)
        for column in range(len(cells)):
            changed = separator.join(cells[:column] + cells[column + 1 :])
            path.write_bytes(b"\n".join([*lines[:line], changed, *lines[line + 1 :]]) + b"\n")
            assert not attempt(reader, path, ReadOptions()), (line, column)
