"""Processing jobs: any program, with its inputs downloaded and its outputs uploaded.

The container's entry point and arguments run as they are, `/opt/ml` in them standing for the job's folder.
"""

from __future__ import annotations

import json
from typing import Any

from localcloud.sagemaker import transfer
from localcloud.sagemaker.errors import ValidationError, not_here
from localcloud.sagemaker.work import REASON_LENGTH, Job, Request, Work, exit_code, failed, fit, words_of
from localcloud.sagemaker.workspace import Workspace

HOSTS = {"current_host": "algo-1", "hosts": ["algo-1"]}


class Processing:
    name = "Processing"
    resource = "processing-job"
    missing = "Could not find requested job with name: {name}"

    def check(self, request: Request) -> None:
        if "ContainerEntrypoint" not in request["AppSpecification"]:
            raise not_here("A processing job without ContainerEntrypoint (the image's own entry point)")
        if request["ProcessingResources"]["ClusterConfig"]["InstanceCount"] != 1:
            raise not_here("A processing job on several instances")
        for given in request.get("ProcessingInputs", []):
            _check_input(given)
        for output in _outputs(request):
            _check_output(output)

    def role(self, request: Request) -> str:
        return str(request["RoleArn"])

    def run(self, work: Work) -> None:
        request, workspace = work.job.request, work.workspace
        work.stage("Downloading", "Downloading input data")
        for given in request.get("ProcessingInputs", []):
            source = given["S3Input"]
            transfer.download(work.s3, source["S3Uri"], workspace.folder(source["LocalPath"]))
        for output in _outputs(request):
            workspace.folder(output["S3Output"]["LocalPath"])
        _write_config(work.job, workspace)
        work.stage("Processing", "Running the container")
        self._execute(work)
        work.stage("Uploading", "Uploading outputs")
        for output in _outputs(request):
            target = output["S3Output"]
            transfer.upload_folder(work.s3, workspace.path(target["LocalPath"]), target["S3Uri"])

    def describe(self, job: Job) -> dict[str, Any]:
        return {"ExitMessage": job.exit_message}

    def _execute(self, work: Work) -> None:
        job, app = work.job, work.job.request["AppSpecification"]
        command = [*app["ContainerEntrypoint"], *app.get("ContainerArguments", [])]
        job.started = job.modified
        exit_ = work.execute(
            [work.workspace.localise(part) for part in command],
            {"PROCESSING_JOB_NAME": job.name, "PROCESSING_JOB_ARN": job.arn},
            work.workspace.root,
        )
        job.exit_message = _exit_message(work.workspace)
        if not exit_.succeeded:
            own_words = job.exit_message or words_of(exit_)
            reason = f"AlgorithmError: See job logs for more information: {own_words}"
            raise failed(fit(reason, f", exit code: {exit_code(exit_)}"))


def _check_input(given: Request) -> None:
    name, source = given["InputName"], given.get("S3Input")
    if source is None:
        raise not_here(f"Input {name}: anything but an S3Input")
    if "LocalPath" not in source:
        raise ValidationError(f"Input {name}: S3Input needs a LocalPath")
    for key, only in (("S3DataType", "S3Prefix"), ("S3InputMode", "File"), ("S3CompressionType", "None")):
        if source.get(key, only) != only:
            raise not_here(f"Input {name}: {key} {source[key]}")
    _check_path(name, source["LocalPath"])


def _check_output(output: Request) -> None:
    name, target = output["OutputName"], output.get("S3Output")
    if target is None:
        raise not_here(f"Output {name}: anything but an S3Output")
    if target["S3UploadMode"] != "EndOfJob":
        raise not_here(f"Output {name}: S3UploadMode {target['S3UploadMode']}")
    if "LocalPath" not in target:
        raise ValidationError(f"Output {name}: S3Output needs a LocalPath")
    _check_path(name, target["LocalPath"])


def _check_path(name: str, path: str) -> None:
    if not path.startswith("/opt/ml/processing/") or ".." in path.split("/"):
        raise ValidationError(f"LocalPath of {name} must be below /opt/ml/processing, not {path}")


def _outputs(request: Request) -> list[Request]:
    outputs: list[Request] = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return outputs


def _write_config(job: Job, workspace: Workspace) -> None:
    config = workspace.folder("/opt/ml/config")
    described = {"ProcessingJobArn": job.arn, **{k: v for k, v in job.request.items() if k != "Tags"}}
    (config / "processingjobconfig.json").write_text(json.dumps(described))
    (config / "resourceconfig.json").write_text(json.dumps(HOSTS))
    workspace.folder("/opt/ml/output")


def _exit_message(workspace: Workspace) -> str | None:
    path = workspace.path("/opt/ml/output/message")
    return path.read_text(errors="replace")[:REASON_LENGTH] if path.is_file() else None
