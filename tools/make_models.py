"""Models that come with the package, into host/grfkit/models: ``python tools/make_models.py --help``.

Each is what ``grf-train`` gives of all people of public recordings (without a method, but where the best would be too
large), whose windows are those of the accuracy benchmark. It is then made small, and how much that moves its answers is
measured. Its card has the errors of people left out (folds kept under build/accuracy, shared with
``make bench-accuracy``), licence and attribution of its recordings, and what it must not be used for.

Walking from landmarks is not among them: the licence of those recordings (Schreiber & Moissenet 2019) is not certain,
and such a model is best as a kernel, which holds them; ``grf-train`` on a set of your own gives you one. The model of
films is ridge, which holds sums over their stances only. ``grfkit:insole-simulated`` is the bundle of
``make_bundles.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.accuracy import sets, shoes
from bench.accuracy.methods import DEFAULT, MEAN, MOTION, RIDGE, SPEED, Rows, Run
from bench.images import keypoints as films
from grfkit.evaluation.methods import ChosenMethod
from grfkit.learn.card import write_card
from grfkit.learn.compact import compacted
from grfkit.learn.folds import Fold, grouped_kfold, loso
from grfkit.learn.method import Method
from grfkit.learn.model import GrfModel
from grfkit.learn.outputs import ABOUT, EVALUATION
from grfkit.learn.packaged import FOLDER, About, DataSource
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet
from grfkit.runtime.bundle_files import sums_text
from grfkit.runtime.manifest import SUMS

MOST_BYTES = 10_000_000
"""Of all models together: the wheel is downloaded by everybody."""
STANCES = 60
"""Of each runner, evenly spread over the three speeds."""
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
    method: str = "best"
    channels: tuple[str, ...] = TrainConfig().channels

    @property
    def proof(self) -> ChosenMethod:
        """Return what is fitted without each of the people for the model's figures."""
        name = f"grf-train --method '{self.method}'"
        return (
            DEFAULT if self.method == "best" else ChosenMethod(name, TrainConfig(channels=self.channels), self.method)
        )


PLANS = {
    "load-four-cells": Plan(
        sets.four_cells,
        lambda data: grouped_kfold(data, k=10, inner=4),
        "grouped_kfold",
        '[cut]\nsource = "insole_causal"\nrule = "5%BW walking"\nkinds = ["insole"]\n',
        About(
            line="walking, four insole cells in N (heel, arch, ball, toe) -> total load of the foot",
            takes="an insole recording with channels cell_01 (heel), cell_03 (arch), cell_06 (ball) and cell_08 (toe)"
            " in newtons, and --mass-kg",
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
            body_weight=False,
        ),
        method="kernel ridge",
    ),
    "walking-shoe-imus": Plan(
        shoes.both_conditions,
        lambda data: loso(data, inner=shoes.INNER),
        "loso",
        '[cut]\nsource = "force"\nrule = "5%BW walking"\nkinds = ["imu"]\nimu_lowpass_hz = 20.0\n',
        About(
            line="treadmill walking, an IMU on each shoe -> three forces of each foot",
            takes="one recording or trial with acceleration (m/s^2, gravity included) and angular velocity (rad/s) of"
            " an IMU on each shoe, turned in any way: its axes are found from the walk",
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
    "walking-side-view": Plan(
        films.packaged_windows,
        lambda data: loso(data, inner=0),
        "loso",
        '[cut]\nsource = "film"\nkinds = ["keypoints"]\nrule = "5%BW walking"\n',
        About(
            line="trained on RENDERED films of 12 walkers: walking seen from the side -> three forces of each foot",
            takes="a film from the side (60 pictures a second, camera 1 m high and 3 to 4 m away, the whole body in the"
            " picture), and --mass-kg",
            cut="film",
            licence="Apache-2.0, as grfkit: it holds sums over stances, and no stance (LICENSES.md)",
            data=(
                DataSource(
                    name="Rendered films (capsules posed by markers, H.264, MediaPipe's pose) of walkers of Schreiber &"
                    " Moissenet 2019, doi 10.6084/m9.figshare.7734767",
                    licence="not certain: the C3D files carry a notice that reads like the GNU GPL's and is cut off",
                    attribution="Schreiber C, Moissenet F (2019) A multimodal dataset of human gait at different"
                    " walking speeds established on injury-free adult participants, Sci Data 6:111, doi"
                    " 10.1038/s41597-019-0124-4. Changed: filmed by a renderer; sums over stances.",
                ),
            ),
            never=(
                *NEVER,
                "No real film with force plates has proven it: bodies were capsules, points found by the pose model in"
                " drawn pictures.",
                "Not for running, stairs, slopes, turns, walking aids, or people in wide skirts or coats.",
                "Not as exact as the RMSE of its windows, which begin .08 s before contact and end .08 s after, where"
                " the force is 0; beside it stands that of the contact alone.",
            ),
        ),
        method="ridge",
    ),
    "running-landmarks": Plan(
        # the mix that is best on all 5,000 stances takes 24 MB in 16 bits; this one errs a little more medially
        lambda: sets.thinned(sets.runners(), STANCES),
        lambda data: loso(data, inner=3),
        "loso",
        '[cut]\nsource = "force"\nkinds = ["landmarks"]\nrule = "5%BW"\nmapping = "rbds"\n',
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
        method="kernel ridge",
        channels=MOTION,
    ),
}


def make(name: str, plan: Plan) -> None:
    """Train a model of everybody, and write it into the package in as few bytes as it takes."""
    place = sets.BUILD.parent / "models" / name
    place.mkdir(parents=True, exist_ok=True)
    data = with_reader_names(plan.data())
    data.to_netcdf(place / "windows.nc", force=True)
    channels = f"[train]\nchannels = {json.dumps(plan.channels)}\n"
    (place / "recipe.toml").write_text(f'method = "{plan.method}"\n{plan.config}{channels}', encoding="utf-8")
    trained = place / "model"
    grf("grf-train", place / "windows.nc", "--config", place / "recipe.toml", "--out", trained, "--force")
    package(name, plan, data, trained)


def with_reader_names(data: StanceSet) -> StanceSet:
    """Return windows whose cells are named as the readers of recordings name them: ``cell_03``."""
    names = [re.sub(r"^cell_(\d)$", r"cell_0\1", channel) for channel in data.channels]
    return StanceSet(data.data.assign_coords(channel=np.asarray(names, dtype=object)))


def package(name: str, plan: Plan, data: StanceSet, trained: Path) -> None:
    """Write the folder of a trained model."""
    model, change = compacted(GrfModel.load(trained), data)
    print(f"{name}: {change.words}")
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.calibration = None
    model.write_into(folder)
    about = plan.about.model_copy(update={"stored": change.words})
    (folder / ABOUT).write_text(about.model_dump_json(indent=1) + "\n", encoding="utf-8")
    finish(folder)


def prove(name: str, plan: Plan, jobs: int) -> None:
    """Put the errors of people left out on a model's card: the choice is made anew without each of them."""
    data = plan.data()
    run = Run(jobs, quick=False)
    figures = run.scored(
        data, plan.folds(data), [*beside(data), plan.proof], split=plan.split, headline=plan.proof.name
    )
    folder = FOLDER / name
    (folder / EVALUATION).write_text(json.dumps(shortened(figures), indent=1) + "\n", encoding="utf-8")
    finish(folder)


def finish(folder: Path) -> None:
    """Write a model's card and the digests of its files."""
    write_card(folder)
    files = [path for path in sorted(folder.iterdir()) if path.name != SUMS]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / SUMS).write_text(sums_text(digests), encoding="ascii")


def beside(data: StanceSet) -> list[Method]:
    """Return what stands beside a packaged model in its table."""
    known = bool(data.data["scalar"].isin(["speed_m_s"]).any())
    return [MEAN, *([SPEED] if known else []), RIDGE]


def shortened(figures: Rows) -> Rows:
    """Return what a card needs of the scores, without curves and features."""
    kept = ("split", "leaks", "window", "cut", "source", "participants", "windows", "axes", "headline", "seconds",
            "methods", "comparisons")  # fmt: skip
    return {key: figures[key] for key in kept}


def grf(*words: str | Path) -> None:
    """Type a command."""
    print("$ " + " ".join(str(word) for word in words), flush=True)
    program = Path(sys.executable).with_name(str(words[0]))
    subprocess.run([program, *map(str, words[1:])], check=True)


def main() -> None:
    """Make the models asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(PLANS), help=f"of {', '.join(PLANS)}; all if none")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--figures", action="store_true", help="train nothing: only the errors of people left out")
    parts.add_argument(
        "--train", action="store_true", help="train alone: no errors of people left out, which take long"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes for these errors")
    request = parser.parse_args()
    unknown = [name for name in request.names if name not in PLANS]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(PLANS)}")
    for name in request.names:
        if not request.figures:
            make(name, PLANS[name])
        if not request.train:
            prove(name, PLANS[name], request.jobs)
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{FOLDER}: {size / 1e6:.1f} MB of {MOST_BYTES / 1e6:g}")
    if size > MOST_BYTES:
        raise SystemExit("too large for the package")


if __name__ == "__main__":
    main()
