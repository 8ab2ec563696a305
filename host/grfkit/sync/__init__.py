"""Alignment of independent clocks after the fact: :func:`align` and what it returns."""

from .align import Alignment, align, align_in_detail, by_clock
from .settings import AlignSettings

__all__ = ["AlignSettings", "Alignment", "align", "align_in_detail", "by_clock"]
