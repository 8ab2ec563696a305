"""Pictures of a film: windows with the near foot's force, networks of them, the published one, what it has to beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from grfkit import cut_windows, estimate
from grfkit.errors import BadInputError
from grfkit.evaluation.evaluate import evaluate
from grfkit.learn.baselines import baselines
from grfkit.learn.film_baselines import PhaseMeanCurve
from grfkit.learn.folds import Fold
from grfkit.learn.force_balance import balanced_over_force
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import Shape, build, network_config, picture_network_names
from grfkit.learn.networks.classes import CLASSES, centres, class_loss, decoded
from grfkit.learn.picture_width import affordable, parameters_of
from grfkit.learn.preset import load_preset
from grfkit.learn.recipe import Recipe, from_preset
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.provenance import Provenance
from grfkit.records import Channel, Trial, make_stream
from grfkit.records.film_streams import make_images
from grfkit.records.stance_set import StanceSet, join
from grfkit.units import G

MASS_KG, RATE_HZ, SIZE = 70.0, 60.0, 6
SMALL = {"rows": SIZE, "columns": SIZE, "kernel": 3, "layers": 1, "hidden": 4, "head": (8,)}


def a_trial(
    person: str = "P1",
    *,
    contact_s: float = 0.6,
    near: str = "right",
    backward: bool = False,
    dropped: int | None = None,
    rate_hz: float = RATE_HZ,
    size: int = SIZE,
    picture: str = "silhouette",
) -> Trial:
    """Return a pass over two plates, left then right, filmed at 60 Hz; a bright row falls as the phase goes on."""
    rng = np.random.default_rng(sum(map(ord, person)))
    time, starts = np.arange(0, 2.4, 0.001), {"left": 0.5, "right": 1.1}
    streams: dict[str, xr.Dataset] = {}
    for side, start in starts.items():
        phase = np.clip((time - start) / contact_s, 0.0, 1.0)
        up = 800.0 * np.sin(np.pi * phase) ** 0.5 * (phase > 0) * (phase < 1)
        forward = -100.0 * np.sin(2 * np.pi * phase)
        medial = 20.0 * np.sin(np.pi * phase) * (1.0 if side == "right" else -1.0)
        cop = 0.2 * phase
        turn = -1.0 if backward else 1.0
        values = {"fx": turn * forward, "fy": turn * medial, "fz": up, "cop_x": turn * cop, "cop_y": 0.0 * cop}
        channels = [Channel(n, v, "N" if n[0] == "f" else "m", frame="lab") for n, v in values.items()]
        channels.append(Channel("cop_z", 0.0 * cop, "m", frame="lab"))
        about = {"knows_feet": side, "vertical": "+z"}
        streams[f"reference/plate_{side}"] = make_stream(channels, time, kind="force_plate", clock="p", attrs=about)
    at = 0.003 + np.arange(int(2.3 * rate_hz)) / rate_hz
    phase = np.clip((at - starts[near]) / contact_s, 0.0, 1.0)
    pictures = rng.integers(0, 20, (at.size, size, size))
    pictures[np.arange(at.size), np.minimum((phase * size).astype(int), size - 1)] = 230
    if dropped is not None:
        keep = np.arange(at.size) != dropped
        at, pictures = at[keep], pictures[keep]
    streams["images"] = make_images(pictures.astype(np.uint8), at, picture=picture, attrs={"near_side": near})
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in streams.items()})
    tree.attrs.update(
        artefact="trial", participant=person, mass_kg=MASS_KG, surface="overground", verdict="aligned",
        speed_m_s=1.3, provenance=Provenance().model_dump_json(),
    )  # fmt: skip
    return Trial(tree)


def a_set(people: str = "abcd") -> StanceSet:
    parts = [
        cut_windows({f"{p}_{near}": a_trial(p, near=near, contact_s=0.5 + 0.05 * i)}, **CUT)
        for i, p in enumerate(people)
        for near in ("left", "right")
    ]
    return join(parts)


CUT = {"kinds": ("images",), "rule": "20N walking", "window_s": 1.0}


def test_a_window_holds_the_films_own_frames_and_the_near_foots_force_at_their_stamps() -> None:
    windows = cut_windows(a_trial(), **CUT)
    assert (windows.size, windows.channels[0], windows.channels[-1]) == (1, "pixel_00_00", "pixel_05_05")
    assert windows.per_stance("side").tolist() == ["right"]
    assert (windows.data.attrs["rate_hz"], windows.data.attrs["window"], windows.data.attrs["cut"]) == (
        60.0, "continuous", "force",
    )  # fmt: skip
    inputs, targets, weight = windows.arrays()
    film = a_trial().streams["images"]
    first = int(np.abs(film["time"].values - windows.data["start_s"].values[0]).argmin())
    np.testing.assert_allclose(inputs[0] * 255, film["image"].values[first : first + 60].reshape(60, -1), atol=1e-3)
    at = film["time"].values[first : first + 60]
    inside = weight[0] > 0
    phase = (at - 1.1) / 0.6
    # the threshold of 20 N cuts the ends
    assert (inside[(phase > 0.02) & (phase < 0.98)]).all()
    assert not inside[(phase < 0) | (phase > 1)].any()
    expected = 800 / (MASS_KG * G) * np.sin(np.pi * phase[inside]) ** 0.5
    np.testing.assert_allclose(targets[0, inside, 0], expected, atol=0.01)
    np.testing.assert_allclose(targets[0, inside, 2], 20 / (MASS_KG * G) * np.sin(np.pi * phase[inside]), atol=0.002)
    onset, contact = windows.scalar("onset_s")[0], windows.scalar("contact_s")[0]
    assert abs(windows.data["start_s"].values[0] + onset - 1.1) < 0.01
    assert abs(contact - 0.6) < 0.02


def test_where_a_stance_lies_in_its_window_tells_nothing() -> None:
    """A network of a whole clip could else count frames from the window's start and know the stance's limits."""
    onsets = np.concatenate(
        [
            cut_windows({f"{p}{n}": a_trial("a", near=n)}, **CUT).scalar("onset_s")
            for p in "abcdef"
            for n in ("left", "right")
        ]
    )
    assert onsets.min() > 0.1
    assert onsets.max() < 0.3
    assert np.ptp(onsets) > 0.05
    first = cut_windows({"t": a_trial()}, **CUT).scalar("onset_s")
    assert first == cut_windows({"t": a_trial()}, **CUT).scalar("onset_s")


def test_the_far_foot_is_the_other_one_and_a_walk_against_x_has_its_forward_and_medial_turned() -> None:
    far = cut_windows(a_trial(), **CUT, foot="far")
    assert far.per_stance("side").tolist() == ["left"]
    there, back = (cut_windows(a_trial(backward=b), **CUT).arrays()[1] for b in (False, True))
    np.testing.assert_allclose(there, back, atol=1e-6)
    assert there[0, :, 1].min() < -0.1


def test_a_dropped_frame_is_missing_and_weighs_nothing_and_is_not_made_up_between_its_neighbours() -> None:
    whole, holed = (cut_windows(a_trial(dropped=d), **CUT) for d in (None, 80))
    missing = np.isnan(holed.arrays()[0]).all(axis=2)
    assert missing.sum() == 1
    assert not (holed.arrays()[2][missing] > 0).any()
    assert whole.arrays()[2].sum() == holed.arrays()[2].sum() + 1


def test_a_film_of_more_frames_gives_nearest_ones_and_of_fewer_its_own_rate() -> None:
    assert cut_windows(a_trial(rate_hz=120.0), **CUT, rate_hz=60.0).data.sizes["time"] == 60
    assert cut_windows(a_trial(rate_hz=50.0), **CUT, rate_hz=60.0).data.attrs["rate_hz"] == 50.0


def test_windows_over_the_whole_film_count_where_the_foot_stood_on_a_plate() -> None:
    windows = cut_windows(a_trial(), **(CUT | {"window": "continuous"}))
    assert (windows.size, windows.data.attrs["cut"]) == (2, "none")
    assert windows.excluded == {"force unknown throughout": 1}
    assert np.isnan(windows.scalar("onset_s")).all()


def test_what_cannot_be_cut_is_refused_and_says_why() -> None:
    trial = a_trial()
    trial.tree["images"].attrs.pop("near_side")
    with pytest.raises(BadInputError, match="--near-side"):
        cut_windows(trial, **CUT)
    with pytest.raises(BadInputError, match="0 streams of pictures 'full frame'"):
        cut_windows(a_trial(), **CUT, picture="full frame")
    with pytest.raises(BadInputError, match="1 stance longer than the window"):
        cut_windows(a_trial(), **(CUT | {"window_s": 0.4}))


@pytest.mark.parametrize("name", picture_network_names())
def test_every_network_of_pictures_answers_each_frame_from_the_past_alone(name: str) -> None:
    settings = {k: v for k, v in SMALL.items() if name != "film_mlp" or k not in ("kernel", "layers")}
    config = network_config(name, **settings)
    network = build(config, Shape(SIZE**2, 1, 2), seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    if name == "film_mlp":
        network.body.basis.copy_(torch.randn(network.body.basis.shape, generator=generator))
    x, s = torch.randn(2, 12, SIZE**2, generator=generator), torch.ones(2, 1)
    with torch.no_grad():
        out, later = network(x, s), x.clone()
        later[:, 8:] += 1
        changed = network(later, s)
    assert out.shape == (2, 12, 2)
    assert config.causal
    torch.testing.assert_close(out[:, :8], changed[:, :8], atol=1e-5, rtol=1e-4)
    assert (out[:, 8:] - changed[:, 8:]).abs().max() > 1e-4
    staged = {id(p) for stage in network.stages() for p in stage}
    assert staged == {id(p) for p in network.parameters()}


def test_the_published_network_has_the_published_number_of_parameters_and_a_cpu_is_told_that_it_takes_a_part() -> None:
    recipe = from_preset(load_preset("mochizuki2023", "faithful"))
    config = recipe.network_config()
    # by hand: 1 x 256 and three times 256 x 256 kernels of 5 x 5 x 2, 32 x 32 x 3 x 256 to 128, 128 to 150 classes
    kernels = 256 * (50 + 1) + 3 * 256 * (256 * 50 + 1)
    assert parameters_of(config) == kernels + (32 * 32 * 3 * 256 + 1) * 128 + 129 * CLASSES == 110_526_998
    narrow, told = affordable(recipe)
    assert narrow.network["hidden"] == 8
    assert "110.5 million" in told[0]
    kept = recipe.model_copy(update={"train": recipe.train.model_copy(update={"device": "cuda"})})
    assert affordable(kept) == (kept, ())
    assert recipe.train.stops_on == "training"
    assert recipe.inner == 0
    fixed = from_preset(load_preset("mochizuki2023", "fixed"))
    assert fixed.train.stops_on == "inner"
    assert fixed.inner == 1


def test_classes_are_of_one_hundredth_and_soft_labels_know_their_order() -> None:
    middle = centres(2, torch.zeros(1))
    assert middle[0, 0] == pytest.approx(0.01)
    assert middle[0, -1] == pytest.approx(1.5)
    assert middle[1, 75] == 0
    force = torch.tensor([[0.80, 0.0]])
    near, far = torch.full((1, 2, CLASSES), -20.0), torch.full((1, 2, CLASSES), -20.0)
    near[0, 0, 80], far[0, 0, 140] = 20.0, 20.0  # .81 and 1.41 BW
    near[0, 1, 75] = far[0, 1, 75] = 20.0
    hard = [float(class_loss(scores, force, 0.0)[0, 0]) for scores in (near, far)]
    soft = [float(class_loss(scores, force, 0.05)[0, 0]) for scores in (near, far)]
    assert hard[0] == hard[1] > 20
    assert soft[0] < soft[1]
    assert decoded(near, "argmax")[0, 0] == pytest.approx(0.81)
    assert decoded(near, "expected")[0, 0] == pytest.approx(0.81)


@pytest.mark.parametrize("answer", ["classes", "soft", "absolute", "squared"])
def test_every_answer_is_learnt_saved_and_blind_to_frames_that_do_not_count(answer: str, tmp_path: Path) -> None:
    data = a_set("abc")
    fold = Fold("x", ("a", "b"), (), ("c",))
    config = TrainConfig(
        scaling="none", batch=2, lr=1e-2, epochs=40, balance_force=0.5 * (answer == "soft"), schedule="constant"
    )
    network = network_config("film_cnn2d", **SMALL, answer=answer, dropout=0.0)
    model = fit(network, config, data.without("c"), fold)
    test = data.of("c")
    answered = predict(model, test)
    off = np.abs(answered[:, :, 0] - test.arrays()[1][:, :, 0])[test.arrays()[2] > 0]
    constant = np.abs(test.arrays()[1][:, :, 0] - 0.95)[test.arrays()[2] > 0]
    assert off.mean() < 0.75 * constant.mean()
    model.save(tmp_path / "m")
    np.testing.assert_allclose(predict(GrfModel.load(tmp_path / "m"), test), answered, atol=1e-6)
    # the force outside of the stance is no part of what is learnt
    other = data.data.assign(targets=data.data["targets"] + 5.0 * (data.data["weight"] == 0))
    again = fit(network, config, StanceSet(other).without("c"), fold)
    np.testing.assert_array_equal(predict(again, test), answered)


def test_training_stops_on_its_own_loss_only_where_asked_and_says_so() -> None:
    data, fold = a_set("abc"), Fold("x", ("a", "b"), (), ("c",))
    config = TrainConfig(scaling="none", batch=2, lr=1e-9, epochs=12, patience=1, schedule="constant", clip=0.0)
    network = network_config("film_mlp", rows=SIZE, columns=SIZE, hidden=4, components=5)
    assert len(fit(network, config, data.without("c"), fold).spec.history) == 12
    stopped = fit(network, config.model_copy(update={"stops_on": "training"}), data.without("c"), fold)
    assert len(stopped.spec.history) < 12
    assert any("loss of training" in text for text in stopped.spec.provenance.findings)


def test_a_film_whose_keypoints_are_not_there_is_refused_by_an_estimate_of_pictures() -> None:
    data, config = a_set("ab"), TrainConfig(scaling="none", epochs=1)
    network = network_config("film_mlp", rows=SIZE, columns=SIZE, hidden=4, components=5)
    model = fit(network, config, data, Fold("x", ("a", "b"), (), ()))
    with pytest.raises(BadInputError, match="0 streams of keypoints"):
        estimate(model, a_trial("c"))


def test_rare_forces_weigh_more_and_the_sum_of_weights_stays() -> None:
    data = a_set("ab")
    weight, force = data.arrays()[2], data.arrays()[1][:, :, 0]
    balanced = balanced_over_force(data, 1.0).arrays()[2]
    assert balanced.sum() == pytest.approx(weight.sum(), rel=1e-5)
    assert ((balanced > 0) == (weight > 0)).all()
    low, high = (weight > 0) & (force < 0.4), (weight > 0) & (force > 1.1)
    assert balanced[low].mean() > 2 * balanced[high].mean()


def test_what_a_film_has_to_beat_and_who_knows_the_limits_says_so() -> None:
    data = a_set()
    names = [b.name for b in baselines(data)]
    assert names == [
        "constant median", "mean curve by known phase (knows the stance's limits)",
        "mean curve of the known speed (knows the stance's limits)", "image kernel",
    ]  # fmt: skip
    curve = PhaseMeanCurve()
    curve.fit(data.without("a"))
    test = data.of("a")
    counted = test.arrays()[2] > 0
    off = np.abs(curve.predict(test)[:, :, 0] - test.arrays()[1][:, :, 0])[counted]
    assert off.mean() < 0.03, "all made-up people have one curve over the phase"


def test_an_evaluation_of_films_holds_every_baseline_and_the_papers_measures() -> None:
    data = a_set()
    recipe = Recipe(
        network={"name": "film_mlp", "rows": SIZE, "columns": SIZE, "hidden": 16, "components": 8},
        train=TrainConfig(scaling="none", batch=2, lr=1e-2, epochs=10, axes=("vgrf",)),
        inner=0,
    )
    predictions = evaluate(data, config=recipe)
    assert predictions.methods[-1] == "film_mlp"
    assert len(predictions.methods) == 5
    for method in predictions.methods:
        group = predictions.scores["methods"][method]["vgrf"]["group"]
        assert np.isfinite(group["mae_percent_bw"]["mean"])
    person = predictions.per_stance("participant") == "a"
    y, p = predictions.measured[person, :, 0], predictions.predicted("film_mlp")[person, :, 0]
    known = np.isfinite(y)
    of_a = predictions.scores["methods"]["film_mlp"]["vgrf"]["participants"]
    assert of_a["mae_percent_bw"]["a"] == pytest.approx(100 * np.abs(p - y)[known].mean())
    assert of_a["r_samples"]["a"] == pytest.approx(np.corrcoef(p[known], y[known])[0, 1])


def test_trials_of_films_are_evaluated_by_the_preset() -> None:
    trials = [a_trial(person, size=40, picture="full frame") for person in ("a", "b", "c")]
    predictions = evaluate(trials, preset="mochizuki2023", epochs=1)
    assert predictions.participants == ("a", "b", "c")
    assert predictions.methods[:2] == ("constant median", "mean curve by known phase (knows the stance's limits)")
    assert np.isfinite(predictions.predicted(predictions.methods[-1])[:, :, 0]).all()
