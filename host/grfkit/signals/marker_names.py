"""Names of markers: without the subject's prefix, and which of them are a foot's heel and toe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

_SIDES = {"l": "left", "lt": "left", "left": "left", "r": "right", "rt": "right", "right": "right"}
# The side stands before the part (LHEE, L_heel, Left Heel, r.calc) or behind it (heel_l, HeelLeft, Toe.R, ToeR)
_BEFORE = re.compile(r"(?P<side>left|right|[lr]t(?=[ ._-])|[lr])(?P<gap>[ ._-]*)(?P<part>.+)", re.IGNORECASE)
_BEHIND = re.compile(r"(?P<part>.+?)[ ._-]+(?P<side>left|right|lt|rt|l|r)", re.IGNORECASE)
_BEHIND_CAMEL = re.compile(r"(?P<part>.*[a-z])(?P<side>Left|Right|L|R)")
_WITHIN = re.compile(r"(?P<part>.+?)[ ._-](?P<side>left|right)(?P<more>.*)", re.IGNORECASE)

# Heel: Plug-in Gait HEE, Helen Hayes and others heel, CAL and calc(aneus), CAST and IOR CA (Cappozzo 1995, Leardini
# 2007), FCC of van Sint Jan 2007 (after the ISB)
_HEEL = re.compile(r"heel|calc|hee$|cal$|^ca$|^fcc\d?$", re.IGNORECASE)
# Toe: TOE, hallux (HAL, HLX), metatarsal heads as MT1, 1MT, MTP5, 5meta, met, FM1 (van Sint Jan), FMH SMH VMH (IOR),
# D1M (Oxford), Forefoot5 (Qualisys), foot_index (MediaPipe)
_TOE = re.compile(
    r"toe|hallux|^hal$|^hlx$|mt[125]|^[1-5](st|nd|rd|th)?[ ._-]?mt[hp]?$|mtp[1-5]|meta|^met[ ._-]?h?[1-5]?$"
    r"|^fm[1-5]$|^[fsv]mh$|^d[1-5]m$|forefoot|foot[ ._-]?index",
    re.IGNORECASE,
)
# First, second and fifth metatarsal head of CAST and IOR: letters that other sets use for other places (FM: the medial
# femur), so they count beside this set's heel (CA) alone
_CAST_TOES, _CAST_HEEL = re.compile(r"[fsv]m", re.IGNORECASE), re.compile(r"ca", re.IGNORECASE)


def plain_names(names: Sequence[str]) -> list[str]:
    """Return marker names without the subject before them: ``LHEE`` of ``Subject 8:LHEE``, as Vicon and Motive write.

    Names of which two would be the same (several people in one file) stay as they are.
    """
    plain = [name.rpartition(":")[2].strip() or name for name in names]
    twice = {name for name in plain if plain.count(name) > 1} if len(set(plain)) < len(plain) else set()
    return [name if short in twice else short for name, short in zip(names, plain)]


def foot_landmarks(names: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """Return the indices of heel and toe landmarks by side: ``{"left": {"heel": [...], "toe": [...]}, ...}``.

    A prefix that all names share is left out (``Skeleton_LHEE``). Of feet of several people in one file none is taken.
    """
    plain = plain_names(names)
    indices = _feet(plain)
    if not indices and (shared := _shared_prefix(plain)):
        indices = _feet([name[len(shared) :] for name in plain])
    return indices


def _shared_prefix(names: Sequence[str]) -> str:
    """Return what all names have before their last separator in common, "" where that is nothing."""
    if len(names) < 2:
        return ""
    # of sorted texts the first and the last have least in common
    same = takewhile(lambda pair: pair[0] == pair[1], zip(min(names), max(names)))
    start = re.match(r".*[ ._-]", "".join(letter for letter, _ in same))
    return start[0] if start else ""


def _feet(names: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    indices: dict[str, dict[str, list[int]]] = {}
    places = [_place(name) for name in names]
    cast = {side for side, part in places if _CAST_HEEL.fullmatch(part)}
    for index, (side, part) in enumerate(places):
        if not side:
            continue
        is_toe = _TOE.search(part) or (side in cast and _CAST_TOES.fullmatch(part))
        landmark = "heel" if _HEEL.search(part) else "toe" if is_toe else ""
        if landmark:
            indices.setdefault(side, {}).setdefault(landmark, []).append(index)
    return indices


def _place(name: str) -> tuple[str, str]:
    """Return side ("" if none) and the rest of a name."""
    before = _BEFORE.fullmatch(name)
    if before and (before["gap"] or len(before["side"]) > 2 or _starts_a_part(before["part"])):
        return _SIDES[before["side"].lower()], before["part"]
    for form in (_BEHIND, _BEHIND_CAMEL):
        if behind := form.fullmatch(name):
            return _SIDES[behind["side"].lower()], behind["part"]
    if within := _WITHIN.fullmatch(name):
        return _SIDES[within["side"].lower()], within["part"] + within["more"]
    return "", name


def _starts_a_part(rest: str) -> bool:
    """Return whether a side's letter may stand before this: ``LHEE``, ``lheel``, ``L5MT`` and no ``Lateral heel``."""
    return not rest[0].islower() or re.match(r"heel|toe|foot|hee|cal|big|small|mt|fcc|fm|hal", rest) is not None
