"""Multiply-accumulates counted by hand, published ones, and a clock that runs."""

from __future__ import annotations

import pytest
import torch

from grfkit.learn.cost import cost, macs
from grfkit.learn.networks import Shape, build, network_config


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("lstm", {"hidden": 6, "head": ()}, 20 * (4 * 6 * (5 + 6) + 6 * 2)),
        ("bilstm", {"hidden": 6, "layers": 2, "head": ()}, 20 * (2 * 4 * 6 * (5 + 6) + 2 * 4 * 6 * (12 + 6) + 12 * 2)),
        ("gru", {"hidden": 6, "head": (3,)}, 20 * (3 * 6 * (5 + 6) + 6 * 3 + 3 * 2)),
        ("mlp", {"hidden": 4, "layers": 1, "context": 2, "head": ()}, 20 * (5 * 5 * 4 + 4 * 2)),
        ("cnn2d", {"maps": (2, 3), "rows": 3, "kernel": 5, "hidden": 4, "head": ()},
         20 * (5 * 15 * 2 + 2 * 15 * 2 * 3 + 2 * 3 * 4 + 4 * 2)),
    ],
)  # fmt: skip
def test_multiplications_are_those_counted_by_hand(name: str, settings: dict[str, object], expected: int) -> None:
    network = build(network_config(name, **settings), Shape(5, 0, 2), seed=0).train()
    assert macs(network, 20) == expected
    assert network.training, "a network is left as it was"


@pytest.mark.parametrize(("name", "giga"), [("resnet50", 4.09), ("inception3", 5.71)])
def test_networks_of_images_cost_what_is_published(name: str, giga: float) -> None:
    # torchvision's documentation: 4.09 and 5.71 GFLOPS, there multiply-accumulates, classifiers (2 million) included
    network = build(network_config(name, hidden=1, layers=1, head=()), Shape(3, 0, 1), seed=0)
    assert macs(network, 8) / 1e9 == pytest.approx(giga, abs=0.01)


def test_a_cost_has_parameters_and_a_time() -> None:
    found = cost(build(network_config("tcn", hidden=4), Shape(3, 1, 1), seed=0), 50)
    assert found.parameters > 0
    assert found.ms > 0
    assert torch.get_num_threads() >= 1
