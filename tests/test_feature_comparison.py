"""Networks with and without facts of people: verdicts of known errors, and the command with its files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grfkit import evaluate
from grfkit.dataset.personal import with_people
from grfkit.errors import BadInputError
from grfkit.evaluation.claims import TEN, claims
from grfkit.evaluation.feature_comparison import behind_ridge, feature_words
from grfkit.evaluation.feature_errors import Table, detectable, helped, ranks
from grfkit.evaluation.feature_methods import Cell, Plan, feature_method, feature_plan
from grfkit.evaluation.imagenet_starts import weights_of
from grfkit.learn.recipe import recipe_of
from grfkit.records.person import Person
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up
from test_features import known
from test_imagenet_networks import weights

PEOPLE = tuple("abcdefghijkl")


def table(effects: dict[str, tuple[float, float]], *, seeds: int = 2, noise: float = 0.02) -> Table:
    """Return errors of about 5: without features, and lower by (own, others') features, in a plan of some draws."""
    rng = np.random.default_rng(7)
    person = dict(zip(PEOPLE, rng.normal(5, 0.5, len(PEOPLE))))
    plan = Plan(tuple(effects), ("none", "both"), seeds, 2)
    errors = {}
    for cell in plan.cells():
        own, other = effects.get(cell.network, (0.0, 0.0))
        gain = 0.0 if cell.features == "none" else other if cell.others else own
        errors[cell] = {p: v - gain + float(rng.normal(0, noise)) for p, v in person.items()}
    return Table(errors, PEOPLE)


def verdicts(of: Table, names: tuple[str, ...], macs: dict[str, int] | None = None) -> dict[int, tuple[str, str]]:
    found = claims(of, names, "both", macs or {})
    return {c.number: (c.verdict, c.why) for c in found}


def test_a_gain_that_the_control_has_too_is_no_help() -> None:
    of = table({"mlp": (0.5, 0.0), "gru": (0.5, 0.5), "lstm": (-0.5, 0.0), "cnn1d": (0.0, 0.0), "tcn": (-0.5, -0.5)})
    rows = helped(of, ("mlp", "gru", "lstm", "cnn1d", "tcn"), "both")
    words = {row.network: row.word for row in rows}
    # the TCN errs more with anybody's features: no harm by what they say
    assert words == {
        "mlp": "helped", "gru": "not helped", "lstm": "harmed", "cnn1d": "not helped", "tcn": "not helped"
    }  # fmt: skip
    assert [row.network for row in rows if row.excluded] == ["cnn1d"]
    assert [row.network for row in rows if row.costs_inputs] == ["tcn"]
    noisy = table({"mlp": (0.05, 0.0)}, noise=0.5)
    assert helped(noisy, ("mlp",), "both")[0].word == "undecided"
    verdict, why = verdicts(of, ("mlp", "gru", "lstm", "cnn1d"))[1]
    assert verdict == "contradicted"
    assert "the control is not silent: features of others alone lower the error of gru" in why


def test_a_network_that_errs_more_with_anybodys_features_contradicts_nothing() -> None:
    # of little training: more error with own features and with others', with a spread that excludes no gain over others
    rng = np.random.default_rng(5)
    plan = Plan(("mlp", "lstm"), ("none", "both"), 1, 2)
    person = dict(zip(PEOPLE, rng.normal(5, 0.5, len(PEOPLE))))
    rise = {0: 0.6, 1: 0.6, 2: 0.6}
    errors = {
        cell: {
            p: v + (cell.features != "none") * rise[cell.others] + float(rng.normal(0, 0.3)) for p, v in person.items()
        }
        for cell in plan.cells()
    }
    of = Table(errors, PEOPLE)
    mlp = helped(of, ("mlp",), "both")[0]
    assert (mlp.given.low > 0, mlp.word, mlp.excluded, mlp.costs_inputs) == (True, "not helped", False, True)
    found = verdicts(of, ("mlp", "lstm"))
    for number, name in ((1, "mlp"), (2, "lstm")):
        verdict, why = found[number]
        assert verdict == "undecided"
        assert f"with any features {name} errs more, and not shown to err more with people's own" in why
        assert "too little training, which decides nothing" in why


def test_claims_of_errors_as_the_study_has_them_are_supported_as_far_as_they_can_be() -> None:
    effects = {n: (0.5 + (n == "cnn2d_lstm"), 0.0) for n in TEN} | {"lstm": (0.0, 0.0)}
    effects |= dict.fromkeys(("resnet50", "inception3"), (0.3, 0.0))
    macs = {n: 10 if n in ("resnet50", "inception3") else 1 for n in TEN}
    found = verdicts(table(effects), TEN, macs)
    assert [found[k][0] for k in (1, 2, 3, 4, 5)] == ["supported", "supported", "supported", "not tested", "undecided"]
    assert "4 of 4 contrasts are above 0, none below; from weights of ImageNet not tested: resnet50" in found[5][1]
    assert verdicts(table(effects), TEN, macs | {"cnn1d_lstm": 11})[5][0] == "contradicted"


def test_networks_that_know_less_than_ridge_are_named() -> None:
    of = table({"ridge": (0.0, 0.0), "mlp": (0.0, 0.0)})
    assert behind_ridge(of, ("mlp",)) == []
    worse = {c: {p: 2 * v for p, v in e.items()} if c.network == "mlp" else e for c, e in of.errors.items()}
    (note,) = behind_ridge(Table(worse, PEOPLE), ("mlp",))
    assert note.startswith(
        "without features these err over 1.25 times as much as ridge with the same inputs: mlp (2.00 times); too few"
    )


def test_what_is_missing_leaves_a_claim_open() -> None:
    of = table({"mlp": (0.5, 0.0), "cnn2d_lstm": (0.9, 0.0)})
    found = verdicts(of, ("mlp", "cnn2d_lstm"))
    assert found[1][0] == "undecided"
    assert "2 of 2 are shown to be helped" in found[1][1]
    assert "not trained: bilstm" in found[1][1]
    assert found[2][0] == found[5][0] == "not tested"
    frozen = verdicts(
        table({"cnn2d_lstm": (0.9, 0.0), "resnet50-frozen": (0.0, 0.0)}), ("cnn2d_lstm", "resnet50-frozen")
    )
    assert frozen[3][0] == frozen[5][0] == "not tested"
    assert frozen[5][1].endswith("a trunk that stays at random weights is not theirs")
    assert found[3][0] == "undecided"
    assert {c.verdict for c in claims(of, ("mlp",), "none", {})} == {"not tested"}
    opposite = table({"mlp": (0.9, 0.0), "lstm": (0.5, 0.0), "cnn2d_lstm": (0.1, 0.0)})
    found = verdicts(opposite, ("mlp", "lstm", "cnn2d_lstm"))
    assert (found[2][0], found[3][0]) == ("contradicted", "contradicted")


def test_few_people_decide_nothing() -> None:
    of = table({"mlp": (0.5, 0.0)})
    few = Table({c: {p: e[p] for p in "abcde"} for c, e in of.errors.items()}, tuple("abcde"))
    verdict, why = verdicts(few, ("mlp",))[1]
    assert verdict == "undecided"
    assert "0 of 1 are shown to be helped" in why
    assert claims(few, ("mlp",), "both", {})[0].power == "5 people are too few for a p-value"
    # 6 people: 2 / 2**6 is .031, below .05 for one network and above .05 / 2 for two
    six = Table({c: {p: e[p] for p in "abcdef"} for c, e in of.errors.items()}, tuple("abcdef"))
    assert helped(six, ("mlp",), "both")[0].word == "helped"
    two = Table(six.errors | {replace(c, network="gru"): e for c, e in six.errors.items()}, six.people)
    found = claims(two, ("mlp", "gru"), "both", {})[0]
    assert found.verdict == "undecided"
    assert found.power == "6 people can show no gain in 2 comparisons at once"


def test_ranks_are_over_people_and_seeds_and_a_gain_has_its_power() -> None:
    rows = ranks(table({"mlp": (0.5, 0.0), "gru": (0.0, 0.0)}), ("gru", "mlp"), "both")
    assert [row["network"] for row in rows] == ["mlp", "gru"]
    assert (rows[0]["low"], rows[0]["high"], rows[0]["first"]) == (1.0, 1.0, 1.0)
    rng = np.random.default_rng(0)
    d = dict(zip(PEOPLE, rng.normal(0, 1, 12)))
    # 12 people: (t(.975) + t(.8)) SD / sqrt(n), by hand from a table of t with 11 degrees of freedom
    expected = (2.201 + 0.876) * np.std(list(d.values()), ddof=1) / np.sqrt(12)
    assert detectable(d, dict.fromkeys(d, 0.0)) == pytest.approx(expected, rel=1e-3)


def test_cells_are_trained_from_their_own_seeds_with_their_own_inputs() -> None:
    recipe = recipe_of("sugiarto2025", features_by="film")
    plan = Plan(("mlp",), ("none", "alignment"), 2, 3)
    names = [c.name for c in plan.cells()]
    assert names[-7:] == [
        "mlp", "mlp (seed 2)", "mlp + alignment", "mlp + alignment (seed 2)", "mlp + alignment of others 1",
        "mlp + alignment of others 2 (seed 2)", "mlp + alignment of others 3",
    ]  # fmt: skip
    first: Any = feature_method(Cell("mlp", "alignment"), recipe)
    second: Any = feature_method(Cell("mlp", "alignment", 0, 2), recipe)
    assert first.config.seed != second.config.seed
    assert first.config.statics == ("hka_own", "hka_other")
    assert first.network.statics_by == "film"
    ridge: Any = feature_method(Cell("ridge", "alignment"), recipe)
    assert (ridge.config.statics, ridge.config.epochs) == (("hka_own", "hka_other"), 0)


def test_a_plan_takes_the_richest_features_and_refuses_what_tells_nothing() -> None:
    recipe, data = recipe_of("sugiarto2025"), known("abc")
    assert feature_plan("all", "", recipe, data).features == ("none", "both")
    assert len(feature_plan("all", "", recipe, data).networks) == 11
    assert feature_plan("mlp", "shuffled,side,alignment", recipe, data).features == ("none", "side", "alignment")
    assert feature_plan("mlp", "none", recipe, data).features == ("none",)
    frozen = feature_plan("mlp,resnet50-frozen", "none", recipe, data).networks
    assert frozen == ("mlp", "resnet50-frozen")
    method: Any = feature_method(Cell("resnet50-frozen"), recipe)
    # by another name, so that no claim of the study counts it
    assert (method.name, method.network.name, method.network.trunk) == ("resnet50-frozen", "resnet50", "frozen")
    healthy = {p: Person(hka_left_deg=float(k), hka_right_deg=0.5, hka_method="stated", affected="none") for k, p in
               enumerate("abc")}  # fmt: skip
    assert feature_plan("mlp", "", recipe, with_people(data, healthy)).features == ("none", "alignment")
    with pytest.raises(
        BadInputError, match="affected_own, affected_other of --features side is the same for everybody"
    ):
        feature_plan("mlp", "side", recipe, with_people(data, healthy))
    with pytest.raises(BadInputError, match="neither knee alignment nor affected side is known of everybody"):
        feature_plan("mlp", "", recipe, with_people(data, {}))
    with pytest.raises(BadInputError, match="names 'ridgee'"):
        feature_plan("ridgee", "", recipe, data)


def test_the_command_prints_claims_and_goes_on_where_it_was(tmp_path: Path) -> None:
    known("abcdef").to_netcdf(tmp_path / "set.nc")
    command = [sys.executable, "-m", "grfkit.cli.evaluate", str(tmp_path / "set.nc"), "--preset", "sugiarto2025"]
    command += ["--epochs", "1", "--draws", "1", "--out", str(tmp_path / "out"), "--report", str(tmp_path / "p.html")]
    done = subprocess.run([*command, "--compare", "mlp,lstm"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "sugiarto2025 fixed (reconstruction, not replication): 6 people" in done.stdout
    assert "trained for 1 of the preset's 20 epochs: a trial run" in done.stdout
    assert (
        "4. ResNet50 and Inception err less from weights of ImageNet than from random ones: NOT TESTED" in done.stdout
    )
    stored = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    # the headline beside what is no network, not beside every row of the table
    assert set(stored["comparisons"]["vgrf"]) == {
        "mean curve", "mean curve of the known speed", "scaled pressure sum", "ridge", "ridge + both", "kernel ridge",
        "kernel ridge + both",
    }  # fmt: skip
    found = stored["feature_comparison"]
    assert [c["number"] for c in found["claims"]] == [1, 2, 3, 4, 5]
    assert {row["features"] for row in found["help"]} == {"both"}
    assert {"ridge", "kernel ridge", "mlp", "lstm"} == {row["network"] for row in found["help"]}
    rows = list(csv.DictReader((tmp_path / "out" / "features.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["axis"] for row in rows} == {"vgrf", "apgrf", "overall"}
    assert "+ both of others" in (tmp_path / "out" / "comparison.csv").read_text(encoding="utf-8")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    for text in ("Do facts of people help?", "reconstruction, not replication", "With minus those of others"):
        assert text in page
    journal = (tmp_path / "out" / "folds" / "journal.jsonl").read_bytes()
    again = subprocess.run([*command, "--compare", "mlp,lstm", "--force"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "out" / "folds" / "journal.jsonl").read_bytes() == journal, (
        "every fold is read, none trained anew"
    )


def test_without_a_preset_features_are_compared_and_no_claim_is_made() -> None:
    found = evaluate(known("abc"), compare="mlp", features="alignment", epochs=1, draws=1).scores["feature_comparison"]
    assert found["claims"] == []
    assert found["features"] == ["none", "alignment"]
    assert not any("claims" in line for line in feature_words(found))


def planted(gain: float, people: str) -> StanceSet:
    """Return windows whose second axis holds ``gain`` BW a degree of the own knee's deviation, beside some noise."""
    rng = np.random.default_rng(3)
    data = made_up(people, each=4)
    data = StanceSet(data.data.assign_coords(side=("stance", ["left", "right"] * (data.size // 2))))
    # no knee is straight, so that whoever is answered without it is answered worse
    angles = rng.uniform(3, 6, (len(people), 2)) * rng.choice([-1, 1], (len(people), 2))
    knees = {
        p: Person(hka_left_deg=float(left), hka_right_deg=float(right), hka_method="stated")
        for p, (left, right) in zip(people, angles)
    }
    data = with_people(data, knees)
    forces = data.data["targets"].copy()
    wave = np.sin(np.linspace(0, np.pi, forces.shape[1]))
    forces[:, :, 1] += gain * data.scalar("hka_own")[:, None] * wave + 0.03 * rng.normal(size=forces.shape[:2])
    return StanceSet(data.data.assign(targets=forces.astype(np.float32)))


@pytest.mark.parametrize(
    ("gain", "people", "words"),
    [(0.02, "abcdefgh", {"helped"}), (0.0, "abcdefgh", {"not helped", "harmed", "undecided"}),
     (0.02, "abcd", {"undecided"})],
)  # fmt: skip
def test_an_effect_is_found_where_there_is_one_and_enough_people(gain: float, people: str, words: set[str]) -> None:
    found = evaluate(planted(gain, people), preset="sugiarto2025", compare="mlp", epochs=4, draws=2).scores
    rows = [r for r in found["feature_comparison"]["help"] if r["axis"] == "apgrf"]
    assert [row["network"] for row in rows] == ["ridge", "kernel ridge", "mlp"]
    assert {row["word"] for row in rows} <= words
    # others' features are no help in any world
    assert all(row["presence"]["high"] > 0 for row in rows)
    claim, notes = found["feature_comparison"]["claims"][0], found["feature_comparison"]["notes"]
    assert claim["verdict"] != "supported"
    assert ("4 people are too few for a p-value" in claim["power"]) == (len(people) < 6)
    assert any("here networks have alignment alone" in note for note in notes)


def test_files_of_weights_are_checked_before_anything_is_trained(tmp_path: Path) -> None:
    data, file = known("abc"), tmp_path / "w.pth"
    torch.save({"a": torch.zeros(2)}, file)
    asked: dict[str, Any] = {"preset": "sugiarto2025", "compare": "mlp", "epochs": 1}
    with pytest.raises(
        BadInputError, match=r"w\.pth: holds no weights of resnet50 or inception3 \(it holds 1 tensors\)"
    ):
        evaluate(data, imagenet=[file], **asked)
    weights(file)
    with pytest.raises(BadInputError, match="holds weights of resnet50, which is not among the networks compared"):
        evaluate(data, imagenet=file, **asked)
    with pytest.raises(BadInputError, match="as another file does; give one"):
        evaluate(data, imagenet=[file, file], **asked | {"compare": "resnet50"})
    with pytest.raises(BadInputError, match="is of comparisons with features"):
        evaluate(data, imagenet=file, compare="resnet50,mlp", epochs=1)
    with pytest.raises(BadInputError, match="names several files"):
        evaluate(data, imagenet=[file, file], network="resnet50", epochs=1)
    plan = feature_plan("all", "alignment", recipe_of("sugiarto2025"), data, weights=weights_of(file))
    assert plan.networks.index("resnet50 (ImageNet)") == plan.networks.index("resnet50") + 1
    started: Any = feature_method(Cell("resnet50 (ImageNet)"), recipe_of("sugiarto2025"), plan.weights)
    random: Any = feature_method(Cell("resnet50"), recipe_of("sugiarto2025"), plan.weights)
    assert (started.network.imagenet, random.network.imagenet) == (str(file), "")


def test_weights_of_imagenet_decide_claims_four_and_five() -> None:
    started = ("resnet50 (ImageNet)", "inception3 (ImageNet)")
    effects = {n: (0.5 + (n == "cnn2d_lstm"), 0.0) for n in TEN} | dict.fromkeys(("resnet50", "inception3"), (0.1, 0.0))
    macs = {n: 10 if n in ("resnet50", "inception3") else 1 for n in TEN}
    better = table(effects | dict.fromkeys(started, (0.3, 0.0)))
    found = verdicts(better, (*TEN, *started), macs)
    assert (found[4], found[5][0]) == (("supported", "both err less from weights of ImageNet"), "supported")
    one = verdicts(better, (*TEN, started[0]), macs)
    assert one[4][0] == one[5][0] == "undecided"
    assert "no file of weights of inception3" in one[4][1]
    worse = table(effects | {started[0]: (-0.3, 0.0), started[1]: (0.9, 0.0)})
    # the 2D-CNN-LSTM is ahead of both, the 1D-CNN-LSTM is not
    words = [verdicts(worse, (*TEN, *started), macs)[k][0] for k in (3, 4, 5)]
    assert words == ["supported", "contradicted", "contradicted"]
