"""The five claims of Sugiarto et al. 2025 (doi 10.1186/s12938-025-01409-1), each held against what was measured.

The study's numbers could not be read: what is tested is a reconstruction, not replication, on other people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..stats.compare import Paired, paired, with_holm
from .feature_errors import ALPHA, LEAST_GAIN, Errors, Help, Table, detectable, helped, shows
from .feature_methods import FROM_IMAGENET, FROZEN

Verdict = Literal["supported", "contradicted", "undecided", "not tested"]
TEN = ("mlp", "lstm", "bilstm", "gru", "cnn1d", "cnn2d", "cnn1d_lstm", "cnn2d_lstm", "resnet50", "inception3")
"""The study's networks as far as known; LSTM, 2D-CNN-LSTM, ResNet50 and Inception are named in its abstract."""
BEST, IMAGES, HYBRIDS, UNHELPED = "cnn2d_lstm", ("resnet50", "inception3"), ("cnn1d_lstm", "cnn2d_lstm"), "lstm"
CLAIMS = (
    "knee alignment and affected side lower the error of every network but the LSTM",
    "they do nothing for the LSTM",
    "the 2D-CNN-LSTM errs least",
    "ResNet50 and Inception err less from weights of ImageNet than from random ones",
    "ResNet50 and Inception err more than the hybrids (1D- and 2D-CNN-LSTM), at a higher cost",
)

_EXCLUDED = f"a gain of {100 * LEAST_GAIN:.0f} % of the error is excluded, over none and over those of others"


@dataclass(frozen=True)
class Claim:
    """A claim and what these data say of it.

    A claim is contradicted by what runs against it beyond the control: more error with people's own features than
    without *and* than with those of others, or a gain that would matter excluded over both. An error that rises with
    anybody's features is the cost of more inputs, or of too little training, and leaves a claim undecided.

    Attributes
    ----------
    power
        What so many people, who differ so much, could have shown; empty where nothing was tested.
    contrasts
        What it was tested by: name -> mean difference of errors with interval, p and p after Holm.
    """

    number: int
    claim: str
    verdict: Verdict
    why: str
    power: str
    contrasts: dict[str, dict[str, Any]]


def claims(table: Table, networks: Sequence[str], features: str, macs: Mapping[str, int]) -> list[Claim]:
    """Return the five claims with their verdicts.

    Parameters
    ----------
    table
        Errors overall.
    networks
        Those trained; one from weights of ImageNet has :data:`~.feature_methods.FROM_IMAGENET` after its name.
    features
        What networks were given; with ``none`` only claims of order are tested, and say so.
    macs
        Multiply-accumulates of a window by network.
    """
    given = features != "none"
    nine = helped(table, [n for n in TEN if n in networks and n != UNHELPED], features) if given else []
    # alone in its family: no correction for the other networks
    alone = helped(table, [n for n in networks if n == UNHELPED], features) if given else []
    how = "" if given else "; networks without features"
    return [
        _every_but_one(nine),
        _unhelped(alone),
        _first(table, networks, features, how),
        _from_imagenet(table, networks, features, how),
        _behind(table, networks, features, macs, how),
    ]


def _not_tested(number: int, why: str) -> Claim:
    return Claim(number, CLAIMS[number - 1], "not tested", why, "", {})


def _every_but_one(rows: Sequence[Help]) -> Claim:
    if not rows:
        return _not_tested(1, "no network was trained with features")
    asked = [n for n in TEN if n != UNHELPED]
    shown = [row.network for row in rows if row.word == "helped"]
    harmed = [row.network for row in rows if row.word == "harmed"]
    without_gain = [row.network for row in rows if row.excluded and row.word not in ("helped", "harmed")]
    verdict: Verdict = "undecided"
    if harmed or without_gain:
        verdict = "contradicted"
        parts = [f"more error with them than without, and than with those of others: {', '.join(harmed)}"] * bool(
            harmed
        )
        parts += [f"no gain in {', '.join(without_gain)} ({_EXCLUDED})"] * bool(without_gain)
        why = "; ".join(parts) + (f"; helped: {', '.join(shown)}" if shown else "")
    elif len(shown) == len(asked):
        verdict, why = "supported", f"all {len(asked)} are helped, and more than by the features of others"
    else:
        lacking = [n for n in asked if n not in {row.network for row in rows}]
        why = f"{len(shown)} of {len(rows)} are shown to be helped, none is shown not to be"
        why += f"; not trained: {', '.join(lacking)}" if lacking else ""
    why += _costly(rows) + _loud(rows)
    return Claim(1, CLAIMS[0], verdict, why, _power(rows), {row.network: _of_help(row) for row in rows})


def _unhelped(rows: Sequence[Help]) -> Claim:
    if not rows:
        return _not_tested(2, "no LSTM was trained with features")
    row = rows[0]
    verdict: Verdict = "undecided"
    why = "neither a gain nor its absence is shown"
    if row.word == "helped":
        verdict, why = "contradicted", f"it is helped, by {-100 * row.given.mean / row.without:.1f} % of its error"
    elif row.word == "harmed":
        more = f"{100 * row.given.mean / row.without:.1f} % of its error"
        verdict, why = "supported", f"it errs more with them, by {more}, and more than with those of others"
    elif row.excluded:
        verdict, why = "supported", _EXCLUDED
    why += _costly(rows) + _loud(rows)
    return Claim(2, CLAIMS[1], verdict, why, _power(rows), {UNHELPED: _of_help(row)})


def _first(table: Table, networks: Sequence[str], features: str, how: str) -> Claim:
    best = table.mean(BEST, features) if BEST in networks else None
    listed = [n for n in networks if n != BEST and n.removesuffix(FROM_IMAGENET) in TEN]
    others = {n: e for n in listed if (e := table.mean(n, features)) is not None}
    if best is None or not others:
        return _not_tested(3, "2D-CNN-LSTM or every other network is missing")
    family = with_holm({f"{BEST} less {n}": paired(best, e) for n, e in others.items()})
    power = _power_of_pairs(best, others)
    worse = [n for n, p in zip(others, family.values()) if _above(p)]
    better = [n for n, p in zip(others, family.values()) if _below(p)]
    lacking = [n for n in TEN if n not in others and n != BEST]
    verdict: Verdict = "undecided"
    if worse:
        verdict, why = "contradicted", f"it errs more than {', '.join(worse)}"
    elif len(better) == len(others) and not lacking:
        verdict, why = "supported", "it errs less than each of the others"
    else:
        why = f"it is shown to err less than {len(better)} of {len(family)}, and more than none"
        why += f"; not trained: {', '.join(lacking)}" if lacking else ""
    return Claim(3, CLAIMS[2], verdict, why + how, power, {n: _of_pair(p) for n, p in family.items()})


def _from_imagenet(table: Table, networks: Sequence[str], features: str, how: str) -> Claim:
    started = {}
    for image in IMAGES:
        if image in networks and image + FROM_IMAGENET in networks:
            random, learnt = table.mean(image, features), table.mean(image + FROM_IMAGENET, features)
            if random is not None and learnt is not None:
                started[image] = (learnt, random)
    if not started:
        why = "no weights of ImageNet were given, and nothing stands in for them; --imagenet FILE takes your own file"
        return _not_tested(4, why)
    family = with_holm({f"{n}{FROM_IMAGENET} less {n}": paired(*both) for n, both in started.items()})
    above = [n for n, p in zip(started, family.values()) if _above(p)]
    below = [n for n, p in zip(started, family.values()) if _below(p)]
    lacking = [n for n in IMAGES if n not in started]
    verdict: Verdict = "undecided"
    if above:
        verdict, why = "contradicted", f"from weights of ImageNet more error: {', '.join(above)}"
    elif len(below) == len(IMAGES):
        verdict, why = "supported", "both err less from weights of ImageNet"
    else:
        why = f"{len(below)} of {len(started)} are shown to err less, none more"
        why += f"; no file of weights of {', '.join(lacking)}" if lacking else ""
    seen = [_share(detectable(*both, family=len(started)), both[1]) for both in started.values()]
    people = len(table.people)
    return Claim(
        4, CLAIMS[3], verdict, why + how, _seen(seen, people, "difference"), {n: _of_pair(p) for n, p in family.items()}
    )


def _behind(table: Table, networks: Sequence[str], features: str, macs: Mapping[str, int], how: str) -> Claim:
    pairs, seen, images = {}, [], []
    wanted = [(i, h) for i in IMAGES for h in HYBRIDS if i in networks and h in networks]
    for image, hybrid in wanted:
        named = image + FROM_IMAGENET if image + FROM_IMAGENET in networks else image
        one, other = table.mean(named, features), table.mean(hybrid, features)
        if one is not None and other is not None:
            pairs[f"{named} less {hybrid}"] = paired(one, other)
            seen.append(_share(detectable(one, other, family=len(wanted)), other))
            images.append(named)
    if not pairs:
        frozen = "; a trunk that stays at random weights is not theirs" if any(FROZEN in n for n in networks) else ""
        return _not_tested(5, "ResNet50 and Inception, or the hybrids, were not trained" + frozen)
    family = with_holm(pairs)
    cheaper = [i for i, h in wanted if i in macs and h in macs and macs[i] <= macs[h]]
    ahead, behind = [n for n, p in family.items() if _below(p)], [n for n, p in family.items() if _above(p)]
    untested = [n for n in IMAGES if n + FROM_IMAGENET not in images]
    verdict: Verdict = "undecided"
    if ahead or cheaper:
        verdict, why = "contradicted", f"below 0: {', '.join(ahead)}" if ahead else f"not dearer: {', '.join(cheaper)}"
    elif len(behind) == len(IMAGES) * len(HYBRIDS) and not untested:
        verdict, why = "supported", f"all {len(behind)} contrasts are above 0, and each costs more multiply-accumulates"
    else:
        why = f"{len(behind)} of {len(family)} contrasts are above 0, none below"
        # the study says it of networks that started from ImageNet, too
        why += f"; from weights of ImageNet not tested: {', '.join(untested)}" if untested else ""
    contrasts = {n: _of_pair(p) for n, p in family.items()}
    return Claim(5, CLAIMS[4], verdict, why + how, _seen(seen, len(table.people), "difference"), contrasts)


def _below(p: Paired) -> bool:
    return p.p_holm is not None and p.p_holm < ALPHA and p.high < 0


def _above(p: Paired) -> bool:
    return p.p_holm is not None and p.p_holm < ALPHA and p.low > 0


def _costly(rows: Sequence[Help]) -> str:
    """Return a sentence where features raise an error as those of others do: that says nothing of their truth."""
    costly = [row.network for row in rows if row.costs_inputs]
    if not costly:
        return ""
    err = "err" if len(costly) > 1 else "errs"
    return (
        f"; with any features {', '.join(costly)} {err} more, and not shown to err more"
        " with people's own than with those of others: the cost of more inputs or of too little training, which"
        " decides nothing"
    )


def _loud(rows: Sequence[Help]) -> str:
    """Return a sentence where others' features lower an error: then a gain over none is no proof of their truth."""
    loud = [row.network for row in rows if row.presence.high < 0]
    return f"; the control is not silent: features of others alone lower the error of {', '.join(loud)}" if loud else ""


def _share(difference: float | None, base: Errors) -> float | None:
    """Return a difference as a share (%) of the mean error it is compared with."""
    return None if difference is None else 100 * difference * len(base) / sum(base.values())


def _power(rows: Sequence[Help]) -> str:
    return _seen([None if r.seen is None else 100 * r.seen / r.without for r in rows], rows[0].given.n, "gain")


def _power_of_pairs(best: Errors, others: Mapping[str, Errors]) -> str:
    seen = [_share(detectable(best, e, family=len(others)), e) for e in others.values()]
    return _seen(seen, len(best), "difference")


def _seen(shares: Sequence[float | None], people: int, what: str) -> str:
    """Return what these people could have shown, as a sentence; shares in % of the error."""
    if not shows(people):
        return f"{people} people are too few for a p-value"
    known = sorted(share for share in shares if share is not None)
    if len(known) < len(shares):
        return f"{people} people can show no {what} in {len(shares)} comparisons at once"
    ends = f"{known[0]:.1f}" if len(known) == 1 else f"{known[0]:.1f} to {known[-1]:.1f}"
    return f"{people} people show a {what} of {ends} % of the error with a power of .8"


def _of_pair(p: Paired) -> dict[str, Any]:
    keys = ("n", "mean", "low", "high", "better", "p", "p_holm")
    return {k: v for k, v in asdict(p).items() if k in keys}


def _of_help(row: Help) -> dict[str, Any]:
    return {
        "with less without": _of_pair(row.given),
        "with less those of others": _of_pair(row.true),
        "those of others less without": _of_pair(row.presence),
        "p_holm": row.p_holm,
        "word": row.word,
        "least_gain": row.least,
        "gain_seen_with_power_80": row.seen,
        "error_without": row.without,
    }
