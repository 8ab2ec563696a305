"""``grf-estimate``: the ground reaction force of a recording, by a trained model."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ..errors import BadInputError
from . import common
from .inspect import FootOption, read_options

app = common.make_app()

_Map = Annotated[Path | None, typer.Option("--column-map", help="TOML names for a CSV's columns.")]
_Calibrations = Annotated[
    list[Path] | None,
    typer.Option("--calibration", metavar="<path>", help="Document of grf-calibrate for RECORDING; repeatable."),
]
_Person = Annotated[str, typer.Option("--participant", help="Code of the person, if RECORDING names none.")]
_Leak = Annotated[
    str, typer.Option("--allow-leak", help="Name of the leak by which one of the training is answered all the same.")
]
_Beyond = Annotated[
    bool, typer.Option("--accept-beyond", help="Answer inputs far beyond those of training all the same, and say so.")
]
_NoBalance = Annotated[
    bool, typer.Option("--no-balance", help="Leave the force as the model says it, not balanced over strides.")
]
_Insole = Annotated[
    str, typer.Option("--insole", help="Where the insole's cells lie (fsr16_m ... or a JSON file), for .mot.")
]
_Heel = Annotated[
    float, typer.Option("--heel-m", help="Insole's heel end in front of the origin of calcn, m, for .mot.")
]
_Unknown = Annotated[
    str, typer.Option("--unknown", help="Where .mot would need unknown force: refuse, or cut to what is known.")
]
_Side = Annotated[
    FootOption | None,
    typer.Option("--side", help="Foot of a recording that does not say it.", case_sensitive=False),
]
_Mapping = Annotated[
    str,
    typer.Option(
        "--mapping",
        help="How the recording's markers become landmarks: rbds, opencap, pose2sim, theia3d, plugin_gait ... or a TOML"
        " file; else found from their names.",
    ),
]
_PersonFile = Annotated[
    str,
    typer.Option(
        "--person",
        help="TOML of the person (hka_left_deg, affected ...), if the model takes it.",
    ),
]
_Walker = Annotated[
    str,
    typer.Option(
        "--walker",
        help="Of several people in a film: left or right of those who walk, or a number (0 goes farthest).",
    ),
]
_Near = Annotated[
    str,
    typer.Option("--near-side", help="Of a mirrored film: the side of the body near the camera, left or right."),
]
_Static = Annotated[str, typer.Option("--static", help="C3D of a static trial, if the mapping needs one.")]


class SurfaceOption(str, Enum):
    """What was walked on."""

    TREADMILL = "treadmill"
    OVERGROUND = "overground"


_Cut = Annotated[
    str, typer.Option("--cut", help="Detector of stances in place of the model's: insole_causal, insole, force.")
]


class _WithModels(TyperCommand):
    """The command, whose help ends with the models that come with grfkit."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write a line for each of them, then the exit codes."""
        # here and not above: only who asks for help pays for it
        from ..learn.packaged import line_of, packaged_names

        with formatter.section("Models that come with grfkit"):
            formatter.write_dl([(f"grfkit:{name}", line_of(name)) for name in packaged_names()])
        super().format_epilog(ctx, formatter)


@app.command(cls=_WithModels, epilog=common.EXIT_CODES)
def estimate(
    model: Annotated[
        Path,
        typer.Argument(
            help="Folder that grf-train or grf-quantize wrote, or grfkit:NAME of a model listed below.",
            show_default=False,
        ),
    ],
    recording: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Trial of grf-sync, a wearable's own file, or a film; several of one run (insole, IMU) are joined to"
            " the clock of the first, without force plates too.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write: .nc, .csv, or .mot (ExternalLoads beside).", show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="HTML report to write: force (over the measured one), limits, clocks.",
        ),
    ] = None,
    surface: Annotated[
        SurfaceOption | None,
        typer.Option("--surface", help="Of several files with force plates among them.", case_sensitive=False),
    ] = None,
    card: Annotated[bool, typer.Option("--card", help="Print what MODEL is and what it is for, and end.")] = False,
    participant: _Person = "",
    mass_kg: Annotated[
        float | None, typer.Option("--mass-kg", help="Body mass: gives newtons. A film needs it.")
    ] = None,
    speed_m_s: Annotated[float | None, typer.Option("--speed-m-s", help="If the model takes it.")] = None,
    slope_percent: Annotated[float | None, typer.Option("--slope-percent", help="If the model takes it.")] = None,
    cut: _Cut = "",
    allow_leak: _Leak = "",
    other_people: common.OtherPeople = "",
    accept_beyond: _Beyond = False,
    no_balance: _NoBalance = False,
    mapping: _Mapping = "",
    static: _Static = "",
    person: _PersonFile = "",
    walker: _Walker = "",
    near_side: _Near = "",
    insole: _Insole = "",
    heel_m: _Heel = 0.0,
    unknown: _Unknown = "refuse",
    calibration: _Calibrations = None,
    column_map: _Map = None,
    rate_hz: Annotated[float | None, typer.Option("--rate-hz", help="For files that state no rate.")] = None,
    allow_short: Annotated[bool, typer.Option("--allow-short", help=common.ALLOW_SHORT)] = False,
    side: _Side = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout.")] = False,
) -> None:
    """Estimate the ground reaction force in RECORDING with MODEL.

    The force is 0 in swing, and empty where it is not known: before the first and after the last stance, in gaps, and
    in contacts that were turned down.
    """
    # here and not above: --help must not wait for numpy, xarray and torch
    from ..learn.packaged import model_folder

    _list_if_unknown(str(model))
    folder = model_folder(model)
    if card:
        print((folder / "CARD.md").read_text(encoding="utf-8"), end="")
        return
    if not recording or out is None:
        lacking = "--out FILE" if recording else "RECORDING"
        raise BadInputError(f"{lacking} is missing; name it, or take --card to read what MODEL is")
    from . import cop_run

    if cop_run.is_cop_model(folder):
        cop_run.refuse_of_force(
            "this model", surface=surface, report=report, mass_kg=mass_kg, no_balance=no_balance, mapping=mapping,
            static=static, walker=walker, near_side=near_side, insole=insole, heel_m=heel_m,
            unknown=unknown != "refuse",
        )  # fmt: skip
        cop_run.estimate(
            folder, recording, out, as_json=as_json, force=force, calibrations=tuple(calibration or ()),
            options=read_options(column_map, rate_hz, side, file=recording[0], allow_short=allow_short),
            participant=participant, speed_m_s=speed_m_s, slope_percent=slope_percent, cut=cut, allow_leak=allow_leak,
            other_people=other_people, accept_beyond=accept_beyond, person=person,
        )  # fmt: skip
        return
    from ..estimation.estimate import estimate as run
    from ..estimation.files import summary
    from .terminal import quiet_console

    alone = recording[0] if len(recording) == 1 else None
    options = read_options(column_map, rate_hz, side, file=alone, allow_short=allow_short)
    options.extra.update({k: v for k, v in (("near_side", near_side), ("walker", walker)) if v})
    with quiet_console() as console, console.status("estimating ..."):
        result = run(
            model, alone or recording, options=options, participant=participant, mass_kg=mass_kg,
            speed_m_s=speed_m_s, slope_percent=slope_percent, cut=cut, allow_leak=allow_leak,
            other_people=other_people, accept_beyond=accept_beyond, balanced=not no_balance, mapping=mapping,
            static=static, person=person, out=out, insole=insole, heel_m=heel_m, unknown=unknown,
            force=force, surface=None if surface is None else surface.value, report=report, tell=common.say,
            calibrations=tuple(calibration or ()),
        )  # fmt: skip
    values = summary(result)
    print(json.dumps(values, indent=2, allow_nan=False) if as_json else words(values))


def _list_if_unknown(model: str) -> None:
    """Write a line for each packaged model where one is asked for that does not exist; the refusal follows."""
    from ..learn.packaged import PREFIX, lines, packaged_name, packaged_names

    if model.startswith(PREFIX) and packaged_name(model) not in packaged_names():
        for line in lines():
            common.say(line)


def words(values: dict[str, Any]) -> str:
    """Return what people read of an estimate."""
    lines = [", ".join(values["files"]) + f": participant {values['participant']}, stances cut by {values['cut']}"]
    for side, foot in values["feet"].items():
        peak = "" if foot["median_peak_vgrf_bw"] is None else f", median peak {foot['median_peak_vgrf_bw']:.2f} BW"
        percent = 100 * foot["known_samples"] / max(foot["samples"], 1)
        lines.append(
            f"  {side}: {foot['answered']} of {foot['stances']} stances{peak}; {percent:.0f} % of samples known"
        )
    lines += [f"  joined: {text}" for text in values.get("clocks", [])]
    lines += [f"  turned down: {n} x {why}" for why, n in values["rejected"].items()]
    lines += [f"  LEAKS: {leak}" for leak in values["leaks"]]
    lines += [f"  note: {text}" for text in values["findings"]]
    return "\n".join(lines)


def main() -> None:
    """Run ``grf-estimate``."""
    common.run(app, name="grf-estimate")


if __name__ == "__main__":
    main()
