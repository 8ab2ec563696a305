"""The page in headless Chromium, end to end against the real server: it streams, obeys, comes back, and can be read."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from grfkit.monitor.messages import MonitorEvent
from grfkit.monitor.server import serve
from monitor_hub import FakeHub, stance

PATIENT_S = 90.0


@contextlib.asynccontextmanager
async def serving(hub: FakeHub, **asked: Any) -> AsyncIterator[str]:
    """Serve a hub and give its URL."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(hub, ready=url.set_result, **asked))
    try:
        yield await asyncio.wait_for(asyncio.shield(url), 30)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def in_browser(work: Callable[[Any, FakeHub], Awaitable[None]], hub: FakeHub, **size: int) -> None:
    """Run work with a page and a hub that lives."""
    from bench.live import page as live_page

    if live_page.found() is None:
        pytest.skip("no Chromium on this machine: the page is tested in a browser only where there is one")

    async def all_of_it() -> None:
        living = asyncio.create_task(hub.run())
        try:
            async with live_page.browser(**size) as page:
                await work(page, hub)
        finally:
            living.cancel()
            await living

    asyncio.run(asyncio.wait_for(all_of_it(), 900))
    gc.collect()


async def until(true: Callable[[], object], what: str) -> None:
    """Wait for something on this side."""
    for _ in range(int(PATIENT_S / 0.05)):
        if true():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"never: {what}")


def asked(hub: FakeHub, action: str) -> list[Any]:
    return [one for one in hub.commands if one.action == action]


async def streams(page: Any, frames: int = 8) -> None:
    """Wait until the page has drawn new samples so many times more."""
    before = await page.value("window.grfMonitor.fresh")
    await page.until(f"window.grfMonitor.fresh >= {before + frames}", timeout_s=PATIENT_S)


async def text(page: Any, selector: str) -> str:
    return str(await page.value(f"document.querySelector('{selector}').innerText"))


@pytest.mark.slow
def test_session_from_start_to_stop_with_a_server_that_restarts() -> None:
    async def work(page: Any, hub: FakeHub) -> None:
        from bench.live import page as live_page

        async with serving(hub) as url:
            port = int(url.split(":")[2].rstrip("/"))
            await page.open(url)
            await page.until("window.grfMonitor && window.grfMonitor.stances > 1", timeout_s=PATIENT_S)
            await streams(page)
            await drawn_rightly(page, live_page)
            await says_what_it_is(page)
            await obeys_keys(page, hub)
            await aims(page, hub)
            await stops_and_starts(page, hub)
            await tells_old_data(page, hub)
        await page.until("!document.querySelector('#link-banner').hidden", timeout_s=PATIENT_S)
        await page.until("document.querySelector('.lane .overlay').innerText.startsWith('page not connected')")
        before = await page.value("window.grfMonitor.opened")
        page.complaints.clear()  # the browser itself notes that nobody answers
        async with serving(hub, port=port):
            await page.until(f"window.grfMonitor.opened > {before}", timeout_s=PATIENT_S)
            await streams(page)
            assert await page.value("document.querySelector('#link-banner').hidden")
            assert (await live_page.watch(page, 1.0))["monotone"]
        assert [one for one in page.complaints if "WebSocket connection to" not in one] == []

    in_browser(work, FakeHub())


async def drawn_rightly(page: Any, live_page: Any) -> None:
    """Time on the axis rises, drawing goes on, ages are those of data that is not from the future."""
    seen = await live_page.watch(page, 3.0)
    assert seen["monotone"]
    assert (seen["broken"], seen["refused"]) == (0, 0)
    await streams(page)
    ages = await page.until("grfMonitor.ages.length > 5 && grfMonitor.ages.map((one) => one[2])", timeout_s=PATIENT_S)
    assert min(ages) > 0
    times = await page.until("grfMonitor.plotted(0).length > 50 && grfMonitor.plotted(0)", timeout_s=PATIENT_S)
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    painted = (
        "[...document.querySelectorAll('canvas')].every((c) =>"
        " new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer).some((pixel) => pixel))"
    )
    assert await page.value(painted)
    own = "Object.keys(window).filter((name) => !window.before?.has(name) && /grf|uPlot/i.test(name))"
    assert sorted(await page.value(own)) == ["grfMonitor", "uPlot"]
    assert page.complaints == []


async def says_what_it_is(page: Any) -> None:
    """Demo, unit, source, signal and recording are written out; counts are not called newtons."""
    whole = await text(page, "body")
    for words in ("DEMO: virtual insoles, simulated data", "sum of cells, uncalibrated", "counts", "± 0.42 ms",
                  "battery 13 %, low", "recording 0", "2026-11-21_intervals.grfrec", "11.2 / 23.1 ms",
                  "4.1 % left higher", "167"):  # fmt: skip
        assert words in whole, words
    assert " N\n" not in whole
    await page.until("document.querySelector('#state').innerText === '● streaming'")


async def obeys_keys(page: Any, hub: FakeHub) -> None:
    """Single keys work, but not while writing; dialogs give the focus back."""
    await page.key("m")
    await until(lambda: asked(hub, "mark"), "mark")
    await page.key("t")
    await until(lambda: asked(hub, "tare"), "tare")
    assert asked(hub, "tare")[0].device is None
    await page.click("#tare-each button:nth-child(2)")
    await until(lambda: len(asked(hub, "tare")) == 2, "tare of the right foot")
    assert asked(hub, "tare")[1].device == 1
    await page.key("n")
    await page.until("document.querySelector('#note-dialog').open")
    await page.type("xmst: <b>hill</b>")
    await page.key("m")
    await page.key("Enter")
    await until(lambda: asked(hub, "note"), "note")
    assert asked(hub, "note")[0].arguments["text"] == "xmst: <b>hill</b>m"
    assert len(asked(hub, "mark")) == 1, "what is typed into a note is no command"
    assert not asked(hub, "stop")
    await page.until("document.querySelector('#log').innerText.includes('<b>hill</b>')")
    await page.until("document.querySelector('#answer').innerText === 'Note: done'")
    await page.key("?")
    await page.until("document.querySelector('#help-dialog').open")
    await page.key("Escape")
    await page.until("!document.querySelector('#help-dialog').open")
    await page.value("document.activeElement.blur()")
    await page.key("Tab")
    outlined = (
        "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"
    )
    assert await page.value(outlined) == "solid3px"


async def aims(page: Any, hub: FakeHub) -> None:
    """A target is asked for in the units of the hub, and its verdict is words as well as colour."""
    await page.key("g")
    await page.type("260")
    await page.key("Enter")
    await until(lambda: asked(hub, "target"), "target")
    assert asked(hub, "target")[0].arguments == {"feature": "contact_s", "low": 0.26, "high": None, "side": None}
    await page.until(
        "document.querySelector('#target-now').innerText.includes('contact time: at least 260 ms')", timeout_s=PATIENT_S
    )
    await page.until("/target/.test(document.querySelector('#target-alert').innerText)", timeout_s=PATIENT_S)
    assert await page.value("document.querySelector('#target-alert').getAttribute('aria-live')") == "assertive"
    await page.click("#target-clear")
    await until(lambda: len(asked(hub, "target")) == 2, "target taken away")
    assert asked(hub, "target")[1].arguments == {}
    await page.value("document.querySelector('#told-form [name=speed_m_s]').focus()")
    await page.type("3.5")
    await page.key("Enter")
    await until(lambda: asked(hub, "set"), "what is told to the insoles")
    assert asked(hub, "set")[0].arguments == {"speed_m_s": 3.5}


async def stops_and_starts(page: Any, hub: FakeHub) -> None:
    """Buttons that make no sense are off, and stopped is not shown as broken."""
    assert await page.value("document.querySelector('#start').disabled")
    await page.click("#stop")
    await until(lambda: not hub.running, "stop")
    await page.until("document.querySelector('.lane .overlay').innerText === 'stopped'", timeout_s=PATIENT_S)
    await page.until("!document.querySelector('#start').disabled && document.querySelector('#stop').disabled")
    await page.value("document.activeElement.blur()")
    await page.key("s")
    await until(lambda: hub.running, "start")
    await streams(page)


async def tells_old_data(page: Any, hub: FakeHub) -> None:
    """A foot that falls silent while it is said to stream is called silent, in words, and its number goes."""
    hub.silent = {1}
    lane = "document.querySelector('.lane[data-side=right]')"
    await page.until(
        f"/^no data for \\d+\\.\\d s$/.test({lane}.querySelector('.overlay').innerText)", timeout_s=PATIENT_S
    )
    assert await page.value(f"{lane}.querySelector('.value').innerText") == "–"
    hub.changed[1] = {"state": "reconnecting"}
    hub.tell(hub.snapshot())
    await page.until(
        f"{lane}.querySelector('.overlay').innerText.startsWith('connection lost, reconnecting')", timeout_s=PATIENT_S
    )
    hub.tell(MonitorEvent("disconnected", hub.now(), "supervision timeout", 1))
    await page.until("document.querySelector('#log').innerText.includes('supervision timeout')", timeout_s=PATIENT_S)
    hub.silent, hub.changed = set(), {}
    hub.tell(hub.snapshot())
    await page.until(f"{lane}.querySelector('.overlay').innerText === ''", timeout_s=PATIENT_S)
    assert await page.value("window.grfMonitor.backwards") == 0


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = (top, below) => [0, 1, 2].map((k) => top[k] * top[3] + below[k] * (1 - top[3]));
  const ground = (element) => { const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(rgba(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]); };
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => { const [r, g, b] = rgb.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const poor = []; let looked = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest('template, script, noscript, .hidden')) continue;
    looked++;
    const below = ground(element);
    const [a, b] = [light(over(rgba(getComputedStyle(element).color), below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([element.className || element.tagName, walk.currentNode.data.trim(), ratio.toFixed(2)]);
  }
  return {poor, looked};
})()"""


@pytest.mark.slow
def test_page_can_be_read_in_both_themes_on_a_phone_and_without_a_mouse() -> None:
    async def work(page: Any, hub: FakeHub) -> None:
        async with serving(hub, token="of-the-team") as url:
            await page.open(url)
            await page.until("window.grfMonitor && window.grfMonitor.stances > 1", timeout_s=PATIENT_S)
            assert "token" not in await page.value("location.href")
            hub.target = {"feature": "peak", "low": 1.0, "high": None, "side": None}
            hub.silent = {1}
            hub.tell(hub.snapshot())
            hub.tell(MonitorEvent("problem", 1.0, "disk is full", 0))
            await page.until("document.querySelector('#target-alert').dataset.verdict", timeout_s=PATIENT_S)
            for scheme in ("light", "dark"):
                await page.scheme(scheme)
                await page.until(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
                await asyncio.sleep(0.5)
                found = await page.value(CONTRAST)
                assert found["looked"] > 80
                assert found["poor"] == [], scheme
            shades = [await page.value("getComputedStyle(document.body.parentElement).backgroundColor")]
            for name in ("light", "dark", "auto"):
                await page.click("#theme")
                assert name in await text(page, "#theme")
                shades.append(await page.value("getComputedStyle(document.body.parentElement).backgroundColor"))
            assert shades[1] != shades[0] == shades[2] == shades[3]
            for width in (360, 390, 768, 1024, 1280, 1920):
                await page.resize(width, 800)
                await asyncio.sleep(0.3)
                wide = await page.value("[document.documentElement.scrollWidth, innerWidth]")
                assert wide[0] <= wide[1] == width
            await page.resize(360, 740)
            await asyncio.sleep(0.3)
            small = (
                "[...document.querySelectorAll('.tools button')].filter((b) => b.checkVisibility())"
                ".map((b) => b.offsetHeight)"
            )
            assert min(await page.value(small)) >= 44
            unnamed = (
                "[...document.querySelectorAll('button, input, select, [role=img]')].filter((e) =>"
                " !(e.innerText || e.ariaLabel || e.labels?.length)).length"
            )
            assert await page.value(unnamed) == 0
            assert page.complaints == []

    in_browser(work, FakeHub(unit="BW", source="host"))


@pytest.mark.slow
def test_nothing_jumps_while_it_streams() -> None:
    async def work(page: Any, hub: FakeHub) -> None:
        async with serving(hub) as url:
            await page.open(url)
            await page.until("window.grfMonitor && window.grfMonitor.stances > 1", timeout_s=PATIENT_S)
            await asyncio.sleep(1.0)
            await page.value(
                "new PerformanceObserver((list) => list.getEntries().forEach("
                "(e) => { window.shift = (window.shift ?? 0) + e.value; }))"
                ".observe({type: 'layout-shift'})"
            )
            hub.silent = {0}
            await page.until(
                "document.querySelector('.lane .overlay').innerText.startsWith('no data')", timeout_s=PATIENT_S
            )
            hub.silent = set()
            await streams(page)
            hub.tell(MonitorEvent("mark", 1.0, "a line more in the log"))
            hub.recording = {"path": "x.grfrec", "bytes": 1, "seconds": 1.0, "problem": "disk is full", "lost": 12}
            hub.tell(hub.snapshot())
            await page.until(
                "document.querySelector('#recording').innerText.includes('disk is full')", timeout_s=PATIENT_S
            )
            assert "12 packets not written" in await text(page, "#recording")
            assert (await page.value("window.shift ?? 0")) < 0.02

    in_browser(work, FakeHub())


def test_what_is_not_known_is_said_and_drawn_as_such() -> None:
    """Stances with missing samples are dashed and counted out of the mean; a cadence that is not known says why."""

    async def work(page: Any, hub: FakeHub) -> None:
        async with serving(hub) as url:
            await page.open(url)
            await page.until(
                "/dashed: samples missing \\(\\d+\\), in no mean/.test(document.body.innerText)", timeout_s=PATIENT_S
            )
            await page.until("document.body.innerText.includes('samples were lost')", timeout_s=PATIENT_S)
            # counts are drawn with the next frame after the words
            await page.until("document.body.textContent.includes('faint: 3')", timeout_s=PATIENT_S)
            words = await page.value("document.body.textContent")
            assert "7, dashed, in no mean" in words

    told = {"cadence_per_min": None, "cadence_why": "samples were lost", "stances_bridged": 7}
    told["stances_refused"] = {"faint": 3}
    in_browser(work, FakeHub(bridged_every=3, changed={0: told, 1: told}))


def test_load_is_called_load_forces_come_first_and_a_stated_mass_is_filled_in() -> None:
    async def work(page: Any, hub: FakeHub) -> None:
        async with serving(hub) as url:
            await page.open(url)
            await page.until("window.grfMonitor && window.grfMonitor.stances > 1", timeout_s=PATIENT_S)
            force = "document.querySelector('.runner .force h2').textContent"
            await page.until(f"{force} === 'Load, last 10 s'")
            assert "Peak load" in await text(page, ".numbers")
            assert await page.value("document.querySelector('#told-form').elements.mass_kg.value") == "72.5"
            # a model answers stances: they stand above the load, and are forces
            hub.changed = {k: {"estimate": "model", "stance_unit": "BW"} for k in (0, 1)}
            top = "document.querySelector('.runner ' + one).getBoundingClientRect().top"
            tops = f"['.stances', '.force'].map((one) => {top})"
            await page.until(
                "document.querySelector('.runner').classList.contains('stances-first')", timeout_s=PATIENT_S
            )
            stances, load = await page.value(tops)
            assert stances < load
            assert "Peak force" in await text(page, ".numbers")
            # the samples are forces themselves: these come first again
            hub.changed = {k: {"estimate": "device 1", "force_unit": "BW", "stance_unit": "BW"} for k in (0, 1)}
            await page.until(f"{force} === 'Force, last 10 s'", timeout_s=PATIENT_S)
            stances, shown = await page.value(tops)
            assert shown < stances
            hub.behind_s = 0.8
            await page.until(
                "document.querySelector('#state').innerText.includes('cannot keep up')", timeout_s=PATIENT_S
            )

    in_browser(work, FakeHub(stated={"mass_kg": 72.5}), width=1280, height=900)


def test_a_page_that_opens_late_is_connected_and_is_not_alarmed_by_what_it_knows() -> None:
    """Two feet's last dozen stances come with the greeting; given again, as after a reconnection, they do not beep."""

    async def work(page: Any, hub: FakeHub) -> None:
        hub.running, hub.target = False, {"feature": "contact_s", "low": 0.3, "high": None, "side": None}
        old = [replace(stance(device, k, float(k)), within=False) for k in range(12) for device in range(2)]
        hub.past = [hub.snapshot(), *old]
        async with serving(hub) as url:
            await page.open(url)
            await page.until("window.grfMonitor && window.grfMonitor.stances >= 24", timeout_s=PATIENT_S)
            assert await page.value("window.grfMonitor.connected")
            await page.until("document.querySelector('#state').innerText.includes('stopped')", timeout_s=PATIENT_S)
            assert "12 stances" in await text(page, ".overlaid[data-side=right] .legend")
            await page.value("window.AudioContext = class { constructor() { throw new Error('beep'); } }; 0")
            await page.click("#sound")
            for one in old:
                hub.tell(one)
            await page.until("window.grfMonitor.stances >= 48", timeout_s=PATIENT_S)
            assert await page.value("window.grfMonitor.broken") == 0, "known stances beep"
            hub.tell(replace(stance(0, 12, 12.0), within=False))
            await page.until("window.grfMonitor.broken === 1", timeout_s=PATIENT_S)

    in_browser(work, FakeHub())
