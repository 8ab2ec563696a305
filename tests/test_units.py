"""Units: is each factor the published one, is nothing guessed, and does case matter where it must?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit import units
from grfkit.errors import BadInputError, UnitError

# Exact by definition: BIPM SI brochure (9th ed.), NIST SP 811 appendix B.
PUBLISHED = [
    ("g", 1.0, 9.80665, "m/s^2"),
    ("mg", 1000.0, 9.80665, "m/s^2"),
    ("kgf", 1.0, 9.80665, "N"),
    ("lbf", 1.0, 4.4482216152605, "N"),
    ("in", 1.0, 0.0254, "m"),
    ("psi", 1.0, 6894.757293168, "Pa"),
    ("mmHg", 1.0, 133.322387415, "Pa"),
    ("N/cm^2", 1.0, 1e4, "Pa"),
    ("kPa", 2.5, 2500.0, "Pa"),
    ("N mm", 1500.0, 1.5, "N m"),
    ("deg/s", 180.0, np.pi, "rad/s"),
    ("km/h", 3.6, 1.0, "m/s"),
    ("ms", 250.0, 0.25, "s"),
    ("G", 1.0, 1e-4, "T"),
    ("degC", 25.0, 298.15, "K"),
    ("%", 5.0, 0.05, "1"),
    ("count", 713.0, 713.0, "count"),
]


@pytest.mark.parametrize(("unit", "value", "si", "canonical"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_conversion_is_the_published_one(unit: str, value: float, si: float, canonical: str) -> None:
    assert units.to_si(np.asarray([value]), unit)[0] == pytest.approx(si, rel=1e-12)
    assert units.parse_unit(unit).canonical == canonical


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("m/s2", "m/s^2"), ("M/S²", "m/s^2"), ("[N]", "N"), ("(kPa)", "kPa"), (" Nmm ", "N mm"), ("N*m", "N m"),
        ("°/s", "deg/s"), ("dps", "deg/s"), ("ADC", "count"), ("µs", "us"), ("Newtons", "N"), ("-", "1"),
    ],
)  # fmt: skip
def test_other_spellings_are_understood(written: str, meant: str) -> None:
    assert units.canonical_name(written) == meant


def test_case_is_kept_where_it_tells_units_apart() -> None:
    assert units.parse_unit("mG").canonical == "T"
    assert units.parse_unit("mg").canonical == "m/s^2"
    assert units.parse_unit("G").canonical == "T"
    assert units.parse_unit("g").canonical == "m/s^2"
    assert units.parse_unit("MPa").factor == 1e6


@pytest.mark.parametrize("text", ["", " ", "[]", "furlong", "N/m/s", "mPaa", "m/s^3", "N,mm"])
def test_an_unknown_unit_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnitError, match="is not known; expected one of") as caught:
        units.to_si(np.zeros(3), text)
    assert f"'{text}'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, BadInputError)
    assert caught.value.exit_code == 2


def test_a_wrong_quantity_is_refused_with_what_to_do() -> None:
    units.require("g", "m/s^2", what="channel 'acc_x'")
    with pytest.raises(UnitError, match=r"channel 'acc_x' is in count, expected m/s\^2; calibrate the recording first"):
        units.require("adc", "m/s^2", what="channel 'acc_x'")
    with pytest.raises(UnitError, match=r"^channel 'fz' is in N m, expected N$"):
        units.require("N mm", "N", what="channel 'fz'")


@given(st.sampled_from(sorted(units._TABLE)), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_conversion_is_affine_and_leaves_its_input_alone(unit: str, values: list[float]) -> None:
    given_values = np.asarray(values)
    before = given_values.copy()
    zero, one = units.to_si(np.asarray([0.0, 1.0]), unit)
    np.testing.assert_allclose(units.to_si(given_values, unit), zero + (one - zero) * before, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(given_values, before)


@given(st.sampled_from(sorted(units._TABLE)))
def test_every_unit_and_its_canonical_one_are_in_the_vocabulary(unit: str) -> None:
    known = units.parse_unit(unit)
    assert units.canonical_name(f" [{unit}] ") == unit
    canonical = units.parse_unit(known.canonical)
    assert canonical == units.Unit(known.canonical, 1.0, 0.0)


@given(st.sampled_from(sorted(units._ALIASES)))
def test_every_alias_names_a_unit_of_the_vocabulary(alias: str) -> None:
    assert units.canonical_name(alias) in units._TABLE


def test_missing_values_stay_missing() -> None:
    np.testing.assert_array_equal(units.to_si(np.asarray([np.nan, 1.0]), "kN"), [np.nan, 1000.0])
