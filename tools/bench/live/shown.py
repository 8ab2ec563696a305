"""The monitor's page in headless Chromium: how often it draws, how old what it draws is, how soon a stance is seen.

Insoles are a process, hub and server this one, the browser a third. A stance counts as shown at the first frame after
the page has drawn it; its last packet arrived when the hub's ``latency_ms`` says. Page and server keep one clock by the
page's own pings.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from grfkit.device.ble import Adapter, BleLink
from grfkit.device.link import Link
from grfkit.monitor.hub import Hub, HubSettings
from grfkit.monitor.messages import Message, StanceShown
from grfkit.monitor.server import serve
from grfkit.wire import SettingKey

from .host import Processor, WatchedHub
from .insoles import RATE_HZ, insoles
from .page import browser, quantile, shoot, watch

FRAMES_S, AGE_MS, STANCE_MS, MASS_KG = 10.0, 250.0, 100.0, 70.0
"""Goals: redraws a second, age of the data (ms, p95), a stance after its last packet (ms); and the mass that is SET."""
_SPY = """
window.stancesShown = [];
window.clockTrips = [];
const Plain = window.WebSocket;
window.WebSocket = class extends Plain {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", (event) => {
      if (typeof event.data !== "string") return;
      const told = JSON.parse(event.data);
      if (told.type === "pong" && told.t) {
        const now = performance.now();
        window.clockTrips.push([now - told.t, told.server_s - (now + told.t) / 2000]);
      } else if (told.type === "stance") requestAnimationFrame(() => setTimeout(() => {
        window.stancesShown.push([told.device, told.number, performance.now() / 1000]);
      }, 0));
    });
  }
};
"""
"""Notes in the page, before its own scripts run, when stances have been drawn, and how the server's clock lies."""


class _NotingHub(WatchedHub):
    """A hub that notes of every stance, by device and number: when its last packet came, ms until shown, by whom."""

    def __init__(self, find: Any, settings: HubSettings) -> None:
        super().__init__(find, settings)
        self.stances: dict[tuple[int, int], tuple[float, float, str]] = {}

    def publish(self, message: Message) -> None:
        if isinstance(message, StanceShown) and message.latency_ms is not None:
            came_s = self.now_s - message.latency_ms * 1e-3
            self.stances[message.device, message.number] = came_s, message.latency_ms, message.source
        super().publish(message)


@contextlib.asynccontextmanager
async def _served(hub: Hub) -> AsyncIterator[str]:
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(hub, ready=url.set_result))
    try:
        yield await asyncio.wait_for(asyncio.shield(url), 30)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watched(
    adapter_name: str, seconds: float, settings: dict[SettingKey, float], shots: Path | None
) -> dict[str, Any]:
    adapter = await Adapter.open(adapter_name)

    async def find(_: int) -> list[Link]:
        return [BleLink(adapter, advertised) for advertised in await adapter.find(2, timeout_s=20.0)]

    try:
        async with _NotingHub(find, HubSettings(rate_hz=RATE_HZ, set_values=settings)) as hub:
            await hub.ready()
            async with _served(hub) as url, browser() as page:
                # before the page's own scripts, so that its WebSocket is the one that is listened to
                await page.call("Page.addScriptToEvaluateOnNewDocument", source=_SPY)
                await page.open(url)
                await page.until("window.grfMonitor && window.grfMonitor.fresh > 5")
                # the first drawings, and clocks that settle, are not what is measured
                await asyncio.sleep(3.0)
                since_s = hub.now_s
                with Processor() as processor:
                    figures = await watch(page, seconds)
                drawings, trips = await page.value("[window.stancesShown, window.clockTrips]")
                if shots is not None:
                    await shoot(page, shots)
                complaints = list(page.complaints)
    finally:
        await adapter.close()
    recent = {key: stance for key, stance in hub.stances.items() if stance[0] >= since_s}
    return figures | {"cpu_percent": 100 * processor.share, "console": complaints} | drawn(recent, drawings, trips)


def drawn(
    announced: dict[tuple[int, int], tuple[float, float, str]],
    drawings: list[tuple[int, int, float]],
    trips: list[tuple[float, float]],
) -> dict[str, Any]:
    """Return how long after their last packet the hub published stances and the page drew them, ms.

    Parameters
    ----------
    announced
        By device and number: when the last packet came (s, server's clock), ms until the hub told it, who estimated.
    drawings
        Device, number, and when it had been drawn (s, page's clock).
    trips
        The page's pings: how long each took, and the server's clock less the page's (s).
    """
    # the shortest round trip says best how the clocks lie, as in the page itself
    offset_s = min(trips)[1]
    late = [1e3 * (at + offset_s - announced[d, n][0]) for d, n, at in drawings if (d, n) in announced]
    hub = [stance[1] for stance in announced.values()]
    return {
        "stances": len(late),
        "source": sorted({stance[2] for stance in announced.values()}),
        "told_ms": {"p50": quantile(hub, 0.5), "p95": quantile(hub, 0.95), "max": max(hub, default=None)},
        "drawn_ms": {"p50": quantile(late, 0.5), "p95": quantile(late, 0.95), "max": max(late, default=None)},
    }


def page_part(seconds: float, *, bundle: Path | None = None, shots: Path | None = None) -> dict[str, Any]:
    """Return what a page did for some seconds, on insoles at 15 ms that run a bundle, or of cells alone without one."""
    settings = {SettingKey.MASS: MASS_KG} if bundle else {}
    options = ("--on-device", str(bundle)) if bundle else ()
    with insoles("--interval-ms", "15", *options) as program:
        figures = asyncio.run(_watched(program.adapter, seconds, settings, shots))
    return figures | {"bundle": bundle.name if bundle else None}


def page_goals(part: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return each goal: what, the figure, whether it is met."""
    age, announced, late = part["age_ms"], part["told_ms"], part["drawn_ms"]
    rate, some = part["frames_per_s"], part["stances"] > 0
    complaints = part["console"]
    steady = part["monotone"] and not part["broken"]
    return [
        ("redraws >= 10 per s", f"{rate:.1f} per s, {part['fresh_per_s']:.1f} of them with new data", rate >= FRAMES_S),
        ("age of the data p95 <= 250 ms", _ms(age, part["seconds"]), age["p95"] is not None and age["p95"] <= AGE_MS),
        ("plotted time strictly increasing", f"{'yes' if steady else 'no'}, {part['samples']} samples", steady),
        (
            "stance answered <= 100 ms after its last packet",
            _of(announced, part),
            some and announced["max"] <= STANCE_MS,
        ),
        ("and drawn on the page <= 100 ms after it (p95)", _of(late, part), some and late["p95"] <= STANCE_MS),
        ("nothing in the browser's console", "; ".join(complaints) or "nothing", not complaints),
    ]


def _ms(quantiles: dict[str, float | None], seconds: float) -> str:
    text = ", ".join(f"{name} {value:.0f}" for name, value in quantiles.items() if value is not None)
    return f"{text or 'nothing'} ms over {seconds:.0f} s"


def _of(quantiles: dict[str, float | None], part: dict[str, Any]) -> str:
    text = ", ".join(f"{name} {value:.0f}" for name, value in quantiles.items() if value is not None)
    return f"{text or 'nothing'} ms of {part['stances']} stances ({', '.join(part['source']) or 'nobody'})"


def page_table(part: dict[str, Any]) -> list[str]:
    """Return the part's text and table."""
    run = f"the insoles run the bundle '{part['bundle']}'"
    who = run if part["bundle"] else "no bundle was there: contacts are of the cells"
    lines = [
        f"Two feet at 15 ms, 1280 x 800, drawn in software; {who}. {part['dropped']} batches skipped,"
        f" {part['refused']} samples refused. Hub, server and the driver of the browser take"
        f" {part['cpu_percent']:.0f} % of one core, the browser not counted.",
        "",
        "| ms | p50 | p95 | worst |",
        "|---|---|---|---|",
    ]
    names = {"age of the newest sample when drawn": "age_ms", "stance's last packet to the hub's word": "told_ms"}
    for name, key in (names | {"stance's last packet to the page's frame": "drawn_ms"}).items():
        figures = [part[key][quantile_name] for quantile_name in ("p50", "p95", "max")]
        lines.append(
            f"| {name} | " + " | ".join("-" if figure is None else f"{figure:.0f}" for figure in figures) + " |"
        )
    return lines
