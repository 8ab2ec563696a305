"""The review page in headless Chromium against the real server: moved by keys and mouse, edited, decided, ended."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

from grfkit import Trial
from grfkit.review.desk import Desk
from grfkit.review.server import serve_review
from review_trials import a_trial

PATIENT_S = 60.0
TOKEN = "abcdefgh12345678"


async def shift_s(page: Any) -> float:
    return float(await page.value("grfReview.state.drafts[0].shift_s"))


async def settled(page: Any) -> None:
    """Wait until what is shown is of the place that is shown."""
    same = (
        "grfReview.state.likely && grfReview.chart.data"
        " && grfReview.chart.takenAt === grfReview.state.drafts[0].shift_s && (grfReview.state.drafts[0].fitted"
        " || Math.abs(grfReview.state.likely.shift_s - grfReview.state.drafts[0].shift_s) < 1e-9)"
    )
    await page.until(same, timeout_s=PATIENT_S)


async def text(page: Any, selector: str) -> str:
    return str(await page.value(f"document.querySelector('{selector}').innerText"))


async def pointer(page: Any, kind: str, x: float, y: float, **more: Any) -> None:
    await page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)


async def dragged(page: Any, start: tuple[float, float], by: float, *, shift: bool = False) -> None:
    held = {"button": "left", "modifiers": 8 if shift else 0}
    await pointer(page, "mousePressed", *start, clickCount=1, **held)
    for part in (0.5, 1.0):
        await pointer(page, "mouseMoved", start[0] + part * by, start[1], buttons=1, **held)
    await pointer(page, "mouseReleased", start[0] + by, start[1], clickCount=1, **held)


async def plot_box(page: Any) -> list[float]:
    return list(
        await page.value(
            "(() => { const b = grfReview.chart.plot.over.getBoundingClientRect();"
            " return [b.x, b.y, b.width, b.height] })()"
        )
    )


async def moves(page: Any) -> None:
    """Keys, the slider and the mouse move the device, and the likelihood follows."""
    assert await text(page, "#moved") == "where the trial has it"
    best = float((await text(page, "#nats")).split()[0])
    for _ in range(3):
        await page.key("ArrowRight")
    assert await shift_s(page) == pytest.approx(0.003)
    await page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", modifiers=8)
    assert await shift_s(page) == pytest.approx(0.013)
    await settled(page)
    assert await text(page, "#moved") == "moved by +13 ms"
    assert float((await text(page, "#nats")).split()[0]) < best - 3
    assert "later than the contacts fit best" in await text(page, "#nats-words")
    await page.key("PageUp")
    step = await page.value("grfReview.state.about.clocks[0].step_s")
    assert await shift_s(page) == pytest.approx(0.013 + step, abs=1e-4)
    await settled(page)
    await page.key("b")
    await settled(page)
    assert await shift_s(page) == pytest.approx(step, abs=0.02)
    await page.key("n")
    await settled(page)
    await page.key("Home")
    await settled(page)
    assert await shift_s(page) == 0
    await page.value(
        "(() => { const s = document.querySelector('#slider'); s.value = -25; s.dispatchEvent(new Event('input')) })()"
    )
    await settled(page)
    assert await shift_s(page) == pytest.approx(-0.025)
    x, y, width, height = await plot_box(page)
    before = await page.value("grfReview.chart.view")
    await dragged(page, (x + width / 2, y + height / 2), 50, shift=True)
    per_pixel = (before[1] - before[0]) / width
    assert await shift_s(page) == pytest.approx(-0.025 + 50 * per_pixel, abs=0.002)
    assert await page.value("grfReview.chart.view") == before
    await page.key("Home")


async def looks_around(page: Any) -> None:
    """The wheel, dragging and keys zoom and pan."""
    x, y, width, height = await plot_box(page)
    start, end = await page.value("grfReview.chart.view")
    await pointer(page, "mouseWheel", x + width / 4, y + height / 2, deltaX=0, deltaY=-100)
    await page.until(f"grfReview.chart.view[1] - grfReview.chart.view[0] < {end - start - 0.1}")
    zoomed = await page.value("grfReview.chart.view")
    # what the mouse is on stays where it is
    assert zoomed[0] + (zoomed[1] - zoomed[0]) / 4 == pytest.approx(start + (end - start) / 4, abs=0.02)
    await dragged(page, (x + width / 2, y + height / 2), -100)
    moved = await page.value("grfReview.chart.view")
    assert moved[0] > zoomed[0]
    await page.key("w")
    assert await page.value("grfReview.chart.view[1] - grfReview.chart.view[0]") > 50
    await page.key("z")
    assert await page.value("grfReview.chart.view[1] - grfReview.chart.view[0]") == pytest.approx(0.5)
    await settled(page)


async def edits(page: Any) -> None:
    """A contact is moved, added, deleted and put back; the clock is fitted."""
    await page.key("e")
    contacts = "grfReview.chart.contacts().filter((one) => one.on === 'device' && Math.abs(one.x"
    contacts += " - (grfReview.chart.view[0] + grfReview.chart.view[1]) / 2) < 0.25)"
    await page.until(f"{contacts}.length", timeout_s=PATIENT_S)
    x, y, width, height = await plot_box(page)
    at = await page.value(f"grfReview.chart.plot.valToPos({contacts}[0].x, 'x')")
    await dragged(page, (x + at, y + height - 4), width * 0.04)
    await page.until("grfReview.state.drafts[0].edits.length === 1")
    edit = (await page.value("grfReview.state.drafts[0].edits"))[0]
    assert (edit["on"], edit["now_s"] - edit["was_s"]) == ("device", pytest.approx(0.02, abs=0.004))
    assert "moved by +20" in await text(page, "#edits")
    await page.until("grfReview.chart.contacts().some((one) => one.changed)", timeout_s=PATIENT_S)
    await page.click("#add-reference")
    await page.until("grfReview.state.drafts[0].edits.length === 2")
    await page.key("Delete")
    await page.until(
        "grfReview.state.drafts[0].edits[0].now_s === null || grfReview.state.drafts[0].edits[1].now_s === null"
    )
    await page.click("#edits li:last-child button")
    await page.until("grfReview.state.drafts[0].edits.length === 1")
    await page.key("f")
    await page.until("grfReview.state.drafts[0].fitted", timeout_s=PATIENT_S)
    assert "contacts, ±" in await text(page, "#fit-words")
    await page.key("Home")
    await page.key("e")


async def decides(page: Any, out: Path) -> None:
    """A note is typed (and its letters are no keys), the clock accepted, and the file there at once."""
    await page.key("ArrowRight")
    await page.click("#finish")
    assert "neither accepted nor refused" in await text(page, "#undecided")
    await page.click("#finish-not")
    await page.click("input[name=who]")
    await page.type("MK")
    await page.click("input[name=note]")
    for letter in "wza":
        await page.key(letter)
    await page.key("Escape")
    await page.key("a")
    assert await page.value("document.activeElement.id") == "accept"
    await page.key("Enter")
    await page.until("document.querySelector('#answer').innerText.startsWith('Accepted by hand')", timeout_s=PATIENT_S)
    by_hand = Trial.from_netcdf(out).clock_maps["insole_left"].by_hand
    assert by_hand is not None
    assert (by_hand.who, by_hand.note, round(by_hand.moved_s, 4)) == ("MK", "wza", 0.001)
    assert await text(page, "#verdict") == "aligned, by hand"


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_review_from_beginning_to_end(tmp_path: Path, width: int) -> None:
    from bench.live import page as live_page

    if live_page.found() is None:
        pytest.skip("no Chromium on this machine: the page is tested in a browser only where there is one")
    desk = Desk(a_trial(), tmp_path / "t.reviewed.nc", name="t.nc")

    async def all_of_it() -> None:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve_review(desk, token=TOKEN, ready=url.set_result))
        async with live_page.browser(width=width, height=800) as page:
            await page.open(await url)
            await page.until("window.grfReview && grfReview.drawn && grfReview.weighed", timeout_s=PATIENT_S)
            # nothing sticks out sideways
            assert await page.value("document.documentElement.scrollWidth") <= width
            await moves(page)
            await looks_around(page)
            await edits(page)
            await decides(page, desk.out)
            await page.key("?")
            assert await page.value("document.querySelector('#help-dialog').open")
            await page.click("#help-close")
            await page.click("#finish")
            await page.until("document.querySelector('#main').innerText.includes('has ended')", timeout_s=PATIENT_S)
            assert page.complaints == []
        await asyncio.wait_for(serving, 30)

    asyncio.run(asyncio.wait_for(all_of_it(), 400))
    gc.collect()
    assert desk.result()["undecided"] == []
