"""The baseline of a version, and what of later rows leaves it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline_code import data_quality, job
from pipeline_code.drift_baseline import drift_baseline

AGE = job.Column("Age", nullable=True, minimum=0.0)
SEX = job.Column("Sex", nullable=False, allowed=frozenset({0.0, 1.0}))
COLUMNS = (AGE, SEX)
DRAW = np.random.default_rng(11)


def table(rows: int = 400, older: float = 0.0, missing: float = 0.2) -> Any:
    ages = np.abs(DRAW.normal(30, 12, rows)) + older
    ages[: int(rows * missing)] = np.nan
    return np.column_stack([ages, DRAW.integers(0, 2, rows)])


BASELINE_ROWS = table()
BINS = drift_baseline(COLUMNS, BASELINE_ROWS, np.full(len(BASELINE_ROWS), 0.5))["features"]
BASELINE = data_quality.statistics(COLUMNS, BASELINE_ROWS, BINS)
CONSTRAINTS = data_quality.constraints(COLUMNS, BASELINE)


def found(rows: Any) -> list[tuple[str, str]]:
    now = data_quality.statistics(COLUMNS, rows, data_quality.edges_of(BASELINE))
    violations = data_quality.violations(now, BASELINE, CONSTRAINTS)
    return [(each["feature_name"], each["constraint_check_type"]) for each in violations]


def test_statistics_count_every_row_once() -> None:
    assert BASELINE["dataset"]["item_count"] == 400
    age, sex = (feature["numerical_statistics"] for feature in BASELINE["features"])
    assert age["common"] == {"num_present": 320, "num_missing": 80}
    assert sum(bucket["count"] for bucket in age["distribution"]["kll"]["buckets"]) == 320
    assert len(sex["distribution"]["kll"]["buckets"]) == 2
    assert age["min"] == age["distribution"]["kll"]["buckets"][0]["lower_bound"]


def test_constraints_come_from_the_rows_and_from_the_contract() -> None:
    age, sex = CONSTRAINTS["features"]
    assert (age["inferred_type"], age["completeness"]) == ("Fractional", 0.8)
    assert age["num_constraints"] == {"is_non_negative": True}
    assert sex["string_constraints"] == {"domains": ["0", "1"]}
    assert CONSTRAINTS["monitoring_config"]["evaluate_constraints"] == "Enabled"


def test_both_are_json_and_the_same_rows_give_the_same_bytes() -> None:
    again = data_quality.statistics(COLUMNS, BASELINE_ROWS, BINS)
    assert json.dumps(again, allow_nan=False) == json.dumps(BASELINE, allow_nan=False)


def test_rows_of_the_same_kind_are_no_violation() -> None:
    assert found(table()) == []


def test_a_feature_that_has_moved_is_named() -> None:
    assert found(table(older=40.0)) == [("Age", "baseline_drift_check")]


def test_few_rows_that_differ_by_chance_are_no_violation() -> None:
    distances = data_quality.distances(
        data_quality.statistics(COLUMNS, table(8), data_quality.edges_of(BASELINE)), BASELINE
    )
    assert max(distances.values()) > data_quality.THRESHOLD
    assert found(table(8)) == []


def test_more_missing_values_than_before_are_incomplete() -> None:
    assert ("Age", "completeness_check") in found(table(missing=0.5))


def test_a_negative_value_and_an_unknown_category_are_named() -> None:
    odd = table()
    odd[-1] = [-1.0, 7.0]
    assert found(odd) == [("Age", "data_type_check"), ("Sex", "categorical_values_check")]


@pytest.mark.parametrize("rows", [np.full((5, 2), np.nan), np.empty((0, 2))])
def test_rows_without_any_value_are_measured_too(rows: Any) -> None:
    now = data_quality.statistics(COLUMNS, rows, data_quality.edges_of(BASELINE))
    assert json.dumps(now, allow_nan=False)
    assert data_quality.distances(now, BASELINE) == {"Age": 0.0, "Sex": 0.0}
