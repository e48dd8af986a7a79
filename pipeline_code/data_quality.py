"""Baseline and judgement of requests, in the files of SageMaker Model Monitor.

`statistics` and `constraints` make the baseline of a model version, statistics.json and constraints.json, of
the rows that `evaluate` measured it on, with the bins of `drift_baseline`. `violations` holds a later
statistics.json against both and gives what constraint_violations.json lists. So AWS's own Model Monitor can
be given the same baseline; `monitor` is what runs here, because new accounts cannot use that any more.

Of two distributions the largest distance between their cumulative shares counts, as in Model Monitor, if
chance does not explain it (Kolmogorov and Smirnov: few rows differ much).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

if TYPE_CHECKING or __package__:  # job.py says why there are two ways
    from . import job
else:
    import job

VERSION = 0.0
THRESHOLD = 0.1  # of the distance between two distributions
RARE = 1.95  # distances this many times sqrt((n+m)/nm) happen by chance in one of a thousand comparisons
COMPLETENESS_SLACK = 0.1  # share of missing values that may come on top of the baseline's


def statistics(
    columns: Sequence[job.Column], features: Numbers, bins: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """statistics.json of rows (NaN: missing), cut into `bins`: `drift_baseline`'s entries for the columns."""
    return {
        "version": VERSION,
        "dataset": {"item_count": len(features)},
        "features": [
            _feature(column, features[:, index], _edges(bins[index])) for index, column in enumerate(columns)
        ],
    }


def constraints(columns: Sequence[job.Column], of: dict[str, Any]) -> dict[str, Any]:
    """constraints.json: what statistics.json and the data contract ask of later rows."""
    return {
        "version": VERSION,
        "features": [
            {
                "name": column.name,
                "inferred_type": inferred_type(column),
                "completeness": round(_completeness(feature), 6),
                "num_constraints": {"is_non_negative": column.minimum >= 0 or bool(column.allowed)},
                **_domains(column),
            }
            for column, feature in zip(columns, of["features"], strict=True)
        ],
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": THRESHOLD,
                "comparison_method": "Robust",
            },
        },
    }


def violations(now: dict[str, Any], baseline: dict[str, Any], of: dict[str, Any]) -> list[dict[str, str]]:
    """Where the rows of `now` leave `baseline` (statistics.json) or break `of` (constraints.json)."""
    found = []
    for feature, before, rule in zip(now["features"], baseline["features"], of["features"], strict=True):
        found += _incomplete(feature, rule)
        found += _negative(feature, rule)
        found += _unknown_values(feature, rule)
        found += _drifted(feature, before, of)
    return found


def distances(now: dict[str, Any], baseline: dict[str, Any]) -> dict[str, float]:
    """By feature, the largest distance between the cumulative shares, whatever chance explains."""
    pairs = zip(now["features"], baseline["features"], strict=True)
    return {feature["name"]: _distance(_counts(feature), _counts(before)) for feature, before in pairs}


def edges_of(baseline: dict[str, Any]) -> list[dict[str, Any]]:
    """The bins of a statistics.json, for `statistics` of later rows."""
    return [{"edges": [bucket["upper_bound"] for bucket in _buckets(f)[:-1]]} for f in baseline["features"]]


def inferred_type(column: job.Column) -> str:
    return "Integral" if column.whole or column.allowed else "Fractional"


def _feature(column: job.Column, values: Numbers, edges: Sequence[float]) -> dict[str, Any]:
    present = values[~np.isnan(values)]
    common = {"num_present": len(present), "num_missing": len(values) - len(present)}
    return {
        "name": column.name,
        "inferred_type": inferred_type(column),
        "numerical_statistics": {
            "common": common,
            **_moments(present),
            "distribution": {"kll": {"buckets": _bucket_counts(present, edges)}},
        },
        **_seen_values(column, present),
    }


def _moments(present: Numbers) -> dict[str, float]:
    if not len(present):
        return {}
    return {
        "mean": float(present.mean()),
        "sum": float(present.sum()),
        "std_dev": float(present.std()),
        "min": float(present.min()),
        "max": float(present.max()),
    }


def _bucket_counts(present: Numbers, edges: Sequence[float]) -> list[dict[str, float]]:
    """Rows per bin: a value equal to an edge is below it. Outside are the smallest and the largest value."""
    counts = np.bincount(np.searchsorted(np.asarray(edges), present, side="left"), minlength=len(edges) + 1)
    lowest, highest = (float(present.min()), float(present.max())) if len(present) else (0.0, 0.0)
    bounds = [lowest, *edges, highest]
    return [
        {"lower_bound": bounds[index], "upper_bound": bounds[index + 1], "count": float(count)}
        for index, count in enumerate(counts)
    ]


def _edges(bins: dict[str, Any]) -> list[float]:
    """Of categories the edges lie halfway between two codes."""
    if "edges" in bins:
        return list(bins["edges"])
    values = bins["values"]
    return [(low + high) / 2 for low, high in pairwise(values)]


def _domains(column: job.Column) -> dict[str, Any]:
    if not column.allowed:
        return {}
    return {"string_constraints": {"domains": [f"{value:g}" for value in sorted(column.allowed)]}}


def _seen_values(column: job.Column, present: Numbers) -> dict[str, Any]:
    """Of a category, how often each of its codes occurs."""
    if not column.allowed:
        return {}
    values, counts = np.unique(present, return_counts=True)
    buckets = [
        {"value": f"{value:g}", "count": int(count)} for value, count in zip(values, counts, strict=True)
    ]
    return {
        "string_statistics": {
            "distinct_count": len(values),
            "distribution": {"categorical": {"buckets": buckets}},
        }
    }


def _incomplete(feature: dict[str, Any], rule: dict[str, Any]) -> list[dict[str, str]]:
    share, wanted = _completeness(feature), rule["completeness"] - COMPLETENESS_SLACK
    if share >= wanted:
        return []
    text = f"Data completeness is {share:.1%}, and the baseline asks for at least {wanted:.1%}"
    return [_violation(feature, "completeness_check", text)]


def _negative(feature: dict[str, Any], rule: dict[str, Any]) -> list[dict[str, str]]:
    lowest = feature["numerical_statistics"].get("min", 0.0)
    if lowest >= 0 or not rule["num_constraints"]["is_non_negative"]:
        return []
    text = f"The smallest value is {lowest:g}, and the baseline has none below zero"
    return [_violation(feature, "data_type_check", text)]


def _unknown_values(feature: dict[str, Any], rule: dict[str, Any]) -> list[dict[str, str]]:
    allowed = rule.get("string_constraints", {}).get("domains")
    if allowed is None:
        return []
    seen = feature["string_statistics"]["distribution"]["categorical"]["buckets"]
    unknown = sum(bucket["count"] for bucket in seen if bucket["value"] not in allowed)
    if not unknown:
        return []
    text = f"{unknown} values are none of {', '.join(allowed)}"
    return [_violation(feature, "categorical_values_check", text)]


def _drifted(feature: dict[str, Any], before: dict[str, Any], of: dict[str, Any]) -> list[dict[str, str]]:
    rule = of["monitoring_config"]["distribution_constraints"]
    now, then = _counts(feature), _counts(before)
    distance, chance = _distance(now, then), _chance(sum(now), sum(then))
    if distance <= max(rule["comparison_threshold"], chance):
        return []
    text = (
        f"Baseline drift distance: {distance:.3f} exceeds threshold: {rule['comparison_threshold']}"
        f" (chance explains up to {chance:.3f})"
    )
    return [_violation(feature, "baseline_drift_check", text)]


def _violation(feature: dict[str, Any], check: str, description: str) -> dict[str, str]:
    return {
        "feature_name": feature["name"],
        "constraint_check_type": check,
        "description": description,
    }


def _completeness(feature: dict[str, Any]) -> float:
    common = feature["numerical_statistics"]["common"]
    rows = common["num_present"] + common["num_missing"]
    return common["num_present"] / rows if rows else 1.0


def _distance(now: Sequence[float], then: Sequence[float]) -> float:
    if not (sum(now) and sum(then)):
        return 0.0
    shares = np.cumsum(now) / sum(now), np.cumsum(then) / sum(then)
    return float(np.abs(shares[0] - shares[1]).max())


def _chance(rows: float, baseline_rows: float) -> float:
    if not (rows and baseline_rows):
        return math.inf
    return RARE * math.sqrt((rows + baseline_rows) / (rows * baseline_rows))


def _counts(feature: dict[str, Any]) -> list[float]:
    return [bucket["count"] for bucket in _buckets(feature)]


def _buckets(feature: dict[str, Any]) -> list[dict[str, float]]:
    buckets: list[dict[str, float]] = feature["numerical_statistics"]["distribution"]["kll"]["buckets"]
    return buckets
