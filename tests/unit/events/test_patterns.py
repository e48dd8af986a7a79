"""What each rule tells people of, and what it leaves out because somebody was told already.

The events are AWS's documented samples (`events/samples/`), the matcher is the local cloud's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest
from botocore.session import get_session
from moto import mock_aws

from functions.common.training_run import Evaluation, MetricCheck, Thresholds, TrainingRun
from functions.register_model.registration import Prepare, RegisterModelEvent, Training, register
from functions.reject_model.rejection import RejectModelEvent, reject
from ops.templates import placeholders, render

EVENTS = Path(__file__).resolve().parents[3] / "events"
PATTERNS = sorted((EVENTS / "patterns").glob("*.json"))
ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}

Document = dict[str, Any]


def sample(name: str, **changes: Any) -> Document:
    """AWS's event with another detail; None takes a member away."""
    event: Document = json.loads((EVENTS / "samples" / f"{name}.json").read_text(encoding="utf-8"))
    changed = deepcopy(event["detail"]) | changes
    event["detail"] = {key: value for key, value in changed.items() if value is not None}
    return event


def matches(pattern: str, event: Mapping[str, Any], **values: str) -> bool:
    from ministack.services import eventbridge

    path = EVENTS / "patterns" / f"{pattern}.json"
    request = {"EventPattern": json.dumps(render(path, values)), "Event": json.dumps(event)}
    status, _headers, body = eventbridge._test_event_pattern(request)
    assert status == 200, body
    result: bool = json.loads(body)["Result"]
    return result


@pytest.mark.parametrize("path", PATTERNS, ids=lambda path: path.stem)
def test_eventbridge_takes_the_pattern(path: Path) -> None:
    from ministack.services import eventbridge

    rendered = json.dumps(render(path, dict.fromkeys(placeholders(path), "x")))
    assert eventbridge._event_pattern_error(rendered) is None


@pytest.mark.parametrize("path", sorted((EVENTS / "samples").glob("*.json")), ids=lambda path: path.stem)
def test_a_sample_is_a_whole_event(path: Path) -> None:
    assert json.loads(path.read_text(encoding="utf-8")).keys() == ENVELOPE


class TestPipelineExecution:
    ARN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/myPipeline-123"

    def told(self, arn: str = ARN, **changes: Any) -> bool:
        event = sample("pipeline_execution_state_change", **changes)
        return matches("pipeline_execution_state_change", event, PipelineArn=arn)

    def test_tells_of_a_failed_execution_that_somebody_started_by_hand(self) -> None:
        assert self.told(currentPipelineExecutionStatus="Failed")
        assert self.told(currentPipelineExecutionStatus="Failed", pipelineExecutionDescription=None)

    def test_leaves_those_of_a_training_run_to_the_run(self) -> None:
        run = "arn:aws:states:eu-west-1:111122223333:execution:titanic-sagemaker-dev-training:weekly"
        assert not self.told(currentPipelineExecutionStatus="Failed", pipelineExecutionDescription=run)

    @pytest.mark.parametrize("status", ["Executing", "Succeeded", "Stopping", "Stopped"])
    def test_is_silent_about_what_is_well_or_wanted(self, status: str) -> None:
        assert not self.told(currentPipelineExecutionStatus=status)

    def test_is_silent_about_other_pipelines(self) -> None:
        assert not self.told(arn=f"{self.ARN}4", currentPipelineExecutionStatus="Failed")

    def test_is_silent_about_steps(self) -> None:
        event = sample("pipeline_step_state_change", currentStepStatus="Failed")
        assert not matches("pipeline_execution_state_change", event, PipelineArn=self.ARN)


class TestModelPackage:
    GROUP = "versionedmp-p-idy6c3e1fiqj"

    def told(self, group: str = GROUP, **changes: Any) -> bool:
        event = sample("model_package_state_change", **changes)
        return matches("model_package_state_change", event, ModelPackageGroupName=group)

    @pytest.mark.parametrize("status", ["Approved", "Rejected"])
    @pytest.mark.parametrize("words", [None, "Looks good (by arn:aws:iam::111122223333:user/ana)"])
    def test_tells_of_a_persons_decision(self, status: str, words: str | None) -> None:
        fields = ["ApprovalDescription", "ModelApprovalStatus"]
        changes = {"UpdatedModelPackageFields": fields, "ApprovalDescription": words}
        assert self.told(ModelApprovalStatus=status, **changes)

    def test_tells_of_a_decision_in_the_layout_that_does_not_name_the_fields(self) -> None:
        assert self.told(UpdatedModelPackageFields=None)

    @pytest.mark.parametrize("approval", ["auto", "manual"])
    def test_leaves_a_runs_approval_to_the_run(self, approval: str) -> None:
        assert not self.told(**decided(lambda stub: register_with(stub, approval)))

    def test_leaves_a_runs_rejection_to_the_run(self) -> None:
        assert not self.told(**decided(reject_with))

    def test_tells_of_a_person_who_overrules_a_run_without_a_word(self) -> None:
        rejected = decided(reject_with) | {"ModelApprovalStatus": "Approved"}
        approved = decided(lambda stub: register_with(stub, "auto")) | {"ModelApprovalStatus": "Rejected"}
        assert self.told(**rejected)
        assert self.told(**approved)

    def test_is_silent_about_a_new_version_and_about_changed_metadata(self) -> None:
        new = {"ModelApprovalStatus": "PendingManualApproval", "UpdatedModelPackageFields": None}
        assert not self.told(**new)
        assert not self.told(UpdatedModelPackageFields=["CustomerMetadataProperties"])
        assert not self.told()  # AWS's sample as it is: the life cycle moved on

    def test_is_silent_about_other_groups(self) -> None:
        assert not self.told(group="versionedmp", UpdatedModelPackageFields=["ModelApprovalStatus"])


class TestEndpoint:
    def told(self, prefix: str = "MyEnd", **changes: Any) -> bool:
        event = sample("endpoint_state_change", **changes)
        return matches("endpoint_state_change", event, EndpointNamePrefix=prefix)

    @pytest.mark.parametrize("status", ["FAILED", "ROLLING_BACK", "RollingBack", "UPDATE_ROLLBACK_FAILED"])
    def test_tells_of_an_endpoint_in_trouble_in_either_spelling(self, status: str) -> None:
        assert self.told(EndpointStatus=status)

    @pytest.mark.parametrize("status", ["IN_SERVICE", "InService", "CREATING", "UPDATING", "DELETING"])
    def test_is_silent_about_an_endpoint_that_works_or_is_being_worked_on(self, status: str) -> None:
        assert not self.told(EndpointStatus=status)

    def test_is_silent_about_other_endpoints(self) -> None:
        assert not self.told(prefix="titanic-", EndpointStatus="FAILED")


class TestExecution:
    MACHINE = "arn:aws:states:us-east-1:012345678912:stateMachine:state-machine"
    OTHER = "arn:aws:states:us-east-1:012345678912:stateMachine:other"

    def told(
        self,
        name: str = "failed",
        training: str = MACHINE,
        batch: str = OTHER,
        promotion: str = OTHER,
        **changes: Any,
    ) -> bool:
        return matches(
            "execution_state_change",
            sample(f"step_functions_execution_{name}", **changes),
            TrainingStateMachineArn=training,
            BatchInferenceStateMachineArn=batch,
            PromotionStateMachineArn=promotion,
        )

    @pytest.mark.parametrize(
        "error", ["States.Runtime", "States.DataLimitExceeded", "States.NoChoiceMatched"]
    )
    def test_tells_of_what_no_catch_can_see(self, error: str) -> None:
        assert self.told(error=error)
        assert self.told(training=self.OTHER, batch=self.MACHINE, error=error)
        assert self.told(training=self.OTHER, promotion=self.MACHINE, error=error)

    @pytest.mark.parametrize("error", [None, "MissingColumn", "States.TaskFailed", "RunUnrecorded"])
    def test_leaves_failures_to_the_machine_that_told_of_them(self, error: str | None) -> None:
        assert not self.told(error=error)

    @pytest.mark.parametrize("name", ["succeeded", "aborted"])
    def test_is_silent_about_other_ends(self, name: str) -> None:
        assert not self.told(name, error="States.Runtime")

    def test_is_silent_about_other_machines(self) -> None:
        assert not self.told(training=self.OTHER, error="States.Runtime")

    @pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"])
    @pytest.mark.parametrize("error", [None, "States.Runtime", "States.Timeout"])
    def test_no_end_is_told_by_two_rules(self, status: str, error: str | None) -> None:
        event = sample("step_functions_execution_failed", status=status, error=error)
        machines = {
            "TrainingStateMachineArn": self.OTHER,
            "BatchInferenceStateMachineArn": self.OTHER,
            "PromotionStateMachineArn": self.MACHINE,
        }
        told = [matches(rule, event, **machines) for rule in ("execution_state_change", "stopped_runs")]
        assert sum(told) == (
            status in ("ABORTED", "TIMED_OUT") or (status, error) == ("FAILED", "States.Runtime")
        )


class TestMonitoringJob:
    """monitoring_job_state_change"""

    NAMES: ClassVar = {"Project": "titanic-sagemaker", "Env": "dev"}

    def event(self, **changes: Any) -> Document:
        job = {"ProcessingJobName": "titanic-sagemaker-dev-monitor-20261120-0123456789"}
        return sample("processing_job_state_change", **job | changes)

    def test_tells_of_a_job_that_failed(self) -> None:
        failed = self.event(ProcessingJobStatus="Failed")
        assert matches("monitoring_job_state_change", failed, **self.NAMES)

    @pytest.mark.parametrize("status", ["InProgress", "Completed", "Stopped"])
    def test_leaves_what_a_job_found_to_the_alarm(self, status: str) -> None:
        assert not matches(
            "monitoring_job_state_change", self.event(ProcessingJobStatus=status), **self.NAMES
        )

    def test_leaves_the_pipelines_jobs_to_the_run(self) -> None:
        other = self.event(ProcessingJobStatus="Failed", ProcessingJobName="pipelines-abc-ModelEvaluation-x")
        assert not matches("monitoring_job_state_change", other, **self.NAMES)


def test_statuses_are_spelled_as_sagemaker_spells_them() -> None:
    model = get_session().get_service_model("sagemaker")

    def listed(pattern: str, *path: str) -> set[str]:
        found = json.loads((EVENTS / "patterns" / f"{pattern}.json").read_text(encoding="utf-8"))["detail"]
        for key in path:
            found = found[key]
        return {value.replace("_", "").lower() for value in found}

    def known(shape: str) -> set[str]:
        return {value.lower() for value in model.shape_for(shape).enum}

    execution = listed("pipeline_execution_state_change", "currentPipelineExecutionStatus")
    assert execution <= known("PipelineExecutionStatus")
    assert listed("endpoint_state_change", "EndpointStatus") <= known("EndpointStatus")


@pytest.mark.parametrize("kind", ["Processing", "Training", "Transform"])
def test_a_job_event_repeats_what_describe_says(kind: str) -> None:
    """So the local cloud, whose job events are the Describe answer, uses AWS's names."""
    model = get_session().get_service_model("sagemaker")
    members = model.operation_model(f"Describe{kind}Job").output_shape.members
    documented = sample(f"{kind.lower()}_job_state_change")["detail"].keys()
    assert documented - {"Tags"} <= members.keys()


def decided(decide: Callable[[Registry], object]) -> Document:
    """The detail's members after one of our functions decided about a version."""
    stub = Registry()
    decide(stub)
    [update] = stub.updates
    fields = sorted(update.keys() - {"ModelPackageArn"})
    return {key: value for key, value in update.items() if key != "ModelPackageArn"} | {
        "UpdatedModelPackageFields": fields
    }


def register_with(stub: Registry, approval: Any) -> None:
    event = RegisterModelEvent(
        run=run(approval),
        prepare=Prepare(job_run_id="jr_1"),
        training=Training(pipeline_execution_arn="arn:aws:sagemaker:x:1:pipeline/p/execution/e", status="ok"),
        evaluation=evaluation(passed=True),
    )
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="data_report.json", Body=b'{"data_sha256": "abc"}')
        register(event, sagemaker=stub, s3=s3)


def reject_with(stub: Registry) -> None:
    reject(RejectModelEvent(run=run("manual"), evaluation=evaluation(passed=False)), sagemaker=stub)


class Registry:
    """A version that waits for approval."""

    def __init__(self) -> None:
        self.updates: list[Document] = []

    def describe_model_package(self, **_named: str) -> Document:
        return {"ModelApprovalStatus": "PendingManualApproval"}

    def update_model_package(self, **update: Any) -> None:
        self.updates.append(update)


def run(approval: Any) -> TrainingRun:
    return TrainingRun(
        run_id="20261121-1a2b3c4d5e",
        run_date="2026-11-21",
        execution_arn="arn:aws:states:eu-west-1:123456789012:execution:training:one",
        source_uri="s3://bucket/raw/titanic.csv",
        code_bundle_uri="s3://bucket/pipeline/code/abc/pipeline_code.tar.gz",
        accuracy_threshold="0.78",
        thresholds=Thresholds(accuracy=0.78, f1=0.7, auc=0.8),
        approval=approval,
        train_uri="s3://bucket/train.csv",
        validation_uri="s3://bucket/validation.csv",
        data_report_uri="s3://bucket/data_report.json",
        client_request_token="0" * 64,
        training_deadline="2026-11-21T08:00:00Z",
    )


def evaluation(*, passed: bool) -> Evaluation:
    value = 0.9 if passed else 0.1
    return Evaluation(
        passed=passed,
        metrics={"accuracy": value},
        checks=[MetricCheck(metric="accuracy", value=value, threshold=0.78, passed=passed)],
        model_package_arn="arn:aws:sagemaker:eu-west-1:123456789012:model-package/group/1",
        evaluation_uri="s3://bucket/evaluation.json",
    )
