"""Documents of grf-calibrate applied to an insole's samples as they come: counts of its cells to newtons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..calibrate import pressure_to_force
from ..calibrate.cell_apply import cell_force
from ..calibrate.cell_documents import CellCalibration
from ..calibrate.documents import PressureCalibration
from ..calibrate.kinds import AnyDocument
from ..calibrate.library import load
from ..calibrate.scale_documents import LOADS, LoadScale
from ..errors import BadInputError
from ..units import canonical_name
from ..wire import CELLS

__all__ = ["CellScale", "LiveCalibration"]

NAMES = tuple(f"cell_{k:02d}" for k in range(1, CELLS + 1))
STREAMS = {"insole_left": "left", "insole_right": "right"}
LoadDocument: TypeAlias = PressureCalibration | CellCalibration | LoadScale
"""Documents that turn cells into newtons."""


@dataclass
class CellScale:
    """One insole's cells to newtons, sample after sample, as :func:`grfkit.calibrate.apply` turns a recording's.

    Attributes
    ----------
    name, kind
        Of the document.
    out_of_use
        Numbers of cells (from 0) that the document leaves out.
    """

    name: str
    kind: str
    remembers: bool
    out_of_use: tuple[int, ...]
    _force: Callable[[Floats, Floats], Floats]

    def force_n(self, cells: Floats | NDArray[np.uint16], level: Floats) -> Floats:
        """Return the force (N) of each cell, shape (samples, 16); NaN of cells out of use and beyond a law's range.

        Parameters
        ----------
        level
            Unloaded level of each cell: taken by documents that expect every recording to begin unloaded.
        """
        return self._force(np.asarray(cells, dtype=np.float64), level)

    def total_n(self, force_n: Floats) -> Floats:
        """Return the sum over the cells in use, NaN where one of them is beyond its range."""
        used = [k for k in range(CELLS) if k not in self.out_of_use]
        return np.asarray(force_n[:, used].sum(axis=1), dtype=np.float64)


class LiveCalibration:
    """The documents of a run, at most one for each foot.

    Raises
    ------
    BadInputError
        If one is not of an insole's cells, not in counts, or a second one for a foot.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._by_side: dict[str, LoadDocument] = {}
        for path in paths:
            document = load(path if path.is_file() or path.suffix.lower() == ".json" else path.as_posix()).document
            for side in _sides_of(document, path):
                if side in self._by_side:
                    raise BadInputError(
                        f"'{self._by_side[side].name}' and '{document.name}' are both for the {side} insole; name one"
                    )
                assert isinstance(document, LoadDocument)
                self._by_side[side] = document

    def of_insole(self, side: str, names: Sequence[str]) -> CellScale:
        """Return the scale of one insole.

        Parameters
        ----------
        names
            What the insole is called: its name and its address.

        Raises
        ------
        BadInputError
            If no document is for this foot, or it was measured on another insole.
        """
        document = self._by_side.get(side)
        if document is None:
            raise BadInputError(f"no calibration is for the {side} insole: its load stays in counts")
        device = document.device if isinstance(document, CellCalibration) else ""
        if device and device not in names:
            raise BadInputError(
                f"calibration '{document.name}' was measured on '{device}', this insole is '{names[0]}' at {names[-1]}:"
                " its load stays in counts; calibrate this insole, or give its name or address as the document's device"
            )
        return scale_of(document, side)


def scale_of(document: LoadDocument, side: str) -> CellScale:
    """Return how a document turns one foot's cells into newtons."""
    if isinstance(document, LoadScale):
        foot = next(f for f in document.feet if STREAMS.get(f.stream) == side)
        rest = np.asarray([foot.rest[name] for name in NAMES])
        return CellScale(document.name, document.kind, False, (), lambda v, _: np.maximum((v - rest) * foot.scale, 0.0))
    if isinstance(document, PressureCalibration):
        return CellScale(document.name, document.kind, False, (), lambda v, _: pressure_to_force(v, document))
    out = tuple(c.number - 1 for c in document.out_of_use)
    remembers = any(cell.play_widths for cell in document.cells)
    return CellScale(document.name, document.kind, remembers, out, _by_laws(document))


def _by_laws(document: CellCalibration) -> Callable[[Floats, Floats], Floats]:
    """Return each cell's law, which remembers from one call to the next which way the load went."""
    states = {cell.number: np.zeros((1, len(cell.play_widths))) for cell in document.cells}

    def force(values: Floats, level: Floats) -> Floats:
        """Return the force of each cell."""
        found = np.full(values.shape, np.nan)
        for cell in document.cells:
            k = cell.number - 1
            rest = cell.rest if document.zero_s is None else float(level[k])
            found[:, k] = cell_force(cell, document.law, values[:, k], rest, states[cell.number])
        return found

    return force


def _sides_of(document: AnyDocument, path: Path) -> list[str]:
    """Return the feet that a document is for; refused at once where it can be of no live insole."""
    if not isinstance(document, LoadDocument):
        raise BadInputError(
            f"{path}: is a document of kind {document.kind}; live, the cells of insoles are calibrated: name one of"
            " grf-calibrate bodyweight or pressure"
        )
    if canonical_name(document.unit_in) != "count":
        raise BadInputError(f"{path}: is for values in {document.unit_in}; insoles send counts")
    streams = [f.stream for f in document.feet] if isinstance(document, LoadScale) else [document.stream]
    sides = [STREAMS[stream] for stream in streams if stream in STREAMS]
    if not sides:
        raise BadInputError(f"{path}: is for {', '.join(streams)}; expected insole_left or insole_right")
    for cells in _cells_of(document):
        if set(cells) != set(NAMES):
            raise BadInputError(
                f"{path}: is of an insole of {len(cells)} cells, a live insole has {CELLS}: it does not fit"
            )
    return sides


def _cells_of(document: LoadDocument) -> list[list[str]]:
    """Return the names of the cells that each part of a document is for."""
    if isinstance(document, LoadScale):
        return [[n for n in foot.rest if n.startswith(LOADS)] for foot in document.feet if foot.stream in STREAMS]
    if isinstance(document, CellCalibration):
        numbers = [c.number for c in document.cells] + [c.number for c in document.out_of_use]
        return [[f"cell_{number:02d}" for number in numbers]]
    return [list(document.channels)] if document.channels else []
