"""When each layer runs and where its rows lie: groups of layers that hand rows on, buffers that share memory.

Layers of one group take a row one after the other, so that what passes between them needs one row, or as many as a
convolution looks back. A model that is one group from the first row to the last may run row by row as they come.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .c_layers import CConv, CCopy, CLayer, CLstm, Graph, Part

HEADER_BYTES = 4
"""The row number at the start of the scratch memory."""
Groups = tuple[tuple[tuple[int, ...], bool], ...]
"""Layer indices of each group, and whether it runs backwards."""


@dataclass(frozen=True)
class Buffer:
    """Rows of some bytes: in the scratch memory at ``offset``, or the caller's input or output."""

    place: str
    width: int
    rows: int
    offset: int = 0


@dataclass(frozen=True)
class Layout:
    """The plan that the runtime walks: groups, buffers and memory.

    Attributes
    ----------
    groups
        CLayer indices of each group, and whether it runs backwards.
    states
        Offsets of an LSTM's hidden and cell state, or of a partial convolution's sums, by layer index.
    """

    points: int
    layers: tuple[CLayer, ...]
    groups: Groups
    buffers: tuple[Buffer, ...]
    states: dict[int, tuple[int, int]]
    scratch_bytes: int
    stream: bool


def lay_out(graph: Graph) -> Layout:
    """Return the groups, buffers and memory of a graph."""
    groups, graph = _split_heads(_grouped(graph), graph)
    stream = (
        len(groups) == 1 and not groups[0][1] and not graph.once and all(graph.layers[k].causal for k in groups[0][0])
    )
    if stream:
        groups, graph = _with_input_ring(groups, graph)
    return _in_memory(groups, graph, stream)


def _grouped(graph: Graph) -> Groups:
    """Put each layer into the last group if rows can be handed on there, else open another."""
    groups: list[tuple[list[int], bool | None]] = []
    maker = {layer.target: k for k, layer in enumerate(graph.layers)}
    for k, layer in enumerate(graph.layers):
        # a layer of one row in all runs with its like
        alike = groups and graph.layers[groups[-1][0][0]].once == layer.once
        if alike and _joins(layer, *groups[-1], maker):
            members, way = groups[-1]
            groups[-1] = ([*members, k], _way(layer, members, way, maker))
        else:
            groups.append(([k], layer.reversed))
    return tuple((tuple(members), bool(way)) for members, way in groups)


def _way(layer: CLayer, members: list[int], way: bool | None, maker: dict[int, int]) -> bool | None:
    """Return the group's direction once the layer is in it."""
    inside = any(maker.get(p.buffer) in members for p in layer.sources)
    if layer.reversed is not None:
        return layer.reversed
    # a layer that looks back at rows of its own group fixes the direction: from the first row on
    return False if way is None and inside and layer.back else way


def _joins(layer: CLayer, members: list[int], way: bool | None, maker: dict[int, int]) -> bool:
    inside = any(maker.get(p.buffer) in members for p in layer.sources)
    direction = False if layer.reversed is None and inside and layer.back else layer.reversed
    if direction is not None and way is not None and direction != way:
        return False
    # rows after its own do not exist yet in its own group
    return layer.causal or not inside


def _split_heads(groups: Groups, graph: Graph) -> tuple[Groups, Graph]:
    """Let a dense layer's share of an earlier group's rows be summed there, where sums are smaller than rows."""
    for g, (members, _) in enumerate(groups):
        for k in members:
            for part in graph.layers[k].sources:
                owner = _owner(groups, graph, part.buffer)
                if owner is not None and owner < g and _saves(graph, k, part):
                    return _split_heads(*_split(groups, graph, k, part, owner))
    return groups, graph


def _owner(groups: Groups, graph: Graph, buffer: int) -> int | None:
    """Return the group that completes a buffer."""
    for g, (members, _) in enumerate(groups):
        layers = (graph.layers[k] for k in members)
        if any(layer.target == buffer and getattr(layer.settings, "partial", 0) != 1 for layer in layers):
            return g
    return None


def _saves(graph: Graph, k: int, part: Part) -> bool:
    layer = graph.layers[k]
    if not isinstance(layer.settings, CConv) or layer.settings.taps != 1 or layer.settings.partial or layer.once:
        return False
    readers = [p for other in graph.layers for p in other.sources if p.buffer == part.buffer]
    # rows that are folded out of one have no row each in the group that makes them
    if part.folded:
        return False
    # an int32 sum for each output in place of an int8 for each channel of the part
    sums = 4 * _fours(len(layer.settings.weights))
    return len(readers) == 1 and len(layer.sources) > 1 and part.buffer != graph.output and sums < part.width


def _split(groups: Groups, graph: Graph, k: int, part: Part, owner: int) -> tuple[Groups, Graph]:
    """Put the part's share of layer ``k`` at the end of the group that makes it."""
    layer = graph.layers[k]
    conv = layer.settings
    assert isinstance(conv, CConv)
    ends = np.cumsum([p.width for p in layer.sources])
    at = layer.sources.index(part)
    mine = np.zeros(conv.weights.shape[1], dtype=bool)
    mine[ends[at] - part.width : ends[at]] = True
    first = replace(conv, weights=conv.weights[:, mine], partial=1)
    # the first half starts from the bias, so that the second one must not add it again
    second = replace(conv, weights=conv.weights[:, ~mine], bias=np.zeros_like(conv.bias), partial=2)
    rest = tuple(p for p in layer.sources if p is not part)
    layers = [*graph.layers, replace(layer, sources=(part,), settings=first)]
    layers[k] = replace(layer, sources=rest, settings=second)
    moved = list(groups)
    moved[owner] = ((*groups[owner][0], len(layers) - 1), groups[owner][1])
    return tuple(moved), replace(graph, layers=tuple(layers))


def _with_input_ring(groups: Groups, graph: Graph) -> tuple[Groups, Graph]:
    """Keep the last rows of the input where a convolution looks back at them: a stream hands over one row."""
    if not any(layer.back and any(p.buffer == 0 for p in layer.sources) for layer in graph.layers):
        return groups, graph
    ring = len(graph.widths)
    renamed = [
        replace(layer, sources=tuple(replace(p, buffer=ring) if p.buffer == 0 else p for p in layer.sources))
        for layer in graph.layers
    ]
    copy = CLayer("the input's last rows", (Part(0, 0, graph.widths[0]),), ring, CCopy())
    layers = (*renamed, copy)
    members = (len(layers) - 1, *groups[0][0])
    return ((members, False),), replace(graph, widths=(*graph.widths, graph.widths[0]), layers=layers)


def _in_memory(groups: Groups, graph: Graph, stream: bool) -> Layout:
    # a row as the widest layer gathers it, in int16, lies at the start, after the row number
    memory = _Memory(HEADER_BYTES + _fours(max(_gathered(layer) for layer in graph.layers)), len(groups))
    of_layer = {k: g for g, (members, _) in enumerate(groups) for k in members}
    buffers: dict[int, Buffer] = {0: Buffer("input", graph.widths[0], 1 if stream else graph.points)}
    states: dict[int, tuple[int, int]] = {}
    for index, layer in enumerate(graph.layers):
        g, settings = of_layer[index], layer.settings
        if isinstance(settings, CLstm):
            units = len(settings.input_bias)
            # both int16: the hidden state is read by grf_mac4, in fours; the cell unit by unit
            states[index] = (memory.take(2 * _fours(units), g, g), memory.take(2 * units, g, g))
        if isinstance(settings, CConv) and settings.partial == 1:
            # the sums of all rows are in use until the group that takes them up and fills the buffer has run
            taker = next(k for k, o in enumerate(graph.layers) if o.target == layer.target and k != index)
            place = memory.take(4 * _fours(len(settings.weights)) * graph.points, g, of_layer[taker])
            states[index] = states[taker] = (place, 0)
            continue
        buffers[layer.target] = _buffer(graph, layer, of_layer, g, memory, stream)
    ordered = tuple(buffers[k] for k in range(len(graph.widths)))
    return Layout(graph.points, graph.layers, groups, ordered, states, memory.size, stream)


def _buffer(graph: Graph, layer: CLayer, of_layer: dict[int, int], g: int, memory: _Memory, stream: bool) -> Buffer:
    width = graph.widths[layer.target]
    if layer.target == graph.output:
        return Buffer("output", width, 1 if stream or layer.once else graph.points)
    readers = [k for k, o in enumerate(graph.layers) if any(p.buffer == layer.target for p in o.sources)]
    last = max([of_layer[k] for k in readers], default=g)
    rows = 1 if layer.once else graph.points
    if last == g and not layer.once:  # a stream goes on after the window, and may look back further than it was long
        reach = 1 + max([graph.layers[k].back for k in readers], default=0)
        rows = reach if stream else min(rows, reach)
    return Buffer("scratch", width, rows, memory.take(width * rows, g, last))


class _Memory:
    """First fit, by the groups during which bytes are in use; every block is aligned to 4 bytes."""

    def __init__(self, start: int, groups: int) -> None:
        self.size = self.start = start
        self.groups = groups
        self.taken: list[tuple[int, int, int, int]] = []

    def take(self, size: int, first: int, last: int) -> int:
        """Return the offset of so many bytes that are free from one group to another, both included."""
        size = _fours(size)
        busy = sorted((a, b) for a, b, f, e in self.taken if f <= last and first <= e)
        place = self.start
        for a, b in busy:
            if place + size <= a:
                break
            place = max(place, b)
        self.taken.append((place, place + size, first, last))
        self.size = max(self.size, place + size)
        return place


def _gathered(layer: CLayer) -> int:
    """Return the bytes of a row of int16 as the layer gathers it."""
    width = sum(p.width for p in layer.sources)
    taps = layer.settings.taps if isinstance(layer.settings, CConv) else 1
    return 2 * _fours(width * taps)


def _fours(count: int) -> int:
    """Return a count rounded up to a multiple of 4: of bytes for alignment, of numbers for ``grf_mac4``."""
    return (count + 3) // 4 * 4
