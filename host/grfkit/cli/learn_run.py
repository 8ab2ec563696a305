"""What ``grf-train`` and ``grf-evaluate`` do once their options are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInputError

if TYPE_CHECKING:
    from ..learn.parallel import JobReport
    from ..learn.recipe import Recipe
    from ..learn.train import EpochReport


def recipe_of(
    preset: str,
    kind: str,
    config: Path | None,
    *,
    network: str = "",
    split: str = "",
    regime: str = "",
    epochs: int | None = None,
    device: str = "",
    model: Path | None = None,
) -> Recipe:
    """Return the recipe that the options ask for: a model's or a preset's, a TOML file over it, single options last.

    Raises
    ------
    BadInputError
        If an option does not exist, or options contradict each other.
    """
    from ..learn.evaluation import recipe_of_model
    from ..learn.preset import load_preset
    from ..learn.recipe import Recipe, from_preset, parse_recipe, recipe_from_toml

    if model is not None and (preset or config is not None or network or epochs or split):
        raise BadInputError("--model brings its own recipe; leave out --preset, --config, --network, --split, --epochs")
    if kind != "fixed" and not preset:
        raise BadInputError("--kind says how to take a --preset; name one")
    recipe = Recipe()
    if model is not None:
        recipe = recipe_of_model(model)
    elif preset:
        recipe = from_preset(load_preset(preset, kind))
    if config is not None:
        recipe = recipe_from_toml(config, recipe)
    told: dict[str, Any] = {}
    if network:
        told["network"] = {"name": network}
    if split:
        told["split"] = split
    if regime:
        told["regime"] = regime
    train: dict[str, Any] = {}
    if epochs is not None:
        train["epochs"] = epochs
    if device:
        train["device"] = device
    if train:
        told["train"] = train
    return parse_recipe(told, recipe, where="options")


def run_training(trials: Sequence[Path], recipe: Recipe, *, out: Path, force: bool) -> tuple[dict[str, Any], str]:
    """Return the summary of a training and its words; the model is written."""
    from ..learn.jobs import train_job

    with _bar("training") as told:
        summary = train_job(trials, recipe, out=out, force=force, progress=lambda r: _epoch(told, r))
    inner = "" if summary["inner_loss"] is None else f", inner loss {summary['inner_loss']:.4g}"
    lines = [
        f"{out}: {summary['network']['name']}, {summary['parameters']} parameters, {len(summary['participants'])}"
        f" participants, {summary['windows']} windows cut by {summary['cut']}",
        f"  best of {summary['epochs']} epochs: {summary['best_epoch']}{inner}",
        *[f"  left out: {n} x {reason}" for reason, n in summary["excluded"].items()],
        *[f"  note: {text}" for text in summary["findings"]],
        f"  how good it is for somebody new: grf-evaluate TRIALS --model {out}",
    ]
    return summary, "\n".join(lines)


def run_evaluation(
    trials: Sequence[Path],
    recipe: Recipe,
    *,
    model: Path | None,
    regimes: str,
    out: Path | None,
    report: Path | None,
    workers: int,
    scheduler: str | None,
    force: bool,
) -> tuple[dict[str, Any], str]:
    """Return the scores of an evaluation and their words; report, answers and card are written."""
    from ..learn.card import add_evaluation
    from ..learn.evaluation import evaluate_job
    from ..learn.transfer import REGIMES

    if report is not None and report.exists() and not force:
        raise BadInputError(f"{report}: exists; use --force to overwrite it")
    chosen = tuple(REGIMES) if regimes == "all" else tuple(r for r in regimes.replace(" ", "").split(",") if r)
    with _bar("evaluating") as told:
        found = evaluate_job(
            trials, recipe, out=out, force=force, regimes=chosen, workers=workers, cluster=scheduler,
            progress=lambda r: _job(told, r),
        )  # fmt: skip
    if model is not None:
        add_evaluation(model, found)
    if report is not None:
        from ..report.accuracy_page import write_accuracy_report

        write_accuracy_report(report, found, force=force)
    return found, words(found)


def words(found: dict[str, Any]) -> str:
    """Return the table of an evaluation and what it says."""
    from ..learn.card import beaten
    from ..learn.scores import table_text

    leaks = [f"LEAKS: {leak}; these figures are no headline" for leak in found["leaks"]]
    cut = f"windows cut by {found['cut']}" if found["window"] == "stance" else "continuous windows"
    head = f"{found['split']}, {found['participants']} participants, {sum(found['windows'].values())} {cut}"
    lines = [head, *leaks, "", table_text(found), "", *(beaten(found, axis) for axis in found["axes"])]
    for axis, band in found["bands"].items():
        if "half_width_bw" in band:
            lines.append(
                f"{axis}: +-{band['half_width_bw']:.3f} BW holds {100 * band['within']:.0f} % of a new participant's"
                f" samples for {100 * band['level']:.0f} % of participants (observed {100 * band['held']:.0f} %)"
            )
    return "\n".join([*lines, *(f"note: {text}" for text in found["findings"])])


Bar = Callable[[int, int, str], None]


@contextmanager
def _bar(title: str) -> Iterator[Bar]:
    """Give a function (done, of how many, words) that moves a bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def told(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, description=text)

        yield told


def _epoch(told: Bar, report: EpochReport) -> None:
    inner = "" if report.inner_loss is None else f", inner {report.inner_loss:.4g}"
    told(report.epoch, report.epochs, f"loss {report.loss:.4g}{inner}")


def _job(told: Bar, report: JobReport) -> None:
    told(report.done, report.total, report.name)
