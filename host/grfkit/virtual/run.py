"""Virtual insoles as a program: a test bed with one or both feet, offered as a controller until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..device.interrupted import interrupted
from ..errors import BadInputError
from ..quiet import quiet_logs, quiet_native
from ..simulate.clocks import TrueClock
from .insole import InsoleSettings
from .link_model import LinkSettings
from .source import RATE_HZ, SIDES, Phantom, SampleSource, Side, phantom, recorded
from .stance import OnDeviceModel
from .stream import Faults
from .testbed import InsoleTestBed

__all__ = ["InsoleRequest", "clocks_of", "run_insoles"]

_WANDER_PPM, _DRIFT_PPM = 3.0, 40.0
"""Of the clocks: a slow wander, as with temperature, and a constant error; chosen by hand, twice a common crystal's."""
_LEAD_S = 0.2
"""The insoles are switched on before reference time 0 by this; chosen by hand."""
_WANDER_PERIOD_S = (120, 600)
"""Periods of the wander, drawn within these; chosen by hand: rooms warm over minutes."""
_ADDRESS = {"left": "F6:47:52:46:01:01", "right": "F6:47:52:46:01:02"}


class InsoleRequest(BaseModel):
    """The insoles to simulate.

    Attributes
    ----------
    on_device, backend
        A bundle that the insoles run, and what runs it there (:class:`~grfkit.virtual.stance.OnDeviceModel`).
    duration_s
        Of the phantom's run; it begins again at the end unless ``loop`` is false.
    drift_ppm
        Of the left device's clock, the right one's with the other sign; drawn within 40 ppm by the seed if None. Both
        wander by 3 ppm over some minutes.
    seconds
        How long to stay; None until interrupted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    side: Literal["left", "right", "both"] = "both"
    hci: str = "tcp-server:127.0.0.1:7011"
    seed: int = Field(default=1, ge=0)
    file: Path | None = None
    duration_s: float = Field(default=60.0, ge=5, le=8000)
    loop: bool = True
    interval_ms: float = 15.0
    pdus_per_event: int = Field(default=1, ge=1, le=16)
    mtu: int = Field(default=247, ge=23, le=517)
    loss: float = Field(default=0.0, ge=0, le=1)
    disconnect_every_s: float = Field(default=0.0, ge=0)
    stall_every_s: float = Field(default=0.0, ge=0)
    drift_ppm: float | None = Field(default=None, ge=-500, le=500)
    battery_percent: float = Field(default=100.0, ge=0, le=100)
    on_device: Path | None = None
    backend: Literal["auto", "litert", "tflite-runtime", "c"] = "auto"
    truth: Path | None = None
    plate: Path | None = None
    seconds: float | None = Field(default=None, gt=0)
    flat_out: bool = False

    @property
    def sides(self) -> tuple[Side, ...]:
        """Return the feet."""
        return SIDES if self.side == "both" else (self.side,)


def clocks_of(request: InsoleRequest) -> dict[Side, TrueClock]:
    """Return the devices' clocks: an offset rate and a slow wander, drawn by the seed."""
    rng = np.random.default_rng([request.seed, 77])
    clocks: dict[Side, TrueClock] = {}
    for side, sign in zip(SIDES, (1.0, -1.0)):
        # drawn even where a drift is asked for, so that the wander after it stays that of the seed
        random_ppm = float(rng.uniform(-_DRIFT_PPM, _DRIFT_PPM))
        drift = random_ppm if request.drift_ppm is None else sign * request.drift_ppm
        period, phase = float(rng.uniform(*_WANDER_PERIOD_S)), float(rng.uniform(0, 2 * np.pi))
        clocks[side] = TrueClock(0.0, drift, sinusoid_ppm=_WANDER_PPM, sinusoid_s=period, sinusoid_phase=phase)
    return clocks


async def run_insoles(request: InsoleRequest, ready: Callable[[InsoleTestBed], None]) -> None:
    """Offer the insoles, call ``ready``, and stay; the truth is written at the end, whatever ends it.

    Raises
    ------
    BadInputError
        If a file, the bundle, the transport or an output cannot be used.
    """
    quiet_logs()
    clocks = clocks_of(request)
    model = _model(request)
    sources, runner = _sources(request, clocks)
    if request.plate is not None and runner is not None:
        runner.write_plate(request.plate)
    async with InsoleTestBed(LinkSettings(request.interval_ms, request.pdus_per_event), lead_s=_LEAD_S) as bed:
        for side in request.sides:
            model_id = model.model_id if model else 0
            await bed.add(sources[side], _settings(request, side), clock=clocks[side], model=model, model_id=model_id)
        await bed.offer(request.hci)
        ready(bed)
        try:
            with interrupted() as signalled, suppress(asyncio.TimeoutError):
                await asyncio.wait_for(signalled.wait(), request.seconds)
        finally:
            await bed.close()
            if request.truth is not None:
                bed.write_truth(request.truth)


def _model(request: InsoleRequest) -> OnDeviceModel | None:
    """Return the bundle that the insoles run, None for none."""
    if request.on_device is None:
        if request.backend != "auto":
            raise BadInputError(f"--backend {request.backend} runs a bundle; name one with --on-device")
        return None
    with quiet_native():
        return OnDeviceModel(request.on_device, request.backend)


def _settings(request: InsoleRequest, side: Side) -> InsoleSettings:
    return InsoleSettings(
        address=_ADDRESS[side],
        mtu=request.mtu,
        battery_percent=request.battery_percent,
        flat_out=request.flat_out,
        faults=Faults(
            seed=request.seed,
            loss=request.loss,
            disconnect_every_s=request.disconnect_every_s,
            stall_every_s=request.stall_every_s,
        ),
    )


def _sources(request: InsoleRequest, clocks: dict[Side, TrueClock]) -> tuple[dict[Side, SampleSource], Phantom | None]:
    if request.file is None:
        runner = phantom(
            seed=request.seed, duration_s=request.duration_s, rate_hz=RATE_HZ, clocks=clocks, loops=request.loop
        )
        return runner.sources, runner
    if request.plate is not None:
        raise BadInputError(f"{request.file}: a recording has no force plate under it; --plate goes with the phantom")
    sources = recorded(request.file, loops=request.loop)
    missing = [side for side in request.sides if side not in sources]
    if missing:
        raise BadInputError(f"{request.file}: holds no {missing[0]} insole; ask for --side {next(iter(sources))}")
    return sources, None
