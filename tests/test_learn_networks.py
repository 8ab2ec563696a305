"""Networks: shapes, parameter counts, causality, statics, and configurations that are refused."""

from __future__ import annotations

import pytest
import torch

from grfkit.errors import BadInputError
from grfkit.learn.networks import Shape, build, network_config, network_names, parameter_count


@pytest.mark.parametrize(("channels", "parameters"), [(24, 2_291_841), (21, 2_279_553)])
def test_carters_network_has_the_published_number_of_parameters(channels: int, parameters: int) -> None:
    config = network_config("bilstm", hidden=512, head=(64, 32), dropout_in=0.2, dropout=0.2, statics_by="tile")
    assert parameter_count(build(config, Shape(channels, 5, 1), seed=0)) == parameters


@pytest.mark.parametrize("statics_by", ["tile", "concat", "film"])
@pytest.mark.parametrize("name", network_names())
def test_every_network_keeps_the_length_and_takes_its_statics(name: str, statics_by: str) -> None:
    network = build(network_config(name, statics_by=statics_by), Shape(5, 2, 3), seed=1).eval()
    x, s = torch.randn(4, 23, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([[0.0, 1.0]] * 4)
    if network.film is not None:
        torch.nn.init.constant_(network.film.net[2].weight, 0.1)  # FiLM starts as the identity
    with torch.no_grad():
        out, other = network(x, s), network(x, s + 1)
    assert out.shape == (4, 23, 3)
    assert (out - other).abs().max() > 1e-4, "statics do nothing"
    alone = network(x[:1], s[:1])
    torch.testing.assert_close(alone, out[:1], atol=1e-5, rtol=1e-4)
    staged = [p for stage in network.stages() for p in stage]
    assert {id(p) for p in staged} == {id(p) for p in network.parameters()}
    assert len(staged) == len(list(network.parameters()))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in network_names()),
        ("tcn", {"centred": True}),
        ("tcn", {"convolutions": 1, "centred": True}),
        ("gru", {"both": True}),
    ],
)
def test_causal_networks_do_not_see_the_future_and_say_so(name: str, options: dict[str, bool]) -> None:
    config = network_config(name, **options)
    network = build(config, Shape(4, 0, 1), seed=1).eval()
    x = torch.randn(1, 40, 4, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[:, 25:] += 3.0
    with torch.no_grad():
        differs = (network(x) - network(changed)).abs()[0, :25].max() > 1e-7
    assert not (config.causal and differs)
    if name in ("bilstm", "cnn1d", "cnn2d", "mlp", "cnn1d_lstm") or options:
        assert differs
    if name in ("lstm", "tcn", "gru") and not options:
        assert config.causal


def test_the_lstm_sample_by_sample_is_the_lstm_over_the_window() -> None:
    body = build(network_config("lstm", layers=2), Shape(3, 0, 1), seed=2).eval().body
    x = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, state, steps = body(x), None, []
        for i in range(9):
            one, state = body.step(x[:, i : i + 1], state)
            steps.append(one)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-6, rtol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_leaves_other_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two = (build(network_config("gru"), Shape(3, 0, 1), seed=9) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("resnet", {}, "there is no network 'resnet'; there are bilstm"),
        ("bilstm", {"hiden": 3}, "hiden is unknown"),
        ("tcn", {"kernel": 4}, "kernel is 4; expected an odd"),
        ("tcn", {"dilation": 4, "layers": 12}, "reaches 16777216 samples; expected at most 65535"),
        ("mlp", {"dropout": 1.0}, "dropout"),
    ],
)
def test_bad_configurations_are_refused_by_name(name: str, settings: dict[str, object], says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        network_config(name, **settings)


def test_wrong_widths_are_refused_in_words() -> None:
    with pytest.raises(BadInputError, match="built for 3 channels and 1 statics, but is given 4 and 0"):
        build(network_config("lstm"), Shape(3, 1, 1), seed=0)(torch.zeros(1, 5, 4))
