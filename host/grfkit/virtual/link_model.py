"""A radio link in one process: Bumble's, with what it leaves out: connection events, PDUs per event, stalls.

A connection has an event each ``interval_ms``. In an event each end sends at most ``pdus_per_event`` link-layer PDUs of
``pdu_bytes``; the rest waits for the next. Requests wait as data do, so that discovery, MTU exchange and time sync cost
what they cost on the air. Not modelled: retransmissions (a stall stands for a burst of them), the time on the air
(under 2.2 ms a PDU), a scheduler that serves two connections at once.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.host import Host
from bumble.link import LocalLink

from ..errors import BadInputError

__all__ = ["LinkSettings", "ModelController", "ModelLink", "QuietHost"]

_L2CAP_HEADER = 4
"""Bytes before the ATT opcode: length and channel."""
_NOTIFICATION = 0x1B
"""ATT opcode of a handle value notification."""
_HOPS = 3
"""Turns of the event loop that a packet takes through Bumble's layers, from GATT server to controller."""
_CONGESTED_BYTES, _BUSY_S = 2048, 1e-3
"""A host with so much unread is not sent notifications; without events it is looked at again after this long."""
_ACL = 2
"""HCI packet type of data (Bluetooth Core, Vol. 4 A 2)."""
_DATA_HEAD, _DATA, _COMPLETED = struct.Struct("<BHH"), struct.Struct("<BHHHH"), struct.Struct("<BBBBHH")
"""An HCI data packet's head, with its L2CAP header, and the event of completed packets."""
_LEAST_INTERVAL_MS, _LONGEST_INTERVAL_MS = 7.5, 4000
"""Connection intervals that Bluetooth allows (Bluetooth Core 5.4, Vol. 6 B 4.5.1)."""
_ON_TIME_S = 2e-3
"""A sleep that ends this late still belongs to its event; later ones are counted as the host's own delay."""


@dataclass(frozen=True)
class LinkSettings:
    """Settings of the modelled link.

    Attributes
    ----------
    interval_ms
        Connection interval, 7.5 to 4000 ms; 0 leaves the link as fast as the program.
    pdus_per_event
        Of either end.
    pdu_bytes
        Payload of a link-layer PDU: 251 with data length extension, 27 without.
    """

    interval_ms: float = 15.0
    pdus_per_event: int = 1
    pdu_bytes: int = 251

    def __post_init__(self) -> None:
        """Refuse what no Bluetooth link does."""
        if self.interval_ms and not _LEAST_INTERVAL_MS <= self.interval_ms <= _LONGEST_INTERVAL_MS:
            raise BadInputError(
                f"a connection interval of {self.interval_ms:g} ms; expected 7.5 to 4000, or 0 for none"
            )
        if self.pdus_per_event < 1 or not 27 <= self.pdu_bytes <= 251:
            raise BadInputError(
                f"{self.pdus_per_event} PDUs of {self.pdu_bytes} bytes an event; expected 1 or more, of 27 to 251 bytes"
            )

    def pdus(self, content_bytes: int) -> int:
        """Return how many PDUs an L2CAP frame of so many bytes takes."""
        return max(1, -(-content_bytes // self.pdu_bytes))


@dataclass
class _Pipe:
    """One direction of one connection."""

    deliver: Callable[[bytes], None]
    congested: Callable[[], bool]
    waiting: deque[bytes] = field(default_factory=deque)
    credit: int = 0


@dataclass
class _Air:
    """One connection: its events, and what waits at either end.

    Attributes
    ----------
    timer, due_s
        The next event that is waited for, and its time.
    under_way
        Whether an event is being carried out: what is handed over meanwhile still leaves in it.
    """

    anchor_s: float
    pipes: dict[hci.Address, _Pipe] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None
    due_s: float = 0.0
    under_way: bool = False
    stalled_until_s: float = 0.0

    def after(self, moment_s: float, interval_s: float) -> float:
        """Return the time of the first event after a moment."""
        return self.anchor_s + (int((moment_s - self.anchor_s) / interval_s) + 1) * interval_s


class ModelLink(LocalLink):
    """Bumble's link in one process, paced by connection events."""

    def __init__(self, settings: LinkSettings) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.settings = settings
        self._air: dict[frozenset[hci.Address], _Air] = {}
        self._late = 0
        self._notified: Counter[hci.Address] = Counter()
        self._before: dict[hci.Address, Callable[[float], None]] = {}

    def before_events(self, sender: hci.Address, call: Callable[[float], None] | None) -> None:
        """Have ``call`` called just before each event of ``sender``, with the event's time; None ends that.

        What ``sender`` hands to its stack then leaves in this event. An event that this process is late for still has
        its own time.
        """
        if call is None:
            self._before.pop(sender, None)
            return
        self._before[sender] = call
        for pair, air in self._air.items():
            if sender in pair and air.timer is None:
                self._wait(air, pair)

    def notified(self, sender: hci.Address) -> int:
        """Return how many notifications of ``sender`` have left so far, over all its connections."""
        return self._notified[sender]

    def leaves_at(self, sender: hci.Address) -> float:
        """Return when (``time.monotonic``) what ``sender`` hands over now will leave, if nothing stalls.

        In an event that this process is late for it leaves now, not in the one after.
        """
        now, interval = time.monotonic(), self.settings.interval_ms * 1e-3
        for air in self._air.values():
            if sender in air.pipes and interval:
                before = sum(self.settings.pdus(len(frame)) for frame in air.pipes[sender].waiting)
                first = air.after(now, interval)
                if air.under_way or (air.timer is not None and air.due_s < now):
                    first -= interval
                elif air.timer is not None:
                    first = air.due_s
                return max(now, first + before // self.settings.pdus_per_event * interval, air.stalled_until_s)
        return now

    def stall(self, sender: hci.Address, seconds: float) -> None:
        """Let no event succeed on the connections of ``sender`` for a time."""
        until = time.monotonic() + seconds
        for pair, air in self._air.items():
            if sender in pair:
                air.stalled_until_s = max(air.stalled_until_s, until)

    def late_events(self) -> int:
        """Return how many events came more than 2 ms late because this process was busy."""
        return self._late

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Take what a controller sends; it arrives in a coming event."""
        if transport != PhysicalTransport.LE:
            raise BadInputError(f"the modelled link carries LE, not {transport.name}")
        sender = _own_address(sender_controller, destination_address)
        target = self.find_le_controller(destination_address)
        if sender is None or target is None:
            return
        pair = frozenset((sender, destination_address))
        air = self._air.get(pair)
        if air is None:
            air = self._air[pair] = _Air(time.monotonic())
        pipe = air.pipes.get(sender)
        if pipe is None:
            pipe = air.pipes[sender] = _Pipe(
                lambda content: target.on_link_acl_data(sender, transport, content),
                lambda: isinstance(target, ModelController) and target.congested,
            )
        pipe.waiting.append(data)
        if air.timer is None:
            self._wait(air, pair)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Hand on a control PDU at once; with a disconnection what still waited is lost."""
        if isinstance(packet, ll.TerminateInd):
            self.forget(sender_address, receiver_address)
        super().send_ll_control_pdu(sender_address, receiver_address, packet)

    def forget(self, address: hci.Address, other: hci.Address) -> None:
        """Lose what waits between two devices."""
        air = self._air.pop(frozenset((address, other)), None)
        if air is not None and air.timer is not None:
            air.timer.cancel()

    def _wait(self, air: _Air, pair: frozenset[hci.Address]) -> None:
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        interval = self.settings.interval_ms * 1e-3
        if not interval:
            busy = any(pipe.waiting and pipe.congested() for pipe in air.pipes.values())
            wait = max(_BUSY_S if busy else 0.0, air.stalled_until_s - now)
            air.timer = loop.call_later(wait, self._event, air, pair, now)
            return
        air.due_s = air.after(max(now, air.stalled_until_s), interval)
        air.timer = loop.call_later(air.due_s - now, self._event, air, pair, air.due_s)

    def _event(self, air: _Air, pair: frozenset[hci.Address], due_s: float) -> None:
        air.timer = None
        now = time.monotonic()
        if air.stalled_until_s > now:
            self._wait(air, pair)
            return
        self._late += now - due_s > _ON_TIME_S
        air.under_way = True
        for sender in pair:
            if sender in self._before:
                self._before[sender](due_s)
        self._settle(air, pair, _HOPS)

    def _settle(self, air: _Air, pair: frozenset[hci.Address], hops: int) -> None:
        """Let what was just handed over come down through the sender's stack, then carry the event out."""
        if hops:
            asyncio.get_running_loop().call_soon(self._settle, air, pair, hops - 1)
            return
        if self._air.get(pair) is not air:
            return
        air.under_way = False
        for sender, pipe in list(air.pipes.items()):
            self._notified[sender] += self._send(pipe)
        if air.timer is None and (any(p.waiting for p in air.pipes.values()) or any(a in self._before for a in pair)):
            self._wait(air, pair)

    def _send(self, pipe: _Pipe) -> int:
        """Deliver what fits an event; a frame of several PDUs arrives with its last one.

        Returns how many of them were notifications.
        """
        notified = 0
        if pipe.waiting and _is_notification(pipe.waiting[0]) and pipe.congested():
            return 0
        free = not self.settings.interval_ms
        # what an event leaves unused counts towards a frame of several PDUs that waits; with nothing waiting it lapses
        room = pipe.credit + self.settings.pdus_per_event
        while pipe.waiting and (free or self.settings.pdus(len(pipe.waiting[0])) <= room):
            data = pipe.waiting.popleft()
            room -= self.settings.pdus(len(data))
            notified += _is_notification(data)
            pipe.deliver(data)
        pipe.credit = room if pipe.waiting and not free else 0
        return notified


def _is_notification(frame: bytes) -> bool:
    return len(frame) > _L2CAP_HEADER and frame[_L2CAP_HEADER] == _NOTIFICATION


def _own_address(controller: Controller, peer: hci.Address) -> hci.Address | None:
    connection = controller.le_connections.get(peer)
    return None if connection is None else connection.self_address


class QuietHost(Host):
    """Bumble's host without a line of text made for every packet."""

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Hand a packet to the controller."""
        if self.snooper or self.hci_sink is None:
            super().send_hci_packet(packet)
        else:
            self.hci_sink.on_packet(bytes(packet))


class ModelController(Controller):
    """Bumble's controller with legacy advertising, HCI packets as long as a PDU, and what it leaves out.

    Scanners get scan responses, and a pending connection can be cancelled.
    """

    def __init__(self, name: str, link: ModelLink, *, host: Any = None) -> None:
        super().__init__(name, host_source=host.source if host else None, link=link)
        self._sink = host.sink if host is not None else None
        if host is not None:
            self.host = host.sink
        # without these features Bumble's host takes the legacy commands for advertising and scanning, as modelled here
        self.le_features = Controller.le_features & ~(
            hci.LeFeatureMask.LL_PRIVACY | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        )
        self.le_acl_data_packet_length = self.acl_data_packet_length = 251

    @property
    def congested(self) -> bool:
        """Return whether the host does not take what it is sent; a link holds back then, as its flow control does."""
        out = getattr(self._sink, "transport", None)
        return out is not None and out.get_write_buffer_size() > _CONGESTED_BYTES

    def on_packet(self, packet: bytes) -> None:
        """Take a packet of the host; complete data frames go to the link as they are."""
        if packet[0] == _ACL and len(packet) >= _DATA.size:
            _, handle, _, frame_bytes, _ = _DATA.unpack_from(packet)
            connection = self.find_le_connection_by_handle(handle & 0xFFF)
            if connection is not None and handle >> 12 in (0, 2) and frame_bytes + _DATA.size == len(packet):
                self.link.send_acl_data(self, connection.peer_address, PhysicalTransport.LE, packet[5:])
                # completed at once (Bluetooth Core, Vol. 4 E 7.7.19): the link holds packets back, not HCI's credits
                self._to_host(_COMPLETED.pack(4, 0x13, 5, 1, handle & 0xFFF, 1))
                return
        super().on_packet(packet)

    def on_link_acl_data(self, sender_address: hci.Address, transport: PhysicalTransport, data: bytes) -> None:  # noqa: ARG002
        """Hand a data frame from the link to the host."""
        connection = self.le_connections.get(sender_address)
        if connection is not None:
            # boundary flags 2: the first packet of a frame (Bluetooth Core, Vol. 4 E 5.4.2), and here all of it
            self._to_host(_DATA_HEAD.pack(_ACL, connection.handle | 2 << 12, len(data)) + data)

    def _to_host(self, packet: bytes) -> None:
        if self.host:
            # as Bumble's controller does: never from inside the call that caused it
            asyncio.get_running_loop().call_soon(self.host.on_packet, packet)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Hand a packet to the host; a scan response gets the advertiser's own data."""
        if isinstance(packet, hci.HCI_LE_Advertising_Report_Event):
            for report in packet.reports:
                if report.event_type == hci.HCI_LE_Advertising_Report_Event.EventType.SCAN_RSP:
                    report.data = self._response_of(report.address)
            packet = hci.HCI_LE_Advertising_Report_Event(packet.reports)
        super().send_hci_packet(packet)

    def on_hci_le_set_data_length_command(
        self, command: hci.HCI_LE_Set_Data_Length_Command
    ) -> hci.HCI_StatusAndConnectionHandleReturnParameters:
        """Agree; how long a PDU is, is the link's setting."""
        return hci.HCI_StatusAndConnectionHandleReturnParameters(hci.HCI_ErrorCode.SUCCESS, command.connection_handle)

    def on_hci_le_set_phy_command(self, command: hci.HCI_LE_Set_PHY_Command) -> None:
        """Agree; time on the air is not modelled."""
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        event = hci.HCI_LE_PHY_Update_Complete_Event(
            status=hci.HCI_ErrorCode.SUCCESS,
            connection_handle=command.connection_handle,
            tx_phy=hci.Phy.LE_2M,
            rx_phy=hci.Phy.LE_2M,
        )
        self.send_hci_packet(event)

    def on_hci_reset_command(self, command: hci.HCI_Reset_Command) -> hci.HCI_StatusReturnParameters:
        """Reset: connections end, scanning and connecting stop."""
        self.drop_host()
        return super().on_hci_reset_command(command)

    def drop_host(self) -> None:
        """End what a host that is gone or was reset had under way."""
        self.le_scan_enable, self.pending_le_connection = False, None
        self.le_legacy_advertiser.stop()
        for connection in list(self.le_connections.values()):
            connection.send_ll_control_pdu(ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR))
            self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def _response_of(self, address: hci.Address) -> bytes:
        advertiser = self.link.find_le_controller(address)
        return bytes(advertiser.le_legacy_advertiser.scan_response_data) if advertiser is not None else b""

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Cancel the pending connection, and report that to the host."""
        # the host waits for a failed connection's event (Bluetooth Core, Vol. 4 E 7.8.13), which Bumble leaves out
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is not None:
            self.send_hci_packet(_connection_cancelled(pending.peer_address))
        return super().on_hci_le_create_connection_cancel_command(command)


def _connection_cancelled(peer: hci.Address) -> hci.HCI_LE_Connection_Complete_Event:
    return hci.HCI_LE_Connection_Complete_Event(
        status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
        connection_handle=0, role=hci.Role.CENTRAL, peer_address_type=peer.address_type, peer_address=peer,
        connection_interval=0, peripheral_latency=0, supervision_timeout=0, central_clock_accuracy=0,
    )  # fmt: skip
