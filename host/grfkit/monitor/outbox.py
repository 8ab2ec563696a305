"""The messages that wait for one page: a page that does not read loses old samples and holds up nothing."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import replace
from typing import Any

from .messages import Message, SampleBatch, Snapshot

_WAITING = 24
"""Batches kept: about 0.8 s of two feet at 15 batches a second."""
_TEXTS, _OWN = 256, 256
"""Stances and events kept (a page that opens is given the last dozen of every foot), and texts of the server's own."""
_ON_THE_WAY = 32
"""Batches sent and not yet seen by the page, at most: what lies in sockets on the way there only grows old."""


class Outbox:
    """Messages to one page: beyond ``most``, the oldest batches go first, and of states only the newest is kept.

    Stances and events wait apart from batches; of them, too, the newest ``texts`` are kept. What the server itself has
    to say and the first state are never pushed out by them, and come in order: a page knows no foot before its state.

    Attributes
    ----------
    dropped
        Batches thrown away so far; the page shows the count.
    """

    def __init__(self, most: int = _WAITING, texts: int = _TEXTS) -> None:
        self._most, self._most_texts = most, texts
        self._batches: deque[SampleBatch] = deque()
        self._texts: deque[tuple[bool, str]] = deque()
        self._opened = False
        self._state: Snapshot | None = None
        self._torn: set[int] = set()
        self._filled = asyncio.Event()
        self._ended = False
        self._sent = 0
        self._acknowledged: int | None = None
        self.dropped = 0

    def put(self, message: Message) -> None:
        """Keep a message, at once and whatever waits."""
        if isinstance(message, SampleBatch):
            self._batches.append(message)
            if len(self._batches) > self._most:
                # the foot's next batch says that samples are missing before it, and the page breaks its line there
                self._torn.add(self._batches.popleft().device)
                self.dropped += 1
        elif isinstance(message, Snapshot) and self._opened:
            self._state = message
        else:
            first = isinstance(message, Snapshot)
            self._opened |= first
            self._keep(message.to_json(), from_server=first)
        self._filled.set()

    def tell(self, content: dict[str, Any]) -> None:
        """Keep a text of the server's own."""
        self._keep(json.dumps(content, allow_nan=False, default=float), from_server=True)
        self._filled.set()

    def _keep(self, text: str, *, from_server: bool) -> None:
        """Keep a text; of the hub's the oldest goes, and a page that asks on and on but never reads is not answered."""
        waiting = sum(origin == from_server for origin, _ in self._texts)
        if from_server and waiting >= _OWN:
            return
        if not from_server and waiting >= self._most_texts:
            self._texts.remove(next(entry for entry in self._texts if not entry[0]))
        self._texts.append((from_server, text))

    def acknowledge(self, batches: int) -> None:
        """Take note of how many batches the page has taken; from then on it is not sent many more than that."""
        self._acknowledged = max(self._acknowledged or 0, batches)
        self._filled.set()

    def end(self) -> None:
        """Let :meth:`get` return None once empty."""
        self._ended = True
        self._filled.set()

    async def get(self) -> bytes | str | None:
        """Return what to send next: texts, then the newest state, then batches in order; None at the end."""
        while True:
            if self._texts:
                return self._texts.popleft()[1]
            if self._state is not None:
                state, self._state = self._state, None
                return state.to_json()
            if self._batches and (
                self._acknowledged is None or self._ended or self._sent - self._acknowledged < _ON_THE_WAY
            ):
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
