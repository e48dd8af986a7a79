"""The stages as they stand on a cloud: tagged, complete, usable under their own roles, and settled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ops import endpoints, gate, monitoring
from ops.cost.facts import Facts
from scripts import terraform_tags

pytestmark = pytest.mark.xdist_group("terraform")

PASSENGERS = b"3,0,22,1,0,7.25,2\n1,1,38,1,0,71.2833,0\n"


def test_every_stage_is_applied(applied: Any, record_property: Any) -> None:
    seconds, lines = applied.runner.seconds, []
    for stage in applied.runner.stages:
        count = applied.runner.created[stage.name]
        assert count > 0
        took = sum(seconds[stage.name, command] for command in ("init", "plan", "apply"))
        lines.append(f"  {stage.name:36}{count:4} resources {took:6.1f} s")
    total = f"Terraform: {len(lines)} stages applied in {applied.seconds:.1f} s"
    record_property("terminal_summary", "\n".join([total, *lines]))


def test_titanic_cost_counts_the_alarms_that_terraform_makes(applied: Any) -> None:
    """`Facts._watched` says how many things each kind of alarm watches, as alarms.tf does."""
    observed = applied.runner.outputs("06_orchestration_observability")["alarm_names"]
    serving = applied.runner.outputs("04_serving")["serving_alarm_names"]
    facts = Facts()
    assert facts.alarms + facts.composite_alarms == len(observed) + len(serving)


def test_training_passes_under_the_roles_terraform_made(applied: Any) -> None:
    run = applied.run("training")
    assert run["status"] == "SUCCEEDED", run.get("cause")
    [version] = applied.versions()
    assert version["ModelApprovalStatus"] == "PendingManualApproval"


def test_without_an_approved_version_a_batch_waits_for_one(applied: Any) -> None:
    applied.deliver_new_passengers()
    assert applied.run("batch_inference")["error"] == "NoApprovedModel"


def test_an_approved_version_scores_a_batch(applied: Any) -> None:
    [version] = applied.versions()
    applied.aws("sagemaker").update_model_package(
        ModelPackageArn=version["ModelPackageArn"], ModelApprovalStatus="Approved"
    )
    run = applied.run("batch_inference")
    assert run["status"] == "SUCCEEDED", run.get("cause")
    assert applied.read("predictions/latest.json")["rows"] > 0


def test_the_approval_brings_the_version_to_prod(applied: Any, until: Any) -> None:
    """The rule has started the promotion; a person opens its gate."""
    [run] = until(lambda: gate.running(applied.target), "a promotion goes on")
    until(lambda: applied.has(gate.approval_key(run.run_id)), "it asks a person")
    gate.answer(applied.target, run, "as a test says", confirmed=True)
    ended = applied.wait(applied.aws("stepfunctions"), run.execution_arn)
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    answer = endpoints.invoke(applied.target, "titanic-survival-prod", PASSENGERS, endpoints.CSV)
    assert len(answer.body.split()) == 2
    arn = applied.names.arn("sagemaker", "endpoint/titanic-survival-prod")
    tags = applied.aws("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    assert {tag["Key"] for tag in tags} == set(terraform_tags.MANDATORY)


def test_a_schedule_starts_its_machine(applied: Any, until: Any) -> None:
    states = applied.aws("stepfunctions")

    def executions() -> list[str]:
        listed = states.list_executions(stateMachineArn=applied.machine_arn("batch_inference"))
        return [found["executionArn"] for found in listed["executions"]]

    before = len(executions())
    applied.let_fall_due("daily_batch_inference")
    until(lambda: len(executions()) > before, "the schedule starts a run")
    assert applied.wait(states, executions()[0])["status"] == "SUCCEEDED"


def test_what_prod_was_asked_is_compared_with_its_baseline(applied: Any, until: Any) -> None:
    """The question of the test before, under the roles of the function and of its job."""
    today = datetime.now(UTC).date().isoformat()

    def started() -> Any:  # once the requests have been captured
        answer = monitoring.start(applied.target, today)
        return answer if answer["outcome"] == monitoring.STARTED else None

    job = until(started, "prod's requests are captured")
    monitoring.wait_for_job(applied.target, job["job_name"])
    [report] = monitoring.latest_reports(applied.target, 1)
    assert report.rows == 2
    assert report.violations == ()


def test_objects_may_not_be_public_and_are_kept_in_versions(applied: Any) -> None:
    s3, bucket = applied.aws("s3"), applied.bucket
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert len(block) == 4


def test_logs_of_the_stages_end_one_day(applied: Any) -> None:
    groups = applied.aws("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    assert {group.get("retentionInDays") for group in groups} == {90}


def test_alarms_tell_people_where_nobody_else_does(applied: Any) -> None:
    pages = applied.aws("cloudwatch").get_paginator("describe_alarms")
    alarms = {
        alarm["AlarmName"].removeprefix(f"{applied.names.project}-{applied.names.env}-"): alarm[
            "AlarmActions"
        ]
        for page in pages.paginate(AlarmTypes=["CompositeAlarm", "MetricAlarm"])
        for alarm in [*page["CompositeAlarms"], *page["MetricAlarms"]]
    }
    topic = [applied.names.arn("sns", applied.names["alerts_topic"])]
    for telling in ("training-overdue", "dead-letters-not-empty", "record-stopped-run-errors"):
        assert alarms[telling] == topic
    for counting in ("training-failed", "training-timed-out", "pipeline-failed", "init-run-errors"):
        assert alarms[counting] == []


def test_a_second_plan_changes_nothing(applied: Any) -> None:
    """Asked as a pull request is: under the role that may only look, and may look at all of it."""
    ci = applied.as_ci("plan", sub=f"repo:{applied.runner.variables['github_repository']}:pull_request")
    changed = {stage: changed_attributes(plan) for stage, plan in ci.plan().items()}
    assert changed == {}


def changed_attributes(plan: dict[str, Any]) -> dict[str, set[str]]:
    """By address, the attributes that an apply of the plan would change."""
    changed = {}
    for resource in plan.get("resource_changes", []):
        change = resource["change"]
        if resource["mode"] == "managed" and change["actions"] != ["no-op"]:
            before, after = change["before"] or {}, change["after"] or {}
            changed[resource["address"]] = {
                name for name in {*before, *after} if before.get(name) != after.get(name)
            }
    return changed
