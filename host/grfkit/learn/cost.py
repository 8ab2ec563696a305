"""What a network costs: parameters, multiply-accumulates of one window, and milliseconds on one thread.

Multiply-accumulates are counted layer by layer while one window goes through. Recurrent cells are counted by hand:
they are one fused call, which counters of a framework's operations miss. Norms, activations and additions are not
counted, as is usual.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .networks import ForceNetwork, parameter_count

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""Matrices of a recurrent cell, each of inputs and of the state."""
REPEATS = 5
"""Timed passes, of which the median is told: chosen by hand."""


class Cost(NamedTuple):
    """Of one window: trainable parameters, multiply-accumulates, and ms on one thread."""

    parameters: int
    macs: int
    ms: float


def cost(network: ForceNetwork, points: int) -> Cost:
    """Return what one window of so many samples costs.

    Examples
    --------
    >>> from grfkit.learn.cost import macs
    >>> from grfkit.learn.networks import Shape, build, network_config
    >>> network = build(network_config("lstm", hidden=8, head=()), Shape(3, 0, 1), seed=0)
    >>> macs(network, 10) == 10 * (4 * 8 * (3 + 8) + 8)
    True
    """
    return Cost(parameter_count(network), macs(network, points), milliseconds(network, points))


def macs(network: ForceNetwork, points: int) -> int:
    """Return the multiply-accumulates of one window.

    Parameters
    ----------
    points
        Samples of the window.
    """
    total = 0

    def counted(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        total += _of_layer(module, inputs[0], output)

    hooks = [module.register_forward_hook(counted) for module in network.modules() if not list(module.children())]
    try:
        _once(network, points)()
    finally:
        for hook in hooks:
            hook.remove()
    return total


def milliseconds(network: ForceNetwork, points: int) -> float:
    """Return the median time of one window on one thread, ms, on this computer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = _once(network, points)
        run()  # the first pass also sets up
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return 1e3 * sorted(times)[REPEATS // 2]


def _once(network: ForceNetwork, points: int) -> Callable[[], None]:
    channels, statics, _ = network.shape
    inputs, scalars = torch.zeros(1, points, channels), torch.zeros(1, statics)

    def run() -> None:
        training = network.training
        network.eval()
        with torch.no_grad():
            network(inputs, scalars)
        network.train(training)

    return run


def _of_layer(module: nn.Module, given: Tensor, output: Any) -> int:
    if isinstance(module, (nn.LSTM, nn.GRU, nn.RNN)):
        return _of_cell(module, given)
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return int(output.numel() * module.in_channels // module.groups * _product(module.kernel_size))
    if isinstance(module, nn.Linear):
        return int(output.numel() * module.in_features)
    return 0


def _of_cell(module: nn.RNNBase, given: Tensor) -> int:
    ways, gates = (2 if module.bidirectional else 1), GATES[module.mode.split("_")[0]]
    steps = int(given.shape[0] * given.shape[1])
    widths = [module.input_size] + [module.hidden_size * ways] * (module.num_layers - 1)
    return sum(steps * ways * gates * module.hidden_size * (width + module.hidden_size) for width in widths)


def _product(sizes: tuple[int, ...]) -> int:
    found = 1
    for size in sizes:
        found *= size
    return found
