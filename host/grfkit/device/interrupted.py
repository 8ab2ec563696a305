"""SIGINT and SIGTERM as an event, so that a program that streams ends by itself and closes what it opened."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def interrupted() -> Iterator[asyncio.Event]:
    """Give an event that the signals set in place of ending the program; where no handler can be set, they end it.

    A second signal ends it at once, whatever is still being closed.
    """
    enough, loop = asyncio.Event(), asyncio.get_running_loop()
    handled: list[signal.Signals] = []

    def on_signal() -> None:
        """Set the event; end the program where it was set before."""
        if enough.is_set():
            raise KeyboardInterrupt
        enough.set()

    # Windows' event loops take no signal handlers; elsewhere only the main thread's does, hence the suppression
    if sys.platform != "win32":
        for signum in (signal.SIGINT, signal.SIGTERM):
            with suppress(RuntimeError, ValueError):
                loop.add_signal_handler(signum, on_signal)
                handled.append(signum)
    try:
        yield enough
    finally:
        for signum in handled:
            loop.remove_signal_handler(signum)
