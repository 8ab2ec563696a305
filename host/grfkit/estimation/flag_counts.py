"""How often stances are flagged, in a line a reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_SHARE = re.compile(r"(\d+) % (.+)")


def flag_counts(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a line for each flag with its number of stances; flags that differ in a share alone have one line.

    Parameters
    ----------
    rows
        The flags of each stance.

    Examples
    --------
    >>> flag_counts([("11 % of the samples missing",), ("28 % of the samples missing", "pulls"), ()])
    ['2 of 3 stances: 11 to 28 % of the samples missing', '1 of 3 stances: pulls']
    """
    counts: Counter[str] = Counter()
    shares: dict[str, list[int]] = {}
    for flags in rows:
        for flag in flags:
            share = _SHARE.fullmatch(flag)
            reason = share[2] if share else flag
            counts[reason] += 1
            if share:
                shares.setdefault(reason, []).append(int(share[1]))
    lines = []
    for reason, number in counts.items():
        low, high = min(shares.get(reason, [0])), max(shares.get(reason, [0]))
        span = "" if reason not in shares else f"{low} % " if low == high else f"{low} to {high} % "
        lines.append(f"{number} of {len(rows)} stances: {span}{reason}")
    return lines
