"""Breaks between the segments of a clock map: how many samples, and between which times."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..records import Segment


def lost_samples(segments: Sequence[Segment], rate_hz: float) -> list[tuple[float, int]]:
    """Return (device time, samples) of the jump before every segment but the first."""
    lost = []
    for before, after in itertools.pairwise(segments):
        # both lines at one instant: pieces differ in rate, and what was lost is the step between them there
        at = np.asarray([after.start_s])
        jump_s = float(after.apply(at)[0] - before.apply(at)[0])
        lost.append((after.start_s, round(jump_s * rate_hz)))
    return lost


def loss_sentences(lost: Sequence[tuple[float, int]], segments: Sequence[Segment]) -> list[str]:
    """Return a sentence for each loss (or surplus): how many samples, and between which device times."""
    sentences = []
    for (_, count), (before, after) in zip(lost, itertools.pairwise(segments)):
        what = f"{count} samples lost" if count >= 0 else f"{-count} samples too many"
        sentences.append(
            f"{what} between {before.end_s:.2f} and {after.start_s:.2f} s; what lies between is not placed"
        )
    return sentences
