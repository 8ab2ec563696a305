"""A bundle that predicts: windows as arrays, in units, in; forces in body weights out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import as_path
from ..arrays import Floats, PathLike
from ..artefacts import recovered
from ..errors import BadInputError, RefusedError
from ..units import G
from .bundle_files import check_digest, read_manifest, read_sums
from .interpreters import Interpreter, Resolver, label, load
from .manifest import MANIFEST, Axis, Column, Manifest
from .numbers import Bytes, Saturated, from_int8, to_int8


@dataclass(frozen=True)
class Bundle:
    """A bundle that predicts: its int8 file in an interpreter, and the manifest that says what its numbers mean.

    Opened by :func:`load_bundle`.

    Examples
    --------
    >>> import numpy as np
    >>> from grfkit import load_bundle
    >>> from grfkit.runtime.bundle_files import shipped_bundle
    >>> bundle = load_bundle(shipped_bundle("bilstm_simulated"))
    >>> bundle.manifest.points, [axis.name for axis in bundle.manifest.axes]
    (101, ['vgrf', 'apgrf', 'mlgrf'])
    >>> inputs = np.zeros((1, 101, 22))  # one window, 16 cells, acceleration, angular velocity
    >>> bundle.predict(inputs, statics=np.array([[0.25]]), mass_kg=np.array([70.0])).shape  # contact time 0.25 s
    (1, 101, 3)
    """

    folder: Path
    manifest: Manifest
    engine: Interpreter

    def __repr__(self) -> str:
        """Return name, network, inputs, outputs and interpreter in a line."""
        return f"<Bundle {self.manifest.summary()}, by {label(self.engine)}>"

    def scaled(self, inputs: NDArray[Any], statics: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the network takes: scaled channels, missing masks, then statics repeated over time.

        Parameters
        ----------
        inputs
            Shape (n, T, channels), in the units of the manifest's columns, NaN where missing.
        statics
            Shape (n, statics), NaN where unknown.

        Returns
        -------
        array
            Shape (n, T, width), single precision as in training.

        Raises
        ------
        BadInputError
            If the shapes are not those of the manifest.
        """
        return scaled(self.manifest, inputs, statics)

    def stored(self, inputs: NDArray[Any], statics: NDArray[Any]) -> Saturated:
        """Return the 8-bit input tensor (n, T, width), and how many numbers were beyond its range."""
        tensor = self.manifest.input
        return to_int8(self.scaled(inputs, statics), scale=tensor.scale, zero_point=tensor.zero_point)

    def beyond(self, inputs: NDArray[Any], statics: NDArray[Any]) -> NDArray[np.int64]:
        """Return how many numbers of each window (n,) lie beyond the range of 8 bits and are held at its border.

        A window without one known sample is not predicted, and has none.

        Raises
        ------
        BadInputError
            If the shapes are not those of the manifest.
        """
        tensor = self.manifest.input
        windows = self.scaled(inputs, statics)
        counts = [to_int8(window, scale=tensor.scale, zero_point=tensor.zero_point).beyond for window in windows]
        return np.where(np.isnan(inputs).all(axis=(1, 2)), 0, np.asarray(counts, dtype=np.int64))

    def forces_bw(self, stored: Bytes, mass_kg: NDArray[Any]) -> Floats:
        """Return forces in BW (n, T, axes) of the outputs of the int8 file; masses (n,) in kg."""
        return forces_bw(self.manifest, stored, mass_kg)

    def predict(self, inputs: NDArray[Any], statics: NDArray[Any], mass_kg: NDArray[Any]) -> Floats:
        """Return the forces of every window in BW, shape (n, T, axes).

        A window without one known sample gives NaN; masses (n,) in kg matter where the network gives newtons.

        Raises
        ------
        BadInputError
            If the shapes are not those of the manifest.
        """
        inputs, statics = np.asarray(inputs), np.asarray(statics)
        forces = self.forces_bw(self.engine.run(self.stored(inputs, statics).values), mass_kg)
        forces[np.isnan(inputs).all(axis=(1, 2))] = np.nan
        return forces


def scaled(manifest: Manifest, inputs: NDArray[Any], statics: NDArray[Any]) -> NDArray[np.float32]:
    """Return what the network takes of inputs and statics in their units; see :meth:`Bundle.scaled`."""
    channels, static_columns = manifest.of_role("channel"), manifest.of_role("static")
    if inputs.ndim != 3 or inputs.shape[1:] != (manifest.points, len(channels)):
        raise BadInputError(f"inputs have shape {inputs.shape}, expected (n, {manifest.points}, {len(channels)})")
    if statics.shape != (len(inputs), len(static_columns)):
        raise BadInputError(f"statics have shape {statics.shape}, expected {(len(inputs), len(static_columns))}")
    x, missing = _standard(inputs, channels)
    masks = [c.name for c in manifest.of_role("missing")]
    picked = [i for i, c in enumerate(channels) if c.name in masks]
    s, _ = _standard(statics, static_columns)
    over_time = np.repeat(s[:, None, :], manifest.points, axis=1)
    return np.concatenate([x, missing[:, :, picked].astype(np.float32), over_time], axis=2)


def scale_of(parts: Sequence[Column | Axis]) -> tuple[Floats, Floats]:
    """Return centre and size of columns or axes: shape (parts,), or (T, parts) where points have their own."""
    if not any(part.points for part in parts):
        return np.asarray([p.centre for p in parts]), np.asarray([p.size for p in parts])
    points = max(len(part.points.centre) for part in parts if part.points)
    centre, size = (
        [getattr(p.points, name) if p.points else (getattr(p, name),) * points for p in parts]
        for name in ("centre", "size")
    )
    return np.asarray(centre, dtype=np.float64).T, np.asarray(size, dtype=np.float64).T


def _standard(values: NDArray[Any], columns: tuple[Column, ...]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return z-scores in single precision, 0 where a value is missing, and where that is."""
    centre, size = (part.astype(np.float32) for part in scale_of(columns))
    scores = (np.asarray(values, dtype=np.float32) - centre) / size
    missing = np.isnan(scores)
    # 0 is the mean of the training data
    return np.where(missing, np.float32(0.0), scores), missing


def forces_bw(manifest: Manifest, stored: Bytes, mass_kg: NDArray[Any]) -> Floats:
    """Return forces in BW of int8 outputs (n, T, axes); see :meth:`Bundle.forces_bw`."""
    real = from_int8(stored, scale=manifest.output.scale, zero_point=manifest.output.zero_point)
    centre, size = scale_of(manifest.axes)
    forces = np.asarray(real * size + centre, dtype=np.float64)
    if manifest.force_unit == "N":
        forces /= (np.asarray(mass_kg, dtype=np.float64) * G)[:, None, None]
    return forces


def is_bundle(folder: PathLike) -> bool:
    """Return whether a folder holds a bundle rather than a trained model."""
    return (recovered(Path(folder)) / MANIFEST).is_file()


def load_bundle(
    folder: PathLike, backend: str = "auto", *, resolver: Resolver = "xnnpack", library: PathLike | None = None
) -> Bundle:
    """Return a bundle, ready to predict; neither torch nor TensorFlow is needed.

    Parameters
    ----------
    backend, resolver
        Of :func:`grfkit.runtime.load`.
    library
        For backend ``c``: its C as a shared library, where that does not lie in the folder itself.

    Raises
    ------
    BadInputError
        If the folder is no bundle, or no interpreter is installed.
    RefusedError
        If the manifest or the int8 file was changed, or they do not belong together.

    Examples
    --------
    >>> from grfkit import load_bundle
    >>> from grfkit.runtime.bundle_files import shipped_bundle
    >>> load_bundle(shipped_bundle("bilstm_simulated"))
    <Bundle bilstm_simulated: bilstm in int8, 22 channels of 101 samples to vgrf, apgrf, mlgrf, by ...>
    """
    folder = as_path(folder, what="a bundle's folder")
    manifest = read_manifest(folder)
    check_digest(folder, manifest.model, read_sums(folder))
    content = (folder / manifest.model).read_bytes()
    if zlib.crc32(content) != manifest.model_id:
        raise RefusedError(f"{folder / manifest.model}: its CRC-32 is not the manifest's model_id")
    in_c = backend == "c"
    engine = load(library or folder, backend) if in_c else load(content, backend, resolver=resolver)
    for what, port, stated in (("input", engine.input, manifest.input), ("output", engine.output, manifest.output)):
        # a library that was compiled by itself knows no scales; the manifest's are used
        same = np.float32(port.scale) == np.float32(stated.scale) and port.zero_point == stated.zero_point
        if not (same or in_c) or port.shape != stated.shape or port.dtype != stated.dtype:
            raise RefusedError(f"{folder / manifest.model}: its {what} is {port}, the manifest says {stated}")
    return Bundle(folder, manifest, engine)
