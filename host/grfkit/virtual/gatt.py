"""The GATT server of a virtual insole: its services, who is connected, what is notified, and what never left."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bumble import att, core, hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic as Attribute
from bumble.gatt import CharacteristicValue, Service
from bumble.transport.common import AsyncPipeSink

from ..device.link import Characteristic
from ..wire import (
    BATTERY_LEVEL,
    BATTERY_SERVICE,
    CONTROL_POINT,
    DEVICE_INFORMATION,
    GRF_DATA,
    INFO,
    SENSOR_DATA,
    SERVICE,
    TIME_SYNC,
)
from .link_model import ModelController, ModelLink, QuietHost

__all__ = ["GattServer"]

_SERIAL = "virtual"
_CCCD_MISSING = 0xFD
"""ATT error "Client Characteristic Configuration Descriptor Improperly Configured" (Core Specification Supplement)."""
_READ_NOT_PERMITTED, _WRITE_NOT_PERMITTED = 0x02, 0x03
_LEAST_ADVERTISING_MS = 20.0
"""The shortest interval that Bluetooth allows."""
_FREE_RUNNING_QUEUE = 32
"""Notifications handed to the stack at once on a link without connection events."""
_LOG = logging.getLogger(__name__)


class GattServer:
    """A Bumble peripheral with the insole's services.

    Parameters
    ----------
    info, battery_percent
        Return what is read.
    control, time_sync
        Take what is written, control with the connection it came on.
    disconnected
        Called with the reason when a connection has ended.

    Attributes
    ----------
    connection
        The present one, None without.
    """

    def __init__(
        self,
        name: str,
        address: hci.Address,
        link: ModelLink,
        *,
        mtu: int,
        advertising_ms: float,
        info: Callable[[], bytes],
        battery_percent: Callable[[], int],
        control: Callable[[Connection, bytes], None],
        time_sync: Callable[[bytes], None],
        disconnected: Callable[[int], None],
    ) -> None:
        self._name, self._address, self._link = name, address, link
        self._control_written, self._on_disconnected = control, disconnected
        self.connection: Connection | None = None
        # notifications handed to the stack: those that the link has not carried yet wait there
        self._handed = 0
        self._last: deque[tuple[int, bytes]] = deque(maxlen=256)
        self._controller = ModelController(name, link)
        # Bumble's controller takes units of 0.625 ms for milliseconds
        interval = max(_LEAST_ADVERTISING_MS, advertising_ms * 0.625)
        config = DeviceConfiguration(name=name, address=address, advertising_interval_min=interval)
        config.advertising_interval_max = interval
        self._device = Device(config=config, host=QuietHost(self._controller, AsyncPipeSink(self._controller)))
        self._device.gatt_server.max_mtu = mtu
        self._add_services(info, battery_percent, time_sync)
        self._device.on(Device.EVENT_CONNECTION, self._connected)

    def _add_services(
        self, info: Callable[[], bytes], battery_percent: Callable[[], int], time_sync: Callable[[bytes], None]
    ) -> None:
        read, write, notify = Attribute.Properties.READ, Attribute.Properties.WRITE, Attribute.Properties.NOTIFY
        self._control = _attribute(CONTROL_POINT, write | Attribute.Properties.INDICATE, write=self._written)
        self._data = {
            int(Characteristic.SENSOR_DATA): _attribute(SENSOR_DATA, notify),
            int(Characteristic.GRF_DATA): _attribute(GRF_DATA, notify),
        }
        self._time = _attribute(
            TIME_SYNC,
            Attribute.Properties.WRITE_WITHOUT_RESPONSE | notify,
            write=lambda _, content: time_sync(bytes(content)),
        )
        self._battery = _attribute(BATTERY_LEVEL, read | notify, read=lambda _: bytes([battery_percent()]))
        service = Service(
            SERVICE, [_attribute(INFO, read, read=lambda _: info()), self._control, *self._data.values(), self._time]
        )
        texts = {"00002a29": "grfkit", "00002a24": "virtual insole", "00002a25": _SERIAL, "00002a26": "1.0"}
        information = [
            _attribute(f"{short}-0000-1000-8000-00805f9b34fb", read, read=lambda _, text=text: text.encode())
            for short, text in texts.items()
        ]
        services = [service, Service(BATTERY_SERVICE, [self._battery]), Service(DEVICE_INFORMATION, information)]
        self._device.add_services(services)

    async def power_on(self) -> None:
        """Switch the radio on."""
        await self._device.power_on()

    def power_off(self) -> None:
        """Take the radio off the link."""
        self._controller.drop_host()
        self._link.remove_controller(self._controller)

    async def advertise(self) -> None:
        """Advertise the service, the name in the scan response."""
        kinds = AdvertisingData.Type
        uuid = UUID(SERVICE).to_bytes()
        # 3 bytes of flags (general discoverable, no BR/EDR) and 18 of the UUID, of 31: the name has no room beside them
        advertised = [(kinds.FLAGS, bytes([6])), (kinds.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, uuid)]
        response = [(kinds.COMPLETE_LOCAL_NAME, self._name.encode())]
        await self._device.start_advertising(
            advertising_data=bytes(AdvertisingData(advertised)), scan_response_data=bytes(AdvertisingData(response))
        )

    async def disconnect(self) -> None:
        """Break the link, as a supervision timeout does, but at once."""
        if self.connection is not None:
            with suppress(core.BaseBumbleError):
                await self._device.disconnect(self.connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def free(self) -> bool:
        """Return whether a notification handed over now leaves in the next connection event."""
        if self.connection is None:
            return False
        most = self._link.settings.pdus_per_event if self._link.settings.interval_ms else _FREE_RUNNING_QUEUE
        return self._handed - self._link.notified(self._address) < most

    def send(self, characteristic: int, content: bytes) -> None:
        """Notify a data packet."""
        self._notify(characteristic, self._data[characteristic], content)

    def send_time(self, content: bytes) -> None:
        """Notify a time sync's reply."""
        self._notify(int(Characteristic.TIME_SYNC), self._time, content)

    def send_battery(self, percent: int) -> None:
        """Notify the battery's level."""
        self._notify(0, self._battery, bytes([percent]))

    async def indicate(self, connection: Connection, content: bytes) -> bool:
        """Indicate the control point's answer; return whether the host has taken it."""
        try:
            await self._device.gatt_server.indicate_subscriber(connection, self._control, content)
        except (asyncio.TimeoutError, core.BaseBumbleError) as error:
            _LOG.debug("%s: nobody took the answer: %r", self._name, error)
            return False
        return True

    def undelivered(self) -> list[tuple[int, bytes]]:
        """Return the data packets that the stack has taken and the link never carried, oldest first."""
        count = self._handed - self._link.notified(self._address)
        return [packet for packet in list(self._last)[-count:] if packet[0] in self._data] if count > 0 else []

    def _notify(self, characteristic: int, attribute: Attribute[bytes], content: bytes) -> None:
        """Notify at once, if it is subscribed to."""
        connection, server = self.connection, self._device.gatt_server
        if connection is None or not server.read_cccd(connection, attribute)[0] & 1:
            return
        self._handed += 1
        self._last.append((characteristic, content))
        notification = att.ATT_Handle_Value_Notification(attribute_handle=attribute.handle, attribute_value=content)
        server.send_gatt_pdu(connection, bytes(notification))

    def _written(self, connection: Connection, content: bytes) -> None:
        if not self._device.gatt_server.read_cccd(connection, self._control)[0] & 2:
            raise att.ATT_Error(att.ErrorCode(_CCCD_MISSING))
        self._control_written(connection, bytes(content))

    def _connected(self, connection: Connection) -> None:
        self.connection = connection
        self._handed = self._link.notified(self._address)
        self._last.clear()

        def ended(reason: int) -> None:
            """Take note of the end, unless another connection has taken its place."""
            if self.connection is connection:
                self.connection = None
                self._on_disconnected(int(reason))

        connection.on(connection.EVENT_DISCONNECTION, ended)


def _attribute(
    uuid: str,
    properties: Attribute.Properties,
    *,
    read: Callable[..., bytes] | None = None,
    write: Callable[[Connection, bytes], None] | None = None,
) -> Attribute[bytes]:
    permissions = Attribute.READABLE if write is None else Attribute.WRITEABLE
    value = CharacteristicValue(read=read or _refuse(_READ_NOT_PERMITTED), write=write or _refuse(_WRITE_NOT_PERMITTED))
    return Attribute(uuid, properties, permissions, value)


def _refuse(code: int) -> Callable[..., Any]:
    """Return what answers a read or a write of an attribute with an ATT error."""

    def refuse(*_: Any) -> None:
        """Raise the error."""
        raise att.ATT_Error(att.ErrorCode(code))

    return refuse
