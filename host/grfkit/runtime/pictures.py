"""A bundle of pictures: the frames of a film in, forces of the foot near the camera (or far) out; numpy and LiteRT."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..arguments import refusal
from ..arrays import Floats
from ..artefacts import recovered
from ..errors import RefusedError
from ..units import G
from .bundle_files import check_digest, read_sums
from .interpreters import Interpreter, load
from .manifest import Figure, Tensor
from .numbers import from_int8, to_int8

PICTURES = "pictures.json"
"""The document of a bundle of pictures."""


class Voxel(BaseModel):
    """What a network sees of a film for one answer, and how its numbers lie in the input tensor.

    Attributes
    ----------
    before, after
        Frames before and after the answered one; a film's first and last frame stand for those beyond its ends.
    layout
        ``planes``: (rows, columns x frames); ``frames``: (frames, rows x columns).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    before: int = Field(ge=0)
    after: int = Field(ge=0)
    layout: Literal["planes", "frames"]

    @property
    def frames(self) -> int:
        """Return the frames of a voxel."""
        return self.before + 1 + self.after

    def of(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the input of every frame of a scaled clip (time, pixels)."""
        at = np.arange(len(clip))[:, None] + np.arange(-self.before, self.after + 1)
        voxels = clip[np.clip(at, 0, len(clip) - 1)]
        if self.layout == "frames":
            return np.asarray(voxels)
        stacked = voxels.reshape(len(clip), self.frames, self.rows, self.columns).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(stacked.reshape(len(clip), self.rows, self.columns * self.frames))


class Answer(BaseModel):
    """What the outputs of the network mean.

    Attributes
    ----------
    centre, size
        ``output * size + centre`` is the score of a class, or the force, of every output.
    classes_bw
        Force of every class, by axis; empty where outputs are forces.
    decode
        Of classes: the ``expected`` value of their shares, or the one of the highest score (``argmax``).
    unit
        Of forces.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    axes: tuple[str, ...]
    centre: tuple[float, ...]
    size: tuple[float, ...]
    classes_bw: tuple[tuple[float, ...], ...] = ()
    decode: Literal["expected", "argmax"] = "expected"
    unit: Literal["BW", "N"] = "BW"

    def bw(self, outputs: Floats, mass_kg: float) -> Floats:
        """Return forces (n, axes) in BW of standardised outputs (n, outputs)."""
        values = outputs * np.asarray(self.size) + np.asarray(self.centre)
        if not self.classes_bw:
            return np.asarray(values / (mass_kg * G) if self.unit == "N" else values)
        middle = np.asarray(self.classes_bw)
        scores = values.reshape(len(values), *middle.shape)
        if self.decode == "argmax":
            return np.asarray(np.take_along_axis(middle[None], scores.argmax(axis=2)[:, :, None], axis=2)[:, :, 0])
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        return np.asarray((shares * middle).sum(axis=2) / shares.sum(axis=2))


class PictureManifest(BaseModel):
    """What a bundle of pictures says of itself: ``pictures.json``.

    Attributes
    ----------
    centre, size
        Of the pixels: ``(value - centre) / size`` is what the network takes, 0 where a picture is missing.
    parity
        What was measured of the int8 file, and the bounds that it keeps; ``on`` as in a bundle's manifest.
    frames_per_s
        Answers of the int8 file a second on one core of the machine that made the bundle, without the pose model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format_version: Literal["1"] = "1"
    network: str
    model: str = "model.tflite"
    model_id: int
    tflite_bytes: int
    voxel: Voxel
    answer: Answer
    centre: tuple[float, ...]
    size: tuple[float, ...]
    input: Tensor
    output: Tensor
    on: Literal["held-out people", "training people"]
    participants: tuple[str, ...]
    frames: int
    parity: tuple[Figure, ...]
    calibrated_on: tuple[str, ...]
    frames_per_s: float
    interpreters: tuple[str, ...]
    licence: str
    findings: tuple[str, ...]
    grfkit: str


@dataclass(frozen=True)
class PictureBundle:
    """A bundle of pictures that answers: its int8 file in an interpreter, and what its numbers mean."""

    folder: Path
    manifest: PictureManifest
    engine: Interpreter

    def predict(self, clip: NDArray[Any], mass_kg: float) -> Floats:
        """Return forces in BW (time, axes) of a clip (time, pixels), 0 (black) to 1; NaN if no picture is known."""
        if np.isnan(clip).all():
            return np.full((len(clip), len(self.manifest.answer.axes)), np.nan)
        return answered(self.engine, self.manifest.answer, self.manifest.voxel.of(self.scaled(clip)), mass_kg)

    def scaled(self, clip: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the network takes of a clip's pixels."""
        centre, size = (np.asarray(v, dtype=np.float32) for v in (self.manifest.centre, self.manifest.size))
        values = (np.asarray(clip, dtype=np.float32) - centre) / size
        return np.where(np.isnan(values), np.float32(0.0), values)


def answered(engine: Interpreter, answer: Answer, voxels: NDArray[np.float32], mass_kg: float) -> Floats:
    """Return forces in BW (n, axes) of scaled voxels (n, ...) by an int8 file, or by a float one."""
    if engine.input.dtype == "float32":
        return answer.bw(np.asarray(engine.run(voxels), dtype=np.float64)[:, 0], mass_kg)
    stored = to_int8(voxels, scale=engine.input.scale, zero_point=engine.input.zero_point).values
    outputs = from_int8(engine.run(stored), scale=engine.output.scale, zero_point=engine.output.zero_point)
    return answer.bw(outputs[:, 0], mass_kg)


def is_picture_bundle(folder: Path) -> bool:
    """Return whether a folder holds a bundle of pictures."""
    return (recovered(Path(folder)) / PICTURES).is_file()


def load_picture_bundle(folder: Path, backend: str = "auto") -> PictureBundle:
    """Return a bundle of pictures, ready to answer; neither torch nor TensorFlow is needed.

    Raises
    ------
    BadInputError
        If no interpreter is installed, or the folder is no bundle.
    RefusedError
        If a file was changed, or they do not belong together.
    """
    folder = Path(folder)
    sums = read_sums(folder)
    check_digest(folder, PICTURES, sums)
    try:
        manifest = PictureManifest.model_validate_json((folder / PICTURES).read_bytes())
    except ValidationError as error:
        raise RefusedError(f"{folder / PICTURES}: {refusal(error, PictureManifest)}; export it again") from error
    check_digest(folder, manifest.model, sums)
    content = (folder / manifest.model).read_bytes()
    engine = load(content, backend)
    for port, stated in ((engine.input, manifest.input), (engine.output, manifest.output)):
        same = np.float32(port.scale) == np.float32(stated.scale) and port.zero_point == stated.zero_point
        if not same or port.shape != stated.shape or zlib.crc32(content) != manifest.model_id:
            raise RefusedError(f"{folder / manifest.model}: is not the file that {PICTURES} describes; export it again")
    return PictureBundle(folder, manifest, engine)
