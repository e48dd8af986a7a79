"""Endpoints through the API: created, shown, listed, deleted, and the ways in which they fail."""

from __future__ import annotations

import json
import os
import signal
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

Document = dict[str, Any]


def test_an_endpoint_comes_into_service_and_answers(hosting: Any) -> None:
    config = hosting.config(hosting.model())
    name = hosting.create(config)
    described = hosting.settled(name)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == config
    assert described["EndpointArn"] == f"arn:aws:sagemaker:eu-west-1:123456789012:endpoint/{name}"
    [variant] = described["ProductionVariants"]
    assert (variant["VariantName"], variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (
        "AllTraffic",
        1,
        1.0,
    )
    assert variant["DeployedImages"][0]["SpecifiedImage"].endswith("sagemaker-xgboost:3.0-5")
    assert not {"FailureReason", "PendingDeploymentSummary"} & described.keys()
    assert hosting.score(name, "0.9,0,0") > 0.5 > hosting.score(name, "0.1,0,0")


def test_a_registered_package_is_served(hosting: Any) -> None:
    from_file = hosting.sagemaker.describe_model(ModelName=hosting.model())["PrimaryContainer"]
    group = f"group-{uuid.uuid4().hex[:8]}"
    hosting.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    container = {"Image": from_file["Image"], "ModelDataUrl": from_file["ModelDataUrl"]}
    package = hosting.sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    model = f"model-{uuid.uuid4().hex[:8]}"
    hosting.sagemaker.create_model(
        ModelName=model, ExecutionRoleArn=hosting.role, PrimaryContainer={"ModelPackageName": package}
    )
    assert hosting.score(hosting.in_service(hosting.config(model))) > 0.5


def test_creating_takes_time_and_is_seen(hosting: Any, containers_of: Any) -> None:
    name = hosting.create(hosting.config(hosting.model()))
    hosting.wait(name, lambda _: containers_of(name))
    [container] = containers_of(name)
    os.kill(container, signal.SIGSTOP)  # it takes its time
    assert hosting.describe(name)["EndpointStatus"] == "Creating"
    with pytest.raises(ClientError, match=f"Endpoint {name} of account 123456789012 not found"):
        hosting.ask(name)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        hosting.sagemaker.delete_endpoint(EndpointName=name)
    os.kill(container, signal.SIGCONT)
    assert hosting.settled(name)["EndpointStatus"] == "InService"


def test_each_instance_of_each_variant_is_a_process(hosting: Any) -> None:
    variants = [
        {
            "VariantName": variant,
            "ModelName": hosting.model(yes=yes),
            "InitialInstanceCount": count,
            "InstanceType": "ml.m5.large",
            "InitialVariantWeight": weight,
        }
        for variant, yes, count, weight in (("Yes", True, 2, 3.0), ("No", False, 1, 1.0))
    ]
    name = hosting.in_service(hosting.config("", ProductionVariants=variants))
    answers = [hosting.ask(name) for _ in range(8)]
    assert [answer["InvokedProductionVariant"] for answer in answers].count("Yes") == 6
    for answer in answers:
        assert (float(answer["Body"]) > 0.5) is (answer["InvokedProductionVariant"] == "Yes")
    assert hosting.ask(name, TargetVariant="No")["InvokedProductionVariant"] == "No"
    with pytest.raises(ClientError, match="Variant None not found"):
        hosting.ask(name, TargetVariant="None")


def test_an_artifact_that_is_gone_fails_the_endpoint_in_words(hosting: Any) -> None:
    model = hosting.model()
    hosting.aws("s3").delete_object(Bucket=hosting.bucket, Key=f"models/{model}.tar.gz")
    described = hosting.settled(hosting.create(hosting.config(model)))
    assert described["EndpointStatus"] == "Failed"
    assert "Failed to download model data" in described["FailureReason"]
    assert f"models/{model}.tar.gz" in described["FailureReason"]
    assert "NoSuchKey" in described["FailureReason"]


@pytest.mark.parametrize("content", [b"this is no archive", b"", b"\x1f\x8b\x08"])
def test_an_artifact_that_is_corrupt_fails_the_endpoint_in_words(hosting: Any, content: bytes) -> None:
    described = hosting.settled(hosting.create(hosting.config(hosting.model(content))))
    assert described["EndpointStatus"] == "Failed"
    assert "Failed to extract model data archive" in described["FailureReason"]


def test_a_container_that_dies_fails_the_endpoint_with_its_own_words(hosting: Any, pack: Any) -> None:
    name = hosting.create(hosting.config(hosting.model(pack({"xgboost-model": b"not a model"}))))
    described = hosting.settled(name)
    assert described["EndpointStatus"] == "Failed"
    reason = described["FailureReason"]
    assert "production variant AllTraffic did not pass the ping health check" in reason
    assert "Model at xgboost-model cannot be loaded" in reason
    group = f"/aws/sagemaker/Endpoints/{name}"
    [stream] = hosting.aws("logs").describe_log_streams(logGroupName=group)["logStreams"]
    assert stream["logStreamName"].startswith("AllTraffic/i-")
    events = hosting.aws("logs").get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])
    assert "cannot be loaded" in events["events"][-1]["message"]
    with pytest.raises(ClientError, match="not found"):
        hosting.ask(name)
    with pytest.raises(ClientError, match="in status Failed"):
        hosting.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=described["EndpointConfigName"]
        )


def test_an_archive_without_a_model_fails_the_endpoint(hosting: Any, pack: Any) -> None:
    model = hosting.model(pack({"folder/xgboost-model": b"too deep"}))
    assert "no file at its root" in hosting.settled(hosting.create(hosting.config(model)))["FailureReason"]


def test_a_deleted_endpoint_is_gone_with_all_it_had(hosting: Any, cloud: Any) -> None:
    name = hosting.in_service()
    folder = cloud.home / "endpoints" / name
    assert folder.exists()
    hosting.gone(name)
    for ask in (
        hosting.describe,
        hosting.ask,
        lambda name: hosting.sagemaker.delete_endpoint(EndpointName=name),
    ):
        with pytest.raises(ClientError, match=r"Could not find endpoint|not found"):
            ask(name)
    assert not folder.exists()
    hosting.create(hosting.config(hosting.model()))  # the name of another one


def test_names_are_taken_once(hosting: Any) -> None:
    config = hosting.config(hosting.model())
    name = hosting.in_service(config)
    with pytest.raises(ClientError, match=f'Cannot create already existing endpoint ".*endpoint/{name}"'):
        hosting.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    with pytest.raises(ClientError, match="Cannot create already existing endpoint configuration"):
        hosting.sagemaker.create_endpoint_config(
            EndpointConfigName=config,
            ProductionVariants=hosting.sagemaker.describe_endpoint_config(EndpointConfigName=config)[
                "ProductionVariants"
            ],
        )


def test_what_is_not_there_is_named(hosting: Any) -> None:
    with pytest.raises(ClientError, match=r'Could not find model ".*model/none"'):
        hosting.config("none")
    with pytest.raises(ClientError, match=r'Could not find endpoint configuration ".*endpoint-config/none"'):
        hosting.create("none")
    with pytest.raises(ClientError, match=r'Could not find endpoint configuration ".*endpoint-config/none"'):
        hosting.sagemaker.delete_endpoint_config(EndpointConfigName="none")
    with pytest.raises(ClientError, match=r'Could not find endpoint ".*endpoint/none"') as refused:
        hosting.describe("none")
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_an_endpoint_keeps_serving_when_its_records_are_deleted(hosting: Any) -> None:
    model = hosting.model()
    config = hosting.config(model)
    name = hosting.in_service(config)
    hosting.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    hosting.sagemaker.delete_model(ModelName=model)
    assert hosting.describe(name)["EndpointConfigName"] == config
    assert hosting.score(name) > 0.5


def variant(hosting: Any, **more: Any) -> Document:
    named = {"VariantName": "A", "ModelName": hosting.model()}
    return {**named, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large", **more}


def test_features_that_nobody_has_are_refused(hosting: Any) -> None:
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}
    with pytest.raises(ClientError, match="ServerlessConfig is not implemented by the local cloud"):
        hosting.config("", ProductionVariants=[variant(hosting, **serverless)])
    output = {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}
    with pytest.raises(ClientError, match="AsyncInferenceConfig is not implemented"):
        hosting.config(hosting.model(), AsyncInferenceConfig=output)
    incomplete = variant(hosting)
    del incomplete["InstanceType"]
    with pytest.raises(ClientError, match="InstanceType is required for the production variant A"):
        hosting.config("", ProductionVariants=[incomplete])
    with pytest.raises(ClientError, match="must be unique"):
        hosting.config("", ProductionVariants=[variant(hosting), variant(hosting)])


def test_a_model_that_brings_its_own_code_is_refused(hosting: Any) -> None:
    container = hosting.sagemaker.describe_model(ModelName=hosting.model())["PrimaryContainer"]
    for change, words in (
        ({"Environment": {"SAGEMAKER_PROGRAM": "inference.py"}}, "SAGEMAKER_PROGRAM is not implemented"),
        ({"Image": "somebody/else:1"}, "the image somebody/else:1"),
    ):
        model = f"model-{uuid.uuid4().hex[:8]}"
        hosting.sagemaker.create_model(
            ModelName=model, ExecutionRoleArn=hosting.role, PrimaryContainer={**container, **change}
        )
        with pytest.raises(ClientError, match=words):
            hosting.create(hosting.config(model))


def test_a_configuration_is_shown_as_it_was_given(hosting: Any) -> None:
    capture = {
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": f"s3://{hosting.bucket}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    config = hosting.config(hosting.model(), DataCaptureConfig=capture)
    described = hosting.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    assert described["DataCaptureConfig"] == capture
    assert described["EndpointConfigArn"].endswith(f":endpoint-config/{config}")
    assert "Tags" not in described
    listed = hosting.sagemaker.list_endpoint_configs(NameContains=config)["EndpointConfigs"]
    assert [item["EndpointConfigName"] for item in listed] == [config]
    hosting.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    assert hosting.sagemaker.list_endpoint_configs(NameContains=config)["EndpointConfigs"] == []


def test_endpoints_are_listed_by_name_status_and_age(hosting: Any) -> None:
    config = hosting.config(hosting.model())
    first, second = hosting.in_service(config), hosting.in_service(config)
    list_endpoints = hosting.sagemaker.list_endpoints
    newest = [item["EndpointName"] for item in list_endpoints(StatusEquals="InService")["Endpoints"]]
    assert newest.index(second) < newest.index(first)
    by_name = list_endpoints(SortBy="Name", SortOrder="Ascending", MaxResults=1)
    assert by_name["Endpoints"][0]["EndpointName"] == min(newest)
    assert "NextToken" in by_name
    assert list_endpoints(StatusEquals="Failed", NameContains=first)["Endpoints"] == []
    assert list_endpoints(NameContains=first)["Endpoints"][0]["EndpointStatus"] == "InService"


def test_tags_can_be_changed(hosting: Any) -> None:
    sagemaker = hosting.sagemaker
    config = hosting.config(hosting.model(), Tags=[{"Key": "a", "Value": "1"}])
    name = hosting.create(config, Tags=[{"Key": "a", "Value": "1"}])
    arns = [
        hosting.settled(name)["EndpointArn"],
        sagemaker.describe_endpoint_config(EndpointConfigName=config)["EndpointConfigArn"],
    ]
    for arn in arns:
        changed = [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}]
        assert sagemaker.add_tags(ResourceArn=arn, Tags=changed)["Tags"] == changed
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "3"}]


def test_a_container_that_dies_in_service_is_replaced(hosting: Any, kill_container: Any) -> None:
    name = hosting.in_service()
    before = hosting.score(name)
    assert kill_container(name)
    assert [hosting.score(name) for _ in range(3)] == [before] * 3
    assert hosting.describe(name)["EndpointStatus"] == "InService"
    group = f"/aws/sagemaker/Endpoints/{name}"
    [stream] = hosting.aws("logs").describe_log_streams(logGroupName=group)["logStreams"]
    events = hosting.aws("logs").get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])
    assert "the container died and is replaced" in events["events"][-1]["message"]


def test_a_container_that_dies_again_and_again_fails_the_endpoint(hosting: Any, kill_container: Any) -> None:
    name = hosting.in_service()
    while hosting.describe(name)["EndpointStatus"] == "InService":
        kill_container(name)
    described = hosting.settled(name)
    assert described["EndpointStatus"] == "Failed"
    assert "died 5 times in a row" in described["FailureReason"]
    with pytest.raises(ClientError, match="not found"):
        hosting.ask(name)


def test_a_change_of_status_is_an_event(hosting: Any) -> None:
    sqs, events = hosting.aws("sqs"), hosting.aws("events")
    name = f"rule-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Endpoint State Change"],
        "detail": {"EndpointStatus": ["IN_SERVICE", "DELETING"], "Tags": {"test": [name]}},
    }
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    endpoint = hosting.create(hosting.config(hosting.model()), Tags=[{"Key": "test", "Value": name}])
    described = hosting.settled(endpoint)
    [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    event = json.loads(message["Body"])
    assert event["resources"] == [described["EndpointArn"]]
    detail = event["detail"]
    assert (detail["EndpointName"], detail["EndpointStatus"]) == (endpoint, "IN_SERVICE")
    assert detail["ProductionVariants"][0]["VariantName"] == "AllTraffic"
    assert detail["CreationTime"] == int(described["CreationTime"].timestamp() * 1000)
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)
