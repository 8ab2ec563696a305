"""bleak on Bumble: a :class:`~grfkit.device.bumble_radio.BumbleRadio` as the radio of a bleak program.

``BleakScanner(backend=BumbleScanner, radio=radio)`` and ``BleakClient(device, backend=BumbleClient, radio=radio)``;
everything above is bleak's public interface. The radio is opened once and shared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
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
from bumble.device import Advertisement, Connection, Device
from bumble.gatt_client import Client as GattClient

from .bumble_radio import FAILURES, Attribute, BumbleRadio, Layout

__all__ = ["BumbleClient", "BumbleRadio", "BumbleScanner"]

MTU = 247
"""Asked for: a notification then fills one link-layer PDU of 251 bytes."""
_OCTETS, _TIME_US = 251, 2120
"""Of a link-layer PDU, the most that data length extension allows (Bluetooth Core 4.2, Vol. 6 B 4.5.10)."""
_OPTIONAL_S = 0.5
"""Time for each request that only makes a link faster (longer packets, 2M PHY); after that it goes without."""
_DISCONNECT_S = 5.0
"""How long a controller may take to end a connection; chosen by hand: longer than the supervision time-out of 4 s."""
_CCCD = 0x2902
"""Client characteristic configuration descriptor (Bluetooth assigned numbers): subscribes."""
_LOG = logging.getLogger(__name__)
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
        except FAILURES as error:
            raise BleakError(f"could not scan: {error!r}") from error

    async def stop(self) -> None:
        """Stop scanning; nothing happens where it was not started."""
        if not self._on:
            return
        self._on = False
        self._radio.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._detected)
        try:
            await self._radio.scan_no_more()
        except FAILURES as error:
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
    # Bumble holds a UUID as it is on the air, little endian
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
        except FAILURES as error:
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
        # discovery takes dozens of round trips, each of a connection interval or more: the last layout is taken again
        layout = self._radio.layout_of(self.address)
        if layout is None:
            layout = await _discover(connection.gatt_client, self._service_uuids)
            self._radio.remember_layout(self.address, layout)
        self.services = self._collection(layout)

    def _collection(self, layout: Layout) -> BleakGATTServiceCollection:
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
                await asyncio.wait_for(connection.disconnect(), _DISCONNECT_S)
        except (*FAILURES, asyncio.TimeoutError) as error:
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
            """Hand a value on as bleak gives it."""
            callback(bytearray(value))

        gatt = self._gatt
        subscribers = gatt.notification_subscribers if notify else gatt.indication_subscribers
        # before the CCCD is written: the first notification may come right behind the answer
        subscribers.setdefault(characteristic.handle, set()).add(cast(Any, deliver))
        self._callbacks[characteristic.handle] = deliver
        # bit 0 for notifications, bit 1 for indications (Bluetooth Core, Vol. 3 G 3.3.3.3)
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
        # Bumble's own requests end only after GATT's time-out of 30 s where the link is lost under them
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
            # a refused handle may be of a layout that the device no longer has (new firmware): discover anew next time
            self._radio.remember_layout(self.address, None)
            raise BleakGATTProtocolError(error.error_code) from error
        if isinstance(error, FAILURES):
            raise BleakError(f"could not {what}: {error!r}") from error
        return task.result()


async def _discover(gatt: GattClient, services: set[str] | None) -> Layout:
    layout: Layout = []
    for service in await gatt.discover_services():
        uuid = _uuid(service.uuid)
        if services is not None and uuid not in services:
            continue
        characteristics = []
        for characteristic in await service.discover_characteristics():
            descriptors: list[Attribute] = []
            # with no handle behind its value there is nothing to look for, and a round trip is saved
            if characteristic.end_group_handle > characteristic.handle:
                described = await gatt.discover_descriptors(characteristic)
                descriptors = [(d.handle, _uuid(d.type)) for d in described]
            characteristics.append(
                ((characteristic.handle, _uuid(characteristic.uuid)), int(characteristic.properties), descriptors)
            )
        layout.append(((service.handle, uuid), characteristics))
    return layout
