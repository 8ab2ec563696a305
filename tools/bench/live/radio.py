"""A radio link with known truth: when a device sends, when the host has it, and what time sync tells.

Connection events at a fixed interval on the central's own crystal; a packet waits for the next event that has room,
is sent again where the radio failed, and passes the host's stack. Now and then the link stalls. It is a model: figures
made with it say "simulated link".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grfkit.arrays import Floats
from grfkit.simulate.clocks import TrueClock

_FIRST_SYNCS = 24
"""Time requests in a row after connecting. Chosen by hand: some of them meet an idle link."""


@dataclass(frozen=True)
class LinkModel:
    """Delays of a packet on the link.

    Attributes
    ----------
    interval_ms
        Connection interval.
    per_event
        Packets that fit one event.
    retry_share
        Share of tries that fail and wait for the next event.
    air_ms, stack_ms, stack_jitter_ms
        Fixed time on air, fixed time in the host's stack either way, and the mean of an exponential part of it.
    stall_every_s, stall_s
        Mean time between stalls, and the range of their length.
    central_ppm
        Error of the central's crystal against the host's clock.
    answer_ms
        What the device takes between receiving a time request and answering.
    late_stamp
        Whether t3 is stamped as the answer goes over, or already when it is queued.
    """

    interval_ms: float = 15.0
    per_event: int = 4
    retry_share: float = 0.02
    air_ms: float = 1.0
    stack_ms: float = 3.0
    stack_jitter_ms: float = 1.0
    stall_every_s: float = 30.0
    stall_s: tuple[float, float] = (0.1, 0.5)
    central_ppm: float = 12.0
    answer_ms: float = 0.3
    late_stamp: bool = False


@dataclass(frozen=True)
class LinkTruth:
    """One device's packets and time syncs, in order of arrival.

    Attributes
    ----------
    device_us, arrival_s, true_s
        Shape (packets,): the device's stamp of the moment a packet was ready, the host's arrival time, and that moment
        on the host's clock.
    exchanges
        Shape (exchanges, 4): t1 (s, host), t2 and t3 (us, device), t4 (s, host).
    """

    device_us: Floats
    arrival_s: Floats
    true_s: Floats
    exchanges: Floats


def draw_link(
    rng: np.random.Generator,
    model: LinkModel,
    clock: TrueClock,
    *,
    duration_s: float,
    packet_s: float = 0.025,
    sync_every_s: float = 10.0,
    sync_burst: int = 8,
) -> LinkTruth:
    """Return what one device sends over a link; ``clock`` maps its running time to the host's clock (s)."""
    events = _Events(rng, model, clock.offset_s, duration_s)
    ready_dev: Floats = packet_s * np.arange(1, int(duration_s / packet_s), dtype=np.float64)
    ready = clock.running(ready_dev)
    request_s = _request_times(rng, clock.offset_s, duration_s, sync_every_s, sync_burst)
    received_s = events.carried(request_s + _stack(rng, model, request_s.size)) + model.air_ms * 1e-3
    answer_s = received_s + model.answer_ms * 1e-3
    # one queue: an answer waits behind the packets that were ready before it
    when = np.concatenate([ready, answer_s])
    order = np.argsort(when, kind="stable")
    sent_s = np.empty(when.size)
    sent_s[order] = events.carried(when[order])
    answer_s = sent_s[ready.size :] if model.late_stamp else answer_s
    arrival = sent_s + model.air_ms * 1e-3 + _stack(rng, model, when.size)
    # jitter of the stack does not change the order of packets
    arrival[order] = np.maximum.accumulate(arrival[order])
    t2, t3 = (np.floor(clock.t_running(t) * 1e6) for t in (received_s, answer_s))
    exchanges = np.stack([request_s, t2, t3, arrival[ready.size :]], axis=1)
    return LinkTruth(np.floor(ready_dev * 1e6), arrival[: ready.size], ready, exchanges)


class _Events:
    """Connection events of one link; stalls are events that never happen."""

    def __init__(self, rng: np.random.Generator, model: LinkModel, start_s: float, duration_s: float) -> None:
        # events follow the central's crystal, which is not the host's clock
        interval = model.interval_ms * 1e-3 * (1 + model.central_ppm * 1e-6)
        at = start_s - rng.uniform(0, interval) + interval * np.arange(int((duration_s + 5) / interval))
        alive = np.ones(at.size, dtype=bool)
        for _ in range(int(rng.poisson(duration_s / model.stall_every_s))):
            begin = start_s + rng.uniform(0, duration_s)
            alive &= ~((at >= begin) & (at < begin + rng.uniform(*model.stall_s)))
        self._at, self._rng, self._model = at[alive], rng, model

    def carried(self, ready_s: Floats) -> Floats:
        """Return when packets, ready in this order, go over; none overtakes another."""
        tries = self._rng.geometric(1 - self._model.retry_share, ready_s.size)
        first = np.searchsorted(self._at, ready_s)
        used, last, out = 0, -1, np.empty(ready_s.size)
        for k in range(ready_s.size):
            event = max(int(first[k]), last)
            used = used if event == last else 0
            if used >= self._model.per_event:
                event, used = event + 1, 0
            # every failed try costs a connection event, and holds up what is queued behind it
            event += int(tries[k]) - 1
            used = used + 1 if event == last else 1
            last = event
            out[k] = self._at[min(event, self._at.size - 1)]
        return out


def _request_times(rng: np.random.Generator, start_s: float, duration_s: float, every_s: float, burst: int) -> Floats:
    """Return when time syncs are asked for: bursts whose members do not keep step with connection events."""
    if not burst:
        return np.empty(0)
    begins = start_s + np.arange(2.0, duration_s - 2.0, every_s)
    bursts = (begins[:, None] + np.cumsum(rng.uniform(0.05, 0.15, (begins.size, burst)), axis=1)).ravel()
    first = start_s + np.cumsum(rng.uniform(0.02, 0.07, _FIRST_SYNCS))
    return np.concatenate([first, bursts])


def _stack(rng: np.random.Generator, model: LinkModel, count: int) -> Floats:
    return np.asarray(1e-3 * (model.stack_ms + rng.exponential(model.stack_jitter_ms, count)))
