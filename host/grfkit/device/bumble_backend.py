"""bleak on Bumble: any controller that Bumble reaches (TCP, USB, serial, in process) as the radio of a bleak program.

``BleakScanner(backend=BumbleScanner, radio=radio)`` and ``BleakClient(device, backend=BumbleClient, radio=radio)``;
everything above is bleak's public interface. The radio is opened once and shared.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bumble import att, core, hci
from bumble.device import Advertisement, Connection, ConnectionParametersPreferences, Device, DeviceConfiguration
from bumble.gatt_client import Client as GattClient
from bumble.host import Host
from bumble.transport import open_transport
from bumble.transport.common import Transport, TransportSink, TransportSource

from ..errors import BadInputError

__all__ = ["BumbleClient", "BumbleRadio", "BumbleScanner"]

MTU = 247
"""Asked for: a notification then fills one link-layer PDU of 251 bytes."""
INTERVAL_MS, SUPERVISION_MS = 15.0, 4000.0
_OCTETS, _TIME_US = 251, 2120
_OPTIONAL_S = 0.5
_SOCKET_BYTES = 32768
"""What a socket may hold: one that falls behind is told so by the insole's ring, not by minutes of old data."""
_CCCD = 0x2902
_ACL, _FIRST_OF_FRAME = 2, (0, 2)
_NOTIFICATION = struct.Struct("<HHHHBH")
"""After the packet's type: connection and flags, length; L2CAP length and channel; ATT opcode and handle."""
_FRAME_AT, _VALUE_AT = 9, 12
_LOG = logging.getLogger(__name__)
_OWN_ADDRESS = "F6:47:52:46:00:01"
_FAILURES = (core.BaseBumbleError, OSError)
_PROPERTIES: dict[int, CharacteristicPropertyName] = {
    0x01: "broadcast",
    0x02: "read",
    0x04: "write-without-response",
    0x08: "write",
    0x10: "notify",
    0x20: "indicate",
    0x40: "authenticated-signed-writes",
    0x80: "extended-properties",
}
_T = TypeVar("_T")
_Attribute = tuple[int, str]
_Layout = list[tuple[_Attribute, list[tuple[_Attribute, int, list[_Attribute]]]]]
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
        self._layouts: dict[str, _Layout] = {}

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
        except (*_FAILURES, ValueError, AssertionError) as error:
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
        except (*_FAILURES, asyncio.TimeoutError) as error:
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
            with suppress(*_FAILURES):
                await self.device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
            await asyncio.wait({connecting}, timeout=1.0)
        if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
            await connecting.result().disconnect()
        connecting.cancel()
        await asyncio.wait({connecting})
        if not connecting.cancelled():
            raise core.TimeoutError("no answer") from connecting.exception()

    def layout_of(self, address: str) -> _Layout | None:
        """Return the attributes a device had when it was last connected."""
        return self._layouts.get(address)

    def remember_layout(self, address: str, layout: _Layout | None) -> None:
        """Keep a device's attributes for its next connection, None to forget them."""
        if layout is None:
            self._layouts.pop(address, None)
        else:
            self._layouts[address] = layout

    async def close(self) -> None:
        """Disconnect everything and free the controller."""
        if not self.lost:
            for connection in list(self.device.connections.values()):
                with suppress(*_FAILURES, asyncio.TimeoutError):
                    await asyncio.wait_for(connection.disconnect(), 2.0)
            await self.device.power_off()
        if self._transport is not None:
            await self._transport.close()


class _Host(Host):
    """Bumble's host with a short way for notifications: bytes to their subscribers, past objects made for each layer.

    Whatever is not a whole notification in one packet goes Bumble's way.
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


class BumbleScanner(BaseBleakScanner):
    """bleak's scanner on a :class:`BumbleRadio`, given as ``radio=``."""

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str = "active",
        *,
        radio: BumbleRadio,
        **_unused: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._radio, self._mode, self._on = radio, scanning_mode, False

    async def start(self) -> None:
        """Start scanning."""
        self.seen_devices = {}
        self._radio.device.on(Device.EVENT_ADVERTISEMENT, self._detected)
        self._on = True
        try:
            await self._radio.scan()
        except _FAILURES as error:
            raise BleakError(f"could not scan: {error!r}") from error

    async def stop(self) -> None:
        """Stop scanning; nothing happens where it was not started."""
        if not self._on:
            return
        self._on = False
        self._radio.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._detected)
        try:
            await self._radio.scan_no_more()
        except _FAILURES as error:
            raise BleakError(f"could not stop scanning: {error!r}") from error

    def _detected(self, advertisement: Advertisement) -> None:
        contents = _advertisement_data(advertisement)
        if not self.is_allowed_uuid(contents.service_uuids):
            return
        address = advertisement.address.to_string(False)
        device = self.create_or_update_device(address, address, contents.local_name, advertisement.address, contents)
        self.call_detection_callbacks(device, contents)


def _advertisement_data(advertisement: Advertisement) -> AdvertisementData:
    kinds = core.AdvertisingData.Type
    uuids: dict[str, None] = {}
    name: str | None = None
    makers: dict[int, bytes] = {}
    services: dict[str, bytes] = {}
    power: int | None = None
    for kind, content in advertisement.data.ad_structures:
        if kind in (kinds.COMPLETE_LOCAL_NAME, kinds.SHORTENED_LOCAL_NAME):
            name = content.decode("utf-8", errors="replace")
        elif kind in _UUID_SIZES:
            size = _UUID_SIZES[kind]
            for k in range(0, len(content) - size + 1, size):
                uuids[_uuid(core.UUID.from_bytes(content[k : k + size]))] = None
        elif kind == kinds.MANUFACTURER_SPECIFIC_DATA and len(content) > 1:
            makers[int.from_bytes(content[:2], "little")] = bytes(content[2:])
        elif kind == kinds.SERVICE_DATA_16_BIT_UUID and len(content) > 1:
            services[_uuid(core.UUID.from_bytes(content[:2]))] = bytes(content[2:])
        elif kind == kinds.TX_POWER_LEVEL and content:
            power = int.from_bytes(content[:1], "little", signed=True)
    return AdvertisementData(name, makers, services, list(uuids), power, advertisement.rssi, (advertisement,))


_UUID_SIZES = {
    core.AdvertisingData.Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    core.AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    core.AdvertisingData.Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
    core.AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
}


def _uuid(uuid: core.UUID) -> str:
    """Return a UUID as bleak writes it: 36 characters, lower case."""
    plain = uuid.to_bytes(force_128=True)[::-1].hex()
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


class BumbleClient(BaseBleakClient):
    """bleak's client on a :class:`BumbleRadio`, given as ``radio=``; ``mtu=`` is asked for after connecting."""

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        radio: BumbleRadio,
        mtu: int = MTU,
        services: set[str] | None = None,
        **kwargs: Any,
    ) -> None:
        options = {k: kwargs.get(k) for k in ("disconnected_callback", "timeout")}
        super().__init__(address_or_ble_device, **cast(Any, options))
        device = address_or_ble_device if isinstance(address_or_ble_device, BLEDevice) else None
        self._peer: hci.Address = device.details if device else hci.Address(self.address)
        self._name = (device.name if device else None) or self.address.replace(":", "-")
        self._radio, self._mtu, self._service_uuids = radio, mtu, services
        self._connection: Connection | None = None
        self._disconnected: asyncio.Future[None] | None = None
        self._callbacks: dict[int, Callable[[bytes], None]] = {}
        self._forget: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """Return the advertised name, or the address."""
        return self._name

    @property
    def mtu_size(self) -> int:
        """Return the MTU that was agreed on."""
        return int(self._connection.att_mtu) if self._connection else att.ATT_DEFAULT_MTU

    @property
    def is_connected(self) -> bool:
        """Return whether there is a connection."""
        return self._connection is not None

    @property
    def _gatt(self) -> GattClient:
        if self._connection is None:
            raise BleakError("Not connected")
        return self._connection.gatt_client

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Connect, exchange the MTU, learn the services; ``pair`` is not supported and ignored."""
        if pair:
            _LOG.warning("pairing is not supported by the Bumble backend; connecting without")
        if self._connection is not None:
            raise BleakError("Already connected")
        try:
            connection = await self._radio.connect(self._peer, timeout_s=kwargs.get("timeout", self._timeout))
        except core.TimeoutError as error:
            raise BleakDeviceNotFoundError(self.address, f"{self.address} did not answer") from error
        except _FAILURES as error:
            raise BleakError(f"could not connect to {self.address}: {error!r}") from error
        self._connection, self._disconnected = connection, asyncio.get_running_loop().create_future()
        connection.on(connection.EVENT_DISCONNECTION, lambda _reason: self._lost(connection))
        self._forget = self._radio.when_lost(lambda: self._lost(connection))
        try:
            await self._do("set up the connection", self._set_up(connection))
        except BaseException:
            self._radio.remember_layout(self.address, None)
            await self.disconnect()
            raise

    async def _set_up(self, connection: Connection) -> None:
        phys = [hci.Phy.LE_2M]
        for ask in (connection.set_data_length(_OCTETS, _TIME_US), connection.set_phy(phys, phys)):
            try:
                await asyncio.wait_for(ask, _OPTIONAL_S)
            except (core.BaseBumbleError, asyncio.TimeoutError) as error:
                _LOG.debug("%s: %r", self.address, error)
        await connection.gatt_client.request_mtu(self._mtu)
        layout = self._radio.layout_of(self.address)
        if layout is None:
            layout = await _discover(connection.gatt_client, self._service_uuids)
            self._radio.remember_layout(self.address, layout)
        self.services = self._collection(layout)

    def _collection(self, layout: _Layout) -> BleakGATTServiceCollection:
        collection = BleakGATTServiceCollection()
        for (handle, uuid), characteristics in layout:
            service = BleakGATTService(None, handle, uuid)
            collection.add_service(service)
            for (at, name), bits, descriptors in characteristics:
                properties = [word for bit, word in _PROPERTIES.items() if bits & bit]
                characteristic = BleakGATTCharacteristic(None, at, name, properties, lambda: self.mtu_size - 3, service)
                collection.add_characteristic(characteristic)
                for where, what in descriptors:
                    collection.add_descriptor(BleakGATTDescriptor(None, where, what, characteristic))
        return collection

    def _lost(self, connection: Connection) -> None:
        if self._connection is not connection:
            return
        self._connection, self.services, self._callbacks = None, None, {}
        self._forget()
        if self._disconnected is not None and not self._disconnected.done():
            self._disconnected.set_result(None)
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        """Disconnect and wait until the controller says so."""
        connection = self._connection
        if connection is None:
            return
        try:
            if not self._radio.lost:
                await asyncio.wait_for(connection.disconnect(), 5.0)
        except (*_FAILURES, asyncio.TimeoutError) as error:
            _LOG.debug("%s: disconnect: %r", self.address, error)
        finally:
            self._lost(connection)

    async def pair(self, *_args: Any, **_kwargs: Any) -> None:
        """Refuse: this backend does not pair."""
        raise NotImplementedError("the Bumble backend does not pair; the insole's profile needs no pairing")

    async def unpair(self) -> None:
        """Do nothing: nothing is ever paired."""

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_kwargs: Any) -> bytearray:
        """Return a characteristic's value, always read."""
        return await self._read(characteristic.handle)

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_kwargs: Any) -> bytearray:
        """Return a descriptor's value, always read."""
        return await self._read(descriptor.handle)

    async def _read(self, handle: int) -> bytearray:
        return bytearray(await self._do("read", self._gatt.read_value(handle)))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        """Write a characteristic."""
        await self._do("write", self._gatt.write_value(characteristic.handle, bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        """Write a descriptor."""
        await self._do("write", self._gatt.write_value(descriptor.handle, bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_kwargs: Any
    ) -> None:
        """Subscribe; notifications are preferred to indications."""
        notify = "notify" in characteristic.properties
        if characteristic.handle in self._callbacks:
            raise BleakError(f"Notifications of {characteristic.uuid} are on already")

        def deliver(value: bytes) -> None:
            callback(bytearray(value))

        gatt = self._gatt
        subscribers = gatt.notification_subscribers if notify else gatt.indication_subscribers
        subscribers.setdefault(characteristic.handle, set()).add(cast(Any, deliver))
        self._callbacks[characteristic.handle] = deliver
        await self._cccd(characteristic, 1 if notify else 2)

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        gatt = self._gatt
        await self._cccd(characteristic, 0)
        self._callbacks.pop(characteristic.handle, None)
        gatt.notification_subscribers.pop(characteristic.handle, None)
        gatt.indication_subscribers.pop(characteristic.handle, None)

    async def _cccd(self, characteristic: BleakGATTCharacteristic, bits: int) -> None:
        descriptor = characteristic.get_descriptor(f"0000{_CCCD:04x}-0000-1000-8000-00805f9b34fb")
        if descriptor is None:
            raise BleakError(f"{characteristic.uuid} cannot be subscribed to: it has no CCCD")
        value = bits.to_bytes(2, "little")
        await self._do("subscribe", self._gatt.write_value(descriptor.handle, value, with_response=True))

    async def _do(self, what: str, work: Awaitable[_T]) -> _T:
        """Return what work gives; bleak's error where it fails, and where the connection ends first."""
        disconnected = self._disconnected
        task = asyncio.ensure_future(work)
        try:
            waited: set[asyncio.Future[Any]] = {task} if disconnected is None else {task, disconnected}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            raise BleakError(f"could not {what}: disconnected")
        error = task.exception()
        if isinstance(error, att.ATT_Error):
            self._radio.remember_layout(self.address, None)
            raise BleakGATTProtocolError(error.error_code) from error
        if isinstance(error, _FAILURES):
            raise BleakError(f"could not {what}: {error!r}") from error
        return task.result()


def _notify(device: Device, connection: int, attribute: int, value: bytes) -> bool:
    """Hand a notification to its subscribers; return whether there are any."""
    peer = device.connections.get(connection)
    subscribers = peer.gatt_client.notification_subscribers.get(attribute) if peer is not None else None
    if not subscribers:
        return False
    for call in subscribers:
        cast(Callable[[bytes], None], call)(value)
    return True


async def _discover(gatt: GattClient, services: set[str] | None) -> _Layout:
    layout: _Layout = []
    for service in await gatt.discover_services():
        uuid = _uuid(service.uuid)
        if services is not None and uuid not in services:
            continue
        characteristics = []
        for characteristic in await service.discover_characteristics():
            descriptors: list[_Attribute] = []
            if characteristic.end_group_handle > characteristic.handle:
                described = await gatt.discover_descriptors(characteristic)
                descriptors = [(d.handle, _uuid(d.type)) for d in described]
            characteristics.append(
                ((characteristic.handle, _uuid(characteristic.uuid)), int(characteristic.properties), descriptors)
            )
        layout.append(((service.handle, uuid), characteristics))
    return layout
