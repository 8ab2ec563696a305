"""Files of ImageNet weights that a comparison starts networks from: read and checked before anything is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from ..arguments import as_path
from ..arrays import PathLike
from ..errors import BadInputError
from ..learn.networks.imagenet_file import checked, content_of, needed, weights_in
from ..learn.networks.inception3 import Inception3
from ..learn.networks.resnet50 import Resnet50

_TRUNKS: Mapping[str, Callable[[], torch.nn.Module]] = {"resnet50": Resnet50, "inception3": Inception3}


@dataclass(frozen=True)
class Weights:
    """A file of weights and the network it is of."""

    network: str
    file: str
    sha256: str


def weights_of(files: PathLike | Sequence[PathLike] | None) -> tuple[Weights, ...]:
    """Return the networks that the files are of, recognised by the names of their tensors.

    Raises
    ------
    BadInputError
        If a file is no weights, of no such network, damaged, or of the same network as another.
    """
    if files is None:
        return ()
    listed = [files] if isinstance(files, str) or not isinstance(files, Sequence) else files
    found = tuple(_weights(file) for file in listed if str(file))
    for k, weights in enumerate(found):
        if weights.network in [w.network for w in found[:k]]:
            raise BadInputError(f"{weights.file}: holds weights of {weights.network}, as another file does; give one")
    return found


def single_file(files: PathLike | Sequence[PathLike] | None) -> PathLike | None:
    """Return the file of a network that is trained alone.

    Raises
    ------
    BadInputError
        If there are several.
    """
    if files is None or isinstance(files, str) or not isinstance(files, Sequence):
        return files
    if len(files) > 1:
        raise BadInputError(
            "--imagenet (imagenet in Python) names several files, and one network takes one; --compare takes one of"
            " each network"
        )
    return files[0] if files else None


def _weights(file: PathLike) -> Weights:
    path = as_path(file, what="a file of weights")
    content = content_of(path)
    given = weights_in(path, content)
    for network, trunk in _TRUNKS.items():
        # names and shapes alone
        with torch.device("meta"):
            own = trunk().state_dict()
        if set(needed(own)) <= set(given):
            checked(path, given, network, own)
            return Weights(network, str(path), hashlib.sha256(content).hexdigest())
    raise BadInputError(
        f"{path}: holds no weights of {' or '.join(_TRUNKS)} (it holds {len(given)} tensors); expected a state_dict"
        " with torchvision's names"
    )
