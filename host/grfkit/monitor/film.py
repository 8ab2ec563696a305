"""The run of ``grf-monitor --film``: a film or a camera in place of insoles, shown by the same views, summed up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import BadInputError
from ..limits import MASS_KG
from ..quiet import quiet_native
from .film_answers import FilmModel, open_film_model
from .film_hub import FilmHub
from .messages import MonitorEvent, StanceShown
from .publisher import until_ended

if TYPE_CHECKING:
    from ..video.live_source import LiveSource

__all__ = ["PACKAGED", "FilmRequest", "film_headless", "words"]

PACKAGED = "grfkit:walking-side-view"
"""The model where none is named."""
View = Callable[[FilmHub], Any]


class FilmRequest(BaseModel):
    """The film to watch.

    Attributes
    ----------
    film
        A file, or the number of a camera (0 is the first).
    model
        Of films; the packaged one if empty.
    near_side
        Of :class:`~grfkit.video.recording.FilmOptions`: for cameras that mirror.
    seconds
        How long; None until the film is over, or stopped.
    play_speed
        Of a file: how many times as fast it is played; inf: as fast as pictures are looked at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    film: str = Field(min_length=1)
    model: str = ""
    mass_kg: float | None = Field(default=None, ge=MASS_KG[0], le=MASS_KG[1])
    near_side: str | None = None
    seconds: float | None = Field(default=None, gt=0)
    play_speed: float = Field(default=1.0, gt=0)


async def film_headless(
    request: FilmRequest,
    views: Sequence[View] = (),
    *,
    say: Callable[[str], None] = lambda _: None,
    source: LiveSource | None = None,
) -> dict[str, Any]:
    """Watch until the film is over, the time is, a signal comes or whatever shows it ends; return the summary.

    Parameters
    ----------
    views
        What shows the hub meanwhile, each a coroutine function of it; the first that returns ends the run.
    say
        Is given each stance and what is said of the film, where nothing shows the hub.
    source
        In place of what ``request.film`` names.

    Raises
    ------
    BadInputError
        If the film, the camera or the model cannot be used, or no mass is stated.
    """
    if request.mass_kg is None:
        raise BadInputError("a film shows no mass, and its force is in body weights; state --mass KG")
    from ..video.recording import FilmOptions
    from ..video.watch import Watch

    FilmOptions(near_side=request.near_side)  # refused before a camera is opened
    with quiet_native():
        model: FilmModel = await asyncio.to_thread(open_film_model, request.model or PACKAGED)
        opened = source if source is not None else await asyncio.to_thread(_source, request)
        watch = Watch(opened.name, near_side=request.near_side, captured_hz=opened.captured_hz)
    hub = FilmHub(opened, watch, model, mass_kg=request.mass_kg)
    async with hub:
        telling = asyncio.ensure_future(_tell(hub, say if not views else lambda _: None))
        await until_ended(hub, views, telling, request.seconds)
    return _summary(hub, opened, watch.looked, model)


def _source(request: FilmRequest) -> LiveSource:
    from ..video.live_source import Camera, FilmPlayed

    if request.film.isdecimal():
        return Camera(int(request.film))
    return FilmPlayed(Path(request.film), speed=request.play_speed)


async def _tell(hub: FilmHub, say: Callable[[str], None]) -> None:
    """Say stances and what is worth a line as they come."""
    async for message in hub.subscribe():
        if isinstance(message, MonitorEvent):
            say(f"{message.kind}: {message.text}" if message.text else message.kind)
        elif isinstance(message, StanceShown):
            late = "" if message.latency_ms is None else f", {1e-3 * message.latency_ms:.1f} s after it"
            side = "left" if message.device == 0 else "right"
            say(
                f"{side} foot at {message.start_s:.2f} s: {1e3 * message.contact_s:.0f} ms,"
                f" peak {message.features['peak']:.2f} BW{late}"
            )


def _summary(hub: FilmHub, source: LiveSource, looked: int, model: FilmModel) -> dict[str, Any]:
    """Return what came of a run, as ``--headless --json`` prints it."""
    late = hub.snapshot().devices[0].latency_ms
    return {
        "film": source.name,
        "model": model.name,
        "pictures": source.came,
        "skipped": source.skipped,
        "looked": looked,
        "latency_ms": late or None,
        "said": list(model.said),
        "passes": [done.to_json() for done in hub.answers.passes],
    }


def words(result: dict[str, Any]) -> str:
    """Return a summary for people."""
    late = result["latency_ms"]
    used = 100.0 * (1.0 - result["skipped"] / max(1, result["pictures"]))
    skipped = f"{result['skipped']} skipped: this computer could not keep up" if result["skipped"] else "none skipped"
    lines = [
        f"{result['film']}: {result['pictures']} pictures, {used:.0f} % used ({skipped}), a walker was looked for in"
        f" {result['looked']}"
    ]
    if late:
        lines.append(f"  stances were told {late['p50'] / 1e3:.1f} s after they ended (median)")
    for done in result["passes"]:
        when = f"  {done['start_s']:.1f} to {done['end_s']:.1f} s"
        if done["refused"]:
            lines.append(f"{when}: no force: {done['refused']}")
            continue
        feet = ", ".join(f"{s['side']} {s['start_s']:.2f} s ({s['peak_bw']:.2f} BW)" for s in done["stances"])
        lines.append(f"{when}: {len(done['stances'])} stances: {feet or 'none was whole in the picture'}")
    if not result["passes"]:
        lines.append("  nobody walked through the picture")
    return "\n".join([*lines, *(f"  note: {line}" for line in result["said"])])
