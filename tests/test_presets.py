"""Presets: do they say what the papers and systems.md say, and is every value marked with where it is from?"""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from grfkit.errors import BadInputError
from grfkit.gait.contacts import rule_of
from grfkit.learn.networks import network_config
from grfkit.learn.preset import load_preset, parse_preset, preset_names
from grfkit.learn.recipe import from_preset, recipe_of
from grfkit.records.person import PERSONAL


def test_the_papers_are_there_in_both_kinds() -> None:
    papers = ("carter2024", "carter2025", "mochizuki2023", "mochizuki2023-2d", "zhou2025")
    assert preset_names() == tuple(sorted((*papers, "film-silhouette", "sugiarto2025")))
    with pytest.raises(BadInputError, match="of no paper"):
        load_preset("film-silhouette", "faithful")
    for name in papers:
        assert load_preset(name, "faithful").leaks
        assert load_preset(name, "fixed").leaks == ()


def test_carter_2024_is_trained_as_its_code_does() -> None:
    preset = load_preset("carter2024", "faithful")
    assert (preset.points, preset.force_lowpass_hz, preset.imu_lowpass_hz) == (400, 15.0, 10.0)
    assert (preset.network.hidden, preset.network.head, preset.network.dropout) == (512, (64, 32), 0.2)
    assert (preset.train.epochs, preset.train.lr, preset.train.batch, preset.train.seed) == (1, 5e-4, 8, 1966)
    assert preset.target == "newton"
    assert preset.contact_time_from == "force"


def test_carter_2025_and_zhou_differ_where_their_abstracts_do() -> None:
    carter, zhou = load_preset("carter2025", "faithful"), load_preset("zhou2025", "faithful")
    assert (carter.points, carter.force_lowpass_hz, carter.threshold_n) == (101, 20.0, 20.0)
    assert (zhou.threshold_n, zhou.network.name, zhou.target) == (10.0, "lstm", "bw")


@pytest.mark.parametrize("kind", ["faithful", "fixed"])
@pytest.mark.parametrize("name", ["carter2024", "carter2025", "mochizuki2023", "zhou2025"])
def test_trials_are_cut_by_the_level_and_the_sensors_of_the_preset(name: str, kind: str) -> None:
    """A landmark protocol must not turn to whatever wearable channels end in _x, nor 10 N into 20 N."""
    preset = load_preset(name, kind)
    cut = from_preset(preset).cut
    assert rule_of(cut.rule).level_n == preset.threshold_n
    others = {"zhou2025": ("landmarks",), "mochizuki2023": ("images",)}
    assert cut.kinds == others.get(name, ("insole", "imu"))


@pytest.mark.parametrize(
    "name", ["carter2024", "carter2025", "mochizuki2023", "mochizuki2023-2d", "sugiarto2025", "zhou2025"]
)
def test_every_value_of_a_faithful_preset_says_where_it_is_from(name: str) -> None:
    text = files("grfkit.learn").joinpath("presets").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    faithful = text.split("\n[fixed]\n")[0].split("\n[faithful]\n")[1]
    values = [line for line in faithful.splitlines() if re.match(r"\w+ *=", line)]
    unmarked = [v.split("=")[0].strip() for v in values if not re.search(r"# *(S|C|D|I)\b", v)]
    assert len(values) > 25
    assert unmarked == []


def test_an_unknown_key_or_kind_is_refused() -> None:
    with pytest.raises(BadInputError, match="no preset 'x'"):
        load_preset("x")
    with pytest.raises(BadInputError, match="expected 'faithful' or 'fixed'"):
        load_preset("zhou2025", "odd")
    with pytest.raises(BadInputError, match="lacks 'source'"):
        parse_preset({"name": "x", "fixed": {}}, "fixed")
    with pytest.raises(BadInputError, match="points"):
        parse_preset({"name": "x", "source": "y", "fixed": {"points": 3}}, "fixed")


def test_ten_networks_are_a_reconstruction_wherever_their_name_stands() -> None:
    for kind in ("faithful", "fixed"):
        preset = load_preset("sugiarto2025", kind)
        assert "reconstruction, not replication" in preset.source
        assert from_preset(preset).preset == f"sugiarto2025 {kind} (reconstruction, not replication)"
        networks = preset.networks_by_name()
        assert len(networks) == 11, "ten, and TCN beside them"
        for name, settings in networks.items():
            assert (network_config(**settings).linear is not None) == (kind == "fixed"), name
    named = recipe_of("sugiarto2025", network="cnn2d", features="both")
    assert named.network["maps"] == [32, 64], "a network that the preset lists has the settings it lists"
    assert named.train.statics == PERSONAL
