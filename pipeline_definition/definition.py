"""The SageMaker Pipeline: DataPreProcessing, TrainModel, ModelEvaluation, and RegisterModel when good enough.

Written with the SageMaker SDK 3, which needs neither network nor credentials for it: a `PipelineSession`
records the requests instead of sending them, and the values that only a deployment knows are sentinels that
`author` replaces. Importing this takes some seconds and the authoring environment.

The steps have no CacheConfig, on purpose: SageMaker looks a step up by its arguments, and so by the URI of
its input and not by the content. `curated/train.csv` is always the same URI, so a cached step would hand out
last week's model.
"""

from __future__ import annotations

import os
from typing import TypeAlias

from pipeline_definition.placeholders import DATA_BUCKET, MODEL_PACKAGE_GROUP, REGION, ROLE_ARN

os.environ["AWS_DEFAULT_REGION"] = REGION  # serve and mlops ask for a region when they are imported
os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"  # ModelTrainer would ask IAM about the role

import boto3
from sagemaker.core import image_uris
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    StoppingCondition,
)
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.entities import PipelineVariable
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import (
    RetryPolicy,
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import ProcessingStep, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train.model_trainer import ModelTrainer

Uri: TypeAlias = str | PipelineVariable

PROCESSING = "/opt/ml/processing"
CONTAINER_VERSION = "3.0-5"  # Python 3.10, xgboost 3.0.5: requirements/local.in pins what is in it
INSTANCE_TYPE = "ml.m5.large"
VOLUME_GB = 10
JOB_SECONDS = 1800
EVALUATION_REPORT = "evaluation.json"

# SageMaker allows 256 characters here. GNU tar refuses members that climb out with `..` and strips a leading
# `/`, so nothing is written outside src; `$0` is the script's name, the arguments follow it.
UNPACK_AND_RUN = (
    f"cd '{PROCESSING}' && mkdir -p src && tar -xzf input/code/*.tar.gz -C src && [ -f src/pipeline/code/$0 ]"
    ' || { echo "BadCodeBundle: cannot unpack pipeline/code/$0 from the bundle" >&2; exit 1; };'
    ' exec python3 src/pipeline/code/$0 "$@"'
)


def pipeline(name: str, accuracy_threshold: float) -> Pipeline:
    """The whole definition. Called by `author`."""
    session = offline_session()
    code = ParameterString("CodeBundleUri")
    train_uri = ParameterString("InputTrainUri", default_value=f"s3://{DATA_BUCKET}/curated/train.csv")
    validation_uri = ParameterString(
        "InputValidationUri", default_value=f"s3://{DATA_BUCKET}/curated/validation.csv"
    )
    threshold = ParameterFloat("AccuracyThreshold", default_value=accuracy_threshold)
    preprocess = preprocess_step(session, code, train_uri, validation_uri)
    train = train_step(session, code, preprocess)
    report = PropertyFile(name="EvaluationReport", output_name="evaluation", path=EVALUATION_REPORT)
    evaluate = evaluate_step(session, code, preprocess, train, report)
    register = register_step(session, code, train)
    return Pipeline(
        name=name,
        parameters=[code, train_uri, validation_uri, threshold],
        # Without it every execution would create an Experiment and a Trial, which the role may not.
        pipeline_experiment_config=None,
        steps=[preprocess, train, evaluate, accuracy_gate(evaluate, report, threshold, register)],
        sagemaker_session=session,
    )


def offline_session() -> PipelineSession:
    """A session that has credentials of nobody and asks no service anything."""
    nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nobody"}  # nosec B105
    boto_session = boto3.Session(region_name=REGION, **nobody)
    session = PipelineSession(
        boto_session=boto_session,
        default_bucket=DATA_BUCKET,
        sagemaker_config={
            "SchemaVersion": "1.0",
            "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
        },
    )
    session._default_bucket = DATA_BUCKET  # or default_bucket() asks STS and S3 whether it exists
    return session


def preprocess_step(
    session: PipelineSession, code: Uri, train_uri: Uri, validation_uri: Uri
) -> ProcessingStep:
    request = script_request(
        session,
        "preprocess.py",
        inputs={"code": code, "train": train_uri, "validation": validation_uri},
        outputs={"train": runtime("preprocess/train"), "validation": runtime("preprocess/validation")},
    )
    return ProcessingStep(name="DataPreProcessing", step_args=request, retry_policies=retries())


def train_step(session: PipelineSession, code: Uri, preprocess: ProcessingStep) -> TrainingStep:
    """Script mode: the container's toolkit downloads the bundle itself and runs the module."""
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=ROLE_ARN,
        training_image=image(),
        base_job_name="titanic",
        compute=Compute(instance_type=INSTANCE_TYPE, instance_count=1, volume_size_in_gb=VOLUME_GB),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=JOB_SECONDS),
        output_data_config=OutputDataConfig(s3_output_path=runtime("training")),
        # A dotted module name: the toolkit cannot run a path. The model's hyperparameters are train.py's.
        hyperparameters={"sagemaker_program": "pipeline.code.train", "sagemaker_submit_directory": code},
    )
    channels = [
        InputData(channel_name=name, data_source=output_uri(preprocess, name), content_type="text/csv")
        for name in ("train", "validation")
    ]
    return TrainingStep(
        name="TrainModel", step_args=trainer.train(input_data_config=channels), retry_policies=retries()
    )


def evaluate_step(
    session: PipelineSession,
    code: Uri,
    preprocess: ProcessingStep,
    train: TrainingStep,
    report: PropertyFile,
) -> ProcessingStep:
    validation = output_uri(preprocess, "validation")
    request = script_request(
        session,
        "evaluate.py",
        inputs={"code": code, "model": model_uri(train), "validation": validation},
        outputs={"evaluation": runtime("evaluation")},
    )
    return ProcessingStep(
        name="ModelEvaluation", step_args=request, property_files=[report], retry_policies=retries()
    )


def register_step(session: PipelineSession, code: Uri, train: TrainingStep) -> ModelStep:
    """A new version in the group, which waits for somebody's approval."""
    # Without dependencies={} the container gets SAGEMAKER_PROGRAM="" and cannot serve the model.
    model = ModelBuilder(
        dependencies={},
        image_uri=image(),
        s3_model_data_url=model_uri(train),
        role_arn=ROLE_ARN,
        sagemaker_session=session,
    )
    statistics = MetricsSource(
        content_type="application/json", s3_uri=runtime(f"evaluation/{EVALUATION_REPORT}")
    )
    request = model.register(
        model_package_group_name=MODEL_PACKAGE_GROUP,
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=[INSTANCE_TYPE],
        transform_instances=[INSTANCE_TYPE],
        approval_status="PendingManualApproval",
        model_metrics=ModelMetrics(model_statistics=statistics),
        customer_metadata_properties={"code_bundle_uri": code},
    )
    return ModelStep(name="RegisterModel", step_args=request, retry_policies=[service_faults()])


def accuracy_gate(
    evaluate: ProcessingStep, report: PropertyFile, threshold: ParameterFloat, register: ModelStep
) -> ConditionStep:
    """No else branch: a model below the bar is an outcome, not a failed pipeline."""
    accuracy = JsonGet(
        step_name=evaluate.name,
        property_file=report,
        json_path="binary_classification_metrics.accuracy.value",
    )
    return ConditionStep(
        name="CheckAccuracy",
        conditions=[ConditionGreaterThanOrEqualTo(left=accuracy, right=threshold)],
        if_steps=[register],
        else_steps=[],
    )


def script_request(
    session: PipelineSession, script: str, inputs: dict[str, Uri], outputs: dict[str, Uri]
) -> object:
    """A Processing job that runs a script of the bundle."""
    processor = Processor(
        role=ROLE_ARN,
        image_uri=image(),
        instance_count=1,
        instance_type=INSTANCE_TYPE,
        volume_size_in_gb=VOLUME_GB,
        max_runtime_in_seconds=JOB_SECONDS,
        base_job_name="titanic",
        entrypoint=["/bin/bash", "-c", UNPACK_AND_RUN, script],
        sagemaker_session=session,
    )
    return processor.run(
        inputs=[job_input(channel, uri) for channel, uri in inputs.items()],
        outputs=[job_output(channel, uri) for channel, uri in outputs.items()],
        arguments=script_arguments(inputs, outputs),
    )


def script_arguments(inputs: dict[str, Uri], outputs: dict[str, Uri]) -> list[str]:
    """Every path the script uses, so that it depends on no default of its own."""
    paths = {channel: f"{PROCESSING}/input/{channel}" for channel in inputs if channel != "code"}
    paths |= {f"{channel}-output": f"{PROCESSING}/output/{channel}" for channel in outputs}
    paths |= {"contract": f"{PROCESSING}/src/pipeline/code/contract.json"}
    paths |= {"message-file": "/opt/ml/output/message"}
    return [part for name, path in paths.items() for part in (f"--{name}", path)]


def job_input(name: str, uri: Uri) -> ProcessingInput:
    source = ProcessingS3Input(
        s3_uri=uri, local_path=f"{PROCESSING}/input/{name}", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    return ProcessingInput(input_name=name, s3_input=source)


def job_output(name: str, uri: Uri) -> ProcessingOutput:
    target = ProcessingS3Output(
        s3_uri=uri, local_path=f"{PROCESSING}/output/{name}", s3_upload_mode="EndOfJob"
    )
    return ProcessingOutput(output_name=name, s3_output=target)


def runtime(leaf: str) -> Join:
    """Where one execution of the pipeline puts what its steps hand on."""
    prefix = f"s3://{DATA_BUCKET}/pipeline/runtime"
    return Join(on="/", values=[prefix, ExecutionVariables.PIPELINE_EXECUTION_ID, leaf])


def output_uri(step: ProcessingStep, name: str) -> Uri:
    uri: Uri = step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri
    return uri


def model_uri(train: TrainingStep) -> Uri:
    uri: Uri = train.properties.ModelArtifacts.S3ModelArtifacts
    return uri


def image() -> str:
    """AWS's own XGBoost container: the registry's account differs by region."""
    return str(image_uris.retrieve("xgboost", region=REGION, version=CONTAINER_VERSION))


def retries() -> list[RetryPolicy]:
    """For the steps that start a job: AWS's own hiccups and a lack of machines. Never a failed script."""
    job = SageMakerJobExceptionTypeEnum
    no_machine = SageMakerJobStepRetryPolicy(
        exception_types=[job.RESOURCE_LIMIT],
        failure_reason_types=[job.INTERNAL_ERROR, job.CAPACITY_ERROR],
        interval_seconds=60,
        backoff_rate=2.0,
        expire_after_mins=60,
    )
    return [service_faults(), no_machine]


def service_faults() -> StepRetryPolicy:
    step = StepExceptionTypeEnum
    return StepRetryPolicy([step.SERVICE_FAULT, step.THROTTLING], max_attempts=3)
