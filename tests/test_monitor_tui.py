"""The monitor in a terminal: units and ages as honest as on the page, keys that reach the hub, and an end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("textual")
pytest.importorskip("starlette")

from textual.widgets import Input, Sparkline, Static

from grfkit.monitor.messages import MonitorEvent, SampleBatch
from grfkit.monitor.tui import MonitorApp, Trace, blocks, head_text, health_text, is_old, numbers_text, top_text
from monitor_hub import FakeHub


def shown(work: Callable[[FakeHub, MonitorApp, Any], Awaitable[None]]) -> FakeHub:
    """Run work in a terminal of 120 by 40 with a hub that lives."""
    hub = FakeHub()

    async def all_of_it() -> None:
        living = asyncio.create_task(hub.run())
        app = MonitorApp(hub)
        try:
            async with app.run_test(size=(120, 40)) as pilot:
                await work(hub, app, pilot)
        finally:
            living.cancel()
            await living

    asyncio.run(asyncio.wait_for(all_of_it(), 400))
    return hub


async def until(pilot: Any, true: Callable[[], object], what: str) -> None:
    for _ in range(600):
        if true():
            return
        await pilot.pause(0.05)
    pytest.fail(f"never: {what}")


def written(app: MonitorApp, selector: str) -> str:
    found = app.query(selector)
    return str(found.first(Static).render()) if found else ""


def test_force_numbers_and_states_are_written_with_their_units() -> None:
    async def work(hub: FakeHub, app: MonitorApp, pilot: Any) -> None:
        await until(pilot, lambda: "age" in written(app, "#foot-1 .head"), "samples of the right foot")
        assert "counts, sum of cells" in written(app, "#foot-0 .head")
        assert "LEFT" in written(app, "#foot-0 .head")
        assert "contact 240 ms" in written(app, "#foot-0 .numbers")
        assert "peak 21000 counts" in written(app, "#foot-0 .numbers")
        assert "battery 13 %" in written(app, "#foot-1 .health")
        assert "DEMO: virtual insoles" in written(app, "#top")
        await until(pilot, lambda: np.nanmax(app.query("#foot-0 Sparkline").first(Sparkline).data) > 15000, "a stance")
        await until(pilot, lambda: "(sum of cells)" in written(app, "#foot-0 .numbers"), "who made the stances")

    shown(work)


def test_a_foot_that_falls_silent_is_called_so() -> None:
    async def work(hub: FakeHub, app: MonitorApp, pilot: Any) -> None:
        await until(pilot, lambda: "age" in written(app, "#foot-0 .head"), "samples")
        hub.silent = {0}
        await until(pilot, lambda: "NO DATA FOR" in written(app, "#foot-0 .head"), "no data")
        assert app.query_one("#foot-0 .head").has_class("old")
        assert "counts" not in written(app, "#foot-0 .head")
        hub.changed[0] = {"state": "reconnecting", "problem": "supervision timeout"}
        hub.tell(hub.snapshot())
        await until(pilot, lambda: "! reconnecting, no data for" in written(app, "#foot-0 .head"), "reconnecting")

    shown(work)


def test_keys_reach_the_hub_and_a_note_is_no_command() -> None:
    async def work(hub: FakeHub, app: MonitorApp, pilot: Any) -> None:
        await until(pilot, lambda: app.query("#foot-1"), "two feet")
        for number, key in enumerate("xstm"):
            await pilot.press(key)
            await until(pilot, lambda expected=number + 1: len(hub.commands) == expected, key)
        assert [one.action for one in hub.commands] == ["stop", "start", "tare", "mark"]
        await pilot.press("n")
        await pilot.press(*"[b]xq")
        await pilot.press("enter")
        await until(pilot, lambda: len(hub.commands) == 5, "note")
        assert hub.commands[4].arguments == {"text": "[b]xq"}
        assert not app.query_one("#note", Input).has_class("open")
        await until(pilot, lambda: "note: done" in written(app, "#log"), "answer")
        await pilot.press("n", "x", "escape")
        await pilot.press("m")
        await until(pilot, lambda: len(hub.commands) == 6, "mark after a note that was left")
        assert hub.commands[5].action == "mark"
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running or not hub.subscriptions, "the end")

    assert not shown(work).subscriptions


def test_a_refusal_is_shown() -> None:
    async def work(hub: FakeHub, app: MonitorApp, pilot: Any) -> None:
        async def never(command: Any) -> dict[str, Any]:
            return {"ok": False, "error": "no insole is connected yet"}

        hub.command = never  # type: ignore[method-assign]
        await pilot.press("t")
        await until(pilot, lambda: "tare: no insole is connected yet" in written(app, "#log"), "refusal")
        hub.tell(MonitorEvent("problem", 75.0, "disk is full", 1))
        await until(pilot, lambda: "01:15 problem (insole 1): disk is full" in written(app, "#log"), "problem")

    shown(work)


def test_it_ends_with_the_hub() -> None:
    async def work(hub: FakeHub, app: MonitorApp, pilot: Any) -> None:
        await until(pilot, lambda: hub.subscriptions, "listening")
        hub.end()
        await until(pilot, lambda: not hub.subscriptions, "the end")

    shown(work)


def test_trace_keeps_the_highest_and_no_time_twice() -> None:
    trace = Trace()
    assert math.isnan(trace.newest)

    def batch(times: list[float], force: list[float]) -> SampleBatch:
        return SampleBatch(0, np.array(times), np.array([force], dtype=np.float32), 0.0)

    trace.add(batch([0.0, 0.01, 0.02], [1.0, 9.0, 2.0]))
    trace.add(batch([0.02, 0.01, 0.051], [99.0, 99.0, 4.0]))
    trace.add(batch([0.2], [float("nan")]))
    line = trace.line(0.21)
    assert (len(line), np.nanmax(line)) == (200, 9.0)
    assert line[199 - 4] == 9.0
    assert line[199 - 3] == 4.0
    assert math.isnan(line[199]), "what is unknown is no force of 0"
    assert math.isnan(line[0])
    assert trace.newest_s == 0.2
    assert np.all(np.isnan(trace.line(11.0))), "older than ten seconds"
    trace.add(batch([0.3, 0.31, 0.32], [float("nan"), 0.0, float("nan")]))
    assert trace.line(0.32)[199] == 0.0, "a known value stays beside an unknown one"


def test_blocks_tell_no_force_from_no_data() -> None:
    nan = math.nan
    assert blocks([0.0, nan, 8.0, 4.0], 4, 1) == ["▁ █▄"]
    assert blocks([0.0, nan, 16.0, 12.0], 4, 2) == ["  █▄", "▁ ██"]
    assert blocks([nan, nan, nan, 2.0], 2, 1) == [" █"]
    assert blocks([1.0, 2.0], 4, 1) == ["▄▄██"]
    assert blocks([nan] * 200, 40, 2) == [" " * 40] * 2
    assert blocks([0.0] * 200, 3, 1) == ["▁▁▁"]
    assert blocks([], 2, 1) == ["  "]
    assert blocks([1.0], 0, 1) == [""]


def test_words_say_what_is_known_and_nothing_more() -> None:
    state = FakeHub().snapshot().devices[0]
    bare = replace(
        state, latency_ms={}, clock_uncertainty_ms=None, battery_percent=None, cadence_per_min=None, contact_s=None,
        peak=None, loading_rate=None,
    )  # fmt: skip
    assert head_text(state, 3.0, None).endswith("! waiting for data")
    assert "NO DATA FOR 2.3 s" in head_text(state, 3.0, 2.31)
    assert is_old(state, 0.6)
    assert not is_old(state, 0.1)
    assert is_old(replace(state, state="stopped"), 0.1)
    assert head_text(replace(state, state="stopped"), 3.0, 9.0).endswith("! stopped")
    samples_of_force = replace(state, force_unit="N", estimate="a model on the host, for stances")
    assert "1.5 N, estimated on the device, age 80 ms" in head_text(samples_of_force, 1.5, 0.08)
    assert "3 counts, sum of cells, age 80 ms" in head_text(replace(state, estimate="device 1a2b3c4d"), 3.0, 0.08)
    assert "–/– ms" in health_text(bare)
    assert "clock ±– ms" in health_text(bare)
    assert "battery – %" in health_text(bare)
    assert "peak – counts" in numbers_text(bare, "")
    snapshot = FakeHub(demo=False).snapshot()
    assert top_text(snapshot).startswith("LIVE   left against right: contact_s -4.5 %")
    assert top_text(replace(snapshot, replay="a.grfrec")).startswith("REPLAY of a.grfrec")
    assert top_text(replace(snapshot, recording=None)).endswith("not recording")
    trouble = {"path": "x", "bytes": 5, "seconds": 61.0, "problem": "disk is full", "lost": 3}
    assert "! RECORDING IN TROUBLE: disk is full (3 packets not written): 01:01" in top_text(
        replace(snapshot, recording=trouble)
    )


def test_messages_that_come_while_the_screen_is_taken_away_are_no_error() -> None:
    async def work(hub: FakeHub, app: MonitorApp, pilot: Any) -> None:
        await until(pilot, lambda: app.query("#foot-1"), "two feet")
        await app.query("#feet").remove()
        hub.tell(hub.snapshot())
        await until(pilot, lambda: not app.is_running or app._exit, "the end")

    shown(work)
