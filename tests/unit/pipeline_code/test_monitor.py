"""The monitoring job: captured requests in, Model Monitor's files and metrics out."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localcloud.plugins.embedded_metrics import metrics_in
from pipeline_code import data_quality, job, monitor
from pipeline_code.drift_baseline import drift_baseline

DRAW = np.random.default_rng(3)
Run = Callable[..., dict[str, Any]]


def passengers(rows: int, older: float = 0.0) -> list[str]:
    return [_passenger(older) for _ in range(rows)]


def _passenger(older: float) -> str:
    age, fare = DRAW.uniform(1, 60) + older, DRAW.uniform(5, 80)
    return f"{DRAW.integers(1, 4)},{DRAW.integers(0, 2)},{age:.1f},0,0,{fare:.2f},2"


def captured(lines: list[str], encoding: str = "CSV", **metadata: str) -> str:
    text = "\n".join(lines)
    data = base64.b64encode(text.encode()).decode() if encoding == "BASE64" else text
    asked = {"observedContentType": "text/csv", "mode": "INPUT", "data": data, "encoding": encoding}
    return json.dumps(
        {"captureData": {"endpointInput": asked}, "eventMetadata": metadata, "eventVersion": "0"}
    )


@pytest.fixture
def folders(tmp_path: Path, contract: job.Contract) -> Path:
    """A baseline of 300 rows, and room for what was captured."""
    rows = np.array([[float(field) for field in line.split(",")] for line in passengers(300)])
    bins = drift_baseline(contract.features, rows, np.full(len(rows), 0.5))["features"]
    statistics = data_quality.statistics(contract.features, rows, bins)
    (tmp_path / "baseline").mkdir()
    monitor.write_json(tmp_path / "baseline/statistics.json", statistics)
    constraints = data_quality.constraints(contract.features, statistics)
    monitor.write_json(tmp_path / "baseline/constraints.json", constraints)
    return tmp_path


@pytest.fixture
def run(folders: Path, contract_path: Path) -> Run:
    def monitored(*records: str) -> dict[str, Any]:
        hour = folders / "captured/2026/11/21/09"
        hour.mkdir(parents=True)
        (hour / "00-00-000-x.jsonl").write_text("\n".join(records) + "\n")
        return look(folders, contract_path)

    return monitored


def look(folders: Path, contract_path: Path) -> dict[str, Any]:
    options = {
        "captured": folders / "captured",
        "baseline": folders / "baseline",
        "report": folders / "report",
        "contract": contract_path,
        "message-file": folders / "message",
    }
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    code = monitor.main([*words, "--endpoint", "prod"])
    report = folders / "report/constraint_violations.json"
    violations = json.loads(report.read_text())["violations"] if report.exists() else None
    return {"code": code, "violations": violations, "message": (folders / "message").read_text()}


def test_ordinary_requests_are_no_violation(run: Run, folders: Path) -> None:
    looked = run(captured(passengers(100)), captured(passengers(50), "BASE64"))
    assert looked == {
        "code": 0,
        "violations": [],
        "message": "Completed: Job completed successfully with no violations.",
    }
    assert json.loads((folders / "report/statistics.json").read_text())["dataset"]["item_count"] == 150


def test_requests_of_another_kind_are_violations_and_metrics(run: Run, capsys: Any) -> None:
    looked = run(captured(passengers(200, older=50.0)))
    assert [each["feature_name"] for each in looked["violations"]] == ["Age"]
    assert looked["message"].startswith("CompletedWithViolations: ")
    metrics = [metric for line in capsys.readouterr().out.splitlines() for metric in metrics_in(line)]
    by_name = {(metric.name, metric.dimensions.get("feature")): metric.value for metric in metrics}
    assert by_name["DataQualityViolations", None] == 1
    assert by_name["MonitoredRows", None] == 200
    assert by_name["BaselineDrift", "Age"] > 0.5
    assert {metric.namespace for metric in metrics} == {"TitanicSagemaker"}


def test_what_is_no_row_of_features_is_counted(run: Run) -> None:
    looked = run(captured(["1,2,3", "a,b,c,d,e,f,g", *passengers(60)]))
    [violation] = looked["violations"]
    assert violation["constraint_check_type"] == "data_type_check"
    assert violation["description"].startswith("2 of 62 lines")


def test_what_a_promotion_asks_is_left_out(run: Run, folders: Path) -> None:
    from functions.common import smoke

    assert monitor.OUR_OWN == smoke.INFERENCE_ID
    made_up = captured(passengers(100, older=50.0), inferenceId=monitor.OUR_OWN)
    assert run(made_up, captured(passengers(60)))["violations"] == []
    assert json.loads((folders / "report/statistics.json").read_text())["dataset"]["item_count"] == 60


def test_a_day_without_requests_is_an_error_with_a_name(folders: Path, contract_path: Path) -> None:
    (folders / "captured").mkdir()
    looked = look(folders, contract_path)
    assert looked["code"] == 1
    assert looked["message"].startswith("MissingInput: ")


def test_a_version_without_such_a_baseline_is_named_too(folders: Path, contract_path: Path) -> None:
    (folders / "baseline/constraints.json").unlink()
    assert "constraints.json cannot be read" in look(folders, contract_path)["message"]


def test_the_namespace_is_that_of_the_functions() -> None:
    from functions.common import observability

    assert monitor.NAMESPACE == observability.NAMESPACE
