"""The monitor in a terminal: each foot's force as a line of blocks, numbers, states, single keys; no browser needed."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.css.query import NoMatches
from textual.widgets import Footer, Input, Sparkline, Static

from ..errors import GrfError
from .hub_like import HubLike
from .messages import Command, DeviceState, Message, MonitorEvent, SampleBatch, Snapshot, StanceShown

SHOWN_S = 10.0
"""Length of the drawn line."""
OLD_S = 0.5
"""Data older than this is called so, as on the page."""
_POINTS = 200
"""Of the drawn line: one for each column of a wide terminal."""
_REDRAW_S = 0.1
"""A terminal over a network keeps up with ten pictures a second."""
_UNITS = {"count": "counts"}
_LOG_LINES = 4
"""As high as the log is; see the CSS below."""


async def run(hub: HubLike) -> None:
    """Show a hub in the terminal until ``q`` or until the hub ends."""
    await MonitorApp(hub).run_async()


class Trace:
    """Force of one foot over the last ten seconds, as the highest value in each twentieth of a second.

    Attributes
    ----------
    newest_s
        Time of the newest sample on the hub's clock, None before one.
    """

    def __init__(self) -> None:
        self._bins: deque[tuple[int, float]] = deque(maxlen=_POINTS)
        self.newest_s: float | None = None
        self.newest = math.nan

    def add(self, batch: SampleBatch) -> None:
        """Take samples; what is not newer than the last is left out."""
        for at, force in zip(batch.time_s.tolist(), batch.columns[0].tolist()):
            if self.newest_s is not None and at <= self.newest_s:
                continue
            self.newest_s, self.newest = at, force
            place = math.floor(at * _POINTS / SHOWN_S)
            if self._bins and self._bins[-1][0] == place:
                # the highest that is known; NaN only where nothing is
                if not force <= self._bins[-1][1] and not math.isnan(force):
                    self._bins[-1] = (place, force)
            else:
                self._bins.append((place, force))

    def line(self, now_s: float) -> list[float]:
        """Return the last ten seconds up to now, ``(200,)``; NaN where nothing is known."""
        last = math.floor(now_s * _POINTS / SHOWN_S)
        values = [math.nan] * _POINTS
        for place, force in self._bins:
            if 0 <= (where := place - last + _POINTS - 1) < _POINTS and math.isfinite(force):
                values[where] = max(0.0, force)
        return values


class ForceLine(Sparkline):
    """A line of blocks from 0 to its highest value; blank where nothing is known, which a bar of 0 would hide."""

    def render(self) -> RenderResult:
        """Return the blocks in the colour of the theme."""
        colour = self.get_component_styles("sparkline--max-color").color.rich_color
        rows = blocks(self.data or [], self.size.width, self.size.height)
        return Text("\n".join(rows), style=Style.from_color(colour), no_wrap=True)


def blocks(values: Sequence[float], width: int, height: int) -> list[str]:
    """Return rows of characters, the highest first: each column the greatest of its values, blank where all are NaN."""
    starts = [k * len(values) // width for k in range(width + 1)] if width else []
    parts = [values[start : max(end, start + 1)] for start, end in pairwise(starts)]
    tops = [max((v for v in part if math.isfinite(v)), default=math.nan) for part in parts]
    most = max((top for top in tops if math.isfinite(top)), default=0.0) or 1.0
    steps = len(_BLOCKS) - 1
    rows = []
    for row in reversed(range(height)):
        # one step at least: a force of 0 is drawn, and something else than none
        filled = [0 if math.isnan(top) else max(1, round(top / most * height * steps)) - row * steps for top in tops]
        rows.append("".join(_BLOCKS[min(max(level, 0), steps)] for level in filled))
    return rows


_BLOCKS = " ▁▂▃▄▅▆▇█"


class FootPanel(Vertical):
    """One insole: state, force, line, numbers, health."""

    def __init__(self, device: int) -> None:
        super().__init__(id=f"foot-{device}")
        self.trace = Trace()
        self.state: DeviceState | None = None
        self.source = ""

    def compose(self) -> ComposeResult:
        """Make the four rows."""
        yield Static(classes="head", markup=False)
        yield ForceLine([math.nan] * _POINTS)
        yield Static(classes="numbers", markup=False)
        yield Static(classes="health", markup=False)

    def draw(self, now_s: float) -> None:
        """Write everything anew; nothing before the rows are there and a state is known."""
        if self.state is None or not self.query(".health"):
            return
        self.query_one(ForceLine).data = self.trace.line(now_s)
        age_s = None if self.trace.newest_s is None else max(0.0, now_s - self.trace.newest_s)
        head = self.query_one(".head", Static)
        head.update(head_text(self.state, self.trace.newest, age_s))
        head.set_class(is_old(self.state, age_s), "old")
        self.query_one(".numbers", Static).update(numbers_text(self.state, self.source))
        self.query_one(".health", Static).update(health_text(self.state))


class MonitorApp(App[None]):
    """The terminal's monitor.

    Parameters
    ----------
    hub
        Anything that can be served as a page can be shown here.
    """

    TITLE = "GRF monitor"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""
    """Nothing: keys are for the monitor until a note is opened."""
    CSS = """
    #top { height: 2; padding: 0 1; }
    FootPanel { height: auto; min-height: 8; border: round $primary; padding: 0 1; }
    FootPanel .head { text-style: bold; }
    FootPanel .head.old { color: $error; }
    FootPanel Sparkline { height: 2; }
    #log { height: 4; padding: 0 1; }
    #note { display: none; }
    #note.open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "ask('start')", "Start"),
        Binding("x", "ask('stop')", "Stop"),
        Binding("t", "ask('tare')", "Tare"),
        Binding("m", "ask('mark')", "Mark"),
        Binding("n", "note", "Note"),
        Binding("q", "quit", "Quit"),
        Binding("escape", "leave", "Leave note", show=False),
    ]

    def __init__(self, hub: HubLike) -> None:
        super().__init__()
        self._hub = hub
        self._last_id = 0
        self._offset_s = 0.0
        self._lines: deque[str] = deque(maxlen=_LOG_LINES)

    def compose(self) -> ComposeResult:
        """Make the screen; insoles come with the first state."""
        yield Static(id="top", markup=False)
        yield VerticalScroll(id="feet", can_focus=False)
        yield Static("Nothing has happened yet.", id="log", markup=False)
        yield Input(placeholder="Note; Enter writes it down, Escape leaves", id="note")
        yield Footer()

    def on_mount(self) -> None:
        """Listen, and draw at a steady pace."""
        self.run_worker(self._listen(), name="listen")
        self.set_interval(_REDRAW_S, self._draw)

    async def _listen(self) -> None:
        subscription = self._hub.subscribe()
        try:
            await self._take(self._hub.snapshot())
            async for message in subscription:
                await self._take(message)
        except NoMatches:
            # who quits takes the screen away while messages still come
            if self.query("#feet"):
                raise
        finally:
            closing = subscription.close()
            if asyncio.iscoroutine(closing):
                await closing
        self.exit()

    async def _take(self, message: Message) -> None:
        if isinstance(message, Snapshot):
            # between states the hub's clock goes on as this one does, so that ages grow while nothing comes
            self._offset_s = message.now_s - time.monotonic()
            self.query_one("#top", Static).update(top_text(message))
            for state in message.devices:
                (await self._panel(state.device)).state = state
        elif isinstance(message, SampleBatch):
            (await self._panel(message.device)).trace.add(message)
        elif isinstance(message, StanceShown):
            (await self._panel(message.device)).source = _SOURCES[message.source]
        elif isinstance(message, MonitorEvent):
            self._say(f"{_clock(message.time_s)} {message.kind}{_of(message.device)}: {message.text}".rstrip(": "))

    async def _panel(self, device: int) -> FootPanel:
        panels = self.query(f"#foot-{device}")
        if panels:
            return panels.only_one(FootPanel)
        panel = FootPanel(device)
        await self.query_one("#feet").mount(panel)
        return panel

    def _draw(self) -> None:
        for panel in self.query(FootPanel):
            panel.draw(time.monotonic() + self._offset_s)

    def _say(self, line: str) -> None:
        self._lines.append(line)
        self.query_one("#log", Static).update("\n".join(self._lines))

    def action_ask(self, action: str) -> None:
        """Ask the hub, without waiting: a tare takes a while."""
        self.run_worker(self._ask(action), group=action)

    async def _ask(self, action: str, **arguments: Any) -> None:
        self._last_id += 1
        try:
            answer = await self._hub.command(Command(self._last_id, action, None, arguments))
            self._say(f"{action}: {'done' if answer.get('ok', True) else answer.get('error')}")
        except GrfError as error:
            self._say(f"{action}: {error}")

    def action_note(self) -> None:
        """Open the line for a note."""
        line = self.query_one("#note", Input)
        line.add_class("open")
        line.focus()

    def action_leave(self) -> None:
        """Close it, nothing written."""
        line = self.query_one("#note", Input)
        line.value = ""
        line.remove_class("open")
        self.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Write the note down."""
        text = event.value.strip()
        self.action_leave()
        if text:
            self.run_worker(self._ask("note", text=text), group="note")


_SOURCES = {
    "device": "estimated on the device",
    "host": "estimated on the host",
    "cells": "sum of cells",
}


def is_old(state: DeviceState, age_s: float | None) -> bool:
    """Return whether the shown data are too old to be called live."""
    return state.state != "streaming" or (not state.filmed and (age_s is None or age_s > OLD_S))


def head_text(state: DeviceState, newest: float, age_s: float | None) -> str:
    """Return the first row: foot, force with unit, or since when there is none."""
    name = f"{'L' if state.side == 'left' else 'R'} {state.side.upper()}  {state.name}"
    if state.state != "streaming":
        since = "" if age_s is None or state.state in ("stopped", "ended") else f", no data for {age_s:.1f} s"
        return f"{name}  ! {state.state}{since}{f' ({state.problem})' if state.problem else ''}"
    if state.filmed:
        return f"{name}  {state.problem or 'pictures are looked at'}"
    if age_s is None:
        return f"{name}  ! waiting for data"
    if age_s > OLD_S:
        return f"{name}  ! NO DATA FOR {age_s:.1f} s"
    return f"{name}  {_figure(newest)} {_unit(state.force_unit)}, {_force_source(state)}, age {age_s * 1000:.0f} ms"


def numbers_text(state: DeviceState, source: str) -> str:
    """Return the row of the last stances' means, each with its unit."""
    unit = _unit(state.stance_unit)
    contact = None if state.contact_s is None else state.contact_s * 1000
    origin = f"  ({source})" if source else ""
    if state.filmed:
        return f"contact {_figure(contact)} ms  peak {_figure(state.peak)} {unit}{origin}"
    why = f" ({state.cadence_why})" if state.cadence_per_min is None and state.cadence_why and state.stances else ""
    return (
        f"cadence {_figure(state.cadence_per_min)}/min{why}  contact {_figure(contact)} ms"
        f"  peak {_figure(state.peak)} {unit}"
        f"  loading {_figure(state.loading_rate)} {unit}/s{origin}"
    )


def health_text(state: DeviceState) -> str:
    """Return the row of the signal's health."""
    latency = state.latency_ms
    if state.filmed:
        late = [f"{latency[k] / 1000:.1f}" if k in latency else "–" for k in ("p50", "p99")]
        skipped = f"{state.samples_lost} of {state.samples + state.samples_lost} pictures skipped"
        return f"{skipped}  stances {state.stances}, told {'/'.join(late)} s after they ended"
    parts = [
        f"lost {state.packets_lost} of {state.packets + state.packets_lost} packets, {state.samples_lost} samples",
        f"latency {_figure(latency.get('p50'))}/{_figure(latency.get('p99'))} ms",
        f"clock ±{_figure(state.clock_uncertainty_ms)} ms",
        f"battery {'–' if state.battery_percent is None else state.battery_percent} %",
        f"reconnects {state.reconnects}",
        f"stances {state.stances} ({state.stances_bridged} with samples missing)",
        *(f"{why}: {count}" for why, count in state.stances_refused.items()),
    ]
    return "  ".join(parts)


def top_text(snapshot: Snapshot) -> str:
    """Return the two rows on top: where the data comes from, and what becomes of it."""
    if snapshot.replay:
        source = f"REPLAY of {snapshot.replay}"
    else:
        source = "DEMO: virtual insoles, simulated data" if snapshot.demo else "LIVE"
    if snapshot.film:
        return f"FILM: {snapshot.film}, stances appear after they ended\n{snapshot.film_error or ''}"
    if snapshot.behind_s:
        source = f"{source}   ! THIS COMPUTER CANNOT KEEP UP"
    asymmetry = "  ".join(
        f"{name} {value:+.1f} %" for name, value in snapshot.asymmetry_percent.items() if value is not None
    )
    return f"{source}{f'   left against right: {asymmetry}' if asymmetry else ''}\n{_recording(snapshot.recording)}"


def _recording(recording: dict[str, Any] | None) -> str:
    if recording is None:
        return "not recording"
    seconds, megabytes = float(recording.get("seconds") or 0.0), float(recording.get("bytes") or 0) / 1e6
    facts = f"{_clock(seconds)}, {megabytes:.1f} MB, {recording.get('path')}"
    if recording.get("problem"):
        lost = recording.get("lost") or 0
        return f"! RECORDING IN TROUBLE: {recording['problem']} ({lost} packets not written): {facts}"
    return f"recording {facts}"


def _force_source(state: DeviceState) -> str:
    if state.calibrated:
        return f"sum of cells, calibrated with {state.calibrated}"
    return "sum of cells" if state.force_unit == "count" else "estimated on the device"


def _unit(unit: str) -> str:
    return _UNITS.get(unit, unit)


def _figure(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _of(device: int | None) -> str:
    return "" if device is None else f" (insole {device})"
