"""How late a sensor is: the lag that no recording can show, looked up with its SD and source."""

from __future__ import annotations

from typing import NamedTuple

from .documents import LagTable


class Lag(NamedTuple):
    """A device's lag (s, positive: the device is late), its SD (s: between devices, simulators too), and its source."""

    lag_s: float
    sd_s: float
    source: str


def lookup(table: LagTable, *, device_class: str, feature: str, rate_hz: float, gait: str = "running") -> Lag:
    """Return the lag to subtract from a device's feature times.

    The last entry of the table that holds wins, so a laboratory's own entries stand after the general ones.
    Where none holds the lag is 0 with the table's wide SD, and the source says so.

    Parameters
    ----------
    device_class
        ``insole``, ``imu``, ``landmarks`` or ``plate``; any other has no entry.
    feature
        ``onset``, ``jerk`` or ``waveform``.
    rate_hz
        The device's sampling rate.
    gait
        ``running`` or ``walking``.
    """
    for entry in reversed(table.entries):
        if entry.holds(device_class, feature, rate_hz, gait):
            return Lag(entry.lag_s, entry.total_sd_s, f"{table.name}: {entry.source} (n {entry.n})")
    why = (
        f"{table.name}: no entry for {device_class} {feature} at {rate_hz:g} Hz;"
        f" lag 0 ms assumed with an SD of {table.unknown_sd_s * 1000:g} ms"
    )
    return Lag(0.0, table.unknown_sd_s, why)
