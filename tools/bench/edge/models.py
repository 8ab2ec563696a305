"""The trained models of the edge benchmark and their files; kept under build/edge, so that a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grfkit import deploy
from grfkit.deploy.convert import Converted, convert, convert_model, representative
from grfkit.deploy.from_torch import plan_inputs
from grfkit.deploy.plan import Plan
from grfkit.deploy.repair import repaired
from grfkit.deploy.smooth import centred
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.learn.augment import Augmentation
from grfkit.learn.distill import distil
from grfkit.learn.folds import Fold, grouped_kfold
from grfkit.learn.method import FittedMethod
from grfkit.learn.model import FittedModel, GrfModel
from grfkit.learn.networks import NetworkConfig, network_config, parameter_count
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet
from grfkit.runtime import from_int8, load, to_int8
from grfkit.units import G

from ..accuracy import sets
from ..accuracy.methods import MOTION
from ..harness import ROOT, Rows

BUILD = ROOT / "build" / "edge"
BILSTM, BILSTM_64, LSTM, TCN, CNN, STUDENT = "BiLSTM-32", "BiLSTM-64", "LSTM-32", "TCN", "1D-CNN (centred)", "student"
NO_ROOM = "int8_without_room"
FOOT = tuple(f"{p}_{s}_{a}_acceleration" for p in ("ankle", "heel") for s in ("left", "right") for a in "xyz")
"""Twelve of B's channels, for the prototype's shape of 101 x 12 -> 3."""
# Dropout and the noise of measured sets were chosen on the inner people of the folds, not on those tested.
DROPOUT = 0.1
VARIED = Augmentation(noise=0.3)
"""Augmentation of measured sets."""
SHIPPED = Augmentation(noise=0.6, gain=0.3, shift_samples=2)
"""Augmentation of the simulated lab, as in tools/make_bundles.py."""
TCN_SETTINGS: Rows = {
    "hidden": 24, "layers": 3, "kernel": 5, "convolutions": 1, "dilation": 3, "centred": True, "head": (),
    "dropout": DROPOUT,
}  # fmt: skip
"""Few operators, since LiteRT's time goes with their number and hardly with their width: see bench/edge/choice.py."""
LAB_TCN: Rows = TCN_SETTINGS | {"kernel": 7, "head": (32,)}
"""Chosen on inner people of the whole lab; on those alone who are on no card it is one of several."""


@dataclass(frozen=True)
class Bench:
    """One set with what is trained on it.

    Attributes
    ----------
    each
        Stances of each person and surface, 0: all.
    bare
        Whether networks have the dense layer of the prototype only (none but the output).
    """

    name: str
    source: str
    each: int
    channels: tuple[str, ...]
    statics: tuple[str, ...]
    epochs: int
    folds: int
    batch: int = 64
    bare: bool = False
    note: str = ""


def benches(*, quick: bool) -> dict[str, Bench]:
    """Return the sets of a run."""
    few, epochs = (30, 20) if quick else (40, 40)
    b = Bench(
        "B", "B", few, MOTION, ("contact_s",), epochs, 4, note="20 runners on a treadmill, 66 signals of landmarks"
    )
    shape = replace(b, name="B, 12 signals", channels=FOOT, statics=(), bare=True, note="12 accelerations of the feet")
    a = Bench("A", "A", 0, ("acc_*",), ("contact_s",), 20 if quick else 60, 4, 16, note="4 runners, shank acceleration")
    benches_of_run = {"B": b, "B12": shape, "A": a}
    if not quick:
        note = "SIMULATED: insole and IMU, treadmill and overground (the lab of the accuracy benchmark)"
        benches_of_run["lab"] = Bench("lab", "lab", 20, ("*",), ("contact_s", "mass_kg"), 80, 4, 32, note=note)
    return benches_of_run


@cache
def stances(bench: Bench) -> StanceSet:
    """Return the windows of a bench."""
    make = {"B": sets.runners, "A": lambda: sets.bach_set("running", "stance")}
    data = sets.lab_relative(20) if bench.source == "lab" else make[bench.source]()
    return sets.thinned(data, bench.each) if bench.each else data


def folds(bench: Bench, data: StanceSet | None = None) -> tuple[Fold, ...]:
    """Return groups of people, each tested once; of all of a bench, or of some of its windows."""
    data = stances(bench) if data is None else data
    people = len(data.participants)
    return grouped_kfold(data, k=min(bench.folds, people), inner=3 if people > 9 else 1)


def networks(bench: Bench) -> dict[str, NetworkConfig]:
    """Return the networks by name."""
    plain: Rows = {"head": () if bench.bare else (32,), "dropout": DROPOUT}
    return {
        BILSTM: network_config("bilstm", hidden=32, **plain),
        BILSTM_64: network_config("bilstm", hidden=64, **plain),
        LSTM: network_config("lstm", hidden=32, **plain),
        TCN: network_config("tcn", **(LAB_TCN if bench.source == "lab" else TCN_SETTINGS)),
        CNN: network_config("cnn1d", hidden=24, layers=4, kernel=5, **plain),
    }


def students(bench: Bench) -> tuple[NetworkConfig, ...]:
    """Return what a student may be: smaller than the TCN, of the past only; on measured sets without dropout."""
    plain: Rows = {"head": () if bench.bare else (16,), "dropout": DROPOUT if bench.source == "lab" else 0.0}
    return (
        network_config("tcn", hidden=8, layers=3, kernel=5, **plain),
        network_config("tcn", hidden=12, layers=3, kernel=5, **plain),
        network_config("lstm", hidden=12, **plain),
    )


def training(bench: Bench, member: str) -> TrainConfig:
    """Return how a network is trained on a bench; the TCN is no better for the contact time of B's runners."""
    varied = SHIPPED if bench.source == "lab" else VARIED
    statics = () if (bench.source, member) == ("B", TCN) else bench.statics
    return TrainConfig(
        epochs=bench.epochs, lr=5e-3, batch=bench.batch, patience=0, channels=bench.channels, statics=statics,
        augmentation=varied, threads=1,
    )  # fmt: skip


@dataclass(frozen=True)
class CachedNetwork:
    """A network as a method whose trained model is kept in a folder of each fold; in torch, or its int8 file.

    Attributes
    ----------
    member
        Name of the network, or :data:`STUDENT`.
    settings
        Of :func:`settings`: answers kept on the disk are those of these.
    """

    name: str
    bench: Bench
    member: str
    settings: str
    eight: bool = False

    def fit(self, data: StanceSet, fold: Fold) -> FittedMethod:
        """Return the model of the fold, in torch or as its int8 file."""
        model = _model(self.bench, self.member, fold, data)
        return EightBit(model) if self.eight else FittedModel(model)


@dataclass(frozen=True)
class EightBit:
    """A model run as its int8 file."""

    model: GrfModel

    def predict(self, data: StanceSet) -> NDArray[np.float64]:
        """Return forces in BW, shape (stances, time, axes)."""
        return eight_bit_answers(self.model, data)


def trained(bench: Bench, member: str, fold: Fold) -> GrfModel:
    """Return the model of a fold, trained where it is not yet on the disk."""
    return _model(bench, member, fold, fold.of(stances(bench), "train", "inner"))


def _model(bench: Bench, member: str, fold: Fold, data: StanceSet) -> GrfModel:
    folder = BUILD / "models" / _key(bench, member, fold)
    if not folder.exists():
        began = time.perf_counter()
        model = _fit(bench, member, fold, data)
        folder.parent.mkdir(parents=True, exist_ok=True)
        model.save(folder)
        print(f"  {bench.name}, {fold.name}: {member} trained, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return GrfModel.load(folder)


def _fit(bench: Bench, member: str, fold: Fold, data: StanceSet) -> GrfModel:
    config = training(bench, member)
    if member != STUDENT:
        return fit(networks(bench)[member], config, data, fold)
    teacher = _model(bench, BILSTM, fold, data)
    student = distil(teacher, data, fold, config, students=students(bench), slack=0.05)
    tried = [asdict(t) | {"network": t.network.model_dump()} for t in student.tried]
    model = student.model
    spec = model.spec.model_copy(update={"training": model.spec.training | {"tried": json.loads(json.dumps(tried))}})
    return GrfModel(spec, model.network, model.calibration)


def settings(bench: Bench, member: str) -> str:
    """Return a digest of everything the weights depend on but fold and code."""
    of = networks(bench).get(member) or networks(bench)[BILSTM]
    networks_of_students = [n.model_dump() for n in students(bench)] if member == STUDENT else []
    parts = [asdict(bench), member, of.model_dump(), networks_of_students, training(bench, member).model_dump()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _key(bench: Bench, member: str, fold: Fold) -> str:
    """Return a folder's name: of the settings and the fold."""
    # what changes the weights changes the name, so that nothing stale is taken from the disk
    content = settings(bench, member) + json.dumps(asdict(fold), sort_keys=True)
    name = "".join(c for c in f"{bench.name}_{member}" if c.isalnum() or c == "_")
    return f"{name}_{hashlib.sha256(content.encode()).hexdigest()[:16]}"


@cache
def conversion() -> str:
    """Return a digest of the code that converts and of the C runtime: files are kept by what made them."""
    # a change in any of these makes new files; the weights' digest alone would keep stale ones
    sources = [*Path(deploy.__file__).parent.glob("*.py"), *(ROOT / "firmware_models" / "runtime").glob("*.[ch]")]
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(sources))).hexdigest()[:8]


def files_of(model: GrfModel) -> str:
    """Return the name under which a model's products are kept: of its weights and of the code."""
    return f"{model.spec.weights_sha256[:16]}_{conversion()}"


def converted(model: GrfModel) -> Converted:
    """Return a model's files, converted where they are not yet on the disk."""
    folder = BUILD / "files" / files_of(model)
    kinds = ("float32", "int8", "int8_as_converted")
    if not (folder / "plan.json").exists():
        began = time.perf_counter()
        converted_model = convert_model(model, kinds=("float32", "int8"))
        folder.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            (folder / f"{kind}.tflite").write_bytes(converted_model.files[kind].content)
        converted_model.plan.save(folder)
        print(f"  {model.name} converted, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    files = {k: TfliteFile.read(folder / f"{k}.tflite") for k in kinds}
    return Converted(Plan.load(folder), files, None, (), model.participants)


def without_room(model: GrfModel) -> TfliteFile:
    """Return a model's repaired int8 file whose ranges are those of the calibration windows alone: the baseline."""
    path = BUILD / "files" / files_of(model) / f"{NO_ROOM}.tflite"
    plan = converted(model).plan
    if not path.exists():
        inputs = plan_inputs(model, representative(model))
        file, _ = repaired(convert(plan, inputs, kinds=("int8",))["int8"], plan, output_margin=1.0)
        # the same repairs as the shipped file has: the ranges are the only difference
        file, _ = centred(file, plan, inputs)
        path.write_bytes(file.content)
    return TfliteFile.read(path)


def file_of(model: GrfModel, kind: str) -> Path:
    """Return where one of a model's files lies."""
    converted(model)
    return BUILD / "files" / files_of(model) / f"{kind}.tflite"


def eight_bit_answers(model: GrfModel, data: StanceSet) -> NDArray[np.float64]:
    """Return the predictions of a model's int8 file for windows in LiteRT, in BW."""
    conversion_of_model = converted(model)
    engine = load(conversion_of_model.files["int8"].content, "litert")
    into = to_int8(plan_inputs(model, data), scale=engine.input.scale, zero_point=engine.input.zero_point)
    real = from_int8(engine.run(into.values), scale=engine.output.scale, zero_point=engine.output.zero_point)
    forces = conversion_of_model.plan.forces(real)
    return forces / (data.scalar("mass_kg") * G)[:, None, None] if conversion_of_model.plan.unit == "N" else forces


def about(model: GrfModel) -> Rows:
    """Return what a model is, in a row."""
    network = model.spec.network
    size = {k: network[k] for k in ("hidden", "layers", "kernel", "head") if k in network}
    return {
        "network": f"{network['name']} {size}".replace("'", ""), "weights": parameter_count(model.network),
        "shape": f"{model.spec.points} x {model.spec.scaler.width + len(model.spec.scaler.statics)} -> "
        f"{len(model.spec.scaler.axes)}",
    }  # fmt: skip
