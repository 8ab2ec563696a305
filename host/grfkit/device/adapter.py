"""The computer's Bluetooth adapter: which insoles advertise, and whose turn it is to connect."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from ..errors import BadInputError
from ..wire import SERVICE

if TYPE_CHECKING:
    from .bumble_radio import BumbleRadio

__all__ = ["Adapter", "AdvertisedInsole"]

_TURN_S, _TURN_ALONE_S = 4.0, 1.0
"""How long a first try to connect may take while another link waits for its turn, on a system's adapter and on a radio
of our own; each later try may take twice as long. An insole that is switched off thus holds up no other."""


@dataclass(frozen=True)
class AdvertisedInsole:
    """An insole that advertises; its side is in Info, after connecting.

    Attributes
    ----------
    address
        On macOS a UUID of the computer's own.
    """

    address: str
    name: str
    rssi: int
    device: BLEDevice


class Adapter:
    """The way of bleak to the radio; one for all links of a program, closed at its end.

    Attributes
    ----------
    turn_s
        How long a connection may take (s) while another waits for its turn.
    """

    def __init__(self, scanner: dict[str, Any] | None = None, client: dict[str, Any] | None = None) -> None:
        self.scanner_options, self.client_options = scanner or {}, client or {}
        self.turn_s = _TURN_S
        self._connecting, self._queue, self._someone_queued = asyncio.Lock(), 0, asyncio.Event()
        self._radio: BumbleRadio | None = None

    @classmethod
    async def open(cls, spec: str | None = None) -> Adapter:
        """Return the system's adapter (None), one of BlueZ's by name (``hci1``), or ``bumble:TRANSPORT``.

        The last is a controller that Bumble reaches.

        Raises
        ------
        BadInputError
            If the name is none of these, or no controller answers.
        """
        if not spec:
            return cls()
        if re.fullmatch(r"hci\d+", spec.lower()):
            return cls({"bluez": {"adapter": spec.lower()}}, {"bluez": {"adapter": spec.lower()}})
        kind, _, transport = spec.partition(":")
        if kind.lower() != "bumble" or not transport:
            raise BadInputError(
                f"adapter '{spec}' is unknown; expected bumble:TRANSPORT, for example bumble:tcp-client:127.0.0.1:7011,"
                " hci0 and so on (Linux), or none for the system's own"
            )
        try:
            from .bumble_radio import BumbleRadio
        except ImportError as error:
            raise BadInputError(f"adapter '{spec}' needs Bumble ({error}); pip install 'grfkit[ble]'") from error
        return cls.on(await BumbleRadio.open(transport))

    @classmethod
    def on(cls, radio: BumbleRadio, **client: Any) -> Adapter:
        """Return an adapter on a :class:`~grfkit.device.bumble_radio.BumbleRadio`, which it closes at its end."""
        from .bumble_backend import BumbleClient, BumbleScanner

        adapter = cls({"backend": BumbleScanner, "radio": radio}, {"backend": BumbleClient, "radio": radio, **client})
        adapter._radio, adapter.turn_s = radio, _TURN_ALONE_S
        return adapter

    async def find(
        self, count: int = 2, *, timeout_s: float = 10.0, address: str | None = None
    ) -> list[AdvertisedInsole]:
        """Return insoles that advertise the service: ``count`` of them, or fewer after the time.

        Parameters
        ----------
        address
            Only this one.

        Raises
        ------
        BadInputError
            If the computer has no Bluetooth that can be used.
        """
        insoles: dict[str, AdvertisedInsole] = {}
        enough = asyncio.Event()

        def detected(device: BLEDevice, advertisement: AdvertisementData) -> None:
            """Take an advertisement, of an insole or of anything else."""
            matches = address is None or device.address.upper() == address.upper()
            # by service, not by name: that is in the scan response, and a first advertisement may come without it
            if SERVICE in advertisement.service_uuids and matches:
                before = insoles.get(device.address)
                name = advertisement.local_name or device.name or (before.name if before else "")
                insoles[device.address] = AdvertisedInsole(device.address, name, advertisement.rssi, device)
                if len(insoles) >= count:
                    enough.set()

        try:
            async with BleakScanner(detected, [SERVICE], **self.scanner_options):
                await asyncio.wait_for(enough.wait(), timeout_s)
        except asyncio.TimeoutError:
            pass
        except (BleakError, OSError, EOFError, ImportError) as error:
            raise BadInputError(
                f"Bluetooth cannot be used here ({error}); switch it on, or name a controller: --adapter bumble:usb:0"
            ) from error
        return sorted(insoles.values(), key=lambda insole: insole.address)

    async def in_turn(self, connect: Callable[[], Awaitable[None]], *, turns: float = 1.0) -> None:
        """Connect while no other link does: stacks make one connection at a time.

        Raises
        ------
        TimeoutError
            If it took longer than ``turns`` of :attr:`turn_s` and another waits.
        """
        self._queue += 1
        self._someone_queued.set()
        try:
            await self._connecting.acquire()
        finally:
            self._queue -= 1
        try:
            await self._run_turn(connect, time.monotonic() + turns * self.turn_s)
        finally:
            self._connecting.release()

    async def _run_turn(self, connect: Callable[[], Awaitable[None]], turn_ends: float) -> None:
        doing = asyncio.ensure_future(connect())
        try:
            # a turn ends only where somebody else waits for the radio: one alone takes as long as it needs
            while not doing.done():
                if self._queue:
                    await asyncio.wait({doing}, timeout=max(0.0, turn_ends - time.monotonic()))
                    break
                self._someone_queued.clear()
                queued = asyncio.ensure_future(self._someone_queued.wait())
                await asyncio.wait({doing, queued}, return_when=asyncio.FIRST_COMPLETED)
                queued.cancel()
        finally:
            late = not doing.done()
            if late:
                doing.cancel()
                await asyncio.wait({doing})
        # a connection that was made while it was being cancelled counts
        if late and doing.cancelled():
            raise asyncio.TimeoutError("another insole waits for the radio")
        doing.result()

    async def close(self) -> None:
        """Free the radio."""
        if self._radio is not None:
            await self._radio.close()
