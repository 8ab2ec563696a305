"""The candidates for the edge benchmark's networks: ``python tools/bench edge.choice``.

Each candidate is trained on a fold's training people and scored on its inner people, never on those tested. One choice
was made for all folds, by the mean over them; so somebody who is inner in one fold and tested in another took part in
the choice, though in no training. The four people on whom the cards of the shipped bundles are measured take no part.
Beside it, how long LiteRT takes for a candidate's int8 file and torch for it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from grfkit.learn.augment import Augmentation
from grfkit.learn.folds import Fold
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import NetworkConfig, network_config
from grfkit.learn.train import fit
from grfkit.records.stance_set import StanceSet
from grfkit.stats.curves import by_participant, curve_errors, group
from make_bundles import HELD_OUT

from . import latency, models
from .models import DROPOUT, LAB_TCN, SHIPPED, TCN_SETTINGS, VARIED, Bench, Rows

PLAIN = Augmentation()
TAKEN = "TCN (taken)"
OLD: Rows = {"hidden": 16, "layers": 4, "kernel": 5, "convolutions": 2, "dilation": 2, "head": (32,)}


class Candidate(NamedTuple):
    """A network, the augmentation of its windows, its epochs, the scalars it takes, and whether points are scaled."""

    network: NetworkConfig
    varied: Augmentation
    epochs: int
    statics: tuple[str, ...]
    per_point: bool = False


def candidates(bench: Bench) -> dict[str, Candidate]:
    """Return what was tried on a bench."""
    varied, shipped = (SHIPPED, LAB_TCN) if bench.source == "lab" else (VARIED, TCN_SETTINGS)
    bilstm, tcn = {"name": "bilstm", "hidden": 32, "head": (32,), "dropout": DROPOUT}, {"name": "tcn"} | shipped
    networks: dict[str, Rows] = {
        "BiLSTM-32": bilstm,
        "TCN of 4 levels of 2 convolutions, 16 wide, kernel 5, head 32": tcn | OLD,
        "TCN of 4 levels, dilation 2": tcn | {"layers": 4, "dilation": 2},
        "TCN, 32 wide": tcn | {"hidden": 32},
        "TCN, statics in the input": tcn | {"statics_by": "tile"},
        "TCN, head 32" if not tcn["head"] else "TCN, no head": tcn | {"head": () if tcn["head"] else (32,)},
        "TCN, kernel 7" if tcn["kernel"] == 5 else "TCN, kernel 5": tcn | {"kernel": 12 - tcn["kernel"]},
        TAKEN: tcn,
    }
    trainings = {
        name: models.training(bench, models.BILSTM if name == "BiLSTM-32" else models.TCN) for name in networks
    }
    tried = {
        n: Candidate(network_config(**settings), varied, bench.epochs, trainings[n].statics)
        for n, settings in networks.items()
    }
    tiled = "TCN, statics in the input"
    tried[tiled] = tried[tiled]._replace(statics=bench.statics)
    if tried[TAKEN].statics != bench.statics:
        tried["TCN, statics before the head"] = tried[TAKEN]._replace(statics=bench.statics)
    if bench.source == "lab":
        tried |= _beside_ridge(bench, bilstm | {"hidden": 24}, tcn)
    for name in ("BiLSTM-32", TAKEN):
        dry = network_config(**(networks[name] | {"dropout": 0.0}))
        tried[f"{name}, no noise, no dropout"] = tried[name]._replace(network=dry, varied=PLAIN)
        if bench.source == "lab":
            tried[f"{name}, half the epochs"] = tried[name]._replace(epochs=bench.epochs // 2)
    return tried


def _beside_ridge(bench: Bench, bilstm: Rows, tcn: Rows) -> dict[str, Candidate]:
    """Return the networks of the shipped bundles with and without a linear path, and with every point scaled."""
    tried = {}
    for name, settings in (("BiLSTM-24", bilstm), (TAKEN, tcn)):
        statics = models.training(bench, models.BILSTM if name == "BiLSTM-24" else models.TCN).statics
        alone = Candidate(network_config(**settings), SHIPPED, bench.epochs // 2, statics)
        beside = alone._replace(network=network_config(**(settings | {"linear": {"rank": 16}})))
        tried |= {
            f"{name}, half the epochs, from zero": alone,
            f"{name}, half the epochs, beside a linear path": beside,
            f"{name}, half the epochs, beside a linear path, every point scaled": beside._replace(per_point=True),
        }
    return tried


@cache
def stances(bench: Bench) -> StanceSet:
    """Return the windows of a bench, without the people of the shipped bundles' cards."""
    data = models.stances(bench)
    return data.without(HELD_OUT) if bench.source == "lab" else data


def trained(bench: Bench, fold: Fold, candidate: Candidate) -> GrfModel:
    """Return a network trained on a fold's training people alone."""
    changed = {"augmentation": candidate.varied, "epochs": candidate.epochs, "statics": candidate.statics}
    changed["per_point"] = candidate.per_point
    config = models.training(bench, models.TCN).model_copy(update=changed)
    model = fit(candidate.network, config, fold.of(stances(bench), "train"), fold)
    with TemporaryDirectory() as folder:  # files are kept by the digest of the weights, which a saved model has
        model.save(Path(folder) / "model")
        return GrfModel.load(Path(folder) / "model")


def rrmse(model: GrfModel, data: StanceSet) -> list[float]:
    """Return the mean rRMSE over people of each axis, percent."""
    _, true, weight = data.arrays()
    measured = np.where(weight[:, :, None] > 0, true, np.nan)
    forces, who = predict(model, data), data.per_stance("participant").tolist()
    each = [curve_errors(measured[:, :, i], forces[:, :, i])["rrmse_percent"] for i in range(forces.shape[2])]
    return [group(by_participant(errors, who)).mean for errors in each]


def table(bench: Bench, *, folds: int, rounds: int) -> str:
    """Return the candidates of a bench with their errors, and how long a window takes."""
    # the fold's own test people are in neither part
    inner_folds = [replace(f, inner=(), test=f.inner) for f in models.folds(bench, stances(bench))[:folds]]
    tried = candidates(bench)
    errors: dict[str, list[list[float]]] = {name: [] for name in tried}
    first: dict[str, GrfModel] = {}
    for fold in inner_folds:
        for name, candidate in tried.items():
            model = trained(bench, fold, candidate)
            first.setdefault(name, model)
            errors[name].append(rrmse(model, fold.of(stances(bench), "test")))
            print(f"  {bench.name}, {fold.name}: {name}", file=sys.stderr)
    times = _times(first, rounds)
    axes = next(iter(first.values())).spec.scaler.axes
    heads = " | ".join(f"{a} rRMSE %" for a in axes)
    rows = [f"| {bench.name}: {len(inner_folds)} folds | {heads} | eager | int8 | ratio |"]
    rows.append("|---" * (len(axes) + 4) + "|")
    for name, of_folds in errors.items():
        means = " | ".join(f"{v:.2f}" for v in np.mean(of_folds, axis=0))
        rows.append(f"| {name} | {means} | {times.get(name, '- | - | -')} |")
    return "\n".join(rows)


def _times(first: dict[str, GrfModel], rounds: int) -> dict[str, str]:
    """Return CPU us in torch and in LiteRT's int8, and how many times BiLSTM-32 in torch takes the latter."""
    timed = {name: model for name, model in first.items() if "no noise" not in name and "epochs" not in name}
    rows = latency.measured(timed, rounds=rounds, quick=True)["rows"]
    of = {(r["model"], r["engine"]): r.get("CPU ms median") for r in rows}
    times = {}
    for name in timed:
        eager, eight, slow = of[name, latency.EAGER], of[name, latency.EIGHT], of["BiLSTM-32", latency.EAGER]
        times[name] = f"{1e3 * eager:.0f} us | {1e3 * eight:.0f} us | {slow / eight:.1f}"
    return times


def main() -> None:
    """Print the candidates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["B", "lab"], help="of the edge benchmark")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20, help="of timing")
    parser.add_argument("--out", type=Path, help="write the tables there as well")
    request = parser.parse_args()
    benches = models.benches(quick=False)
    if not set(request.sets) <= set(benches):
        parser.error(f"sets are of {', '.join(benches)}")
    tables = "\n\n".join(table(benches[name], folds=request.folds, rounds=request.rounds) for name in request.sets)
    print(tables)
    if request.out:
        request.out.write_text(tables + "\n", encoding="utf-8")
