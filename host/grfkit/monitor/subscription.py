"""One listener's messages: a slow one loses its oldest batches, counted, and never a stance or an event."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

from .messages import Message, SampleBatch, Snapshot

__all__ = ["Subscription"]

MOST_BATCHES = 128
"""About two seconds of four feet."""


class Subscription:
    """Messages from now on, opened by the latest state and the last stances; ends when the hub does.

    Batches are given in order; of states only the newest waits.

    Attributes
    ----------
    dropped
        Batches that were dropped because the listener was too slow.
    """

    def __init__(
        self, first: Iterable[Message], closed: Callable[[Subscription], None], *, most: int = MOST_BATCHES
    ) -> None:
        self._waiting: deque[Message] = deque(first)
        self._closed, self._most = closed, most
        self._batches, self._ended = 0, False
        self._news = asyncio.Event()
        self.dropped = 0

    def put(self, message: Message) -> None:
        """Take a message."""
        if self._ended:
            return
        if isinstance(message, Snapshot):
            self._drop_oldest(Snapshot)
        elif isinstance(message, SampleBatch):
            if self._batches >= self._most:
                self._drop_oldest(SampleBatch)
                self._batches -= 1
                self.dropped += 1
            self._batches += 1
        self._waiting.append(message)
        self._news.set()

    def end(self) -> None:
        """Give what waits, then nothing more."""
        self._ended = True
        self._news.set()

    def close(self) -> None:
        """Stop listening."""
        self._waiting.clear()
        self.end()
        self._closed(self)

    def __aiter__(self) -> AsyncIterator[Message]:
        """Return itself."""
        return self

    async def __anext__(self) -> Message:
        """Return the next message."""
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        message = self._waiting.popleft()
        self._batches -= isinstance(message, SampleBatch)
        return message

    def _drop_oldest(self, kind: type[Message]) -> None:
        for k, message in enumerate(self._waiting):
            if isinstance(message, kind):
                del self._waiting[k]
                return
