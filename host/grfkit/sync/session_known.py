"""Trials of a session that are not sure, aligned anew with what the sure ones show of the device that both share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .clock_map import DeviceAlignment
from .known_device import KnownDevice, Shown, known_device
from .prepare import align_clock
from .session_table import Clock, SessionTable


def with_known_devices(
    table: SessionTable, alone: dict[str, list[DeviceAlignment]], sure: Mapping[str, list[DeviceAlignment]]
) -> dict[str, list[DeviceAlignment]]:
    """Return the alignments by contacts; those that are not sure with what the others show of the device.

    What is known of each is kept in ``table.known_devices``. No trial learns from itself.

    Parameters
    ----------
    alone
        By each trial's contacts; returned itself where there is nothing new to know.
    sure
        Those whose aligned trials tell of their devices.
    """
    found = {name: list(devices) for name, devices in alone.items()}
    changed = False
    for clock, members in table.clocks.items():
        known = _known(table, clock, sure) if table.is_one_device(clock) else None
        if known is None:
            continue
        for trial, group, _ in members:
            key, device = (trial.name, group), alone[trial.name][group]
            is_sure = "aligned" in (device.clock_map.verdict, sure[trial.name][group].clock_map.verdict)
            before = table.known_devices.get(key)
            if is_sure or not device.log_likelihood.size or (before and set(before.lenders) >= set(known.lenders)):
                continue
            ready = table.ready[trial.name]
            table.known_devices[key] = known
            again = align_clock(ready, ready.wearables.groups[group], prior=ready.request.prior(), known=known)
            found[trial.name][group] = held(again, known)
            changed = True
    return found if changed else alone


def _known(table: SessionTable, clock: Clock, sure: Mapping[str, Sequence[DeviceAlignment]]) -> KnownDevice | None:
    """Return what the sure trials of a clock show of its device; None without any."""
    shown: list[Shown] = []
    names, margins, p_wrong = [], [], 0.0
    for (trial, group, _), placement in zip(table.clocks[clock], table.placed(clock, sure)):
        device = sure[trial.name][group]
        if device.clock_map.verdict == "aligned" and device.shown is not None and not placement.reasons:
            shown.append(device.shown)
            names.append(trial.name)
            margins.append(device.clock_map.margin or 0.0)
            p_wrong += device.clock_map.p_wrong or 0.0
    return known_device(shown, lenders=names, p_wrong=p_wrong, margin=min(margins)) if shown else None


def held(device: DeviceAlignment, known: KnownDevice | None) -> DeviceAlignment:
    """Return an alignment that is no surer than the trials that told of its device, with a finding that names them."""
    if known is None:
        return device
    clock_map = device.clock_map
    told = ", ".join(repr(name) for name in known.lenders[:4])
    what = "how its contacts scatter" + (" and how its loads follow the plates'" if known.courses is not None else "")
    update: dict[str, object] = {"findings": [*clock_map.findings, f"known of the device from {told}: {what}"]}
    if clock_map.verdict == "aligned":
        update["margin"] = min(clock_map.margin or 0.0, known.margin)
        update["p_wrong"] = min(1.0, (clock_map.p_wrong or 0.0) + known.p_wrong)
    return replace(device, clock_map=clock_map.model_copy(update=update))
