"""InvokeEndpoint through the cloud's port, as SDKs and plain HTTP clients see it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

Document = dict[str, Any]


@pytest.fixture(scope="module")
def endpoint(
    aws: Callable[[str], Any], role: str, bucket: str, artifact: Callable[..., bytes], make_hosting: Any
) -> Iterator[tuple[Any, str]]:
    hosting = make_hosting(aws, role, bucket, artifact)
    name = hosting.in_service()
    yield hosting, name
    hosting.gone(name)


Served = tuple[Any, str]


def test_the_answer_names_variant_and_type(endpoint: Served) -> None:
    hosting, name = endpoint
    answer = hosting.ask(name, "0.9,0,0\n0.1,0,0\n")
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ContentType"] == "text/csv; charset=utf-8"
    assert len(answer["Body"].splitlines()) == 2


def test_json_stays_json(endpoint: Served) -> None:
    hosting, name = endpoint
    body = json.dumps({"instances": [{"features": [0.9, None, 0]}]})
    answer = hosting.ask(name, body, ContentType="application/json", Accept="application/json")
    assert answer["ContentType"] == "application/json"
    assert json.loads(answer["Body"])["predictions"][0]["score"] > 0.5


def test_a_refusal_of_the_container_is_a_model_error(endpoint: Served) -> None:
    hosting, name = endpoint
    with pytest.raises(ClientError) as refused:
        hosting.ask(name, "a,b,c\n0.9,0,0")
    response = refused.value.response
    assert response["Error"]["Code"] == "ModelError"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 415
    assert "could not convert string to float" in response["OriginalMessage"]
    assert response["LogStreamArn"].endswith(f":log-group:/aws/sagemaker/Endpoints/{name}")
    message = response["Error"]["Message"]
    assert message.startswith(
        'Received client error (415) from primary with message "Loading csv data failed'
    )
    assert f"logEventViewer:group=/aws/sagemaker/Endpoints/{name} in account 123456789012" in message


def test_refusals_are_in_the_endpoints_log(endpoint: Served) -> None:
    hosting, name = endpoint
    with pytest.raises(ClientError):
        hosting.ask(name, "1,2,3,4,5,6,7,8,9")
    group = f"/aws/sagemaker/Endpoints/{name}"

    def lines() -> list[str]:
        found = hosting.aws("logs").filter_log_events(logGroupName=group)["events"]
        return [event["message"] for event in found]

    hosting.wait(name, lambda _: any("inference data 9 is not consistent" in line for line in lines()))


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"EndpointName": "none"}, "ValidationError", "Endpoint none of account 123456789012 not found."),
        ({"TargetVariant": "None"}, "ValidationError", "Variant None not found"),
        (
            {"TargetModel": "m.tar.gz"},
            "ValidationError",
            "Target-Model is not implemented by the local cloud",
        ),
    ],
)
def test_what_no_model_answers(endpoint: Served, request_: Document, code: str, words: str) -> None:
    hosting, name = endpoint
    with pytest.raises(ClientError, match=words) as refused:
        hosting.runtime.invoke_endpoint(**{"EndpointName": name, "Body": b"0.9,0,0", **request_})
    assert refused.value.response["Error"]["Code"] == code


def test_a_request_without_content_has_no_answer(endpoint: Served) -> None:
    hosting, name = endpoint
    assert hosting.ask(name, "")["Body"] == ""


def test_large_requests_are_answered_and_too_large_ones_are_not(endpoint: Served) -> None:
    hosting, name = endpoint
    rows = 200_000
    assert len(hosting.ask(name, "0.25,0.5,\n" * rows)["Body"].splitlines()) == rows
    with pytest.raises(ClientError, match="HTTP content length exceeded 6291456 bytes"):
        hosting.ask(name, "0.25,0.5,\n" * 630_000)


def test_a_dead_container_is_a_model_error(endpoint: Served, kill_container: Any) -> None:
    hosting, name = endpoint
    assert kill_container(name)
    assert hosting.score(name) > 0.5  # the next one answers


SIGNED = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sagemaker/aws4_request, SignedHeaders=host,"
    " Signature=none"
)


def plain(cloud: Any, method: str, path: str, body: bytes = b"") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    connection.request(method, path, body, {"Content-Type": "text/csv", "Authorization": SIGNED})
    return connection.getresponse()


def test_plain_http_is_enough(endpoint: Served, cloud: Any) -> None:
    answer = plain(cloud, "POST", f"/endpoints/{endpoint[1]}/invocations", b"0.9,0,0")
    assert answer.headers["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"
    assert float(answer.read()) > 0.5


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/endpoints/e/invocations"), ("POST", "/endpoints/e/else")]
)
def test_other_ways_lead_nowhere(cloud: Any, method: str, path: str) -> None:
    answer = plain(cloud, method, path)
    assert answer.status == 404
    assert json.loads(answer.read())["Message"].endswith(f"has no {method} {path}")


def statistic(hosting: Any, name: str, metric: str, statistic_name: str) -> float | None:
    """One statistic of an endpoint's metric over the last hour."""
    now = time.time()
    found = hosting.aws("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "AllTraffic"}],
        StartTime=now - 3600,
        EndTime=now + 3600,
        Period=86400,
        Statistics=[statistic_name],
    )["Datapoints"]
    return sum(point[statistic_name] for point in found) if found else None


def test_requests_are_counted_in_cloudwatch(hosting: Any) -> None:
    name = hosting.in_service()
    for _ in range(3):
        hosting.ask(name)
    with pytest.raises(ClientError):
        hosting.ask(name, "1,2")
    hosting.wait(name, lambda _: statistic(hosting, name, "Invocations", "Sum") == 4)
    assert statistic(hosting, name, "Invocation4XXErrors", "Sum") == 1
    assert statistic(hosting, name, "Invocation5XXErrors", "Sum") == 0
    latency = statistic(hosting, name, "ModelLatency", "Maximum")
    assert latency is not None
    assert latency > 10


def captured(hosting: Any, name: str) -> list[Document]:
    s3, prefix = hosting.aws("s3"), f"capture/{name}/AllTraffic/"
    found = s3.list_objects_v2(Bucket=hosting.bucket, Prefix=prefix).get("Contents", [])
    bodies = [s3.get_object(Bucket=hosting.bucket, Key=item["Key"])["Body"].read() for item in found]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def capture_to(hosting: Any, percentage: int) -> Document:
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": f"s3://{hosting.bucket}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }


def test_requests_are_captured_at_the_latest_when_the_fleet_ends(hosting: Any) -> None:
    config = hosting.config(hosting.model(), DataCaptureConfig=capture_to(hosting, 50))
    name = hosting.in_service(config)
    assert hosting.describe(name)["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 50,
        "DestinationS3Uri": f"s3://{hosting.bucket}/capture",
        "KmsKeyId": "",
    }
    answers = [
        hosting.ask(name, f"0.{number},0,0", InferenceId=f"id-{number}")["Body"] for number in range(1, 7)
    ]
    with pytest.raises(ClientError):
        hosting.ask(name, "1,2")
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    hosting.settled(name)
    records = captured(hosting, name)
    assert [record["eventMetadata"]["inferenceId"] for record in records] == ["id-2", "id-4", "id-6"]
    first = records[0]["captureData"]
    assert (first["endpointInput"]["data"], first["endpointInput"]["encoding"]) == ("0.2,0,0", "CSV")
    assert first["endpointOutput"]["data"] == answers[1]
    hosting.ask(name)
    hosting.ask(name)
    hosting.gone(name)
    assert len(captured(hosting, name)) == 4
