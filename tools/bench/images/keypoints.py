"""From the keypoints of rendered films to force, everybody held out: ``python tools/bench images.keypoints``.

Two kinds of points: ``true`` ones (projected, as a perfect pose model would give them), and ``read`` ones, of the H.264
films through ``grfkit.video.read_film``. Two kinds of limits: the plates', and those that the film itself shows. Errors
are over the whole contact on the plates, whatever limits were used: where the film's stance is shorter, 0 is said.
Stances that a film does not show whole are missed, and counted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from grfkit import cut_windows
from grfkit.arrays import Floats
from grfkit.dataset.keypoint_inputs import NEAR
from grfkit.errors import GrfError
from grfkit.evaluation.methods import BaselineMethod, ChosenMethod
from grfkit.evaluation.predictions import predict_folds
from grfkit.learn.film_baselines import KNOWS
from grfkit.learn.folds import loso
from grfkit.learn.method import Method
from grfkit.learn.train_config import TrainConfig
from grfkit.records import Recording, Trial
from grfkit.records.stance_set import StanceSet, join
from grfkit.records.window_length import window_length_s
from grfkit.simulate.film.look import Laboratory
from grfkit.stats.curves import over_samples

from .. import harness
from ..harness import ROOT, Rows
from . import run
from .film_errors import Curves, made_of
from .film_page import keypoint_lines
from .picture_sets import walking_speed_m_s
from .render import film_file
from .schreiber import FilmedTrial, assembled, walkers

READ = ROOT / "build" / "images" / "read"
"""Where recordings of rendered films are kept: a film takes the pose model ten seconds."""
RULE = "5%BW walking"
SPEED = "speed_m_s"
Points = Literal["true", "read"]
METHODS = {
    "ridge": ChosenMethod("ridge on keypoints", TrainConfig(), "ridge"),
    "kernel": ChosenMethod("kernel on keypoints", TrainConfig(), "kernel ridge"),
    "best": ChosenMethod("grf-train, no options", TrainConfig()),
}
MEAN = BaselineMethod("mean curve")


def recording_of(filmed: FilmedTrial, points: Points) -> Recording:
    """Return the film's true recording, or the one that is read from its file (kept in ``build``).

    Raises
    ------
    GrfError
        If the film is refused.
    """
    if points == "true":
        return filmed.film
    from grfkit.video.recording import read_film

    path = READ / filmed.laboratory / f"{filmed.name}.nc"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        read_film(film_file(filmed)).to_netcdf(path)
    return Recording.from_netcdf(path)


def filmed_in(laboratory: Laboratory, participants: Sequence[str] | None) -> list[FilmedTrial]:
    """Return the walkers of a laboratory, posed once: a walk takes a second."""
    return _filmed_in(laboratory, None if participants is None else tuple(participants))


@lru_cache(maxsize=2)
def _filmed_in(laboratory: Laboratory, participants: tuple[str, ...] | None) -> list[FilmedTrial]:
    return walkers(laboratory=laboratory, participants=participants)


def trials_of(
    laboratory: Laboratory, points: Points, participants: Sequence[str] | None = None
) -> tuple[dict[str, Trial], dict[str, str]]:
    """Return film and plates on one clock by the film's name, and why films were refused."""
    trials, refused = {}, {}
    for filmed in filmed_in(laboratory, participants):
        try:
            trials[filmed.name] = assembled(filmed, recording_of(filmed, points))
        except GrfError as error:
            refused[filmed.name] = str(error)
    return trials, refused


def cut(trials: Mapping[str, Trial], source: Literal["force", "film"], refused: dict[str, str]) -> StanceSet:
    """Return the stances of all trials; a film in which none is found is added to the refused."""
    sets = []
    for name, trial in trials.items():
        try:
            sets.append(cut_windows({name: trial}, kinds=("keypoints",), rule=RULE, source=source))
        except GrfError as error:
            refused[f"{name}, cut by {source}"] = str(error)
    return join(sets)


def packaged_windows() -> StanceSet:
    """Return the stances that ``grfkit:walking-side-view`` is trained on: of the films that were read."""
    return cut(trials_of("base", "read")[0], "film", {})


def keys(data: StanceSet) -> list[tuple[str, str]]:
    """Return film and side of every stance, of which a film has one on the plates."""
    return list(zip(data.per_stance("trial"), data.per_stance("side")))


def on_the_plates(said: Floats, windows: StanceSet, truth: StanceSet, *, laid: bool = False) -> Floats:
    """Return what was said at the times of the plates' contacts, 0 beyond the windows' ends and where none is.

    Parameters
    ----------
    said
        Shape (windows, time, axes).
    laid
        Lay what was said from the windows' own landing to their toe-off on the plates' contact: limits put right.
    """
    found = {key: i for i, key in enumerate(keys(windows))}
    begin, lasts, lands = np.asarray(windows.data["start_s"].values), window_length_s(windows), landed_s(windows)
    curves = np.zeros((truth.size, *said.shape[1:]))
    share = np.linspace(0.0, 1.0, said.shape[1])
    for k, (key, start, contact) in enumerate(
        zip(keys(truth), truth.data["start_s"].values, truth.scalar("contact_s"), strict=True)
    ):
        i = found.get(key)
        if i is not None:
            first, length = (lands[i], windows.scalar("contact_s")[i]) if laid else (start, contact)
            at = (first + share * length - begin[i]) / lasts[i]
            curves[k] = np.stack([np.interp(at, share, c, left=0.0, right=0.0) for c in said[i].T], axis=1)
    return curves


def landed_s(windows: StanceSet) -> Floats:
    """Return when the foot lands in every window (s): a window has as much before its contact as after it."""
    start = np.asarray(windows.data["start_s"].values, dtype=np.float64)
    landed: Floats = start + (window_length_s(windows) - windows.scalar("contact_s")) / 2.0
    return landed


def row(
    name: str, curves: Floats, truth: StanceSet, near: bool, about: Mapping[str, object], found: set[tuple[str, str]]
) -> Rows:
    """Return errors over people: MAE % BW, mean (least-greatest), r over a person's samples; further axes.

    They are of the stances that were found; how many there are stands beside them.
    """
    of_foot = truth.scalar(NEAR) == float(near)
    foot = of_foot & np.asarray([key in found for key in keys(truth)])
    measured, people = np.asarray(truth.arrays()[1], dtype=np.float64)[foot], truth.per_stance("participant")[foot]
    errors = [over_samples(measured[:, :, i], curves[foot][:, :, i], people) for i in range(measured.shape[2])]
    mae = [np.asarray(list(e["mae_percent_bw"].values())) for e in errors]
    r = float(np.mean(list(errors[0]["r_samples"].values())))
    return {
        **about,
        "foot": "near" if near else "far",
        "method": name,
        "stances": f"{int(foot.sum())} of {int(of_foot.sum())}",
        "MAE % BW": f"{mae[0].mean():.1f} ({mae[0].min():.1f}-{mae[0].max():.1f})",
        "r": "-" if np.isnan(r) else f"{r:.2f}",
        "fore-aft": f"{mae[1].mean():.1f}",
        "medio-lateral": f"{mae[2].mean():.1f}",
    }


def constant(truth: StanceSet) -> Floats:
    """Return the median of everybody else's samples."""
    y, people = np.asarray(truth.arrays()[1], dtype=np.float64), truth.per_stance("participant")
    curves = np.empty_like(y)
    for person in truth.participants:
        curves[people == person] = np.median(y[people != person].reshape(-1, y.shape[2]), axis=0)
    return curves


def said_by(method: Method, train: StanceSet, test: StanceSet | None = None) -> Floats:
    """Return what a method says of everybody, fitted without them; of ``test``'s windows, where they are given."""
    if test is None:
        predictions = predict_folds(train, loso(train, inner=0), [method], split="loso")
        order = {key: i for i, key in enumerate(zip(predictions.per_stance("trial"), predictions.per_stance("side")))}
        return predictions.predicted(predictions.methods[0])[[order[key] for key in keys(train)]]
    said = np.full(test.arrays()[1].shape, np.nan)
    people = test.per_stance("participant")
    for fold in loso(train, inner=0):
        fitted = method.fit(train.without(fold.test), fold)
        said[np.isin(people, fold.test)] = fitted.predict(test.of(fold.test))
    return said


def limits_row(windows: StanceSet, truth: StanceSet, about: Mapping[str, object]) -> list[Rows]:
    """Return how far the film's contacts are from the plates', near and far foot."""
    found = {key: i for i, key in enumerate(keys(windows))}
    landed = landed_s(windows)
    rows = []
    for near in (True, False):
        foot = [k for k, key in enumerate(keys(truth)) if (truth.scalar(NEAR)[k] > 0) == near]
        both = [(k, found[keys(truth)[k]]) for k in foot if keys(truth)[k] in found]
        t, w = np.asarray(both, dtype=int).reshape(-1, 2).T
        onset = 1e3 * (landed[w] - truth.data["start_s"].values[t])
        leaves = onset + 1e3 * (windows.scalar("contact_s")[w] - truth.scalar("contact_s")[t])
        rows.append(
            {**about, "foot": "near" if near else "far", "stances": len(foot), "missed": len(foot) - len(both)}
            | {"onset ms": f"{onset.mean():+.0f} +- {onset.std():.0f}"}
            | {"toe-off ms": f"{leaves.mean():+.0f} +- {leaves.std():.0f}"}
        )
    return rows


def measured(
    points: Points, names: Sequence[str], *, laboratory: Laboratory = "base", participants: Sequence[str] | None = None
) -> Rows:
    """Return the rows of one kind of points in one laboratory: everybody held out."""
    trials, refused = trials_of(laboratory, points, participants)
    truth = truth_of(trials, laboratory, refused, participants)
    by_plates = cut(trials, "force", refused) if points == "read" else truth
    by_film = cut(trials, "film", refused)
    about = {"points": points, "laboratory": laboratory}
    rows = [row("constant median", constant(truth), truth, True, about | {"limits": "-"}, set(keys(truth)))]
    made: Rows = {}
    for limits, windows in (("plates", by_plates), ("film", by_film)):
        for method in (MEAN, *(METHODS[name] for name in names)):
            said = said_by(method, windows)
            rows += both_feet(method, said, windows, truth, about | {"limits": limits})
            if limits == "film":
                made = errors_of(said, windows, truth, about | {"method": method.name}, participants)
    return {"rows": rows, "limits": limits_row(by_film, truth, about), "refused": refused, "made": made}


def another_laboratory(points: Points, names: Sequence[str], participants: Sequence[str] | None = None) -> Rows:
    """Return the rows of models of the one laboratory in the other, on people that neither has shown them."""
    there, refused = trials_of("other", points, participants)
    here, _ = trials_of("base", points, participants)
    truth = truth_of(there, "other", refused, participants)
    about = {"points": points, "laboratory": "trained in base, tested in other"}
    rows: list[Rows] = []
    made: Rows = {}
    sources: tuple[tuple[str, Literal["force", "film"]], ...] = (("plates", "force"), ("film", "film"))
    for limits, source in sources:
        train, windows = cut(here, source, {}), cut(there, source, refused)
        for method in (MEAN, *(METHODS[name] for name in names)):
            said = said_by(method, train, windows)
            rows += both_feet(method, said, windows, truth, about | {"limits": limits})
            if limits == "film":
                made = errors_of(said, windows, truth, about | {"method": method.name}, participants)
    return {"rows": rows, "limits": limits_row(windows, truth, about), "refused": refused, "made": made}


def truth_of(
    trials: Mapping[str, Trial], laboratory: Laboratory, refused: dict[str, str], participants: Sequence[str] | None
) -> StanceSet:
    """Return the plates' stances of the films that were not refused."""
    truth = cut(trials_of(laboratory, "true", participants)[0], "force", refused)
    return StanceSet(truth.data.isel(stance=[i for i, (name, _) in enumerate(keys(truth)) if name in trials]))


def both_feet(
    method: Method, said: Floats, windows: StanceSet, truth: StanceSet, about: Mapping[str, object]
) -> list[Rows]:
    """Return a method's rows of the near and the far foot; the near one's is shown at once."""
    name = f"{method.name} {KNOWS}" if about["limits"] == "plates" else method.name
    curves = on_the_plates(said, windows, truth)
    rows = [row(name, curves, truth, near, about, set(keys(windows))) for near in (True, False)]
    print(json.dumps(rows[0]), file=sys.stderr, flush=True)
    return rows


def errors_of(
    said: Floats,
    windows: StanceSet,
    truth: StanceSet,
    about: Mapping[str, object],
    participants: Sequence[str] | None,
) -> Rows:
    """Return what the vertical errors of the near foot are made of (:mod:`.film_errors`)."""
    found = set(keys(windows))
    near = [i for i, key in enumerate(keys(truth)) if key in found and truth.scalar(NEAR)[i] > 0]
    kept, laid = (on_the_plates(said, windows, truth, laid=way)[near, :, 0] for way in (False, True))
    measured = np.asarray(truth.arrays()[1], dtype=np.float64)[near, :, 0]
    people = [str(p) for p in truth.per_stance("participant")[near]]
    speeds: dict[str, list[float]] = {}
    for filmed in filmed_in("base", participants):
        speeds.setdefault(filmed.participant, []).append(walking_speed_m_s(filmed))
    return made_of(Curves(measured, kept, laid, people), {p: float(np.mean(v)) for p, v in speeds.items()}, about)


def figures_of(request: argparse.Namespace) -> Rows:
    """Return the figures of every kind of points that is asked for."""
    names, parts = request.method or ["ridge", "kernel"], []
    for points in request.points or ["true", "read"]:
        parts.append(measured(points, names))
        if request.other:
            parts.append(another_laboratory(points, names))
    about = harness.machine("av", "opencv-python-headless", "ai-edge-litert")
    return {"machine": about, "parts": parts}


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables, and write them where asked."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--points", choices=("true", "read"), action="append", help="true and read if left out")
    options.add_argument("--method", choices=tuple(METHODS), action="append", help="ridge and kernel if left out")
    options.add_argument("--other", action="store_true", help="test in the other laboratory, too")
    options.add_argument("--out", type=Path, help="JSON and Markdown to write")
    options.add_argument("--kept", type=Path, help="JSON of an earlier --out: print its figures and measure nothing")
    options.add_argument("--results", action="store_true", help="write them into docs/results/images.md")
    request = options.parse_args(words)
    figures = json.loads(request.kept.read_text(encoding="utf-8")) if request.kept else figures_of(request)
    text = "\n".join(keypoint_lines(figures)) + "\n"
    print(text)
    if request.out:
        harness.write(request.out, figures, text)
    if request.results:
        out = harness.RESULTS / "images"
        page = harness.earlier(out) | {"keypoints": figures}
        harness.write(out, page, run.markdown(page))


if __name__ == "__main__":
    main()
