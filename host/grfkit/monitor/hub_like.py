"""What the page and the terminal ask of a hub, without what either is made with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from .messages import Command, Message, Snapshot


class MessageStream(Protocol):
    """Messages from the moment of subscribing on; ends when the hub does."""

    def __aiter__(self) -> AsyncIterator[Message]:
        """Return itself."""

    async def __anext__(self) -> Message:
        """Return the next message."""

    def close(self) -> Any:
        """Stop listening; may be awaitable."""


class HubLike(Protocol):
    """The part of a hub that the server and the terminal use."""

    def subscribe(self) -> MessageStream:
        """Return a subscription of its own for each listener."""

    async def command(self, command: Command, /) -> dict[str, Any]:
        """Carry a command out and return the answer for the page, with ``ok`` and ``error``.

        Raises
        ------
        GrfError
            If it cannot be done; the text goes to the page.
        """

    def snapshot(self) -> Snapshot:
        """Return everything but samples; ``now_s`` is the moment of the call."""
