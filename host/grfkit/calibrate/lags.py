"""How late a sensor is: the lag that no recording can show, looked up with its SD and source."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import BadInputError
from .documents import LagTable
from .library import load_lag_table


class Lag(NamedTuple):
    """A device's lag (s, positive: the device is late), its SD (s: between devices, simulators too), and its source."""

    lag_s: float
    sd_s: float
    source: str


def lookup(table: LagTable, *, device_class: str, feature: str, rate_hz: float, gait: str = "running") -> Lag:
    """Return the lag to subtract from a device's feature times.

    The last entry of the table that holds wins, so a laboratory's own entries stand after the general ones.
    Where none holds the table's ``base`` answers, if it names one; without one the lag is 0 with the table's wide SD,
    and the source says so.

    Parameters
    ----------
    device_class
        ``insole``, ``imu``, ``landmarks``, ``film`` or ``plate``; any other has no entry.
    feature
        ``onset``, ``jerk`` or ``waveform``.
    rate_hz
        The device's sampling rate.
    gait
        ``running`` or ``walking``.

    Raises
    ------
    BadInputError
        If the table was measured on this class, but at another rate, in another gait or by another feature.
    """
    for entry in reversed(table.entries):
        if entry.holds(device_class, feature, rate_hz, gait):
            return Lag(entry.lag_s, entry.total_sd_s, f"{table.name}: {entry.source} (n {entry.n})")
    if any(measured.device_class == device_class for measured in table.measured):
        raise BadInputError(
            f"the lag document '{table.name}' does not fit the {device_class}: it holds {_held(table, device_class)},"
            f" and the recording shows {feature} at {rate_hz:g} Hz, {gait}; measure its lag (grf-calibrate lag) or"
            " leave the document out"
        )
    if table.base:
        general = load_lag_table(table.base).document
        return lookup(general, device_class=device_class, feature=feature, rate_hz=rate_hz, gait=gait)
    why = (
        f"{table.name}: no entry for {device_class} {feature} at {rate_hz:g} Hz;"
        f" lag 0 ms assumed with an SD of {table.unknown_sd_s * 1000:g} ms"
    )
    return Lag(0.0, table.unknown_sd_s, why)


def _held(table: LagTable, device_class: str) -> str:
    rows = [e for e in table.entries if e.device_class == device_class]
    return "; ".join(
        f"{e.feature} at {e.rate_hz_min:g} to {e.rate_hz_max:g} Hz, {'any gait' if e.gait == 'any' else e.gait}"
        for e in rows
    )
