"""Networks of pictures: every frame of a film is answered from the frames before it (and, if asked, after it).

A window is (time, row x column); a network makes the voxels of each frame itself, so that all frames of a clip are
answered in one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import Self

from ...errors import BadInputError
from .base import Body, ForceNetwork, NetworkConfig, Shape
from .classes import CLASSES, class_loss, decoded

if TYPE_CHECKING:
    from ..scaler import Scaler

Answer = Literal["squared", "absolute", "classes", "soft"]


class PictureConfig(NetworkConfig):
    """What every network of pictures is asked for.

    Attributes
    ----------
    rows, columns
        Of a picture.
    before, after
        Frames before and after the answered one in its voxel. Only ``after`` 0 can answer while the film runs.
    hidden
        Maps of the first convolution.
    answer
        How a force is answered, and what training takes for an error: a number, by its ``squared`` or ``absolute``
        error; or a score for each class of .01 BW, by cross-entropy with the true class (``classes``, which knows no
        order among them) or with a normal curve around the true force (``soft``, SD ``soft_sd_bw``).
    decode
        Of classes: the ``expected`` value of their shares, or the one of the highest score (``argmax``).
    """

    rows: int = Field(default=40, ge=1, le=512)
    columns: int = Field(default=40, ge=1, le=512)
    before: int = Field(default=4, ge=0, le=120)
    after: int = Field(default=0, ge=0, le=120)
    hidden: int = Field(default=8, ge=1, le=1024)
    answer: Answer = "soft"
    decode: Literal["expected", "argmax"] = "expected"
    soft_sd_bw: float = Field(default=0.05, gt=0)
    statics_by: Literal["concat", "film"] = "concat"

    @model_validator(mode="after")
    def _alone(self) -> PictureConfig:
        if self.linear is not None:
            raise ValueError(f"network '{self.name}' takes no linear path: pictures have too many pixels for one")
        return self

    @property
    def frames(self) -> int:
        """Return the frames of a voxel."""
        return self.before + 1 + self.after

    @property
    def scored(self) -> bool:
        """Return whether it gives scores of classes."""
        return self.answer in ("classes", "soft")

    @property
    def causal(self) -> bool:
        """Return whether it sees the past only."""
        return not self.after

    def of_pixels(self, channels: int) -> Self:
        """Return the settings, if pictures of these rows and columns have so many pixels.

        Raises
        ------
        BadInputError
            If they have not.
        """
        if channels != self.rows * self.columns:
            raise BadInputError(
                f"network '{self.name}' takes pictures of {self.rows} x {self.columns}, and the windows have"
                f" {channels} channels; set rows and columns"
            )
        return self

    def module(self, shape: Shape) -> ForceNetwork:
        """Return the untrained network."""
        return PictureNetwork(self, shape)


class _ConvPictureConfig(PictureConfig):
    """Blocks of convolutions, pooling and dropout over pictures.

    Attributes
    ----------
    layers
        Blocks.
    convolutions, kernel, stride
        Of a block; the stride is that of its first convolution.
    pool, pool_stride
        Size and stride of max pooling; a pool of 1 pools nothing.
    widening
        Factor by which maps grow from block to block.
    norm
        Whether each convolution is followed by batch normalisation.
    dropout_blocks
        Share dropped behind each block but the last (behind which ``dropout`` stands).
    """

    layers: int = Field(default=3, ge=1, le=6)
    convolutions: int = Field(default=1, ge=1, le=3)
    kernel: int = Field(default=5, ge=1, le=15)
    stride: int = Field(default=1, ge=1, le=4)
    pool: int = Field(default=2, ge=1, le=10)
    pool_stride: int = Field(default=2, ge=1, le=10)
    widening: int = Field(default=2, ge=1, le=4)
    norm: bool = True
    dropout_blocks: float = Field(default=0.0, ge=0, lt=1)


class FilmCnn2dConfig(_ConvPictureConfig):
    """2D convolutions; the frames of a voxel are its channels."""

    name: Literal["film_cnn2d"] = "film_cnn2d"

    def body(self, channels: int) -> Body:
        """Return the convolutional part."""
        return VoxelCnn(self.of_pixels(channels), depth=0)


class FilmCnn3dConfig(_ConvPictureConfig):
    """3D convolutions over time, row and column; with its defaults replaced, that of Mochizuki & Shibata 2023.

    Attributes
    ----------
    depth
        Frames of a kernel and of a pool; the stride in time is 1.
    """

    name: Literal["film_cnn3d"] = "film_cnn3d"
    depth: int = Field(default=2, ge=1, le=5)

    def body(self, channels: int) -> Body:
        """Return the convolutional part."""
        return VoxelCnn(self.of_pixels(channels), depth=self.depth)


class FilmCnn2dGruConfig(_ConvPictureConfig):
    """2D convolutions of each frame by itself, then gated recurrent units over the clip.

    Attributes
    ----------
    recurrent
        Width of the units.
    both_ways
        Whether they also run backward, for clips that are whole when they are answered.
    """

    name: Literal["film_cnn2d_gru"] = "film_cnn2d_gru"
    before: int = Field(default=0, ge=0, le=120)
    recurrent: int = Field(default=32, ge=1, le=1024)
    both_ways: bool = False

    @property
    def causal(self) -> bool:
        """Return whether it sees the past only."""
        return not self.after and not self.both_ways

    def body(self, channels: int) -> Body:
        """Return the convolutional and the recurrent part."""
        return VoxelCnn(self.of_pixels(channels), depth=0, recurrent=(self.recurrent, self.both_ways))


class FilmMlpConfig(PictureConfig):
    """Dense layers on the main components of the voxel's frames, which are found before training.

    Attributes
    ----------
    components
        How many numbers stand for a frame.
    """

    name: Literal["film_mlp"] = "film_mlp"
    hidden: int = Field(default=64, ge=1, le=1024)
    components: int = Field(default=40, ge=1, le=400)

    def body(self, channels: int) -> Body:
        """Return the components and the first dense layer."""
        return ComponentsMlp(self.of_pixels(channels))


class PictureNetwork(ForceNetwork):
    """A body of pictures and a head that answers each frame with a force, or with scores of classes of force."""

    config: PictureConfig

    def __init__(self, config: PictureConfig, shape: Shape) -> None:
        super().__init__(config, shape._replace(axes=shape.axes * (CLASSES if config.scored else 1)))
        # the paper drops out behind its blocks alone; between dense layers nothing is dropped
        layers = [m for i, m in enumerate(self.head) if i == 0 or not isinstance(m, nn.Dropout)]
        self.head = nn.Sequential(*layers)
        self.shape = shape

    def forward(self, inputs: Tensor, statics: Tensor | None = None) -> Tensor:
        """Return forces (batch, time, axes) of pictures (batch, time, pixels)."""
        self.check(inputs, statics)
        counted = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        answers = self.answers(inputs, statics, counted)
        forces = decoded(answers, self.config.decode) if self.config.scored else answers[..., 0]
        return forces.reshape(*inputs.shape[:2], self.shape.axes)

    def answers(self, inputs: Tensor, statics: Tensor | None, counted: Tensor) -> Tensor:
        """Return what the head says of the counted frames, shape (frames, axes, classes), or 1 where it scores none."""
        features = self.body(self.dropout_in(inputs), counted)
        if statics is not None and statics.shape[1]:
            of_frames = statics[:, None].expand(-1, inputs.shape[1], -1)[counted]
            if self.film is not None:
                # the gains take (batch, time, features): every frame is a window of its own there
                features = self.film(features[:, None], of_frames)[:, 0]
            else:
                features = torch.cat([features, of_frames], dim=1)
        answers = self.head(features)
        return answers.reshape(len(answers), self.shape.axes, -1)

    def own_loss(
        self, scaler: Scaler, inputs: Tensor, statics: Tensor, targets_bw: Tensor, truth: Tensor, weight: Tensor,
        sizes: Tensor,
    ) -> Tensor:  # fmt: skip
        """Return the weighted sum of the errors of the frames that count, mean over axes; only these are computed."""
        counted = weight > 0
        answers = self.answers(inputs, statics, counted)
        if self.config.scored:
            if scaler.target != "bw":
                raise BadInputError(
                    f"network '{self.config.name}' answers in classes of body weights; set target = 'bw', or answer ="
                    " 'squared' or 'absolute'"
                )
            soft = self.config.soft_sd_bw if self.config.answer == "soft" else 0.0
            errors = class_loss(answers, targets_bw[counted], soft)
        else:
            off = (scaler.output(answers[..., 0]) - truth[counted]) / sizes
            errors = off**2 if self.config.answer == "squared" else off.abs()
        return (weight[counted] * errors.mean(dim=1)).sum()


def voxels(inputs: Tensor, rows: int, columns: int, before: int, after: int) -> Tensor:
    """Return the pictures around every frame, shape (batch, time, frames, rows, columns); ends repeat."""
    clips = inputs.reshape(*inputs.shape[:2], rows * columns).transpose(1, 2)
    padded = functional.pad(clips, (before, after), mode="replicate") if before or after else clips
    stacked = padded.unfold(2, before + 1 + after, 1)
    return stacked.permute(0, 2, 3, 1).reshape(*inputs.shape[:2], before + 1 + after, rows, columns)


class VoxelCnn(Body):
    """Blocks of [convolution, ...] - pool - dropout over the voxels of frames, flattened; perhaps units over the clip.

    Parameters
    ----------
    depth
        Frames of a 3D kernel; 0 takes the frames as channels of a 2D one.
    recurrent
        Width and direction of gated recurrent units behind it; None: none.
    """

    def __init__(self, config: _ConvPictureConfig, *, depth: int, recurrent: tuple[int, bool] | None = None) -> None:
        super().__init__()
        self.config, self.depth = config, depth
        convolution, normal = (nn.Conv3d, nn.BatchNorm3d) if depth else (nn.Conv2d, nn.BatchNorm2d)
        pooling = nn.MaxPool3d if depth else nn.MaxPool2d
        size, frames, width = (config.rows, config.columns), config.frames, 1 if depth else config.frames
        self.blocks = nn.ModuleList()
        for block in range(config.layers):
            outputs, parts = config.hidden * config.widening**block, []
            for number in range(config.convolutions):
                stride = config.stride if number == 0 else 1
                kernel, step = (config.kernel,) * 2, (stride,) * 2
                if depth:
                    kernel, step = (depth, *kernel), (1, *step)  # type: ignore[assignment]
                parts += [_Same(kernel), convolution(width, outputs, kernel, stride=step)]
                parts += ([normal(outputs)] if config.norm else []) + [nn.ReLU()]
                size, width = tuple(-(-s // stride) for s in size), outputs  # type: ignore[assignment]
            if config.pool > 1:
                pools = (config.pool,) * 2
                strides: tuple[int, ...] = (config.pool_stride,) * 2
                if depth:
                    pools, strides = (depth, *pools), (1, *strides)  # type: ignore[assignment]
                    frames -= depth - 1
                parts.append(pooling(pools, stride=strides))
                size = tuple((s - config.pool) // config.pool_stride + 1 for s in size)  # type: ignore[assignment]
            if min(*size, frames) < 1:
                raise BadInputError(
                    f"network '{config.name}': pictures of {config.rows} x {config.columns} and {config.frames} frames"
                    f" are too small for {config.layers} blocks; take fewer layers or a smaller pool"
                )
            if block < config.layers - 1 and config.dropout_blocks:
                parts.append(nn.Dropout(config.dropout_blocks))
            self.blocks.append(nn.Sequential(*parts))
        self.features = width * size[0] * size[1] * (frames if depth else 1)
        self.units = None
        if recurrent is not None:
            hidden, both = recurrent
            self.units = nn.GRU(self.features, hidden, batch_first=True, bidirectional=both)
            self.features = hidden * (2 if both else 1)

    def forward(self, inputs: Tensor, counted: Tensor | None = None) -> Tensor:
        """Return features (frames, features) of the counted frames of inputs (batch, time, pixels)."""
        config = self.config
        if counted is None:
            counted = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        x = voxels(inputs, config.rows, config.columns, config.before, config.after)
        # units run over the clip, so that every frame of it is needed
        x = x.flatten(0, 1) if self.units is not None else x[counted]
        if self.depth:
            x = x[:, None]
        for block in self.blocks:
            x = block(x)
        x = x.flatten(1)
        if self.units is None:
            return x
        return self.units(x.reshape(*inputs.shape[:2], -1))[0][counted]

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters by block, the last one (with the units) first."""
        groups = [list(block.parameters()) for block in reversed(self.blocks)]
        return groups if self.units is None else [list(self.units.parameters()), *groups]


class _Same(nn.Module):  # type: ignore[misc]
    """Zeros around a picture, so that a convolution keeps its size; of an even kernel one more behind, as in Keras."""

    def __init__(self, kernel: tuple[int, ...]) -> None:
        super().__init__()
        self.pad = [n for k in reversed(kernel) for n in ((k - 1) // 2, k // 2)]

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded pictures."""
        return functional.pad(x, self.pad)


class ComponentsMlp(Body):
    """Main components of each frame, those of a voxel side by side, and a dense layer."""

    basis: Any
    mean: Any
    size: Any

    def __init__(self, config: FilmMlpConfig) -> None:
        super().__init__()
        self.config, self.features = config, config.hidden
        self.register_buffer("basis", torch.zeros(config.rows * config.columns, config.components))
        self.register_buffer("mean", torch.zeros(config.rows * config.columns))
        self.register_buffer("size", torch.ones(config.components))
        self.dense = nn.Linear(config.components * config.frames, config.hidden)

    def forward(self, inputs: Tensor, counted: Tensor | None = None) -> Tensor:
        """Return features (frames, features) of the counted frames of inputs (batch, time, pixels)."""
        if counted is None:
            counted = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        config, scores = self.config, ((inputs - self.mean) @ self.basis) / self.size
        x = voxels(scores, 1, config.components, config.before, config.after)[counted]
        return functional.relu(self.dense(x.flatten(1)))
