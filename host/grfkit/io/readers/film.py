"""Films of somebody walking, filmed from the side: the walker's keypoints and small pictures (``grfkit.video``)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ...errors import BadInputError, GrfError
from ...records import Recording
from ...records.film_streams import BACKGROUND
from ...video.containers import container_of
from ..base import Head, Match, Reader, ReadOptions

OPTIONS = ("near_side", "walker", "picture", "start_s", "end_s")
"""Of ``ReadOptions.extra``: the fields of :class:`grfkit.video.recording.FilmOptions`."""
_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mts", ".m2ts", ".3gp", ".mpg", ".mpeg", ".wmv")


def _sniff(head: Head) -> Match:
    container = container_of(head.data)
    if not container:
        return Match(0.0, "begins as no container of films")
    return Match(0.9, f"begins as {container}, which holds films")


def _read(path: Path, options: ReadOptions) -> Recording:
    needed = ["av", "cv2"] + ([] if options.extra.get("picture") == BACKGROUND else ["ai_edge_litert"])
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing == ["ai_edge_litert"]:
        raise BadInputError(
            "a film needs LiteRT, which runs the pose model; pip install 'grfkit[video]' (pictures to learn from, but"
            f" no force, come without it: --picture '{BACKGROUND}')"
        )
    if missing:
        raise BadInputError("a film needs PyAV, OpenCV and LiteRT; pip install 'grfkit[video]'")
    unknown = sorted(set(options.extra) - set(OPTIONS))
    if unknown:
        raise BadInputError(
            f"the option {', '.join(unknown)} is of no use for a film, which takes {', '.join(OPTIONS)}"
        )
    from ...video.recording import FilmOptions, read_film

    try:
        return read_film(path, FilmOptions(**options.extra))
    except GrfError as error:
        text = str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
        raise type(error)(f"{path}: {text}") from error


READER = Reader("film", "film", _SUFFIXES, _sniff, _read)
