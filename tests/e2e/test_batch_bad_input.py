"""Each bad batch ends with a named error, one alert, a manifest, and nothing half-published."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import dataset

pytestmark = [pytest.mark.xdist_group("e2e-batch"), pytest.mark.usefixtures("approved")]

HEADER = "PassengerId,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked"


@pytest.fixture
def nothing_is_published(project: Any) -> Iterator[None]:
    """Whatever a test here does, the predictions that were there stay the only ones."""
    before = project.predictions()
    yield
    assert project.predictions() == before


def line(number: int | str, **values: str) -> str:
    """A passenger as a line of the raw table."""
    passenger = {
        "PassengerId": str(number), "Pclass": "3", "Name": '"Doe, J"', "Sex": "male", "Age": "30",
        "SibSp": "0", "Parch": "0", "Ticket": "x", "Fare": "7.25", "Cabin": "", "Embarked": "S", **values,
    }  # fmt: skip
    return ",".join(passenger[name] for name in HEADER.split(","))


def table(*lines: str, header: str = HEADER) -> bytes:
    return "".join(f"{text}\n" for text in (header, *lines)).encode()


def predict(project: Any, name: str, content: bytes) -> Any:
    """A run over one small table, which is never like the training data: that is not the point here."""
    source_uri = project.put(f"raw/batches/{name}.csv", content)
    return project.predict({"source_uri": source_uri, "drift_threshold": 100})


def assert_failed(run: Any, state: str, error: str) -> None:
    """The run failed in `state` as `error`; one alert says so in words, and so does the manifest."""
    assert run.description["status"] == "FAILED"
    assert run.description["error"] == error, run.description
    assert run.manifest["kind"] == "batch_inference"
    assert run.manifest["failure"]["state"] == state
    assert run.manifest["failure"]["error"] == error
    [alert] = run.alerts
    assert len(alert["Subject"]) < 100
    assert run.manifest["failure"]["cause"] in alert["Message"]
    assert not run.manifest["failure"]["cause"].lstrip().startswith("{"), "a cause is words, not JSON"


def assert_scored(run: Any, rows: int, quarantined: dict[str, int]) -> None:
    """The run published `rows` predictions and set the others aside for these reasons."""
    assert run.description["status"] == "SUCCEEDED", run.manifest["failure"]
    assert run.manifest["predictions"]["rows"] == rows
    assert run.manifest["data"]["quarantine_reasons"] == quarantined
    assert len(run.alerts) == 1


@pytest.fixture
def nobody_approved(project: Any) -> Iterator[list[str]]:
    """No version is approved for a moment; yields those that otherwise are."""
    versions = project.approved()
    for version in versions:
        project.set_status(version, "PendingManualApproval")
    yield versions
    for version in versions:
        project.set_status(version, "Approved")


@pytest.mark.usefixtures("nothing_is_published")
def test_without_an_approved_model_it_says_which_versions_wait(
    project: Any, nobody_approved: list[str]
) -> None:
    run = project.predict()
    assert_failed(run, "GetApprovedModel", "NoApprovedModel")
    assert run.manifest["outcome"] == "no_approved_model"
    newest = max(int(arn.rpartition("/")[2]) for arn in nobody_approved)
    assert newest in run.manifest["waiting_versions"]
    assert f"titanic approve {run.manifest['waiting_versions'][0]}" in run.alerts[0]["Message"]


@pytest.mark.usefixtures("nothing_is_published")
def test_a_version_that_is_deleted_between_two_states(project: Any, hold: Callable[[str], Any]) -> None:
    doomed = project.run({"approval": "auto"}).manifest["arns"]["model_package"]
    held = hold("CreateModel")
    arn = project.start(kind="batch_inference")
    held.wait_for(arn)
    project.aws("sagemaker").delete_model_package(ModelPackageName=doomed)
    held.let_go(arn)
    run = project.result(arn)
    assert_failed(run, "CreateModel", "ModelPackageNotFound")
    assert doomed.rpartition("/")[2] in run.manifest["failure"]["cause"]


@pytest.mark.usefixtures("nothing_is_published")
def test_a_version_whose_approval_is_taken_back_between_two_states(
    project: Any, hold: Callable[[str], Any]
) -> None:
    newest = max(project.approved(), key=lambda arn: int(arn.rpartition("/")[2]))
    held = hold("CreateModel")
    arn = project.start(kind="batch_inference")
    held.wait_for(arn)
    project.set_status(newest, "Rejected")
    try:
        held.let_go(arn)
        assert_failed(project.result(arn), "CreateModel", "ModelNotApproved")
    finally:
        project.set_status(newest, "Approved")


@pytest.mark.usefixtures("nothing_is_published")
@pytest.mark.parametrize(
    ("run_input", "error"),
    [
        ({"drift_treshold": 0.1}, "InvalidInput"),
        ({"drift_threshold": "much"}, "InvalidInput"),
        ({"source_uri": "s3://somebody-elses/raw/x.csv"}, "InvalidInput"),
        ([], "InvalidInput"),
    ],
)
def test_a_mistyped_input_fails_at_once(project: Any, run_input: Any, error: str) -> None:
    assert_failed(project.predict(run_input), "InitRun", error)


@pytest.mark.usefixtures("nothing_is_published")
def test_a_source_that_is_not_there(project: Any) -> None:
    run = project.predict({"source_uri": f"s3://{project.bucket}/raw/batches/there-is-none/"})
    assert_failed(run, "InitRun", "SourceNotFound")


@pytest.mark.usefixtures("nothing_is_published")
@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("empty", b"", "EmptySource"),
        ("header-only", table(), "EmptySource"),
        ("no-sex", table("1,3", header="PassengerId,Pclass"), "MissingColumn"),
        ("none-valid", table(line(1, Sex="?"), line(2, Pclass="9")), "NoValidRows"),
        ("all-unseen", table(line(1, Sex="x"), line(2, Embarked="Z")), "NoValidRows"),
        (
            "half-bad",
            table(*map(line, range(1, 6)), *(line(n, Sex="x") for n in range(6, 9))),
            "TooManyBadRows",
        ),
        ("duplicates-only", table(line(1), line(1)), "NoValidRows"),
        ("no-ids", table(line(""), line("")), "NoValidRows"),
    ],
)
def test_a_batch_that_cannot_be_scored_fails_by_name(
    project: Any, name: str, content: bytes, error: str
) -> None:
    assert_failed(predict(project, name, content), "PrepareData", error)


def test_unseen_categories_are_set_aside_and_the_others_scored(project: Any) -> None:
    lines = [*map(line, range(1, 20)), line(20, Embarked="Z")]
    assert_scored(predict(project, "unseen", table(*lines)), 19, {"Embarked.unknown_category": 1})


def test_duplicate_and_missing_ids_are_set_aside_and_the_others_scored(project: Any) -> None:
    lines = [*map(line, range(1, 30)), line(30), line(30), line("")]
    run = predict(project, "ids", table(*lines))
    assert run.manifest["data"]["rows_quarantined"] == 3
    assert run.manifest["predictions"]["rows"] == 29
    assert run.manifest["data"]["quarantine_reasons"]["duplicate_id"] == 2


def test_a_target_column_is_not_looked_at(project: Any) -> None:
    lines = [f"{line(number)},{survived}" for number, survived in enumerate(["0", "1", "", "perhaps"], 1)]
    assert_scored(predict(project, "with-target", table(*lines, header=f"{HEADER},Survived")), 4, {})


def test_columns_may_come_in_another_order(project: Any) -> None:
    passengers = dataset.titanic_tables().new_passengers[:50]
    turned = [dict(reversed(row.items())) for row in passengers]
    runs = [
        predict(project, name, dataset.csv_bytes(rows))
        for name, rows in (("as-usual", passengers), ("turned", turned))
    ]
    hashes = {run.manifest["data"]["data_sha256"] for run in runs}
    assert len(hashes) == 1
    assert_scored(runs[1], 50, {})


@pytest.mark.usefixtures("nothing_is_published")
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda rows: rows[:-1], "PredictionsIncomplete"),
        (lambda rows: [*rows[1:], rows[0]], "PredictionsIncomplete"),
        (lambda rows: [*rows[:-1], rows[-1].split(b",")[0] + b",nan"], "PredictionsOutOfRange"),
        (lambda rows: [*rows[:-1], rows[-1].split(b",")[0] + b",1.5"], "PredictionsOutOfRange"),
        (lambda rows: [], "PredictionsIncomplete"),
    ],
    ids=["one missing", "ids moved", "not a number", "above one", "empty"],
)
def test_predictions_that_do_not_answer_the_batch_are_refused(
    project: Any, hold: Callable[[str], Any], change: Callable[[list[bytes]], list[bytes]], error: str
) -> None:
    held = hold("CheckPredictions")
    arn = project.start(kind="batch_inference")
    held.wait_for(arn)
    [key] = [key for key in project.keys("runs/") if "/transform/" in key and run_id_in(project, arn, key)]
    rows = project.read(key).splitlines()
    project.put(key, b"".join(row + b"\n" for row in change(rows)))
    held.let_go(arn)
    assert_failed(project.result(arn), "CheckPredictions", error)


def run_id_in(project: Any, execution_arn: str, key: str) -> bool:
    from datetime import UTC

    from functions.common.run_identity import identify

    described = project.aws("stepfunctions").describe_execution(executionArn=execution_arn)
    return identify(execution_arn, described["startDate"].astimezone(UTC), {}).run_id in key


def transform_workers(project: Any) -> list[int]:
    """Process ids of the transform workers of this test's cloud."""
    home = str(project.home)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "transform_worker" in command and home in command:
            found.append(int(process.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the worker's process in /proc")
@pytest.mark.usefixtures("nothing_is_published")
def test_a_transform_worker_that_dies(project: Any, until: Callable[..., Any]) -> None:
    arn = project.start(kind="batch_inference")
    for worker in until(lambda: transform_workers(project), "a worker is at work"):
        os.kill(worker, signal.SIGKILL)
    run = project.result(arn)
    assert run.manifest["failure"]["state"] == "CreateTransformJob"
    assert run.description["status"] == "FAILED"
    assert len(run.alerts) == 1
    assert "SIGKILL" in run.alerts[0]["Message"]
