"""Reading back a recording with every kind of fault that recording counts: all that came is there, and it is told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grfkit import wire
from grfkit.device.replay import ReplayLink
from grfkit.formats import grfrec
from grfkit.formats.grfrec import Kind, Record, RecordFile
from grfkit.formats.packet_stream import REFUSALS, PacketCounts
from grfkit.io import read
from grfkit.io.inspect import inspect
from grfkit.io.readers.grfrec import _Content
from grfkit.wire import Stream
from live_files import PERIOD_US, ZERO_NS, Insole, write_recording

INSOLE = Insole(0, 0.0, 1_000_000, 0)
EACH, PACKETS = 5, 200
CELLS = np.arange(EACH * PACKETS)[:, None] % 4000 + np.arange(16)
IMU = np.zeros((EACH * PACKETS, 6), np.int64)
AT = 100
"""The packet that the fault meets."""


@dataclass
class Made:
    """A recording with one fault: its records, the rows with samples, and what the reader is to count."""

    records: list[Record]
    rows: int = EACH * PACKETS
    counts: dict[str, Any] | None = None
    torn: int = 0


def whole() -> list[Record]:
    return [INSOLE.begin(), *INSOLE.packets(CELLS, IMU, frozenset())]


def changed(at: int = AT, **header: Any) -> list[Record]:
    """Return a whole recording whose packet ``at`` has another header."""
    records = whole()
    packet = wire.SensorPacket.from_bytes(records[1 + at].body[1:])
    packet = replace(packet, header=replace(packet.header, **header))
    records[1 + at] = replace(records[1 + at], body=grfrec.packet_body(4, packet.to_bytes()))
    return records


def refused(records: list[Record], why: str, count: int = 1) -> Made:
    """Return a recording in which ``count`` packets are refused: they lack in the sequence too."""
    lost = {"packets_lost": count, "samples_lost": EACH * count}
    return Made(records, EACH * (PACKETS - count), {"refused": {why: count}, **lost})


def broken() -> Made:
    records = whole()
    for at in (AT, AT + 3):
        records[1 + at] = replace(records[1 + at], body=records[1 + at].body[:-1])
    return refused(records, "broken", 2)


def of_another_characteristic() -> Made:
    records = whole()
    records[1 + AT] = replace(records[1 + AT], body=b"\x05" + records[1 + AT].body[1:])
    return refused(records, "characteristic")


def lost(dropped: bool = False) -> Made:
    records = changed(AT + 1, dropped=True) if dropped else whole()
    del records[1 + AT]
    told = {"packets_lost": 1, "samples_lost": EACH}
    told |= {"packets_lost_device": 1, "samples_lost_device": EACH} if dropped else {}
    return Made(records, EACH * (PACKETS - 1), told)


def repeated() -> Made:
    records = whole()
    return Made([*records, replace(records[1 + AT], arrival_ns=records[1 + AT].arrival_ns + 1)], counts={"repeated": 1})


def clock_jumps(us: int) -> Made:
    """The insole says that its clock was set, and goes on."""
    records = whole()
    for at in range(AT, PACKETS):
        packet = wire.SensorPacket.from_bytes(records[1 + at].body[1:])
        header = replace(packet.header, time_us=(packet.header.time_us + us) & 0xFFFFFFFF, time_jump=at == AT)
        records[1 + at] = replace(
            records[1 + at], body=grfrec.packet_body(4, replace(packet, header=header).to_bytes())
        )
    return Made(records, counts={"time_jumps": 1})


def host_slept() -> Made:
    """The insole went on for five minutes, which the clock of arrivals does not count."""
    records = whole()
    for at in range(AT, PACKETS):
        packet = wire.SensorPacket.from_bytes(records[1 + at].body[1:])
        header = packet.header
        header = replace(
            header,
            time_us=header.time_us + 60_000 * PERIOD_US,
            counter=(header.counter + 60_000) & 0xFFFF,
            sequence=(header.sequence + 12_000) & 0xFFFF,
        )
        records[1 + at] = replace(
            records[1 + at], body=grfrec.packet_body(4, replace(packet, header=header).to_bytes())
        )
    return Made(records, counts={"host_sleeps": 1, "packets_lost": 12_000, "samples_lost": 60_000})


def forces(missing: bool) -> list[Record]:
    """Return GRF samples, ten in a packet, beside the raw ones."""
    records = []
    for k in range(20):
        header = wire.PacketHeader(wire.SAMPLES, k, INSOLE.clock_us + 10 * k * PERIOD_US, 10 * k, 10, 7)
        content = wire.SamplesPacket(header, np.ones((10, 3)), np.zeros((10, 2))).to_bytes()
        at = ZERO_NS + round(1e9 * (float(INSOLE.true_s(10 * k + 9)) + 0.009))
        if not missing or k != 7:
            records.append(Record(Kind.PACKET, at, 0, grfrec.packet_body(5, content)))
    return records


def stances(missing: bool) -> list[Record]:
    records = []
    report = wire.StanceReport(9, 0.25, 4, 0, 40, 2.4, 0.3, 0.0, 0.0, (0.0,), (0.01,), np.zeros((101, 1), np.int8))
    sequence = 0
    for number in range(4):
        first = 150 * (number + 1)
        header = wire.PacketHeader(wire.STANCE, sequence, INSOLE.clock_us + first * PERIOD_US, first, 1, 7)
        pieces = wire.fragments(report.to_bytes(), header, number, room=61)
        sequence += len(pieces)
        for piece in pieces if not missing or number != 1 else []:
            at = ZERO_NS + round(1e9 * (float(INSOLE.true_s(first + 60)) + 0.009))
            records.append(Record(Kind.PACKET, at, 0, grfrec.packet_body(5, piece.to_bytes())))
    return records


def stance_lost() -> Made:
    records = stances(missing=True)
    pieces = len(records) // 3
    return Made([*whole(), *records], counts={"stances_lost": 1, "packets_lost": pieces})


FAULTS: dict[str, Callable[[], Made]] = {
    "packets_lost": lost,
    "samples_lost": lost,
    "packets_lost_device": lambda: lost(dropped=True),
    "samples_lost_device": lambda: lost(dropped=True),
    "grf_samples_lost": lambda: Made(
        [*whole(), *forces(missing=True)], counts={"grf_samples_lost": 10, "packets_lost": 1}
    ),
    "stances_lost": stance_lost,
    "repeated": repeated,
    "time_jumps": lambda: clock_jumps(1_500_000),
    "host_sleeps": host_slept,
    "saturated": lambda: Made(changed(saturated=True), counts={"saturated": 1}),
    "refused broken": broken,
    "refused cfg_id": lambda: refused(changed(cfg_id=6), "cfg_id"),
    "refused side": lambda: refused(changed(right=True), "side"),
    "refused characteristic": of_another_characteristic,
    "refused implausible": lambda: refused(changed(counter=777), "implausible"),
    "orphans": lambda: Made([*whole(), replace(whole()[1], device=3)]),
    "lost": lambda: Made([*whole(), Record(Kind.LOST, ZERO_NS + 10**9, 0, grfrec.lost_body(3, "disk full"))]),
    "unknown": lambda: Made([*whole(), Record(77, ZERO_NS + 10**9, 0, b"of next year")]),
    "unreadable": lambda: Made([*whole(), Record(Kind.TIME_SYNC, ZERO_NS + 10**9, 0, b"short")]),
    "unread": lambda: Made(whole(), rows=EACH * (PACKETS - 1), torn=100),
}
GOOD = {"packets", "samples", "grf_samples", "stances", "refused"}
"""Fields of the counts that are no fault, and the one that lists its kinds."""


def test_no_kind_of_fault_is_forgotten() -> None:
    """A counter that is added to packets or to the reader needs a recording here."""
    counted = {field.name for field in fields(PacketCounts)} - GOOD
    counted |= {f"refused {why}" for why in REFUSALS}
    counted |= {field.name for field in fields(_Content) if field.type == "int"} | {"unread"}
    assert set(FAULTS) == counted


@pytest.mark.parametrize("fault", FAULTS)
def test_a_recording_with_this_fault_is_read_whole_and_the_fault_is_told(fault: str, tmp_path: Path) -> None:
    recording = FAULTS[fault]()
    path = tmp_path / "a.grfrec"
    content = write_recording(path, recording.records)
    if recording.torn:
        path.write_bytes(content[: -recording.torn])
    result = read(path)
    insole = result.streams["insole_left"]
    came = np.isfinite(insole["cell_01"].values)
    assert came.sum() == recording.rows
    assert set(insole["cell_01"].values[came]) <= set(CELLS[:, 0].astype(float))
    (session,) = json.loads(result.tree.attrs["sessions"])
    due = PacketCounts().to_dict() | {"refused": {}} | (recording.counts or {})
    told = {name: n for name, n in session["counts"].items() if name not in GOOD or name == "refused"}
    assert told == {name: n for name, n in due.items() if name in told}
    packets_lack = bool(due["packets_lost"])
    others = fault not in ("packets_lost", "samples_lost", "packets_lost_device", "samples_lost_device")
    assert len(result.notes) == 1 + packets_lack + others, "what is always said, and the fault"
    assert inspect(path).to_dict()["reader"] == "grfrec"


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_played_again_as_well(fault: str, tmp_path: Path) -> None:
    recording = FAULTS[fault]()
    path = tmp_path / "a.grfrec"
    content = write_recording(path, recording.records)
    if recording.torn:
        path.write_bytes(content[: -recording.torn])

    async def played() -> int:
        link = ReplayLink(path, device=0, speed=float("inf"))
        await link.connect()
        await link.start(Stream.SENSOR, 200)
        return len([packet async for packet in link.packets()])

    records = [r for r in recording.records if r.kind == Kind.PACKET and r.device == 0]
    assert asyncio.run(played()) == len(records) - bool(recording.torn)


@pytest.mark.parametrize("us", [-3_000_000, -1_000_000, -100_000, 100_000, 40_000_000, 1 << 31])
def test_a_clock_that_jumps_by_any_amount_costs_no_row(us: int, tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    write_recording(path, clock_jumps(us).records)
    insole = read(path).streams["insole_left"]
    assert np.array_equal(insole["cell_01"].values[np.isfinite(insole["cell_01"].values)], CELLS[:, 0])
    assert np.all(np.diff(insole["time"].values) >= 0)


def test_a_session_whose_beginning_cannot_be_read_costs_that_session_alone(tmp_path: Path) -> None:
    other = Insole(0, 0.0, 1_000_000, 0, start_s=8.0, connection=2)
    unreadable = replace(other.begin(), body=b'{"connection": 2}')
    path = tmp_path / "a.grfrec"
    write_recording(path, [*whole(), unreadable, *other.packets(CELLS[:100], IMU[:100], frozenset())])
    result = read(path)
    assert np.isfinite(result.streams["insole_left"]["cell_01"].values).sum() == len(CELLS)
    assert any("20 records outside of a session" in note for note in result.notes)
    assert any("1 records have a content that cannot be read" in note for note in result.notes)


def test_counts_are_added_and_written_down_without_loss() -> None:
    counts = PacketCounts(packets=3, refused=Counter({"side": 2}))
    both = counts + PacketCounts(packets=1, refused=Counter({"side": 1, "cfg_id": 4}))
    assert both.to_dict()["refused"] == {"side": 3, "cfg_id": 4}
    assert json.loads(json.dumps(both.to_dict())) == both.to_dict()


KINDS = ("lost", "broken", "cfg_id", "side", "characteristic", "saturated", "repeated")


def faulty(record: Record, fault: str) -> list[Record]:
    """Return what a recording holds in place of a packet that meets a fault."""
    packet = wire.SensorPacket.from_bytes(record.body[1:])
    header = {
        "cfg_id": {"cfg_id": 6},
        "side": {"right": True},
        "saturated": {"saturated": True},
    }.get(fault, {})
    content = replace(packet, header=replace(packet.header, **header)).to_bytes()
    body = grfrec.packet_body(5 if fault == "characteristic" else 4, content[:-1] if fault == "broken" else content)
    changed_record = replace(record, body=body)
    if fault == "lost":
        return []
    return [changed_record, changed_record] if fault == "repeated" else [changed_record]


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(st.integers(1, PACKETS - 2), st.sampled_from(KINDS), max_size=60),
    st.booleans(),
)
def test_any_mixture_of_faults_is_counted_and_costs_what_it_must(
    tmp_path_factory: pytest.TempPathFactory, faults: dict[int, str], again: bool
) -> None:
    """Every packet may meet a fault of its own; the last one is whole, so that what lacks before it is known."""
    begin, *packets = whole()
    records = [begin]
    for number, packet in enumerate(packets):
        records += faulty(packet, faults[number]) if number in faults else [packet]
    path = tmp_path_factory.getbasetemp() / "mixture.grfrec"
    write_recording(path, records)
    result = read(path)
    (session,) = json.loads(result.tree.attrs["sessions"])
    told = session["counts"]
    times = Counter(faults.values())
    gone = {k for k, fault in faults.items() if fault not in ("saturated", "repeated")}
    assert told["packets"] == PACKETS - len(gone)
    assert told["packets_lost"] == len(gone)
    assert told["samples_lost"] == EACH * len(gone)
    assert told["refused"] == {k: n for k, n in times.items() if k in REFUSALS}
    assert (told["repeated"], told["saturated"]) == (times["repeated"], times["saturated"])
    assert (told["time_jumps"], told["host_sleeps"]) == (0, 0)
    values = result.streams["insole_left"]["cell_01"].values
    due = CELLS[:, 0].astype(float).copy()
    for k in gone:
        due[EACH * k : EACH * (k + 1)] = np.nan
    assert np.array_equal(values, due, equal_nan=True)
    if again:
        # what a program wrote again from what it read is the same
        write_recording(path, list(RecordFile(path))[1:])
        assert json.loads(read(path).tree.attrs["sessions"]) == [session]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_header_of_any_bytes_is_read_or_refused_and_always_counted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes of headers are changed under a CRC that fits, as by an insole at fault: counts stay what JSON takes."""
    records = whole()
    for _ in range(data.draw(st.integers(1, 6))):
        k = data.draw(st.integers(1, PACKETS))
        body = bytearray(records[k].body)
        body[1 + data.draw(st.integers(0, 11))] = data.draw(st.integers(0, 255))
        records[k] = replace(records[k], body=bytes(body))
    path = tmp_path_factory.getbasetemp() / "headers.grfrec"
    write_recording(path, records)
    result = read(path)
    (session,) = json.loads(result.tree.attrs["sessions"])
    counts = session["counts"]
    taken = counts["packets"] + counts["repeated"] + sum(counts["refused"].values())
    assert taken == PACKETS, "each packet is taken, repeated or refused, and nothing else"
    insole = result.streams["insole_left"]
    assert np.isfinite(insole["cell_01"].values).sum() == counts["samples"]
    assert np.all(np.diff(insole["time"].values) >= 0)
    assert inspect(path).to_dict()["reader"] == "grfrec"
