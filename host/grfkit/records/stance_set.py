"""StanceSet: windows of wearable signals with the force of each, by participant; lazy on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arguments import as_path, refuse_other
from ..arrays import Floats, PathLike
from ..artefacts import written_whole
from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION, Provenance
from .by_hand import joined_by_hand
from .calibrated import joined_calibrated
from .netcdf import check_sealed, netcdf_file
from .participants import check_names, check_recordings
from .person import Person, check_people
from .target_units import unit_of
from .trees import not_netcdf, noted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

AXES = ("vgrf", "apgrf", "mlgrf")
"""Vertical (up), antero-posterior (forward) and medio-lateral (medial of that foot) force, in this order, in BW."""
PER_STANCE = ("participant", "trial", "surface", "side", "condition")
SCALARS = ("mass_kg", "speed_m_s", "slope_percent", "contact_s", "stride_s")
"""Of every window; ``stride_s`` is the time from its contact to the next of the same foot."""


CHANNELS_SHOWN = 200
"""Channels that a text names one by one: more than any wearables or landmarks have, fewer than a picture's pixels."""
PEOPLE_SHOWN = 8
"""Participants that the text of a set names, a line's worth."""


@dataclass(frozen=True, repr=False)
class Windowed:
    """Windows of people as an :class:`xarray.Dataset`: the questions that a set and predictions for one both answer."""

    data: xr.Dataset

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the axes in order."""
        return tuple(str(n) for n in self.data["axis"].values)

    @property
    def participants(self) -> tuple[str, ...]:
        """Return the participants, sorted."""
        return tuple(sorted({str(p) for p in self.data["participant"].values}))

    def per_stance(self, name: str) -> NDArray[np.str_]:
        """Return one of the per-stance labels as an array of text, shape (stances,)."""
        return np.asarray([str(v) for v in self.data[name].values])

    def scalar(self, name: str) -> Floats:
        """Return one scalar of every window, shape (stances,), NaN where unknown."""
        return np.asarray(self.data["scalars"].sel(scalar=name).values, dtype=np.float64)


@dataclass(frozen=True, repr=False)
class StanceSet(Windowed):
    """Inputs and targets of many windows, as an :class:`xarray.Dataset`.

    Variables: ``inputs`` (stance, time, channel; NaN where a sensor is missing), ``targets`` (stance, time, axis; BW),
    ``weight`` (stance, time; 0 on padding and where the force is unknown), ``scalars`` (stance, scalar). Coordinates
    per stance: ``participant trial surface side condition`` and ``start_s``. Attributes: ``window`` (``stance``, time
    normalised, or ``continuous``), ``points`` or ``rate_hz``, ``cut`` (which detector cut the windows), ``source``,
    ``mirrored`` (whether left was turned into right), ``excluded`` (JSON: reason -> count), ``provenance``, and where
    they are known ``recordings`` (JSON: participant -> SHA-256 of a recording -> its name) and ``people`` (JSON:
    participant -> what is stated of the body).

    Examples
    --------
    >>> from grfkit import cut_windows, simulate_trial
    >>> trial = simulate_trial(seed=0, duration_s=20).on_true_clock(participant="P01")
    >>> windows = cut_windows(trial, source="force", kinds=("insole",))
    >>> windows.channels[:2], windows.axes, windows.participants
    (('cell_01', 'cell_02'), ('vgrf',), ('P01',))
    >>> windows.where(windows.per_stance("side") == "left").size < windows.size
    True
    """

    def __post_init__(self) -> None:
        """Refuse anything but a dataset: a file is opened by ``open``, and trials are cut by ``cut_windows``."""
        refuse_other(self.data, xr.Dataset, "an xarray.Dataset (StanceSet.open reads a file)")

    def __repr__(self) -> str:
        """Return how many windows of whom, of what kind, and the channels, in three lines."""
        return "\n".join([self._title(), *(f"  {name}: {text}" for name, text in self._lines())])

    def _repr_html_(self) -> str:
        """Return the same as a table, which notebooks show."""
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in self._lines())
        return f"<p>{escape(self._title())}</p><table>{rows}</table>"

    def _title(self) -> str:
        kind, points = self.data.attrs["window"], self.data.sizes["time"]
        return f"StanceSet of {self.size} {kind} windows of {points} samples, cut by {self.data.attrs['cut']}"

    def _lines(self) -> list[tuple[str, str]]:
        people = self.participants
        more = f" and {len(people) - PEOPLE_SHOWN} more" if len(people) > PEOPLE_SHOWN else ""
        return [
            ("participants", f"{len(people)}: {', '.join(people[:PEOPLE_SHOWN])}{more}"),
            ("channels", f"{len(self.channels)}: {in_words(self.channels)}"),
            ("targets", f"{', '.join(self.axes)} ({unit_of(self.axes)})"),
        ]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row for every sample of every window: labels, scalars, inputs, and targets in BW.

        Columns: ``stance`` (number of the window) and ``sample``, the labels and ``start_s``, the scalars, a column for
        each channel, and ``vgrf_bw`` and so on; a target that does not count is NaN. ``.query("sample == 0")`` is the
        table of windows.
        """
        import pandas as pd

        points = int(self.data.sizes["time"])
        inputs, targets, weight = self.arrays()
        targets = np.where(weight[:, :, None] > 0, targets, np.nan)
        rows = np.repeat(np.arange(self.size), points)
        columns: dict[str, Any] = {"stance": rows, "sample": np.tile(np.arange(points), self.size)}
        columns |= {name: self.per_stance(name)[rows] for name in PER_STANCE}
        columns |= {"start_s": np.asarray(self.data["start_s"].values)[rows]}
        columns |= {str(name): self.scalar(str(name))[rows] for name in self.data["scalar"].values}
        columns |= {name: inputs[:, :, i].ravel() for i, name in enumerate(self.channels)}
        unit = unit_of(self.axes).lower()
        columns |= {f"{name}_{unit}": targets[:, :, i].ravel() for i, name in enumerate(self.axes)}
        return pd.DataFrame(columns)

    @property
    def size(self) -> int:
        """Return the number of windows."""
        return int(self.data.sizes["stance"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the input channels in order."""
        return tuple(str(n) for n in self.data["channel"].values)

    @property
    def excluded(self) -> dict[str, int]:
        """Return how many windows were left out, by reason."""
        return {str(k): int(v) for k, v in json.loads(self.data.attrs["excluded"]).items()}

    @property
    def source(self) -> str:
        """Return where the windows come from; of trials joined by ``+``, those that are in the set."""
        joined = str(self.data.attrs["source"])
        trials = set(self.per_stance("trial"))
        return "+".join(name for name in joined.split("+") if name in trials) or joined

    def plot(self) -> Figure:
        """Draw the force of every window, their mean and standard deviation, a panel per axis.

        Raises
        ------
        BadInputError
            If matplotlib is not installed, or the set is empty.
        """
        from .plot import plot_stances

        return plot_stances(self.data)

    def where(self, rows: NDArray[np.bool_]) -> StanceSet:
        """Return the windows where ``rows``, shape (stances,), is true."""
        return StanceSet(self.data.isel(stance=np.flatnonzero(rows)))

    def of(self, participants: Iterable[str]) -> StanceSet:
        """Return the windows of these participants."""
        return self.where(np.isin(self.per_stance("participant"), list(participants)))

    def without(self, participants: Iterable[str]) -> StanceSet:
        """Return the windows of everyone else."""
        return self.where(~np.isin(self.per_stance("participant"), list(participants)))

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs, targets and weight in memory as float32."""
        values = (self.data[name].values for name in ("inputs", "targets", "weight"))
        inputs, targets, weight = (np.asarray(v, dtype=np.float32) for v in values)
        return inputs, targets, weight

    def to_netcdf(self, path: PathLike, *, force: bool = False) -> None:
        """Write netCDF4, whole or not at all; chunked by window so that it can be read lazily."""
        encoding = {
            name: {"zlib": True, "complevel": 4, "chunksizes": (min(64, max(self.size, 1)), *item.shape[1:])}
            for name, item in self.data.data_vars.items()
            if item.ndim == 3 and item.size
        }
        with written_whole(as_path(path), force=force) as temporary, netcdf_file(temporary) as file:
            # labels read from a file would else be cut to the length they had there
            file.add(self.data.drop_encoding(), encoding={str(name): value for name, value in encoding.items()})

    @classmethod
    def open(cls, path: PathLike) -> StanceSet:
        """Return the set in a file; its arrays stay on disk until they are asked for.

        Raises
        ------
        BadInputError
            If the file is no stance set, or spells a participant in two ways.
        """
        path = as_path(path, what="a stance set")
        note = check_sealed(path)
        try:
            data = xr.open_dataset(path, engine="h5netcdf", decode_times=False)
        except Exception as error:
            raise not_netcdf(path, error) from error
        if data.attrs.get("artefact") != "stance_set":
            data.close()
            raise BadInputError(f"{path}: is not a grfkit stance set (artefact '{data.attrs.get('artefact')}')")
        data.attrs = noted(data.attrs, note)
        stances = cls(data)
        try:
            check_names(stances.participants)
            joined_recordings([stances])
        except BadInputError as error:
            data.close()
            raise BadInputError(f"{path}: {error}") from error
        return stances


def in_words(names: Sequence[str]) -> str:
    """Return names for a text: all of them, or of the pixels of pictures the first and the last ones."""
    if len(names) <= CHANNELS_SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:3])} ... {names[-1]}"


def make_stance_set(
    inputs: NDArray[Any],
    targets: NDArray[Any],
    *,
    channels: Sequence[str],
    units: Sequence[str],
    labels: Mapping[str, Sequence[str]],
    scalars: Mapping[str, Sequence[float]],
    window: str,
    cut: str,
    source: str,
    weight: NDArray[Any] | None = None,
    axes: Sequence[str] = AXES,
    start_s: Sequence[float] | None = None,
    rate_hz: float = float("nan"),
    mirrored: bool = False,
    excluded: Mapping[str, int] | None = None,
    provenance: Provenance | None = None,
) -> StanceSet:
    """Return a stance set from arrays, checked.

    Parameters
    ----------
    inputs
        Shape (stances, time, channels).
    targets
        Shape (stances, time, axes): BW, or mm where the axes are those of the centre of pressure.
    channels, units
        Name and unit of each input channel.
    labels
        ``participant`` and ``trial`` needed; ``surface``, ``side``, ``condition`` empty where unknown.
    scalars
        Any of :data:`SCALARS` and further ones; NaN where unknown.
    window
        ``stance`` (time normalised) or ``continuous``.
    cut
        What cut the windows: ``causal``, ``force``, ``imu``, ``landmarks`` or ``none``.

    Raises
    ------
    BadInputError
        If there is no window, lengths differ, a participant is missing or spelt in two ways, or a weighted target is
        not finite.
    """
    x, y = np.asarray(inputs, dtype=np.float32), np.asarray(targets, dtype=np.float32)
    if x.ndim != 3 or not x.shape[0]:
        raise BadInputError(
            "a stance set needs at least one window; no stance was found (see the counts of exclusions)"
        )
    if x.shape[2] != len(channels) or len(units) != len(channels):
        raise BadInputError(f"inputs have {x.shape[2]} channels, {len(channels)} names and {len(units)} units")
    if y.shape != (*x.shape[:2], len(axes)):
        raise BadInputError(f"targets have shape {y.shape}, expected {(*x.shape[:2], len(axes))}")
    w = np.ones(x.shape[:2], dtype=np.float32) if weight is None else np.asarray(weight, dtype=np.float32)
    text = {name: [str(v) for v in labels.get(name, [""] * x.shape[0])] for name in PER_STANCE}
    _check_labels(text, x.shape[0])
    if not np.isfinite(y[w > 0]).all():
        raise BadInputError("a target is missing within a window that counts; set its weight to 0 or leave it out")
    names = list(dict.fromkeys([*SCALARS, *scalars]))
    unknown = np.full(x.shape[0], np.nan)
    table = np.stack([np.asarray(scalars.get(n, unknown), dtype=np.float64) for n in names], axis=1)
    starts = np.asarray(unknown if start_s is None else start_s, dtype=np.float64)
    coords: dict[str, Any] = {n: ("stance", np.asarray(v, dtype=object)) for n, v in text.items()}
    coords |= {
        "channel": ("channel", np.asarray(list(channels), dtype=object)),
        "unit": ("channel", np.asarray(list(units), dtype=object)),
        "axis": ("axis", np.asarray(list(axes), dtype=object)),
        "scalar": ("scalar", np.asarray(names, dtype=object)),
        "start_s": ("stance", starts, {"units": "s"}),
    }
    attrs = {
        "schema_version": SCHEMA_VERSION,
        "artefact": "stance_set",
        "window": window,
        "points": int(x.shape[1]),
        "rate_hz": float(rate_hz),
        "cut": cut,
        "source": source,
        "mirrored": int(mirrored),
        "excluded": json.dumps(dict(excluded or {}), sort_keys=True),
        "provenance": (provenance or Provenance()).model_dump_json(),
    }
    variables = {
        "inputs": (("stance", "time", "channel"), x),
        "targets": (("stance", "time", "axis"), y, {"units": unit_of(axes)}),
        "weight": (("stance", "time"), w),
        "scalars": (("stance", "scalar"), table),
    }
    return StanceSet(xr.Dataset(variables, coords=coords, attrs=attrs))


def _check_labels(text: Mapping[str, list[str]], size: int) -> None:
    for name, values in text.items():
        if len(values) != size:
            raise BadInputError(f"{len(values)} labels '{name}' for {size} windows")
    missing = [i for i, p in enumerate(text["participant"]) if not p.strip()]
    if missing:
        trial = text["trial"][missing[0]] or f"window {missing[0]}"
        raise BadInputError(
            f"trial '{trial}' names no participant; without one nobody can tell whether a person is in training and"
            " test: align it again with --participant CODE (participant=CODE in Python)"
        )
    check_names(text["participant"])


def join(sets: Sequence[StanceSet]) -> StanceSet:
    """Return all windows of several sets of equal channels, units, axes, points, rate and cut.

    Raises
    ------
    BadInputError
        If they differ, or spell a participant in two ways.
    """
    if not sets:
        raise BadInputError("no stance set to join")
    first = sets[0]
    for other in sets[1:]:
        for what in ("window", "points", "cut", "mirrored"):
            if other.data.attrs[what] != first.data.attrs[what]:
                raise BadInputError(
                    f"sets differ in {what}: {first.data.attrs[what]} ({first.data.attrs['source']}) and"
                    f" {other.data.attrs[what]} ({other.data.attrs['source']}); make them alike first"
                )
        if other.channels != first.channels or other.axes != first.axes:
            raise BadInputError(
                f"sets differ in channels or axes: {in_words(first.channels)} -> {', '.join(first.axes)} and"
                f" {in_words(other.channels)} -> {', '.join(other.axes)}"
            )
        _check_scales(first, other)
    check_names(name for data in sets for name in data.participants)
    # sets of an earlier grfkit lack a scalar: it is unknown there
    names = dict.fromkeys(str(n) for s in sets for n in s.data["scalar"].values)
    parts = [s.data.reindex(scalar=np.asarray([*names], dtype=object), copy=False) for s in sets]
    data = xr.concat(parts, dim="stance", data_vars="all", coords="minimal", compat="override", join="exact")
    counts: dict[str, int] = {}
    for _, excluded in dict.fromkeys((str(s.data.attrs["source"]), str(s.data.attrs["excluded"])) for s in sets):
        for reason, number in json.loads(excluded).items():  # parts of one set tell of the same windows
            counts[reason] = counts.get(reason, 0) + int(number)
    sources = "+".join(dict.fromkeys(str(s.data.attrs["source"]) for s in sets))
    attrs = {"excluded": json.dumps(counts, sort_keys=True), "source": sources} | joined_recordings(sets)
    told = joined_by_hand(s.data.attrs for s in sets) | joined_calibrated(s.data.attrs for s in sets)
    return StanceSet(data.assign_attrs(attrs | joined_people(sets) | told))


def with_recordings(data: StanceSet, participant: str, recordings: Mapping[str, str]) -> StanceSet:
    """Return the set with the recordings that a participant's inputs come from: SHA-256 -> name of the file."""
    if not recordings:
        return data
    return StanceSet(data.data.assign_attrs(recordings=json.dumps({participant: dict(recordings)}, sort_keys=True)))


def joined_recordings(sets: Iterable[StanceSet]) -> dict[str, str]:
    """Return the attribute ``recordings`` of sets together, empty where none is known.

    Raises
    ------
    BadInputError
        If one recording stands under two participants.
    """
    together: dict[str, dict[str, str]] = {}
    for data in sets:
        present = set(data.participants)
        for participant, files in json.loads(str(data.data.attrs.get("recordings", "{}"))).items():
            if participant in present:
                together.setdefault(participant, {}).update(files)
    names = {digest: name for files in together.values() for digest, name in files.items()}
    check_recordings(together, names)
    return {"recordings": json.dumps(together, sort_keys=True)} if together else {}


def people_attribute(people: Mapping[str, Person]) -> dict[str, str]:
    """Return the attribute ``people`` of a set (JSON: participant -> stated facts), empty where nothing is stated."""
    stated = {name: person.stated() for name, person in people.items() if person.stated()}
    return {"people": json.dumps(stated, sort_keys=True)} if stated else {}


def joined_people(sets: Iterable[StanceSet]) -> dict[str, str]:
    """Return the attribute ``people`` of sets together, empty where none states any.

    Raises
    ------
    BadInputError
        If one person has two values of a fact, or knees were measured by different methods.
    """
    stated = [
        (name, Person.model_validate(facts))
        for data in sets
        for name, facts in json.loads(str(data.data.attrs.get("people", "{}"))).items()
    ]
    check_people(stated)
    return people_attribute(dict(stated))


def _check_scales(first: StanceSet, other: StanceSet) -> None:
    """Refuse two sets whose channels are in different units, or whose windows are at different rates."""
    sources = [str(data.data.attrs["source"]) for data in (first, other)]
    units = [[str(u) for u in data.data["unit"].values] for data in (first, other)]
    for channel, a, b in zip(first.channels, *units):
        if a != b:
            raise BadInputError(
                f"channel '{channel}' is in {a or 'no unit'} ({sources[0]}) and in {b or 'no unit'} ({sources[1]});"
                " convert or calibrate one of them first, or take cells = 'relative' for insoles"
            )
    rates = [float(data.data.attrs["rate_hz"]) for data in (first, other)]
    if np.isfinite(rates).any() and not abs(rates[0] - rates[1]) <= 1e-6 * rates[0]:
        raise BadInputError(
            f"windows are at {rates[0]:g} Hz ({sources[0]}) and at {rates[1]:g} Hz ({sources[1]}); cut them at one rate"
        )
