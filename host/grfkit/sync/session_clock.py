"""What the trials of a session say together about one device clock: their order, and the start times of their files.

Trials whose start times are stated share one unknown, the difference of the two wall clocks that stamped the files: a
trial's offset is this shift plus the difference of its files' start times. Each trial's log-likelihood, blurred by the
SD of its start times, is a function of the shift, and these functions are added. A trial is placed by the others
alone, never by itself, and a trial that contradicts the others is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import logsumexp

from ..arrays import Floats
from ..records import Prior
from .session_link import CONTRADICTS_SDS, MOST_SHARED_S, SAME_S, Link, contradicting, out_of_order, overlapping

LEAST_SWAP_CHANCE = 1e-12
"""Chance of exchanged feet at the least, and at the most below one: 28 nats are beyond every gate; chosen by hand."""
ROUNDS = 4
"""Rounds in which a shift is moved to the mean of the candidates that support it; they converge in two or three."""


@dataclass(frozen=True)
class Shift:
    """The difference of two wall clocks (s), its SD, and the margin (nats) to any other."""

    shift_s: float
    sd_s: float
    margin: float


@dataclass(frozen=True)
class Placement:
    """What the session says of one trial on one device clock.

    Attributes
    ----------
    prior
        Where the other trials place it; None where they do not.
    window_s
        Device time in which it has to lie by the order of the trials; None where that says nothing.
    reasons
        Why it cannot be of this session, or not where its contacts place it.
    p_wrong
        Chance that what was lent is wrong.
    margin
        Margin (nats) of the shift that was lent; infinite where nothing was.
    lenders
        Trials that place it.
    swap_chance
        Chance that left and right of the device were exchanged, by the other trials; None where they say nothing.
    device
        The other device that places this one; empty where other trials do.
    """

    prior: Prior | None = None
    window_s: tuple[float, float] | None = None
    reasons: tuple[str, ...] = ()
    p_wrong: float = 0.0
    margin: float = math.inf
    lenders: tuple[str, ...] = field(default=())
    swap_chance: float | None = None
    device: str = ""

    @property
    def lends(self) -> bool:
        """Return whether the trial is worth aligning anew."""
        return self.prior is not None or self.window_s is not None or self.swap_chance is not None


def shared_shift(links: Sequence[Link], *, known: Prior | None = None) -> Shift | None:
    """Return the shift that the sum of all trials' log-likelihoods favours; None where no trial has both start times.

    Parameters
    ----------
    known
        What is known of the difference of the clocks beforehand.
    """
    usable = [link for link in links if link.stated_s is not None and link.log_likelihood.size]
    if not usable:
        return None
    start = np.concatenate([link.lags_s - link.difference_s for link in usable])
    shifts = _settled(usable, start)
    total = _total(usable, shifts, known)
    best = int(np.argmax(total))
    weights = [1.0 / link.sd_s**2 for link in usable if _supports(link, float(shifts[best]))]
    sd_s = math.sqrt(1.0 / sum(weights)) if weights else math.inf
    other = np.abs(shifts - shifts[best]) > max(SAME_S, CONTRADICTS_SDS * sd_s)
    # anywhere else each trial may have a lag as good as its runner-up
    elsewhere = sum(_floor(link) for link in usable)
    rival = max(elsewhere, float(total[other].max(initial=-np.inf)))
    return Shift(float(shifts[best]), sd_s, float(total[best]) - rival)


def _floor(link: Link) -> float:
    """Return the score that a lag may have that was not scored: that of the best other alignment."""
    best = float(link.log_likelihood.max())
    far = np.abs(link.lags_s - link.lags_s[int(np.argmax(link.log_likelihood))]) > SAME_S
    return min(float(link.log_likelihood[far].max(initial=-np.inf)), best) if far.any() else min(0.0, best)


def _of_link(link: Link, shifts: Floats) -> Floats:
    """Return a trial's log-likelihood of each shift, blurred by the SD of its start times."""
    apart = (link.lags_s - link.difference_s)[None, :] - shifts[:, None]
    blurred = logsumexp(link.log_likelihood[None, :] - 0.5 * (apart / link.sd_s) ** 2, axis=1)
    return np.asarray(np.maximum(blurred, _floor(link)), dtype=np.float64)


def _total(links: Sequence[Link], shifts: Floats, known: Prior | None) -> Floats:
    total = np.sum([_of_link(link, shifts) for link in links], axis=0)
    if known is not None:
        total = total - 0.5 * ((shifts - known.offset_s) / known.sd_s) ** 2
    return np.asarray(total, dtype=np.float64)


def _settled(links: Sequence[Link], shifts: Floats) -> Floats:
    """Return shifts moved to the weighted mean of the candidates that support them."""
    for _ in range(ROUNDS):
        moved, weight = np.zeros(shifts.size), np.zeros(shifts.size)
        for link in links:
            at = link.lags_s - link.difference_s
            score = link.log_likelihood[None, :] - 0.5 * ((at[None, :] - shifts[:, None]) / link.sd_s) ** 2
            top = score.max(axis=1)
            share = np.exp(score - top[:, None])
            mean = (share * at[None, :]).sum(axis=1) / share.sum(axis=1)
            counts = (top > _floor(link)) / link.sd_s**2
            moved, weight = moved + counts * mean, weight + counts
        shifts = np.where(weight > 0, moved / np.maximum(weight, 1e-12), shifts)
    return shifts


def _supports(link: Link, shift_s: float) -> bool:
    if link.stated_s is None or not link.log_likelihood.size:
        return False
    return bool(_of_link(link, np.asarray([shift_s]))[0] > _floor(link))


def placements(
    links: Sequence[Link],
    *,
    in_order: bool,
    gate: float,
    chance_wrong: Callable[[float], float],
    known: Prior | None = None,
    swap_chance: float | None = None,
    one_device: bool = True,
) -> list[Placement]:
    """Return what the session says of each trial on one device clock.

    Parameters
    ----------
    links
        The trials in the order of the session.
    in_order
        Whether they were recorded one after the other, in this order, on the device's clock.
    gate, chance_wrong
        Margin (nats) that a shift needs to place another trial, and the chance of its being wrong.
    swap_chance
        Chance beforehand that left and right of the device were exchanged, in all trials or in none; None where the
        trials have devices of their own.
    one_device
        Whether one recording holds all trials. Recordings of their own each begin at zero, and share no time.
    """
    reasons: dict[int, list[str]] = {}
    finders = (*((overlapping,) if one_device else ()), contradicting, *((out_of_order,) if in_order else ()))
    for find in finders:
        left = [n for n, link in enumerate(links) if link.aligned and n not in reasons]
        for number, reason in find(links, left).items():
            reasons.setdefault(number, []).append(reason)
    made = []
    for number, link in enumerate(links):
        if number in reasons:
            made.append(Placement(reasons=tuple(reasons[number])))
            continue
        others = [other for n, other in enumerate(links) if n != number and n not in reasons]
        placed = _placed(link, others, gate, chance_wrong, known)
        if in_order and not link.aligned:
            placed = _between(placed, links, number, reasons, chance_wrong)
        if swap_chance is not None and not link.aligned:
            placed = replace(placed, swap_chance=_swapped(others, swap_chance))
        made.append(placed)
    return made


def _swapped(others: Sequence[Link], chance: float) -> float | None:
    """Return the chance of exchanged feet once the other trials have spoken; None where no plate showed a foot."""
    said = [other.as_labelled for other in others if other.as_labelled]
    if not said:
        return None
    nats = math.log((1.0 - chance) / chance) + sum(said)
    least = LEAST_SWAP_CHANCE
    return min(max(1.0 / (1.0 + math.exp(min(nats, 700.0))), least), 1.0 - least)


def _placed(
    link: Link, others: Sequence[Link], gate: float, chance_wrong: Callable[[float], float], known: Prior | None
) -> Placement:
    """Return where the start times place a trial: by the other trials, or by the sum of all where these do not do."""
    if link.stated_s is None:
        return Placement()
    shift, lenders = shared_shift(others, known=known), list(others)
    if shift is None or shift.margin < gate:
        shift, lenders = shared_shift([*others, link], known=known), [*others, link]
        enough = shift is not None and shift.margin >= gate and len([o for o in lenders if o.stated_s is not None]) > 1
        if not enough:
            return _known_only(link, known)
    assert shift is not None
    names = tuple(o.trial for o in lenders if _supports(o, shift.shift_s))
    sd_s = math.hypot(link.sd_s, shift.sd_s)
    mean_s = link.stated_s + shift.shift_s
    placed = Placement(Prior(offset_s=mean_s, sd_s=sd_s), None, (), chance_wrong(shift.margin), shift.margin, names)
    return replace(placed, reasons=_beyond(link, mean_s, sd_s, names))


def _known_only(link: Link, known: Prior | None) -> Placement:
    if known is None or link.stated_s is None:
        return Placement()
    return Placement(Prior(offset_s=link.stated_s + known.offset_s, sd_s=math.hypot(link.sd_s, known.sd_s)))


def _beyond(link: Link, mean_s: float, sd_s: float, names: Sequence[str]) -> tuple[str, ...]:
    """Return why a trial cannot be where the others place it, or not where its contacts do."""
    reach = CONTRADICTS_SDS * sd_s
    start, end = -mean_s, link.length_s - mean_s
    by = _by(names)
    if end + reach < link.covered_s[0] or start - reach > link.covered_s[1]:
        away = link.covered_s[0] - end if end < link.covered_s[0] else start - link.covered_s[1]
        side = "before the device's recording begins" if end < link.covered_s[0] else "after the device's recording"
        return (
            f"by its stated start time it lies {away:.0f} s {side}{by}: is it of another session, or its start time"
            " wrong?",
        )
    if link.aligned and link.offset_s is not None and abs(link.offset_s - mean_s) > reach:
        return (
            f"its contacts place it {abs(link.offset_s - mean_s):.1f} s from where its stated start time does{by}"
            f" (SD {sd_s:.2g} s): is it of another session, or its start time wrong?",
        )
    return ()


def _by(names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f", by {shown}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"


def _between(
    placed: Placement,
    links: Sequence[Link],
    number: int,
    reasons: dict[int, list[str]],
    chance_wrong: Callable[[float], float],
) -> Placement:
    """Return the placement with the device time that the trials before and after leave free."""
    link, p_wrong = links[number], placed.p_wrong
    low, high = link.covered_s
    names = []
    for n, other in enumerate(links):
        if not other.aligned or n in reasons or n == number:
            continue
        start, end = other.window_s
        if n < number and end > low:
            low = end
        elif n > number and start < high:
            high = start
        else:
            continue
        names.append(other.trial)
        p_wrong += chance_wrong(other.margin)
    if not names:
        return placed
    if high - low < min(link.length_s, link.covered_s[1] - link.covered_s[0]) / 2.0:
        reason = (
            f"the trials before and after it{_by(names)} leave {max(high - low, 0.0):.0f} s for it on the device's"
            f" clock, and it lasts {link.length_s:.0f} s: is their order right (in_order = false takes any)?"
        )
        return replace(placed, reasons=(*placed.reasons, reason))
    lenders = tuple(dict.fromkeys((*placed.lenders, *names)))
    window = (low - MOST_SHARED_S, high + MOST_SHARED_S)
    return replace(placed, window_s=window, p_wrong=min(p_wrong, 1.0), lenders=lenders)
