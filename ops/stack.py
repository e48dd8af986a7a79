"""Puts the project's resources into an account, from the same files that Terraform reads.

`titanic up` calls `deploy` on the local cloud. Nothing here repeats what a file says: names come from
`project.json`, functions and their permissions from `functions/functions.json`, roles from `iam/`, the
job from `glue_jobs/prepare.json`, the pipeline from its template, the machine from its ASL. Every step
creates or updates, so a second `deploy` changes only what changed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ops import bundles, templates
from ops.names import ROOT, Names, project_file

Report = Callable[[str], None]

FUNCTIONS = "functions/functions.json"
JOB_CODE = "glue_jobs"
PIPELINE_TEMPLATE = "terraform/03_sagemaker_pipeline/pipeline_definition.json.tpl"
TRAINING_MACHINE = "statemachines/training.asl.json"
STOPPED_RUNS_PATTERN = "events/patterns/stopped_runs.json"


@dataclass(frozen=True)
class Stack:
    """One environment of the project in one account, reached through `session`'s clients."""

    session: boto3.session.Session
    names: Names
    endpoint_url: str | None = None
    root: Path = ROOT
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session.client(service, endpoint_url=self.endpoint_url)
        return self._clients[service]

    @cached_property
    def code_version(self) -> str:
        return bundles.code_version(self.root)

    @cached_property
    def values(self) -> dict[str, str]:
        """What the files' `${placeholders}` stand for."""
        names, thresholds = self.names, project_file()["thresholds"]
        bucket = names["data_bucket"]
        plain = {key: names[key] for key in project_file()["names"] if key not in ("function", "role")}
        return plain | {
            "project": names.project,
            "env": names.env,
            "region": names.region,
            "account_id": names.account_id,
            "alerts_topic_arn": names.arn("sns", names["alerts_topic"]),
            "training_state_machine_arn": names.arn(
                "states", f"stateMachine:{names['training_state_machine']}"
            ),
            "code_bundle_uri": f"s3://{bucket}/pipeline/code/{self.code_version}/pipeline_code.tar.gz",
            "job_code_prefix": f"{JOB_CODE}/{self.code_version}",
            "pipeline_role_arn": names.role_arn("pipeline"),
            "model_package_group_name": names["model_package_group"],
            "pipeline_name": names["pipeline"],
            **{f"{metric}_threshold": str(value) for metric, value in thresholds.items()},
        }

    @cached_property
    def functions(self) -> dict[str, Any]:
        """`functions/functions.json`."""
        loaded: dict[str, Any] = json.loads((self.root / FUNCTIONS).read_text(encoding="utf-8"))
        return loaded

    def render(self, path: str, **more: str) -> Any:
        """The JSON document in the file `path` with every placeholder replaced."""
        return templates.render(self.root / path, self.values | more)

    def function_arn(self, name: str) -> str:
        return self.names.arn("lambda", f"function:{self.names.function(name)}")


def deploy(stack: Stack, report: Report) -> None:
    """Creates or updates every resource. `report` gets one line a step."""
    report(f"data bucket {stack.names['data_bucket']}")
    put_bucket(stack)
    report(f"code {stack.code_version}")
    upload_code(stack)
    report("roles")
    put_roles(stack)
    report(f"topic {stack.names['alerts_topic']}")
    put_alerts(stack)
    report(f"{len(stack.functions['functions'])} Lambda functions")
    for name in stack.functions["functions"]:
        put_function(stack, name)
    report(f"Glue job {stack.names['prepare_job']}")
    put_job(stack)
    report(f"SageMaker pipeline {stack.names['pipeline']}")
    put_pipeline(stack)
    report(f"state machine {stack.names['training_state_machine']}")
    put_training_machine(stack)
    put_stopped_runs_rule(stack)


def put_bucket(stack: Stack) -> None:
    s3, bucket = stack.client("s3"), stack.names["data_bucket"]
    region = {"LocationConstraint": stack.names.region}
    with existing("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )


def upload_code(stack: Stack) -> None:
    """The job's script and companions, and the pipeline's code bundle, under the version they are of."""
    prefix = stack.values["job_code_prefix"]
    bundle_key = stack.values["code_bundle_uri"].split("/", 3)[3]
    objects = {
        f"{prefix}/prepare.py": (stack.root / "glue_jobs/prepare.py").read_bytes(),
        f"{prefix}/glue_jobs.zip": bundles.build_glue_zip(stack.root),
        f"{prefix}/titanic.json": (stack.root / "contracts/titanic.json").read_bytes(),
        bundle_key: bundles.build_code_bundle(stack.root),
    }
    for key, body in objects.items():
        stack.client("s3").put_object(Bucket=stack.names["data_bucket"], Key=key, Body=body)


def put_roles(stack: Stack) -> None:
    for path in sorted((stack.root / "iam").glob("*.json")):
        role = stack.render(f"iam/{path.name}")
        put_role(stack, path.stem, role["assumed_by"], role["statements"])
    for name in stack.functions["functions"]:
        rendered = function_file(stack, name)
        statements = rendered["defaults"].get("statements", []) + rendered["functions"][name]["statements"]
        put_role(stack, name, ["lambda.amazonaws.com"], statements)


def put_role(stack: Stack, name: str, assumed_by: list[str], statements: list[dict[str, Any]]) -> None:
    iam, role_name = stack.client("iam"), stack.names.role(name)
    trust = [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        for service in assumed_by
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    with existing("EntityAlreadyExists"):
        iam.create_role(
            RoleName=role_name, AssumeRolePolicyDocument=document, Tags=_tag_list(stack, "Key", "Value")
        )
    iam.update_assume_role_policy(RoleName=role_name, PolicyDocument=document)
    policy = {"Version": "2012-10-17", "Statement": statements}
    iam.put_role_policy(RoleName=role_name, PolicyName=role_name, PolicyDocument=json.dumps(policy))


def put_alerts(stack: Stack) -> None:
    """The topic people subscribe to, and a queue of its own that keeps what was sent."""
    sns, sqs, names = stack.client("sns"), stack.client("sqs"), stack.names
    topic = sns.create_topic(Name=names["alerts_topic"], Tags=_tag_list(stack, "Key", "Value"))["TopicArn"]
    queue_url = sqs.create_queue(QueueName=names["alerts_queue"], tags=stack.names.tags())["QueueUrl"]
    queue_arn = names.arn("sqs", names["alerts_queue"])
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        },
    }
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)


def put_function(stack: Stack, name: str) -> None:
    client, settings = stack.client("lambda"), function_settings(stack, name)
    code = bundles.build_function_zip(stack.root, name)
    deployed = deployed_function(stack, name)
    if deployed is None:
        client.create_function(
            **settings,
            Architectures=stack.functions["defaults"]["architectures"],
            Code={"ZipFile": code},
            PackageType="Zip",
            Tags=stack.names.tags(),
        )
        return
    if deployed["CodeSha256"] != base64.b64encode(hashlib.sha256(code).digest()).decode():
        client.update_function_code(FunctionName=settings["FunctionName"], ZipFile=code)
        client.get_waiter("function_updated_v2").wait(FunctionName=settings["FunctionName"])
    if any(_only_mode(deployed.get(key)) != value for key, value in settings.items()):
        client.update_function_configuration(**settings)


def deployed_function(stack: Stack, name: str) -> dict[str, Any] | None:
    client = stack.client("lambda")
    try:
        found: dict[str, Any] = client.get_function_configuration(FunctionName=stack.names.function(name))
    except client.exceptions.ResourceNotFoundException:
        return None
    return found


def function_file(stack: Stack, name: str) -> Any:
    """`functions.json` as the function `name` reads it: what all share names its own log group."""
    return stack.render(FUNCTIONS, function_name=stack.names.function(name))


def function_settings(stack: Stack, name: str) -> dict[str, Any]:
    """What `CreateFunction` gets, besides the code."""
    rendered = function_file(stack, name)
    defaults, function = rendered["defaults"], rendered["functions"][name]
    merged = defaults | function
    environment = defaults.get("environment", {}) | function.get("environment", {})
    return {
        "FunctionName": stack.names.function(name),
        "Description": function["description"],
        "Handler": f"functions.{name}.handler.handler",
        "Runtime": merged["runtime"],
        "Role": stack.names.role_arn(name),
        "MemorySize": merged["memory_size"],
        "Timeout": merged["timeout"],
        "TracingConfig": {"Mode": merged["tracing"]},
        "Environment": {"Variables": environment},
    }


def put_job(stack: Stack) -> None:
    job = stack.render("glue_jobs/prepare.json")
    bucket, prefix = stack.names["data_bucket"], stack.values["job_code_prefix"]
    settings = {
        "Description": job["description"],
        "Role": stack.names.role_arn("prepare_job"),
        "ExecutionProperty": {"MaxConcurrentRuns": job["max_concurrent_runs"]},
        "Command": {
            "Name": job["command"]["name"],
            "ScriptLocation": f"s3://{bucket}/{prefix}/prepare.py",
            "PythonVersion": job["command"]["python_version"],
        },
        "DefaultArguments": job["default_arguments"],
        "MaxRetries": job["max_retries"],
        "Timeout": job["timeout_minutes"],
        "GlueVersion": job["glue_version"],
        "WorkerType": job["worker_type"],
        "NumberOfWorkers": job["number_of_workers"],
    }
    glue, name = stack.client("glue"), stack.names["prepare_job"]
    try:
        glue.create_job(Name=name, **settings, Tags=stack.names.tags())
    except ClientError as error:
        if error.response["Error"]["Code"] not in (
            "AlreadyExistsException",
            "IdempotentParameterMismatchException",
        ):
            raise
        glue.update_job(JobName=name, JobUpdate=settings)


def put_pipeline(stack: Stack) -> None:
    sagemaker, names = stack.client("sagemaker"), stack.names
    try:
        sagemaker.describe_model_package_group(ModelPackageGroupName=names["model_package_group"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        sagemaker.create_model_package_group(
            ModelPackageGroupName=names["model_package_group"], Tags=_tag_list(stack, "Key", "Value")
        )
    settings = {
        "PipelineName": names["pipeline"],
        "PipelineDefinition": json.dumps(stack.render(PIPELINE_TEMPLATE)),
        "RoleArn": names.role_arn("pipeline"),
    }
    try:
        sagemaker.describe_pipeline(PipelineName=names["pipeline"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
            raise
        token = f"{names['pipeline']}-{stack.code_version}".ljust(32, "0")
        sagemaker.create_pipeline(**settings, ClientRequestToken=token, Tags=_tag_list(stack, "Key", "Value"))
    else:
        sagemaker.update_pipeline(**settings)


def put_training_machine(stack: Stack) -> None:
    states, names = stack.client("stepfunctions"), stack.names
    settings = {
        "definition": training_definition(stack),
        "roleArn": names.role_arn("training_state_machine"),
    }
    try:
        states.create_state_machine(
            name=names["training_state_machine"], **settings, tags=_tag_list(stack, "key", "value")
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "StateMachineAlreadyExists":
            raise
        states.update_state_machine(stateMachineArn=stack.values["training_state_machine_arn"], **settings)


def training_definition(stack: Stack) -> str:
    """The training machine as it is deployed."""
    values = {f"{_camel(name)}FunctionArn": stack.function_arn(name) for name in stack.functions["functions"]}
    definition = stack.render(
        TRAINING_MACHINE,
        PrepareJobName=stack.names["prepare_job"],
        PipelineName=stack.names["pipeline"],
        AlertsTopicArn=stack.values["alerts_topic_arn"],
        DataBucket=stack.names["data_bucket"],
        **values,
    )
    return json.dumps(definition)


def put_stopped_runs_rule(stack: Stack) -> None:
    """Runs that Step Functions itself ended have no state left to tell anyone: a rule does."""
    events, names = stack.client("events"), stack.names
    pattern = stack.render(
        STOPPED_RUNS_PATTERN, TrainingStateMachineArn=stack.values["training_state_machine_arn"]
    )
    rule = events.put_rule(
        Name=names["stopped_runs_rule"], EventPattern=json.dumps(pattern), State="ENABLED"
    )["RuleArn"]
    target = stack.function_arn("record_stopped_run")
    events.put_targets(Rule=names["stopped_runs_rule"], Targets=[{"Id": "record-stopped-run", "Arn": target}])
    with existing("ResourceConflictException"):
        stack.client("lambda").add_permission(
            FunctionName=names.function("record_stopped_run"),
            StatementId="stopped-runs-rule",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )


class existing:  # noqa: N801 - reads as a word: `with existing("EntityAlreadyExists"):`
    """Lets a create call pass when what it creates is there already."""

    def __init__(self, *codes: str) -> None:
        self.codes = codes

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        return isinstance(error, ClientError) and error.response["Error"]["Code"] in self.codes


def _only_mode(setting: Any) -> Any:
    """Lambda describes a tracing mode together with other things that were never set."""
    return {"Mode": setting["Mode"]} if isinstance(setting, dict) and "Mode" in setting else setting


def _tag_list(stack: Stack, key: str, value: str) -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in stack.names.tags().items()]


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
