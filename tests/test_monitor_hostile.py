"""What a careless or hostile user may do to grf-monitor, and what it says: one line each, and never a traceback."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from grfkit.device.link import Conversation, LinkClosed
from grfkit.device.profile import Get

PROGRAM = [sys.executable, "-m", "grfkit.cli.monitor"]


def test_remarks_of_libraries_are_left_out_and_errors_are_not() -> None:
    text = """
import logging, os
from grfkit.device.quiet import quiet_logs, quiet_native
quiet_logs()
with quiet_native():
    os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nERROR: it does not fit\\n")
logging.getLogger("bumble.host").warning("!!! no pending response future to set")
logging.getLogger("grfkit.device.ble").warning("ours is seen")
"""
    environment = {k: v for k, v in os.environ.items() if k != "GRFKIT_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, env=environment, timeout=100, check=True
    )
    assert done.stderr == "ERROR: it does not fit\nours is seen\n"


def test_a_request_whose_link_ends_while_it_is_written_leaves_no_error_behind() -> None:
    """It raises once, where it was asked; nothing is printed later by whoever collects what nobody awaited."""
    unheard: list[Any] = []

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))

        async def write(_: bytes) -> None:
            gone = LinkClosed("link loss", address="a")
            one.end(gone)
            raise gone

        one = Conversation(write, address="a")
        with pytest.raises(LinkClosed, match="link loss"):
            await one.ask(Get())
        gc.collect()

    asyncio.run(work())
    assert not unheard
