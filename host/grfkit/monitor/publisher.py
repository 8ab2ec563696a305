"""What every hub has: listeners, a task that runs in the background, and the wait for whatever ends it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..arguments import refused_field
from ..device.interrupted import interrupted
from ..errors import BadInputError, GrfError
from .messages import Message
from .subscription import Subscription

__all__ = ["Publisher", "of_options", "until_ended"]

RequestT = TypeVar("RequestT", bound=BaseModel)


class Publisher(ABC):
    """Publishes messages to listeners while it runs; used with ``async with``."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._run: asyncio.Task[None] | None = None

    @abstractmethod
    async def stop(self) -> None:
        """End what runs; returns when everything is closed."""

    @abstractmethod
    def _first(self) -> Sequence[Message]:
        """Return what a new listener gets at once."""

    async def __aexit__(self, kind: object, *_: object) -> None:
        """Stop, and raise what went wrong."""
        await self.stop()
        if self._run is not None:
            try:
                await self._run
            except GrfError:
                if kind is None:
                    raise

    async def over(self) -> None:
        """Return when it has ended, by itself or not; what went wrong is raised by leaving ``async with``."""
        if self._run is not None:
            await asyncio.wait({self._run})

    def subscribe(self) -> Subscription:
        """Return the messages from now on: the state, the last stances, then whatever comes."""

        def closed(subscription: Subscription) -> None:
            """Forget a listener."""
            with suppress(ValueError):
                self._subscriptions.remove(subscription)

        subscription = Subscription(self._first(), closed)
        self._subscriptions.append(subscription)
        return subscription

    def publish(self, message: Message) -> None:
        """Give a message to every listener."""
        for subscription in tuple(self._subscriptions):
            subscription.put(message)


async def until_ended(
    hub: Publisher, views: Sequence[Callable[[Any], Any]], telling: asyncio.Future[None], seconds: float | None
) -> None:
    """Return once the time is over, a signal came, the hub ended or a view did; the hub is stopped then.

    What made a view or the hub end badly is raised here, after everything is closed.
    """
    with interrupted() as enough:
        waiting = [asyncio.ensure_future(view(hub)) for view in views]
        waiting += [asyncio.ensure_future(end) for end in (enough.wait(), hub.over())]
        ended, left = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await hub.stop()
        for task in left:
            task.cancel()
        await asyncio.gather(*left, telling, return_exceptions=True)
        for task in ended:
            task.result()


def of_options(kind: type[RequestT], options: dict[str, Any]) -> RequestT:
    """Return a request of a command's options.

    Raises
    ------
    BadInputError
        Naming the option that cannot be.
    """
    try:
        return kind.model_validate(options)
    except ValidationError as error:
        name, why = refused_field(error)
        raise BadInputError(f"--{name.split('.')[0].replace('_', '-')} {why}") from error
