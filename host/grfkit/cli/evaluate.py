"""``grf-evaluate``: what a network is worth for people it has not seen, beside every baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from . import common, cop_run
from .cop_run import TargetsChoice, TargetsOption
from .train import Calibration, Config, Device, Epochs, FeaturesBy, Force, Json, Kind, Method, Network, Preset, Trials

app = common.make_app()


class _CompareAll(TyperCommand):
    """The command, whose ``--compare`` without names means all."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return what is left of the arguments, ``all`` put where ``--compare`` names nothing."""
        given: list[str] = []
        for k, argument in enumerate(args):
            given.append(argument)
            if argument == "--compare" and (k + 1 == len(args) or args[k + 1].startswith("-")):
                given.append("all")
        return list(super().parse_args(ctx, given))


@app.command(cls=_CompareAll, epilog=common.EXIT_CODES)
def evaluate(
    trials: Trials,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="Take this model's recipe, and put the result on its card; grfkit:NAME is tested as it is."
        ),
    ] = None,
    preset: Preset = "",
    kind: Kind = "fixed",
    config: Config = None,
    method: Method = "",
    network: Network = "",
    split: Annotated[
        str, typer.Option("--split", help="loso, grouped_kfold; leave_one_trial_out and within_trial leak, and say so.")
    ] = "",
    regimes: Annotated[str, typer.Option("--regimes", help="Several side by side: A,B,C1,D2; or all.")] = "",
    epochs: Epochs = None,
    device: Device = "",
    search: Annotated[
        int | None,
        typer.Option(
            "--search",
            min=1,
            help="Also the network with the best of so many settings, searched anew in every fold without those it"
            " tests.",
        ),
    ] = None,
    personalise: Annotated[
        str,
        typer.Option(
            "--personalise",
            help="Also the error after calibration on so many first strides of the tested person: 0,2,4,8,16. Shown"
            " apart: it is no error for somebody new.",
        ),
    ] = "",
    compare: Annotated[
        str,
        typer.Option(
            "--compare",
            help="Methods side by side on the same folds, with commas: networks, methods and presets, as"
            " lstm,cnn2d_lstm,ridge. Every pair over people, ranks, error against cost. With --features or --preset"
            " sugiarto2025: networks (none named: all) without, with, and with others' features; the study's claims.",
        ),
    ] = "",
    features: Annotated[
        str,
        typer.Option(
            "--features",
            help="Facts of people as inputs: alignment (of the knees), side (the affected one), both or none; shuffled"
            " gives everybody another's, a control. Beside --compare several: alignment,both.",
        ),
    ] = "",
    features_by: FeaturesBy = "",
    imagenet: Annotated[
        list[Path] | None,
        typer.Option(
            "--imagenet",
            help="Your file of ImageNet weights for resnet50 or inception3 (.pth, .safetensors). Beside --compare one"
            " of each may be given (--imagenet A --imagenet B): both starts are compared.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Trainings from so many starts, of a comparison with features.")
    ] = 1,
    draws: Annotated[
        int, typer.Option("--draws", min=1, help="Exchanges of features between people, its control.")
    ] = 3,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="A comparison with features in about ten minutes: 4 groups of people, 8 stances of each, one exchange;"
            " with no network named those that fit. It says what it left out.",
        ),
    ] = False,
    other_people: common.OtherPeople = "",
    targets: TargetsChoice = TargetsOption.FORCE,
    calibration: Calibration = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for answers.nc and evaluation.json; a stopped run goes on.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="HTML report to write.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 runs all in this one.")] = 0,
    scheduler: Annotated[str | None, typer.Option("--scheduler", help="Address of a dask scheduler instead.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Prove a network participant by participant: trained without each, tested on them, beside every baseline."""
    if targets is TargetsOption.COP or (model is not None and cop_run.is_cop_model(model)):
        cop_run.refuse_of_force(
            "this evaluation", preset=preset, kind=kind != "fixed", network=network, split=split, regimes=regimes,
            epochs=epochs, device=device, search=search, personalise=personalise, compare=compare, features=features,
            features_by=features_by, imagenet=imagenet, seeds=seeds != 1, draws=draws != 3, other_people=other_people,
        )  # fmt: skip
        cop_run.evaluate(
            trials, model=model, config=config, method=method, out=out, report=report, workers=workers,
            scheduler=scheduler, calibrations=tuple(calibration or ()), force=force, as_json=as_json,
        )  # fmt: skip
        return
    from ..cluster import exposure
    from ..evaluation.evaluate import evaluate as run
    from .common import say
    from .learn_words import progress_bar, say_left_out, scores_text

    if warning := exposure(scheduler):
        say(warning)
    with progress_bar("evaluating") as progress:
        predictions = run(
            trials, model=model, preset=preset, kind=kind, config=config, method=method, network=network, split=split,
            regimes=regimes, epochs=epochs, device=device, search=search, personalise=personalise,
            compare=compare, features=features, features_by=features_by, imagenet=imagenet,
            seeds=seeds, draws=draws, quick=quick,
            other_people=other_people, out=out, report=report, workers=workers, scheduler=scheduler,
            calibrations=tuple(calibration or ()), force=force, progress=progress, notice=say,
        )  # fmt: skip
    say_left_out(predictions.scores["findings"])
    print(json.dumps(predictions.scores, indent=2) if as_json else scores_text(predictions.scores))


def main() -> None:
    """Run the command."""
    common.run(app, name="grf-evaluate")


if __name__ == "__main__":
    main()
