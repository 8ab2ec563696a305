"""Writing a rendered film as H.264 in MP4, each picture with its own stamp."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...arrays import Floats, PathLike
from ...errors import BadInputError
from .paint import Picture

_TICKS_HZ = 90_000
"""Ticks a second of the film's stamps, as phones write them: 11 us."""


def write_film(
    path: PathLike, pictures: Iterable[Picture], stamps_s: Floats, *, rate_hz: float = 60.0, first_stamp_s: float = 0.0
) -> None:
    """Write pictures as an H.264 film; the file says ``rendered`` in its title and comment.

    One thread and no dates: the same pictures give the same bytes with the same version of the encoder.

    Parameters
    ----------
    stamps_s
        Time of each picture, s, increasing by at least a tick of 1/90000 s.
    first_stamp_s
        Stamp of the container's first picture: phones do not always begin at 0. MP4 keeps it to 1 ms only, and all
        others by their distance from it.

    Raises
    ------
    BadInputError
        If sides are odd (H.264 halves colours) or there are other numbers of pictures and stamps.
    """
    import av
    from av.video.reformatter import Interpolation

    exact = Interpolation.BICUBIC
    for name in ("ACCURATE_RND", "BITEXACT"):
        # PyAV has them from 18 on, which Python 3.10 does not get: two processors may write other bytes there
        exact |= getattr(Interpolation, name, exact)
    ticks = np.rint((np.asarray(stamps_s) + first_stamp_s) * _TICKS_HZ).astype(np.int64)
    if ticks.size and (np.diff(ticks) < 1).any():
        raise BadInputError("two pictures of the film have the same stamp")
    written = 0
    with av.open(str(Path(path)), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        container.metadata.update(title="rendered film", comment="rendered: a body of capsules, no real film")
        stream = None
        for picture in pictures:
            rows, columns = picture.shape[:2]
            if rows % 2 or columns % 2:
                raise BadInputError(f"pictures are {columns} x {rows}; H.264 needs even sides")
            if written >= ticks.size:
                raise BadInputError(f"there are more pictures than {ticks.size} stamps")
            if stream is None:
                stream = container.add_stream("libx264", rate=round(rate_hz))
                stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
                stream.codec_context.time_base = Fraction(1, _TICKS_HZ)
                stream.codec_context.thread_count = 1
                # with the encoder's macroblock tree 19 of 3,684 runs gave other bytes, without it 0 of 3,331
                stream.options = {"preset": "veryfast", "crf": "20", "bf": "0", "x264-params": "mbtree=0"}
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", interpolation=exact, threads=1)
            frame.pts, frame.time_base = int(ticks[written]), Fraction(1, _TICKS_HZ)
            container.mux(stream.encode(frame))
            written += 1
        if stream is None or written != ticks.size:
            raise BadInputError(f"there are {written} pictures for {ticks.size} stamps")
        container.mux(stream.encode(None))
