from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from ops import render, report, runs
from ops.errors import ExitCode
from ops.pipeline import Step, parse_step
from ops.registry import ModelVersion
from ops.report import gather
from ops.runs import Run
from ops.target import Target

START = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
BUCKET = "titanic-sagemaker-dev-123456789012"
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/3"


def text_of(renderable: Any, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(renderable)
    return console.export_text()


def told(told_report: report.RunReport, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, record=True, highlight=False)
    render.report(console, told_report)
    return console.export_text()


def model(status: str = "PendingManualApproval") -> ModelVersion:
    return ModelVersion(3, PACKAGE, status, START, "", {"run_id": "r"}, f"s3://{BUCKET}/model.tar.gz", "")


class NoSteps:
    """A SageMaker whose pipeline execution has no steps."""

    def get_paginator(self, _: str) -> NoSteps:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"PipelineExecutionSteps": []}]


@pytest.fixture
def registered(aws: Target, states: Any, events: Any, run_data: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run that registered version 3."""
    run_data["evaluation"]["model_package_arn"] = PACKAGE
    events.state("InitRun", 0.4, data=run_data).state("EvalMetrics", 1.2, data=run_data).end(output="{}")
    states.looks = [events.list]
    monkeypatch.setattr(report.registry, "find_version", lambda *_: model())
    monkeypatch.setattr(report.pipeline, "list_steps", lambda *_: [])
    states.add("one", output=json.dumps({"decision": "registered"}))
    return runs.find_run(aws, "one")


def test_a_registered_run_tells_decision_metrics_places_and_what_to_type(
    aws: Target, registered: Run, put_manifest: Any
) -> None:
    put_manifest(registered.run_id, data={"rows_quarantined": 4})

    text = told(gather(aws, registered))

    assert "Model registered: version 3, waiting for approval" in text
    assert "0.829" in text
    assert "0.780" in text
    assert f"s3://{BUCKET}/runs/{registered.run_id}/manifest.json" in text
    assert f"s3://{BUCKET}/curated/runs/{registered.run_id}/" in text
    assert f"s3://{BUCKET}/quarantine/{registered.run_id}/" in text
    assert f"s3://{BUCKET}/model.tar.gz" in text
    assert "titanic approve 3" in text


def test_places_are_never_wrapped_so_that_they_can_be_copied(
    aws: Target, registered: Run, put_manifest: Any
) -> None:
    put_manifest(registered.run_id)

    assert f"s3://{BUCKET}/runs/{registered.run_id}/manifest.json" in told(gather(aws, registered), width=40)


def test_the_json_says_the_same(aws: Target, registered: Run, put_manifest: Any) -> None:
    put_manifest(registered.run_id)

    document = json.loads(json.dumps(gather(aws, registered).to_json()))

    assert document["decision"] == "registered"
    assert document["model_version"] == 3
    assert document["metrics"]["auc"] == 0.87
    assert [check["passed"] for check in document["checks"]] == [True, True, True]
    assert document["manifest_uri"].endswith("manifest.json")
    assert [state["name"] for state in document["states"]] == ["InitRun", "EvalMetrics"]
    assert document["states"][1]["seconds"] == 1.2
    assert document["next"][0] == "titanic approve 3"


def test_a_rejected_run_says_what_was_not_good_enough(
    aws: Target, states: Any, events: Any, run_data: Any
) -> None:
    run_data["evaluation"]["checks"][1].update(value=0.62, passed=False)
    states.looks = [events.state("EvalMetrics", data=run_data).end(output="{}").list]
    states.add("one", output=json.dumps({"decision": "rejected"}))
    aws._clients["sagemaker"] = NoSteps()

    found = gather(aws, runs.find_run(aws, "one"))

    assert found.headline == "Model rejected: f1 0.620 is below 0.700"
    assert found.next_commands[0][0] == "titanic models"


def test_an_approved_version_is_not_to_be_approved_again(
    aws: Target, registered: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report.registry, "find_version", lambda *_: model("Approved"))

    commands = [command for command, _ in gather(aws, registered).next_commands]

    assert commands[0] == "titanic models"


def test_a_version_that_was_deleted_since_does_not_hide_the_run(
    aws: Target, registered: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> ModelVersion:
        raise report.VersionNotFound("gone")

    monkeypatch.setattr(report.registry, "find_version", gone)

    assert gather(aws, registered).headline == "Model registered"


def failed_run(aws: Target, states: Any, error: str = "", cause: str = "", status: str = "FAILED") -> Run:
    states.add("one", status, error=error, cause=cause)
    return runs.find_run(aws, "one")


def test_a_failure_is_told_in_the_words_of_the_manifest(aws: Target, states: Any, put_manifest: Any) -> None:
    run = failed_run(aws, states, "MissingColumn", "ignored here")
    failure = {
        "state": "PrepareData",
        "error": "MissingColumn",
        "cause": "raw/titanic.csv has no Age",
        "step": None,
    }
    put_manifest(run.run_id, outcome="failed", failure=failure)

    text = told(gather(aws, run))

    assert "Run failed at PrepareData: MissingColumn" in text
    assert "raw/titanic.csv has no Age" in text
    assert f"titanic logs {run.run_id}" in text


def test_a_refused_table_left_a_report_and_a_quarantine_and_no_curated_table(
    aws: Target, states: Any, put_manifest: Any
) -> None:
    run = failed_run(aws, states)
    put_manifest(run.run_id, data={"rows_in": 9, "rows_quarantined": 9, "data_sha256": None})
    assert list(gather(aws, run).locations) == ["manifest", "data_report", "quarantine"]


def test_a_run_that_failed_after_its_tables_were_written_says_where_they_are(
    aws: Target, states: Any, put_manifest: Any
) -> None:
    run = failed_run(aws, states)
    put_manifest(run.run_id, data={"rows_quarantined": 0, "data_sha256": "ab"})
    assert list(gather(aws, run).locations) == ["manifest", "data_report", "curated"]


def test_a_failed_pipeline_step_is_named_rather_than_the_state_that_noticed(
    aws: Target, states: Any, put_manifest: Any
) -> None:
    run = failed_run(aws, states, "SingleClassTarget", "only 0")
    failure = {"state": "TrainingFailed", "error": "SingleClassTarget", "cause": "c", "step": "TrainModel"}
    put_manifest(run.run_id, outcome="failed", failure=failure)

    assert gather(aws, run).headline == "Run failed at TrainModel: SingleClassTarget"


def test_a_failure_without_a_record_is_told_from_the_history(aws: Target, states: Any, events: Any) -> None:
    cause = json.dumps({"errorType": "SourceNotFound", "errorMessage": "No object at s3://b/raw/x.csv."})
    events.enter("InitRun").fail("SourceNotFound", cause).exit("InitRun").end("Failed")
    states.looks = [events.list]
    run = failed_run(aws, states)

    found = gather(aws, run)

    assert found.headline == "Run failed at InitRun: SourceNotFound"
    assert found.failure is not None
    assert found.failure.cause == "No object at s3://b/raw/x.csv."
    assert found.next_commands[0][0] == f"aws s3 ls --recursive s3://{BUCKET}/raw/"


def test_a_run_refused_because_another_is_going_on_says_where_to_look(aws: Target, states: Any) -> None:
    found = gather(aws, failed_run(aws, states, "RunInProgress", "Run 2026… started 3 minutes ago."))

    assert found.next_commands[0][0] == "titanic runs"
    assert report.exit_code(found.run) == ExitCode.FAILED


@pytest.mark.parametrize(("status", "words"), [("ABORTED", "stopped"), ("TIMED_OUT", "longer than")])
def test_a_run_that_was_ended_from_outside_says_so(aws: Target, states: Any, status: str, words: str) -> None:
    found = gather(aws, failed_run(aws, states, status=status))

    assert found.failure is not None
    assert words in found.failure.cause


def test_a_run_that_still_goes_on_has_no_failure(aws: Target, states: Any) -> None:
    states.add("one", "RUNNING")

    found = gather(aws, runs.find_run(aws, "one"))

    assert found.failure is None
    assert found.headline == "Run is running"


def test_the_states_of_a_forgotten_run_come_from_its_manifest(
    aws: Target, states: Any, put_manifest: Any
) -> None:
    put_manifest("20260101-aaaaaaaaaa")

    found = gather(aws, runs.find_run(aws, "20260101-aaaaaaaaaa"))

    assert "InitRun 0.4 s" in text_of(render.states(found, START))
    assert found.to_json()["states"][0]["name"] == "InitRun"


@pytest.mark.parametrize(
    ("status", "output", "code"),
    [
        ("SUCCEEDED", {"decision": "registered"}, ExitCode.OK),
        ("SUCCEEDED", {"decision": "rejected"}, ExitCode.NO_MODEL),
        ("FAILED", {}, ExitCode.FAILED),
        ("ABORTED", {}, ExitCode.FAILED),
        ("TIMED_OUT", {}, ExitCode.FAILED),
    ],
)
def test_the_exit_code_follows_from_the_decision(
    aws: Target, states: Any, status: str, output: dict[str, str], code: ExitCode
) -> None:
    states.add("one", status, output=json.dumps(output))

    assert report.exit_code(runs.find_run(aws, "one")) == code


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (125, "2 min 05 s"), (3720, "1 h 02 min")],
)
def test_durations_read_well(value: float, words: str) -> None:
    assert render.seconds(value) == words


def test_steps_are_shown_beneath_the_state_that_waits_for_them(events: Any) -> None:
    from ops.history import History

    events.state("InitRun").enter("WaitForTraining", "Wait")
    history = History()
    history.apply(events.list)
    steps = [
        Step("DataPreProcessing", "Succeeded", START, START + timedelta(seconds=2)),
        Step("TrainModel", "Failed", START, START + timedelta(seconds=1), failure_reason="NoValidRows: none"),
    ]

    lines = text_of(render.progress(history.rows, steps, START + timedelta(seconds=9))).splitlines()

    assert [line.split()[1] for line in lines] == [
        "InitRun",
        "WaitForTraining",
        "DataPreProcessing",
        "TrainModel",
    ]
    assert "2.0 s" in lines[2]
    assert "NoValidRows" in lines[3]


@pytest.mark.parametrize("width", [80, 200])
def test_tables_never_cut_what_is_there_to_be_copied(width: int) -> None:
    run = Run(
        "20261121-0123456789", "training", "arn:x:one", "SUCCEEDED", START, START + timedelta(seconds=9.5)
    )

    assert "20261121-0123456789" in text_of(render.runs_table([run]), width)
    assert "2026-11-21 07:00" in text_of(render.models_table([model()], width), width)


def test_tables_show_runs_and_versions() -> None:
    run = Run(
        "20261121-0123456789", "training", "arn:x:one", "SUCCEEDED", START, START + timedelta(seconds=9.5)
    )

    assert "20261121-0123456789" in text_of(render.runs_table([run]))
    assert "9.5 s" in text_of(render.runs_table([run]))
    assert "pending" in text_of(render.models_table([model()], 80))


def test_reads_a_step_with_its_job() -> None:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/pipelines-abc-TrainModel-x"
    answer = {"StepName": "TrainModel", "StepStatus": "Executing", "Metadata": {"TrainingJob": {"Arn": arn}}}

    step = parse_step(answer)

    assert (step.job_kind, step.job, step.running) == ("TrainingJob", "pipelines-abc-TrainModel-x", True)
    assert step.seconds(START) is None


def test_reads_a_condition_with_its_outcome() -> None:
    answer = {
        "StepName": "CheckAccuracy",
        "StepStatus": "Succeeded",
        "Metadata": {"Condition": {"Outcome": "False"}},
    }

    assert render.step_note(parse_step(answer)) == "False"
