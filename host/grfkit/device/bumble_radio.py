"""A Bluetooth controller that Bumble reaches (TCP, USB, serial, in process), with a host on it, for many clients."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import cast

from bumble import att, core, hci
from bumble.device import Connection, ConnectionParametersPreferences, Device, DeviceConfiguration
from bumble.host import Host
from bumble.transport import open_transport
from bumble.transport.common import Transport, TransportSink, TransportSource

from ..errors import BadInputError

__all__ = ["FAILURES", "Attribute", "BumbleRadio", "Layout"]

INTERVAL_MS, SUPERVISION_MS = 15.0, 4000.0
"""Asked of an insole: 66 events a second for the 40 packets of 200 Hz; a link silent for 4 s is taken for lost."""
_SOCKET_BYTES = 32768
"""Receive buffer of the socket; small, so that a host that falls behind loses packets at once, in the insole's ring."""
_ACL, _FIRST_OF_FRAME = 2, (0, 2)
"""HCI packet type of data (Bluetooth Core, Vol. 4 A 2), and the boundary flags of a frame's first packet (E 5.4.2)."""
_NOTIFICATION = struct.Struct("<HHHHBH")
"""After the packet's type: connection and flags, length; L2CAP length and channel; ATT opcode and handle."""
_FRAME_AT, _VALUE_AT = 9, 12
"""Where a frame begins, and a notification's value, in an HCI packet."""
_OWN_ADDRESS = "F6:47:52:46:00:01"
FAILURES = (core.BaseBumbleError, OSError)
"""Errors that Bumble raises."""
Attribute = tuple[int, str]
Layout = list[tuple[Attribute, list[tuple[Attribute, int, list[Attribute]]]]]
"""Services with characteristics (with property bits) with descriptors, each a handle and a UUID."""


class BumbleRadio:
    """One Bluetooth controller with a Bumble host on it, shared by scanners and clients of one event loop.

    Attributes
    ----------
    device
        The host.
    """

    def __init__(self, device: Device, transport: Transport | None = None) -> None:
        self.device = device
        self._transport = transport
        self._scanners = 0
        self._lost_callbacks: set[Callable[[], None]] = set()
        self._lock, self._connecting = asyncio.Lock(), asyncio.Lock()
        self._layouts: dict[str, Layout] = {}

    @classmethod
    async def open(cls, transport: str, *, address: str = _OWN_ADDRESS) -> BumbleRadio:
        """Return the radio behind a Bumble transport, for example ``tcp-client:127.0.0.1:7011`` or ``usb:0``.

        Raises
        ------
        BadInputError
            If there is no such transport, or nothing answers there.
        """
        try:
            opened = await open_transport(transport)
        except (*FAILURES, ValueError, AssertionError) as error:
            raise BadInputError(
                f"no Bluetooth controller at {transport}: {error}; expected a Bumble transport such as"
                " tcp-client:127.0.0.1:7011 with a controller behind it"
            ) from error
        try:
            radio = await cls.on(opened.source, opened.sink, address=address)
        except BadInputError:
            await opened.close()
            raise
        radio._transport = opened
        line = getattr(opened.sink, "transport", None)
        wire = line.get_extra_info("socket") if line is not None else None
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
        opened.source.terminated.add_done_callback(lambda _: radio._call_lost())
        return radio

    @classmethod
    async def on(
        cls, source: TransportSource, sink: TransportSink, *, address: str = _OWN_ADDRESS, timeout_s: float = 10.0
    ) -> BumbleRadio:
        """Return the radio of an HCI source and sink; BadInputError if no controller answers."""
        config = DeviceConfiguration(name="grfkit", address=hci.Address(address), gatt_service_enabled=False)
        host = _Host(source, sink)
        device = Device(config=config, host=host)
        host.notified = partial(_notify, device)
        try:
            await asyncio.wait_for(device.power_on(), timeout_s)
        except (*FAILURES, asyncio.TimeoutError) as error:
            raise BadInputError(f"the Bluetooth controller did not start within {timeout_s:g} s: {error!r}") from error
        return cls(device)

    @property
    def lost(self) -> bool:
        """Return whether the transport to the controller is gone."""
        return self._transport is not None and self._transport.source.terminated.done()

    def _call_lost(self) -> None:
        """Tell clients that the controller is gone, and their connections with it."""
        for call in list(self._lost_callbacks):
            call()

    def when_lost(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have ``call`` called when the transport breaks; return what takes that back."""
        self._lost_callbacks.add(call)
        return lambda: self._lost_callbacks.discard(call)

    async def scan(self) -> None:
        """Have the controller scan; scanners are counted."""
        async with self._lock:
            if not self._scanners:
                # active: the insole's name is in the scan response
                await self.device.start_scanning(active=True, filter_duplicates=False)
            self._scanners += 1

    async def scan_no_more(self) -> None:
        """End one scanner's scan."""
        async with self._lock:
            self._scanners -= 1
            if not self._scanners and not self.lost:
                await self.device.stop_scanning()

    async def connect(self, address: hci.Address, *, timeout_s: float) -> Connection:
        """Return a connection at 15 ms, latency 0, supervision 4 s; TimeoutError if the peer is not there."""
        preferences = ConnectionParametersPreferences(
            connection_interval_min=INTERVAL_MS,
            connection_interval_max=INTERVAL_MS,
            supervision_timeout=int(SUPERVISION_MS),
        )
        # controllers refuse a second connection while one is being made (Bluetooth Core, Vol. 4 E 7.8.12)
        async with self._connecting:
            connecting = asyncio.ensure_future(
                self.device.connect_le(
                    address, connection_parameters_preferences={hci.Phy.LE_1M: preferences}, timeout=None
                )
            )
            try:
                await asyncio.wait({connecting}, timeout=timeout_s)
            finally:
                if not connecting.done():
                    await self._give_up(connecting)
        if connecting.cancelled():
            raise core.TimeoutError("no answer")
        return connecting.result()

    async def _give_up(self, connecting: asyncio.Future[Connection]) -> None:
        """Cancel a connection that did not come; one that came meanwhile is closed."""
        if not self.lost:
            with suppress(*FAILURES):
                await self.device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
            await asyncio.wait({connecting}, timeout=1.0)
        if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
            await connecting.result().disconnect()
        connecting.cancel()
        await asyncio.wait({connecting})
        if not connecting.cancelled():
            raise core.TimeoutError("no answer") from connecting.exception()

    def layout_of(self, address: str) -> Layout | None:
        """Return the attributes a device had when it was last connected."""
        return self._layouts.get(address)

    def remember_layout(self, address: str, layout: Layout | None) -> None:
        """Keep a device's attributes for its next connection, None to forget them."""
        if layout is None:
            self._layouts.pop(address, None)
        else:
            self._layouts[address] = layout

    async def close(self) -> None:
        """Disconnect everything and free the controller."""
        if not self.lost:
            for connection in list(self.device.connections.values()):
                with suppress(*FAILURES, asyncio.TimeoutError):
                    await asyncio.wait_for(connection.disconnect(), 2.0)
            await self.device.power_off()
        if self._transport is not None:
            await self._transport.close()


class _Host(Host):
    """Bumble's host with a short way for notifications: bytes to their subscribers, past objects made for each layer.

    A notification in several packets, and all else, takes Bumble's own way.
    """

    notified: Callable[[int, int, bytes], bool] = staticmethod(lambda *_: False)

    def on_packet(self, packet: bytes) -> None:
        """Take a packet of the controller."""
        if packet[0] == _ACL and len(packet) > _VALUE_AT and self.ready and not self.snooper:
            handle, _, frame_bytes, channel, opcode, attribute = _NOTIFICATION.unpack_from(packet, 1)
            complete = handle >> 12 in _FIRST_OF_FRAME and frame_bytes + _FRAME_AT == len(packet)
            notification = channel == att.ATT_CID and opcode == att.Opcode.ATT_HANDLE_VALUE_NOTIFICATION
            if complete and notification and self.notified(handle & 0xFFF, attribute, packet[_VALUE_AT:]):
                return
        super().on_packet(packet)


def _notify(device: Device, connection: int, attribute: int, value: bytes) -> bool:
    """Hand a notification to its subscribers; return whether there are any."""
    peer = device.connections.get(connection)
    subscribers = peer.gatt_client.notification_subscribers.get(attribute) if peer is not None else None
    if not subscribers:
        return False
    for call in subscribers:
        cast(Callable[[bytes], None], call)(value)
    return True
