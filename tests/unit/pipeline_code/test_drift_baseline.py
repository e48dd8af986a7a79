from __future__ import annotations

import json
from bisect import bisect_left
from typing import Any

import numpy as np
import pytest

from functions.check_predictions.drift import Baseline, DriftMeter
from pipeline_code import job
from pipeline_code.drift_baseline import drift_baseline

NUMBER = job.Column("Fare", nullable=True)
CATEGORY = job.Column("Embarked", nullable=True, allowed=frozenset({0.0, 1.0, 2.0}))
GENERATOR = np.random.default_rng(3)


def bins_of(values: list[float], column: job.Column = NUMBER) -> dict[str, Any]:
    table = np.array(values, dtype=np.float64).reshape(-1, 1)
    [found] = drift_baseline([column], table, np.full(len(values), 0.5))["features"]
    return dict(found)


def test_a_number_is_cut_into_ten_bins_of_about_as_many_rows() -> None:
    found = bins_of(GENERATOR.normal(size=1000).tolist())
    assert len(found["edges"]) == 9
    assert found["counts"] == [100] * 10
    assert found["edges"] == sorted(found["edges"])


def test_edges_lie_between_values_that_occur() -> None:
    values = [1.0, 2.0, 4.0, 8.0] * 5
    assert bins_of(values)["edges"] == [1.5, 3.0, 6.0]


def test_values_that_repeat_share_a_bin() -> None:
    found = bins_of([0.0] * 70 + [1.0] * 20 + [2.0, 3.0, 4.0, 5.0, 6.0] * 2)
    assert found["edges"] == [0.5, 1.5]
    assert found["counts"] == [70, 20, 10]


def test_many_at_the_top_leave_no_empty_bin_above_them() -> None:
    assert bins_of([1.0] * 10 + [9.0] * 90) == {
        "name": "Fare",
        "edges": [5.0],
        "counts": [10, 90],
        "missing": 0,
    }


@pytest.mark.parametrize(("values", "counts"), [([7.0] * 5, [5]), ([np.nan] * 5, [0])])
def test_a_number_that_never_varies_has_one_bin(values: list[float], counts: list[int]) -> None:
    found = bins_of(values)
    assert (found["edges"], found["counts"]) == ([], counts)


def test_missing_is_counted_apart() -> None:
    found = bins_of([1.0, np.nan, 2.0, np.nan, 3.0])
    assert found["missing"] == 2
    assert sum(found["counts"]) == 3


def test_a_category_has_a_bin_for_each_value_the_contract_allows() -> None:
    assert bins_of([2.0, 0.0, 2.0, np.nan], CATEGORY) == {
        "name": "Embarked",
        "values": [0.0, 1.0, 2.0],
        "counts": [1, 0, 2],
        "missing": 1,
    }


def test_the_score_is_cut_like_a_number() -> None:
    scores = GENERATOR.random(500).astype(np.float32).astype(np.float64)
    found = drift_baseline([], np.empty((500, 0)), scores)
    assert found["rows"] == 500
    assert found["score"]["counts"] == [50] * 10


def test_a_value_rounded_to_fewer_digits_stays_in_its_bin() -> None:
    exact = np.repeat([7.2292, 7.75, 7.8958, 8.05, 13.0, 26.55, 71.2833], 10)
    found = bins_of(exact.astype(np.float32).astype(np.float64).tolist())
    counts = [0] * len(found["counts"])
    for value in exact:
        counts[bisect_left(found["edges"], value)] += 1
    assert counts == found["counts"]


def test_every_row_is_in_exactly_one_bin(contract: job.Contract) -> None:
    table = GENERATOR.integers(0, 3, (300, len(contract.features))).astype(np.float64)
    table[GENERATOR.random(table.shape) < 0.1] = np.nan
    table[:, 0] += 1  # classes are 1, 2 and 3
    table[:, 1] = table[:, 1] % 2
    for found in drift_baseline(contract.features, table, GENERATOR.random(300))["features"]:
        assert sum(found["counts"]) + found["missing"] == 300, found["name"]


def test_a_batch_of_the_same_rows_has_not_drifted_for_whoever_reads_it(contract: job.Contract) -> None:
    table = np.column_stack(
        [
            GENERATOR.integers(1, 4, 400),
            GENERATOR.integers(0, 2, 400),
            GENERATOR.uniform(0, 80, 400),
            GENERATOR.poisson(0.5, 400),
            GENERATOR.poisson(0.4, 400),
            GENERATOR.lognormal(3, 1, 400),
            GENERATOR.integers(0, 3, 400),
        ]
    ).astype(np.float32)
    table[::5, 2] = np.nan
    scores = GENERATOR.random(400).astype(np.float32)
    document = drift_baseline(contract.features, table.astype(np.float64), scores.astype(np.float64))
    meter = DriftMeter(Baseline.model_validate(json.loads(json.dumps(document, allow_nan=False))))
    meter.add([texts(column) for column in table.T], texts(scores))
    drift = meter.drift(0.2, "s3://baseline")
    assert {shift.psi for shift in drift.shifts.values()} == {0.0}


def test_a_batch_of_other_rows_has_drifted_for_whoever_reads_it(contract: job.Contract) -> None:
    table = GENERATOR.integers(1, 2, (400, len(contract.features))).astype(np.float64)
    table[:, 5] = GENERATOR.lognormal(3, 1, 400)
    scores = GENERATOR.random(400)
    meter = DriftMeter(Baseline.model_validate(drift_baseline(contract.features, table, scores)))
    table[:, 5] *= 3
    meter.add([texts(column) for column in table.T], texts(scores))
    found = meter.drift(0.2, "s3://baseline").shifts
    assert [name for name, shift in found.items() if shift.above] == ["Fare"]


def texts(column: Any) -> tuple[bytes, ...]:
    """Values as a CSV file has them: the shortest text that gives the number again, blank for missing."""
    return tuple(b"" if np.isnan(value) else str(value).encode() for value in column)
