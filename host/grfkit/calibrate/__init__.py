"""Calibration: is a plate's force to be trusted, and how does a recorded value become newtons."""

from .apply import apply, pressure_to_force
from .correct import correct
from .doctor import examine
from .findings import CorrectionRequest, Finding, PlateFindings, decided
from .lags import Lag, lookup
from .library import Loaded, load, load_insole, load_lag_table
from .vertical import vertical_force

__all__ = [
    "CorrectionRequest",
    "Finding",
    "Lag",
    "Loaded",
    "PlateFindings",
    "apply",
    "correct",
    "decided",
    "examine",
    "load",
    "load_insole",
    "load_lag_table",
    "lookup",
    "pressure_to_force",
    "vertical_force",
]
