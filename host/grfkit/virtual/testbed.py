"""A test bed of virtual insoles: one modelled link, and a controller for each host that is to reach them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bumble.transport import open_transport
from bumble.transport.common import AsyncPipeSink, Transport

from ..artefacts import written_whole
from ..device.bumble_radio import BumbleRadio
from ..errors import BadInputError
from ..simulate.clocks import TrueClock
from ..wire import SettingKey
from .insole import InsoleSettings, VirtualInsole
from .link_model import LinkSettings, ModelController, ModelLink
from .source import SampleSource
from .stream import StanceModel, Ticks

__all__ = ["InsoleTestBed"]

_WATCH_S, _SOCKET_BYTES = 0.1, 16384
"""Time between looks whether a host is still there (s), and the send buffer of the socket to it."""
ModelMaker = Callable[[SampleSource, int, "dict[SettingKey, float]"], StanceModel]


class InsoleTestBed:
    """Insoles and controllers on one modelled link; used with ``async with``.

    Parameters
    ----------
    lead_s
        How long after now reference time 0 (the start of the replay) is.
    """

    def __init__(self, link: LinkSettings | None = None, *, lead_s: float = 0.0) -> None:
        self.link = ModelLink(link or LinkSettings())
        self.epoch_s = time.monotonic() + lead_s
        self.insoles: list[VirtualInsole] = []
        self._transports: list[tuple[Transport, ModelController]] = []
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> InsoleTestBed:
        """Enter."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Switch everything off."""
        await self.close()

    async def add(
        self,
        source: SampleSource,
        settings: InsoleSettings | None = None,
        *,
        clock: TrueClock | None = None,
        model: ModelMaker | None = None,
        model_id: int = 0,
    ) -> VirtualInsole:
        """Switch an insole on; without an address of its own in the settings it gets one by its number."""
        insole_settings = settings or InsoleSettings()
        if insole_settings.address == InsoleSettings.address:
            insole_settings = replace(
                insole_settings, address=f"{insole_settings.address[:-2]}{len(self.insoles) + 1:02X}"
            )
        ticks = Ticks(clock or TrueClock(0.0, 0.0), self.epoch_s, insole_settings.first_us)
        insole = VirtualInsole(source, ticks, self.link, insole_settings, model, model_id=model_id)
        self.insoles.append(insole)
        await insole.begin()
        return insole

    async def radio(self, *, address: str = "F6:47:52:46:00:01") -> BumbleRadio:
        """Return a radio in this process, for bleak."""
        controller = ModelController("central", self.link)
        return await BumbleRadio.on(controller, AsyncPipeSink(controller), address=address)

    async def offer(self, transport: str) -> None:
        """Offer a controller as HCI on a Bumble transport, for example ``tcp-server:127.0.0.1:7011``.

        Raises
        ------
        BadInputError
            If the transport cannot be opened.
        """
        try:
            opened = await open_transport(transport)
        except (OSError, ValueError, RuntimeError, AssertionError) as error:
            raise BadInputError(
                f"{transport}: cannot be offered ({error}); expected a Bumble transport, tcp-server:HOST:PORT"
            ) from error
        self._transports.append((opened, ModelController("central", self.link, host=opened)))
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._watch_hosts())

    async def _watch_hosts(self) -> None:
        """Break the links of a host that went away: its controller is reset, as a real one is with its host."""
        there = [False] * len(self._transports)
        while True:
            await asyncio.sleep(_WATCH_S)
            there += [False] * (len(self._transports) - len(there))
            for k, (transport, controller) in enumerate(self._transports):
                # a TCP server's sink has a transport while a host is there; what has none at all counts as always there
                peer: Any = getattr(transport.sink, "transport", self)
                now = peer is not None
                if now and not there[k] and peer is not self:
                    _short_buffer(peer.get_extra_info("socket"))
                if there[k] and not now:
                    controller.drop_host()
                there[k] = now

    def truth(self) -> dict[str, Any]:
        """Return the truth against which a host is tested, as a JSON document; times are of ``time.monotonic``."""
        link = self.link.settings
        return {
            "artefact": "virtual_insoles_truth",
            "link": {
                "interval_ms": link.interval_ms,
                "pdus_per_event": link.pdus_per_event,
                "pdu_bytes": link.pdu_bytes,
                "late_events": self.link.late_events(),
            },
            "insoles": [insole.truth() for insole in self.insoles],
        }

    def write_truth(self, path: Path) -> None:
        """Write the truth, whole or not at all."""
        with written_whole(path, force=True) as temporary:
            temporary.write_text(json.dumps(self.truth(), indent=1) + "\n", encoding="utf-8")

    async def close(self) -> None:
        """Switch the insoles off and close what was offered; the truth stays."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        for insole in self.insoles:
            if insole.on:
                await insole.end()
        for transport, _ in self._transports:
            server = getattr(transport, "server", None)
            if server is not None:
                server.close()
            await transport.close()
            sink = getattr(transport.sink, "transport", None)
            if sink is not None:
                sink.close()
        self._transports.clear()


def _short_buffer(sock: Any) -> None:
    """Have a socket hold little, so that a host that falls behind is noticed at once and not seconds later."""
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
