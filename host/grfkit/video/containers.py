"""Which container of films a file is, by its first bytes and never by its name."""

from __future__ import annotations

from ..arrays import PathLike

_STILLS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"hevc", b"hevx")
"""Brands of the same boxes as in MP4 that hold pictures (HEIF, AVIF)."""
_SOUNDS = (b"M4A ", b"M4B ")
"""Brands that hold sound alone."""
HEAD_BYTES = 512
_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip")
"""First boxes of QuickTime files that are older than ``ftyp``."""
_OTHERS = (
    (0, b"\x89PNG", "a picture (PNG)"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"),
    (0, b"GIF8", "a picture (GIF)"),
    (8, b"WEBP", "a picture (WebP)"),
    (8, b"WAVE", "a sound file (WAV)"),
)
"""What else may stand under a film's name: bytes at a place, and what it is."""
_TS_PACKET = 188
"""Bytes of a packet of an MPEG transport stream, which begins with 0x47."""


def container_of(head: bytes) -> str:
    """Return the name of the container that a file's first bytes are of, "" where it is none of films."""
    brand = head[8:12]
    if head[4:8] == b"ftyp":
        return "" if brand in (*_STILLS, *_SOUNDS) else "QuickTime (MOV)" if brand == b"qt  " else "MP4"
    if head[4:8] in _BOXES and head[:2] == b"\0\0":
        return "QuickTime (MOV)"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "Matroska or WebM"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    if head[:4] == b"\0\0\x01\xba":
        return "MPEG"
    if head[:1] == b"\x47" and head[_TS_PACKET : _TS_PACKET + 1] == b"\x47":
        return "MPEG transport stream"
    # as camcorders write it: each packet has its time before it
    if head[4:5] == b"\x47" and head[_TS_PACKET + 8 : _TS_PACKET + 9] == b"\x47":
        return "MPEG transport stream"
    if head[:8] == b"\x30\x26\xb2\x75\x8e\x66\xcf\x11":
        return "Windows Media (ASF)"
    return ""


def is_film(path: PathLike) -> bool:
    """Return whether a file is a film by its content; a file that cannot be read is none."""
    try:
        with open(path, "rb") as handle:
            return bool(container_of(handle.read(HEAD_BYTES)))
    except OSError:
        return False


def no_film(head: bytes) -> str:
    """Return why a file with these first bytes is no film, as the end of a sentence."""
    if not head:
        return "is empty (0 bytes); record or export the film again"
    if head[4:8] == b"ftyp":
        kind = "a sound file (M4A)" if head[8:12] in _SOUNDS else "a photograph (HEIC, AVIF)"
        return f"is {kind}, no film; film the walker, at 60 pictures a second"
    what = next((what for at, mark, what in _OTHERS if head[at : at + len(mark)] == mark), "")
    return f"is {what or 'of no format of films that grfkit reads'}; give an MP4, MOV, MKV, WebM, AVI or 3GP film"
