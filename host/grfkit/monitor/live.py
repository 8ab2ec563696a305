"""One foot while it streams: samples gathered into batches, contacts found, and each predicted by who can."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..device.session import GrfSamples, ReceivedStance, Samples, Session, TimedItem
from ..embedded.cutter import StanceCutter, StanceWindow
from ..errors import BadInputError
from ..records.calibrated import AS_RECORDED, other_ways
from ..wire import Info, SettingKey
from .live_calibration import NAMES, CellScale, LiveCalibration
from .live_contact import Contact, of_report
from .live_load import CellContacts, SampleTimes, TareLevel
from .live_model import LiveModel
from .live_track import Track
from .messages import SampleBatch

__all__ = ["BatchBuilder", "LiveFoot", "StanceRequest"]

Rows = tuple[NDArray[np.uint16], NDArray[np.int16]]
_TIMES_S = 4.0
"""Times of samples that are kept: a stance is predicted within 2 s (the longest contact) of its beginning."""
_MOST_MISSING = 200
"""More missing samples than these change nothing: the contact under way is lost."""
_MOST_IN_BATCH = 4096
"""Samples; a header of a batch counts to 65,535, and the hub takes what has gathered 15 times a second."""
_FORCE_WAIT_S = 0.5
"""Wait of samples for the insole's own force (type 2), which comes in another packet; after it they go without."""
_BRIDGED_S = 0.03
"""Longest gap that a straight line bridges on the host: one packet at 200 Hz, none at 100 Hz."""
_RISE_S = 1e-5
"""Times of a batch rise by this at least, far below a sample's period: a page draws them in order."""


@dataclass(frozen=True)
class StanceRequest:
    """A stance that a model on the host is to predict."""

    cut: StanceWindow
    start_s: float
    arrival_ns: int


@dataclass
class BatchBuilder:
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
        least = self.last_s + _RISE_S * np.arange(1, len(rising) + 1)
        rising = np.maximum(rising, least) if np.isfinite(self.last_s) else rising
        self.last_s = float(rising[-1])
        self.pieces[-1][1].append(rising)
        self.pieces[-1][2].append(columns)

    def take(self, sent_s: float, origin_s: float) -> list[SampleBatch]:
        """Return what has gathered, with times since ``origin_s``."""
        pieces, self.pieces = self.pieces, []
        return [
            SampleBatch(
                self.device,
                np.concatenate(times) - origin_s,
                np.concatenate(columns, axis=1).astype(np.float32),
                sent_s,
                gap,
            )
            for gap, times, columns in pieces
        ]


class LiveFoot:
    """One foot: the samples of one connection, and what is made of them.

    A stance is predicted by the insole itself where it sends type 3 and a bundle on the host does not contradict it,
    else by a model on the host, else by nobody (the sum of the cells is shown).

    Parameters
    ----------
    model
        On the host; None for none.
    set_values
        Mass, speed and slope, read at each stance.
    show, predict
        Called with each contact that is known, and with each stance that the model is to predict.
    refuse
        Called with the reason why a stance of the insole is refused.
    calibration, names
        Documents that turn the cells into newtons; the insole's name and address, which a document may be of.

    Attributes
    ----------
    track
        Contacts of the cells in their order, whoever predicts them.
    awaits_forces
        Whether GRF samples (type 2) are to come: the first samples wait for them, so that no curve has two units.
    era
        One more whenever what was shown before is not to be averaged with what comes: a tare, another mass.
    """

    def __init__(
        self,
        device: int,
        model: LiveModel | None,
        set_values: Mapping[SettingKey, float],
        *,
        show: Callable[[Contact], None],
        predict: Callable[[StanceRequest], None],
        refuse: Callable[[str], None],
        calibration: LiveCalibration | None = None,
        names: Sequence[str] = ("",),
    ) -> None:
        self._calibration, self._names = calibration, names
        self._scale: CellScale | None = None
        self._device_force = False
        self.device, self._model, self._set_values = device, model, set_values
        self._show, self._predict, self._refuse = show, predict, refuse
        self.batches = BatchBuilder(device)
        self.refused: dict[str, int] = {}
        self.force_unit, self.estimate = "count", None if model is None else model.name
        self.uncertainty_ms: float | None = None
        self.last_sample_s: float | None = None
        self.tare: TareLevel | None = None
        self.track, self.era, self.awaits_forces = Track(), 0, False
        self._info: Info | None = None
        self._times: SampleTimes | None = None
        self._contacts: CellContacts | None = None
        self._cutter: StanceCutter | None = None
        self._cells_shown = False
        self._before: Samples | None = None
        self._epoch = 0
        self._grf: deque[tuple[float, float]] = deque(maxlen=2000)
        self._waiting: deque[tuple[Floats, Floats, bool]] = deque()
        self._pending_gap = self._sends = self._grf_broken = False

    @property
    def calibrated(self) -> str | None:
        """Return the name of the document by which the shown load is in newtons; None where there is none."""
        return None if self._scale is None or self._device_force else self._scale.name

    @property
    def by_device(self) -> bool:
        """Return whether the insole's own stances are shown."""
        info, model = self._info, self._model
        if info is None or not self._sends or not info.model_id:
            return False
        return model is None or model.model_id == info.model_id

    def session_began(self, session: Session, gap: int | None, *, sends: bool) -> None:
        """Begin anew with a session, in which the insole ``sends`` stances or not; the unloaded level stays."""
        self._sends = sends
        running, self._info = session.running, session.info
        rate = running.rate_hz
        self.tare = self.tare or TareLevel(rate, session.info.adc_bits)
        self._times = SampleTimes(round(_TIMES_S * rate), running.period_us * 1e-6)
        if self._contacts is not None:
            self._contacts.forget("the insole was started anew")
        try:
            self._contacts = CellContacts(rate, self._times, self.track)
        except BadInputError as error:
            self._contacts = None
            self._refuse(f"{error}: samples are shown and recorded, contacts are not looked for")
            self.track.broke(f"no contacts are looked for at {rate} Hz", -np.inf)
        self._cutter, self._before = None, None
        self._pending_gap, self._grf_broken, self._epoch = bool(gap), True, 0
        self._choose_scale(self._info)
        self._choose_model(self._info, rate)

    def _choose_scale(self, info: Info) -> None:
        """Take the calibration of this insole anew: its laws begin unloaded."""
        side, self._scale = "right" if info.right else "left", None
        if self._calibration is not None:
            try:
                self._scale = self._calibration.of_insole(side, self._names)
            except BadInputError as error:
                self._refuse(str(error))
        if not self._device_force:
            self.force_unit = "count" if self._scale is None else "N"
        model, way = self._model, AS_RECORDED if self._scale is None else self._scale.kind
        if model is not None and model.calibrated:
            for finding in other_ways({"insole": model.calibrated}, {"insole": (way,)}):
                self._refuse(finding)

    def _choose_model(self, info: Info, rate_hz: int) -> None:
        """Settle who predicts stances in this session."""
        model = self._model
        self._cells_shown = False
        if self.by_device:
            self.estimate = f"device {info.model_id:08x}"
            return
        if info.model_id and model is not None and model.model_id is not None:
            self._refuse(
                f"the insole runs model {info.model_id:08x}, the bundle '{model.name}' is {model.model_id:08x}: its"
                " stances are refused and the host answers; put one bundle on both"
            )
        self._cells_shown = model is None
        if model is None:
            self.estimate = None
            return
        self.estimate = model.name
        if model.newtons and (why := self._no_newtons(model)):
            self.estimate, self._cells_shown = None, True
            self._refuse(why)
            return
        try:
            self._cutter = model.cutter(info, rate_hz, self._set_values)
        except BadInputError as error:
            self.estimate, self._cells_shown = None, True
            self._refuse(f"{error}; contacts are of the cells alone")

    def _no_newtons(self, model: LiveModel) -> str | None:
        """Return why a model of cells in N cannot be given these; None where it can."""
        if self._scale is None:
            return f"model '{model.name}' takes cells in N, and these are counts; name their --calibration"
        if self._scale.remembers:
            return (
                f"calibration '{self._scale.name}' remembers which way a load went, which a single stance does not"
                f" show: model '{model.name}' is not asked; take grf-estimate afterwards"
            )
        return None

    def _in_newtons(self, cut: StanceWindow, level: Floats) -> StanceWindow:
        """Return a stance with its cells calibrated, for a model that takes them so."""
        model, scale = self._model, self._scale
        if model is None or scale is None or not model.newtons:
            return cut
        channels = [column.name for column in model.columns if column.role == "channel"]
        own = [(k, NAMES.index(name)) for k, name in enumerate(channels) if name in NAMES]
        cells, window = np.zeros((len(cut.window), len(NAMES))), cut.window.copy()
        for k, cell in own:
            cells[:, cell] = window[:, k]
        force = scale.force_n(cells, level)
        for k, cell in own:
            window[:, k] = force[:, cell]
        return replace(cut, window=window)

    def tared(self) -> None:
        """Take the last quiet samples as unloaded."""
        self.era += 1
        if self.tare is not None:
            self.tare.now()
        if self._contacts is not None:
            self._contacts.forget("the insole was tared")

    def take(self, timed: TimedItem, arrival_ns: int) -> None:
        """Take what a packet held."""
        item = timed.item
        self.uncertainty_ms = timed.uncertainty_ms if np.isfinite(timed.uncertainty_ms) else None
        if isinstance(item, ReceivedStance):
            self._stance(item, timed, arrival_ns)
        elif isinstance(item, GrfSamples):
            if item.missing or self._grf_broken:
                self._grf.append((float(timed.host_s[0]) - 1e-6, np.nan))  # no line is drawn over what is missing
            self._grf_broken = False
            self._grf.extend(zip(timed.host_s.tolist(), item.force_n[:, 2].tolist()))
            self.force_unit, self._device_force = "N", True
            self._release()
        else:
            self._samples(item, timed, arrival_ns)

    def _stance(self, item: ReceivedStance, timed: TimedItem, arrival_ns: int) -> None:
        model_id, info = item.report.model_id, self._info
        if not self.by_device or info is None or model_id != info.model_id:
            self.refused["model_id"] = self.refused.get("model_id", 0) + 1
            if info is not None and model_id != info.model_id:
                self._refuse(
                    f"a stance of model {model_id:08x} came, but Info names {info.model_id:08x}: it is refused"
                )
            return
        half = self._model.half_width_bw if self._model else {}
        self._show(of_report(item.report, float(timed.host_s[0]), arrival_ns, half))

    def _samples(self, item: Samples, timed: TimedItem, arrival_ns: int) -> None:
        times, tare, contacts = self._times, self.tare, self._contacts
        if times is None or tare is None:
            return
        if item.epoch != self._epoch:
            self._epoch, self._before = item.epoch, None
            if contacts is not None:
                contacts.forget("the insole's clock jumped")
        missing = min(item.missing, _MOST_MISSING) if times.count else 0
        line = self._line(missing, item)
        # times before samples: a contact found in these asks when they were taken
        if missing:
            times.miss(missing)
        times.push(timed.host_s)
        tare.push(item.cells)
        self.last_sample_s = float(timed.host_s[-1])
        if line is not None:
            self._find_contacts(line, self._load(line[0], tare.level), arrival_ns, bridged=True)
        elif missing:
            for detector in (contacts, self._cutter):
                if detector is not None:
                    detector.miss(missing)
        load = self._load(item.cells, tare.level)
        self._find_contacts((item.cells, item.imu), load, arrival_ns)
        self._before = item
        gap = self._pending_gap or item.missing > 0
        self._pending_gap = False
        shown = item.cells - tare.level if load is None else load
        self._waiting.append((timed.host_s, shown.T, gap))
        self._release()

    def _line(self, missing: int, item: Samples) -> Rows | None:
        """Return a straight line over a short gap; None where there is no gap, or one too long."""
        before, running = self._before, self._times
        if not missing or before is None or running is None or missing * running.period_s > _BRIDGED_S:
            return None
        share = np.arange(1, missing + 1)[:, None] / (missing + 1)
        ends = [(samples.cells, samples.imu) for samples in (before, item)]
        cells, imu = (a[-1] + share * (b[0].astype(np.float64) - a[-1]) for a, b in zip(*ends))
        return np.rint(cells).astype(np.uint16), np.rint(imu).astype(np.int16)

    def _load(self, cells: NDArray[np.uint16], level: Floats) -> Floats | None:
        """Return the force of each cell by the calibration; None where there is none. Each sample is asked for once."""
        return None if self._scale is None else self._scale.force_n(cells, level)

    def _find_contacts(self, rows: Rows, load: Floats | None, arrival_ns: int, *, bridged: bool = False) -> None:
        """Find contacts, and have them shown or predicted."""
        contacts, times, tare = self._contacts, self._times, self.tare
        if contacts is None or times is None or tare is None:
            return
        total = None if load is None or self._scale is None else self._scale.total_n(load)
        for contact in contacts.push(rows[0], tare.level, arrival_ns, bridged=bridged, load_n=total):
            if self._cells_shown:
                self._show(contact)
        for cut in self._cutter.cuts(*rows) if self._cutter is not None else ():
            missed = cut.missed + contacts.bridged(cut.start, cut.start + cut.contact_s / times.period_s)
            cut = self._in_newtons(replace(cut, missed=missed), tare.level)
            self._predict(StanceRequest(cut, times.at(cut.start), arrival_ns))

    def _release(self) -> None:
        """Put samples into the batch: at once, or with the insole's own force once that has come for them."""
        newest = self.last_sample_s or 0.0
        while self._waiting:
            time_s, cells, gap = self._waiting[0]
            # the insole's force comes in packets of its own, before or after the samples that it is of
            force_to_come = self._grf[-1][0] < time_s[-1] if self._grf else self.awaits_forces
            if force_to_come and newest - time_s[-1] < _FORCE_WAIT_S:
                return
            self._waiting.popleft()
            self.batches.add(time_s, np.vstack([self._force(time_s, cells), cells]), gap=gap)

    def _force(self, time_s: Floats, cells: Floats) -> Floats:
        if not self._device_force:
            return np.asarray(cells.sum(axis=0)) if self._scale is None else self._scale.total_n(cells.T)
        at, force = np.asarray(self._grf).T
        return np.asarray(np.interp(time_s, at, force, left=np.nan, right=np.nan))
