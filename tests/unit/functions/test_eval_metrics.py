from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from functions.common.errors import InvalidInput, MetricsUnavailable
from functions.common.inputs import parse_input
from functions.common.pipeline_execution import read_steps
from functions.eval_metrics import handler as handler_module
from functions.eval_metrics.gate import EvalMetricsEvent, evaluate

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/titanic-modelbuild-dev/execution/abcdefghijkl"
KEY = "pipeline/runtime/abcdefghijkl/evaluation/evaluation.json"


def report(**values: Any) -> dict[str, Any]:
    measured = {"accuracy": 0.82, "f1": 0.76, "auc": 0.87, "log_loss": 0.41} | values
    metrics = {name: {"value": value, "standard_deviation": "NaN"} for name, value in measured.items()}
    return {"binary_classification_metrics": {**metrics, "confusion_matrix": {"0": {"0": 5}}}}


@pytest.fixture
def judge(
    sagemaker: Any, s3: Any, put: Any, run: dict[str, Any], register_package: Any
) -> Callable[..., Any]:
    """EvalMetrics for a report; the pipeline registered a version unless told otherwise."""

    def judge(content: Any, registered: bool = True, **thresholds: float) -> Any:
        if content is not None:
            put(KEY, content)
        bucket = run["train_uri"].split("/")[2]
        uri = {"S3Uri": f"s3://{bucket}/{KEY.removesuffix('/evaluation.json')}"}
        outputs = [{"OutputName": "other"}, {"OutputName": "evaluation", "S3Output": uri}]
        sagemaker.add_job_step("DataPreProcessing")
        sagemaker.add_job_step("ModelEvaluation", ProcessingOutputConfig={"Outputs": outputs})
        sagemaker.add_step("CheckAccuracy", "Succeeded", Condition={"Outcome": str(registered)})
        if registered:
            arn = register_package()
            sagemaker.add_step("RegisterModel-RegisterModel", "Succeeded", RegisterModel={"Arn": arn})
        return ask(sagemaker, s3, run, **thresholds)

    return judge


def ask(sagemaker: Any, s3: Any, run: dict[str, Any], **thresholds: float) -> Any:
    event = {
        "run": run | {"thresholds": run["thresholds"] | thresholds},
        "pipeline_execution_arn": ARN,
    }
    request = parse_input(event, EvalMetricsEvent, "EvalMetrics event")
    return evaluate(request, sagemaker=sagemaker, s3=s3)


def test_a_good_model_passes_with_its_numbers_and_its_package(judge: Any) -> None:
    verdict = judge(report())
    assert verdict.passed
    assert verdict.metrics == {"accuracy": 0.82, "f1": 0.76, "auc": 0.87, "log_loss": 0.41}
    assert [(check.metric, check.passed) for check in verdict.checks] == [
        ("accuracy", True),
        ("f1", True),
        ("auc", True),
    ]
    assert verdict.model_package_arn.endswith(":model-package/titanic-survival-xgboost/1")
    assert verdict.evaluation_uri.endswith(KEY)


def test_the_threshold_itself_is_enough(judge: Any) -> None:
    assert judge(report(accuracy=0.78, f1=0.7, auc=0.8)).passed


@pytest.mark.parametrize("metric", ["f1", "auc"])
def test_one_metric_below_its_threshold_fails_the_model(judge: Any, metric: str) -> None:
    verdict = judge(report(**{metric: 0.5}))
    assert not verdict.passed
    assert [check.metric for check in verdict.checks if not check.passed] == [metric]
    assert verdict.model_package_arn is not None


def test_the_runs_own_thresholds_decide(judge: Any) -> None:
    assert not judge(report(), f1=0.99).passed


def test_a_model_the_pipeline_did_not_register_fails_without_a_package(judge: Any) -> None:
    verdict = judge(report(accuracy=0.6), registered=False)
    assert not verdict.passed
    assert verdict.model_package_arn is None


def test_passing_metrics_without_a_package_are_a_contradiction(judge: Any) -> None:
    with pytest.raises(MetricsUnavailable, match="registered no model"):
        judge(report(), registered=False)


def test_a_package_that_is_gone_is_a_contradiction(judge: Any, sagemaker: Any, s3: Any, run: Any) -> None:
    judge(report())
    gone = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/99"
    sagemaker.steps[-1]["Metadata"] = {"RegisterModel": {"Arn": gone}}
    with pytest.raises(MetricsUnavailable, match=f"{gone} is not in the registry"):
        ask(sagemaker, s3, run)


@pytest.mark.parametrize("value", [None, "0.9", True, float("nan"), float("inf"), [0.9]])
def test_a_metric_that_is_no_finite_number_is_never_compared(judge: Any, value: Any) -> None:
    with pytest.raises(MetricsUnavailable, match=r"for binary_classification_metrics.f1.value"):
        judge(report(f1=value))


def test_a_further_metric_must_be_finite_too(judge: Any) -> None:
    with pytest.raises(MetricsUnavailable, match="log_loss"):
        judge(report(log_loss=float("inf")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no s3://"),
        ("not json", "is not JSON"),
        ([], "has no object 'binary_classification_metrics'"),
        ({"binary_classification_metrics": 5}, "has no object 'binary_classification_metrics'"),
        ({"binary_classification_metrics": {"accuracy": {"value": 0.9}}}, "f1.value"),
    ],
)
def test_a_missing_or_malformed_report_is_said(judge: Any, content: Any, words: str) -> None:
    with pytest.raises(MetricsUnavailable, match=words):
        judge(content)


def test_a_pipeline_without_an_evaluation_job_is_said(sagemaker: Any, s3: Any, run: Any) -> None:
    sagemaker.add_step("ModelEvaluation", "Failed")
    with pytest.raises(MetricsUnavailable, match="has no ModelEvaluation job"):
        ask(sagemaker, s3, run)


def test_an_evaluation_job_without_its_output_is_said(sagemaker: Any, s3: Any, run: Any) -> None:
    sagemaker.add_job_step("ModelEvaluation", ProcessingOutputConfig={"Outputs": []})
    with pytest.raises(MetricsUnavailable, match="has no ModelEvaluation job"):
        ask(sagemaker, s3, run)


def test_an_outage_keeps_its_own_name(judge: Any, sagemaker: Any, s3: Any, run: Any) -> None:
    judge(report())

    def refuse(**request: Any) -> None:
        raise ClientError(
            {"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "DescribeModelPackage"
        )

    sagemaker.describe_model_package = refuse
    with pytest.raises(ClientError, match="Throttling"):
        ask(sagemaker, s3, run)


def test_a_run_with_an_unknown_key_is_refused(run: Any, lambda_context: Any) -> None:
    event = {"run": run | {"surprise": 1}, "pipeline_execution_arn": ARN}
    with pytest.raises(InvalidInput, match=r"unknown key 'run.surprise'"):
        handler_module.handler(event, lambda_context)


def test_the_handler_answers_with_json(
    *, judge: Any, sagemaker: Any, s3: Any, run: Any, lambda_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(report())
    clients = {"sagemaker": sagemaker, "s3": s3}
    monkeypatch.setattr(handler_module, "client", clients.__getitem__)
    answer = handler_module.handler({"run": run, "pipeline_execution_arn": ARN}, lambda_context)
    assert json.loads(json.dumps(answer))["passed"] is True


def test_steps_are_asked_for_as_sagemaker_takes_it(aws: Any) -> None:
    client = aws("sagemaker")
    with Stubber(client) as stubber:
        request = {"PipelineExecutionArn": ARN, "SortOrder": "Ascending"}
        first = {
            "PipelineExecutionSteps": [{"StepName": "A", "StepStatus": "Succeeded"}],
            "NextToken": "more",
        }
        second = {
            "PipelineExecutionSteps": [{"StepName": "B", "StepStatus": "Failed", "FailureReason": "no"}]
        }
        stubber.add_response("list_pipeline_execution_steps", first, request)
        stubber.add_response("list_pipeline_execution_steps", second, request | {"NextToken": "more"})
        steps = read_steps(client, ARN)
    assert [(step.name, step.failure_reason) for step in steps] == [("A", ""), ("B", "no")]
