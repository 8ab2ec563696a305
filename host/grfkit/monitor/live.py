"""One foot while it streams: samples gathered into batches, contacts found, and each answered by who can."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..device.session import GrfSamples, ReceivedStance, Samples, Session, TimedItem
from ..embedded.cutter import StanceCutter, StanceWindow
from ..errors import BadInputError
from ..wire import Info, SettingKey
from .live_contact import Contact, of_report
from .live_load import Load, Tare, Times
from .live_model import LiveModel
from .live_track import Track
from .messages import Batch

__all__ = ["Asked", "Batches", "Foot"]

Rows = tuple[NDArray[np.uint16], NDArray[np.int16]]
_KEPT_S = 4.0
_MOST_MISSING = 200
"""More missing samples than these change nothing: the contact under way is lost."""
_MOST_IN_BATCH = 4096
_GRF_LATE_S = 0.5
_BRIDGED_S = 0.03
"""So much missing is bridged by a straight line on the host: one packet at 200 Hz, not at 100 Hz."""


@dataclass(frozen=True)
class Asked:
    """A stance that a model on the host has to answer."""

    cut: StanceWindow
    start_s: float
    arrival_ns: int


@dataclass
class Batches:
    """Samples since the last batch, in pieces between which samples are missing; time rises over all of them."""

    device: int
    last_s: float = -np.inf
    pieces: list[tuple[bool, list[Floats], list[Floats]]] = field(default_factory=list)

    def add(self, time_s: Floats, columns: Floats, *, gap: bool) -> None:
        """Take samples: times (n,), columns (m, n)."""
        full = bool(self.pieces) and sum(map(len, self.pieces[-1][1])) >= _MOST_IN_BATCH
        if gap or full or not self.pieces:
            self.pieces.append((gap, [], []))
        rising = np.maximum.accumulate(time_s)
        least = self.last_s + 1e-5 * np.arange(1, len(rising) + 1)
        rising = np.maximum(rising, least) if np.isfinite(self.last_s) else rising
        self.last_s = float(rising[-1])
        self.pieces[-1][1].append(rising)
        self.pieces[-1][2].append(columns)

    def taken(self, sent_s: float, origin_s: float) -> list[Batch]:
        """Return what has gathered, with times since ``origin_s``."""
        pieces, self.pieces = self.pieces, []
        return [
            Batch(
                self.device,
                np.concatenate(times) - origin_s,
                np.concatenate(columns, axis=1).astype(np.float32),
                sent_s,
                gap,
            )
            for gap, times, columns in pieces
        ]


class Foot:
    """What comes of one station's samples.

    Who answers a stance: the insole itself where it sends type 3 and a bundle on the host does not contradict it, else
    a model on the host, else nobody (the sum of the cells is shown).

    Parameters
    ----------
    told
        What SET told; read at each stance.
    track
        Contacts of the cells in their order, whoever answers them.
    forces_due
        Whether GRF samples (type 2) are to come: the first samples wait for them, so that no curve has two units.
    era
        One more whenever what was shown before is not to be averaged with what comes: a tare, another mass.
    shown, asked
        Called with each contact that is known, and with each that a model on the host has to answer.
    refused
        Called with why a stance of the insole was not taken.
    """

    def __init__(
        self,
        device: int,
        host: LiveModel | None,
        told: Mapping[SettingKey, float],
        *,
        shown: Callable[[Contact], None],
        asked: Callable[[Asked], None],
        refused: Callable[[str], None],
    ) -> None:
        self.device, self._host, self._told = device, host, told
        self._shown, self._asked, self._refused = shown, asked, refused
        self.batches = Batches(device)
        self.refused: dict[str, int] = {}
        self.force_unit, self.estimate = "count", None if host is None else host.name
        self.uncertainty_ms: float | None = None
        self.last_sample_s: float | None = None
        self.tare: Tare | None = None
        self.track, self.era, self.forces_due = Track(), 0, False
        self._info: Info | None = None
        self._times: Times | None = None
        self._load: Load | None = None
        self._cutter: StanceCutter | None = None
        self._cells_shown = False
        self._before: Samples | None = None
        self._epoch = 0
        self._grf: deque[tuple[float, float]] = deque(maxlen=2000)
        self._waiting: deque[tuple[Floats, Floats, bool]] = deque()
        self._pending_gap = self._sends = self._grf_broken = False

    @property
    def by_device(self) -> bool:
        """Return whether the insole's own stances are taken."""
        info, host = self._info, self._host
        own = info is not None and self._sends and bool(info.model_id)
        return own and (host is None or (info is not None and host.model_id == info.model_id))

    def began(self, session: Session, gap: int | None, *, sends: bool) -> None:
        """Begin anew with a session, in which the insole ``sends`` stances or not; the unloaded level stays."""
        self._sends = sends
        running, self._info = session.running, session.info
        rate = running.rate_hz
        self.tare = self.tare or Tare(rate, session.info.adc_bits)
        self._times = Times(round(_KEPT_S * rate), running.period_us * 1e-6)
        if self._load is not None:
            self._load.forget("the insole was started anew")
        self._load, self._cutter, self._before = self._found_in(rate, self._times), None, None
        self._pending_gap, self._grf_broken, self._epoch = bool(gap), True, 0
        self._cells_shown = False
        host, told = self._host, self._info.model_id
        if self.by_device:
            self.estimate = f"device {told:08x}"
            return
        if told and host is not None and host.model_id is not None:
            self._refused(
                f"the insole runs model {told:08x}, the bundle '{host.name}' is {host.model_id:08x}: its stances are"
                " refused and the host answers; put one bundle on both"
            )
        self._cells_shown = host is None
        if host is None:
            self.estimate = None
            return
        self.estimate = host.name
        try:
            self._cutter = host.cutter(self._info, rate, self._told)
        except BadInputError as error:
            self.estimate, self._cells_shown = None, True
            self._refused(f"{error}; contacts are of the cells alone")

    def _found_in(self, rate_hz: int, times: Times) -> Load | None:
        """Return what finds contacts in the cells; None, and told, at a rate that it cannot work at."""
        try:
            return Load(rate_hz, times, self.track)
        except BadInputError as error:
            self._refused(f"{error}: samples are shown and recorded, contacts are not looked for")
            self.track.broke(f"no contacts are looked for at {rate_hz} Hz", -np.inf)
            return None

    def tared(self) -> None:
        """Take the last quiet samples as unloaded."""
        self.era += 1
        if self.tare is not None:
            self.tare.now()
        if self._load is not None:
            self._load.forget("the insole was tared")

    def took(self, placed: TimedItem, arrival_ns: int) -> None:
        """Take what a packet held."""
        item = placed.item
        self.uncertainty_ms = placed.uncertainty_ms if np.isfinite(placed.uncertainty_ms) else None
        if isinstance(item, ReceivedStance):
            self._stance(item, placed, arrival_ns)
        elif isinstance(item, GrfSamples):
            if item.missing or self._grf_broken:
                self._grf.append((float(placed.host_s[0]) - 1e-6, np.nan))  # no line is drawn over what is missing
            self._grf_broken = False
            self._grf.extend(zip(placed.host_s.tolist(), item.force_n[:, 2].tolist()))
            self.force_unit = "N"
            self._release()
        else:
            self._samples(item, placed, arrival_ns)

    def _stance(self, item: ReceivedStance, placed: TimedItem, arrival_ns: int) -> None:
        said, info = item.report.model_id, self._info
        if not self.by_device or info is None or said != info.model_id:
            self.refused["model_id"] = self.refused.get("model_id", 0) + 1
            if info is not None and said != info.model_id:
                self._refused(f"a stance of model {said:08x} came, Info tells {info.model_id:08x}: it is refused")
            return
        half = self._host.half_width_bw if self._host else {}
        self._shown(of_report(item.report, float(placed.host_s[0]), arrival_ns, half))

    def _samples(self, item: Samples, placed: TimedItem, arrival_ns: int) -> None:
        times, tare, load = self._times, self.tare, self._load
        if times is None or tare is None:
            return
        if item.epoch != self._epoch:
            self._epoch, self._before = item.epoch, None
            if load is not None:
                load.forget("the insole's clock jumped")
        missing = min(item.missing, _MOST_MISSING) if times.count else 0
        line = self._line(missing, item)
        if missing:
            times.miss(missing)
        times.push(placed.host_s)
        tare.push(item.cells)
        self.last_sample_s = float(placed.host_s[-1])
        if line is not None:
            self._judge(line, arrival_ns, bridged=True)
        elif missing:
            for one in (load, self._cutter):
                if one is not None:
                    one.miss(missing)
        self._judge((item.cells, item.imu), arrival_ns)
        self._before = item
        gap = self._pending_gap or item.missing > 0
        self._pending_gap = False
        self._waiting.append((placed.host_s, (item.cells - tare.level).T, gap))
        self._release()

    def _line(self, missing: int, item: Samples) -> Rows | None:
        """Return a straight line over a short gap; None where there is no gap, or one too long."""
        before, running = self._before, self._times
        if not missing or before is None or running is None or missing * running.period_s > _BRIDGED_S:
            return None
        share = np.arange(1, missing + 1)[:, None] / (missing + 1)
        ends = [(one.cells, one.imu) for one in (before, item)]
        cells, imu = (a[-1] + share * (b[0].astype(np.float64) - a[-1]) for a, b in zip(*ends))
        return np.rint(cells).astype(np.uint16), np.rint(imu).astype(np.int16)

    def _judge(self, rows: Rows, arrival_ns: int, *, bridged: bool = False) -> None:
        """Find contacts, and have them answered."""
        load, times, tare = self._load, self._times, self.tare
        if load is None or times is None or tare is None:
            return
        for contact in load.push(rows[0], tare.level, arrival_ns, bridged=bridged):
            if self._cells_shown:
                self._shown(contact)
        for cut in self._cutter.cuts(*rows) if self._cutter is not None else ():
            missed = cut.missed + load.bridged(cut.start, cut.start + cut.contact_s / times.period_s)
            self._asked(Asked(replace(cut, missed=missed), times.at(cut.start), arrival_ns))

    def _release(self) -> None:
        """Put samples into the batch: at once, or with the insole's own force once that has come for them."""
        newest = self.last_sample_s or 0.0
        while self._waiting:
            time_s, cells, gap = self._waiting[0]
            due = self._grf[-1][0] < time_s[-1] if self._grf else self.forces_due
            if due and newest - time_s[-1] < _GRF_LATE_S:
                return
            self._waiting.popleft()
            self.batches.add(time_s, np.vstack([self._force(time_s, cells), cells]), gap=gap)

    def _force(self, time_s: Floats, cells: Floats) -> Floats:
        if self.force_unit == "count":
            return np.asarray(cells.sum(axis=0))
        at, force = np.asarray(self._grf).T
        return np.asarray(np.interp(time_s, at, force, left=np.nan, right=np.nan))
