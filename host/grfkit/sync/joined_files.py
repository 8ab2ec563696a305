"""One device's signals in several files, such as accelerations in one and turning rates in another: put together."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..records import Recording
from .request import Source, path_of

_QUESTION = ", but their names differ: are both of one recording?"
STAMPS_S = 1e-6
"""Difference (s) of two files' stamps up to which they are the same: what printing them rounds away."""


def joined_files(
    recordings: Sequence[Recording], sources: Sequence[Source]
) -> tuple[list[Recording], tuple[Source, ...]]:
    """Return the recordings, those of one device as one, and the source of each.

    A recording is part of an earlier one where each of its streams has a stream of the same name there, of the same
    kind and at the same times, which has none of its channels. The provenance says so.
    """
    whole: list[Recording] = []
    kept: list[Source] = []
    for recording, source in zip(recordings, sources):
        at = next((k for k, other in enumerate(whole) if _complements(other, recording)), None)
        if at is None:
            whole.append(recording)
            kept.append(source)
            continue
        note = (
            f"{', '.join(recording.streams)}: signals of {path_of(kept[at]).name} and {path_of(source).name} were put"
            " together as one device's, for their times are the same"
        )
        notes = [note, *_named_apart(path_of(kept[at]).stem, path_of(source).stem)]
        streams = {n: _merged(s, recording.streams[n]) for n, s in whole[at].streams.items() if n in recording.streams}
        whole[at] = whole[at].replaced({**whole[at].streams, **streams}, findings=notes)
    return whole, tuple(kept)


def pairing_doubts(recordings: Sequence[Recording]) -> list[str]:
    """Return what was doubted of files that were put together."""
    return [note for r in recordings for note in r.provenance.findings if note.endswith(_QUESTION)]


def _named_apart(one: str, other: str) -> list[str]:
    """Return a doubt where two names differ in more than the word that says which signal a file holds."""
    words = [re.findall(r"[a-z]+|[0-9]+", name.lower()) for name in (one, other)]
    apart = [[w for w in words[k] if w not in words[1 - k]] for k in (0, 1)]
    numbers = [[w for w in words[k] if w.isdigit()] for k in (0, 1)]
    if max(len(a) for a in apart) <= 1 and numbers[0] == numbers[1]:
        return []
    return [f"{one} and {other} hold other signals at the same times and were put together as one device's{_QUESTION}"]


def _complements(whole: Recording, part: Recording) -> bool:
    names = part.streams
    return bool(names) and all(n in whole.streams and _fits(whole.streams[n], s) for n, s in names.items())


def _fits(one: xr.Dataset, other: xr.Dataset) -> bool:
    same = one.attrs["kind"] == other.attrs["kind"] and one.sizes["time"] == other.sizes["time"]
    if one.attrs["kind"] not in ("imu", "body_imu") or not same:
        return False
    if {str(n) for n in one.data_vars} & {str(n) for n in other.data_vars} - {"time_raw"}:
        return False
    return bool(np.allclose(one["time"].values, other["time"].values, rtol=0.0, atol=STAMPS_S))


def _merged(one: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    added = other.drop_vars("time_raw", errors="ignore").assign_coords(time=one["time"])
    merged: xr.Dataset = one.merge(added, combine_attrs="override", join="exact")
    missing = max(int(one.attrs.get("missing_samples", 0)), int(other.attrs.get("missing_samples", 0)))
    gaps = max(int(one.attrs.get("gaps", 0)), int(other.attrs.get("gaps", 0)))
    merged.attrs.update(one.attrs | {"missing_samples": missing, "gaps": gaps})
    return merged
