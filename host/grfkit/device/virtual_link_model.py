"""A radio link in one process: Bumble's, with what it leaves out: connection events, PDUs per event, stalls.

A connection has an event each ``interval_ms``. In an event each end sends at most ``pdus_per_event`` link-layer PDUs of
``pdu_bytes``; the rest waits for the next. Requests wait as data do, so that discovery, MTU exchange and time sync cost
what they cost on the air. Not modelled: retransmissions (a stall stands for a burst of them), the time on the air
(under 2.2 ms a PDU), a scheduler that serves two connections at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

from ..errors import BadInputError

__all__ = ["LinkSettings", "ModelController", "ModelLink", "TransmitRing"]

_L2CAP_HEADER = 4
_NOTIFICATION = 0x1B
_ON_TIME_S = 2e-3
"""A sleep that ends this late still belongs to its event; later ones are counted as the host's own delay."""


@dataclass(frozen=True)
class LinkSettings:
    """How the modelled link behaves.

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
        if self.interval_ms and not 7.5 <= self.interval_ms <= 4000:
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


class TransmitRing:
    """Packets that wait for the air: where one too many comes, the oldest goes, and the next one sent tells so.

    Parameters
    ----------
    capacity
        Packets; at least half a second's, so that a stall of that length loses nothing.
    """

    FLAGS, DROPPED = 1, 0x02

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._held: deque[bytes] = deque()
        self._flag = False
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many packets wait."""
        return len(self._held)

    def push(self, packet: bytes) -> bytes | None:
        """Take a packet; return the one that was dropped for it."""
        self._held.append(packet)
        if len(self._held) <= self.capacity:
            return None
        self._flag = True
        self.dropped += 1
        return self._held.popleft()

    def pop(self) -> bytes:
        """Return the oldest packet, with the flag where others were dropped before it."""
        packet = self._held.popleft()
        if self._flag:
            self._flag = False
            changed = bytearray(packet)
            changed[self.FLAGS] |= self.DROPPED
            packet = bytes(changed)
        return packet

    def clear(self) -> list[bytes]:
        """Return what waited, and hold nothing."""
        held = list(self._held)
        self._held.clear()
        self._flag = False
        return held


@dataclass
class _Pipe:
    """One direction of one connection."""

    deliver: Callable[[bytes], None]
    waiting: deque[bytes] = field(default_factory=deque)
    credit: int = 0
    notified: int = 0


@dataclass
class _Air:
    """One connection: its events, and what waits at either end."""

    anchor_s: float
    pipes: dict[hci.Address, _Pipe] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None
    stalled_until_s: float = 0.0
    late: int = 0


class ModelLink(LocalLink):
    """Bumble's link in one process, paced by connection events."""

    def __init__(self, settings: LinkSettings) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.settings = settings
        self._air: dict[frozenset[hci.Address], _Air] = {}
        self._after: dict[hci.Address, Callable[[], None]] = {}

    def after_event(self, sender: hci.Address, call: Callable[[], None]) -> None:
        """Have ``call`` called after each event in which ``sender`` could send."""
        self._after[sender] = call

    def notified(self, sender: hci.Address) -> int:
        """Return how many notifications of ``sender`` have left in its present connection."""
        return sum(p.notified for air in self._air.values() for a, p in air.pipes.items() if a == sender)

    def leaves_at(self, sender: hci.Address) -> float:
        """Return when (``time.monotonic``) what ``sender`` hands over now will leave, if nothing stalls."""
        now, interval = time.monotonic(), self.settings.interval_ms * 1e-3
        for air in self._air.values():
            if sender in air.pipes and interval:
                before = sum(self.settings.pdus(len(one)) for one in air.pipes[sender].waiting)
                events = int((now - air.anchor_s) / interval) + 1 + before // self.settings.pdus_per_event
                return max(air.anchor_s + events * interval, air.stalled_until_s)
        return now

    def stall(self, sender: hci.Address, seconds: float) -> None:
        """Let no event succeed on the connections of ``sender`` for a time."""
        until = time.monotonic() + seconds
        for pair, air in self._air.items():
            if sender in pair:
                air.stalled_until_s = max(air.stalled_until_s, until)

    def late_events(self) -> int:
        """Return how many events came more than 2 ms late because this process was busy."""
        return sum(air.late for air in self._air.values())

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
            pipe = air.pipes[sender] = _Pipe(lambda content: target.on_link_acl_data(sender, transport, content))
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

    def forget(self, one: hci.Address, other: hci.Address) -> None:
        """Lose what waits between two devices."""
        air = self._air.pop(frozenset((one, other)), None)
        if air is not None and air.timer is not None:
            air.timer.cancel()

    def _wait(self, air: _Air, pair: frozenset[hci.Address]) -> None:
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        interval = self.settings.interval_ms * 1e-3
        if not interval:
            air.timer = loop.call_later(max(0.0, air.stalled_until_s - now), self._event, air, pair, now)
            return
        from_s = max(now, air.stalled_until_s)
        due = air.anchor_s + (int((from_s - air.anchor_s) / interval) + 1) * interval
        air.timer = loop.call_later(due - now, self._event, air, pair, due)

    def _event(self, air: _Air, pair: frozenset[hci.Address], due_s: float) -> None:
        air.timer = None
        now = time.monotonic()
        if air.stalled_until_s > now:
            self._wait(air, pair)
            return
        air.late += now - due_s > _ON_TIME_S
        for pipe in air.pipes.values():
            self._send(pipe)
        for sender in pair:
            if sender in self._after:
                self._after[sender]()
        if air.timer is None and any(pipe.waiting for pipe in air.pipes.values()) and pair in self._air:
            self._wait(air, pair)

    def _send(self, pipe: _Pipe) -> None:
        """Deliver what fits an event; a frame of several PDUs arrives with its last one."""
        free = not self.settings.interval_ms
        room = pipe.credit + self.settings.pdus_per_event
        while pipe.waiting and (free or self.settings.pdus(len(pipe.waiting[0])) <= room):
            data = pipe.waiting.popleft()
            room -= self.settings.pdus(len(data))
            if len(data) > _L2CAP_HEADER and data[_L2CAP_HEADER] == _NOTIFICATION:
                pipe.notified += 1
            pipe.deliver(data)
        pipe.credit = room if pipe.waiting and not free else 0


def _own_address(controller: Controller, peer: hci.Address) -> hci.Address | None:
    connection = controller.le_connections.get(peer)
    return None if connection is None else connection.self_address


class ModelController(Controller):
    """Bumble's controller with legacy advertising, HCI packets as long as a PDU, and what it leaves out.

    Scan responses are told to scanners, and a connection that is given up is given up.
    """

    def __init__(self, name: str, link: ModelLink, *, host: Any = None) -> None:
        super().__init__(name, host_source=host.source if host else None, link=link)
        if host is not None:
            self.host = host.sink
        self.le_features = Controller.le_features & ~(
            hci.LeFeatureMask.LL_PRIVACY | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        )
        self.le_acl_data_packet_length = self.acl_data_packet_length = 251

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Hand a packet to the host; a scan response gets the advertiser's own data."""
        if isinstance(packet, hci.HCI_LE_Advertising_Report_Event):
            for report in packet.reports:
                if report.event_type == hci.HCI_LE_Advertising_Report_Event.EventType.SCAN_RSP:
                    report.data = self._response_of(report.address)
            packet = hci.HCI_LE_Advertising_Report_Event(packet.reports)
        super().send_hci_packet(packet)

    def _response_of(self, address: hci.Address) -> bytes:
        heard = self.link.find_le_controller(address)
        return bytes(heard.le_legacy_advertiser.scan_response_data) if heard is not None else b""

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Give up the pending connection and tell so."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is not None:
            self.send_hci_packet(_given_up(pending.peer_address))
        return super().on_hci_le_create_connection_cancel_command(command)


def _given_up(peer: hci.Address) -> hci.HCI_LE_Connection_Complete_Event:
    return hci.HCI_LE_Connection_Complete_Event(
        status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
        connection_handle=0,
        role=hci.Role.CENTRAL,
        peer_address_type=peer.address_type,
        peer_address=peer,
        connection_interval=0,
        peripheral_latency=0,
        supervision_timeout=0,
        central_clock_accuracy=0,
    )
