"""Transform jobs: workers in processes of their own, S3 behind the local cloud's port."""

from __future__ import annotations

import gzip
import os
import signal
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from localcloud import control, processes
from localcloud.sagemaker.errors import ResourceInUse, ValidationError
from localcloud.sagemaker.plane import ControlPlane
from localcloud.sagemaker.transfer import S3Object
from localcloud.sagemaker.transform import _shares
from localcloud.sagemaker.work import Surroundings

Document = dict[str, Any]
Aws = Callable[[str], Any]
Pack = Callable[[dict[str, bytes]], bytes]

ROLE = "arn:aws:iam::123456789012:role/model"
IMAGE = "1.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5"
ID_AND_SCORE = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
SLOW = b"".join(b"%d,1,0,1\n" % number for number in range(200_000))  # one by one: most of a minute


@pytest.fixture
def around(around: Surroundings, aws: Aws, cloud: control.Cloud) -> Surroundings:
    """S3 is the local cloud's, for the job and for its workers."""
    variables = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
    }
    return replace(around, s3=lambda _role, _name: aws("s3"), environment=lambda _role, _name: variables)


class Folder:
    """A prefix of a bucket, as a mapping from paths to contents."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, prefix

    def uri(self, path: str = "") -> str:
        return f"s3://{self._bucket}/{self._prefix}/{path}"

    def __setitem__(self, path: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=f"{self._prefix}/{path}", Body=content)

    def __getitem__(self, path: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{path}")["Body"].read()
        return content

    def delete(self, path: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=f"{self._prefix}/{path}")

    def paths(self, below: str) -> list[str]:
        prefix = f"{self._prefix}/{below}"
        listed = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"].removeprefix(prefix) for item in listed]


@pytest.fixture
def data(aws: Aws, bucket: str, pack: Pack, model_file: bytes) -> Folder:
    """`model.tar.gz`; tests put objects below `in/` and find them below `out/`."""
    folder = Folder(aws("s3"), bucket, uuid.uuid4().hex[:8])
    folder["model.tar.gz"] = pack({"xgboost-model": model_file})
    return folder


@pytest.fixture
def request_of(plane: ControlPlane, data: Folder) -> Callable[..., Document]:
    """Builds a CreateTransformJob request for a model that exists."""
    plane.call(
        "CreateModel",
        {
            "ModelName": "model",
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": data.uri("model.tar.gz")},
        },
    )

    def build(change: Document | None = None, **more: Any) -> Document:
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": data.uri("in/")}}
        request = {
            "TransformJobName": "job",
            "ModelName": "model",
            "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
            "TransformOutput": {"S3OutputPath": data.uri("out/"), "AssembleWith": "Line"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }
        return _merged(request, {**(change or {}), **more})

    return build


def _merged(request: Document, change: Document) -> Document:
    """`change` put over `request`; a member changed to None is left out."""
    merged = dict(request)
    for key, value in change.items():
        inside = key in ("TransformInput", "TransformOutput")
        merged[key] = _merged(request[key], value) if inside else value
    return {key: value for key, value in merged.items() if value is not None}


Build = Callable[..., Document]


@pytest.fixture
def transform(plane: ControlPlane, request_of: Build) -> Callable[..., Document]:
    """Runs a job to its end and describes it."""

    def run(change: Document | None = None, **more: Any) -> Document:
        plane.call("CreateTransformJob", request_of(change, **more))
        assert plane.jobs["Transform"].wait("job", 60)
        return plane.call("DescribeTransformJob", {"TransformJobName": "job"})

    return run


Run = Callable[..., Document]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Callable[[], processes.Process]:
    """Waits for the first worker to start, and returns it."""
    original, seen, begun = processes.start, [], threading.Event()

    def start(spec: processes.ProcessSpec) -> processes.Process:
        seen.append(original(spec))
        begun.set()
        return seen[-1]

    def wait() -> processes.Process:
        assert begun.wait(30)
        return seen[0]

    monkeypatch.setattr(processes, "start", start)
    return wait


def scores(output: bytes) -> list[tuple[str, float]]:
    rows = [line.split(",") for line in output.decode().splitlines()]
    return [(identity, float(score)) for identity, score in rows]


def test_every_object_under_the_prefix_becomes_an_output_of_its_own(transform: Run, data: Folder) -> None:
    data["in/a.csv"] = b"7,0.9,0.9,0.9\n8,0.1,,0.1\n"
    data["in/deep/er/b.csv"] = b"9,0.9,0.9,0.9\r\n10,0.1,0.1,\r\n"
    data["in/empty.csv"] = b""
    data["in/folder/"] = b""
    described = transform(DataProcessing=ID_AND_SCORE)
    assert described["TransformJobStatus"] == "Completed", described
    assert data.paths("out/") == ["a.csv.out", "deep/er/b.csv.out", "empty.csv.out"]
    likely, unlikely = scores(data["out/a.csv.out"])
    assert (likely[0], unlikely[0]) == ("7", "8")
    assert likely[1] - unlikely[1] > 0.4
    assert [identity for identity, _score in scores(data["out/deep/er/b.csv.out"])] == ["9", "10"]
    assert data["out/empty.csv.out"] == b""


@pytest.mark.parametrize(
    ("uri", "outputs"),
    [("in/a.csv", ["a.csv.out"]), ("in/part", ["part-1.csv.out", "part-2.csv.out"]), ("in", ["a.csv.out"])],
)
def test_a_prefix_may_be_an_object_or_the_beginning_of_names(
    transform: Run, data: Folder, uri: str, outputs: list[str]
) -> None:
    for name in ("a.csv",) if uri == "in" else ("a.csv", "part-1.csv", "part-2.csv"):
        data[f"in/{name}"] = b"1,2,3\n"
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": data.uri(uri)}}
    transform(TransformInput={"DataSource": source})
    assert data.paths("out/") == outputs


def test_a_job_is_described_as_it_was_asked_for(transform: Run, request_of: Build, data: Folder) -> None:
    data["in/a.csv"] = b"1,2,3\n"
    described = transform(Tags=[{"Key": "k", "Value": "v"}], MaxPayloadInMB=1)
    request = request_of(MaxPayloadInMB=1)
    assert {key: described[key] for key in request} == request
    assert described["TransformJobArn"] == "arn:aws:sagemaker:eu-west-1:123456789012:transform-job/job"
    assert described["CreationTime"] <= described["TransformStartTime"] <= described["TransformEndTime"]
    assert described.keys() - request.keys() == {
        *("TransformJobArn", "TransformJobStatus", "CreationTime", "TransformStartTime", "TransformEndTime")
    }


def test_a_file_of_many_megabytes_comes_out_line_for_line(transform: Run, data: Folder) -> None:
    rows = 400_000
    data["in/big.csv"] = b"".join(b"%d,0.25,%d,0.5\n" % (n, n % 3) for n in range(rows))
    assert transform(DataProcessing=ID_AND_SCORE, MaxPayloadInMB=1)["TransformJobStatus"] == "Completed"
    output = data["out/big.csv.out"]
    assert len(output) > 5 * 1024 * 1024
    scored = scores(output)
    assert [int(identity) for identity, _score in scored] == list(range(rows))
    assert [score for _identity, score in scored[:3]] * 3 == [score for _identity, score in scored[-10:-1]]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"BatchStrategy": "SingleRecord"},
        {"MaxConcurrentTransforms": 4},
        {"TransformInput": {"SplitType": None}, "TransformOutput": {"AssembleWith": None}},
        {"TransformOutput": {"AssembleWith": "None", "Accept": "text/csv"}},
    ],
)
def test_the_answers_are_the_same_however_they_are_asked_for(
    transform: Run, data: Folder, change: Document
) -> None:
    data["in/a.csv"] = b"0.9,0.9,0.9\n0.1,0.1,0.1\n0.9,0.9,0.9"
    transform(change)
    first, second, third = data["out/a.csv.out"].splitlines(keepends=True)
    assert first == third
    assert float(first) - float(second) > 0.4


def test_compressed_input_is_read_and_output_is_plain(transform: Run, data: Folder) -> None:
    data["in/a.csv.gz"] = gzip.compress(b"7,1,1,1\n") + gzip.compress(b"8,0,0,0\n")
    transform(TransformInput={"CompressionType": "Gzip"}, DataProcessing=ID_AND_SCORE)
    assert [identity for identity, _score in scores(data["out/a.csv.gz.out"])] == ["7", "8"]


@pytest.mark.parametrize(
    ("content", "change", "words"),
    [
        (b"id,a,b,c\n7,1,1,1\n", {}, "ClientError: 415: Loading csv data failed with Exception"),
        (b"7,1,1\n8,1,1\n", {}, "ClientError: 400: Unable to evaluate payload provided: Feature size of csv"),
        (b"7,1,1,1\n", {"DataProcessing": {"InputFilter": "$[9]"}}, "a row of 4 columns does not have"),
        (b"7," + b"1" * 2**20 + b"\n", {"MaxPayloadInMB": 1}, "A record is larger than MaxPayloadInMB=1"),
        (
            gzip.compress(b"7,1,1,1\n")[:-9],
            {"TransformInput": {"CompressionType": "Gzip"}},
            "Not a complete gzip file",
        ),
        (
            b"7,1,1,1\n",
            {"TransformInput": {"ContentType": "application/json"}},
            "ClientError: 415: application/json is not an accepted ContentType",
        ),
    ],
    ids=["header", "columns", "filter", "payload", "gzip", "content type"],
)
def test_an_object_that_cannot_be_scored_fails_the_job_and_has_no_output(
    transform: Run, data: Folder, content: bytes, change: Document, words: str
) -> None:
    data["in/bad.csv"] = content
    described = transform({"DataProcessing": ID_AND_SCORE, **change})
    assert described["TransformJobStatus"] == "Failed"
    reason = described["FailureReason"]
    assert reason.startswith("ClientError: See job logs for more information: ")
    assert "/in/bad.csv: " in reason
    assert words in reason
    assert len(reason) <= 1024
    assert data.paths("out/") == []


def test_a_bad_object_costs_its_own_output_only(transform: Run, data: Folder, streams: Any) -> None:
    for number, content in enumerate([b"1,2,3\n", b"a,b,c\n", b"1,2,3\n", b"1,2\n"]):
        data[f"in/{number}.csv"] = content
    reason = transform()["FailureReason"]
    assert "/in/1.csv: ClientError: 415" in reason
    assert reason.endswith("(and 1 more of 4 inputs)")
    assert data.paths("out/") == ["0.csv.out", "2.csv.out"]
    [data_log] = [stream for stream in streams if stream.stream.endswith("/data-log")]
    assert data_log.group == "/aws/sagemaker/TransformJobs"
    said = [line.split(":[sagemaker logs]: ")[1] for line in data_log.lines]
    assert any(line.startswith("MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD") for line in said)
    assert any(line.endswith("/in/1.csv: ClientError: 415") for line in said)
    assert any(line.endswith("could not convert string to float: np.str_('a')") for line in said)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"xgboost-model": b"nothing"}, "Unable to load model: Model at xgboost-model cannot be loaded"),
        ({"code/inference.py": b""}, "Unable to load model: model.tar.gz has no file at its root"),
        ({"../evil": b""}, "member '../evil' would be written outside the code folder"),
    ],
)
def test_a_model_that_cannot_be_loaded_fails_the_job(
    transform: Run, data: Folder, pack: Pack, members: dict[str, bytes], words: str
) -> None:
    data["in/a.csv"] = b"1,2,3\n"
    data["model.tar.gz"] = pack(members)
    described = transform()
    assert described["TransformJobStatus"] == "Failed"
    assert words in described["FailureReason"]
    assert data.paths("out/") == []


def test_a_model_that_is_no_archive_fails_the_job(transform: Run, data: Folder) -> None:
    data["in/a.csv"] = b"1,2,3\n"
    data["model.tar.gz"] = b"no archive"
    reason = transform()["FailureReason"]
    assert reason.startswith("ClientError: Failed to extract model data archive s3://")


def test_a_model_deleted_from_s3_fails_the_job(transform: Run, data: Folder) -> None:
    data["in/a.csv"] = b"1,2,3\n"
    data.delete("model.tar.gz")
    assert transform()["FailureReason"].startswith("ClientError: Data download failed:NoSuchKey")


def test_a_worker_that_dies_fails_the_job_and_leaves_no_half_output(
    plane: ControlPlane, request_of: Build, data: Folder, started: Callable[[], processes.Process]
) -> None:
    data["in/a.csv"] = SLOW
    plane.call("CreateTransformJob", request_of(DataProcessing=ID_AND_SCORE, BatchStrategy="SingleRecord"))
    os.kill(started().pid, signal.SIGKILL)
    plane.jobs["Transform"].wait("job", 30)
    described = plane.call("DescribeTransformJob", {"TransformJobName": "job"})
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"] == (
        "AlgorithmError: See job logs for more information: the process was ended by SIGKILL, exit code: 137"
    )
    assert data.paths("out/") == []


def test_stopping_a_job_ends_its_workers_and_stores_nothing(
    plane: ControlPlane,
    request_of: Build,
    data: Folder,
    started: Callable[[], processes.Process],
    around: Any,
) -> None:
    data["in/a.csv"] = SLOW
    data["in/b.csv"] = b"1,2,3,4\n"
    request = request_of(DataProcessing=ID_AND_SCORE, BatchStrategy="SingleRecord")
    plane.call("CreateTransformJob", request)
    worker = started()
    plane.call("StopTransformJob", {"TransformJobName": "job"})
    plane.jobs["Transform"].wait("job", 30)
    described = plane.call("DescribeTransformJob", {"TransformJobName": "job"})
    assert described["TransformJobStatus"] == "Stopped"
    assert not worker.alive
    assert data.paths("out/") == []
    assert list((around.home / "jobs").iterdir()) == []
    with pytest.raises(ValidationError, match="transform job is in status Stopped"):
        plane.call("StopTransformJob", {"TransformJobName": "job"})


def test_jobs_are_listed_without_what_only_describe_tells(
    transform: Run, data: Folder, plane: ControlPlane
) -> None:
    data["in/a.csv"] = b"a,b,c\n"
    described = transform()
    [listed] = plane.call("ListTransformJobs", {"StatusEquals": "Failed"})["TransformJobSummaries"]
    assert listed["FailureReason"] == described["FailureReason"]
    assert listed["TransformEndTime"] == listed["LastModifiedTime"]
    assert "ModelName" not in listed
    assert plane.call("ListTransformJobs", {"NameContains": "other"})["TransformJobSummaries"] == []


def test_a_jobs_name_is_used_once_and_a_missing_one_is_not_found(
    transform: Run, data: Folder, plane: ControlPlane
) -> None:
    data["in/a.csv"] = b"1,2,3\n"
    transform()
    with pytest.raises(ResourceInUse, match="a transform job with this name already exists"):
        transform()
    with pytest.raises(ValidationError, match="Could not find requested job with name: none"):
        plane.call("DescribeTransformJob", {"TransformJobName": "none"})


def test_tells_of_every_status(transform: Run, data: Folder, events: Any) -> None:
    data["in/a.csv"] = b"1,2,3\n"
    transform()
    assert {entry["DetailType"] for entry in events.entries} == {"SageMaker Transform Job State Change"}
    assert '"TransformJobStatus": "Completed"' in events.entries[-1]["Detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"TransformInput": {"SplitType": "RecordIO"}}, "SplitType RecordIO is not implemented"),
        ({"TransformInput": {"ContentType": None}}, "without ContentType, which the image reads as libsvm"),
        ({"TransformInput": {"ContentType": "text/libsvm"}}, "ContentType text/libsvm is not implemented"),
        ({"TransformOutput": {"Accept": "application/json"}}, "Accept application/json is not implemented"),
        ({"TransformOutput": {"S3OutputPath": "https://b/x"}}, "Invalid S3 URI"),
        ({"MaxPayloadInMB": 0}, "MaxPayloadInMB 0"),
        ({"MaxPayloadInMB": 51, "MaxConcurrentTransforms": 2}, "must not exceed 100 MB: it is 2 * 51"),
        ({"DataProcessing": {"InputFilter": "$.id"}}, "'$.id' cannot be applied to CSV"),
        (
            {"DataProcessing": ID_AND_SCORE, "TransformInput": {"SplitType": None}},
            "needs SplitType Line and AssembleWith Line",
        ),
        (
            {"DataProcessing": ID_AND_SCORE, "TransformOutput": {"AssembleWith": None}},
            "needs SplitType Line and AssembleWith Line",
        ),
        (
            {"Environment": {"SAGEMAKER_PROGRAM": "inference.py"}},
            "Serving with the variable SAGEMAKER_PROGRAM",
        ),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c"}}, "DataCaptureConfig is not implemented"),
        ({"ModelName": "none"}, 'Could not find model "arn:aws:sagemaker:'),
    ],
)
def test_refuses_what_is_wrong_or_not_done_here(
    plane: ControlPlane, request_of: Build, data: Folder, change: Document, words: str
) -> None:
    data["in/a.csv"] = b"1,2,3\n"
    with pytest.raises(ValidationError) as refused:
        plane.call("CreateTransformJob", request_of(change))
    assert words in refused.value.message
    assert plane.call("ListTransformJobs", {})["TransformJobSummaries"] == []


def test_refuses_a_manifest_and_a_prefix_without_objects(
    plane: ControlPlane, request_of: Build, data: Folder
) -> None:
    manifest = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": data.uri("manifest")}}
    with pytest.raises(ValidationError, match="S3DataType ManifestFile is not implemented"):
        plane.call("CreateTransformJob", request_of(TransformInput={"DataSource": manifest}))
    with pytest.raises(ValidationError) as refused:
        plane.call("CreateTransformJob", request_of())
    assert refused.value.message.startswith(f'No S3 objects found under S3 URL "{data.uri("in/")}"')
    assert f'that the role "{ROLE}" has "s3:ListBucket" permissions' in refused.value.message


def test_refuses_to_serve_with_another_image(plane: ControlPlane, request_of: Build, data: Folder) -> None:
    container = {"Image": "somebody/sklearn:1", "ModelDataUrl": data.uri("model.tar.gz")}
    plane.call("CreateModel", {"ModelName": "other", "ExecutionRoleArn": ROLE, "PrimaryContainer": container})
    with pytest.raises(ValidationError, match="Serving with the image somebody/sklearn:1"):
        plane.call("CreateTransformJob", request_of(ModelName="other"))


def test_workers_get_shares_of_like_size() -> None:
    inputs = [S3Object("b", str(number), str(number), size) for number, size in enumerate([5, 1, 9, 4, 1])]
    shares = _shares(inputs, 2)
    assert sorted(number for share in shares for number in share) == [0, 1, 2, 3, 4]
    assert sorted(sum(inputs[number].size for number in share) for share in shares) == [10, 10]
    assert _shares(inputs[:1], 8) == [[0]]
