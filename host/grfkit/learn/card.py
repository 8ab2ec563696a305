"""The card of a model: data, exclusions, error per participant, use and misuse; generated, never edited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..artefacts import written_together, written_whole
from ..documents import document_bytes
from ..errors import BadInputError
from ..report.headline import axis_words, headline
from ..stats.curves import MEASURES, OVER_SAMPLES
from .balance import LEAST_STANCES
from .film_limits import LARGEST_S
from .outputs import CARD, EVALUATION, SEARCH
from .packaged import About, about_of
from .spec import ModelSpec, read_spec
from .training_range import range_words


def write_card(folder: Path) -> str:
    """Write ``CARD.md`` of the model in a folder, with the evaluation that lies beside it, and return its text."""
    spec = read_spec(folder)
    nearby = folder / EVALUATION
    evaluation = json.loads(document_bytes(nearby)) if nearby.exists() else None
    text = card(spec, evaluation, about_of(folder))
    with written_whole(folder / CARD, force=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def add_evaluation(folder: Path, evaluation: dict[str, Any]) -> None:
    """Put an evaluation beside a model, if it is of the same recipe and people, and write the card anew.

    Raises
    ------
    BadInputError
        If the folder holds no model, or the evaluation leaks or is of other settings or other participants.
    """
    spec = read_spec(folder)
    if evaluation["leaks"]:
        raise BadInputError(
            f"an evaluation that leaks ({'; '.join(evaluation['leaks'])}) is no figure for a model's card"
        )
    if _settings_of(evaluation["recipe"]) != _settings_of(spec.provenance.configuration.get("recipe")):
        raise BadInputError(f"{folder}: was trained by another recipe than this evaluation; give the same settings")
    # the card prints the headline's figures as the model's own
    if evaluation["headline_regime"] != evaluation["recipe"]["regime"]:
        raise BadInputError(
            f"{folder}: was trained by regime '{evaluation['recipe']['regime'] or 'none'}', but the headline of this"
            f" evaluation is '{evaluation['headline_regime']}'; name the model's own one last, or none"
        )
    check_people(folder, spec.participants, evaluation["people"])
    plans = [document.get("search", {}).get("plan") for document in (evaluation, spec.provenance.configuration)]
    if plans[0] != plans[1]:
        raise BadInputError(
            f"{folder}: its settings were not found by the search of this evaluation; take --model alone"
        )
    evaluation = {k: v for k, v in evaluation.items() if k != "personalisation"}  # leaks by design: no figure of a card
    # one without the other would be a card of another evaluation
    with written_together((folder / EVALUATION, folder / CARD), force=True) as (document, page):
        document.write_text(json.dumps(evaluation, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        page.write_text(card(spec, evaluation, about_of(folder)), encoding="utf-8")


def check_people(folder: Path, trained: Sequence[str], people: Sequence[str]) -> None:
    """Refuse to prove a model on a set of other people than those it was trained on.

    Raises
    ------
    BadInputError
        Naming whom one has and the other has not.
    """
    # both ways: more people than were trained on prove another model, fewer prove it on a chosen part
    apart = sorted(set(trained) ^ set(people))
    if apart:
        raise BadInputError(
            f"{folder}: was trained on other participants than these trials have ({', '.join(apart[:5])}); give the"
            " trials it was trained on, or leave out --model"
        )


def _settings_of(recipe: Any) -> Any:
    """Return a recipe without what only says where it runs."""
    if not isinstance(recipe, dict):
        return recipe
    where = ("device", "threads", "memory_mb")
    # recipes of an earlier grfkit name no targets: there was nothing but force
    cut = {k: v for k, v in recipe.get("cut", {}).items() if (k, v) != ("targets", "force")}
    return recipe | {"cut": cut, "train": {k: v for k, v in recipe["train"].items() if k not in where}}


def card(spec: ModelSpec, evaluation: dict[str, Any] | None, about: About | None = None) -> str:
    """Return the card as Markdown; of a packaged model with licence, attribution and what it is not for."""
    parts = [
        f"# Model card: {spec.network['name'] if about is None else about.line}",
        "Generated from `model.json`" + (f" and `{EVALUATION}`." if evaluation else ". No evaluation lies beside it."),
        _what(spec),
        *_licence(about),
        *_choice(spec),
        *_limits(spec),
        *_balance(spec),
        *_settings(spec),
        _data(spec),
        _error(evaluation),
        _use(spec, about),
    ]
    return "\n\n".join(parts) + "\n"


def _licence(about: About | None) -> list[str]:
    """Return the parts on what a packaged model takes, and on the recordings it was trained on."""
    if about is None:
        return []
    cut = [f"* On a recording without plates its stances are cut by `{about.cut}`."] if about.cut else []
    taken = ["## What it takes", "", f"* {about.line}.", f"* Takes {about.takes}.", *cut]
    sources = [f"* {source.name}: {source.licence}. {source.attribution}" for source in about.data]
    stored = [f"* Stored small: {about.stored}."] if about.stored else []
    owned = ["## Licence and attribution", "", f"* Of this model: {about.licence}.", *sources, *stored]
    return ["\n".join(taken), "\n".join(owned)]


def _what(spec: ModelSpec) -> str:
    scaler = spec.scaler
    settings = ", ".join(f"{k} {_value(v)}" for k, v in spec.network.items() if k not in ("name", *_LONG))
    rate = f" at {spec.rate_hz:g} Hz" if spec.rate_hz else ""
    return "\n".join(
        [
            "## What it is",
            "",
            *([f"* Method: {spec.training['method']}."] if "method" in spec.training else []),
            f"* Network: {spec.network['name']}{f' ({settings})' if settings else ''}; seed {spec.provenance.seed}.",
            f"* From {len(scaler.channels)} channels: {_short(scaler.channels, scaler.units)};"
            f" {_scalars(scaler.statics)}",
            f"* to {', '.join(scaler.axes)} in body weights, {spec.window} windows of {spec.points} samples{rate},"
            f" cut by `{spec.cut}`" + (", left mirrored onto right." if spec.mirrored else "."),
        ]
    )


_LONG = ("members", "columns", "statics_columns", "planes")
"""Settings of a mix that are its members' own, and lists of numbers of channels."""


def _choice(spec: ModelSpec) -> list[str]:
    """Return the part on what the method was chosen from, if it was chosen."""
    choice = spec.provenance.configuration.get("choice")
    if not choice:
        return []
    axes = list(choice["table"][0]["rmse_bw"])
    lines = [
        "## Choice",
        "",
        f"Every method was fitted without some of {choice['people']} people in turn; its RMSE on those (BW) decided."
        " As the best of many it is a little too good; `grf-evaluate --model` chooses anew in every fold.",
        "",
        "| method | " + " | ".join(axes) + " |",
        "|---" * (len(axes) + 1) + "|",
    ]
    for row in choice["table"]:
        chosen = " (chosen)" if row["method"] == choice["chosen"] else ""
        lines.append(f"| {row['method']}{chosen} | " + " | ".join(f"{row['rmse_bw'][a]:.4f}" for a in axes) + " |")
    if weights := mix_weights(choice):
        lines += ["", f"Weights of the mix, by axis: {weights}."]
    return ["\n".join(lines)]


def mix_weights(choice: dict[str, Any]) -> str:
    """Return what a mix that was chosen is made of: its members, each with a weight for every axis; else empty."""
    # documents of an earlier grfkit have no method: nothing was balanced
    if choice.get("method", choice["chosen"]) != "mix":
        return ""
    return "; ".join(f"{name} {' / '.join(f'{w:g}' for w in ws)}" for name, ws in choice["weights"].items())


def _limits(spec: ModelSpec) -> list[str]:
    """Return the part on how contacts are put right, if they are."""
    if spec.limits is None:
        return []
    lines = [
        "## Contacts",
        "",
        "Landing and toe-off that a film shows are put right before the force is predicted, by what the joints around"
        f" them told of the plates' contacts in training, by {1e3 * LARGEST_S:.0f} ms at most. Windows that plates cut"
        " are not moved. The contact times that an estimate states stay those of the film.",
    ]
    return ["\n".join(lines)]


def _balance(spec: ModelSpec) -> list[str]:
    """Return the part on how predictions are balanced, if they are."""
    if spec.balance is None:
        return []
    forward = "" if spec.balance.forward is None else f", the forward one {spec.balance.forward:+.3f} BW"
    lines = [
        "## Balance",
        "",
        f"Predictions of a trial of {LEAST_STANCES} stances or more are balanced over its strides: the vertical force"
        f" of its contacts averages {spec.balance.vertical:.3f} BW{forward}, as in training. For steady gait on level"
        " ground only. A bundle on an insole, which answers one stance at a time, and the live view do not do it;"
        " `grf-estimate` does, and says by how much.",
    ]
    return ["\n".join(lines)]


def _short(channels: Sequence[str], units: Sequence[str]) -> str:
    """Return channels in words, those of one unit together, the first and last of many."""
    parts = []
    for unit in dict.fromkeys(units):
        names = [c for c, u in zip(channels, units) if u == unit]
        listed = names if len(names) <= 6 else [*names[:3], "...", names[-1]]
        parts.append(f"{len(names)} in {unit} ({', '.join(listed)})")
    return ", ".join(parts)


def _scalars(names: Sequence[str]) -> str:
    return f"and {', '.join(names)}" if names else "no scalars"


def _settings(spec: ModelSpec) -> list[str]:
    """Return the part on the search that chose the settings, if there was one."""
    search = spec.provenance.configuration.get("search")
    if not search:
        return []
    plan, rows = search["plan"], search["trials"]
    lost = sum(row["score"] is None for row in rows)
    best = ", ".join(f"{k} {_value(v)}" for k, v in search["settings"].items())
    lines = [
        "## Settings",
        "",
        f"* Chosen by a search of {len(rows)} trials (seed {plan['seed']}), each scored on participants left out in"
        f" {min(plan['folds'], len(search['participants']))} inner folds; `{SEARCH}` has them all.",
        f"* Best: {best}; its error {search['score']:.4f} of the mean range (over participants and axes). As the best"
        " of many it is too good: no figure for anybody new.",
        f"* The search saw {', '.join(search['participants'])}: nobody of them can test this model or these settings.",
    ]
    lines += [f"* {lost} of the trials diverged."] if lost else []
    return ["\n".join(lines)]


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _data(spec: ModelSpec) -> str:
    lines = [
        "## Data",
        "",
        f"* {len(spec.participants)} participants: {', '.join(spec.participants)}.",
        f"* Source: {spec.source}.",
        f"* Of these, {', '.join(spec.fold.get('inner', [])) or 'nobody'} decided when to stop.",
        *[f"* {text}." for text in (range_words(spec.range) if spec.range else [])],
        *[f"* Left out: {count} x {reason}." for reason, count in sorted(spec.excluded.items())],
        *[f"* {text}." for text in spec.provenance.findings],
    ]
    return "\n".join(lines)


def _error(evaluation: dict[str, Any] | None) -> str:
    if evaluation is None:
        return "## Error\n\nNot known: nobody has proven this model yet. `grf-evaluate --model` fills this in."
    headline = evaluation["headline"]
    axes = evaluation["axes"]
    lines = [
        "## Error",
        "",
        f"`{evaluation['split']}`, every participant tested by a model that had not seen them, beside every baseline;"
        " mean over participants and its 95 % interval.",
        "",
        table_text(evaluation, measures=stance_measures(evaluation)),
        "",
        _verdict(evaluation),
        "",
        "| participant | windows | " + " | ".join(f"{a} RMSE BW" for a in axes) + " |",
        "|---" * (len(axes) + 2) + "|",
    ]
    by_axis = [evaluation["methods"][headline][a]["participants"]["rmse_bw"] for a in axes]
    for person, count in evaluation["windows"].items():
        cells = [f"{v[person]:.4f}" if v.get(person) is not None else "-" for v in by_axis]
        lines.append(f"| {person} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def stance_measures(evaluation: dict[str, Any]) -> tuple[str, ...]:
    """Return the measures of a table of stances; windows that go beyond their contact have the contact's alone, too."""
    group = evaluation["methods"][evaluation["headline"]][evaluation["axes"][0]]["group"]
    return ("rmse_bw", *(n for n in ("rmse_contact_bw",) if n in group), "rrmse_percent", "r")


def _verdict(evaluation: dict[str, Any]) -> str:
    """Return in words whether the network beats the baselines."""
    found = headline(evaluation)
    return " ".join([f"**{found.text}.**", *(axis_words(evaluation, axis) for axis in evaluation["axes"])])


def _use(spec: ModelSpec, about: About | None = None) -> str:
    never = "".join(f"\n* {text}" for text in about.never) if about is not None else ""
    leaks = "".join(f"\n* Leaks: {leak}; its figures are no headline." for leak in spec.leaks)
    return (
        "## Use and misuse\n\n"
        "* For people, shoes, speeds and slopes like those above, the same kind of sensor in the same place, and"
        f" windows cut by `{spec.cut}`.\n"
        "* Not for diagnosis, not for a single contact, not for loading rates beyond the filter of the force it was"
        " trained on, not for another sensor, gait or surface without a new evaluation.\n"
        "* The people named under Data were in training: their own error is better than anybody else's will be."
        f"{never}{leaks}"
    )


def table_text(evaluation: dict[str, Any], *, measures: Sequence[str] = ("rmse_bw", "rrmse_percent", "r")) -> str:
    """Return a Markdown table: a row per method, mean and 95 % interval over participants by axis."""
    known = (*MEASURES, "rmse_n", "rmse_contact_bw", *OVER_SAMPLES)
    unknown = [m for m in measures if m not in known]
    if unknown:
        raise BadInputError(f"there is no measure '{unknown[0]}'; there are {', '.join(known)}")
    heads = [f"{axis} {_HEAD.get(m, m)}" for axis in evaluation["axes"] for m in measures]
    first = evaluation["axes"][0]
    lines = ["| method | " + " | ".join(heads) + f" | worst ({first}) | s |", "|---" * (len(heads) + 3) + "|"]
    for name, axes in evaluation["methods"].items():
        cells = [_cell(axes[axis]["group"].get(m), m) for axis in evaluation["axes"] for m in measures]
        worst = axes[first]["group"]["rmse_bw"]["worst"]
        lost = max(axes[axis]["unanswered"] for axis in evaluation["axes"])
        label = f"{name} ({lost} windows not answered)" if lost else name
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {worst} | {evaluation['seconds'][name]:g} |")
    return "\n".join(lines)


_HEAD = {"rmse_bw": "RMSE BW", "rrmse_percent": "rRMSE %", "r": "r", "rmse_n": "RMSE N", "bias_bw": "bias BW"} | {
    "rmse_contact_bw": "RMSE BW, contact alone",
    "mae_percent_bw": "MAE % BW",
    "r_samples": "r (samples)",
}


_DIGITS = {"rmse_bw": 4, "rmse_contact_bw": 4, "mae_bw": 4, "bias_bw": 4, "r": 4, "rmse_n": 1, "r_samples": 3}


def _cell(summary: dict[str, Any] | None, measure: str) -> str:
    digits = _DIGITS.get(measure, 1)
    # an evaluation by an earlier grfkit lacks what is new
    if summary is None or summary["mean"] is None:
        return "-"
    if measure in ("r", "r_samples") or summary["low"] is None:
        return f"{summary['mean']:.{digits}f}"
    return f"{summary['mean']:.{digits}f} ({summary['low']:.{digits}f}-{summary['high']:.{digits}f})"
