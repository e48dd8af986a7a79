from __future__ import annotations

import numpy as np
import pytest

from pipeline_code import bootstrap, evaluate


@pytest.fixture
def table() -> tuple[evaluate.Labels, evaluate.Numbers]:
    """Labels and scores with many ties, as trees give."""
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, 120)
    return labels, np.clip(np.round(0.5 * labels + generator.random(120) / 1.5, 1), 0.05, 0.95)


def test_each_metric_is_defined_as_scikit_learn_defines_it(
    table: tuple[evaluate.Labels, evaluate.Numbers],
) -> None:
    labels, scores = table
    drawn = np.random.default_rng(5).integers(0, len(labels), len(labels))
    weights = np.bincount(drawn, minlength=len(labels)).astype(float)[np.newaxis, :]
    found = bootstrap.metrics(weights, labels, scores, evaluate.CUT)
    expected = evaluate.point_metrics(labels[drawn], scores[drawn])
    assert {name: values[0] for name, values in found.items()} == pytest.approx(expected)


def test_gives_the_same_thousand_values_every_time(table: tuple[evaluate.Labels, evaluate.Numbers]) -> None:
    first, second = (bootstrap.resampled_metrics(*table, evaluate.CUT) for _ in range(2))
    assert all(len(values) == 1000 for values in first.values())
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_large_table_in_batches_gives_the_same_values(
    table: tuple[evaluate.Labels, evaluate.Numbers], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bootstrap.resampled_metrics(*table, evaluate.CUT)
    monkeypatch.setattr(bootstrap, "CELLS", 120 * 7)
    batched = bootstrap.resampled_metrics(*table, evaluate.CUT)
    assert {name: values.tolist() for name, values in batched.items()} == {
        name: pytest.approx(values.tolist()) for name, values in whole.items()
    }


def test_draws_again_what_holds_one_class_only() -> None:
    labels, scores = np.array([0, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    values = bootstrap.resampled_metrics(labels, scores, evaluate.CUT)
    assert np.isfinite(values["auc"]).all()
    assert values["precision"].tolist() == [0.0] * 1000  # nothing scores above the cut


def test_an_interval_holds_the_middle_95_percent() -> None:
    assert bootstrap.interval(np.arange(1001.0)) == pytest.approx({"lower": 25.0, "upper": 975.0})
