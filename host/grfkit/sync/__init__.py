"""Alignment of independent clocks after the fact: :func:`align` gives clock maps, :func:`assemble` the trial."""

from .align import Alignment, align
from .assemble import assemble, assemble_streams
from .clock_map import DeviceAlignment
from .device import align_device
from .inputs import by_clock
from .session import SessionAlignment, align_session
from .settings import AlignSettings

__all__ = [
    "AlignSettings",
    "Alignment",
    "DeviceAlignment",
    "SessionAlignment",
    "align",
    "align_device",
    "align_session",
    "assemble",
    "assemble_streams",
    "by_clock",
]
