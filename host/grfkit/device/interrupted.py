"""SIGINT and SIGTERM as an event, so that a program that streams ends by itself and closes what it opened."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

__all__ = ["interrupted", "run_loop"]

_T = TypeVar("_T")


def run_loop(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a program as :func:`asyncio.run` does, KeyboardInterrupt after Ctrl-C; the same on every Python.

    On Python 3.10 ``asyncio.run`` cancels every task at once, so that one that waits for an answer may learn that
    another closed its link before it learns that it is cancelled, and the loop prints that error. Here Ctrl-C cancels
    ``main`` alone, as Python does itself from 3.11 on, and ``main`` ends what it began.
    """
    if sys.version_info >= (3, 11) or sys.platform == "win32":
        return asyncio.run(main)

    stopped = False

    async def cancelled_first() -> _T:
        task, loop = asyncio.ensure_future(main), asyncio.get_running_loop()

        def on_signal() -> None:
            nonlocal stopped
            if stopped:
                raise KeyboardInterrupt
            stopped = True
            task.cancel()

        with suppress(RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(signal.SIGINT, on_signal)
        return await task

    try:
        return asyncio.run(cancelled_first())
    except asyncio.CancelledError:
        if stopped:
            raise KeyboardInterrupt from None
        raise


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
