"""The part of an accuracy report on facts of people as inputs: claims with verdicts, what features do, ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .numbers import DASH, fixed, p_value, signed

_OVERALL = "overall"
_WAYS = {
    "tile": "as constant channels (tile)",
    "concat": "before the last layers (concat)",
    "film": "as gains and offsets of the layers (film)",
}


def feature_section(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a comparison with features; nothing of an evaluation without one."""
    found = evaluation.get("feature_comparison")
    if not found:
        return {}
    sets = found["features"][1:]
    return {
        "intro": f"{found['preset'] or 'Networks'}: {found['people']} people; trainings of each network:"
        f" {found['seeds']}; exchanges of features between people, the control: {found['draws']}; features enter"
        f" {_WAYS.get(found['statics_by'], found['statics_by'])}.",
        "notes": [f"{note[0].upper()}{note[1:]}." for note in found["notes"]],
        "claims": [
            (
                f"Claim {c['number']}: {c['claim']}",
                c["verdict"],
                _sentences(c),
                [_contrast(*item) for item in _pairs(c)],
            )
            for c in found["claims"]
        ],
        "help": [(f, [_help(r) for r in _rows(found, f)], _by_person(found, f)) for f in sets],
        "ranks": [_rank(row, found["seeds"]) for row in found["ranks"]],
        "main": found["features"][-1],
    }


def _sentences(claim: Mapping[str, Any]) -> str:
    return f"{claim['why']}. {claim['power']}" if claim["power"] else str(claim["why"])


def _rows(found: Mapping[str, Any], features: str) -> list[Mapping[str, Any]]:
    """Return what features do for each network, on the mean of the axes."""
    return [r for r in found["help"] if (r["axis"], r["features"]) == (_OVERALL, features)]


def _by_person(found: Mapping[str, Any], features: str) -> dict[str, Any]:
    """Return the two differences of every person in every network."""
    cells = {(r["network"], r["features"], r["of_others"]): r["participants"] for r in found["errors"][_OVERALL]}
    networks = [row["network"] for row in _rows(found, features)]
    people = list(cells[networks[0], "none", False]) if networks else []
    rows = []
    for person in people:
        own = [cells[n, features, False][person] for n in networks]
        bases = [(cells[n, "none", False][person], cells[n, features, True][person]) for n in networks]
        rows.append(
            (person, [f"{signed(v - none, 2)} / {signed(v - others, 2)}" for v, (none, others) in zip(own, bases)])
        )
    return {"networks": networks, "rows": rows}


def _pairs(claim: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the contrasts of a claim, those of features one by one."""
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for name, part in claim["contrasts"].items():
        if "mean" in part:
            rows.append((name, part))
        else:
            rows += [(f"{name}: {what}", pair) for what, pair in part.items() if isinstance(pair, Mapping)]
    return rows


def _interval(pair: Mapping[str, Any]) -> str:
    return f"{signed(pair['mean'], 2)} ({signed(pair['low'], 2)} to {signed(pair['high'], 2)})"


def _contrast(name: str, pair: Mapping[str, Any]) -> tuple[str, list[str]]:
    p = pair["p"] if pair["p_holm"] is None else pair["p_holm"]
    return name, [_interval(pair), f"{pair['better']} of {pair['n']}", p_value(p)]


def _help(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    seen = "none" if row["seen"] is None else f"{100 * row['seen'] / row['without']:.1f} %"
    pairs = [
        f"{_interval(row[part])}, {row[part]['better']} of {row[part]['n']}" for part in ("given", "true", "presence")
    ]
    return row["network"], [row["word"], fixed(row["without"], 2), *pairs, p_value(row["p_holm"]), seen]


def _rank(row: Mapping[str, Any], seeds: int) -> tuple[str, list[str]]:
    ends = f"{row['low']:.0f} to {row['high']:.0f}"
    return row["network"], [
        fixed(row["error"], 2),
        ends,
        f"{100 * row['first']:.0f} %",
        fixed(row["seed_sd"], 3) if seeds > 1 else DASH,
    ]
