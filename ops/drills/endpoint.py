"""An endpoint to break: the one that is there, else one made of the newest approved version for the drill."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from ops.drills import what_if
from ops.endpoints import CSV, delete_endpoint, find_endpoint, invoke, refuse_while_changing, settle
from ops.errors import DrillImpossible, ModelRefused
from ops.registry import list_versions
from ops.target import Target

ROW = b"3,0,22,1,0,7.25,2\n"
MANY = 250_000  # rows: most of the six megabytes that a request may have
HELD_REQUESTS, LOST_REQUESTS = 20, 4
VARIANT = "AllTraffic"
INSTANCE = "ml.m5.large"


@contextmanager
def borrowed(target: Target, name: str) -> Iterator[None]:
    """The endpoint in service. One that was made for this is gone afterwards."""
    found = find_endpoint(target, name)
    if found:
        refuse_while_changing(found)
        yield
        return
    sagemaker, made = target.client("sagemaker"), f"drill-{name}"
    package = _approved(target, name)
    role = target.names.role_arn("model")
    sagemaker.create_model(
        ModelName=made, PrimaryContainer={"ModelPackageName": package}, ExecutionRoleArn=role
    )
    try:
        variant = {
            "VariantName": VARIANT,
            "ModelName": made,
            "InstanceType": INSTANCE,
            "InitialInstanceCount": 1,
        }
        sagemaker.create_endpoint_config(EndpointConfigName=made, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=made)
        settle(target, name)
        yield
    finally:
        _remove(target, name, made)


def ask_while_held(target: Target, endpoint: str, seconds: float) -> None:
    """Requests that hanging containers get: they are late."""
    what_if.hold_containers(target, endpoint, seconds)
    _ask_at_once(target, endpoint, ROW, HELD_REQUESTS)


def ask_while_dying(target: Target, endpoint: str, seconds: float) -> None:
    """Requests that keep containers busy until they die of something else: some are lost."""
    what_if.kill_containers(target, endpoint, seconds)
    _ask_at_once(target, endpoint, ROW * MANY, LOST_REQUESTS)


def _ask_at_once(target: Target, endpoint: str, body: bytes, requests: int) -> None:
    with ThreadPoolExecutor(requests) as pool:
        list(pool.map(lambda _: _ask(target, endpoint, body), range(requests)))


def _ask(target: Target, endpoint: str, body: bytes) -> None:
    with suppress(ModelRefused):
        invoke(target, endpoint, body, CSV)


def _approved(target: Target, endpoint: str) -> str:
    versions, _ = list_versions(target, 0)
    approved = [version.arn for version in versions if version.status == "Approved"]
    if not approved:
        raise DrillImpossible(
            f"There is no endpoint {endpoint}, and no approved version to make one of for the drill: "
            "`titanic train` and `titanic approve VERSION` give one."
        )
    return approved[0]


def _remove(target: Target, name: str, made: str) -> None:
    from botocore.exceptions import ClientError

    sagemaker = target.client("sagemaker")
    if find_endpoint(target, name):
        settle(target, name)
        delete_endpoint(target, name)
    with suppress(ClientError):  # it was never made
        sagemaker.delete_endpoint_config(EndpointConfigName=made)
    sagemaker.delete_model(ModelName=made)
