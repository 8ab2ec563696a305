"""How the data section of a C3D file is laid out: counts from header and parameters, checked against its size.

C3dHeader and parameters state most numbers twice. Where they contradict each other, the statement that fills the
file to its last block is taken; where none does, the file is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import BadInputError
from .c3d_params import BLOCK, C3dHeader, Parameters
from .timing import HIGHEST_RATE_HZ

# Header and POINT:FRAMES number frames with 16 bits: longer trials stop here or begin again at 0, and may say more in
# the parameters
_CAPPED_FRAME, _FRAME_NUMBERS = 65535, 65536
# Counts at which writers stop: the largest number of 16 bits, with and without sign
_CAPPED_COUNTS = (32767, 65535)
# Lowest rate (Hz) that is taken for one; chosen by hand
_LOWEST_HZ = 0.001
# Rates that differ by less than this share of the first are one rate: they are kept in single precision, and some
# writers round; chosen by hand
_SAME_RATE = 1e-3


@dataclass(frozen=True)
class C3dLayout:
    """Where the frames lie: each of ``points`` quads and ``channels`` times ``per_frame`` analog values.

    Attributes
    ----------
    start
        Byte of the first frame.
    word
        Bytes per value: 4 for floats, 2 for integers.
    """

    frames: int
    points: int
    channels: int
    per_frame: int
    start: int
    word: int

    @property
    def frame_words(self) -> int:
        """Return the values per frame."""
        return 4 * self.points + self.channels * self.per_frame

    @property
    def end(self) -> int:
        """Return the byte after the last frame."""
        return self.start + self.frames * self.frame_words * self.word


def find_layout(size: int, header: C3dHeader, parameters: Parameters) -> tuple[C3dLayout, list[str]]:
    """Return the layout that header and parameters state, and notes on their contradictions.

    Parameters
    ----------
    size
        Of the file in bytes.

    Raises
    ------
    BadInputError
        If the file is cut, holds no frame, or no statement fits it.
    """
    starts = _distinct(
        (block - 1) * BLOCK for block in (header.data_block, parameters.count("POINT", "DATA_START") or 0) if block > 1
    )
    if not starts or min(starts) > size:
        first = starts[0] if starts else 0
        raise BadInputError(f"is broken or cut: its data should start at byte {first}, it has {size} bytes")
    points = _distinct([header.points, _or(parameters.count("POINT", "USED"), header.points)])
    frames = frame_counts(header, parameters)
    if not frames:
        raise BadInputError(f"holds no frame (first {header.first_frame}, last {header.last_frame}); export it again")
    words = _word_sizes(header, parameters)
    stated, implied = _analog_counts(header, parameters)
    layouts, others = (
        [
            C3dLayout(n, p, channels, per_frame, start, word)
            for start, word, p, (channels, per_frame), n in itertools.product(starts, words, points, analog, frames)
        ]
        for analog in (stated, implied)
    )
    rotations = rotation_start(parameters)
    end = rotations if min(starts) < rotations <= size else size
    best, notes = _choose(layouts, others, end)
    if best.channels and best.per_frame != header.analog_per_frame:
        notes.append(
            f"the header states {header.analog_per_frame} analog samples per frame, ANALOG:USED and the rates state"
            f" {best.channels} channels of {best.per_frame}: these are read"
        )
    return best, notes


def bytes_left_note(data: bytes, layout: C3dLayout, parameters: Parameters) -> list[str]:
    """Return a note where more than zeros follow the last frame, and no rotations are stated there."""
    left = data[layout.end :]
    if len(left) < BLOCK or rotation_start(parameters) or not left.strip(b"\0"):
        return []
    return [
        f"{len(left)} bytes follow the last of the {layout.frames} frames that the file states and are not read;"
        " export it again if the trial should be longer"
    ]


def rotation_start(parameters: Parameters) -> int:
    """Return the byte where ROTATION:DATA_START says that Theia's matrices begin, 0 where it says nothing."""
    used = parameters.count("ROTATION", "USED") or 0
    block = parameters.count("ROTATION", "DATA_START") or 0
    return (block - 1) * BLOCK if used and block > 1 else 0


def frame_counts(header: C3dHeader, parameters: Parameters) -> list[int]:
    """Return the frame counts a file states, most trustworthy first: the header's stop at 65535."""
    stated = [header.last_frame - header.first_frame + 1]
    first, last = frame_field(parameters, "ACTUAL_START_FIELD"), frame_field(parameters, "ACTUAL_END_FIELD")
    long = [last - first + 1] if last >= first > 0 else []
    long += [n for key in ("LONG_FRAMES", "FRAMES") if (n := parameters.count("POINT", key) or 0)]
    ordered = long + stated if header.last_frame >= _CAPPED_FRAME else stated + long
    # counts that came to 0 are whole turns of 16 bits
    turned = [_FRAME_NUMBERS] if not any(n > 0 for n in ordered) and stated[0] % _FRAME_NUMBERS == 0 else []
    return _distinct([n for n in ordered if n > 0] + turned)


def frame_field(parameters: Parameters, name: str) -> int:
    """Return a 32-bit frame number kept as two 16-bit words in TRIAL, 0 where there is none."""
    words = parameters.numbers("TRIAL", name)
    if words.size < 2 or not np.isfinite(words[:2]).all() or np.abs(words[:2]).max() > _CAPPED_FRAME:
        return 0
    return (int(words[0]) & 0xFFFF) + 65536 * (int(words[1]) & 0xFFFF)


def first_frame_number(header: C3dHeader, parameters: Parameters) -> int:
    """Return the number of the first frame, from 1; beyond 65535 only TRIAL:ACTUAL_START_FIELD says it."""
    actual = frame_field(parameters, "ACTUAL_START_FIELD")
    wrapped = actual > _CAPPED_FRAME and header.first_frame in (actual % _FRAME_NUMBERS, _CAPPED_FRAME)
    return (actual if wrapped else header.first_frame or actual) or 1


def frame_rate_hz(
    header: C3dHeader, parameters: Parameters, layout: C3dLayout, fallback_hz: float | None
) -> tuple[float, list[str]]:
    """Return the frame rate on which most of header, POINT:RATE and ANALOG:RATE agree, and remarks.

    Raises
    ------
    BadInputError
        If none states a rate and none is given.
    """
    point = _first(parameters, "POINT", "RATE")
    analog = _first(parameters, "ANALOG", "RATE") / layout.per_frame if layout.channels else 0.0
    stated = [r for r in (point, header.rate_hz, analog) if np.isfinite(r) and _LOWEST_HZ < r < HIGHEST_RATE_HZ]
    if not stated and fallback_hz:
        return fallback_hz, []
    if not stated:
        raise BadInputError(f"states no frame rate (header {header.rate_hz:g} Hz); state one when reading it")
    votes = [sum(abs(a - b) <= _SAME_RATE * a for b in stated) for a in stated]
    rate = stated[int(np.argmax(votes))]
    if min(votes) == len(stated):
        return rate, []
    rates = ", ".join(f"{r:g}" for r in stated)
    return rate, [f"header and parameters state different frame rates ({rates} Hz): {rate:g} Hz is taken"]


def _choose(layouts: list[C3dLayout], others: list[C3dLayout], size: int) -> tuple[C3dLayout, list[str]]:
    """Return the layout that fills the file, and a note where that is not the header's.

    Parameters
    ----------
    layouts
        As stated, the header's first.
    others
        Layouts that only follow from other statements: taken where they fill the file and none of ``layouts`` does.
    size
        Byte at which the frames end.
    """
    fitting = [layout for layout in layouts if layout.end <= size]
    candidates = fitting + [layout for layout in others if layout.end <= size]
    # writers fill the file up to a whole block, so that the true layout ends in its last one
    exact = [layout for layout in candidates if size - layout.end < BLOCK]
    exact = exact or [longer for layout in candidates for longer in _longer(layout, size)]
    first = (layouts or others)[0]
    if not exact and not fitting:
        least = min(layouts or others, key=lambda layout: layout.end)
        room = max(0, size - least.start) // max(1, least.frame_words * least.word)
        raise BadInputError(
            f"is cut or broken: {_words(least)} need {least.end} bytes, the file has {size}"
            f" ({room} whole frames); copy or export it again"
        )
    other = next((layout for layout in layouts if _kind(layout) != _kind(first)), None)
    if other and not exact:
        raise BadInputError(
            f"contradicts itself: {_words(first)} from byte {first.start} in its header, {_words(other)} from"
            f" byte {other.start} in its parameters, and neither fills its {size} bytes; export it again"
        )
    best = (exact or fitting)[0]
    if best == first:
        return best, []
    return best, [
        f"the header states {_words(first)} from byte {first.start}, but {_words(best)} from byte"
        f" {best.start} fill the file: these are read"
    ]


def _longer(layout: C3dLayout, size: int) -> list[C3dLayout]:
    """Return the layout with more frames than 16 bits can count, where these fill the file; else nothing."""
    frame_bytes = layout.frame_words * layout.word
    if not frame_bytes or layout.end > size:
        return []
    turns = (size - layout.end) // (_FRAME_NUMBERS * frame_bytes)
    longer = replace(layout, frames=layout.frames + turns * _FRAME_NUMBERS)
    if turns and size - longer.end < BLOCK:
        return [longer]
    # a count that stopped at the largest number says nothing of the true one: the file's size does, to a block
    return [replace(layout, frames=(size - layout.start) // frame_bytes)] if layout.frames in _CAPPED_COUNTS else []


def _kind(layout: C3dLayout) -> tuple[int, int, int, int]:
    return layout.start, layout.word, layout.points, layout.channels


def _words(layout: C3dLayout) -> str:
    kind = "float" if layout.word == 4 else "integer"
    return f"{layout.frames} {kind} frames of {layout.points} points and {layout.channels} analog channels"


def _analog_counts(header: C3dHeader, parameters: Parameters) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return pairs of channels and samples per frame: as header and ANALOG:USED state them, and as the rates imply.

    Raises
    ------
    BadInputError
        If the header's analog values are no whole channels and the rates imply no whole number either.
    """
    words, per_frame, used = header.analog_words, header.analog_per_frame, parameters.count("ANALOG", "USED")
    rates = [_first(parameters, group, "RATE") for group in ("ANALOG", "POINT")]
    ratio = rates[0] / rates[1] if rates[1] > 0 and np.isfinite(rates).all() else 0.0
    # some writers count channels where the header counts values of a frame
    implied = [(used, round(ratio))] if used and 1 <= ratio < _FRAME_NUMBERS and ratio == round(ratio) else []
    whole = not words or (per_frame and not words % per_frame)
    if not whole and not implied:
        raise BadInputError(
            f"is broken: {words} analog values per frame cannot be {per_frame} samples per frame"
            f" of whole channels (ANALOG:USED is {used or 0})"
        )
    counted = words // per_frame if per_frame else 0
    stated = [(c, max(1, per_frame)) for c in _distinct([counted, _or(used, counted)])] if whole else []
    if implied and used and used != counted and used * round(ratio) == words:
        stated = implied  # as many values: channels and rates outvote the header's samples per frame
    return stated, [pair for pair in implied if pair not in stated]


def _word_sizes(header: C3dHeader, parameters: Parameters) -> list[int]:
    scales = [s for s in (header.scale, _first(parameters, "POINT", "SCALE")) if np.isfinite(s) and s != 0]
    # C3D: a negative scale says that the data are floats
    return _distinct(4 if scale < 0 else 2 for scale in scales) or [4, 2]


def _first(parameters: Parameters, group: str, name: str) -> float:
    stated = parameters.numbers(group, name)
    return float(stated[0]) if stated.size else 0.0


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _distinct(values: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(values))
