"""What a batch inference run made, as the command reads and shows it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from ops import predictions, render, report, runs
from ops.history import Failure
from ops.predictions import parse_drift, read_head, read_predictions, read_rows
from ops.report import RunReport
from ops.runs import Run
from ops.target import Target

BUCKET = "titanic-sagemaker-dev-123456789012"
FOLDER = "predictions/run_date=2026-11-21/run_id=20261121-0123456789"
URI = f"s3://{BUCKET}/{FOLDER}/"


def drift(*, above: bool = False, reason: str | None = None) -> dict[str, Any]:
    shift = {"psi": 0.31 if above else 0.02, "noise": 0.05, "above": above}
    return {
        "threshold": 0.2,
        "above_threshold": above,
        "reason": reason,
        "baseline_uri": None,
        "baseline_rows": None,
        "score": None if reason else {"psi": 0.01, "noise": 0.05, "above": False},
        "features": {} if reason else {"Age": {"psi": 0.001, "noise": 0.05, "above": False}, "Sex": shift},
    }


def document(**more: Any) -> dict[str, Any]:
    """The machine's data after PublishPredictions."""
    return {
        "run": {"run_id": "20261121-0123456789"},
        "predictions": {"rows": 418, "files": 1, "drift": drift(**more)},
        "publication": {"predictions_uri": URI, "is_latest": True},
    }


@pytest.fixture
def put(aws: Target) -> Any:
    def put_file(name: str, *rows: str) -> None:
        body = "".join(f"{row}\n" for row in ("id,probability", *rows))
        aws.client("s3").put_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}", Body=body)

    return put_file


def told(found: RunReport) -> str:
    console = Console(file=io.StringIO(), width=120, record=True, highlight=False)
    render.report(console, found)
    return console.export_text()


def run(**more: Any) -> Run:
    start = datetime(2026, 11, 21, 7, tzinfo=UTC)
    given = {"status": "SUCCEEDED", "output": {"decision": "published"}, **more}
    arn = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-batch-inference:x"
    return Run(
        "20261121-0123456789",
        "batch_inference",
        arn,
        started_at=start,
        stopped_at=start + timedelta(seconds=4),
        **given,
    )


def test_the_head_is_the_header_and_five_rows_of_the_first_file(aws: Target, put: Any) -> None:
    put("predictions-00001.csv", "900,0.1")
    put("predictions-00000.csv", *(f"{number},0.{number}" for number in range(100, 999)))
    aws.client("s3").put_object(Bucket=BUCKET, Key=f"{FOLDER}/manifest.json", Body=b"{}")

    assert read_head(aws, URI) == [["id", "probability"], *([str(n), f"0.{n}"] for n in range(100, 105))]


def test_the_head_of_a_small_file_is_all_of_it(aws: Target, put: Any) -> None:
    put("predictions-00000.csv", "892,0.125")

    assert read_head(aws, URI) == [["id", "probability"], ["892", "0.125"]]


def test_a_line_that_the_read_part_cuts_is_left_out(
    aws: Target, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "_HEAD_BYTES", len("id,probability\n892,0.1"))
    put("predictions-00000.csv", "892,0.125")

    assert read_head(aws, URI) == [["id", "probability"]]


def test_predictions_that_were_deleted_since_have_no_head(aws: Target) -> None:
    assert read_head(aws, URI) == []


def test_rows_of_all_files_are_read(aws: Target, put: Any) -> None:
    put("predictions-00000.csv", "892,0.125")
    put("predictions-00001.csv", "893,1")

    assert list(read_rows(aws, URI)) == [("892", 0.125), ("893", 1.0)]


def test_a_run_that_published_nothing_has_no_predictions(aws: Target) -> None:
    assert read_predictions(aws, {"run": {}, "predictions": {"rows": 3}}) is None


def test_what_moved_furthest_comes_first() -> None:
    found = parse_drift(document(above=True))

    assert found is not None
    assert [shift.variable for shift in found.shifts] == ["Sex", "score", "Age"]


def test_a_published_run_tells_how_many_the_first_of_them_and_where(aws: Target, put: Any) -> None:
    put("predictions-00000.csv", "892,0.1254321", "893,0.87")
    found = RunReport(
        run(), predictions=read_predictions(aws, document()), drift=parse_drift(document()), bucket=BUCKET
    )

    text = told(found)

    assert "Predictions published: 418 rows" in text
    assert "892" in text
    assert "0.125" in text
    assert "No drift" in text
    assert "titanic alerts" in text
    assert json.loads(json.dumps(found.to_json()))["predictions"]["head"][1] == ["892", "0.1254321"]


def test_few_rows_that_differ_by_chance_are_said_to_as_in_the_alert(aws: Target) -> None:
    few = document()
    few["predictions"]["drift"]["features"]["Age"] = {"psi": 0.7431, "noise": 1.3731, "above": False}
    text = told(RunReport(run(), drift=parse_drift(few)))

    assert "No drift (population stability index: Age moved most, 0.743; that is chance" in text
    assert "so few rows differ by up to 1.373 anyway" in text
    assert "a warning is sent" not in text


def test_drift_is_told_variable_by_variable(aws: Target) -> None:
    text = told(RunReport(run(), drift=parse_drift(document(above=True))))

    assert "Drift" in text
    assert "0.310" in text
    assert text.index("Sex") < text.index("Age")


def test_drift_that_could_not_be_measured_says_why() -> None:
    text = told(RunReport(run(), drift=parse_drift(document(reason="version 1 has no baseline"))))

    assert "version 1 has no baseline" in text


def test_without_an_approved_model_it_says_how_to_get_one() -> None:
    ended = run(status="FAILED", output={}, failure=Failure("NoApprovedModel", "No version is approved."))
    failure = report.RunFailure("GetApprovedModel", "NoApprovedModel", "No version is approved.")

    text = told(RunReport(ended, failure=failure))

    assert "No predictions at GetApprovedModel: NoApprovedModel" in text
    assert "titanic approve" in text
    assert report.exit_code(ended) == 2


def test_the_version_that_waits_can_be_approved_by_copying_a_command() -> None:
    ended = run(status="FAILED", output={}, failure=Failure("NoApprovedModel", "No version is approved."))
    failure = report.RunFailure("GetApprovedModel", "NoApprovedModel", "No version is approved.")

    commands = RunReport(ended, failure=failure, manifest={"waiting_versions": [4, 2]}).next_commands

    assert commands[0][0] == "titanic approve 4"


def test_a_run_that_step_functions_has_forgotten_is_told_by_its_manifest(
    aws: Target, states: Any, put: Any, put_manifest: Any
) -> None:
    put("predictions-00000.csv", "892,0.125")
    published = {"rows": 1, "files": 1, "check_uri": "s3://b/c", "predictions_uri": URI, "is_latest": False}
    arn = run().execution_arn
    put_manifest(
        "20261121-0123456789",
        kind="batch_inference",
        outcome="published",
        decision="published",
        execution_arn=arn,
        predictions=published | {"manifest_uri": f"{URI}manifest.json"},
        drift=drift(above=True),
    )

    found = report.gather(aws, runs.find_run(aws, "20261121-0123456789"))

    assert found.headline == "Predictions published: 1 row"
    assert found.predictions is not None
    assert not found.predictions.is_latest
    assert found.drift is not None
    assert found.drift.above_threshold


def test_a_forgotten_run_without_a_model_still_failed(aws: Target, states: Any, put_manifest: Any) -> None:
    failure = {"state": "GetApprovedModel", "error": "NoApprovedModel", "cause": "none", "step": None}
    put_manifest("20261121-0123456789", kind="batch_inference", outcome="no_approved_model", failure=failure)

    found = runs.find_run(aws, "20261121-0123456789")

    assert (found.status, found.decision) == ("FAILED", "no_approved_model")


def test_a_batch_run_is_gathered_from_its_history(
    aws: Target, states: Any, events: Any, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("predictions-00000.csv", "892,0.125")
    data = document() | {"approved": {"model_package_arn": None}}
    states.looks = [events.state("InitRun").state("PublishPredictions", data=data).end(output="{}").list]
    states.add("one", kind="batch_inference", output=json.dumps({"decision": "published"}))

    found = report.gather(aws, runs.find_run(aws, "one"))

    assert found.locations["predictions"] == URI
    assert found.locations["latest"] == f"s3://{BUCKET}/predictions/latest.json"
    assert found.drift is not None
