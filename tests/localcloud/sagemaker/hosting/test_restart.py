"""Endpoints outlive the cloud: what was in service is again, what was under way is not half done."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud import control

Document = dict[str, Any]


class Restarted:
    """A cloud of its own, which can be stopped and started again."""

    def __init__(self, home: Path, hosting_of: Callable[[control.Cloud], Any]) -> None:
        self.home, self._hosting_of = home, hosting_of
        self.start()

    def stop(self) -> None:
        control.stop(self.home)

    def start(self) -> Any:
        self.cloud = control.start(self.home, port=0)
        self.hosting = self._hosting_of(self.cloud)
        return self.hosting

    def again(self) -> Any:
        self.stop()
        return self.start()


@pytest.fixture
def restarted(
    tmp_path: Path, clients_of: Callable[[str], Any], artifact: Callable[..., bytes], make_hosting: Any
) -> Iterator[Restarted]:
    def hosting_of(cloud: control.Cloud) -> Any:
        aws = clients_of(cloud.endpoint_url)
        if not aws("s3").list_buckets()["Buckets"]:
            location = {"LocationConstraint": "eu-west-1"}
            aws("s3").create_bucket(Bucket="models", CreateBucketConfiguration=location)
            aws("iam").create_role(RoleName="model", AssumeRolePolicyDocument="{}")
        return make_hosting(aws, "arn:aws:iam::123456789012:role/model", "models", artifact)

    started = Restarted(tmp_path / "cloud", hosting_of)
    yield started
    started.stop()


def test_an_endpoint_answers_as_soon_as_the_cloud_is_up_again(restarted: Restarted) -> None:
    hosting = restarted.hosting
    model = hosting.model()
    name = hosting.in_service(hosting.config(model))
    before, described = hosting.score(name), hosting.describe(name)
    hosting.aws("s3").delete_object(Bucket="models", Key=f"models/{model}.tar.gz")  # it has its own copy
    hosting = restarted.again()
    assert hosting.score(name) == before
    after = hosting.describe(name)
    for key in ("EndpointStatus", "EndpointConfigName", "CreationTime", "ProductionVariants"):
        assert after[key] == described[key]
    hosting.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=hosting.config(hosting.model(yes=False))
    )
    assert hosting.settled(name)["EndpointStatus"] == "InService"
    assert hosting.score(name) < 0.5


def test_captured_requests_are_written_before_the_cloud_stops(restarted: Restarted) -> None:
    hosting = restarted.hosting
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://models/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    name = hosting.in_service(hosting.config(hosting.model(), DataCaptureConfig=capture))
    hosting.ask(name)
    hosting = restarted.again()
    found = hosting.aws("s3").list_objects_v2(Bucket="models", Prefix=f"capture/{name}/AllTraffic/")
    assert found["KeyCount"] == 1


def test_what_was_under_way_is_not_half_done(restarted: Restarted) -> None:
    hosting = restarted.hosting
    old, new = hosting.config(hosting.model(yes=True)), hosting.config(hosting.model(yes=False))
    updating = hosting.in_service(old)
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 3600}
    hosting.sagemaker.update_endpoint(
        EndpointName=updating, EndpointConfigName=new, DeploymentConfig={"BlueGreenUpdatePolicy": policy}
    )
    hosting.wait(updating, lambda _: hosting.score(updating) < 0.5)
    deleting = hosting.in_service(old)
    hosting.sagemaker.delete_endpoint(EndpointName=deleting)
    creating = hosting.create(old)
    hosting = restarted.again()
    described = hosting.describe(updating)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", old)
    assert "the local cloud was stopped meanwhile" in described["FailureReason"]
    assert hosting.score(updating) > 0.5
    assert hosting.describe(creating)["EndpointStatus"] in ("InService", "Failed")
    listed = [item["EndpointName"] for item in hosting.sagemaker.list_endpoints()["Endpoints"]]
    assert deleting not in listed
    [folder] = (restarted.home / "endpoints" / updating).iterdir()
    assert folder.is_dir()


def test_an_endpoint_whose_model_is_gone_says_so(restarted: Restarted) -> None:
    hosting = restarted.hosting
    name = hosting.in_service()
    restarted.stop()
    shutil.rmtree(restarted.home / "endpoints" / name)
    hosting = restarted.start()
    described = hosting.wait(name, lambda d: d["EndpointStatus"] != "InService")
    assert described["EndpointStatus"] == "Failed"
    assert "No such file or directory" in described["FailureReason"]


def test_no_process_is_left_when_the_cloud_stops(restarted: Restarted, containers_of: Any) -> None:
    name = restarted.hosting.in_service()
    assert len(containers_of(name)) == 1
    restarted.stop()
    assert containers_of(name) == []


def test_no_process_is_left_when_the_cloud_is_killed(restarted: Restarted, containers_of: Any) -> None:
    name = restarted.hosting.in_service()
    os.kill(restarted.cloud.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while containers_of(name):
        assert time.monotonic() < deadline
