"""The kinds of calibration documents: the folder of each under ``calibration/`` and its model."""

from __future__ import annotations

from typing import Annotated, Union

from pydantic import Field

from .cell_documents import CellCalibration
from .documents import InsoleGeometry, LagTable, PlateCorrection, PressureCalibration
from .imu_documents import ImuCalibration
from .scale_documents import LoadScale

AnyDocument = (
    InsoleGeometry | LagTable | PlateCorrection | PressureCalibration | CellCalibration | LoadScale | ImuCalibration
)
CalibrationDocument = Annotated[
    Union[InsoleGeometry, LagTable, PlateCorrection, PressureCalibration, CellCalibration, LoadScale, ImuCalibration],  # noqa: UP007
    Field(discriminator="kind"),
]

KINDS: dict[str, type[AnyDocument]] = {
    "insoles": InsoleGeometry,
    "lags": LagTable,
    "plates": PlateCorrection,
    "pressure": PressureCalibration,
    "cells": CellCalibration,
    "scales": LoadScale,
    "imus": ImuCalibration,
}
"""The folder of each kind under ``calibration/`` and its model."""
