"""Writers of every kind of artefact, for kills and failing disks: each writes a version by its number and reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.artefacts import written_together
from grfkit.deploy.bundle_folder import write_folder
from grfkit.errors import BadInputError
from grfkit.learn.folds import Fold
from grfkit.learn.model import GrfModel
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.provenance import Provenance
from grfkit.records import Channel, make_recording, make_stream
from grfkit.records.stance_set import StanceSet, make_stance_set
from grfkit.records.trees import Recording
from grfkit.report.html import write_page
from grfkit.runtime.bundle_files import (
    MANIFEST,
    SUMS,
    check_digest,
    read_manifest,
    read_sums,
    shipped_bundle,
    sums_text,
)
from grfkit.runtime.manifest import Manifest
from grfkit.sync.batch import Row, run_batch, waiting
from grfkit.sync.request import SyncRequest

ROWS = 4
"""Rows of a batch: enough for a kill to come between two."""


@dataclass(frozen=True)
class Writer:
    """How to write version ``n`` of a kind of artefact at a place, and to read which version is there.

    ``read`` raises :class:`~grfkit.errors.GrfError` or ``AssertionError`` for anything but one whole version.
    """

    name: str
    write: Callable[[Path, int], None]
    read: Callable[[Path], int]


def _recording(version: int) -> Recording:
    channels = [Channel(f"cell_{k:02d}", np.full(2000, float(version)) + np.arange(2000) % 7, "N") for k in range(8)]
    streams = {"insole_left": make_stream(channels, np.arange(2000) / 100, kind="insole", side="left")}
    return make_recording(streams, device=f"v{version}", reader="none", provenance=Provenance())


def write_recording(place: Path, version: int) -> None:
    """Write a netCDF4 tree, as recordings, trials and estimates are."""
    _recording(version).to_netcdf(place, force=True)


def read_recording(place: Path) -> int:
    """Return the version of a netCDF4 tree."""
    recording = Recording.from_netcdf(place)
    version = int(recording.device[1:])
    left = recording.streams["insole_left"]
    assert all(float(left[f"cell_{k:02d}"].values[0]) == version for k in range(8))
    return version


def stances(version: int, people: str = "abcd") -> StanceSet:
    """Return a small set, all of whose inputs hold the version."""
    count = 4 * len(people)
    x = np.full((count, 21, 3), float(version)) + np.random.default_rng(0).normal(size=(count, 21, 3)) * 1e-3
    labels = {"participant": [p for p in people for _ in range(4)], "trial": ["t"] * count}
    return make_stance_set(
        x, x[:, :, :1], channels=("acc_x", "acc_y", "acc_z"), units=["m/s^2"] * 3, labels=labels, scalars={},
        window="stance", cut="force", source="made up", axes=("vgrf",),
    )  # fmt: skip


def write_set(place: Path, version: int) -> None:
    """Write a stance set."""
    stances(version).to_netcdf(place, force=True)


def read_set(place: Path) -> int:
    """Return the version of a stance set."""
    windows = StanceSet.open(place)
    version = round(float(windows.data["inputs"].values.mean()))
    windows.data.close()
    return version


_model: list[GrfModel] = []


def trained() -> GrfModel:
    """Return a small model, trained once."""
    if not _model:
        fold = Fold("none", train=("a", "b", "c", "d"), test=(), inner=())
        _model.append(fit(network_config("mlp"), TrainConfig(epochs=1), stances(1), fold))
    return _model[0]


def write_model(place: Path, version: int) -> None:
    """Write a trained model."""
    model = trained()
    model.spec.source = f"v{version}"
    GrfModel(model.spec, model.network, stances(version)).save(place, force=True)


def read_model(place: Path) -> int:
    """Return the version of a trained model, if its document and windows are of one."""
    model = GrfModel.load(place)
    version = int(model.spec.source[1:])
    assert model.calibration is not None
    assert round(float(model.calibration.data["inputs"].values.mean())) == version
    model.calibration.data.close()
    return version


def write_bundle(place: Path, version: int) -> None:
    """Write the files of a bundle that comes with grfkit, the version in its manifest's licence."""
    source = shipped_bundle("bilstm_simulated")
    files = {path: (source / path).read_bytes() for path in read_sums(source)}
    manifest = Manifest.model_validate_json(files[MANIFEST])
    files[MANIFEST] = manifest.model_copy(update={"licence": f"v{version}"}).text().encode()
    import hashlib

    files[SUMS] = sums_text({path: hashlib.sha256(content).hexdigest() for path, content in files.items()}).encode()
    write_folder(place, files, force=True)


def read_bundle(place: Path) -> int:
    """Return the version of a bundle, every file checked."""
    digests = read_sums(place)
    for path in digests:
        check_digest(place, path, digests)
    return int(read_manifest(place).licence[1:])


def write_report(place: Path, version: int) -> None:
    """Write a page."""
    write_page(place, f"{version}\n" * 20_000, force=True)


def read_report(place: Path) -> int:
    """Return the version of a page."""
    lines = place.read_text().splitlines()
    assert len(lines) == 20_000
    assert len(set(lines)) == 1
    return int(lines[0])


def write_pair(place: Path, version: int) -> None:
    """Write two files that belong together, as forces and ExternalLoads for OpenSim do."""
    pair = (place, place.with_suffix(".xml"))
    with written_together(pair, force=True) as (one, other):
        one.write_text(f"{version}\n" * 5_000)
        other.write_text(f"{version}\n" * 5_000)


def read_pair(place: Path) -> int:
    """Return the version of the first of two files; each is whole, and they are at most one version apart."""
    versions = []
    for path in (place, place.with_suffix(".xml")):
        lines = path.read_text().splitlines()
        assert len(lines) == 5_000
        assert len(set(lines)) == 1
        versions.append(int(lines[0]))
    assert 0 <= versions[0] - versions[1] <= 1
    return versions[0]


WRITERS = (
    Writer("trial.nc", write_recording, read_recording),
    Writer("set.nc", write_set, read_set),
    Writer("model", write_model, read_model),
    Writer("bundle", write_bundle, read_bundle),
    Writer("report.html", write_report, read_report),
    Writer("pair.mot", write_pair, read_pair),
)
"""A name for the artefact, and its writer."""

_version = 0


def batch_rows(folder: Path) -> list[Row]:
    """Return the rows of a table in a folder, with files to align."""
    rows = []
    for number in range(1, ROWS + 1):
        files = (folder / f"force_{number}.c3d", folder / f"insole_{number}.csv")
        for path in files:
            if not path.exists():
                path.write_text("as if")
        request = SyncRequest(reference=files[0], wearables=(files[1],), surface="treadmill")
        rows.append(Row(number=number, request=request, out=folder / f"t{number}.nc", folder=folder))
    return rows


def quick_row(row: Row) -> dict[str, Any]:
    """Do what a row does, without the alignment: its trial waits for its journal line."""
    write_recording(waiting(row.out), _version)
    name = row.name_of(row.out)
    return {
        "row": row.number, "out": name, "key": row.key(), "verdict": "aligned", "trial": name, "maps": [], "error": None
    }  # fmt: skip


def write_batch(folder: Path, version: int, *, force: bool = True) -> None:
    """Run a table of small rows."""
    global _version
    _version = version
    run_batch(batch_rows(folder), journal=folder / "table.jsonl", worker=quick_row, processes=1, force=force)


def check_batch(folder: Path, *, complete: bool) -> None:
    """Check every trial that is there, that all are if they must, and that the journal has whole lines only."""
    for row in batch_rows(folder):
        if complete or row.out.exists():
            read_recording(row.out)
    journal = folder / "table.jsonl"
    if complete or journal.exists():
        entries = [json.loads(line) for line in journal.read_text().splitlines()]
        if not entries:
            raise BadInputError(f"{journal}: is empty")
