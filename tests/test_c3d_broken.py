"""How could a broken C3D do harm? A crash, a hang, a huge allocation, a traceback, numbers read askew."""

from __future__ import annotations

import random
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from c3d_files import DATA, build, loads, read_bytes
from grfkit import io
from grfkit.errors import BadInputError
from grfkit.formats.c3d import LARGEST_BYTES, parse_c3d
from grfkit.formats.c3d_params import floats, parse_header, parse_parameters
from grfkit.io.base import Head, ReadOptions
from grfkit.io.readers.c3d import READER

SMALL = ("btkdata/Input/C3DSamples/sample10/TYPE-4.C3D", "btkdata/Input/C3DSamples/sample02/sgi_real.c3d")
MUTANTS = 20


def _mutant(data: bytes, chance: random.Random) -> bytes:
    """Return the file with up to forty bytes changed, mostly in header and parameters; one in four cut."""
    changed = bytearray(data)
    if chance.random() < 0.25:
        del changed[chance.randrange(1, len(changed)) :]
    reach = min(len(changed), chance.choice([512, 6000, 6000, len(data)]))
    for _ in range(chance.choice([1, 2, 8, 40])):
        changed[chance.randrange(reach)] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
    return bytes(changed)


def _outcome(folder: Path, data: bytes) -> str:
    """Return the refusal's text, empty where the file was read."""
    try:
        read_bytes(folder, data)
    except BadInputError as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize("seed", range(4))
def test_no_mutant_ends_otherwise_than_read_or_refused_in_one_line(tmp_path: Path, seed: int) -> None:
    name = SMALL[seed % 2] if (DATA / SMALL[seed % 2]).exists() else None
    data = (DATA / name).read_bytes() if name else build(first_frame=3)
    chance = random.Random(seed)
    outcomes = []
    for _ in range(MUTANTS):
        outcomes.append(_outcome(tmp_path, _mutant(data, chance)))
    refusals = [text for text in outcomes if text]
    assert 0 < len(refusals) < MUTANTS
    assert all("\n" not in text and len(text) < 400 for text in refusals)


@pytest.mark.parametrize("size", [1, 2, 3, 100, 511, 512, 515, 600, 1024, 2000])
def test_a_file_cut_anywhere_is_refused(size: int) -> None:
    with pytest.raises(BadInputError):
        parse_c3d(build()[:size])


def test_a_file_cut_by_one_block_says_how_much_is_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"cut or broken: 60 float frames .* \(\d+ whole frames\); copy"):
        read_bytes(tmp_path, build()[:-1024])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"time,fz\n0,1\n", "byte 2 is not the C3D key"),
        (b"\x00" * 4096, "byte 2 is not the C3D key"),
        (b"\xff" * 4096, "byte 2 is not the C3D key"),
        (b"\x02\x50" + b"\x00" * 510, "its parameters should start at byte 512"),
        (b"\x02\x50" + b"\x00" * 4000, "processor type 0"),
        (b"\x02\x50" + b"\x00" * 512 + b"\x01\x54" + b"\x00" * 4000, "parameter section is empty"),
    ],
)
def test_what_is_no_c3d_is_refused_through_the_front_door(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "trial.c3d"
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=words) as refusal:
        io.read(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def test_a_c3d_under_another_name_is_found(tmp_path: Path) -> None:
    path = tmp_path / "trial.dat"
    path.write_bytes(build())
    assert "plate_1" in io.read(path).streams


def test_sniffing_needs_the_key() -> None:
    assert READER.sniff(Head(Path("a.c3d"), 4, b"\x02\x50\x00\x00", "")).score > 0.8
    assert READER.sniff(Head(Path("a.c3d"), 4, b"PK\x03\x04", "")).score == 0
    assert READER.sniff(Head(Path("a.txt"), 3000, b"XPOS\t" * 600, "XPOS\t" * 600)).score == 0


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.c3d"
    with open(path, "wb") as handle:
        handle.write(build())
        handle.truncate(LARGEST_BYTES + 1)
    with pytest.raises(BadInputError, match="more than 4 GB"):
        READER.read(path, ReadOptions())


def test_declared_sizes_beyond_the_file_are_refused_without_an_allocation(tmp_path: Path) -> None:
    huge = {"USED": np.asarray([60000]).astype(np.int16)}
    data = bytearray(build(groups={"POINT": huge, "ANALOG": huge}))
    struct.pack_into("<4H", data, 2, 60000, 60000, 1, 65535)
    with pytest.raises(BadInputError, match=r"cut or broken: 60 float frames of 60000 points"):
        read_bytes(tmp_path, bytes(data))


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (2, 1, "points"),  # one point fewer in the header than in POINT:USED
        (8, 30, "frames"),  # half the frames
        (16, 2, "from byte"),  # data block
        (12, struct.unpack("<H", struct.pack("<f", 0.1)[:2])[0], None),
    ],
)
def test_a_header_that_contradicts_its_parameters_yields_to_what_fills_the_file(
    tmp_path: Path, at: int, value: int, words: str | None
) -> None:
    data = bytearray(build())
    struct.pack_into("<H", data, at, value)
    recording = read_bytes(tmp_path, bytes(data))
    assert recording.streams["plate_1"].fz.values[300] == pytest.approx(-700.0)
    assert recording.streams["landmarks"].sizes["time"] == 60
    assert words is None or any(words in note for note in recording.notes)


def test_a_contradiction_that_nothing_resolves_is_refused(tmp_path: Path) -> None:
    data = bytearray(build() + b"\0" * 4096)
    struct.pack_into("<H", data, 2, 1)
    with pytest.raises(BadInputError, match="contradicts itself"):
        read_bytes(tmp_path, bytes(data))


def test_two_of_three_rates_win(tmp_path: Path) -> None:
    data = bytearray(build())
    struct.pack_into("<f", data, 20, 250.0)
    recording = read_bytes(tmp_path, bytes(data))
    assert recording.streams["plate_1"].attrs["rate_hz"] == pytest.approx(1000.0)
    assert any("different frame rates" in note for note in recording.notes)


def test_a_file_without_a_rate_takes_the_given_one(tmp_path: Path) -> None:
    data = build(point_rate_hz=0.0)
    with pytest.raises(BadInputError, match="states no frame rate"):
        read_bytes(tmp_path, data)
    assert read_bytes(tmp_path, data, rate_hz=200.0).streams["plate_1"].attrs["rate_hz"] == 2000.0


def test_samples_that_are_no_numbers_become_gaps(tmp_path: Path) -> None:
    analog = loads()
    analog[100, 2], analog[101, 2] = np.nan, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plate = read_bytes(tmp_path, build(analog)).streams["plate_1"]
    assert np.flatnonzero(np.isnan(plate.fz.values)).tolist() == [100, 101]
    assert plate.fz.values[300] == pytest.approx(-700.0)


def test_a_broken_parameter_that_nothing_needs_is_passed_over(tmp_path: Path) -> None:
    data = bytearray(build(groups={"SUBJECTS": {"NAMES": ["nobody"]}}))
    at = data.index(b"NAMES") + 5 + 2
    data[at] = 77
    assert "plate_1" in read_bytes(tmp_path, bytes(data)).streams


@pytest.mark.parametrize("value", [1.0, -2.5, 0.0, 1e-30, 65504.0])
def test_dec_floats(value: float) -> None:
    low, high = struct.unpack("<HH", struct.pack("<f", value * 4.0))
    assert floats(struct.pack("<HH", high, low), "dec")[0] == pytest.approx(value, rel=1e-6)


def test_parameters_say_what_they_hold() -> None:
    data = build()
    parameters = parse_parameters(data, parse_header(data))
    assert parameters.has("FORCE_PLATFORM", "CORNERS")
    assert not parameters.has("FORCE_PLATFORM", "NOTHING")
    assert parameters.array("FORCE_PLATFORM", "CORNERS").shape == (3, 4, 1)
    assert parameters.count("POINT", "LABELS") is None
