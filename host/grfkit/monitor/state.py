"""One insole's part of a snapshot: its connection, its foot, and the means of its last stances."""

from __future__ import annotations

from dataclasses import replace

from .connection import InsoleConnection
from .insoles import Insoles
from .live import LiveFoot
from .messages import DeviceState
from .stance_log import StanceLog

__all__ = ["device_state"]

_LATENCY_OF_S = 60.0
"""Latency is of the packets of the last minute, as :class:`~grfkit.monitor.messages.DeviceState` says."""
_USUAL_PACKETS_PER_S = 40.0
"""Where nothing runs: 200 Hz in packets of 5."""


def device_state(insoles: Insoles, device: int, log: StanceLog, *, now_s: float, origin_s: float) -> DeviceState:
    """Return one insole as it is now.

    Parameters
    ----------
    now_s
        Since ``origin_s`` (host time).
    """
    connection = insoles.connections[device]
    state = _connection_state(connection, device)
    if device >= len(insoles.feet):
        return state
    foot = insoles.feet[device]
    refused = {**connection.counts.refused, **foot.refused}
    return replace(
        _foot_state(state, foot, now_s + origin_s),
        data_age_ms=None if foot.last_sample_s is None else max(0.0, 1e3 * (now_s - foot.last_sample_s + origin_s)),
        refused=sum(refused.values()),
        refused_why=refused,
        latency_ms=_latency_ms(connection),
        runner=insoles.runners[device],
        stances=log.counts.get(device, 0),
        contact_s=log.mean(device, "contact_s"),
        peak=log.mean(device, "peak"),
        loading_rate=log.mean(device, "loading_rate"),
        stance_unit=log.unit(device),
        stances_bridged=log.bridged.get(device, 0),
        stances_refused=_stances_refused(connection, foot),
    )


def _connection_state(connection: InsoleConnection, device: int) -> DeviceState:
    counts, running = connection.counts, connection.running
    return DeviceState(
        device=device,
        side=connection.side,
        name=connection.name,
        address=connection.link.address,
        state=connection.state,
        reconnects=connection.reconnects,
        packets=counts.packets,
        packets_lost=counts.packets_lost,
        samples=counts.samples,
        samples_lost=connection.samples_lost,
        samples_lost_between=connection.samples_between,
        battery_percent=connection.battery_percent,
        rate_hz=running.rate_hz if running else None,
        mtu=connection.mtu,
        problem=connection.problem,
    )


def _foot_state(state: DeviceState, foot: LiveFoot, host_s: float) -> DeviceState:
    cadence, why = foot.track.cadence_per_min(host_s), foot.track.broken
    return replace(
        state,
        clock_uncertainty_ms=foot.uncertainty_ms,
        force_unit=foot.force_unit,
        calibrated=foot.calibrated,
        estimate=foot.estimate,
        cadence_per_min=cadence,
        cadence_why=None if cadence is not None else why or "no stride in the last 10 s",
    )


def _latency_ms(connection: InsoleConnection) -> dict[str, float]:
    running = connection.running
    packets_per_s = running.rate_hz / running.samples_per_packet if running else _USUAL_PACKETS_PER_S
    return connection.latency.recent_ms(round(packets_per_s * _LATENCY_OF_S))


def _stances_refused(connection: InsoleConnection, foot: LiveFoot) -> dict[str, int]:
    lost = connection.counts.stances_lost
    return {**foot.track.refused, **({"report lost": lost} if lost else {})}
