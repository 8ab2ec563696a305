"""The commands that listeners may send to a hub, and how they are carried out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from ..errors import BadInputError
from ..wire import SettingKey
from .insoles import Insoles
from .messages import Command
from .recording import HubRecording
from .stance_log import Target
from .stances import LiveStances

__all__ = ["Commands", "Happened"]

_SET = {"mass_kg": SettingKey.MASS, "speed_m_s": SettingKey.SPEED, "slope_percent": SettingKey.SLOPE}


class Happened(Protocol):
    """Takes an event worth a line."""

    def __call__(self, kind: str, text: str = "", /) -> None:
        """Take its kind and its text."""


class Commands:
    """The actions of :data:`~grfkit.monitor.messages.ACTIONS`.

    Parameters
    ----------
    set_values
        Mass, speed and slope; ``set`` changes them.
    replayed
        Name of the recording that is played; None where insoles are live.
    happened
        Called with what was done.

    Attributes
    ----------
    running
        Whether the insoles are to stream.
    """

    def __init__(
        self,
        insoles: Insoles,
        stances: LiveStances,
        recording: HubRecording,
        set_values: dict[SettingKey, float],
        *,
        replayed: str | None,
        happened: Happened,
    ) -> None:
        self._insoles, self._stances, self._recording = insoles, stances, recording
        self._set_values, self._replayed, self._happened = set_values, replayed, happened
        self.running = True

    async def do(self, command: Command) -> None:
        """Carry a command out.

        Raises
        ------
        GrfError
            If it cannot be done.
        """
        actions: dict[str, Callable[[Command], Awaitable[None]]] = {
            "start": self._start,
            "stop": self._stop,
            "tare": self._tare,
            "mark": self._mark,
            "note": self._note,
            "target": self._target,
            "clear": self._clear,
            "set": self._set,
        }
        if command.action not in actions:
            raise BadInputError(f"'{command.action}' is no command of the monitor")
        await actions[command.action](command)

    async def _start(self, command: Command) -> None:
        self._require_insoles(command)
        await _all_at_once(connection.start() for connection in self._insoles.connections)
        self.running = True

    async def _stop(self, command: Command) -> None:
        self._require_insoles(command)
        self.running = False
        await _all_at_once(connection.stop() for connection in self._insoles.connections)

    async def _tare(self, command: Command) -> None:
        self._require_insoles(command)
        connections = self._insoles.connections
        if command.device is not None:
            if not 0 <= command.device < len(connections):
                raise BadInputError(f"there is no insole {command.device}; there are {len(connections)}")
            connections = [connections[command.device]]
        await _all_at_once(connection.tare() for connection in connections)

    @property
    def stated(self) -> dict[str, float]:
        """Return what was stated of the runner and the treadmill, by name."""
        return {name: self._set_values[key] for name, key in _SET.items() if key in self._set_values}

    async def _mark(self, command: Command) -> None:
        text = str(command.arguments.get("text", ""))
        self._recording.required("mark").mark(text)
        self._happened("mark", text)

    async def _note(self, command: Command) -> None:
        text = str(command.arguments.get("text", "")).strip()
        if not text:
            raise BadInputError("a note without words was sent; write something")
        self._recording.required("note").note(text)
        self._happened("note", text)

    async def _target(self, command: Command) -> None:
        target = Target.of(command.arguments) if command.arguments else None
        self._stances.aim(target)
        self._happened("target", target.words() if target else "none")

    async def _clear(self, command: Command) -> None:
        del command
        self._stances.log.clear()
        self._happened("clear")

    async def _set(self, command: Command) -> None:
        self._require_insoles(command)
        amounts = command.arguments
        wrong = [
            k for k, v in amounts.items() if k not in _SET or isinstance(v, bool) or not isinstance(v, int | float)
        ]
        if wrong or not amounts or not all(map(math.isfinite, amounts.values())):
            raise BadInputError(
                f"'{wrong[0] if wrong else amounts}' cannot be set; expected numbers of {', '.join(_SET)}"
            )
        for name, amount in amounts.items():
            await _all_at_once(connection.set(_SET[name], float(amount)) for connection in self._insoles.connections)
            self._set_values[_SET[name]] = float(amount)
        for foot in self._insoles.feet:
            foot.era += 1
        self._happened("set", ", ".join(f"{k} {v:g}" for k, v in amounts.items()))

    def _require_insoles(self, command: Command) -> None:
        if self._replayed is not None:
            raise BadInputError(f"'{command.action}' is for insoles; this is the recording {self._replayed}")
        if not self._insoles.feet:
            raise BadInputError(f"'{command.action}' has to wait: no insole is connected yet")


async def _all_at_once(requests: Iterable[Awaitable[None]]) -> None:
    """Send requests to all insoles; raise the first refusal once all have answered."""
    for outcome in await asyncio.gather(*requests, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
