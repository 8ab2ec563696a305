"""The last part of the demo: ten seconds of the monitor, over virtual insoles that run the bundle."""

from __future__ import annotations

import queue
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

BIN = Path(sys.executable).parent
BENCH = Path(__file__).resolve().parents[1] / "bench"
SECONDS = 10
"""How long the browser looks at the page."""
WORDS = (
    "grf-monitor", "--demo", "--model", "learn/bundle", "--mass", "70", "--port", "0", "--no-browser",
    "--record", "live.grfrec", "--seconds", str(SECONDS + 15),
)  # fmt: skip
_ADDRESS = re.compile(r"http://\S+")


def monitored(folder: Path, grf: Callable[..., None], tell: Callable[[str], None]) -> bool:
    """Run the monitor, have a browser look at it, read the recording; return whether the monitor ended well."""
    tell("Live: virtual insoles run the bundle and send over Bluetooth's own protocol stack; ten seconds of the page")
    print(f"\n$ {shlex.join(WORDS)}", flush=True)
    with subprocess.Popen(
        [str(BIN / WORDS[0]), *WORDS[1:]], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_hand_on, args=(running, lines), daemon=True).start()
        output = _until_address(lines)
        address = _ADDRESS.search(output[-1]) if output else None
        looked = _looked(address[0], folder) if address else "the monitor printed no address"
        rest = list(iter(lines.get, None))
        print("\n".join([*output, *rest]))
        print(f"(exit code {running.wait()})", flush=True)
    if running.returncode:
        return False
    print(f"the page in headless Chromium: {looked}")
    grf(folder, "grf-inspect", "live.grfrec", most_lines=12)
    return True


def pictures(folder: Path) -> list[Path]:
    """Return the pictures taken."""
    return sorted((folder / "live").glob("*.png"))


def _hand_on(running: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert running.stdout is not None
    for line in running.stdout:
        lines.put(line.rstrip())
    lines.put(None)


def _until_address(lines: queue.Queue[str | None]) -> list[str]:
    lines_read = []
    while (line := lines.get(timeout=120)) is not None:
        lines_read.append(line)
        if _ADDRESS.search(line):
            return lines_read
    return lines_read


def _looked(address: str, folder: Path) -> str:
    """Return what the browser saw; where there is none, that."""
    words = [
        sys.executable,
        str(BENCH),
        "live.page",
        address,
        "--seconds",
        str(SECONDS),
        "--shots",
        str(folder / "live"),
    ]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=180)
    return ended.stdout.strip() or ended.stderr.strip()
