"""A monitor's start says what it waits for; a computer that cannot keep up is told, and never taken for a lost link."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from grfkit.monitor.headless import MonitorRequest, waits_for
from grfkit.monitor.hub import HubSettings
from grfkit.monitor.pace import BEHIND_S, Pace
from grfkit.wire import SettingKey
from monitor_room import lab


def test_lateness_is_told_once_and_forgotten_when_it_is_over() -> None:
    pace = Pace(0.066)
    assert pace.woke(10.0) is None
    assert pace.woke(10.066) is None
    assert pace.behind_s == 0.0
    told = pace.woke(10.066 + 0.066 + 0.5)
    assert told is not None
    assert "cannot keep up: what is shown came up to 0.5 s late" in told
    assert pace.behind_s == pytest.approx(0.5)
    assert pace.woke(11.3) is None, "once in half a minute"
    assert pace.woke(11.366) is None
    for step in range(60):
        pace.woke(11.432 + 0.066 * step)
    assert pace.behind_s == 0.0


def test_a_pause_before_a_restart_is_no_lateness() -> None:
    pace = Pace(0.066)
    pace.woke(1.0)
    pace.restart()
    assert pace.woke(100.0) is None
    assert pace.behind_s == 0.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "looking for 2 insoles over Bluetooth, for up to 10 s; switch them on and keep them near"),
        ({"feet": 1, "address": ("C0:00:00:00:00:01",)}, "looking for 1 insole over Bluetooth (C0:00:00:00:00:01)"),
        ({"serial": ("/dev/ttyACM0",)}, "waiting for an answer of /dev/ttyACM0"),
        ({"demo": True}, "starting virtual insoles"),
        ({"replay": Path("a.grfrec")}, "reading a.grfrec"),
    ],
)
def test_a_start_says_what_it_waits_for(options: dict[str, Any], said: str) -> None:
    assert said in waits_for(MonitorRequest(**options))


def test_a_hub_that_is_held_up_says_so_and_hands_on_what_was_stated() -> None:
    async def held_up() -> None:
        async with lab() as one:
            await one.add("left")
            hub = one.hub(HubSettings(set_values={SettingKey.MASS: 70.0}))
            async with hub:
                told = one.listen(hub)
                await hub.ready()
                assert hub.snapshot().stated == {"mass_kg": 70.0}
                # the hub's clockwork counts from its first wake-up on, whenever a busy machine lets it have that
                while hub.snapshot().behind_s < BEHIND_S:
                    await asyncio.sleep(0.3)
                    time.sleep(2 * BEHIND_S)
                    await asyncio.sleep(0.1)
                assert any("cannot keep up" in event.text for event in told.happened("problem"))

    asyncio.run(asyncio.wait_for(held_up(), 60))
