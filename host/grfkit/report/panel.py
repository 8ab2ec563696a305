"""One diagram: curves in an SVG that stretches with the page, its numbers as text of the page.

The SVG holds curves alone and is scaled without regard to its proportions; lines and dots keep their width
(``non-scaling-stroke``). The numbers at the axes are page text placed by percentage, so they stay readable
on a telephone, and the colours are the page's, so they follow its light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from markupsafe import Markup

from ..arrays import Floats

Gutter = Literal["narrow", "wide", "names", "none"]
WIDTH = 1000
"""Width of the SVG's own coordinates; the page stretches them, so any number serves that keeps one decimal exact."""
_NEARLY = 0.999
"""A step this close to the rough one is taken: without it rounding would double a step that fits."""


@dataclass(frozen=True)
class PanelAxis:
    """A range of values, what it is called, and the places that carry text."""

    low: float
    high: float
    label: str = ""
    ticks: tuple[tuple[float, str], ...] = ()

    def share(self, value: float) -> float:
        """Return where the value lies between ``low`` (0) and ``high`` (1)."""
        return (value - self.low) / (self.high - self.low)


def axis(low: float, high: float, label: str = "", *, ticks: int = 5) -> PanelAxis:
    """Return an axis with round numbers; an empty or unknown range becomes one unit wide."""
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0.0, 1.0
    # one value, or a range of rounding only
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / max(ticks, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    nice = (1.0, 2.0, 5.0, 10.0)
    place = next(k for k, n in enumerate(nice) if power * n >= rough * _NEARLY)
    # one number at an axis is no scale: a step finer, where the round one leaves less than two in the range
    if place and _places(low, high, power * nice[place]) < 2:
        place -= 1
    step = power * nice[place]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    places = [k * step for k in range(first, last + 1)]
    # adding 0.0 turns a rounded -0.0 into 0.0
    texts = [f"{round(place, digits) + 0.0:.{digits}f}".replace("-", "−") for place in places]
    return PanelAxis(low, high, label, tuple(zip(places, texts)))


def _places(low: float, high: float, step: float) -> int:
    """Return how many multiples of a step a range holds."""
    return math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1


@dataclass
class Panel:
    """A diagram being drawn; each method adds one shape, :meth:`finish` returns the HTML.

    Attributes
    ----------
    height
        In CSS pixels, also the height of the SVG's own coordinates.
    gutter
        Room for the text left of the frame: for numbers, for words, or none.
    """

    x: PanelAxis
    y: PanelAxis
    height: int = 160
    gutter: Gutter = "narrow"
    shapes: list[str] = field(default_factory=list)

    def line(self, x: Floats, y: Floats, kind: str) -> None:
        """Draw a line of class ``kind``, broken where a value is missing."""
        self._path(_line_data(self._columns(x), self._rows(y)), kind)

    def area(self, x: Floats, y: Floats, base: float, kind: str) -> None:
        """Fill between ``base`` and the curve, in as many pieces as missing values make."""
        # one path for all pieces: thousands of elements would make the page slow
        ends, bottom = [], f"{self._rows(np.asarray([base]))[0]:.1f}"
        across, down = self._columns(x), self._rows(y)
        for piece in _pieces(np.isfinite(across) & np.isfinite(down)):
            xs, ys = across[piece], down[piece]
            points = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(xs, ys))
            ends.append(f"M{xs[0]:.1f} {bottom}L{points}L{xs[-1]:.1f} {bottom}Z")
        self._path("".join(ends), kind)

    def stems(self, x: Floats, y: Floats, kind: str) -> None:
        """Draw an upright line from the lower border to each value."""
        pairs = zip(self._columns(x), self._rows(y))
        foot = f"{self.height}V"
        self._path("".join(f"M{a:.1f} {foot}{b:.1f}" for a, b in pairs if a == a and b == b), kind)

    def dots(self, x: Floats, y: Floats, kind: str) -> None:
        """Draw round dots: lines without length and with round ends, which no scaling can distort."""
        pairs = zip(self._columns(x), self._rows(y))
        self._path("".join(f"M{a:.1f} {b:.1f}h0" for a, b in pairs if a == a and b == b), kind)

    def rings(self, x: Floats, y: Floats, kind: str) -> None:
        """Draw hollow dots: a dot, and a smaller one in the colour of the page."""
        self.dots(x, y, kind)
        self.dots(x, y, "hole")

    def upright(self, x: float | None, kind: str) -> None:
        """Draw a vertical line, if ``x`` is known and in range."""
        if x is not None and self.x.low <= x <= self.x.high:
            at = self._columns(np.asarray([x]))[0]
            self._path(f"M{at:.1f} 0V{self.height}", kind)

    def level(self, y: float, kind: str) -> None:
        """Draw a horizontal line."""
        at = self._rows(np.asarray([y]))[0]
        self._path(f"M0 {at:.1f}H{WIDTH}", kind)

    def box(self, left: float, right: float, bottom: float, top: float, kind: str) -> None:
        """Fill a rectangle, cut at the borders."""
        a, b = np.clip(self._columns(np.asarray([left, right])), 0, WIDTH)
        d, c = np.clip(self._rows(np.asarray([bottom, top])), 0, self.height)
        if b >= a and d >= c:
            self._path(f"M{a:.1f} {c:.1f}H{b:.1f}V{d:.1f}H{a:.1f}Z", kind)

    def finish(self, alt: str, *, title: str = "") -> Markup:
        """Return the diagram's HTML; ``alt`` describes it in a sentence."""
        width, height = WIDTH, self.height
        grid = "".join(f"M{self.x.share(at) * width:.1f} 0V{height}" for at, _ in self.x.ticks)
        grid += "".join(f"M0 {(1 - self.y.share(at)) * height:.1f}H{width}" for at, _ in self.y.ticks)
        head = Markup('<p class="ptitle">{}</p>').format(title) if title else Markup("")
        name = Markup('<p class="yname" aria-hidden="true">{}</p>').format(self.y.label)
        svg = Markup(
            '<svg class="area" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
            '<path class="grid" d="{}"/>{}</svg>'
        ).format(alt, width, height, grid, Markup("".join(self.shapes)))
        rows = _tick_row([(1 - self.y.share(at), text) for at, text in self.y.ticks], "top", "yticks")
        columns = _tick_row([(self.x.share(at), text) for at, text in self.x.ticks], "left", "xticks")
        below = Markup('<p class="xname" aria-hidden="true">{}</p>').format(self.x.label)
        below = below if self.x.label else Markup("")
        return Markup('<div class="plot {}" style="--h:{}px">{}{}<div class="frame">{}{}{}</div>{}</div>').format(
            self.gutter, height, head, name if self.y.label else Markup(""), rows, svg, columns, below
        )

    def _columns(self, x: Floats) -> Floats:
        return _within((x - self.x.low) / (self.x.high - self.x.low) * WIDTH, WIDTH)

    def _rows(self, y: Floats) -> Floats:
        return _within((self.y.high - y) / (self.y.high - self.y.low) * self.height, self.height)

    def _path(self, data: str, kind: str) -> None:
        if data:
            self.shapes.append(str(Markup('<path class="{}" d="{}"/>').format(kind, data)))


def _within(values: Floats, extent: float) -> Floats:
    # far outside the frame a coordinate says nothing, and a huge one is drawn wrongly by some browsers
    clipped = np.clip(np.asarray(values, dtype=np.float64), -extent, 2 * extent)
    return np.asarray(np.round(clipped, 1) + 0.0)


def _line_data(x: Floats, y: Floats) -> str:
    data = []
    for piece in _pieces(np.isfinite(x) & np.isfinite(y)):
        points = [f"{a:.1f} {b:.1f}" for a, b in zip(x[piece], y[piece])]
        data.append("M" + "L".join(points) + ("h0" if len(points) == 1 else ""))
    return "".join(data)


def _pieces(finite: np.ndarray) -> list[slice]:
    if not finite.any():
        return []
    steps = np.diff(np.concatenate([[0], finite.astype(np.int8), [0]]))
    return [slice(int(a), int(b)) for a, b in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1))]


def _tick_row(places: Sequence[tuple[float, str]], side: str, kind: str) -> Markup:
    spans = Markup("").join(
        Markup('<span style="{}:{}%">{}</span>').format(side, f"{share * 100:.2f}", text) for share, text in places
    )
    return Markup('<div class="{}" aria-hidden="true">{}</div>').format(kind, spans)


@dataclass(frozen=True)
class LegendKey:
    """One entry of a legend: class and form (``line area dot ring``) of its sample, and its text."""

    kind: str
    form: str
    text: str


def legend(keys: Sequence[LegendKey]) -> Markup:
    """Return the legend as a list, each entry with a sample of its line or mark."""
    samples = {"line": "M1 7H25", "area": "M1 3H25V11H1Z", "dot": "M13 7h0", "ring": "M13 7h0"}
    items = []
    for key in keys:
        sample = Markup('<path class="{}" d="{}"/>').format(key.kind, samples[key.form])
        if key.form == "ring":
            sample += Markup('<path class="hole" d="{}"/>').format(samples["ring"])
        items.append(
            Markup('<li><svg viewBox="0 0 26 14" width="26" height="14" aria-hidden="true">{}</svg>{}</li>').format(
                sample, key.text
            )
        )
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))
