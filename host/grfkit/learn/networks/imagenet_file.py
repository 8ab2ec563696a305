"""A user's own file of ImageNet weights: nothing but tensors is unpickled, and names and shapes are checked."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ...errors import BadInputError


def content_of(path: Path) -> bytes:
    """Return the bytes of the file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(
            f"{path}: cannot be read ({error.strerror}); imagenet in [network] is a file of weights"
        ) from error


def weights_in(path: Path, content: bytes) -> dict[str, Tensor]:
    """Return tensors by name; nothing but tensors is unpickled."""
    try:
        # of a file of another kind torch also warns; what it is is said below
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.suffix == ".safetensors":
                found: Any = load(content)
            else:
                found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError, LookupError) as error:
        # torch's own words are of its versions
        raise BadInputError(
            f"{path}: is no file of weights, or not a whole one ({len(content):,} bytes); expected a .pth with a"
            " state_dict or a .safetensors"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise BadInputError(f"{path}: holds no state_dict (tensors by name)")
    return {str(name): value for name, value in found.items()}


def needed(own: Mapping[str, Tensor]) -> list[str]:
    """Return the names that a file has to hold for a trunk with this state."""
    # how many batches a norm has seen is not in older files, and nothing hangs on it
    return [name for name in own if not name.endswith("num_batches_tracked")]


def checked(path: Path, given: Mapping[str, Tensor], network: str, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return those of the tensors that a trunk takes.

    Raises
    ------
    BadInputError
        If one is missing, has another shape or holds numbers that are not finite.
    """
    names = needed(own)
    missing = [name for name in names if name not in given]
    if missing:
        raise BadInputError(
            f"{path}: holds no weights of {network} ('{missing[0]}' and {len(missing) - 1} more of {len(names)} are"
            " missing); expected a state_dict with torchvision's names"
        )
    other = [name for name in names if tuple(given[name].shape) != tuple(own[name].shape)]
    if other:
        raise BadInputError(
            f"{path}: '{other[0]}' has shape {tuple(given[other[0]].shape)}, expected {tuple(own[other[0]].shape)}"
        )
    if any(not bool(torch.isfinite(given[name]).all()) for name in names):
        raise BadInputError(f"{path}: holds numbers that are not finite")
    return {name: given[name] for name in names}
