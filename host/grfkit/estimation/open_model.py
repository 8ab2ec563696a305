"""A bundle where a trained model is asked for: the same windows in, the same forces out, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, PathLike
from ..errors import BadInputError, RefusedError
from ..learn.batches import Windows
from ..learn.packaged import named_model
from ..learn.spec import ForceModel, ModelSpec, check_compatible, check_unseen, parse_spec
from ..records.stance_set import StanceSet
from ..runtime.bundle import Bundle, is_bundle, load_bundle
from ..runtime.bundle_files import check_digest, read_sums
from ..runtime.interpreters import Interpreter
from ..runtime.manifest import DOCUMENT, MANIFEST
from ..runtime.pictures import PICTURES, PictureBundle, is_picture_bundle, load_picture_bundle


@dataclass(frozen=True)
class BundleForceModel:
    """A bundle that takes stance sets, by the document of the model it was made of.

    Apart from :class:`~grfkit.runtime.bundle.Bundle` because ``runtime`` knows arrays only: neither stance sets nor
    ``ModelSpec``.
    """

    spec: ModelSpec
    bundle: Bundle

    @property
    def name(self) -> str:
        """Return the network's name, and what answers."""
        return _in_int8(self.spec, self.bundle.engine)

    @property
    def files(self) -> tuple[str, ...]:
        """Return the names of the files that make it."""
        return (MANIFEST, self.bundle.manifest.model, DOCUMENT)

    def predict(self, data: StanceSet, *, leaks: Sequence[str] = (), balanced: bool = True) -> Floats:  # noqa: ARG002
        """Return the forces of every window in BW, shape (stances, time, axes); NaN where no sample is known.

        The answers are those of the device, which sees one window at a time: nothing is balanced over strides,
        whatever ``balanced`` says; :func:`~grfkit.estimation.windows.predict_feet` does that.

        Raises
        ------
        LeakError
            If a participant was seen in training and no leak is named.
        BadInputError
            If channels, units, window or mass do not fit the model.
        """
        check_unseen(self.spec, data, leaks)
        check_compatible(self.spec, data)
        parts = [
            self.bundle.predict(batch.inputs, batch.statics, batch.mass_kg) for batch in self._windows(data).in_order()
        ]
        return np.concatenate(parts)

    def beyond(self, data: StanceSet) -> NDArray[np.int64]:
        """Return how many numbers of each window (stances,) lie beyond the bundle's range and are held at its border.

        Raises
        ------
        BadInputError
            If channels, units, window or mass do not fit the model.
        """
        check_compatible(self.spec, data)
        return np.concatenate(
            [self.bundle.beyond(batch.inputs, batch.statics) for batch in self._windows(data).in_order()]
        )

    def _windows(self, data: StanceSet) -> Windows:
        scaler = self.spec.scaler
        return Windows(data, scaler.channels, scaler.statics, (), memory_mb=0)


@dataclass(frozen=True)
class PictureBundleModel:
    """A bundle of pictures that takes stance sets, by the document of the model it was made of."""

    spec: ModelSpec
    bundle: PictureBundle

    @property
    def name(self) -> str:
        """Return the network's name, and what answers."""
        return _in_int8(self.spec, self.bundle.engine)

    @property
    def files(self) -> tuple[str, ...]:
        """Return the names of the files that make it."""
        return (PICTURES, self.bundle.manifest.model, DOCUMENT)

    def predict(self, data: StanceSet, *, leaks: Sequence[str] = (), balanced: bool = True) -> Floats:  # noqa: ARG002
        """Return the forces of every window in BW, shape (windows, time, axes); NaN where no picture is known.

        Raises
        ------
        LeakError
            If a participant was seen in training and no leak is named.
        BadInputError
            If channels, units, window or mass do not fit the model.
        """
        check_unseen(self.spec, data, leaks)
        check_compatible(self.spec, data)
        scaler = self.spec.scaler
        batches = Windows(data, scaler.channels, scaler.statics, (), memory_mb=0).in_order()
        return np.stack([self.bundle.predict(x, float(m)) for b in batches for x, m in zip(b.inputs, b.mass_kg)])


def load_bundle_model(folder: Path, backend: str = "auto") -> BundleForceModel:
    """Return the bundle in a folder.

    Raises
    ------
    BadInputError
        If the folder is no bundle, or no interpreter is installed.
    RefusedError
        If a file of it was changed.
    """
    folder = Path(folder)
    bundle = load_bundle(folder, backend)
    return BundleForceModel(_document_in(folder), bundle)


def _in_int8(spec: ModelSpec, engine: Interpreter) -> str:
    """Return a network's name, and what answers for it."""
    return f"{spec.network['name']} in int8 ({engine.backend} {engine.version}, {engine.resolver})"


def _document_in(folder: Path) -> ModelSpec:
    """Return the document of the model that a bundle was made of; whoever loads the bundle checks its other files."""
    check_digest(folder, DOCUMENT, read_sums(folder))
    return read_spec(folder / DOCUMENT)


def read_spec(path: Path) -> ModelSpec:
    """Return the document of a trained model.

    Raises
    ------
    RefusedError
        If it is none.
    """
    try:
        return parse_spec(path)
    except BadInputError as error:
        raise RefusedError(f"{path}: is no document of a trained model ({str(error).splitlines()[0]})") from error


def open_model(folder: Path) -> ForceModel:
    """Return the bundle or the trained model in a folder; a bundle needs no torch.

    Raises
    ------
    BadInputError
        If it is neither, or what it needs is not installed.
    """
    if folder.is_file():
        raise BadInputError(
            f"{folder}: is a file, expected the folder that grf-train or grf-quantize wrote; are model and recording"
            " exchanged?"
        )
    if is_bundle(folder):
        return load_bundle_model(folder)
    if is_picture_bundle(folder):
        pictures = load_picture_bundle(folder)
        return PictureBundleModel(_document_in(folder), pictures)
    try:
        from ..learn.model import GrfModel
    except ImportError as error:
        raise BadInputError(
            f"{folder}: is no bundle, and a trained model needs torch ({error}); pip install 'grfkit[train]', or name a"
            " bundle of grf-quantize"
        ) from error
    return GrfModel.load(folder)


def load_model(model: PathLike) -> ForceModel:
    """Return a model that comes with grfkit, by its name, or the trained model or bundle in a folder.

    Parameters
    ----------
    model
        ``grfkit:NAME``, a plain ``NAME`` of a packaged model, or the folder that ``grf-train`` or ``grf-quantize``
        wrote.

    Raises
    ------
    BadInputError
        If there is none of this name, or it is damaged.

    Examples
    --------
    >>> import grfkit
    >>> model = grfkit.load_model("insole-simulated")
    >>> model.spec.scaler.axes
    ('vgrf', 'apgrf', 'mlgrf')
    >>> grfkit.load_model("grfkit:no-such-model")
    Traceback (most recent call last):
    grfkit.errors.BadInputError: no model 'no-such-model' comes with this grfkit; there are ...
    """
    return open_model(named_model(model))
