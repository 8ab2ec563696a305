"""Calibration documents: typed, versioned, with a source; units in, units out, valid range, residual."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import BadInputError
from ..provenance import InputFile
from ..units import canonical_name

DeviceClass = Literal[
    "insole", "imu", "landmarks", "film", "plate", "imu_pelvis", "imu_torso", "imu_thigh", "imu_shank"
]
Feature = Literal["onset", "jerk", "turning", "waveform", "speed", "side", "kinematic", "acceleration"]
SideName = Literal["left", "right"]


class Document(BaseModel):
    """What every calibration document says of itself.

    Attributes
    ----------
    name
        The name it is loaded by; unique within its kind.
    source
        Where the numbers come from, and what was measured, derived or assumed.
    made_on
        Day of the measurement, ``YYYY-MM-DD``, empty where the numbers were not measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    schema_version: Literal["1"] = "1"
    name: str = Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    source: str = Field(min_length=10)
    made_on: str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$")


class Cell(BaseModel):
    """One pressure cell: number as in the channel name (``cell_01`` is 1), place in the foot's frame."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    number: int = Field(ge=1)
    x_mm: float
    y_mm: float


class InsoleGeometry(Document):
    """Where the cells of one insole size lie.

    Frame: origin at the heel, ``y_mm`` towards the toes, ``x_mm`` to the right seen from above; a left
    insole is described, the right one mirrors ``x_mm``.

    Attributes
    ----------
    extent_mm
        Heel-to-toe extent of the cells: the largest ``y_mm``.
    """

    kind: Literal["insole_geometry"] = "insole_geometry"
    size: Literal["XS", "S", "M", "L", "XL", "XXL"]
    extent_mm: float = Field(gt=0)
    cells: tuple[Cell, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> InsoleGeometry:
        numbers = [cell.number for cell in self.cells]
        if len(set(numbers)) != len(numbers):
            raise ValueError("a cell number stands twice")
        largest = max(cell.y_mm for cell in self.cells)
        if abs(largest - self.extent_mm) > 0.5:
            raise ValueError(f"extent_mm is {self.extent_mm:g} but the foremost cell is at {largest:g} mm")
        return self

    def positions_m(self, side: SideName) -> dict[str, tuple[float, float]]:
        """Return x and y (m) of each cell by channel name, ``x`` mirrored for a right insole."""
        mirror = 1.0 if side == "left" else -1.0
        return {f"cell_{c.number:02d}": (mirror * c.x_mm / 1000.0, c.y_mm / 1000.0) for c in self.cells}


class LagEntry(BaseModel):
    """How late a device class shows a feature: subtract ``lag_s`` from the device's feature time.

    Attributes
    ----------
    rate_hz_min, rate_hz_max
        Sampling rates the entry holds for: ``[rate_hz_min, rate_hz_max)``.
    gait
        Which gait the entry holds for; a heel that rolls down slowly is seen later.
    sd_s
        Standard deviation of the lag between devices of the class.
    between_sd_s
        SD of the mean lag from one simulator to another, which ``sd_s`` of a single one does not hold; 0 where it is
        measured on devices, or not known.
    n
        Devices or simulated runs behind it; 0 where it is an assumption.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    device_class: DeviceClass
    feature: Feature
    rate_hz_min: float = Field(ge=0)
    rate_hz_max: float = Field(gt=0)
    lag_s: float = Field(gt=-1, lt=1)
    sd_s: float = Field(gt=0, lt=1)
    between_sd_s: float = Field(default=0.0, ge=0, lt=1)
    n: int = Field(ge=0)
    source: str = Field(min_length=5)
    gait: Literal["any", "running", "walking"] = "any"

    @model_validator(mode="after")
    def _ordered(self) -> LagEntry:
        if self.rate_hz_max <= self.rate_hz_min:
            raise ValueError(f"rate_hz_max {self.rate_hz_max:g} is not above rate_hz_min {self.rate_hz_min:g}")
        return self

    @property
    def total_sd_s(self) -> float:
        """Return the SD of a device's lag about ``lag_s``, whoever simulated it."""
        return math.hypot(self.sd_s, self.between_sd_s)

    def holds(self, device_class: str, feature: str, rate_hz: float, gait: str) -> bool:
        """Return whether the entry is about this class, feature, sampling rate and gait."""
        same = self.device_class == device_class and self.feature == feature and self.gait in ("any", gait)
        return same and self.rate_hz_min <= rate_hz < self.rate_hz_max


class LagTransfer(BaseModel):
    """How much later a feature comes in a gait than in a hammer's blow or a jump's landing, by the same device.

    Attributes
    ----------
    add_s, sd_s
        What is added to a lag measured by ``method``, and its SD between people and devices.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    device_class: DeviceClass
    feature: Feature
    method: Literal["blows", "jumps"]
    gait: Literal["running", "walking"]
    rate_hz_min: float = Field(ge=0)
    rate_hz_max: float = Field(gt=0)
    add_s: float = Field(gt=-1, lt=1)
    sd_s: float = Field(gt=0, lt=1)
    n: int = Field(ge=0)
    source: str = Field(min_length=5)


class MeasuredLag(BaseModel):
    """One class's lag as it was measured: what ``entries`` of the same document were made from.

    Attributes
    ----------
    method
        ``blows`` of a hammer, landings of ``jumps`` or drops, ``steps``.
    lag_s
        Mean of the recordings' means.
    blow_sd_s, device_sd_s
        SD between the blows of a recording, and between the recordings' means (None of a single one).
    n_blows, n_left_out, n_recordings
        Blows used, blows that lay far off the others, and recordings.
    residual_s
        RMS of what is left of a blow about its recording's mean.
    peak_min, peak_max, peak_unit
        The blows' heights on the plate: the range the lag was measured in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    device_class: DeviceClass
    feature: Feature
    rate_hz: float = Field(gt=0)
    method: Literal["blows", "jumps", "steps"]
    gait: Literal["any", "running", "walking"] = "any"
    lag_s: float
    blow_sd_s: float = Field(ge=0)
    device_sd_s: float | None = None
    n_blows: int = Field(ge=1)
    n_left_out: int = Field(ge=0)
    n_recordings: int = Field(ge=1)
    residual_s: float = Field(ge=0)
    peak_min: float
    peak_max: float
    peak_unit: str


class LagTable(Document):
    """Sensor lags that no recording can show, with their SD and source. A later entry wins over an earlier.

    Attributes
    ----------
    unknown_sd_s
        The SD that goes with lag 0 where no entry holds.
    transfers
        What a lag measured by blows or jumps lacks of one in gait.
    base
        Name of the table that comes with grfkit which answers for the classes that were not ``measured``; empty where
        none does. A measured class at another rate or gait is refused.
    measured, inputs
        What ``grf-calibrate lag`` measured, and the files it was measured from.
    """

    kind: Literal["lag_table"] = "lag_table"
    unknown_sd_s: float = Field(default=0.01, gt=0)
    entries: tuple[LagEntry, ...]
    transfers: tuple[LagTransfer, ...] = ()
    base: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9_.-]*)?$")
    measured: tuple[MeasuredLag, ...] = ()
    inputs: tuple[InputFile, ...] = ()


class PlateCorrection(Document):
    """What one force plate needs: ``corrected = sign * matrix @ (recorded - zero)``.

    Attributes
    ----------
    plate
        The stream it is for, e.g. ``plate_1``.
    zero
        Recorded Fx Fy Fz (N), Mx My Mz (N m) with nothing on the plate.
    matrix
        6 rows of 6; the identity where empty.
    """

    kind: Literal["plate_correction"] = "plate_correction"
    plate: str = Field(pattern=r"^plate_\d+$")
    unit_in: str = "N"
    zero: tuple[float, float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    matrix: tuple[tuple[float, ...], ...] = ()
    sign: Literal[1, -1] = 1

    @model_validator(mode="after")
    def _square(self) -> PlateCorrection:
        if self.matrix and (len(self.matrix) != 6 or any(len(row) != 6 for row in self.matrix)):
            raise ValueError("matrix is not 6 rows of 6 numbers")
        check_unit(self.unit_in)
        return self


class PressureCalibration(Document):
    """How a value v becomes force: ``linear`` gain * (v - zero), ``power`` gain * (v - zero)^exponent.

    Attributes
    ----------
    stream
        The stream it is for, e.g. ``insole_left``.
    channels
        The channels it is for; those whose name starts with ``cell_`` or ``zone_``, or is ``force``, where
        empty.
    valid_min, valid_max
        In ``unit_in``: a value beyond ``valid_max`` becomes NaN; one below ``zero`` becomes 0.
    residual_n
        RMS of what the fit left, N.
    """

    kind: Literal["pressure_calibration"] = "pressure_calibration"
    stream: str = Field(min_length=1)
    channels: tuple[str, ...] = ()
    unit_in: str = "count"
    unit_out: Literal["N"] = "N"
    model: Literal["linear", "power"] = "linear"
    gain: float
    zero: float = 0.0
    exponent: float = Field(default=1.0, gt=0)
    valid_min: float
    valid_max: float
    residual_n: float = Field(ge=0)

    @model_validator(mode="after")
    def _sane(self) -> PressureCalibration:
        check_unit(self.unit_in)
        if self.valid_max <= self.valid_min:
            raise ValueError(f"valid_max {self.valid_max:g} is not above valid_min {self.valid_min:g}")
        if not math.isfinite(self.gain) or self.gain == 0:
            raise ValueError("gain is zero or not finite")
        if self.model == "linear" and self.exponent != 1.0:
            raise ValueError("a linear model has exponent 1")
        return self


def check_unit(text: str) -> None:
    """Raise a ``ValueError``, as validators do, if the text names no unit."""
    try:
        canonical_name(text)
    except BadInputError as error:
        raise ValueError(str(error)) from error
