from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.common.errors import InvalidInput
from functions.common.inputs import parse_input
from functions.common.recorder import Record
from functions.record_run import handler as handler_module
from functions.record_run.recording import RecordRunEvent, RecordRunSettings, record

BUCKET = "titanic-sagemaker-dev-123456789012"
RUN_ID = "20261121-a6fe0531ae"
MANIFEST, REPORT = f"runs/{RUN_ID}/manifest.json", f"runs/{RUN_ID}/data_report.json"
PIPELINE = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/titanic-modelbuild-dev/execution/abcdefghijkl"
TRAINED = {"training": {"pipeline_execution_arn": PIPELINE, "status": "Failed"}}
TRAINING_FAILED = {
    "error": {"Error": "TrainingFailed", "Cause": f"Pipeline execution {PIPELINE} ended as Failed."}
}

Recorder = Callable[..., Record]


@pytest.fixture
def record_as(states: Any, sagemaker: Any, s3: Any, execution: dict[str, Any]) -> Recorder:
    def record_as(outcome: str, state: dict[str, Any], **changes: Any) -> Record:
        event = {"kind": "training", "outcome": outcome, "state": state, "execution": execution | changes}
        request = parse_input(event, RecordRunEvent, "RecordRun event")
        settings = RecordRunSettings(
            env="dev", data_bucket=BUCKET, model_package_group="titanic-survival-xgboost"
        )
        return record(request, settings, states=states, sagemaker=sagemaker, s3=s3)

    return record_as


@pytest.fixture
def registered_state(run: Any, evaluation: Any, register_package: Any) -> dict[str, Any]:
    arn = register_package()
    return {
        "run": run,
        "prepare": {"job_run_id": "jr_1"},
        "training": {"pipeline_execution_arn": PIPELINE, "status": "Succeeded"},
        "evaluation": evaluation(arn),
        "registration": {"model_package_arn": arn, "approval_status": "PendingManualApproval"},
    }


def status_of(sagemaker: Any, arn: str) -> str:
    return str(sagemaker.registry.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"])


def test_a_registered_run_leaves_the_whole_story(
    *, record_as: Recorder, registered_state: Any, states: Any, put: Any, get: Any, run: Any
) -> None:
    put(REPORT, {"rows_in": 891, "rows_out": 889, "data_sha256": "d", "columns": {"Age": {"missing": 177}}})
    states.visit("InitRun")
    states.visit("RegisterModel")
    states.enter("RecordRegistered")
    written = record_as("registered", registered_state, input={"f1_threshold": 0.7})
    arn = registered_state["registration"]["model_package_arn"]
    found = get(MANIFEST)
    assert found == written.manifest
    assert found == {
        "run_id": RUN_ID,
        "run_date": "2026-11-21",
        "kind": "training",
        "outcome": "registered",
        "decision": "registered",
        "execution_arn": run["execution_arn"],
        "started_at": "2026-11-21T06:54:22.123Z",
        "finished_at": "2026-11-21T06:54:42.123Z",
        "git_sha": "0a1b2c3",
        "code_bundle_uri": run["code_bundle_uri"],
        "source_uri": run["source_uri"],
        "data": {"rows_in": 891, "rows_out": 889, "data_sha256": "d"},
        "parameters": {"input": {"f1_threshold": 0.7}, "thresholds": run["thresholds"]},
        "arns": {"pipeline_execution": PIPELINE, "model_package": arn},
        "metrics": {"accuracy": 0.82, "f1": 0.76, "auc": 0.87},
        "checks": registered_state["evaluation"]["checks"],
        "approval": {"status": "PendingManualApproval", "mode": "manual", "by": None},
        "failure": None,
        "states": [
            {"name": "InitRun", "entered_at": "2026-11-21T06:54:22.123Z", "seconds": 10.0, "visits": 1},
            {"name": "RegisterModel", "entered_at": "2026-11-21T06:54:32.123Z", "seconds": 10.0, "visits": 1},
        ],
    }
    assert written.summary["decision"] == "registered"
    assert written.summary["next_command"] == "titanic approve 1"
    assert written.summary["manifest_uri"] == f"s3://{BUCKET}/{MANIFEST}"


def test_an_automatic_approval_is_signed_by_the_execution(record_as: Recorder, registered_state: Any) -> None:
    registered_state["run"]["approval"] = "auto"
    registered_state["registration"]["approval_status"] = "Approved"
    approval = record_as("registered", registered_state).manifest["approval"]
    assert approval["by"] == registered_state["run"]["execution_arn"]


def test_a_rejected_run_is_a_decision_not_a_failure(record_as: Recorder, run: Any, evaluation: Any) -> None:
    state = {
        "run": run,
        "training": {"pipeline_execution_arn": PIPELINE},
        "evaluation": evaluation(None, accuracy=0.7),
        "registration": {"model_package_arn": None, "approval_status": None},
    }
    written = record_as("rejected", state)
    assert (written.manifest["decision"], written.manifest["failure"]) == ("rejected", None)
    assert written.notification.subject == "[dev] Model rejected: accuracy 0.7000 is below 0.7800"


def test_a_failed_init_is_recorded_without_a_run(record_as: Recorder, states: Any) -> None:
    states.visit("InitRun", failed=True)
    states.enter("RecordFailure")
    cause = json.dumps({"errorType": "InvalidInput", "errorMessage": "Execution input is a list."})
    written = record_as("failed", {"error": {"Error": "InvalidInput", "Cause": cause}}, input=[1])
    assert written.manifest["run_id"] == RUN_ID
    assert written.manifest["source_uri"] is None
    assert written.manifest["parameters"]["input"] == [1]
    assert written.manifest["failure"] == {
        "state": "InitRun",
        "step": None,
        "error": "InvalidInput",
        "cause": "Execution input is a list.",
    }
    assert written.notification.subject == "[dev] Training failed at InitRun: InvalidInput"


def test_a_scheduled_run_is_found_under_its_scheduled_date(record_as: Recorder) -> None:
    written = record_as("failed", {}, input={"scheduled_time": "2026-11-16T06:00:00Z"})
    assert written.manifest["run_id"] == "20261116-a6fe0531ae"


def test_a_failed_prepare_job_is_named_by_its_own_error(record_as: Recorder, states: Any, run: Any) -> None:
    states.visit("InitRun")
    states.visit("PrepareData", failed=True)
    states.enter("RecordFailure")
    job = {"Id": "jr_1", "JobRunState": "FAILED", "ErrorMessage": "MissingColumn: no column 'Sex': add it."}
    error = {"Error": "States.TaskFailed", "Cause": json.dumps(job)}
    written = record_as("failed", {"run": run, "error": error})
    assert written.manifest["failure"]["state"] == "PrepareData"
    assert written.manifest["failure"]["error"] == "MissingColumn"
    assert written.manifest["data"] is None
    assert "no column 'Sex': add it." in written.notification.message


def test_a_failed_processing_step_is_named_by_its_exit_message(
    record_as: Recorder, states: Any, sagemaker: Any, run: Any
) -> None:
    states.visit("TrainingFailed", "Pass")
    sagemaker.add_job_step(
        "DataPreProcessing",
        "Failed",
        ExitMessage="InvalidValue: row 3: Age is negative.",
        FailureReason="AlgorithmError: See job logs for more information, exit code: 1",
    )
    failure = record_as("failed", {"run": run} | TRAINED | TRAINING_FAILED).manifest["failure"]
    assert failure == {
        "state": "TrainingFailed",
        "step": "DataPreProcessing",
        "error": "InvalidValue",
        "cause": "row 3: Age is negative.",
    }


def test_a_failed_training_step_is_named_by_its_failure_reason(
    record_as: Recorder, sagemaker: Any, run: Any
) -> None:
    sagemaker.add_job_step("DataPreProcessing")
    reason = "AlgorithmError: ExecuteUserScriptError:\nSingleClassTarget: one class only., exit code: 1"
    sagemaker.add_step("TrainModel", "Failed", reason)
    failure = record_as("failed", {"run": run} | TRAINED | TRAINING_FAILED).manifest["failure"]
    assert (failure["step"], failure["error"], failure["cause"]) == (
        "TrainModel",
        "SingleClassTarget",
        "one class only.",
    )


@pytest.mark.parametrize(
    ("step_reason", "execution_reason", "cause"),
    [
        (
            "AlgorithmError: killed by SIGKILL, exit code: 137",
            "Step failure",
            "AlgorithmError: killed by SIGKILL",
        ),
        ("", "Bundle cannot be read", "Bundle cannot be read"),
        ("", None, f"Pipeline execution {PIPELINE} ended as Failed."),
    ],
)
def test_a_failure_without_a_name_is_told_by_the_next_best_words(
    *,
    record_as: Recorder,
    sagemaker: Any,
    run: Any,
    step_reason: str,
    execution_reason: str | None,
    cause: str,
) -> None:
    sagemaker.add_step("TrainModel", "Failed", step_reason)
    sagemaker.failure_reason = execution_reason
    failure = record_as("failed", {"run": run} | TRAINED | TRAINING_FAILED).manifest["failure"]
    assert failure["error"] == "TrainingFailed"
    assert failure["cause"].startswith(cause)


def test_training_past_its_deadline_names_the_step_that_was_running(
    record_as: Recorder, states: Any, sagemaker: Any, run: Any
) -> None:
    states.visit("TrainingTimedOut", "Pass")
    states.visit("StopTraining")
    sagemaker.add_step("DataPreProcessing", "Succeeded")
    sagemaker.add_step("TrainModel", "Stopping")
    error = {"error": {"Error": "TrainingTimedOut", "Cause": "It was still Executing at its deadline."}}
    failure = record_as("failed", {"run": run} | TRAINED | error).manifest["failure"]
    assert failure == {
        "state": "TrainingTimedOut",
        "step": "TrainModel",
        "error": "TrainingTimedOut",
        "cause": "It was still Executing at its deadline.",
    }


def test_a_version_that_nobody_judged_is_withdrawn(
    record_as: Recorder, states: Any, sagemaker: Any, register_package: Any, run: Any
) -> None:
    arn = register_package()
    sagemaker.add_step("RegisterModel", "Succeeded", RegisterModel={"Arn": arn})
    states.visit("EvalMetrics", failed=True)
    error = {"error": {"Error": "MetricsUnavailable", "Cause": "There is no report."}}
    written = record_as("failed", {"run": run} | TRAINED | error)
    assert status_of(sagemaker, arn) == "Rejected"
    assert written.manifest["arns"]["model_package"] == arn
    assert written.manifest["approval"]["status"] == "Rejected"
    description = sagemaker.registry.describe_model_package(ModelPackageName=arn)["ApprovalDescription"]
    assert description == f"Run {RUN_ID} failed at EvalMetrics before judging this version"


def test_a_version_that_was_judged_is_left_alone(
    record_as: Recorder, states: Any, sagemaker: Any, registered_state: Any
) -> None:
    states.visit("NotifyRegistered", failed=True)
    error = {"error": {"Error": "SNS.AmazonSNSException", "Cause": "down"}}
    written = record_as("failed", registered_state | error)
    arn = registered_state["registration"]["model_package_arn"]
    assert status_of(sagemaker, arn) == "PendingManualApproval"
    assert (written.manifest["outcome"], written.manifest["decision"]) == ("failed", "registered")
    assert written.manifest["arns"]["model_package"] == arn


@pytest.mark.parametrize("status", ["Approved", "Rejected"])
def test_a_version_that_somebody_decided_on_is_left_alone(
    record_as: Recorder, sagemaker: Any, register_package: Any, run: Any, status: str
) -> None:
    arn = register_package()
    sagemaker.registry.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)
    sagemaker.add_step("RegisterModel", "Succeeded", RegisterModel={"Arn": arn})
    record_as("failed", {"run": run} | TRAINED)
    assert status_of(sagemaker, arn) == status


def test_a_version_that_is_gone_does_not_stop_the_record(
    record_as: Recorder, states: Any, run: Any, evaluation: Any
) -> None:
    gone = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/99"
    error = {"error": {"Error": "ModelPackageNotFound", "Cause": "gone"}}
    written = record_as("failed", {"run": run, "evaluation": evaluation(gone)} | TRAINED | error)
    assert written.manifest["approval"]["status"] is None
    assert written.manifest["arns"]["model_package"] == gone


def test_a_state_without_an_error_is_still_recorded(record_as: Recorder) -> None:
    failure = record_as("failed", {}).manifest["failure"]
    assert failure["error"] == "UnknownError"


def test_recording_again_writes_the_same_bytes(
    *, record_as: Recorder, states: Any, sagemaker: Any, register_package: Any, s3: Any, run: Any
) -> None:
    sagemaker.add_step("RegisterModel", "Succeeded", RegisterModel={"Arn": register_package()})
    states.visit("EvalMetrics", failed=True)
    states.enter("RecordFailure")
    state = {"run": run, "error": {"Error": "MetricsUnavailable", "Cause": "none"}} | TRAINED

    def written() -> tuple[Record, bytes]:
        made = record_as("failed", state)
        return made, s3.get_object(Bucket=BUCKET, Key=MANIFEST)["Body"].read()

    assert written() == written()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "won"}, "key 'outcome'"),
        ({"state": []}, "key 'state' is a list"),
        ({"surprise": 1}, "unknown key 'surprise'"),
    ],
)
def test_a_payload_of_another_shape_is_refused(
    execution: Any, lambda_context: Any, change: dict[str, Any], words: str
) -> None:
    event = {"kind": "training", "outcome": "failed", "state": {}, "execution": execution} | change
    with pytest.raises(InvalidInput, match=words):
        handler_module.handler(event, lambda_context)


def test_the_handler_answers_with_all_that_the_machine_selects(
    *,
    states: Any,
    sagemaker: Any,
    s3: Any,
    execution: Any,
    lambda_context: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENV", "dev")
    monkeypatch.setenv("DATA_BUCKET", BUCKET)
    monkeypatch.setenv("MODEL_PACKAGE_GROUP", "titanic-survival-xgboost")
    handler_module.settings.cache_clear()
    clients = {"stepfunctions": states, "sagemaker": sagemaker, "s3": s3}
    monkeypatch.setattr(handler_module, "client", clients.__getitem__)
    state = {"error": {"Error": "States.Timeout", "Cause": ""}}
    event = {"kind": "training", "outcome": "failed", "state": state, "execution": execution}
    answer = handler_module.handler(event, lambda_context)
    assert set(json.loads(json.dumps(answer))) == {
        "manifest_uri",
        "error",
        "cause",
        "subject",
        "message",
        "summary",
    }
    assert (answer["error"], answer["cause"]) == ("States.Timeout", "it ran past its time limit")
