"""Messages of the hub to whoever shows it (samples as bytes, all else as JSON), and the commands it takes.

One WebSocket carries both ways. Times are seconds of the server's monotonic clock since the hub began, as float64.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError

VERSION = 1
"""Of a batch's bytes; the page refuses another."""
Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")
State = Literal["scanning", "connecting", "streaming", "stopped", "reconnecting", "lost", "ended"]
ACTIONS = ("start", "stop", "tare", "mark", "note", "target", "clear", "set")
"""The commands of a page: stream, stop streaming, tare one foot or both, mark a moment, write a note, set the target of
biofeedback, forget the stances drawn so far, and send the insoles mass, speed and slope."""

_HEAD = struct.Struct("<BBHHHdd")
_GAP = 1
"""Bit of a batch's flags: samples are missing before it."""


@dataclass(frozen=True)
class SampleBatch:
    """Samples of one foot since the last batch.

    Bytes, little endian: version u8, device u8, samples n u16, columns m u16, flags u16, first time
    f64, time of sending f64, then n float32 of seconds after the first, then m columns of n float32.

    Attributes
    ----------
    device
        Place of the foot in :attr:`Snapshot.devices`; two feet of one runner are 0 and 1, another runner's 2 and 3.
    time_s
        Shape (n,), rising over all batches of one device.
    columns
        Shape (m, n): force first, then the cells; NaN where a sample is missing.
    gap
        Samples are missing before this batch.
    """

    device: int
    time_s: NDArray[np.float64]
    columns: NDArray[np.float32]
    sent_s: float
    gap: bool = False

    def to_bytes(self) -> bytes:
        """Return the message."""
        n, m = len(self.time_s), len(self.columns)
        first = float(self.time_s[0]) if n else 0.0
        head = _HEAD.pack(VERSION, self.device, n, m, _GAP * self.gap, first, self.sent_s)
        return head + (self.time_s - first).astype("<f4").tobytes() + self.columns.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> SampleBatch:
        """Return the batch.

        Raises
        ------
        BadInputError
            If it is of another version or not as long as its head says.
        """
        if len(content) < _HEAD.size:
            raise BadInputError(f"a batch of {len(content)} bytes is shorter than its head of {_HEAD.size}")
        version, device, n, m, flags, first, sent = _HEAD.unpack_from(content)
        if version != VERSION or len(content) != _HEAD.size + 4 * n * (m + 1):
            raise BadInputError(
                f"a batch of version {version} and {len(content)} bytes, expected {VERSION} and {n} samples"
            )
        floats = np.frombuffer(content, dtype="<f4", offset=_HEAD.size).reshape(m + 1, n)
        return cls(device, first + floats[0].astype(np.float64), floats[1:], sent, bool(flags & _GAP))


@dataclass(frozen=True)
class DeviceState:
    """One insole as it is now; None where it is not known."""

    device: int
    side: Side
    name: str
    address: str
    state: State
    reconnects: int = 0
    packets: int = 0
    packets_lost: int = 0
    samples: int = 0
    samples_lost: int = 0
    refused: int = 0
    stances: int = 0
    latency_ms: dict[str, float] = field(default_factory=dict)
    """p50 and p99 of arrival after the sample was taken, of the last minute."""
    data_age_ms: float | None = None
    clock_uncertainty_ms: float | None = None
    battery_percent: int | None = None
    rate_hz: float | None = None
    mtu: int | None = None
    force_unit: str = "count"
    """Of the batches' first column: ``count``, ``N`` or ``BW``."""
    estimate: str | None = None
    """Who estimates: ``device 1a2b3c4d``, or a model's or bundle's name; None for no estimate."""
    cadence_per_min: float | None = None
    """Steps of both feet: twice this foot's strides per minute, the median of those of the last ten seconds of which
    nothing is missing between their contacts."""
    cadence_why: str | None = None
    """Why there is no cadence; None where there is one."""
    contact_s: float | None = None
    peak: float | None = None
    loading_rate: float | None = None
    """Mean of the last complete stances; peak in ``stance_unit``, loading rate in it per second."""
    stance_unit: str = "count"
    problem: str | None = None
    loading_method: str = "VALR E"
    """Of the loading rate, as grfkit.gait names it: the mean slope from 3 to 12 % of the contact."""
    runner: int = 0
    """Which pair of feet it belongs to."""
    samples_lost_between: int = 0
    """The part of ``samples_lost`` that lies between connections."""
    refused_why: dict[str, int] = field(default_factory=dict)
    stances_bridged: int = 0
    """Stances of which samples are missing: drawn as such, in no mean, judged by no target."""
    stances_refused: dict[str, int] = field(default_factory=dict)
    """Refused contacts, counted by reason: ``faint``, ``samples lost``, ``too short``, ``too long``; and
    ``report lost`` for reports of the insole of which fragments are missing."""
    calibrated: str | None = None
    """Document by which the shown load, a sum of cells, is in newtons; the cells are then newtons too."""
    filmed: bool = False
    """No insole, but a foot in a film: samples are its pictures, and there are stances alone."""


@dataclass(frozen=True)
class Snapshot:
    """Everything but samples, twice a second and whenever something happens.

    Attributes
    ----------
    asymmetry_percent
        ``100 (left - right) / mean of both`` of the last whole stances of one time, per feature: ``contact_s``,
        ``peak``, ``loading_rate``; of another runner's pair ``2:contact_s`` and so on, by its first device.
    target
        Biofeedback: ``{"feature", "low", "high", "side", "within"}``; ``low`` or ``high`` may be None, ``within`` is by
        device (as text), None before a stance.
    """

    now_s: float
    devices: list[DeviceState]
    running: bool
    recording: dict[str, Any] | None = None
    """``{"path", "bytes", "seconds", "problem", "lost"}``."""
    asymmetry_percent: dict[str, float | None] = field(default_factory=dict)
    target: dict[str, Any] | None = None
    demo: bool = False
    replay: str | None = None
    film: str | None = None
    """Name of the film or camera whose walker is shown in place of insoles."""
    film_error: str | None = None
    """What the model of a film states of its error, and on what it was trained."""
    behind_s: float = 0.0
    """By how much this computer was late in the last seconds, from ``pace.BEHIND_S`` on; 0 where it keeps up."""
    stated: dict[str, float] = field(default_factory=dict)
    """What was stated of the runner and the treadmill: ``mass_kg``, ``speed_m_s``, ``slope_percent``."""

    def to_json(self) -> str:
        """Return the message."""
        return _to_json("state", asdict(self))


@dataclass(frozen=True)
class StanceShown:
    """One contact, to be laid over the last ones.

    Attributes
    ----------
    axes
        Curves of 101 points by axis: ``v ap ml`` in ``unit``; ``v`` alone where only the cells' sum is known.
    low, high
        Of the vertical curve, the calibrated interval; None where the model has none.
    source
        ``device``, ``host`` or ``cells`` (no model: the sum of the cells).
    features
        ``contact_s``, ``peak`` in ``unit``, ``impulse`` in it times s, ``loading_rate`` (``VALR E``) and ``vilr`` in it
        per s; where known ``flight_s`` before it, ``impact_peak``, ``braking``, ``propulsion``.
    missed
        Samples that are missing and bridged by a straight line (or repeated on the insole); not 0: no mean, no target.
    latency_ms
        From the arrival of the stance's last packet to this.
    era
        Stances of different ones are not averaged: there was a tare between them, or another mass was set.
    """

    device: int
    number: int
    start_s: float
    contact_s: float
    axes: dict[str, list[float]]
    unit: str
    source: Literal["device", "host", "cells"]
    features: dict[str, float]
    low: list[float] | None = None
    high: list[float] | None = None
    missed: int = 0
    latency_ms: float | None = None
    within: bool | None = None
    era: int = 0

    def to_json(self) -> str:
        """Return the message."""
        return _to_json("stance", asdict(self))


@dataclass(frozen=True)
class MonitorEvent:
    """A moment worth a line: ``mark note tare connected disconnected reconnected problem alert clear set target``."""

    kind: str
    time_s: float
    text: str = ""
    device: int | None = None

    def to_json(self) -> str:
        """Return the message."""
        return _to_json("event", asdict(self))


Message = SampleBatch | Snapshot | StanceShown | MonitorEvent


@dataclass(frozen=True)
class Command:
    """A command of a page; ``id`` comes back in the answer ``{"type": "answer", "id", "ok", "error"}``.

    Attributes
    ----------
    device
        For tare; None for all.
    arguments
        ``{"text"}`` for mark and note; ``{"feature", "low", "high"}`` (and ``"side"``) for target, empty to take it
        away; ``{"mass_kg", "speed_m_s", "slope_percent"}``, any of them, for set.
    """

    id: int
    action: str
    device: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Command:
        """Return the command.

        Raises
        ------
        BadInputError
            If it is none.
        """
        try:
            fields = json.loads(text)
            command = cls(
                int(fields["id"]), str(fields["action"]), fields.get("device"), dict(fields.get("arguments") or {})
            )
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BadInputError(f"what the page sent is no command: {error!r}") from error
        if command.action not in ACTIONS or not (command.device is None or isinstance(command.device, int)):
            raise BadInputError(
                f"'{command.action}' is no command of the monitor, expected one of {', '.join(ACTIONS)}"
            )
        return command


def _to_json(kind: str, content: dict[str, Any]) -> str:
    # NaN is no JSON, and browsers refuse it: better an error here; float() takes numpy's numbers
    return json.dumps({"type": kind, **content}, allow_nan=False, default=float)
