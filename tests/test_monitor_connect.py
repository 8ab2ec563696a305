"""Connecting to one insole from Python: a virtual one, a recording, and what is neither."""

from __future__ import annotations

import asyncio
import doctest
import gc
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from grfkit.device.session import Samples, TimedItem
from grfkit.errors import BadInputError
from grfkit.monitor import connect as module
from grfkit.monitor.connect import connect
from grfkit.monitor.hub import HubSettings
from monitor_room import lab, steps, until


def test_the_docstrings_example_runs() -> None:
    assert doctest.testmod(module, raise_on_error=True).attempted >= 3
    gc.collect()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both feet for a second, by the monitor itself."""
    path: Path = tmp_path_factory.mktemp("recordings") / "both.grfrec"

    async def work() -> None:
        async with lab() as one:
            await one.add("left")
            await one.add("right")
            async with one.hub(HubSettings(record=path)) as hub:
                await hub.ready()
                await until(lambda: all(c.counts.packets > 40 for c in hub.connections))

    asyncio.run(asyncio.wait_for(work(), 200))
    gc.collect()
    return path


async def everything(path: Path | str, **options: object) -> tuple[str, list[TimedItem], int]:
    async with connect(path, speed=math.inf, **options) as insole:  # type: ignore[arg-type]
        return insole.side, [timed async for timed in insole.packets()], insole.counts.packets


@pytest.mark.parametrize("side", ["left", "Right"])
def test_a_recording_gives_every_packet_of_one_side(recording: Path, side: str) -> None:
    for path in (recording, str(recording)):
        foot, items, packets = asyncio.run(everything(path, side=side))
        assert foot == side.lower()
        assert len(items) == packets > 40
        source, places = steps(side.lower()), []  # type: ignore[arg-type]
        for timed in items:
            assert isinstance(timed.item, Samples)
            assert (np.diff(timed.host_s) > 0).all()
            places.append(timed.item.cells)
        cells = np.concatenate(places)[:, 0]
        assert set(np.unique(cells)) <= set(np.unique(source.cells))


def test_what_is_no_insole_is_refused_by_name(recording: Path, tmp_path: Path) -> None:
    for address, message in (("nowhere", "expected one of these"), (tmp_path, "no file, serial port")):
        with pytest.raises(BadInputError, match=message):
            asyncio.run(everything(address))
    with pytest.raises(BadInputError, match="expected left, right"):
        asyncio.run(everything(recording, side="both"))
