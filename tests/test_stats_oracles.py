"""Statistics against published examples, other people's programs, and what must hold by definition."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter1d

from grfkit.errors import BadInputError
from grfkit.stats.agreement import bland_altman, icc_2_1, icc_3_1, tost
from grfkit.stats.compare import holm, paired, with_holm
from grfkit.stats.conformal import band, highest_level, leave_one_out_coverage, participant_score
from grfkit.stats.curves import by_participant, curve_errors, group, mean_r, participant_curves
from grfkit.stats.spm import permutation_max_t, smallest_p, smoothness_fwhm, spm_paired, t_exceedance, t_threshold

RATINGS = np.asarray([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)
"""Table 2 of Shrout and Fleiss 1979: six targets, four judges."""


def smooth(rng: np.random.Generator, n: int, width: float = 6.0) -> np.ndarray:
    return 3 * gaussian_filter1d(rng.normal(size=(n, 181)), width, axis=1)[:, 40:141]


@pytest.mark.parametrize(("nu", "fwhm", "bonferroni", "expected"), [
    (71, 10, True, 3.192), (71, 20, True, 2.950), (3, 10, False, 17.705), (3, 10, True, 16.381), (3, 20, True, 12.549),
])  # fmt: skip
def test_thresholds_are_the_published_constants(nu: int, fwhm: float, bonferroni: bool, expected: float) -> None:
    assert t_threshold(nu=nu, fwhm=fwhm, samples=101, bonferroni=bonferroni) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("n", [7, 12, 24])
@pytest.mark.parametrize("shift", [0.0, 1.4])
def test_spm_is_that_of_spm1d(n: int, shift: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spm1d = pytest.importorskip("spm1d", reason="spm1d is not installed (extra stats)")
        rng = np.random.default_rng(n)
        a, b = smooth(rng, n), smooth(rng, n)
        b[:, 40:62] += shift
        theirs = spm1d.stats.ttest_paired(a, b)
        inference = theirs.inference(0.05, two_tailed=True)
    ours = spm_paired(a, b)
    assert_allclose(ours.t, theirs.z, rtol=1e-9)
    assert ours.fwhm == pytest.approx(theirs.fwhm, rel=1e-9)
    assert ours.threshold == pytest.approx(inference.zstar, rel=1e-6)
    assert len(ours.clusters) == len(inference.clusters)
    for mine, other in zip(ours.clusters, sorted(inference.clusters, key=lambda c: c.endpoints[0])):
        assert mine.extent_fwhm == pytest.approx(other.extentR, rel=1e-6)
        assert mine.p == pytest.approx(other.P, rel=1e-3)
    if shift:
        assert ours.clusters


def test_random_curves_pass_the_threshold_as_often_as_stated() -> None:
    rng = np.random.default_rng(3)
    hits = [spm_paired(smooth(rng, 10), smooth(rng, 10)).share_above > 0 for _ in range(600)]
    assert 0.02 < np.mean(hits) < 0.075  # 5 % stated; field theory is a little conservative here


def test_permutation_is_exact_and_of_participants() -> None:
    rng = np.random.default_rng(4)
    a, b = smooth(rng, 8), smooth(rng, 8)
    assert permutation_max_t(a, b).permutations == 256
    assert permutation_max_t(a + 50, b).p == pytest.approx(smallest_p(8))
    hits = [permutation_max_t(smooth(rng, 7), smooth(rng, 7)).p <= 0.05 for _ in range(400)]
    assert 0.02 < np.mean(hits) < 0.085
    many = permutation_max_t(smooth(rng, 30), smooth(rng, 30) + 2)
    assert not many.exact
    assert many.permutations == 10_000


def test_few_participants_are_told_and_not_tested() -> None:
    rng = np.random.default_rng(5)
    a, b = smooth(rng, 5), smooth(rng, 5) + 9
    assert np.isnan(spm_paired(a, b).threshold)
    assert "0.0625" in spm_paired(a, b).note
    assert np.isnan(permutation_max_t(a, b).p)
    few = paired({str(i): 1.0 + i for i in range(5)}, {str(i): 9.0 + 2 * i for i in range(5)})
    assert few.p is None
    assert few.smallest_p == 0.0625
    assert few.excludes_zero
    assert tost(np.asarray([0.1, 0.2, 0.1]), margin=1).equivalent is None


def test_smoothness_of_a_known_kernel() -> None:
    rng = np.random.default_rng(6)
    found = smoothness_fwhm(gaussian_filter1d(rng.normal(size=(400, 1500)), 8.0, axis=1)[:, 100:-100])
    assert found == pytest.approx(8.0 * np.sqrt(8 * np.log(2)), rel=0.03)


def test_exceedance_of_one_sample_is_that_of_t() -> None:
    from scipy.stats import t

    assert t_exceedance(3.0, nu=20, resels=0.0) == pytest.approx(1 - np.exp(-t.sf(3.0, 20)))


def test_icc_of_raters_who_disagree_has_an_interval_where_an_f_quantile_is_infinite() -> None:
    """Satterthwaite's degrees of freedom near 0: F(0.975; n - 1, v) overflows, its inverse is 0."""
    table = np.array([[0.12502151, 1.35412856], [1.32818452, 0.13341459], [0.0701439, 1.51374892]])
    found = icc_2_1(table)
    n, k = table.shape
    rows, columns, whole = table.mean(axis=1), table.mean(axis=0), table.mean()
    between = n * ((columns - whole) ** 2).sum() / (k - 1)
    rest = ((table - rows[:, None] - columns + whole) ** 2).sum() / ((n - 1) * (k - 1))
    assert found.low == pytest.approx(-n * rest / (k * between + (k * n - k - n) * rest), rel=1e-9)
    assert found.low <= found.value


def test_icc_is_the_published_example() -> None:
    two, three = icc_2_1(RATINGS), icc_3_1(RATINGS)
    assert round(two.value, 2) == 0.29
    assert round(three.value, 2) == 0.71
    pingouin = pytest.importorskip("pingouin", reason="pingouin is not installed (extra stats)")
    pandas = pytest.importorskip("pandas")
    rows = [{"t": i, "j": j, "v": v} for i, row in enumerate(RATINGS) for j, v in enumerate(row)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = pingouin.intraclass_corr(pandas.DataFrame(rows), targets="t", raters="j", ratings="v").set_index("Type")
    column = next(c for c in table.columns if c.startswith("CI95"))
    for ours, name in ((two, "ICC(A,1)"), (three, "ICC(C,1)")):
        assert ours.value == pytest.approx(table.loc[name, "ICC"], abs=1e-4)
        assert_allclose([ours.low, ours.high], table.loc[name, column], atol=6e-3)


def test_icc_sees_an_offset_and_consistency_does_not() -> None:
    table = np.stack([np.arange(8.0), np.arange(8.0) + 3], axis=1)
    assert icc_3_1(table).value == pytest.approx(1.0)
    assert icc_2_1(table).value < 0.7
    with pytest.raises(BadInputError, match="3 or more targets"):
        icc_2_1(table[:2])


def test_limits_of_agreement_find_the_variances_that_were_put_in() -> None:
    rng = np.random.default_rng(7)
    counts = rng.integers(4, 60, 400)
    people = np.repeat([f"p{i:03d}" for i in range(400)], counts)
    between, within = 0.05, 0.03
    d = 0.02 + np.repeat(rng.normal(0, between, 400), counts) + rng.normal(0, within, counts.sum())
    true = rng.normal(2, 0.2, d.size)
    found = bland_altman(true + d, true, people.tolist())
    assert found.bias == pytest.approx(0.02, abs=0.008)
    assert found.sd_between == pytest.approx(between, rel=0.12)
    assert found.sd_within == pytest.approx(within, rel=0.05)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.hypot(between, within), rel=0.1)


def test_intervals_of_the_limits_hold() -> None:
    rng = np.random.default_rng(8)
    held, truth = [], 1.96 * np.hypot(0.05, 0.03)
    for _ in range(400):
        people = np.repeat(np.arange(15), 8).astype(str)
        d = np.repeat(rng.normal(0, 0.05, 15), 8) + rng.normal(0, 0.03, 120)
        low, high = bland_altman(d, np.zeros(120), people.tolist()).high_ci
        held.append(low < truth < high)
    assert 0.9 < np.mean(held) < 0.99


def test_one_contact_each_is_the_textbook_bland_altman() -> None:
    d = np.asarray([0.1, -0.2, 0.05, 0.3, 0.0, -0.1])
    found = bland_altman(d + 1, np.ones(6), list("abcdef"))
    assert found.sd == pytest.approx(d.std(ddof=1))
    assert found.low == pytest.approx(d.mean() - 1.96 * d.std(ddof=1))
    with pytest.raises(BadInputError, match="two"):
        bland_altman(d, d, ["a"] * 6)


def test_equivalence_is_two_t_tests() -> None:
    from scipy.stats import ttest_1samp

    d = np.asarray([0.01, 0.02, -0.01, 0.03, 0.0, 0.015, 0.005])
    found = tost(d, margin=0.05)
    lower = ttest_1samp(d, -0.05, alternative="greater").pvalue
    upper = ttest_1samp(d, 0.05, alternative="less").pvalue
    assert found.p == pytest.approx(max(lower, upper))
    assert found.equivalent
    assert -0.05 < found.low < found.high < 0.05
    assert not tost(d + 0.05, margin=0.05).equivalent


def test_holm_is_the_textbook_example() -> None:
    assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    rng = np.random.default_rng(9)
    a = {str(i): float(rng.normal()) for i in range(12)}
    b = {k: v + 1 + 0.1 * float(rng.normal()) for k, v in a.items()}
    c = {k: v + float(rng.normal()) for k, v in a.items()}
    family = with_holm({"b": paired(a, b), "c": paired(a, c)})
    assert family["b"].p_holm == pytest.approx(2 * family["b"].p)
    assert family["b"].mean == pytest.approx(np.mean([a[k] - b[k] for k in a]))
    assert family["b"].better == 12
    with pytest.raises(BadInputError, match="same people"):
        paired(a, {"x": 1.0})


def test_errors_of_a_curve_are_the_formulas() -> None:
    y = np.asarray([[0.0, 1.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0], [1.0, np.nan, 3.0, 2.0]])
    p = np.asarray([[0.0, 1.0, 3.0, 1.0], [0.1, 0.1, 0.1, 0.1], [1.5, 9.0, 3.5, 2.5]])
    found = curve_errors(y, p)
    assert_allclose(found["rmse_bw"], [0.5, 0.1, 0.5])
    assert_allclose(found["bias_bw"], [0.25, 0.1, 0.5])
    assert_allclose(found["rrmse_percent"], [25.0, np.nan, 25.0])
    assert_allclose(found["rrmse_mean_range_percent"], [20.0, np.nan, 25.0])
    assert_allclose(found["r"], [np.corrcoef(y[0], p[0])[0, 1], np.nan, 1.0])


def test_conditions_weigh_alike_and_the_worst_is_named() -> None:
    values = np.asarray([1.0, 1.0, 1.0, 5.0, 2.0, np.nan])
    found = by_participant(values, list("aaaabb"), ["slow", "slow", "slow", "fast", "slow", "slow"])
    assert found == {"a": 3.0, "b": 2.0}
    whole = group(found)
    assert (whole.mean, whole.worst, whole.n) == (2.5, "a", 2)
    assert whole.low < 2.0 < 3.0 < whole.high
    assert group(found, more_is_better=True).worst == "b"
    assert group({"a": float("nan")}).n == 0
    assert mean_r(np.asarray([0.9, 0.99])) == pytest.approx(np.tanh((np.arctanh(0.9) + np.arctanh(0.99)) / 2))
    names, curves = participant_curves(np.asarray([[1.0, np.nan], [3.0, 4.0], [5.0, 6.0]]), list("bba"))
    assert names == ("a", "b")
    assert_allclose(curves, [[5.0, 6.0], [2.0, 4.0]])


def test_a_band_holds_for_new_people_as_often_as_promised() -> None:
    rng = np.random.default_rng(10)
    held = []
    for _ in range(400):
        spread = rng.lognormal(0, 0.5, 20)
        people = np.repeat(np.arange(20), 10).astype(str)
        r = rng.normal(size=(200, 30)) * np.repeat(spread, 10)[:, None]
        made = band(r[:190], people[:190].tolist(), level=0.9, within=0.9)
        held.append((np.abs(r[190:]) <= made.half_width_bw[0]).mean() >= 0.9)
    assert 0.86 < np.mean(held) < 0.95


def test_no_level_above_what_so_few_can_promise() -> None:
    r = np.random.default_rng(11).normal(size=(8, 20))
    assert highest_level(4) == 0.8
    with pytest.raises(BadInputError, match=r"at most 0\.800"):
        band(r, list("aabbccdd"), level=0.9)
    assert band(r, list("aabbccdd"), level=0.8, within=1.0).half_width_bw[0] == pytest.approx(np.abs(r).max())
    assert leave_one_out_coverage(r, list("aabbccdd"), level=0.7).n == 4


@settings(max_examples=25, deadline=None)
# up to nine: scipy tries all signs where differences are tied
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=9), st.floats(-5, 5))
def test_a_paired_difference_does_not_feel_what_both_share(values: list[float], shift: float) -> None:
    a = {str(i): v for i, v in enumerate(values)}
    b = {k: 0.5 * v for k, v in a.items()}
    one = paired(a, b)
    other = paired({k: v + shift for k, v in a.items()}, {k: v + shift for k, v in b.items()})
    assert one.mean == pytest.approx(other.mean, abs=1e-9)
    assert paired(b, a).mean == pytest.approx(-one.mean, abs=1e-12)


def test_leaving_samples_out_makes_no_method_better() -> None:
    y, p = np.ones((1, 4)) * [0.0, 1.0, 2.0, 1.0], np.asarray([[0.0, 1.0, 9.0, np.nan]])
    assert all(np.isnan(v).all() for v in curve_errors(y, p).values())
    jitter = np.full((1, 50), 0.8) + 1e-7 * np.arange(50)
    assert np.isnan(curve_errors(jitter, jitter + 0.1)["rrmse_percent"]).all()
    assert group({"a": -0.2, "b": 0.01}, signed=True).worst == "a"


@pytest.mark.parametrize(("within", "samples", "rank"), [(0.07, 100, 7), (0.28, 25, 7), (0.55, 20, 11), (0.9, 10, 9)])
def test_a_share_of_samples_that_is_a_whole_number_asks_for_that_number(within: float, samples: int, rank: int) -> None:
    residuals = np.arange(1.0, samples + 1.0)[None, :]
    assert participant_score(residuals, np.ones(samples), within) == rank
