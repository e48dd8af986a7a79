"""The SageMaker pipeline, and the model package group it registers into."""

from __future__ import annotations

import json

from botocore.exceptions import ClientError

from ops.stack.base import Stack

TEMPLATE = "terraform/03_sagemaker_pipeline/pipeline_definition.json.tpl"


def put_pipeline(stack: Stack) -> None:
    put_group(stack)
    sagemaker, names = stack.client("sagemaker"), stack.names
    settings = {
        "PipelineName": names["pipeline"],
        "PipelineDefinition": json.dumps(stack.render(TEMPLATE)),
        "RoleArn": names.role_arn("pipeline"),
    }
    try:
        sagemaker.describe_pipeline(PipelineName=names["pipeline"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
            raise
        token = f"{names['pipeline']}-{stack.code_version}".ljust(32, "0")
        sagemaker.create_pipeline(**settings, ClientRequestToken=token, Tags=stack.tags())
    else:
        sagemaker.update_pipeline(**settings)


def put_group(stack: Stack) -> None:
    sagemaker, group = stack.client("sagemaker"), stack.names["model_package_group"]
    try:
        sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        sagemaker.create_model_package_group(ModelPackageGroupName=group, Tags=stack.tags())
