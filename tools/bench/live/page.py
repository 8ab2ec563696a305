"""Open a monitor's page in headless Chromium, watch it, and take pictures: ``python tools/bench live.page URL``.

Says how often the page drew, how old the newest sample was when it was drawn, and whether plotted time only ever rose.
Chromium is driven over its DevTools protocol, so nothing but the browser and ``websockets`` is needed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import websockets

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SCREENS: dict[str, tuple[int, int, str]] = {
    "desktop-light": (1280, 800, "light"),
    "desktop-dark": (1280, 800, "dark"),
    "phone-light": (390, 844, "light"),
    "phone-dark": (390, 844, "dark"),
}
_FLAGS = (
    "--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps", "--no-pings",
    "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio", "--remote-debugging-port=0",
    "--no-sandbox", "--disable-features=Translate,MediaRouter,OptimizationHints",
)  # fmt: skip


class BrowserError(Exception):
    """The browser did not start, or a script in the page threw."""


def found() -> str | None:
    """Return the path of a Chromium, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab: evaluates, presses keys, sets its size, and keeps what its console complained of.

    Attributes
    ----------
    complaints
        Errors and warnings of the console, exceptions nobody caught, and requests that failed.
    """

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session: str | None = None
        self.complaints: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                message = json.loads(text)
                # events carry no id; ours begin at 1
                if (waiting := self._waiting.pop(message.get("id", 0), None)) is not None and not waiting.done():
                    waiting.set_result(message)
                elif "method" in message:
                    self._note(message["method"], message["params"])
        finally:
            for waiting in self._waiting.values():
                waiting.cancel()

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(
                " ".join(str(argument.get("value", argument.get("description"))) for argument in parameters["args"])
            )
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            entry = parameters["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}".strip())

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser and return its answer.

        Raises
        ------
        BrowserError
            If it refuses, or does not answer in 60 s.
        """
        number = next(self._numbers)
        request: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps(request))
        try:
            reply = await asyncio.wait_for(self._waiting[number], 60)
        except (asyncio.TimeoutError, asyncio.CancelledError) as error:
            raise BrowserError(f"{method} was not answered") from error
        if "error" in reply:
            raise BrowserError(f"{method}: {reply['error'].get('message')}")
        answer: dict[str, Any] = reply["result"]
        return answer

    async def attach(self, width: int, height: int) -> None:
        """Take a fresh tab of a size."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.resize(width, height)

    async def resize(self, width: int, height: int) -> None:
        """Set the width and height in CSS pixels; below 600 px wide it is a phone."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    async def scheme(self, name: str) -> None:
        """Let the system's preference be ``light`` or ``dark``."""
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    async def open(self, url: str) -> None:
        """Open an address and wait for the document."""
        answer = await self.call("Page.navigate", url=url)
        if answer.get("errorText"):
            raise BrowserError(f"{url}: {answer['errorText']}")
        await self.until("document.readyState === 'complete'")

    async def value(self, script: str) -> Any:
        """Return what an expression gives, promises awaited.

        Raises
        ------
        BrowserError
            If it throws.
        """
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(f"{script}: {details.get('exception', {}).get('description') or details['text']}")
        return answer["result"].get("value")

    async def until(self, script: str, *, timeout_s: float = 30.0) -> Any:
        """Wait until an expression is true and return its value.

        Raises
        ------
        BrowserError
            If it is not within the time.
        """
        end = time.monotonic() + timeout_s
        while not (value := await self.value(script)):
            if time.monotonic() > end:
                raise BrowserError(f"not within {timeout_s:g} s: {script}")
            await asyncio.sleep(0.05)
        return value

    async def key(self, key: str) -> None:
        """Press and release a key: a character, ``Tab``, ``Enter`` or ``Escape``."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        parameters = {"key": key, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **parameters, **({"text": text} if text else {}))
        await self.call("Input.dispatchKeyEvent", type="keyUp", **parameters)

    async def type(self, text: str) -> None:
        """Type into what has the focus."""
        await self.call("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        place = await self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def picture(self, path: Path, *, entire: bool = False) -> Path:
        """Save a PNG of what is seen, or of the whole page."""
        shot = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=entire)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    async def end(self) -> None:
        """Close the browser."""
        self._session = None
        with contextlib.suppress(BrowserError, websockets.ConnectionClosed):
            await asyncio.wait_for(self.call("Browser.close"), 10)
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


@contextlib.asynccontextmanager
async def browser(path: str | None = None, *, width: int = 1280, height: int = 800) -> AsyncIterator[Page]:
    """Run a Chromium of its own profile and give its tab; everything it made is gone afterwards.

    Raises
    ------
    BrowserError
        If there is none, or it does not start in 40 s.
    """
    program = path or found()
    if program is None:
        raise BrowserError(f"no browser was found, looked for {', '.join(NAMES)}; install chromium")
    with tempfile.TemporaryDirectory(prefix="grf-page-", ignore_cleanup_errors=True) as folder:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            program, *_FLAGS, f"--user-data-dir={folder}", "about:blank", stdout=quiet, stderr=quiet
        )
        try:
            # port 0 takes a free port, which Chromium writes into its profile
            address = await _address(Path(folder) / "DevToolsActivePort", process)
            async with websockets.connect(address, max_size=64 * 1024 * 1024, compression=None) as socket:
                page = Page(socket)
                try:
                    await page.attach(width, height)
                    yield page
                finally:
                    await page.end()
        finally:
            await _gone(process)


async def _address(file: Path, process: asyncio.subprocess.Process) -> str:
    end = time.monotonic() + 40
    while time.monotonic() < end and process.returncode is None:
        lines = file.read_text().split() if file.is_file() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.05)
    raise BrowserError(f"the browser did not start (exit code {process.returncode})")


async def _gone(process: asyncio.subprocess.Process) -> None:
    for end in (lambda: None, process.terminate, process.kill):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), 5)


def quantile(values: list[float], share: float) -> float | None:
    """Return the value below which a share of them lies (nearest rank), None of none."""
    if not values:
        return None
    return sorted(values)[min(len(values), max(1, math.ceil(share * len(values)))) - 1]


async def watch(page: Page, seconds: float) -> dict[str, Any]:
    """Return what a page that streams did for some seconds.

    Returns
    -------
    ``seconds``, ``frames_per_s`` (redraws), ``fresh_per_s`` (redraws with new samples), ``age_ms`` with ``p50``,
    ``p95`` and ``max`` (from the moment of the newest sample to its drawing, on the server's clock), ``monotone`` (no
    plotted time was at or before the one left of it), ``broken`` messages, ``dropped`` batches and ``samples``.
    """
    read = (
        "(() => { const g = window.grfMonitor; return {at: performance.now(), frames: g.frames, fresh: g.fresh,"
        " backwards: g.backwards, refused: g.refused, broken: g.broken, dropped: g.dropped, samples: g.samples}; })()"
    )
    first = await page.value(read)
    await asyncio.sleep(seconds)
    last = await page.value(read)
    ages = [age for _, at, age in await page.value("window.grfMonitor.ages") if first["at"] <= at <= last["at"]]
    lasted = (last["at"] - first["at"]) / 1000
    rising = await page.value(
        "Object.keys(window.grfMonitor.lastTimes).every((d) =>"
        " window.grfMonitor.plotted(+d).every((t, i, all) => i === 0 || t > all[i - 1]))"
    )
    return {
        "seconds": lasted,
        "frames_per_s": (last["frames"] - first["frames"]) / lasted,
        "fresh_per_s": (last["fresh"] - first["fresh"]) / lasted,
        "age_ms": {"p50": quantile(ages, 0.5), "p95": quantile(ages, 0.95), "max": max(ages, default=None)},
        "monotone": bool(rising) and last["backwards"] == 0,
        "refused": last["refused"] - first["refused"],
        "broken": last["broken"],
        "dropped": last["dropped"],
        "samples": last["samples"] - first["samples"],
    }


async def shoot(page: Page, folder: Path, *, prefix: str = "live") -> list[Path]:
    """Save pictures of the page as it is now: desktop and phone, light and dark, phones whole."""
    pictures = []
    for name, (width, height, scheme) in SCREENS.items():
        await page.scheme(scheme)
        await page.resize(width, height)
        await asyncio.sleep(0.8)
        pictures.append(await page.picture(folder / f"{prefix}-{name}.png"))
    return pictures


async def look(
    url: str,
    *,
    seconds: float = 10.0,
    shots: Path | None = None,
    while_open: Callable[[Page], Any] | None = None,
    chromium: str | None = None,
) -> dict[str, Any]:
    """Open a monitor's address, watch it, take pictures, and return what :func:`watch` found.

    Parameters
    ----------
    url
        As the monitor printed it, token included.
    seconds
        How long to watch, after the first samples were drawn.
    shots
        Folder for the pictures; none are taken without.
    while_open
        Awaited with the page before the pictures are taken.

    Returns
    -------
    As :func:`watch`, with ``console`` (what the page complained of) and ``pictures`` (paths).

    Raises
    ------
    BrowserError
        If there is no browser, or nothing streams within 30 s.
    """
    async with browser(chromium) as page:
        await page.open(url)
        await page.until("window.grfMonitor && window.grfMonitor.fresh > 5")
        result = await watch(page, seconds)
        if while_open is not None:
            await while_open(page)
        result["pictures"] = [str(path) for path in await shoot(page, shots)] if shots else []
        result["console"] = list(page.complaints)
        return result


def main() -> int:
    """Watch the page and print what was found as JSON; 1 where time ran backwards or the console complained."""
    parser = argparse.ArgumentParser(description="Watch a monitor's page in headless Chromium.")
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--shots", type=Path, help="folder for pictures")
    parser.add_argument("--chromium", help="path of the browser")
    options = parser.parse_args()
    try:
        result = asyncio.run(look(options.url, seconds=options.seconds, shots=options.shots, chromium=options.chromium))
    except BrowserError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(result, indent=2))
    return 0 if result["monotone"] and not result["console"] else 1
