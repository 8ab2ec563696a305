"""The C runtime's serial frames against the host's, byte for byte: what is sent, what comes, what is broken."""

from __future__ import annotations

import ctypes
import random
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("cobs")

from firmware_c import need_compiler, need_flags
from grfkit.device.link import Characteristic
from grfkit.device.serial_port import LONGEST_FRAME, Deframer, framed
from grfkit.embedded.compile import RUNTIME, compiler

ROOM = LONGEST_FRAME


class State(ctypes.Structure):
    """``grf_deframer_t``."""

    _fields_ = [
        ("held", ctypes.c_void_p),
        ("room", ctypes.c_size_t),
        ("count", ctypes.c_size_t),
        ("broken", ctypes.c_uint32),
        ("overlong", ctypes.c_uint8),
    ]


class Frames:
    """grf_frame.c, compiled with the sanitizer of undefined behaviour."""

    def __init__(self, folder: Path) -> None:
        library = folder / "frame.so"
        command = [str(compiler()), "-std=c99", "-O1", "-fPIC", "-shared", str(RUNTIME / "grf_frame.c")]
        traps = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
        need_flags(command[0], *traps, folder=folder)
        subprocess.run([*command, *traps, "-o", str(library)], capture_output=True, check=True)
        self.c = ctypes.CDLL(str(library))
        self.c.grf_frame_crc.restype = ctypes.c_uint16
        for name in ("encode", "decode"):
            getattr(self.c, f"grf_frame_{name}").restype = ctypes.c_size_t
        self.c.grf_deframer_push.restype = ctypes.c_size_t

    def encoded(self, content: bytes, room: int | None = None) -> bytes:
        worst = len(content) + 2 + (len(content) + 2) // 254 + 2
        to = ctypes.create_string_buffer(worst)
        size = ctypes.c_size_t(worst if room is None else room)
        written = self.c.grf_frame_encode(content, ctypes.c_size_t(len(content)), to, size)
        return to.raw[:written]

    def decoded(self, frame: bytes) -> bytes:
        to = ctypes.create_string_buffer(len(frame) + 1)
        count = ctypes.c_size_t(len(frame))
        written = self.c.grf_frame_decode(frame, count, to, count)
        return to.raw[:written]

    def pushed(self, line: bytes, room: int = ROOM) -> tuple[list[bytes], int]:
        """Return the contents that came of a line's bytes, and how many frames were broken."""
        state, held = State(), ctypes.create_string_buffer(room)
        self.c.grf_deframer_start(ctypes.byref(state), held, ctypes.c_size_t(room))
        found = []
        for byte in line:
            size = self.c.grf_deframer_push(ctypes.byref(state), ctypes.c_uint8(byte))
            if size:
                found.append(held.raw[:size])
        return found, state.broken


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    need_compiler()
    return Frames(tmp_path_factory.mktemp("frame"))


def contents(count: int, seed: int) -> list[bytes]:
    """Packets of any length whose first byte is one of the profile's; many zeros, and runs longer than a block."""
    one = random.Random(seed)
    firsts = [2, 3, 6, 0x11, 0x12, 0x13]
    made = []
    for k in range(count):
        size = one.choice([1, 2, 12, 56, 232, 244, 252, 253, 254, 255, 256, 507, 508, 509, 560])
        kind = k % 4
        body = {
            0: lambda n: one.randbytes(n),
            1: lambda n: bytes(n),
            2: lambda n: bytes(one.choice([0, 7]) for _ in range(n)),
            3: lambda n: bytes(one.randrange(1, 256) for _ in range(n)),
        }[kind](size - 1)
        made.append(bytes([one.choice(firsts)]) + body)
    return made


def as_host(value: tuple[Characteristic, bytes]) -> bytes:
    """The content that the host's deframer took apart."""
    kind, body = value
    return body if kind in (Characteristic.SENSOR_DATA, Characteristic.GRF_DATA) else bytes([kind]) + body


def test_the_check_value_of_the_crc(frames: Frames) -> None:
    assert frames.c.grf_frame_crc(b"123456789", ctypes.c_size_t(9)) == 0x29B1
    assert frames.c.grf_frame_crc(b"", ctypes.c_size_t(0)) == 0xFFFF


def test_frames_are_the_hosts_byte_for_byte(frames: Frames) -> None:
    for content in contents(800, 1):
        sent = frames.encoded(content)
        assert sent == framed(content)
        assert frames.decoded(sent[:-1]) == content
    value = b"\x01\x02\0\xff"
    assert frames.encoded(b"\x03" + value) == framed(value, Characteristic.CONTROL_POINT)


def test_too_little_room_and_no_content_are_refused(frames: Frames) -> None:
    assert frames.encoded(b"") == b""
    assert frames.encoded(b"\x11" * 40, room=43) == b""
    assert frames.encoded(b"\x11" * 40, room=44) == framed(b"\x11" * 40)
    assert frames.decoded(b"") == b""


def test_a_line_gives_both_ends_the_same_contents_and_the_same_count_of_broken_ones(frames: Frames) -> None:
    """Flipped, cut, joined, overlong, zeros between; whatever the host takes the device takes, and nothing else."""
    one = random.Random(2)
    taken = broken = 0
    for content in contents(1500, 3):
        line = bytearray(framed(content))
        what = one.randrange(6)
        if what == 0:
            line[one.randrange(len(line))] ^= 1 << one.randrange(8)
        elif what == 1:
            del line[one.randrange(len(line))]
        elif what == 2:
            line[:0] = one.randbytes(one.randrange(1, 40)) + b"\0" * one.randrange(3)
        elif what == 3:
            line[:0] = bytes(one.randrange(1, 256) for _ in range(one.choice([500, 599, 600, 601, 1300])))
        elif what == 4:
            line.insert(one.randrange(len(line) + 1), one.randrange(256))
        line += framed(b"\x11 whole")
        host = Deframer()
        expected = [as_host(value) for value in host.feed(bytes(line))]
        assert frames.pushed(bytes(line)) == (expected, host.broken)
        taken, broken = taken + len(expected), broken + host.broken
    assert taken > 1500
    assert broken > 500


def test_a_small_memory_holds_what_fits_and_no_more(frames: Frames) -> None:
    line = framed(b"\x02" * 20) + framed(b"\x03abc") + framed(b"\x02" * 21) + framed(b"\x06")
    assert frames.pushed(line, room=23) == ([b"\x02" * 20, b"\x03abc", b"\x06"], 1)
    assert frames.pushed(line, room=0) == ([], 4)
