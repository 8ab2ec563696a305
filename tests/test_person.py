"""Facts of people: checked where they are stated, kept with trials, scalars of windows, and never filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grfkit import BadInputError, align, assemble, cut_windows, simulate_trial
from grfkit.dataset.personal import with_people
from grfkit.estimation.estimate import estimate
from grfkit.learn.everyone import whole_fold
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import network_config
from grfkit.learn.ridge import Ridge
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records import Trial
from grfkit.records.person import PERSONAL, Person, check_people, make_person, read_person
from grfkit.records.stance_set import StanceSet, join
from grfkit.sync.batch import read_table
from learn_sets import made_up

BOWED = Person(hka_left_deg=6.0, hka_right_deg=-1.0, hka_method="radiograph", affected="left", mass_kg=70.0)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"hka_left_deg": 175.0, "hka_method": "stated"}, "the angle itself"),
        ({"hka_left_deg": -183.0, "hka_method": "stated"}, "the angle itself"),
        ({"hka_left_deg": 30.0, "hka_method": "stated"}, "expected -25 to 25"),
        ({"hka_left_deg": 3.0}, "without hka_method"),
        ({"affected": "knee"}, "affected is"),
        ({"hka_lef_deg": 3.0}, "hka_lef_deg"),
        ({"height_m": 178}, "height_m is 178"),
        ({"hka_left_deg": float("nan"), "hka_method": "stated"}, "hka_left_deg"),
    ],
)
def test_what_cannot_be_a_fact_is_refused_by_name(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        make_person(facts, what="P07")


def test_a_document_says_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "P07.toml"
    path.write_text('hka_left_deg = 6\nhka_method = "radiograph"\naffected = "left"\nmass_kg = 82\n', encoding="utf-8")
    person = read_person(path)
    assert person.stated() == {"hka_left_deg": 6.0, "hka_method": "radiograph", "affected": "left", "mass_kg": 82.0}
    assert person.scalars("left")["hka_own"] == 6.0
    assert np.isnan(person.scalars("right")["hka_own"])
    assert (person.scalars("right")["hka_other"], person.scalars("right")["affected_own"]) == (6.0, 0.0)
    assert all(np.isnan(v) for v in person.scalars("unknown").values())


def test_two_values_and_mixed_methods_are_refused() -> None:
    with pytest.raises(BadInputError, match=r"'a' has two values of hka_left_deg, 6\.0 and 5\.0"):
        check_people([("a", BOWED), ("a", BOWED.model_copy(update={"hka_left_deg": 5.0}))])
    with pytest.raises(BadInputError, match=r"by radiograph \('a'\) and by stated \('b'\)"):
        check_people([("a", BOWED), ("b", BOWED.model_copy(update={"hka_method": "stated"}))])
    check_people([("a", BOWED), ("a", Person(affected="left"))])


@pytest.fixture(scope="module")
def trial() -> Trial:
    lab = simulate_trial(seed=0, duration_s=40, wearables=("insole",))
    alignment = align(
        lab.reference, lab.wearables["insole"], surface="treadmill", participant="P07", person=BOWED.model_dump()
    )
    return assemble(alignment)


def test_a_trial_keeps_the_person_and_its_windows_know_their_own_leg(trial: Trial, tmp_path: Path) -> None:
    trial.to_netcdf(tmp_path / "t.nc")
    windows = cut_windows(tmp_path / "t.nc", source="force", kinds=("insole",))
    sides = windows.per_stance("side")
    assert set(sides) == {"left", "right"}
    expected = {"left": [6.0, -1.0, 1.0, 0.0], "right": [-1.0, 6.0, 0.0, 1.0]}
    for number, side in enumerate(sides):
        assert [windows.scalar(name)[number] for name in PERSONAL] == expected[side]
    windows.to_netcdf(tmp_path / "s.nc")
    assert StanceSet.open(tmp_path / "s.nc").data.attrs["people"] == windows.data.attrs["people"]


def test_sets_that_measured_knees_by_different_methods_are_not_joined(trial: Trial) -> None:
    windows = cut_windows(trial, source="force", kinds=("insole",))
    plain = StanceSet(windows.data.assign_coords(participant=("stance", ["P08"] * windows.size)))
    other = with_people(plain, {"P08": BOWED.model_copy(update={"hka_method": "stated"})})
    with pytest.raises(BadInputError, match="knees were measured by"):
        join([windows, other])


def fitted(data: StanceSet, *statics: str) -> GrfModel:
    config = TrainConfig(epochs=1, batch=16, patience=0, statics=statics)
    return fit(network_config("mlp", hidden=4), config, data, whole_fold(data, 0))


def people(names: str = "abcde") -> dict[str, Person]:
    return {name: BOWED.model_copy(update={"hka_left_deg": float(k)}) for k, name in enumerate(names)}


def sided(data: StanceSet) -> StanceSet:
    return StanceSet(data.data.assign_coords(side=("stance", ["left", "right"] * (data.size // 2))))


def test_an_unknown_fact_is_refused_by_name_and_never_the_mean_of_the_others() -> None:
    data = sided(made_up())
    some = with_people(data, people("abc"))
    with pytest.raises(BadInputError, match="'hka_own' is wanted, but not known of participant d, e"):
        fitted(some, "hka_own")
    ridge = Ridge(statics=("affected_own",))
    with pytest.raises(BadInputError, match="'affected_own' is wanted, but not known of participant d, e"):
        ridge.fit(some)
    known = with_people(data, people())
    model = fitted(known, "hka_own")
    with pytest.raises(BadInputError, match="not known of participant f"):
        predict(model, with_people(sided(made_up("f")), {}))
    assert np.isfinite(predict(model, with_people(sided(made_up("f")), {"f": BOWED}))).all()


def test_a_table_states_people_in_columns_or_documents(tmp_path: Path) -> None:
    (tmp_path / "P07.toml").write_text('affected = "both"\n', encoding="utf-8")
    table = tmp_path / "TABLE.csv"
    head = "reference,wearable,surface,out,participant,hka_left_deg,hka_method,person\n"
    table.write_text(
        head + 'a.c3d,a.csv,treadmill,a.nc,P07,,,P07.toml\nb.c3d,b.csv,treadmill,b.nc,P08,"-2,5",stated,\n', "utf-8"
    )
    rows = read_table(table, {})
    assert rows[0].request.person == Person(affected="both")
    assert rows[1].request.person == Person(hka_left_deg=-2.5, hka_method="stated")
    table.write_text(head + "a.c3d,a.csv,treadmill,a.nc,P07,3,stated,P07.toml\n", "utf-8")
    with pytest.raises(BadInputError, match="row 1 states hka_left_deg, hka_method beside its 'person'"):
        read_table(table, {})
    table.write_text(
        head + "a.c3d,a.csv,treadmill,a.nc,P07,3,stated,\nb.c3d,b.csv,treadmill,b.nc,P07,4,stated,\n", "utf-8"
    )
    with pytest.raises(BadInputError, match="'P07' has two values of hka_left_deg"):
        read_table(table, {})


def test_a_table_without_people_keeps_the_keys_of_its_journal(tmp_path: Path) -> None:
    table = tmp_path / "TABLE.csv"
    table.write_text("reference,wearable,surface,out\na.c3d,a.csv,treadmill,a.nc\n", encoding="utf-8")
    text = read_table(table, {})[0].model_dump_json()
    assert '"person":null' in text  # and yet it is no part of the key, nor of a trial's configuration
    assert "person" not in read_table(table, {})[0].request.configuration()


def test_an_estimate_asks_for_the_person_that_the_model_takes(trial: Trial, tmp_path: Path) -> None:
    second = simulate_trial(seed=3, duration_s=20, wearables=("insole",)).on_true_clock(participant="P08")
    sets = [cut_windows(each, source="insole_causal", kinds=("insole",)) for each in (trial, second)]
    model = fitted(join([sets[0], with_people(sets[1], {"P08": BOWED})]), "hka_own")
    other = simulate_trial(seed=5, duration_s=20, wearables=("insole",)).on_true_clock(participant="P09")
    with pytest.raises(BadInputError, match="'hka_own' is wanted"):
        estimate(model, other, mass_kg=70)
    path = tmp_path / "P09.toml"
    path.write_text('hka_left_deg = 2\nhka_right_deg = 3\nhka_method = "stated"\n', encoding="utf-8")
    estimated = estimate(model, other, mass_kg=70, person=path, accept_beyond=True)
    assert all(np.isfinite(foot.force_bw).any() for foot in estimated.feet.values())
