"""What one page has still to be sent: a page that does not read loses old samples and holds nobody up."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import replace
from typing import Any

from .messages import Batch, Message, Snapshot

_WAITING = 24
"""Messages kept: about 0.8 s of two feet at 15 batches a second."""
_ON_THE_WAY = 32
"""Batches sent and not yet seen by the page, at most: what lies in sockets on the way there only grows old."""


class Outbox:
    """Messages to one page: beyond ``most``, the oldest batches go first, and of states only the newest is kept.

    Stances and events wait apart from batches; of them, too, the newest ``most`` are kept.

    Attributes
    ----------
    dropped
        Batches thrown away so far; the page is told.
    """

    def __init__(self, most: int = _WAITING) -> None:
        self._most = most
        self._batches: deque[Batch] = deque()
        self._texts: deque[str] = deque(maxlen=most)
        self._state: Snapshot | None = None
        self._torn: set[int] = set()
        self._filled = asyncio.Event()
        self._ended = False
        self._sent = 0
        self._seen: int | None = None
        self.dropped = 0

    def put(self, message: Message) -> None:
        """Keep a message, at once and whatever waits."""
        if isinstance(message, Batch):
            self._batches.append(message)
            if len(self._batches) > self._most:
                self._torn.add(self._batches.popleft().device)
                self.dropped += 1
        elif isinstance(message, Snapshot):
            self._state = message
        else:
            self._texts.append(message.to_json())
        self._filled.set()

    def tell(self, content: dict[str, Any]) -> None:
        """Keep a text of the server's own."""
        self._texts.append(json.dumps(content, allow_nan=False, default=float))
        self._filled.set()

    def seen(self, batches: int) -> None:
        """Take note of how many batches the page has taken; from then on it is not sent many more than that."""
        self._seen = max(self._seen or 0, batches)
        self._filled.set()

    def end(self) -> None:
        """Let :meth:`get` return None once empty."""
        self._ended = True
        self._filled.set()

    async def get(self) -> bytes | str | None:
        """Return what to send next: texts, then the newest state, then batches in order; None at the end."""
        while True:
            if self._texts:
                return self._texts.popleft()
            if self._state is not None:
                state, self._state = self._state, None
                return state.to_json()
            if self._batches and (self._seen is None or self._ended or self._sent - self._seen < _ON_THE_WAY):
                return self._next_batch()
            if self._ended:
                return None
            self._filled.clear()
            await self._filled.wait()

    def _next_batch(self) -> bytes:
        batch = self._batches.popleft()
        self._sent += 1
        if batch.device in self._torn:
            self._torn.discard(batch.device)
            batch = replace(batch, gap=True)
        return batch.to_bytes()
