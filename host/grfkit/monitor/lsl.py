"""Samples for the Lab Streaming Layer: one outlet per foot, force first and then the cells, stamped on LSL's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..device.host_clock import host_ns
from ..errors import BadInputError
from ..wire import CELLS
from .messages import DeviceState, SampleBatch, Snapshot

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["check", "outlet"]

CHANNELS = ("force", *(f"cell_{k + 1:02d}" for k in range(CELLS)))


def check() -> Any:
    """Return pylsl.

    Raises
    ------
    BadInputError
        If it, or the library liblsl that it calls, cannot be loaded.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise BadInputError(
            f"--lsl needs pylsl and liblsl ({error}); pip install 'grfkit[lsl]', and install liblsl beside it"
        ) from error
    return pylsl


async def outlet(hub: Hub) -> None:
    """Send every batch on, until the hub ends.

    An outlet is made with a foot's first batch; its name says the foot, its source id the address. Time stamps are
    those of the samples, on ``pylsl.local_clock``.
    """
    pylsl = check()
    states: dict[int, DeviceState] = {}
    outlets: dict[int, Any] = {}
    subscription = hub.subscribe()
    try:
        async for message in subscription:
            if isinstance(message, Snapshot):
                states = {state.device: state for state in message.devices}
            elif isinstance(message, SampleBatch) and len(message.time_s):
                state = states.get(message.device) or hub.snapshot().devices[message.device]
                if message.device not in outlets:
                    outlets[message.device] = pylsl.StreamOutlet(_info(pylsl, state))
                rows = [[float(v) for v in row] for row in message.columns.T]
                # LSL's time at the hub's second 0, anew each time: LSL's clock stands while the computer sleeps
                behind_s = pylsl.local_clock() - (host_ns() - hub.origin_ns) * 1e-9
                outlets[message.device].push_chunk(rows, [behind_s + float(t) for t in message.time_s])
    finally:
        subscription.close()


def _info(pylsl: Any, state: DeviceState) -> Any:
    """Return LSL's description of a foot's stream."""
    info = pylsl.StreamInfo(
        f"grfkit {state.side} {state.runner + 1}",
        "Force",
        len(CHANNELS),
        state.rate_hz or 0.0,
        pylsl.cf_float32,
        # the source id: by it a recorder finds the stream again after a restart
        f"grfkit {state.address}",
    )
    channels = info.desc().append_child("channels")
    for name in CHANNELS:
        channel = channels.append_child("channel")
        channel.append_child_value("label", name)
        channel.append_child_value("unit", state.force_unit if name == "force" or state.calibrated else "count")
    return info
