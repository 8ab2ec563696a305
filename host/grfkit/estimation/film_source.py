"""Films as sources of an estimate, and the pictures of a stance that a report shows."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..dataset.keypoint_inputs import near_side
from ..errors import BadInputError
from ..io import ReadOptions
from ..records import Recording
from ..report.estimate_page import KeyPicture
from ..video.containers import is_film
from .source import EstimateSource
from .types import Estimate, StanceRow

SHARES = (0.0, 0.15, 0.5, 0.85, 1.0)
"""Shares of a stance that are shown: it lands, is loaded, stands, pushes off, and leaves."""
_WORDS = ("lands", "is loaded", "stands", "pushes off", "leaves")


def film_recording(path: Path, options: ReadOptions | None, *, picture: str = "") -> Recording:
    """Return the walker of a film; ``near_side`` and ``walker`` of the options' ``extra`` are its own.

    Parameters
    ----------
    picture
        What its pictures are to show; as :class:`~grfkit.video.recording.FilmOptions` has it if empty.

    Raises
    ------
    BadInputError
        As :func:`~grfkit.video.recording.read_film`, or if an option of another kind of file is stated.
    """
    options = options or ReadOptions()
    known = {k: v for k, v in options.extra.items() if k in ("near_side", "walker")}
    if len(known) < len(options.extra) or options.column_map or options.rate_hz is not None:
        raise BadInputError(f"{path}: is a film, which states its own times; leave out --side, --rate-hz, --column-map")
    from ..video.recording import FilmOptions, read_film

    if picture:
        known["picture"] = picture
    return read_film(path, FilmOptions(**known))


def key_pictures(estimate: Estimate, source: EstimateSource) -> list[KeyPicture]:
    """Return pictures of a stance in the middle of the film, of the near foot if it has one; none without a film."""
    streams = source.trial.streams
    stream = next((s for s in streams.values() if s.attrs.get("kind") == "keypoints"), None)
    if stream is None:
        return []
    near = near_side(stream)
    answered = [row for row in estimate.rows if row.answered]
    rows = [row for row in answered if row.side == near] or answered
    if not rows:
        return []
    row = rows[len(rows) // 2]
    times = row.start_s + np.asarray(SHARES) * row.contact_s
    film = source.path is not None and is_film(source.path)
    if film and source.path is not None:
        from ..video.stills import stills

        shown = [_uri(still, "jpeg") for still in stills(source.path, stream, times)]
    else:
        shown = _of_stream(streams, times)
    force = estimate.feet[row.side].at(times)[:, 0]
    return [_picture(*each, row) for each in zip(_WORDS, times, force, shown)]


def _picture(words: str, time_s: float, force_bw: float, uri: str, row: StanceRow) -> KeyPicture:
    said = "" if not np.isfinite(force_bw) else f", {force_bw:.2f} BW"
    return KeyPicture(f"{time_s:.2f} s: the {row.side} foot {words}{said}", uri)


def _of_stream(streams: dict[str, xr.Dataset], times: Floats) -> list[str]:
    """Return the small pictures of the stream ``images`` that are nearest to some times; none where there is none."""
    stream = next((s for s in streams.values() if s.attrs.get("kind") == "images"), None)
    if stream is None:
        return []
    from ..video.stills import enlarged

    at, images = np.asarray(stream["time"].values), np.asarray(stream["image"].values)
    return [_uri(enlarged(images[int(np.nanargmin(np.abs(at - t)))]), "png") for t in times]


def _uri(encoded: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode('ascii')}"
