"""Packets of a virtual insole that wait for the air."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

__all__ = ["Queued", "TransmitRing"]


@dataclass(frozen=True)
class Queued:
    """A packet that waits: of which characteristic, its number there, and its first sample and their count."""

    characteristic: int
    content: bytes
    sequence: int
    sample: int
    count: int


class TransmitRing:
    """Packets that wait for the air: where one too many comes, the oldest goes, and the next one sent carries a flag.

    Parameters
    ----------
    capacity
        Packets; at least half a second's, so that a stall of that length loses nothing.
    """

    FLAGS, DROPPED = 1, 0x02

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._packets: deque[Queued] = deque()
        self._flag_next: set[int] = set()

    def __len__(self) -> int:
        """Return how many packets wait."""
        return len(self._packets)

    def push(self, packet: Queued) -> Queued | None:
        """Take a packet; return the one that was dropped for it."""
        self._packets.append(packet)
        if len(self._packets) <= self.capacity:
            return None
        dropped = self._packets.popleft()
        self._flag_next.add(dropped.characteristic)
        return dropped

    def pop(self) -> Queued:
        """Return the oldest packet, with the flag where others of its characteristic were dropped before it."""
        packet = self._packets.popleft()
        if packet.characteristic in self._flag_next:
            self._flag_next.discard(packet.characteristic)
            changed = bytearray(packet.content)
            changed[self.FLAGS] |= self.DROPPED
            packet = replace(packet, content=bytes(changed))
        return packet

    def clear(self) -> list[Queued]:
        """Return what waited, and hold nothing."""
        packets = list(self._packets)
        self._packets.clear()
        self._flag_next.clear()
        return packets
