"""What a model was trained on goes with it, and what is not of its kind is told: speed, contact, mass, inputs."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from grfkit.errors import BadInputError
from grfkit.learn.input_distance import InputDistance, Packed, features, fit_input_distance, recordings_of
from grfkit.learn.training_range import TrainingRange, finding_of, fit_training_range, range_words
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up

PEOPLE = "abcdefghijkl"


def walkers(*, window: str = "stance", seed: int = 3) -> StanceSet:
    """Return people who differ in their own way, all by a few common ones, at speeds of their own."""
    data = made_up(PEOPLE, each=8, window=window, seed=seed)
    rng = np.random.default_rng(seed)
    own = {p: rng.normal(size=2) for p in PEOPLE}
    course = np.linspace(0, 1, data.data.sizes["time"])
    ways = np.stack([np.outer(course, [1, 0.5, 0, 0.2, 0]), np.outer(np.sin(9 * course), [0, 1, 1, 0, -0.5])])
    people = data.per_stance("participant")
    inputs = data.data["inputs"].values + np.stack([np.tensordot(own[p], ways, axes=1) for p in people])
    scalars = data.data["scalars"].copy()
    names = [str(s) for s in scalars["scalar"].values]
    for name, base in (("speed_m_s", 1.4), ("contact_s", 0.6), ("mass_kg", 70.0)):
        scalars[:, names.index(name)] = [base * np.exp(0.1 * own[p][0]) for p in people]
    return StanceSet(data.data.assign(inputs=(data.data["inputs"].dims, inputs.astype(np.float32)), scalars=scalars))


def with_scalar(data: StanceSet, name: str, factor: float) -> StanceSet:
    scalars = data.data["scalars"].copy()
    scalars[:, [str(s) for s in scalars["scalar"].values].index(name)] *= factor
    return StanceSet(data.data.assign(scalars=scalars))


def with_inputs(data: StanceSet, inputs: np.ndarray) -> StanceSet:
    return StanceSet(data.data.assign(inputs=(data.data["inputs"].dims, inputs)))


def what(known: TrainingRange, data: StanceSet) -> list[str]:
    return [d.what for d in known.departures([known.seen(data, data.channels)])]


@pytest.fixture(scope="module")
def everybody() -> StanceSet:
    return walkers()


@pytest.fixture(scope="module")
def known(everybody: StanceSet) -> TrainingRange:
    return fit_training_range(everybody.without("ab"), everybody.channels)


def test_of_people_left_out_one_by_one_hardly_a_recording_is_outside(everybody: StanceSet) -> None:
    outside, count = 0, 0
    for person in everybody.participants:
        of_others = fit_training_range(everybody.without([person]), everybody.channels)
        rest = everybody.of([person])
        names = recordings_of(rest)
        for name in np.unique(names.astype(str)):
            outside += bool(what(of_others, rest.where(names == name)))
            count += 1
    assert count == 24
    assert outside <= 2


@pytest.mark.parametrize(("name", "factor"), [("speed_m_s", 2.0), ("contact_s", 0.4), ("mass_kg", 2.5)])
def test_a_scalar_that_nobody_of_the_training_has_is_named_with_the_training_s(
    known: TrainingRange, everybody: StanceSet, name: str, factor: float
) -> None:
    other = with_scalar(everybody.of("ab"), name, factor)
    (departure,) = known.departures([known.seen(other, other.channels)])
    assert departure.what == name
    span = known.spans[name]
    assert (departure.low, departure.high) == (span.least, span.most)
    assert not span.least <= departure.value <= span.most
    (finding,) = finding_of([departure])
    assert finding.startswith("OUTSIDE TRAINING: ")
    assert f"trained on {span.least:.3g} to {span.most:.3g}" in finding


def test_exchanged_channels_are_seen_though_each_is_within_its_spread(
    known: TrainingRange, everybody: StanceSet
) -> None:
    other = everybody.of("ab")
    inputs = other.data["inputs"].values
    assert what(known, other) == []
    assert what(known, with_inputs(other, inputs[:, :, [2, 1, 0, 3, 4]])) == ["inputs"]
    assert what(known, with_inputs(other, inputs[:, ::-1])) == ["inputs"]
    assert what(known, with_inputs(other, inputs * 100)) == ["input_strength", "inputs"]


def test_cells_that_show_a_part_of_the_load_and_dead_ones_come_nearer_and_are_seen_all_the_same(
    known: TrainingRange, everybody: StanceSet
) -> None:
    other = everybody.of("ab")
    inputs = other.data["inputs"].values
    assert "input_strength" in what(known, with_inputs(other, inputs * 0.4))
    dead = with_inputs(other, inputs * [1, 1, 1, 0, 1])
    (departure,) = [d for d in known.departures([known.seen(dead, dead.channels)] * 2) if d.what == "still"]
    assert departure.text.startswith("cell_1 hardly moving")
    some = inputs.copy()
    some[::2, :, 3] = 0
    assert "still" not in what(known, with_inputs(other, some)), "half of the windows are no dead cell"
    assert "still" not in what(known, with_inputs(other, inputs * [1, 1, 1, np.nan, 1])), "what is missing is no rest"


def test_single_windows_are_flagged_and_a_recording_by_its_median(known: TrainingRange, everybody: StanceSet) -> None:
    other = everybody.of("ab")
    inputs = other.data["inputs"].values.copy()
    inputs[:3] *= 50
    seen = known.seen(with_inputs(other, inputs), other.channels)
    assert [known.unlike(float(d)) for d in seen.distance] == [True] * 3 + [False] * 13
    assert known.departures([seen]) == []


def test_missing_samples_do_not_count_and_a_window_of_nothing_else_has_no_distance(
    known: TrainingRange, everybody: StanceSet
) -> None:
    other = everybody.of("ab")
    inputs = other.data["inputs"].values.copy()
    inputs[0], inputs[1, :, 2] = np.nan, np.nan
    away = known.seen(with_inputs(other, inputs), other.channels).distance
    assert np.isnan(away[0])
    assert np.isfinite(away[1:]).all()
    assert not known.unlike(float(away[0]))


def test_continuous_windows_have_a_distance_that_does_not_depend_on_where_they_begin() -> None:
    data = walkers(window="continuous")
    known = fit_training_range(data.without("ab"), data.channels)
    assert "contact_s" not in known.spans, "a window's length is no contact time"
    other = data.of("ab")
    inputs = other.data["inputs"].values
    assert what(known, other) == []
    assert what(known, with_inputs(other, np.roll(inputs, 4, axis=1))) == []
    assert what(known, with_inputs(other, inputs[:, :, [4, 1, 2, 3, 0]] - [3, 0, 0, 0, -3])) == ["inputs"]


def test_features_of_parts_and_of_continuous_windows() -> None:
    x = np.arange(12.0).reshape(1, 6, 2)
    np.testing.assert_allclose(features(x, 3), [[1, 2, 5, 6, 9, 10]])
    x[0, :, 1] = np.nan
    np.testing.assert_allclose(features(x, 2), [[2, np.nan, 8, np.nan]])
    spread = np.std(x[0, :, 0])
    np.testing.assert_allclose(features(x, 0)[0, ::2], [5, spread, 0, 10, 2])


def test_of_two_people_no_distance_and_wide_spans_of_one_just_theirs(everybody: StanceSet) -> None:
    assert fit_input_distance(everybody.of("ab"), everybody.channels) is None
    two = fit_training_range(everybody.of("ab"), everybody.channels)
    assert what(two, everybody.of("cdefgh")) == []
    one = fit_training_range(everybody.of("a"), everybody.channels)
    assert one.spans["speed_m_s"].people == 1
    assert what(one, with_scalar(everybody.of("a"), "speed_m_s", 1.5)) == ["speed_m_s"]
    assert what(one, with_scalar(everybody.of("a"), "speed_m_s", np.nan)) == [], "what is not known is not outside"


def test_channels_that_never_move_and_identical_people_give_no_distance_instead_of_a_wrong_one() -> None:
    data = made_up("abcd")
    still = with_inputs(data, np.zeros_like(data.data["inputs"].values))
    assert fit_input_distance(still, data.channels) is None


def test_the_range_survives_its_document_byte_by_byte_and_is_small(known: TrainingRange, everybody: StanceSet) -> None:
    text = known.model_dump_json()
    again = TrainingRange.model_validate_json(text)
    assert again == known
    assert len(text) < 100_000
    other = everybody.of("ab")
    away = [k.seen(other, other.channels).distance for k in (known, again)]
    np.testing.assert_array_equal(*away)
    fitted = fit_training_range(everybody.without("ab"), everybody.channels)
    assert fitted.model_dump_json() == text


def test_a_damaged_range_is_refused(known: TrainingRange, everybody: StanceSet) -> None:
    assert known.inputs is not None
    with pytest.raises(ValidationError, match="expected"):
        Packed(shape=(3,), kind="<f4", data=Packed.of(np.zeros(2)).data)
    with pytest.raises(ValidationError):
        Packed.model_validate({"shape": (2,), "kind": "<f4", "data": "not base64!"})
    with pytest.raises(ValidationError, match="directions"):
        InputDistance.model_validate(known.inputs.model_dump() | {"centre": Packed.of(np.zeros(2)).model_dump()})
    assert known.strength is not None
    with pytest.raises(BadInputError, match="train it again"):
        known.strength.of(everybody, everybody.channels[:2])
    with pytest.raises(BadInputError, match="train it again"):
        known.inputs.of(everybody, everybody.channels[:2])


def test_the_card_says_what_was_covered(known: TrainingRange, everybody: StanceSet) -> None:
    speed = known.spans["speed_m_s"]
    lines = range_words(known)
    assert lines[0] == f"Trained on speed {speed.least:.3g} to {speed.most:.3g} m/s (10 people)"
    assert lines[-1].startswith("An estimate says `OUTSIDE TRAINING`")
    assert range_words(fit_training_range(everybody.of("ab"), everybody.channels))[-1].startswith("Too few people")


def test_a_later_training_of_the_same_weights_widens_the_spans(known: TrainingRange, everybody: StanceSet) -> None:
    later = fit_training_range(with_scalar(everybody.of("cdef"), "speed_m_s", 2.0), everybody.channels)
    both = later.joined(known)
    assert both.spans["speed_m_s"].least == known.spans["speed_m_s"].least
    assert both.spans["speed_m_s"].most == later.spans["speed_m_s"].most
    assert both.inputs == later.inputs
    assert later.joined(None) == later


def test_one_slow_walker_among_few_does_not_make_a_run_their_kind() -> None:
    data = made_up("abcdefgh", each=4)
    names, speeds = [str(s) for s in data.data["scalar"].values], dict(zip("abcdefgh", [0.29, *[0.75] * 7]))
    scalars = data.data["scalars"].copy()
    scalars[:, names.index("speed_m_s")] = [speeds[p] for p in data.per_stance("participant")]
    span = fit_training_range(StanceSet(data.data.assign(scalars=scalars)), data.channels).spans["speed_m_s"]
    assert span.above > 2.0, "by Student's t alone"
    assert [span.holds(v) for v in (0.15, 0.29, 0.75, 1.0, 1.3, 3.0)] == [False, True, True, True, False, False]
