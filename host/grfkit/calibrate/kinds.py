"""The kinds of calibration documents: the folder of each under ``calibration/`` and its model."""

from __future__ import annotations

from typing import Annotated, Union

from pydantic import Field

from .cell_documents import CellCalibration
from .documents import InsoleGeometry, LagTable, PlateCorrection, PressureCalibration
from .imu_documents import ImuCalibration
from .plate_documents import ForcePlates
from .scale_documents import LoadScale

AnyDocument = (
    InsoleGeometry
    | LagTable
    | PlateCorrection
    | PressureCalibration
    | CellCalibration
    | LoadScale
    | ImuCalibration
    | ForcePlates
)
CalibrationDocument = Annotated[
    Union[  # noqa: UP007
        InsoleGeometry,
        LagTable,
        PlateCorrection,
        PressureCalibration,
        CellCalibration,
        LoadScale,
        ImuCalibration,
        ForcePlates,
    ],
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
    "force_plates": ForcePlates,
}
"""The folder of each kind under ``calibration/`` and its model."""
