"""Students: what they are taught is the mixed loss, nobody tested is in it, and the choice is made on inner people."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.evaluation.methods import BaselineMethod, NetworkMethod
from grfkit.evaluation.predictions import predict_folds
from grfkit.learn import distill
from grfkit.learn import model as models
from grfkit.learn.augment import Augmentation
from grfkit.learn.distill import Distilled, Tried, distil, taught, teacher_predictions
from grfkit.learn.folds import Fold, LeakError, loso
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up

TEACHER = network_config("bilstm", hidden=16, head=(16,), dropout=0.0)
SMALL = network_config("tcn", hidden=8, layers=2, kernel=3, head=(8,), dropout=0.0)
CONFIG = TrainConfig(epochs=30, lr=1e-2, patience=0, batch=12)
FOLD = Fold("f", ("a", "b", "c"), ("d",), ("e",))


@pytest.fixture(scope="module")
def data() -> StanceSet:
    return made_up("abcde", each=12)


@pytest.fixture(scope="module")
def teacher(data: StanceSet) -> GrfModel:
    return fit(TEACHER, CONFIG, data.of("abcd"), FOLD)


def with_targets(data: StanceSet, **changed: np.ndarray) -> StanceSet:
    made = data.data.copy()
    for name, values in changed.items():
        made[name] = (made[name].dims, values.astype(np.float32))
    return StanceSet(made)


def rmse(said: np.ndarray, data: StanceSet) -> float:
    return float(np.sqrt(np.mean((said - data.arrays()[1]) ** 2)))


@given(share=st.floats(0, 1), seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_training_on_what_is_taught_has_the_gradient_of_the_mixed_loss(share: float, seed: int) -> None:
    """Independent of the algebra: autograd of both losses at any answer of a student, weights between 0 and 1."""
    rng = np.random.default_rng(seed)
    data = made_up("ab", each=3, points=5)
    shape = data.arrays()[1].shape
    weight = rng.uniform(0, 1, shape[:2]) * (rng.random(shape[:2]) < 0.7)
    said = rng.normal(size=shape)
    said[rng.random(shape[:2]) < 0.2] = np.nan
    truth = rng.normal(size=shape)
    truth[rng.random(shape[:2]) < 0.2] = np.nan
    made = taught(with_targets(data, weight=weight, targets=truth), said, share=share)
    answer = torch.tensor(rng.normal(size=shape), requires_grad=True)

    def loss(of: np.ndarray, weights: np.ndarray) -> torch.Tensor:
        known = torch.tensor(np.nan_to_num(of))
        return (torch.tensor(weights)[:, :, None] * (answer - known) ** 2).sum()

    _, y, w = with_targets(data, weight=weight, targets=truth).arrays()
    counts = np.where(np.isnan(y).any(axis=2), 0.0, w.astype(float))
    both = share * loss(y.astype(float), counts) + (1 - share) * loss(said, (~np.isnan(said).any(axis=2)).astype(float))
    (due,) = torch.autograd.grad(both, answer)
    (found,) = torch.autograd.grad(loss(*(a.astype(float) for a in made.arrays()[1:])), answer)
    torch.testing.assert_close(found, due, atol=1e-5, rtol=1e-5)


def test_the_student_learns_from_the_teacher_where_the_truth_is_masked(data: StanceSet, teacher: GrfModel) -> None:
    """Truth counts nowhere in the second half of the window, and is nonsense there."""
    _, y, w = data.of("abcd").arrays()
    rows = np.isin(data.of("abcd").per_stance("participant"), FOLD.train)
    w, y = w.copy(), y.copy()
    w[rows, 10:], y[rows, 10:] = 0.0, 40.0
    blind = with_targets(data.of("abcd"), weight=w, targets=y)
    longer = CONFIG.model_copy(update={"epochs": 120})
    student = distil(teacher, blind, FOLD, longer, students=(SMALL,), shares=(0.5,)).model
    alone = fit(
        SMALL, longer, with_targets(blind, weight=np.where(rows[:, None], w, 0.0)), Fold("f", tuple("abcd"), (), ("e",))
    )
    test = data.of("e")
    masked = slice(10, None)
    of_teacher = predict(teacher, test)[:, masked]
    far = float(np.sqrt(np.mean((predict(student, test)[:, masked] - of_teacher) ** 2)))
    unaided = float(np.sqrt(np.mean((predict(alone, test)[:, masked] - of_teacher) ** 2)))
    assert far < 0.15
    assert far < 0.5 * unaided
    # calibration windows hold what was measured, not what was taught
    held = student.calibration
    assert held is not None
    assert (held.arrays()[2][:, 10:] == 0).all()
    assert set(held.participants) == set(FOLD.train)


def test_shares_of_one_and_none_are_truth_and_teacher_alone(data: StanceSet, teacher: GrfModel) -> None:
    own = data.of("abc")
    said = teacher_predictions(teacher, own)
    np.testing.assert_allclose(taught(own, said, share=1.0).arrays()[1], own.arrays()[1], atol=1e-6)
    np.testing.assert_allclose(taught(own, said, share=0.0).arrays()[1], said, atol=1e-6)
    plain = fit(SMALL, CONFIG, data.of("abcd"), FOLD)
    alone = distil(teacher, data.of("abcd"), FOLD, CONFIG, students=(SMALL,), shares=(1.0,))
    for name, value in plain.network.state_dict().items():
        torch.testing.assert_close(alone.model.network.state_dict()[name], value, atol=1e-4, rtol=1e-3)
    assert alone.best.inner_loss == pytest.approx(min(v for _, v in plain.spec.history if v is not None), rel=1e-3)


def test_nobody_tested_reaches_teacher_or_student(data: StanceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set that is trained on or answered by a teacher is looked at; the tested one's numbers are poison."""
    seen: list[tuple[str, tuple[str, ...]]] = []
    real_fit, real_predict = distill.fit, distill.predict

    def fitted(network: Any, config: Any, windows: StanceSet, fold: Fold, **more: Any) -> GrfModel:
        seen.append(("fit", windows.participants))
        return real_fit(network, config, windows, fold, **more)

    def answered(model: GrfModel, windows: StanceSet, **more: Any) -> np.ndarray:
        seen.append(("predict", windows.participants))
        return real_predict(model, windows, **more)

    monkeypatch.setattr(distill, "fit", fitted)
    monkeypatch.setattr(distill, "predict", answered)
    monkeypatch.setattr(models, "predict", answered)
    quick = CONFIG.model_copy(update={"epochs": 2})
    method = Distilled("student", TEACHER, quick, quick, students=(SMALL,), shares=(0.5, 0.0))
    folds = loso(data, inner=1)[:2]
    found = predict_folds(data, folds, [NetworkMethod("teacher", TEACHER, quick), BaselineMethod("mean curve"), method],
                       split="loso")  # fmt: skip
    assert found.methods == ("teacher", "mean curve", "student")
    assert np.isfinite(found.predicted("student")).all()
    teachers = [who for what, who in seen if what == "predict"]
    for fold in folds:
        (person,) = fold.test
        assert teachers.count((person,)) == 2  # the predictions of the network and of the student, at the end
    others = [set(who) for what, who in seen if not (what == "predict" and len(who) == 1)]
    assert sum(what == "fit" for what, _ in seen) == 2 * (1 + 2)
    assert all(not ({"a"} <= who and {"b"} <= who) for who in others)  # folds test a and b, each without the one
    # the teacher answers training windows, never those that choose
    assert {w for w in teachers if len(w) > 1} == {f.train for f in folds}


def test_a_teacher_who_has_seen_the_tested_is_refused(data: StanceSet, teacher: GrfModel) -> None:
    other = Fold("g", ("a", "b"), ("c",), ("d",))
    with pytest.raises(LeakError, match="the teacher has seen d, who is to be tested"):
        distil(teacher, data.of("abc"), other, CONFIG, students=(SMALL,), shares=(0.5,))
    with pytest.raises(LeakError, match="participant e is to be tested, but is in the set"):
        distil(teacher, data, FOLD, CONFIG, students=(SMALL,), shares=(0.5,))


def test_the_student_says_whom_it_owes(data: StanceSet, teacher: GrfModel, tmp_path: Any) -> None:
    """What it was taught by people that were only the teacher's counts as seen, also after saving."""
    part = Fold("h", ("a", "b"), ("d",), ("e",))
    config = CONFIG.model_copy(update={"epochs": 2, "augmentation": Augmentation(noise=0.05)})
    student = distil(teacher, data.of("abd"), part, config, students=(SMALL,), shares=(0.5,)).model
    assert student.participants == ("a", "b", "c", "d")
    student.save(tmp_path / "s")
    again = GrfModel.load(tmp_path / "s")
    told = again.spec.training["teacher"]
    assert (told["share_of_truth"], told["network"]["name"]) == (0.5, "bilstm")
    with pytest.raises(LeakError, match="participant c was in the training"):
        predict(again, data.of("c"))


def test_the_choice_is_made_on_inner_people_and_may_take_the_smallest(data: StanceSet, teacher: GrfModel) -> None:
    tiny = network_config("lstm", hidden=2, head=(), dropout=0.0)
    config = CONFIG.model_copy(update={"epochs": 8})
    made = distil(teacher, data.of("abcd"), FOLD, config, students=(tiny, SMALL), shares=(1.0, 0.5))
    assert [(t.network.name, t.share) for t in made.tried] == [("lstm", 1.0), ("lstm", 0.5), ("tcn", 1.0), ("tcn", 0.5)]
    losses = [t.inner_loss for t in made.tried]
    assert made.best.inner_loss == min(v for v in losses if v is not None)
    assert made.model.name == made.best.network.name
    entries = [Tried(tiny, 1.0, 50, 0.104), Tried(tiny, 0.5, 50, 0.101), Tried(SMALL, 0.5, 900, 0.1)]
    assert [distill._best(entries, s) for s in (0.0, 0.02, 0.05)] == [2, 1, 1]
    with pytest.raises(BadInputError, match="4 students to choose from and 0 inner participants"):
        distil(
            teacher,
            data.of("abc"),
            Fold("i", ("a", "b", "c"), (), ("e",)),
            config,
            students=(tiny, SMALL),
            shares=(1.0, 0.5),
        )
    with pytest.raises(BadInputError, match="0 students"):
        distil(teacher, data.of("abcd"), FOLD, config, students=())


def test_what_cannot_be_taught_is_refused(data: StanceSet, teacher: GrfModel) -> None:
    own = data.of("abc")
    said = teacher_predictions(teacher, own)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(BadInputError, match=r"share of the truth is .*; expected 0"):
            taught(own, said, share=share)
    with pytest.raises(BadInputError, match=r"answers have shape \(36, 21, 1\), the targets \(36, 21, 2\)"):
        taught(own, said[:, :, :1], share=0.5)
    vertical = fit(TEACHER, CONFIG.model_copy(update={"epochs": 1, "axes": ("vgrf",)}), data.of("abcd"), FOLD)
    with pytest.raises(BadInputError, match=r"says nothing of apgrf \(its axes: vgrf\)"):
        teacher_predictions(vertical, own)


def test_grf_train_takes_a_teacher(data: StanceSet, teacher: GrfModel, tmp_path: Any) -> None:
    from typer.testing import CliRunner

    from grfkit.cli.train import app

    data.of("abcd").to_netcdf(tmp_path / "set.nc")
    teacher.save(tmp_path / "teacher")
    words = [str(tmp_path / "set.nc"), "--out", str(tmp_path / "m"), "--teacher", str(tmp_path / "teacher"), "--json"]
    done = CliRunner().invoke(app, [*words, "--network", "tcn", "--epochs", "2"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["network"]["name"], len(told["tried"])) == ("tcn", len(distill.SHARES))
    made = GrfModel.load(tmp_path / "m")
    assert made.spec.scaler.channels == teacher.spec.scaler.channels
    assert made.spec.training["teacher"]["participants"] == list(teacher.participants)
    assert (tmp_path / "m" / "CARD.md").exists()
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, BadInputError)
    assert "exists; use --force" in str(again.exception)
    both = CliRunner().invoke(app, [*words, "--search", "2", "--force"])
    assert "leave out --search, --study and --regime" in str(both.exception)
