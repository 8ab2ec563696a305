"""Vicon Nexus' ASCII export (CSV or tab text): sections, each with a rate, three header rows and rows by frame.

``Devices`` (force plates, EMG, other analog channels), ``Trajectories``, ``Model Outputs``, ``Joints``, ``Segments``:
a line with that name, a line with the rate in Hz, a row of names (blank where the name to the left goes on), a row of
components that starts with ``Frame,Sub Frame``, a row of units. ``Devices`` has several sub frames a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .header_rows import HeaderLayout, cells_of, read_header
from .rows import is_number
from .text import decimal_sign, parse_table
from .timing import HIGHEST_RATE_HZ

DEVICES, TRAJECTORIES = "Devices", "Trajectories"
SECTIONS = (DEVICES, TRAJECTORIES, "Model Outputs", "Joints", "Segments")
EVENTS = "Events"
"""A section of another form: it is passed over."""
_FRAME, _SUB_FRAME = "Frame", "Sub Frame"
# Rates of two sections agree within this share; chosen by hand: they are printed
_SAME_RATE = 1e-3
# Sub frames of a frame at most, chosen by hand: 50 kHz beside a camera of 50 Hz
_MOST_SUB_FRAMES = 1000


@dataclass(frozen=True)
class NexusSection:
    """A section: its kind, rate, and for each column name, component, unit ("" if none or unknown) and values.

    Attributes
    ----------
    frame_rate_hz
        Of the frames that the section counts; ``rate_hz`` divided by the sub frames of a frame.
    time
        Shape (samples,), s; frame 1 is time 0 in every section.
    table
        Shape (samples, columns), NaN where a cell is empty.
    """

    kind: str
    rate_hz: float
    frame_rate_hz: float
    names: list[str]
    components: list[str]
    units: list[str]
    time: Floats
    table: Floats
    notes: list[str]

    @property
    def labels(self) -> list[str]:
        """Return name and component of each column as one: ``FP1 - Force: Fx``."""
        return [f"{name}: {part}" if name else part for name, part in zip(self.names, self.components)]


def section_starts(lines: list[str]) -> list[tuple[int, str]]:
    """Return the index and the kind of each section: its name alone in a line, a number alone in the next."""
    starts = []
    for index, line in enumerate(lines[:-1]):
        kind = line.strip().strip(",;\t").strip('"')
        if kind in (*SECTIONS, EVENTS) and is_number(lines[index + 1].strip().strip(',;\t"')):
            starts.append((index, kind))
    return starts


def parse_nexus(text: str) -> list[NexusSection]:
    """Return the sections of an export, events left out.

    Raises
    ------
    BadInputError
        If there is none, a header is incomplete, a row is damaged, frames go back or stand, or rates contradict.
    """
    lines = text.splitlines()
    starts = section_starts(lines)
    if all(kind == EVENTS for _, kind in starts):
        raise BadInputError(f"has no section ({', '.join(SECTIONS)}) with a rate in the line below its name")
    ended = text.endswith(("\n", "\r"))
    ends = [index for index, _ in starts[1:]] + [len(lines)]
    sections = [
        _section(lines[:end], begin, kind, line_ended=ended or end < len(lines))
        for (begin, kind), end in zip(starts, ends)
        if kind != EVENTS
    ]
    _check_rates(sections)
    return sections


def _section(lines: list[str], begin: int, kind: str, *, line_ended: bool) -> NexusSection:
    rate = float(lines[begin + 1].strip().strip(',;\t"'))
    if not 0 < rate < HIGHEST_RATE_HZ:
        raise BadInputError(f"line {begin + 2} states {rate:g} Hz for its {kind}, expected a rate in Hz above 0")
    if len(lines) <= begin + 5:
        raise BadInputError(f"ends inside the header of its {kind} (line {begin + 1}); it was cut off")
    components = lines[begin + 3]
    separator = next((s for s in "\t;," if s in components), "")
    if not separator or cells_of(components, separator)[:2] != [_FRAME, _SUB_FRAME]:
        raise BadInputError(f"line {begin + 4} does not start with '{_FRAME}' and '{_SUB_FRAME}' as its {kind} should")
    header = read_header(lines, HeaderLayout(begin + 2, 2, True), separator=separator)
    body = lines[header.end :]
    blank = next((i for i, line in enumerate(body) if not line.strip(" \t,;")), len(body))
    if any(line.strip(" \t,;") for line in body[blank:]):
        at = header.end + blank + 1
        raise BadInputError(f"line {at} is empty inside its {kind}; the file is damaged there, or of another format")
    rows = body[:blank]
    parsed = parse_table(
        rows,
        columns=header.names,
        separator=separator,
        first_line=header.end + 1,
        decimal=decimal_sign(rows, separator),
        line_ended=line_ended or blank < len(body),
    )
    index, per = _samples(parsed.values[:, :2], header.end + 1, kind)
    pairs = [label.rpartition(": ") for label in header.names[2:]]
    return NexusSection(
        kind=kind,
        rate_hz=rate,
        frame_rate_hz=rate / per,
        names=[name for name, _, _ in pairs],
        components=[part for _, _, part in pairs],
        units=header.units[2:],
        time=index / rate,
        table=parsed.values[:, 2:],
        notes=[f"{kind}: {note}" for note in (*header.notes, *parsed.notes)],
    )


def _samples(counted: Floats, first_line: int, kind: str) -> tuple[Floats, int]:
    """Return the number of each sample, 0 for the first of frame 1, and the samples a frame."""
    frame, sub = counted[:, 0], np.nan_to_num(counted[:, 1])
    bad = ~((frame == np.floor(frame)) & (np.abs(frame) < 1e9) & (sub == np.floor(sub)) & (sub >= 0))
    bad |= sub >= _MOST_SUB_FRAMES
    if bad.any():
        raise BadInputError(f"line {first_line + int(bad.argmax())} of its {kind} has no frame or sub frame number")
    per = int(sub.max()) + 1
    index = (frame - 1) * per + sub
    back = np.flatnonzero(np.diff(index) <= 0)
    if back.size:
        raise BadInputError(
            f"line {first_line + int(back[0]) + 1} of its {kind}: the frame does not follow the one before"
        )
    return np.asarray(index, dtype=np.float64), per


def _check_rates(sections: list[NexusSection]) -> None:
    """Refuse sections whose frames are of two lengths: their times would not be of one clock."""
    first = sections[0]
    for other in sections[1:]:
        if abs(other.frame_rate_hz / first.frame_rate_hz - 1) > _SAME_RATE:
            raise BadInputError(
                f"its {first.kind} have {first.frame_rate_hz:g} frames a second, its {other.kind}"
                f" {other.frame_rate_hz:g}; a rate or the sub frames are damaged"
            )
