"""Shared by the parts of the accuracy benchmark: folds kept on disk, progress, networks, groups of channels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grfkit.evaluation.methods import BaselineMethod, ChosenMethod, NetworkMethod
from grfkit.evaluation.predictions import Predictions, predict_folds
from grfkit.evaluation.scores import scores
from grfkit.learn.folds import Fold
from grfkit.learn.method import Method
from grfkit.learn.networks import network_config
from grfkit.learn.parallel import JobReport
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet

from ..harness import Rows
from . import sets

RIDGE, MEAN, SPEED = (BaselineMethod(n) for n in ("ridge", "mean curve", "mean curve of the known speed"))
DEFAULT = ChosenMethod("grf-train, no options", TrainConfig())
"""What a user gets who types nothing else: chosen anew in every fold."""
POSITIONS = ("*_x", "*_y", "*_z")
MOTION = ("*_velocity", "*_acceleration")


class Run:
    """One run of the benchmark: its processes, whether it is quick, and folds kept on disk."""

    def __init__(self, jobs: int, *, quick: bool) -> None:
        self.jobs, self.quick = jobs, quick

    def answers(self, data: StanceSet, folds: Sequence[Fold], methods: Sequence[Method], *, split: str) -> Predictions:
        """Return answers, folds that are done taken from the disk."""
        sets.BUILD.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=sets.BUILD) as folder:  # of its own: two runs may share the build folder
            # processes read the set from a file, which costs less than handing it to each of them
            path = Path(folder) / "now.nc"
            data.to_netcdf(path)
            return predict_folds(
                path,
                folds,
                methods,
                split=split,
                workers=self.jobs,
                results=sets.BUILD / "folds",
                progress=show_progress,
            )

    def scored(
        self,
        data: StanceSet,
        folds: Sequence[Fold],
        methods: Sequence[Method],
        *,
        split: str = "loso",
        headline: str = "",
    ) -> Rows:
        """Return the scores of methods on folds."""
        return scores(self.answers(data, folds, methods, split=split), headline=headline)


def show_progress(report: JobReport) -> None:
    """Say how far it is."""
    eta = "" if report.eta_s is None else f", {report.eta_s / 60:.0f} min to go"
    print(f"  {report.done}/{report.total} {report.name} {report.seconds:.0f} s{eta}", file=sys.stderr)


def cnn(name: str = "1D-CNN", *, epochs: int, hidden: int = 64, lr: float = 3e-3, **more: Any) -> NetworkMethod:
    """Return a 1D-CNN."""
    layers = more.pop("layers", 4)
    seeds = more.pop("seeds", 1)
    config = TrainConfig(epochs=epochs, lr=lr, patience=more.pop("patience", 0), **more)
    return NetworkMethod(name, network_config("cnn1d", hidden=hidden, layers=layers), config, seeds)


def bilstm(name: str = "BiLSTM", *, epochs: int, hidden: int = 32, lr: float = 5e-3, **more: Any) -> NetworkMethod:
    """Return a BiLSTM."""
    config = TrainConfig(epochs=epochs, lr=lr, patience=more.pop("patience", 0), **more)
    return NetworkMethod(name, network_config("bilstm", hidden=hidden), config)


def shank_cnn(name: str, epochs: int, **more: Any) -> NetworkMethod:
    """Return the network for the shank's acceleration."""
    return cnn(name, epochs=epochs, hidden=32, layers=5, batch=16, **more)


def landmark_cnn(run: Run) -> NetworkMethod:
    """Return the network for landmarks."""
    return cnn("1D-CNN", epochs=4 if run.quick else 10, statics=("contact_s",))
