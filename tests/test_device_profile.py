"""The profile's bytes: one table, and whatever is cut, longer or unknown is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit import wire
from grfkit.errors import BadInputError
from grfkit.wire import (
    Answer,
    ControlError,
    Get,
    Info,
    Request,
    Running,
    Set,
    SettingKey,
    Start,
    Status,
    Stop,
    Stream,
    Tare,
    TimeReply,
    TimeRequest,
    parse_request,
    samples_per_packet,
)

TABLE: list[tuple[object, str]] = [
    (Info(1, 16, 12, 16, 2000, 0xDEADBEEF), "010001100c001000d007efbeadde"),
    (Running(3, 5, 200, 5000), "0305c80088130000"),
    (TimeRequest(7, 0x0102030405060708), "070807060504030201"),
    (TimeReply(7, 0x0102030405060708, 0xFFFFFFFE, 1), "070807060504030201feffffff01000000"),
    (Answer(1, Status.BUSY, b"\x09"), "810409"),
]
REQUESTS: list[tuple[Request, str]] = [
    (Start(Stream.SENSOR | Stream.STANCE, 200), "0105c800"),
    (Stop(), "02"),
    (Get(), "03"),
    (Tare(), "04"),
    (Set.of(SettingKey.MASS, 72.5), "0501521c0000"),
    (Set.of(SettingKey.SLOPE, -3.5), "0503a2feffff"),
]


@pytest.mark.parametrize(("value", "content"), TABLE)
def test_bytes_are_those_of_the_table(value: object, content: str) -> None:
    assert value.to_bytes().hex() == content  # type: ignore[attr-defined]
    assert type(value).from_bytes(bytes.fromhex(content)) == value  # type: ignore[attr-defined]


@pytest.mark.parametrize(("request_", "content"), REQUESTS)
def test_requests_are_those_of_the_table(request_: Request, content: str) -> None:
    assert request_.to_bytes().hex() == content
    assert parse_request(bytes.fromhex(content)) == request_


def test_attributes_are_numbered_on_one_base() -> None:
    found = [wire.SERVICE, wire.INFO, wire.CONTROL_POINT, wire.SENSOR_DATA, wire.GRF_DATA]
    assert [u[4:8] for u in [*found, wire.TIME_SYNC]] == [f"000{k}" for k in range(1, 7)]
    assert {u[:4] + u[8:] for u in found} == {"2f7a-9c3e-4b1d-8a65-5d0f3e71c6b2"}


@pytest.mark.parametrize(("mtu", "count"), [(23, 0), (58, 0), (59, 1), (64, 1), (185, 3), (234, 4), (235, 5), (517, 5)])
def test_a_packet_holds_what_the_mtu_lets_it(mtu: int, count: int) -> None:
    assert samples_per_packet(mtu) == count
    assert 12 + 44 * count <= mtu - 3 or count == 0


@pytest.mark.parametrize(("value", "content"), TABLE[:4])
def test_cut_or_longer_is_refused_but_info_may_grow(value: object, content: str) -> None:
    whole = bytes.fromhex(content)
    for length in range(len(whole)):
        with pytest.raises(BadInputError, match="bytes, expected"):
            type(value).from_bytes(whole[:length])  # type: ignore[attr-defined]
    if isinstance(value, Info):
        assert Info.from_bytes(whole + b"more") == value
    else:
        with pytest.raises(BadInputError, match="bytes, expected"):
            type(value).from_bytes(whole + b"\0")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("", Status.UNKNOWN_OP),
        ("06", Status.UNKNOWN_OP),
        ("81", Status.UNKNOWN_OP),
        ("0100c800", Status.BAD_PARAMETER),
        ("0108c800", Status.BAD_PARAMETER),
        ("01010000", Status.BAD_PARAMETER),
        ("0101c8", Status.BAD_PARAMETER),
        ("0200", Status.BAD_PARAMETER),
        ("050400000000", Status.BAD_PARAMETER),
        ("0501000000", Status.BAD_PARAMETER),
    ],
)
def test_a_bad_request_tells_the_status_to_answer(content: str, status: Status) -> None:
    with pytest.raises(ControlError) as caught:
        parse_request(bytes.fromhex(content))
    assert caught.value.status == status


@given(st.binary(max_size=24))
def test_no_bytes_end_in_another_error(content: bytes) -> None:
    for parse in (Info.from_bytes, Running.from_bytes, Answer.from_bytes, TimeRequest.from_bytes, TimeReply.from_bytes):
        with contextlib.suppress(BadInputError):
            assert content.startswith(parse(content).to_bytes())
    with contextlib.suppress(ControlError):
        assert parse_request(content).to_bytes() == content


@pytest.mark.parametrize(
    "wrong", ["020001100c001000d007efbeadde", "010002100c001000d007efbeadde", "010001080c001000d007efbeadde"]
)
def test_info_of_another_profile_foot_or_insole_is_refused(wrong: str) -> None:
    with pytest.raises(BadInputError, match="expected"):
        Info.from_bytes(bytes.fromhex(wrong))


def test_get_answers_info_that_may_grow_and_what_runs() -> None:
    info, running = Info(0), Running(1, 5, 100, 10000)
    assert wire.state_from_bytes(wire.state_to_bytes(info, running)) == (info, running)
    assert wire.state_from_bytes(wire.state_to_bytes(info, None)) == (info, None)
    grown = info.to_bytes() + b"new field" + running.to_bytes()
    assert wire.state_from_bytes(grown) == (info, running)


def test_what_does_not_fit_its_field_is_refused() -> None:
    with pytest.raises(BadInputError, match="does not fit"):
        Set(SettingKey.MASS, 1 << 31).to_bytes()
    with pytest.raises(BadInputError, match="does not fit"):
        Start(Stream.SENSOR, 70000).to_bytes()
