"""``grf-train``: a folder of aligned trials to a model with its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from . import common, cop_run
from .cop_run import TargetsChoice, TargetsOption

app = common.make_app()

Trials = Annotated[list[Path], typer.Argument(help="Trials of grf-sync, stance sets, or folders of them.")]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        help="carter2024, carter2025 or zhou2025: a paper's whole protocol; sugiarto2025: ten networks with knee"
        " alignment and affected side, a reconstruction, not replication.",
    ),
]
Kind = Annotated[str, typer.Option("--kind", help="The preset faithful to the paper, or fixed (its leaks repaired).")]
Config = Annotated[Path | None, typer.Option("--config", help="TOML laid over the preset or the defaults.")]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        help="best (default): mean curve, ridge, kernel ridge, a network from ridge, or their mix, whichever errs least"
        " on people left out; or one of these; or network, which --network, --preset, --regime and --epochs imply.",
    ),
]
Network = Annotated[str, typer.Option("--network", help="bilstm, lstm, gru, tcn, cnn1d, cnn2d, cnn1d_lstm ...")]
Regime = Annotated[str, typer.Option("--regime", help="Treadmill to overground: A B C1 C2 C3 D D2 D3.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="At most so many.")]
Device = Annotated[str, typer.Option("--device", help="cpu, or cuda where there is one.")]
Features = Annotated[
    str,
    typer.Option(
        "--features",
        help="Facts of people as inputs: alignment (of the knees), side (the affected one), both or none; stated with"
        " grf-sync --person.",
    ),
]
FeaturesBy = Annotated[
    str,
    typer.Option(
        "--features-by",
        help="How they enter a network: tile (constant channels), concat (before the head), film (gains and offsets).",
    ),
]
Imagenet = Annotated[
    Path | None,
    typer.Option("--imagenet", help="Your file of ImageNet weights for resnet50 or inception3 (.pth, .safetensors)."),
]
Study = Annotated[
    Path | None, typer.Option("--study", help="Keep the search's state in this file; else OUT.search.db while it runs.")
]
Teacher = Annotated[
    Path | None,
    typer.Option("--teacher", help="A trained model: teach a small network of the past what it says, and the truth."),
]
Calibration = Annotated[
    list[Path] | None,
    typer.Option(
        "--calibration",
        metavar="<path>",
        help="Document of grf-calibrate for insoles or IMUs of trials that were aligned without it; repeatable.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what exists.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout.")]


@app.command(epilog=common.EXIT_CODES)
def train(
    trials: Trials,
    out: Annotated[Path, typer.Option("--out", help="Folder of the model to write.")],
    preset: Preset = "",
    kind: Kind = "fixed",
    config: Config = None,
    method: Method = "",
    network: Network = "",
    regime: Regime = "",
    epochs: Epochs = None,
    device: Device = "",
    features: Features = "",
    features_by: FeaturesBy = "",
    imagenet: Imagenet = None,
    search: Annotated[
        int | None,
        typer.Option(
            "--search",
            min=1,
            help="Try so many settings first, each on people left out in turn, and train with the best. What you set"
            " yourself stays; learning rate, batch, width, depth, dropout ... are searched.",
        ),
    ] = None,
    study: Study = None,
    teacher: Teacher = None,
    targets: TargetsChoice = TargetsOption.FORCE,
    calibration: Calibration = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a model of all participants in TRIALS; stopped, the same command goes on where it was.

    How good it is for somebody new, grf-evaluate --model OUT measures; after --search it searches anew for everyone
    it leaves out.
    """
    if targets is TargetsOption.COP:
        cop_run.refuse_of_force(
            "a model", preset=preset, kind=kind != "fixed", network=network, regime=regime, epochs=epochs,
            device=device, features=features, features_by=features_by, imagenet=imagenet, search=search, study=study,
            teacher=teacher,
        )  # fmt: skip
        documents = tuple(calibration or ())
        cop_run.train(
            trials, out=out, config=config, method=method, calibrations=documents, force=force, as_json=as_json
        )
        return
    from ..learn.training_job import train as run
    from .learn_words import model_text, progress_bar, say_left_out, student_text

    with progress_bar("training") as progress:
        model = run(
            trials, out=out, preset=preset, kind=kind, config=config, method=method, network=network, regime=regime,
            epochs=epochs, device=device, features=features, features_by=features_by, imagenet=imagenet, search=search,
            study=study, teacher=teacher, calibrations=tuple(calibration or ()), force=force, progress=progress,
        )  # fmt: skip
    say_left_out(model.summary.get("findings", ()))
    text = model_text if teacher is None else student_text
    print(json.dumps(model.summary, indent=2) if as_json else text(model.summary))


def main() -> None:
    """Run the command."""
    common.run(app, name="grf-train")


if __name__ == "__main__":
    main()
