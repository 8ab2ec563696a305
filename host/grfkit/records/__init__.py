"""The types that flow through grfkit: Recording, ClockMap and Trial."""

from ..arrays import Floats
from .clock import Anchors, ClockMap, Knot, Prior, Segment
from .film_streams import make_images, make_keypoints
from .streams import Channel, Frame, Side, StampSource, StreamKind, Surface, make_landmarks, make_stream
from .trees import Recording, Trial, make_recording, read_tree, write_tree

__all__ = [
    "Anchors",
    "Channel",
    "ClockMap",
    "Floats",
    "Frame",
    "Knot",
    "Prior",
    "Recording",
    "Segment",
    "Side",
    "StampSource",
    "StreamKind",
    "Surface",
    "Trial",
    "make_images",
    "make_keypoints",
    "make_landmarks",
    "make_recording",
    "make_stream",
    "read_tree",
    "write_tree",
]
