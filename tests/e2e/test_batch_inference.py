"""Batch inference through the real machine: what it publishes, what starts it, what may happen meanwhile."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from ops import dataset
from ops.scoring import score

pytestmark = [pytest.mark.xdist_group("e2e-batch"), pytest.mark.usefixtures("approved")]


@pytest.fixture(scope="module")
def published(project: Any, approved: str) -> Any:
    """A run over the passengers nobody has trained on."""
    return project.predict()


def rows_of(project: Any, folder_uri: str) -> dict[str, float]:
    """id -> probability of a published set."""
    prefix = folder_uri.split("/", 3)[3]
    found: dict[str, float] = {}
    for key in project.keys(prefix):
        if key.endswith(".csv"):
            table = csv.DictReader(io.StringIO(project.read(key).decode()))
            found |= {row["id"]: float(row["probability"]) for row in table}
    return found


def test_every_new_passenger_gets_one_probability(project: Any, published: Any) -> None:
    assert published.description["status"] == "SUCCEEDED", published.manifest["failure"]
    assert published.output["decision"] == "published"
    wanted = {row["PassengerId"] for row in dataset.titanic_tables().new_passengers}
    predicted = rows_of(project, published.manifest["predictions"]["predictions_uri"])
    assert predicted.keys() == wanted
    assert all(0 <= probability <= 1 for probability in predicted.values())


def test_the_predictions_turn_out_right(project: Any, published: Any) -> None:
    outcomes = {row["PassengerId"]: row["Survived"] == "1" for row in dataset.titanic_tables().labels}
    found = score(rows_of(project, published.manifest["predictions"]["predictions_uri"]), outcomes)
    assert found.rows == 418
    assert found.accuracy > 0.75
    assert found.auc is not None
    assert found.auc > 0.8


def test_the_manifest_traces_the_set_to_its_model_and_data(project: Any, published: Any) -> None:
    manifest = published.manifest
    assert manifest["kind"] == "batch_inference"
    assert manifest["outcome"] == "published"
    assert manifest["arns"]["model_package"] in project.approved()
    assert manifest["data"]["rows_in"] == 418
    assert manifest["data"]["rows_in"] == manifest["data"]["rows_out"] + manifest["data"]["rows_quarantined"]
    report = json.loads(project.read(f"runs/{manifest['run_id']}/data_report.json"))
    assert manifest["data"]["data_sha256"] == report["data_sha256"]
    beside = json.loads(project.read(manifest["predictions"]["manifest_uri"].split("/", 3)[3]))
    assert beside["run_id"] == manifest["run_id"]


def test_drift_is_measured_for_every_feature_and_the_score(published: Any) -> None:
    drift = published.manifest["drift"]
    assert drift["reason"] is None
    assert set(drift["features"]) == {"Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"}
    assert drift["score"]["psi"] >= 0
    assert not drift["above_threshold"]  # the passengers were drawn by lot


def test_one_message_says_where_the_predictions_are(published: Any) -> None:
    [alert] = published.alerts
    assert "418 predictions published" in alert["Subject"]
    assert published.manifest["predictions"]["predictions_uri"] in alert["Message"]


def test_no_passenger_is_in_a_message(project: Any, published: Any) -> None:
    names = [row["Name"].split(",")[0] for row in dataset.titanic_tables().new_passengers]
    text = published.alerts[0]["Message"]
    assert [name for name in names if len(name) > 4 and name in text] == []


def test_a_second_run_uses_the_same_model_and_moves_the_pointer(project: Any, published: Any) -> None:
    again = project.predict()
    assert again.manifest["model_name"] == published.manifest["model_name"]
    assert again.manifest["data"]["data_sha256"] == published.manifest["data"]["data_sha256"]
    assert project.latest()["run_id"] == again.manifest["run_id"]
    uris = [run.manifest["predictions"]["predictions_uri"] for run in (published, again)]
    assert rows_of(project, uris[0]) == rows_of(project, uris[1])


def test_several_files_become_one_set(project: Any) -> None:
    passengers = dataset.titanic_tables().new_passengers
    for number, part in enumerate((passengers[:100], passengers[100:101], passengers[101:])):
        project.put(f"raw/batches/parts/{number}.csv", dataset.csv_bytes(part))
    run = project.predict({"source_uri": f"s3://{project.bucket}/raw/batches/parts/"})
    assert run.manifest["predictions"]["rows"] == 418


def test_a_batch_unlike_the_training_data_is_published_with_a_warning(project: Any) -> None:
    unlike = [
        dict(row) | {"Sex": "female", "Pclass": "1", "Age": "80"}
        for row in dataset.titanic_tables().new_passengers
    ]
    uri = project.put("raw/batches/unlike.csv", dataset.csv_bytes(unlike))
    run = project.predict({"source_uri": uri})
    assert run.output["decision"] == "published"
    assert run.manifest["drift"]["above_threshold"]
    assert run.manifest["drift"]["features"]["Sex"]["above"]
    warning, end = sorted(run.alerts, key=lambda alert: "published" in alert["Subject"])
    assert "Drift" in warning["Subject"]
    assert "Sex" in warning["Message"]
    assert "drift" in end["Subject"]


def test_two_runs_at_once_both_complete_and_the_later_one_is_the_latest(
    project: Any, hold: Callable[[str], Any]
) -> None:
    held = hold("PublishPredictions")
    earlier, later = (project.start(kind="batch_inference") for _ in range(2))
    for execution in (earlier, later):
        held.wait_for(execution)
    held.let_go(later)
    last = project.result(later)
    held.let_go(earlier)
    first = project.result(earlier)
    assert first.output["decision"] == last.output["decision"] == "published"
    newest = max((first, last), key=lambda run: (run.manifest["started_at"], run.manifest["run_id"]))
    assert project.latest()["run_id"] == newest.manifest["run_id"]
    assert len(first.alerts) == len(last.alerts) == 1
    # The set that was overtaken is complete too, it is only not the latest.
    assert len(rows_of(project, first.manifest["predictions"]["predictions_uri"])) == 418


def test_a_run_that_dies_before_publishing_leaves_the_latest_alone_and_a_rerun_completes(
    project: Any, hold: Callable[[str], Any], until: Callable[..., Any]
) -> None:
    before = project.predictions()
    held = hold("PublishPredictions")
    arn = project.start(kind="batch_inference")
    held.wait_for(arn)
    project.aws("stepfunctions").stop_execution(executionArn=arn, error="Operator", cause="power cut")
    [manifest] = until(
        lambda: [m for m in project.manifests() if m["execution_arn"] == arn], "the dead run has a manifest"
    )
    assert manifest["outcome"] == "aborted"
    assert project.predictions() == before
    [alert] = until(lambda: project.alerts_of(manifest["run_id"]), "people hear of it")
    assert "stopped" in alert["Subject"]

    rerun = project.start(kind="batch_inference")
    held.wait_for(rerun)
    held.let_go(rerun)
    completed = project.result(rerun)
    assert completed.output["decision"] == "published"
    assert project.latest()["run_id"] == completed.manifest["run_id"]


def test_stopping_a_run_stops_its_transform(project: Any, until: Callable[..., Any]) -> None:
    uri = project.put("raw/batches/many.csv", many_passengers(400_000))
    arn = project.start({"source_uri": uri}, kind="batch_inference")
    until(lambda: "CreateTransformJob" in project.visited(arn), "the run comes to its transform")
    sagemaker = project.aws("sagemaker")
    [job] = until(
        lambda: sagemaker.list_transform_jobs(StatusEquals="InProgress")["TransformJobSummaries"],
        "the transform runs",
    )
    project.aws("stepfunctions").stop_execution(executionArn=arn)

    def status() -> str:
        return str(
            sagemaker.describe_transform_job(TransformJobName=job["TransformJobName"])["TransformJobStatus"]
        )

    until(lambda: status() == "Stopped", "the transform is stopped")
    until(lambda: [m for m in project.manifests() if m["execution_arn"] == arn], "the run has a manifest")


def many_passengers(rows: int) -> bytes:
    """The held-out passengers over and over, each with an id of its own."""
    passengers = dataset.titanic_tables().new_passengers
    times = -(-rows // len(passengers))
    repeated = (row for _ in range(times) for row in passengers)
    numbered = [dict(row) | {"PassengerId": str(number)} for number, row in enumerate(repeated, start=1)]
    return dataset.csv_bytes(numbered[:rows])


def test_a_schedule_that_is_due_really_starts_a_run(project: Any, until: Callable[..., Any]) -> None:
    states, machine = project.aws("stepfunctions"), project.stack.machine_arn("batch_inference")

    def executions() -> set[str]:
        listed = states.list_executions(stateMachineArn=machine)["executions"]
        return {execution["executionArn"] for execution in listed}

    before = executions()
    project.let_fall_due("daily_batch_inference")
    [arn] = until(lambda: executions() - before, "the schedule starts a run")
    given = json.loads(states.describe_execution(executionArn=arn)["input"])
    meant_for = datetime.fromisoformat(given["scheduled_time"])
    run = project.result(arn)
    assert run.output["decision"] == "published"
    assert run.manifest["run_date"] == f"{meant_for:%Y-%m-%d}"


def test_a_stopped_run_that_cannot_be_recorded_ends_in_the_dead_letter_queue(
    project: Any, until: Callable[..., Any]
) -> None:
    gone = project.names.arn("states", "execution:titanic-sagemaker-dev-training:gone")
    event = {"detail": {"executionArn": gone, "status": "ABORTED"}}
    project.aws("lambda").invoke(
        FunctionName=project.names.function("record_stopped_run"),
        InvocationType="Event",
        Payload=json.dumps(event).encode(),
    )
    assert json.loads(take_letter(project, until)["Body"])["requestPayload"] == event


def test_a_run_that_cannot_be_started_ends_in_the_dead_letter_queue(
    project: Any, until: Callable[..., Any]
) -> None:
    missing = project.names.arn("states", "stateMachine:there-is-none")
    project.let_fall_due(
        "daily_batch_inference",
        Arn=missing,
        RetryPolicy={"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
    )
    assert "scheduled_time" in take_letter(project, until)["Body"]


def take_letter(project: Any, until: Callable[..., Any]) -> dict[str, Any]:
    """What was set aside, once it is; the queue is empty afterwards."""
    sqs = project.aws("sqs")
    url = sqs.get_queue_url(QueueName=project.names["dead_letter_queue"])["QueueUrl"]
    [letter] = until(
        lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", []),
        "it is set aside",
    )
    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
    found: dict[str, Any] = letter
    return found
