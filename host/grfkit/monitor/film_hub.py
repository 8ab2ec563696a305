"""The hub of a film or a camera: one thread looks at pictures, and stances are published after they ended."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadInputError
from .film_answers import FilmAnswers, FilmModel, FilmStance, PassResult, shown_features
from .live_contact import features, interval, on_points
from .messages import SIDES, Command, DeviceState, Message, MonitorEvent, Snapshot, StanceShown, State
from .publisher import Publisher
from .stance_log import StanceLog

if TYPE_CHECKING:
    from ..video.live_source import LiveSource
    from ..video.watch import Watch

__all__ = ["FilmHub"]

ANSWER_S = 0.5
"""Time (s of the film) between two looks at a pass: a stance is told within it. Chosen by hand."""
BEHIND_S = 2.0
"""How far pictures may lie behind before it is said that this computer cannot keep up; chosen by hand."""
STATE_S = 0.5
_HOLE = "somebody was seen, and then no picture came for a second or more: nothing of that walk was looked at"
KEPT_EVENTS = 40
"""Events that a page gets which opens later: what the model and earlier passes said. Chosen by hand."""


class FilmHub(Publisher):
    """A film or a camera live, for as many listeners as there are; used with ``async with``.

    Parameters
    ----------
    source, watch
        Where pictures come from, and what looks at them.
    model, mass_kg
        What answers, and for whom.
    """

    def __init__(self, source: LiveSource, watch: Watch, model: FilmModel, *, mass_kg: float) -> None:
        super().__init__()
        self._source, self._watch, self._model = source, watch, model
        self.answers = FilmAnswers(model, mass_kg=mass_kg, name=source.name)
        self.log, self._began_s = StanceLog(), time.monotonic()
        self._events: deque[MonitorEvent] = deque(maxlen=KEPT_EVENTS)
        self._late_ms: deque[float] = deque(maxlen=200)
        self._state: State = "scanning"
        self._problem: str | None = None
        self._slow_told = False
        self._stopping, self._next_s = False, 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> FilmHub:
        """Begin to look."""
        self._loop = asyncio.get_running_loop()
        self._run = asyncio.ensure_future(self._live())
        return self

    async def stop(self) -> None:
        """End; returns once the picture that is looked at is done with."""
        self._stopping = True
        self._source.close()
        if self._run is not None:
            await asyncio.wait({self._run})

    # What listeners get, and may ask

    def _first(self) -> Sequence[Message]:
        # a page that opens late hears what the model and earlier passes said
        return [self.snapshot(), *self._events, *self.log.last()]

    async def command(self, command: Command) -> dict[str, Any]:
        """Do what is asked: stances can be forgotten; all else is for insoles."""
        error = None
        if command.action == "clear":
            self.log.clear()
            self._event("clear")
        else:
            error = f"'{command.action}' is for insoles; this is a film"
        return {"type": "answer", "id": command.id, "ok": error is None, "error": error}

    def snapshot(self) -> Snapshot:
        """Return how it stands now."""
        late = np.asarray(self._late_ms)
        latency = {"p50": float(np.median(late)), "p99": float(np.percentile(late, 99))} if late.size else {}
        devices = [
            DeviceState(
                device=k,
                side=side,
                name=f"{side} foot",
                address="",
                state=self._state,
                samples=self._source.came - self._source.skipped,
                samples_lost=self._source.skipped,
                stances=self.log.counts.get(k, 0),
                latency_ms=latency,
                force_unit="BW",
                estimate=self._model.name,
                cadence_why="a film's steps a minute are told with each pass",
                contact_s=self.log.mean(k, "contact_s"),
                peak=self.log.mean(k, "peak"),
                stance_unit="BW",
                problem=self._problem,
                filmed=True,
            )
            for k, side in enumerate(SIDES)
        ]
        return Snapshot(
            now_s=self.now_s,
            devices=devices,
            running=self._state == "streaming",
            film=self._source.name,
            film_error=". ".join(self._model.said),
        )

    @property
    def now_s(self) -> float:
        """Return seconds since the hub began."""
        return time.monotonic() - self._began_s

    # The work

    async def _live(self) -> None:
        ticking = asyncio.ensure_future(self._tick())
        for line in self._model.said:
            self._event("note", line)
        try:
            await asyncio.to_thread(self._look)
            if not self._source.came:
                raise BadInputError(f"{self._source.name}: gave no picture; is it used by another program?")
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})
            self._state = "ended"
            self.publish(self.snapshot())
            for subscription in self._subscriptions:
                subscription.end()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(STATE_S)
            self.publish(self.snapshot())

    def _look(self) -> None:
        """Look at every picture, in a thread of its own."""
        watch = self._watch
        for time_s, picture in self._source.pictures():
            self._state = "streaming"
            watch.look(time_s, picture)
            self._keeping_up(time_s)
            if watch.over:
                if watch.followed:
                    self._answer(final=True)
                else:
                    self._call(self._event, "problem", f"at {time_s:.1f} s: {_HOLE}")
                watch.restart()
            elif watch.followed and watch.end_s >= self._next_s:
                self._next_s = watch.end_s + ANSWER_S
                self._answer(final=False)
            if self._stopping:
                break
        watch.finish()
        if watch.followed:
            self._answer(final=True)

    def _keeping_up(self, time_s: float) -> None:
        """Say once that pictures come faster than this computer looks at them, and what share of them it uses."""
        source = self._source
        behind = source.late_s(time_s)
        if not source.skipped and not behind >= BEHIND_S:
            self._problem = None
            return
        used = 1.0 - source.skipped / max(1, source.came)
        words = f"this computer cannot keep up: {behind:.1f} s behind, {100 * used:.0f} % of the pictures used"
        if not self._slow_told:
            self._slow_told = True
            self._call(self._event, "problem", words)
        self._problem = words

    def _answer(self, *, final: bool) -> None:
        new, done = self.answers.look(self._watch, final=final)
        for stance in new:
            self._call(self._show, stance, self._source.late_s(_end_s(stance)))
        if done is not None:
            self._call(self._conclude, done)

    def _show(self, stance: FilmStance, late_s: float) -> None:
        contact, device = stance.contact, SIDES.index(stance.side)
        late_ms = 1e3 * late_s if np.isfinite(late_s) else None
        if late_ms is not None:
            self._late_ms.append(late_ms)
        low, high = interval(contact)
        shown = StanceShown(
            device=device,
            number=self.log.counts.get(device, 0),
            start_s=contact.start_s,
            contact_s=contact.contact_s,
            axes={name: on_points(curve) for name, curve in contact.axes.items()},
            unit=contact.unit,
            source=contact.source,
            features=shown_features(features(contact)),
            low=low,
            high=high,
            latency_ms=late_ms,
        )
        self.log.add(shown)
        self.publish(shown)
        for flag in stance.flags:
            self._event("note", f"stance at {contact.start_s:.2f} s: {flag}", device)

    def _conclude(self, done: PassResult) -> None:
        """Say what came of a pass; stances of one that is refused are taken back."""
        when = f"pass {done.start_s:.1f} to {done.end_s:.1f} s"
        if not done.refused:
            for note in done.notes:
                self._event("note", f"{when}: {note}")
            return
        taken = f"; its {len(done.stances)} stances do not hold, all drawn ones are taken back" if done.stances else ""
        self._event("problem", f"{when}: no force: {done.refused}{taken}")
        if done.stances:
            done.stances.clear()
            self.log.clear()
            self._event("clear", "stances of a pass that is refused")

    def _call(self, function: Any, *arguments: Any) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function, *arguments)

    def _event(self, kind: str, text: str = "", device: int | None = None) -> None:
        event = MonitorEvent(kind, self.now_s, text, device)
        self._events.append(event)
        self.publish(event)


def _end_s(stance: FilmStance) -> float:
    return stance.contact.start_s + stance.contact.contact_s
