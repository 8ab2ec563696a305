"""Packets: one table of bytes holds C and Python; whatever is not a packet is refused by both."""

from __future__ import annotations

import ctypes
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from firmware_c import pointer, probes
from grfkit import wire
from grfkit.errors import BadInputError

CELLS = np.asarray([[k * 4096 + k for k in range(16)]], dtype=np.uint16)
IMU = np.asarray([[-32768, 32767, -1, 1, 0, 256]], dtype=np.int16)
SENSOR = (
    "11 03 34 12 78 56 34 12 cd ab 01 07"  # version 1, type 1, right, dropped, sequence 0x1234 and so on
    " 00 00 01 10 02 20 03 30 04 40 05 50 06 60 07 70 08 80 09 90 0a a0 0b b0 0c c0 0d d0 0e e0 0f f0"
    " 00 80 ff 7f ff ff 01 00 00 00 00 01"
)
SAMPLES = (
    "12 1c ff ff ff ff ff ff 00 80 02 ff"  # type 2: time jump, saturated, tared; sequence and time at their ends
    " f6 ff 14 00 88 13 e7 03 19 fc"  # -1 N, 2 N, 1000 N, 99.9 mm, -99.9 mm
    " 00 80 ff 7f 00 00 00 00 01 00"
)
# 3 points of forward and up: offset 0.5 and scale 0.25; offset 1 and scale 0.0078125
CURVE = np.asarray([[-2, 0], [4, 127], [1, -128]], dtype=np.int8)
REPORT = (
    "ef be ad de c4 09 03 05 02 01"  # model 0xdeadbeef, 250.0 ms, 3 points, axes 1 | 4, 2 missed, peak at point 1
    " c8 07 2b 0c 00 00 dc 05 00 00"  # peak 1.992 BW, impulse 0.3115 BW s, braking 0.0, propulsion 1.5 BW
    " 00 00 00 3f 00 00 80 3e 00 00 80 3f 00 00 00 3c"
    " fe 00 04 7f 01 80"
)
FRAGMENTS = (
    "13 01 ff ff 04 03 02 01 06 05 1d 09 08 07 00 02 ef be ad de c4 09 03 05 02 01 c8 07 2b 0c 00 00 dc 05 00 00 00 00"
    " 00 3f 00 00 80 3e 00",
    "13 01 00 00 04 03 02 01 06 05 0d 09 08 07 01 02 00 80 3f 00 00 00 3c fe 00 04 7f 01 80",
)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return probes(tmp_path_factory.mktemp("probes"))


def _sensor() -> wire.SensorPacket:
    header = wire.PacketHeader(wire.SENSOR, 0x1234, 0x12345678, 0xABCD, 1, 7, right=True, dropped=True)
    return wire.SensorPacket(header, CELLS, IMU)


def _samples() -> wire.SamplesPacket:
    header = wire.PacketHeader(
        wire.SAMPLES, 65535, 2**32 - 1, 0x8000, 2, 255, time_jump=True, saturated=True, tared=True
    )
    force = np.asarray([[-1.0, 2.0, 1000.0], [-3276.8, 3276.7, 0.0]])
    return wire.SamplesPacket(header, force, np.asarray([[99.9, -99.9], [0.0, 0.1]]))


def _report() -> wire.StanceReport:
    impulse = 0.25 * (1 + 0.0078125 * (0 + 2 * 127 - 128) / 4)
    features = (1 + 0.0078125 * 127, impulse, 0.0, 1.5)
    return wire.StanceReport(0xDEADBEEF, 0.25, 5, 2, 1, *features, (0.5, 1.0), (0.25, 0.0078125), CURVE)


def test_python_writes_the_table():
    assert _sensor().to_bytes().hex(" ") == SENSOR
    assert _samples().to_bytes().hex(" ") == SAMPLES
    assert _report().to_bytes().hex(" ") == REPORT


def test_c_writes_the_table(library):
    to = np.zeros(2048, dtype=np.uint8)
    head = np.asarray([1, 3, 0x1234, 0x12345678, 0xABCD, 1, 7], dtype=np.uint32)
    rows = np.concatenate([CELLS.astype(np.int32), IMU.astype(np.int32)], axis=1)
    size = library.probe_samples(pointer(head), pointer(rows), pointer(to), ctypes.c_size_t(to.size))
    assert to[:size].tobytes().hex(" ") == SENSOR
    head = np.asarray([2, 0x1C, 65535, 2**32 - 1, 0x8000, 2, 255], dtype=np.uint32)
    rows = np.asarray([[-10, 20, 5000, 999, -999], [-32768, 32767, 0, 0, 1]], dtype=np.int32)
    size = library.probe_samples(pointer(head), pointer(rows), pointer(to), ctypes.c_size_t(to.size))
    assert to[:size].tobytes().hex(" ") == SAMPLES


def _report_c(library: ctypes.CDLL, room: int, report: wire.StanceReport) -> bytes:
    """What C sends of a report's curves; features are its own."""
    offset, scale = (np.zeros(3, dtype=np.float32) for _ in range(2))
    sent = report.curve.shape[1]
    offset[:sent], scale[:sent] = report.offset_bw, report.scale_bw
    to = np.zeros(65536, dtype=np.uint8)
    numbers = (report.model_id, round(report.contact_s * 1e4), len(report.curve), report.axes, report.missed)
    size = library.probe_report(
        *(ctypes.c_uint32(n) for n in numbers),
        pointer(offset),
        pointer(scale),
        pointer(np.ascontiguousarray(report.curve)),
        ctypes.c_uint32(room),
        pointer(to),
    )
    assert size >= 0
    return to[:size].tobytes()


def test_c_and_python_cut_a_stance_into_the_tables_fragments(library):
    header = wire.PacketHeader(wire.STANCE, 65535, 0x01020304, 0x0506, 0, 9, right=True)
    pieces = wire.fragments(_bytes(REPORT), header, 0x0708, room=45)
    assert tuple(p.to_bytes().hex(" ") for p in pieces) == FRAGMENTS
    assert _report_c(library, 45, _report()) == b"".join(map(_bytes, FRAGMENTS))


def test_python_reads_the_table():
    sensor, samples = wire.SensorPacket.from_bytes(_bytes(SENSOR)), wire.SamplesPacket.from_bytes(_bytes(SAMPLES))
    assert sensor.header == _sensor().header
    np.testing.assert_array_equal(sensor.cells, CELLS)
    np.testing.assert_array_equal(sensor.imu, IMU)
    np.testing.assert_allclose(samples.force_n, _samples().force_n)
    np.testing.assert_allclose(samples.cop_mm, _samples().cop_mm)
    report = wire.joined([wire.Fragment.from_bytes(_bytes(f)) for f in reversed(FRAGMENTS)])
    assert report is not None
    np.testing.assert_allclose(report.force_bw[:, 1], [1.0, 1.9921875, 0.0])
    assert (report.peak_point, report.peak_bw, report.propulsion_bw, report.missed) == (1, 1.992, 1.5, 2)
    assert report.impulse_bw_s == pytest.approx(trapezoid(report.force_bw[:, 1], dx=0.125), abs=5e-5)


@pytest.mark.parametrize("text", [SENSOR, SAMPLES, *FRAGMENTS])
def test_c_reads_and_writes_the_table_again(library, text):
    content = np.frombuffer(_bytes(text), dtype=np.uint8).copy()
    to = np.zeros(16384, dtype=np.uint8)
    told = (pointer(content), ctypes.c_size_t(content.size), pointer(to), ctypes.c_size_t(to.size))
    assert library.probe_packet(*told) == 1


def _python_takes(content: bytes) -> bool:
    for kind in (wire.SensorPacket, wire.SamplesPacket, wire.Fragment):
        try:
            return kind.from_bytes(content).header.type > 0
        except BadInputError:
            continue
    return False


@given(st.sampled_from([SENSOR, SAMPLES, *FRAGMENTS]), st.integers(0, 15), st.integers(0, 255), st.integers(-3, 3))
def test_c_and_python_take_the_same_packets(library, text, place, value, longer):
    content = bytearray(_bytes(text))
    content[place] = value
    content = content[: len(content) + longer] + bytes(max(longer, 0))
    raw, to = np.frombuffer(bytes(content), dtype=np.uint8).copy(), np.zeros(16384, dtype=np.uint8)
    told = (pointer(raw), ctypes.c_size_t(raw.size), pointer(to), ctypes.c_size_t(to.size))
    assert (library.probe_packet(*told) == 1) == _python_takes(bytes(content))


@given(st.integers(1, 3), st.integers(2, 255), st.integers(17, 260), st.integers(0, 2**32), st.booleans())
def test_any_stance_survives_any_mtu(library, sent, points, room, seed, backwards):
    rng = np.random.default_rng(seed)
    axes = int(rng.choice({1: [1, 2, 4], 2: [3, 5, 6], 3: [7]}[sent]))
    curve = rng.integers(-128, 128, (points, sent)).astype(np.int8)
    offset = tuple(float(np.float32(v)) for v in rng.uniform(-1, 2, sent))
    scale = tuple(float(np.float32(v)) for v in rng.uniform(0.001, 0.02, sent))
    report = wire.StanceReport(1, 0.3, axes, 0, 0, 0.0, 0.0, 0.0, 0.0, offset, scale, curve)
    whole = report.to_bytes()
    header = wire.PacketHeader(wire.STANCE, 65530, 5, 6, 0, 7)
    if -(-len(whole) // min(255, room - 16)) > 255:
        with pytest.raises(BadInputError, match="does not fit packets"):
            wire.fragments(whole, header, 3, room=room)
        return
    pieces = wire.fragments(whole, header, 3, room=room)
    assert all(len(p.to_bytes()) <= room for p in pieces)
    back = [wire.Fragment.from_bytes(p.to_bytes()) for p in (pieces[::-1] if backwards else pieces)]
    assert wire.joined(back[1:]) is None
    joined = wire.joined(back)
    assert joined is not None
    assert joined.to_bytes() == whole
    mine = _report_c(library, room, report)
    assert len(mine) == sum(len(p.to_bytes()) for p in pieces)
    _features_hold(mine, pieces, report)


def _features_hold(mine: bytes, pieces: list[wire.Fragment], report: wire.StanceReport) -> None:
    """C's features against numpy's."""
    content, parts = mine, []
    for piece in pieces:
        parts.append(wire.Fragment.from_bytes(content[: len(piece.to_bytes())]))
        content = content[len(piece.to_bytes()) :]
    found = wire.joined(parts)
    assert found is not None
    force = found.force_bw
    np.testing.assert_array_equal(found.curve, report.curve)
    if report.axes & 4:
        up = force[:, -1]
        assert found.peak_bw == pytest.approx(up.max(), abs=6e-4)
        assert up[found.peak_point] == up.max()
        due = trapezoid(up, dx=report.contact_s / (len(up) - 1))
        assert found.impulse_bw_s == pytest.approx(due, abs=6e-5)
    if report.axes & 1:
        assert (found.braking_bw, found.propulsion_bw) == pytest.approx(
            (force[:, 0].min(), force[:, 0].max()), abs=6e-4
        )


def test_fragments_of_two_stances_and_broken_reports_are_refused():
    a, b = (wire.Fragment.from_bytes(_bytes(f)) for f in FRAGMENTS)
    with pytest.raises(BadInputError, match="fragments of 2 stances"):
        wire.joined([a, dataclasses.replace(b, stance_id=9)])
    assert wire.joined([]) is None
    with pytest.raises(BadInputError, match="a stance of 3 points and axes 5 has 41 bytes, expected 42"):
        wire.StanceReport.from_bytes(_bytes(REPORT)[:-1])
    broken = bytearray(_bytes(REPORT))
    broken[20:24] = b"\x00\x00\x80\x7f"
    with pytest.raises(BadInputError, match="not finite"):
        wire.StanceReport.from_bytes(bytes(broken))
    with pytest.raises(BadInputError, match=r"opens with 0x21; expected version 1 and type 1, 2 or 3"):
        wire.PacketHeader.from_bytes(b"\x21" + _bytes(SENSOR)[1:])
    with pytest.raises(BadInputError, match="does not fit"):
        wire.PacketHeader(wire.SENSOR, 70000, 0, 0, 1, 0).to_bytes()
