"""Calibration documents of one alignment: which of them are for the plates, the clock, and the wearables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..calibrate import apply, load
from ..calibrate.documents import InsoleGeometry, LagTable, PlateCorrection
from ..calibrate.kinds import AnyDocument
from ..calibrate.library import Loaded
from ..calibrate.plate_documents import ForcePlates, holds_channels
from ..calibrate.scale_documents import LoadScale
from ..errors import BadInputError
from ..provenance import InputFile
from ..records import Recording


@dataclass
class Documents:
    """Calibration documents by what they are applied to.

    Attributes
    ----------
    lags
        Table of sensor lags in place of the one that comes with grfkit; None for that one.
    inputs
        Name and SHA-256 of each document.
    """

    plates: list[Loaded[AnyDocument]] = field(default_factory=list)
    wearables: list[Loaded[AnyDocument]] = field(default_factory=list)
    lags: LagTable | None = None
    inputs: list[InputFile] = field(default_factory=list)


def load_documents(paths: Sequence[Path]) -> Documents:
    """Return the documents, read and sorted; a path that is no file is the name of one that comes with grfkit.

    Raises
    ------
    BadInputError
        If one cannot be used, or two are lag tables.
    """
    documents = Documents()
    for path in paths:
        loaded = load(path if path.is_file() or path.suffix.lower() == ".json" else path.as_posix())
        if isinstance(loaded.document, LagTable):
            if documents.lags is not None:
                raise BadInputError(
                    f"{path}: is a second lag table; one alignment takes one. Devices of several classes are"
                    " measured into one document: grf-calibrate lag --reference A --reference B"
                )
            documents.lags = loaded.document
        else:
            of_plates = isinstance(loaded.document, PlateCorrection | ForcePlates)
            (documents.plates if of_plates else documents.wearables).append(loaded)
        documents.inputs.append(
            InputFile(name=loaded.file_name, sha256=loaded.sha256, size_bytes=loaded.size_bytes, role="calibration")
        )
    return documents


def calibrated(recordings: Sequence[Recording], documents: Sequence[Loaded[AnyDocument]]) -> list[Recording]:
    """Return the recordings with every document applied to those that hold what it is for.

    Raises
    ------
    BadInputError
        If a document is for a stream that none of them has.
    """
    changed = list(recordings)
    for document in documents:
        fits = [number for number, recording in enumerate(changed) if _fits(recording, document)]
        # where none fits, the first one says why
        for number in fits or [0]:
            changed[number] = apply(changed[number], [document])
    return changed


def _fits(recording: Recording, loaded: Loaded[AnyDocument]) -> bool:
    document = loaded.document
    if isinstance(document, InsoleGeometry):
        cells = document.positions_m("left")
        return any(cell in stream for stream in recording.of_kind("insole").values() for cell in cells)
    if isinstance(document, LagTable):
        return False
    if isinstance(document, ForcePlates):
        return holds_channels(recording.streams, document)
    if isinstance(document, LoadScale):
        return any(foot.stream in recording.streams for foot in document.feet)
    return (document.plate if isinstance(document, PlateCorrection) else document.stream) in recording.streams
