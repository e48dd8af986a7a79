"""Each bad input ends with a named error, one alert, a manifest, and nothing half-published."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("e2e-bad-input")


@pytest.fixture(autouse=True)
def nothing_is_published(project: Any, registered: Any) -> Any:
    """Whatever a test here does, the fixed curated files and the registry stay as they were."""
    before = project.published()
    yield
    assert project.published() == before


def assert_failed(run: Any, state: str, error: str) -> None:
    """The run failed in `state` as `error`; one alert says so in words, and so does the manifest."""
    assert run.description["status"] == "FAILED"
    assert run.description["error"] == error, run.description
    assert run.manifest["outcome"] == "failed"
    assert run.manifest["failure"]["state"] == state
    assert run.manifest["failure"]["error"] == error
    [alert] = run.alerts
    assert error in alert["Subject"]
    assert len(alert["Subject"]) < 100
    assert run.manifest["failure"]["cause"] in alert["Message"]
    assert not run.manifest["failure"]["cause"].lstrip().startswith("{"), "a cause is words, not JSON"


@pytest.mark.parametrize(
    ("event", "state", "error"),
    [
        ("training-unknown-key", "InitRun", "InvalidInput"),
        ("training-wrong-type", "InitRun", "InvalidInput"),
        ("training-out-of-range", "InitRun", "InvalidInput"),
        ("training-not-an-object", "InitRun", "InvalidInput"),
        ("training-foreign-bucket", "InitRun", "InvalidInput"),
        ("training-missing-source", "InitRun", "SourceNotFound"),
        ("training-missing-bundle", "InitRun", "CodeBundleNotFound"),
        ("training-table-empty", "PrepareData", "EmptySource"),
        ("training-table-header-only", "PrepareData", "EmptySource"),
        ("training-table-no-header", "PrepareData", "MissingHeader"),
        ("training-table-missing-column", "PrepareData", "MissingColumn"),
        ("training-table-renamed-column", "PrepareData", "MissingColumn"),
        ("training-table-not-utf8", "PrepareData", "NotUtf8"),
        ("training-table-not-a-table", "PrepareData", "NotACsv"),
        ("training-table-all-rows-bad", "PrepareData", "NoValidRows"),
        ("training-table-one-class", "PrepareData", "SingleClassTarget"),
    ],
)
def test_bad_input_fails_by_name(project: Any, event: str, state: str, error: str) -> None:
    assert_failed(project.run(project.event(event)), state, error)


def test_an_unknown_key_is_named(project: Any) -> None:
    run = project.run({"acuracy_threshold": 0.9})
    assert "acuracy_threshold" in run.manifest["failure"]["cause"]


@pytest.mark.parametrize(
    ("event", "metric"), [("training-high-threshold", "accuracy"), ("training-high-f1-threshold", "f1")]
)
def test_a_model_below_the_bar_is_rejected_and_nothing_broke(project: Any, event: str, metric: str) -> None:
    run = project.run(project.event(event))
    assert run.description["status"] == "SUCCEEDED"
    assert run.output["decision"] == "rejected"
    [failed] = [check for check in run.manifest["checks"] if not check["passed"]]
    assert failed["metric"] == metric
    [alert] = run.alerts
    assert metric in alert["Message"]
    arn = run.manifest["arns"]["model_package"]
    if arn:  # the pipeline's own gate let it pass: it is in the registry, and nobody can use it by mistake
        package = project.aws("sagemaker").describe_model_package(ModelPackageName=arn)
        assert package["ModelApprovalStatus"] == "Rejected"


def bundle(members: dict[str, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return gzip.compress(plain.getvalue())


def changed_bundle(project: Any, changes: dict[str, bytes]) -> bytes:
    """The deployed bundle with some members replaced."""
    key = project.stack.values["code_bundle_uri"].split("/", 3)[3]
    with tarfile.open(fileobj=io.BytesIO(project.read(key))) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
    return bundle(members | changes)


def run_with_bundle(project: Any, name: str, content: bytes) -> Any:
    uri = project.put(f"pipeline/code/{name}/pipeline_code.tar.gz", content)
    return project.run({"code_bundle_uri": uri})


def test_a_bundle_without_the_code_folder(project: Any) -> None:
    run = run_with_bundle(project, "empty", bundle({"readme.txt": b"no code"}))
    assert_failed(run, "TrainingFailed", "BadCodeBundle")
    assert run.manifest["failure"]["step"] == "DataPreProcessing"


@pytest.mark.parametrize("depth", [2, 30])
def test_a_bundle_that_climbs_out_of_its_folder_writes_nothing_there(
    project: Any, tmp_path: Path, depth: int
) -> None:
    target = tmp_path / "escaped.txt"
    climbing = "../" * depth + str(target).lstrip("/")
    run = run_with_bundle(project, f"climbs{depth}", changed_bundle(project, {climbing: b"out"}))
    assert_failed(run, "TrainingFailed", "BadCodeBundle")
    assert not target.exists()


def test_a_bundle_that_is_no_archive(project: Any) -> None:
    run = run_with_bundle(project, "noise", b"this is no archive")
    assert_failed(run, "TrainingFailed", "BadCodeBundle")


def test_a_script_that_exits_with_an_error_of_its_own(project: Any) -> None:
    script = b"import sys\nsys.exit('WrongPhaseOfMoon: try again in a week')\n"
    run = run_with_bundle(project, "exits", changed_bundle(project, {"pipeline/code/train.py": script}))
    assert_failed(run, "TrainingFailed", "WrongPhaseOfMoon")
    assert "try again in a week" in run.alerts[0]["Message"]
    assert "TrainModel" in run.alerts[0]["Message"]


def test_a_script_that_is_killed(project: Any) -> None:
    script = b"import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    run = run_with_bundle(project, "killed", changed_bundle(project, {"pipeline/code/preprocess.py": script}))
    assert_failed(run, "TrainingFailed", "TrainingFailed")
    assert "SIGKILL" in run.alerts[0]["Message"] or "exit code" in run.alerts[0]["Message"].lower()


def test_a_script_that_runs_past_its_time(project: Any) -> None:
    sagemaker, name = project.aws("sagemaker"), project.names["pipeline"]
    deployed = sagemaker.describe_pipeline(PipelineName=name)
    definition = json.loads(deployed["PipelineDefinition"])
    for step in definition["Steps"]:
        if step["Name"] == "DataPreProcessing":
            step["Arguments"]["StoppingCondition"] = {"MaxRuntimeInSeconds": 1}
    sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=json.dumps(definition))
    try:
        script = b"import time\ntime.sleep(600)\n"
        run = run_with_bundle(
            project, "slow", changed_bundle(project, {"pipeline/code/preprocess.py": script})
        )
    finally:
        sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=deployed["PipelineDefinition"])
    assert_failed(run, "TrainingFailed", "MaxRuntimeExceeded")


def sleeping(project: Any, name: str) -> dict[str, str]:
    script = b"import time\nprint('sleeping', flush=True)\ntime.sleep(600)\n"
    content = changed_bundle(project, {"pipeline/code/preprocess.py": script})
    return {"code_bundle_uri": project.put(f"pipeline/code/{name}/pipeline_code.tar.gz", content)}


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.05)
    return found


def jobs(project: Any, status: str) -> list[str]:
    listed = project.aws("sagemaker").list_processing_jobs(StatusEquals=status, MaxResults=100)
    return [job["ProcessingJobName"] for job in listed["ProcessingJobSummaries"]]


def test_stopping_an_execution_stops_its_jobs_and_says_so_once(project: Any) -> None:
    arn = project.start(sleeping(project, "stopped"))
    [job] = until(lambda: jobs(project, "InProgress"), "the preprocessing job runs")
    project.aws("stepfunctions").stop_execution(executionArn=arn, error="Operator", cause="wrong table")
    until(lambda: job in jobs(project, "Stopped"), "the job is stopped")
    manifest = until(
        lambda: [m for m in project.manifests() if m["execution_arn"] == arn], "there is a manifest"
    )[0]
    assert manifest["outcome"] == "aborted"
    [alert] = until(lambda: project.alerts_of(manifest["run_id"]), "there is an alert")
    assert "stopped" in alert["Message"].lower() or "aborted" in alert["Message"].lower()
    assert project.wait(project.aws("stepfunctions"), arn)["status"] == "ABORTED"


def test_a_second_run_yields_to_the_one_that_is_running(project: Any) -> None:
    first = project.start(sleeping(project, "first"))
    until(lambda: jobs(project, "InProgress"), "the first run is at work")
    second = project.run()
    assert_failed(second, "InitRun", "RunInProgress")
    assert first.rsplit(":", 1)[-1] in second.manifest["failure"]["cause"]
    project.aws("stepfunctions").stop_execution(executionArn=first)
    until(lambda: not jobs(project, "InProgress"), "the first run's job is stopped")
    until(lambda: [m for m in project.manifests() if m["execution_arn"] == first], "it has a manifest")


def test_the_same_execution_started_twice_is_one_run(project: Any) -> None:
    event = project.event("training-missing-source")
    arn = project.start(event, name="twice")
    result = project.result(arn)
    states = project.aws("stepfunctions")
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        project.start(event, name="twice")
    assert len([m for m in project.manifests() if m["execution_arn"] == arn]) == 1
    assert len(result.alerts) == 1
