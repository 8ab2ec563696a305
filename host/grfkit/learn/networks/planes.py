"""Signals as a picture for networks of images: x, y and z are its three colours, rows are places, columns are time."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

Planes = tuple[tuple[int, int, int], ...]
"""For every row of the picture the inputs that are its first, second and third colour."""
_AXES = ("x", "y", "z")


def planes_of(channels: Sequence[str]) -> Planes:
    """Return the rows of the picture: a place with x, y and z is one row, any other channel a row of one grey.

    A channel belongs to a place if its name has ``x``, ``y`` or ``z`` as one of its words (``knee_x``, ``acc_y_foot``),
    and the other two axes are there under the same name otherwise. Rows stand in the order in which the places come.

    Examples
    --------
    >>> planes_of(["hip_x", "hip_y", "hip_z", "load"])
    ((0, 1, 2), (3, 3, 3))
    """
    places: dict[tuple[str, ...], dict[str, int]] = {}
    for i, channel in enumerate(channels):
        words = channel.split("_")
        axes = [k for k, word in enumerate(words) if word in _AXES]
        if axes:
            k = axes[-1]
            places.setdefault((*words[:k], "*", *words[k + 1 :]), {})[words[k]] = i
        else:
            places[(channel,)] = {"": i}
    rows: list[tuple[int, int, int]] = []
    for found in places.values():
        if set(found) == set(_AXES):
            rows.append((found["x"], found["y"], found["z"]))
        else:
            rows += [(i, i, i) for i in found.values()]
    return tuple(rows)


def completed(planes: Planes, inputs: int) -> Planes:
    """Return the rows with one of grey for every input that is in none: masks of what is missing, tiled statics."""
    there = {i for row in planes for i in row}
    return (*planes, *((i, i, i) for i in range(inputs) if i not in there))


def picture(inputs: Tensor, index: Tensor, pixels: int) -> Tensor:
    """Return pictures (batch, 3, pixels, pixels) of inputs (batch, time, channels), bilinear between rows and samples.

    Parameters
    ----------
    index
        Shape (rows, 3), of :func:`completed`.

    Notes
    -----
    Inputs are in SDs about their mean, as ImageNet's networks take their colours.
    """
    planes = inputs[:, :, index.reshape(-1)].reshape(*inputs.shape[:2], *index.shape)
    # one row or sample alone has no neighbour to go over into: both edges are kept
    return functional.interpolate(
        planes.permute(0, 3, 2, 1), size=(pixels, pixels), mode="bilinear", align_corners=True
    )


def over_time(values: Tensor, points: int) -> Tensor:
    """Return values (batch, features, columns) at ``points`` samples, linear between columns."""
    return functional.interpolate(values, size=points, mode="linear", align_corners=True)
