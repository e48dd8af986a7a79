"""Jobs in processes of their own, with S3 and logs in memory."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.sagemaker.errors import ResourceInUse, ValidationError
from localcloud.sagemaker.plane import ControlPlane

Document = dict[str, Any]
Build = Callable[..., Document]

IN, OUT = "/opt/ml/processing/in", "/opt/ml/processing/out"


def data(uri: str = "s3://b/in/", path: str = IN, **more: str) -> list[Document]:
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return [{"InputName": "in", "S3Input": source | more}]


def result(path: str = OUT, mode: str = "EndOfJob") -> Document:
    target = {"S3Uri": "s3://b/out", "LocalPath": path, "S3UploadMode": mode}
    return {"Outputs": [{"OutputName": "out", "S3Output": target}]}


@pytest.fixture
def process(plane: ControlPlane) -> Callable[[Document], Document]:
    """Runs a processing job to its end and describes it."""

    def run(request: Document) -> Document:
        plane.call("CreateProcessingJob", request)
        plane.jobs["Processing"].wait(request["ProcessingJobName"])
        return plane.call("DescribeProcessingJob", {"ProcessingJobName": request["ProcessingJobName"]})

    return run


Run = Callable[[Document], Document]

COPY = "import shutil, sys; shutil.copy(sys.argv[1] + '/a.csv', sys.argv[2])"


def test_a_processing_job_brings_its_data_from_and_to_s3(
    process: Run, processing_request: Build, s3: Any, around: Any
) -> None:
    s3.objects["s3://b/in/a.csv"] = b"1,2\n"
    request = processing_request(
        COPY,
        IN,
        OUT,
        ProcessingInputs=data(),
        ProcessingOutputConfig=result(),
        Tags=[{"Key": "k", "Value": "v"}],
    )
    described = process(request)
    assert described["ProcessingJobStatus"] == "Completed"
    assert "FailureReason" not in described
    assert described["CreationTime"] <= described["ProcessingStartTime"] <= described["ProcessingEndTime"]
    assert "Tags" not in described
    assert s3.objects["s3://b/out/a.csv"] == b"1,2\n"
    assert list((around.home / "jobs").iterdir()) == []


def test_a_job_sees_its_role_its_environment_and_its_description(
    process: Run, processing_request: Build, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    code = (
        "import json, os, shutil, sys; out = os.environ['OUT'];"
        "json.dump(dict(os.environ), open(out + '/environment.json', 'w'));"
        "shutil.copy(sys.argv[1] + '/processingjobconfig.json', out + '/config.json')"
    )
    process(
        processing_request(
            code,
            "/opt/ml/config",
            ProcessingOutputConfig=result(),
            Environment={"OUT": OUT, "PLAIN": "1"},
        )
    )
    seen = json.loads(s3.objects["s3://b/out/environment.json"])
    assert seen["PLAIN"] == "1"
    assert seen["PROCESSING_JOB_NAME"] == "job-1"
    assert seen["AWS_ACCESS_KEY_ID"] == "arn:aws:iam::123456789012:role/worker:job-1"
    assert "SECRET_OF_THE_SERVER" not in seen
    config = json.loads(s3.objects["s3://b/out/config.json"])
    assert config["ProcessingJobArn"] == "arn:aws:sagemaker:eu-west-1:123456789012:processing-job/job-1"


def test_a_job_logs_where_aws_would(process: Run, processing_request: Build, streams: Any) -> None:
    process(processing_request("import sys; print('out'); print('err', file=sys.stderr)"))
    [stream] = streams
    assert stream.group == "/aws/sagemaker/ProcessingJobs"
    assert stream.stream.startswith("job-1/algo-1-")
    assert sorted(stream.lines) == ["err", "out"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ValueError('no column Sex')", "ValueError: no column Sex, exit code: 1"),
        ("import sys; print('bad things', file=sys.stderr); sys.exit(3)", "bad things, exit code: 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL, exit code: 137"),
        ("import sys; sys.exit(2)", "wrote no message, exit code: 2"),
        ("raise ValueError('x' * 5000 + 'end')", "xend, exit code: 1"),
    ],
)
def test_a_failed_job_tells_its_own_last_words(
    process: Run, processing_request: Build, code: str, reason: str
) -> None:
    described = process(processing_request(code))
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: See job logs for more information")
    assert described["FailureReason"].endswith(reason)
    assert len(described["FailureReason"]) <= 1024


def test_a_job_may_write_its_exit_message_itself(process: Run, processing_request: Build) -> None:
    code = "import sys; open(sys.argv[1], 'w').write('the input is empty'); sys.exit(1)"
    described = process(processing_request(code, "/opt/ml/output/message"))
    assert described["ExitMessage"] == "the input is empty"
    assert "the input is empty" in described["FailureReason"]


def test_a_failed_job_uploads_nothing(process: Run, processing_request: Build, s3: Any) -> None:
    code = "import sys; open(sys.argv[1] + '/half', 'w').close(); sys.exit(1)"
    process(processing_request(code, OUT, ProcessingOutputConfig=result()))
    assert s3.objects == {}


def test_a_job_whose_input_is_missing_fails(process: Run, processing_request: Build) -> None:
    described = process(processing_request("", ProcessingInputs=data("s3://b/none")))
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: Data download failed:NoSuchKey")
    assert "ProcessingStartTime" not in described


def test_a_job_whose_role_may_not_read_fails(process: Run, processing_request: Build, s3: Any) -> None:
    s3.refuse = "AccessDenied"
    described = process(processing_request("", ProcessingInputs=data()))
    assert "AccessDenied" in described["FailureReason"]


def test_a_program_that_is_not_there_fails_the_job(process: Run, processing_request: Build) -> None:
    request = processing_request("")
    request["AppSpecification"]["ContainerEntrypoint"] = ["/no/such/program"]
    assert "/no/such/program cannot be started" in process(request)["FailureReason"]


def test_a_job_past_its_time_is_stopped(process: Run, processing_request: Build) -> None:
    request = processing_request("import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    described = process(request)
    assert described["ProcessingJobStatus"] == "Stopped"
    assert described["FailureReason"].startswith("MaxRuntimeExceeded")


def test_a_running_job_can_be_stopped(
    plane: ControlPlane, processing_request: Build, streams: Any, s3: Any
) -> None:
    # The child of the job must go too, or its end would be awaited for a minute.
    code = "import subprocess; print('begun', flush=True); subprocess.run(['sleep', '60'])"
    plane.call("CreateProcessingJob", processing_request(code, ProcessingOutputConfig=result()))
    assert streams[0].begun.wait(10)
    plane.call("StopProcessingJob", {"ProcessingJobName": "job-1"})
    plane.jobs["Processing"].wait("job-1")
    described = plane.call("DescribeProcessingJob", {"ProcessingJobName": "job-1"})
    assert described["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ValidationError, match="in status Stopped"):
        plane.call("StopProcessingJob", {"ProcessingJobName": "job-1"})


def test_a_job_that_is_stopped_at_once_does_not_begin(plane: ControlPlane, processing_request: Build) -> None:
    plane.call("CreateProcessingJob", processing_request("import time; time.sleep(60)"))
    plane.call("StopProcessingJob", {"ProcessingJobName": "job-1"})
    plane.call("StopProcessingJob", {"ProcessingJobName": "job-1"})
    plane.jobs["Processing"].wait("job-1")
    described = plane.call("DescribeProcessingJob", {"ProcessingJobName": "job-1"})
    assert described["ProcessingJobStatus"] == "Stopped"


def test_a_job_name_is_used_once(process: Run, processing_request: Build) -> None:
    process(processing_request(""))
    with pytest.raises(ResourceInUse, match="must be unique"):
        process(processing_request(""))


def test_a_job_that_does_not_exist_is_not_found(plane: ControlPlane) -> None:
    for operation in ("DescribeProcessingJob", "StopProcessingJob"):
        with pytest.raises(ValidationError, match="Could not find requested job with name: none"):
            plane.call(operation, {"ProcessingJobName": "none"})
    with pytest.raises(ValidationError, match="Requested resource not found"):
        plane.call("DescribeTrainingJob", {"TrainingJobName": "none"})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ProcessingInputs": data(S3InputMode="Pipe")}, "S3InputMode Pipe is not implemented"),
        ({"ProcessingInputs": data(S3DataType="ManifestFile")}, "S3DataType ManifestFile is not implemented"),
        ({"ProcessingInputs": data(path="/etc")}, "must be below /opt/ml/processing, not /etc"),
        ({"ProcessingInputs": data(path="/opt/ml/processing/../../x")}, "must be below /opt/ml/processing"),
        ({"ProcessingInputs": [{"InputName": "in"}]}, "Input in: anything but an S3Input is not implemented"),
        ({"ProcessingOutputConfig": result(mode="Continuous")}, "S3UploadMode Continuous is not implemented"),
        ({"ProcessingOutputConfig": result(path="/tmp/x")}, "must be below /opt/ml/processing"),
        ({"AppSpecification": {"ImageUri": "i"}}, "without ContainerEntrypoint"),
    ],
)
def test_refuses_what_is_not_done_here(
    plane: ControlPlane, processing_request: Build, more: Document, words: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        plane.call("CreateProcessingJob", processing_request("", **more))
    assert words in refused.value.message
    assert plane.call("ListProcessingJobs", {})["ProcessingJobSummaries"] == []


def test_lists_jobs_by_page_and_by_filter(
    process: Run, plane: ControlPlane, processing_request: Build
) -> None:
    for name, code in (("one", ""), ("two", "raise SystemExit(1)"), ("three", "")):
        process(processing_request(code, name=name))

    def names(**parameters: Any) -> list[str]:
        listed = plane.call("ListProcessingJobs", parameters)["ProcessingJobSummaries"]
        return [job["ProcessingJobName"] for job in listed]

    assert names() == ["three", "two", "one"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["one", "three", "two"]
    assert names(StatusEquals="Failed") == ["two"]
    assert names(NameContains="t") == ["three", "two"]
    first = plane.call("ListProcessingJobs", {"MaxResults": 2})
    assert names(MaxResults=2, NextToken=first["NextToken"]) == ["one"]
    with pytest.raises(ValidationError, match="Invalid NextToken"):
        names(NextToken="!")


def test_tells_of_every_status(process: Run, processing_request: Build, events: Any) -> None:
    process(processing_request(""))
    statuses = [json.loads(entry["Detail"])["ProcessingJobStatus"] for entry in events.entries]
    assert statuses[-1] == "Completed"
    assert set(statuses[:-1]) == {"InProgress"}
    assert {entry["DetailType"] for entry in events.entries} == {"SageMaker Processing Job State Change"}


def test_a_job_that_ran_when_the_cloud_went_down_has_failed(
    plane: ControlPlane, process: Run, processing_request: Build
) -> None:
    process(processing_request(""))
    [saved] = plane.jobs["Processing"].snapshot()
    saved |= {
        "name": "lost",
        "status": "InProgress",
        "request": saved["request"] | {"ProcessingJobName": "lost"},
    }
    plane.jobs["Processing"].restore([saved])
    described = plane.call("DescribeProcessingJob", {"ProcessingJobName": "lost"})
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("InternalServerError: the local cloud was stopped")


TRAIN = """
import json, os, pathlib, sys
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "model").write_text(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "a.csv").read_text())
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "seen.json").write_text(
    json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()})
)
"""


def bundle(**members: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()


def training_request(program: str = "pkg.train", **parameters: str) -> Document:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}
    return {
        "TrainingJobName": "train-1",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "HyperParameters": {
            "sagemaker_program": program,
            "sagemaker_submit_directory": "s3://b/code.tar.gz",
            **parameters,
        },
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://b/models/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "RoleArn": "arn:aws:iam::123456789012:role/worker",
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


@pytest.fixture
def train(plane: ControlPlane, s3: Any) -> Callable[..., Document]:
    """Runs a training job to its end and describes it."""

    def run(request: Document, code: str = TRAIN, archive: bytes | None = None) -> Document:
        s3.objects |= {
            "s3://b/code.tar.gz": bundle(**{"pkg/__init__.py": "", "pkg/train.py": code})
            if archive is None
            else archive,
            "s3://b/in/a.csv": b"1,2\n",
        }
        plane.call("CreateTrainingJob", request)
        plane.jobs["Training"].wait(request["TrainingJobName"])
        return plane.call("DescribeTrainingJob", {"TrainingJobName": request["TrainingJobName"]})

    return run


Train = Callable[..., Document]
MODEL = "s3://b/models/train-1/output/model.tar.gz"


def seen(s3: Any) -> Document:
    with tarfile.open(fileobj=io.BytesIO(s3.objects[MODEL.replace("model.tar", "output.tar")])) as archive:
        content = archive.extractfile("seen.json")
        assert content is not None
        loaded: Document = json.load(content)
        return loaded


def test_a_training_job_leaves_its_model_in_s3(train: Train, s3: Any) -> None:
    described = train(training_request())
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Completed", "Completed")
    assert described["ModelArtifacts"] == {"S3ModelArtifacts": MODEL}
    with tarfile.open(fileobj=io.BytesIO(s3.objects[MODEL])) as archive:
        assert archive.getnames() == ["model"]
    stages = [transition["Status"] for transition in described["SecondaryStatusTransitions"]]
    assert stages == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_hyperparameters_reach_the_script_as_the_toolkit_passes_them(train: Train, s3: Any) -> None:
    train(
        training_request(
            depth="4", rate="0.05", name='"quoted"', flag="true", text="plain", k="1", m='{"b":2,"a":1}'
        )
    )
    assert seen(s3)["arguments"] == [
        *("--depth", "4", "--flag", "True", "-k", "1", "-m", "a=1,b=2"),
        *("--name", "quoted", "--rate", "0.05", "--text", "plain"),
    ]


def test_the_script_finds_the_toolkits_variables(train: Train, s3: Any, around: Any) -> None:
    train(training_request(depth="4"))
    environment, folder = seen(s3)["environment"], seen(s3)["folder"]
    assert folder.endswith("train-1/opt/ml/code")
    opt_ml = folder.removesuffix("/code")
    assert environment["SM_MODEL_DIR"] == f"{opt_ml}/model"
    assert environment["SM_CHANNEL_TRAIN"] == f"{opt_ml}/input/data/train"
    assert environment["SM_CHANNELS"] == '["train"]'
    assert environment["SM_HPS"] == '{"depth":4}'
    assert environment["SM_HP_DEPTH"] == "4"
    assert environment["SM_NUM_CPUS"].isdigit()
    assert environment["TRAINING_JOB_NAME"] == "train-1"
    assert environment["TRAINING_JOB_ARN"].endswith(":training-job/train-1")
    assert environment["AWS_ACCESS_KEY_ID"].endswith("role/worker:train-1")


def test_the_same_training_gives_the_same_bytes(train: Train, s3: Any) -> None:
    train(training_request())
    first = s3.objects[MODEL]
    again = training_request() | {"TrainingJobName": "train-2"}
    train(again)
    assert s3.objects[MODEL.replace("train-1", "train-2")] == first


def test_a_script_that_fails_tells_its_error_and_its_command(train: Train) -> None:
    described = train(training_request(), "raise ValueError('only one class')")
    assert described["TrainingJobStatus"] == "Failed"
    reason = described["FailureReason"]
    assert reason.startswith('AlgorithmError: ExecuteUserScriptError:\nCommand "python3 -m pkg.train"')
    assert reason.endswith("ValueError: only one class, exit code: 1")


def test_a_script_may_give_its_own_reason(train: Train, s3: Any) -> None:
    code = "import os, sys; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('no data'); sys.exit(1)"
    assert train(training_request(), code)["FailureReason"] == "AlgorithmError: no data, exit code: 1"
    assert MODEL not in s3.objects


@pytest.mark.parametrize("program", ["pkg/train.py", "pkg/train", "nothing.here"])
def test_a_program_that_is_no_module_fails_as_on_aws(train: Train, program: str) -> None:
    assert "No module named" in train(training_request(program))["FailureReason"]


def test_a_flat_script_name_may_keep_its_ending(train: Train) -> None:
    described = train(training_request("train.py"), archive=bundle(**{"train.py": TRAIN}))
    assert described["TrainingJobStatus"] == "Completed"


def test_code_that_would_leave_its_folder_is_not_unpacked(train: Train, around: Any) -> None:
    described = train(training_request(), archive=bundle(**{"pkg/train.py": TRAIN, "../../evil.py": ""}))
    assert described["TrainingJobStatus"] == "Failed"
    assert "member '../../evil.py' would be written outside the code folder" in described["FailureReason"]
    assert not list(around.home.rglob("evil.py"))


def test_code_that_is_no_archive_fails_the_job(train: Train) -> None:
    assert "cannot be unpacked" in train(training_request(), archive=b"nothing")["FailureReason"]


def test_code_that_is_not_there_fails_the_job(plane: ControlPlane, s3: Any) -> None:
    s3.objects["s3://b/in/a.csv"] = b""
    plane.call("CreateTrainingJob", training_request())
    plane.jobs["Training"].wait("train-1")
    reason = plane.call("DescribeTrainingJob", {"TrainingJobName": "train-1"})["FailureReason"]
    assert "s3://b/code.tar.gz" in reason


def test_a_script_that_saves_no_model_says_so_in_its_log(train: Train, s3: Any, streams: Any) -> None:
    assert train(training_request(), "print('done')")["TrainingJobStatus"] == "Completed"
    assert any(line.startswith("No model artifact is saved") for line in streams[0].lines)
    assert MODEL not in s3.objects


def test_training_past_its_time_is_stopped(train: Train) -> None:
    request = training_request() | {"StoppingCondition": {"MaxRuntimeInSeconds": 1}}
    described = train(request, "import time; time.sleep(60)")
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"HyperParameters": {}}, "without the hyperparameter sagemaker_program"),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}},
            "several",
        ),
    ],
)
def test_refuses_training_that_is_not_done_here(plane: ControlPlane, change: Document, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        plane.call("CreateTrainingJob", training_request() | change)
