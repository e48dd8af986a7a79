"""The committed template, read as plain JSON: what the pipeline promises, whoever authored it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.loaders
import pytest

from ops import templates
from ops.names import ROOT, project_file

PATH = ROOT / "terraform/03_sagemaker_pipeline/pipeline_definition.json.tpl"
TEXT = PATH.read_text(encoding="utf-8")
DEFINITION: dict[str, Any] = json.loads(TEXT)
GATE = DEFINITION["Steps"][-1]["Arguments"]
STEPS: dict[str, dict[str, Any]] = {
    step["Name"]: step for step in [*DEFINITION["Steps"], *GATE["IfSteps"], *GATE["ElseSteps"]]
}
PROCESSING = ["DataPreProcessing", "ModelEvaluation"]
IMAGE = "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5"


def values_of(key: str, node: Any = DEFINITION) -> Iterator[Any]:
    """Every value under this key, anywhere below the node."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from values_of(key, value)
    elif isinstance(node, list):
        for value in node:
            yield from values_of(key, value)


def test_the_steps_are_these_in_this_order() -> None:
    kinds = {step["Name"]: step["Type"] for step in DEFINITION["Steps"]}
    assert list(kinds.items()) == [
        ("DataPreProcessing", "Processing"),
        ("TrainModel", "Training"),
        ("ModelEvaluation", "Processing"),
        ("CheckAccuracy", "Condition"),
    ]
    assert [step["Name"] for step in GATE["IfSteps"]] == ["RegisterModel"]
    assert GATE["ElseSteps"] == []


def test_the_parameters_are_these_with_defaults_for_a_start_by_hand() -> None:
    assert DEFINITION["Parameters"] == [
        {"Name": "CodeBundleUri", "Type": "String"},
        {"Name": "InputTrainUri", "Type": "String", "DefaultValue": "s3://${data_bucket}/curated/train.csv"},
        {
            "Name": "InputValidationUri",
            "Type": "String",
            "DefaultValue": "s3://${data_bucket}/curated/validation.csv",
        },
        {
            "Name": "AccuracyThreshold",
            "Type": "Float",
            "DefaultValue": project_file()["thresholds"]["accuracy"],
        },
    ]


@pytest.mark.parametrize(
    ("step", "needs"),
    [
        ("DataPreProcessing", {"Parameters.CodeBundleUri", "Parameters.InputTrainUri"}),
        ("TrainModel", {"Steps.DataPreProcessing", "Parameters.CodeBundleUri"}),
        ("ModelEvaluation", {"Steps.TrainModel", "Steps.DataPreProcessing", "Parameters.CodeBundleUri"}),
        ("CheckAccuracy", {"Steps.ModelEvaluation", "Parameters.AccuracyThreshold"}),
        ("RegisterModel", {"Steps.TrainModel", "Parameters.CodeBundleUri"}),
    ],
)
def test_each_step_waits_for_what_it_reads(step: str, needs: set[str]) -> None:
    got = {".".join(reference.split(".")[:2]) for reference in values_of("Get", STEPS[step])}
    assert needs <= got


def test_every_reference_is_to_a_parameter_a_step_or_the_execution_itself() -> None:
    known = {f"Parameters.{parameter['Name']}" for parameter in DEFINITION["Parameters"]}
    known |= {f"Steps.{name}" for name in STEPS} | {"Execution.PipelineExecutionId"}
    assert {".".join(reference.split(".")[:2]) for reference in values_of("Get")} <= known


def test_every_job_runs_in_the_pinned_xgboost_container_under_the_pipelines_role() -> None:
    images = [*values_of("ImageUri"), *values_of("TrainingImage"), *values_of("Image")]
    assert images == [IMAGE] * 4
    assert list(values_of("RoleArn")) == ["${pipeline_role_arn}"] * 3


def test_every_job_has_a_time_limit_and_no_step_is_cached() -> None:
    assert list(values_of("MaxRuntimeInSeconds")) == [1800] * 3
    assert (
        list(values_of("CacheConfig")) == []
    )  # a cache is keyed by URI, and curated/train.csv never changes


@pytest.mark.parametrize("step", PROCESSING)
def test_a_processing_script_is_told_every_path(step: str) -> None:
    arguments = STEPS[step]["Arguments"]
    words = arguments["AppSpecification"]["ContainerArguments"]
    told = dict(zip(words[::2], words[1::2], strict=True))
    channels = {each["InputName"]: each["S3Input"]["LocalPath"] for each in arguments["ProcessingInputs"]}
    outputs = {
        each["OutputName"]: each["S3Output"]["LocalPath"]
        for each in arguments["ProcessingOutputConfig"]["Outputs"]
    }
    assert channels.pop("code") == "/opt/ml/processing/input/code"
    assert told == {
        **{f"--{name}": path for name, path in channels.items()},
        **{f"--{name}-output": path for name, path in outputs.items()},
        "--contract": "/opt/ml/processing/src/pipeline/code/contract.json",
        "--message-file": "/opt/ml/output/message",
    }


@pytest.mark.parametrize("step", PROCESSING)
def test_a_container_command_is_short_enough_for_sagemaker(step: str) -> None:
    shapes = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")["shapes"]
    container = STEPS[step]["Arguments"]["AppSpecification"]
    assert all(
        len(word) <= shapes["ContainerEntrypointString"]["max"] and "\n" not in word
        for word in container["ContainerEntrypoint"]
    )
    assert all(len(word) <= shapes["ContainerArgument"]["max"] for word in container["ContainerArguments"])


def test_training_runs_the_bundles_module_on_what_preprocessing_wrote() -> None:
    arguments = STEPS["TrainModel"]["Arguments"]
    assert arguments["HyperParameters"] == {
        "sagemaker_program": "pipeline.code.train",
        "sagemaker_submit_directory": {"Get": "Parameters.CodeBundleUri"},
    }
    channels = {
        each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"]["Get"]
        for each in arguments["InputDataConfig"]
    }
    assert channels == {
        name: f"Steps.DataPreProcessing.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri"
        for name in ("train", "validation")
    }


def test_the_gate_compares_the_reports_accuracy_with_the_threshold() -> None:
    (condition,) = GATE["Conditions"]
    assert condition["Type"] == "GreaterThanOrEqualTo"
    assert condition["LeftValue"]["Std:JsonGet"] == {
        "PropertyFile": {"Get": "Steps.ModelEvaluation.PropertyFiles.EvaluationReport"},
        "Path": "binary_classification_metrics.accuracy.value",
    }
    assert condition["RightValue"] == {"Get": "Parameters.AccuracyThreshold"}
    assert STEPS["ModelEvaluation"]["PropertyFiles"] == [
        {"PropertyFileName": "EvaluationReport", "OutputName": "evaluation", "FilePath": "evaluation.json"}
    ]


def test_a_registered_version_waits_for_approval_and_tells_its_code_and_its_metrics() -> None:
    request = STEPS["RegisterModel"]["Arguments"]
    assert request["ModelPackageGroupName"] == "${model_package_group_name}"
    assert request["ModelApprovalStatus"] == "PendingManualApproval"
    assert request["CustomerMetadataProperties"] == {"code_bundle_uri": {"Get": "Parameters.CodeBundleUri"}}
    statistics = request["ModelMetrics"]["ModelQuality"]["Statistics"]
    (written,) = STEPS["ModelEvaluation"]["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    folder = written["S3Output"]["S3Uri"]["Std:Join"]["Values"]
    assert statistics["ContentType"] == "application/json"
    assert statistics["S3Uri"]["Std:Join"]["Values"] == [*folder[:-1], f"{folder[-1]}/evaluation.json"]


def test_a_registered_version_is_served_by_the_container_alone() -> None:
    (container,) = STEPS["RegisterModel"]["Arguments"]["InferenceSpecification"]["Containers"]
    assert container["Environment"] == {}  # SAGEMAKER_PROGRAM, even empty, would keep it from serving
    assert container["ModelDataUrl"] == {"Get": "Steps.TrainModel.ModelArtifacts.S3ModelArtifacts"}


def test_every_step_that_calls_a_service_retries_its_faults_and_no_failed_script() -> None:
    retried = {
        kind for policy in values_of("RetryPolicies") for each in policy for kind in each["ExceptionType"]
    }
    assert retried == {
        "Step.SERVICE_FAULT",
        "Step.THROTTLING",
        "SageMaker.RESOURCE_LIMIT",
        "SageMaker.JOB_INTERNAL_ERROR",
        "SageMaker.CAPACITY_ERROR",
    }
    assert [name for name, step in STEPS.items() if "RetryPolicies" not in step] == ["CheckAccuracy"]


def test_everything_an_execution_writes_is_under_its_own_prefix() -> None:
    destinations = [
        *(each["S3Uri"] for each in values_of("S3Output")),
        *values_of("S3OutputPath"),
    ]
    assert len(destinations) == 4
    for uri in destinations:
        prefix, execution, _ = uri["Std:Join"]["Values"]
        assert (prefix, execution) == (
            "s3://${data_bucket}/pipeline/runtime",
            {"Get": "Execution.PipelineExecutionId"},
        )


def test_the_placeholders_are_these_and_stand_inside_strings() -> None:
    assert set(re.findall(r"\$\{(.*?)\}", TEXT)) == {
        "data_bucket",
        "model_package_group_name",
        "pipeline_role_arn",
    }
    assert "%{" not in TEXT  # Terraform's directive
    assert "123456789012" not in TEXT
    assert "sentinel" not in TEXT


def test_is_json_after_rendering_too_and_keeps_the_shells_own_dollars() -> None:
    names = ("data_bucket", "model_package_group_name", "pipeline_role_arn")
    rendered = templates.render(PATH, dict.fromkeys(names, "value"))
    assert "${" not in json.dumps(rendered)
    entrypoints = list(values_of("ContainerEntrypoint", rendered))
    assert all(entrypoint[2].endswith('exec python3 src/pipeline/code/$0 "$@"') for entrypoint in entrypoints)
