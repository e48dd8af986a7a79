"""What goes wrong, under the roles Terraform made: runs are recorded, and what they left half done is undone.

Each failure needs permissions that no good run needs.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ops import endpoints, gate, runs

pytestmark = pytest.mark.xdist_group("terraform")

STAGING, PROD = "titanic-survival-staging", "titanic-survival-prod"
BAKE_SECONDS = 2000  # which the cloud's wait scale makes 2


def bundle_uri(applied: Any, name: str, member: str, change: Callable[[bytes], bytes]) -> str:
    """A code bundle that differs from the published one in one member."""
    packed = (applied.runner.work / "build/pipeline_code.tar.gz").read_bytes()
    plain = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(packed)) as published,
        tarfile.open(fileobj=plain, mode="w") as changed,
    ):
        for found in published:
            content = published.extractfile(found).read()  # type: ignore[union-attr] # files only
            content = change(content) if found.name == member else content
            found.size = len(content)
            changed.addfile(found, io.BytesIO(content))
    key = f"pipeline/code/{name}/pipeline_code.tar.gz"
    applied.put(key, gzip.compress(plain.getvalue()))
    return f"s3://{applied.bucket}/{key}"


@contextmanager
def held(applied: Any, machine: str, state: str) -> Iterator[None]:
    """Executions that are started meanwhile wait before the state until they are stopped."""
    states, arn = applied.aws("stepfunctions"), applied.machine_arn(machine)
    deployed = states.describe_state_machine(stateMachineArn=arn)["definition"]
    definition = json.loads(json.dumps(json.loads(deployed)).replace(f'"Next": "{state}"', '"Next": "Held"'))
    definition["States"]["Held"] = {"Type": "Wait", "Seconds": 90_000, "Next": state}
    states.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
    try:
        yield
    finally:
        states.update_state_machine(stateMachineArn=arn, definition=deployed)


def entered(applied: Any, execution: str) -> list[str]:
    pages = applied.aws("stepfunctions").get_paginator("get_execution_history")
    events = [event for page in pages.paginate(executionArn=execution) for event in page["events"]]
    return [e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e]


def stop(applied: Any, until: Any, execution: str) -> dict[str, Any]:
    """The manifest that the recorder of stopped runs wrote."""
    applied.aws("stepfunctions").stop_execution(executionArn=execution, cause="wrong table")
    manifest: dict[str, Any] = until(lambda: applied.manifest(execution), "the stopped run is recorded")
    assert manifest["outcome"] == "aborted"
    return manifest


def test_a_dirty_table_fails_before_it_is_trained_on(applied: Any) -> None:
    run = applied.run("training", applied.event("training-table-too-many-bad-rows"))
    assert run["error"] == "TooManyBadRows"
    assert applied.manifest(run["executionArn"])["failure"]["state"] == "PrepareData"


def test_a_model_below_the_bar_is_rejected(applied: Any) -> None:
    run = applied.run("training", applied.event("training-high-f1-threshold"))
    assert json.loads(run["output"])["decision"] == "rejected"


def test_a_pipeline_that_breaks_says_where(applied: Any) -> None:
    key = "pipeline/code/noise/pipeline_code.tar.gz"
    applied.put(key, b"this is no archive")
    run = applied.run("training", {"code_bundle_uri": f"s3://{applied.bucket}/{key}"})
    failure = applied.manifest(run["executionArn"])["failure"]
    assert (failure["step"], failure["error"]) == ("DataPreProcessing", "BadCodeBundle")


def test_a_version_that_cannot_be_judged_is_withdrawn(applied: Any) -> None:
    """The evaluation lacks what the second gate asks for, after the pipeline has registered the version."""
    written = b"    documents = {\n"

    def without_f1(code: bytes) -> bytes:
        assert code.count(written) == 1
        lacking = b'    del report["binary_classification_metrics"]["f1"]\n'
        return code.replace(written, lacking + written).replace(
            b"print(summary(report), flush=True)", b"pass"
        )

    uri = bundle_uri(applied, "unjudged", "pipeline/code/evaluate.py", without_f1)
    run = applied.run("training", {"code_bundle_uri": uri})
    assert run["error"] == "MetricsUnavailable"
    assert status_of(applied, applied.manifest(run["executionArn"])) == "Rejected"


def status_of(applied: Any, manifest: dict[str, Any]) -> str:
    arn = manifest["arns"]["model_package"]
    found = applied.aws("sagemaker").describe_model_package(ModelPackageName=arn)
    return str(found["ModelApprovalStatus"])


def test_a_run_that_is_stopped_takes_its_pipeline_with_it(applied: Any, until: Any) -> None:
    sleeping = b"import time\ntime.sleep(600)\n"
    uri = bundle_uri(applied, "sleeps", "pipeline/code/preprocess.py", lambda _code: sleeping)
    execution = applied.start("training", {"code_bundle_uri": uri})
    sagemaker = applied.aws("sagemaker")

    def jobs(status: str) -> list[Any]:
        listed = sagemaker.list_processing_jobs(StatusEquals=status)
        found: list[Any] = listed["ProcessingJobSummaries"]
        return found

    until(lambda: jobs("InProgress"), "the preprocessing job runs")
    stop(applied, until, execution)
    until(lambda: jobs("Stopped") and not jobs("InProgress"), "the preprocessing job is stopped")


def test_a_version_of_a_run_that_is_stopped_is_withdrawn(applied: Any, until: Any) -> None:
    with held(applied, "training", "EvalMetrics"):
        execution = applied.start("training")
        until(lambda: "Held" in entered(applied, execution), "the version is registered, and not judged")
        manifest = stop(applied, until, execution)
    assert status_of(applied, manifest) == "Rejected"


@pytest.fixture(scope="module")
def second(applied: Any) -> str:
    """ARN of a version that a run approves by itself, and that may be promoted over the one in prod."""
    run = applied.run("training", applied.event("training-auto-approve"))
    arn: str = applied.manifest(run["executionArn"])["arns"]["model_package"]
    return arn


def at_gate(applied: Any, until: Any, run: runs.Run) -> runs.Run:
    until(lambda: applied.has(gate.approval_key(run.run_id)), "it asks a person")
    return run


def test_a_declined_version_does_not_reach_prod(applied: Any, until: Any, second: str) -> None:
    """The rule has started the promotion of the version that the run approved."""
    before = endpoints.describe_endpoint(applied.target, PROD)
    [run] = until(lambda: gate.running(applied.target), "a promotion goes on")
    gate.answer(applied.target, at_gate(applied, until, run), "not today", confirmed=False)
    ended = applied.wait(applied.aws("stepfunctions"), run.execution_arn)
    assert json.loads(ended["output"])["decision"] == "declined"
    assert endpoints.describe_endpoint(applied.target, PROD) == before


def test_staging_that_a_stopped_promotion_left_goes_at_night(applied: Any, until: Any, second: str) -> None:
    execution = applied.start("promotion", {"model_package_arn": second})
    at_gate(applied, until, runs.describe_run(applied.target, execution))
    stop(applied, until, execution)
    assert endpoints.find_endpoint(applied.target, STAGING)
    applied.let_fall_due("nightly_staging_shutdown")
    until(lambda: endpoints.find_endpoint(applied.target, STAGING) is None, "staging is gone")


def test_an_alarm_in_the_canary_takes_prod_back(applied: Any, until: Any, second: str) -> None:
    before = endpoints.describe_endpoint(applied.target, PROD)
    execution = applied.start("promotion", {"model_package_arn": second, "bake_seconds": BAKE_SECONDS})
    run = at_gate(applied, until, runs.describe_run(applied.target, execution))
    gate.answer(applied.target, run, None, confirmed=True)
    until(lambda: endpoints.describe_endpoint(applied.target, PROD).pending_config, "prod is being updated")
    with alarming(applied):
        ended = applied.wait(applied.aws("stepfunctions"), execution)
    assert ended["error"] == "PromotionRolledBack"
    assert endpoints.describe_endpoint(applied.target, PROD).config == before.config


@contextmanager
def alarming(applied: Any) -> Iterator[None]:
    alarm, cloudwatch = applied.names["prod_errors_alarm"], applied.aws("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    try:
        yield
    finally:
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="a test")
