"""``grf-quantize``: a trained model to a proven int8 bundle, and the proof of a bundle again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from . import common

app = common.make_app(
    "A bundle holds the int8 model, its C, golden windows and a card; every claim in it was measured."
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout.")]


@app.command(epilog=common.EXIT_CODES)
def export(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="Folder that grf-train wrote.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder of the bundle to write.", show_default=False)],
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(
            "--calibrate",
            metavar="<path>",
            help="Trials or sets of training participants for the ranges of 8 bits; else the model's own; repeatable.",
        ),
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--held-out",
            metavar="<path>",
            help="Trials or sets of people the model has not seen, repeatable: parity is measured on them. Without any"
            " it is measured on training people, and manifest and card say so.",
        ),
    ] = None,
    boards: Annotated[
        str, typer.Option("--boards", help="Emulated boards: QEMU's names with commas between, all, or none.")
    ] = "mps2-an386",
    rate_hz: Annotated[float, typer.Option("--rate-hz", help="The device's rate, for detector and buffer.")] = 100.0,
    licence: Annotated[str, typer.Option("--licence", help="Of the weights, for the card.")] = "",
    keep_failed: Annotated[
        Path | None, typer.Option("--keep-failed", help="New folder to look at a refused bundle in.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a bundle that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Quantise MODEL and write its bundle, if every bound is kept; a minute or two.

    A model of pictures of a film has no C: --boards, --rate-hz and --keep-failed are refused with it.
    """
    from .quantize_run import run_export

    summary, text = run_export(
        model, out, calibrate=calibrate, held_out=held_out, boards=boards, rate_hz=rate_hz, licence=licence,
        force=force, keep_failed=keep_failed, stated=_stated(context, "boards", "rate_hz", "keep_failed"),
    )  # fmt: skip
    print(json.dumps(summary, indent=2, allow_nan=False) if as_json else text)


@app.command(epilog=common.EXIT_CODES)
def verify(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="Folder that grf-quantize export wrote.", show_default=False)],
    boards: Annotated[
        str, typer.Option("--boards", help="Emulated boards to run again: QEMU's names with commas between, all, none.")
    ] = "mps2-an386",
    run: Annotated[
        bool | None,
        typer.Option(
            "--run/--no-run",
            help="Compile and run the bundle's C here, whoever wrote it, or prove only what needs no execution.",
            show_default="run only what this grfkit writes and ships, byte for byte",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove BUNDLE again: digests, the manifest's numbers, golden windows in LiteRT, TFLite Micro, C and on boards.

    What this machine cannot prove is named, and is no error. C that this grfkit did not write is neither compiled nor
    run unless you say --run: it would run as you.
    """
    from .quantize_run import run_verify

    summary, text = run_verify(bundle, boards, run, stated=_stated(context, "boards", "run"))
    print(json.dumps(summary, indent=2, allow_nan=False) if as_json else text)


def _stated(context: typer.Context, *names: str) -> tuple[str, ...]:
    """Return those of some parameters that were stated."""
    return tuple(n for n in names if getattr(context.get_parameter_source(n), "name", "DEFAULT") != "DEFAULT")


def main() -> None:
    """Run ``grf-quantize``."""
    common.run(app, name="grf-quantize")


if __name__ == "__main__":
    main()
