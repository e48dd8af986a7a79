from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from functions.check_predictions.drift import Baseline, Bins, DriftMeter, Histogram, shift

AGE = Bins(name="Age", edges=[20.0, 40.0], counts=[50, 100, 50], missing=20)
SEX = Bins(name="Sex", values=[0.0, 1.0], counts=[120, 100], missing=0)
SCORE = Bins(name="score", edges=[0.25, 0.5, 0.75], counts=[55, 55, 55, 55], missing=0)
BASELINE = Baseline(version=1, rows=220, features=[AGE, SEX], score=SCORE)


def test_equal_shares_have_no_shift_whatever_the_number_of_rows() -> None:
    found = shift([100, 300], [1000, 3000], threshold=0.2)
    assert found.psi == pytest.approx(0, abs=1e-4)
    assert not found.above


def test_the_index_is_the_textbooks_where_rows_are_many() -> None:
    expected = (0.5 - 0.1) * math.log(0.5 / 0.1) + (0.5 - 0.9) * math.log(0.5 / 0.9)
    found = shift([10_000, 90_000], [50_000, 50_000], threshold=0.2)
    assert found.psi == pytest.approx(expected, rel=1e-3)
    assert found.above


def test_a_bin_that_emptied_has_a_finite_index() -> None:
    assert math.isfinite(shift([500, 500], [0, 1000], threshold=0.2).psi)


def test_a_bin_that_is_empty_on_both_sides_changes_nothing() -> None:
    assert shift([10, 20, 0], [20, 10, 0], 0.2) == shift([10, 20], [20, 10], 0.2)


@pytest.mark.parametrize(("expected", "observed"), [([200], [50]), ([200, 0], [50, 0]), ([0, 0], [5, 5])])
def test_a_variable_that_cannot_differ_has_no_shift(expected: list[int], observed: list[int]) -> None:
    assert not shift(expected, observed, 0.2).above


def test_noise_falls_as_rows_grow() -> None:
    small, large = shift([100] * 10, [5] * 10, 0.2), shift([100] * 10, [5000] * 10, 0.2)
    assert small.noise > 0.4
    assert large.noise < 0.05


def test_the_same_shift_is_above_the_noise_only_in_a_batch_large_enough() -> None:
    baseline = [100, 100, 100, 100]
    assert not shift(baseline, [1, 2, 3, 4], 0.1).above
    assert shift(baseline, [100, 200, 300, 400], 0.1).above


def test_a_threshold_above_the_noise_is_what_counts() -> None:
    batch = [2000, 3000, 4000, 5000]
    assert shift([1000] * 4, batch, 0.01).above
    assert not shift([1000] * 4, batch, 0.5).above


def test_without_change_one_batch_in_a_thousand_is_above_the_noise() -> None:
    draw = random.Random(1)  # noqa: S311

    def sample(rows: int) -> list[int]:
        counts = [0] * 10
        for _ in range(rows):
            counts[draw.randrange(10)] += 1
        return counts

    above = sum(shift(sample(180), sample(60), 0.0).above for _ in range(1000))
    assert above <= 5


def test_numbers_are_cut_at_the_edges_and_missing_is_a_bin_of_its_own() -> None:
    assert counts(AGE, [b"0.42", b"20", b"20.5", b"40", b"40.1", b"80", b"", b""]) == [2, 2, 2, 0, 2]


def test_categories_are_counted_by_value_however_it_is_written() -> None:
    assert counts(SEX, [b"0", b"0.0", b"1", b"1e0", b"", b"7"]) == [2, 2, 1, 1]


def test_a_value_the_baseline_never_saw_shifts_the_index() -> None:
    histogram = Histogram(SEX)
    histogram.add({b"2": 220})
    assert histogram.shift(0.2).above


def test_a_variable_with_one_bin_takes_any_value() -> None:
    constant = Bins(name="constant", edges=[], counts=[220], missing=0)
    assert counts(constant, [b"1", b"-5", b"1e9"]) == [3, 0, 0]


def test_a_batch_like_the_baseline_has_not_drifted() -> None:
    drift = fill(ages=[10] * 50 + [30] * 100 + [50] * 50, missing=20).drift(0.2, "s3://baseline")
    assert not drift.above_threshold
    assert drift.baseline_rows == 220
    assert drift.reason is None
    assert drift.features.keys() == {"Age", "Sex"}


def test_a_batch_of_older_people_has_drifted_in_age_alone() -> None:
    drift = fill(ages=[60] * 200, missing=20).drift(0.2, "s3://baseline")
    assert drift.above_threshold
    assert [name for name, found in drift.shifts.items() if found.above] == ["Age"]
    assert next(iter(drift.shifts)) == "Age"


def test_other_columns_than_the_baselines_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        DriftMeter(BASELINE).add([[b"1"]], [b"0.5"])


def counts(bins: Bins, texts: Sequence[bytes]) -> list[int]:
    histogram = Histogram(bins)
    for text in texts:
        histogram.add({text: 1})
    return histogram.observed


def fill(ages: list[int], missing: int) -> DriftMeter:
    """A batch with these ages, and sexes and scores as in the baseline; in two parts, as files come."""
    column = [str(age).encode() for age in ages] + [b""] * missing
    sexes = ([b"0"] * 120 + [b"1"] * 100)[: len(column)]
    scores = [score for score in (b"0.1", b"0.3", b"0.6", b"0.9") for _ in range(55)]
    meter = DriftMeter(BASELINE)
    for part in (slice(None, 70), slice(70, None)):
        meter.add([column[part], sexes[part]], scores[part])
    return meter
