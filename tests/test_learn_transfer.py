"""Transfer: is the tested person out of both surfaces, does every regime use what its name says, and does it help?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from grfkit.errors import BadInputError
from grfkit.learn.folds import Fold, LeakError
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit, training_scaler
from grfkit.learn.train_config import EpochReport, TrainConfig
from grfkit.learn.transfer import (
    MEANING,
    REGIMES,
    Regime,
    Tuning,
    by_surface,
    limited,
    predict_regime,
    train_regime,
    transfer_folds,
)
from grfkit.records.stance_set import StanceSet, join
from learn_sets import made_up, on_surface

SMALL = network_config("mlp", hidden=12, head=(8,), context=1, layers=1, dropout=0.0)
QUICK = TrainConfig(epochs=3, batch=16, patience=0)


def surfaces(offset: float = 0.5) -> tuple[StanceSet, StanceSet]:
    """Return treadmill windows of a to f and overground ones of d to h, heavier by ``offset``; d, e, f are in both."""
    treadmill = on_surface(made_up("abcdef", each=10, seed=1), "treadmill")
    return treadmill, on_surface(made_up("defgh", each=6, seed=2), "overground", offset=offset)


def fold_of(person: str = "d") -> Fold:
    return next(f for f in transfer_folds(*surfaces()) if f.test == (person,))


def same(one: GrfModel, other: GrfModel) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values())
    return all(torch.equal(a, b) for a, b in pairs)


def test_folds_test_every_target_person_and_name_both_surfaces() -> None:
    source, target = surfaces()
    folds = transfer_folds(source, target)
    assert [f.test for f in folds] == [("d",), ("e",), ("f",), ("g",), ("h",)]
    for fold in folds:
        assert sorted(fold.train + fold.inner + fold.test) == list("abcdefgh")
        assert len(fold.inner) == 1
        assert fold.inner[0] in target.participants, "inner people are of the target where there are any"


def test_inner_people_are_of_the_source_where_the_target_has_nobody_else() -> None:
    source, target = on_surface(made_up("abc"), "treadmill"), on_surface(made_up("z"), "overground")
    (fold,) = transfer_folds(source, target)
    assert fold.test == ("z",)
    assert fold.inner[0] in "abc"
    with pytest.raises(BadInputError, match="z is the only one"):
        transfer_folds(target, target)


@pytest.mark.parametrize("regime", REGIMES)
def test_what_the_tested_person_did_on_either_surface_changes_no_weight(regime: Regime) -> None:
    source, target = surfaces()
    model = predict_regime(regime, SMALL, QUICK, source, target, fold_of()).model
    wild_source, wild_target = surfaces()
    for wild in (wild_source, wild_target):
        rows = wild.per_stance("participant") == "d"
        wild.data["inputs"][rows] = 1e5
        wild.data["targets"][rows] = -7.0
    again = predict_regime(regime, SMALL, QUICK, wild_source, wild_target, fold_of()).model
    assert same(model, again)
    assert model.spec.scaler == again.spec.scaler
    assert "d" not in model.participants
    assert "d" not in model.spec.scaler.participants


@pytest.mark.parametrize("regime", REGIMES)
def test_a_set_with_the_tested_person_is_refused_on_either_surface(regime: Regime) -> None:
    source, target = surfaces()
    with pytest.raises(LeakError, match="participant d is to be tested"):
        train_regime(regime, SMALL, QUICK, source, target.without("d"), fold_of())
    with pytest.raises(LeakError, match="participant d is to be tested"):
        train_regime(regime, SMALL, QUICK, source.without("d"), target, fold_of())


def test_settings_or_a_scaler_that_saw_the_tested_person_are_refused() -> None:
    source, target = surfaces()
    searched = QUICK.model_copy(update={"chosen_on": ("c", "d")})
    for regime in ("A", "B", "C1", "D3"):
        with pytest.raises(LeakError, match=r"search that chose these settings has seen d"):
            train_regime(regime, SMALL, searched, source.without("d"), target.without("d"), fold_of())
    model = train_regime("B", SMALL, searched, source.without("g"), target.without("g"), fold_of("g"))
    with pytest.raises(LeakError, match="participant c was in the training"):
        predict(model, source.of("c"))
    scaler = training_scaler(QUICK, target)
    fold = Fold("y", ("e", "f", "g", "h"), (), ("d",))
    with pytest.raises(LeakError, match="the scaler has seen d"):
        fit(SMALL, QUICK, target.without("d"), fold, scaler=scaler)


def test_who_is_in_the_model_of_each_regime() -> None:
    source, target = surfaces()
    kept = (source.without("d"), target.without("d"))
    fold = fold_of()
    seen = {r: train_regime(r, SMALL, QUICK, *kept, fold) for r in REGIMES}
    assert seen["A"].participants == tuple("abcef")
    assert seen["B"].participants == tuple("efgh")
    for regime in ("C1", "C2", "C3", "D", "D2", "D3"):
        assert seen[regime].participants == tuple("abcefgh"), MEANING[regime]
    assert set(seen["A"].spec.scaler.participants) <= set("abcef")
    for regime in REGIMES:
        assert not set(seen[regime].spec.scaler.participants) & set(fold.inner), "inner people do not scale"
    own = train_regime("C1", SMALL, QUICK, *kept, fold, scaler_of="source")
    assert own.spec.scaler == seen["A"].spec.scaler
    assert seen["D2"].spec.training["balance_batches"] == "surface"
    assert seen["D"].spec.training["balance_batches"] == ""


def test_the_target_changes_nothing_in_a_and_the_source_nothing_in_b() -> None:
    source, target = surfaces()
    kept = (source.without("d"), target.without("d"))
    wild = [s.without("d") for s in surfaces(offset=3.0)]
    wild_source = on_surface(kept[0], "treadmill", offset=3.0)
    assert same(train_regime("A", SMALL, QUICK, *kept, fold_of()), train_regime("A", SMALL, QUICK, *wild, fold_of()))
    one, other = (train_regime("B", SMALL, QUICK, s, kept[1], fold_of()) for s in (kept[0], wild_source))
    assert same(one, other)


def test_the_modes_move_what_they_say() -> None:
    source, target = (s.without("d") for s in surfaces())
    start = train_regime("A", SMALL, QUICK, source, target, fold_of()).network.state_dict()
    tuning = Tuning(lr_factor=1.0)
    for regime, frozen in (("C1", False), ("C2", True), ("C3", False)):
        model = train_regime(regime, SMALL, QUICK, source, target, fold_of(), tuning=tuning, scaler_of="source")
        state = model.network.state_dict()
        body = [torch.equal(state[k], v) for k, v in start.items() if k.startswith("body")]
        head = [torch.equal(state[k], v) for k, v in start.items() if k.startswith("head")]
        assert all(body) if frozen else not any(body)
        assert not any(head)


def test_training_on_the_target_surface_removes_the_step_between_surfaces() -> None:
    """The surfaces differ by half a body weight, which the inputs do not show: only target windows can teach it."""
    source, target = surfaces()
    fold = fold_of("g")
    config = TrainConfig(epochs=40, batch=4, patience=0, lr=1e-2)
    bias = {}
    more = on_surface(made_up("defgh", each=24, seed=2), "overground", offset=0.5)
    for regime in REGIMES:
        near = more if regime == "B" else target  # alone, the few target windows do not even teach the curve
        answer = predict_regime(regime, SMALL, config, source, near, fold, tuning=Tuning(lr_factor=1.0))
        truth = answer.test.arrays()[1]
        assert answer.test.participants == ("g",)
        bias[regime] = float((answer.forces_bw - truth)[:, :, 0].mean())
    assert bias["A"] == pytest.approx(-0.5, abs=0.1), "the treadmill says nothing of the step"
    for regime in ("B", "C1", "C2", "C3", "D3"):
        assert abs(bias[regime]) < 0.1, bias
    shares = {r: -bias[r] / 0.5 for r in ("D", "D2")}
    assert shares["D"] > shares["D2"] + 0.05, "balanced batches give the smaller surface more say"
    assert 0.3 < shares["D2"] < 0.7


def test_a_killed_regime_goes_on_and_the_c_regimes_share_their_first_training(tmp_path: Path) -> None:
    source, target = (s.without("d") for s in surfaces())

    def kill(report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_regime("C1", SMALL, QUICK, source, target, fold_of(), progress=kill, checkpoints=tmp_path)
    told: list[int] = []
    resumed = train_regime(
        "C1", SMALL, QUICK, source, target, fold_of(), progress=lambda r: told.append(r.epoch), checkpoints=tmp_path
    )
    assert told == [3, 1, 2, 3]
    assert same(resumed, train_regime("C1", SMALL, QUICK, source, target, fold_of()))
    told.clear()
    other = train_regime(
        "C2", SMALL, QUICK, source, target, fold_of(), progress=lambda r: told.append(r.epoch), checkpoints=tmp_path
    )
    assert told == [1, 2, 3]
    assert same(other, train_regime("C2", SMALL, QUICK, source, target, fold_of()))


def test_fewer_target_people_are_nested_and_never_the_tested() -> None:
    _, target = surfaces()
    fold = fold_of("g")
    sets = [set(limited(target, fold, n).participants) for n in (1, 2, 3, 4)]
    assert [len(s) for s in sets] == [1, 2, 3, 4]
    assert sets[1] < sets[2] < sets[3] == set("defh")
    assert set(fold.inner) < sets[1]
    assert not sets[0] & set(fold.inner), "one person has to train"
    with pytest.raises(BadInputError, match="5 target participants are asked for, and 4 are not tested"):
        limited(target, fold, 5)
    model = train_regime("D", SMALL, QUICK, surfaces()[0], limited(target, fold, 2), fold)
    assert set(model.participants) == set("abcdef") | sets[1]


def test_a_set_is_parted_by_surface_and_one_with_another_surface_is_refused() -> None:
    source, target = surfaces()
    back = by_surface(join([target, source]))
    for one, other in zip(back, (source, target)):
        assert one.participants == other.participants
        np.testing.assert_array_equal(one.arrays()[1], other.arrays()[1])
    with pytest.raises(BadInputError, match="treadmill and overground; the set has treadmill"):
        by_surface(source)
    with pytest.raises(BadInputError, match="the set has overground, sand, treadmill"):
        by_surface(join([source, target, on_surface(made_up("x"), "sand")]))


def test_sets_that_differ_are_refused_in_words() -> None:
    source, target = (s.without("d") for s in surfaces())
    with pytest.raises(BadInputError, match="there is no regime 'E'"):
        train_regime("E", SMALL, QUICK, source, target, fold_of())  # type: ignore[arg-type]
    units = np.asarray(["N", *[str(u) for u in target.data["unit"].values][1:]], dtype=object)
    other = StanceSet(target.data.assign_coords(unit=("channel", units)))
    with pytest.raises(BadInputError, match="'acc_x' is in m/s\\^2 in the source and in N in the target"):
        train_regime("D", SMALL, QUICK, source, other, fold_of())
    with pytest.raises(BadInputError, match="both sets hold surface 'treadmill'"):
        train_regime("D2", SMALL, QUICK, source, on_surface(target, "treadmill"), fold_of())
    with pytest.raises(BadInputError, match="sets differ in points"):
        train_regime("D", SMALL, QUICK, source, made_up("efgh", points=11), fold_of())
