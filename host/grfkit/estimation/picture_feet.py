"""The foot of a film whose force a model of pictures tells: stances that the film shows, and the clips around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..dataset.from_pictures import ONSET, WHITE, Clip, clip_around, of_pictures, picture_stream, pixel_names
from ..dataset.keypoint_inputs import OTHER
from ..errors import BadInputError, RefusedError
from ..gait.contacts import Rejection
from ..gait.stances import Stance
from ..learn.spec import ModelSpec
from ..records.film_streams import BACKGROUND
from .feet import Foot
from .film_feet import FilmContacts, ankle_samples, film_contacts
from .source import EstimateRequest, EstimateSource
from .types import SIDES, Side

LONGER = "contact is longer than the model's clip"
NO_PICTURE = "the walker is not found in a picture"
SILHOUETTE, FULL_FRAME = "silhouette", "full frame"
"""What pictures of a model show where its document does not say, and those on which a walker need not be found."""


def picture_of(spec: ModelSpec) -> str:
    """Return what the pictures that a model takes show; empty of a model that takes none."""
    if not of_pictures(spec.scaler.channels):
        return ""
    return str(spec.cut_told.get("picture", "")) or SILHOUETTE


def picture_feet(
    spec: ModelSpec, source: EstimateSource, request: EstimateRequest, facts: dict[str, Any], findings: list[str]
) -> tuple[list[Foot], dict[Side, str]]:
    """Return the foot that the model was trained on, near or far, with a clip for each stance; and why not the other.

    Of a walker who comes back each foot is near in one of the passes; both are then estimated, where they are.

    Raises
    ------
    BadInputError
        If there is no film of such pictures, it does not say which side is near, or no mass is known.
    RefusedError
        If the film is too slow for the model or for any, has holes throughout, or shows too few contacts.
    """
    if picture_of(spec) == BACKGROUND:
        raise RefusedError(
            f"{source.name}: the model takes silhouettes by background subtraction, which show no contacts, and a force"
            " without them would be a guess; train with the pose model's silhouettes (grf-sync without --picture)"
        )
    film = film_contacts(spec, source, request, facts, findings)
    pictures = picture_stream(source.trial.streams, picture_of(spec))
    rows, columns = (int(pictures.sizes[n]) for n in ("row", "column"))
    if set(spec.scaler.channels) != set(pixel_names(rows, columns)):
        raise BadInputError(
            f"{source.name}: pictures are {rows} x {columns}, and the model takes {len(spec.scaler.channels)} pixels;"
            " read the film with this grfkit, or train with such pictures"
        )
    _check_rate(spec, pictures, source.name)
    which = str(spec.cut_told.get("foot", "near")) or "near"
    if which not in ("near", "far"):
        raise BadInputError(f"the model's document says foot = '{which}', expected near or far; train it again")
    both = {side: _foot(spec, side, film, pictures, near=which == "near") for side in SIDES}
    feet = [foot for foot in both.values() if foot.stances]
    if not feet:
        turned = {r.reason for foot in both.values() for r in foot.rejections}
        raise RefusedError(
            f"{source.name}: no contact of the {which} foot is seen from landing to leaving"
            f" ({', '.join(sorted(turned)) or 'none was found'}); film with more of the walkway in the picture"
        )
    named = ", ".join(foot.side for foot in feet)
    findings.append(
        f"the {film.near} side faces the camera (mirrored: --near-side {OTHER[film.near]}); the model tells the force"
        f" of the {which} foot alone ({named})"
    )
    why = f"the model tells the force of the {which} foot alone"
    return feet, {side: why for side in SIDES if all(foot.side != side for foot in feet)}


def _check_rate(spec: ModelSpec, pictures: xr.Dataset, name: str) -> None:
    """Refuse a film with fewer pictures a second than the model's clips have: some would stand twice in them."""
    time = np.asarray(pictures["time"].values, dtype=np.float64)
    rate, wanted = 1.0 / float(np.median(np.diff(time[np.isfinite(time)]))), float(spec.rate_hz or 0.0)
    if rate < 0.99 * wanted:
        raise RefusedError(
            f"{name}: has {rate:.0f} pictures a second, and the model's clips {wanted:.0f}; film at {wanted:.0f} or"
            " more, or train with films like this one"
        )


def _foot(spec: ModelSpec, side: Side, film: FilmContacts, pictures: xr.Dataset, *, near: bool) -> Foot:
    """Return a foot with those of its stances in which it is the model's, near or far."""
    stances: list[Stance] = []
    windows: list[tuple[Floats, Floats]] = []
    scalars: list[dict[str, float]] = []
    unseen: list[Rejection] = []
    for stance in film.found.stances:
        walked = film.pass_of(stance)
        if stance.side != side or not np.isfinite(stance.to_s):
            continue
        clip, why = _clip(spec, film, pictures, stance)
        if why or clip is None or (walked is not None and (side == walked.near) != near):
            # of the other foot's passes nothing is said, and nobody turned anything down
            if why or clip is None:
                unseen.append(Rejection(stance.ic_s, stance.to_s, why))
            continue
        stances.append(stance)
        windows.append((clip.time_s, clip.inputs))
        scalars.append({ONSET: stance.ic_s - float(clip.start_s), "contact_s": stance.to_s - stance.ic_s})
    turned = tuple(sorted((*film.found.rejections, *unseen), key=lambda r: r.start_s))
    base = ankle_samples(film.stream, side)
    return Foot(side, {}, base, tuple(stances), turned, tuple(windows), tuple(scalars))


def _clip(spec: ModelSpec, film: FilmContacts, pictures: xr.Dataset, stance: Stance) -> tuple[Clip | None, str]:
    """Return the clip around a stance with the model's pixels, or why there is none."""
    if why := film.hidden(stance):
        return None, why
    clip = clip_around(pictures, stance, samples=spec.points, rate_hz=float(spec.rate_hz or 1.0))
    if clip is None:
        return None, LONGER
    inside = (clip.time_s >= stance.ic_s) & (clip.time_s <= stance.to_s)
    dark = _dark(clip.inputs) & (str(pictures.attrs.get("picture", "")) != FULL_FRAME)
    if (np.isnan(clip.inputs[:, 0]) | dark)[inside].any():
        return None, NO_PICTURE
    # a picture without the walker is none, beside the stance as well
    inputs = np.where(dark[:, None], np.nan, clip.inputs)
    names = pixel_names(*(int(pictures.sizes[n]) for n in ("row", "column")))
    order = [names.index(c) for c in spec.scaler.channels]
    return clip._replace(inputs=inputs[:, order]), ""


def _dark(inputs: Floats) -> NDArray[np.bool_]:
    """Return in which pictures (time, pixels) hardly anything is lit."""
    return np.asarray(np.nansum(inputs, axis=1) * WHITE < WHITE, dtype=bool) & np.isfinite(inputs[:, 0])
