"""How could the counts of a C3D mislead? More frames than 16 bits count, parts of longer trials, bytes left."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from c3d_bytes import c3d_bytes
from c3d_files import build, loads, platform, read_bytes
from grfkit.errors import BadInputError
from grfkit.formats.c3d import parse_c3d
from grfkit.formats.c3d_params import BLOCK

LONG = 70_000


def numbered(frames: int = LONG, **more: object) -> bytes:
    """Return a file of one point whose x is the number of its frame."""
    points = np.zeros((frames, 1, 3)) + np.arange(1, frames + 1)[:, None, None]
    return c3d_bytes(points, np.empty((frames, 0)), point_rate_hz=100.0, **more)  # type: ignore[arg-type]


def counted(data: bytes, last: int, frames: int) -> bytes:
    """Return the file with another last frame in its header and another POINT:FRAMES (both 16 bits)."""
    at = data.index(b"FRAMES") + 6 + 2 + 3
    data = data[:at] + struct.pack("<H", frames) + data[at + 2 :]
    return data[:8] + struct.pack("<H", last) + data[10:]


@pytest.mark.parametrize("frames", [LONG, 65_536, 65_536 + 3, 2 * 65_536 + 7])
def test_frames_that_began_again_at_zero_are_all_read_and_noted(frames: int) -> None:
    file = parse_c3d(counted(numbered(frames), frames % 65_536, frames % 65_536))
    assert file.points[:, 0, 0] == pytest.approx(np.arange(1, frames + 1))
    assert any(f"{frames} float frames" in note for note in file.notes) or frames == 65_536


def test_frames_of_analog_channels_alone_that_began_again_are_read() -> None:
    values = np.arange(3.0 * LONG).reshape(-1, 3)
    data = c3d_bytes(np.empty((LONG, 0, 3)), values, point_rate_hz=100.0)
    file = parse_c3d(counted(data, LONG % 65_536, LONG % 65_536))
    assert np.array_equal(file.analog, values)
    assert file.notes


def test_a_count_that_stopped_at_its_largest_number_gives_way_to_the_size_of_the_file() -> None:
    file = parse_c3d(counted(numbered(), 65_535, 32_767))
    assert file.points[:LONG, 0, 0] == pytest.approx(np.arange(1, LONG + 1))
    assert file.points.shape[0] - LONG < BLOCK // 16
    assert np.isnan(file.points[LONG:]).all()
    assert any("fill the file: these are read" in note for note in file.notes)


def test_the_first_frame_of_a_late_part_is_taken_from_the_long_field() -> None:
    words = np.asarray([80_000 - 65_536, 1], np.uint16).view(np.int16)
    end = np.asarray([80_099 - 65_536, 1], np.uint16).view(np.int16)
    fields = {"TRIAL": {"ACTUAL_START_FIELD": words, "ACTUAL_END_FIELD": end}}
    wrapped = parse_c3d(numbered(100, first_frame=80_000 - 65_536, groups=fields))
    capped = parse_c3d(numbered(100, first_frame=65_535, groups=fields))
    assert wrapped.start_s == capped.start_s == pytest.approx(799.99)


def test_bytes_that_no_count_explains_are_noted() -> None:
    assert parse_c3d(numbered(100) + b"\0" * 5_000).notes == ()
    file = parse_c3d(numbered(100) + b"\0" * 4_990 + b"0123456789")
    assert file.points.shape[0] == 100
    assert any(note.startswith("5") and "are not read; export it again" in note for note in file.notes)


def test_a_header_that_counts_channels_in_place_of_values_is_read_by_its_rates(tmp_path: Path) -> None:
    data = build()
    file = parse_c3d(data[:4] + struct.pack("<H", 6) + data[6:])
    assert np.array_equal(file.analog, parse_c3d(data).analog)
    assert file.analog_rate_hz == pytest.approx(1000.0)
    halved = data[:18] + struct.pack("<H", 5) + data[20:]  # 12 channels of 5 samples: the file holds 6 of 10
    recording = read_bytes(tmp_path, halved)
    assert recording.streams["plate_1"].fz.values[300] == pytest.approx(-700.0)
    assert any("header states 5 analog samples per frame" in note for note in recording.notes)


def test_values_that_are_no_whole_channels_are_still_refused_where_nothing_else_is_stated() -> None:
    data = c3d_bytes(np.ones((5, 1, 3)), np.ones((50, 3)), point_rate_hz=100.0, analog_per_frame=10)
    broken = (data[:4] + struct.pack("<H", 7) + data[6:]).replace(b"RATE", b"RETE")
    with pytest.raises(BadInputError, match="7 analog values per frame cannot be 10 samples"):
        parse_c3d(broken)


@pytest.mark.parametrize(
    ("first_frame", "zero", "expected_n", "words"),
    [
        (401, [1, 10], 12.0, "expected first and last of frames 401 to 460: it is ignored (the file is a part"),
        (401, [401, 410], 0.0, "ZERO frames 401-410 (mean Fz 12.0 N) are subtracted"),
        (401, [395, 410], 12.0, "it is ignored"),
        (401, [1, 0], 12.0, None),
        (1, [1, 10], 0.0, "ZERO frames 1-10 (mean Fz 12.0 N) are subtracted"),
    ],
)
def test_zero_counts_the_frames_of_the_trial(
    tmp_path: Path, first_frame: int, zero: list[int], expected_n: float, words: str | None
) -> None:
    groups = {"FORCE_PLATFORM": platform(ZERO=np.asarray(zero, np.int16))}
    analog = np.add(loads(), [0, 0, 12.0, 0, 0, 0])
    recording = read_bytes(tmp_path, build(analog, groups=groups, first_frame=first_frame))
    assert recording.streams["plate_1"].fz.values[:100] == pytest.approx(-expected_n, abs=1e-3)
    assert any(words in n for n in recording.notes) if words else not any("ZERO" in n for n in recording.notes)


def test_coordinates_with_a_negative_residual_are_left_out_aloud(tmp_path: Path) -> None:
    points = np.ones((60, 2, 3)) * [[100.0], [200.0]]
    points[40:, 1] = np.nan
    data = bytearray(c3d_bytes(points, np.empty((60, 0)), point_rate_hz=100.0, point_labels=["HIP", "HEEL"]))
    start = (struct.unpack_from("<H", data, 16)[0] - 1) * BLOCK
    for frame in range(10):
        struct.pack_into("<f", data, start + frame * 32 + 12, -1.0)
    recording = read_bytes(tmp_path, bytes(data))
    position = recording.streams["landmarks"].position
    assert np.isnan(position.sel(landmark="HIP").values[:10]).all()
    assert position.sel(landmark="HIP").values[10:] == pytest.approx(0.1)
    assert recording.notes == (
        "10 positions of 1 points have coordinates but a negative residual, by which C3D marks them as invalid:"
        " left out (HIP)",
    )


def test_zeros_before_the_header_are_skipped_aloud(tmp_path: Path) -> None:
    recording = read_bytes(tmp_path, b"\0" * 37 + build())
    assert recording.streams["plate_1"].fz.values[300] == pytest.approx(-700.0)
    assert "37 zero bytes stand before the C3D header and are skipped" in recording.notes


def rotations(**more: object) -> dict[str, dict[str, object]]:
    group = {
        "USED": np.asarray([2], np.int16),
        "LABELS": ["pelvis_4X4", "foot_4X4"],
        "RATIO": np.asarray([1], np.int16),
    }
    return {"ROTATION": {**group, "RATE": np.asarray([100.0]), **more}}


@pytest.mark.parametrize("start", [{}, {"DATA_START": np.asarray([0], np.int16)}, {"DATA_START": np.asarray([9999])}])
def test_rotations_that_cannot_be_found_cost_no_point(start: dict[str, object]) -> None:
    file = parse_c3d(numbered(100, groups=rotations(**start)))
    assert file.points[:, 0, 0] == pytest.approx(np.arange(1, 101))
    assert file.rotations.size == 0
    assert any("rotations are left out" in note for note in file.notes)


def test_a_file_of_rotations_alone_is_refused_where_they_cannot_be_found() -> None:
    with pytest.raises(BadInputError, match="is cut or broken: 100 frames of 2 rotations"):
        parse_c3d(c3d_bytes(np.empty((100, 0, 3)), np.empty((100, 0)), point_rate_hz=100.0, groups=rotations()))
