"""Contacts of a film put right: learnt of others, windows cut anew, forces laid back on the film's clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.deploy.bundle import export_bundle
from grfkit.errors import BadInputError
from grfkit.learn.candidates import candidates
from grfkit.learn.film_limits import fit_film_limits, laid_back, true_shift_s
from grfkit.learn.folds import Fold
from grfkit.learn.model import GrfModel
from grfkit.learn.train import fit
from grfkit.records.stance_set import StanceSet, make_stance_set

POINTS, MARGIN_S, EACH = 101, 0.08, 6


def film(people: int = 8, *, cut: str = "film", seed: int = 0) -> tuple[StanceSet, np.ndarray]:
    """Return stances whose film is early or late by chance, and by how much the plates are later (2, stances).

    The force is half a sine of the true contact, a joint's channel tells how long ago or until when that was.
    """
    rng = np.random.default_rng(seed)
    count = people * EACH
    contact = rng.uniform(0.55, 0.75, count)
    late = rng.normal(0.0, 0.015, (2, count))
    begin, end = -late[0] - MARGIN_S, contact - late[1] + MARGIN_S
    at = begin[:, None] + np.linspace(0.0, 1.0, POINTS) * (end - begin)[:, None]
    share = at / contact[:, None]
    force = np.where((share >= 0) & (share <= 1), 0.05 + np.sin(np.pi * np.clip(share, 0, 1)), 0.0)
    joints = np.stack([np.tanh(at / 0.1), np.tanh((at - contact[:, None]) / 0.1)], axis=2)
    lasts = end - begin
    data = make_stance_set(
        joints, force[:, :, None], channels=("heel_x", "toe_x"), units=("leg", "leg"), axes=("vgrf",), window="stance",
        cut=cut, labels={"participant": [f"P{k // EACH}" for k in range(count)], "trial": ["1"] * count},
        scalars={"contact_s": list(lasts - 2 * MARGIN_S), "window_s": list(lasts)}, source="test",
    )  # fmt: skip
    return data, late


def test_how_late_the_plates_are_is_read_from_the_force() -> None:
    data, late = film()
    assert np.abs(true_shift_s(data) - late).max() < 0.005


def test_tested_people_are_put_right_by_others() -> None:
    data, late = film()
    tested = data.of(["P0"])
    found = fit_film_limits(data.without(["P0"]), data.channels)
    assert found is not None
    limits, learnt = found
    left = limits.shift_s(tested) - late[:, :EACH]
    assert left.std() < 0.5 * late[:, :EACH].std()
    # the training windows, too, each by other people's, and not all the way
    assert 0.0 < np.abs(true_shift_s(learnt)).mean() < 0.4 * np.abs(late[:, EACH:]).mean()


def test_a_tested_persons_plates_have_no_part_in_it() -> None:
    data, _ = film()
    found = fit_film_limits(data.without(["P0"]), data.channels)
    assert found is not None
    other = data.data.copy(deep=True)
    other["targets"][:EACH] = 0.0
    again = fit_film_limits(StanceSet(other).without(["P0"]), data.channels)
    assert again is not None
    assert again[0] == found[0]
    np.testing.assert_array_equal(found[0].shift_s(StanceSet(other)), found[0].shift_s(data))


def test_too_few_people_or_other_cuts_teach_nothing() -> None:
    assert fit_film_limits(film(3)[0], ("heel_x", "toe_x")) is None
    assert fit_film_limits(film(cut="force")[0], ("heel_x", "toe_x")) is None


def test_windows_of_plates_stay_as_they_are() -> None:
    found = fit_film_limits(film()[0], ("heel_x", "toe_x"))
    assert found is not None
    plates = film(cut="force", seed=1)[0]
    data, shift = found[0].put_right(plates)
    assert data is plates
    assert not shift.any()


def test_forces_are_laid_back_at_the_times_of_the_film() -> None:
    data, _ = film()
    shift = np.stack([np.full(data.size, 0.02), np.full(data.size, -0.01)])
    lasts = data.scalar("window_s")
    clock = (shift[0] / lasts)[:, None] + np.linspace(0, 1, POINTS) * (1.0 - 0.03 / lasts)[:, None]
    back = laid_back(clock[:, :, None], data, shift)[:, :, 0]
    share = np.tile(np.linspace(0, 1, POINTS), (data.size, 1))
    seen = (share >= clock[:, :1]) & (share <= clock[:, -1:])
    np.testing.assert_allclose(back[seen], share[seen], atol=1e-9)
    assert not back[~seen].any()


@pytest.mark.parametrize("method", ["ridge", "kernel ridge"])
def test_a_model_of_films_does_it_by_itself_and_is_read_as_it_was_written(method: str, tmp_path: Path) -> None:
    data, _ = film()
    option = candidates(data, method=method)[0]
    fold = Fold(name="P0", train=tuple(f"P{k}" for k in range(1, 8)), inner=(), test=("P0",))
    model = fit(option.network, option.config, data.without(["P0"]), fold)
    plain = fit(option.network, option.config.model_copy(update={"film_limits": False}), data.without(["P0"]), fold)
    tested = data.of(["P0"])
    truth = np.asarray(tested.arrays()[1])
    errors = [float(np.abs(m.predict(tested) - truth).mean()) for m in (model, plain)]
    assert model.spec.limits is not None
    assert plain.spec.limits is None
    assert errors[0] < 0.12
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(GrfModel.load(tmp_path / "model").predict(tested), model.predict(tested))
    with pytest.raises(BadInputError, match="contacts of a film right"):
        export_bundle(tmp_path / "model", tmp_path / "bundle")
