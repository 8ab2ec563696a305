"""Training: does it learn, is it blind to the tested, and is a run that was killed the run that was not?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from grfkit.errors import BadInputError
from grfkit.learn.augment import Augmentation
from grfkit.learn.batches import matching_channels
from grfkit.learn.folds import Fold, LeakError, loso, within_trial
from grfkit.learn.loss import batch_loss
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import Shape, build, network_config, network_names
from grfkit.learn.scaler import fit_scaler
from grfkit.learn.schedule import lr_share
from grfkit.learn.train import fine_tune, fit
from grfkit.learn.train_config import EpochReport, TrainConfig
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up

SMALL = network_config("bilstm", hidden=8, head=(8,))
QUICK = TrainConfig(epochs=4, batch=16, patience=0)


def trained(data: StanceSet | None = None, config: TrainConfig = QUICK, **more: object) -> GrfModel:
    whole = made_up() if data is None else data
    fold = loso(whole)[0]
    return fit(SMALL, config, whole.without(fold.test), fold, **more)


def weights(model: GrfModel) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


def same(one: GrfModel, other: GrfModel) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values()))


@pytest.mark.parametrize("name", network_names())
def test_every_network_learns_a_mix_of_channels_for_a_person_never_seen(name: str) -> None:
    data = made_up("abcd", each=40)
    fold = loso(data)[0]
    config = TrainConfig(epochs=20, batch=16, patience=0, lr=1e-2)
    size = {"hidden": 24} | ({"maps": (8, 8)} if name.startswith("cnn2d") else {})
    model = fit(network_config(name, dropout=0.0, **size), config, data.without(fold.test), fold)
    test = data.of(fold.test)
    truth = test.arrays()[1]
    error = np.sqrt(((predict(model, test) - truth) ** 2).mean(axis=(0, 1)))
    blind = truth.std(axis=(0, 1))
    assert (error < 0.35 * blind).all(), (error, blind)


def test_windows_of_a_lazy_set_are_those_in_memory_with_and_without_statics_and_axes(tmp_path: Path) -> None:
    from grfkit.learn.batches import Windows

    data = made_up()
    data.to_netcdf(tmp_path / "set.nc")
    for statics, axes in (((), ()), (("mass_kg", "speed_m_s"), ("apgrf",))):
        held = next(Windows(data, ("cell_2", "acc_x"), statics, axes).in_order(7))
        lazy = Windows(StanceSet.open(tmp_path / "set.nc"), ("cell_2", "acc_x"), statics, axes, memory_mb=0)
        for one, other in zip(held, next(lazy.in_order(7))):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(held.inputs, data.arrays()[0][:7][:, :, [4, 0]])
        assert held.targets.shape == (7, 21, len(axes))


def test_two_runs_give_the_same_weights_and_another_seed_others() -> None:
    assert same(trained(), trained())
    assert not same(trained(), trained(config=QUICK.model_copy(update={"seed": 2})))


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_run_killed_and_resumed_is_the_run_that_was_not(tmp_path: Path, stop_after: int) -> None:
    config = QUICK.model_copy(
        update={"patience": 3, "augmentation": Augmentation(noise=0.1, missing=0.3), "schedule": "one-cycle"}
    )
    state = tmp_path / "state.safetensors"

    def kill(report: EpochReport) -> None:
        if report.epoch == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(config=config, checkpoint=state, progress=kill)
    seen: list[int] = []
    resumed = trained(config=config, checkpoint=state, progress=lambda r: seen.append(r.epoch))
    whole = trained(config=config)
    assert seen == list(range(stop_after + 1, 5))
    assert same(resumed, whole)
    assert resumed.spec.history == whole.spec.history
    with pytest.raises(BadInputError, match="state of another run"):
        trained(config=config.model_copy(update={"lr": 1e-2}), checkpoint=state)
    state.write_bytes(b"broken")
    with pytest.raises(BadInputError, match="is no training state"):
        trained(config=config, checkpoint=state)


def test_a_set_on_disk_trains_the_same_model_as_one_in_memory(tmp_path: Path) -> None:
    data = made_up()
    data.to_netcdf(tmp_path / "set.nc")
    lazy = trained(StanceSet.open(tmp_path / "set.nc"), QUICK.model_copy(update={"memory_mb": 0}))
    assert same(lazy, trained(data))


def test_the_tested_person_is_refused_in_training_and_leaves_no_trace_in_the_scaler() -> None:
    data = made_up()
    fold = loso(data)[0]
    with pytest.raises(LeakError, match="participant a is to be tested"):
        fit(SMALL, QUICK, data, fold)
    model = trained(data)
    assert model.participants == ("b", "c", "d", "e")
    assert set(model.spec.scaler.participants) == set(fold.train)
    wild = made_up()
    wild.data["inputs"][:12] = 1e6
    assert same(trained(wild), model), "what the tested person did must change nothing"


def test_a_model_does_not_answer_for_those_it_has_seen_unless_the_leak_is_named() -> None:
    data = made_up()
    model = trained(data)
    inner = model.spec.fold["inner"]
    for known in (["b"], inner):
        with pytest.raises(LeakError, match=f"participant {known[0]} was in the training"):
            predict(model, data.of(known))
    with pytest.raises(LeakError):
        predict(model, data.of(["b"]), leaks=[" "])
    assert predict(model, data.of(["b"]), leaks=["personalisation"]).shape == (12, 21, 2)
    assert predict(model, data.of(["a"])).shape == (12, 21, 2)


def test_early_stopping_keeps_the_weights_of_the_best_inner_epoch() -> None:
    losses: list[float] = []
    config = TrainConfig(epochs=30, batch=16, patience=2, lr=0.05, schedule="constant")
    model = trained(config=config, progress=lambda r: losses.append(float(r.inner_loss or 0)))
    assert model.spec.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == 30 or len(losses) == model.spec.best_epoch + 2


def test_without_inner_people_all_epochs_are_trained_and_it_is_said() -> None:
    data = made_up("ab")
    fold = loso(data)[0]
    model = fit(SMALL, TrainConfig(epochs=3, patience=1), data.without(fold.test), fold)
    assert [h[1] for h in model.spec.history] == [None] * 3
    assert any("no inner participant" in f for f in model.spec.provenance.findings)


def test_padding_changes_neither_loss_nor_weights() -> None:
    data, wild = made_up(), made_up()
    for one in (data, wild):
        one.data["weight"][::2, 15:] = 0
    wild.data["targets"][::2, 15:] = np.nan
    assert same(trained(data), trained(wild))


def test_the_loss_is_the_formula() -> None:
    from grfkit.learn.batches import Windows

    data = made_up("a", each=4)
    data.data["weight"][:] = np.random.default_rng(1).uniform(0, 1, (4, 21))
    windows = Windows(data, data.channels, (), data.axes)
    scaler = fit_scaler(windows)
    network = build(SMALL, Shape(5, 0, 2), seed=1).eval()
    batch = next(windows.in_order())
    x, y, w = (torch.from_numpy(v) for v in data.arrays())
    with torch.no_grad():
        error = (network(scaler.inputs(x)) - y).numpy()
    spans = np.ptp(y.numpy(), axis=1).mean(axis=0)
    for balance, sizes in (("none", np.ones(2)), ("range", spans), ("sd", y.numpy().std(axis=(0, 1)))):
        config = TrainConfig(balance=balance, derivative=0.0)
        with torch.no_grad():
            total, weight = batch_loss(scaler, config, network, batch, x)
        expected = (w.numpy()[:, :, None] * (error / sizes) ** 2).mean(axis=2).sum()
        assert float(total) == pytest.approx(expected, rel=1e-4)
        assert float(weight) == pytest.approx(w.numpy().sum(), rel=1e-6)
    config = TrainConfig(balance="none", derivative=2.0)
    step = np.diff(error, axis=1) ** 2 * y.numpy().var(axis=(0, 1)) / _step_ms(y.numpy())
    both = (w[:, 1:] * w[:, :-1]).numpy()[:, :, None]
    plain = (w.numpy()[:, :, None] * error**2).mean(axis=2).sum()
    expected = plain + 2.0 * (both * step).mean(axis=2).sum()
    with torch.no_grad():
        total, _ = batch_loss(scaler, config, network, batch, x)
    assert float(total) == pytest.approx(expected, rel=1e-3)


def _step_ms(y: np.ndarray) -> np.ndarray:
    return (np.diff(y, axis=1) ** 2).mean(axis=(0, 1))


def test_schedules_start_peak_and_end_where_they_should() -> None:
    assert lr_share("constant", 0.9) == 1
    assert lr_share("cosine", 0.5) == pytest.approx(0.5)
    assert [lr_share("one-cycle", s) for s in (0, 0.3, 1)] == pytest.approx([0.04, 1.0, 1e-4])


@pytest.mark.parametrize("mode", ["all", "head", "gradual"])
def test_fine_tuning_moves_what_its_mode_allows_and_not_the_model_given(mode: str) -> None:
    data = made_up()
    fold = loso(data)[0]
    before = trained(data)
    kept = {k: v.clone() for k, v in weights(before).items()}
    epochs = 1 if mode == "gradual" else 2
    config = QUICK.model_copy(update={"epochs": epochs})
    after = fine_tune(before, config, data.of(["b", "c"]), Fold("ft", ("b", "c"), (), fold.test), mode=mode)
    assert all(torch.equal(kept[k], v) for k, v in weights(before).items())
    moved = {k.split(".")[0] for k, v in weights(after).items() if not torch.equal(v, kept[k])}
    assert moved == ({"head", "body"} if mode == "all" else {"head"})
    assert after.participants == before.participants
    assert after.spec.scaler == before.spec.scaler
    assert all(p.requires_grad for p in after.network.parameters())


def test_gradual_unfreezing_reaches_the_whole_network() -> None:
    data = made_up()
    before = trained(data)
    after = fine_tune(before, QUICK, data.of(["b"]), Fold("ft", ("b",), (), ("a",)), mode="gradual")
    assert not any(torch.equal(a, b) for a, b in zip(weights(before).values(), weights(after).values()))


def test_fine_tuning_a_model_that_has_seen_the_tested_is_refused() -> None:
    data = made_up()
    with pytest.raises(LeakError, match="has seen b"):
        fine_tune(trained(data), QUICK, data.of(["c"]), Fold("ft", ("c",), (), ("b",)))


def test_a_split_that_leaks_trains_and_its_model_says_so() -> None:
    data = made_up()
    fold = within_trial(data)
    with pytest.raises(LeakError):
        fit(SMALL, QUICK, data, fold)
    model = fit(SMALL, QUICK, fold.of(data, "train", "inner"), fold)
    assert model.spec.leaks == fold.leaks
    with pytest.raises(LeakError):
        predict(model, fold.of(data, "test"))
    assert np.isfinite(predict(model, fold.of(data, "test"), leaks=model.spec.leaks)).all()


def test_bad_input_is_refused_in_words() -> None:
    data = made_up(mass_kg=float("nan"))
    with pytest.raises(BadInputError, match="trial 't0' has no mass_kg"):
        trained(data, QUICK.model_copy(update={"statics": ("mass_kg",)}))
    with pytest.raises(BadInputError, match=r"no channel matches 'gyro_\*'; the set has acc_x"):
        matching_channels(data.channels, ("acc_*", "gyro_*"))
    with pytest.raises(BadInputError, match="axis mlgrf is wanted"):
        trained(config=QUICK.model_copy(update={"axes": ("mlgrf",)}))
    dead = made_up()
    dead.data["inputs"][:, :, 4] = np.nan
    with pytest.raises(BadInputError, match="cell_2 is missing in every training window"):
        trained(dead)
    huge = QUICK.model_copy(update={"lr": 1e30, "clip": 0.0, "schedule": "constant"})
    with pytest.raises(BadInputError, match="training diverged in epoch"):
        trained(config=huge)


def test_torch_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    expected, threads = torch.rand(2), torch.get_num_threads()
    torch.manual_seed(3)
    trained(config=QUICK.model_copy(update={"epochs": 1, "threads": 2}))
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
