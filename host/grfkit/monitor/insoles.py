"""The insoles of a hub: their connections, what comes of each foot's samples, and which two feet are one runner's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from ..device.link import LinkClosed
from .connection import InsoleConnection
from .live import LiveFoot

__all__ = ["Insoles", "connect_all"]


class Insoles:
    """Connections and feet in the order of their numbers.

    Attributes
    ----------
    connections
        From the moment there are any; not yet in their final order until :meth:`number`.
    feet
        One for each connection, after :meth:`number`.
    runners
        Which pair of feet each belongs to.
    """

    def __init__(self) -> None:
        self.connections: list[InsoleConnection] = []
        self.feet: list[LiveFoot] = []
        self.runners: list[int] = []

    def number(self, connections: Iterable[InsoleConnection], foot: Callable[[int], LiveFoot]) -> None:
        """Number feet: the first left one with the first right one, then the next runner's.

        Parameters
        ----------
        foot
            Makes the foot of a number.
        """
        count = {"left": 0, "right": 0}
        order = []
        for connection in connections:
            order.append((count[connection.side], connection.side, connection))
            count[connection.side] += 1
        # by runner, then by side: "left" sorts before "right"
        order.sort(key=lambda place: place[:2])
        self.connections = [connection for _, _, connection in order]
        self.runners = [runner for runner, _, _ in order]
        for device, connection in enumerate(self.connections):
            connection.device = device
        self.feet = [foot(device) for device in range(len(order))]

    def other_feet(self, device: int) -> list[int]:
        """Return the numbers of the same runner's other feet: one, or none."""
        return [k for k, runner in enumerate(self.runners) if runner == self.runners[device] and k != device]

    def pairs(self) -> list[Sequence[int]]:
        """Return the numbers of both feet of every runner who wears two."""
        feet = [[k for k, r in enumerate(self.runners) if r == runner] for runner in sorted(set(self.runners))]
        return [pair for pair in feet if len(pair) == 2]


async def connect_all(
    connections: Iterable[InsoleConnection], failed: Callable[[InsoleConnection, Exception], None]
) -> list[InsoleConnection]:
    """Connect insoles for the first time; return those that are insoles, ``failed`` called for each that failed.

    One that cannot be reached now stays among them, to be tried again; one that is no insole of this profile does not.
    """
    connections = list(connections)
    outcomes = await asyncio.gather(*(connection.connect() for connection in connections), return_exceptions=True)
    insoles = []
    for connection, outcome in zip(connections, outcomes):
        if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Exception):
            failed(connection, outcome)
        if not isinstance(outcome, Exception) or isinstance(outcome, LinkClosed):
            insoles.append(connection)
    return insoles
