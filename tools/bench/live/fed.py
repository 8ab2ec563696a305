"""A link that needs no radio: a task of the benchmark puts packets into it; all above it is the monitor's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from grfkit.device.link import Characteristic, Exchange, Inbox, LinkClosed, ReceivedPacket
from grfkit.wire import Info, Running, SettingKey, Stream


class FedLink:
    """An insole in memory; see :class:`grfkit.device.link.Link`.

    Parameters
    ----------
    feed
        Puts packets into the link from START on; the link is lost when it returns.
    device_us
        Host time (ns) to the device's 32-bit clock, for time syncs.
    late_s
        How long a time sync takes each way.
    """

    name, mtu = "fed", 247

    def __init__(
        self,
        info: Info,
        running: Running,
        feed: Callable[[FedLink], Awaitable[None]],
        device_us: Callable[[int], int],
        *,
        late_s: float = 0.008,
    ) -> None:
        self.info, self.running, self._feed, self._device_us, self._late_s = info, running, feed, device_us, late_s
        self.address = f"fed {'right' if info.right else 'left'}"
        self.connection, self.closed = 0, True
        self._inbox = Inbox()
        self._feeding: asyncio.Task[None] | None = None

    def put(self, content: bytes, arrival_ns: int) -> None:
        """Hand a sensor packet to the host."""
        self._inbox.put(ReceivedPacket(content, Characteristic.SENSOR_DATA, arrival_ns, self.connection))

    async def connect(self) -> Info:
        """Connect."""
        self.connection, self.closed, self._inbox = self.connection + 1, False, Inbox()
        return self.info

    async def start(self, streams: Stream, rate_hz: int) -> Running:
        """Begin to feed."""
        del streams, rate_hz
        self._feeding = asyncio.ensure_future(self._fed())
        return self.running

    async def _fed(self) -> None:
        await self._feed(self)
        self.closed = True
        self._inbox.end(LinkClosed("link loss", address=self.address))

    async def stop(self) -> None:
        """Stop feeding."""
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait({self._feeding})

    async def tare(self) -> None:
        """Do nothing."""

    async def set(self, key: SettingKey, amount: float) -> None:
        """Do nothing."""

    async def state(self) -> tuple[Info, Running | None]:
        """Return what runs."""
        return self.info, self.running

    async def time_sync(self) -> Exchange:
        """Return time stamps taken on the way there and back; LinkClosed where the link went meanwhile."""
        t1 = time.monotonic_ns()
        await asyncio.sleep(self._late_s)
        t2 = self._device_us(time.monotonic_ns())
        await asyncio.sleep(self._late_s)
        if self.closed:
            raise LinkClosed("link loss", address=self.address)
        # answered at once: t3 is t2
        return Exchange(t1, t2, t2, time.monotonic_ns())

    async def battery_percent(self) -> int | None:
        """Return None: it is not known."""
        return None

    def packets(self) -> AsyncIterator[ReceivedPacket]:
        """Give packets as they are put."""
        return self._inbox.__aiter__()

    async def close(self) -> None:
        """Stop and end."""
        await self.stop()
        self._inbox.end()
        self.closed = True
