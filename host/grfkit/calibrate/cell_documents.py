"""The document of an insole whose every cell was calibrated on a bench, and the laws it holds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..provenance import InputFile
from .documents import Document, check_unit

Law = Literal["linear", "power", "hysteresis"]


class CellLaw(BaseModel):
    """One cell's law: force (N) of ``u = sign * (value - rest)``, as :class:`~grfkit.calibrate.cell_laws.FittedLaw`.

    Attributes
    ----------
    rest
        Value of the unloaded cell.
    sign
        1 where the value rises under load, -1 where it falls.
    valid_max_u
        The largest u the law was fitted to: beyond it the force is unknown.
    residual_n
        RMS error (N) on runs that the law had not seen.
    noise_n
        SD (N) of a single sample about the mean of half a second.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    number: int = Field(ge=1)
    rest: float
    sign: Literal[1, -1]
    polynomial: tuple[float, ...] = ()
    play_widths: tuple[float, ...] = ()
    play_gains: tuple[float, ...] = ()
    gain: float = 0.0
    start: float = 0.0
    exponent: float = Field(default=1.0, gt=0)
    valid_max_u: float = Field(gt=0)
    residual_n: float = Field(ge=0)
    noise_n: float = Field(ge=0)


class CellOut(BaseModel):
    """A cell that is not calibrated, and why; its channel becomes NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: int = Field(ge=1)
    why: str = Field(min_length=1)


class LawScore(BaseModel):
    """How one law did on runs it had not seen.

    Attributes
    ----------
    zero
        ``document``: every cell's rest is that of the other runs; ``start``: that of the run's own unloaded start.
    rms_n, median_rms_n, p95_rms_n
        Mean, median and 95th percentile over cells and runs of the RMS error (N) of half-second means.
    hysteresis_percent
        Mean difference between falling and rising load, % of the force's range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    law: Law
    zero: Literal["document", "start"]
    rms_n: float = Field(ge=0)
    median_rms_n: float = Field(ge=0)
    p95_rms_n: float = Field(ge=0)
    hysteresis_percent: float | None = None
    n: int = Field(ge=1)


class BenchRun(BaseModel):
    """One run of the bench: how its two clocks were joined, and what it covered."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    name: str
    duration_s: float = Field(gt=0)
    force_max_n: float = Field(gt=0)
    offset_s: float
    rate: float
    clock_sd_s: float = Field(ge=0)
    margin_nats: float
    cells_used: int = Field(ge=1)


class CellCalibration(Document):
    """How each cell's value becomes force, from runs of a bench that loads all cells alike.

    Attributes
    ----------
    stream
        The stream it is for, e.g. ``insole_left``.
    device
        The insole it was measured on; a recording that states another one is refused. Empty where not stated.
    zero_s
        Where given, a recording's own first so many seconds, unloaded, say each cell's rest; otherwise ``rest`` does.
    residual_n
        RMS error (N) of the law on runs it had not seen, mean over cells.
    """

    kind: Literal["cell_calibration"] = "cell_calibration"
    stream: str = Field(min_length=1)
    device: str = ""
    unit_in: str = "count"
    unit_out: Literal["N"] = "N"
    law: Law
    zero_s: float | None = Field(default=None, gt=0)
    area_mm2: float | None = Field(default=None, gt=0)
    cells: tuple[CellLaw, ...] = Field(min_length=1)
    out_of_use: tuple[CellOut, ...] = ()
    residual_n: float = Field(ge=0)
    force_max_n: float = Field(gt=0)
    hysteresis_percent: float | None = None
    compared: tuple[LawScore, ...] = ()
    runs: tuple[BenchRun, ...] = ()
    inputs: tuple[InputFile, ...] = ()

    @model_validator(mode="after")
    def _sane(self) -> CellCalibration:
        check_unit(self.unit_in)
        numbers = [c.number for c in self.cells] + [c.number for c in self.out_of_use]
        if len(set(numbers)) != len(numbers):
            raise ValueError("a cell number stands twice")
        for cell in self.cells:
            if self.law == "power" and not cell.gain:
                raise ValueError(f"cell {cell.number} has no gain")
            if self.law != "power" and len(cell.polynomial) < 2:
                raise ValueError(f"cell {cell.number} has no polynomial")
            if len(cell.play_widths) != len(cell.play_gains):
                raise ValueError(
                    f"cell {cell.number} has {len(cell.play_widths)} plays and {len(cell.play_gains)} gains"
                )
        return self
