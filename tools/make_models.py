"""Models that come with the package, into host/grfkit/models: ``python tools/make_models.py --help``.

Each is what ``grf-train`` gives without a method on all people of public recordings, whose windows are those of the
accuracy benchmark. Its numbers are then rounded to 16 bits, and how much that moves its answers is measured. Its card
has the errors of people left out (folds kept under build/accuracy, shared with ``make bench-accuracy``), licence and
attribution of its recordings, and what it must not be used for. Walking from landmarks is not among them: the licence
of those recordings (Schreiber & Moissenet 2019) is not certain; ``grf-train`` on a set of your own gives you one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.accuracy import sets, shoes
from bench.accuracy.methods import DEFAULT, MEAN, RIDGE, SPEED, Run
from grfkit.dataset.public.gaitpdb import mask_cells
from grfkit.learn.card import write_card
from grfkit.learn.compact import compacted
from grfkit.learn.folds import Fold, grouped_kfold, loso
from grfkit.learn.model import GrfModel
from grfkit.learn.outputs import ABOUT, CARD, EVALUATION
from grfkit.learn.packaged import FOLDER, About, DataSource
from grfkit.learn.spec import DOCUMENT, WEIGHTS
from grfkit.records.stance_set import StanceSet
from grfkit.runtime.bundle_files import sums_text
from grfkit.runtime.manifest import SUMS

MOST_BYTES = 10_000_000
"""Of all models together: the wheel is downloaded by everybody."""
CELLS = (1, 3, 6, 8)
"""Cells of eight that the model of few cells has: heel, arch, ball and toe; the benchmark's ``four``."""
NEVER = (
    "Not for diagnosis or treatment, and not where somebody is hurt if it errs.",
    "Not for a single contact, a peak or a loading rate of one step: read means over strides.",
)


@dataclass(frozen=True)
class Plan:
    """A packaged model: its windows, the folds its figures are of, what it is for, and how recordings are cut."""

    data: Callable[[], StanceSet]
    folds: Callable[[StanceSet], tuple[Fold, ...]]
    split: str
    config: str
    about: About


def four_cells() -> StanceSet:
    """Return the windows of insoles with all cells but :data:`CELLS` left out."""
    masked = mask_cells(sets.insoles(6), CELLS)
    return StanceSet(masked.data.sel(channel=[f"cell_{n}" for n in CELLS]))


PLANS = {
    "load-four-cells": Plan(
        four_cells,
        lambda data: grouped_kfold(data, k=10, inner=4),
        "grouped_kfold",
        '[cut]\nsource = "insole_causal"\nrule = "5%BW walking"\nkinds = ["insole"]\n',
        About(
            line="walking, four insole cells in N (heel, arch, ball, toe) -> total load of the foot",
            takes="an insole recording with channels cell_1 (heel), cell_3 (arch), cell_6 (ball) and cell_8 (toe) in"
            " newtons, and --mass-kg",
            cut="insole_causal",
            licence="ODC-By-1.0, as its recordings: it holds stances of them",
            data=(
                DataSource(
                    name="Gait in Parkinson's Disease (gaitpdb 1.0.0, PhysioNet), studies Ga and Ju",
                    licence="ODC-By 1.0",
                    attribution="Contains information from Gait in Parkinson's Disease (doi 10.13026/C24H3N), made"
                    " available under the Open Data Commons Attribution License. Goldberger et al. 2000, Circulation"
                    " 101:e215; Yogev et al. 2005, Eur J Neurosci 22:1248; Hausdorff et al. 2007, Eur J Neurosci"
                    " 26:2369.",
                ),
            ),
            never=(
                *NEVER,
                "No force plate stood under these people: the truth is the sum of eight cells, whose own calibration"
                " errs by a factor of the person (median 1.27 of body weight). It restores the cells that are missing,"
                " not a ground reaction force.",
                "Not for running, and not for insoles whose cells lie or are scaled otherwise.",
            ),
        ),
    ),
    "walking-shoe-imus": Plan(
        shoes.both_conditions,
        lambda data: loso(data, inner=shoes.INNER),
        "loso",
        '[cut]\nsource = "imu"\nrule = "5%BW walking"\nkinds = ["imu"]\nimu_lowpass_hz = 20.0\n',
        About(
            line="treadmill walking, an IMU on each shoe -> three forces of each foot",
            takes="a recording with acceleration (m/s^2) and angular velocity (rad/s) of both shoes",
            cut="imu",
            licence="MIT, as its recordings: it holds stances of them",
            data=(
                DataSource(
                    name="CapacitiveSensingDataset, github.com/opearl-cmu/CapacitiveSensingDataset",
                    licence="MIT, Copyright (c) 2024 Owen Douglas Pearl",
                    attribution="Pearl O, Rokhmanova N, Dankovich L, Faille S, Bergbreiter S, Halilaj E (2022)"
                    " Capacitive Sensing for Natural Environment Rehabilitation Monitoring, doi"
                    " 10.21203/rs.3.rs-1902381/v1.",
                ),
            ),
            never=(
                *NEVER,
                "Slow walking only (.72 to .78 m/s but for one person): not for faster walking, running, stairs,"
                " slopes or turns.",
            ),
        ),
    ),
    "running-landmarks": Plan(
        sets.runners,
        lambda data: loso(data, inner=3),
        "loso",
        '[cut]\nsource = "landmarks"\nrule = "5%BW"\n',
        About(
            line="treadmill running, 11 landmarks of pelvis and legs -> three forces of each foot",
            takes="landmarks of a motion capture system or of video (TRC, C3D) that --mapping names",
            cut="landmarks",
            licence="CC-BY-4.0, as its recordings: it holds stances of them",
            data=(
                DataSource(
                    name="Running biomechanics data set (RBDS), doi 10.6084/m9.figshare.4543435",
                    licence="CC BY 4.0",
                    attribution="Fukuchi RK, Fukuchi CA, Duarte M (2017) A public dataset of running biomechanics and"
                    " the effects of running speed on lower extremity kinematics and kinetics, PeerJ 5:e3298, doi"
                    " 10.7717/peerj.3298. Changed: landmarks and forces of stances, resampled and filtered.",
                ),
            ),
            never=(
                *NEVER,
                "On runners of another laboratory such models err about three times as much as the table says"
                " (docs/results/accuracy.md, B to Hamner), more the faster they run.",
                "Not for walking, sprinting, slopes, jumps or barefoot running.",
            ),
        ),
    ),
}


def make(name: str, plan: Plan) -> None:
    """Train a model, prove it on people left out, and write its folder into the package."""
    place = sets.BUILD.parent / "models" / name
    place.mkdir(parents=True, exist_ok=True)
    data = plan.data()
    data.to_netcdf(place / "windows.nc", force=True)
    (place / "recipe.toml").write_text(f'method = "best"\n{plan.config}', encoding="utf-8")
    trained = place / "model"
    grf("grf-train", place / "windows.nc", "--config", place / "recipe.toml", "--out", trained, "--force")
    model, change = compacted(GrfModel.load(trained), data)
    run = Run(1, quick=False)
    figures = run.scored(data, plan.folds(data), methods_for(data), split=plan.split, headline=DEFAULT.name)
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.calibration = None
    model.write_into(folder)
    about = plan.about.model_copy(update={"stored": change.words})
    (folder / ABOUT).write_text(about.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / EVALUATION).write_text(json.dumps(shortened(figures), indent=1) + "\n", encoding="utf-8")
    write_card(folder)
    seal(folder)


def methods_for(data: StanceSet) -> Sequence[object]:
    """Return what stands in the table: what is packaged is the last."""
    known = bool(data.data["scalar"].isin(["speed_m_s"]).any())
    return [MEAN, *([SPEED] if known else []), RIDGE, DEFAULT]


def shortened(figures: dict) -> dict:
    """Return what a card needs of the scores, without curves and features."""
    kept = ("split", "leaks", "window", "cut", "source", "participants", "windows", "axes", "headline", "seconds",
            "methods", "comparisons")  # fmt: skip
    return {key: figures[key] for key in kept}


def seal(folder: Path) -> None:
    """Write ``SHA256SUMS`` of a model's files."""
    files = (DOCUMENT, WEIGHTS, ABOUT, CARD, EVALUATION)
    digests = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}
    (folder / SUMS).write_text(sums_text(digests), encoding="ascii")


def grf(*words: str | Path) -> None:
    """Type a command."""
    print("$ " + " ".join(str(word) for word in words), flush=True)
    program = Path(sys.executable).with_name(str(words[0]))
    subprocess.run([program, *map(str, words[1:])], check=True)


def main() -> None:
    """Make the models asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(PLANS), help=f"of {', '.join(PLANS)}; all if none")
    request = parser.parse_args()
    unknown = [name for name in request.names if name not in PLANS]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(PLANS)}")
    for name in request.names:
        make(name, PLANS[name])
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{FOLDER}: {size / 1e6:.1f} MB of {MOST_BYTES / 1e6:g}")
    if size > MOST_BYTES:
        raise SystemExit("too large for the package")


if __name__ == "__main__":
    main()
