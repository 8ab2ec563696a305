"""Does Ctrl-C end a program that waits on a link, on every Python, without a word of the loop's own?"""

from __future__ import annotations

import subprocess
import sys

import pytest

from grfkit.device.interrupted import run_loop

# one task closes the link as it is cancelled; whoever waits on a closed link has an error in place of a cancellation
PROGRAM = """
import asyncio, os, signal
from grfkit.device.interrupted import run_loop

closed = False

async def reads():
    global closed
    try:
        await asyncio.sleep(60)
    finally:
        closed = True

async def waits():
    try:
        await asyncio.sleep(60)
    finally:
        if closed:
            raise OSError("the link is closed")

async def main():
    tasks = [asyncio.ensure_future(waits() if k % 2 else reads()) for k in range(40)]
    asyncio.get_running_loop().call_later(.1, os.kill, os.getpid(), signal.SIGINT)
    try:
        await asyncio.gather(*tasks[1::2])
    finally:
        for task in tasks[::2]:
            task.cancel()

try:
    run_loop(main())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' event loops take no signal handlers")
def test_ctrl_c_ends_it_without_an_error_of_a_task() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)


def test_what_it_runs_answers() -> None:
    async def main() -> int:
        return 7

    assert run_loop(main()) == 7
