"""Predictions of every method for every held-out window, beside what was measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arguments import as_path
from ..arrays import Floats, PathLike
from ..artefacts import written_whole
from ..errors import BadInputError
from ..learn.folds import Fold
from ..learn.method import Method
from ..learn.parallel import Job, JobReport, map_folds
from ..provenance import SCHEMA_VERSION, Provenance
from ..records.netcdf import check_sealed, netcdf_file
from ..records.stance_set import PER_STANCE, StanceSet, Windowed
from ..records.target_units import unit_of
from ..records.trees import noted


@dataclass(frozen=True, repr=False)
class Predictions(Windowed):
    """Predictions of every method for every tested window, as an :class:`xarray.Dataset`.

    Variables: ``predicted`` (method, stance, time, axis; BW, or mm of the centre of pressure), ``measured`` likewise,
    ``weight`` (stance, time), ``scalars`` (stance, scalar), ``seconds`` (method, fold). Coordinates per stance: those
    of a :class:`StanceSet` and ``fold``. Attributes: ``split``, ``leaks`` (JSON: what the split and its methods knew of
    the tested by design; empty for an honest one), ``window``, ``cut``, ``source``, ``excluded``, ``provenance``.

    Attributes
    ----------
    scores
        Every figure of :func:`~grfkit.evaluation.evaluate.evaluate`; empty for predictions that were read from a file.
    """

    scores: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        """Return how many windows of whom were predicted, in which split, and the methods, in three lines."""
        windows, people, split = self.data.sizes["stance"], len(self.participants), self.data.attrs["split"]
        leaks = f"; leaks: {'; '.join(self.leaks)}" if self.leaks else ""
        head = f"Predictions of {windows} windows of {people} participants, {split}{leaks}"
        return f"{head}\n  methods: {', '.join(self.methods)}\n  axes: {', '.join(self.axes)} ({unit_of(self.axes)})"

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the names of the methods in order."""
        return tuple(str(n) for n in self.data["method"].values)

    @property
    def leaks(self) -> tuple[str, ...]:
        """Return what was known of the tested by design of the split; rows that leak are no headline."""
        return tuple(str(v) for v in json.loads(self.data.attrs["leaks"]))

    def predicted(self, method: str) -> Floats:
        """Return one method's predictions in BW, shape (stances, time, axes)."""
        if method not in self.methods:
            raise BadInputError(f"there is no method '{method}' among {', '.join(self.methods)}")
        return np.asarray(self.data["predicted"].values[self.methods.index(method)], dtype=np.float64)

    @property
    def measured(self) -> Floats:
        """Return the measured force in BW, shape (stances, time, axes); NaN where it does not count."""
        values = np.asarray(self.data["measured"].values, dtype=np.float64)
        return np.where((self.data["weight"].values > 0)[:, :, None], values, np.nan)

    def to_netcdf(self, path: PathLike, *, force: bool = False) -> None:
        """Write netCDF4, whole or not at all."""
        with written_whole(Path(path), force=force) as temporary:
            self.write_to(temporary)

    def write_to(self, path: Path) -> None:
        """Write netCDF4 into a file of one's own, such as a temporary one."""
        encoding = {n: {"zlib": True, "complevel": 4} for n in ("predicted", "measured", "weight")}
        with netcdf_file(path) as file:
            file.add(self.data.drop_encoding(), encoding=encoding)

    @classmethod
    def open(cls, path: PathLike) -> Predictions:
        """Return the predictions in a file.

        Raises
        ------
        BadInputError
            If the file holds none.
        """
        path = as_path(path, what="a file of predictions")
        note = check_sealed(path)
        try:
            data = xr.load_dataset(path, engine="h5netcdf", decode_times=False)
        except Exception as error:
            raise BadInputError(f"{path}: cannot be read as netCDF4 ({type(error).__name__}: {error})") from error
        if data.attrs.get("artefact") != "answers":
            raise BadInputError(f"{path}: holds no answers of an evaluation (artefact '{data.attrs.get('artefact')}')")
        data.attrs = noted(data.attrs, note)
        return cls(data)


def predict_fold(data: StanceSet, fold: Fold, method: Method) -> tuple[Floats, float]:
    """Return what a method, trained on a fold's training part, predicts for its test part, and the seconds it took.

    The tested are taken out of the set before the method sees it.

    Returns
    -------
    array, float
        Shape (tested stances, time, axes) in BW; seconds.
    """
    # the only place where an evaluation hands out windows for training
    training = fold.of(data, "train", "inner") if fold.inner else fold.of(data, "train")
    start = time.perf_counter()
    predicted = method.fit(training, fold).predict(fold.of(data, "test"))
    return np.asarray(predicted, dtype=np.float64), time.perf_counter() - start


@dataclass
class Gathered:
    """Predictions of the jobs done so far."""

    data: StanceSet
    folds: Sequence[Fold]
    methods: Sequence[Method]
    predicted: Floats = field(init=False)
    seconds: Floats = field(init=False)
    fold_of: NDArray[np.object_] = field(init=False)

    def __post_init__(self) -> None:
        names = [m.name for m in self.methods]
        if len(set(names)) < len(names):
            raise BadInputError(f"two methods have one name among {', '.join(names)}")
        shape = (len(names), self.data.size, int(self.data.data.sizes["time"]), len(self.data.axes))
        self.predicted = np.full(shape, np.nan, dtype=np.float32)
        self.seconds = np.full((len(names), len(self.folds)), np.nan)
        self.fold_of = np.full(self.data.size, "", dtype=object)
        for fold in self.folds:
            rows = self.rows(fold)
            # a window tested twice would have two predictions and one place
            if (self.fold_of[rows] != "").any():
                raise BadInputError(f"fold '{fold.name}' tests windows that another fold tests, too")
            self.fold_of[rows] = fold.name

    def rows(self, fold: Fold) -> NDArray[np.intp]:
        """Return which windows a fold tests."""
        return np.flatnonzero(np.isin(fold.keys(self.data), fold.test))

    def take(self, fold: Fold, method: Method, predicted: Floats, seconds: float) -> None:
        """Put one job's predictions in their place."""
        i = next(k for k, m in enumerate(self.methods) if m.name == method.name)
        j = next(k for k, f in enumerate(self.folds) if f.name == fold.name)
        self.predicted[i, self.rows(fold)] = predicted
        self.seconds[i, j] = seconds

    def predictions(self, *, split: str, leaks: Sequence[str] = (), configuration: dict[str, Any]) -> Predictions:
        """Return the predictions for the windows that a fold tested."""
        tested = np.flatnonzero(self.fold_of != "")
        if not tested.size:
            raise BadInputError("no window of the set is in the test part of a fold")
        source = self.data.data.isel(stance=tested)
        all_leaks = list(dict.fromkeys([*leaks, *(leak for f in self.folds for leak in f.leaks)]))
        return _dataset(self, source, tested, split, all_leaks, configuration)


def _dataset(
    gathered: Gathered,
    source: xr.Dataset,
    tested: NDArray[np.intp],
    split: str,
    leaks: list[str],
    configuration: dict[str, Any],
) -> Predictions:
    attrs = source.attrs
    provenance = Provenance.model_validate_json(str(attrs["provenance"]))
    provenance.configuration = configuration
    coords: dict[str, Any] = {
        n: ("stance", np.asarray([str(v) for v in source[n].values], dtype=object)) for n in PER_STANCE
    }
    coords |= {
        "fold": ("stance", gathered.fold_of[tested]),
        "start_s": ("stance", np.asarray(source["start_s"].values, dtype=np.float64)),
        "method": ("method", np.asarray([m.name for m in gathered.methods], dtype=object)),
        "axis": ("axis", np.asarray(gathered.data.axes, dtype=object)),
        "scalar": ("scalar", np.asarray([str(v) for v in source["scalar"].values], dtype=object)),
        "fold_name": ("fold_name", np.asarray([f.name for f in gathered.folds], dtype=object)),
    }
    unit = {"units": unit_of(gathered.data.axes)}
    variables = {
        "predicted": (("method", "stance", "time", "axis"), gathered.predicted[:, tested], unit),
        "measured": (("stance", "time", "axis"), np.asarray(source["targets"].values), unit),
        "weight": (("stance", "time"), np.asarray(source["weight"].values)),
        "scalars": (("stance", "scalar"), np.asarray(source["scalars"].values)),
        "seconds": (("method", "fold_name"), gathered.seconds, {"units": "s"}),
    }
    copied = {n: attrs[n] for n in ("window", "points", "rate_hz", "cut", "source", "mirrored", "excluded")}
    return Predictions(
        xr.Dataset(
            variables,
            coords=coords,
            attrs=copied
            | {
                "schema_version": SCHEMA_VERSION,
                "artefact": "answers",
                "split": split,
                "leaks": json.dumps(leaks),
                "provenance": provenance.model_dump_json(),
            },
        )
    )


def predict_folds(
    data: StanceSet | Path,
    folds: Sequence[Fold],
    methods: Sequence[Method],
    *,
    split: str,
    leaks: Sequence[str] = (),
    configuration: dict[str, Any] | None = None,
    workers: int | Executor = 0,
    cluster: Any = None,
    results: Path | None = None,
    progress: Callable[[JobReport], None] | None = None,
) -> Predictions:
    """Return the predictions of every method on every fold.

    Parameters
    ----------
    data
        A set, or the file it lies in; a file that all workers can read is needed for a cluster.
    split, leaks
        Name of the split; what the protocol knows of the tested besides what the folds say.
    workers, cluster, results, progress
        Of :func:`~grfkit.learn.parallel.map_folds`: the same bits in any number of processes; kept where ``results``
        is given, so that a run that was stopped goes on.

    Raises
    ------
    BadInputError
        If methods share a name, two folds test one window, or a method cannot be used.
    """
    stances = StanceSet.open(data) if isinstance(data, Path) else data
    gathered = Gathered(stances, folds, methods)
    jobs = [(fold, method) for fold in folds for method in methods]
    calls = [
        Job(f"{fold.name} | {method.name}", {"data": data, "fold": fold, "method": method}) for fold, method in jobs
    ]
    values = map_folds(fold_job, calls, workers=workers, cluster=cluster, results=results, progress=progress)
    for (fold, method), value in zip(jobs, values):
        gathered.take(fold, method, value["predicted"], value["seconds"])
    return gathered.predictions(split=split, leaks=leaks, configuration=configuration or {})


def fold_job(data: StanceSet | Path, fold: Fold, method: Method) -> dict[str, Any]:
    """Return the prediction of one job as a value that can be kept."""
    stances = StanceSet.open(data) if isinstance(data, Path) else data
    predicted, seconds = predict_fold(stances, fold, method)
    return {"predicted": predicted.astype(np.float32), "seconds": seconds}
