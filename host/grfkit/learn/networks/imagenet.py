"""Networks of images over signals: a trunk that may start from a user's own ImageNet weights, and a decoder to time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ...errors import BadInputError
from .base import Body, NetworkConfig
from .imagenet_file import checked, content_of, weights_in
from .planes import Planes, completed, over_time, picture, planes_of

if TYPE_CHECKING:
    from ..batches import Windows

KEPT = 2000
"""Windows of which the columns of a frozen trunk's map are kept, so that no epoch need work them out anew: chosen by
hand, 60 kB each."""
SETTLED_BY = 16
"""Windows of training by which the norms of a frozen trunk of random weights are set: chosen by hand."""
AT_ONCE = 32
"""Pictures that go through a trunk together where nothing is learnt: chosen by hand, a few hundred MB."""
UPWARDS = 4
"""How much finer the decoder's first step is than the columns of the last map: chosen by hand, 7 columns become 28."""


class ImagenetConfig(NetworkConfig):
    """What networks of images are asked for.

    Johnson et al. 2019 (doi 10.1109/TBME.2018.2854632) took courses of markers for pictures so.

    Attributes
    ----------
    pixels
        Rows and columns of the picture.
    hidden
        Features of the decoder.
    layers
        Convolutions over time of the decoder.
    trunk
        ``trained`` or ``frozen``: what it starts from stays, and the decoder alone learns. Of random weights the norms
        take the statistics of the training windows once, without which such a trunk's numbers grow beyond all use.
    imagenet
        File with weights of ImageNet, by torchvision's names (.pth or .safetensors); empty: random ones.
    imagenet_sha256
        Of that file, when training began.
    planes
        Which inputs are the colours of each row; empty: from the channels' names when training begins.
    """

    pixels: int = Field(ge=64, le=512)
    hidden: int = Field(default=128, ge=1, le=4096)
    layers: int = Field(default=2, ge=1, le=8)
    trunk: Literal["trained", "frozen"] = "trained"
    imagenet: str = ""
    imagenet_sha256: str = ""
    planes: Planes = ()

    def for_windows(self, windows: Windows) -> NetworkConfig:
        """Return the settings with the rows of these channels and the digest of the file of weights."""
        given = super().for_windows(windows)
        update: dict[str, Any] = {} if self.planes else {"planes": planes_of(tuple(windows.channels))}
        if self.imagenet:
            update["imagenet_sha256"] = hashlib.sha256(content_of(Path(self.imagenet))).hexdigest()
        return given.model_copy(update=update)


class _Kept:
    """Columns of windows by the last frozen trunk: trainings that differ in what comes after it share them."""

    def __init__(self) -> None:
        self.trunk, self.columns = "", dict[bytes, Tensor]()

    def of(self, trunk: str) -> dict[bytes, Tensor]:
        """Return what is known of a trunk, by the bytes of a window."""
        if trunk != self.trunk:
            self.trunk, self.columns = trunk, {}
        return self.columns


_KEPT = _Kept()


class ImagenetBody(Body):
    """Signals as a picture, the trunk, and the columns of its last map decoded to the samples of the window."""

    def __init__(self, trunk: nn.Module, width: int, channels: int, config: ImagenetConfig) -> None:
        super().__init__()
        self.config, self.features = config, config.hidden
        rows = completed(config.planes, channels)
        self.register_buffer("index", torch.tensor(rows, dtype=torch.long), persistent=False)
        self.trunk = trunk
        self._trunk_digest = ""
        self.narrow = nn.Conv1d(width, config.hidden, 1)
        self.decoder = nn.ModuleList(
            nn.Conv1d(config.hidden, config.hidden, 5, padding=2) for _ in range(config.layers)
        )

    def train(self, mode: bool = True) -> ImagenetBody:
        """Return the body in training or not; what is frozen keeps its batch statistics."""
        super().train(mode)
        if not mode:
            # other weights may be loaded before it is trained on
            self._trunk_digest = ""
        if self.config.trunk == "frozen":
            self.trunk.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Return features (batch, time, features) of inputs (batch, time, channels)."""
        columns = self._columns(inputs)
        x = functional.relu(self.narrow(columns))
        for k, layer in enumerate(self.decoder):
            x = over_time(x, inputs.shape[1] if k else min(inputs.shape[1], UPWARDS * columns.shape[2]))
            x = functional.relu(layer(x))
        return over_time(x, inputs.shape[1]).transpose(1, 2)

    def _columns(self, inputs: Tensor) -> Tensor:
        """Return the last map's mean over rows, (batch, width, columns)."""
        learns = torch.is_grad_enabled() and self.config.trunk == "trained"
        if learns:
            return self.trunk(picture(inputs, self.index, self.config.pixels)).mean(dim=2)
        with torch.no_grad():
            return self._known(inputs) if self._still() else torch.cat([*map(self._map, inputs.split(AT_ONCE))])

    def _map(self, inputs: Tensor) -> Tensor:
        return self.trunk(picture(inputs, self.index, self.config.pixels)).mean(dim=2)

    def _still(self) -> bool:
        """Return whether a window's columns stay as they are from epoch to epoch."""
        return self.config.trunk == "frozen" and self.training

    def _known(self, inputs: Tensor) -> Tensor:
        """Return the columns of windows, those seen before from memory; one at a time, so that no order matters."""
        found = []
        kept = _KEPT.of(self._digest())
        for part in inputs.split(1):
            key = part.detach().cpu().numpy().tobytes()
            columns = kept.get(key)
            if columns is None:
                columns = self._map(part)
                if len(kept) < KEPT:
                    kept[key] = columns
            found.append(columns)
        return torch.cat(found)

    def _digest(self) -> str:
        """Return a digest of all that a window's columns hang on beside the window."""
        if not self._trunk_digest:
            digest = hashlib.sha256(f"{self.config.name} {self.config.pixels} {self.index.tolist()}".encode())
            for value in self.trunk.state_dict().values():
                digest.update(f"{value.device} {value.dtype}".encode() + value.detach().cpu().numpy().tobytes())
            self._trunk_digest = digest.hexdigest()
        return self._trunk_digest

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the decoder's parameters, then the trunk's."""
        return [[*self.narrow.parameters(), *self.decoder.parameters()], list(self.trunk.parameters())]

    def settle(self, passes: Callable[[], None]) -> None:
        """Give the norms of a frozen trunk of random weights the statistics of ``passes``, which go through it once."""
        if self.config.trunk != "frozen" or self.config.imagenet:
            return
        # in evaluation windows go through together
        self.eval()
        norms = [m for m in self.trunk.modules() if isinstance(m, nn.BatchNorm2d)]
        usual = [norm.momentum for norm in norms]
        for norm in norms:
            # the plain mean over all that passes
            norm.momentum = None
            norm.reset_running_stats()
            norm.train()
        passes()
        for norm, momentum in zip(norms, usual):
            norm.momentum = momentum
            norm.eval()

    def start(self) -> None:
        """Give the trunk the weights of the configuration's file; without one do nothing.

        Raises
        ------
        BadInputError
            If the file is no weights, not those of this network, or not the file whose digest was taken.
        """
        config = self.config
        if not config.imagenet:
            return
        path = Path(config.imagenet)
        content = content_of(path)
        if config.imagenet_sha256 and hashlib.sha256(content).hexdigest() != config.imagenet_sha256:
            raise BadInputError(f"{path}: changed while training began; start again")
        own = self.trunk.state_dict()
        given = checked(path, weights_in(path, content), config.name, own)
        self.trunk.load_state_dict(own | {name: value.to(own[name].dtype) for name, value in given.items()})
